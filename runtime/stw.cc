// Stopping the world, changing the number of Ps, running a function on each P.
// Go: stopTheWorldWithSema, startTheWorldWithSema, gcstopm, procresize,
// forEachP (proc.go).
//
// A stop: the stopper, which holds `world`, sets gcwaiting (seq_cst), asks every
// running P for attention and takes every idle P out of the mask. A P counts as
// stopped (kGcstop) when it was taken so, or when its M came by and gave it up.
// An M that makes its P idle sets the mask's bit (seq_cst) and looks at
// gcwaiting after that: so either it sees the stop, or the stopper, who looks
// at the mask again and again while it waits, sees the bit.
#include "base/clock.h"
#include "base/panic.h"
#include "runtime/goroutine.h"
#include "runtime/sched.h"
#include "runtime/trace_hooks.h"

namespace mpg {
namespace internal {
namespace {

// Go: stopTheWorldWithSema waits so long between two requests.
constexpr int64_t kAskAgainNs = 100'000;

}  // namespace

// Asks every running P to come to a safe point. Go: preemptall.
void Sched::PreemptAll() {
  const int procs = gomaxprocs.load();
  for (int i = 0; i < procs; ++i) PreemptOne(allp[i]);
}

// Go: preemptone. May hit a goroutine that has just been switched to: harmless.
void Sched::PreemptOne(P* p) {
  p->interrupt.store(true);
  if (p->status.load() != PStatus::kRunning) return;
  M* m = p->m.Acquire();  // pairs with the Publish in BindP
  if (m == nullptr) return;
  G* g = m->curg.Acquire();
  // Descriptors and Ms are never unmapped; relaxed: see Waiter::preempt.
  if (g != nullptr) g->preempt.store(true, std::memory_order_relaxed);
}

void Sched::CountStopped(P* p) {
  p->net_pace.Idles();
  p->status.store(PStatus::kGcstop);
  if (--stopwait == 0) stopnote.WakeupIfClear();
}

// Takes all idle Ps for the stopper.
void Sched::StopIdlePs() {
  RuntimeLockGuard guard(mu);
  for (int i = idle_ps.TakeAny(0); i >= 0; i = idle_ps.TakeAny(0)) {
    CountStopped(allp[i]);
  }
}

// Takes the Ps whose goroutines are in system calls.
void Sched::StopSyscallPs() {
  RuntimeLockGuard guard(mu);
  const int procs = gomaxprocs.load();
  for (int i = 0; i < procs; ++i) {
    if (RetakeSyscallP(allp[i])) CountStopped(allp[i]);
  }
}

// Stops p, which the caller owns, for the stopper.
void Sched::StopP(P* p) {
  RuntimeLockGuard guard(mu);
  if (gcwaiting.load()) {
    CountStopped(p);
  } else {
    // The world has started since; p was not of the stopped ones (it came back
    // from nowhere: ForEachP), or the stop was that of a dying process.
    p->net_pace.Idles();
    p->status.store(PStatus::kIdle);
    idle_ps.Set(p->id);
  }
}

// REQUIRES: world held; `own` is the caller's P, or null on a plain thread.
void Sched::StopTheWorldWithLock(P* own) {
  stop_began = NanoTime();
  {
    RuntimeLockGuard guard(mu);
    stopwait = gomaxprocs.load();
    stopnote.Clear();
    gcwaiting.store(true);
    if (own != nullptr) CountStopped(own);
  }
  for (;;) {
    PreemptAll();
    StopIdlePs();
    StopSyscallPs();
    if (stopnote.SleepFor(kAskAgainNs)) break;
    SignalAll();
  }
  stop_times.Record(NanoTime() - stop_began);
}

// Sets the world going again with new_procs Ps. If the caller's P is gone, it
// has another afterwards. REQUIRES: the world is stopped by the caller.
void Sched::StartTheWorldWithLock(int new_procs) {
  M* m = CurrentM();
  M* self =
      m != nullptr && m->sched == this && m->p.Get() != nullptr ? m : nullptr;
  const int known_procs = allp_used.load();
  ProcResize(new_procs);
  if (self != nullptr) {
    for (int i = known_procs; i < new_procs && Traced(self); ++i) {
      TraceNewProc(self, allp[i]);
    }
    KeepP(self, new_procs);
  }
  std::vector<P*> with_work;
  {
    RuntimeLockGuard guard(mu);
    gcwaiting.store(false);
    for (int i = new_procs - 1; i >= 0; --i) {
      P* p = allp[i];
      if (self != nullptr && p == self->p.Get()) continue;
      p->status.store(PStatus::kIdle);
      if (p->runq.Empty()) {
        idle_ps.Set(i);
      } else {
        with_work.push_back(p);
      }
    }
  }
  for (P* p : with_work) StartM(p, /*spinning=*/false);
  if (NetworkUnpolled()) PollNetworkForeign();
  // Work may have come while nobody could be woken, and timers have moved.
  WakeP();
  if (TimersUnkept()) WakeP();
  NotifyIdle();
  pause_times.Record(NanoTime() - stop_began);
}

// The caller, who has stopped the world, goes on with its P or, if that is gone,
// with another.
void Sched::KeepP(M* m, int procs) {
  P* const p = m->p;
  if (p->id < procs) {
    BindP(m, p);
    return;
  }
  if (Traced(m)) TraceProcLost(m, __builtin_frame_address(0));
  p->m = nullptr;
  AcquireP(m, allp[0]);
  if (Traced(m)) TraceProcFound(m);
}

// Go: procresize. The world is stopped.
void Sched::ProcResize(int n) {
  const int old = gomaxprocs.load();
  for (int i = allp_used.load(); i < n; ++i) {
    allp[i] = new P(i, this, &gfree, &stacks, NextSeed());
    allp_used.store(i + 1);
  }
  for (int i = n; i < old; ++i) {
    P* p = allp[i];
    // Its goroutines to the head of the global queue, runnext first, as they
    // would have run soon.
    std::vector<G*> left;
    p->runq.DrainTo([&left](G* g) { left.push_back(g); });
    for (auto g = left.rbegin(); g != left.rend(); ++g) runq.PutFront(*g);
    p->gfree.Flush();
    p->stacks.Flush();
    p->timers.heap()->MoveTo(allp[0]->timers.heap());
    p->status.store(PStatus::kDead);
  }
  gomaxprocs.store(n);
}

void Sched::RunSafePoint(P* p) {
  if (!p->run_safe_point.exchange(false)) return;
  (*safe_point_fn)(p);
  if (safe_point_wait.fetch_sub(1) == 1) safe_point_note.WakeupIfClear();
}

// Calls fn once for each P, on the thread that owns it then or on this one; fn
// must not park. The world goes on meanwhile. REQUIRES: world held.
void Sched::ForEachP(P* own, absl::FunctionRef<void(P*)> fn) {
  const int procs = gomaxprocs.load();
  safe_point_fn = &fn;
  safe_point_note.Clear();
  safe_point_wait.store(procs);
  for (int i = 0; i < procs; ++i) allp[i]->run_safe_point.store(true);
  if (own != nullptr) RunSafePoint(own);
  while (safe_point_wait.load() != 0) {
    PreemptAll();
    std::vector<P*> idle;
    for (int i = idle_ps.TakeAny(0); i >= 0; i = idle_ps.TakeAny(0)) {
      RunSafePoint(allp[i]);
      idle.push_back(allp[i]);
    }
    for (int i = 0; i < procs; ++i) {
      if (!RetakeSyscallP(allp[i])) continue;
      RunSafePoint(allp[i]);
      idle.push_back(allp[i]);
    }
    for (P* p : idle) HandoffP(p);  // looks for work that came meanwhile
    if (safe_point_wait.load() == 0) break;
    if (!safe_point_note.SleepFor(kAskAgainNs)) SignalAll();
  }
  safe_point_fn = nullptr;
}

}  // namespace internal

void StopTheWorld(absl::string_view reason) {
  internal::G* g = internal::CurrentGOrPanic();
  internal::Sched* s = g->sched;
  s->world.Acquire();
  NoPreempt no_preempt;  // keep this P
  if (internal::Traced(g->m)) {
    TraceStopBegin(g->m, reason, __builtin_frame_address(0));
  }
  s->StopTheWorldWithLock(g->m->p);
}

void StartTheWorld() {
  internal::Sched* s = internal::CurrentGOrPanic()->sched;
  {
    NoPreempt no_preempt;
    s->StartTheWorldWithLock(s->gomaxprocs.load());
    internal::M* const m = internal::CurrentM();
    if (internal::Traced(m)) TraceStopEnd(m);
  }
  s->world.Release();
}

int GOMAXPROCS(int n) {
  internal::G* g = internal::CurrentGOrPanic();
  internal::Sched* s = g->sched;
  const int old = s->gomaxprocs.load();
  if (n <= 0 || n == old) return old;
  if (n > internal::kMaxProcs) n = internal::kMaxProcs;
  s->world.Acquire();
  const int previous = s->gomaxprocs.load();
  {
    NoPreempt no_preempt;  // keep this P
    internal::M* const m = g->m;
    const void* const frame = __builtin_frame_address(0);
    if (internal::Traced(m)) TraceStopBegin(m, "GOMAXPROCS", frame);
    s->StopTheWorldWithLock(m->p);
    s->StartTheWorldWithLock(n);
    if (internal::Traced(m)) {
      TraceProcsChange(m, n, frame);
      TraceStopEnd(m);
    }
  }
  s->world.Release();
  return previous;
}

}  // namespace mpg
