// TimerHeap beside a mutex and a std::multimap. The range is the number of other
// timers that are pending.
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/random.h"
#include "benchmark/benchmark.h"
#include "timer/timer_heap.h"

namespace mpg {
namespace {

struct Timer : TimerNode {
  Timer() : TimerNode(&kOps) {}
  static void Destroy(TimerNode* n) { delete static_cast<Timer*>(n); }
  static constexpr TimerOps kOps = {[](TimerNode*, int64_t, int64_t) {},
                                    nullptr, Destroy, false, false};
};

struct Pending {
  Pending(TimerHeap* heap, int64_t n) {
    FastRand rand(1);
    for (int64_t i = 0; i < n; ++i) {
      timers.push_back(new Timer);
      heap->Start(timers.back(), 1'000'000 + rand.Below(1'000'000));
    }
  }
  ~Pending() {
    for (Timer* t : timers) {
      TimerHeap::Stop(t);
      t->Unref();
    }
  }
  std::vector<Timer*> timers;
};

void BM_StartStop(benchmark::State& state) {
  TimerHeap heap;
  Pending others(&heap, state.range(0));
  int64_t when = 3'000'000;
  for (auto _ : state) {
    auto* t = new Timer;
    heap.Start(t, ++when);
    TimerHeap::Stop(t);
    t->Unref();
  }
}
BENCHMARK(BM_StartStop)->Arg(0)->Arg(10000);

void BM_PutOff(benchmark::State& state) {
  TimerHeap heap;
  Pending others(&heap, state.range(0));
  auto* t = new Timer;
  int64_t when = 3'000'000;
  for (auto _ : state) heap.Reset(t, ++when, nullptr);
  TimerHeap::Stop(t);
  t->Unref();
}
BENCHMARK(BM_PutOff)->Arg(0)->Arg(10000);

struct Repeater : TimerNode {
  Repeater(TimerHeap* h, FastRand* r) : TimerNode(&kOps), heap(h), rand(r) {}
  TimerHeap* const heap;
  FastRand* const rand;
  static void Fire(TimerNode* n, int64_t, int64_t now) {
    auto* t = static_cast<Repeater*>(n);
    t->heap->Reset(t, now + 1 + t->rand->Below(1000), nullptr);
  }
  static void Destroy(TimerNode* n) { delete static_cast<Repeater*>(n); }
  static constexpr TimerOps kOps = {Fire, nullptr, Destroy, false, false};
};

// One firing, and being put in again.
void BM_StartFire(benchmark::State& state) {
  TimerHeap heap;
  FastRand rand(1);
  std::vector<Repeater*> timers;
  for (int64_t i = 0; i < state.range(0); ++i) {
    timers.push_back(new Repeater(&heap, &rand));
    heap.Start(timers.back(), 1 + rand.Below(1000));
  }
  for (auto _ : state) heap.Run(heap.NextWhen());  // seldom two at once
  for (Repeater* t : timers) {
    TimerHeap::Stop(t);
    t->Unref();
  }
}
BENCHMARK(BM_StartFire)->Arg(1)->Arg(100);

void BM_MultimapStartStop(benchmark::State& state) {
  std::mutex mu;
  std::multimap<int64_t, std::unique_ptr<Timer>> map;
  FastRand rand(1);
  for (int64_t i = 0; i < state.range(0); ++i) {
    map.emplace(1'000'000 + rand.Below(1'000'000), std::make_unique<Timer>());
  }
  int64_t when = 3'000'000;
  for (auto _ : state) {
    std::multimap<int64_t, std::unique_ptr<Timer>>::iterator i;
    {
      std::lock_guard<std::mutex> guard(mu);
      i = map.emplace(++when, std::make_unique<Timer>());
    }
    std::lock_guard<std::mutex> guard(mu);
    map.erase(i);
  }
}
BENCHMARK(BM_MultimapStartStop)->Arg(0)->Arg(10000);

}  // namespace
}  // namespace mpg
