// IdleStack: a lock-free LIFO of intrusive elements (idle Ms: the one that went
// to sleep last has the warmest cache). Treiber's stack with a version tag.
// Go: sched.midle, there a list under sched.lock; lfstack.go.
//
//   struct Thread { std::atomic<Thread*> idle_link{nullptr}; };
//   IdleStack<Thread, &Thread::idle_link> idle;
//   idle.Push(t);
//   Thread* t = idle.Pop();   // null if empty
//
// Thread safety: every method from any thread; lock-free; never blocks.
//
// REQUIRES: an element's memory stays mapped, and its link an atomic that
// nobody else writes while it is on the stack, as long as any thread may be in
// Pop: Pop reads the link of an element that another Pop may just have taken.
// Recycle elements, or end the stack first.
//
// The tag. The head word holds a 48-bit address and 16 bits that each push and
// pop increments. Without it, a Pop that read A and A's successor B, and slept
// while A and B were popped and A was pushed again, would make B the head (the
// ABA problem). It would now have to sleep while exactly a multiple of 65,536
// operations pass. User addresses fit into 48 bits on x86-64 and aarch64 unless
// a program asks mmap for more; Push checks.
//
// Memory order: all operations on the head are seq_cst, so that Push may serve
// as a sleeper's announcement and Pop and Empty as a submitter's look, as in
// queue/idle_mask.h.
#ifndef MPG_QUEUE_IDLE_STACK_H_
#define MPG_QUEUE_IDLE_STACK_H_

#include <atomic>
#include <cstdint>

#include "absl/base/optimization.h"
#include "base/cacheline.h"
#include "base/panic.h"
#include "queue/atomics.h"

namespace mpg {

// Link: a pointer to a member of type Atomics::Atomic<T*>.
template <class T, auto Link, class Atomics = StdAtomics>
class IdleStack {
  static_assert(sizeof(void*) == 8, "packs an address and a tag into 64 bits");

 public:
  IdleStack() : head_(0) {}
  IdleStack(const IdleStack&) = delete;
  IdleStack& operator=(const IdleStack&) = delete;

  void Push(T* t) {
    const uint64_t address = reinterpret_cast<uintptr_t>(t);
    if (ABSL_PREDICT_FALSE(address >> kAddressBits != 0)) {
      FatalError("IdleStack: address of more than 48 bits");
    }
    // relaxed: the compare-and-swap validates it.
    uint64_t old = head_.load(std::memory_order_relaxed);
    do {
      // relaxed: published by the compare-and-swap.
      (t->*Link).store(Address(old), std::memory_order_relaxed);
    } while (!head_.compare_exchange_weak(old, Pack(address, Tag(old) + 1),
                                          std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
  }

  // Null if empty.
  T* Pop() {
    uint64_t old = head_.load(std::memory_order_seq_cst);
    for (;;) {
      T* const t = Address(old);
      if (t == nullptr) return nullptr;
      // relaxed: good if the compare-and-swap finds the head unchanged; the
      // seq_cst load of the head pairs with the Push that wrote it.
      T* const next = (t->*Link).load(std::memory_order_relaxed);
      const uint64_t address = reinterpret_cast<uintptr_t>(next);
      if (head_.compare_exchange_weak(old, Pack(address, Tag(old) + 1),
                                      std::memory_order_seq_cst,
                                      std::memory_order_seq_cst)) {
        return t;
      }
    }
  }

  bool Empty() const {
    return Address(head_.load(std::memory_order_seq_cst)) == nullptr;
  }

 private:
  static constexpr int kAddressBits = 48;

  static T* Address(uint64_t word) {
    return reinterpret_cast<T*>(static_cast<uintptr_t>(word >> 16));
  }
  static uint64_t Tag(uint64_t word) { return word & 0xffff; }
  static uint64_t Pack(uint64_t address, uint64_t tag) {
    return (address << 16) | (tag & 0xffff);
  }

  MPG_CACHELINE_ALIGNED typename Atomics::template Atomic<uint64_t> head_;
};

}  // namespace mpg

#endif  // MPG_QUEUE_IDLE_STACK_H_
