// Timers of a P, and the calls that time.cc and others make on them. Internal;
// users see runtime/time.h. Go: timers (time.go), in type p.
#ifndef MPG_RUNTIME_TIMERS_H_
#define MPG_RUNTIME_TIMERS_H_

#include <cstdint>
#include <limits>

#include "absl/base/optimization.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/tick_clock.h"
#include "runtime/start_timer.h"
#include "timer/timer_heap.h"

namespace mpg {
namespace internal {

struct G;
struct P;
struct Sched;

// A P's timers. Only P's owner uses what is not said to be for all.
class PTimers final : public TimerHost {
 public:
  explicit PTimers(P* p);
  ~PTimers() override;

  TimerHeap* heap() const { return heap_; }
  int64_t Now() { return clock_.Now(); }

  // False most of the time, at the price of a look at the cycle counter if there
  // are timers, of a load if there are none.
  bool MayBeDue() const {
    return ABSL_PREDICT_FALSE(check_at_ != kNothing) && CpuTicks() >= check_at_;
  }
  // MayBeDue is true at the next look.
  void CheckSoon() { check_at_ = std::numeric_limits<int64_t>::min(); }
  // There is a timer due at `when`; it is `now`.
  void CheckBy(int64_t when, int64_t now);
  // Fires what is due.
  void Check();

  // TimerHost: any thread.
  void Hold() override;
  void Earlier(int64_t when) override;

 private:
  static constexpr int64_t kNothing = std::numeric_limits<int64_t>::max();

  // In CpuTicks; at most 1 ms ahead of them.
  int64_t check_at_ = kNothing;
  TickClock clock_;
  TimerHeap* const heap_;
  P* const p_;
};

// Heaps are never freed, since timers keep pointers to them, but used again.
TimerHeap* TakeHeap();
void ReturnHeap(TimerHeap* heap);  // empty, without a host

// StartTimer on behalf of g (null: a plain thread) and with the P of this thread.
void StartTimerOf(G* g, TimerNode* t, int64_t d);
// Nanoseconds; INT64_MAX stands for longer than anybody waits.
inline int64_t TimerNanos(absl::Duration d) {
  return absl::ToInt64Nanoseconds(d);  // saturates
}

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_TIMERS_H_
