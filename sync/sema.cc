#include "sync/sema.h"

#include "absl/base/attributes.h"
#include "absl/base/thread_annotations.h"
#include "base/clock.h"
#include "base/contention.h"

namespace mpg {
namespace internal {
namespace {

constexpr ParkSite kSemacquireSite = {WaitReason::kSemacquire, nullptr,
                                      AbandonSemaNode};
constexpr ParkSite kRLockSite = {WaitReason::kSyncRWMutexRLock, nullptr,
                                 AbandonSemaNode};
constexpr ParkSite kRWLockSite = {WaitReason::kSyncRWMutexLock, nullptr,
                                  AbandonSemaNode};

const ParkSite* SiteOf(WaitReason reason) {
  switch (reason) {
    case WaitReason::kSyncRWMutexRLock:
      return &kRLockSite;
    case WaitReason::kSyncRWMutexLock:
      return &kRWLockSite;
    default:
      return &kSemacquireSite;
  }
}

// Of so many waits for an RWMutex one is timed. Go: gTrackingPeriod.
constexpr uint32_t kTimedEvery = 8;

}  // namespace

// Park unlocks what is locked here.
ABSL_ATTRIBUTE_NOINLINE void SemacquireSlow(std::atomic<uint32_t>* addr,
                                            WaitReason reason)
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  Waiter* const self = CurrentWaiter();
  SemaNode node(self, SemaphoreKey(addr));
  SemaRoot* const root = SemaRootOf(node.key);
  root->lock.Lock();
  // seq_cst, both: see Semrelease. From here on a Semrelease comes by the lock,
  // or its ticket is in the word already.
  root->nwait.fetch_add(1, std::memory_order_seq_cst);
  if (TakeTicket(addr, std::memory_order_seq_cst)) {
    // relaxed: whoever still sees the higher count looks in vain.
    root->nwait.fetch_sub(1, std::memory_order_relaxed);
    root->lock.Unlock();
    return;
  }
  bool timed = false;
  if (reason != WaitReason::kSemacquire) {
    timed = ++root->lock_waits % kTimedEvery == 0;
    if (timed || ContentionIsReported()) node.since = NanoTime();
  }
  root->queue.Enqueue(&node, /*lifo=*/false);
  Park(self, SiteOf(reason), &root->lock, &node);
  if (timed) AddLockWait((NanoTime() - node.since) * kTimedEvery);
}

// Wakes who waits longest at addr with a ticket: a new one, or, if `from_word`,
// one that is taken back out of the word, where it lies for anybody to take.
// False: nobody waits, or no ticket was left.
ABSL_ATTRIBUTE_NOINLINE bool GiveTicket(std::atomic<uint32_t>* addr,
                                        bool from_word, bool handoff) {
  const uintptr_t key = SemaphoreKey(addr);
  SemaRoot* const root = SemaRootOf(key);
  SemaNode* node;
  {
    RuntimeLockGuard guard(root->lock);
    if (root->queue.Front(key) == nullptr) return false;
    // relaxed: if there is no ticket now, somebody has had ours.
    if (from_word && !TakeTicket(addr, std::memory_order_relaxed)) return false;
    node = root->queue.Dequeue(key);
    // A store will do under the lock. relaxed: see above.
    root->nwait.store(root->nwait.load(std::memory_order_relaxed) - 1,
                      std::memory_order_relaxed);
  }
  if (ContentionIsReported() && node->since != 0) {
    ReportContention(NanoTime() - node->since);
  }
  WakeWaiter(node->waiter, handoff);
  return true;
}

}  // namespace internal
}  // namespace mpg
