#include "runtime/world.h"

#include <utility>

#include "absl/base/thread_annotations.h"

namespace mpg {
namespace internal {

const ParkSite WorldLock::kSite = {WaitReason::kStoppingTheWorld, nullptr,
                                   &WorldLock::Abandon};

void WorldLock::Acquire() ABSL_NO_THREAD_SAFETY_ANALYSIS {  // Park unlocks mu_
  mu_.Lock();
  if (!held_) {
    held_ = true;
    mu_.Unlock();
    return;
  }
  Node node{CurrentWaiter(), this, nullptr};
  *last_ = &node;
  last_ = &node.next;
  Park(node.waiter, &kSite, &mu_, &node);  // Release hands the lock over
}

bool WorldLock::TryAcquire() {
  RuntimeLockGuard guard(mu_);
  return !std::exchange(held_, true);
}

void WorldLock::Release() {
  Waiter* heir = nullptr;
  {
    RuntimeLockGuard guard(mu_);
    if (first_ == nullptr) {
      held_ = false;
    } else {
      heir = first_->waiter;
      first_ = first_->next;
      if (first_ == nullptr) last_ = &first_;
    }
  }
  if (heir != nullptr) Ready(heir);
}

bool WorldLock::Abandon(Waiter*, void* arg) {
  Node* node = static_cast<Node*>(arg);
  WorldLock* self = node->lock;
  RuntimeLockGuard guard(self->mu_);
  for (Node** link = &self->first_; *link != nullptr; link = &(*link)->next) {
    if (*link != node) continue;
    *link = node->next;
    if (self->last_ == &node->next) self->last_ = link;
    return true;
  }
  return false;
}

}  // namespace internal
}  // namespace mpg
