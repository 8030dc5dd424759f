// SpillList: where full run queues put their overflow: a list of batches of
// pointers, newest first or oldest first as the taker likes.
//
//   SpillList<Task> spill;
//   queue.Put(t, false, [&](Task** batch, int n) { spill.Put(batch, n); });
//   Task* tasks[64];
//   int n = spill.TakeNewest(tasks, 64);
//
// Why not the global queue (queue/gqueue.h), where Go puts it: that one chains
// elements through their own memory, so that spilling and refilling touch every
// element, cold as it is by then (18 % of a tree of a million goroutines). Here
// only pointers are copied. And its order is first in, first out: a program that
// spawns faster than it runs then goes breadth first through its whole tree of
// goroutines, all alive at once; newest first goes deep, and few are alive.
// Fairness is the taker's: one that takes the oldest every so often starves
// nobody.
//
// Thread safety: every method from any thread; the lock is held while at most
// kChunk pointers are copied. Empty and Size take no lock. Does not own the
// elements. Allocates a chunk of kChunk pointers when it has to, and keeps those
// that have become empty.
#ifndef MPG_QUEUE_SPILL_LIST_H_
#define MPG_QUEUE_SPILL_LIST_H_

#include <algorithm>
#include <atomic>
#include <cassert>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/cacheline.h"
#include "base/lock.h"

namespace mpg {

template <class T, int kChunk = 512>
class SpillList {
 public:
  SpillList() = default;
  SpillList(const SpillList&) = delete;
  SpillList& operator=(const SpillList&) = delete;

  // Adds batch[0], ..., batch[n-1], oldest first, as the newest.
  void Put(T* const* batch, int n) {
    RuntimeLockGuard guard(lock_);
    for (int done = 0; done < n;) {
      const int k = std::min(n - done, kChunk);
      std::unique_ptr<Chunk> chunk = NewChunk();
      std::copy(batch + done, batch + done + k, chunk->items);
      chunk->begin = 0;
      chunk->end = k;
      chunks_.push_back(std::move(chunk));
      done += k;
    }
    PublishSize(n);
  }

  // Stores up to max of the newest batch in out, that batch's oldest first, and
  // returns how many; 0 if the list is empty.
  int TakeNewest(T** out, int max) { return Take(out, max, /*newest=*/true); }

  // The same for the oldest batch.
  int TakeOldest(T** out, int max) { return Take(out, max, /*newest=*/false); }

  // seq_cst: the last look of a processor that has announced that it goes idle;
  // see queue/gqueue.h.
  bool Empty() const { return size_.load(std::memory_order_seq_cst) == 0; }
  // relaxed: for a poll that will come back, and for figures.
  bool EmptyRelaxed() const { return Size() == 0; }
  int Size() const { return size_.load(std::memory_order_relaxed); }

 private:
  struct Chunk {
    int begin;
    int end;
    T* items[kChunk];
  };

  std::unique_ptr<Chunk> NewChunk() ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_) {
    if (spare_.empty()) return std::unique_ptr<Chunk>(new Chunk);
    std::unique_ptr<Chunk> chunk = std::move(spare_.back());
    spare_.pop_back();
    return chunk;
  }

  int Take(T** out, int max, bool newest) {
    if (EmptyRelaxed()) return 0;
    RuntimeLockGuard guard(lock_);
    if (chunks_.empty()) return 0;
    std::unique_ptr<Chunk>& chunk = newest ? chunks_.back() : chunks_.front();
    const int n = std::min(max, chunk->end - chunk->begin);
    std::copy(chunk->items + chunk->begin, chunk->items + chunk->begin + n,
              out);
    chunk->begin += n;
    if (chunk->begin == chunk->end) {
      // As many spares as there are chunks in use, but for a few: what a storm
      // has allocated goes again.
      if (spare_.size() < chunks_.size() + 8)
        spare_.push_back(std::move(chunk));
      if (newest) {
        chunks_.pop_back();
      } else {
        chunks_.pop_front();
      }
    }
    PublishSize(-n);
    return n;
  }

  void PublishSize(int change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_) {
    // seq_cst: a submitter's first step; see Empty.
    size_.store(Size() + change, std::memory_order_seq_cst);
  }

  MPG_CACHELINE_ALIGNED RuntimeLock lock_;
  // None is empty. Front: oldest.
  std::deque<std::unique_ptr<Chunk>> chunks_ ABSL_GUARDED_BY(lock_);
  std::vector<std::unique_ptr<Chunk>> spare_ ABSL_GUARDED_BY(lock_);
  // Written under lock_, read without.
  std::atomic<int> size_{0};
};

}  // namespace mpg

#endif  // MPG_QUEUE_SPILL_LIST_H_
