#include "base/park.h"

#include <sched.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "base/cacheline.h"
#include "base/note.h"

namespace mpg {
namespace {

std::atomic<int64_t> parked_threads{0};

struct ThreadWaiter : Waiter {
  constexpr ThreadWaiter();
  ~ThreadWaiter();
  Note note;
};

const bool many_cpus = sysconf(_SC_NPROCESSORS_ONLN) > 1;

// Waits for a wake-up that is less than a futex call away. Threads that talk
// wake each other all the time, and each sleep costs both of them a system call:
// with this, a channel between two threads is three times as fast. Bounded, and
// once a park, so an idle thread burns nothing.
void AwaitBriefly(const Note& note) {
  // Who will wake us may run on another core now, or wait for this one.
  // Go: active_spin_cnt, passive_spin (lock_futex.go).
  if (many_cpus) {
    for (int i = 0; i < 30 && !note.IsSignaled(); ++i) CpuRelax();
  }
  if (!note.IsSignaled()) sched_yield();
}

void ThreadPark(Waiter* w, const ParkSite* site, RuntimeLock* lock, void* arg)
    ABSL_NO_THREAD_SAFETY_ANALYSIS {  // unlocks what its caller has locked
  auto* self = static_cast<ThreadWaiter*>(w);
  if (lock != nullptr) lock->Unlock();
  if (site->commit != nullptr && !site->commit(w, arg)) return;
  // relaxed: a count for a monitor, which looks more than once.
  parked_threads.fetch_add(1, std::memory_order_relaxed);
  AwaitBriefly(self->note);
  self->note.Sleep();
  self->note.Clear();
}

void ThreadReady(Waiter* w) {
  // Counted by who wakes, not by who is woken: a thread that has been told to
  // wake but has not run yet is not asleep, and no deadlock.
  parked_threads.fetch_sub(1, std::memory_order_relaxed);
  static_cast<ThreadWaiter*>(w)->note.Wakeup();
}

void ThreadPreempt(Waiter* w) {
  // relaxed: see Waiter::preempt.
  w->preempt.store(false, std::memory_order_relaxed);
}

bool ThreadCanSpin(Waiter*, int iteration) {
  // Go: active_spin. With one core the holder cannot run while we spin.
  return many_cpus && iteration < 4;
}

void ThreadSpawn(Waiter*, absl::AnyInvocable<void()> fn, uintptr_t) {
  std::thread(std::move(fn)).detach();
}

constexpr WaiterOps kThreadOps = {
    ThreadPark,    ThreadReady,   ThreadReady,
    ThreadPreempt, ThreadCanSpin, ThreadSpawn,
};

constexpr ThreadWaiter::ThreadWaiter() : Waiter(&kThreadOps) {}

ThreadWaiter::~ThreadWaiter() {
  // Code in later thread-exit destructors gets a waiter afresh, if it must.
  ThreadState* t = ThisThread();
  if (t->current == this) t->current = nullptr;
}

}  // namespace

namespace internal {

ABSL_ATTRIBUTE_NOINLINE Waiter* MakeThreadWaiter() {
  static thread_local ThreadWaiter waiter;
  ThisThread()->current = &waiter;
  return &waiter;
}

int64_t ParkedThreads() {
  // relaxed: see ThreadPark.
  return parked_threads.load(std::memory_order_relaxed);
}

}  // namespace internal

void DoSpin() {
  // Go: active_spin_cnt.
  for (int i = 0; i < 30; ++i) CpuRelax();
}

}  // namespace mpg
