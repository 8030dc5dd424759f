// RuntimeLock: the 4-byte mutual exclusion lock under the scheduler. It blocks
// the OS thread, never a goroutine, so it guards only short sections that do
// not park; goroutine code uses sync/mutex.h.
//
// It spins briefly (the holder runs on another core and is nearly done), then
// sleeps on a futex. A thread that holds one is not preempted: Lock counts in
// ThreadState::locks, which the preemption signal respects.
//
// Thread safety: all methods from any thread; the thread that locks unlocks.
// Not recursive. Not fair. Constant-initialized, trivially destructible.
// Source: Go's runtime mutex over futexes (lock_futex.go up to Go 1.23);
// Drepper, "Futexes Are Tricky", mutex 3.
#ifndef MPG_BASE_LOCK_H_
#define MPG_BASE_LOCK_H_

#include <atomic>
#include <cstdint>

#include "absl/base/optimization.h"
#include "absl/base/thread_annotations.h"
#include "base/thread_state.h"

namespace mpg {

class ABSL_LOCKABLE RuntimeLock {
 public:
  constexpr RuntimeLock() = default;
  RuntimeLock(const RuntimeLock&) = delete;
  RuntimeLock& operator=(const RuntimeLock&) = delete;

  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() {
    HoldPreemption();
    // An exchange rather than a compare-and-swap: it is the cheaper of the two
    // when nobody contends. If it overwrites kSleeping, LockSlow restores it.
    // acquire: pairs with the release in Unlock.
    const uint32_t old = state_.exchange(kLocked, std::memory_order_acquire);
    if (ABSL_PREDICT_FALSE(old != kUnlocked)) LockSlow(old);
  }

  bool TryLock() ABSL_EXCLUSIVE_TRYLOCK_FUNCTION(true) {
    HoldPreemption();
    uint32_t expected = kUnlocked;
    // acquire: pairs with the release in Unlock. relaxed on failure: nothing
    // is read on the strength of it.
    if (state_.compare_exchange_strong(expected, kLocked,
                                       std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
      return true;
    }
    ReleasePreemption();
    return false;
  }

  void Unlock() ABSL_UNLOCK_FUNCTION() {
    // release: pairs with the acquire of the next Lock or TryLock.
    const uint32_t old = state_.exchange(kUnlocked, std::memory_order_release);
    if (ABSL_PREDICT_FALSE(old != kLocked)) UnlockSlow(old);
    ReleasePreemption();
  }

  // For assertions only: somebody holds the lock, perhaps not the caller.
  bool IsLocked() const {
    // relaxed: an assertion needs no order.
    return state_.load(std::memory_order_relaxed) != kUnlocked;
  }

 private:
  enum : uint32_t {
    kUnlocked = 0,
    kLocked = 1,    // held; nobody sleeps
    kSleeping = 2,  // held; perhaps somebody sleeps
  };

  void LockSlow(uint32_t seen);
  void UnlockSlow(uint32_t seen);

  std::atomic<uint32_t> state_{kUnlocked};
};

static_assert(sizeof(RuntimeLock) == 4, "one futex word");

class ABSL_SCOPED_LOCKABLE RuntimeLockGuard {
 public:
  explicit RuntimeLockGuard(RuntimeLock& lock)
      ABSL_EXCLUSIVE_LOCK_FUNCTION(lock)
      : lock_(lock) {
    lock_.Lock();
  }
  ~RuntimeLockGuard() ABSL_UNLOCK_FUNCTION() { lock_.Unlock(); }
  RuntimeLockGuard(const RuntimeLockGuard&) = delete;
  RuntimeLockGuard& operator=(const RuntimeLockGuard&) = delete;

 private:
  RuntimeLock& lock_;
};

}  // namespace mpg

#endif  // MPG_BASE_LOCK_H_
