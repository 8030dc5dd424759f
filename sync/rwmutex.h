// RWMutex: a lock held by any number of readers or by one writer. 20 bytes; the
// zero value is unlocked.
//
//   RWMutex mu;
//   { std::shared_lock<RWMutex> guard(mu); ... }   // or mu.RLock(), RUnlock()
//   { std::unique_lock<RWMutex> guard(mu); ... }   // or mu.Lock(), Unlock()
//
// Thread safety: all methods from any goroutine or thread; as with Mutex, the
// lock belongs to no one.
// Fairness: a writer that waits keeps new readers out, and the readers that came
// while a writer held the lock go before the next writer; so neither can be
// starved. Hence no recursive read locking: an RLock under an RLock deadlocks if
// a writer has come in between. Writers among themselves are as fair as Mutex.
// Memory: what happened before an Unlock is visible after a Lock or RLock that
// follows; before an RUnlock, after a Lock that follows.
// Destruction: allowed when nobody holds it or waits and the last Unlock has
// returned; an RUnlock need not have returned.
// A goroutine whose Runtime ends while it waits here counts as if it had got the
// lock: one in RLock keeps writers out, one in Lock everybody. So an RWMutex that
// outlives a Runtime needs its goroutines to have ended (Runtime::Wait).
// Errors: "fatal error: sync: Unlock of unlocked RWMutex" and "fatal error:
// sync: RUnlock of unlocked RWMutex", exit status 2.
//
// Limits: at most 2^30 - 1 readers.
// Source: Go's sync.RWMutex.
#ifndef MPG_SYNC_RWMUTEX_H_
#define MPG_SYNC_RWMUTEX_H_

#include <atomic>
#include <cstdint>

#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "base/park.h"
#include "sync/mutex.h"

namespace mpg {

class ReadLocker;

class ABSL_LOCKABLE RWMutex {
 public:
  constexpr RWMutex() = default;
  RWMutex(const RWMutex&) = delete;
  RWMutex& operator=(const RWMutex&) = delete;

  void RLock() ABSL_SHARED_LOCK_FUNCTION() {
    PreemptPoint();
    // acquire: pairs with the release in Unlock.
    if (ABSL_PREDICT_FALSE(readers_.fetch_add(1, std::memory_order_acquire) <
                           0)) {
      RLockSlow();
    }
  }

  // Never blocks.
  bool TryRLock() ABSL_SHARED_TRYLOCK_FUNCTION(true);

  void RUnlock() ABSL_UNLOCK_FUNCTION() {
    // release: pairs with the acquire in Lock and TryLock.
    const int32_t now = readers_.fetch_sub(1, std::memory_order_release) - 1;
    if (ABSL_PREDICT_FALSE(now < 0)) RUnlockSlow(now);
  }

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION();
  // Never blocks.
  bool TryLock() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true);
  void Unlock() ABSL_UNLOCK_FUNCTION();

  // A lock whose Lock and Unlock are RLock and RUnlock. For Cond.
  ReadLocker RLocker();

  // The names the standard library's guards want.
  void lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { Lock(); }
  bool try_lock() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true) { return TryLock(); }
  void unlock() ABSL_UNLOCK_FUNCTION() { Unlock(); }
  void lock_shared() ABSL_SHARED_LOCK_FUNCTION() { RLock(); }
  bool try_lock_shared() ABSL_SHARED_TRYLOCK_FUNCTION(true) {
    return TryRLock();
  }
  void unlock_shared() ABSL_UNLOCK_FUNCTION() { RUnlock(); }

 private:
  // Go: rwmutexMaxReaders.
  static constexpr int32_t kMaxReaders = 1 << 30;

  void RLockSlow();
  void RUnlockSlow(int32_t now);

  // Held by the writer, from before it waits for the readers to leave.
  Mutex writers_;
  // The writer waits here for the readers that were before it; readers wait for
  // the writer that was before them.
  std::atomic<uint32_t> writer_sema_{0};
  std::atomic<uint32_t> reader_sema_{0};
  // Readers that hold the lock or wait for it, less kMaxReaders while a writer
  // holds it or waits for readers.
  std::atomic<int32_t> readers_{0};
  // Of the readers that were before the writer, how many have yet to leave. As
  // they may leave before the writer has added them up, negative for a while.
  std::atomic<int32_t> leaving_{0};
};

// See RWMutex::RLocker. A handle: copies mean the same lock.
class ABSL_LOCKABLE ReadLocker {
 public:
  explicit ReadLocker(RWMutex* mu) : mu_(mu) {}

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    mu_->RLock();
  }
  void Unlock() ABSL_UNLOCK_FUNCTION() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    mu_->RUnlock();
  }
  void lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { Lock(); }
  void unlock() ABSL_UNLOCK_FUNCTION() { Unlock(); }

 private:
  RWMutex* mu_;
};

inline ReadLocker RWMutex::RLocker() { return ReadLocker(this); }

}  // namespace mpg

#endif  // MPG_SYNC_RWMUTEX_H_
