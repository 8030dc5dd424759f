#include "runtime/time.h"

#include <errno.h>
#include <time.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "absl/time/clock.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/panic.h"
#include "base/park.h"
#include "channel/hchan.h"
#include "runtime/bubble.h"
#include "runtime/sched.h"
#include "runtime/timers.h"

namespace mpg {
namespace internal {

// --- Timers with a function. Go: goFunc.

struct FuncTimer final : TimerNode {
  explicit FuncTimer(absl::AnyInvocable<void()> f)
      : TimerNode(&kOps), fn(std::move(f)) {}
  absl::AnyInvocable<void()> fn;

  static void Fire(TimerNode* n, int64_t when, int64_t now);
  static void Destroy(TimerNode* n) {
    RunAsUser([](void* t) { delete static_cast<FuncTimer*>(t); },
              static_cast<FuncTimer*>(n));
  }
  static constexpr TimerOps kOps = {Fire, nullptr, Destroy, /*revocable=*/false,
                                    /*inheritable=*/false};
};

void FuncTimer::Fire(TimerNode* n, int64_t, int64_t) {
  auto* t = static_cast<FuncTimer*>(n);
  t->Ref();
  auto run = [ref = FuncTimerRef(t)] { ref.get()->fn(); };
  M* m = CurrentM();
  if (m != nullptr) {
    SpawnClosure(m->sched, reinterpret_cast<const void*>(&FuncTimer::Fire),
                 std::move(run));
  } else {
    SpawnConcurrent(std::move(run));
  }
}

FuncTimerRef::FuncTimerRef(const FuncTimerRef& other) : t_(other.t_) {
  if (t_ != nullptr) t_->Ref();
}

FuncTimerRef::~FuncTimerRef() {
  if (t_ != nullptr) t_->Unref();
}

namespace {

// --- Timers with a channel. Go: sendTime, and hchan.timer.

struct ChanTimer final : TimerNode {
  explicit ChanTimer(int64_t period_ns) : TimerNode(&kOps), period(period_ns) {
    HChan::MakeIn(channel, &kElem, 1);
  }

  HChan* Chan() { return std::launder(reinterpret_cast<HChan*>(channel)); }
  static ChanTimer* Of(HChan* c);
  bool Stop();
  bool Reset(int64_t d, int64_t new_period);

  static void Fire(TimerNode* n, int64_t when, int64_t now);
  static int64_t Period(const TimerNode* n) {
    // relaxed: a firing that meets a Reset has either period; the Reset then
    // sets the time anew.
    return static_cast<const ChanTimer*>(n)->period.load(
        std::memory_order_relaxed);
  }
  static void Destroy(TimerNode* n) { delete static_cast<ChanTimer*>(n); }
  // The last handle and the last C are gone.
  static void Release(HChan* c);

  using Ops = ChanOps<ElemOf<absl::Time>::Elem>;
  static constexpr TimerOps kOps = {Fire, Period, Destroy, /*revocable=*/true,
                                    /*inheritable=*/true};
  static constexpr ElemType MakeElem() {
    ElemType elem = ElemOf<absl::Time>::kType;
    elem.release = &Release;
    return elem;
  }
  static const ElemType kElem;

  // Makes sending, and stopping with its taking back of what was sent, one after
  // the other. Taken before the locks of heaps and channels.
  RuntimeLock mu;
  bool released = false;  // guarded by mu: the channel is dead
  std::atomic<int64_t> period;
  alignas(16) char channel[HChan::SizeIn(ElemOf<absl::Time>::kType, 1)];

 private:
  bool Drain();
};

static_assert(kIsWord<absl::Time>,
              "else its channel cannot lie in a ChanTimer");

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"  // no virtual bases here
ChanTimer* ChanTimer::Of(HChan* c) {
  return reinterpret_cast<ChanTimer*>(reinterpret_cast<char*>(c) -
                                      offsetof(ChanTimer, channel));
}
#pragma GCC diagnostic pop

const ElemType ChanTimer::kElem = ChanTimer::MakeElem();

void ChanTimer::Fire(TimerNode* n, int64_t, int64_t) {
  auto* t = static_cast<ChanTimer*>(n);
  Waiter* wake = nullptr;
  {
    RuntimeLockGuard guard(t->mu);
    if (!t->TakeFiring() || t->released) return;
    Word<absl::Time> now(mpg::Now());
    HChan* c = t->Chan();
    RuntimeLockGuard chan_guard(c->lock);
    // If it is full, the tick is dropped.
    Ops::SendLocked(c, now.data(), &wake);
  }
  if (wake != nullptr) ReadyInTurn(wake);
}

// Takes a value that nobody has received back. REQUIRES: mu is held.
bool ChanTimer::Drain() {
  Word<absl::Time> value;
  Waiter* wake = nullptr;
  HChan* c = Chan();
  RuntimeLockGuard guard(c->lock);
  return Ops::RecvLocked(c, value.data(), &wake) == Step::kDone;
}

bool ChanTimer::Stop() {
  RuntimeLockGuard guard(mu);
  const bool pending = TimerHeap::Stop(this);
  return Drain() || pending;
}

bool ChanTimer::Reset(int64_t d, int64_t new_period) {
  bool pending;
  {
    // Go: an unreceived value is discarded, and counts as pending.
    RuntimeLockGuard guard(mu);
    pending = TimerHeap::Stop(this);
    if (Drain()) pending = true;
    period.store(new_period, std::memory_order_relaxed);  // see Period
  }
  // If two Resets meet here, the later one wins, as if it had come later.
  return ResetTimer(this, d) || pending;
}

void ChanTimer::Release(HChan* c) {
  ChanTimer* t = Of(c);
  {
    RuntimeLockGuard guard(t->mu);
    t->released = true;
    TimerHeap::Stop(t);
  }
  t->Unref();
}

RecvChan<absl::Time> StartChanTimer(int64_t d, int64_t period) {
  auto* t = new ChanTimer(period);
  RecvChan<absl::Time> c = ChanAccess::Adopt<absl::Time>(t->Chan());
  StartTimer(t, d);
  return c;
}

// --- Sleep.

struct SleepTimer : TimerNode {
  SleepTimer(Waiter* waiter, int64_t d) : TimerNode(&kOps), w(waiter), ns(d) {}
  Waiter* const w;
  const int64_t ns;

  // Once w is ready, the timer, on its stack, may be gone.
  static void Fire(TimerNode* n, int64_t, int64_t) {
    ReadyInTurn(static_cast<SleepTimer*>(n)->w);
  }
  static constexpr TimerOps kOps = {Fire, nullptr, nullptr, false, false};
};

// The timer may fire before this returns.
bool CommitSleep(Waiter* w, void* arg) {
  auto* t = static_cast<SleepTimer*>(arg);
  StartTimerOf(static_cast<G*>(w), t, t->ns);
  return true;
}

// The heaps have been dropped by then.
bool AbandonSleep(Waiter*, void*) { return true; }

constexpr ParkSite kSleep = {WaitReason::kSleep, CommitSleep, AbandonSleep};

void ThreadSleep(int64_t ns) {
  const int64_t end =
      ns > TimerHeap::kMaxWhen ? TimerHeap::kMaxWhen : NanoTime() + ns;
  const timespec until = {end / 1'000'000'000, end % 1'000'000'000};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) ==
         EINTR) {
  }
}

}  // namespace
}  // namespace internal

absl::Time Now() {
  internal::Bubble* bubble = internal::BubbleOf(internal::CurrentG());
  return bubble != nullptr ? bubble->WallNow() : absl::Now();
}

void Sleep(absl::Duration d) {
  const int64_t ns = internal::TimerNanos(d);
  if (ns <= 0) {
    PreemptPoint();
    return;
  }
  internal::G* g = internal::CurrentG();
  if (g == nullptr) return internal::ThreadSleep(ns);
  internal::SleepTimer t(g, ns);
  Park(g, &internal::kSleep, nullptr, &t);
}

Timer::Timer(absl::Duration d)
    : c_(internal::StartChanTimer(internal::TimerNanos(d), 0)) {}

Timer Timer::AfterFunc(absl::Duration d, absl::AnyInvocable<void()> fn) {
  Timer timer;
  auto* t = new internal::FuncTimer(std::move(fn));
  timer.func_ = internal::FuncTimerRef(t);
  internal::StartTimer(t, internal::TimerNanos(d));
  return timer;
}

bool Timer::Stop() const {
  PreemptPoint();
  if (internal::FuncTimer* t = func_.get()) return TimerHeap::Stop(t);
  if (!c_) throw Panic("time: Stop called on uninitialized Timer");
  return internal::ChanTimer::Of(c_.hchan())->Stop();
}

bool Timer::Reset(absl::Duration d) const {
  PreemptPoint();
  const int64_t ns = internal::TimerNanos(d);
  if (internal::FuncTimer* t = func_.get()) return internal::ResetTimer(t, ns);
  if (!c_) throw Panic("time: Reset called on uninitialized Timer");
  return internal::ChanTimer::Of(c_.hchan())->Reset(ns, 0);
}

Ticker::Ticker(absl::Duration d) {
  const int64_t ns = internal::TimerNanos(d);
  if (ns <= 0) throw Panic("non-positive interval for NewTicker");
  c_ = internal::StartChanTimer(ns, ns);
}

void Ticker::Stop() const {
  PreemptPoint();
  if (c_) internal::ChanTimer::Of(c_.hchan())->Stop();
}

void Ticker::Reset(absl::Duration d) const {
  const int64_t ns = internal::TimerNanos(d);
  if (ns <= 0) throw Panic("non-positive interval for Ticker.Reset");
  if (!c_) throw Panic("time: Reset called on uninitialized Ticker");
  internal::ChanTimer::Of(c_.hchan())->Reset(ns, ns);
}

RecvChan<absl::Time> After(absl::Duration d) { return Timer(d).C(); }

RecvChan<absl::Time> Tick(absl::Duration d) {
  if (internal::TimerNanos(d) <= 0) return RecvChan<absl::Time>();
  return Ticker(d).C();
}

Timer AfterFunc(absl::Duration d, absl::AnyInvocable<void()> fn) {
  return Timer::AfterFunc(d, std::move(fn));
}

}  // namespace mpg
