#include "queue/idle_stack.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace mpg {
namespace {

struct Thread {
  std::atomic<Thread*> link{nullptr};
  int uses = 0;          // not atomic: TSan checks that Pop follows Push
  bool on_stack = true;  // likewise
};
using Stack = IdleStack<Thread, &Thread::link>;

TEST(IdleStackTest, IsLifo) {
  Thread t[3];
  Stack stack;
  EXPECT_TRUE(stack.Empty());
  EXPECT_EQ(stack.Pop(), nullptr);
  for (Thread& each : t) stack.Push(&each);
  EXPECT_FALSE(stack.Empty());
  EXPECT_EQ(stack.Pop(), &t[2]);
  EXPECT_EQ(stack.Pop(), &t[1]);
  stack.Push(&t[2]);
  EXPECT_EQ(stack.Pop(), &t[2]);
  EXPECT_EQ(stack.Pop(), &t[0]);
  EXPECT_EQ(stack.Pop(), nullptr);
  EXPECT_TRUE(stack.Empty());
}

TEST(IdleStackTest, TagWrapsRound) {
  Thread t;
  Stack stack;
  for (int i = 0; i < 70000; ++i) {
    stack.Push(&t);
    ASSERT_EQ(stack.Pop(), &t);
  }
  EXPECT_TRUE(stack.Empty());
}

TEST(IdleStackDeathTest, RefusesAnAddressThatDoesNotFit) {
  Stack stack;
  Thread* const far = reinterpret_cast<Thread*>(uintptr_t{1} << 48);
  EXPECT_DEATH(stack.Push(far), "address of more than 48 bits");
}

TEST(IdleStackTest, EachElementIsPoppedByOneThreadAtATime) {
  constexpr int kThreads = 4, kSteps = 50000, kElements = 3;
  Thread elements[kElements];
  Stack stack;
  for (Thread& e : elements) stack.Push(&e);
  std::atomic<bool> failed{false};
  std::atomic<int> pops{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int step = 0; step < kSteps; ++step) {
        Thread* const t = stack.Pop();
        if (t == nullptr) continue;
        if (!t->on_stack) failed = true;
        t->on_stack = false;
        ++t->uses;
        pops.fetch_add(1);
        t->on_stack = true;
        stack.Push(t);
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_FALSE(failed);
  int uses = 0;
  for (int i = 0; i < kElements; ++i) {
    Thread* const t = stack.Pop();
    ASSERT_NE(t, nullptr);
    uses += t->uses;
  }
  EXPECT_EQ(stack.Pop(), nullptr);
  EXPECT_EQ(uses, pops.load());
}

}  // namespace
}  // namespace mpg
