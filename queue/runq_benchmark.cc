// What the owner of a run queue pays for putting and taking, alone and while
// thieves take from it; and what two rivals charge: a mutex with a std::deque,
// and a Chase-Lev deque (LIFO, one element a theft).
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/cacheline.h"
#include "benchmark/benchmark.h"
#include "queue/bench/chase_lev.h"
#include "queue/runq.h"

namespace mpg {
namespace {

struct Task {
  int payload = 0;
};

// The three candidates behind one interface. Put: false if full. Get: the
// owner's. Steal: how many a thief got.
class RunQueueCandidate {
 public:
  bool Put(Task* t) {
    return q_.Put(t, false, [](Task**, int) {}) == PutResult::kQueued;
  }
  Task* Get() { return q_.GetRing(); }
  class Thief {
   public:
    int Steal(RunQueueCandidate& victim) {
      StealStatus status;
      if (own_.StealInto(victim.q_, false, &status) == nullptr) return 0;
      return 1 + own_.DrainTo([](Task*) {});
    }

   private:
    RunQueue<Task> own_;
  };

 private:
  RunQueue<Task> q_;
};

class MutexCandidate {
 public:
  bool Put(Task* t) {
    std::lock_guard<std::mutex> lock(mu_);
    q_.push_back(t);
    return true;
  }
  Task* Get() {
    std::lock_guard<std::mutex> lock(mu_);
    if (q_.empty()) return nullptr;
    Task* const t = q_.front();
    q_.pop_front();
    return t;
  }
  class Thief {
   public:
    int Steal(MutexCandidate& victim) {
      std::lock_guard<std::mutex> lock(victim.mu_);
      const int n = static_cast<int>((victim.q_.size() + 1) / 2);
      victim.q_.erase(victim.q_.begin(), victim.q_.begin() + n);
      return n;
    }
  };

 private:
  std::mutex mu_;
  std::deque<Task*> q_;
};

class ChaseLevCandidate {
 public:
  bool Put(Task* t) { return q_.Push(t); }
  Task* Get() { return q_.Pop(); }
  class Thief {
   public:
    int Steal(ChaseLevCandidate& victim) {
      return victim.q_.Steal() != nullptr ? 1 : 0;
    }
  };

 private:
  ChaseLevDeque<Task> q_;
};

// One put and one get with `depth` elements in between; arg 0: depth.
template <class Candidate>
void BM_PutGet(benchmark::State& state) {
  auto q = std::make_unique<Candidate>();
  Task task;
  for (int i = 0; i < state.range(0); ++i) q->Put(&task);
  for (auto _ : state) {
    q->Put(&task);
    benchmark::DoNotOptimize(q->Get());
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_TEMPLATE(BM_PutGet, RunQueueCandidate)->Arg(0)->Arg(100);
BENCHMARK_TEMPLATE(BM_PutGet, MutexCandidate)->Arg(0)->Arg(100);
BENCHMARK_TEMPLATE(BM_PutGet, ChaseLevCandidate)->Arg(0)->Arg(100);

// Bursts of 128 puts, then 128 gets: the time is for one of each.
template <class Candidate>
void BM_Burst(benchmark::State& state) {
  auto q = std::make_unique<Candidate>();
  Task task;
  constexpr int kBurst = 128;
  for (auto _ : state) {
    for (int i = 0; i < kBurst; ++i) q->Put(&task);
    for (int i = 0; i < kBurst; ++i) benchmark::DoNotOptimize(q->Get());
  }
  state.SetItemsProcessed(state.iterations() * kBurst);
}
BENCHMARK_TEMPLATE(BM_Burst, RunQueueCandidate);
BENCHMARK_TEMPLATE(BM_Burst, MutexCandidate);
BENCHMARK_TEMPLATE(BM_Burst, ChaseLevCandidate);

// The owner puts two and takes one, over and over, while arg 0 thieves steal
// whenever there is something, as fast as they can. CPU time is the owner's,
// for one such step; `stolen` is the thieves' share of the elements. What
// overflows (the deque of the mutex grows instead) is dropped.
template <class Candidate>
void BM_Thieves(benchmark::State& state) {
  auto q = std::make_unique<Candidate>();
  Task task;
  std::atomic<bool> stop{false};
  std::atomic<int64_t> stolen{0};
  std::vector<std::thread> thieves;
  for (int i = 0; i < state.range(0); ++i) {
    thieves.emplace_back([&] {
      typename Candidate::Thief thief;
      int64_t mine = 0;
      // relaxed: only a flag to end by.
      while (!stop.load(std::memory_order_relaxed)) {
        const int n = thief.Steal(*q);
        mine += n;
        if (n == 0) CpuRelax();
      }
      stolen += mine;
    });
  }
  for (auto _ : state) {
    q->Put(&task);
    q->Put(&task);
    benchmark::DoNotOptimize(q->Get());
  }
  stop = true;
  for (auto& t : thieves) t.join();
  state.counters["stolen"] = static_cast<double>(stolen) /
                             (2.0 * static_cast<double>(state.iterations()));
}
BENCHMARK_TEMPLATE(BM_Thieves, RunQueueCandidate)
    ->RangeMultiplier(2)
    ->Range(1, 8);
BENCHMARK_TEMPLATE(BM_Thieves, MutexCandidate)->RangeMultiplier(2)->Range(1, 8);
BENCHMARK_TEMPLATE(BM_Thieves, ChaseLevCandidate)
    ->RangeMultiplier(2)
    ->Range(1, 8);

void BM_RunnextPutGet(benchmark::State& state) {
  auto q = std::make_unique<RunQueue<Task>>();
  Task task;
  for (auto _ : state) {
    q->Put(&task, true, [](Task**, int) {});
    benchmark::DoNotOptimize(q->Get());
  }
}
BENCHMARK(BM_RunnextPutGet);

// A put with next on an occupied runnext, and a get from the ring.
void BM_RunnextKick(benchmark::State& state) {
  auto q = std::make_unique<RunQueue<Task>>();
  Task task;
  q->Put(&task, true, [](Task**, int) {});
  for (auto _ : state) {
    q->Put(&task, true, [](Task**, int) {});
    benchmark::DoNotOptimize(q->GetRing());
  }
}
BENCHMARK(BM_RunnextKick);

// A theft of half of arg 0 elements from a quiet victim, and putting them back.
void BM_StealHalf(benchmark::State& state) {
  auto victim = std::make_unique<RunQueue<Task>>();
  auto thief = std::make_unique<RunQueue<Task>>();
  Task task;
  const int n = static_cast<int>(state.range(0));
  std::vector<Task*> batch(n, &task);
  victim->PutBatch(batch.data(), n);
  for (auto _ : state) {
    StealStatus status;
    benchmark::DoNotOptimize(thief->StealInto(*victim, false, &status));
    const int got = 1 + thief->DrainTo([](Task*) {});
    victim->PutBatch(batch.data(), got);
  }
  state.SetItemsProcessed(state.iterations() * ((n + 1) / 2));
}
BENCHMARK(BM_StealHalf)->Arg(1)->Arg(16)->Arg(256);

}  // namespace
}  // namespace mpg
