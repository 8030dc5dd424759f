#include "timer/timekeeper.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "gtest/gtest.h"
#include "timer/timer_heap.h"

namespace mpg {
namespace {

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kHour = 3'600'000 * kMs;

bool Never() { return false; }

TEST(Timekeeper, ReturnsAtOnceWithoutTimers) {
  Timekeeper keeper;
  EXPECT_FALSE(keeper.Keep([] { return Timekeeper::kNever; }, Never));
  EXPECT_FALSE(keeper.Kept());
  EXPECT_FALSE(keeper.WakeFor(5));
}

TEST(Timekeeper, SleepsUntilTheEarliestAndNotLess) {
  Timekeeper keeper;
  const int64_t when = NanoTime() + 5 * kMs;
  EXPECT_TRUE(keeper.Keep([&] { return when; }, Never));
  EXPECT_GE(NanoTime(), when);
  EXPECT_FALSE(keeper.Kept());
}

TEST(Timekeeper, OneKeepsAndTheOthersGo) {
  Timekeeper keeper;
  std::atomic<bool> leave{false};
  std::thread first([&] {
    EXPECT_FALSE(keeper.Keep([] { return kHour + NanoTime() / kHour * kHour; },
                             [&] { return leave.load(); }));
  });
  while (!keeper.Kept()) std::this_thread::yield();
  EXPECT_FALSE(keeper.Keep([] { return 2 * kHour + NanoTime(); }, Never));
  EXPECT_TRUE(keeper.WakeFor(3 * kHour + NanoTime()));
  leave = true;
  EXPECT_TRUE(keeper.WakeFor(0));
  first.join();
  EXPECT_FALSE(keeper.Kept());
}

TEST(Timekeeper, AnEarlierTimerWakesIt) {
  Timekeeper keeper;
  std::atomic<int64_t> when{NanoTime() + kHour};
  std::thread thread(
      [&] { EXPECT_TRUE(keeper.Keep([&] { return when.load(); }, Never)); });
  while (!keeper.Kept()) std::this_thread::yield();
  when = NanoTime() + kMs;
  keeper.WakeFor(when);
  thread.join();
  EXPECT_GE(NanoTime(), when.load());
}

TEST(Timekeeper, GivesUpWhenTheLastTimerGoes) {
  Timekeeper keeper;
  std::atomic<int64_t> when{NanoTime() + kHour};
  std::thread thread(
      [&] { EXPECT_FALSE(keeper.Keep([&] { return when.load(); }, Never)); });
  while (!keeper.Kept()) std::this_thread::yield();
  when = Timekeeper::kNever;
  keeper.WakeFor(0);
  thread.join();
}

struct CountingTimer : TimerNode {
  CountingTimer() : TimerNode(&kOps) {}
  std::atomic<int> fired{0};
  static void Fire(TimerNode* n, int64_t when, int64_t) {
    EXPECT_LE(when, NanoTime());
    static_cast<CountingTimer*>(n)->fired.fetch_add(1);
  }
  static void Destroy(TimerNode* n) { delete static_cast<CountingTimer*>(n); }
  static constexpr TimerOps kOps = {Fire, nullptr, Destroy, false, false};
};

// Several threads add timers all the time, two take turns at keeping: each timer
// fires, which it would not if an addition were missed.
TEST(Timekeeper, MissesNoTimer) {
  constexpr int kAdders = 3, kRounds = 300;
  TimerHeap heap;
  Timekeeper keeper;
  std::atomic<bool> done{false};
  std::vector<std::thread> keepers, adders;
  for (int i = 0; i < 2; ++i) {
    keepers.emplace_back([&] {
      while (!done) {
        keeper.Keep([&] { return heap.NextWhen(); },
                    [&] { return done.load(); });
        heap.Run(NanoTime());
      }
    });
  }
  for (int i = 0; i < kAdders; ++i) {
    adders.emplace_back([&, i] {
      auto* t = new CountingTimer;
      for (int k = 1; k <= kRounds; ++k) {
        const int64_t when = NanoTime() + (k + i) % 5 * 20'000;
        heap.Reset(t, when, nullptr);
        keeper.WakeFor(when);
        const int64_t limit = NanoTime() + 60'000 * kMs;
        while (t->fired != k && NanoTime() < limit) std::this_thread::yield();
        ASSERT_EQ(t->fired, k);
      }
      t->Unref();
    });
  }
  for (std::thread& t : adders) t.join();
  done = true;
  keeper.WakeFor(0);
  for (std::thread& t : keepers) t.join();
}

}  // namespace
}  // namespace mpg
