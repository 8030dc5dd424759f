// The events that the scheduler writes to a trace, each where it happens:
//
//   if (Traced(m)) TraceGoBlock(m, g, site->reason, __builtin_frame_address(0));
//
// Without a trace that is a load and a branch. REQUIRES, unless said otherwise:
// m is this thread's, has a P, and no signal can preempt here (it is on g0, the
// goroutine's status is not kRunning, a UsingP lives or a RuntimeLock is held).
// `frame`: where the running goroutine's stack begins to be shown; not used on g0;
// null: it is the network poller that acts.
//
// Go: traceLocker's methods (traceruntime.go).
#ifndef MPG_RUNTIME_TRACE_HOOKS_H_
#define MPG_RUNTIME_TRACE_HOOKS_H_

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/strings/string_view.h"
#include "base/wait_reason.h"
#include "runtime/g.h"
#include "runtime/m.h"
#include "runtime/p.h"
#include "runtime/trace_names.h"

namespace mpg {
namespace internal {

ABSL_ATTRIBUTE_ALWAYS_INLINE inline bool Traced(const M* m) {
  return ABSL_PREDICT_FALSE(m->trace != nullptr);
}

// m's goroutine or g0 creates g.
void TraceGoCreate(M* m, G* g, const void* frame);
void TraceGoStart(M* m, G* g);  // m leaves g0 or a goroutine that has left it
void TraceGoStartAtOnce(M* m,
                        G* g);  // the same, with the event of who has left
void TraceGoBlock(M* m, G* g, WaitReason reason, const void* frame);
void TraceGoStop(M* m, G* g, TraceName reason, const void* frame);
void TraceGoDestroy(M* m, G* g);
void TraceGoUnblock(M* m, G* g, const void* frame);

void TraceProcStart(M* m);  // it has its P
void TraceProcStop(M* m);   // it still has it
// p, which is new, is idle.
void TraceNewProc(M* m, const P* p);
// m's P is to be another: m's goroutine is off the processor meanwhile.
void TraceProcLost(M* m, const void* frame);
void TraceProcFound(M* m);

void TraceSyscallBegin(M* m, const void* frame);
// p is m's again and was last that of `holder`, m itself or another M in a call.
void TraceSyscallEnd(M* m, G* g, P* p, const M* holder);
// m has got another P.
void TraceSyscallEndBlocked(M* m, G* g);

void TraceStopBegin(M* m, absl::string_view kind, const void* frame);
void TraceStopEnd(M* m);
void TraceProcsChange(M* m, int procs, const void* frame);

// --- Without a P. Called whether there is a trace or not.

// The caller has just taken p from m, which is in a system call. SchedTrace::mu is
// held.
void TraceProcSteal(P* p, const M* m);
// Changes g's status, from kWaiting or of a goroutine that comes back from a call
// without a P, to kRunnable.
void ReadyWithoutP(G* g);
void EndCallWithoutP(M* m, G* g);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_TRACE_HOOKS_H_
