// IdleStack under Relacy: an element has one holder at a time, who sees what
// the last one wrote; without tags or orders, Relacy finds the fault.
#include <cstdint>

#include "gtest/gtest.h"
#include "queue/idle_stack.h"
#include "queue/relacy_atomics.h"  // last: see there

namespace mpg {
namespace {

constexpr uint64_t kIterations = 100000;

// Three threads pop elements, use them alone, and push them again.
template <Weaken kWeaken>
struct StackTest : rl::test_suite<StackTest<kWeaken>, 3> {
  struct Node {
    RelacyAtomic<Node*, kWeaken> link{nullptr};
    rl::var<int> uses;
    bool held = false;  // the harness's own
  };
  Node nodes[3];
  IdleStack<Node, &Node::link, RelacyAtomics<kWeaken>> stack;

  Node* Pop() {
    Node* const n = stack.Pop();
    if (n == nullptr) return nullptr;
    RL_ASSERT(!n->held);
    n->held = true;
    n->uses($) = n->uses($) + 1;
    return n;
  }

  void Push(Node* n) {
    if (n == nullptr) return;
    n->held = false;
    stack.Push(n);
  }

  void before() {
    for (Node& n : nodes) {
      n.uses($) = 0;
      stack.Push(&n);
    }
  }

  void thread(unsigned) {
    Node* const a = Pop();
    Node* const b = Pop();
    Push(a);
    Node* const c = Pop();
    Push(b);
    Push(c);
  }

  void after() {
    int left = 0;
    while (Pop() != nullptr) ++left;
    RL_ASSERT(left == 3);
    RL_ASSERT(stack.Empty());
  }
};

TEST(IdleStackModelTest, EachElementHasOneHolder) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_TRUE(RelacyPasses<StackTest<Weaken::kNothing>>(kIterations));
}

TEST(IdleStackModelTest, EachElementHasOneHolderInAllFewSwitchExecutions) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_TRUE(RelacyPasses<StackTest<Weaken::kNothing>>(500000, true,
                                                        rl::sched_bound, 2));
}

TEST(IdleStackModelTest, FindsAbaWithoutTags) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_FALSE(
      RelacyPasses<StackTest<Weaken::kTags>>(kIterations, /*report=*/false));
}

TEST(IdleStackModelTest, FindsRelaxedPublication) {
  MPG_SKIP_UNDER_SANITIZERS();
  EXPECT_FALSE(RelacyPasses<StackTest<Weaken::kSeqCstRmw>>(kIterations,
                                                           /*report=*/false));
}

}  // namespace
}  // namespace mpg
