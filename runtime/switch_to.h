// One switch between goroutines, or between a goroutine and its M's g0, with
// all that must follow the goroutine: C++ exception state, errno, who the
// thread's code is.
//
// The protocol (Go bounces through g0 on every park; here the parking goroutine
// goes straight to its successor):
//   1. The goroutine sets m->after to what must happen once it has left its
//      stack (release a lock, queue itself, free its stack).
//   2. It picks a successor and calls SwitchTo.
//   3. The successor, wherever it resumes, first calls AfterSwitch, which runs
//      1's function on the successor's stack.
// Until 3 nobody else can reach the goroutine: it is on no queue, or on one
// whose lock is still held.
#ifndef MPG_RUNTIME_SWITCH_TO_H_
#define MPG_RUNTIME_SWITCH_TO_H_

#include <atomic>

#include "absl/base/attributes.h"
#include "runtime/g.h"
#include "runtime/latency.h"
#include "runtime/m.h"
#include "runtime/p.h"
#include "runtime/sched.h"
#include "runtime/trace_hooks.h"

namespace mpg {
namespace internal {

// Makes `to` what this M runs, as far as the bookkeeping goes.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline void SetCurrent(M* m, G* to) {
  m->curg.Publish(to);  // to PreemptOne
  to->m = m;
  // relaxed: a hint (see Waiter::preempt); a request meant for an earlier run
  // of `to` is void.
  to->preempt.store(false, std::memory_order_relaxed);
  ThisThread()->current = to;
}

// Leaves `from`, which runs on m now, for `to`. Returns when somebody switches
// back to `from`, perhaps on another M; AfterSwitch comes next.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline void SwitchTo(M* m, G* from, G* to,
                                                  bool from_dies = false) {
  from->eh = *m->eh;
  *m->eh = to->eh;
  from->saved_errno = *m->errno_place;
  *m->errno_place = to->saved_errno;
  SetCurrent(m, to);
  SanBeforeSwitch(from->San(), to->San(), from_dies);
  SwitchContext(&from->ctx, &to->ctx);
  SanAfterSwitch(from->San());
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline void AfterSwitch(G* self) {
  M* m = self->m;
  if (AfterSwitchFn after = m->after) {
    after(m, m->after_g);
    // Only now may a signal preempt self (MayPreempt).
    std::atomic_signal_fence(std::memory_order_seq_cst);
    m->after = nullptr;
  }
}

// Leaves g for whoever is next; `after` runs once g has left its stack.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline void LeaveFor(M* m, G* g, G* next,
                                                  AfterSwitchFn after) {
  // The frame's address is as good as the stack pointer here.
  if (ABSL_PREDICT_FALSE(static_cast<char*>(__builtin_frame_address(0)) <
                         g->stack.hi - StackPool::kTrimKeep)) {
    g->deep = true;
  }
  m->after = after;
  m->after_g = g;
  if (Traced(m) && next != &m->g0) TraceGoStartAtOnce(m, next);
  SwitchTo(m, g, next);
  AfterSwitch(g);
}

// Starts fetching what a switch to g will touch. g may be running elsewhere by
// now, or be dead: descriptors stay mapped, and a wrong prefetch does no harm.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline void PrefetchG(const G* g) {
  PrefetchForWrite(&g->eh);
#if !defined(MPG_TSAN)  // reads the context without owning it
  PrefetchContext(&g->ctx);
#endif
}

// The next goroutine that this P would run, without a lock and without looking
// elsewhere; null: ask FindRunnable. Counts the switch in either case. Every 61st
// time (Go 1.24) the global queues come first, so that two goroutines that ready
// each other for ever cannot starve them.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline G* PickLocal(P* p) {
  p->CountSwitch();
  if (p->timers.MayBeDue()) return nullptr;
  const uint32_t tick = p->schedtick;
  if (ABSL_PREDICT_FALSE(tick % 61 == 0) &&
      !(p->sched->runq.EmptyRelaxed() && p->sched->spill.EmptyRelaxed())) {
    return nullptr;
  }
  if (G* g = p->runq.GetRunnext()) return g;  // inherits the time slice
  G* g = p->runq.GetRing();
  if (g != nullptr) {
    p->schedtick = tick + 1;
    if (G* after = p->runq.PeekRing()) PrefetchG(after);
  }
  return g;
}

// Picks a successor for a goroutine that leaves m, ready to be switched to, or
// m's g0 if that takes more than a moment.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline G* PickSuccessor(M* m) {
  P* p = m->p;
  // relaxed: see P::interrupt.
  if (ABSL_PREDICT_FALSE(p->interrupt.load(std::memory_order_relaxed) ||
                         m->lockedg.Get() != nullptr)) {
    p->CountSwitch();
    return &m->g0;
  }
  G* next = PickLocal(p);
  if (next == nullptr) return &m->g0;
  if (ABSL_PREDICT_FALSE(!next->stack || next->flags != 0)) {
    if (next->flags == kGFlagTimed) StopTiming(p, next);
    const bool starts = !next->stack;
    if (next->flags == 0 && starts) next->stack = p->stacks.TakeHot();
    if (next->flags != 0 || !next->stack) {
      m->picked = next;
      return &m->g0;
    }
    if (starts) PrepareFirstRun(next);
  }
  SetGStatus(next, GStatus::kRunnable, GStatus::kRunning);
  return next;
}

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_SWITCH_TO_H_
