#include "base/lock.h"

#include <sched.h>
#include <unistd.h>

#include "base/cacheline.h"
#include "base/futex.h"
#include "base/panic.h"

namespace mpg {
namespace {

// Go: active_spin, active_spin_cnt, passive_spin (lock_futex.go).
constexpr int kActiveSpin = 4;
constexpr int kActiveSpinCount = 30;
constexpr int kPassiveSpin = 1;

// One core: the holder cannot run while we spin.
const bool kManyCpus = sysconf(_SC_NPROCESSORS_ONLN) > 1;

}  // namespace

void RuntimeLock::LockSlow(uint32_t seen) {
  // `wait` is what we leave in the word when we take the lock. Once it is
  // kSleeping it stays so: we cannot know that we were the only sleeper.
  uint32_t wait = seen;
  const int spins = kManyCpus ? kActiveSpin : 0;
  for (;;) {
    for (int i = 0; i < spins + kPassiveSpin; ++i) {
      uint32_t expected = kUnlocked;
      // relaxed load: a hint whether the exchange is worth its cache miss.
      while (state_.load(std::memory_order_relaxed) == kUnlocked) {
        // acquire: pairs with the release in Unlock.
        if (state_.compare_exchange_strong(expected, wait,
                                           std::memory_order_acquire,
                                           std::memory_order_relaxed)) {
          return;
        }
        expected = kUnlocked;
      }
      if (i < spins) {
        for (int k = 0; k < kActiveSpinCount; ++k) CpuRelax();
      } else {
        sched_yield();
      }
    }
    // acquire: pairs with the release in Unlock.
    const uint32_t old = state_.exchange(kSleeping, std::memory_order_acquire);
    if (old == kUnlocked) return;
    wait = kSleeping;
    internal::FutexSleep(&state_, kSleeping, -1);
  }
}

void RuntimeLock::UnlockSlow(uint32_t seen) {
  if (seen == kUnlocked) FatalError("unlock of unlocked lock");
  internal::FutexWakeup(&state_, 1);
}

}  // namespace mpg
