// GlobalQueue under Relacy: elements arrive once and whole, and the unlocked
// Empty keeps the header's promise to sleepers.
#include "gtest/gtest.h"
#include "queue/gqueue.h"
#include "queue/relacy_atomics.h"  // last: see there

namespace mpg {
namespace {

constexpr uint64_t kIterations = 100000;

struct Task {
  rl::var<int> payload;
  Task* link = nullptr;
  int taken = 0;
};

// Two producers and a consumer.
struct TransferTest : rl::test_suite<TransferTest, 3> {
  Task tasks[4];
  GlobalQueue<Task, &Task::link, RelacyAtomics<>, RelacyLock> q;

  void TakeAll() {
    auto got = q.Get(3);
    while (Task* t = got.Pop()) {
      const int payload = t->payload($);
      t->payload($) = payload + 100;
      RL_ASSERT(payload == static_cast<int>(t - tasks));
      ++t->taken;
    }
  }

  void thread(unsigned index) {
    if (index < 2) {
      Task* const first = &tasks[2 * index];
      for (int i = 0; i < 2; ++i) {
        first[i].payload($) = static_cast<int>(2 * index) + i;
      }
      if (index == 0) {
        q.PutFront(&first[0]);
        q.Put(&first[1]);
      } else {
        Task* const batch[] = {&first[0], &first[1]};
        q.PutBatch(batch, 2);
      }
      TakeAll();
    } else {
      TakeAll();
      TakeAll();
    }
  }

  void after() {
    int left = q.Size();
    for (Task& t : tasks) {
      RL_ASSERT(t.taken <= 1);
      left += t.taken;
    }
    RL_ASSERT(left == 4);
  }
};

TEST(GlobalQueueModelTest, ElementsArriveOnceAndWhole) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_TRUE(RelacyPasses<TransferTest>(kIterations));
}

// kRelaxedEmpty: the sleeper wrongly asks EmptyRelaxed.
template <Weaken kWeaken, bool kRelaxedEmpty>
struct WakeTest : rl::test_suite<WakeTest<kWeaken, kRelaxedEmpty>, 2> {
  Task task;
  GlobalQueue<Task, &Task::link, RelacyAtomics<kWeaken>, RelacyLock> q;
  RelacyAtomic<int> sleepers{0};
  bool saw_sleeper = false;
  bool saw_empty = false;

  void thread(unsigned index) {
    if (index == 0) {
      q.Put(&task);
      saw_sleeper = sleepers.load(std::memory_order_seq_cst) != 0;
    } else {
      sleepers.fetch_add(1, std::memory_order_seq_cst);
      saw_empty = kRelaxedEmpty ? q.EmptyRelaxed() : q.Empty();
    }
  }

  void after() { RL_ASSERT(saw_sleeper || !saw_empty); }
};

TEST(GlobalQueueModelTest, NoWakeUpIsLost) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_TRUE((RelacyPasses<WakeTest<Weaken::kNothing, false>>(kIterations)));
}

TEST(GlobalQueueModelTest, FindsSizePublishedWithReleaseOnly) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_FALSE((RelacyPasses<WakeTest<Weaken::kSeqCstStores, false>>(
      kIterations, /*report=*/false)));
}

TEST(GlobalQueueModelTest, FindsSleeperThatAsksRelaxed) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_FALSE((RelacyPasses<WakeTest<Weaken::kNothing, true>>(
      kIterations, /*report=*/false)));
}

}  // namespace
}  // namespace mpg
