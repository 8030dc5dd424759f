// Cond: a condition variable, a place where to wait until something under a lock
// has changed.
//
//   Mutex mu;
//   Cond cond(&mu);
//   mu.Lock();                              mu.Lock();
//   while (!ready) cond.Wait();             ready = true;
//   ...                                     mu.Unlock();
//   mu.Unlock();                            cond.Signal();
//
// Works with anything that has lock() and unlock(): Mutex, RWMutex, ReadLocker.
// Its unlock() must not block.
//
// Thread safety: all methods from any goroutine or thread; Wait only with the
// lock held. Waiters are woken first come, first served.
// No spurious wake-ups: Wait returns because of a Signal or Broadcast. But the
// lock may have had other holders in between, so look at the condition again.
// Destruction: as a NotifyList: allowed when all waiters have been notified.
// Source: Go's sync.Cond.
#ifndef MPG_SYNC_COND_H_
#define MPG_SYNC_COND_H_

#include "absl/base/thread_annotations.h"
#include "base/park.h"
#include "sync/notify_list.h"

namespace mpg {

class Cond {
 public:
  // *lock must outlive the Cond. Go: NewCond, Cond.L.
  template <class Lock>
  explicit constexpr Cond(Lock* lock)
      : lock_(lock), do_lock_(DoLock<Lock>), do_unlock_(DoUnlock<Lock>) {}
  Cond(const Cond&) = delete;
  Cond& operator=(const Cond&) = delete;

  // Unlocks, waits for a notification, locks again.
  void Wait() {
    waiters_.Wait(do_unlock_, lock_);
    do_lock_(lock_);
  }

  // Wakes one waiter, or all. The caller may hold the lock, and need not.
  void Signal() {
    PreemptPoint();
    waiters_.NotifyOne();
  }
  void Broadcast() {
    PreemptPoint();
    waiters_.NotifyAll();
  }

 private:
  template <class Lock>
  static void DoLock(void* lock) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    static_cast<Lock*>(lock)->lock();
  }
  template <class Lock>
  static void DoUnlock(void* lock) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    static_cast<Lock*>(lock)->unlock();
  }

  void* const lock_;
  void (*const do_lock_)(void*);
  void (*const do_unlock_)(void*);
  internal::NotifyList waiters_;
};

}  // namespace mpg

#endif  // MPG_SYNC_COND_H_
