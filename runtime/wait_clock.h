// How long a goroutine has been waiting, to the minute, at the price of a copy of
// two bytes each time one parks. Go: g.waitsince.
//
// Go's garbage collector stamps who waits when it comes by. Here sysmon keeps a
// clock in Sched that ticks every 34 s, and who parks copies it. sysmon sets it
// also before a Runtime that was all idle goes on, so it is never old for one who
// runs. Two bytes are what Waiter has to spare; they go round in 26 days, and a
// goroutine that has waited longer is shown with what is left over.
#ifndef MPG_RUNTIME_WAIT_CLOCK_H_
#define MPG_RUNTIME_WAIT_CLOCK_H_

#include <cstdint>

namespace mpg {
namespace internal {

inline constexpr int kWaitClockShift = 35;

inline uint16_t WaitClock(int64_t nanotime) {
  return static_cast<uint16_t>(nanotime >> kWaitClockShift);
}

// The minutes that have gone by since at least.
inline int MinutesSince(uint16_t since, int64_t now) {
  const int ticks = static_cast<uint16_t>(WaitClock(now) - since);
  if (ticks <= 1) return 0;
  constexpr int64_t kMinute = 60'000'000'000;
  return static_cast<int>((static_cast<int64_t>(ticks - 1) << kWaitClockShift) /
                          kMinute);
}

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_WAIT_CLOCK_H_
