// What channels cost without a scheduler: each operation alone on one thread,
// and threads that talk, against the queue one would write with std::mutex and
// std::condition_variable. (Goroutines: //runtime's benchmarks.)
//
//   bazel run -c opt //channel:chan_benchmark
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "channel/unit.h"

namespace mpg {
namespace {

// --- One thread -------------------------------------------------------------

template <class T>
void BM_Chan_SendRecv(benchmark::State& state) {
  const Chan<T> ch = MakeChan<T>(1);
  T value{};
  for (auto _ : state) {
    ch.Send(std::move(value));
    value = *ch.Recv();
  }
}
BENCHMARK_TEMPLATE(BM_Chan_SendRecv, Unit);
BENCHMARK_TEMPLATE(BM_Chan_SendRecv, int);
BENCHMARK_TEMPLATE(BM_Chan_SendRecv, std::string);
BENCHMARK_TEMPLATE(BM_Chan_SendRecv, std::unique_ptr<int>);

void BM_Chan_TryRecvEmpty(benchmark::State& state) {
  const Chan<int> ch = MakeChan<int>(state.range(0));
  int got = 0;
  for (auto _ : state) {
    if (ch.TryRecv()) ++got;
    benchmark::DoNotOptimize(got);
  }
}
BENCHMARK(BM_Chan_TryRecvEmpty)->Arg(0)->Arg(1);

void BM_Chan_TrySendFull(benchmark::State& state) {
  const Chan<int> ch = MakeChan<int>();
  int value = 1;
  for (auto _ : state) benchmark::DoNotOptimize(ch.TrySend(value));
}
BENCHMARK(BM_Chan_TrySendFull);

void BM_Chan_TrySendTryRecv(benchmark::State& state) {
  const Chan<int> ch = MakeChan<int>(1);
  int value = 1;
  for (auto _ : state) {
    ch.TrySend(value);
    value = *ch.TryRecv();
  }
}
BENCHMARK(BM_Chan_TrySendTryRecv);

void BM_Chan_MakeAndDrop(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(MakeChan<int>(1).hchan());
}
BENCHMARK(BM_Chan_MakeAndDrop);

void BM_Chan_CopyHandle(benchmark::State& state) {
  const Chan<int> ch = MakeChan<int>();
  for (auto _ : state) benchmark::DoNotOptimize(Chan<int>(ch).hchan());
}
BENCHMARK(BM_Chan_CopyHandle);

void BM_Select_OneAndDefault(benchmark::State& state) {
  const Chan<int> a = MakeChan<int>();
  int sink = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(Select(
        OnRecv(a, [&](std::optional<int> v) { sink = *v; }), OnDefault()));
  }
}
BENCHMARK(BM_Select_OneAndDefault);

void BM_Select_TwoAndDefault(benchmark::State& state) {
  const Chan<int> a = MakeChan<int>(), b = MakeChan<int>();
  int sink = 0;
  const auto take = [&](std::optional<int> v) { sink = *v; };
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        Select(OnRecv(a, take), OnRecv(b, take), OnDefault()));
  }
}
BENCHMARK(BM_Select_TwoAndDefault);

void BM_Select_OneReadyOfTwo(benchmark::State& state) {
  const Chan<int> a = MakeChan<int>(1), b = MakeChan<int>(1);
  int sink = 0;
  const auto take = [&](std::optional<int> v) { sink = *v; };
  for (auto _ : state) {
    b.Send(1);
    benchmark::DoNotOptimize(Select(OnRecv(a, take), OnRecv(b, take)));
  }
}
BENCHMARK(BM_Select_OneReadyOfTwo);

void BM_Select_AllReadyOfEight(benchmark::State& state) {
  std::vector<Chan<int>> ch;
  std::vector<SelectCase> cases;
  for (int i = 0; i < 8; ++i) {
    ch.push_back(MakeChan<int>(1));
    ch.back().Send(i);
    cases.push_back(OnRecv(ch.back()));
  }
  for (auto _ : state) ch[Select(absl::MakeSpan(cases))].Send(1);
}
BENCHMARK(BM_Select_AllReadyOfEight);

// --- Threads ----------------------------------------------------------------

// The rival: a bounded queue.
template <class T>
class MutexQueue {
 public:
  explicit MutexQueue(size_t capacity) : capacity_(capacity) {}

  void Send(T value) {
    std::unique_lock<std::mutex> lock(mutex_);
    not_full_.wait(lock, [this] { return queue_.size() < capacity_; });
    queue_.push_back(std::move(value));
    not_empty_.notify_one();
  }
  std::optional<T> Recv() {
    std::unique_lock<std::mutex> lock(mutex_);
    not_empty_.wait(lock, [this] { return !queue_.empty() || closed_; });
    if (queue_.empty()) return std::nullopt;
    std::optional<T> value(std::move(queue_.front()));
    queue_.pop_front();
    not_full_.notify_one();
    return value;
  }
  void Close() {
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    not_empty_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable not_full_;
  std::condition_variable not_empty_;
  std::deque<T> queue_;
  const size_t capacity_;
  bool closed_ = false;
};

template <class Q>
struct Queue;
template <class T>
struct Queue<Chan<T>> {
  static Chan<T> Make(size_t capacity) { return MakeChan<T>(capacity); }
};
template <class T>
struct Queue<MutexQueue<T>> {
  struct Handle {
    std::shared_ptr<MutexQueue<T>> q;
    void Send(T v) const { q->Send(std::move(v)); }
    std::optional<T> Recv() const { return q->Recv(); }
    void Close() const { q->Close(); }
  };
  static Handle Make(size_t capacity) {
    return {std::make_shared<MutexQueue<T>>(capacity)};
  }
};

// One iteration: a message. range(0): capacity, (1): producers, (2): consumers.
template <class Q>
void BM_Threads_Pipe(benchmark::State& state) {
  constexpr int64_t kBatch = 200000;
  const int64_t producers = state.range(1), consumers = state.range(2);
  while (state.KeepRunningBatch(kBatch)) {
    const auto q = Queue<Q>::Make(state.range(0));
    std::vector<std::thread> senders, receivers;
    for (int64_t i = 0; i < consumers; ++i) {
      receivers.emplace_back([&q] {
        while (q.Recv()) {
        }
      });
    }
    for (int64_t i = 0; i < producers; ++i) {
      senders.emplace_back([&q, n = kBatch / producers] {
        for (int64_t j = 0; j < n; ++j) q.Send(static_cast<int>(j));
      });
    }
    for (std::thread& t : senders) t.join();
    q.Close();
    for (std::thread& t : receivers) t.join();
  }
}
#define MPG_PIPES               \
  ->Args({1, 1, 1})             \
      ->Args({16, 1, 1})        \
      ->Args({128, 1, 1})       \
      ->Args({128, 2, 2})       \
      ->Args({128, 4, 4})       \
      ->MeasureProcessCPUTime() \
      ->UseRealTime()
BENCHMARK_TEMPLATE(BM_Threads_Pipe, Chan<int>) MPG_PIPES;
BENCHMARK_TEMPLATE(BM_Threads_Pipe, MutexQueue<int>) MPG_PIPES;

// One iteration: there and back.
template <class Q>
void BM_Threads_PingPong(benchmark::State& state) {
  const auto there = Queue<Q>::Make(state.range(0));
  const auto back = Queue<Q>::Make(state.range(0));
  std::thread echo([&] {
    while (std::optional<int> v = there.Recv()) back.Send(*v);
  });
  for (auto _ : state) {
    there.Send(1);
    back.Recv();
  }
  there.Close();
  echo.join();
}
BENCHMARK_TEMPLATE(BM_Threads_PingPong, Chan<int>)
    ->Arg(0)
    ->Arg(1)
    ->UseRealTime();
BENCHMARK_TEMPLATE(BM_Threads_PingPong, MutexQueue<int>)->Arg(1)->UseRealTime();

}  // namespace
}  // namespace mpg
