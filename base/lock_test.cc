#include "base/lock.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/random.h"
#include "base/thread_state.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

int32_t Held() { return ThisThread()->locks; }

TEST(RuntimeLock, TryLockFailsWhileLocked) {
  RuntimeLock lock;
  EXPECT_FALSE(lock.IsLocked());
  lock.Lock();
  EXPECT_TRUE(lock.IsLocked());
  std::thread([&] {
    if (lock.TryLock()) {
      ADD_FAILURE() << "two hold the lock";
      lock.Unlock();
    }
    EXPECT_EQ(Held(), 0);
  }).join();
  lock.Unlock();
  const bool locked = lock.TryLock();
  ASSERT_TRUE(locked);
  EXPECT_TRUE(lock.IsLocked());
  if (locked) lock.Unlock();
  EXPECT_FALSE(lock.IsLocked());
}

TEST(RuntimeLock, CountsWhatTheThreadHolds) {
  RuntimeLock a, b;
  ASSERT_EQ(Held(), 0);
  {
    RuntimeLockGuard guard(a);
    EXPECT_EQ(Held(), 1);
    if (b.TryLock()) {
      EXPECT_EQ(Held(), 2);
      b.Unlock();
    }
    {
      NoPreempt nested;
      EXPECT_EQ(Held(), 2);
      std::thread([] { EXPECT_EQ(Held(), 0); }).join();
    }
    EXPECT_EQ(Held(), 1);
  }
  EXPECT_EQ(Held(), 0);
}

TEST(RuntimeLock, LockWaitsForTheHolder) {
  RuntimeLock lock;
  int value = 0;
  lock.Lock();
  std::thread other([&] {
    RuntimeLockGuard guard(lock);
    EXPECT_EQ(value, 42);
  });
  // Long enough that it sleeps.
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  value = 42;
  lock.Unlock();
  other.join();
}

TEST(RuntimeLock, EverySleeperIsWoken) {
  for (int round = 0; round < 20; ++round) {
    RuntimeLock lock;
    int count = 0;
    constexpr int kSleepers = 8;
    std::vector<std::thread> threads;
    lock.Lock();
    for (int i = 0; i < kSleepers; ++i) {
      threads.emplace_back([&] {
        RuntimeLockGuard guard(lock);
        ++count;
      });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    lock.Unlock();
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(count, kSleepers);
    EXPECT_FALSE(lock.IsLocked());
  }
}

TEST(RuntimeLockStress, Excludes) {
  const uint64_t seed = SeedFromEnvironment();
  std::printf("MPG_SEED=%llu\n", static_cast<unsigned long long>(seed));
  RuntimeLock lock;
  int64_t count = 0;
  int holder = 0;
  std::atomic<int64_t> want{0};
  constexpr int kThreads = 6;
  constexpr int kRounds = 20'000;
  std::vector<std::thread> threads;
  for (int t = 1; t <= kThreads; ++t) {
    threads.emplace_back([&, t] {
      FastRand rand(seed + static_cast<uint64_t>(t));
      for (int i = 0; i < kRounds; ++i) {
        const uint32_t kind = rand.Below(1000);
        if (kind < 200) {
          if (!lock.TryLock()) continue;
        } else {
          lock.Lock();
        }
        EXPECT_EQ(holder, 0);
        holder = t;
        ++count;
        // Now and then the others have to sleep.
        if (kind == 999) {
          std::this_thread::sleep_for(std::chrono::microseconds(100));
        }
        EXPECT_EQ(holder, t);
        holder = 0;
        lock.Unlock();
        want.fetch_add(1);
      }
      EXPECT_EQ(Held(), 0);
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(count, want.load());
}

void UnlockTwice() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  RuntimeLock lock;
  lock.Lock();
  lock.Unlock();
  lock.Unlock();
}

TEST(RuntimeLockDeathTest, UnlockOfUnlocked) {
  EXPECT_EXIT(UnlockTwice(), testing::ExitedWithCode(2),
              "fatal error: unlock of unlocked lock");
}

}  // namespace
}  // namespace mpg
