#include "runtime/bubble.h"

#include <algorithm>
#include <utility>

#include "base/panic.h"
#include "runtime/fake_time.h"
#include "runtime/runtime.h"
#include "runtime/sched.h"
#include "runtime/timers.h"

namespace mpg {
namespace internal {
namespace {

// Its Runtime ends: nobody else holds a pointer to it any more.
bool AbandonInBubble(Waiter*, void*) { return true; }

constexpr ParkSite kDriver = {WaitReason::kSynctestRun, nullptr,
                              AbandonInBubble};
constexpr ParkSite kWaiter = {WaitReason::kSynctestWait, nullptr,
                              AbandonInBubble};

}  // namespace

Bubble::Bubble(G* driver) : driver_(driver), heap_(TakeHeap()) {
  ExtraOf(driver)->bubble = this;
  driver->flags |= kGFlagBubble;
}

Bubble::~Bubble() {
  driver_->flags &= ~kGFlagBubble;
  driver_->extra->bubble = nullptr;
  heap_->Drop();
  ReturnHeap(heap_);
}

absl::Time Bubble::WallNow() const {
  return absl::FromUnixSeconds(kEpochSeconds) +
         absl::Nanoseconds(Now() - kStart);
}

void Bubble::Adopt(G* g) {
  ExtraOf(g)->bubble = this;
  g->flags |= kGFlagBubble;
  RuntimeLockGuard guard(mu_);
  ++goroutines_;
  ++active_;
}

void Bubble::Lower(int ended) {
  G* const driver = driver_;
  {
    RuntimeLockGuard guard(mu_);
    goroutines_ -= ended;
    // If the driver has not parked, it will look itself.
    if (--active_ != 0 || !driver_parked_) return;
    driver_parked_ = false;
  }
  Ready(driver);
}

void Bubble::Run(absl::AnyInvocable<void()> fn) {
  SpawnClosure(driver_->sched, __builtin_return_address(0),
               [this, fn = std::move(fn)]() mutable {
                 struct Returned {
                   Bubble* bubble;
                   ~Returned() { bubble->main_returned_ = true; }
                 } returned{this};
                 fn();
               });
  while (Drive()) {
  }
}

// One step. False: all have ended.
bool Bubble::Drive() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  mu_.Lock();
  if (active_ != 0) {
    driver_parked_ = true;
    Park(driver_, &kDriver, &mu_, nullptr);  // unlocks
    return true;
  }
  G* waiter = std::exchange(waiter_, nullptr);
  const bool empty = goroutines_ == 0;
  mu_.Unlock();
  if (waiter != nullptr) {
    Ready(waiter);
    return true;
  }
  if (empty) return false;
  const int64_t next = heap_->NextWhen();
  if (next < TimerHeap::kMaxWhen) {
    now_.store(std::max(Now(), next));
    heap_->Run(Now());
    return true;
  }
  FatalError(main_returned_
                 ? "deadlock: main bubble goroutine has exited but blocked "
                   "goroutines remain"
                 : "deadlock: all goroutines in bubble are blocked");
}

void Bubble::Wait(G* g) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  mu_.Lock();
  if (waiter_ != nullptr) {
    mu_.Unlock();
    throw Panic("wait already in progress");
  }
  waiter_ = g;
  Park(g, &kWaiter, &mu_, nullptr);  // unlocks
}

}  // namespace internal

void RunWithFakeTime(absl::AnyInvocable<void()> fn) {
  internal::G* g = internal::CurrentG();
  if (g == nullptr) {
    Runtime runtime;
    runtime.Run([&fn] { RunWithFakeTime(std::move(fn)); });
    return;
  }
  if (internal::BubbleOf(g) != nullptr) {
    throw Panic("synctest.Run called from within a synctest bubble");
  }
  internal::Bubble(g).Run(std::move(fn));
}

void FakeTimeWait() {
  internal::G* g = internal::CurrentG();
  internal::Bubble* bubble = internal::BubbleOf(g);
  if (bubble == nullptr) {
    throw Panic("goroutine is not in a bubble");
  }
  bubble->Wait(g);
}

}  // namespace mpg
