#include "queue/gqueue.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

struct Task {
  int id = 0;
  Task* link = nullptr;
};
using List = GList<Task, &Task::link>;
using Queue = GQueue<Task, &Task::link>;
using Global = GlobalQueue<Task, &Task::link>;

std::vector<Task> MakeTasks(int n) {
  std::vector<Task> tasks(n);
  for (int i = 0; i < n; ++i) tasks[i].id = i;
  return tasks;
}

std::vector<int> Ids(Queue q) {
  std::vector<int> ids;
  while (Task* t = q.Pop()) ids.push_back(t->id);
  return ids;
}

TEST(GListTest, IsLifoAndCounts) {
  auto tasks = MakeTasks(3);
  List list;
  EXPECT_TRUE(list.Empty());
  EXPECT_EQ(list.Pop(), nullptr);
  for (Task& t : tasks) list.Push(&t);
  EXPECT_EQ(list.Size(), 3);
  EXPECT_EQ(list.Top(), &tasks[2]);
  EXPECT_EQ(list.Pop(), &tasks[2]);
  EXPECT_EQ(tasks[2].link, nullptr);
  List moved = std::move(list);
  EXPECT_EQ(moved.Size(), 2);
  EXPECT_EQ(moved.Pop(), &tasks[1]);
  EXPECT_EQ(moved.Pop(), &tasks[0]);
  EXPECT_TRUE(moved.Empty());
}

TEST(GListTest, ChainRoundTrips) {
  auto tasks = MakeTasks(2);
  List list;
  for (Task& t : tasks) list.Push(&t);
  Task* const chain = list.ReleaseChain();
  EXPECT_TRUE(list.Empty());
  EXPECT_EQ(list.Size(), 0);
  List again = List::FromChain(chain, 2);
  EXPECT_EQ(again.Pop(), &tasks[1]);
  EXPECT_EQ(again.Pop(), &tasks[0]);
  EXPECT_EQ(again.Size(), 0);
}

TEST(GQueueTest, IsFifoWithFront) {
  auto tasks = MakeTasks(3);
  Queue q;
  q.PushBack(&tasks[1]);
  q.PushBack(&tasks[2]);
  q.PushFront(&tasks[0]);
  EXPECT_EQ(q.Size(), 3);
  EXPECT_EQ(q.Front(), &tasks[0]);
  EXPECT_EQ(Ids(std::move(q)), (std::vector<int>{0, 1, 2}));
}

TEST(GQueueTest, PushFrontOnEmptySetsTheTail) {
  auto tasks = MakeTasks(2);
  Queue q;
  q.PushFront(&tasks[0]);
  q.PushBack(&tasks[1]);
  EXPECT_EQ(Ids(std::move(q)), (std::vector<int>{0, 1}));
}

TEST(GQueueTest, PushBackAllJoinsAnyMixOfEmptyAndNot) {
  auto tasks = MakeTasks(4);
  Queue a, b, empty;
  a.PushBackAll(std::move(empty));
  EXPECT_TRUE(a.Empty());
  b.PushBack(&tasks[0]);
  b.PushBack(&tasks[1]);
  a.PushBackAll(std::move(b));
  EXPECT_TRUE(b.Empty());
  EXPECT_EQ(b.Size(), 0);
  b.PushBack(&tasks[2]);
  a.PushBackAll(std::move(b));
  a.PushBack(&tasks[3]);
  EXPECT_EQ(a.Size(), 4);
  EXPECT_EQ(Ids(std::move(a)), (std::vector<int>{0, 1, 2, 3}));
}

TEST(GQueueTest, PopFrontSplits) {
  auto tasks = MakeTasks(4);
  Queue q;
  for (Task& t : tasks) q.PushBack(&t);
  EXPECT_TRUE(q.PopFront(0).Empty());
  EXPECT_EQ(Ids(q.PopFront(3)), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(q.Size(), 1);
  EXPECT_EQ(Ids(q.PopFront(9)), (std::vector<int>{3}));
  EXPECT_TRUE(q.Empty());
  q.PushBack(&tasks[0]);
  EXPECT_EQ(Ids(std::move(q)), (std::vector<int>{0}));
}

TEST(GlobalQueueTest, OrderAndSizes) {
  auto tasks = MakeTasks(6);
  Global g;
  EXPECT_TRUE(g.Empty());
  EXPECT_TRUE(g.Get(5).Empty());
  g.Put(&tasks[2]);
  g.PutFront(&tasks[1]);
  Task* const batch[] = {&tasks[3], &tasks[4]};
  g.PutBatch(batch, 2);
  Queue q;
  g.PutBatch(std::move(q));
  q.PushBack(&tasks[5]);
  g.PutBatch(std::move(q));
  EXPECT_EQ(g.Size(), 5);
  EXPECT_FALSE(g.Empty());
  EXPECT_FALSE(g.EmptyRelaxed());
  EXPECT_EQ(Ids(g.Get(2)), (std::vector<int>{1, 2}));
  EXPECT_EQ(Ids(g.Get(100)), (std::vector<int>{3, 4, 5}));
  EXPECT_TRUE(g.Empty());
  EXPECT_TRUE(g.EmptyRelaxed());
}

TEST(GlobalQueueTest, ShareIsSizeOverProcsPlusOneUpToMax) {
  auto tasks = MakeTasks(10);
  Global g;
  for (Task& t : tasks) g.Put(&t);
  EXPECT_EQ(g.GetShare(4, 100).Size(), 3);
  EXPECT_EQ(g.GetShare(1, 2).Size(), 2);
  EXPECT_EQ(g.GetShare(1, 100).Size(), 5);
  EXPECT_TRUE(g.GetShare(1, 100).Empty());
}

TEST(GlobalQueueTest, BehavesAsADeque) {
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE("MPG_SEED=" + std::to_string(seed));
  FastRand rand(seed);
  auto tasks = MakeTasks(40);
  std::vector<Task*> free;
  for (Task& t : tasks) free.push_back(&t);
  std::deque<Task*> model;
  Global g;
  for (int step = 0; step < 20000; ++step) {
    const int n = std::min<int>(rand.Below(5), free.size());
    std::vector<Task*> batch(free.end() - n, free.end());
    switch (rand.Below(4)) {
      case 0:
        if (n == 0) break;
        free.pop_back();
        g.Put(batch.back());
        model.push_back(batch.back());
        break;
      case 1:
        if (n == 0) break;
        free.pop_back();
        g.PutFront(batch.back());
        model.push_front(batch.back());
        break;
      case 2:
        free.resize(free.size() - n);
        g.PutBatch(batch.data(), n);
        model.insert(model.end(), batch.begin(), batch.end());
        break;
      default: {
        Queue got = g.Get(rand.Below(9));
        while (Task* t = got.Pop()) {
          ASSERT_EQ(t, model.front());
          model.pop_front();
          free.push_back(t);
        }
      }
    }
    ASSERT_EQ(g.Size(), static_cast<int>(model.size()));
    ASSERT_EQ(g.Empty(), model.empty());
  }
}

TEST(GlobalQueueTest, ThreadsGetEachElementExactlyOnce) {
  constexpr int kProducers = 2, kConsumers = 2, kEach = 20000;
  auto tasks = MakeTasks(kProducers * kEach);
  std::vector<std::atomic<int>> seen(tasks.size());
  Global g;
  std::atomic<int> left{kProducers * kEach};
  std::vector<std::thread> threads;
  for (int p = 0; p < kProducers; ++p) {
    threads.emplace_back([&, p] {
      for (int i = 0; i < kEach; ++i) {
        Task* const t = &tasks[p * kEach + i];
        i % 7 == 0 ? g.PutFront(t) : g.Put(t);
      }
    });
  }
  for (int c = 0; c < kConsumers; ++c) {
    threads.emplace_back([&] {
      while (left.load() > 0) {
        Queue got = g.Get(16);
        if (got.Empty()) std::this_thread::yield();
        while (Task* t = got.Pop()) {
          seen[t->id].fetch_add(1);
          left.fetch_sub(1);
        }
      }
    });
  }
  for (auto& t : threads) t.join();
  for (auto& s : seen) ASSERT_EQ(s.load(), 1);
  EXPECT_TRUE(g.Empty());
}

}  // namespace
}  // namespace mpg
