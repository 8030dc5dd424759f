// The semaphore table: where waiters of semaphores and mutexes queue, by the
// address of what they wait for. So a Mutex is 4 bytes and an idle one owns
// nothing; and after the waking side has let go of an object, the object may
// vanish: an address is only compared here, never followed.
//
// Thread safety: each root by its lock. Lock order: a root's lock is a leaf; it
// may be taken while a NotifyList's is held.
// Source: Go's semTable (sema.go).
#ifndef MPG_SYNC_SEMA_TABLE_H_
#define MPG_SYNC_SEMA_TABLE_H_

#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "base/cacheline.h"
#include "base/lock.h"
#include "base/park.h"
#include "base/thread_state.h"
#include "sync/sema_queue.h"

namespace mpg {
namespace internal {

struct MPG_CACHELINE_ALIGNED SemaRoot {
  explicit constexpr SemaRoot(uint64_t seed = 0) : queue(seed) {}

  RuntimeLock lock;
  // Semaphore waiters queued here or about to be. Written under `lock`, read
  // without it by Semrelease. Go: semaRoot.nwait. (Mutexes know by their own
  // state whether somebody waits, and are not counted.)
  std::atomic<uint32_t> nwait{0};
  SemaQueue queue ABSL_GUARDED_BY(lock);
  uint32_t lock_waits ABSL_GUARDED_BY(lock) = 0;  // for an RWMutex, so far
};

// Keys. Both kinds of objects are 4-byte aligned, so a tag tells a mutex from a
// semaphore that takes over its memory while a late Unlock is still looking.
inline uintptr_t SemaphoreKey(const void* p) {
  return reinterpret_cast<uintptr_t>(p);
}
inline uintptr_t MutexKey(const void* p) {
  return reinterpret_cast<uintptr_t>(p) | 1;
}

// Go: semTabSize. A prime, so that no stride of addresses favours a root.
inline constexpr uint32_t kSemaRoots = 251;
extern SemaRoot sema_table[kSemaRoots];

inline SemaRoot* SemaRootOf(uintptr_t key) {
  // 32 bits of the address decide, because that division is the cheaper one.
  return &sema_table[static_cast<uint32_t>(key >> 3) % kSemaRoots];
}

// ParkSite::abandon for waiters that are queued here; `node` is a SemaNode*.
bool AbandonSemaNode(Waiter* w, void* node);

// Wakes a waiter; if `handoff`, on this processor and now, unless the caller
// holds a RuntimeLock.
inline void WakeWaiter(Waiter* w, bool handoff) {
  if (handoff && ThisThread()->locks == 0) {
    ReadyAndYield(w);
  } else {
    Ready(w);
  }
}

}  // namespace internal
}  // namespace mpg

#endif  // MPG_SYNC_SEMA_TABLE_H_
