// Bubble: goroutines with a clock of their own (fake_time.h). Go: synctestGroup
// (synctest.go).
//
// The goroutine that called RunWithFakeTime drives it: sleeps while some goroutine
// of the bubble is active, and otherwise wakes who waits for that, or moves the
// clock and fires timers. It is in the bubble itself, so that what timers start is
// too, but is not counted.
//
// `active_` counts the goroutines that are not durably blocked. It is lowered when
// one has parked and what will wake it is in place, and raised before one is made
// runnable; a wake-up that overtakes the parking only makes it too large for a
// moment. So when it is 0, all are blocked, and only the driver can change that.
#ifndef MPG_RUNTIME_BUBBLE_H_
#define MPG_RUNTIME_BUBBLE_H_

#include <atomic>
#include <cstdint>

#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "base/lock.h"
#include "base/park.h"
#include "base/wait_reason.h"
#include "runtime/g.h"
#include "timer/timer_heap.h"

namespace mpg {
namespace internal {

class Bubble {
 public:
  explicit Bubble(G* driver);
  ~Bubble();

  // The driver's: runs fn and all that comes of it.
  void Run(absl::AnyInvocable<void()> fn);
  // One of the bubble's goroutines waits for the others.
  void Wait(G* g);

  // Makes g, which is being started, one of the bubble's.
  void Adopt(G* g);
  // Any thread. The bubble may be gone when Ended returns.
  void Ended() { Lower(1); }
  void Blocked() { Lower(0); }
  void Unblocked() {
    RuntimeLockGuard guard(mu_);
    ++active_;
  }

  const G* driver() const { return driver_; }
  TimerHeap* heap() { return heap_; }
  // Nanoseconds of the bubble's clock.
  int64_t Now() const { return now_.load(); }
  absl::Time WallNow() const;

 private:
  // Go: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).
  static constexpr int64_t kEpochSeconds = 946684800;
  // A TimerHeap's time 0 means that a timer is not set.
  static constexpr int64_t kStart = 1;

  void Lower(int ended);
  bool Drive();

  G* const driver_;
  TimerHeap* const heap_;
  std::atomic<int64_t> now_{kStart};  // changed by the driver, nobody else runs
  std::atomic<bool> main_returned_{false};
  RuntimeLock mu_;
  int64_t active_ ABSL_GUARDED_BY(mu_) = 0;
  int64_t goroutines_ ABSL_GUARDED_BY(mu_) = 0;
  bool driver_parked_ ABSL_GUARDED_BY(mu_) = false;
  G* waiter_ ABSL_GUARDED_BY(mu_) = nullptr;
};

// The bubble that g (may be null) is in, or null.
inline Bubble* BubbleOf(const G* g) {
  if (ABSL_PREDICT_TRUE(g == nullptr || (g->flags & kGFlagBubble) == 0)) {
    return nullptr;
  }
  return g->extra->bubble;
}

// Blocked until the bubble itself does something about it. Mutexes are not: who
// holds one may be outside. Go: waitReason.isIdleInSynctest.
inline bool IsDurable(WaitReason reason) {
  return reason != WaitReason::kSyncMutexLock &&
         reason != WaitReason::kSyncRWMutexLock &&
         reason != WaitReason::kSyncRWMutexRLock &&
         reason != WaitReason::kStoppingTheWorld &&
         reason != WaitReason::kIOWait;
}

// The bubble that counts g, which is parked, or about to be, as blocked; or null.
inline Bubble* DurableBubble(const G* g) {
  Bubble* bubble = BubbleOf(g);
  if (ABSL_PREDICT_TRUE(bubble == nullptr)) return nullptr;
  return g != bubble->driver() && IsDurable(g->site->reason) ? bubble : nullptr;
}

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_BUBBLE_H_
