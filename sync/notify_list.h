// NotifyList: the waiters of a Cond, first come, first served.
//
// Go's gives out tickets before the caller's lock is released, so that a notify
// between that and the enqueueing is not lost. Here a waiter is in the list
// before it releases the caller's lock, and the list's own lock is let go only
// after it has left its stack; so there is nothing to be lost, and no ticket.
//
// Thread safety: all methods from any goroutine or thread. Lock order: the list's
// lock before those of the semaphore table and of the scheduler.
// Destruction: allowed when all waiters have been notified, even if the Notify
// that did so has not returned, or they have not woken yet; but not just while
// their Runtime ends. One that goes while some wait leaves them waiting for ever.
// Source: Go's notifyList (sema.go).
#ifndef MPG_SYNC_NOTIFY_LIST_H_
#define MPG_SYNC_NOTIFY_LIST_H_

#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "base/lock.h"
#include "base/park.h"

namespace mpg {
namespace internal {

class NotifyList {
 public:
  constexpr NotifyList() = default;
  ~NotifyList();
  NotifyList(const NotifyList&) = delete;
  NotifyList& operator=(const NotifyList&) = delete;

  // Calls unlock(lock) and waits to be notified, in one step: a notification
  // from then on is for this waiter or for one before it. `unlock` must not
  // block, nor use this list.
  void Wait(void (*unlock)(void*), void* lock);

  // Wakes who waits longest, if anybody does.
  void NotifyOne();
  void NotifyAll();

 private:
  // Lives on the waiter's stack.
  struct Node {
    Waiter* waiter;
    NotifyList* list;  // null: it is gone
    Node* next;
    Node* prev;
    uint32_t epoch;  // epoch_ at the time it was put into the list
    bool taken;      // by NotifyOne
  };

  static bool Abandon(Waiter* w, void* node);
  void Unlink(Node* node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lock_);

  RuntimeLock lock_;
  // Written under lock_; read without it to see that nobody waits.
  std::atomic<Node*> first_{nullptr};
  Node* last_ ABSL_GUARDED_BY(lock_) = nullptr;
  // Each NotifyAll begins a new one: so it can take all nodes without touching
  // them under the lock.
  uint32_t epoch_ ABSL_GUARDED_BY(lock_) = 0;
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_SYNC_NOTIFY_LIST_H_
