// The rival of queue/runq.h in its benchmark: the work-stealing deque of Chase
// and Lev (2005) with the orders of Lê et al. (PPoPP 2013), fixed capacity.
// The owner pushes and pops at the bottom (LIFO), thieves take one at the top.
// Measured here, used nowhere.
#ifndef MPG_QUEUE_BENCH_CHASE_LEV_H_
#define MPG_QUEUE_BENCH_CHASE_LEV_H_

#include <atomic>
#include <cstdint>

#include "base/cacheline.h"

namespace mpg {

template <class T, int N = 256>
class ChaseLevDeque {
  static_assert((N & (N - 1)) == 0, "N is a power of two");

 public:
  // Owner only. False: full.
  bool Push(T* t) {
    const int64_t b = bottom_.load(std::memory_order_relaxed);
    // acquire: pairs with the thieves' compare-and-swap of top_.
    const int64_t top = top_.load(std::memory_order_acquire);
    if (b - top >= N) return false;
    ring_[b % N].store(t, std::memory_order_relaxed);
    // release: pairs with the acquire of bottom_ in Steal.
    bottom_.store(b + 1, std::memory_order_release);
    return true;
  }

  // Owner only. The element pushed last; null: empty.
  T* Pop() {
    const int64_t b = bottom_.load(std::memory_order_relaxed) - 1;
    // seq_cst exchange in place of the paper's fence: as dear on x86-64, and
    // ThreadSanitizer understands it. Against the two seq_cst loads in Steal.
    bottom_.exchange(b, std::memory_order_seq_cst);
    int64_t top = top_.load(std::memory_order_seq_cst);
    T* t = nullptr;
    if (top <= b) {
      t = ring_[b % N].load(std::memory_order_relaxed);
      if (top < b) return t;
      // The last one: the thieves want it too.
      if (!top_.compare_exchange_strong(top, top + 1,
                                        std::memory_order_seq_cst)) {
        t = nullptr;
      }
    }
    bottom_.store(b + 1, std::memory_order_relaxed);
    return t;
  }

  // Any thread. The oldest element; null: empty, or another was faster.
  T* Steal() {
    int64_t top = top_.load(std::memory_order_seq_cst);
    const int64_t b = bottom_.load(std::memory_order_seq_cst);
    if (top >= b) return nullptr;
    T* const t = ring_[top % N].load(std::memory_order_relaxed);
    return top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst)
               ? t
               : nullptr;
  }

 private:
  MPG_CACHELINE_ALIGNED std::atomic<int64_t> top_{0};
  MPG_CACHELINE_ALIGNED std::atomic<int64_t> bottom_{0};
  MPG_CACHELINE_ALIGNED std::atomic<T*> ring_[N] = {};
};

}  // namespace mpg

#endif  // MPG_QUEUE_BENCH_CHASE_LEV_H_
