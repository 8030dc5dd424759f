// Cond between plain threads, beside std::condition_variable. Between goroutines:
// //tests/rows, cond_pingpong.
#include <condition_variable>
#include <mutex>
#include <thread>

#include "benchmark/benchmark.h"
#include "sync/cond.h"
#include "sync/mutex.h"

namespace mpg {
namespace {

struct Ours {
  using Lock = std::unique_lock<Mutex>;
  void Wait(Lock&) { cond.Wait(); }
  void Signal() { cond.Signal(); }
  Mutex mu;
  Cond cond{&mu};
};

struct Theirs {
  using Lock = std::unique_lock<std::mutex>;
  void Wait(Lock& lock) { cond.wait(lock); }
  void Signal() { cond.notify_one(); }
  std::mutex mu;
  std::condition_variable cond;
};

template <class C>
void BM_PingPong(benchmark::State& state) {
  C c;
  int turn = 0;  // 2: stop
  std::thread other([&] {
    typename C::Lock lock(c.mu);
    for (;;) {
      while (turn == 0) c.Wait(lock);
      if (turn == 2) return;
      turn = 0;
      c.Signal();
    }
  });
  {
    typename C::Lock lock(c.mu);
    for (auto _ : state) {
      turn = 1;
      c.Signal();
      while (turn == 1) c.Wait(lock);
    }
    turn = 2;
    c.Signal();
  }
  other.join();
}
BENCHMARK_TEMPLATE(BM_PingPong, Ours)->UseRealTime();
BENCHMARK_TEMPLATE(BM_PingPong, Theirs)->UseRealTime();

void BM_Cond_SignalNobody(benchmark::State& state) {
  Ours c;
  for (auto _ : state) c.Signal();
}
BENCHMARK(BM_Cond_SignalNobody);

}  // namespace
}  // namespace mpg
