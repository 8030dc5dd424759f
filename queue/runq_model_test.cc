// RunQueue at capacity 4 under Relacy: every element is taken exactly once, and
// whoever takes it sees what its producer wrote, in all executions tried; and
// each of several deliberately weakened variants is found out. (Relacy runs
// loads in program order, so it cannot tell whether a claim's release keeps the
// thief's reads of the slots before the owner's refill; invariant (5) of runq.h
// argues that.)
#include "gtest/gtest.h"
#include "queue/relacy_atomics.h"  // last: see there
#include "queue/runq.h"

namespace mpg {
namespace {

constexpr uint64_t kIterations = 60000;

// One owner, `kThieves` thieves. The owner puts more elements than the ring
// holds, some by way of runnext, some of which drive out another, with a get in
// between; thieves steal from it and from each other.
template <Weaken kWeaken, int kThieves>
struct StealTest : rl::test_suite<StealTest<kWeaken, kThieves>, kThieves + 1> {
  static constexpr int kTasks = 7;
  struct Task {
    rl::var<int> payload;
    int taken = 0;  // the harness's own: simulated threads do not run at once
  };
  using Queue = RunQueue<Task, 4, RelacyAtomics<kWeaken>>;

  Task tasks[kTasks];
  Queue queues[kThieves + 1];  // [0] is the victim

  void Take(Task* t) {
    if (t == nullptr) return;
    // A write, so that it races with everything it is not ordered with.
    const int payload = t->payload($);
    t->payload($) = payload + 100;
    RL_ASSERT(payload == static_cast<int>(t - tasks));
    ++t->taken;
  }

  void Owner() {
    Queue& q = queues[0];
    for (int i = 0; i < kTasks; ++i) {
      tasks[i].payload($) = i;
      // If no thief comes: 0, 1, 3 and 4 reach the ring and fill it (1 and 4
      // are driven out of runnext), 2 is taken from runnext, 6 overflows.
      const bool next = i == 1 || i == 2 || i == 4 || i == 5;
      q.Put(&tasks[i], next, [this](Task** batch, int n) {
        for (int k = 0; k < n; ++k) Take(batch[k]);
      });
      if (i == 3) Take(q.Get().t);
    }
    q.DrainTo([this](Task* t) { Take(t); });
    RL_ASSERT(q.Empty());
  }

  // Keeps the spoils until the end: with two elements in its ring, as many as
  // StealInto allows at capacity 4.
  void Thief(unsigned self) {
    for (unsigned attempt = 0; attempt < 3; ++attempt) {
      unsigned victim = attempt == 1 ? kThieves - self + 1 : 0;
      if (victim == self) victim = 0;
      StealStatus status;
      Task* const t = queues[self].StealInto(
          queues[victim], /*steal_runnext=*/attempt != 0, &status);
      RL_ASSERT((t != nullptr) == (status == StealStatus::kStolen));
      Take(t);
    }
    queues[self].DrainTo([this](Task* each) { Take(each); });
  }

  void thread(unsigned index) { index == 0 ? Owner() : Thief(index); }

  void after() {
    for (Task& t : tasks) RL_ASSERT(t.taken == 1);
  }
};

TEST(RunQueueModelTest, EachElementIsTakenOnceWithOneThief) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_TRUE((RelacyPasses<StealTest<Weaken::kNothing, 1>>(kIterations)));
}

TEST(RunQueueModelTest, EachElementIsTakenOnceWithTwoThieves) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_TRUE((RelacyPasses<StealTest<Weaken::kNothing, 2>>(kIterations)));
}

TEST(RunQueueModelTest, EachElementIsTakenOnceInAllFewSwitchExecutions) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_TRUE((RelacyPasses<StealTest<Weaken::kNothing, 1>>(
      1000000, true, rl::sched_bound, 3)));
}

TEST(RunQueueModelTest, FindsRelaxedPublication) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_FALSE((RelacyPasses<StealTest<Weaken::kReleaseStores, 2>>(
      kIterations, /*report=*/false)));
}

TEST(RunQueueModelTest, FindsRelaxedLoads) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_FALSE((RelacyPasses<StealTest<Weaken::kAcquireLoads, 2>>(
      kIterations, /*report=*/false)));
}

TEST(RunQueueModelTest, FindsOwnerTakingWithoutReadModifyWrite) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_FALSE((RelacyPasses<StealTest<Weaken::kAtomicAdd, 2>>(
      kIterations, /*report=*/false)));
}

TEST(RunQueueModelTest, FindsRunnextTakenWithoutReadModifyWrite) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_FALSE((RelacyPasses<StealTest<Weaken::kAtomicExchange, 2>>(
      kIterations, /*report=*/false)));
}

// While one element is in the queue all the time, though driven from runnext
// into the ring, nobody may find the queue empty.
struct NeverEmptyTest : rl::test_suite<NeverEmptyTest, 2> {
  struct Task {};
  Task tasks[2];
  RunQueue<Task, 4, RelacyAtomics<>> q;

  static void NoOverflow(Task**, int) { RL_ASSERT(false); }

  void before() { q.Put(&tasks[0], true, NoOverflow); }

  void thread(unsigned index) {
    if (index == 0) {
      q.Put(&tasks[1], true, NoOverflow);
      RL_ASSERT(q.GetRunnext() == &tasks[1]);
    } else {
      RL_ASSERT(!q.Empty());
    }
  }
};

TEST(RunQueueModelTest, AnElementDrivenOutOfRunnextIsNotOverlooked) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_TRUE(RelacyPasses<NeverEmptyTest>(kIterations));
}

// The header's promise about sleepers: with a full barrier between Put and the
// look for sleepers, either the submitter sees the sleeper or the sleeper sees
// the element. kBarrier == false shows that the barrier is needed. With kKick
// the element reaches the ring by way of runnext.
template <bool kBarrier, bool kKick>
struct WakeTest : rl::test_suite<WakeTest<kBarrier, kKick>, 2> {
  struct Task {};
  Task tasks[2];
  RunQueue<Task, 4, RelacyAtomics<>> q;
  RelacyAtomic<int> sleepers{0};
  bool saw_sleeper = false;
  bool saw_empty = false;

  void Submit() {
    const auto no_overflow = [](Task**, int) { RL_ASSERT(false); };
    q.Put(&tasks[0], kKick, no_overflow);
    if (kKick) {
      q.Put(&tasks[1], true, no_overflow);
      RL_ASSERT(q.GetRunnext() == &tasks[1]);
    }
    if (kBarrier) rl::atomic_thread_fence(rl::mo_seq_cst, $);
    saw_sleeper = sleepers.load(std::memory_order_seq_cst) != 0;
  }

  void GoToSleep() {
    sleepers.fetch_add(1, std::memory_order_seq_cst);
    // C++ does without this one, since Empty's loads are seq_cst; Relacy knows
    // fences only in pairs.
    rl::atomic_thread_fence(rl::mo_seq_cst, $);
    saw_empty = q.Empty();
  }

  void thread(unsigned index) { index == 0 ? Submit() : GoToSleep(); }

  void after() { RL_ASSERT(saw_sleeper || !saw_empty); }
};

TEST(RunQueueModelTest, NoWakeUpIsLostWithABarrierAfterPut) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_TRUE((RelacyPasses<WakeTest<true, false>>(kIterations)));
  EXPECT_TRUE((RelacyPasses<WakeTest<true, true>>(kIterations)));
}

TEST(RunQueueModelTest, AWakeUpCanBeLostWithoutTheBarrier) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_FALSE((RelacyPasses<WakeTest<false, false>>(kIterations,
                                                     /*report=*/false)));
}

}  // namespace
}  // namespace mpg
