// Many threads start, stop and reset the timers of several heaps, while others
// run and move the heaps. Time is a counter.
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"
#include "timer/timer_heap.h"

namespace mpg {
namespace {

constexpr int kTimers = 64;
constexpr int kHeaps = 3;

std::atomic<int64_t> now_ns{1};
std::atomic<int> alive{0};

// While `stopped` is set nobody may see it fire.
struct StressTimer : TimerNode {
  StressTimer() : TimerNode(&kOps) { ++alive; }
  ~StressTimer() { --alive; }
  RuntimeLock mu;  // makes Stop and fire one after the other, as a user would
  bool stopped = true;
  int64_t not_before = 0;
  int fired = 0;

  static void Fire(TimerNode* n, int64_t, int64_t now) {
    auto* t = static_cast<StressTimer*>(n);
    RuntimeLockGuard guard(t->mu);
    if (!t->TakeFiring()) return;
    EXPECT_FALSE(t->stopped);
    EXPECT_GE(now, t->not_before);
    t->stopped = true;
    ++t->fired;
  }
  static void Destroy(TimerNode* n) { delete static_cast<StressTimer*>(n); }
  static constexpr TimerOps kOps = {Fire, nullptr, Destroy, true, false};
};

void User(TimerHeap* mine, StressTimer* const* timers, uint64_t seed, int ops) {
  FastRand rand(seed);
  for (int i = 0; i < ops; ++i) {
    StressTimer* t = timers[rand.Below(kTimers)];
    if (rand.Below(3) == 0) {
      RuntimeLockGuard guard(t->mu);
      EXPECT_EQ(TimerHeap::Stop(t), !t->stopped);
      t->stopped = true;
    } else {
      RuntimeLockGuard guard(t->mu);
      t->not_before = now_ns.load() + rand.Below(200);
      EXPECT_EQ(mine->Reset(t, t->not_before, nullptr), !t->stopped);
      t->stopped = false;
    }
    if (i % 4 == 0) now_ns.fetch_add(1);
  }
}

TEST(TimerHeapStress, NoTimerIsLostFiredEarlyOrFiredAfterStop) {
  const uint64_t seed = SeedFromEnvironment();
  std::printf("MPG_SEED=%llu\n", static_cast<unsigned long long>(seed));
  TimerHeap heaps[kHeaps];
  StressTimer* timers[kTimers];
  for (StressTimer*& t : timers) t = new StressTimer;
  std::atomic<bool> done{false};
  std::vector<std::thread> users, owners;
  for (uint64_t i = 0; i < kHeaps; ++i) {
    users.emplace_back([&, i] { User(&heaps[i], timers, seed + i, 40000); });
  }
  owners.emplace_back([&] {
    FastRand rand(seed + 100);
    while (!done) {
      for (TimerHeap& h : heaps) h.Run(now_ns.load());
      // From the first to the others only: MoveTo takes two locks.
      if (rand.Below(8) == 0) heaps[0].MoveTo(&heaps[1 + rand.Below(2)]);
      if (rand.Below(8) == 0) heaps[rand.Below(kHeaps)].Compact();
    }
  });
  owners.emplace_back([&] {
    while (!done) {
      for (TimerHeap& h : heaps) h.Run(now_ns.load());
    }
  });
  for (std::thread& t : users) t.join();
  done = true;
  for (std::thread& t : owners) t.join();
  now_ns += 1000;
  for (TimerHeap& h : heaps) h.Run(now_ns);
  int fired = 0;
  for (StressTimer* t : timers) {
    EXPECT_TRUE(t->stopped) << "was due and did not fire";
    EXPECT_FALSE(t->Pending());
    fired += t->fired;
    t->Unref();
  }
  EXPECT_GT(fired, 0);
  for (TimerHeap& h : heaps) h.Compact();
  for (TimerHeap& h : heaps) EXPECT_EQ(h.Size(), 0u);
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace mpg
