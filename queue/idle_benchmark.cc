// The idle sets: going idle and being taken, alone and against other threads;
// and the submitter's look that finds nobody.
#include <atomic>
#include <cstdint>

#include "benchmark/benchmark.h"
#include "queue/idle_mask.h"
#include "queue/idle_stack.h"

namespace mpg {
namespace {

struct Thread {
  std::atomic<Thread*> link{nullptr};
};
using Stack = IdleStack<Thread, &Thread::link>;

void BM_IdleMask_CountOfNone(benchmark::State& state) {
  IdleMask mask(88);
  for (auto _ : state) benchmark::DoNotOptimize(mask.Count());
}
BENCHMARK(BM_IdleMask_CountOfNone);

// Each thread sets its own bit, and takes whichever it finds first.
void BM_IdleMask_SetTake(benchmark::State& state) {
  static IdleMask* const mask = new IdleMask(88);
  int i = state.thread_index();
  for (auto _ : state) {
    mask->Set(i);
    do {
      i = mask->TakeAny(static_cast<uint32_t>(state.thread_index()));
    } while (i < 0);
  }
}
BENCHMARK(BM_IdleMask_SetTake)->Threads(1)->Threads(2)->Threads(4);

void BM_IdleStack_PushPop(benchmark::State& state) {
  static Stack* const stack = new Stack;
  static Thread* const threads = new Thread[4];
  Thread* t = &threads[state.thread_index()];
  for (auto _ : state) {
    stack->Push(t);
    do {
      t = stack->Pop();
    } while (t == nullptr);
  }
}
BENCHMARK(BM_IdleStack_PushPop)->Threads(1)->Threads(2)->Threads(4);

}  // namespace
}  // namespace mpg
