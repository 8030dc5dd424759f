#include "queue/idle_mask.h"

#include <atomic>
#include <cstdint>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

TEST(IdleMaskTest, SetTestClear) {
  IdleMask mask(130);
  EXPECT_EQ(mask.Count(), 0);
  EXPECT_TRUE(mask.Set(129));
  EXPECT_FALSE(mask.Set(129));
  EXPECT_TRUE(mask.Test(129));
  EXPECT_FALSE(mask.Test(128));
  EXPECT_EQ(mask.Count(), 1);
  EXPECT_TRUE(mask.Clear(129));
  EXPECT_FALSE(mask.Clear(129));
  EXPECT_FALSE(mask.Test(129));
  EXPECT_EQ(mask.Count(), 0);
  EXPECT_EQ(mask.TakeAny(0), -1);
}

TEST(IdleMaskTest, TakeAnyStartsAtTheHintAndGoesRound) {
  IdleMask mask(130);
  for (int i : {3, 70, 129}) mask.Set(i);
  EXPECT_EQ(mask.TakeAny(4), 70);
  EXPECT_EQ(mask.TakeAny(130), 3);
  mask.Set(3);
  EXPECT_EQ(mask.TakeAny(3), 3);
  mask.Set(128);
  EXPECT_EQ(mask.TakeAny(129), 129);
  EXPECT_EQ(mask.TakeAny(129), 128);
  EXPECT_EQ(mask.TakeAny(129), -1);
  EXPECT_EQ(mask.Count(), 0);
}

TEST(IdleMaskTest, HintMayBeAnyNumber) {
  IdleMask mask(1);
  mask.Set(0);
  EXPECT_EQ(mask.TakeAny(0xffffffff), 0);
}

TEST(IdleMaskTest, BehavesAsASet) {
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE("MPG_SEED=" + std::to_string(seed));
  FastRand rand(seed);
  constexpr int kCapacity = 200;
  IdleMask mask(kCapacity);
  std::set<int> model;
  for (int step = 0; step < 20000; ++step) {
    const int i = rand.Below(kCapacity);
    switch (rand.Below(3)) {
      case 0:
        ASSERT_EQ(mask.Set(i), model.insert(i).second);
        break;
      case 1:
        ASSERT_EQ(mask.Clear(i), model.erase(i) == 1);
        break;
      default: {
        auto it = model.lower_bound(i);
        if (it == model.end()) it = model.begin();
        ASSERT_EQ(mask.TakeAny(i), model.empty() ? -1 : *it);
        if (!model.empty()) model.erase(it);
      }
    }
    ASSERT_EQ(mask.Count(), static_cast<int>(model.size()));
    ASSERT_EQ(mask.Test(i), model.count(i) == 1);
  }
}

TEST(IdleMaskTest, EachBitIsTakenByOneThread) {
  constexpr int kThreads = 4, kSteps = 20000, kCapacity = 100;
  IdleMask mask(kCapacity);
  std::vector<std::atomic<int>> owners(kCapacity);
  for (int i = 0; i < kCapacity; ++i) mask.Set(i);
  std::atomic<bool> failed{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      FastRand rand(t);
      for (int step = 0; step < kSteps; ++step) {
        const int i = mask.TakeAny(rand.Next());
        if (i < 0) continue;
        if (owners[i].fetch_add(1) != 0) failed = true;
        if (mask.Test(i)) failed = true;
        owners[i].fetch_sub(1);
        if (!mask.Set(i)) failed = true;
        if (mask.Count() < 0) failed = true;
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_FALSE(failed);
  EXPECT_EQ(mask.Count(), kCapacity);
}

// The protocol of the header: whoever publishes work and sees nobody idle can
// be sure that the sleeper's second look finds the work.
TEST(IdleMaskTest, NoWakeUpIsLost) {
  constexpr int kRounds = 20000;
  IdleMask mask(1);
  std::atomic<bool> work{false};
  std::atomic<int> round{0}, submitter_saw{-1};
  std::thread submitter([&] {
    for (int r = 1; r <= kRounds; ++r) {
      while (round.load() != r) std::this_thread::yield();
      work.store(true, std::memory_order_seq_cst);
      submitter_saw.store(mask.Count());
    }
  });
  int lost = 0;
  for (int r = 1; r <= kRounds; ++r) {
    work.store(false);
    submitter_saw.store(-1);
    mask.Clear(0);
    round.store(r);
    mask.Set(0);
    const bool found = work.load(std::memory_order_seq_cst);
    while (submitter_saw.load() < 0) std::this_thread::yield();
    if (!found && submitter_saw.load() == 0) ++lost;
  }
  submitter.join();
  EXPECT_EQ(lost, 0);
}

}  // namespace
}  // namespace mpg
