// The schedule loop: what an M does on its g0. Go: schedule, findRunnable,
// stealWork, execute (proc.go).
#include <algorithm>
#include <utility>

#include "base/asymmetric_barrier.h"
#include "base/cacheline.h"
#include "runtime/sched.h"
#include "runtime/shuffle.h"
#include "runtime/switch_to.h"

namespace mpg {
namespace internal {
namespace {

// How long an M that found nothing goes on looking, in rounds of
// kSpinRoundPauses pauses (each some 40 ns on current x86). About as long as it
// costs to wake a thread (27 to 42 us measured): then it never costs more than
// twice the best that could have been done.
constexpr int kSpinRounds = 64;
constexpr int kSpinRoundPauses = 8;
// Taken at once from the global queue when the local one is empty.
// Go: len(pp.runq) / 2.
constexpr int kGlobalBatch = LocalQueue::kCapacity / 2;
// Taken at every 61st pick, when the local queue is not. Go takes one; but here
// a goroutine that yields stays local, and with more goroutines than fit into
// the ring those outside would get a 61st of the turns.
constexpr int kFairBatch = 32;
// Ps whose runnext a spinning M can tell to be stuck; the others' it leaves.
constexpr int kWatchedProcs = 64;

}  // namespace

// Runs goroutines until m is to leave; then m holds no P.
void Sched::ScheduleLoop(M* m) {
  // Once it has left, m may be reused at any time: not touched any more.
  const bool is_m0 = m->is_m0;
  for (;;) {
    G* g = FindRunnable(m);
    if (g == nullptr) break;
    if (ABSL_PREDICT_FALSE((g->flags & kGFlagInHandler) != 0)) {
      WakeInHandler(ReleaseP(m), g->m);
      continue;
    }
    if (ABSL_PREDICT_FALSE((g->flags & kGFlagLocked) != 0 && g->lockedm != m)) {
      StartLockedM(m, g);
      continue;
    }
    if (!g->stack) {
      TakeStack(m->p, g);
      PrepareFirstRun(g);
    }
    Execute(m, g);
    if (ABSL_PREDICT_FALSE(m->lockedg.Get() != nullptr || m->retired) &&
        !StopLockedM(m)) {
      break;
    }
    if (ABSL_PREDICT_FALSE(m->end_thread) && !is_m0) {
      m->end_thread = false;
      HandoffP(ReleaseP(m));
      RecycleM(m, MState::kDead);
      break;
    }
  }
  LeaveThread(is_m0);
}

namespace {
void NothingAfterSwitch(M*, G*) {}
}  // namespace

void Execute(M* m, G* g) {
  StartsToRun(m->p, g);
  SetGStatus(g, GStatus::kRunnable, GStatus::kRunning);
  if (Traced(m)) TraceGoStart(m, g);
  // Until the switch is over no signal may preempt g: it has g's stack, but not yet its
  // frame, and the jump to g->ctx is still to come.
  m->after = NothingAfterSwitch;
  m->after_g = g;
  SwitchTo(m, &m->g0, g);
  AfterSwitch(&m->g0);
}

// Goroutines that start or wake one another inherit the time slice, and a
// request to give way may hit one that is gone. So the P is asked as well, and
// whoever would inherit goes to the queue's end, behind all others. So do some
// of those who wait elsewhere, the goroutine that has just been preempted among
// them: not before the others, lest it be the only one that runs.
void Sched::EndTimeSlice(P* p) {
  if (G* heir = p->runq.GetRunnext()) p->runq.Put(heir, false, SpillTo(p));
  p->schedtick = p->schedtick + 1;
  if (p->runq.RingSize() > LocalQueue::kCapacity / 2) return;
  if (G* g = TakeSpilled(p, kFairBatch, /*newest=*/false)) {
    p->runq.Put(g, false, SpillTo(p));
  }
  if (G* g = TakeGlobalBatch(p, kFairBatch)) {
    p->runq.Put(g, false, SpillTo(p));
  }
}

// What asked for this P's attention, if anything. False: m lost its P.
bool Sched::HandleInterrupt(M* m) {
  P* p = m->p;
  if (!p->interrupt.load()) return true;
  // Cleared first: a reason that comes after its flag was read sets it again.
  p->interrupt.store(false);
  p->timers.CheckSoon();  // PTimers::Earlier
  if (p->run_safe_point.load()) RunSafePoint(p);
  if (!MustLeave(m) && !gcwaiting.load()) {
    // First, so that who has been preempted comes after those who are due.
    p->timers.Check();
    EndTimeSlice(p);
    return true;
  }
  // What a goroutine picked stays with the P.
  if (G* g = std::exchange(m->picked, nullptr)) {
    p->runq.Put(g, true, SpillTo(p));
  }
  // Go: gcstopm. A spinner that loses its P is none any more; were it counted
  // on, nobody would be woken again.
  if (m->spinning) {
    m->spinning = false;
    nmspinning.fetch_sub(1);
  }
  HandoffP(ReleaseP(m));  // for MustLeave as for gcwaiting
  return false;
}

// Blocks until there is a goroutine for m to run. Null: m is to leave.
// Returns with m holding a P (not when null).
G* Sched::FindRunnable(M* m) {
  for (;;) {
    if (m->p.Get() == nullptr) {
      // With a goroutine wired to it, m must not sleep among the idle ones: it
      // may have lost its P to a stop of the world before it ran its goroutine.
      const bool goes_on = m->lockedg.Get() != nullptr || m->retired
                               ? StopLockedM(m)
                               : KeepTime(m) || StopM(m);
      if (!goes_on) return nullptr;
    }
    if (!HandleInterrupt(m)) continue;
    if (m->p->timers.MayBeDue()) m->p->timers.Check();
    if (G* g = std::exchange(m->picked, nullptr)) return Found(m, g);
    if (G* g = LocalOrGlobal(m)) return Found(m, g);
    // Who was woken comes for what waits behind another goroutine: the network, if
    // it goes on bringing something, must not keep it from that.
    if (m->spinning) {
      if (G* g = StealWork(m->p, nullptr)) return FoundElsewhere(m, g);
    }
    if (ABSL_PREDICT_FALSE(net_waiters.load() != 0) && PollNetworkInto(m->p)) {
      continue;
    }
    if (G* g = Spin(m)) return FoundElsewhere(m, g);
    GoIdle(m);
  }
}

// It gets a time slice of its own, not the search's.
G* Sched::FoundElsewhere(M* m, G* g) {
  m->p->schedtick = m->p->schedtick + 1;
  return Found(m, g);
}

// m has work again: if it was the last to spin, another must, should there be
// more work than m can do.
G* Sched::Found(M* m, G* g) {
  if (m->spinning) {
    m->spinning = false;
    SpinSucceeded();
    if (nmspinning.fetch_sub(1) == 1 && idle_ps.Count() != 0 &&
        (AnyWorkAfterBarrier() || TimersUnkept())) {
      WakeP();
    }
  }
  if (m->p->wants_keeper) {
    m->p->wants_keeper = false;
    if (idle_ps.Count() != 0 && TimersUnkept()) WakeP();
  }
  return g;
}

G* Sched::LocalOrGlobal(M* m) {
  P* p = m->p;
  const uint32_t tick = p->schedtick;
  if (tick % 61 == 0) {
    // Fairness before locality: see PickLocal.
    // The two in turn, so that neither starves the other.
    const bool spilled = (tick / 61) % 2 != 0;
    G* g = spilled ? TakeSpilled(p, kFairBatch, /*newest=*/false)
                   : TakeGlobalBatch(p, kFairBatch);
    if (g == nullptr) {
      g = spilled ? TakeGlobalBatch(p, kFairBatch)
                  : TakeSpilled(p, kFairBatch, /*newest=*/false);
    }
    if (g != nullptr) {
      p->schedtick = tick + 1;
      return g;
    }
  }
  auto [g, inherit] = p->runq.Get();
  if (g != nullptr) {
    if (!inherit) p->schedtick = tick + 1;
    return g;
  }
  g = TakeGlobalBatch(p, kGlobalBatch);
  if (g == nullptr) g = TakeSpilled(p, kGlobalBatch, /*newest=*/true);
  if (g != nullptr) p->schedtick = tick + 1;
  return g;
}

// A fair share of the global queue, at most `max`: one returned, the rest to
// p's ring.
G* Sched::TakeGlobalBatch(P* p, int max) {
  const int room = LocalQueue::kCapacity - p->runq.RingSize();
  auto batch = runq.GetShare(gomaxprocs.load(std::memory_order_relaxed),
                             std::min(max, room + 1));
  G* g = batch.Pop();
  if (batch.Size() > 0) {
    p->runq.Fill(batch.Size(), [&batch] { return batch.Pop(); });
    WakeForRing();
  }
  return g;
}

// p's owner has moved goroutines into its ring. On the way they were in no queue,
// and an I3 may just have missed them.
void Sched::WakeForRing() {
  // Pairs with the HeavyBarrier in GoIdle: see sched.h.
  LightBarrier();
  if (ABSL_PREDICT_FALSE(idle_ps.CountRelaxed() != 0)) WakeP();
}

// At most `max` goroutines that overflowed from some P's ring: one returned, the
// rest to p's ring.
G* Sched::TakeSpilled(P* p, int max, bool newest) {
  if (spill.EmptyRelaxed()) return nullptr;
  const int room = LocalQueue::kCapacity - p->runq.RingSize();
  G* batch[kGlobalBatch];
  max = std::min({max, room + 1, spill.Size() / gomaxprocs.load() + 1});
  const int n =
      newest ? spill.TakeNewest(batch, max) : spill.TakeOldest(batch, max);
  if (n == 0) return nullptr;
  ShuffleBatch(&p->rand, batch, n);
  if (n > 1) {
    p->runq.PutBatch(batch + 1, n - 1);
    WakeForRing();
  }
  return batch[0];
}

// Looks for work at other Ps for a bounded time.
G* Sched::Spin(M* m) {
  const int procs = gomaxprocs.load(std::memory_order_relaxed);
  if (procs == 1) return nullptr;
  if (!m->spinning) {
    // Go: at most half of the busy Ps spin.
    if (2 * nmspinning.load() >= procs - idle_ps.Count()) return nullptr;
    m->spinning = true;
    nmspinning.fetch_add(1);
  }
  P* p = m->p;
  uint32_t seen[kWatchedProcs];
  WatchSwitches(seen);
  for (int round = 0; round < kSpinRounds; ++round) {
    if (G* g = StealWork(p, nullptr)) return g;
    if (G* g = TakeGlobalBatch(p, kGlobalBatch)) return g;
    if (G* g = TakeSpilled(p, kGlobalBatch, /*newest=*/true)) return g;
    if (p->interrupt.load()) return nullptr;
    for (int i = 0; i < kSpinRoundPauses; ++i) CpuRelax();
  }
  return StealWork(p, seen);
}

// One look at every other P, in random order. With `seen`, also takes runnext
// from a P that has not switched since.
G* Sched::StealWork(P* p, const uint32_t* seen) {
  const uint32_t procs = gomaxprocs.load(std::memory_order_relaxed);
  uint32_t i = p->rand.Below(procs);
  for (uint32_t k = 0; k < procs; ++k, i = i + 1 == procs ? 0 : i + 1) {
    P* victim = allp[i];
    if (victim == p || idle_ps.Test(i)) continue;
    const bool stuck = seen != nullptr && i < kWatchedProcs &&
                       static_cast<uint32_t>(victim->switches) == seen[i];
    StealStatus status;
    if (G* g = p->runq.StealInto(victim->runq, stuck, &status)) {
      p->steals.Add(1);
      return g;
    }
  }
  return nullptr;
}

void Sched::WatchSwitches(uint32_t* seen) const {
  const int procs = gomaxprocs.load(std::memory_order_relaxed);
  for (int i = 0; i < procs && i < kWatchedProcs; ++i) {
    seen[i] = static_cast<uint32_t>(allp[i]->switches);
  }
}

bool Sched::AnyWork() const {
  if (!runq.Empty() || !spill.Empty()) return true;
  const int procs = gomaxprocs.load();
  for (int i = 0; i < procs; ++i) {
    // Not runnext: its P runs it next, or sysmon sees to it.
    if (allp[i]->runq.RingSize() > 0) return true;
  }
  return false;
}

// Makes what Ps have put into their rings visible to AnyWork: they pay for no
// barrier of their own. None is needed when all Ps are idle: each Put was before
// its P's I1, a read-modify-write of the count that is read here; and whoever
// takes a P after this sees in the count that others are idle.
void Sched::RingBarrier() const {
  if (idle_ps.Count() != gomaxprocs.load()) HeavyBarrier();
}

// AnyWork for who is not I3: sees also what a P has put into its ring and then
// relied on the caller's being a spinner.
bool Sched::AnyWorkAfterBarrier() const {
  if (AnyWork()) return true;
  RingBarrier();
  return AnyWork();
}

// Steps I1 to I3 of the protocol in sched.h.
void Sched::GoIdle(M* m) {
  const bool was_spinning = m->spinning;
  m->p->wants_keeper = false;  // we come to KeepTime
  P* p = ReleaseP(m);
  PutIdleP(p);  // I1
  if (was_spinning) {
    m->spinning = false;
    SpinFailed();
    nmspinning.fetch_sub(1);  // I2
  }
  RingBarrier();
  if (!AnyWork() && !p->interrupt.load()) return;  // I3
  const int i = idle_ps.TakeAny(static_cast<uint32_t>(p->id));
  if (i < 0) return;  // whoever took the Ps sees the work
  sysmon->Wakeup();
  AcquireP(m, allp[i]);
  m->p->wants_keeper = true;  // we do not come to KeepTime after all
  if (was_spinning) {
    m->spinning = true;
    nmspinning.fetch_add(1);
  }
}

}  // namespace internal
}  // namespace mpg
