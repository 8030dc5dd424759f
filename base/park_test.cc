// The seam as plain threads see it. (As goroutines: //runtime's tests.)
#include "base/park.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/lock.h"
#include "base/note.h"
#include "base/thread_state.h"
#include "base/wait_reason.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

constexpr ParkSite kPlain = {WaitReason::kSemacquire, nullptr, nullptr};

void WaitUntilParked(int64_t n) {
  while (internal::ParkedThreads() != n) std::this_thread::yield();
}

TEST(Park, AThreadHasOneWaiterForLife) {
  Waiter* const mine = CurrentWaiter();
  ASSERT_NE(mine, nullptr);
  EXPECT_EQ(CurrentWaiter(), mine);
  Waiter* other = nullptr;
  std::thread([&] {
    other = CurrentWaiter();
    EXPECT_EQ(CurrentWaiter(), other);
    EXPECT_NE(other, mine);
  }).join();
  EXPECT_EQ(CurrentWaiter(), mine);
}

TEST(Park, BlocksUntilReadyAndUnlocksFirst) {
  RuntimeLock lock;
  Waiter* queued = nullptr;
  int value = 0;
  std::thread sleeper([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    Waiter* const self = CurrentWaiter();
    lock.Lock();
    queued = self;
    Park(self, &kPlain, &lock, nullptr);
    EXPECT_EQ(ThisThread()->locks, 0);
    EXPECT_EQ(value, 42);
  });
  WaitUntilParked(1);
  lock.Lock();
  Waiter* const w = std::exchange(queued, nullptr);
  lock.Unlock();
  ASSERT_NE(w, nullptr);
  value = 42;
  Ready(w);
  sleeper.join();
  EXPECT_EQ(internal::ParkedThreads(), 0);
}

TEST(Park, ReadyMayComeBeforeTheThreadSleeps) {
  struct Context {
    std::atomic<int> commits{0};
  } context;
  static constexpr ParkSite kReadyAtOnce = {
      WaitReason::kSemacquire,
      [](Waiter* w, void* arg) {
        static_cast<Context*>(arg)->commits.fetch_add(1);
        // Somebody finds the waiter in a queue that commit has put it on.
        std::thread([w] { Ready(w); }).join();
        return true;
      },
      nullptr};
  for (int i = 0; i < 20; ++i) {
    Park(CurrentWaiter(), &kReadyAtOnce, nullptr, &context);
  }
  EXPECT_EQ(context.commits, 20);
  EXPECT_EQ(internal::ParkedThreads(), 0);
}

TEST(Park, CommitCanTakeThePark) {
  struct Context {
    RuntimeLock lock;
    bool was_unlocked = false;
    Waiter* waiter = nullptr;
  } context;
  static constexpr ParkSite kRefuses = {WaitReason::kSemacquire,
                                        [](Waiter* w, void* arg) {
                                          auto* const c =
                                              static_cast<Context*>(arg);
                                          c->was_unlocked = !c->lock.IsLocked();
                                          c->waiter = w;
                                          return false;
                                        },
                                        nullptr};
  [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    context.lock.Lock();
    Park(CurrentWaiter(), &kRefuses, &context.lock, &context);
  }();
  EXPECT_TRUE(context.was_unlocked);
  EXPECT_EQ(context.waiter, CurrentWaiter());
  EXPECT_EQ(internal::ParkedThreads(), 0);
}

TEST(Park, ReadyAndYieldWakesAThread) {
  std::atomic<bool> woken{false};
  std::atomic<Waiter*> waiter{nullptr};
  std::thread sleeper([&] {
    waiter = CurrentWaiter();
    Park(CurrentWaiter(), &kPlain, nullptr, nullptr);
    woken = true;
  });
  WaitUntilParked(1);
  EXPECT_FALSE(woken);
  ReadyAndYield(waiter);
  sleeper.join();
  EXPECT_TRUE(woken);
}

TEST(Park, HandsOverParamAndSuccess) {
  int answer = 42;
  std::atomic<Waiter*> waiter{nullptr};
  std::thread sleeper([&] {
    Waiter* const self = CurrentWaiter();
    self->success = false;
    self->param = nullptr;
    waiter = self;
    Park(self, &kPlain, nullptr, nullptr);
    EXPECT_TRUE(self->success);
    EXPECT_EQ(self->param, &answer);
  });
  WaitUntilParked(1);
  Waiter* const w = waiter;
  w->success = true;
  w->param = &answer;
  Ready(w);
  sleeper.join();
}

TEST(Park, PreemptPointTakesTheRequestBack) {
  Waiter* const self = CurrentWaiter();
  self->preempt = true;
  PreemptPoint();
  EXPECT_FALSE(self->preempt);
  PreemptPoint();
  EXPECT_FALSE(self->preempt);
}

TEST(Park, SpinningIsBounded) {
  Waiter* const self = CurrentWaiter();
  int spins = 0;
  while (CanSpin(self, spins)) {
    DoSpin();
    ASSERT_LT(++spins, 5);
  }
  EXPECT_FALSE(CanSpin(self, 4));
  if (std::thread::hardware_concurrency() > 1) {
    EXPECT_EQ(spins, 4);
  }
}

TEST(Park, SpawnConcurrentRunsAMoveOnlyFunctionElsewhere) {
  Note done;
  std::thread::id where;
  auto value = std::make_unique<int>(42);
  SpawnConcurrent([&, v = std::move(value)] {
    EXPECT_EQ(*v, 42);
    where = std::this_thread::get_id();
    done.Wakeup();
  });
  done.Sleep();
  EXPECT_NE(where, std::this_thread::get_id());
}

// Each Park meets exactly one Ready, whichever comes first.
TEST(ParkStress, NoWakeupIsLostOrDoubled) {
  struct Box {
    RuntimeLock lock;
    Waiter* waiter ABSL_GUARDED_BY(lock) = nullptr;
    int tokens ABSL_GUARDED_BY(lock) = 0;

    void Take() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      lock.Lock();
      if (tokens > 0) {
        --tokens;
        lock.Unlock();
        return;
      }
      waiter = CurrentWaiter();
      Park(waiter, &kPlain, &lock, this);
    }
    void Put() {
      Waiter* w;
      {
        RuntimeLockGuard guard(lock);
        w = std::exchange(waiter, nullptr);
        if (w == nullptr) ++tokens;
      }
      if (w != nullptr) Ready(w);
    }
  };
  constexpr int kBoxes = 3;
  constexpr int kRounds = 10'000;
  Box boxes[kBoxes];
  std::vector<std::thread> threads;
  for (int b = 0; b < kBoxes; ++b) {
    threads.emplace_back([&, b] {
      // Around a ring; the first token comes from below.
      for (int i = 0; i < kRounds; ++i) {
        boxes[b].Take();
        boxes[(b + 1) % kBoxes].Put();
      }
    });
  }
  boxes[0].Put();
  for (std::thread& t : threads) t.join();
  RuntimeLockGuard guard(boxes[0].lock);
  EXPECT_EQ(boxes[0].tokens, 1);
  EXPECT_EQ(internal::ParkedThreads(), 0);
}

}  // namespace
}  // namespace mpg
