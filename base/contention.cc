#include "base/contention.h"

#include "base/cacheline.h"
#include "base/random.h"
#include "base/thread_state.h"

namespace mpg {
namespace internal {
namespace {

// Spread over some lines: those who add have just been woken on different cores.
constexpr int kStripes = 8;
struct MPG_CACHELINE_ALIGNED Stripe {
  std::atomic<int64_t> ns{0};
};
Stripe waits[kStripes];

std::atomic<ContentionFn> hook{nullptr};

}  // namespace

std::atomic<int64_t> contention_rate{0};

void AddLockWait(int64_t ns) {
  const auto thread = reinterpret_cast<uintptr_t>(ThisThread());
  // The address of a thread's own data, page by page. relaxed: a sum.
  waits[thread / 4096 % kStripes].ns.fetch_add(ns, std::memory_order_relaxed);
}

int64_t LockWaitNanos() {
  int64_t sum = 0;
  // relaxed: a sum.
  for (const Stripe& s : waits) sum += s.ns.load(std::memory_order_relaxed);
  return sum;
}

void SetContentionHook(ContentionFn fn) {
  // release: pairs with the acquire in ReportContention.
  hook.store(fn, std::memory_order_release);
}

void ReportContention(int64_t waited_ns) {
  // relaxed: see ContentionIsReported.
  const int64_t rate = contention_rate.load(std::memory_order_relaxed);
  // Lemire's multiplication: one in `rate`.
  if (rate <= 0 ||
      (uint64_t{ThreadRand()} * static_cast<uint64_t>(rate)) >> 32 != 0) {
    return;
  }
  if (ContentionFn fn = hook.load(std::memory_order_acquire)) {
    fn(waited_ns < 0 ? 0 : waited_ns, rate);
  }
}

}  // namespace internal
}  // namespace mpg
