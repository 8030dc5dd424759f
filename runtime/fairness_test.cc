// Everybody gets a turn: time slices, the global queue, runnext, idle Ps.
#include <atomic>
#include <chrono>
#include <thread>

#include "absl/time/time.h"
#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"

MPG_TEST_ABANDONS_GOROUTINES

namespace mpg {
namespace {

using internal::Eventually;
using internal::Procs;

// Never parks, but calls into mpg.
void Hog() {
  auto c = MakeChan<int>();
  for (;;) c.TryRecv();
}

void PingPong() {
  auto a = MakeChan<int>(), b = MakeChan<int>();
  Go([=] {
    for (int v : a) b.Send(v);
  });
  for (;;) {
    a.Send(1);
    b.Recv();
  }
}

TEST(Fairness, GoroutinesThatNeverParkShareOneP) {
  Runtime runtime(Procs(1));
  for (int i = 0; i < 3; ++i) runtime.Go(Hog);
  std::atomic<int> turns{0};
  runtime.Go([&] {
    for (;;) {
      ++turns;
      Gosched();
    }
  });
  EXPECT_TRUE(Eventually([&] { return turns.load() >= 5; }));
}

TEST(Fairness, EachWhoGivesWayWhenAskedCountsAsASwitch) {
  Runtime runtime(Procs(1));
  for (int i = 0; i < 2; ++i) runtime.Go(Hog);
  EXPECT_TRUE(Eventually([&] { return runtime.Stats().yields >= 3; }));
  const uint64_t yields = runtime.Stats().yields;
  EXPECT_GE(runtime.Stats().switches, yields);
}

TEST(Fairness, TwoThatWakeEachOtherDoNotStarveTheLocalQueue) {
  Runtime runtime(Procs(1));
  std::atomic<bool> ran{false};
  runtime.Go([&] {
    Go([&ran] { ran = true; });
    PingPong();
  });
  EXPECT_TRUE(Eventually([&] { return ran.load(); }));
}

TEST(Fairness, TwoThatWakeEachOtherDoNotStarveTheGlobalQueue) {
  Runtime runtime(Procs(1));
  runtime.Go(PingPong);
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::atomic<bool> ran{false};
    runtime.Go([&] { ran = true; });
    EXPECT_TRUE(Eventually([&] { return ran.load(); }));
  }
}

TEST(Fairness, YieldersDoNotStarveTheGlobalQueue) {
  Runtime runtime(Procs(1));
  for (int i = 0; i < 5; ++i) {
    runtime.Go([] {
      for (;;) Gosched();
    });
  }
  for (int i = 0; i < 20; ++i) {
    std::atomic<bool> ran{false};
    runtime.Go([&] { ran = true; });
    EXPECT_TRUE(Eventually([&] { return ran.load(); }));
  }
}

// The owner computes on and never comes to its runnext: somebody else must.
TEST(Fairness, WorkOfAComputingGoroutineIsTakenOver) {
  Runtime runtime(Procs(2));
  for (int i = 0; i < 5; ++i) {
    std::atomic<int> ran{0};
    runtime.Run([&] {
      Go([&ran] { ++ran; });
      if (i % 2 == 0) Go([&ran] { ++ran; });
      const auto end =
          std::chrono::steady_clock::now() + std::chrono::seconds(30);
      while (ran.load() < 1 + (i % 2 == 0) &&
             std::chrono::steady_clock::now() < end) {
      }
      EXPECT_EQ(ran.load(), 1 + (i % 2 == 0));
    });
    // Both Ps idle before the next round.
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace
}  // namespace mpg
