#include "tests/rows/sched_rows.h"

#include <stdlib.h>
#include <time.h>

#include <atomic>
#include <cstdint>

#include "base/clock.h"
#include "channel/chan.h"
#include "runtime/goroutine.h"
#include "sync/wait_group.h"

namespace mpg {
namespace rows {
namespace {

void Yield(int64_t n) {
  for (; n > 0; --n) Gosched();
}

void SpawnJoinSerial(int64_t n) {
  auto c = MakeChan<int>();
  for (; n > 0; --n) {
    Go([&c] { c.Send(1); });
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

// Goroutines parked on one channel.
struct Parked {
  Chan<int> gate = MakeChan<int>();
  WaitGroup done;
  std::atomic<int> ready{0};

  // In a goroutine.
  void Start(int count) {
    done.Add(count);
    for (int i = 0; i < count; ++i) {
      Go([this] {
        ready.fetch_add(1);
        gate.Recv();
        done.Done();
      });
    }
    while (ready.load() < count) Gosched();
  }
};

void SleepMs(int64_t ms) {
  const timespec nap = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&nap, nullptr);
}

// Until count goroutines are parked, seen from a plain thread.
void StartFromOutside(Runtime& runtime, Parked* parked, int count) {
  auto started = MakeChan<int>();
  runtime.Go([parked, count, started] {
    parked->Start(count);
    started.Send(1);
  });
  started.Recv();
}

std::function<Sample(Runtime&)> Memory(int count) {
  return [count](Runtime& runtime) {
    const double before = RssBytes();
    Parked parked;
    StartFromOutside(runtime, &parked, count);
    SleepMs(20);
    const double after = RssBytes();
    parked.gate.Close();
    parked.done.Wait();
    return Sample{(after - before) / count, {{"rss_mb", after / 1e6}}};
  };
}

Sample Create1M() {
  constexpr int kCount = 1000000;
  Parked parked;
  const int64_t start = NanoTime();
  parked.Start(kCount);
  const int64_t created = NanoTime() - start;
  // The last few get from their counter to the channel.
  const int64_t nap = NanoTime() + 20'000'000;
  while (NanoTime() < nap) Gosched();
  const int64_t woken = NanoTime();
  parked.gate.Close();
  parked.done.Wait();
  const int64_t wake = NanoTime() - woken;
  return {static_cast<double>(created + wake) / kCount,
          {{"create_ms", created / 1e6}, {"wake_end_ms", wake / 1e6}}};
}

Sample IdleCpu(Runtime& runtime) {
  Parked parked;
  StartFromOutside(runtime, &parked, 10000);
  SleepMs(200);
  const double before = ProcessCpuMs();
  SleepMs(5000);
  const double ms = ProcessCpuMs() - before;
  parked.gate.Close();
  parked.done.Wait();
  return {ms * 1e6, {{"cpu_ms_in_5s", ms}}};
}

}  // namespace

void AddSchedRows(std::vector<Bench>* benches) {
  auto op = [benches](const char* name, std::vector<int> procs,
                      std::function<Timed(int64_t)> f, const char* note) {
    Bench b;
    b.name = name;
    b.procs = std::move(procs);
    b.op = std::move(f);
    b.note = note;
    benches->push_back(std::move(b));
  };
  auto once = [benches](const char* name, std::vector<int> procs,
                        std::function<Sample()> f, const char* note) {
    Bench b;
    b.name = name;
    b.procs = std::move(procs);
    b.once = std::move(f);
    b.note = note;
    b.fresh = true;
    benches->push_back(std::move(b));
  };
  auto outside = [benches](const char* name, std::function<Sample(Runtime&)> f,
                           bool fresh, const char* note) {
    Bench b;
    b.name = name;
    b.procs = {2};
    b.outside = std::move(f);
    b.note = note;
    b.fresh = fresh;
    benches->push_back(std::move(b));
  };
  op("yield1", {1}, Each(1, Yield), "ns/Gosched");
  op("yield2", {1}, Each(2, Yield), "ns/Gosched");
  op("yield_many", {1, 2}, Each(1000, Yield), "ns/Gosched, 1000 goroutines");
  op("spawn_join_serial", {1}, Exactly(SpawnJoinSerial), "ns/spawn+join");
  op("spawn_batch", {1, 2}, SpawnBatch, "ns/goroutine, batches of 10000");
  once("skynet", {1, 2}, Skynet, "total ns");
  op("fib_par", {1, 2}, FibPar, "ns/spawn, fib(25)");
  outside("memory_100k", Memory(100000), true, "bytes/goroutine");
  outside("memory_1M", Memory(1000000), true, "bytes/goroutine");
  once("create_1M", {1, 2}, Create1M,
       "ns/goroutine, created, parked, woken, ended");
  outside("idle_cpu", IdleCpu, false, "CPU ns in 5 s");
}

}  // namespace rows
}  // namespace mpg
