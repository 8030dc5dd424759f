// Cost of stacks.
//
//   BM_Stack_TakeGiveHot     a stack that was given just now is taken again
//   BM_Stack_TakeGiveWave/N  N taken, then N given: batches go to the pool
//   BM_Stack_TakeFresh       first take of a stack: its share of address space
//                            and guard, without touching it
//   BM_Stack_TakeFreshTouch  the same, and its first page
//   BM_Stack_Trim            giving a deep stack back, and the page faults of
//                            making it deep again
//   BM_Stack_ScavengeCycle   a resting stack made clean, and its page again
#include <cstring>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "benchmark/benchmark.h"
#include "runtime/stack/stack.h"

namespace mpg {
namespace internal {
namespace {

void BM_Stack_TakeGiveHot(benchmark::State& state) {
  StackPool pool({});
  StackCache cache(&pool);
  absl::Status why;
  cache.Give(cache.Take(&why), false);
  for (auto _ : state) {
    const Stack s = cache.Take(&why);
    benchmark::DoNotOptimize(s.hi);
    cache.Give(s, false);
  }
  cache.Flush();
}
BENCHMARK(BM_Stack_TakeGiveHot);

void BM_Stack_TakeGiveWave(benchmark::State& state) {
  const size_t n = static_cast<size_t>(state.range(0));
  StackPool pool({});
  StackCache cache(&pool);
  absl::Status why;
  std::vector<Stack> stacks(n);
  for (Stack& s : stacks) s = cache.Take(&why);
  for (Stack s : stacks) cache.Give(s, false);
  for (auto _ : state) {
    for (Stack& s : stacks) s = cache.Take(&why);
    for (Stack s : stacks) cache.Give(s, false);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  cache.Flush();
}
BENCHMARK(BM_Stack_TakeGiveWave)->Arg(32)->Arg(1000)->Arg(100000);

void TakeFresh(benchmark::State& state, bool touch) {
  constexpr size_t kStacks = 10000;
  absl::Status why;
  std::vector<Stack> stacks(kStacks);
  for (auto _ : state) {
    state.PauseTiming();
    auto pool = std::make_unique<StackPool>(StackPoolOptions{});
    auto cache = std::make_unique<StackCache>(pool.get());
    state.ResumeTiming();
    for (Stack& s : stacks) {
      s = cache->Take(&why);
      if (touch) s.hi[-1] = 1;
    }
    state.PauseTiming();
    cache->Flush();
    cache.reset();
    pool.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kStacks));
}

void BM_Stack_TakeFresh(benchmark::State& state) { TakeFresh(state, false); }
BENCHMARK(BM_Stack_TakeFresh)->Unit(benchmark::kMillisecond);

void BM_Stack_TakeFreshTouch(benchmark::State& state) {
  TakeFresh(state, true);
}
BENCHMARK(BM_Stack_TakeFreshTouch)->Unit(benchmark::kMillisecond);

void BM_Stack_Trim(benchmark::State& state) {
  StackPool pool({});
  StackCache cache(&pool);
  absl::Status why;
  for (auto _ : state) {
    const Stack s = cache.Take(&why);
    std::memset(s.hi - (64 << 10), 1, 64 << 10);
    cache.Give(s, /*deep=*/true);
  }
  cache.Flush();
}
BENCHMARK(BM_Stack_Trim);

void BM_Stack_ScavengeCycle(benchmark::State& state) {
  constexpr int kStacks = 3200;
  StackPool pool({});
  StackCache cache(&pool);
  absl::Status why;
  std::vector<Stack> stacks(kStacks);
  for (auto _ : state) {
    for (Stack& s : stacks) {
      s = cache.Take(&why);
      s.hi[-1] = 1;
    }
    for (Stack s : stacks) cache.Give(s, false);
    cache.Flush();
    pool.Scavenge(kStacks);
    benchmark::DoNotOptimize(pool.Scavenge(kStacks));
  }
  state.SetItemsProcessed(state.iterations() * kStacks);
}
BENCHMARK(BM_Stack_ScavengeCycle)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace internal
}  // namespace mpg
