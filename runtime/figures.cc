#include "runtime/figures.h"

#include "absl/base/thread_annotations.h"
#include "base/lock.h"
#include "runtime/sched.h"

namespace mpg {
namespace internal {
namespace {

RuntimeLock ended_mu;
// Of Runtimes that have ended, and how many these are.
Figures::Counters ended ABSL_GUARDED_BY(ended_mu);
int64_t ended_count ABSL_GUARDED_BY(ended_mu) = 0;

}  // namespace

void TimeCounts::Add(const TimeHistogram& h) {
  for (int i = 0; i < TimeHistogram::kBuckets; ++i) counts[i] += h.Count(i);
  sum_ns += h.Sum();
}

void TimeCounts::Add(const TimeCounts& c) {
  for (int i = 0; i < TimeHistogram::kBuckets; ++i) counts[i] += c.counts[i];
  sum_ns += c.sum_ns;
}

void Figures::Counters::Add(const Counters& c) {
  created += c.created;
  switches += c.switches;
  steals += c.steals;
  yields += c.yields;
  signalled += c.signalled;
  syscalls += c.syscalls;
  handoffs += c.handoffs;
  retakes += c.retakes;
  thread_wakes += c.thread_wakes;
  thread_starts += c.thread_starts;
  net_ready += c.net_ready;
  latencies.Add(c.latencies);
  stop_times.Add(c.stop_times);
  pause_times.Add(c.pause_times);
}

void Sched::AddFigures(Figures* out) {
  Figures::Counters& total = out->total;
  const int procs = gomaxprocs.load();
  out->gomaxprocs += static_cast<uint64_t>(procs);
  out->idle_procs += static_cast<uint64_t>(idle_ps.Count());
  out->threads += static_cast<uint64_t>(nthreads.load()) + 1;  // sysmon
  out->idle_threads += static_cast<uint64_t>(nmidle.load());
  out->spinning_threads += static_cast<uint64_t>(nmspinning.load());
  out->goroutines += LiveGoroutines();
  out->runnable += runq.Size() + spill.Size();
  total.created += foreign_p.created.Get();
  const int used = allp_used.load();
  for (int i = 0; i < used; ++i) {
    P* p = allp[i];
    out->runnable += p->runq.Size();
    out->timers += p->timers.heap()->Size() - p->timers.heap()->Stopped();
    total.created += p->created.Get();
    total.switches += p->switches;
    total.steals += p->steals.Get();
    total.yields += p->yields.Get();
    total.signalled += p->signalled.Get();
    total.syscalls += p->syscalltick;
    total.net_ready += p->net_ready.Get();
    total.latencies.Add(p->latencies);
  }
  {
    RuntimeLockGuard guard(mu);
    for (const M* m : allm) {
      const G* g = m->curg.Acquire();
      if (g == nullptr || g == &m->g0) continue;
      if (g->Status() == GStatus::kRunning) ++out->running;
      if (g->Status() == GStatus::kSyscall) ++out->in_calls;
    }
  }
  const StackStats s = stacks.Stats();
  out->stacks_in_use += s.in_use;
  out->stacks_pooled += s.cached + s.resting + s.clean;
  out->stack_bytes_mapped += s.bytes_mapped;
  // relaxed: figures.
  total.handoffs += handoffs.load(std::memory_order_relaxed);
  total.retakes += retakes.load(std::memory_order_relaxed);
  total.thread_wakes += thread_wakes.load(std::memory_order_relaxed);
  total.thread_starts += thread_starts.load(std::memory_order_relaxed);
  total.net_ready += net_ready.load(std::memory_order_relaxed);
  total.stop_times.Add(stop_times);
  total.pause_times.Add(pause_times);
}

Figures CollectFigures() {
  for (;;) {
    Figures out;
    int64_t before;
    {
      RuntimeLockGuard guard(ended_mu);
      before = ended_count;
      out.total.Add(ended);
    }
    ForEachSched([&out](Sched* s) { s->AddFigures(&out); });
    RuntimeLockGuard guard(ended_mu);
    // Else one is missing: it has gone from the one to the other.
    if (before == ended_count) return out;
  }
}

void KeepFigures(Sched* s) {
  Figures last;
  s->AddFigures(&last);
  RuntimeLockGuard guard(ended_mu);
  ended.Add(last.total);
  ++ended_count;
}

}  // namespace internal
}  // namespace mpg
