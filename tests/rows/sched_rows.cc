#include "tests/rows/sched_rows.h"

#include <stdlib.h>
#include <time.h>

#include <atomic>
#include <cstdint>
#include <functional>

#include "base/clock.h"
#include "channel/chan.h"
#include "channel/unit.h"
#include "runtime/goroutine.h"
#include "sync/wait_group.h"

namespace mpg {
namespace rows {
namespace {

void Yield(int64_t n) {
  for (; n > 0; --n) Gosched();
}

void SpawnJoinSerial(int64_t n) {
  auto c = MakeChan<Unit>();
  for (; n > 0; --n) {
    Go([&c] { c.Send({}); });
    c.Recv();
  }
}

Timed SpawnBatch(int64_t n) {
  constexpr int kBatch = 10000;
  const int64_t rounds = (n + kBatch - 1) / kBatch;
  const int64_t start = NanoTime();
  for (int64_t r = 0; r < rounds; ++r) {
    WaitGroup group;
    group.Add(kBatch);
    for (int i = 0; i < kBatch; ++i) Go([&group] { group.Done(); });
    group.Wait();
  }
  return {rounds * kBatch, NanoTime() - start};
}

void SkynetNode(SendChan<int64_t> result, int64_t num, int64_t size) {
  if (size == 1) {
    result.Send(num);
    return;
  }
  auto c = MakeChan<int64_t>();
  const int64_t sub = size / 10;
  for (int i = 0; i < 10; ++i) {
    Go([c, num, sub, i] { SkynetNode(c, num + i * sub, sub); });
  }
  int64_t sum = 0;
  for (int i = 0; i < 10; ++i) sum += *c.Recv();
  result.Send(sum);
}

Sample Skynet() {
  const int64_t start = NanoTime();
  auto c = MakeChan<int64_t>();
  Go([c] { SkynetNode(c, 0, 1000000); });
  if (*c.Recv() != 499999500000) abort();
  const double ns = static_cast<double>(NanoTime() - start);
  return {ns, {{"ms", ns / 1e6}, {"ns_per_goroutine", ns / 1111111}}};
}

int Fib(int n) {
  if (n < 2) return n;
  WaitGroup group;
  int left = 0;
  group.Add(1);
  Go([&group, &left, n] {
    left = Fib(n - 1);
    group.Done();
  });
  const int right = Fib(n - 2);
  group.Wait();
  return left + right;
}

Timed FibPar(int64_t n) {
  constexpr int64_t kSpawns = 121392;  // calls with n >= 2: fib(26) - 1
  const int64_t rounds = (n + kSpawns - 1) / kSpawns;
  const int64_t start = NanoTime();
  for (int64_t r = 0; r < rounds; ++r) {
    if (Fib(25) != 75025) abort();
  }
  return {rounds * kSpawns, NanoTime() - start};
}

void SleepMs(int64_t ms) {
  const timespec nap = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&nap, nullptr);
}

// Goroutines parked on one channel. For use outside the Runtime: its waiting is
// the plain thread's, so that no goroutine or timer of ours adds to the figures.
class Parked {
 public:
  // Returns when all are parked: the last few are given 20 ms to get from their
  // counter to the channel. The time until the counter was full: in ns.
  int64_t Start(Runtime& runtime, int count) {
    auto started = MakeChan<int64_t>();
    runtime.Go([this, count, started] {
      const int64_t start = NanoTime();
      done_.Add(count);
      for (int i = 0; i < count; ++i) {
        Go([this] {
          ready_.fetch_add(1);
          gate_.Recv();
          done_.Done();
        });
      }
      while (ready_.load() < count) Gosched();
      started.Send(NanoTime() - start);
    });
    const int64_t ns = *started.Recv();
    SleepMs(20);
    return ns;
  }

  // Wakes all and returns when they have ended: after so many ns.
  int64_t Release(Runtime& runtime) {
    auto released = MakeChan<int64_t>();
    runtime.Go([this, released] {
      const int64_t start = NanoTime();
      gate_.Close();
      done_.Wait();
      released.Send(NanoTime() - start);
    });
    return *released.Recv();
  }

 private:
  Chan<Unit> gate_ = MakeChan<Unit>();
  WaitGroup done_;
  std::atomic<int64_t> ready_{0};
};

std::function<Sample(Runtime&)> Memory(int count) {
  return [count](Runtime& runtime) {
    const double before = RssBytes();
    Parked parked;
    parked.Start(runtime, count);
    const double after = RssBytes();
    parked.Release(runtime);
    return Sample{(after - before) / count, {{"rss_mb", after / 1e6}}};
  };
}

Sample Create1M(Runtime& runtime) {
  constexpr int kCount = 1000000;
  Parked parked;
  const double create = static_cast<double>(parked.Start(runtime, kCount));
  const double wake = static_cast<double>(parked.Release(runtime));
  return {(create + wake) / kCount,
          {{"create_ms", create / 1e6}, {"wake_end_ms", wake / 1e6}}};
}

Sample IdleCpu(Runtime& runtime) {
  Parked parked;
  parked.Start(runtime, 10000);
  SleepMs(200);
  const double before = ProcessCpuMs();
  SleepMs(5000);
  const double ms = ProcessCpuMs() - before;
  parked.Release(runtime);
  return {ms * 1e6, {{"cpu_ms_in_5s", ms}}};
}

}  // namespace

void AddSchedRows(std::vector<Bench>* benches) {
  benches->push_back(Op("yield1", {1}, Each(1, Yield), "ns/Gosched"));
  benches->push_back(Op("yield2", {1}, Each(2, Yield), "ns/Gosched"));
  benches->push_back(Op("yield_many", {1, 2}, Each(1000, Yield),
                        "ns/Gosched, 1000 goroutines"));
  benches->push_back(
      Op("spawn_join_serial", {1}, Exactly(SpawnJoinSerial), "ns/spawn+join"));
  benches->push_back(
      Op("spawn_batch", {1, 2}, SpawnBatch, "ns/goroutine, batches of 10000"));
  benches->push_back(Once("skynet", {1, 2}, Skynet, "total ns"));
  benches->push_back(Op("fib_par", {1, 2}, FibPar, "ns/spawn, fib(25)"));
  benches->push_back(
      Outside("memory_100k", {2}, Memory(100000), "bytes/goroutine"));
  benches->push_back(
      Outside("memory_1M", {2}, Memory(1000000), "bytes/goroutine"));
  benches->push_back(Outside("create_1M", {1, 2}, Create1M,
                             "ns/goroutine, created, parked, woken, ended"));
  benches->push_back(Outside("idle_cpu", {2}, IdleCpu, "CPU ns in 5 s"));
}

}  // namespace rows
}  // namespace mpg
