#include "runtime/event_profile.h"

#include <algorithm>

#include "base/random.h"
#include "runtime/backtrace.h"

namespace mpg {
namespace internal {
namespace {

// A random number below n. n is some seconds at most, in nanoseconds.
int64_t RandomBelow(int64_t n) {
  const uint64_t r = uint64_t{ThreadRand()} << 32 | ThreadRand();
  return static_cast<int64_t>(r % static_cast<uint64_t>(n));
}

}  // namespace

std::atomic<int64_t> block_profile_rate{0};

EventProfile* BlockProfile() {
  static auto* profile = new EventProfile;
  return profile;
}

EventProfile* MutexProfile() {
  static auto* profile = new EventProfile;
  return profile;
}

void EventProfile::Add(double count, double ns) {
  Backtrace trace;
  TakeBacktrace(&trace);
  std::vector<void*> pcs(trace.pcs, trace.pcs + trace.size);
  RuntimeLockGuard guard(mu_);
  Sum& sum = sums_[std::move(pcs)];
  sum.count += count;
  sum.ns += ns;
}

std::vector<EventProfile::Entry> EventProfile::Entries() {
  std::vector<Entry> out;
  RuntimeLockGuard guard(mu_);
  for (const auto& [pcs, sum] : sums_) out.push_back({pcs, sum});
  return out;
}

// Go: blockevent, blocksampled.
void NoteBlocked(int64_t ns) {
  ns = std::max<int64_t>(ns, 1);
  // relaxed: see BlockingIsProfiled.
  const int64_t rate = block_profile_rate.load(std::memory_order_relaxed);
  if (rate <= 0 || (rate > ns && RandomBelow(rate) > ns)) return;
  if (ns < rate) {
    // Stands for those that were not noted.
    BlockProfile()->Add(static_cast<double>(rate) / static_cast<double>(ns),
                        static_cast<double>(rate));
  } else {
    BlockProfile()->Add(1, static_cast<double>(ns));
  }
}

void NoteContention(int64_t waited_ns, int64_t rate) {
  const auto weight = static_cast<double>(rate);
  MutexProfile()->Add(weight, weight * static_cast<double>(waited_ns));
}

}  // namespace internal
}  // namespace mpg
