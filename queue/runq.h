// RunQueue: a processor's local run queue. A ring of N pointers with one
// producer (the owner) and many consumers (the owner and thieves), and a slot,
// runnext, for the element that the owner wants next. No lock, no allocation.
// Go: p.runq, p.runnext and the runq* functions (proc.go).
//
//   RunQueue<Task> q;
//   // The owner:
//   q.Put(t, next, [&](Task** batch, int n) { global.PutBatch(batch, n); });
//   if (auto item = q.Get(); item.t != nullptr) Run(item.t);
//   // The owner of another queue:
//   StealStatus status;
//   Task* t = mine.StealInto(q, /*steal_runnext=*/false, &status);
//
// Thread safety. Each method says who may call it. "The owner" is whoever holds
// the processor; the role may move from thread to thread if each hand-over
// synchronizes (happens-before). The queue does not own what it holds.
//
// Order. FIFO through the ring; runnext goes before all of it.
//
// Invariants. head_ and tail_ are counters that only grow (mod 2^32); slot i
// is ring_[i % N].
//  (1) Only the owner writes tail_, the slots and a non-null runnext_.
//  (2) tail_ - head_ is in [-1, N]. The elements are the slots [head_, tail_).
//  (3) Whoever moves head_ from h to h + n with a read-modify-write owns the
//      slots [h, h + n) that lie below tail_, and nobody else ever does: of all
//      read-modify-writes only one can follow the value h.
//  (4) -1: the owner takes with head_.fetch_add(1), which cannot fail and is
//      cheaper than a compare-and-swap, but overshoots if thieves emptied the
//      ring after the owner last read head_. The owner then moves tail_ up to
//      head_ before it does anything else. Meanwhile thieves see a negative
//      size, which they take for empty. After the repair, a thief that reads
//      the new tail_ (acquire) has the overshoot in its past, so that it can
//      no longer move head_ from a value below it: the slot that was skipped is
//      never taken.
//  (5) A thief copies the slots first and then claims them by moving head_.
//      Its copies are good if the claim succeeds, because the owner refills a
//      slot only after it has seen head_ beyond it.
//  (6) cached_head_ <= head_: what the owner last saw. Put and Get leave the
//      shared line of head_ alone while that is enough to know.
//
// Waking others. Put publishes with release only. To look for sleepers after it
// without losing a wake-up, the caller needs a full barrier between Put and
// that look (or the sleeper an asymmetric one between its announcement and its
// last Empty()).
//
// ABA: a thief that sleeps between copy and claim while exactly 2^32 elements
// pass is not detected; nor is it in Go.
//
// Rejected:
//  - The owner takes with a compare-and-swap: 2.7 ns for a put and a take
//    against 2.1 (AMD EPYC, gcc 12 -O2), 64 against 41 beside a busy thief.
//  - The owner takes with plain stores and thieves stop it with membarrier(2):
//    could save less than 2 ns a take; membarrier(2) alone takes 1.3 us.
//  - Thefts take runnext as readily as the ring: Tokio lost 30 % by that.
#ifndef MPG_QUEUE_RUNQ_H_
#define MPG_QUEUE_RUNQ_H_

#include <atomic>
#include <cassert>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "base/cacheline.h"
#include "queue/atomics.h"

namespace mpg {

// Where RunQueue::Put left things, so that the caller can decide about waking
// another processor.
enum class PutResult : uint8_t {
  kRunnext,     // in runnext, which was empty: the owner itself runs it next
  kQueued,      // in the ring: the element, or the one it drove out of runnext
  kOverflowed,  // the ring was full: half of it and the element went to
                // overflow
};

// How RunQueue::StealInto ended.
enum class StealStatus : uint8_t {
  kStolen,   // an element is returned; more may now be in the thief's ring
  kLost,     // somebody else moved the victim's head first; may be tried again
  kEmpty,    // nothing to steal
  kRunnext,  // the ring is empty, runnext is not, and it was not asked for
};

template <class T, int N = 256, class Atomics = StdAtomics>
class RunQueue {
  static_assert(N >= 2 && (N & (N - 1)) == 0, "N is a power of two");

 public:
  struct Item {
    T* t;               // null: the queue is empty
    bool inherit_time;  // from runnext: inherits the rest of the time slice
  };

  static constexpr int kCapacity = N;       // of the ring; runnext comes on top
  static constexpr int kSpill = N / 2 + 1;  // elements in an overflow batch

  RunQueue() : runnext_(nullptr), tail_(0), cached_head_(0), head_(0) {}
  RunQueue(const RunQueue&) = delete;
  RunQueue& operator=(const RunQueue&) = delete;

  // Owner only. Appends t, or, with next, puts it in runnext and appends what
  // was there. If the ring is full, overflow(T** batch, int n) receives, in one
  // call, the older half of the ring followed by the new element, oldest first;
  // the batch belongs to it, the array lasts for the call. overflow must not
  // use this queue. Go: runqput, runqputslow.
  // With a kLimit below N the ring counts as full from kLimit elements on, and
  // kLimit / 2 of them overflow: for a caller that would rather see elements of
  // one kind spilled early. kLimit is a power of two.
  template <int kLimit = N, class Overflow>
  PutResult Put(T* t, bool next, Overflow&& overflow) {
    if (next) {
      // relaxed: only the owner stores non-null, so null is the last word.
      if (runnext_.load(std::memory_order_relaxed) == nullptr) {
        // release: pairs with the acquire in StealRunnext.
        runnext_.store(t, std::memory_order_release);
        return PutResult::kRunnext;
      }
      // release: as above. No acquire: what comes out, the owner put in.
      t = runnext_.exchange(t, std::memory_order_release);
      if (t == nullptr) return PutResult::kRunnext;  // stolen since
    }
    // relaxed: the owner's own variable.
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    if (ABSL_PREDICT_FALSE(IsFull(tail, kLimit))) {
      return PutWhenFull<kLimit>(t, tail, overflow);
    }
    // relaxed: published by the store of tail_.
    ring_[tail % N].store(t, std::memory_order_relaxed);
    // release: pairs with the acquire of tail_ in StealInto.
    tail_.store(tail + 1, std::memory_order_release);
    return PutResult::kQueued;
  }

  // Owner only. Appends to the ring what `next()` returns, called once for each
  // element, as many as fit but at most n; returns how many. They become
  // visible to thieves all at once. Go: runqputbatch, whose caller sends the
  // rest to the global queue.
  template <class Next>
  int Fill(int n, Next&& next) {
    const uint32_t tail =
        tail_.load(std::memory_order_relaxed);  // own variable
    int room = static_cast<int>(N - (tail - uint32_t{cached_head_}));
    if (room < n) {
      RefreshHead();
      room = static_cast<int>(N - (tail - uint32_t{cached_head_}));
      if (room < n) n = room;
    }
    for (int i = 0; i < n; ++i) {
      // relaxed: published by the store of tail_.
      ring_[(tail + i) % N].store(next(), std::memory_order_relaxed);
    }
    // release: pairs with the acquire of tail_ in StealInto.
    if (n > 0) tail_.store(tail + n, std::memory_order_release);
    return n > 0 ? n : 0;
  }

  // Owner only. Fill from an array: batch[0], ..., as many as fit.
  int PutBatch(T* const* batch, int n) {
    return Fill(n, [&batch] { return *batch++; });
  }

  // Owner only. Takes runnext, else the head of the ring. Go: runqget.
  Item Get() {
    if (T* t = GetRunnext()) return {t, true};
    return {GetRing(), false};
  }

  // Owner only. Takes runnext; null if there is none.
  T* GetRunnext() {
    // relaxed: a thief may clear it at any time, hence the exchange; null is
    // final, since only the owner stores anything else.
    if (runnext_.load(std::memory_order_relaxed) == nullptr) return nullptr;
    // release: who sees the null in Empty also sees where tail_ was before. No
    // acquire: what comes out, the owner put in.
    return runnext_.exchange(nullptr, std::memory_order_release);
  }

  // Owner only. Takes the head of the ring; null if it is empty.
  T* GetRing() {
    const uint32_t tail =
        tail_.load(std::memory_order_relaxed);           // own variable
    if (uint32_t{cached_head_} == tail) return nullptr;  // by (2) and (6)
    // acquire: for cached_head_; pairs with the release of the thieves' claims,
    // which the owner's own steps do not hide (they prolong the release
    // sequence). No release: the owner's read of the slot below cannot be
    // overtaken by the owner's own refill.
    const uint32_t head = head_.fetch_add(1, std::memory_order_acquire);
    cached_head_ = head + 1;
    if (ABSL_PREDICT_FALSE(head == tail)) {
      // Overshot: see (4). release: pairs with the acquire in StealInto.
      tail_.store(tail + 1, std::memory_order_release);
      return nullptr;
    }
    // relaxed: the owner wrote it.
    return ring_[head % N].load(std::memory_order_relaxed);
  }

  // Owner only. The element that GetRing would probably return, or null; stays
  // in the queue. A thief may take it (and its user may free it) at any time:
  // good for a prefetch, not for a dereference.
  T* PeekRing() const {
    const uint32_t head = cached_head_;
    if (head == tail_.load(std::memory_order_relaxed)) return nullptr;  // own
    return ring_[head % N].load(std::memory_order_relaxed);             // own
  }

  // The owner of *this takes the older half, rounded up, of victim's ring: the
  // oldest element is returned, the others go into this ring. If victim's ring
  // is empty and steal_runnext, takes its runnext. Null if there was nothing,
  // or another was faster: *status says which. Before it steals runnext the
  // caller should give a running victim a few microseconds to run it itself.
  // Never waits. Go: runqsteal, runqgrab.
  // REQUIRES: this ring holds at most N/2 elements; &victim != this.
  T* StealInto(RunQueue& victim, bool steal_runnext, StealStatus* status) {
    assert(&victim != this);
    // acquire: keeps the read of tail_ after it, so that the difference is not
    // negative merely because tail_ is old.
    const uint32_t head = victim.head_.load(std::memory_order_acquire);
    // acquire: pairs with the release stores of tail_ by the victim's owner.
    const uint32_t tail = victim.tail_.load(std::memory_order_acquire);
    const int32_t size = static_cast<int32_t>(tail - head);
    if (size <= 0) return victim.StealRunnext(steal_runnext, status);
    const uint32_t n = static_cast<uint32_t>(size) - size / 2u;
    if (n > N / 2) {  // head is old: others have taken what it says is there
      *status = StealStatus::kLost;
      return nullptr;
    }
    const uint32_t mine =
        tail_.load(std::memory_order_relaxed);  // own variable
    EnsureRoomForSpoils(mine);
    // relaxed, here and in the loop: ordered after the owner's writes by the
    // acquire of tail_ and before its next ones by the claim's release.
    T* const oldest = victim.ring_[head % N].load(std::memory_order_relaxed);
    for (uint32_t i = 1; i < n; ++i) {
      ring_[(mine + i - 1) % N].store(
          victim.ring_[(head + i) % N].load(std::memory_order_relaxed),
          std::memory_order_relaxed);  // published by tail_ below
    }
    uint32_t expected = head;
    // release: pairs with the acquire loads of head_ by the victim's owner: it
    // refills the slots only after they were read above.
    if (!victim.head_.compare_exchange_strong(expected, head + n,
                                              std::memory_order_release,
                                              std::memory_order_relaxed)) {
      *status = StealStatus::kLost;
      return nullptr;
    }
    // release: pairs with the acquire of tail_ by a thief of the spoils.
    if (n > 1) tail_.store(mine + n - 1, std::memory_order_release);
    *status = StealStatus::kStolen;
    return oldest;
  }

  // Any thread. Neither ring nor runnext held anything at one moment during the
  // call. An element that Put drives from runnext into the ring may be missed
  // only until that Put returns. seq_cst: a processor that announced (seq_cst)
  // that it goes to sleep looks here last. Go: runqempty.
  bool Empty() const {
    for (;;) {
      const uint32_t head = head_.load(std::memory_order_seq_cst);
      const uint32_t tail = tail_.load(std::memory_order_seq_cst);
      T* const next = runnext_.load(std::memory_order_seq_cst);
      // The owner may have driven an element from runnext into the ring, and
      // emptied runnext, between the second load and the third: then tail_ has
      // moved.
      if (tail == tail_.load(std::memory_order_seq_cst)) {
        return static_cast<int32_t>(tail - head) <= 0 && next == nullptr;
      }
    }
  }

  // Any thread. How many elements, runnext included; exact when nothing moves.
  int Size() const {
    // relaxed, all: a figure for people and heuristics.
    const bool next = runnext_.load(std::memory_order_relaxed) != nullptr;
    return RingSize() + (next ? 1 : 0);
  }

  // Any thread. As Size, without runnext.
  int RingSize() const {
    const uint32_t head = head_.load(std::memory_order_relaxed);
    const uint32_t tail = tail_.load(std::memory_order_relaxed);
    const int32_t size = static_cast<int32_t>(tail - head);
    return size < 0 ? 0 : size > N ? N : size;
  }

  // Owner only. Calls f(T*) for each element taken out, runnext first, until
  // the queue is empty; returns how many. Thieves may take some meanwhile.
  // Go: runqdrain.
  template <class F>
  int DrainTo(F&& f) {
    int n = 0;
    while (T* t = Get().t) {
      f(t);
      ++n;
    }
    return n;
  }

 private:
  template <class V>
  using Atomic = typename Atomics::template Atomic<V>;

  // Owner only. Looks at head_ only when cached_head_ says that it is full.
  bool IsFull(uint32_t tail, uint32_t limit) {
    if (ABSL_PREDICT_TRUE(tail - uint32_t{cached_head_} < limit)) return false;
    RefreshHead();
    return tail - uint32_t{cached_head_} >= limit;
  }

  void RefreshHead() {
    // acquire: pairs with the release of the thieves' claims; slots they read
    // may be refilled now.
    cached_head_ = head_.load(std::memory_order_acquire);
  }

  void EnsureRoomForSpoils(uint32_t tail) {
    if (tail - uint32_t{cached_head_} > N / 2) RefreshHead();
    assert(tail - uint32_t{cached_head_} <= N / 2);
  }

  template <int kLimit, class Overflow>
  ABSL_ATTRIBUTE_NOINLINE PutResult PutWhenFull(T* t, uint32_t tail,
                                                Overflow& overflow) {
    static_assert(kLimit >= 2 && kLimit <= N && (kLimit & (kLimit - 1)) == 0);
    T* batch[kLimit / 2 + 1];
    uint32_t head = cached_head_;  // just refreshed by IsFull
    for (int i = 0; i < kLimit / 2; ++i) {
      // relaxed: the owner wrote it.
      batch[i] = ring_[(head + i) % N].load(std::memory_order_relaxed);
    }
    // acquire: for cached_head_, as in RefreshHead. No release: the owner alone
    // refills these slots.
    if (!head_.compare_exchange_strong(head, head + kLimit / 2,
                                       std::memory_order_acquire,
                                       std::memory_order_acquire)) {
      // A thief made room.
      cached_head_ = head;
      ring_[tail % N].store(t, std::memory_order_relaxed);  // as in Put
      tail_.store(tail + 1, std::memory_order_release);     // as in Put
      return PutResult::kQueued;
    }
    cached_head_ = head + kLimit / 2;
    batch[kLimit / 2] = t;
    overflow(static_cast<T**>(batch), kLimit / 2 + 1);
    return PutResult::kOverflowed;
  }

  // Any thread.
  T* StealRunnext(bool really, StealStatus* status) {
    // relaxed: only a hint whether to go on.
    T* next = runnext_.load(std::memory_order_relaxed);
    if (next == nullptr) {
      *status = StealStatus::kEmpty;
      return nullptr;
    }
    if (!really) {
      *status = StealStatus::kRunnext;
      return nullptr;
    }
    // acquire: pairs with the release in Put. If the same element went and came
    // back since the load, taking it is still right.
    if (!runnext_.compare_exchange_strong(next, nullptr,
                                          std::memory_order_acquire,
                                          std::memory_order_relaxed)) {
      *status = StealStatus::kLost;
      return nullptr;
    }
    *status = StealStatus::kStolen;
    return next;
  }

  // Written by the owner at every step; thieves read tail_ and runnext_, and
  // clear runnext_.
  MPG_CACHELINE_ALIGNED Atomic<T*> runnext_;
  Atomic<uint32_t> tail_;
  typename Atomics::template Owned<uint32_t> cached_head_;

  // Written by the owner and thieves.
  MPG_CACHELINE_ALIGNED Atomic<uint32_t> head_;

  // Written by the owner; read by thieves.
  MPG_CACHELINE_ALIGNED Atomic<T*> ring_[N];
};

}  // namespace mpg

#endif  // MPG_QUEUE_RUNQ_H_
