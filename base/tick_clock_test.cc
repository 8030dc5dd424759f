#include "base/tick_clock.h"

#include <chrono>
#include <cstdint>
#include <thread>

#include "gtest/gtest.h"

namespace mpg {
namespace {

// Another process or the hypervisor may take the core between two looks.
constexpr int64_t kStolenNs = 10'000'000'000;
// It does not do so most of the time.
constexpr int64_t kSeldomStolenNs = 50'000'000;

TEST(TickClock, IsNeverBehindTheRealClock) {
  TickClock clock;
  const int64_t end = NanoTime() + 200'000'000;
  for (int64_t now = 0; now < end;) {
    const int64_t before = NanoTime();
    now = clock.Now();
    const int64_t after = NanoTime();
    ASSERT_GE(now, before);
    ASSERT_LE(now, after + 5000);
  }
}

TEST(TickClock, IsRightAfterAPause) {
  TickClock clock;
  int late = 0;
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(300 * i));
    const int64_t before = NanoTime();
    const int64_t now = clock.Now();
    EXPECT_GE(now, before);
    EXPECT_LE(now, before + kStolenNs);
    late += now > before + kSeldomStolenNs;
  }
  EXPECT_LT(late, 10);
}

TEST(TickClock, GoesOnWhenItsThreadChanges) {
  TickClock clock;
  for (int i = 0; i < 100; ++i) {
    std::thread([&] {
      const int64_t before = NanoTime();
      EXPECT_GE(clock.Now(), before);
    }).join();
  }
}

TEST(TickClock, TicksAfterAreNotLate) {
  TickClock clock;
  const int64_t warm = NanoTime() + 50'000'000;
  while (clock.Now() < warm) {
  }
  int late = 0;
  for (int i = 0; i < 100; ++i) {
    clock.Now();
    const int64_t start = NanoTime();
    const int64_t ticks = clock.TicksAfter(200'000);
    if (ticks == 0) GTEST_SKIP() << "the cycle counter is no clock here";
    while (CpuTicks() < ticks) {
    }
    const int64_t end = NanoTime();
    EXPECT_LE(end, start + 200'000 + kStolenNs);
    late += end > start + 200'000 + kSeldomStolenNs;
  }
  EXPECT_LT(late, 50);
  // At most 1 ms ahead.
  const int64_t start = NanoTime();
  const int64_t ticks = clock.TicksAfter(INT64_MAX);
  while (CpuTicks() < ticks) {
  }
  EXPECT_LE(NanoTime(), start + 1'001'000 + kStolenNs);
}

}  // namespace
}  // namespace mpg
