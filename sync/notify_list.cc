#include "sync/notify_list.h"

#include "absl/base/optimization.h"
#include "base/wait_reason.h"

namespace mpg {
namespace internal {

// Park unlocks what is locked here.
void NotifyList::Wait(void (*unlock)(void*),
                      void* lock) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  static constexpr ParkSite kSite = {WaitReason::kSyncCondWait, nullptr,
                                     Abandon};
  Node node;
  node.waiter = CurrentWaiter();
  node.list = this;
  node.next = nullptr;
  node.taken = false;
  lock_.Lock();
  node.epoch = epoch_;
  node.prev = last_;
  if (last_ == nullptr) {
    // relaxed: `unlock` publishes it to those who must not miss it.
    first_.store(&node, std::memory_order_relaxed);
  } else {
    last_->next = &node;
  }
  last_ = &node;
  unlock(lock);
  Park(node.waiter, &kSite, &lock_, &node);
}

void NotifyList::NotifyOne() {
  // relaxed: whoever has changed what is waited for under the caller's lock
  // sees, by that lock, those who waited before.
  if (first_.load(std::memory_order_relaxed) == nullptr) return;
  Waiter* w;
  {
    RuntimeLockGuard guard(lock_);
    // relaxed: under the lock.
    Node* const node = first_.load(std::memory_order_relaxed);
    if (node == nullptr) return;
    Unlink(node);
    node->taken = true;
    w = node->waiter;
  }
  Ready(w);
}

void NotifyList::NotifyAll() {
  // relaxed: see NotifyOne.
  if (first_.load(std::memory_order_relaxed) == nullptr) return;
  Node* node;
  {
    RuntimeLockGuard guard(lock_);
    // relaxed, both: under the lock.
    node = first_.load(std::memory_order_relaxed);
    first_.store(nullptr, std::memory_order_relaxed);
    last_ = nullptr;
    ++epoch_;
  }
  while (node != nullptr) {
    Waiter* const w = node->waiter;
    node = node->next;
    Ready(w);  // its node is gone
  }
}

// ParkSite::abandon.
bool NotifyList::Abandon(Waiter*, void* arg) {
  auto* const node = static_cast<Node*>(arg);
  NotifyList* const list = node->list;
  if (list == nullptr) return true;
  RuntimeLockGuard guard(list->lock_);
  if (node->taken || node->epoch != list->epoch_) return false;
  list->Unlink(node);
  return true;
}

NotifyList::~NotifyList() {
  // relaxed: as in NotifyOne. Who is left can only be a goroutine that never
  // runs again.
  Node* node = first_.load(std::memory_order_relaxed);
  if (ABSL_PREDICT_TRUE(node == nullptr)) return;
  RuntimeLockGuard guard(lock_);  // to see what they have written
  for (; node != nullptr; node = node->next) node->list = nullptr;
}

void NotifyList::Unlink(Node* node) {
  if (node->prev == nullptr) {
    // relaxed: see NotifyOne.
    first_.store(node->next, std::memory_order_relaxed);
  } else {
    node->prev->next = node->next;
  }
  if (node->next == nullptr) {
    last_ = node->prev;
  } else {
    node->next->prev = node->prev;
  }
}

}  // namespace internal
}  // namespace mpg
