// What the tests of this folder share.
#ifndef MPG_TESTS_SYNC_UTIL_H_
#define MPG_TESTS_SYNC_UTIL_H_

#include <cstdint>
#include <cstdio>

#include "base/random.h"
#include "runtime/options.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"

namespace mpg {
namespace sync_test {

using internal::InTurns;
using internal::kSanitized;
using internal::Procs;
using internal::RunWith;
using internal::Scaled;

// Whether every goroutine of `runtime` but `running` of them is parked, provided
// that nobody outside readies any. A goroutine in a queue when the first snapshot
// looks for idle Ps would have to be run, and so be counted as a schedtick, to be
// out of sight of both.
inline bool AllParkedBut(int running, const Runtime& runtime) {
  const auto quiet = [running](const SchedStats& stats) {
    int queued = stats.runqueue;
    for (int n : stats.local_runqueues) queued += n;
    return stats.idleprocs == stats.gomaxprocs - running && queued == 0;
  };
  const SchedStats first = runtime.Stats();
  if (!quiet(first)) return false;
  const SchedStats second = runtime.Stats();
  return quiet(second) && first.schedticks == second.schedticks;
}

// The seed of a random test, said so that a failure can be repeated.
inline uint64_t TestSeed() {
  const uint64_t seed = SeedFromEnvironment();
  std::printf("MPG_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

}  // namespace sync_test
}  // namespace mpg

#endif  // MPG_TESTS_SYNC_UTIL_H_
