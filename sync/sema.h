// Counting semaphores in any 4-byte word, the sleep and wake-up of which the
// rest of sync/ is built.
//
//   std::atomic<uint32_t> tickets{0};
//   Semacquire(&tickets);   // blocks until the count is positive, takes one
//   Semrelease(&tickets);   // adds one, or hands it to who waits longest
//
// Think of them as pairs of a sleep and a wake-up in which the wake-up may come
// first. Blocks a goroutine, or the thread where there is none.
//
// Waiters of a word are served first come, first served. Unlike Go, a release
// that finds a waiter gives it the ticket itself instead of putting it into the
// word for anybody to snatch: the waiter need not fight for it after waking, and
// the word is not touched at all.
//
// Thread safety: any thread. The word may vanish as soon as the last Semacquire
// on it has returned, even if the Semrelease it waited for has not: after adding
// its ticket, Semrelease touches the word only while a waiter is queued at it.
// Memory: what happened before a Semrelease is visible after the Semacquire
// that takes its ticket.
// Source: Go's semacquire1, semrelease1 (sema.go).
#ifndef MPG_SYNC_SEMA_H_
#define MPG_SYNC_SEMA_H_

#include <atomic>
#include <cstdint>

#include "absl/base/optimization.h"
#include "base/park.h"
#include "base/wait_reason.h"
#include "sync/sema_table.h"

namespace mpg {

namespace internal {

// Takes a ticket that lies in the word, if there is one. `order` of the first
// look: see SemacquireSlow for why it is seq_cst there.
inline bool TakeTicket(std::atomic<uint32_t>* addr, std::memory_order order) {
  uint32_t n = addr->load(order);
  while (n != 0) {
    // acquire: pairs with the fetch_add in Semrelease.
    if (addr->compare_exchange_weak(n, n - 1, std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

void SemacquireSlow(std::atomic<uint32_t>* addr, WaitReason reason);
bool GiveTicket(std::atomic<uint32_t>* addr, bool from_word, bool handoff);

// Semacquire that shows `reason` in dumps: kSemacquire, kSyncRWMutexRLock or
// kSyncRWMutexLock.
inline void SemacquireFor(std::atomic<uint32_t>* addr, WaitReason reason) {
  // relaxed: a failed look leads to SemacquireSlow, which looks again.
  if (ABSL_PREDICT_TRUE(TakeTicket(addr, std::memory_order_relaxed))) {
    PreemptPoint();
    return;
  }
  SemacquireSlow(addr, reason);
}

}  // namespace internal

// Blocks until *addr > 0 and takes one from it.
inline void Semacquire(std::atomic<uint32_t>* addr) {
  internal::SemacquireFor(addr, WaitReason::kSemacquire);
}

// Lets one Semacquire go on, which may come later. If `handoff`, a goroutine
// that waits runs at once on the caller's processor, in the caller's stead.
inline void Semrelease(std::atomic<uint32_t>* addr, bool handoff = false) {
  internal::SemaRoot* const root =
      internal::SemaRootOf(internal::SemaphoreKey(addr));
  // relaxed: a hint that somebody may wait; the lock decides. A miss is
  // repaired below.
  if (root->nwait.load(std::memory_order_relaxed) != 0 &&
      internal::GiveTicket(addr, /*from_word=*/false, handoff)) {
    return;
  }
  // seq_cst, both: a waiter writes nwait and then reads *addr, we write *addr
  // and then read nwait. In the one order of all four, either it sees our
  // ticket or we see it.
  addr->fetch_add(1, std::memory_order_seq_cst);
  if (ABSL_PREDICT_TRUE(root->nwait.load(std::memory_order_seq_cst) == 0)) {
    return;
  }
  internal::GiveTicket(addr, /*from_word=*/true, handoff);
}

}  // namespace mpg

#endif  // MPG_SYNC_SEMA_H_
