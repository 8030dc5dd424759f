#include "queue/spill_list.h"

#include <atomic>
#include <deque>
#include <thread>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

using Small = SpillList<int, 4>;

std::vector<int*> Pointers(int* base, int n) {
  std::vector<int*> out;
  for (int i = 0; i < n; ++i) out.push_back(base + i);
  return out;
}

TEST(SpillListTest, NewestBatchComesFirstAndItsOldestElementFirst) {
  int x[6];
  auto p = Pointers(x, 6);
  Small list;
  list.Put(p.data(), 3);
  list.Put(p.data() + 3, 3);
  int* out[8];
  ASSERT_EQ(list.TakeNewest(out, 2), 2);
  EXPECT_EQ(out[0], p[3]);
  EXPECT_EQ(out[1], p[4]);
  ASSERT_EQ(list.TakeOldest(out, 8), 3);
  EXPECT_EQ(out[0], p[0]);
  ASSERT_EQ(list.TakeNewest(out, 8), 1);
  EXPECT_EQ(out[0], p[5]);
  EXPECT_TRUE(list.Empty());
  EXPECT_EQ(list.TakeNewest(out, 8), 0);
}

TEST(SpillListTest, BatchLargerThanAChunkIsSplit) {
  int x[11];
  auto p = Pointers(x, 11);
  Small list;
  list.Put(p.data(), 11);
  EXPECT_EQ(list.Size(), 11);
  int* out[16];
  std::vector<int*> got;
  while (int n = list.TakeOldest(out, 16)) got.insert(got.end(), out, out + n);
  EXPECT_EQ(got, p);
}

// Against a deque of batches, at random.
TEST(SpillListTest, BehavesAsAListOfBatches) {
  const uint64_t seed = NextSeed();
  SCOPED_TRACE(testing::Message() << "MPG_SEED=" << SeedFromEnvironment());
  FastRand rand(seed);
  int x[1 << 12];
  Small list;
  std::deque<std::deque<int*>> model;
  int* out[8];
  for (int next = 0; next < (1 << 12) - 4;) {
    if (rand.Below(2) == 0) {
      const int n = 1 + static_cast<int>(rand.Below(4));
      auto p = Pointers(x + next, n);
      list.Put(p.data(), n);
      model.emplace_back(p.begin(), p.end());
      next += n;
      continue;
    }
    const bool newest = rand.Below(2) == 0;
    const int max = 1 + static_cast<int>(rand.Below(8));
    const int n =
        newest ? list.TakeNewest(out, max) : list.TakeOldest(out, max);
    if (model.empty()) {
      ASSERT_EQ(n, 0);
      continue;
    }
    auto& batch = newest ? model.back() : model.front();
    ASSERT_EQ(n, std::min<int>(max, static_cast<int>(batch.size())));
    for (int i = 0; i < n; ++i) {
      ASSERT_EQ(out[i], batch.front());
      batch.pop_front();
    }
    if (batch.empty()) newest ? model.pop_back() : model.pop_front();
  }
}

TEST(SpillListTest, EachElementIsTakenOnceUnderContention) {
  constexpr int kThreads = 4;
  constexpr int kEach = 20000;
  std::vector<std::atomic<int>> taken(kThreads * kEach);
  Small list;
  std::atomic<int> left{kThreads * kEach};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::atomic<int>* mine = taken.data() + t * kEach;
      auto take = [&](bool newest) {
        int* out[3];
        const int n =
            newest ? list.TakeNewest(out, 3) : list.TakeOldest(out, 3);
        for (int i = 0; i < n; ++i) {
          reinterpret_cast<std::atomic<int>*>(out[i])->fetch_add(1);
        }
        left -= n;
      };
      for (int i = 0; i < kEach; i += 4) {
        int* batch[4];
        for (int k = 0; k < 4; ++k)
          batch[k] = reinterpret_cast<int*>(mine + i + k);
        list.Put(batch, 4);
        take(t % 2 == 0);
      }
      while (left.load() > 0) take(t % 2 == 1);
    });
  }
  for (auto& t : threads) t.join();
  for (auto& n : taken) ASSERT_EQ(n.load(), 1);
}

}  // namespace
}  // namespace mpg
