// How the waiters of a Mutex are kept, and why none is forgotten.
//
// Waiters queue in the semaphore table. The state word says only that there may
// be some (>= kHeldWaiters); being "to look after" the queue is a duty that is
// always with somebody while the queue is not empty:
//
//  (1) with the word: it is >= kHeldWaiters, so the holder's Unlock looks;
//  (2) with an Unlock that has just taken the word from >= kHeldWaiters to
//      kFree, until it has dequeued a waiter;
//  (3) with a waiter that was dequeued with `more` set and has not put the flag
//      back into the word. It leaves the word flagged when it gets the lock, and
//      flags it before it queues again. While it is on its way, Unlocks find
//      the word without a flag and wake nobody: Go's mutexWoken;
//  (4) with a Lock whose exchange has overwritten >= kHeldWaiters. As (3).
//
// A waiter queues only if, with the root locked, the word is >= kHeldWaiters.
// Unlock takes the flag out of the word either under the root's lock, or before
// it takes the root's lock; so it finds every waiter that saw the flag, or the
// waiter sees that the flag is gone and tries again.
//
// After the store or exchange that frees the word, Unlock touches the mutex only
// while it holds a waiter of it that is still inside Lock.
#include "sync/mutex.h"

#include "absl/base/attributes.h"
#include "base/clock.h"
#include "base/contention.h"
#include "base/lock.h"
#include "base/panic.h"
#include "base/wait_reason.h"
#include "sync/sema_table.h"

namespace mpg {

using internal::MutexKey;
using internal::SemaNode;
using internal::SemaRoot;
using internal::SemaRootOf;
using internal::WakeWaiter;

namespace {

constexpr ParkSite kSite = {WaitReason::kSyncMutexLock, nullptr,
                            internal::AbandonSemaNode};

// Go: starvationThresholdNs.
constexpr int64_t kStarvationNs = 1'000'000;

// Parks `node` unless the word is below `flagged`. True: it was parked.
bool ParkInQueue(SemaNode* node, bool lifo, const std::atomic<uint32_t>& state,
                 uint32_t flagged) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  SemaRoot* const root = SemaRootOf(node->key);
  root->lock.Lock();
  // relaxed: ordered by the root's lock against whoever takes the flag out.
  if (state.load(std::memory_order_relaxed) < flagged) {
    root->lock.Unlock();
    return false;
  }
  root->queue.Enqueue(node, lifo);
  Park(node->waiter, &kSite, &root->lock, node);
  return true;
}

// The caller, who lets a lock go, is about to wake a waiter.
void NoteWait(const SemaNode* node) {
  if (internal::ContentionIsReported()) {
    internal::ReportContention(NanoTime() - node->since);
  }
}

}  // namespace

// `seen` is what the caller's exchange has overwritten with kHeld.
ABSL_ATTRIBUTE_NOINLINE void Mutex::LockSlow(uint32_t seen) {
  SemaNode node(CurrentWaiter(), MutexKey(this));
  // What we leave in the word when we get the lock.
  uint32_t hold = seen;
  int64_t wait_start = 0;
  int64_t woken = 0;
  bool waited = false;
  bool starving = false;
  int spins = 0;
  for (;;) {
    // relaxed: what is done on the strength of it is checked again.
    uint32_t state = state_.load(std::memory_order_relaxed);
    if (state == kFree) {
      // acquire: pairs with the release in Unlock.
      if (state_.compare_exchange_weak(state, hold, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
        if (waited) internal::AddLockWait(woken - wait_start);
        return;
      }
      continue;
    }
    if (state != kHeldStarving && !starving && CanSpin(node.waiter, spins)) {
      DoSpin();
      ++spins;
      continue;
    }
    uint32_t flag = starving ? kHeldStarving : kHeldWaiters;
    if (hold > flag) flag = hold;
    // relaxed, both: the flag orders nothing by itself, see ParkInQueue.
    if (state < flag &&
        !state_.compare_exchange_weak(state, flag, std::memory_order_relaxed,
                                      std::memory_order_relaxed)) {
      continue;
    }
    if (wait_start == 0) wait_start = NanoTime();
    node.since = waited ? woken : wait_start;
    if (!ParkInQueue(&node, /*lifo=*/waited, state_, kHeldWaiters)) continue;
    waited = true;
    woken = NanoTime();
    const bool waited_long = woken - wait_start > kStarvationNs;
    if (node.granted) {
      internal::AddLockWait(woken - wait_start);
      uint32_t expected = kHeldStarving;
      if (!waited_long && node.more) {
        // relaxed: we hold the lock; only the mode changes. If it fails, a Lock
        // has overwritten the word and answers for it.
        state_.compare_exchange_strong(expected, kHeldWaiters,
                                       std::memory_order_relaxed,
                                       std::memory_order_relaxed);
      }
      return;
    }
    starving = starving || waited_long;
    hold = node.more ? kHeldWaiters : kHeld;
    spins = 0;
  }
}

// The holder, who has `seen` that there are waiters, lets go.
ABSL_ATTRIBUTE_NOINLINE void Mutex::PassOn(uint32_t seen) {
  if (seen == kFree) FatalError("sync: unlock of unlocked mutex");
  const uintptr_t key = MutexKey(this);
  SemaRoot* const root = SemaRootOf(key);
  SemaNode* node;
  bool handoff = false;
  {
    RuntimeLockGuard guard(root->lock);
    node = root->queue.Dequeue(key);
    if (node != nullptr) {
      handoff = seen == kHeldStarving;
      node->granted = handoff;
    }
    // Both stores may overwrite a flag: of a waiter that is on its way into the
    // queue, and that finds out in ParkInQueue.
    if (handoff) {
      // relaxed: the lock goes on by Ready, not by the word.
      state_.store(node->more ? kHeldStarving : kHeld,
                   std::memory_order_relaxed);
    } else {
      // release: pairs with the acquire in Lock, TryLock and LockSlow.
      state_.store(kFree, std::memory_order_release);
    }
  }
  if (node == nullptr) return;
  NoteWait(node);
  WakeWaiter(node->waiter, handoff);
}

// The word said kHeld when Unlock looked and `seen` when it was freed: a waiter
// came in between, or it was not locked.
ABSL_ATTRIBUTE_NOINLINE void Mutex::ReleasedUnaware(uint32_t seen) {
  if (seen == kFree) FatalError("sync: unlock of unlocked mutex");
  const uintptr_t key = MutexKey(this);
  SemaRoot* const root = SemaRootOf(key);
  SemaNode* node;
  {
    RuntimeLockGuard guard(root->lock);
    node = root->queue.Dequeue(key);
  }
  if (node == nullptr) return;
  if (seen == kHeldStarving) {
    // Takes the lock back for the waiter, if nobody has been faster.
    uint32_t expected = kFree;
    // acquire: on behalf of the waiter; as in LockSlow.
    node->granted = state_.compare_exchange_strong(
        expected, node->more ? kHeldStarving : kHeld, std::memory_order_acquire,
        std::memory_order_relaxed);
  }
  const bool handoff = node->granted;
  NoteWait(node);
  WakeWaiter(node->waiter, handoff);
}

}  // namespace mpg
