#include "queue/runq.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

struct Task {
  int id = 0;
};

std::vector<Task> MakeTasks(int n) {
  std::vector<Task> tasks(n);
  for (int i = 0; i < n; ++i) tasks[i].id = i;
  return tasks;
}

// For puts that must not overflow.
void Unexpected(Task**, int) { ADD_FAILURE() << "overflow"; }

TEST(RunQueueTest, NewQueueIsEmpty) {
  RunQueue<Task, 4> q;
  EXPECT_TRUE(q.Empty());
  EXPECT_EQ(q.Size(), 0);
  EXPECT_EQ(q.Get().t, nullptr);
  EXPECT_EQ(q.PeekRing(), nullptr);
}

TEST(RunQueueTest, RingIsFifoAndDoesNotInheritTime) {
  auto tasks = MakeTasks(3);
  RunQueue<Task, 4> q;
  for (Task& t : tasks) {
    EXPECT_EQ(q.Put(&t, false, Unexpected), PutResult::kQueued);
  }
  EXPECT_EQ(q.Size(), 3);
  EXPECT_FALSE(q.Empty());
  for (Task& t : tasks) {
    EXPECT_EQ(q.PeekRing(), &t);
    const auto item = q.Get();
    EXPECT_EQ(item.t, &t);
    EXPECT_FALSE(item.inherit_time);
  }
  EXPECT_TRUE(q.Empty());
}

TEST(RunQueueTest, RunnextGoesFirstAndInheritsTime) {
  auto tasks = MakeTasks(2);
  RunQueue<Task, 4> q;
  q.Put(&tasks[0], false, Unexpected);
  EXPECT_EQ(q.Put(&tasks[1], true, Unexpected), PutResult::kRunnext);
  EXPECT_EQ(q.Size(), 2);
  EXPECT_EQ(q.RingSize(), 1);
  const auto item = q.Get();
  EXPECT_EQ(item.t, &tasks[1]);
  EXPECT_TRUE(item.inherit_time);
  EXPECT_EQ(q.Get().t, &tasks[0]);
}

TEST(RunQueueTest, NextPutKicksTheOldRunnextToTheTail) {
  auto tasks = MakeTasks(3);
  RunQueue<Task, 4> q;
  q.Put(&tasks[0], false, Unexpected);
  q.Put(&tasks[1], true, Unexpected);
  EXPECT_EQ(q.Put(&tasks[2], true, Unexpected), PutResult::kQueued);
  EXPECT_EQ(q.Get().t, &tasks[2]);
  EXPECT_EQ(q.Get().t, &tasks[0]);
  EXPECT_EQ(q.Get().t, &tasks[1]);
}

TEST(RunQueueTest, RunnextAloneMakesItNonEmpty) {
  auto tasks = MakeTasks(1);
  RunQueue<Task, 4> q;
  q.Put(&tasks[0], true, Unexpected);
  EXPECT_FALSE(q.Empty());
  EXPECT_EQ(q.GetRing(), nullptr);
  EXPECT_EQ(q.GetRunnext(), &tasks[0]);
  EXPECT_TRUE(q.Empty());
}

TEST(RunQueueTest, FullRingSpillsOlderHalfAndTheNewElementInOneCall) {
  auto tasks = MakeTasks(5);
  RunQueue<Task, 4> q;
  for (int i = 0; i < 4; ++i) q.Put(&tasks[i], false, Unexpected);
  std::vector<int> spilled;
  int calls = 0;
  const PutResult result = q.Put(&tasks[4], false, [&](Task** batch, int n) {
    ++calls;
    for (int i = 0; i < n; ++i) spilled.push_back(batch[i]->id);
  });
  EXPECT_EQ(result, PutResult::kOverflowed);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(spilled, (std::vector<int>{0, 1, 4}));
  EXPECT_EQ(q.Get().t, &tasks[2]);
  EXPECT_EQ(q.Get().t, &tasks[3]);
  EXPECT_TRUE(q.Empty());
}

TEST(RunQueueTest, PutWithALimitSpillsHalfOfTheLimitEarly) {
  int x[16];
  RunQueue<int, 8> q;
  std::vector<int*> spilled;
  auto spill = [&spilled](int** batch, int n) {
    spilled.assign(batch, batch + n);
  };
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(q.Put<4>(&x[i], false, spill), PutResult::kQueued);
  }
  EXPECT_EQ(q.Put<4>(&x[4], false, spill), PutResult::kOverflowed);
  EXPECT_EQ(spilled, (std::vector<int*>{&x[0], &x[1], &x[4]}));
  // Without the limit it takes as many as ever, and with it spills from more.
  for (int i = 5; i < 11; ++i) {
    EXPECT_EQ(q.Put(&x[i], false, spill), PutResult::kQueued);
  }
  EXPECT_EQ(q.Put<4>(&x[11], false, spill), PutResult::kOverflowed);
  EXPECT_EQ(spilled, (std::vector<int*>{&x[2], &x[3], &x[11]}));
  EXPECT_EQ(q.Size(), 6);
  EXPECT_EQ(q.Get().t, &x[5]);
}

TEST(RunQueueTest, KickedRunnextOverflowsAFullRing) {
  auto tasks = MakeTasks(6);
  RunQueue<Task, 4> q;
  q.Put(&tasks[4], true, Unexpected);
  for (int i = 0; i < 4; ++i) q.Put(&tasks[i], false, Unexpected);
  Task* last = nullptr;
  q.Put(&tasks[5], true, [&](Task** batch, int n) { last = batch[n - 1]; });
  EXPECT_EQ(last, &tasks[4]);
  EXPECT_EQ(q.Get().t, &tasks[5]);
}

TEST(RunQueueTest, PutBatchTakesAsManyAsFit) {
  auto tasks = MakeTasks(6);
  std::vector<Task*> all;
  for (Task& t : tasks) all.push_back(&t);
  RunQueue<Task, 4> q;
  q.Put(&tasks[0], false, Unexpected);
  EXPECT_EQ(q.PutBatch(all.data() + 1, 5), 3);
  EXPECT_EQ(q.PutBatch(all.data() + 4, 2), 0);
  EXPECT_EQ(q.PutBatch(all.data() + 4, 0), 0);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(q.Get().t, &tasks[i]);
  EXPECT_EQ(q.PutBatch(all.data() + 4, 2), 2);
}

TEST(RunQueueTest, StealTakesOlderHalfRoundedUp) {
  for (int n = 1; n <= 4; ++n) {
    SCOPED_TRACE(n);
    auto tasks = MakeTasks(n);
    RunQueue<Task, 4> victim, thief;
    for (Task& t : tasks) victim.Put(&t, false, Unexpected);
    StealStatus status;
    EXPECT_EQ(thief.StealInto(victim, false, &status), &tasks[0]);
    EXPECT_EQ(status, StealStatus::kStolen);
    const int stolen = (n + 1) / 2;
    EXPECT_EQ(thief.Size(), stolen - 1);
    EXPECT_EQ(victim.Size(), n - stolen);
    for (int i = 1; i < stolen; ++i) EXPECT_EQ(thief.Get().t, &tasks[i]);
    for (int i = stolen; i < n; ++i) EXPECT_EQ(victim.Get().t, &tasks[i]);
  }
}

TEST(RunQueueTest, StealTakesRunnextOnlyWhenAskedAndTheRingIsEmpty) {
  auto tasks = MakeTasks(2);
  RunQueue<Task, 4> victim, thief;
  StealStatus status;
  EXPECT_EQ(thief.StealInto(victim, true, &status), nullptr);
  EXPECT_EQ(status, StealStatus::kEmpty);
  victim.Put(&tasks[0], false, Unexpected);
  victim.Put(&tasks[1], true, Unexpected);
  EXPECT_EQ(thief.StealInto(victim, true, &status), &tasks[0]);
  EXPECT_EQ(thief.StealInto(victim, false, &status), nullptr);
  EXPECT_EQ(status, StealStatus::kRunnext);
  EXPECT_EQ(thief.StealInto(victim, true, &status), &tasks[1]);
  EXPECT_EQ(status, StealStatus::kStolen);
  EXPECT_TRUE(victim.Empty());
  EXPECT_TRUE(thief.Empty());
}

TEST(RunQueueTest, OwnerRecoversWhenThievesEmptiedTheRing) {
  auto tasks = MakeTasks(3);
  RunQueue<Task, 4> victim, thief;
  StealStatus status;
  victim.Put(&tasks[0], false, Unexpected);
  EXPECT_EQ(thief.StealInto(victim, false, &status), &tasks[0]);
  EXPECT_EQ(victim.GetRing(), nullptr);
  EXPECT_TRUE(victim.Empty());
  EXPECT_EQ(thief.StealInto(victim, false, &status), nullptr);
  victim.Put(&tasks[1], false, Unexpected);
  victim.Put(&tasks[2], false, Unexpected);
  EXPECT_EQ(thief.StealInto(victim, false, &status), &tasks[1]);
  EXPECT_EQ(victim.GetRing(), &tasks[2]);
}

TEST(RunQueueTest, DrainToEmptiesRunnextFirst) {
  auto tasks = MakeTasks(3);
  RunQueue<Task, 4> q;
  q.Put(&tasks[0], false, Unexpected);
  q.Put(&tasks[1], false, Unexpected);
  q.Put(&tasks[2], true, Unexpected);
  std::vector<int> ids;
  EXPECT_EQ(q.DrainTo([&](Task* t) { ids.push_back(t->id); }), 3);
  EXPECT_EQ(ids, (std::vector<int>{2, 0, 1}));
  EXPECT_TRUE(q.Empty());
}

// Two queues of any mix of operations against two deques and two slots.
class Model {
 public:
  struct Side {
    std::deque<Task*> ring;
    Task* next = nullptr;
  };
  Side side[2];

  static Task* PopFront(std::deque<Task*>& d) {
    if (d.empty()) return nullptr;
    Task* t = d.front();
    d.pop_front();
    return t;
  }
};

template <int N>
void RunAgainstModel(uint64_t seed) {
  SCOPED_TRACE("MPG_SEED=" + std::to_string(seed));
  FastRand rand(seed);
  auto tasks = MakeTasks(64);
  RunQueue<Task, N> q[2];
  Model model;
  for (int step = 0; step < 20000; ++step) {
    const int s = rand.Below(2);
    auto& mine = model.side[s];
    Task* const t = &tasks[rand.Below(64)];
    switch (rand.Below(8)) {
      case 0:
      case 1:
      case 2: {
        const bool next = rand.Below(3) == 0;
        std::vector<Task*> spilled, expected;
        q[s].Put(t, next, [&](Task** batch, int n) {
          spilled.assign(batch, batch + n);
        });
        Task* to_ring = t;
        if (next) to_ring = std::exchange(mine.next, t);
        if (to_ring != nullptr) {
          if (mine.ring.size() == N) {
            for (int i = 0; i < N / 2; ++i) {
              expected.push_back(Model::PopFront(mine.ring));
            }
            expected.push_back(to_ring);
          } else {
            mine.ring.push_back(to_ring);
          }
        }
        ASSERT_EQ(spilled, expected);
        break;
      }
      case 3: {
        Task* const batch[] = {t, &tasks[0], &tasks[1]};
        const int n = q[s].PutBatch(batch, 3);
        ASSERT_EQ(n, std::min<int>(3, N - mine.ring.size()));
        mine.ring.insert(mine.ring.end(), batch, batch + n);
        break;
      }
      case 4:
      case 5: {
        const auto item = q[s].Get();
        const bool next = mine.next != nullptr;
        Task* const expected = next ? std::exchange(mine.next, nullptr)
                                    : Model::PopFront(mine.ring);
        ASSERT_EQ(item.t, expected);
        ASSERT_EQ(item.inherit_time, next);
        break;
      }
      default: {
        auto& victim = model.side[1 - s];
        if (mine.ring.size() > N / 2) break;
        const bool steal_next = rand.Below(2) == 0;
        StealStatus status;
        Task* const got = q[s].StealInto(q[1 - s], steal_next, &status);
        Task* expected = Model::PopFront(victim.ring);
        if (expected != nullptr) {
          for (size_t n = victim.ring.size() / 2; n > 0; --n) {
            mine.ring.push_back(Model::PopFront(victim.ring));
          }
        } else if (steal_next) {
          expected = std::exchange(victim.next, nullptr);
        }
        ASSERT_EQ(got, expected);
        break;
      }
    }
    for (int i = 0; i < 2; ++i) {
      const auto& m = model.side[i];
      ASSERT_EQ(q[i].RingSize(), static_cast<int>(m.ring.size()));
      ASSERT_EQ(q[i].Empty(), m.ring.empty() && m.next == nullptr);
    }
  }
}

TEST(RunQueueTest, BehavesAsTwoDequesCapacity4) {
  RunAgainstModel<4>(SeedFromEnvironment());
}

TEST(RunQueueTest, BehavesAsTwoDequesCapacity8) {
  RunAgainstModel<8>(SeedFromEnvironment() + 1);
}

TEST(RunQueueTest, BehavesAsTwoDequesCapacity2) {
  RunAgainstModel<2>(SeedFromEnvironment() + 2);
}

}  // namespace
}  // namespace mpg
