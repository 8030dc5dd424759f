#include "context/semaphore.h"

#include <atomic>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "base/panic.h"
#include "base/park.h"
#include "context/context.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

void WaitUntilParked(int64_t n) {
  while (internal::ParkedThreads() != n) std::this_thread::yield();
}

TEST(Semaphore, TakesUpToItsSize) {
  Semaphore sem(3);
  EXPECT_TRUE(sem.TryAcquire(2));
  EXPECT_FALSE(sem.TryAcquire(2));
  EXPECT_TRUE(sem.Acquire(Background(), 1).ok());
  EXPECT_FALSE(sem.TryAcquire(1));
  sem.Release(3);
  EXPECT_TRUE(sem.TryAcquire(3));
}

TEST(Semaphore, ReleasingMoreThanHeldPanics) {
  Semaphore sem(3);
  EXPECT_TRUE(sem.TryAcquire(1));
  try {
    sem.Release(2);
    ADD_FAILURE();
  } catch (const Panic& panic) {
    EXPECT_STREQ(panic.what(), "semaphore: released more than held");
  }
  EXPECT_TRUE(sem.TryAcquire(2));
}

TEST(Semaphore, ABigRequestIsNotOvertaken) {
  Semaphore sem(2);
  ASSERT_TRUE(sem.TryAcquire(2));
  std::atomic<bool> big{false};
  std::thread waiter([&] {
    EXPECT_TRUE(sem.Acquire(Background(), 2).ok());
    big = true;
    sem.Release(2);
  });
  WaitUntilParked(1);
  sem.Release(1);
  EXPECT_FALSE(sem.TryAcquire(1));
  EXPECT_FALSE(big);
  std::thread small([&] {
    EXPECT_TRUE(sem.Acquire(Background(), 1).ok());
    EXPECT_TRUE(big);
    sem.Release(1);
  });
  WaitUntilParked(2);
  sem.Release(1);
  waiter.join();
  small.join();
  EXPECT_TRUE(sem.TryAcquire(2));
}

TEST(Semaphore, CancelledAcquireTakesNothingAndLetsOthersPass) {
  Semaphore sem(2);
  ASSERT_TRUE(sem.TryAcquire(1));
  const auto [ctx, cancel] = WithCancel(Background());
  std::thread big([&, ctx = ctx] {
    EXPECT_EQ(sem.Acquire(ctx, 2), absl::CancelledError("context canceled"));
  });
  WaitUntilParked(1);
  std::thread small([&] { EXPECT_TRUE(sem.Acquire(Background(), 1).ok()); });
  WaitUntilParked(2);
  cancel();
  big.join();
  small.join();
  EXPECT_EQ(sem.Acquire(ctx, 1), ctx.Err());
  EXPECT_FALSE(sem.TryAcquire(1));
  sem.Release(2);
}

TEST(Semaphore, MoreThanItHasWaitsForTheContext) {
  Semaphore sem(2);
  const auto [ctx, cancel] = WithCancel(Background());
  std::thread waiter(
      [&, ctx = ctx] { EXPECT_FALSE(sem.Acquire(ctx, 3).ok()); });
  WaitUntilParked(1);
  EXPECT_TRUE(sem.TryAcquire(2));
  cancel();
  waiter.join();
}

TEST(Semaphore, CancellationsLoseNoTokens) {
  Semaphore sem(3);
  std::atomic<int> held{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) {
        const int n = 1 + (t + i) % 3;
        const auto [ctx, cancel] = WithCancel(Background());
        std::thread killer;
        if (i % 10 == 0) killer = std::thread([cancel = cancel] { cancel(); });
        if (sem.Acquire(ctx, n).ok()) {
          EXPECT_LE(held += n, 3);
          held -= n;
          sem.Release(n);
        }
        if (killer.joinable()) killer.join();
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_TRUE(sem.TryAcquire(3));
}

}  // namespace
}  // namespace mpg
