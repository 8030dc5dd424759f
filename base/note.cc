#include "base/note.h"

#include <limits>

#include "base/clock.h"
#include "base/futex.h"
#include "base/panic.h"

namespace mpg {

void Note::Sleep() { SleepFor(-1); }

bool Note::SleepFor(int64_t ns) {
  uint32_t expected = kClear;
  // acquire: pairs with the release in Wakeup, when it came first.
  if (!state_.compare_exchange_strong(expected, kAsleep,
                                      std::memory_order_acquire)) {
    if (expected == kSignaled) return true;
    FatalError("two threads sleep on one note");
  }
  // More than some 290 years is for ever.
  const int64_t now = ns < 0 ? 0 : NanoTime();
  if (ns > std::numeric_limits<int64_t>::max() - now) ns = -1;
  const int64_t deadline = ns < 0 ? 0 : now + ns;
  int64_t left = ns;
  for (;;) {
    internal::FutexSleep(&state_, kAsleep, left);
    // acquire: pairs with the release in Wakeup.
    if (state_.load(std::memory_order_acquire) == kSignaled) return true;
    if (ns < 0) continue;
    left = deadline - NanoTime();
    if (left > 0) continue;
    expected = kAsleep;
    // Back to clear, unless a Wakeup comes in this very moment.
    // acquire: pairs with the release in Wakeup.
    return !state_.compare_exchange_strong(expected, kClear,
                                           std::memory_order_acquire);
  }
}

void Note::Wakeup() {
  // release: pairs with the acquire in SleepFor.
  const uint32_t old = state_.exchange(kSignaled, std::memory_order_release);
  if (old == kAsleep) {
    internal::FutexWakeup(&state_, 1);
  } else if (old == kSignaled) {
    FatalError("notewakeup - double wakeup");
  }
}

void Note::WakeupIfClear() {
  // release: pairs with the acquire in SleepFor.
  if (state_.exchange(kSignaled, std::memory_order_release) == kAsleep) {
    internal::FutexWakeup(&state_, 1);
  }
}

}  // namespace mpg
