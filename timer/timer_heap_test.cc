#include "timer/timer_heap.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

struct TestTimer : TimerNode {
  explicit TestTimer(const TimerOps* o = &kOps) : TimerNode(o) {}
  std::vector<int64_t> fired;  // at which `when`
  int64_t every = 0;
  bool* destroyed = nullptr;
  TimerHeap* restart_in = nullptr;

  static void Fire(TimerNode* n, int64_t when, int64_t now) {
    auto* t = static_cast<TestTimer*>(n);
    if (t->ops->revocable && !t->TakeFiring()) return;
    EXPECT_LE(when, now);
    t->fired.push_back(when);
    if (t->restart_in != nullptr) t->restart_in->Reset(t, now + 1, nullptr);
  }
  static int64_t Period(const TimerNode* n) {
    return static_cast<const TestTimer*>(n)->every;
  }
  static void Destroy(TimerNode* n) {
    auto* t = static_cast<TestTimer*>(n);
    if (t->destroyed != nullptr) *t->destroyed = true;
    delete t;
  }
  static constexpr TimerOps kOps = {Fire, Period, Destroy, false, false};
  static constexpr TimerOps kRevocable = {Fire, Period, Destroy, true, false};
  static constexpr TimerOps kUncounted = {Fire, nullptr, nullptr, false, false};
};

struct Unref {
  void operator()(TestTimer* t) const { t->Unref(); }
};
using TimerPtr = std::unique_ptr<TestTimer, Unref>;
TimerPtr New(const TimerOps* ops = &TestTimer::kOps) {
  return TimerPtr(new TestTimer(ops));
}

using Times = std::vector<int64_t>;

TEST(TimerHeap, IsEmptyAtFirst) {
  TimerHeap heap;
  EXPECT_EQ(heap.NextWhen(), TimerHeap::kNever);
  EXPECT_EQ(heap.Run(1'000'000), TimerHeap::kNever);
  EXPECT_EQ(heap.Size(), 0u);
}

TEST(TimerHeap, FiresOnceWhenDueAndNotBefore) {
  TimerHeap heap;
  TimerPtr t = New();
  bool earliest = false;
  EXPECT_FALSE(heap.Reset(t.get(), 100, &earliest));
  EXPECT_TRUE(earliest);
  EXPECT_TRUE(t->Pending());
  EXPECT_EQ(heap.NextWhen(), 100);
  EXPECT_EQ(heap.Run(99), 100);
  EXPECT_TRUE(t->fired.empty());
  EXPECT_EQ(heap.Run(100), TimerHeap::kNever);
  EXPECT_EQ(t->fired, Times{100});
  EXPECT_FALSE(t->Pending());
  heap.Run(1000);
  EXPECT_EQ(t->fired.size(), 1u);
}

// A timer that starts another when it is destroyed: the user's code may.
struct Starter : TimerNode {
  Starter(TimerHeap* h, TestTimer* o) : TimerNode(&kOps), heap(h), other(o) {}
  ~Starter() { heap->Reset(other, 5000, nullptr); }
  static void Destroy(TimerNode* n) { delete static_cast<Starter*>(n); }
  static constexpr TimerOps kOps = {TestTimer::Fire, nullptr, Destroy, false,
                                    false};
  TimerHeap* const heap;
  TestTimer* const other;
};

TEST(TimerHeap, DestroysWithoutItsLock) {
  TimerHeap heap, second;
  for (int way = 0; way < 5; ++way) {
    TimerPtr other = New(), third = New();
    auto* starter = new Starter(&heap, other.get());
    heap.Reset(starter, 100, nullptr);
    TimerHeap::Stop(starter);
    starter->Unref();
    EXPECT_FALSE(other->Pending());
    if (way == 0) heap.Compact();
    if (way == 1) heap.Run(100);
    if (way == 2) heap.Reset(third.get(), 50, nullptr);
    if (way == 3) heap.Start(third.get(), 50);
    if (way == 4) heap.MoveTo(&second);
    EXPECT_TRUE(other->Pending()) << way;
    heap.Drop();
  }
}

TEST(TimerHeap, ForgetsEntriesThatWereSuperseded) {
  TimerHeap heap;
  TimerPtr t = New(), early = New();
  heap.Reset(early.get(), 1, nullptr);
  heap.Reset(t.get(), 1'000'000, nullptr);
  heap.Reset(t.get(), 1000, nullptr);
  EXPECT_EQ(heap.Size(), 3u);
  EXPECT_EQ(heap.Stopped(), 1u);
  heap.Run(1000);
  EXPECT_EQ(t->fired, Times{1000});
  heap.Compact();
  EXPECT_EQ(heap.NextWhen(), TimerHeap::kNever);
  EXPECT_EQ(heap.Stopped(), 0u);
  // A timeout that is long and short by turns does not fill the heap.
  TimerPtr last = New();
  heap.Reset(early.get(), 1, nullptr);
  for (int i = 0; i < 10'000; ++i) {
    heap.Reset(t.get(), 1'000'000 + i, nullptr);
    heap.Reset(t.get(), 1000 + i, nullptr);
    heap.Run(1000 + i - 1);
    heap.Reset(last.get(), 2'000'000, nullptr);
    TimerHeap::Stop(last.get());
    if (!early->Pending()) heap.Reset(early.get(), 1000 + i + 5, nullptr);
  }
  EXPECT_LT(heap.Size(), 300u);
}

TEST(TimerHeap, StopTellsWhetherItWasPending) {
  TimerHeap heap;
  TimerPtr t = New();
  EXPECT_FALSE(TimerHeap::Stop(t.get()));
  heap.Reset(t.get(), 100, nullptr);
  EXPECT_TRUE(TimerHeap::Stop(t.get()));
  EXPECT_FALSE(TimerHeap::Stop(t.get()));
  EXPECT_EQ(heap.Stopped(), 1u);
  heap.Run(200);
  EXPECT_TRUE(t->fired.empty());
  EXPECT_EQ(heap.Size(), 0u);
  EXPECT_EQ(heap.Stopped(), 0u);
}

TEST(TimerHeap, ResetTellsWhetherItWasPending) {
  TimerHeap heap;
  TimerPtr t = New();
  EXPECT_FALSE(heap.Reset(t.get(), 100, nullptr));
  EXPECT_TRUE(heap.Reset(t.get(), 200, nullptr));
  TimerHeap::Stop(t.get());
  EXPECT_FALSE(heap.Reset(t.get(), 300, nullptr));
  heap.Run(300);
  EXPECT_FALSE(heap.Reset(t.get(), 400, nullptr));
  EXPECT_EQ(t->fired, Times{300});
}

TEST(TimerHeap, PuttingOffChangesNoEntry) {
  TimerHeap heap;
  TimerPtr t = New();
  for (int64_t when = 100; when < 200; ++when) {
    heap.Reset(t.get(), when, nullptr);
  }
  EXPECT_EQ(heap.Size(), 1u);
  EXPECT_EQ(heap.NextWhen(), 100);  // a lower bound
  EXPECT_EQ(heap.Run(150), 199);
  EXPECT_TRUE(t->fired.empty());
  heap.Run(199);
  EXPECT_EQ(t->fired, Times{199});
}

TEST(TimerHeap, PuttingForwardIsSeenAtOnce) {
  TimerHeap heap;
  TimerPtr t = New();
  heap.Reset(t.get(), 1000, nullptr);
  heap.Reset(t.get(), 10, nullptr);
  EXPECT_EQ(heap.NextWhen(), 10);
  heap.Run(10);
  EXPECT_EQ(t->fired, Times{10});
  heap.Run(1000);  // the entry that was superseded
  EXPECT_EQ(t->fired.size(), 1u);
  EXPECT_EQ(heap.Size(), 0u);
}

TEST(TimerHeap, TimesAreClamped) {
  TimerHeap heap;
  TimerPtr past = New(), never = New();
  heap.Reset(past.get(), -5, nullptr);
  heap.Reset(never.get(), TimerHeap::kNever, nullptr);
  EXPECT_EQ(heap.Run(1), TimerHeap::kMaxWhen);
  EXPECT_EQ(past->fired, Times{1});
  EXPECT_TRUE(never->fired.empty());
  TimerHeap::Stop(never.get());
}

TEST(TimerHeap, PeriodicTimersKeepTheirRhythmAndSkipWhatTheyMissed) {
  TimerHeap heap;
  TimerPtr t = New();
  t->every = 10;
  heap.Reset(t.get(), 100, nullptr);
  EXPECT_EQ(heap.Run(101), 110);
  EXPECT_EQ(heap.Run(110), 120);
  EXPECT_EQ(heap.Run(157), 160);
  EXPECT_EQ(t->fired, (Times{100, 110, 120}));
  EXPECT_TRUE(TimerHeap::Stop(t.get()));
  heap.Run(1000);
  EXPECT_EQ(t->fired.size(), 3u);
}

TEST(TimerHeap, APeriodBeyondTheEndOfTimeDoesNotOverflow) {
  TimerHeap heap;
  TimerPtr t = New();
  t->every = TimerHeap::kMaxWhen;
  heap.Reset(t.get(), 100, nullptr);
  EXPECT_EQ(heap.Run(200), TimerHeap::kMaxWhen);
  TimerHeap::Stop(t.get());
}

TEST(TimerHeap, FiresInTheOrderOfTimesAlsoThoseThatWerePutOff) {
  TimerHeap heap;
  FastRand rand(SeedFromEnvironment());
  std::vector<TimerPtr> timers;
  static Times* order;
  Times fired;
  order = &fired;
  static constexpr TimerOps kOrdered = {
      [](TimerNode*, int64_t when, int64_t) { order->push_back(when); },
      nullptr, TestTimer::Destroy, false, false};
  for (int i = 0; i < 1000; ++i) {
    timers.push_back(New(&kOrdered));
    heap.Reset(timers.back().get(), 1 + rand.Below(500), nullptr);
  }
  for (TimerPtr& t : timers) {
    if (rand.Below(3) == 0) heap.Reset(t.get(), 1 + rand.Below(900), nullptr);
  }
  heap.Run(1000);
  EXPECT_EQ(fired.size(), timers.size());
  EXPECT_TRUE(std::is_sorted(fired.begin(), fired.end()));
}

TEST(TimerHeap, AFiringTimerMayStartItselfAgain) {
  TimerHeap heap;
  TimerPtr t = New();
  t->restart_in = &heap;
  heap.Reset(t.get(), 100, nullptr);
  EXPECT_EQ(heap.Run(100), 101);
  EXPECT_EQ(heap.Run(101), 102);
  t->restart_in = nullptr;
  heap.Run(102);
  EXPECT_EQ(t->fired, (Times{100, 101, 102}));
}

// What a timer that fires stops in the same batch either fires or not; a
// revocable one does not.
TEST(TimerHeap, ARevocableFiringCanBeCalledOff) {
  TimerHeap heap;
  static TestTimer* victim;
  static bool stopped;
  static constexpr TimerOps kStopper = {
      [](TimerNode*, int64_t, int64_t) { stopped = TimerHeap::Stop(victim); },
      nullptr, TestTimer::Destroy, false, false};
  TimerPtr stopper = New(&kStopper), t = New(&TestTimer::kRevocable);
  victim = t.get();
  heap.Reset(stopper.get(), 100, nullptr);
  heap.Reset(t.get(), 101, nullptr);
  heap.Run(200);
  EXPECT_TRUE(stopped);
  EXPECT_TRUE(t->fired.empty());
  heap.Reset(t.get(), 300, nullptr);
  heap.Run(300);
  EXPECT_EQ(t->fired, Times{300});
}

TEST(TimerHeap, AStoppedTimerIsDestroyedWhenItsEntryGoes) {
  TimerHeap heap;
  bool destroyed = false;
  {
    TimerPtr t = New();
    t->destroyed = &destroyed;
    heap.Reset(t.get(), 100, nullptr);
    TimerHeap::Stop(t.get());
  }
  EXPECT_FALSE(destroyed);
  heap.Compact();
  EXPECT_TRUE(destroyed);
}

TEST(TimerHeap, StartAndStopInTurnLeaveNothingBehind) {
  TimerHeap heap;
  std::vector<TimerPtr> others;
  for (int i = 0; i < 1000; ++i) {
    others.push_back(New());
    heap.Reset(others.back().get(), 1000 + i, nullptr);
  }
  for (int i = 0; i < 10000; ++i) {
    TimerPtr t = New();
    heap.Reset(t.get(), 5000 + i, nullptr);
    TimerHeap::Stop(t.get());
    ASSERT_LE(heap.Size(), 1002u);
  }
  for (TimerPtr& t : others) TimerHeap::Stop(t.get());
}

TEST(TimerHeap, VoidEntriesAreSweptOnceTheyAreAQuarter) {
  TimerHeap heap;
  std::vector<TimerPtr> timers;
  for (int i = 0; i < 10000; ++i) {
    timers.push_back(New());
    heap.Reset(timers.back().get(), 1000 + i, nullptr);
    if (i % 2 == 1) TimerHeap::Stop(timers[i - 1].get());
    ASSERT_LE(heap.Size(), 7500u);
  }
  int live = 0;
  for (int i = 0; i < 10000; ++i) live += timers[i]->Pending();
  EXPECT_EQ(live, 5000);
  heap.Run(20000);
  int fired = 0;
  for (int i = 0; i < 10000; ++i) fired += !timers[i]->fired.empty();
  EXPECT_EQ(fired, 5000);
}

TEST(TimerHeap, UncountedTimersMayGoAsSoonAsTheyHaveFired) {
  TimerHeap heap;
  for (int i = 0; i < 100; ++i) {
    auto t = std::make_unique<TestTimer>(&TestTimer::kUncounted);
    heap.Reset(t.get(), 100 + i, nullptr);
    heap.Run(100 + i);
    EXPECT_EQ(t->fired.size(), 1u);
  }
  EXPECT_EQ(heap.Size(), 0u);
}

class CountingHost : public TimerHost {
 public:
  void Hold() override { ++held; }
  void Earlier(int64_t when) override {
    EXPECT_EQ(held, ++told);
    last = when;
  }
  int held = 0, told = 0;
  int64_t last = 0;
};

TEST(TimerHeap, TheHostHearsWhenAnothersTimerComesForward) {
  TimerHeap heap, mine;
  CountingHost host;
  heap.SetHost(&host);
  TimerPtr t = New(), first = New();
  heap.Reset(t.get(), 1000, nullptr);
  heap.Reset(first.get(), 100, nullptr);
  EXPECT_EQ(host.told, 0);  // the caller is told itself
  bool earliest = true;
  mine.Reset(t.get(), 500, &earliest);
  EXPECT_FALSE(earliest);
  EXPECT_EQ(host.told, 0);  // not the earliest of that heap
  mine.Reset(t.get(), 50, nullptr);
  EXPECT_EQ(host.told, 1);
  EXPECT_EQ(host.last, 50);
  heap.SetHost(nullptr);
  mine.Reset(t.get(), 20, nullptr);
  EXPECT_EQ(host.told, 1);
  EXPECT_EQ(mine.Size(), 0u);
}

TEST(TimerHeap, MoveToTakesAllAlongAndTellsTheOther) {
  TimerHeap heap, other;
  CountingHost host;
  other.SetHost(&host);
  TimerPtr a = New(), b = New(), c = New();
  heap.Reset(a.get(), 100, nullptr);
  heap.Reset(b.get(), 200, nullptr);
  heap.Reset(c.get(), 300, nullptr);
  heap.Reset(c.get(), 150, nullptr);
  TimerHeap::Stop(a.get());
  heap.MoveTo(&other);
  EXPECT_EQ(heap.Size(), 0u);
  EXPECT_EQ(heap.NextWhen(), TimerHeap::kNever);
  EXPECT_EQ(other.Size(), 2u);
  EXPECT_EQ(host.last, 150);
  EXPECT_TRUE(heap.Reset(b.get(), 50, nullptr));  // stays in the other
  EXPECT_EQ(other.NextWhen(), 50);
  other.Run(300);
  EXPECT_EQ(b->fired, Times{50});
  EXPECT_EQ(c->fired, Times{150});
}

TEST(TimerHeap, RetireLeavesTheInheritableToTheHeir) {
  static constexpr TimerOps kHeirloom = {TestTimer::Fire, nullptr,
                                         TestTimer::Destroy, false, true};
  TimerHeap heap, heir;
  TimerPtr kept = New(&kHeirloom), dropped = New();
  heap.Reset(kept.get(), 100, nullptr);
  heap.Reset(dropped.get(), 50, nullptr);
  heap.Retire([&] { return &heir; });
  EXPECT_EQ(heap.Size(), 0u);
  EXPECT_FALSE(dropped->Pending());
  EXPECT_TRUE(kept->Pending());
  EXPECT_EQ(heir.NextWhen(), 100);
  heir.Run(100);
  EXPECT_EQ(kept->fired, Times{100});
  heap.Retire([]() -> TimerHeap* {
    ADD_FAILURE() << "there is nothing to inherit";
    return nullptr;
  });
}

TEST(TimerHeap, DropStopsAll) {
  TimerHeap heap;
  bool destroyed = false;
  TimerPtr kept = New();
  {
    TimerPtr t = New();
    t->destroyed = &destroyed;
    heap.Reset(t.get(), 100, nullptr);
    heap.Reset(t.get(), 50, nullptr);
  }
  heap.Reset(kept.get(), 100, nullptr);
  heap.Drop();
  EXPECT_TRUE(destroyed);
  EXPECT_FALSE(kept->Pending());
  EXPECT_EQ(heap.Size(), 0u);
  TimerHeap other;
  EXPECT_FALSE(other.Reset(kept.get(), 10, nullptr));
  other.Run(10);
  EXPECT_EQ(kept->fired, Times{10});
}

}  // namespace
}  // namespace mpg
