// What it costs to derive a context, and to cancel one and many.
#include <vector>

#include "benchmark/benchmark.h"
#include "context/context.h"

namespace mpg {
namespace {

void BM_WithCancelAndCancel(benchmark::State& state) {
  const auto [parent, cancel_parent] = WithCancel(Background());
  for (auto _ : state) {
    const auto [ctx, cancel] = WithCancel(parent);
    benchmark::DoNotOptimize(ctx.Done());
    cancel();
  }
}
BENCHMARK(BM_WithCancelAndCancel);

void BM_Err(benchmark::State& state) {
  const auto [ctx, cancel] = WithCancel(Background());
  for (auto _ : state) benchmark::DoNotOptimize(ctx.Err().ok());
}
BENCHMARK(BM_Err);

// A tree of 1000 with ten children a node, made and cancelled at its root.
void BM_TreeOf1000(benchmark::State& state) {
  for (auto _ : state) {
    std::vector<Context> tree;
    auto [root, cancel] = WithCancel(Background());
    tree.push_back(root);
    for (int i = 1; i < 1000; ++i) {
      tree.push_back(WithCancel(tree[(i - 1) / 10]).first);
      benchmark::DoNotOptimize(tree.back().Done());
    }
    cancel();
    benchmark::DoNotOptimize(tree.back().Err().ok());
  }
  state.SetItemsProcessed(state.iterations() * 1000);
}
BENCHMARK(BM_TreeOf1000);

}  // namespace
}  // namespace mpg
