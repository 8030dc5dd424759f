// WaitGroup between plain threads. Between goroutines: //tests/rows, waitgroup and
// fib_par.
#include <atomic>
#include <thread>

#include "benchmark/benchmark.h"
#include "sync/sema.h"
#include "sync/wait_group.h"

namespace mpg {
namespace {

void BM_WaitGroup_AddDoneWait(benchmark::State& state) {
  WaitGroup wg;
  for (auto _ : state) {
    wg.Add(1);
    wg.Done();
    wg.Wait();
  }
}
BENCHMARK(BM_WaitGroup_AddDoneWait);

void BM_WaitGroup_SharedDone(benchmark::State& state) {
  static WaitGroup wg;
  for (auto _ : state) {
    wg.Add(1);
    wg.Done();
  }
}
BENCHMARK(BM_WaitGroup_SharedDone)->ThreadRange(1, 8)->UseRealTime();

// A Wait that parks, and its Done by another thread.
void BM_WaitGroup_WaitParks(benchmark::State& state) {
  std::atomic<uint32_t> work{0};
  std::atomic<WaitGroup*> current{nullptr};
  std::thread other([&] {
    for (;;) {
      Semacquire(&work);
      WaitGroup* const wg = current.load();
      if (wg == nullptr) return;
      wg->Done();
    }
  });
  for (auto _ : state) {
    WaitGroup wg;
    wg.Add(1);
    current = &wg;
    Semrelease(&work);
    wg.Wait();
  }
  current = nullptr;
  Semrelease(&work);
  other.join();
}
BENCHMARK(BM_WaitGroup_WaitParks)->UseRealTime();

}  // namespace
}  // namespace mpg
