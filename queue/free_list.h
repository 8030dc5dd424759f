// Free lists in two levels, for objects that are recycled rather than freed:
// each processor keeps a few, hottest first, and whole batches move to and from
// a central list, so that its lock is taken once in kBatch operations.
// Go: p.gFree and sched.gFree, gfput, gfget (proc.go).
//
//   struct Thing { Thing* link = nullptr; Thing* batch_link = nullptr; };
//   using Free = CentralFreeList<Thing, &Thing::link, &Thing::batch_link, 32>;
//   Free central;                   // one for all
//   Free::Local local(&central);    // one a processor
//   Thing* t = local.Get();         // null: make a new one
//   local.Put(t);
//
// A batch moves in O(1): its elements stay chained by Link, and its first
// element's BatchLink leads to the next batch. Both links belong to the lists
// while an element is free. The lists do not own their elements; no allocation.
#ifndef MPG_QUEUE_FREE_LIST_H_
#define MPG_QUEUE_FREE_LIST_H_

#include <atomic>
#include <cassert>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "base/cacheline.h"
#include "base/lock.h"
#include "queue/gqueue.h"

namespace mpg {

template <class Central>
class LocalFreeList;

// The level that all processors share.
//
// Thread safety: every method from any thread. GetBatch, PutBatch and Put hold
// the lock for a few instructions; ForEach holds it throughout.
template <class T, T* T::*Link, T* T::*BatchLink, int kBatchSize = 32>
class CentralFreeList {
  static_assert(kBatchSize >= 1);

 public:
  using Element = T;
  using List = GList<T, Link>;
  using Local = LocalFreeList<CentralFreeList>;
  static constexpr int kBatch = kBatchSize;

  CentralFreeList() = default;
  CentralFreeList(const CentralFreeList&) = delete;
  CentralFreeList& operator=(const CentralFreeList&) = delete;

  // A whole batch, or else up to kBatch single elements; empty if there are
  // none. An empty list costs one relaxed load.
  List GetBatch() {
    List out;
    if (Count() == 0) return out;
    RuntimeLockGuard guard(lock_);
    if (!batches_.Empty()) {
      out = List::FromChain(batches_.Pop(), kBatch);
    } else {
      while (out.Size() < kBatch && !singles_.Empty()) out.Push(singles_.Pop());
    }
    PublishCount();
    return out;
  }

  // Takes batch in, in O(1) if it is a whole one (exactly kBatch elements).
  void PutBatch(List&& batch) {
    if (batch.Empty()) return;
    RuntimeLockGuard guard(lock_);
    if (batch.Size() == kBatch) {
      batches_.Push(batch.ReleaseChain());
    } else {
      while (T* t = batch.Pop()) singles_.Push(t);
    }
    PublishCount();
  }

  void Put(T* t) {
    RuntimeLockGuard guard(lock_);
    singles_.Push(t);
    PublishCount();
  }

  // Takes out everything (to give memory back, or to end). The lock is held in
  // O(1); putting the batches together is done without it.
  List TakeAll() {
    GList<T, BatchLink> batches;
    List all;
    {
      RuntimeLockGuard guard(lock_);
      batches = std::move(batches_);
      all = std::move(singles_);
      PublishCount();
    }
    while (T* first = batches.Pop()) {
      List batch = List::FromChain(first, kBatch);
      while (T* t = batch.Pop()) all.Push(t);
    }
    return all;
  }

  // Calls f(T*) for each element, under the lock: f must be short, must not use
  // this list, and must leave the links alone.
  template <class F>
  void ForEach(F&& f) {
    RuntimeLockGuard guard(lock_);
    for (T* t = singles_.Top(); t != nullptr; t = t->*Link) f(t);
    for (T* b = batches_.Top(); b != nullptr; b = b->*BatchLink) {
      for (T* t = b; t != nullptr; t = t->*Link) f(t);
    }
  }

  // How many elements; exact when nothing moves. relaxed: a figure for
  // heuristics; a list found empty by mistake only means one object more.
  int Count() const { return count_.load(std::memory_order_relaxed); }

 private:
  void PublishCount() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_) {
    // relaxed: see Count.
    count_.store(batches_.Size() * kBatch + singles_.Size(),
                 std::memory_order_relaxed);
  }

  MPG_CACHELINE_ALIGNED RuntimeLock lock_;
  // The batches' first elements; each heads a chain of exactly kBatch.
  GList<T, BatchLink> batches_ ABSL_GUARDED_BY(lock_);
  List singles_ ABSL_GUARDED_BY(lock_);
  // Written under lock_, read without.
  std::atomic<int> count_{0};
};

// A processor's own level: at most 2 * kBatch elements.
//
// Thread safety: only the owner calls Get, Put and Flush; Count is for any
// thread. The owner may change if each hand-over synchronizes.
//
// Two bins: the upper one is worked on, the lower one is empty or holds a whole
// batch. A spill therefore moves the kBatch coldest elements in O(1), and an
// owner that goes up and down around a batch's border never touches the lock.
template <class Central>
class LocalFreeList {
  using T = typename Central::Element;
  using List = typename Central::List;
  static constexpr int kBatch = Central::kBatch;

 public:
  // `central` must outlive this.
  explicit LocalFreeList(Central* central) : central_(central) {}
  LocalFreeList(const LocalFreeList&) = delete;
  LocalFreeList& operator=(const LocalFreeList&) = delete;
  // REQUIRES: empty (Flush it first).
  ~LocalFreeList() { assert(upper_.Empty() && lower_.Empty()); }

  // The element that was put last; fetches a batch from the central list when
  // there is none; null when that is empty too.
  T* Get() {
    if (ABSL_PREDICT_FALSE(upper_.Empty()) && !Refill()) return nullptr;
    T* const t = upper_.Pop();
    PublishCount();
    return t;
  }

  // As Get, but never goes to the central list.
  T* GetLocal() {
    if (upper_.Empty()) upper_ = std::move(lower_);
    T* const t = upper_.Pop();
    PublishCount();
    return t;
  }

  void Put(T* t) {
    if (ABSL_PREDICT_FALSE(upper_.Size() == kBatch)) Spill();
    upper_.Push(t);
    PublishCount();
  }

  // Gives everything to the central list. Go: gfpurge.
  void Flush() {
    central_->PutBatch(std::move(upper_));
    central_->PutBatch(std::move(lower_));
    PublishCount();
  }

  // Any thread. relaxed: a figure for people.
  int Count() const { return count_.load(std::memory_order_relaxed); }

 private:
  ABSL_ATTRIBUTE_NOINLINE bool Refill() {
    upper_ = lower_.Empty() ? central_->GetBatch() : std::move(lower_);
    return !upper_.Empty();
  }

  ABSL_ATTRIBUTE_NOINLINE void Spill() {
    central_->PutBatch(std::move(lower_));
    lower_ = std::move(upper_);
  }

  void PublishCount() {
    // relaxed: see Count. Only the owner writes.
    count_.store(upper_.Size() + lower_.Size(), std::memory_order_relaxed);
  }

  Central* const central_;
  List upper_;
  List lower_;
  std::atomic<int> count_{0};
};

}  // namespace mpg

#endif  // MPG_QUEUE_FREE_LIST_H_
