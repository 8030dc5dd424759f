// Sudog: one waiter in one channel's queue; WaitQueue: that queue.
//
// A blocked Send or Recv has one Sudog, a blocked Select one for each case.
// They live on the blocked caller's own stack, which stays where it is, so that
// blocking allocates nothing. Go: sudog, waitq (runtime2.go, chan.go).
//
// Thread safety: everything here is guarded by the lock of the channel that the
// queue belongs to, except where a field says otherwise.
//
// Invariants:
//  (1) A Sudog is in at most one queue, and only while its waiter is parked or
//      about to park under that channel's lock.
//  (2) Who takes a Sudog out of a queue, other than its own waiter, owes that
//      waiter one Ready, after which the Sudog no longer exists.
//  (3) Of all Sudogs of one Select, one at most is taken so: the taker must
//      first win Waiter::select_done.
#ifndef MPG_CHANNEL_SUDOG_H_
#define MPG_CHANNEL_SUDOG_H_

#include <atomic>
#include <cstdint>

#include "channel/chan_env.h"

namespace mpg {
namespace internal {

template <class Env>
struct BasicHChan;

// What the waker tells the waiter.
enum class Outcome : uint8_t {
  kDone,    // the value has been handed over
  kClosed,  // the channel was closed
  kRetry,   // the hand-over threw in the waker: nothing happened, start again
};

template <class Env>
struct BasicSudog {
  typename Env::Waiter* waiter;
  BasicHChan<Env>* chan;
  // The value to send, or the place to receive into. See hchan.h for its type.
  void* elem;
  BasicSudog* next;
  BasicSudog* prev;
  // Written by the waker before Ready, read by the waiter after Park.
  Outcome outcome;
  bool is_select;
  bool is_send;
};

// A doubly linked FIFO of Sudogs; 16 bytes.
template <class Env>
class BasicWaitQueue {
 public:
  using Sudog = BasicSudog<Env>;

  // For the lock-free tests of HChan: is nobody in the queue at this moment?
  // acquire: a later load is not made before this one (see HChan::Empty).
  bool EmptyRelaxedly() const {
    return first_.load(std::memory_order_acquire) == nullptr;
  }

  bool empty() const { return first() == nullptr; }

  void Enqueue(Sudog* sg) {
    sg->next = nullptr;
    sg->prev = last_;
    if (last_ == nullptr) {
      SetFirst(sg);
    } else {
      last_->next = sg;
    }
    last_ = sg;
  }

  // Takes out the longest-waiting Sudog whose waiter is still to be had; null
  // if there is none. Sudogs of a Select that another channel has won are
  // dropped on the way. Go: waitq.dequeue.
  Sudog* Dequeue() {
    for (;;) {
      Sudog* const sg = first();
      if (sg == nullptr) return nullptr;
      Unlink(sg);
      if (!sg->is_select || Win(sg)) return sg;
    }
  }

  // Takes `sg` out, wherever it stands. False: it is not in this queue (any
  // more). REQUIRES: sg is in this queue or in none. Go: waitq.dequeueSudoG.
  bool Remove(Sudog* sg) {
    if (sg->prev == nullptr && first() != sg) return false;
    Unlink(sg);
    return true;
  }

  // Empties the queue and returns its Sudogs chained by `next`, first come
  // first, without those of a Select that another channel has won.
  // If `plain`, no Sudog may be a Select's, and this takes constant time.
  Sudog* TakeAll(bool plain) {
    if (!plain) DropLostSelects();
    Sudog* const all = first();
    SetFirst(nullptr);
    last_ = nullptr;
    return all;
  }

  // Claims the Select that `sg` is a case of. False: another channel has it.
  static bool Win(Sudog* sg) {
    uint32_t expected = 0;
    // relaxed: the flag only elects a winner. What the winner hands over is
    // published by Ready, and the flag is reset with all the locks held under
    // which anybody could look at it.
    return sg->waiter->select_done.compare_exchange_strong(
        expected, 1, std::memory_order_relaxed, std::memory_order_relaxed);
  }

 private:
  // relaxed: written under the channel's lock and here read under it; readers
  // without the lock go through EmptyRelaxedly.
  Sudog* first() const { return first_.load(std::memory_order_relaxed); }
  // release: pairs with the acquire in EmptyRelaxedly.
  void SetFirst(Sudog* sg) { first_.store(sg, std::memory_order_release); }

  void Unlink(Sudog* sg) {
    if (sg->prev == nullptr) {
      SetFirst(sg->next);
    } else {
      sg->prev->next = sg->next;
    }
    if (sg->next == nullptr) {
      last_ = sg->prev;
    } else {
      sg->next->prev = sg->prev;
    }
    sg->next = nullptr;
    sg->prev = nullptr;
  }

  void DropLostSelects() {
    Sudog* next;
    for (Sudog* sg = first(); sg != nullptr; sg = next) {
      next = sg->next;
      if (next != nullptr) __builtin_prefetch(next);
      if (sg->is_select && !Win(sg)) Unlink(sg);
    }
  }

  typename Env::template Atomic<Sudog*> first_{nullptr};
  Sudog* last_ = nullptr;
};

using Sudog = BasicSudog<ParkEnv>;
using WaitQueue = BasicWaitQueue<ParkEnv>;

}  // namespace internal
}  // namespace mpg

#endif  // MPG_CHANNEL_SUDOG_H_
