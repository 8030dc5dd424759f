#include "timer/timekeeper.h"

#include <algorithm>

#include "base/clock.h"

namespace mpg {
namespace {

// From one waking to the next. The kernel wakes a thread some 40 us after its
// time, so timers closer than that are late anyway; now they are late together.
constexpr int64_t kMinGapNs = 50'000;

}  // namespace

bool Timekeeper::Keep(absl::FunctionRef<int64_t()> earliest,
                      absl::FunctionRef<bool()> leave) {
  for (;;) {
    int64_t published = earliest();
    if (published == kNever || leave()) return false;
    int64_t nobody = kNobody;
    if (!until_.compare_exchange_strong(nobody, published)) {
      WakeFor(published);
      return false;
    }
    const bool due = Watch(&published, earliest, leave);
    Resign(published);
    if (due) return true;
    // A timer that came just before the resignation was left to us.
  }
}

bool Timekeeper::Watch(int64_t* published,
                       absl::FunctionRef<int64_t()> earliest,
                       absl::FunctionRef<bool()> leave) {
  while (!leave()) {
    const int64_t until = earliest();
    if (until == kNever) return false;
    if (until != *published) {
      // Timers that came before this are seen by the next look, those that come
      // after it are announced.
      const bool quiet = until_.compare_exchange_strong(*published, until);
      *published = until;
      if (!quiet) Consume(until);
      continue;
    }
    const int64_t now = NanoTime();
    if (until <= now) return true;
    const int64_t wake = std::max(until, last_wake_ + kMinGapNs);
    if (note_.SleepFor(wake - now)) {
      Consume(until);
    } else {
      last_wake_ = NanoTime();
    }
  }
  return false;
}

// Takes in a wake-up that has come or is about to.
void Timekeeper::Consume(int64_t published) {
  note_.Sleep();
  note_.Clear();
  until_.store(published);
}

void Timekeeper::Resign(int64_t published) {
  // The next keeper uses the same note: it must be clear.
  while (!until_.compare_exchange_strong(published, kNobody)) {
    Consume(published = 0);
  }
}

bool Timekeeper::WakeFor(int64_t when) {
  int64_t until = until_.load();
  while (until > when || (until >= 0 && when == 0)) {
    if (until_.compare_exchange_weak(until, kWoken)) {
      note_.Wakeup();
      return true;
    }
  }
  return until != kNobody;
}

}  // namespace mpg
