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
#include "runtime/trace_hooks.h"

namespace mpg {
namespace internal {
namespace {

// False: it is no goroutine now. The world of g's Sched is stopped.
bool Describe(const G* g, const G* self, const Backtrace& own,
              ProfiledGoroutine* out) {
  if (g == self) {
    RecordSelf(g, out);
    out->pcs.assign(own.pcs, own.pcs + own.size);
    out->truncated = own.truncated;
    out->is_caller = true;
    return true;
  }
  if (!RecordGoroutine(g, out)) return false;
  if (!g->stack) {
    // It has not run yet. As if the call at the function's beginning had returned.
    out->pcs = {reinterpret_cast<char*>(g->fn.run) + 1};
  }
  return true;
}

// REQUIRES: s's world is stopped by the caller, who is `self` or, if that is null,
// no goroutine of s; `own` is self's stack.
void CollectStopped(Sched* s, const G* self, const Backtrace& own,
                    std::vector<ProfiledGoroutine>* out) {
  s->ForEachG([&](G* g) {
    ProfiledGoroutine r;
    if (!Describe(g, self, own, &r)) return;
    r.runtime = s->number;
    r.header = FormatHeader(r);
    out->push_back(std::move(r));
  });
}

void Collect(Sched* s, G* self, std::vector<ProfiledGoroutine>* out) {
  Backtrace own;
  if (self != nullptr) TakeBacktrace(&own);
  s->world.Acquire();
  {
    NoPreempt no_preempt;  // keep this P
    M* const m = self == nullptr ? nullptr : self->m;
    // Go's words. Without a P a trace has no place for it.
    const bool traced = m != nullptr && Traced(m);
    if (traced) {
      TraceStopBegin(m, "goroutine profile", __builtin_frame_address(0));
    }
    s->StopTheWorldWithLock(m == nullptr ? nullptr : m->p.Get());
    CollectStopped(s, self, own, out);
    s->StartTheWorldWithLock(s->gomaxprocs.load());
    if (traced) TraceStopEnd(m);
  }
  s->world.Release();
}

// What needs no stopped world: symbolizing takes much longer than collecting.
std::vector<ProfiledGoroutine> Finish(std::vector<ProfiledGoroutine> out) {
  for (ProfiledGoroutine& r : out) {
    r.created_by = FormatCreatedBy(r.gopc, r.parent_goid);
  }
  std::sort(out.begin(), out.end(),
            [](const ProfiledGoroutine& a, const ProfiledGoroutine& b) {
              return std::tie(a.runtime, a.goid) < std::tie(b.runtime, b.goid);
            });
  return out;
}

std::atomic<RuntimeEndHook> end_hook{nullptr};

}  // namespace

std::vector<ProfiledGoroutine> AllGoroutines() {
  std::vector<ProfiledGoroutine> out;
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

std::vector<ProfiledGoroutine> GoroutinesOf(Sched* s) {
  std::vector<ProfiledGoroutine> out;
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

std::string FormatGoroutine(const ProfiledGoroutine& g) {
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
