// RWMutex, Cond and Once between goroutines, with a plain thread among them; and
// what is left parked on them when a Runtime ends.
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "base/panic.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "sync/cond.h"
#include "sync/mutex.h"
#include "sync/once.h"
#include "sync/rwmutex.h"
#include "sync/wait_group.h"
#include "tests/sync/util.h"

namespace mpg {
namespace {

using sync_test::AllParkedBut;
using sync_test::Procs;
using sync_test::RunWith;
using sync_test::Scaled;

class SyncOnProcs : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Procs, SyncOnProcs, testing::Values(1, 2, 4));

// The activity is 1 for each reader and 10000 for a writer.
TEST_P(SyncOnProcs, RWMutexExcludes) {
  const uint64_t seed = sync_test::TestSeed();
  RWMutex mu;
  std::atomic<int32_t> activity{0};
  int64_t value = 0;
  std::atomic<int64_t> writes{0};
  const auto read = [&](bool yield) {
    mu.RLock();
    const int32_t n = ++activity;
    EXPECT_TRUE(n >= 1 && n < 10000) << n;
    if (yield) Gosched();
    --activity;
    mu.RUnlock();
  };
  const auto write = [&](bool yield) {
    mu.Lock();
    EXPECT_EQ(activity += 10000, 10000);
    ++value;
    ++writes;
    if (yield) Gosched();
    activity -= 10000;
    mu.Unlock();
  };
  std::thread foreign;
  RunWith(GetParam(), [&] {
    foreign = std::thread([&] {
      for (int i = 0; i < Scaled(500); ++i) {
        write(false);
        read(false);
      }
    });
    WaitGroup wg;
    for (uint64_t g = 0; g < 20; ++g) {
      wg.Go([&, g] {
        FastRand rand(seed + g);
        for (int i = 0; i < Scaled(1000); ++i) {
          const bool yield = rand.Below(3) == 0;
          if (rand.Below(5) == 0) {
            write(yield);
          } else {
            read(yield);
          }
        }
      });
    }
    wg.Wait();
  });
  foreign.join();
  EXPECT_EQ(value, writes);
}

TEST_P(SyncOnProcs, CondBoundedQueue) {
  constexpr size_t kCapacity = 3;
  constexpr int kPairs = 6;
  const int each = Scaled(1000);
  Mutex mu;
  Cond not_empty(&mu), not_full(&mu);
  std::deque<int> queue;
  int64_t sum = 0;
  RunWith(GetParam(), [&] {
    WaitGroup wg;
    for (int p = 0; p < kPairs; ++p) {
      wg.Go([&] {
        for (int i = 0; i < each; ++i) {
          mu.Lock();
          while (queue.size() == kCapacity) not_full.Wait();
          queue.push_back(i);
          mu.Unlock();
          not_empty.Signal();
        }
      });
      wg.Go([&] {
        for (int i = 0; i < each; ++i) {
          mu.Lock();
          while (queue.empty()) not_empty.Wait();
          sum += queue.front();
          queue.pop_front();
          mu.Unlock();
          not_full.Signal();
        }
      });
    }
    wg.Wait();
  });
  EXPECT_EQ(sum, int64_t{kPairs} * each * (each - 1) / 2);
}

TEST_P(SyncOnProcs, OnceRunsOnceThoughItYields) {
  Once once;
  int runs = 0;
  RunWith(GetParam(), [&] {
    WaitGroup wg;
    for (int i = 0; i < 20; ++i) {
      wg.Go([&] {
        once.Do([&] {
          Gosched();
          ++runs;
        });
        EXPECT_EQ(runs, 1);
      });
    }
    wg.Wait();
  });
}

TEST_P(SyncOnProcs, OnceCountsACallLeftByGoexit) {
  RunWith(GetParam(), [] {
    Once once;
    auto func = OnceFunc([] { Goexit(); });
    WaitGroup wg;
    wg.Go([&] { once.Do([] { Goexit(); }); });
    wg.Go([&] { func(); });
    wg.Wait();
    once.Do([] { ADD_FAILURE() << "called again"; });
    EXPECT_THROW(func(), Panic);
  });
}

// Goroutines stay behind, parked on what lives longer than their Runtime and on
// what main takes with it.
TEST_P(SyncOnProcs, MayBeLeftWithGoroutinesParkedOnThem)
ABSL_NO_THREAD_SAFETY_ANALYSIS {
  Mutex mu;
  Cond cond(&mu);
  int waiting = 0;
  WaitGroup wg;
  wg.Add(1);
  auto runtime = std::make_unique<Runtime>(Procs(GetParam()));
  runtime->Run([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    Mutex local_mu;
    local_mu.Lock();
    Cond local_cond(&local_mu);
    WaitGroup local_wg;
    local_wg.Add(1);
    RWMutex local_rw;
    local_rw.RLock();
    std::atomic<int> started{0};
    const auto leave = [&](auto f) {
      Go([&started, f] {
        ++started;
        f();
        ADD_FAILURE() << "was not parked";
      });
    };
    for (int i = 0; i < 3; ++i) {
      leave([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        mu.Lock();
        ++waiting;
        cond.Wait();
      });
      leave([&] { wg.Wait(); });
      leave([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { local_mu.Lock(); });
      leave([&] { local_wg.Wait(); });
      leave([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { local_rw.Lock(); });
    }
    // Nobody is to end while it holds mu, nor to come to what is gone.
    while (started != 15 || !AllParkedBut(1, *runtime)) Gosched();
    mu.Lock();
    EXPECT_EQ(waiting, 3);
    mu.Unlock();
  });
  runtime.reset();
  wg.Done();
  wg.Wait();
  cond.Broadcast();
  const bool locked = mu.TryLock();
  EXPECT_TRUE(locked);
  if (locked) mu.Unlock();
}

}  // namespace
}  // namespace mpg
