#include "net/fd_mutex.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/random.h"

namespace mpg {
namespace internal {
namespace {

TEST(FdMutex, TheLastUserAfterACloseDestroys) {
  FdMutex mu;
  ASSERT_TRUE(mu.Incref());
  ASSERT_TRUE(mu.RWLock(FdMutex::kRead));
  ASSERT_TRUE(mu.RWLock(FdMutex::kWrite));
  EXPECT_FALSE(mu.RWUnlock(FdMutex::kWrite));
  EXPECT_TRUE(mu.IncrefAndClose());
  EXPECT_FALSE(mu.Decref());
  EXPECT_FALSE(mu.RWUnlock(FdMutex::kRead));
  EXPECT_TRUE(mu.Decref());
}

TEST(FdMutex, NobodyUsesWhatIsClosed) {
  FdMutex mu;
  EXPECT_FALSE(mu.Closed());
  EXPECT_TRUE(mu.IncrefAndClose());
  EXPECT_TRUE(mu.Closed());
  EXPECT_FALSE(mu.IncrefAndClose());
  EXPECT_FALSE(mu.Incref());
  EXPECT_FALSE(mu.RWLock(FdMutex::kRead));
  EXPECT_FALSE(mu.RWLock(FdMutex::kWrite));
  EXPECT_TRUE(mu.Decref());
}

TEST(FdMutex, ACloseWakesThoseWhoWaitForTheLock) {
  FdMutex mu;
  ASSERT_TRUE(mu.RWLock(FdMutex::kRead));
  std::atomic<int> refused{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      if (!mu.RWLock(FdMutex::kRead)) ++refused;
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(refused, 0);
  EXPECT_TRUE(mu.IncrefAndClose());
  for (auto& t : threads) t.join();
  EXPECT_EQ(refused, 4);
  EXPECT_FALSE(mu.RWUnlock(FdMutex::kRead));
  EXPECT_TRUE(mu.Decref());
}

// Many lock, one closes at some time: each side has one holder at a time, and
// exactly one destroys, after everybody has left.
TEST(FdMutex, ExactlyOneDestroysAndAlone) {
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE(seed);
  FastRand rand(seed);
  for (int round = 0; round < 200; ++round) {
    FdMutex mu;
    std::atomic<int> inside[2] = {{0}, {0}};
    std::atomic<int> users{0};
    std::atomic<int> destroyed{0};
    std::atomic<int> alone{0};
    const auto leave = [&](bool last) {
      if (!last) return;
      ++destroyed;
      if (users == 0) ++alone;
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back(
          [&, side = i % 2 == 0 ? FdMutex::kRead : FdMutex::kWrite] {
            while (mu.RWLock(side)) {
              ++users;
              EXPECT_EQ(++inside[side], 1);
              --inside[side];
              --users;
              leave(mu.RWUnlock(side));
            }
          });
    }
    for (uint32_t spin = rand.Below(20000); spin > 0; --spin) {
      // relaxed: to pass the time.
      users.load(std::memory_order_relaxed);
    }
    EXPECT_TRUE(mu.IncrefAndClose());
    leave(mu.Decref());
    for (auto& t : threads) t.join();
    EXPECT_EQ(destroyed, 1);
    EXPECT_EQ(alone, 1);
  }
}

}  // namespace
}  // namespace internal
}  // namespace mpg
