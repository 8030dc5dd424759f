// What the lowest floor costs: RuntimeLock against std::mutex, alone and
// contended; notes; the seam between threads.
//
//   bazel run --config=bench //base:lock_benchmark
#include <cstdint>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/lock.h"
#include "base/note.h"
#include "base/park.h"
#include "base/random.h"
#include "benchmark/benchmark.h"

namespace mpg {
namespace {

struct StdMutex {
  void Lock() { mu.lock(); }
  void Unlock() { mu.unlock(); }
  std::mutex mu;
};

template <class L>
void BM_Lock_Section(benchmark::State& state) {
  static L lock;
  static int64_t shared = 0;
  for (auto _ : state) {
    lock.Lock();
    benchmark::DoNotOptimize(++shared);
    lock.Unlock();
  }
}
BENCHMARK_TEMPLATE(BM_Lock_Section, RuntimeLock)
    ->Threads(1)
    ->Threads(2)
    ->Threads(8)
    ->UseRealTime();
BENCHMARK_TEMPLATE(BM_Lock_Section, StdMutex)
    ->Threads(1)
    ->Threads(2)
    ->Threads(8)
    ->UseRealTime();

void BM_Lock_TryLock(benchmark::State& state) {
  RuntimeLock lock;
  int got = 0;
  for (auto _ : state) {
    if (lock.TryLock()) {
      benchmark::DoNotOptimize(++got);
      lock.Unlock();
    }
  }
}
BENCHMARK(BM_Lock_TryLock);

void BM_Note_WakeupSleepClear(benchmark::State& state) {
  Note note;
  for (auto _ : state) {
    note.Wakeup();
    note.Sleep();
    note.Clear();
  }
}
BENCHMARK(BM_Note_WakeupSleepClear);

void BM_Note_RoundTrip(benchmark::State& state) {
  Note ping, pong;
  bool stop = false;
  std::thread other([&] {
    for (;;) {
      ping.Sleep();
      ping.Clear();
      if (stop) return;
      pong.Wakeup();
    }
  });
  for (auto _ : state) {
    ping.Wakeup();
    pong.Sleep();
    pong.Clear();
  }
  stop = true;
  ping.Wakeup();
  other.join();
}
BENCHMARK(BM_Note_RoundTrip)->UseRealTime();

void BM_Park_CurrentWaiter(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(CurrentWaiter());
}
BENCHMARK(BM_Park_CurrentWaiter);

void BM_Park_PreemptPoint(benchmark::State& state) {
  for (auto _ : state) {
    PreemptPoint();
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_Park_PreemptPoint);

void BM_Clock_NanoTime(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(NanoTime());
}
BENCHMARK(BM_Clock_NanoTime);

void BM_Clock_CpuTicks(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(CpuTicks());
}
BENCHMARK(BM_Clock_CpuTicks);

void BM_Random_FastRand(benchmark::State& state) {
  FastRand rand(1);
  for (auto _ : state) benchmark::DoNotOptimize(rand.Next());
}
BENCHMARK(BM_Random_FastRand);

void BM_Random_ThreadRand(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(ThreadRand());
}
BENCHMARK(BM_Random_ThreadRand);

}  // namespace
}  // namespace mpg
