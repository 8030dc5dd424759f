// Cost of a change of stacks.
//
//   BM_Switch_Pair        two contexts; "switch" is the time of one
//   BM_Switch_Ring/N/C/P  N stacks one after another, each touching a few lines
//                         of its frame as a goroutine does; C colours; with P=1
//                         the stack after the next is prefetched; "switch" is
//                         the time of one
//   BM_Switch_PairWithEh  as Pair, with the exception state carried along
#include <cstdint>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/status/status.h"
#include "benchmark/benchmark.h"
#include "runtime/stack/stack.h"
#include "runtime/switch/eh_state.h"
#include "runtime/switch/switch.h"

namespace mpg {
namespace internal {
namespace {

struct Partner {
  Context main;
  Context self;
};

void BounceBack(void* arg) {
  Partner* const p = static_cast<Partner*>(arg);
  for (;;) SwitchContext(&p->self, &p->main);
}

void BM_Switch_Pair(benchmark::State& state) {
  StackPool pool({});
  StackCache cache(&pool);
  absl::Status why;
  const Stack stack = cache.Take(&why);
  Partner p;
  MakeContext(&p.self, stack.hi, BounceBack, &p);
  for (auto _ : state) {
    SwitchContext(&p.main, &p.self);
  }
  state.counters["switch"] = benchmark::Counter(
      static_cast<double>(2 * state.iterations()),
      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  cache.Give(stack, false);
  cache.Flush();
}
BENCHMARK(BM_Switch_Pair);

void BM_Switch_PairWithEh(benchmark::State& state) {
  StackPool pool({});
  StackCache cache(&pool);
  absl::Status why;
  const Stack stack = cache.Take(&why);
  struct Eh : Partner {
    EhState* thread;
    EhState main_eh, self_eh;
  } p;
  p.thread = ThreadEhState();
  MakeContext(
      &p.self, stack.hi,
      [](void* arg) {
        Eh* const e = static_cast<Eh*>(arg);
        for (;;) {
          SwitchEhState(e->thread, &e->self_eh, &e->main_eh);
          SwitchContext(&e->self, &e->main);
        }
      },
      &p);
  for (auto _ : state) {
    SwitchEhState(p.thread, &p.main_eh, &p.self_eh);
    SwitchContext(&p.main, &p.self);
  }
  state.counters["switch"] = benchmark::Counter(
      static_cast<double>(2 * state.iterations()),
      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  cache.Give(stack, false);
  cache.Flush();
}
BENCHMARK(BM_Switch_PairWithEh);

struct Node {
  Context ctx;
  Node* next;
};

// A frame of a goroutine that called a few functions down before it parked.
template <bool kPrefetch>
ABSL_ATTRIBUTE_NOINLINE void WorkALittle(Node* n) {
  volatile uint64_t frame[24];
  frame[8] = 0;
  frame[0] = frame[8];
  frame[16] = frame[0] + 1;
  if (kPrefetch) PrefetchContext(&n->next->next->ctx);
  SwitchContext(&n->ctx, &n->next->ctx);
  frame[8] = frame[16];
}

template <bool kPrefetch>
void PassOn(void* arg) {
  Node* const n = static_cast<Node*>(arg);
  for (;;) WorkALittle<kPrefetch>(n);
}

template <bool kPrefetch>
void RunRing(benchmark::State& state) {
  const size_t count = static_cast<size_t>(state.range(0));
  StackPoolOptions options;
  options.colours = static_cast<int>(state.range(1));
  StackPool pool(options);
  StackCache cache(&pool);
  absl::Status why;
  std::vector<Stack> stacks;
  std::vector<Node> nodes(count + 1);  // the last one is this thread
  for (size_t i = 0; i < count; ++i) {
    stacks.push_back(cache.Take(&why));
    MakeContext(&nodes[i].ctx, stacks[i].hi, PassOn<kPrefetch>, &nodes[i]);
    nodes[i].next = &nodes[i + 1];
  }
  nodes[count].next = &nodes[0];
  WorkALittle<kPrefetch>(&nodes[count]);  // touches every stack
  for (auto _ : state) WorkALittle<kPrefetch>(&nodes[count]);
  state.counters["switch"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * static_cast<double>(count + 1),
      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  for (Stack s : stacks) cache.Give(s, false);
  cache.Flush();
}
void BM_Switch_Ring(benchmark::State& state) {
  if (state.range(2) != 0) {
    RunRing<true>(state);
  } else {
    RunRing<false>(state);
  }
}
BENCHMARK(BM_Switch_Ring)
    ->ArgNames({"stacks", "colours", "prefetch"})
    ->ArgsProduct({{10, 100, 1000, 10000}, {1, 16}, {0, 1}});

}  // namespace
}  // namespace internal
}  // namespace mpg
