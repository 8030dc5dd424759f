// Preemption of a goroutine that makes no call into mpg. Internal; users see
// RuntimeOptions::async_preempt and AsyncPreemptOff (goroutine.h).
//
// sysmon sends the thread a signal. If the goroutine can be interrupted there, the
// handler gives the goroutine's P to an idle M, queues the goroutine and sleeps;
// whoever picks the goroutine hands its P to the sleeping M, which returns from
// the handler. The goroutine never leaves its thread, so thread-locals, errno,
// malloc's caches and locks stay what they were to it.
// Source: Go's preemptM, wantAsyncPreempt, isAsyncSafePoint (preempt.go); Shiina
// et al., "Lightweight Preemptive User-Level Threads" (PPoPP 2021): KLT-switching.
//
// Where it must not be interrupted (MayPreempt):
//  - it uses its P, or is being switched (UsingP in m.h, G::status, M::after);
//  - its thread holds a RuntimeLock, or NoPreempt (ThreadState::locks);
//  - it is in an AsyncPreemptOff scope;
//  - it is in malloc or in what else the scheduler itself calls and takes locks
//    in (HoldsLibraryLock): the M that gets the P could wait for that lock, with
//    the P, for ever.
// sysmon tries again soon after.
//
// The handler allocates nothing and takes no lock whose holders allocate.
//
// Not under ThreadSanitizer, which holds signals back until the thread calls
// something that it intercepts: a loop that calls nothing is not interrupted.
#ifndef MPG_RUNTIME_PREEMPT_H_
#define MPG_RUNTIME_PREEMPT_H_

#include <signal.h>

namespace mpg {
namespace internal {

struct M;

// Once in the process. A handler that was there before goes on getting the
// signals that are not ours.
void InstallPreemptHandler();

// Has the thread of m look whether its goroutine is to be preempted.
void SendPreemptSignal(const M* m);
// Has it answer the StallReporter of its Sched.
void SendStallSignal(const M* m);
// In a signal handler: the signal is one that sysmon has sent.
bool IsPreemptSignal(int signal, const siginfo_t* info);

// In a signal handler: one of the frames that it has interrupted belongs to a
// function that may hold a lock which the scheduler needs.
bool HoldsLibraryLock();
// Finds these functions. Before the first HoldsLibraryLock.
void FindLockingFunctions();

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_PREEMPT_H_
