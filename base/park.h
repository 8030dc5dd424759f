// Parking: how code blocks without knowing what it blocks.
//
// A Waiter is a goroutine when a scheduler runs one on this thread, else the
// thread itself, which then sleeps on a note. Channels, semaphores and all that
// is built on them know only this header; so they work with plain threads, with
// goroutines, and between the two.
//
//   RuntimeLockGuard...        lock.Lock();
//                              Waiter* w = CurrentWaiter();
//                              queue.push_back(w);
//                              Park(w, &kMySite, &lock, this);   // unlocks
//   and the other side:        lock.Lock(); w = queue.pop_front(); lock.Unlock();
//                              Ready(w);
//
// Invariants:
//  (1) A parked waiter wakes by Ready and by nothing else; there is exactly one
//      Ready for each Park. Park(w) returns only after Ready(w).
//  (2) `lock` is released only once the waiter has left its stack (a goroutine)
//      or can no longer miss the wake-up (a thread). Whoever finds the waiter
//      under `lock` may therefore ready it at once.
//  (3) What happened before Ready(w) is visible after Park(w) returns.
//  (4) A Waiter* is the same through a goroutine's life and a thread's life.
//
// Source: Go's gopark, goready, goparkunlock (proc.go); the thread's side is as
// Go's notes. The cost of the seam is one indirect call.
#ifndef MPG_BASE_PARK_H_
#define MPG_BASE_PARK_H_

#include <atomic>
#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "absl/functional/any_invocable.h"
#include "base/closure_origin.h"
#include "base/lock.h"
#include "base/thread_state.h"
#include "base/wait_reason.h"

namespace mpg {

struct Waiter;

// What does not change from one Park to the next at one place in the code: a
// static constant there.
struct ParkSite {
  WaitReason reason;
  // May be null. Called with Park's `arg` after the waiter has left its stack
  // and `lock` is released (select releases its many locks here). Returning
  // false takes the Park back: the waiter goes on. Must not park.
  // Go: gopark's unlockf.
  bool (*commit)(Waiter* w, void* arg);
  // May be null. The scheduler that runs `w` is ending while `w` is parked
  // here: take `w` off every queue that could ready it and return true; `w`
  // never runs again. Return false if somebody has already taken it off and is
  // about to call Ready. Called with no lock held, from any thread.
  bool (*abandon)(Waiter* w, void* arg);
  // May be null. The scheduler that runs `w` is ending when `w` has been readied
  // but does not run any more: take `w` off the queues that its Ready has left it
  // on. Called as `abandon` is.
  void (*forget)(Waiter* w, void* arg) = nullptr;
};

// How one kind of waiter does what every waiter can.
struct WaiterOps {
  void (*park)(Waiter* w, const ParkSite* site, RuntimeLock* lock, void* arg);
  void (*ready)(Waiter* w);
  void (*ready_and_yield)(Waiter* w);
  void (*preempt)(Waiter* w);
  bool (*can_spin)(Waiter* w, int iteration);
  // `origin`: ClosureOrigin of what fn wraps.
  void (*spawn)(Waiter* w, absl::AnyInvocable<void()> fn, uintptr_t origin);
};

struct Waiter {
  explicit constexpr Waiter(const WaiterOps* o) : ops(o) {}
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  const WaiterOps* ops;
  // For the code that parks and the code that readies, who agree on the
  // meaning; written before Ready, read after Park. Go: g.param, sudog.success.
  void* param = nullptr;
  bool success = false;
  // Asks the waiter to give way at its next PreemptPoint. Set by a monitor,
  // cleared by the waiter. relaxed: a hint, nothing is published with it.
  std::atomic<bool> preempt{false};
  // When it parked last, for dumps: see runtime/wait_clock.h. Go: g.waitsince.
  uint16_t wait_since = 0;
  // Won by the first of several channels that want to wake one select.
  // Go: g.selectDone.
  std::atomic<uint32_t> select_done{0};
};

namespace internal {
// Makes this plain thread's waiter at its first use.
Waiter* MakeThreadWaiter();
// Plain threads asleep in Park now. Of use to deadlock detection.
int64_t ParkedThreads();
}  // namespace internal

// Who blocks if the calling code blocks. Never null.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline Waiter* CurrentWaiter() {
  Waiter* w = ThisThread()->current;
  if (ABSL_PREDICT_FALSE(w == nullptr)) return internal::MakeThreadWaiter();
  return w;
}

// Blocks `w`, which must be CurrentWaiter(), until Ready(w).
// REQUIRES: the caller holds `lock` (if not null) and no other RuntimeLock.
inline void Park(Waiter* w, const ParkSite* site, RuntimeLock* lock,
                 void* arg) {
  w->ops->park(w, site, lock, arg);
}

// Lets `w`, which is parked or about to be, go on. Any thread. Does not block.
inline void Ready(Waiter* w) { w->ops->ready(w); }

// Ready, and gives `w` the caller's processor at once if both are goroutines;
// the caller goes on later. May block. Go: semrelease with handoff.
inline void ReadyAndYield(Waiter* w) { w->ops->ready_and_yield(w); }

// Gives way if the scheduler has asked for it. Every call into mpg that a loop
// could be made of has one. May block, so: no RuntimeLock held.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline void PreemptPoint(Waiter* w) {
  // relaxed: see Waiter::preempt.
  if (ABSL_PREDICT_FALSE(w->preempt.load(std::memory_order_relaxed))) {
    w->ops->preempt(w);
  }
}
inline void PreemptPoint() { PreemptPoint(CurrentWaiter()); }

// True if spinning for something that another core is about to release is
// better than parking; `iteration` counts from 0. Go: sync_runtime_canSpin.
inline bool CanSpin(Waiter* w, int iteration) {
  return w->ops->can_spin(w, iteration);
}
// One round of such spinning, some 30 pauses. Go: sync_runtime_doSpin.
void DoSpin();

// Starts fn concurrently: a goroutine under a scheduler, else a std::thread
// (detached). An exception that leaves fn ends the program.
template <class F>
void SpawnConcurrent(F&& fn) {
  Waiter* w = CurrentWaiter();
  const uintptr_t origin = ClosureOrigin<std::decay_t<F>>(fn);
  w->ops->spawn(w, std::forward<F>(fn), origin);
}

}  // namespace mpg

#endif  // MPG_BASE_PARK_H_
