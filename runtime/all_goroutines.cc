#include "runtime/all_goroutines.h"

#include <algorithm>
#include <atomic>
#include <tuple>
#include <utility>

#include "base/thread_state.h"
#include "runtime/backtrace_of.h"
#include "runtime/dump.h"
#include "runtime/goroutine.h"
#include "runtime/sched.h"

namespace mpg {
namespace internal {
namespace {

// The world of g's Sched is stopped, so only one that is in a system call runs, and
// it does not come back from there.
void TakeBacktraceOfStopped(const G* g, GStatus status, Backtrace* out) {
  if (status == GStatus::kSyscall) {
    TakeBacktraceOf(g->m->call_ctx, out);
  } else if (status == GStatus::kPreempted) {
    TakeBacktraceOfInterrupted(g->m->call_ctx, out);
  } else if (g->stack) {
    TakeBacktraceOf(g->ctx, out);
  } else {
    // It has not run yet. As if the call at the function's beginning had returned.
    char* entry = reinterpret_cast<char*>(g->fn.run);
    out->pcs[0] = entry + 1;
    out->size = 1;
  }
}

GoroutineRecord RecordOf(const G* g, GStatus status, const Backtrace& trace) {
  GoroutineRecord r;
  r.runtime = g->sched->number;
  r.goid = g->goid;
  r.parent_goid = g->parent_goid;
  r.gopc = g->gopc;
  r.header = FormatHeader(g, "");
  if (g->extra != nullptr) r.labels = g->extra->labels;
  r.pcs.assign(trace.pcs, trace.pcs + trace.size);
  r.truncated = trace.truncated;
  r.is_caller = status == GStatus::kRunning;
  return r;
}

// REQUIRES: s's world is stopped by the caller, who is `self` or, if that is null,
// no goroutine of s; `own` is self's stack.
void CollectStopped(Sched* s, const G* self, const Backtrace& own,
                    std::vector<GoroutineRecord>* out) {
  s->ForEachG([&](G* g) {
    // acquire: pairs with the release in SetGStatus.
    const GStatus status = g->status.load(std::memory_order_acquire);
    if (status == GStatus::kDead || status == GStatus::kIdle) return;
    if (g == self) {
      out->push_back(RecordOf(g, status, own));
      return;
    }
    Backtrace trace;
    if (status != GStatus::kRunning) TakeBacktraceOfStopped(g, status, &trace);
    out->push_back(RecordOf(g, status, trace));
  });
}

void Collect(Sched* s, G* self, std::vector<GoroutineRecord>* out) {
  Backtrace own;
  if (self != nullptr) TakeBacktrace(&own);
  s->world.Acquire();
  {
    NoPreempt no_preempt;  // keep this P
    s->StopTheWorldWithLock(self == nullptr ? nullptr : self->m->p.Get());
    CollectStopped(s, self, own, out);
    s->StartTheWorldWithLock(s->gomaxprocs.load());
  }
  s->world.Release();
}

// What needs no stopped world: symbolizing takes much longer than collecting.
std::vector<GoroutineRecord> Finish(std::vector<GoroutineRecord> out) {
  for (GoroutineRecord& r : out) {
    r.created_by = FormatCreatedBy(r.gopc, r.parent_goid);
  }
  std::sort(out.begin(), out.end(),
            [](const GoroutineRecord& a, const GoroutineRecord& b) {
              return std::tie(a.runtime, a.goid) < std::tie(b.runtime, b.goid);
            });
  return out;
}

std::atomic<RuntimeEndHook> end_hook{nullptr};

}  // namespace

std::vector<GoroutineRecord> AllGoroutines() {
  std::vector<GoroutineRecord> out;
  G* const self = CurrentG();
  Sched* const own = self == nullptr ? nullptr : self->sched;
  if (own != nullptr) Collect(own, self, &out);
  std::vector<Sched*> others;
  // As a plain thread: parked as a goroutine we might be abandoned with our Runtime,
  // and the others would wait for us for ever.
  BlockingSyscall([&] {
    ForEachSched([&](Sched* s) {
      if (s == own) return;
      s->foreign_calls.fetch_add(1);  // s stays
      others.push_back(s);
    });
    for (Sched* s : others) {
      Collect(s, nullptr, &out);
      s->foreign_calls.fetch_sub(1);
    }
  });
  return Finish(std::move(out));
}

std::vector<GoroutineRecord> GoroutinesOf(Sched* s) {
  std::vector<GoroutineRecord> out;
  BlockingSyscall([&] { Collect(s, nullptr, &out); });
  return Finish(std::move(out));
}

int64_t CountGoroutines(const Sched* s) { return s->LiveGoroutines(); }

void SetRuntimeEndHook(RuntimeEndHook hook) {
  // release: pairs with the acquire in CallRuntimeEndHook.
  end_hook.store(hook, std::memory_order_release);
}

void CallRuntimeEndHook(Sched* s) {
  if (RuntimeEndHook hook = end_hook.load(std::memory_order_acquire)) hook(s);
}

std::string FormatGoroutine(const GoroutineRecord& g) {
  Backtrace trace;
  trace.size = static_cast<int>(g.pcs.size());
  std::copy(g.pcs.begin(), g.pcs.end(), trace.pcs);
  trace.truncated = g.truncated;
  std::string frames = FormatBacktrace(trace);
  if (frames.empty()) {
    // Its function was inlined into the scheduler's own.
    for (const void* pc : g.pcs) frames += FormatPc(pc);
  }
  return g.header + frames + g.created_by;
}

}  // namespace internal
}  // namespace mpg
