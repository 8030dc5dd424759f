// Goroutines in system calls. Go: entersyscall, exitsyscall, entersyscallblock,
// exitsyscall0 (proc.go).
//
// The P of a goroutine in a call is kSyscall, and whoever changes that owns it:
// the M when it comes back, or somebody who has use for a P. The M's thread is a
// plain thread for as long (ThreadState::syscall_m), so that code in the call can
// neither park the goroutine nor use a P that it no longer has.
//
// sysmon takes the P of a call that lasts, but later than at once, by 20 us and
// more; with many goroutines that read from slow descriptors, each turn of each of
// them would cost that. So a goroutine that has lost its P in its last calls is
// expected to do so again, and gives the P away itself, until a call turns out to be
// short. (Go does not.)
#include <errno.h>

#include <utility>

#include "base/clock.h"
#include "runtime/goroutine.h"
#include "runtime/sched.h"
#include "runtime/switch_to.h"
#include "runtime/trace_hooks.h"

namespace mpg {
namespace internal {
namespace {

void PutGlobal(M* m, G* prev) { m->sched->Inject(prev); }

// The thread of Run must come back when main returns, so no other goroutine may
// block it: g goes on on another thread, and m0 runs nobody any more. Returns
// g's M.
ABSL_ATTRIBUTE_NOINLINE M* LeaveM0(G* g) {
  M* m = g->m;
  m->retired = true;
  g->site = nullptr;
  SetGStatus(g, GStatus::kRunning, GStatus::kRunnable);
  m->p->CountSwitch();
  if (Traced(m)) {
    TraceGoStop(m, g, TraceName::kPreempted, __builtin_frame_address(0));
  }
  LeaveFor(m, g, &m->g0, PutGlobal);
  return g->m;
}

// Makes this thread a plain one for the call that its goroutine is about to make.
// Returns its M, null if it runs no goroutine.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline M* BeginCall(const Context& caller) {
  ThreadState* t = ThisThread();
  M* m = static_cast<M*>(t->m);
  if (ABSL_PREDICT_FALSE(m == nullptr || m->curg.Get() == &m->g0)) {
    return nullptr;
  }
  G* g = m->curg;
  // Who has stopped the world keeps the P. relaxed: its own.
  if (ABSL_PREDICT_FALSE(m->p->status.load(std::memory_order_relaxed) ==
                         PStatus::kGcstop)) {
    return nullptr;
  }
  if (ABSL_PREDICT_FALSE(m->is_m0 && g->goid != m->sched->main_goid &&
                         g->lockedm == nullptr)) {
    m = LeaveM0(g);
    t = ThisThread();
  }
  m->call = caller;
  // relaxed: see Sched::wait_clock.
  g->wait_since = g->sched->wait_clock.load(std::memory_order_relaxed);
  SetGStatus(g, GStatus::kRunning, GStatus::kSyscall);
  if (Traced(m)) TraceSyscallBegin(m, __builtin_frame_address(0));
  t->m = nullptr;
  t->current = nullptr;
  t->syscall_m = m;
  return m;
}

// A call that is shorter than that was not worth giving the P away for: it is what
// that costs (a thread must be woken), and what sysmon waits.
constexpr int64_t kShortCallNs = 20'000;

bool WorkIsQueued(const Sched* s, const P* p) {
  return !p->runq.Empty() || !s->runq.Empty() || !s->spill.Empty();
}

ABSL_ATTRIBUTE_NOINLINE void GiveAwayP(M* m) {
  const int saved_errno = errno;
  m->sched->HandoffP(m->sched->ReleaseP(m));
  errno = saved_errno;
}

void CallLostP(M* m, G* g) {
  const int64_t began = std::exchange(m->call_began, 0);
  if (began != 0 && NanoTime() - began < kShortCallNs) {
    g->calls_lost = 0;
  } else if (g->calls_lost < Sched::kCallsLost) {
    ++g->calls_lost;
  }
}

void RequeueAfterCall(M* m, G* prev) {
  EndCallWithoutP(m, prev);
  m->sched->Inject(prev);
}

// m's P has been taken. Another one, or a place in the queue.
ABSL_ATTRIBUTE_NOINLINE void ExitSlow(M* m, G* g) {
  Sched* s = m->sched;
  CallLostP(m, g);
  const int hint = m->p.Get() != nullptr ? m->p->id : 0;
  const int saved_errno = errno;
  m->p = nullptr;
  // A stopper of the world who does not find this P idle finds it running.
  const int i = s->stopping.load() ? -1 : s->idle_ps.TakeAny(hint);
  if (i >= 0) {
    s->sysmon->Wakeup();
    s->AcquireP(m, s->allp[i]);
    if (Traced(m)) TraceSyscallEndBlocked(m, g);
    SetGStatus(g, GStatus::kSyscall, GStatus::kRunning);
  }
  errno = saved_errno;
  if (i >= 0) return;
  g->site = nullptr;
  LeaveFor(m, g, &m->g0, RequeueAfterCall);
}

}  // namespace

ABSL_ATTRIBUTE_NOINLINE M* EnterSyscall() {
  M* m = BeginCall(CallerContext());
  if (m == nullptr) return nullptr;
  const G* g = m->curg;
  if (ABSL_PREDICT_FALSE(g->calls_lost >= Sched::kCallsLost) &&
      WorkIsQueued(m->sched, m->p)) {
    m->call_began = NanoTime();
    GiveAwayP(m);
    return m;
  }
  // release: pairs with the compare-and-swaps that take the P. No barrier: a
  // stopper of the world that misses this looks again.
  m->p->status.store(PStatus::kSyscall, std::memory_order_release);
  return m;
}

ABSL_ATTRIBUTE_NOINLINE M* EnterBlockingSyscall() {
  M* m = BeginCall(CallerContext());
  if (m != nullptr) GiveAwayP(m);
  return m;
}

void ExitSyscall(M* m) {
  G* g = m->curg;
  ThreadState* t = ThisThread();
  t->syscall_m = nullptr;
  t->m = m;
  t->current = g;
  P* p = m->p;
  PStatus in_call = PStatus::kSyscall;
  // acq_rel: pairs with whoever took and returned the P; with a P that has been
  // through other hands, and is that of another M in a call now, as good.
  if (ABSL_PREDICT_TRUE(p != nullptr && p->status.compare_exchange_strong(
                                            in_call, PStatus::kRunning,
                                            std::memory_order_acq_rel,
                                            std::memory_order_relaxed))) {
    if (Traced(m)) TraceSyscallEnd(m, g, p, p->m);
    if (ABSL_PREDICT_FALSE(p->m != m)) {
      p->m.Publish(m);  // as in BindP
      p->schedtick = p->schedtick + 1;
    } else {
      g->calls_lost = 0;
    }
    p->syscalltick = p->syscalltick + 1;
    SetGStatus(g, GStatus::kSyscall, GStatus::kRunning);
    // relaxed: see P::interrupt, Waiter::preempt. Who wanted something of the P
    // could not tell the goroutine.
    if (p->interrupt.load(std::memory_order_relaxed)) {
      g->preempt.store(true, std::memory_order_relaxed);
    }
  } else {
    ExitSlow(m, g);
  }
  PreemptPoint(g);
}

bool Sched::RetakeSyscallP(P* p) {
  // Over both: what the goroutine does next without this P must not come into
  // the shared stream before the event.
  RuntimeLockGuard guard(trace.mu);
  const M* const m = TakeSyscallP(p);
  if (m != nullptr) TraceProcSteal(p, m);
  return m != nullptr;
}

const M* Sched::TakeSyscallP(P* p) {
  PStatus in_call = PStatus::kSyscall;
  // acq_rel: pairs with EnterSyscall and ExitSyscall. relaxed on failure: it is
  // somebody else's.
  if (!p->status.compare_exchange_strong(in_call, PStatus::kIdle,
                                         std::memory_order_acq_rel,
                                         std::memory_order_relaxed)) {
    return nullptr;
  }
  const M* const m = p->m;
  p->m = nullptr;
  p->syscalltick = p->syscalltick + 1;
  return m;
}

}  // namespace internal
}  // namespace mpg
