// What the tests of this folder share.
#ifndef MPG_CHANNEL_TEST_UTIL_H_
#define MPG_CHANNEL_TEST_UTIL_H_

#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "base/park.h"

namespace mpg {
namespace channel_test {

// Returns once exactly n plain threads are parked. A test that hangs here has
// found that somebody does not block.
inline void WaitUntilParked(int64_t n) {
  while (internal::ParkedThreads() != n) std::this_thread::yield();
}

// Threads that are joined at the end of the scope.
class Threads {
 public:
  ~Threads() { Join(); }
  template <class F>
  void Start(F f) {
    threads_.emplace_back(std::move(f));
  }
  void Join() {
    for (std::thread& t : threads_) t.join();
    threads_.clear();
  }

 private:
  std::vector<std::thread> threads_;
};

// Counts how many live, so that a value lost or destroyed twice shows. The tag
// tells families of counters apart; kThrowing ones throw when told to.
template <int kTag, bool kThrowing = false>
struct Counted {
  static inline std::atomic<int> alive{0};
  static inline std::atomic<int> moves{0};
  // Throw in the n-th move from now; 0: never.
  static inline std::atomic<int> throw_in{0};
  // And in each move after that.
  static inline std::atomic<bool> keep_throwing{false};

  int value = 0;

  explicit Counted(int v) : value(v) { ++alive; }
  Counted(Counted&& other) noexcept(!kThrowing) : value(other.value) {
    if constexpr (kThrowing) {
      if (throw_in > 0 && --throw_in == 0) {
        if (keep_throwing) throw_in = 1;
        throw std::runtime_error("move");
      }
    }
    other.value = -1;
    ++alive;
    ++moves;
  }
  Counted& operator=(Counted&&) = delete;
  ~Counted() { --alive; }
};

}  // namespace channel_test
}  // namespace mpg

#endif  // MPG_CHANNEL_TEST_UTIL_H_
