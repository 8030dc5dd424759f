// RWMutex between plain threads, beside std::shared_mutex. Between goroutines:
// //tests/rows, rwmutex_read and rwmutex_read_8.
#include <cstdint>
#include <shared_mutex>

#include "absl/base/thread_annotations.h"
#include "benchmark/benchmark.h"
#include "sync/rwmutex.h"

namespace mpg {
namespace {

// All threads read; every state.range(0)-th operation writes, if that is not 0.
template <class M>
void BM_ReadMostly(benchmark::State& state) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  static M mu;
  static int64_t value = 0;
  const int64_t writes = state.range(0);
  int64_t i = 0;
  for (auto _ : state) {
    if (writes != 0 && ++i % writes == 0) {
      mu.lock();
      ++value;
      mu.unlock();
    } else {
      mu.lock_shared();
      benchmark::DoNotOptimize(value);
      mu.unlock_shared();
    }
  }
}
BENCHMARK_TEMPLATE(BM_ReadMostly, RWMutex)
    ->Arg(0)
    ->Arg(100)
    ->ThreadRange(1, 8)
    ->UseRealTime();
BENCHMARK_TEMPLATE(BM_ReadMostly, std::shared_mutex)
    ->Arg(0)
    ->Arg(100)
    ->ThreadRange(1, 8)
    ->UseRealTime();

template <class M>
void BM_WriteLock(benchmark::State& state) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  M mu;
  for (auto _ : state) {
    mu.lock();
    mu.unlock();
  }
}
BENCHMARK_TEMPLATE(BM_WriteLock, RWMutex);
BENCHMARK_TEMPLATE(BM_WriteLock, std::shared_mutex);

}  // namespace
}  // namespace mpg
