// What happens to goroutines that are left when their Runtime ends.
#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "channel/chan.h"
#include "channel/select.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/options.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"

MPG_TEST_ABANDONS_GOROUTINES

namespace mpg {
namespace {

using internal::Eventually;
using internal::Procs;
using internal::Scaled;

TEST(Abandon, ParkedGoroutinesLeaveTheChannelToOthers) {
  auto empty = MakeChan<int>();
  auto full = MakeChan<int>(1);
  int one = 1;
  ASSERT_TRUE(full.TrySend(one));
  {
    Runtime runtime(Procs(2));
    std::atomic<int> started{0};
    for (int i = 0; i < 20; ++i) {
      runtime.Go([empty, &started] {
        ++started;
        empty.Recv();
      });
      runtime.Go([full, &started] {
        ++started;
        full.Send(2);
      });
    }
    ASSERT_TRUE(Eventually([&] { return started == 40; }));
  }
  // No receiver is left, so this would block; no sender either.
  EXPECT_FALSE(empty.TrySend(one));
  EXPECT_EQ(*full.Recv(), 1);
  EXPECT_FALSE(full.TryRecv().has_value());
  std::thread other([empty] { empty.Send(5); });
  EXPECT_EQ(*empty.Recv(), 5);
  other.join();
}

// The select has got its value from one channel and never runs to leave the other.
TEST(Abandon, AReadiedSelectLeavesItsOtherChannels) {
  auto a = MakeChan<int>(), b = MakeChan<int>();
  std::atomic<bool> burning{false}, stop{false};
  std::thread stopper;
  {
    Runtime runtime(Procs(1));
    runtime.Go([a, b] { Select(OnRecv(a), OnRecv(b)); });
    ASSERT_TRUE(Eventually([&] {
      const SchedStats stats = runtime.Stats();
      return stats.idleprocs == 1 && stats.runqueue == 0 && stats.switches != 0;
    }));
    runtime.Go([&] {
      burning = true;
      while (!stop) {
      }
      Gosched();
    });
    ASSERT_TRUE(Eventually([&] { return burning.load(); }));
    int one = 1;
    ASSERT_TRUE(Eventually([&] { return a.TrySend(one); }));
    stopper = std::thread([&] {
      // Most likely the Runtime is ending by then.
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      stop = true;
    });
  }
  stopper.join();
  int one = 1;
  EXPECT_FALSE(b.TrySend(one));
  std::thread other([b] { b.Send(7); });
  EXPECT_EQ(*b.Recv(), 7);
  other.join();
}

TEST(Abandon, RunnableGoroutinesEndWithTheRuntime) {
  for (int procs : {1, 2, 4}) {
    for (int i = 0; i < Scaled(100); ++i) {
      Runtime runtime(Procs(procs));
      for (int k = 0; k < 20; ++k) {
        runtime.Go([] {
          for (;;) Gosched();
        });
      }
      if (i % 2 == 0) {
        runtime.Run([] {
          for (int k = 0; k < 10; ++k) Gosched();
        });
      }
    }
  }
}

TEST(Abandon, SpawningGoroutinesEndWithTheRuntime) {
  for (int i = 0; i < Scaled(100); ++i) {
    Runtime runtime(Procs(2));
    struct Forever {
      void operator()() const {
        Go(*this);
        Gosched();
      }
    };
    for (int k = 0; k < 8; ++k) runtime.Go(Forever());
    std::this_thread::sleep_for(std::chrono::microseconds(i * 5));
  }
}

TEST(Abandon, ClosuresThatNeverRanAreDestroyed) {
  auto token = std::make_shared<int>(0);
  for (int i = 0; i < 10; ++i) {
    Runtime runtime(Procs(1));
    runtime.Run([token] {
      for (int k = 0; k < 3000; ++k) {
        Go([token] {});
        struct {
          char bytes[200];
        } large = {};
        Go([token, large] { (void)large; });
      }
    });
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(Abandon, ForeignThreadsMayReadyWhileTheRuntimeEnds) {
  for (int i = 0; i < Scaled(400); ++i) {
    auto c = MakeChan<int>();
    std::atomic<bool> stop{false};
    auto runtime = std::make_unique<Runtime>(Procs(2));
    for (int k = 0; k < 10; ++k) {
      runtime->Go([c] {
        for (;;) c.Recv();
      });
    }
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&] {
        while (!stop.load()) {
          int v = 1;
          if (!c.TrySend(v)) std::this_thread::yield();
        }
      });
    }
    std::this_thread::sleep_for(std::chrono::microseconds(i % 64 * 10));
    runtime.reset();
    int v = 1;
    EXPECT_FALSE(c.TrySend(v));
    stop = true;
    for (auto& t : threads) t.join();
  }
}

TEST(Abandon, LockedGoroutinesEndWithTheRuntime) {
  for (int i = 0; i < Scaled(100); ++i) {
    auto c = MakeChan<int>();
    Runtime runtime(Procs(2));
    for (int k = 0; k < 4; ++k) {
      runtime.Go([c, k] {
        LockOSThread();
        if (k % 2 == 0) c.Recv();
        for (;;) Gosched();
      });
    }
    if (i % 2 == 0) {
      runtime.Run([] {
        for (int k = 0; k < 5; ++k) Gosched();
      });
    }
  }
}

// Its thread has left with the end of Run, so it can be woken but never runs.
TEST(Abandon, GoroutineLockedToAThreadThatLeftIsReadiedAndAbandoned) {
  auto c = MakeChan<int>();
  {
    Runtime runtime(Procs(1));
    runtime.Run([c] {
      auto ready = MakeChan<int>();
      Go([c, ready] {
        LockOSThread();  // on m0: there is only one P, and main is on it
        ready.Send(1);
        c.Recv();
      });
      ready.Recv();
      for (int k = 0; k < 10; ++k) Gosched();
    });
    int v = 1;
    (void)c.TrySend(v);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  int v = 1;
  EXPECT_FALSE(c.TrySend(v));
}

}  // namespace
}  // namespace mpg
