// Mutex: mutual exclusion that blocks the goroutine (or the plain thread), not
// the thread under it. 4 bytes; the zero value is unlocked.
//
//   Mutex mu;
//   MutexLock lock(&mu);      // or mu.Lock() and mu.Unlock()
//
// The guards of the standard library work too, but clang's thread-safety
// analysis sees through MutexLock only.
//
// Thread safety: all methods from any goroutine or thread. The lock belongs to
// no one: another goroutine than the one that locked may unlock. Not recursive.
// Memory: what happened before an Unlock is visible after the Lock that follows.
// Destruction: allowed as soon as the mutex is unlocked and nobody is in Lock or
// will call it, even if an earlier Unlock has not returned yet. So an object may
// be deleted by whoever finds, under the object's own mutex, that it was the last.
// Errors: Unlock of an unlocked Mutex is "fatal error: sync: unlock of unlocked
// mutex", exit status 2.
//
// Fairness is Go's. In normal mode waiters queue first come, first served, but a
// woken one competes with those who are just arriving, who have the advantage
// of running; if it loses, it goes to the front of the queue. A waiter that has
// not got the lock for 1 ms switches the mutex to starvation mode: now Unlock
// hands the lock, still locked, to the front of the queue, and who arrives
// neither spins nor competes. A waiter that gets the lock so leaves starvation
// mode if it is the last, or has waited for less than 1 ms.
//
// Source: Go's sync.Mutex for behaviour. The state is not Go's: it has no count
// of waiters and no "woken" bit, see mutex.cc.
#ifndef MPG_SYNC_MUTEX_H_
#define MPG_SYNC_MUTEX_H_

#include <atomic>
#include <cstdint>

#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "base/park.h"

namespace mpg {

class ABSL_LOCKABLE Mutex {
 public:
  constexpr Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
    PreemptPoint();
    // relaxed: a look before the exchange, so that this seldom overwrites what
    // others have noted in the word of a held lock.
    uint32_t seen = state_.load(std::memory_order_relaxed);
    if (ABSL_PREDICT_TRUE(seen == kFree)) {
      // acquire: pairs with the release in Unlock. An exchange costs 4.7 ns
      // here, a compare-and-swap 7.8. If another was faster and the word is not
      // free, LockSlow restores what it said.
      seen = state_.exchange(kHeld, std::memory_order_acquire);
      if (ABSL_PREDICT_TRUE(seen == kFree)) return;
      LockSlow(seen);
    } else {
      LockSlow(kHeld);  // overwrote nothing
    }
  }

  // Never blocks. Ignores that others may wait.
  bool TryLock() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true) {
    // relaxed: a hint.
    uint32_t seen = state_.load(std::memory_order_relaxed);
    // acquire: pairs with the release in Unlock. relaxed on failure: nothing is
    // read on the strength of it.
    if (seen == kFree &&
        state_.compare_exchange_strong(seen, kHeld, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
      return true;
    }
    PreemptPoint();  // callers loop
    return false;
  }

  void Unlock() ABSL_UNLOCK_FUNCTION() {
    // relaxed: tells only how to let go. With waiters the lock is not released
    // but passed on under the lock of their queue.
    uint32_t seen = state_.load(std::memory_order_relaxed);
    if (ABSL_PREDICT_FALSE(seen != kHeld)) {
      PassOn(seen);
      return;
    }
    // release: pairs with the acquire in Lock, TryLock and LockSlow.
    seen = state_.exchange(kFree, std::memory_order_release);
    if (ABSL_PREDICT_FALSE(seen != kHeld)) ReleasedUnaware(seen);
  }

  // The names the standard library's guards want.
  void lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { Lock(); }
  bool try_lock() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true) { return TryLock(); }
  void unlock() ABSL_UNLOCK_FUNCTION() { Unlock(); }

 private:
  enum : uint32_t {
    kFree = 0,
    kHeld = 1,
    kHeldWaiters = 2,   // and Unlock must look for waiters
    kHeldStarving = 3,  // and Unlock must hand the lock to one
  };

  void LockSlow(uint32_t seen);
  void PassOn(uint32_t seen);
  void ReleasedUnaware(uint32_t seen);

  std::atomic<uint32_t> state_{kFree};
};

// Holds a Mutex as long as it lives.
class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex* mu) ABSL_EXCLUSIVE_LOCK_FUNCTION(mu) : mu_(*mu) {
    mu_.Lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mu_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mu_;
};

}  // namespace mpg

#endif  // MPG_SYNC_MUTEX_H_
