// How many threads there are, and when they end.
#include <atomic>
#include <thread>

#include "absl/time/time.h"
#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"

namespace mpg {
namespace {

using internal::Eventually;
using internal::Procs;

// Keeps n threads busy at once.
void Occupy(Runtime* runtime, int n) {
  std::atomic<int> here{0};
  for (int i = 0; i < n; ++i) {
    runtime->Go([&here, n] {
      ++here;
      while (here.load() < n) std::this_thread::yield();
    });
  }
  runtime->Wait();
}

TEST(Threads, OnePGetsOneThread) {
  // Another thread is kept ready when a time slice is over.
  Runtime runtime(internal::InTurns());
  Occupy(&runtime, 1);
  EXPECT_EQ(runtime.Stats().threads, 2);  // sysmon is the other
}

TEST(Threads, IdleOnesEndAfterTheirLife) {
  RuntimeOptions options = Procs(6);
  options.idle_thread_life = absl::Milliseconds(30);
  Runtime runtime(options);
  for (int round = 0; round < 3; ++round) {
    Occupy(&runtime, 6);
    EXPECT_GE(runtime.Stats().threads, 2) << round;
    EXPECT_TRUE(Eventually([&] { return runtime.Stats().threads == 1; }));
    EXPECT_EQ(runtime.Stats().idlethreads, 0);
  }
}

TEST(Threads, ThoseThatEndWhileTheyAreWokenLoseNoWork) {
  RuntimeOptions options = Procs(3);
  options.idle_thread_life = absl::Microseconds(200);
  Runtime runtime(options);
  for (int i = 0; i < internal::Scaled(2000); ++i) {
    std::atomic<int> ran{0};
    for (int k = 0; k < 3; ++k) {
      runtime.Go([&] { ++ran; });
    }
    ASSERT_TRUE(Eventually([&] { return ran.load() == 3; })) << i;
    std::this_thread::sleep_for(std::chrono::microseconds(150 + i % 100));
  }
  EXPECT_TRUE(Eventually([&] { return runtime.Stats().threads <= 4; }));
}

TEST(Threads, StatsAddUp) {
  Runtime runtime(Procs(4));
  Occupy(&runtime, 4);
  EXPECT_TRUE(Eventually([&] {
    const SchedStats s = runtime.Stats();
    return s.idlethreads == s.threads - 1 && s.idleprocs == 4 &&
           s.spinningthreads == 0;
  }));
}

TEST(Threads, SetMaxThreadsReturnsThePreviousValue) {
  internal::RunWith(1, [] {
    EXPECT_EQ(SetMaxThreads(500), 10000);
    EXPECT_EQ(SetMaxThreads(600), 500);
  });
}

}  // namespace
}  // namespace mpg
