// Debug builds with MPG_DEBUG_SCHED (bazel --config=dbg) order goroutines at
// random, from $MPG_SEED, so that code which relies on an order that the
// scheduler merely happens to keep fails soon, and fails again.
// Go: randomizeScheduler (proc.go), which the race detector's build turns on.
#ifndef MPG_RUNTIME_SHUFFLE_H_
#define MPG_RUNTIME_SHUFFLE_H_

#include <utility>

#include "base/random.h"

namespace mpg {
namespace internal {

#if defined(MPG_DEBUG_SCHED)
inline constexpr bool kShuffle = true;
#else
inline constexpr bool kShuffle = false;
#endif

// True half of the time when shuffling, else never.
inline bool FlipWhenShuffling(FastRand* rand) {
  return kShuffle && rand->Below(2) == 0;
}

template <class T>
void ShuffleBatch(FastRand* rand, T** batch, int n) {
  if (!kShuffle) return;
  for (int i = 1; i < n; ++i) {
    std::swap(batch[i], batch[rand->Below(static_cast<uint32_t>(i) + 1)]);
  }
}

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_SHUFFLE_H_
