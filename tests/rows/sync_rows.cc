#include "tests/rows/sync_rows.h"

#include <stdlib.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "benchmark/benchmark.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "runtime/goroutine.h"
#include "sync/mutex.h"
#include "sync/sema.h"
#include "sync/wait_group.h"

namespace mpg {
namespace rows {
namespace {

void PingPong(int64_t n) {
  auto a = MakeChan<char>();
  auto b = MakeChan<char>();
  Go([a, b] {
    for (char v : a) b.Send(v);
  });
  for (; n > 0; --n) {
    a.Send(1);
    b.Recv();
  }
  a.Close();
}

std::function<Timed(int64_t)> Pipe(int producers, int consumers, int buffer) {
  return [=](int64_t n) {
    const int64_t per = (n + producers - 1) / producers;
    auto c = MakeChan<int64_t>(buffer);
    WaitGroup sent, received;
    sent.Add(producers);
    received.Add(consumers);
    const int64_t start = NanoTime();
    for (int i = 0; i < consumers; ++i) {
      Go([&received, c] {
        for (int64_t v : c) benchmark::DoNotOptimize(v);
        received.Done();
      });
    }
    for (int i = 0; i < producers; ++i) {
      Go([&sent, c, per] {
        for (int64_t j = 0; j < per; ++j) c.Send(j);
        sent.Done();
      });
    }
    sent.Wait();
    c.Close();
    received.Wait();
    return Timed{per * producers, NanoTime() - start};
  };
}

void TryRecvEmpty(int64_t n) {
  auto c = MakeChan<int64_t>();
  for (; n > 0; --n) benchmark::DoNotOptimize(c.TryRecv());
}

void SendRecvSame(int64_t n) {
  auto c = MakeChan<int64_t>(1);
  for (; n > 0; --n) {
    c.Send(n);
    benchmark::DoNotOptimize(c.Recv());
  }
}

void Select2(int64_t n) {
  auto a = MakeChan<int64_t>();
  auto b = MakeChan<int64_t>();
  Go([a, b, n] {
    for (int64_t i = 0; i < n; ++i) (i % 2 == 0 ? a : b).Send(i);
  });
  int64_t sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    Select(OnRecv(a, [&](std::optional<int64_t> v) { sum += *v; }),
           OnRecv(b, [&](std::optional<int64_t> v) { sum += *v; }));
  }
  if (sum != n * (n - 1) / 2) abort();
}

void SelectWithDefault(int64_t n) {
  auto a = MakeChan<int64_t>();
  auto b = MakeChan<int64_t>();
  int64_t defaults = 0;
  for (int64_t i = 0; i < n; ++i) {
    Select(OnRecv(a, [](std::optional<int64_t>) { abort(); }),
           OnRecv(b, [](std::optional<int64_t>) { abort(); }),
           OnDefault([&] { ++defaults; }));
  }
  if (defaults != n) abort();
}

// Its goroutines are left parked, as in every version of this program.
Sample PrimeSieve() {
  const int64_t start = NanoTime();
  auto in = MakeChan<int>();
  Go([in] {
    for (int i = 2;; ++i) in.Send(i);
  });
  int last = 0;
  for (int k = 0; k < 2000; ++k) {
    last = *in.Recv();
    auto out = MakeChan<int>();
    Go([in, out, last] {
      for (;;) {
        const int i = *in.Recv();
        if (i % last != 0) out.Send(i);
      }
    });
    in = out;
  }
  if (last != 17389) abort();
  const double ns = static_cast<double>(NanoTime() - start);
  return {ns, {{"ms", ns / 1e6}}};
}

Sample Ring() {
  constexpr int kNodes = 1000, kRounds = 1000;
  auto first = MakeChan<int>();
  auto in = first;
  for (int i = 0; i < kNodes - 1; ++i) {
    auto out = MakeChan<int>();
    Go([in, out] {
      for (int v : in) out.Send(v);
      out.Close();
    });
    in = out;
  }
  const int64_t start = NanoTime();
  for (int r = 0; r < kRounds; ++r) {
    first.Send(r);
    if (in.Recv() != r) abort();
  }
  const double ns = static_cast<double>(NanoTime() - start);
  first.Close();
  in.Recv();
  return {ns / (kNodes * kRounds), {}};
}

void MutexUncontended(int64_t n) {
  Mutex mu;
  for (; n > 0; --n) {
    mu.Lock();
    mu.Unlock();
  }
}

Timed MutexContended(int64_t n) {
  Mutex mu;
  int64_t count = 0;
  const Timed t = Each(8, [&](int64_t k) {
    for (; k > 0; --k) {
      mu.Lock();
      ++count;
      mu.Unlock();
    }
  })(n);
  if (count != t.ops) abort();
  return t;
}

void AddDoneWait(int64_t n) {
  WaitGroup group;
  for (; n > 0; --n) {
    group.Add(1);
    group.Done();
    group.Wait();
  }
}

void SemUncontended(int64_t n) {
  std::atomic<uint32_t> sema{0};
  for (; n > 0; --n) {
    Semrelease(&sema);
    Semacquire(&sema);
  }
}

void SemPingPong(int64_t n) {
  std::atomic<uint32_t> a{0}, b{0};
  WaitGroup group;
  group.Add(1);
  Go([&, n] {
    for (int64_t i = 0; i < n; ++i) {
      Semacquire(&a);
      Semrelease(&b);
    }
    group.Done();
  });
  for (int64_t i = 0; i < n; ++i) {
    Semrelease(&a);
    Semacquire(&b);
  }
  group.Wait();
}

}  // namespace

void AddSyncRows(std::vector<Bench>* benches) {
  auto op = [benches](const char* name, std::vector<int> procs,
                      std::function<Timed(int64_t)> f, const char* note) {
    Bench b;
    b.name = name;
    b.procs = std::move(procs);
    b.op = std::move(f);
    b.note = note;
    benches->push_back(std::move(b));
  };
  auto once = [benches](const char* name, std::function<Sample()> f,
                        const char* note) {
    Bench b;
    b.name = name;
    b.procs = {1, 2};
    b.once = std::move(f);
    b.note = note;
    b.fresh = true;
    benches->push_back(std::move(b));
  };
  op("chan_pingpong", {1, 2}, Exactly(PingPong), "ns/round trip");
  op("chan_buf_1p1c", {1, 2}, Pipe(1, 1, 128), "ns/msg, buffer 128");
  op("chan_mpmc", {1, 2}, Pipe(4, 4, 128), "ns/msg, 4+4, buffer 128");
  op("chan_try_recv_empty", {1}, Exactly(TryRecvEmpty), "ns/try");
  op("chan_buf_same_goroutine", {1}, Exactly(SendRecvSame), "ns/send+recv");
  op("select2", {1, 2}, Exactly(Select2), "ns/msg");
  op("select_default", {1}, Exactly(SelectWithDefault),
     "ns/select of 2 + default");
  once("prime_sieve", PrimeSieve, "total ns, 2000 primes");
  once("ring", Ring, "ns/hop");
  op("mutex_uncontended", {1}, Exactly(MutexUncontended), "ns/lock+unlock");
  op("mutex_contended", {1, 2}, MutexContended,
     "ns/lock+unlock, 8 goroutines");
  op("waitgroup", {1}, Exactly(AddDoneWait), "ns/Add+Done+Wait");
  op("sem_uncontended", {1}, Exactly(SemUncontended), "ns/release+acquire");
  op("sem_pingpong", {1, 2}, Exactly(SemPingPong), "ns/round trip");
}

}  // namespace rows
}  // namespace mpg
