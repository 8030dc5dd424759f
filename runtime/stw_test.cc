// Stopping the world: while it is stopped, nobody else moves.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"

namespace mpg {
namespace {

using internal::Burn;
using internal::Procs;
using internal::RunWith;
using internal::Scaled;
using std::chrono::microseconds;

TEST(StopTheWorld, NobodyElseMoves) {
  for (int procs : {1, 2, 4, 8}) {
    RunWith(procs, [procs] {
      std::atomic<bool> stop{false};
      std::atomic<int64_t> steps{0};
      auto c = MakeChan<int>(1), done = MakeChan<int>();
      const int n = 50;
      for (int i = 0; i < n; ++i) {
        Go([&, i] {
          while (!stop.load()) {
            ++steps;
            int v = i;
            if (!c.TrySend(v)) c.TryRecv();
            ++steps;
            Gosched();
          }
          done.Send(1);
        });
      }
      for (int i = 0; i < Scaled(200); ++i) {
        StopTheWorld("test");
        const int64_t before = steps.load();
        Burn(microseconds(50));
        EXPECT_EQ(steps.load(), before) << procs << " " << i;
        StartTheWorld();
        for (int k = 0; k < 3; ++k) Gosched();
      }
      stop = true;
      for (int i = 0; i < n; ++i) done.Recv();
    });
  }
}

TEST(StopTheWorld, ExcludesOtherStoppers) {
  Runtime runtime(Procs(4));
  std::atomic<int> inside{0}, worst{0}, stops{0};
  const int n = Scaled(300);
  for (int i = 0; i < 8; ++i) {
    runtime.Go([&] {
      for (int k = 0; k < n; ++k) {
        StopTheWorld("test");
        const int now = ++inside;
        if (now > worst.load()) worst = now;
        ++stops;
        --inside;
        StartTheWorld();
      }
    });
  }
  runtime.Wait();
  EXPECT_EQ(worst.load(), 1);
  EXPECT_EQ(stops.load(), 8 * n);
}

TEST(StopTheWorld, StopperMayStartGoroutinesAndWakeThem) {
  RunWith(2, [] {
    auto c = MakeChan<int>(1000);
    auto parked = MakeChan<int>(), done = MakeChan<int>();
    for (int i = 0; i < 10; ++i) {
      Go([=] {
        parked.Recv();
        done.Send(1);
      });
    }
    for (int k = 0; k < 20; ++k) Gosched();
    StopTheWorld("test");
    for (int i = 0; i < 500; ++i) Go([c] { c.Send(1); });
    parked.Close();  // wakes all
    EXPECT_EQ(c.Len(), 0u);
    StartTheWorld();
    int sum = 0;
    for (int i = 0; i < 500; ++i) sum += *c.Recv();
    EXPECT_EQ(sum, 500);
    for (int i = 0; i < 10; ++i) sum += *done.Recv();
    EXPECT_EQ(sum, 510);
    while (NumGoroutine() > 1) Gosched();  // their handles of the channels go
  });
}

TEST(StopTheWorld, WorkThatForeignThreadsBringMeanwhileRunsAfterwards) {
  Runtime runtime(Procs(2));
  std::atomic<int> ran{0};
  std::atomic<int> sent{0};
  std::atomic<bool> over{false};
  std::thread foreign([&] {
    while (!over.load()) {
      runtime.Go([&] { ++ran; });
      ++sent;
      std::this_thread::sleep_for(microseconds(20));
    }
  });
  runtime.Run([&] {
    for (int i = 0; i < Scaled(500); ++i) {
      StopTheWorld("test");
      Burn(microseconds(20));
      StartTheWorld();
      Gosched();
    }
  });
  over = true;
  foreign.join();
  runtime.Wait();
  EXPECT_EQ(ran.load(), sent.load());
}

TEST(StopTheWorld, TheStoppersSyscallKeepsItsP) {
  RunWith(2, [] {
    for (int i = 0; i < 100; ++i) {
      Go([] { Gosched(); });
      StopTheWorld("test");
      EXPECT_GT(Syscall([] { return getppid(); }), 0);
      BlockingSyscall([] { usleep(10); });
      StartTheWorld();
      Gosched();
    }
  });
}

TEST(StopTheWorld, IdleRuntimeStopsAtOnce) {
  RunWith(8, [] {
    for (int i = 0; i < Scaled(2000); ++i) {
      StopTheWorld("test");
      StartTheWorld();
    }
  });
}

}  // namespace
}  // namespace mpg
