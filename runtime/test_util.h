// What the runtime's tests share.
#ifndef MPG_RUNTIME_TEST_UTIL_H_
#define MPG_RUNTIME_TEST_UTIL_H_

#include <chrono>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "runtime/options.h"
#include "runtime/runtime.h"
#include "runtime/switch/fiber_san.h"

namespace mpg {
namespace internal {

// Sanitizers make everything ten times slower, and ThreadSanitizer has room for
// some 8000 stacks.
#if defined(MPG_ASAN) || defined(MPG_TSAN)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

inline constexpr int Scaled(int n) { return kSanitized ? n / 10 : n; }

inline RuntimeOptions Procs(int n) {
  RuntimeOptions options;
  options.max_procs = n;
  return options;
}

// One P, and nobody is asked to give way: for tests that say who runs when. On a
// busy machine a time slice may end anywhere.
inline RuntimeOptions InTurns() {
  RuntimeOptions options = Procs(1);
  options.time_slice = absl::Hours(1);
  return options;
}

// Runs `main` as the main goroutine of a Runtime, until every goroutine has
// ended: one that is abandoned leaks what it holds.
template <class F>
void RunWith(const RuntimeOptions& options, F&& main) {
  Runtime runtime(options);
  runtime.Run(std::forward<F>(main));
  runtime.Wait();
}

template <class F>
void RunWith(int procs, F&& main) {
  RunWith(Procs(procs), std::forward<F>(main));
}

// For tests that abandon goroutines: what those hold on their stacks is never
// freed, by contract. Once in a test's source, in the global namespace.
#define MPG_TEST_ABANDONS_GOROUTINES \
  extern "C" int __lsan_is_turned_off() { return 1; }

// Computes, without any call into mpg.
inline void Burn(std::chrono::microseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

// Waits on a plain thread until done() or a minute is over.
template <class Done>
bool Eventually(Done&& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_TEST_UTIL_H_
