#include "sync/rwmutex.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "base/cacheline.h"
#include "base/random.h"
#include "base/wait_reason.h"
#include "gtest/gtest.h"
#include "sync/test_util.h"

namespace mpg {
namespace {

using sync_test::ScriptedWaiter;
using sync_test::Threads;
using sync_test::WaitUntilParked;

static_assert(sizeof(RWMutex) == 20, "the header says so");

bool CanRead(RWMutex& mu) {
  if (!mu.TryRLock()) return false;
  mu.RUnlock();
  return true;
}

bool CanWrite(RWMutex& mu) {
  if (!mu.TryLock()) return false;
  mu.Unlock();
  return true;
}

// The analysis of clang knows no mistakes and no other threads.
void UnlockAnyway(RWMutex& mu) ABSL_NO_THREAD_SAFETY_ANALYSIS { mu.Unlock(); }
void RUnlockAnyway(RWMutex& mu) ABSL_NO_THREAD_SAFETY_ANALYSIS { mu.RUnlock(); }
void LockAnyway(RWMutex& mu) ABSL_NO_THREAD_SAFETY_ANALYSIS { mu.Lock(); }
void RLockAnyway(RWMutex& mu) ABSL_NO_THREAD_SAFETY_ANALYSIS { mu.RLock(); }

TEST(RWMutex, ReadersShareAndKeepWritersOut) {
  RWMutex mu;
  RLockAnyway(mu);
  RLockAnyway(mu);
  EXPECT_TRUE(CanRead(mu));
  EXPECT_FALSE(CanWrite(mu));
  RUnlockAnyway(mu);
  EXPECT_FALSE(CanWrite(mu));
  RUnlockAnyway(mu);
  EXPECT_TRUE(CanWrite(mu));
}

TEST(RWMutex, AWriterKeepsAllOut) {
  RWMutex mu;
  mu.Lock();
  EXPECT_FALSE(CanRead(mu));
  EXPECT_FALSE(CanWrite(mu));
  mu.Unlock();
  EXPECT_TRUE(CanRead(mu));
  EXPECT_TRUE(CanWrite(mu));
}

TEST(RWMutex, ServesTheStandardGuards) {
  RWMutex mu;
  {
    std::shared_lock<RWMutex> one(mu);
    std::shared_lock<RWMutex> two(mu, std::try_to_lock);
    EXPECT_TRUE(two.owns_lock());
    EXPECT_FALSE(CanWrite(mu));
  }
  {
    std::unique_lock<RWMutex> guard(mu);
    EXPECT_FALSE(CanRead(mu));
  }
  EXPECT_TRUE(CanWrite(mu));
}

TEST(RWMutex, RLockerLocksForReading) {
  RWMutex mu;
  ReadLocker reader = mu.RLocker();
  {
    std::lock_guard<ReadLocker> guard(reader);
    EXPECT_TRUE(CanRead(mu));
    EXPECT_FALSE(CanWrite(mu));
  }
  EXPECT_TRUE(CanWrite(mu));
}

TEST(RWMutex, AWriterWaitsForTheReadersBeforeIt) {
  RWMutex mu;
  int value = 0;
  RLockAnyway(mu);
  RLockAnyway(mu);
  Threads threads;
  threads.Start([&] {
    mu.Lock();
    value = 42;
    mu.Unlock();
  });
  WaitUntilParked(1);
  RUnlockAnyway(mu);
  WaitUntilParked(1);
  EXPECT_EQ(value, 0);
  RUnlockAnyway(mu);
  threads.Join();
  EXPECT_EQ(value, 42);
}

// A writer that waits comes before readers that come later; and they before the
// next writer. Three scripted waiters, in the order in which they come: writer
// w1, reader r, writer w2.
TEST(RWMutex, WritersAndReadersTakeTurns) {
  RWMutex mu;
  ScriptedWaiter w1, r, w2;
  RLockAnyway(mu);  // the reader that all wait for
  w1.while_parked = [&](int) {
    EXPECT_EQ(w1.site.reason, WaitReason::kSyncRWMutexLock);
    EXPECT_FALSE(CanRead(mu));  // though only a reader holds it
    r.Run([&] { RLockAnyway(mu); });
    EXPECT_EQ(r.readies, 1);
    // r is done reading; w2's turn has come, and is over.
    EXPECT_EQ(w2.readies, 2);
    EXPECT_TRUE(CanWrite(mu));
  };
  r.while_parked = [&](int) {
    EXPECT_EQ(r.site.reason, WaitReason::kSyncRWMutexRLock);
    w2.Run([&] { LockAnyway(mu); });
    UnlockAnyway(mu);  // w2
  };
  w2.while_parked = [&](int n) {
    if (n == 0) {
      // It waits behind w1.
      EXPECT_EQ(w2.site.reason, WaitReason::kSyncMutexLock);
      RUnlockAnyway(mu);
      EXPECT_EQ(w1.readies, 1);
      UnlockAnyway(mu);  // w1
      EXPECT_EQ(r.readies, 1);
      EXPECT_EQ(w2.readies, 1);
      return;
    }
    // Now behind r.
    ASSERT_EQ(n, 1);
    EXPECT_EQ(w2.site.reason, WaitReason::kSyncRWMutexLock);
    EXPECT_FALSE(CanRead(mu));
    RUnlockAnyway(mu);  // r
    EXPECT_EQ(w2.readies, 2);
  };
  w2.at_ready = [&] { EXPECT_EQ(r.readies, 1); };
  w1.Run([&] { LockAnyway(mu); });
  EXPECT_EQ(w2.parks, 2);
  EXPECT_TRUE(CanWrite(mu));
}

// Go: TestRWMutex's writers among readers who never let go all at once.
TEST(RWMutex, ReadersThatOverlapForEverDoNotStarveAWriter) {
  RWMutex mu;
  std::atomic<bool> stop{false};
  Threads threads;
  for (int i = 0; i < 3; ++i) {
    threads.Start([&] {
      while (!stop) {
        mu.RLock();
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        mu.RUnlock();
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    mu.Lock();
    mu.Unlock();
  }
  stop = true;
}

TEST(RWMutexDeathTest, Misuse) {
  const testing::ExitedWithCode fatal(2);
  const char* const unlock = "fatal error: sync: Unlock of unlocked RWMutex";
  const char* const runlock = "fatal error: sync: RUnlock of unlocked RWMutex";
  RWMutex mu;
  EXPECT_EXIT(UnlockAnyway(mu), fatal, unlock);
  EXPECT_EXIT((RLockAnyway(mu), UnlockAnyway(mu)), fatal, unlock);
  EXPECT_EXIT((LockAnyway(mu), UnlockAnyway(mu), UnlockAnyway(mu)), fatal,
              unlock);
  EXPECT_EXIT(RUnlockAnyway(mu), fatal, runlock);
  EXPECT_EXIT((LockAnyway(mu), RUnlockAnyway(mu)), fatal, runlock);
  EXPECT_EXIT((RLockAnyway(mu), RUnlockAnyway(mu), RUnlockAnyway(mu)), fatal,
              runlock);
}

// Go: HammerRWMutex. The activity is 1 for each reader and 10000 for a writer.
TEST(RWMutexStress, Excludes) {
  const uint64_t seed = sync_test::TestSeed();
  RWMutex mu;
  std::atomic<int32_t> activity{0};
  int64_t value = 0;
  std::atomic<int64_t> writes{0};
  const auto reader = [&](uint64_t id) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    FastRand rand(seed + id);
    for (int i = 0; i < 4000; ++i) {
      if (rand.Below(4) != 0) {
        mu.RLock();
      } else if (!mu.TryRLock()) {
        continue;
      }
      const int32_t n = ++activity;
      EXPECT_TRUE(n >= 1 && n < 10000) << n;
      const int64_t seen = value;
      for (uint32_t k = rand.Below(100); k > 0; --k) CpuRelax();
      EXPECT_EQ(value, seen);
      --activity;
      mu.RUnlock();
    }
  };
  const auto writer = [&](uint64_t id) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    FastRand rand(seed + id);
    for (int i = 0; i < 1000; ++i) {
      if (rand.Below(4) != 0) {
        mu.Lock();
      } else if (!mu.TryLock()) {
        continue;
      }
      EXPECT_EQ(activity += 10000, 10000);
      ++value;
      ++writes;
      for (uint32_t k = rand.Below(100); k > 0; --k) CpuRelax();
      activity -= 10000;
      mu.Unlock();
    }
  };
  {
    Threads threads;
    for (uint64_t i = 0; i < 6; ++i) threads.Start([&, i] { reader(i); });
    for (uint64_t i = 0; i < 2; ++i) threads.Start([&, i] { writer(10 + i); });
  }
  EXPECT_EQ(value, writes);
  EXPECT_TRUE(CanWrite(mu));
}

}  // namespace
}  // namespace mpg
