// Changing the number of Ps while goroutines run.
#include <atomic>
#include <thread>

#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"

namespace mpg {
namespace {

using internal::Eventually;
using internal::Procs;
using internal::RunWith;
using internal::Scaled;

TEST(Gomaxprocs, ReturnsThePreviousValue) {
  RunWith(3, [] {
    EXPECT_EQ(GOMAXPROCS(0), 3);
    EXPECT_EQ(GOMAXPROCS(-1), 3);
    EXPECT_EQ(GOMAXPROCS(5), 3);
    EXPECT_EQ(GOMAXPROCS(2), 5);
    EXPECT_EQ(GOMAXPROCS(2), 2);
    EXPECT_EQ(GOMAXPROCS(1 << 20), 2);
    EXPECT_EQ(GOMAXPROCS(1), 1024);
    EXPECT_EQ(GOMAXPROCS(0), 1);
  });
}

TEST(Gomaxprocs, GoroutinesOfLostPsRunOn) {
  RunWith(8, [] {
    std::atomic<int> ran{0};
    const int n = Scaled(3000);
    for (int i = 0; i < n; ++i) {
      Go([&ran] {
        Gosched();
        ++ran;
      });
    }
    GOMAXPROCS(1);
    while (ran.load() != n) Gosched();
  });
}

TEST(Gomaxprocs, GrowsAndShrinksUnderLoad) {
  Runtime runtime(Procs(2));
  runtime.Run([] {
    const int n = Scaled(2000);
    std::atomic<bool> stop{false};
    std::atomic<int64_t> steps{0};
    auto done = MakeChan<int>();
    for (int i = 0; i < n; ++i) {
      Go([&stop, &steps, done] {
        while (!stop.load()) {
          ++steps;
          Gosched();
        }
        done.Send(1);
      });
    }
    for (int i = 0; i < Scaled(200); ++i) {
      EXPECT_GE(GOMAXPROCS(1 + i * 5 % 9), 1);
      for (int k = 0; k < 3; ++k) Gosched();
    }
    stop = true;
    for (int i = 0; i < n; ++i) done.Recv();
    EXPECT_GT(steps.load(), n);
  });
  runtime.Wait();
}

TEST(Gomaxprocs, SeveralChangeItAtOnce) {
  Runtime runtime(Procs(4));
  for (int i = 0; i < 8; ++i) {
    runtime.Go([i] {
      for (int k = 0; k < Scaled(200); ++k) {
        GOMAXPROCS(1 + (i + k) % 8);
        if (k % 3 == 0) Gosched();
      }
    });
  }
  runtime.Wait();
  // What was spinning when its P was taken is not counted any more.
  EXPECT_TRUE(Eventually([&] { return runtime.Stats().spinningthreads == 0; }));
  EXPECT_TRUE(Eventually(
      [&] { return runtime.Stats().idleprocs == runtime.Stats().gomaxprocs; }));
}

TEST(Gomaxprocs, AfterManyChangesAForeignThreadStillWakesIt) {
  Runtime runtime(Procs(4));
  for (int i = 0; i < Scaled(300); ++i) {
    runtime.Run([i] {
      for (int k = 0; k < 6; ++k) Go([] { Gosched(); });
      GOMAXPROCS(1 + i % 5);
    });
    std::atomic<bool> ran{false};
    runtime.Go([&] { ran = true; });
    ASSERT_TRUE(Eventually([&] { return ran.load(); })) << i;
  }
}

}  // namespace
}  // namespace mpg
