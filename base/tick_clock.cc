#include "base/tick_clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>

#include "absl/base/thread_annotations.h"
#include "base/lock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace mpg {
namespace {

// How long an extrapolation may go on. NTP slews CLOCK_MONOTONIC by at most
// 500 ppm: 0.5 us in this time.
constexpr int64_t kMaxSpanNs = 1'000'000;
// The rate is measured over at least this long: reading both clocks at the same
// moment succeeds to about 0.2 us, so it is good to 10 ppm.
constexpr int64_t kMinMeasureNs = 20'000'000;
// And anew this often, since slewing comes and goes.
constexpr int64_t kMeasureAgainNs = 1'000'000'000;
// The two looks at the counter around one at the clock are further apart if
// something came in between.
constexpr uint64_t kMaxLookTicks = 2000;

// The fastest of some calls, in ticks.
template <class Fn>
uint64_t FastestOf(Fn call) {
  uint64_t best = ~uint64_t{0};
  for (int i = 0; i < 50; ++i) {
    const auto begin = static_cast<uint64_t>(CpuTicks());
    call();
    best = std::min(best, static_cast<uint64_t>(CpuTicks()) - begin);
  }
  return best;
}

// clock_gettime needs no system call.
bool ClockIsInVdso() {
  timespec ts;
  const uint64_t library =
      FastestOf([&] { clock_gettime(CLOCK_MONOTONIC, &ts); });
  const uint64_t kernel =
      FastestOf([&] { syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &ts); });
  return library < kernel * 3 / 4;
}

bool ReadClockSource() {
#if defined(__x86_64__)
  // Constant rate in all states; and the kernel has found the cores in step: that
  // is what source "tsc" says, and "kvm-clock" if the vDSO reads it, since it does
  // so with one vCPU's figures on all of them (kernel: vread_pvclock).
  unsigned a, b, c, d;
  if (!__get_cpuid(0x80000007, &a, &b, &c, &d) || (d & (1u << 8)) == 0) {
    return false;
  }
  char name[16] = "";
  std::FILE* f = std::fopen(
      "/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");
  if (f == nullptr) return false;
  const bool read = std::fgets(name, sizeof name, f) != nullptr;
  std::fclose(f);
  if (!read) return false;
  return std::strcmp(name, "tsc\n") == 0 ||
         (std::strcmp(name, "kvm-clock\n") == 0 && ClockIsInVdso());
#elif defined(__aarch64__)
  return true;  // architected: one constant rate for all cores
#else
  return false;
#endif
}

struct Moment {
  uint64_t ticks;  // taken before ns
  int64_t ns;
  bool exact;
};

Moment LookAtBoth() {
  Moment m;
  for (int i = 0; i < 3; ++i) {
    m.ticks = static_cast<uint64_t>(CpuTicks());
    m.ns = NanoTime();
    const uint64_t after = static_cast<uint64_t>(CpuTicks());
    m.exact = after - m.ticks < kMaxLookTicks;
    if (m.exact) break;
  }
  return m;
}

// ns a tick, times 2^32; 0: not measured yet. relaxed: one word, which says all.
std::atomic<uint64_t> measured_rate{0};
RuntimeLock measure_mu;
Moment measure_from ABSL_GUARDED_BY(measure_mu) = {0, 0, false};

void Measure(const Moment& now) {
  if (!now.exact || !measure_mu.TryLock()) return;
  const int64_t ns = now.ns - measure_from.ns;
  const uint64_t rate = measured_rate.load(std::memory_order_relaxed);
  if (!measure_from.exact) {
    measure_from = now;
  } else if (ns >= (rate == 0 ? kMinMeasureNs : kMeasureAgainNs)) {
    const uint64_t ticks = now.ticks - measure_from.ticks;
    measured_rate.store(
        static_cast<uint64_t>((static_cast<unsigned __int128>(ns) << 32) /
                              std::max<uint64_t>(ticks, 1)),
        std::memory_order_relaxed);
    measure_from = now;
  }
  measure_mu.Unlock();
}

}  // namespace

bool CounterIsClock() {
  static const bool is = ReadClockSource();
  return is;
}

int64_t TickClock::Look() {
  if (!CounterIsClock()) return NanoTime();
  const Moment now = LookAtBoth();
  Measure(now);
  const uint64_t rate = measured_rate.load(std::memory_order_relaxed);
  base_ticks_ = now.ticks;
  base_ns_ = now.ns;
  // Rather ahead than behind: by 600 ppm, more than a slew.
  rate_ = rate + rate / 1700;
  limit_ = now.exact && rate != 0
               ? (static_cast<uint64_t>(kMaxSpanNs) << 32) / rate
               : 0;
  return now.ns;
}

int64_t TickClock::TicksAfter(int64_t ns) const {
  if (rate_ == 0) return 0;
  ns = std::clamp<int64_t>(ns, 0, kMaxSpanNs);
  // rate_ is too large, so this is too early by as little.
  return CpuTicks() +
         static_cast<int64_t>((static_cast<uint64_t>(ns) << 32) / rate_);
}

}  // namespace mpg
