#include "base/asymmetric_barrier.h"

#include <atomic>
#include <thread>

#include "base/cacheline.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

// The store buffering test: without a barrier both sides read 0 now and then.
TEST(AsymmetricBarrierTest, OneSideSeesTheOther) {
  if (!HeavyBarrier()) GTEST_SKIP() << "no membarrier on this kernel";
  MPG_CACHELINE_ALIGNED std::atomic<int> x{0};
  MPG_CACHELINE_ALIGNED std::atomic<int> y{0};
  MPG_CACHELINE_ALIGNED std::atomic<int> round{0};
  std::atomic<int> hot_saw{0}, done{0};
  constexpr int kRounds = 2000;
  std::thread hot([&] {
    for (int r = 1; r <= kRounds; ++r) {
      while (round.load() != r) CpuRelax();
      x.store(1, std::memory_order_relaxed);
      LightBarrier();
      hot_saw.store(y.load(std::memory_order_relaxed));
      done.store(r);
    }
  });
  int both_missed = 0;
  for (int r = 1; r <= kRounds; ++r) {
    x.store(0);
    y.store(0);
    round.store(r);
    y.store(1, std::memory_order_relaxed);
    HeavyBarrier();
    const int cold_saw = x.load(std::memory_order_relaxed);
    while (done.load() != r) CpuRelax();
    both_missed += cold_saw == 0 && hot_saw.load() == 0;
  }
  hot.join();
  EXPECT_EQ(both_missed, 0);
}

}  // namespace
}  // namespace mpg
