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
// users, but for goroutines that wait here when their Runtime ends: those leave
// the queue as if they had been cancelled. (What a goroutine has acquired stays
// acquired when its Runtime ends.)
// What blocks: Acquire.
// Memory: what happened before a Release is visible after the Acquire that got
// what was released.
#ifndef MPG_CONTEXT_SEMAPHORE_H_
#define MPG_CONTEXT_SEMAPHORE_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "context/context.h"

namespace mpg {

class Semaphore {
 public:
  // n: the most that can be held at a time.
  explicit Semaphore(int64_t n);
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
  struct State;
  struct Place;
  struct Waiting;

  const std::shared_ptr<State> state_;
};

}  // namespace mpg

#endif  // MPG_CONTEXT_SEMAPHORE_H_
