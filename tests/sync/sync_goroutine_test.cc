// Semaphores, mutexes and wait groups between goroutines, and between
// goroutines, threads and several Runtimes.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "sync/mutex.h"
#include "sync/sema.h"
#include "sync/wait_group.h"
#include "tests/sync/util.h"

namespace mpg {
namespace {

using sync_test::InTurns;
using sync_test::Procs;
using sync_test::RunWith;
using sync_test::Scaled;
using sync_test::TestSeed;

class OnProcs : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(, OnProcs, testing::Values(1, 2, 4));

TEST_P(OnProcs, SemaPingPong) {
  RunWith(GetParam(), [] {
    std::atomic<uint32_t> a{0}, b{0};
    int turns = 0;
    const int rounds = Scaled(20'000);
    WaitGroup wg;
    wg.Go([&] {
      for (int i = 0; i < rounds; ++i) {
        Semacquire(&a);
        ++turns;
        Semrelease(&b);
      }
    });
    for (int i = 0; i < rounds; ++i) {
      Semrelease(&a);
      Semacquire(&b);
      ASSERT_EQ(turns, i + 1);
    }
    wg.Wait();
  });
}

TEST_P(OnProcs, SemaTicketsAreNeitherLostNorMade) {
  const uint64_t seed = TestSeed();
  RunWith(GetParam(), [seed] {
    constexpr uint32_t kCapacity = 3;
    constexpr int kSemas = 4;
    std::atomic<uint32_t> sema[kSemas];
    std::atomic<uint32_t> inside[kSemas] = {};
    for (auto& s : sema) s = kCapacity;
    WaitGroup wg;
    for (int g = 0; g < 20; ++g) {
      wg.Go([&, g] {
        FastRand rand(seed + static_cast<uint64_t>(g));
        for (int i = 0; i < Scaled(2000); ++i) {
          const uint32_t k = rand.Below(kSemas);
          Semacquire(&sema[k]);
          EXPECT_LE(++inside[k], kCapacity);
          if (rand.Below(4) == 0) Gosched();
          --inside[k];
          Semrelease(&sema[k], rand.Below(4) == 0);
        }
      });
    }
    wg.Wait();
    for (auto& s : sema) EXPECT_EQ(s, kCapacity);
  });
}

// The waiter runs before the releaser goes on, and before others that are
// ready.
TEST(SemaGoroutine, HandoffRunsTheWaiterAtOnce) {
  RunWith(InTurns(), [] {
    std::atomic<uint32_t> sema{0};
    std::vector<int> order;
    WaitGroup wg;
    wg.Go([&] {
      Semacquire(&sema);
      order.push_back(1);
    });
    Gosched();  // it is parked now
    wg.Go([&] { order.push_back(3); });
    wg.Go([&] { order.push_back(4); });
    Semrelease(&sema, /*handoff=*/true);
    order.push_back(2);
    wg.Wait();
    ASSERT_EQ(order.size(), 4u);
    EXPECT_EQ(order[0], 1);
  });
}

TEST_P(OnProcs, MutexExcludes) {
  const uint64_t seed = TestSeed();
  RunWith(GetParam(), [seed] {
    Mutex mu;
    int64_t count = 0;
    int holder = 0;
    std::atomic<int64_t> want{0};
    WaitGroup wg;
    for (int g = 1; g <= 16; ++g) {
      wg.Go([&, g] {
        FastRand rand(seed + static_cast<uint64_t>(g));
        for (int i = 0; i < Scaled(5000); ++i) {
          if (rand.Below(4) != 0) {
            mu.Lock();
          } else if (!mu.TryLock()) {
            continue;
          }
          EXPECT_EQ(holder, 0);
          holder = g;
          ++count;
          ++want;
          // Holding the lock while others run makes them queue.
          if (rand.Below(50) == 0) Gosched();
          EXPECT_EQ(holder, g);
          holder = 0;
          mu.Unlock();
        }
      });
    }
    wg.Wait();
    EXPECT_EQ(count, want);
    const bool free = mu.TryLock();
    EXPECT_TRUE(free);
    if (free) mu.Unlock();
  });
}

// Goroutines of two Runtimes and plain threads, one mutex.
TEST(MutexGoroutine, IsSharedWithThreadsAndOtherRuntimes) {
  Mutex mu;
  int64_t count = 0;
  const int rounds = Scaled(5000);
  {
    WaitGroup all;  // waited for by this thread, done by goroutines
    Runtime first(Procs(2)), second(Procs(1));
    const auto work = [&] {
      for (int i = 0; i < rounds; ++i) {
        std::lock_guard<Mutex> guard(mu);
        ++count;
        if (i % 100 == 0) Gosched();
      }
      all.Done();
    };
    for (int g = 0; g < 4; ++g) {
      all.Add(2);
      first.Go(work);
      second.Go(work);
    }
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < rounds; ++i) {
          std::lock_guard<Mutex> guard(mu);
          ++count;
        }
      });
    }
    all.Wait();
    for (std::thread& t : threads) t.join();
  }
  EXPECT_EQ(count, 10 * rounds);
}

// Go: TestMutexFairness. A holder that unlocks only to lock again leaves others
// a turn each few milliseconds.
TEST_P(OnProcs, MutexDoesNotStarveAWaiter) {
  RunWith(GetParam(), [] {
    Mutex mu;
    std::atomic<bool> stop{false};
    WaitGroup wg;
    wg.Go([&] {
      while (!stop) {
        mu.Lock();
        const int64_t end = NanoTime() + 100'000;
        while (NanoTime() < end) {
        }
        mu.Unlock();
      }
    });
    Gosched();
    for (int i = 0; i < 10; ++i) {
      const int64_t start = NanoTime();
      mu.Lock();
      const int64_t waited = NanoTime() - start;
      mu.Unlock();
      // On an idle machine some 1 to 10 ms; a starved one waits for ever.
      EXPECT_LT(waited, int64_t{5} * 1'000'000'000);
    }
    stop = true;
    wg.Wait();
  });
}

TEST_P(OnProcs, WaitGroupAsALocalVariableOfManyGoroutines) {
  struct Fib {
    static int64_t Of(int n) {
      if (n < 2) return n;
      int64_t a = 0;
      WaitGroup wg;
      wg.Add(1);
      Go([&a, &wg, n] {
        a = Of(n - 1);
        wg.Done();
      });
      const int64_t b = Of(n - 2);
      wg.Wait();
      return a + b;
    }
  };
  RunWith(GetParam(), [] {
    EXPECT_EQ(Fib::Of(sync_test::kSanitized ? 12 : 18),
              sync_test::kSanitized ? 144 : 2584);
  });
}

TEST_P(OnProcs, WaitGroupLetsAllWaitersGoOn) {
  RunWith(GetParam(), [] {
    for (int round = 0; round < Scaled(200); ++round) {
      WaitGroup work, waiters;
      std::atomic<int> done{0};
      constexpr int kDones = 5;
      work.Add(kDones);
      for (int i = 0; i < 7; ++i) {
        waiters.Go([&] {
          work.Wait();
          EXPECT_EQ(done, kDones);
        });
      }
      for (int i = 0; i < kDones; ++i) {
        Go([&] {
          ++done;
          work.Done();
        });
      }
      waiters.Wait();
    }
  });
}

TEST_P(OnProcs, WaitGroupCanBeUsedAgain) {
  RunWith(GetParam(), [] {
    WaitGroup wg;
    int value = 0;
    for (int i = 1; i <= Scaled(5000); ++i) {
      wg.Go([&, i] { value = i; });
      wg.Wait();
      ASSERT_EQ(value, i);
    }
  });
}

TEST(WaitGroupGoroutine, GoCountsAGoroutineThatExits) {
  RunWith(2, [] {
    WaitGroup wg;
    bool after = false;
    wg.Go([&] {
      Goexit();
      after = true;
    });
    wg.Wait();
    EXPECT_FALSE(after);
  });
}

TEST(WaitGroupGoroutine, AThreadWaitsForGoroutinesAndTheyForIt) {
  Runtime runtime(Procs(2));
  for (int i = 0; i < Scaled(500); ++i) {
    WaitGroup there, back;
    int value = 0;
    there.Add(1);
    back.Add(1);
    runtime.Go([&] {
      there.Wait();
      EXPECT_EQ(value, 1);
      value = 2;
      back.Done();
    });
    value = 1;
    there.Done();
    back.Wait();
    EXPECT_EQ(value, 2);
    // `there` may go only when its Wait has returned, which back.Done follows.
  }
}

// A loop that only calls these gives way when it is asked to.
TEST(SyncPreempt, LoopsOfUncontendedCallsGiveWay) {
  RunWith(1, [] {
    std::atomic<int> ended{0};
    WaitGroup wg;
    std::atomic<bool> stop{false};
    wg.Go([&] {
      Mutex mu;
      while (!stop) std::lock_guard<Mutex> guard(mu);
      ++ended;
    });
    wg.Go([&] {
      std::atomic<uint32_t> sema{0};
      while (!stop) {
        Semrelease(&sema);
        Semacquire(&sema);
      }
      ++ended;
    });
    wg.Go([&] {
      WaitGroup none;
      while (!stop) none.Wait();
      ++ended;
    });
    wg.Go([&] {
      WaitGroup some;
      while (!stop) {
        some.Add(1);
        some.Add(-1);
      }
      ++ended;
    });
    Gosched();  // the loops run now, one after another
    stop = true;
    wg.Wait();
    EXPECT_EQ(ended, 4);
  });
}

}  // namespace
}  // namespace mpg
