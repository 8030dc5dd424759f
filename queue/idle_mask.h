// IdleMask: a set of small integers (idle processors, processors with timers),
// one bit each, that any thread changes and searches without a lock.
// Go: pMask, idlepMask and sched.npidle (proc.go), without pidleput's list.
//
//   IdleMask idle(max_procs);
//   idle.Set(3);
//   int p = idle.TakeAny(ThreadRand());   // 3, and it is no longer idle
//
// Thread safety: every method from any thread; none blocks.
//
// Memory order: every operation is seq_cst, because the mask is one half of the
// protocol that loses no wake-up:
//   a sleeper:    1. Set its bit;        2. look into all queues;
//   a submitter:  1. publish the work;   2. Count() or TakeAny().
// If the submitter's step 1 is seq_cst too (or followed by a full barrier), one
// of the two sees the other.
//
// Invariant: Count() is at least the number of bits set (it is raised before a
// bit is set and lowered after one is cleared), so zero means that none is.
#ifndef MPG_QUEUE_IDLE_MASK_H_
#define MPG_QUEUE_IDLE_MASK_H_

#include <atomic>
#include <cassert>
#include <cstdint>
#include <memory>

#include "base/cacheline.h"
#include "queue/atomics.h"

namespace mpg {

template <class Atomics>
class BasicIdleMask {
 public:
  // Holds the integers in [0, capacity); none of them at first.
  explicit BasicIdleMask(int capacity)
      : count_(0),
        num_words_((capacity + 63) / 64),
        words_(new Atomic<uint64_t>[num_words_]) {
    assert(capacity > 0);
    for (int w = 0; w < num_words_; ++w) {
      words_[w].store(0, std::memory_order_relaxed);  // not shared yet
    }
  }
  BasicIdleMask(const BasicIdleMask&) = delete;
  BasicIdleMask& operator=(const BasicIdleMask&) = delete;

  // Adds i; false if it was there.
  bool Set(int i) {
    count_.fetch_add(1, std::memory_order_seq_cst);
    const uint64_t old =
        words_[i / 64].fetch_or(Bit(i), std::memory_order_seq_cst);
    if ((old & Bit(i)) == 0) return true;
    count_.fetch_sub(1, std::memory_order_seq_cst);
    return false;
  }

  // Removes i; false if it was not there (somebody took it).
  bool Clear(int i) {
    const uint64_t old =
        words_[i / 64].fetch_and(~Bit(i), std::memory_order_seq_cst);
    if ((old & Bit(i)) == 0) return false;
    count_.fetch_sub(1, std::memory_order_seq_cst);
    return true;
  }

  bool Test(int i) const {
    return (words_[i / 64].load(std::memory_order_seq_cst) & Bit(i)) != 0;
  }

  // How many, perhaps counting one more that is just coming or going; exact
  // when nothing moves, and never 0 while a bit is set.
  int Count() const { return count_.load(std::memory_order_seq_cst); }

  // As Count, but may be old: for a caller that will look again, or whose loss
  // of parallelism somebody else makes good. relaxed: so said.
  int CountRelaxed() const { return count_.load(std::memory_order_relaxed); }

  // Removes one and returns it, the first found from start_hint (any number) on
  // and round; -1 if none is found. Only one caller gets each.
  int TakeAny(uint32_t start_hint) {
    if (Count() == 0) return -1;
    const uint32_t start = start_hint % (uint32_t(num_words_) * 64);
    const int first = static_cast<int>(start / 64);
    const uint64_t above = ~uint64_t{0} << (start % 64);
    int i = TakeFromWord(first, above);
    for (int k = 1; i < 0 && k < num_words_; ++k) {
      i = TakeFromWord((first + k) % num_words_, ~uint64_t{0});
    }
    if (i < 0 && ~above != 0) i = TakeFromWord(first, ~above);
    return i;
  }

  int capacity() const { return num_words_ * 64; }

 private:
  template <class V>
  using Atomic = typename Atomics::template Atomic<V>;

  static uint64_t Bit(int i) { return uint64_t{1} << (i % 64); }

  int TakeFromWord(int w, uint64_t among) {
    uint64_t bits = words_[w].load(std::memory_order_seq_cst) & among;
    while (bits != 0) {
      const int i = w * 64 + __builtin_ctzll(bits);
      if (Clear(i)) return i;
      // Lost that one: look again, since other bits may have come and gone.
      bits = words_[w].load(std::memory_order_seq_cst) & among;
    }
    return -1;
  }

  MPG_CACHELINE_ALIGNED Atomic<int> count_;
  const int num_words_;
  const std::unique_ptr<Atomic<uint64_t>[]> words_;
};

using IdleMask = BasicIdleMask<StdAtomics>;

}  // namespace mpg

#endif  // MPG_QUEUE_IDLE_MASK_H_
