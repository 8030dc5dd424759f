// Mutex between plain threads, beside std::mutex and absl::Mutex. Between
// goroutines: //tests/rows, mutex_uncontended and mutex_contended.
#include <cstdint>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "benchmark/benchmark.h"
#include "sync/mutex.h"

namespace mpg {
namespace {

struct AbslMutex {
  void lock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mu.Lock(); }
  void unlock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mu.Unlock(); }
  absl::Mutex mu;
};

// One counter, which all threads of the benchmark increment.
template <class M>
void BM_LockUnlock(benchmark::State& state) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  static M mu;
  static int64_t counter = 0;
  for (auto _ : state) {
    mu.lock();
    ++counter;
    mu.unlock();
  }
  benchmark::DoNotOptimize(counter);
}
BENCHMARK_TEMPLATE(BM_LockUnlock, Mutex)->ThreadRange(1, 8)->UseRealTime();
BENCHMARK_TEMPLATE(BM_LockUnlock, std::mutex)->ThreadRange(1, 8)->UseRealTime();
BENCHMARK_TEMPLATE(BM_LockUnlock, AbslMutex)->ThreadRange(1, 8)->UseRealTime();

void BM_Mutex_TryLockFails(benchmark::State& state)
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  Mutex mu;
  mu.Lock();
  for (auto _ : state) benchmark::DoNotOptimize(mu.TryLock());
  mu.Unlock();
}
BENCHMARK(BM_Mutex_TryLockFails);

}  // namespace
}  // namespace mpg
