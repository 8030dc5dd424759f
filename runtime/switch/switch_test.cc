// What needs threads or the death of a process. The rest is in
// switch_conformance_test.cc.
#include "runtime/switch/switch.h"

#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "runtime/switch/eh_state.h"
#include "runtime/switch/fiber_san.h"

namespace mpg {
namespace internal {
namespace {

struct alignas(64) Line {
  char bytes[64];
};

void RunEntryThatReturns() {
  std::vector<Line> memory(1024);
  Context main, fiber;
  MakeContext(
      &fiber, memory.data() + memory.size(), [](void*) {}, nullptr);
  SwitchContext(&main, &fiber);
}

TEST(SwitchDeathTest, EntryThatReturnsTraps) {
  EXPECT_DEATH(RunEntryThatReturns(), "");
}

struct Traveller {
  Context ctx;
  SanFiber san;
  SanStack san_stack{};
  std::vector<Line> memory = std::vector<Line>(1024);
  Context back;
  SanFiber back_san;
  std::vector<std::thread::id> seen;
  std::vector<EhState*> eh;

  void Resume() {
    SanAdoptThread(&back_san);
    SanBeforeSwitch(&back_san, &san, false);
    SwitchContext(&back, &ctx);
    SanAfterSwitch(&back_san);
  }
};

// Compilers take a thread's identity for a constant and keep it across a
// switch; see switch.h.
[[gnu::noinline]] std::thread::id ThisThreadId() {
  asm volatile("" : : : "memory");
  return std::this_thread::get_id();
}

void Travel(void* arg) {
  Traveller* const t = static_cast<Traveller*>(arg);
  SanAfterSwitch(&t->san);
  for (int hop = 0;; ++hop) {
    t->seen.push_back(ThisThreadId());
    t->eh.push_back(ThreadEhState());
    SanBeforeSwitch(&t->san, &t->back_san, false);
    SwitchContext(&t->ctx, &t->back);
    SanAfterSwitch(&t->san);
  }
}

TEST(SwitchTest, ContextIsResumedOnAnotherThread) {
  Traveller t;
  SanOnStackTaken(&t.san, &t.san_stack, t.memory.data(), t.memory.size() * 64);
  MakeContext(&t.ctx, t.memory.data() + t.memory.size(), Travel, &t);
  std::vector<std::thread::id> threads;
  std::vector<EhState*> eh;
  t.Resume();
  threads.push_back(std::this_thread::get_id());
  eh.push_back(ThreadEhState());
  for (int i = 0; i < 3; ++i) {
    std::thread([&] {
      t.Resume();
      threads.push_back(std::this_thread::get_id());
      eh.push_back(ThreadEhState());
    }).join();
    t.Resume();
    threads.push_back(std::this_thread::get_id());
    eh.push_back(ThreadEhState());
  }
  EXPECT_EQ(t.seen, threads);
  EXPECT_EQ(t.eh, eh) << "a thread's own, even after the fiber moved";
  EXPECT_NE(eh[0], eh[1]);
  SanDestroyStack(&t.san_stack);
}

}  // namespace
}  // namespace internal
}  // namespace mpg
