// Semaphores between plain threads, and the queue behind them. Between
// goroutines: //tests/rows, sem_uncontended and sem_pingpong.
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "benchmark/benchmark.h"
#include "sync/sema.h"
#include "sync/sema_queue.h"

namespace mpg {
namespace {

void BM_Sema_Uncontended(benchmark::State& state) {
  std::atomic<uint32_t> s{0};
  for (auto _ : state) {
    Semrelease(&s);
    Semacquire(&s);
  }
}
BENCHMARK(BM_Sema_Uncontended);

void BM_Sema_PingPong(benchmark::State& state) {
  std::atomic<uint32_t> ping{0}, pong{0};
  std::atomic<bool> stop{false};
  std::thread other([&] {
    for (;;) {
      Semacquire(&ping);
      if (stop) return;
      Semrelease(&pong);
    }
  });
  for (auto _ : state) {
    Semrelease(&ping);
    Semacquire(&pong);
  }
  stop = true;
  Semrelease(&ping);
  other.join();
}
BENCHMARK(BM_Sema_PingPong)->UseRealTime();

// In and out at one key, while others wait at state.range(0) other keys of the
// root. Go: BenchmarkSemTable/ManyAddrCollision.
void BM_SemaQueue_ManyKeys(benchmark::State& state) {
  internal::SemaQueue queue(1);
  std::vector<std::unique_ptr<internal::SemaNode>> others;
  for (int64_t i = 0; i < state.range(0); ++i) {
    others.push_back(std::make_unique<internal::SemaNode>(
        nullptr, static_cast<uintptr_t>(i * 251 * 8)));
    queue.Enqueue(others.back().get(), false);
  }
  const auto key = static_cast<uintptr_t>(state.range(0) / 2 * 251 * 8 + 8);
  internal::SemaNode node(nullptr, key);
  for (auto _ : state) {
    queue.Enqueue(&node, false);
    benchmark::DoNotOptimize(queue.Dequeue(key));
  }
}
BENCHMARK(BM_SemaQueue_ManyKeys)->Arg(0)->Arg(10)->Arg(1000)->Arg(100'000);

// The same with the others at the same key. Go: .../OneAddrCollision.
void BM_SemaQueue_OneKey(benchmark::State& state) {
  internal::SemaQueue queue(1);
  std::vector<std::unique_ptr<internal::SemaNode>> nodes;
  for (int64_t i = 0; i < state.range(0); ++i) {
    nodes.push_back(std::make_unique<internal::SemaNode>(nullptr, 8));
    queue.Enqueue(nodes.back().get(), false);
  }
  for (auto _ : state) queue.Enqueue(queue.Dequeue(8), false);
}
BENCHMARK(BM_SemaQueue_OneKey)->Arg(1)->Arg(10)->Arg(1000)->Arg(100'000);

}  // namespace
}  // namespace mpg
