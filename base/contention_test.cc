#include "base/contention.h"

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace mpg {
namespace internal {
namespace {

std::atomic<int> reports{0};
std::atomic<int64_t> reported_ns{0};

void Hook(int64_t ns, int64_t) {
  reports.fetch_add(1);
  reported_ns.fetch_add(ns);
}

TEST(ContentionTest, WaitsOfAllThreadsAddUp) {
  const int64_t before = LockWaitNanos();
  std::vector<std::thread> threads;
  for (int i = 0; i < 10; ++i) {
    threads.emplace_back([] {
      for (int k = 0; k < 1000; ++k) AddLockWait(3);
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(LockWaitNanos() - before, 30'000);
}

TEST(ContentionTest, ReportsNothingWhenOffAllAtRateOneAndAFractionElse) {
  SetContentionHook(Hook);
  reports.store(0);
  EXPECT_FALSE(ContentionIsReported());
  ReportContention(5);
  EXPECT_EQ(reports.load(), 0);

  contention_rate.store(1);
  EXPECT_TRUE(ContentionIsReported());
  reported_ns.store(0);
  for (int i = 0; i < 100; ++i) ReportContention(5);
  ReportContention(-7);  // counts as no time
  EXPECT_EQ(reports.load(), 101);
  EXPECT_EQ(reported_ns.load(), 500);

  contention_rate.store(10);
  reports.store(0);
  for (int i = 0; i < 100'000; ++i) ReportContention(5);
  // Ten standard deviations.
  EXPECT_NEAR(reports.load(), 10'000, 950);
  contention_rate.store(0);
}

}  // namespace
}  // namespace internal
}  // namespace mpg
