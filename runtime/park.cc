// What a goroutine does on its own stack: park, ready another, yield, end.
#include "base/park.h"

#include <utility>

#include "base/asymmetric_barrier.h"
#include "base/clock.h"
#include "base/closure_origin.h"
#include "base/panic.h"
#include "runtime/bubble.h"
#include "runtime/event_profile.h"
#include "runtime/latency.h"
#include "runtime/panic.h"
#include "runtime/sched.h"
#include "runtime/shuffle.h"
#include "runtime/spawn.h"
#include "runtime/switch_to.h"
#include "runtime/trace_hooks.h"

namespace mpg {
namespace internal {
namespace {

// Other Ps may be idle: prev should not have to wait for this one.
void PutGlobalAfterSwitch(M* m, G* prev) { m->sched->Inject(prev); }

void RequeueAfterSwitch(M* m, G* prev) {
  P* p = m->p;
  BecomesRunnable(p, prev);
  p->runq.Put(prev, false, SpillTo(p));
}

void ParkAfterSwitch(M* m, G* prev) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  // prev may run again, elsewhere, from the Unlock on (or from within commit):
  // nothing of it is read later.
  const ParkSite* site = prev->site;
  void* arg = prev->site_arg;
  Bubble* bubble = DurableBubble(prev);
  if (prev->park_lock != nullptr) prev->park_lock->Unlock();
  if (ABSL_PREDICT_FALSE(site->commit != nullptr) && !site->commit(prev, arg)) {
    SetGStatus(prev, GStatus::kWaiting, GStatus::kRunnable);
    P* p = m->p;
    if (Traced(m)) TraceGoUnblock(m, prev, __builtin_frame_address(0));
    BecomesRunnable(p, prev);
    p->runq.Put(prev, true, SpillTo(p));
    return;
  }
  // Only now: what will wake it, a timer perhaps, is in place.
  if (ABSL_PREDICT_FALSE(bubble != nullptr)) bubble->Blocked();
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline void DoPark(G* g, const ParkSite* site,
                                                RuntimeLock* lock, void* arg) {
  M* m = g->m;
  g->site = site;
  SetGStatus(g, GStatus::kRunning, GStatus::kWaiting);
  if (Traced(m)) TraceGoBlock(m, g, site->reason, __builtin_frame_address(0));
  G* next = PickSuccessor(m);
  // What others look at only when g has left. The pick has a locked operation,
  // which waits for the stores before it.
  g->site_arg = arg;
  g->park_lock = lock;
  // relaxed: see Sched::wait_clock.
  g->wait_since = m->sched->wait_clock.load(std::memory_order_relaxed);
  LeaveFor(m, g, next, ParkAfterSwitch);
}

// What Go calls blockevent for: what other goroutines, not clocks or the network,
// keep waiting.
bool IsBlockEvent(WaitReason reason) {
  switch (reason) {
    case WaitReason::kChanReceive:
    case WaitReason::kChanSend:
    case WaitReason::kSelect:
    case WaitReason::kSemacquire:
    case WaitReason::kSyncMutexLock:
    case WaitReason::kSyncRWMutexRLock:
    case WaitReason::kSyncRWMutexLock:
    case WaitReason::kSyncCondWait:
    case WaitReason::kSyncWaitGroupWait:
      return true;
    default:
      return false;
  }
}

ABSL_ATTRIBUTE_NOINLINE void ParkProfiled(G* g, const ParkSite* site,
                                          RuntimeLock* lock, void* arg) {
  const bool counts = IsBlockEvent(site->reason);
  const int64_t since = NanoTime();
  DoPark(g, site, lock, arg);
  if (counts) NoteBlocked(NanoTime() - since);
}

void GoroutinePark(Waiter* w, const ParkSite* site, RuntimeLock* lock,
                   void* arg) {
  if (BlockingIsProfiled()) {
    ParkProfiled(static_cast<G*>(w), site, lock, arg);
  } else {
    DoPark(static_cast<G*>(w), site, lock, arg);
  }
}

void GoroutineReady(Waiter* w) {
  G* g = static_cast<G*>(w);
  if (Bubble* bubble = DurableBubble(g)) bubble->Unblocked();
  M* m = CurrentM();
  if (ABSL_PREDICT_TRUE(m != nullptr && m->sched == g->sched &&
                        m->p.Get() != nullptr)) {
    UsingP using_p(m);
    SetGStatus(g, GStatus::kWaiting, GStatus::kRunnable);
    if (Traced(m)) TraceGoUnblock(m, g, __builtin_frame_address(0));
    PutReady(m->p, g);
    return;
  }
  Sched* s = g->sched;
  ForeignCall call(s);  // before the status says that g may be abandoned
  ReadyWithoutP(g);
  s->Inject(g);
}

void GoroutineReadyAndYield(Waiter* w) {
  G* g = static_cast<G*>(w);
  M* m = CurrentM();
  if (m == nullptr || m->sched != g->sched || m->p.Get() == nullptr ||
      m->curg.Get() == &m->g0) {
    GoroutineReady(w);
    return;
  }
  if (Bubble* bubble = DurableBubble(g)) bubble->Unblocked();
  G* self = m->curg;
  self->site = nullptr;
  // Before the P is used: see UsingP.
  SetGStatus(self, GStatus::kRunning, GStatus::kRunnable);
  SetGStatus(g, GStatus::kWaiting, GStatus::kRunnable);
  P* p = m->p;
  if (Traced(m)) {
    TraceGoUnblock(m, g, __builtin_frame_address(0));
    // Go: goyield counts as a preemption.
    TraceGoStop(m, self, TraceName::kPreempted, __builtin_frame_address(0));
  }
  BecomesRunnable(p, g);
  p->runq.Put(g, true, SpillTo(p));
  // Go: goyield puts the caller at the local queue's end.
  LeaveFor(m, self, PickSuccessor(m), RequeueAfterSwitch);
}

void GoroutinePreempt(Waiter* w) {
  G* g = static_cast<G*>(w);
  M* m = g->m;
  // relaxed: see Waiter::preempt.
  g->preempt.store(false, std::memory_order_relaxed);
  // kGcstop: g has stopped the world; the request came too late.
  if (m->p.Get() == nullptr || ThisThread()->locks != 0 ||
      m->p->status.load() == PStatus::kGcstop) {
    return;
  }
  g->site = nullptr;
  // Before the P is used: see UsingP.
  SetGStatus(g, GStatus::kRunning, GStatus::kRunnable);
  m->p->CountSwitch();
  m->p->yields.Add(1);
  if (Traced(m)) {
    TraceGoStop(m, g, TraceName::kPreempted, __builtin_frame_address(0));
  }
  // Go: gopreempt_m puts it on the global queue, so that all others come first.
  LeaveFor(m, g, &m->g0, PutGlobalAfterSwitch);
}

bool GoroutineCanSpin(Waiter* w, int iteration) {
  // Go: sync_runtime_canSpin. Spinning pays if the holder runs on another P and
  // nothing waits for ours.
  Sched* s = static_cast<G*>(w)->sched;
  // relaxed: all heuristics.
  const int procs = s->gomaxprocs.load(std::memory_order_relaxed);
  if (iteration >= 4 || procs <= 1) return false;
  if (procs <= s->idle_ps.CountRelaxed() +
                   s->nmspinning.load(std::memory_order_relaxed) + 1) {
    return false;
  }
  return static_cast<G*>(w)->m->p->runq.Size() == 0;
}

void GoroutineSpawn(Waiter* w, absl::AnyInvocable<void()> fn,
                    uintptr_t origin) {
  SpawnClosure(static_cast<G*>(w)->sched, __builtin_return_address(0),
               NameClosure(std::move(fn), origin));
}

}  // namespace

const WaiterOps kGoroutineOps = {
    GoroutinePark,    GoroutineReady,   GoroutineReadyAndYield,
    GoroutinePreempt, GoroutineCanSpin, GoroutineSpawn,
};

namespace {

[[noreturn]] void OnG0(const char* what) {
  PrintError(what);
  FatalError("scheduler code parks on g0");
}

}  // namespace

// What runs on g0 is the scheduler, and callbacks that it was told not to let
// block.
const WaiterOps kG0Ops = {
    [](Waiter*, const ParkSite*, RuntimeLock*, void*) { OnG0("park\n"); },
    [](Waiter*) { OnG0("ready\n"); },
    [](Waiter*) { OnG0("ready\n"); },
    [](Waiter* w) { w->preempt.store(false, std::memory_order_relaxed); },
    [](Waiter*, int) { return false; },
    GoroutineSpawn,
};

G* CurrentG() {
  M* m = CurrentM();
  if (m == nullptr || m->curg.Get() == &m->g0) return nullptr;
  return m->curg;
}

G* CurrentOrCallingG() {
  if (const M* m = static_cast<M*>(ThisThread()->syscall_m)) return m->curg;
  return CurrentG();
}

void PutReady(P* p, G* g, bool next) {
  BecomesRunnable(p, g);
  next = next != FlipWhenShuffling(&p->rand);
  const PutResult where = p->runq.Put<kSpawnLimit>(g, next, SpillTo(p));
  Sched* s = p->sched;
  // Pairs with the HeavyBarrier in GoIdle: see sched.h.
  LightBarrier();
  if (ABSL_PREDICT_TRUE(s->idle_ps.CountRelaxed() == 0)) return;
  if (where == PutResult::kRunnext) {
    s->RunnextWake(p);
  } else {
    s->WakeP();
  }
}

void ReadyInTurn(Waiter* w) {
  M* m = CurrentM();
  if (w->ops != &kGoroutineOps || m == nullptr || m->p.Get() == nullptr ||
      m->sched != static_cast<G*>(w)->sched) {
    Ready(w);
    return;
  }
  G* g = static_cast<G*>(w);
  if (Bubble* bubble = DurableBubble(g)) bubble->Unblocked();
  UsingP using_p(m);
  SetGStatus(g, GStatus::kWaiting, GStatus::kRunnable);
  if (Traced(m)) TraceGoUnblock(m, g, __builtin_frame_address(0));
  PutReady(m->p, g, /*next=*/m->p->runq.Empty());
}

void PrepareFirstRun(G* g) {
  StackPool* pool = g->sched->PoolOf(g);
  SanOnStackTaken(g->San(), pool->San(g->stack), pool->Lo(g->stack),
                  pool->Usable(g->stack));
  MakeContext(&g->ctx, g->stack.hi, GoroutineMain, nullptr);
}

void Yield(G* g) {
  M* m = g->m;
  g->site = nullptr;
  // Before the P is used: see UsingP.
  SetGStatus(g, GStatus::kRunning, GStatus::kRunnable);
  // Go puts the yielding goroutine on the global queue. The end of the local one
  // takes no lock, and the global one gets its turns at every 61st pick.
  G* next = PickSuccessor(m);
  if (next == &m->g0 && m->picked == nullptr && m->sched->runq.EmptyRelaxed() &&
      m->sched->spill.EmptyRelaxed() && m->lockedg.Get() == nullptr &&
      !m->p->timers.MayBeDue() &&
      // relaxed: see P::interrupt.
      !m->p->interrupt.load(std::memory_order_relaxed)) {
    SetGStatus(g, GStatus::kRunnable, GStatus::kRunning);
    return;  // nobody else wants to run
  }
  if (Traced(m)) {
    TraceGoStop(m, g, TraceName::kGosched, __builtin_frame_address(0));
  }
  LeaveFor(m, g, next, RequeueAfterSwitch);
}

namespace {

// Takes a dead goroutine's descriptor, and its stack, which nobody runs on now.
void EndAfterSwitch(M* m, G* prev) {
  if (prev->lockedm != nullptr) {
    // Go: a goroutine that ends locked takes its thread with it, since the
    // thread may be in a state that only the goroutine understood.
    prev->lockedm = nullptr;
    m->lockedg = nullptr;
    m->end_thread = true;
  }
  Bubble* bubble = BubbleOf(prev);
  m->sched->FreeStack(m->p, prev);
  m->sched->FreeG(m->p, prev);
  if (ABSL_PREDICT_FALSE(bubble != nullptr)) bubble->Ended();
}

// g's closure has returned. Makes the next goroutine go on, on g's own stack,
// if it is a new one; else switches to it. Returns only in the former case.
// This loop is why goroutines that never park need one stack between them.
void EndGoroutine(G* g) {
  M* m = g->m;
  SetGStatus(g, GStatus::kRunning, GStatus::kDead);
  if (Traced(m)) TraceGoDestroy(m, g);
  P* p = m->p;  // after that: see UsingP
  // relaxed: see P::interrupt.
  const bool plain = g->flags == 0 && g->extra == nullptr &&
                     !p->interrupt.load(std::memory_order_relaxed) &&
                     m->lockedg.Get() == nullptr;
  G* next = nullptr;
  if (ABSL_PREDICT_TRUE(plain)) {
    next = PickLocal(p);
  } else {
    p->CountSwitch();
  }
  if (next != nullptr && ABSL_PREDICT_FALSE(next->flags == kGFlagTimed)) {
    StopTiming(p, next);
  }
  if (ABSL_PREDICT_TRUE(next != nullptr && !next->stack && next->flags == 0)) {
    next->stack = std::exchange(g->stack, Stack());
    StackPool& pool = m->sched->stacks;
    SanOnStackTaken(next->San(), pool.San(next->stack), pool.Lo(next->stack),
                    pool.Usable(next->stack));
    next->deep = g->deep;
    SetCurrent(m, next);
    *m->errno_place = 0;
    m->sched->FreeG(p, g);
    if (Traced(m)) TraceGoStartAtOnce(m, next);
    // Last: see UsingP.
    SetGStatus(next, GStatus::kRunnable, GStatus::kRunning);
    return;
  }
  if (next == nullptr) {
    next = &m->g0;
  } else if (next->flags != 0) {
    m->picked = next;
    next = &m->g0;
  } else {
    SetGStatus(next, GStatus::kRunnable, GStatus::kRunning);
    if (Traced(m)) TraceGoStartAtOnce(m, next);
  }
  m->after = EndAfterSwitch;
  m->after_g = g;
  SwitchTo(m, g, next, /*from_dies=*/true);
  FatalError("a dead goroutine runs");
}

}  // namespace

// Not noexcept and without a catch: an exception that nobody catches must find
// no handler, so that std::terminate is called where it was thrown, with the
// goroutine's stack still there to be shown.
void GoroutineMain(void*) {
  G* g = static_cast<G*>(ThisThread()->current);
  SanAfterSwitch(g->San());
  AfterSwitch(g);
  for (;;) {
    g->fn.run(&g->fn);
    EndGoroutine(g);
    g = static_cast<G*>(ThisThread()->current);
  }
}

void EndGoroutineByUnwinding(G* g) {
  // Its stack is deep in the unwinder: no successor may start on it.
  M* m = g->m;
  // A catch (...) that rethrew has counted an exception that nobody catches.
  *m->eh = EhState();
  SetGStatus(g, GStatus::kRunning, GStatus::kDead);
  if (Traced(m)) TraceGoDestroy(m, g);
  m->p->CountSwitch();
  m->after = EndAfterSwitch;
  m->after_g = g;
  SwitchTo(m, g, &m->g0, /*from_dies=*/true);
  FatalError("a dead goroutine runs");
}

}  // namespace internal
}  // namespace mpg
