// What the tests of this folder share.
#ifndef MPG_TESTS_SYNC_UTIL_H_
#define MPG_TESTS_SYNC_UTIL_H_

#include <cstdint>
#include <cstdio>
#include <utility>

#include "base/random.h"
#include "runtime/options.h"
#include "runtime/runtime.h"

namespace mpg {
namespace sync_test {

// gcc defines the macros, clang answers the questions.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MPG_TESTS_SYNC_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MPG_TESTS_SYNC_SANITIZED 1
#endif
#endif

#ifdef MPG_TESTS_SYNC_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

// Sanitizers make everything ten times slower.
inline constexpr int Scaled(int n) { return kSanitized ? n / 10 : n; }

inline RuntimeOptions Procs(int n) {
  RuntimeOptions options;
  options.max_procs = n;
  return options;
}

// Runs `main` as the main goroutine of a Runtime with n Ps, until every
// goroutine has ended: one that is abandoned leaks what it holds.
template <class F>
void RunWith(int n, F&& main) {
  Runtime runtime(Procs(n));
  runtime.Run(std::forward<F>(main));
  runtime.Wait();
}

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
