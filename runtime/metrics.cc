#include "runtime/metrics.h"

#include <algorithm>
#include <limits>

#include "base/contention.h"
#include "base/panic.h"
#include "runtime/figures.h"
#include "runtime/metric_table.h"

namespace mpg {
namespace metrics {
namespace {

using internal::Figures;
using internal::Metric;
using internal::TimeCounts;
using internal::TimeHistogram;

Value Unsigned(int64_t n) {
  // Sums of what is read one after another may be a little below zero.
  return Value(static_cast<uint64_t>(std::max<int64_t>(n, 0)));
}

Value Waiting(const Figures& f) {
  return Unsigned(f.goroutines - f.runnable - f.running - f.in_calls);
}

// The value of a histogram is the same buckets each time.
Value Seconds(const TimeCounts& times) {
  Float64Histogram h;
  h.counts.assign(std::begin(times.counts), std::end(times.counts));
  h.buckets.reserve(TimeHistogram::kBuckets + 1);
  for (int i = 0; i < TimeHistogram::kBuckets; ++i) {
    h.buckets.push_back(static_cast<double>(TimeHistogram::LowerBound(i)) /
                        1e9);
  }
  h.buckets.push_back(std::numeric_limits<double>::infinity());
  return Value(std::move(h));
}

constexpr bool kCounts = true;  // cumulative
constexpr bool kIsNow = false;

#define MPG_COUNTER(field) [](const Figures& f) { return Value(f.total.field); }
#define MPG_GAUGE(field) [](const Figures& f) { return Value(f.field); }
#define MPG_TIMES(field)                                   \
  [](const Figures& f) { return Seconds(f.total.field); }, \
      [](const Figures& f) -> const TimeCounts* { return &f.total.field; }

// Sorted by name.
const Metric kMetrics[] = {
    {{"/mpg/netpoll/ready:goroutines",
      "Goroutines made runnable because a descriptor they waited for was ready "
      "or closed.",
      Kind::kUint64, kCounts},
     MPG_COUNTER(net_ready)},
    {{"/mpg/preemptions/asked:events",
      "Goroutines that gave way at a call into mpg because they had used up "
      "their time slice or the world was to stop.",
      Kind::kUint64, kCounts},
     MPG_COUNTER(yields)},
    {{"/mpg/preemptions/signalled:events",
      "Goroutines that a signal has preempted because they made no call.",
      Kind::kUint64, kCounts},
     MPG_COUNTER(signalled)},
    {{"/mpg/procs/handoffs:events",
      "Processors that their thread has given up for another one to use: in "
      "system calls, for goroutines wired to threads, at stops.",
      Kind::kUint64, kCounts},
     MPG_COUNTER(handoffs)},
    {{"/mpg/procs/idle:procs", "Processors without a goroutine to run.",
      Kind::kUint64, kIsNow},
     MPG_GAUGE(idle_procs)},
    {{"/mpg/procs/retakes:events",
      "Processors that the monitor has taken from goroutines in system calls.",
      Kind::kUint64, kCounts},
     MPG_COUNTER(retakes)},
    {{"/mpg/sched/steals:events",
      "Times that a processor has taken goroutines from another one's queue.",
      Kind::kUint64, kCounts},
     MPG_COUNTER(steals)},
    {{"/mpg/sched/switches:events",
      "Times that a goroutine has parked, given way, been preempted or ended.",
      Kind::kUint64, kCounts},
     MPG_COUNTER(switches)},
    {{"/mpg/stacks/in-use:stacks", "Stacks that goroutines have now.",
      Kind::kUint64, kIsNow},
     MPG_GAUGE(stacks_in_use)},
    {{"/mpg/stacks/mapped:bytes", "Address space mapped for stacks.",
      Kind::kUint64, kIsNow},
     MPG_GAUGE(stack_bytes_mapped)},
    {{"/mpg/stacks/pooled:stacks", "Stacks kept for goroutines to come.",
      Kind::kUint64, kIsNow},
     MPG_GAUGE(stacks_pooled)},
    {{"/mpg/syscalls:calls", "Calls of Syscall that have returned.",
      Kind::kUint64, kCounts},
     MPG_COUNTER(syscalls)},
    {{"/mpg/threads/idle:threads", "Threads asleep until there is work.",
      Kind::kUint64, kIsNow},
     MPG_GAUGE(idle_threads)},
    {{"/mpg/threads/spinning:threads",
      "Threads without work that look for some.", Kind::kUint64, kIsNow},
     MPG_GAUGE(spinning_threads)},
    {{"/mpg/threads/starts:threads", "Threads started to run goroutines.",
      Kind::kUint64, kCounts},
     MPG_COUNTER(thread_starts)},
    {{"/mpg/threads/wakes:events", "Idle threads woken to run goroutines.",
      Kind::kUint64, kCounts},
     MPG_COUNTER(thread_wakes)},
    {{"/mpg/timers:timers", "Timers that are set.", Kind::kUint64, kIsNow},
     MPG_GAUGE(timers)},
    {{"/sched/gomaxprocs:threads",
      "The current GOMAXPROCS setting, or the number of operating system "
      "threads that can run goroutines at the same time.",
      Kind::kUint64, kIsNow},
     MPG_GAUGE(gomaxprocs)},
    {{"/sched/goroutines-created:goroutines",
      "Goroutines created since the process began.", Kind::kUint64, kCounts},
     MPG_COUNTER(created)},
    {{"/sched/goroutines/not-in-go:goroutines", "Goroutines in Syscall, about.",
      Kind::kUint64, kIsNow},
     [](const Figures& f) { return Unsigned(f.in_calls); }},
    {{"/sched/goroutines/runnable:goroutines",
      "Goroutines that are ready to run but do not, about.", Kind::kUint64,
      kIsNow},
     [](const Figures& f) { return Unsigned(f.runnable); }},
    {{"/sched/goroutines/running:goroutines",
      "Goroutines that run, about; at most /sched/gomaxprocs:threads.",
      Kind::kUint64, kIsNow},
     [](const Figures& f) { return Unsigned(f.running); }},
    {{"/sched/goroutines/waiting:goroutines",
      "Goroutines that wait for something (a channel, a lock, the network, a "
      "timer), about.",
      Kind::kUint64, kIsNow},
     Waiting},
    {{"/sched/goroutines:goroutines", "Goroutines that exist.", Kind::kUint64,
      kIsNow},
     [](const Figures& f) { return Unsigned(f.goroutines); }},
    {{"/sched/latencies:seconds",
      "How long goroutines were runnable before they ran; one in 128 is "
      "measured, chosen at random.",
      Kind::kFloat64Histogram, kCounts},
     MPG_TIMES(latencies)},
    {{"/sched/pauses/stopping/other:seconds",
      "How long it took to stop all goroutines, for each stop of the world.",
      Kind::kFloat64Histogram, kCounts},
     MPG_TIMES(stop_times)},
    {{"/sched/pauses/total/other:seconds",
      "How long all goroutines were stopped, stopping them included, for each "
      "stop of the world.",
      Kind::kFloat64Histogram, kCounts},
     MPG_TIMES(pause_times)},
    {{"/sched/threads/total:threads",
      "Threads of the Runtimes, their monitors included.", Kind::kUint64,
      kIsNow},
     MPG_GAUGE(threads)},
    {{"/sync/mutex/wait/total:seconds",
      "Time that goroutines and threads have been blocked on a Mutex or an "
      "RWMutex, about.",
      Kind::kFloat64, kCounts},
     [](const Figures&) {
       return Value(static_cast<double>(internal::LockWaitNanos()) / 1e9);
     }},
};

#undef MPG_COUNTER
#undef MPG_GAUGE
#undef MPG_TIMES

[[noreturn]] void WrongKind(const char* asked) {
  throw Panic(std::string("called ") + asked + " on non-" + asked +
              " metric value");
}

}  // namespace

uint64_t Value::Uint64() const {
  if (auto* v = std::get_if<uint64_t>(&v_)) return *v;
  WrongKind("Uint64");
}

double Value::Float64() const {
  if (auto* v = std::get_if<double>(&v_)) return *v;
  WrongKind("Float64");
}

const Float64Histogram& Value::Histogram() const {
  if (auto* v = std::get_if<Float64Histogram>(&v_)) return *v;
  WrongKind("Histogram");
}

absl::Span<const Description> All() {
  static const auto* all = [] {
    auto* list = new std::vector<Description>;
    for (const Metric& m : kMetrics) list->push_back(m.description);
    return list;
  }();
  return *all;
}

void Read(absl::Span<Sample> samples) {
  const Figures figures = internal::CollectFigures();
  for (Sample& s : samples) {
    const auto* m =
        std::lower_bound(std::begin(kMetrics), std::end(kMetrics), s.name,
                         [](const Metric& a, const std::string& b) {
                           return a.description.name < b;
                         });
    const bool found = m != std::end(kMetrics) && m->description.name == s.name;
    s.value = found ? m->value(figures) : Value();
  }
}

}  // namespace metrics

namespace internal {

absl::Span<const Metric> AllMetrics() { return metrics::kMetrics; }

}  // namespace internal
}  // namespace mpg
