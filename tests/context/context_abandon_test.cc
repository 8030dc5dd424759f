// A Runtime ends while goroutines of it wait for a Semaphore or a Context that
// others go on using.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/park.h"
#include "context/context.h"
#include "context/errgroup.h"
#include "context/semaphore.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "tests/sync/util.h"

// What abandoned goroutines hold is never freed, by contract.
extern "C" int __lsan_is_turned_off() { return 1; }

namespace mpg {
namespace {

using sync_test::AllParkedBut;
using sync_test::Procs;
using sync_test::Scaled;

// A Runtime with n goroutines that are parked in f. Ends with the object.
class Parked {
 public:
  template <class F>
  Parked(int n, F f) : runtime_(Procs(2)) {
    std::atomic<int> started{0};
    for (int i = 0; i < n; ++i) {
      runtime_.Go([&started, f] {
        ++started;
        f();
        ADD_FAILURE() << "was not parked";
      });
    }
    while (started != n || !AllParkedBut(0, runtime_)) {
      std::this_thread::yield();
    }
  }

 private:
  Runtime runtime_;
};

void WaitUntilParked(int64_t n) {
  while (internal::ParkedThreads() != n) std::this_thread::yield();
}

TEST(SemaphoreAbandon, NothingIsGivenToTheAbandoned) {
  Semaphore sem(2);
  ASSERT_TRUE(sem.TryAcquire(2));
  const auto [ctx, cancel] = WithCancel(Background());
  {
    const Parked background(
        5, [&] { sem.Acquire(Background(), 1).IgnoreError(); });
    const Parked derived(5,
                         [&, ctx = ctx] { sem.Acquire(ctx, 2).IgnoreError(); });
  }
  sem.Release(2);
  EXPECT_TRUE(sem.TryAcquire(2));
  cancel();
  sem.Release(2);
  EXPECT_TRUE(sem.TryAcquire(2));
}

TEST(SemaphoreAbandon, ThoseBehindNeedNotWaitForTheTurnOfTheAbandoned) {
  Semaphore sem(2);
  ASSERT_TRUE(sem.TryAcquire(1));
  auto first = std::make_unique<Parked>(
      1, [&] { sem.Acquire(Background(), 2).IgnoreError(); });
  std::thread behind([&] { EXPECT_TRUE(sem.Acquire(Background(), 1).ok()); });
  WaitUntilParked(1);
  EXPECT_FALSE(sem.TryAcquire(1));
  first.reset();
  behind.join();
  EXPECT_FALSE(sem.TryAcquire(1));
}

TEST(SemaphoreAbandon, OthersKeepTheirPlaces) {
  Semaphore sem(1);
  ASSERT_TRUE(sem.TryAcquire(1));
  std::vector<int> order;
  std::vector<std::thread> threads;
  const auto wait_too = [&](int me) {
    threads.emplace_back([&, me] {
      EXPECT_TRUE(sem.Acquire(Background(), 1).ok());
      order.push_back(me);
      sem.Release(1);
    });
    WaitUntilParked(me);
  };
  wait_too(1);
  {
    const Parked abandoned(3,
                           [&] { sem.Acquire(Background(), 1).IgnoreError(); });
    wait_too(2);
  }
  wait_too(3);
  sem.Release(1);
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

// As when main has it on its stack and returns while others wait.
TEST(SemaphoreAbandon, MayGoBeforeThoseItsRuntimeAbandons) {
  const auto [ctx, cancel] = WithCancel(Background());
  {
    Runtime runtime(Procs(2));
    runtime.Run([&, ctx = ctx] {
      Semaphore sem(1);
      EXPECT_TRUE(sem.TryAcquire(1));
      std::atomic<int> started{0};
      for (int i = 0; i < 3; ++i) {
        Go([&, i] {
          ++started;
          sem.Acquire(i == 0 ? Background() : ctx, 1).IgnoreError();
          ADD_FAILURE() << "was not parked";
        });
      }
      while (started != 3 || !AllParkedBut(1, runtime)) Gosched();
    });
  }
  cancel();
}

// Grants, cancels and the end of the Runtime meet. Whoever has been granted by
// then holds what it has got; all others are off the queue.
TEST(SemaphoreAbandon, GrantsAndCancelsMayRaceWithTheEnd) {
  for (int i = 0; i < Scaled(300); ++i) {
    Semaphore sem(100);
    ASSERT_TRUE(sem.TryAcquire(100));
    auto [ctx, cancel] = WithCancel(Background());
    std::atomic<int> got{0};
    auto runtime = std::make_unique<Runtime>(Procs(2));
    for (int k = 0; k < 6; ++k) {
      runtime->Go([&, ctx = k % 2 == 0 ? Background() : ctx] {
        while (sem.Acquire(ctx, 1).ok()) ++got;
      });
    }
    std::thread releaser([&, cancel = cancel] {
      for (int k = 0; k < 40; ++k) sem.Release(1);
      cancel();
    });
    std::this_thread::sleep_for(std::chrono::microseconds(i % 50 * 4));
    runtime.reset();
    releaser.join();
    int left = 0;
    while (sem.TryAcquire(1)) ++left;
    // A goroutine that was granted one and never ran again took it along.
    EXPECT_LE(left + got, 40);
    EXPECT_GE(left + got + 6, 40);
    sem.Release(1);
    EXPECT_TRUE(sem.TryAcquire(1)) << "somebody is left in the queue";
  }
}

TEST(ContextAbandon, CancelsServeTheOthers) {
  const auto [root, cancel] = WithCancel(Background());
  const auto [child, cancel_child] = WithCancel(root);
  {
    const Parked waiters(3, [child = child] { child.Done().Recv(); });
    const Parked registered(2, [root = root] {
      const auto [mine, cancel_mine] = WithCancel(root);
      AfterFunc(mine, [] { ADD_FAILURE() << "started by nobody's Runtime"; })();
      mine.Done().Recv();
    });
  }
  std::thread other([child = child] { child.Done().Recv(); });
  cancel();
  other.join();
  EXPECT_EQ(child.Err(), absl::CancelledError("context canceled"));
}

TEST(ErrGroupAbandon, OneThatMainLeavesBehindGoesWithTheRuntime) {
  Runtime runtime(Procs(2));
  std::atomic<int> started{0};
  runtime.Run([&] {
    Go([&started] {
      ErrGroup group(Background());
      group.SetLimit(2);
      for (int i = 0; i < 3; ++i) {  // the third blocks in Go
        group.Go([&] {
          ++started;
          group.context().Done().Recv();
          return absl::OkStatus();
        });
      }
    });
    while (started != 2 || !AllParkedBut(1, runtime)) Gosched();
  });
}

}  // namespace
}  // namespace mpg
