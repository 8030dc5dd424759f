// TickClock: CLOCK_MONOTONIC at the price of reading the cycle counter.
//
// Between looks at the real clock, at most 1 ms apart, it extrapolates by the
// counter, at a rate that the process measures as it goes. It is never behind
// NanoTime, and ahead of it by about 1 us at most (a deadline computed from it
// is not early); from one call to the next it may step back by that much. Where
// the counter is no clock (the kernel does not trust it, or it is unknown), each
// call reads the real one.
//
// Thread safety: an object by one thread at a time, on any core.
// Source: the kernel's vDSO does the same with figures that it shares with no
// user; 10 ns instead of 25 a call, measured.
#ifndef MPG_BASE_TICK_CLOCK_H_
#define MPG_BASE_TICK_CLOCK_H_

#include <cstdint>

#include "absl/base/optimization.h"
#include "base/clock.h"

namespace mpg {

// CpuTicks counts time: at one rate, and alike on all cores.
bool CounterIsClock();

class TickClock {
 public:
  // Nanoseconds, comparable with NanoTime.
  int64_t Now() {
    const uint64_t passed = static_cast<uint64_t>(CpuTicks()) - base_ticks_;
    if (ABSL_PREDICT_TRUE(passed < limit_)) {
      return base_ns_ + static_cast<int64_t>(passed * rate_ >> 32);
    }
    return Look();
  }

  // A value of CpuTicks that is reached not after `ns` nanoseconds from now, and
  // after 1 ms at the latest; 0 if that cannot be told.
  int64_t TicksAfter(int64_t ns) const;

 private:
  int64_t Look();

  uint64_t base_ticks_ = 0;
  uint64_t limit_ = 0;  // ticks for which the extrapolation is good; 0: none
  uint64_t rate_ = 0;   // ns a tick, times 2^32, rounded up generously
  int64_t base_ns_ = 0;
};

}  // namespace mpg

#endif  // MPG_BASE_TICK_CLOCK_H_
