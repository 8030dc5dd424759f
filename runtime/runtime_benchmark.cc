// The scheduler's own operations. Whole programs of goroutines, comparable with
// other languages' and libraries', are in tests/rows/.
#include <atomic>
#include <cstdint>

#include "base/park.h"
#include "benchmark/benchmark.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"

namespace mpg {
namespace {

RuntimeOptions Procs(int64_t n) {
  RuntimeOptions options;
  options.max_procs = static_cast<int>(n);
  return options;
}

// Yields between `goroutines` that do nothing else.
void BM_Runtime_Yield(benchmark::State& state) {
  const int others = static_cast<int>(state.range(0)) - 1;
  Runtime runtime(Procs(1));
  runtime.Run([&] {
    std::atomic<bool> stop{false};
    for (int i = 0; i < others; ++i) {
      Go([&stop] {
        while (!stop.load(std::memory_order_relaxed)) Gosched();
      });
    }
    int64_t turns = 0;
    for (auto _ : state) {
      Gosched();
      ++turns;
    }
    stop = true;
    while (NumGoroutine() > 1) Gosched();
    state.SetItemsProcessed(turns * (others + 1));
  });
}
BENCHMARK(BM_Runtime_Yield)->Arg(1)->Arg(2)->Arg(100)->Arg(1000)->Arg(10000);

// One goroutine from birth to end: it runs when the caller yields.
void BM_Runtime_SpawnAndEnd(benchmark::State& state) {
  Runtime runtime(Procs(1));
  runtime.Run([&] {
    int64_t ran = 0;
    for (auto _ : state) {
      Go([&ran] { ++ran; });
      Gosched();
    }
    while (NumGoroutine() > 1) Gosched();
    if (ran != static_cast<int64_t>(state.iterations())) {
      state.SkipWithError("a goroutine was lost");
    }
  });
}
BENCHMARK(BM_Runtime_SpawnAndEnd);

// Spawned by a thread without a P, and waited for: a wake-up each.
void BM_Runtime_SpawnFromThread(benchmark::State& state) {
  Runtime runtime(Procs(state.range(0)));
  for (auto _ : state) {
    runtime.Go([] {});
    runtime.Wait();
  }
}
BENCHMARK(BM_Runtime_SpawnFromThread)->Arg(1)->Arg(2)->UseRealTime();

constexpr ParkSite kSite = {WaitReason::kNone, nullptr, nullptr};

// Two goroutines that wake each other through the bare seam: what a channel
// cannot go below.
void BM_Runtime_ParkReady(benchmark::State& state) {
  Runtime runtime(Procs(1));
  runtime.Run([&] {
    Waiter* const self = CurrentWaiter();
    Waiter* other = nullptr;
    bool stop = false;
    Go([&] {
      other = CurrentWaiter();
      while (!stop) {
        Ready(self);
        Park(other, &kSite, nullptr, nullptr);
      }
      Ready(self);
    });
    Park(self, &kSite, nullptr, nullptr);
    for (auto _ : state) {
      Ready(other);
      Park(self, &kSite, nullptr, nullptr);
    }
    stop = true;
    Ready(other);
    Park(self, &kSite, nullptr, nullptr);
    state.SetItemsProcessed(2 * static_cast<int64_t>(state.iterations()));
  });
}
BENCHMARK(BM_Runtime_ParkReady);

void BM_Runtime_StopTheWorld(benchmark::State& state) {
  Runtime runtime(Procs(state.range(0)));
  runtime.Run([&] {
    for (auto _ : state) {
      StopTheWorld("benchmark");
      StartTheWorld();
    }
  });
}
BENCHMARK(BM_Runtime_StopTheWorld)->Arg(1)->Arg(8);

// A Runtime's whole life around one goroutine.
void BM_Runtime_StartAndEnd(benchmark::State& state) {
  for (auto _ : state) {
    Runtime runtime(Procs(2));
    runtime.Run([] {});
  }
}
BENCHMARK(BM_Runtime_StartAndEnd)->UseRealTime();

}  // namespace
}  // namespace mpg
