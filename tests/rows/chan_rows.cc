#include "tests/rows/chan_rows.h"

#include <stdlib.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>

#include "base/clock.h"
#include "benchmark/benchmark.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "channel/unit.h"
#include "runtime/goroutine.h"
#include "sync/wait_group.h"

namespace mpg {
namespace rows {
namespace {

void PingPong(int64_t n) {
  auto a = MakeChan<Unit>();
  auto b = MakeChan<Unit>();
  Go([a, b] {
    for (Unit v : a) b.Send(v);
  });
  for (; n > 0; --n) {
    a.Send({});
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

int64_t sink;  // of what is received, as in Go's version

void TryRecvEmpty(int64_t n) {
  auto c = MakeChan<int64_t>();
  for (; n > 0; --n) {
    if (const std::optional<int64_t> v = c.TryRecv()) sink = *v;
  }
  benchmark::DoNotOptimize(sink);
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

// As Select2, but eight channels.
void Select8(int64_t n) {
  std::array<Chan<int64_t>, 8> c;
  for (auto& channel : c) channel = MakeChan<int64_t>();
  Go([c, n] {
    for (int64_t i = 0; i < n; ++i) c[i % 8].Send(i);
  });
  int64_t sum = 0;
  const auto add = [&](std::optional<int64_t> v) { sum += *v; };
  for (int64_t i = 0; i < n; ++i) {
    Select(OnRecv(c[0], add), OnRecv(c[1], add), OnRecv(c[2], add),
           OnRecv(c[3], add), OnRecv(c[4], add), OnRecv(c[5], add),
           OnRecv(c[6], add), OnRecv(c[7], add));
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

}  // namespace

void AddChanRows(std::vector<Bench>* benches) {
  benches->push_back(
      Op("chan_pingpong", {1, 2}, Exactly(PingPong), "ns/round trip"));
  benches->push_back(
      Op("chan_buf_1p1c", {1, 2}, Pipe(1, 1, 128), "ns/msg, buffer 128"));
  benches->push_back(
      Op("chan_mpmc", {1, 2}, Pipe(4, 4, 128), "ns/msg, 4+4, buffer 128"));
  benches->push_back(
      Op("chan_try_recv_empty", {1}, Exactly(TryRecvEmpty), "ns/try"));
  benches->push_back(Op("chan_buf_same_goroutine", {1}, Exactly(SendRecvSame),
                        "ns/send+recv"));
  benches->push_back(Op("select2", {1, 2}, Exactly(Select2), "ns/msg"));
  benches->push_back(
      Op("select8", {1, 2}, Exactly(Select8), "ns/msg, 8 channels"));
  benches->push_back(Op("select_default", {1}, Exactly(SelectWithDefault),
                        "ns/select of 2 + default"));
  benches->push_back(
      Once("prime_sieve", {1, 2}, PrimeSieve, "total ns, 2000 primes"));
  benches->push_back(Once("ring", {1, 2}, Ring, "ns/hop"));
}

}  // namespace rows
}  // namespace mpg
