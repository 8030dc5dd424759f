#include "sync/sema_table.h"

namespace mpg {
namespace internal {

// Constant-initialized: usable before and after every constructor.
SemaRoot sema_table[kSemaRoots];

bool AbandonSemaNode(Waiter*, void* arg) {
  auto* const node = static_cast<SemaNode*>(arg);
  SemaRoot* const root = SemaRootOf(node->key);
  RuntimeLockGuard guard(root->lock);
  if (!root->queue.Remove(node)) return false;
  if ((node->key & 1) == 0) {  // a semaphore's
    // relaxed: the waiter is gone; who still counts it only looks in vain.
    root->nwait.fetch_sub(1, std::memory_order_relaxed);
  }
  return true;
}

}  // namespace internal
}  // namespace mpg
