// Each decision is one read-modify-write of readers_ or of leaving_, and is
// complete by itself; no step stores to one word and then looks at another. So
// acquire and release suffice.
//
//   readers_ tells a reader whether it is before the writer (it was not negative)
//   or behind it; and the writer, in the same step in which it makes the word
//   negative, how many are before it.
//   leaving_ is decremented by each of these as it leaves, and incremented once
//   by the writer by their number. Whoever brings it to zero has seen the last
//   of them leave: the writer then need not wait, or is woken.
#include "sync/rwmutex.h"

#include "absl/base/attributes.h"
#include "base/panic.h"
#include "base/wait_reason.h"
#include "sync/sema.h"

namespace mpg {

ABSL_ATTRIBUTE_NOINLINE void RWMutex::RLockSlow() {
  internal::SemacquireFor(&reader_sema_, WaitReason::kSyncRWMutexRLock);
}

bool RWMutex::TryRLock() {
  // relaxed: a hint, until the exchange.
  int32_t n = readers_.load(std::memory_order_relaxed);
  while (n >= 0) {
    // acquire: pairs with the release in Unlock.
    if (readers_.compare_exchange_weak(n, n + 1, std::memory_order_acquire,
                                       std::memory_order_relaxed)) {
      return true;
    }
  }
  PreemptPoint();  // callers loop
  return false;
}

// `now` is what RUnlock has left in readers_.
ABSL_ATTRIBUTE_NOINLINE void RWMutex::RUnlockSlow(int32_t now) {
  if (now == -1 || now == -kMaxReaders - 1) {
    FatalError("sync: RUnlock of unlocked RWMutex");
  }
  // A writer waits, or is about to. acq_rel: passes on to it what all readers
  // have released here before; pairs with the fetch_add in Lock.
  if (leaving_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    Semrelease(&writer_sema_);
  }
}

void RWMutex::Lock() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  writers_.Lock();
  // acquire: pairs with the release in RUnlock. release: so that a reader that
  // is told by this value to wait knows that of leaving_ and of the semaphores
  // which the writers before us have left.
  const int32_t before =
      readers_.fetch_sub(kMaxReaders, std::memory_order_acq_rel);
  if (before == 0) return;
  // acq_rel: pairs with the fetch_sub in RUnlockSlow.
  if (leaving_.fetch_add(before, std::memory_order_acq_rel) + before == 0) {
    return;
  }
  internal::SemacquireFor(&writer_sema_, WaitReason::kSyncRWMutexLock);
}

bool RWMutex::TryLock() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  if (!writers_.TryLock()) return false;
  int32_t nobody = 0;
  // acq_rel: as in Lock.
  if (!readers_.compare_exchange_strong(nobody, -kMaxReaders,
                                        std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
    writers_.Unlock();
    PreemptPoint();  // callers loop
    return false;
  }
  return true;
}

void RWMutex::Unlock() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  // release: pairs with the acquire in RLock, TryRLock, Lock and TryLock.
  const int32_t waiting =
      readers_.fetch_add(kMaxReaders, std::memory_order_release) + kMaxReaders;
  if (ABSL_PREDICT_FALSE(waiting >= kMaxReaders)) {
    FatalError("sync: Unlock of unlocked RWMutex");
  }
  for (int32_t i = 0; i < waiting; ++i) Semrelease(&reader_sema_);
  writers_.Unlock();
}

}  // namespace mpg
