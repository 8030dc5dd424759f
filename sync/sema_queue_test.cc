#include "sync/sema_queue.h"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"
#include "sync/test_util.h"

namespace mpg {
namespace internal {
namespace {

std::unique_ptr<SemaNode> MakeNode(uintptr_t key) {
  return std::make_unique<SemaNode>(nullptr, key);
}

TEST(SemaQueue, ServesAKeyFirstComeFirstServed) {
  SemaQueue q(1);
  SemaNode a(nullptr, 8), b(nullptr, 8), c(nullptr, 8);
  q.Enqueue(&a, false);
  q.Enqueue(&b, false);
  q.Enqueue(&c, false);
  EXPECT_EQ(q.Front(8), &a);
  EXPECT_EQ(q.Dequeue(8), &a);
  EXPECT_TRUE(a.more);
  EXPECT_EQ(q.Dequeue(8), &b);
  EXPECT_EQ(q.Dequeue(8), &c);
  EXPECT_FALSE(c.more);
  EXPECT_EQ(q.Dequeue(8), nullptr);
  EXPECT_TRUE(q.Empty());
}

TEST(SemaQueue, LifoGoesBeforeAllOthers) {
  SemaQueue q(1);
  SemaNode a(nullptr, 8), b(nullptr, 8), c(nullptr, 8);
  q.Enqueue(&a, false);
  q.Enqueue(&b, true);
  q.Enqueue(&c, false);
  EXPECT_EQ(q.Dequeue(8), &b);
  EXPECT_EQ(q.Dequeue(8), &a);
  EXPECT_EQ(q.Dequeue(8), &c);
}

TEST(SemaQueue, KeysDoNotMix) {
  SemaQueue q(1);
  SemaNode a(nullptr, 8), b(nullptr, 16);
  q.Enqueue(&a, false);
  q.Enqueue(&b, false);
  EXPECT_EQ(q.Dequeue(24), nullptr);
  EXPECT_EQ(q.Dequeue(16), &b);
  EXPECT_FALSE(b.more);
  EXPECT_EQ(q.Dequeue(8), &a);
}

TEST(SemaQueue, RemovesFromAnyPlace) {
  for (int which = 0; which < 3; ++which) {
    SemaQueue q(1);
    SemaNode a(nullptr, 8), b(nullptr, 8), c(nullptr, 8);
    SemaNode* const all[] = {&a, &b, &c};
    for (SemaNode* n : all) q.Enqueue(n, false);
    EXPECT_TRUE(q.Remove(all[which]));
    EXPECT_FALSE(q.Remove(all[which]));
    SemaNode d(nullptr, 8);
    q.Enqueue(&d, false);
    for (int i = 0; i < 3; ++i) {
      if (i == which) continue;
      EXPECT_EQ(q.Dequeue(8), all[i]);
    }
    EXPECT_EQ(q.Dequeue(8), &d);
    EXPECT_TRUE(q.Empty());
  }
}

// Go's BenchmarkSemTable/OneAddrCollision came from a program whose addresses
// met in one root: the tree must stay flat, whatever the keys.
TEST(SemaQueue, StaysBalancedWithKeysInOrder) {
  constexpr int kKeys = 1 << 14;
  for (const uintptr_t stride : {8, 251 * 8, 987 * 8}) {
    SemaQueue q(7);
    std::vector<std::unique_ptr<SemaNode>> nodes;
    for (int i = 0; i < kKeys; ++i) {
      nodes.push_back(MakeNode(stride * static_cast<uintptr_t>(i)));
      q.Enqueue(nodes.back().get(), false);
    }
    // A random tree of 2^14 nodes has a depth of about 2.99 * ln(2^14) = 29 at
    // most, in expectation.
    EXPECT_LT(q.Depth(), 60);
    for (auto& n : nodes) EXPECT_EQ(q.Dequeue(n->key), n.get());
    EXPECT_TRUE(q.Empty());
  }
}

TEST(SemaQueue, BehavesAsAMapOfDeques) {
  FastRand rand(sync_test::TestSeed());
  SemaQueue q(rand.Next());
  std::map<uintptr_t, std::deque<SemaNode*>> model;
  std::map<SemaNode*, std::unique_ptr<SemaNode>> alive;
  for (int step = 0; step < 200'000; ++step) {
    const uintptr_t key = 8 * rand.Below(1 + rand.Below(100));
    switch (rand.Below(5)) {
      case 0:
      case 1: {
        auto owned = MakeNode(key);
        SemaNode* const n = owned.get();
        alive[n] = std::move(owned);
        const bool lifo = rand.Below(2) == 0;
        q.Enqueue(n, lifo);
        if (lifo) {
          model[key].push_front(n);
        } else {
          model[key].push_back(n);
        }
        break;
      }
      case 2:
      case 3: {
        auto& want = model[key];
        ASSERT_EQ(q.Front(key), want.empty() ? nullptr : want.front());
        SemaNode* const n = q.Dequeue(key);
        if (want.empty()) {
          ASSERT_EQ(n, nullptr);
          break;
        }
        ASSERT_EQ(n, want.front());
        want.pop_front();
        ASSERT_EQ(n->more, !want.empty());
        ASSERT_FALSE(q.Remove(n));
        alive.erase(n);
        break;
      }
      case 4: {
        auto& want = model[key];
        if (want.empty()) break;
        const size_t i = rand.Below(static_cast<uint32_t>(want.size()));
        SemaNode* const n = want[i];
        ASSERT_TRUE(q.Remove(n));
        want.erase(want.begin() + static_cast<std::ptrdiff_t>(i));
        alive.erase(n);
        break;
      }
    }
    ASSERT_EQ(q.Empty(), alive.empty());
  }
}

}  // namespace
}  // namespace internal
}  // namespace mpg
