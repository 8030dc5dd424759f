#include "sync/cond.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/park.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "sync/mutex.h"
#include "sync/rwmutex.h"
#include "sync/test_util.h"

namespace mpg {
namespace {

using sync_test::ScriptedWaiter;
using sync_test::Threads;
using sync_test::WaitUntilParked;

TEST(Cond, SignalWakesOneInTheOrderOfWaiting) {
  Mutex mu;
  Cond cond(&mu);
  constexpr int kWaiters = 5;
  std::vector<int> order;
  std::atomic<int> awake{0};
  Threads threads;
  for (int i = 0; i < kWaiters; ++i) {
    threads.Start([&, i] {
      mu.Lock();
      cond.Wait();
      order.push_back(i);
      mu.Unlock();
      ++awake;
    });
    WaitUntilParked(i + 1);
  }
  for (int i = 0; i < kWaiters; ++i) {
    cond.Signal();
    while (awake != i + 1) std::this_thread::yield();
    EXPECT_EQ(internal::ParkedThreads(), kWaiters - i - 1);
  }
  threads.Join();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
  cond.Signal();  // nobody: is not kept for later
}

TEST(Cond, BroadcastWakesAll) {
  Mutex mu;
  Cond cond(&mu);
  bool ready = false;
  int awake = 0;
  Threads threads;
  for (int i = 0; i < 10; ++i) {
    threads.Start([&] {
      mu.Lock();
      while (!ready) cond.Wait();
      ++awake;
      mu.Unlock();
    });
  }
  WaitUntilParked(10);
  mu.Lock();
  ready = true;
  cond.Broadcast();
  mu.Unlock();
  threads.Join();
  EXPECT_EQ(awake, 10);
}

TEST(Cond, WaitHoldsTheLockBeforeAndAfterAndNotWhileItWaits) {
  Mutex mu;
  Cond cond(&mu);
  ScriptedWaiter w;
  const auto is_free = [&] {
    if (!mu.TryLock()) return false;
    mu.Unlock();
    return true;
  };
  w.while_parked = [&](int) {
    EXPECT_TRUE(is_free());
    cond.Signal();
  };
  w.Run([&] {
    mu.Lock();
    cond.Wait();
    EXPECT_FALSE(is_free());
    mu.Unlock();
  });
  EXPECT_EQ(w.readies, 1);
}

TEST(Cond, WorksWithRWMutexAndItsReaders) {
  RWMutex mu;
  ReadLocker reader = mu.RLocker();
  Cond readers(&reader);
  Cond writers(&mu);
  int stage = 0;
  Threads threads;
  for (int i = 0; i < 3; ++i) {
    threads.Start([&] {
      std::lock_guard<ReadLocker> guard(reader);
      while (stage == 0) readers.Wait();
      EXPECT_EQ(stage, 1);
    });
  }
  threads.Start([&] {
    std::lock_guard<RWMutex> guard(mu);
    while (stage == 0) writers.Wait();
    EXPECT_EQ(stage, 1);
  });
  WaitUntilParked(4);
  {
    std::lock_guard<RWMutex> guard(mu);
    stage = 1;
  }
  readers.Broadcast();
  writers.Signal();
}

// A waiter of the mutex is woken by the unlock in Wait.
TEST(Cond, WaitLetsAWaiterOfTheLockIn) {
  Mutex mu;
  Cond cond(&mu);
  bool ready = false;
  Threads threads;
  mu.Lock();
  threads.Start([&] {
    mu.Lock();
    ready = true;
    cond.Signal();
    mu.Unlock();
  });
  WaitUntilParked(1);
  while (!ready) cond.Wait();
  mu.Unlock();
}

// Of three waiters, the i-th is abandoned.
TEST(Cond, AnAbandonedWaiterIsForgotten) {
  for (int i = 0; i < 3; ++i) {
    for (const bool broadcast : {false, true}) {
      Mutex mu;
      Cond cond(&mu);
      ScriptedWaiter w[3];
      const auto wait = [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        mu.Lock();
        cond.Wait();
        mu.Unlock();
      };
      w[0].while_parked = [&](int) { w[1].Run(wait); };
      w[1].while_parked = [&](int) { w[2].Run(wait); };
      w[2].while_parked = [&](int) {
        EXPECT_TRUE(w[i].site.abandon(&w[i], w[i].arg));
        if (broadcast) {
          cond.Broadcast();
        } else {
          for (int k = 0; k < 3; ++k) cond.Signal();
        }
      };
      // While somebody is about to ready a waiter, it is not abandoned.
      for (auto& x : w) {
        x.at_ready = [&x] { EXPECT_FALSE(x.site.abandon(&x, x.arg)); };
      }
      w[0].Run(wait);
      for (int k = 0; k < 3; ++k) EXPECT_EQ(w[k].readies, k == i ? 0 : 1);
    }
  }
}

// Go: TestCondSignalStealDeadlock and a bounded queue as it is in every textbook.
TEST(CondStress, BoundedQueue) {
  const uint64_t seed = sync_test::TestSeed();
  constexpr size_t kCapacity = 3;
  constexpr int kProducers = 3;
  constexpr int kConsumers = 3;
  constexpr int kEach = 2000;
  Mutex mu;
  Cond not_empty(&mu), not_full(&mu);
  std::deque<int> queue;
  std::atomic<int64_t> sum{0};
  {
    Threads threads;
    for (int p = 0; p < kProducers; ++p) {
      threads.Start([&, p] {
        FastRand rand(seed + static_cast<uint64_t>(p));
        for (int i = 0; i < kEach; ++i) {
          std::lock_guard<Mutex> guard(mu);
          while (queue.size() == kCapacity) not_full.Wait();
          queue.push_back(i);
          if (rand.Below(8) == 0) {
            not_empty.Broadcast();
          } else {
            not_empty.Signal();
          }
        }
      });
    }
    for (int c = 0; c < kConsumers; ++c) {
      threads.Start([&] {
        for (int i = 0; i < kProducers * kEach / kConsumers; ++i) {
          mu.Lock();
          while (queue.empty()) not_empty.Wait();
          sum += queue.front();
          queue.pop_front();
          mu.Unlock();
          not_full.Signal();
        }
      });
    }
  }
  EXPECT_EQ(sum, int64_t{kProducers} * kEach * (kEach - 1) / 2);
}

// Go: TestRace. Two who wait for each other in turn.
TEST(CondStress, PingPong) {
  Mutex mu;
  Cond cond(&mu);
  int turn = 0;
  constexpr int kRounds = 3000;
  Threads threads;
  for (int me = 0; me < 2; ++me) {
    threads.Start([&, me] {
      std::lock_guard<Mutex> guard(mu);
      for (int i = 0; i < kRounds; ++i) {
        while (turn != me) cond.Wait();
        turn = 1 - me;
        cond.Signal();
      }
    });
  }
}

}  // namespace
}  // namespace mpg
