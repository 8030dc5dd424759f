// The two clocks of the scheduler.
//
// Thread safety: callable from any thread and from a signal handler.
// Source: Go's nanotime and cputicks (runtime).
#ifndef MPG_BASE_CLOCK_H_
#define MPG_BASE_CLOCK_H_

#include <time.h>

#include <cstdint>

namespace mpg {

// Nanoseconds of CLOCK_MONOTONIC: never steps back, does not count suspend.
// About 16 ns a call through the vDSO.
inline int64_t NanoTime() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

// The core's own cycle counter, in a unit of its own (the TSC on x86-64, the
// virtual counter on aarch64). Cheaper than NanoTime and not ordered with the
// instructions around it: good for seeds, statistics and short spin limits.
inline int64_t CpuTicks() {
#if defined(__x86_64__)
  return static_cast<int64_t>(__builtin_ia32_rdtsc());
#elif defined(__aarch64__)
  int64_t ticks;
  asm volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
#else
  return NanoTime();
#endif
}

}  // namespace mpg

#endif  // MPG_BASE_CLOCK_H_
