// A Runtime's life: Run, Go and Wait from threads, several Runtimes, its end.
#include "runtime/runtime.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "base/panic.h"
#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/test_util.h"

MPG_TEST_ABANDONS_GOROUTINES

namespace mpg {
namespace {

using internal::Burn;
using internal::Eventually;
using internal::Procs;
using internal::Scaled;
using std::chrono::microseconds;

TEST(Runtime, LivesAndDiesWithoutRun) {
  for (int i = 0; i < 20; ++i) Runtime runtime(Procs(2));
}

TEST(Runtime, RejectsOptionsOutOfRange) {
  EXPECT_THROW(Runtime{Procs(-1)}, Panic);
  RuntimeOptions options;
  options.max_threads = 0;
  EXPECT_THROW(Runtime{options}, Panic);
}

TEST(Runtime, RunReturnsWhenMainReturns) {
  Runtime runtime(Procs(2));
  bool ran = false;
  runtime.Run([&] {
    Go([] {
      for (;;) Gosched();
    });
    ran = true;
  });
  EXPECT_TRUE(ran);
}

TEST(Runtime, RunReturnsThoughMainEndsOnAnotherThread) {
  for (int i = 0; i < Scaled(300); ++i) {
    Runtime runtime(Procs(2));
    const auto caller = std::this_thread::get_id();
    runtime.Run([&] {
      // Somebody keeps the caller's thread busy while main goes elsewhere.
      for (int k = 0; k < 4; ++k) {
        Go([] {
          for (;;) Gosched();
        });
      }
      for (int k = 0; k < 2000 && std::this_thread::get_id() == caller; ++k) {
        Gosched();
      }
    });
    ASSERT_EQ(std::this_thread::get_id(), caller);
    ASSERT_EQ(Goid(), 0);
  }
}

TEST(Runtime, RunsAgainAndAgain) {
  Runtime runtime(Procs(2));
  int runs = 0;
  const int n = Scaled(3000);
  for (int i = 0; i < n; ++i) {
    runtime.Run([&] {
      auto c = MakeChan<int>();
      for (int k = 0; k < 3; ++k) {
        Go([c] { c.Send(1); });
      }
      for (int k = 0; k < 3; ++k) runs += *c.Recv();
    });
  }
  EXPECT_EQ(runs, 3 * n);
}

TEST(Runtime, GoroutinesOfOneRunGoOnInTheNext) {
  Runtime runtime(Procs(2));
  auto c = MakeChan<int>();
  runtime.Run([c] {
    for (int i = 0; i < 10; ++i) Go([c, i] { c.Send(i); });
  });
  int sum = 0;
  runtime.Run([c, &sum] {
    for (int i = 0; i < 10; ++i) sum += *c.Recv();
  });
  EXPECT_EQ(sum, 45);
}

TEST(Runtime, RunOnAThreadThatRunsGoroutinesPanics) {
  Runtime runtime(Procs(1)), other(Procs(1));
  runtime.Run([&] {
    EXPECT_THROW(runtime.Run([] {}), Panic);
    EXPECT_THROW(other.Run([] {}), Panic);
    EXPECT_THROW(runtime.Wait(), Panic);
  });
}

TEST(Runtime, SecondRunAtTheSameTimePanicsAndHarmsNothing) {
  Runtime runtime(Procs(2));
  for (int i = 0; i < Scaled(200); ++i) {
    runtime.Run([&] {
      auto c = MakeChan<int>();
      std::thread second([&] {
        EXPECT_THROW(runtime.Run([] {}), Panic);
        c.Send(1);
      });
      c.Recv();  // the first thread sleeps meanwhile, as an idle M
      second.join();
    });
  }
}

TEST(Runtime, GoFromManyThreads) {
  Runtime runtime(Procs(2));
  std::atomic<int> ran{0};
  std::vector<std::thread> threads;
  const int n = Scaled(5000);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < n; ++i) runtime.Go([&] { ++ran; });
    });
  }
  runtime.Run([&] {
    while (ran.load() < 4 * n) Gosched();
  });
  for (auto& t : threads) t.join();
  runtime.Wait();
  EXPECT_EQ(ran.load(), 4 * n);
}

TEST(Runtime, GoWakesASleepingRuntimeEveryTime) {
  Runtime runtime(Procs(2));
  for (int i = 0; i < Scaled(3000); ++i) {
    std::atomic<bool> ran{false};
    runtime.Go([&] { ran = true; });
    if (i % 3 == 0) std::this_thread::sleep_for(microseconds(i % 100));
    runtime.Wait();
    ASSERT_TRUE(ran.load()) << i;
  }
}

TEST(Runtime, WaitReturnsAtOnceWithoutGoroutines) {
  Runtime runtime(Procs(2));
  runtime.Wait();
  runtime.Run([] {});
  runtime.Wait();
}

TEST(Runtime, SeveralThreadsMayWait) {
  Runtime runtime(Procs(2));
  std::atomic<int> left{500};
  for (int i = 0; i < 500; ++i) {
    runtime.Go([&] {
      for (int k = 0; k < 20; ++k) Gosched();
      --left;
    });
  }
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      runtime.Wait();
      EXPECT_EQ(left.load(), 0);
    });
  }
  for (auto& t : threads) t.join();
}

TEST(Runtime, SeveralTalkOverOneChannel) {
  Runtime a(Procs(1)), b(Procs(2));
  auto there = MakeChan<int>(), back = MakeChan<int>();
  const int n = Scaled(5000);
  b.Go([=] {
    for (int v : there) back.Send(v + 1);
    back.Close();
  });
  int64_t sum = 0;
  a.Run([&] {
    for (int i = 0; i < n; ++i) {
      there.Send(i);
      sum += *back.Recv();
    }
    there.Close();
  });
  b.Wait();
  EXPECT_EQ(sum, int64_t{n} * (n + 1) / 2);
}

TEST(Runtime, TalksToPlainThreads) {
  Runtime runtime(Procs(2));
  auto there = MakeChan<int>(), back = MakeChan<int>(3);
  const int n = Scaled(3000);
  runtime.Go([=] {
    for (int v : there) back.Send(2 * v);
    back.Close();
  });
  std::thread sender([=] {
    for (int i = 0; i < n; ++i) there.Send(i);
    there.Close();
  });
  int64_t sum = 0;
  for (int v : back) sum += v;
  sender.join();
  EXPECT_EQ(sum, int64_t{n} * (n - 1));
}

TEST(Runtime, StatsTellWhatIsThere) {
  Runtime runtime(Procs(3));
  runtime.Run([&] {
    auto stop = MakeChan<int>();
    for (int i = 0; i < 7; ++i) Go([stop] { stop.Recv(); });
    for (int i = 0; i < 50; ++i) Gosched();
    const SchedStats stats = runtime.Stats();
    EXPECT_EQ(stats.gomaxprocs, 3);
    EXPECT_EQ(stats.goroutines, 8);
    EXPECT_GE(stats.goroutines_created, 8u);
    EXPECT_LE(stats.idleprocs, 2);
    EXPECT_GE(stats.threads, 2);  // this one and sysmon
    EXPECT_EQ(stats.local_runqueues.size(), 3u);
    EXPECT_GT(stats.switches, 0u);
    stop.Close();
  });
  runtime.Wait();
  EXPECT_EQ(runtime.Stats().goroutines, 0);
  EXPECT_TRUE(Eventually([&] { return runtime.Stats().idleprocs == 3; }));
  EXPECT_TRUE(Eventually([&] { return runtime.Stats().spinningthreads == 0; }));
}

TEST(Runtime, MainGivesTheStatus) {
  EXPECT_EQ(Main([] { return 7; }), 7);
  EXPECT_EQ(Main([] {
              auto c = MakeChan<int>();
              Go([c] { c.Send(3); });
              return *c.Recv();
            }),
            3);
}

}  // namespace
}  // namespace mpg
