// The global queue: what a poll of an empty one costs, one element, and a batch
// as an overflowing run queue brings it; alone and against other threads.
#include <utility>
#include <vector>

#include "benchmark/benchmark.h"
#include "queue/gqueue.h"

namespace mpg {
namespace {

struct Task {
  Task* link = nullptr;
};
using Global = GlobalQueue<Task, &Task::link>;

Global& SharedQueue() {
  static Global* const queue = new Global;
  return *queue;
}

void BM_GlobalQueue_PollEmpty(benchmark::State& state) {
  Global queue;
  for (auto _ : state) {
    auto got = queue.Get(1);
    benchmark::DoNotOptimize(got);
  }
}
BENCHMARK(BM_GlobalQueue_PollEmpty);

// One put and one get of whatever is first, by each thread. A thread may leave
// with another's element, so the elements are static.
void BM_GlobalQueue_PutGet(benchmark::State& state) {
  static Task tasks[4];
  Global& queue = SharedQueue();
  Task* t = &tasks[state.thread_index()];
  for (auto _ : state) {
    queue.Put(t);
    t = queue.Get(1).Pop();
  }
}
BENCHMARK(BM_GlobalQueue_PutGet)->Threads(1)->Threads(2)->Threads(4);

// A batch in with one call, and out with one call; arg 0: its elements. 129 is
// what a full run queue of 256 spills.
void BM_GlobalQueue_Batch(benchmark::State& state) {
  Global queue;
  std::vector<Task> tasks(state.range(0));
  std::vector<Task*> batch;
  for (Task& t : tasks) batch.push_back(&t);
  for (auto _ : state) {
    queue.PutBatch(batch.data(), static_cast<int>(batch.size()));
    auto got = queue.Get(static_cast<int>(batch.size()));
    benchmark::DoNotOptimize(got);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_GlobalQueue_Batch)->Arg(1)->Arg(16)->Arg(129);

}  // namespace
}  // namespace mpg
