// Timers in the scheduler: which P has them, who runs them and when.
// Go: timers.check, checkTimersNoP, wakeNetPoller (time.go, proc.go).
#include "runtime/timers.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "base/lock.h"
#include "runtime/bubble.h"
#include "runtime/sched.h"
#include "runtime/timer_service.h"

namespace mpg {
namespace internal {
namespace {

// A keeper that goes to work leaves timers that are due this soon to another M;
// later ones sysmon sees to, which looks at least as often.
constexpr int64_t kTorchNs = 10'000'000;

// Heaps that are nobody's now.
RuntimeLock heaps_mu;
std::vector<TimerHeap*>& FreeHeaps() ABSL_EXCLUSIVE_LOCKS_REQUIRED(heaps_mu) {
  static auto* heaps = new std::vector<TimerHeap*>;
  return *heaps;
}

int64_t AddSaturating(int64_t now, int64_t d) {
  if (d <= 0) return now;
  return d > TimerHeap::kMaxWhen - now ? TimerHeap::kMaxWhen : now + d;
}

// When the heap has to be looked at, after a Reset to `when` has made an entry:
// another Reset, just then, may have made it an earlier one.
int64_t Soonest(const TimerHeap* heap, int64_t when) {
  return std::min(when, heap->NextWhen());
}

// The P that this thread holds, or null.
P* TimerP() {
  M* m = CurrentM();
  return m != nullptr ? m->p.Get() : nullptr;
}

}  // namespace

TimerHeap* TakeHeap() {
  RuntimeLockGuard guard(heaps_mu);
  auto& heaps = FreeHeaps();
  if (heaps.empty()) return new TimerHeap;
  TimerHeap* heap = heaps.back();
  heaps.pop_back();
  return heap;
}

void ReturnHeap(TimerHeap* heap) {
  RuntimeLockGuard guard(heaps_mu);
  FreeHeaps().push_back(heap);
}

PTimers::PTimers(P* p) : heap_(TakeHeap()), p_(p) { heap_->SetHost(this); }

PTimers::~PTimers() {
  heap_->Retire(ServiceTimers);
  ReturnHeap(heap_);
}

void PTimers::CheckBy(int64_t when, int64_t now) {
  check_at_ = std::min(check_at_, clock_.TicksAfter(when - now));
}

void PTimers::Check() {
  const int64_t now = NanoTime();
  clock_.Now();  // for its rate
  const int64_t next = heap_->Run(now);
  check_at_ =
      next == TimerHeap::kNever ? kNothing : clock_.TicksAfter(next - now);
}

void PTimers::Hold() { p_->sched->foreign_calls.fetch_add(1); }

void PTimers::Earlier(int64_t when) {
  Sched* s = p_->sched;
  p_->interrupt.store(true);  // makes the owner look
  if (s->idle_ps.Count() != 0) s->NeedKeeper(when);
  s->foreign_calls.fetch_sub(1);
}

int64_t Sched::EarliestTimer() const {
  int64_t when = TimerHeap::kNever;
  const int procs = gomaxprocs.load();
  for (int i = 0; i < procs; ++i) {
    when = std::min(when, allp[i]->timers.heap()->NextWhen());
  }
  return when;
}

int64_t Sched::KeeperTime() const {
  const int64_t when = EarliestTimer();
  return when == TimerHeap::kNever && net_waiters.load() != 0
             ? TimerHeap::kMaxWhen
             : when;
}

bool Sched::TimersUnkept() {
  // Tells a keeper that sleeps for longer.
  const int64_t when = KeeperTime();
  return when != TimerHeap::kNever && !keeper.WakeFor(when);
}

void Sched::NeedKeeper(int64_t when) {
  // WakeP does nothing if somebody spins: that M comes to KeepTime, or sees to it
  // in Found.
  if (!keeper.WakeFor(when)) WakeP();
}

void Sched::TimerAdded(P* p, int64_t when) {
  // T2 of the protocol in sched.h.
  if (idle_ps.Count() == 0) return;
  const M* m = p->m;
  if (m->curg.Get() == &m->g0) {
    p->wants_keeper = true;  // p may be about to idle
  } else {
    NeedKeeper(when);
  }
}

// Forgets the timers that were stopped, when all is idle: only others keep a
// program that is blocked for ever alive.
void Sched::DropStoppedTimers() {
  const int procs = gomaxprocs.load();
  for (int i = 0; i < procs; ++i) {
    TimerHeap* heap = allp[i]->timers.heap();
    if (heap->Stopped() != 0) heap->Compact();
  }
  if (KeeperTime() == TimerHeap::kNever && keeper.Kept()) keeper.WakeFor(0);
  CompactServiceTimers();
}

// m holds no P and has nothing to do: keeps the time if nobody else does. True:
// a timer was due, and m has a P.
bool Sched::KeepTime(M* m) {
  const bool due = keeper.Keep([this] { return KeeperTime(); },
                               [this, m] { return MustLeave(m); });
  if (MustLeave(m)) {
    if (TimersUnkept()) WakeP();
    return false;
  }
  if (!due) return false;
  // If there is none, all Ps are busy and look by themselves; whoever idles one
  // after this comes here.
  const int i = idle_ps.TakeAny(0);
  if (i < 0) {
    // Nobody else may come to poll for long.
    if (NetworkUnpolled()) PollNetworkForeign();
    return false;
  }
  sysmon->Wakeup();
  AcquireP(m, allp[i]);
  RunTimers(m->p, NanoTime());
  if (net_waiters.load() != 0) PollNetworkInto(m->p);
  return true;
}

// Runs what is due on any P.
void Sched::RunTimers(P* p, int64_t now) {
  const int procs = gomaxprocs.load();
  for (int i = 0; i < procs; ++i) {
    TimerHeap* heap = allp[i]->timers.heap();
    if (heap->NextWhen() <= now) heap->Run(now);
  }
  p->timers.CheckSoon();
  // Usually p is idle again before the next timer is due. If not, somebody else
  // should keep the time meanwhile.
  if (!p->runq.Empty() && EarliestTimer() < now + kTorchNs) {
    p->wants_keeper = true;
  }
}

namespace {

// fn(arg), for a goroutine; once in any case: when the goroutine ends with its Runtime
// before it has run, too.
class OwedCall {
 public:
  OwedCall(void (*fn)(void*), void* arg) : fn_(fn), arg_(arg) {}
  OwedCall(OwedCall&& other) noexcept
      : fn_(std::exchange(other.fn_, nullptr)), arg_(other.arg_) {}
  ~OwedCall() { (*this)(); }
  void operator()() {
    if (auto* fn = std::exchange(fn_, nullptr)) fn(arg_);
  }

 private:
  void (*fn_)(void*);
  void* arg_;
};

}  // namespace

void RunAsUser(void (*fn)(void*), void* arg) {
  const M* m = CurrentM();
  // Between goroutines (M::after) the stack belongs to neither.
  const bool scheduler =
      m != nullptr && (m->curg.Get() == &m->g0 || m->after != nullptr);
  if (!scheduler && ThisThread()->locks == 0) {
    fn(arg);
  } else if (m != nullptr) {
    SpawnClosure(m->sched, nullptr, OwedCall(fn, arg));
  } else {
    SpawnConcurrent(OwedCall(fn, arg));
  }
}

void StartTimer(TimerNode* t, int64_t d) { StartTimerOf(CurrentG(), t, d); }

void StartTimerOf(G* g, TimerNode* t, int64_t d) {
  if (Bubble* bubble = BubbleOf(g)) {
    bubble->heap()->Start(t, AddSaturating(bubble->Now(), d));
    return;
  }
  DeadTimers dead;       // destroyed after no_preempt
  NoPreempt no_preempt;  // stay on this P
  P* p = TimerP();
  if (p == nullptr) {
    const int64_t when = AddSaturating(NanoTime(), d);
    if (ServiceTimers()->Start(t, when, &dead)) ServiceTimerAdded(when);
    return;
  }
  const int64_t now = p->timers.Now();
  const int64_t when = AddSaturating(now, d);
  if (p->timers.heap()->Start(t, when, &dead)) {
    p->timers.CheckBy(when, now);
    p->sched->TimerAdded(p, when);
  }
}

bool ResetTimer(TimerNode* t, int64_t d) {
  if (Bubble* bubble = BubbleOf(CurrentG())) {
    return bubble->heap()->Reset(t, AddSaturating(bubble->Now(), d), nullptr);
  }
  DeadTimers dead;       // destroyed after no_preempt
  NoPreempt no_preempt;  // stay on this P
  P* p = TimerP();
  bool earliest;
  if (p == nullptr) {
    const int64_t when = AddSaturating(NanoTime(), d);
    const bool pending = ServiceTimers()->Reset(t, when, &earliest, &dead);
    if (earliest) ServiceTimerAdded(Soonest(ServiceTimers(), when));
    return pending;
  }
  const int64_t now = p->timers.Now();
  const int64_t when = AddSaturating(now, d);
  const bool pending = p->timers.heap()->Reset(t, when, &earliest, &dead);
  if (earliest) {
    const int64_t soonest = Soonest(p->timers.heap(), when);
    p->timers.CheckBy(soonest, now);
    p->sched->TimerAdded(p, soonest);
  }
  return pending;
}

}  // namespace internal
}  // namespace mpg
