// Networks of goroutines whose result is known: rings, pipelines, random spawn
// trees.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <numeric>
#include <vector>

#include "base/random.h"
#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "tests/stress/stress_util.h"

namespace mpg {
namespace {

using NetworkStressTest = stress::StressTest;

RuntimeOptions Procs(int n) {
  RuntimeOptions options;
  options.max_procs = n;
  return options;
}

// Several tokens run round a ring of goroutines for a known number of hops each,
// and then fall out of it.
TEST_P(NetworkStressTest, RingPassesEveryTokenOn) {
  struct Token {
    int64_t hops_left;
    int64_t hops;
  };
  FastRand rand = Rand(0);
  const int size = 2 + static_cast<int>(rand.Below(100));
  const int tokens = 1 + static_cast<int>(rand.Below(size));
  int64_t expected = 0, made = 0;
  Runtime runtime(Procs(procs()));
  runtime.Run([&] {
    std::vector<Chan<Token>> links;
    for (int i = 0; i < size; ++i) {
      links.push_back(MakeChan<Token>(rand.Below(3)));
    }
    auto out = MakeChan<Token>(tokens);
    for (int i = 0; i < size; ++i) {
      Go([in = links[i], next = links[(i + 1) % size], out] {
        for (Token t : in) {
          if (t.hops_left == 0) {
            out.Send(t);
          } else {
            next.Send(Token{t.hops_left - 1, t.hops + 1});
          }
        }
      });
    }
    // At most size - 1 at once: a ring of unbuffered links that is full stalls.
    const int at_once = std::min(tokens, size - 1);
    for (int i = 0; i < tokens; ++i) {
      if (i >= at_once) made += out.Recv()->hops;
      const int64_t hops = rand.Below(300);
      expected += hops;
      links[rand.Below(size)].Send(Token{hops, 0});
      if (i % 10 == 0) GOMAXPROCS(1 + static_cast<int>(rand.Below(8)));
    }
    for (int i = 0; i < at_once; ++i) made += out.Recv()->hops;
    for (auto& link : links) link.Close();
  });
  runtime.Wait();
  EXPECT_EQ(made, expected);
}

// Numbers go through stages of several goroutines each; what comes out is a
// permutation of what went in.
TEST_P(NetworkStressTest, PipelineKeepsEveryNumber) {
  FastRand rand = Rand(0);
  const int n = 1000;
  std::vector<int> got;
  Runtime runtime(Procs(procs()));
  runtime.Run([&] {
    auto first = MakeChan<int>(rand.Below(10));
    RecvChan<int> in = first;
    for (int stage = 0; stage < 4; ++stage) {
      auto out = MakeChan<int>(rand.Below(10));
      const int workers = 1 + static_cast<int>(rand.Below(6));
      auto left = std::make_shared<std::atomic<int>>(workers);
      for (int k = 0; k < workers; ++k) {
        Go([in, out, left] {
          for (int v : in) out.Send(v + 1);
          if (--*left == 0) out.Close();
        });
      }
      in = out;
    }
    Go([first] {
      for (int i = 0; i < n; ++i) first.Send(i);
      first.Close();
    });
    for (int v : in) got.push_back(v);
  });
  runtime.Wait();
  std::sort(got.begin(), got.end());
  std::vector<int> want(n);
  std::iota(want.begin(), want.end(), 4);
  EXPECT_EQ(got, want);
}

// How many nodes the random tree with this root has; the goroutines grow the
// same tree.
int CountTree(uint64_t node, int depth) {
  int n = 1;
  FastRand rand(node);
  const uint32_t children = depth == 0 ? 0 : rand.Below(6);
  for (uint32_t i = 0; i < children; ++i) {
    n += CountTree(node * 31 + i + 1, depth - 1);
  }
  return n;
}

struct TreeGrower {
  std::atomic<int>* nodes;
  void Grow(uint64_t node, int depth) const {
    ++*nodes;
    FastRand rand(node);
    const uint32_t children = depth == 0 ? 0 : rand.Below(6);
    for (uint32_t i = 0; i < children; ++i) {
      Go([self = *this, node, i, depth] {
        self.Grow(node * 31 + i + 1, depth - 1);
      });
      if (rand.Below(4) == 0) Gosched();
    }
  }
};

TEST_P(NetworkStressTest, SpawnTreeGrowsEveryNode) {
  FastRand rand = Rand(0);
  std::atomic<int> nodes{0};
  int expected = 0;
  Runtime runtime(Procs(procs()));
  for (int i = 0; i < 5; ++i) {
    const uint64_t root = rand.Next();
    expected += CountTree(root, 5);
    runtime.Go([&nodes, root] { TreeGrower{&nodes}.Grow(root, 5); });
    if (rand.Below(2) == 0) {
      runtime.Wait();
      EXPECT_EQ(nodes.load(), expected);
    }
  }
  runtime.Wait();
  EXPECT_EQ(nodes.load(), expected);
  EXPECT_EQ(runtime.Stats().goroutines_created,
            static_cast<uint64_t>(expected));
}

MPG_STRESS_AT_SEVERAL_PS(NetworkStressTest);

}  // namespace
}  // namespace mpg
