// Intrusive lists, and the global run queue made of them. An element carries
// its own link, so nothing is ever allocated.
//
//   GList         a stack with a count.            Go: gList
//   GQueue        a FIFO queue with a count.       Go: gQueue
//   GlobalQueue   a GQueue behind a lock, whose emptiness is known without it.
//                 Go: sched.runq, globrunqput, globrunqget (proc.go)
//
//   struct Task { Task* link = nullptr; };
//   GlobalQueue<Task, &Task::link> q;
//   q.Put(t);
//   GQueue<Task, &Task::link> mine = q.Get(/*max=*/128);
//
// An element is on at most one list at a time, and its link belongs to that
// list. The link of an element that is on no list is null. Lists do not own
// their elements. GList and GQueue are not thread-safe.
#ifndef MPG_QUEUE_GQUEUE_H_
#define MPG_QUEUE_GQUEUE_H_

#include <atomic>
#include <cassert>
#include <utility>

#include "base/cacheline.h"
#include "base/lock.h"
#include "queue/atomics.h"

namespace mpg {

// A LIFO list. Move-only, so that no element is on two lists.
template <class T, T* T::*Link>
class GList {
 public:
  GList() = default;
  GList(GList&& other) noexcept
      : head_(std::exchange(other.head_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  GList& operator=(GList&& other) noexcept {
    assert(Empty() || this == &other);
    T* const head = std::exchange(other.head_, nullptr);
    const int size = std::exchange(other.size_, 0);
    head_ = head;
    size_ = size;
    return *this;
  }

  bool Empty() const { return head_ == nullptr; }
  int Size() const { return size_; }
  T* Top() const { return head_; }

  void Push(T* t) {
    t->*Link = head_;
    head_ = t;
    ++size_;
  }

  // Null if empty.
  T* Pop() {
    T* const t = head_;
    if (t == nullptr) return nullptr;
    head_ = t->*Link;
    t->*Link = nullptr;
    --size_;
    return t;
  }

  // Makes a list of `size` elements that are linked already, ended by null; and
  // gives that chain up again. Both O(1).
  static GList FromChain(T* head, int size) {
    GList list;
    list.head_ = head;
    list.size_ = size;
    return list;
  }
  T* ReleaseChain() {
    size_ = 0;
    return std::exchange(head_, nullptr);
  }

 private:
  T* head_ = nullptr;
  int size_ = 0;
};

// A FIFO queue. Move-only, so that no element is on two queues.
template <class T, T* T::*Link>
class GQueue {
 public:
  GQueue() = default;
  GQueue(GQueue&& other) noexcept
      : head_(std::exchange(other.head_, nullptr)),
        tail_(std::exchange(other.tail_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  GQueue& operator=(GQueue&& other) noexcept {
    assert(Empty() || this == &other);
    T* const head = std::exchange(other.head_, nullptr);
    T* const tail = std::exchange(other.tail_, nullptr);
    const int size = std::exchange(other.size_, 0);
    head_ = head;
    tail_ = tail;
    size_ = size;
    return *this;
  }

  bool Empty() const { return head_ == nullptr; }
  int Size() const { return size_; }
  T* Front() const { return head_; }

  void PushBack(T* t) {
    t->*Link = nullptr;
    if (tail_ == nullptr) {
      head_ = t;
    } else {
      tail_->*Link = t;
    }
    tail_ = t;
    ++size_;
  }

  void PushFront(T* t) {
    t->*Link = head_;
    head_ = t;
    if (tail_ == nullptr) tail_ = t;
    ++size_;
  }

  // Appends all of other, in O(1); other is empty afterwards.
  void PushBackAll(GQueue&& other) {
    if (other.Empty()) return;
    if (tail_ == nullptr) {
      head_ = other.head_;
    } else {
      tail_->*Link = other.head_;
    }
    tail_ = std::exchange(other.tail_, nullptr);
    size_ += std::exchange(other.size_, 0);
    other.head_ = nullptr;
  }

  // Null if empty.
  T* Pop() {
    T* const t = head_;
    if (t == nullptr) return nullptr;
    head_ = t->*Link;
    t->*Link = nullptr;
    if (head_ == nullptr) tail_ = nullptr;
    --size_;
    return t;
  }

  // The first min(n, Size()) elements, in their order. O(n), or O(1) if that is
  // all of them.
  GQueue PopFront(int n) {
    GQueue out;
    if (n >= size_) {
      out = std::move(*this);
      return out;
    }
    if (n <= 0) return out;
    T* last = head_;
    for (int i = 1; i < n; ++i) last = last->*Link;
    out.head_ = head_;
    out.tail_ = last;
    out.size_ = n;
    head_ = last->*Link;
    last->*Link = nullptr;
    size_ -= n;
    return out;
  }

 private:
  T* head_ = nullptr;
  T* tail_ = nullptr;
  int size_ = 0;
};

// A FIFO queue for all threads.
//
// Thread safety: every method from any thread. Put and Get hold the lock for a
// few instructions (Get for as many as the elements it takes); Empty,
// EmptyRelaxed and Size take no lock.
//
// Why Empty is seq_cst. The protocol that loses no wake-up is
//   a submitter:  1. Put;              2. look for a sleeper and wake it;
//   a sleeper:    1. announce itself;  2. Empty()? sleep : work.
// One of the two must see the other's step 1. That holds if all four steps are
// seq_cst, as size_'s stores and Empty's load are here. EmptyRelaxed may miss a
// Put that is just happening; it is for a poll that will come back.
template <class T, T* T::*Link, class Atomics = StdAtomics,
          class LockType = RuntimeLock>
class GlobalQueue {
 public:
  using Queue = GQueue<T, Link>;

  GlobalQueue() : size_(0) {}
  GlobalQueue(const GlobalQueue&) = delete;
  GlobalQueue& operator=(const GlobalQueue&) = delete;

  // Appends t. Go: globrunqput.
  void Put(T* t) {
    lock_.Lock();
    queue_.PushBack(t);
    PublishSize();
    lock_.Unlock();
  }

  // Puts t before all others. Go: globrunqputhead.
  void PutFront(T* t) {
    lock_.Lock();
    queue_.PushFront(t);
    PublishSize();
    lock_.Unlock();
  }

  // Appends all of batch, in O(1). Go: globrunqputbatch.
  void PutBatch(Queue&& batch) {
    if (batch.Empty()) return;
    lock_.Lock();
    queue_.PushBackAll(std::move(batch));
    PublishSize();
    lock_.Unlock();
  }

  // Appends batch[0], ..., batch[n-1]: what RunQueue::Put hands its overflow.
  void PutBatch(T* const* batch, int n) {
    Queue queue;  // linked before the lock is taken
    for (int i = 0; i < n; ++i) queue.PushBack(batch[i]);
    PutBatch(std::move(queue));
  }

  // Takes the first min(max, Size()) elements. An empty queue costs one relaxed
  // load.
  Queue Get(int max) {
    Queue out;
    if (EmptyRelaxed()) return out;
    lock_.Lock();
    out = queue_.PopFront(max);
    PublishSize();
    lock_.Unlock();
    return out;
  }

  // Takes a fair share for one of `procs` processors: Size() / procs + 1, at
  // most max. Go: globrunqget.
  Queue GetShare(int procs, int max) {
    Queue out;
    if (EmptyRelaxed()) return out;
    lock_.Lock();
    const int share = queue_.Size() / procs + 1;
    out = queue_.PopFront(share < max ? share : max);
    PublishSize();
    lock_.Unlock();
    return out;
  }

  // Was empty at some moment of the call; see above.
  bool Empty() const { return size_.load(std::memory_order_seq_cst) == 0; }

  // relaxed: see above.
  bool EmptyRelaxed() const {
    return size_.load(std::memory_order_relaxed) == 0;
  }

  // How many; exact when nothing moves. relaxed: a figure for heuristics.
  int Size() const { return size_.load(std::memory_order_relaxed); }

 private:
  // Under lock_. seq_cst: see the class comment.
  void PublishSize() { size_.store(queue_.Size(), std::memory_order_seq_cst); }

  // The lock and what it guards share a line: who takes one needs the other.
  MPG_CACHELINE_ALIGNED LockType lock_;
  Queue queue_;  // guarded by lock_
  // Written under lock_, read without.
  typename Atomics::template Atomic<int> size_;
};

}  // namespace mpg

#endif  // MPG_QUEUE_GQUEUE_H_
