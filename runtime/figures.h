// Figures: what the metrics are made of, summed over the Runtimes of the process.
// Internal; users see runtime/metrics.h.
#ifndef MPG_RUNTIME_FIGURES_H_
#define MPG_RUNTIME_FIGURES_H_

#include <cstdint>

#include "runtime/time_histogram.h"

namespace mpg {
namespace internal {

struct Sched;

struct TimeCounts {
  uint64_t counts[TimeHistogram::kBuckets] = {};
  uint64_t sum_ns = 0;
  void Add(const TimeHistogram& h);
  void Add(const TimeCounts& c);
};

struct Figures {
  // Now.
  uint64_t gomaxprocs = 0;
  uint64_t idle_procs = 0;
  uint64_t threads = 0;
  uint64_t idle_threads = 0;
  uint64_t spinning_threads = 0;
  int64_t goroutines = 0;
  int64_t runnable = 0;
  int64_t running = 0;
  int64_t in_calls = 0;
  uint64_t timers = 0;
  uint64_t stacks_in_use = 0;
  uint64_t stacks_pooled = 0;
  uint64_t stack_bytes_mapped = 0;

  // Since the process began, Runtimes that have ended included.
  struct Counters {
    uint64_t created = 0;
    uint64_t switches = 0;
    uint64_t steals = 0;
    uint64_t yields = 0;
    uint64_t signalled = 0;
    uint64_t syscalls = 0;
    uint64_t handoffs = 0;
    uint64_t retakes = 0;
    uint64_t thread_wakes = 0;
    uint64_t thread_starts = 0;
    uint64_t net_ready = 0;
    TimeCounts latencies;
    TimeCounts stop_times;
    TimeCounts pause_times;
    void Add(const Counters& c);
  } total;
};

// Any thread; stops nobody. Takes a lock of each Runtime for a moment.
Figures CollectFigures();

// `s` is about to leave the list of Scheds, which the caller has locked: its
// counters go on to count.
void KeepFigures(Sched* s);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_FIGURES_H_
