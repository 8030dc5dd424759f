#include "runtime/trace_hooks.h"

#include <array>
#include <cstddef>

#include "base/closure_origin.h"
#include "runtime/sched.h"
#include "runtime/trace_ids.h"

namespace mpg {
namespace internal {
namespace {

uint64_t IdOf(const G* g) { return TraceGoidOf(g->sched, g->goid); }
uint64_t IdOf(const P* p) { return TraceProcOf(p->sched, p->id); }

TraceSeq NextSeq(G* g) { return static_cast<TraceSeq>(++g->trace.seq); }
TraceSeq NextSeq(P* p) { return static_cast<TraceSeq>(++p->trace_seq); }

// Instead of a stack: readers leave out a wake-up that has none.
constexpr char kByNetwork[] = "mpg: network poller";
constexpr char kByScheduler[] = "mpg: timers and scheduler";
constexpr char kByThread[] = "mpg: thread without a P";

// The running goroutine's stack; on g0 and for a null frame, what acts there.
uint64_t StackAt(M* m, const void* frame) {
  const G* const g = m->curg;
  if (ABSL_PREDICT_TRUE(frame != nullptr && g != &m->g0)) {
    return m->trace->Stack(frame, g->stack.hi);
  }
  return m->trace->StackOf(
      OriginOfText(frame == nullptr ? kByNetwork : kByScheduler));
}

constexpr auto kBlockNames = [] {
  std::array<TraceName, kWaitReasons> names{};
  for (size_t i = 0; i < kWaitReasons; ++i) {
    names[i] = TraceNameOf(static_cast<WaitReason>(i));
  }
  return names;
}();

bool Known(const G* g) { return g->trace.epoch == g->sched->trace.epoch; }

// What g runs: its text, or one past the function's first byte, as if that were a
// return address; or where it was created.
uint64_t StartOf(const M* m, G* g) {
  const uintptr_t origin = g->fn.manage(&g->fn, ClosureOp::kOrigin);
  if (origin == 0)
    return m->trace->StackOf(reinterpret_cast<uintptr_t>(g->gopc));
  return m->trace->StackOf((origin & kOriginIsText) != 0 ? origin : origin + 1);
}

// A goroutine that was created without a P is so when it first runs.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline void MakeKnown(M* m, G* g) {
  if (ABSL_PREDICT_TRUE(Known(g))) return;
  g->trace = {0, g->sched->trace.epoch};
  m->trace->Emit(TraceEvent::kGoCreate, IdOf(g), StartOf(m, g), 0);
}

// See SchedTrace::procs_unsaid.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline void SayProcs(M* m) {
  std::atomic<bool>& unsaid = m->sched->trace.procs_unsaid;
  if (ABSL_PREDICT_FALSE(unsaid.load(std::memory_order_relaxed)) &&
      unsaid.exchange(false, std::memory_order_relaxed)) {
    m->trace->Emit(TraceEvent::kProcsChange, m->sched->gomaxprocs.load(), 0);
  }
}

}  // namespace

void TraceGoCreate(M* m, G* g, const void* frame) {
  g->trace = {0, g->sched->trace.epoch};
  m->trace->Emit(TraceEvent::kGoCreate, IdOf(g), StartOf(m, g),
                 StackAt(m, frame));
}

void TraceGoStart(M* m, G* g) {
  MakeKnown(m, g);
  m->trace->Emit(TraceEvent::kGoStart, IdOf(g), NextSeq(g));
  SayProcs(m);
}

void TraceGoStartAtOnce(M* m, G* g) {
  MakeKnown(m, g);
  m->trace->EmitAtOnce(TraceEvent::kGoStart, IdOf(g), NextSeq(g));
  SayProcs(m);
}

void TraceGoBlock(M* m, G* g, WaitReason reason, const void* frame) {
  const uint64_t now = m->trace->Now();
  m->trace->EmitAt(now, TraceEvent::kGoBlock,
                   kBlockNames[static_cast<size_t>(reason)],
                   m->trace->Stack(frame, g->stack.hi));
}

void TraceGoStop(M* m, G* g, TraceName reason, const void* frame) {
  const uint64_t now = m->trace->Now();
  m->trace->EmitAt(now, TraceEvent::kGoStop, reason,
                   m->trace->Stack(frame, g->stack.hi));
}

void TraceGoDestroy(M* m, G* g) {
  g->trace.epoch = 0;  // its descriptor's next goroutine is unknown
  m->trace->Emit(TraceEvent::kGoDestroy);
}

void TraceGoUnblock(M* m, G* g, const void* frame) {
  const uint64_t now = m->trace->Now();
  m->trace->EmitAt(now, TraceEvent::kGoUnblock, IdOf(g), NextSeq(g),
                   StackAt(m, frame));
}

void TraceProcStart(M* m) {
  P* const p = m->p;
  m->trace->Emit(TraceEvent::kProcStart, IdOf(p), NextSeq(p));
}

void TraceProcStop(M* m) { m->trace->Emit(TraceEvent::kProcStop); }

void TraceNewProc(M* m, const P* p) {
  m->trace->Emit(TraceEvent::kProcStatus, IdOf(p), TraceProcStatus::kIdle);
}

void TraceProcLost(M* m, const void* frame) {
  TraceGoStop(m, m->curg, TraceName::kPreempted, frame);
  TraceProcStop(m);
}

void TraceProcFound(M* m) { TraceGoStart(m, m->curg); }

void TraceSyscallBegin(M* m, const void* frame) {
  m->trace->Emit(TraceEvent::kGoSyscallBegin, NextSeq(m->p), StackAt(m, frame));
}

void TraceSyscallEnd(M* m, G* g, P* p, const M* holder) {
  if (holder == m) {
    m->trace->Emit(TraceEvent::kGoSyscallEnd);
    return;
  }
  m->trace->Emit(TraceEvent::kProcSteal, IdOf(p), NextSeq(p),
                 TraceThreadOf(holder));
  TraceProcStart(m);
  TraceSyscallEndBlocked(m, g);
}

void TraceSyscallEndBlocked(M* m, G* g) {
  m->trace->Emit(TraceEvent::kGoSyscallEndBlocked);
  TraceGoStart(m, g);
}

void TraceStopBegin(M* m, absl::string_view kind, const void* frame) {
  m->trace->Emit(TraceEvent::kStwBegin, m->trace->tables()->String(kind),
                 StackAt(m, frame));
}

void TraceStopEnd(M* m) { m->trace->Emit(TraceEvent::kStwEnd); }

void TraceProcsChange(M* m, int procs, const void* frame) {
  m->trace->Emit(TraceEvent::kProcsChange, procs, StackAt(m, frame));
}

void TraceProcSteal(P* p, const M* m) {
  SchedTrace& t = p->sched->trace;
  if (ABSL_PREDICT_TRUE(t.tables == nullptr)) return;
  t.shared->Emit(TraceEvent::kProcSteal, IdOf(p), NextSeq(p), TraceThreadOf(m));
}

void ReadyWithoutP(G* g) {
  SchedTrace& t = g->sched->trace;
  RuntimeLockGuard guard(t.mu);
  SetGStatus(g, GStatus::kWaiting, GStatus::kRunnable);
  if (ABSL_PREDICT_FALSE(t.tables != nullptr)) {
    t.shared->Emit(TraceEvent::kGoUnblock, IdOf(g), NextSeq(g),
                   t.shared->StackOf(OriginOfText(kByThread)));
  }
}

void EndCallWithoutP(M* m, G* g) {
  RuntimeLockGuard guard(m->sched->trace.mu);
  SetGStatus(g, GStatus::kSyscall, GStatus::kRunnable);
  if (Traced(m)) m->trace->Emit(TraceEvent::kGoSyscallEndBlocked);
}

}  // namespace internal
}  // namespace mpg
