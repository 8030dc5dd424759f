#include "queue/free_list.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

struct Thing {
  int id = 0;
  Thing* link = nullptr;
  Thing* batch_link = nullptr;
  bool free = false;  // not atomic: TSan checks that ownership synchronizes
};
using Free = CentralFreeList<Thing, &Thing::link, &Thing::batch_link, 4>;

std::vector<Thing> MakeThings(int n) {
  std::vector<Thing> things(n);
  for (int i = 0; i < n; ++i) things[i].id = i;
  return things;
}

int DropAll(Free* central) {
  auto all = central->TakeAll();
  int n = 0;
  while (all.Pop() != nullptr) ++n;
  return n;
}

TEST(FreeListTest, EmptyListsGiveNull) {
  Free central;
  Free::Local local(&central);
  EXPECT_EQ(local.Get(), nullptr);
  EXPECT_EQ(local.GetLocal(), nullptr);
  EXPECT_EQ(central.Count(), 0);
}

TEST(FreeListTest, LocalIsLifo) {
  auto things = MakeThings(3);
  Free central;
  Free::Local local(&central);
  for (Thing& t : things) local.Put(&t);
  EXPECT_EQ(local.Count(), 3);
  EXPECT_EQ(local.Get(), &things[2]);
  EXPECT_EQ(local.Get(), &things[1]);
  EXPECT_EQ(local.Get(), &things[0]);
  EXPECT_EQ(local.Count(), 0);
}

TEST(FreeListTest, SpillsTheColdestBatchWhenTwoAreHeld) {
  auto things = MakeThings(9);
  Free central;
  Free::Local local(&central);
  for (int i = 0; i < 8; ++i) local.Put(&things[i]);
  EXPECT_EQ(central.Count(), 0);
  EXPECT_EQ(local.Count(), 8);
  local.Put(&things[8]);
  EXPECT_EQ(local.Count(), 5);
  EXPECT_EQ(central.Count(), 4);
  std::set<int> cold;
  central.ForEach([&](Thing* t) { cold.insert(t->id); });
  EXPECT_EQ(cold, (std::set<int>{0, 1, 2, 3}));
  // Hottest first, and only then back to the central list.
  for (int i = 8; i >= 4; --i) EXPECT_EQ(local.Get(), &things[i]);
  EXPECT_EQ(local.GetLocal(), nullptr);
  EXPECT_NE(local.Get(), nullptr);
  EXPECT_EQ(central.Count(), 0);
  EXPECT_EQ(local.Count(), 3);
  local.Flush();
  EXPECT_EQ(DropAll(&central), 3);
}

TEST(FreeListTest, GoingUpAndDownAtABordersEdgeStaysLocal) {
  auto things = MakeThings(9);
  Free central;
  Free::Local local(&central);
  for (Thing& t : things) local.Put(&t);  // has spilled once
  for (int i = 0; i < 10; ++i) {
    Thing* a = local.Get();
    Thing* b = local.Get();
    local.Put(a);
    local.Put(b);
    EXPECT_EQ(central.Count(), 4);
  }
  local.Flush();
  EXPECT_EQ(DropAll(&central), 9);
}

TEST(FreeListTest, FlushedRemaindersAreFetchedAfterWholeBatches) {
  auto things = MakeThings(7);
  Free central;
  {
    Free::Local local(&central);
    for (int i = 0; i < 6; ++i) local.Put(&things[i]);
    local.Flush();  // a whole batch and two single ones
    EXPECT_EQ(local.Count(), 0);
  }
  central.Put(&things[6]);
  EXPECT_EQ(central.Count(), 7);
  auto first = central.GetBatch();
  EXPECT_EQ(first.Size(), 4);
  auto second = central.GetBatch();
  EXPECT_EQ(second.Size(), 3);
  EXPECT_TRUE(central.GetBatch().Empty());
  central.PutBatch(std::move(first));
  central.PutBatch(std::move(second));
  EXPECT_EQ(DropAll(&central), 7);
  EXPECT_EQ(central.Count(), 0);
}

TEST(FreeListTest, BehavesAsASet) {
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE("MPG_SEED=" + std::to_string(seed));
  FastRand rand(seed);
  auto things = MakeThings(64);
  Free central;
  Free::Local local[] = {Free::Local(&central), Free::Local(&central)};
  std::vector<Thing*> used;
  for (Thing& t : things) used.push_back(&t);
  for (int step = 0; step < 20000; ++step) {
    auto& mine = local[rand.Below(2)];
    const uint32_t what = rand.Below(100);
    if (what == 0) {
      mine.Flush();
    } else if (what < 50) {
      if (used.empty()) continue;
      std::swap(used[rand.Below(used.size())], used.back());
      mine.Put(used.back());
      used.pop_back();
    } else if (Thing* t = mine.Get()) {
      ASSERT_EQ(std::count(used.begin(), used.end(), t), 0);
      used.push_back(t);
    }
    const int all = local[0].Count() + local[1].Count() + central.Count();
    ASSERT_EQ(all + used.size(), things.size());
  }
  for (auto& l : local) l.Flush();
  EXPECT_EQ(DropAll(&central) + used.size(), things.size());
}

TEST(FreeListTest, NoThingIsHandedOutTwice) {
  constexpr int kThreads = 4, kSteps = 20000;
  auto things = MakeThings(100);
  Free central;
  for (Thing& t : things) {
    t.free = true;
    central.Put(&t);
  }
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE("MPG_SEED=" + std::to_string(seed));
  std::atomic<bool> failed{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      FastRand rand(seed + i);
      Free::Local local(&central);
      std::vector<Thing*> used;
      for (int step = 0; step < kSteps; ++step) {
        if (rand.Below(2) == 0) {
          Thing* t = local.Get();
          if (t == nullptr) continue;
          if (!std::exchange(t->free, false)) failed = true;
          used.push_back(t);
        } else if (!used.empty()) {
          used.back()->free = true;
          local.Put(used.back());
          used.pop_back();
        }
      }
      for (Thing* t : used) {
        t->free = true;
        local.Put(t);
      }
      local.Flush();
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_FALSE(failed);
  EXPECT_EQ(DropAll(&central), 100);
}

}  // namespace
}  // namespace mpg
