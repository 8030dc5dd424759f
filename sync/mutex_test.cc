#include "sync/mutex.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/thread_state.h"
#include "gtest/gtest.h"
#include "sync/test_util.h"

namespace mpg {
namespace {

using sync_test::ScriptedWaiter;
using sync_test::Threads;
using sync_test::WaitUntilParked;

static_assert(sizeof(Mutex) == 4, "the header says so");

bool IsFree(Mutex& mu) {
  if (!mu.TryLock()) return false;
  mu.Unlock();
  return true;
}

// The analysis of clang knows no unlocking by another thread, and no mistakes.
void UnlockAnyway(Mutex& mu) ABSL_NO_THREAD_SAFETY_ANALYSIS { mu.Unlock(); }
void LockAnyway(Mutex& mu) ABSL_NO_THREAD_SAFETY_ANALYSIS { mu.Lock(); }

TEST(Mutex, TryLockFailsWhileLocked) {
  Mutex mu;
  mu.Lock();
  std::thread([&] { EXPECT_FALSE(IsFree(mu)); }).join();
  mu.Unlock();
  EXPECT_TRUE(IsFree(mu));
}

TEST(Mutex, MutexLockHoldsItAsLongAsItLives) {
  Mutex mu;
  {
    MutexLock lock(&mu);
    EXPECT_FALSE(IsFree(mu));
  }
  EXPECT_TRUE(IsFree(mu));
}

TEST(Mutex, ServesTheStandardGuards) {
  Mutex mu, other;
  {
    std::lock_guard<Mutex> guard(mu);
    EXPECT_FALSE(std::unique_lock<Mutex>(mu, std::try_to_lock).owns_lock());
  }
  {
    std::scoped_lock guard(mu, other);
    EXPECT_FALSE(IsFree(mu));
    EXPECT_FALSE(IsFree(other));
  }
  EXPECT_TRUE(IsFree(mu));
  EXPECT_TRUE(IsFree(other));
}

TEST(Mutex, AnotherThreadMayUnlock) {
  Mutex mu;
  LockAnyway(mu);
  std::thread([&] { UnlockAnyway(mu); }).join();
  EXPECT_TRUE(IsFree(mu));
}

TEST(Mutex, LockBlocksUntilUnlock) {
  Mutex mu;
  int value = 0;
  mu.Lock();
  Threads threads;
  threads.Start([&] {
    mu.Lock();
    EXPECT_EQ(value, 42);
    mu.Unlock();
  });
  WaitUntilParked(1);
  value = 42;
  mu.Unlock();
  threads.Join();
  EXPECT_TRUE(IsFree(mu));
}

TEST(Mutex, AllWaitersGetTheirTurn) {
  Mutex mu;
  int count = 0;
  constexpr int kWaiters = 20;
  mu.Lock();
  Threads threads;
  for (int i = 0; i < kWaiters; ++i) {
    threads.Start([&] {
      mu.Lock();
      ++count;
      mu.Unlock();
    });
  }
  WaitUntilParked(kWaiters);
  mu.Unlock();
  threads.Join();
  EXPECT_EQ(count, kWaiters);
}

// After 1 ms of waiting the lock is handed over, so that one who unlocks and
// locks again at once cannot keep a waiter out. Go: TestMutexFairness.
TEST(Mutex, AGreedyHolderDoesNotStarveAWaiter) {
  Mutex mu;
  std::atomic<bool> stop{false};
  Threads threads;
  threads.Start([&] {
    while (!stop) {
      mu.Lock();
      std::this_thread::sleep_for(std::chrono::microseconds(100));
      mu.Unlock();
    }
  });
  const int64_t start = NanoTime();
  for (int i = 0; i < 10; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    mu.Lock();
    mu.Unlock();
  }
  stop = true;
  // Each turn takes some 2 ms; a holder that could keep the lock would make
  // this take as long as it likes.
  EXPECT_LT(NanoTime() - start, int64_t{10} * 1'000'000'000);
}

// Two waiters, a and b; the holder, h, always locks again at once.
TEST(Mutex, AWaiterThatHasWaitedLongGetsTheLockByHandOver) {
  Mutex mu;
  ScriptedWaiter a, b;
  LockAnyway(mu);  // h
  b.while_parked = [&](int n) {
    ASSERT_EQ(n, 0);
    UnlockAnyway(mu);  // h: a starves, so the lock is a's now
    EXPECT_EQ(a.readies, 2);
    EXPECT_FALSE(IsFree(mu));
    EXPECT_EQ(b.readies, 0);
    UnlockAnyway(mu);  // a: leaves the mode to b, the last, who ends it
    EXPECT_EQ(b.readies, 1);
    EXPECT_FALSE(IsFree(mu));
  };
  a.while_parked = [&](int n) {
    if (n == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      UnlockAnyway(mu);  // h: wakes a, but a does not own the lock
      EXPECT_EQ(a.readies, 1);
      EXPECT_TRUE(IsFree(mu));
      LockAnyway(mu);  // h: a comes too late
      return;
    }
    ASSERT_EQ(n, 1);
    b.Run([&] {
      LockAnyway(mu);
      EXPECT_FALSE(IsFree(mu));
      UnlockAnyway(mu);
      EXPECT_TRUE(IsFree(mu));
    });
  };
  a.Run([&] { LockAnyway(mu); });
  EXPECT_EQ(a.parks, 2);
  EXPECT_EQ(b.parks, 1);
}

TEST(Mutex, AnAbandonedWaiterIsForgotten) {
  Mutex mu;
  ScriptedWaiter a, b;
  LockAnyway(mu);
  a.while_parked = [&](int) { b.Run([&] { LockAnyway(mu); }); };
  b.while_parked = [&](int) {
    EXPECT_TRUE(a.site.abandon(&a, a.arg));
    EXPECT_FALSE(a.site.abandon(&a, a.arg));
    UnlockAnyway(mu);
    EXPECT_EQ(a.readies, 0);
    EXPECT_EQ(b.readies, 1);
  };
  struct Left {};
  a.at_ready = [] { FAIL(); };
  // b got the lock; a, never woken, comes back from its Park only because the
  // script ends, and finds the lock taken.
  EXPECT_THROW(a.Run([&] {
    a.while_parked = [&, first = a.while_parked](int n) {
      first(n);
      throw Left();
    };
    LockAnyway(mu);
  }),
               Left);
  ThisThread()->current = nullptr;
  EXPECT_FALSE(IsFree(mu));
}

// Whoever is the last under the mutex may delete it, though the Unlock before
// has perhaps not returned.
TEST(Mutex, TheLastUserMayDestroyIt) {
  struct Object {
    Mutex mu;
    int refs = 3;
  };
  for (int i = 0; i < 2000; ++i) {
    auto* const object = new Object;
    const auto unref = [object] {
      object->mu.Lock();
      const bool last = --object->refs == 0;
      object->mu.Unlock();
      if (last) delete object;
    };
    Threads threads;
    threads.Start(unref);
    threads.Start(unref);
    unref();
  }
}

TEST(MutexDeathTest, UnlockOfUnlocked) {
  EXPECT_EXIT(
      {
        Mutex mu;
        UnlockAnyway(mu);
      },
      testing::ExitedWithCode(2),
      "fatal error: sync: unlock of unlocked mutex");
  EXPECT_EXIT(
      {
        Mutex mu;
        mu.Lock();
        mu.Unlock();
        UnlockAnyway(mu);
      },
      testing::ExitedWithCode(2),
      "fatal error: sync: unlock of unlocked mutex");
}

// Go: HammerMutex.
TEST(MutexStress, Excludes) {
  Mutex mu;
  int64_t count = 0;
  std::atomic<int64_t> want{0};
  constexpr int kThreads = 8;
  constexpr int kRounds = 20'000;
  {
    Threads threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.Start([&] {
        for (int i = 0; i < kRounds; ++i) {
          if (i % 3 == 0) {
            if (mu.TryLock()) {
              ++count;
              ++want;
              mu.Unlock();
            }
            continue;
          }
          mu.Lock();
          ++count;
          ++want;
          mu.Unlock();
        }
      });
    }
  }
  EXPECT_EQ(count, want);
}

// Sections long enough that waiters park and starve.
TEST(MutexStress, ManyMutexesWithLongSections) {
  const uint64_t seed = sync_test::TestSeed();
  constexpr int kMutexes = 3;
  constexpr int kThreads = 6;
  Mutex mu[kMutexes];
  int holder[kMutexes] = {};
  {
    Threads threads;
    for (int t = 1; t <= kThreads; ++t) {
      threads.Start([&, t] {
        FastRand rand(seed + static_cast<uint64_t>(t));
        for (int i = 0; i < 300; ++i) {
          const uint32_t k = rand.Below(kMutexes);
          mu[k].Lock();
          EXPECT_EQ(holder[k], 0);
          holder[k] = t;
          switch (rand.Below(8)) {
            case 0:
              std::this_thread::sleep_for(
                  std::chrono::microseconds(rand.Below(300)));
              break;
            case 1:
              std::this_thread::yield();
              break;
          }
          EXPECT_EQ(holder[k], t);
          holder[k] = 0;
          mu[k].Unlock();
        }
      });
    }
  }
  for (Mutex& m : mu) EXPECT_TRUE(IsFree(m));
}

}  // namespace
}  // namespace mpg
