// Semaphore: a weighted semaphore. Go: golang.org/x/sync/semaphore.
//
//   Semaphore memory(1 << 30);
//   absl::Status s = memory.Acquire(ctx, image.size());   // waits for its turn
//   ...
//   memory.Release(image.size());
//
// First come, first served: who waits for much is not overtaken by those who
// want little, so it gets its turn.
//
// Thread safety: all methods from any goroutine or thread. Must outlive its
// users. A goroutine whose Runtime ends while it waits here keeps its place in
// the queue.
// What blocks: Acquire.
// Memory: what happened before a Release is visible after the Acquire that got
// what was released.
#ifndef MPG_CONTEXT_SEMAPHORE_H_
#define MPG_CONTEXT_SEMAPHORE_H_

#include <cstdint>
#include <list>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/lock.h"
#include "channel/chan.h"
#include "channel/unit.h"
#include "context/context.h"

namespace mpg {

class Semaphore {
 public:
  // n: the most that can be held at a time.
  explicit Semaphore(int64_t n) : size_(n) {}
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  // Blocks until n can be had. If ctx is cancelled first, returns ctx.Err() and
  // has taken nothing; so too if ctx was cancelled before. For more than the
  // semaphore has, waits for that.
  absl::Status Acquire(const Context& ctx, int64_t n);

  // False, and nothing is taken, if n cannot be had now or others wait.
  bool TryAcquire(int64_t n);

  // Throws Panic("semaphore: released more than held").
  void Release(int64_t n);

 private:
  struct Entry {
    int64_t n;
    Chan<Unit> ready;  // closed once granted
    bool granted;
  };
  using Queue = std::list<std::shared_ptr<Entry>>;

  bool TryAcquireLocked(int64_t n) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void Grant(Queue* granted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);
  void GiveUp(const Entry& entry, Queue::iterator at);
  static void Wake(const Queue& granted);

  const int64_t size_;
  RuntimeLock lock_;
  int64_t held_ ABSL_GUARDED_BY(lock_) = 0;
  Queue queue_ ABSL_GUARDED_BY(lock_);
};

}  // namespace mpg

#endif  // MPG_CONTEXT_SEMAPHORE_H_
