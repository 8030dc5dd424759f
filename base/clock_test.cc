#include "base/clock.h"

#include <chrono>
#include <cstdint>
#include <thread>

#include "gtest/gtest.h"

namespace mpg {
namespace {

TEST(Clock, NanoTimeNeverStepsBack) {
  int64_t last = NanoTime();
  for (int i = 0; i < 100'000; ++i) {
    const int64_t now = NanoTime();
    ASSERT_GE(now, last);
    last = now;
  }
}

TEST(Clock, NanoTimeIsOneClockForAllThreads) {
  const int64_t before = NanoTime();
  int64_t there = 0;
  std::thread([&] { there = NanoTime(); }).join();
  EXPECT_GE(there, before);
  EXPECT_GE(NanoTime(), there);
}

TEST(Clock, NanoTimeCountsNanoseconds) {
  const auto steady = std::chrono::steady_clock::now();
  const int64_t start = NanoTime();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const int64_t inner = NanoTime() - start;
  const int64_t outer = std::chrono::duration_cast<std::chrono::nanoseconds>(
                            std::chrono::steady_clock::now() - steady)
                            .count();
  EXPECT_GE(inner, 20'000'000);
  EXPECT_LE(inner, outer);
}

TEST(Clock, CpuTicksGoOn) {
  const int64_t start = CpuTicks();
  const int64_t end = NanoTime() + 1'000'000;
  while (NanoTime() < end) {
  }
  EXPECT_GT(CpuTicks(), start);
}

}  // namespace
}  // namespace mpg
