// RunQueue on real threads at small capacities, so that wrap-around, overflow
// and lost races happen all the time. Each element must be taken exactly once
// for each time it was put, by one who sees what the last holder wrote; the
// elements' fields are plain, so that ThreadSanitizer checks that too.
#include <atomic>
#include <cstdint>
#include <deque>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"
#include "queue/runq.h"

namespace mpg {
namespace {

struct Task {
  int id = 0;
  int taken = 0;
  bool queued = false;
};

// Counts a taking; records whether anything was wrong.
class Checker {
 public:
  void Put(Task* t) {
    if (t->queued) Fail();
    t->queued = true;
  }
  void Take(Task* t) {
    if (!t->queued) Fail();
    t->queued = false;
    ++t->taken;
  }
  bool failed() const { return failed_.load(); }

 private:
  void Fail() { failed_.store(true); }
  std::atomic<bool> failed_{false};
};

// One owner that puts each of many elements once; thieves only steal.
template <int N>
void OneOwner(int thieves, uint64_t seed) {
  SCOPED_TRACE("MPG_SEED=" + std::to_string(seed));
  constexpr int kTasks = 60000;
  std::vector<Task> tasks(kTasks);
  RunQueue<Task, N> victim;
  std::atomic<int> started{0};
  std::atomic<bool> done{false};
  std::atomic<int> stolen{0};
  Checker checker;
  std::vector<std::thread> threads;
  for (int i = 0; i < thieves; ++i) {
    threads.emplace_back([&, i] {
      FastRand rand(seed + 1 + i);
      RunQueue<Task, N> own;
      started.fetch_add(1);
      while (!done.load()) {
        StealStatus status;
        Task* const t = own.StealInto(victim, rand.Below(2) == 0, &status);
        if (t == nullptr) {
          if (rand.Below(8) == 0) std::this_thread::yield();
          continue;
        }
        checker.Take(t);
        const int more = own.DrainTo([&](Task* each) { checker.Take(each); });
        stolen.fetch_add(1 + more);
      }
    });
  }
  while (started.load() < thieves) std::this_thread::yield();
  FastRand rand(seed);
  for (Task& t : tasks) {
    checker.Put(&t);
    victim.Put(&t, rand.Below(3) == 0, [&](Task** batch, int n) {
      for (int i = 0; i < n; ++i) checker.Take(batch[i]);
    });
    while (rand.Below(2) == 0) {
      Task* const got = victim.Get().t;
      if (got == nullptr) break;
      checker.Take(got);
    }
    if (rand.Below(256) == 0) std::this_thread::yield();
  }
  victim.DrainTo([&](Task* t) { checker.Take(t); });
  EXPECT_TRUE(victim.Empty());
  done = true;
  for (auto& t : threads) t.join();
  EXPECT_FALSE(checker.failed());
  for (const Task& t : tasks) ASSERT_EQ(t.taken, 1);
  std::cout << "stolen: " << stolen.load() << " of " << kTasks << "\n";
}

TEST(RunQueueStressTest, OneThiefCapacity4) {
  OneOwner<4>(1, SeedFromEnvironment());
}
TEST(RunQueueStressTest, FourThievesCapacity4) {
  OneOwner<4>(4, SeedFromEnvironment());
}
TEST(RunQueueStressTest, TwoThievesCapacity2) {
  OneOwner<2>(2, SeedFromEnvironment());
}
TEST(RunQueueStressTest, TwoThievesCapacity256) {
  OneOwner<256>(2, SeedFromEnvironment());
}

// Several owners who pass a fixed set of elements round by all operations, each
// stealing from the others when its own queue is empty.
template <int N>
void ManyOwners(int owners, uint64_t seed) {
  SCOPED_TRACE("MPG_SEED=" + std::to_string(seed));
  constexpr int kSteps = 40000;
  const int num_tasks = 3 * N * owners;
  std::vector<Task> tasks(num_tasks);
  std::vector<RunQueue<Task, N>> queues(owners);
  std::vector<std::deque<Task*>> held(owners);
  for (int i = 0; i < num_tasks; ++i) held[i % owners].push_back(&tasks[i]);
  Checker checker;
  std::vector<int64_t> taken(owners, 0);

  const auto run = [&](int self) {
    FastRand rand(seed + self);
    auto& q = queues[self];
    auto& mine = held[self];
    const auto take = [&](Task* t) {
      checker.Take(t);
      mine.push_back(t);
      ++taken[self];
    };
    const auto next_of_mine = [&] {
      Task* const t = mine.front();
      mine.pop_front();
      checker.Put(t);
      return t;
    };
    for (int step = 0; step < kSteps; ++step) {
      const uint32_t what = rand.Below(8);
      if (what < 3 && !mine.empty()) {
        q.Put(next_of_mine(), rand.Below(3) == 0, [&](Task** batch, int n) {
          for (int i = 0; i < n; ++i) take(batch[i]);
        });
      } else if (what == 3) {
        const int n = static_cast<int>(rand.Below(N + 1));
        const int have = static_cast<int>(mine.size());
        q.Fill(n < have ? n : have, next_of_mine);
      } else if (Task* t = q.Get().t) {
        take(t);
      } else {
        StealStatus status;
        const int victim = static_cast<int>(rand.Below(queues.size()));
        if (victim == self) continue;
        t = q.StealInto(queues[victim], rand.Below(2) == 0, &status);
        if (t != nullptr) take(t);
      }
      if (rand.Below(256) == 0) std::this_thread::yield();
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < owners; ++i) threads.emplace_back(run, i);
  for (auto& t : threads) t.join();

  size_t found = 0;
  for (int i = 0; i < owners; ++i) {
    found += held[i].size();
    queues[i].DrainTo([&](Task* t) {
      checker.Take(t);
      ++found;
    });
  }
  EXPECT_FALSE(checker.failed());
  EXPECT_EQ(found, tasks.size());
  for (const Task& t : tasks) EXPECT_FALSE(t.queued);
}

TEST(RunQueueStressTest, TwoOwnersCapacity4) {
  ManyOwners<4>(2, SeedFromEnvironment());
}
TEST(RunQueueStressTest, FourOwnersCapacity4) {
  ManyOwners<4>(4, SeedFromEnvironment());
}
TEST(RunQueueStressTest, FourOwnersCapacity256) {
  ManyOwners<256>(4, SeedFromEnvironment());
}

}  // namespace
}  // namespace mpg
