// Who wakes the waiters, once the counter has become zero:
//
//   Wait                                 the last Done
//   1. claims the list (kClaimed)        1. takes the counter to zero
//   2. appends its node                  2. sees in the same step:
//   3. parks; once off its stack:           no flags:    nobody to wake
//   4. kWaiting on, kClaimed off            kClaimed:    leaves it to the claimant
//   5. sees in the same step whether        kWaiting:    takes the list, clears
//      the counter has become zero: if                   the word, wakes all
//      so, takes the list, clears the
//      word, wakes the others, goes on
//
// One word decides, so exactly one of the two takes the list. After its step 2
// the last Done touches the WaitGroup only in the third case, and only before it
// has woken anybody; all on the list are still in Wait, so it still exists.
#include "sync/wait_group.h"

#include <thread>

#include "absl/base/attributes.h"
#include "base/cacheline.h"
#include "base/panic.h"
#include "base/thread_state.h"
#include "base/wait_reason.h"

namespace mpg {

// Claims the list, unless the counter is zero. Sets *state to what the word was
// before. While it has the claim, a thread is not preempted, as with a lock.
bool WaitGroup::Claim(uint64_t* state) {
  for (uint32_t tries = 1;; ++tries) {
    // acquire: pairs with the release in Add and Done.
    *state = state_.load(std::memory_order_acquire);
    if (Count(*state) == 0) return false;
    if ((*state & kClaimed) != 0) {
      // Claims last for one switch of goroutines, unless the kernel has taken
      // the claimant's core away (every 64th time: untuned).
      CpuRelax();
      if (tries % 64 == 0) std::this_thread::yield();
      continue;
    }
    ++ThisThread()->locks;
    // acquire: pairs with the release of the previous claim, in Commit and
    // Abandon.
    if (state_.compare_exchange_weak(*state, *state | kClaimed,
                                     std::memory_order_acquire,
                                     std::memory_order_relaxed)) {
      return true;
    }
    --ThisThread()->locks;
  }
}

ABSL_ATTRIBUTE_NOINLINE void WaitGroup::WaitSlow() {
  static constexpr ParkSite kSite = {WaitReason::kSyncWaitGroupWait, Commit,
                                     Abandon};
  Node node;
  node.waiter = CurrentWaiter();
  node.wg = this;
  uint64_t state;
  if (!Claim(&state)) return;
  Append(&node);
  node.flag = (state & kWaiting) == 0 ? kWaiting : ~state & kMany;
  Park(node.waiter, &kSite, nullptr, &node);
  // relaxed: finds misuse, orders nothing.
  if (state_.load(std::memory_order_relaxed) != 0) {
    throw Panic("sync: WaitGroup is reused before previous Wait has returned");
  }
}

// ParkSite::commit, on the thread that parked: gives the claim back.
bool WaitGroup::Commit(Waiter*, void* arg) {
  Node* const node = static_cast<Node*>(arg);
  WaitGroup* const wg = node->wg;
  // Under the claim nobody else changes the lower half.
  const uint64_t change = node->flag - kClaimed;
  // release: publishes the list to the next claimant and to the last Done.
  // acquire: pairs with the release in that Done, if it has been.
  const uint64_t now =
      wg->state_.fetch_add(change, std::memory_order_acq_rel) + change;
  --ThisThread()->locks;
  // Unless the counter is zero, node may be gone from here on.
  if (ABSL_PREDICT_TRUE(Count(now) != 0)) return true;
  wg->Unlink(node);
  Wake(wg->TakeWaiters());
  return false;
}

// ParkSite::abandon.
bool WaitGroup::Abandon(Waiter*, void* arg) {
  Node* const node = static_cast<Node*>(arg);
  WaitGroup* const wg = node->wg;
  if (wg == nullptr) return true;  // see Detach
  uint64_t state;
  // With the counter at zero, whoever took it there wakes us.
  if (!wg->Claim(&state)) return false;
  wg->Unlink(node);
  const uint64_t gone =
      wg->last_ == nullptr ? state & (kWaiting | kMany) : uint64_t{0};
  const uint64_t change = uint64_t{0} - gone - kClaimed;
  // acq_rel: as in Commit.
  const uint64_t now =
      wg->state_.fetch_add(change, std::memory_order_acq_rel) + change;
  --ThisThread()->locks;
  if (Count(now) == 0 && Flags(now) != 0) Wake(wg->TakeWaiters());
  return true;
}

// The counter has changed by `delta` to `now`, which is negative or has flags.
ABSL_ATTRIBUTE_NOINLINE void WaitGroup::Changed(uint64_t now, int delta) {
  const int32_t count = Count(now);
  if (count < 0) throw Panic("sync: negative WaitGroup counter");
  if (delta > 0 && count == delta) {
    throw Panic("sync: WaitGroup misuse: Add called concurrently with Wait");
  }
  if (count > 0 || (now & kClaimed) != 0 || Flags(now) == 0) return;
  // relaxed: finds misuse. Nobody may change the word now.
  if (state_.load(std::memory_order_relaxed) != now) {
    throw Panic("sync: WaitGroup misuse: Add called concurrently with Wait");
  }
  if ((now & kMany) != 0) {
    Wake(TakeWaiters());
    return;
  }
  Waiter* const only = first_;
  last_ = nullptr;
  // release: so that the next claimant sees an empty list.
  state_.store(0, std::memory_order_release);
  Ready(only);
}

void WaitGroup::Append(Node* node) {
  if (last_ == nullptr) {
    node->next = node;
    node->prev = node;
    first_ = node->waiter;
  } else {
    node->prev = last_;
    node->next = last_->next;
    node->next->prev = node;
    last_->next = node;
  }
  last_ = node;
}

void WaitGroup::Unlink(Node* node) {
  if (node->next == node) {
    last_ = nullptr;
    return;
  }
  node->prev->next = node->next;
  node->next->prev = node->prev;
  if (last_ == node) last_ = node->prev;
  first_ = last_->next->waiter;
}

// The counter is zero and the list ours: empties both. Returns the first, in a
// chain that ends with null. The caller touches *this no more.
WaitGroup::Node* WaitGroup::TakeWaiters() {
  Node* first = nullptr;
  if (last_ != nullptr) {
    first = last_->next;
    last_->next = nullptr;
    last_ = nullptr;
  }
  // release: so that the next claimant sees an empty list.
  state_.store(0, std::memory_order_release);
  return first;
}

void WaitGroup::Wake(Node* first) {
  while (first != nullptr) {
    Node* const node = first;
    first = node->next;
    Ready(node->waiter);  // node is gone
  }
}

// *this goes while some wait on it. They can only be goroutines that never run
// again: tells them that there is nothing to be taken off.
void WaitGroup::Detach() {
  uint64_t state;
  if (!Claim(&state)) return;  // for ever: nobody comes after us
  --ThisThread()->locks;
  Node* node = last_;
  if (node == nullptr) return;
  do {
    node->wg = nullptr;
    node = node->next;
  } while (node != last_);
}

}  // namespace mpg
