#include "runtime/dump.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/panic.h"
#include "base/wait_reason.h"
#include "runtime/backtrace.h"
#include "runtime/backtrace_of.h"
#include "runtime/goroutine.h"
#include "runtime/sched.h"
#include "runtime/wait_clock.h"

namespace mpg {
namespace internal {
namespace {

TracebackLevel ParseTracebackLevel(const char* text) {
  const absl::string_view level = text == nullptr ? "" : text;
  if (level == "none" || level == "0") return TracebackLevel::kNone;
  if (level == "all" || level == "1") return TracebackLevel::kAll;
  if (level == "system" || level == "2") return TracebackLevel::kSystem;
  if (level == "crash") return TracebackLevel::kCrash;
  return TracebackLevel::kSingle;
}

std::string StateOf(const G* g, GStatus status) {
  // Only of one that waits: coming back from a call changes it while the world
  // is stopped. Once: after a fatal error nothing stands still.
  const ParkSite* site = status == GStatus::kWaiting ? g->site : nullptr;
  return std::string(site != nullptr ? WaitReasonName(site->reason)
                                     : GStatusName(status));
}

bool OnStackOf(const G* g, const Context& ctx) {
  const char* const sp = static_cast<const char*>(ctx.sp);
  return sp <= g->stack.hi &&
         sp >= g->stack.hi - g->sched->PoolOf(g)->Usable(g->stack);
}

void RecordFacts(const G* g, GoroutineRecord* out) {
  out->goid = g->goid;
  if (g->extra != nullptr) out->name = g->extra->name;
  out->locked = g->lockedm != nullptr;
  out->parent_goid = g->parent_goid;
  out->gopc = g->gopc;
}

// Not of one that may be changing them.
void RecordLabels(const G* g, GoroutineRecord* out) {
  if (g->extra != nullptr) out->labels = g->extra->labels;
}

void Keep(const Backtrace& trace, GoroutineRecord* out) {
  out->pcs.assign(trace.pcs, trace.pcs + trace.size);
  out->truncated = trace.truncated;
}

// Where g, which is not running, will go on. False: it cannot be told.
bool ContextOf(const G* g, GStatus status, Context* ctx) {
  if (status == GStatus::kSyscall) {
    *ctx = g->m->call;
    // Back meanwhile? acquire: pairs with the release in SetGStatus.
    return g->status.load(std::memory_order_acquire) == status;
  }
  *ctx = g->ctx;
  return OnStackOf(g, *ctx);
}

// The goroutines that a processor was busy with when the worlds had to be left as
// they were: what their descriptors say may be half written.
std::vector<const G*> BusyGoroutines() {
  std::vector<const G*> busy;
  ForEachSchedRacy([&busy](Sched* s) {
    for (int i = 0; i < s->allp_used.load(); ++i) {
      const M* m = s->allp[i]->m;
      if (m == nullptr) continue;
      busy.push_back(m->curg.Acquire());
      if (m->after != nullptr) busy.push_back(m->after_g);
    }
  });
  return busy;
}

// Nobody holds the lock that signalling takes, and the dying thread least of all.
bool Unlocked(Sched* s) ABSL_NO_THREAD_SAFETY_ANALYSIS {
  if (!s->mu.TryLock()) return false;
  s->mu.Unlock();
  return true;
}

bool Settled(Sched* s, bool may_start) {
  bool settled = true;
  s->PreemptAll();
  while (s->idle_ps.TakeAny(0) >= 0) {
  }
  for (int i = 0; i < s->gomaxprocs.load(); ++i) {
    P* p = s->allp[i];
    s->TakeSyscallP(p);
    if (p->status.load() != PStatus::kRunning) continue;
    const M* m = p->m.Acquire();  // pairs with the Publish in BindP
    if (m != nullptr && m == CurrentM()) continue;
    settled = false;
    if (s->options.async_preempt && Unlocked(s) &&
        (may_start || s->HaveIdleM())) {
      s->SignalP(p);
    }
  }
  return settled;
}

void RecordGoroutinesOf(Sched* s, const G* self,
                        std::vector<GoroutineRecord>* out) {
  s->ForEachG([&](G* g) {
    if (g == self) return;
    GoroutineRecord record;
    if (RecordGoroutine(g, &record)) out->push_back(std::move(record));
  });
}

// On a thread that has no P.
void StopAndRecord(Sched* s, const G* self, std::vector<GoroutineRecord>* out) {
  // Not Acquire: a Runtime that ends hands the lock on to nobody.
  for (int64_t us = 10; !s->world.TryAcquire();
       us = std::min(2 * us, int64_t{1000})) {
    if (s->stopping.load()) return;
    usleep(static_cast<useconds_t>(us));
  }
  s->StopTheWorldWithLock(nullptr);
  RecordGoroutinesOf(s, self, out);
  s->StartTheWorldWithLock(s->gomaxprocs.load());
  s->world.Release();
}

}  // namespace

TracebackLevel GetTracebackLevel() {
  static const TracebackLevel level =
      ParseTracebackLevel(getenv("GOTRACEBACK"));
  return level;
}

void EndTraceOfDying(bool may_start) {
  if (!TraceIsOn()) return;
  FreezeWorlds(kFreezeNs, may_start);
  TraceDies();
}

void ExitAfterTraceback() {
  EndTraceOfDying(/*may_start=*/true);
  if (GetTracebackLevel() == TracebackLevel::kCrash) {
    signal(SIGABRT, SIG_DFL);
    abort();
  }
  _exit(2);
}

absl::string_view GStatusName(GStatus status) {
  switch (status) {
    case GStatus::kIdle:
      return "idle";
    case GStatus::kRunnable:
      return "runnable";
    case GStatus::kRunning:
      return "running";
    case GStatus::kSyscall:
      return "syscall";
    case GStatus::kWaiting:
      return "waiting";
    case GStatus::kDead:
      return "dead";
    case GStatus::kPreempted:
      return "preempted";
  }
  return "???";
}

void BadGStatus(const G* g, GStatus from, GStatus to) {
  PrintError(absl::StrCat("runtime: casgstatus: goroutine ", g->goid, " is ",
                          GStatusName(g->Status()), ", not ", GStatusName(from),
                          ", on its way to ", GStatusName(to), "\n"));
  FatalError("casgstatus: bad incoming values");
}

bool RecordGoroutine(const G* g, GoroutineRecord* out) {
  // acquire: pairs with the release in SetGStatus.
  const GStatus status = g->status.load(std::memory_order_acquire);
  if (status == GStatus::kDead || status == GStatus::kIdle) return false;
  RecordFacts(g, out);
  out->state = StateOf(g, status);
  if (status == GStatus::kWaiting || status == GStatus::kSyscall) {
    out->minutes = MinutesSince(g->wait_since, NanoTime());
  }
  if (status == GStatus::kRunning) {
    out->has_stack = false;
    return true;
  }
  RecordLabels(g, out);
  if (!g->stack) return true;  // has not begun
  Context ctx;
  out->has_stack = ContextOf(g, status, &ctx);
  if (!out->has_stack) return true;
  Backtrace trace;
  if (status == GStatus::kPreempted) {
    TakeBacktraceOfInterrupted(ctx, &trace);
    // Whoever formats it takes all for return addresses.
    if (trace.size > 0) trace.pcs[0] = static_cast<char*>(trace.pcs[0]) + 1;
  } else {
    TakeBacktraceOf(ctx, &trace);
  }
  Keep(trace, out);
  return true;
}

void RecordSelf(const G* g, GoroutineRecord* out) {
  RecordFacts(g, out);
  RecordLabels(g, out);
  out->state = "running";
  Backtrace trace;
  TakeBacktrace(&trace);
  Keep(trace, out);
}

std::string FormatState(const GoroutineRecord& record) {
  std::string out = record.state;
  if (record.minutes > 0)
    absl::StrAppend(&out, ", ", record.minutes, " minutes");
  if (record.locked) out += ", locked to thread";
  return out;
}

std::string FormatFrames(const GoroutineRecord& record, bool system) {
  if (!record.has_stack) {
    return "\tgoroutine running on other thread; stack unavailable\n";
  }
  Backtrace trace;
  trace.size = static_cast<int>(record.pcs.size());
  std::copy(record.pcs.begin(), record.pcs.end(), trace.pcs);
  trace.truncated = record.truncated;
  return FormatBacktrace(trace, system);
}

std::string FormatCreatedBy(const void* gopc, int64_t parent_goid) {
  if (gopc == nullptr) return "";
  std::string frame = FormatPc(gopc);
  const size_t eol = frame.find('\n');
  return absl::StrCat(
      "created by ", frame.substr(0, eol),
      parent_goid == 0 ? "" : absl::StrCat(" in goroutine ", parent_goid),
      frame.substr(eol));
}

std::string FormatHeader(const GoroutineRecord& record) {
  const std::string name =
      record.name.empty() ? "" : absl::StrCat(" \"", record.name, "\"");
  const std::string labels =
      record.labels.Empty() ? "" : absl::StrCat(" ", record.labels.ToString());
  return absl::StrCat("goroutine ", record.goid, name, " [",
                      FormatState(record), "]", labels, ":\n");
}

std::string FormatRecord(const GoroutineRecord& record, bool system) {
  return absl::StrCat(FormatHeader(record), FormatFrames(record, system),
                      FormatCreatedBy(record.gopc, record.parent_goid));
}

std::string FormatHeader(const G* g, absl::string_view state) {
  GoroutineRecord record;
  RecordFacts(g, &record);
  RecordLabels(g, &record);
  record.state = std::string(state);
  return FormatHeader(record);
}

std::string FormatCreatedBy(const G* g) {
  return FormatCreatedBy(g->gopc, g->parent_goid);
}

std::vector<GoroutineRecord> RecordAll() {
  std::vector<GoroutineRecord> out;
  G* const self = CurrentOrCallingG();
  if (self != nullptr) {
    out.emplace_back();
    RecordSelf(self, &out.back());
  }
  const G* const running = CurrentG();
  if (running != nullptr && running->m->p->status.load() == PStatus::kGcstop) {
    // The caller has stopped its world, and must not give up its P.
    RecordGoroutinesOf(running->sched, self, &out);
    return out;
  }
  // Without a P: two goroutines of two Runtimes may each stop the other's world.
  Syscall([&out, self] {
    for (Sched* s : PinScheds()) {
      StopAndRecord(s, self, &out);
      s->foreign_calls.fetch_sub(1);
    }
  });
  return out;
}

// Go: freezetheworld. Not `stopping`: Run must not return.
void FreezeWorlds(int64_t wait_ns, bool may_start) {
  ForEachSchedRacy([](Sched* s) { s->gcwaiting.store(true); });
  const int64_t end = NanoTime() + wait_ns;
  for (bool settled = false; !settled && NanoTime() < end;) {
    settled = true;
    ForEachSchedRacy([&](Sched* s) {
      if (!Settled(s, may_start)) settled = false;
    });
    usleep(1000);
  }
}

ABSL_ATTRIBUTE_NO_SANITIZE_THREAD void PrintOthers(
    const G* self, absl::FunctionRef<void(const std::string&)> print) {
  const bool system = GetTracebackLevel() >= TracebackLevel::kSystem;
  const std::vector<const G*> busy = BusyGoroutines();
  ForEachSchedRacy([&](Sched* s) {
    s->ForEachGRacy([&](G* g) {
      if (g == self) return;
      GoroutineRecord record;
      if (std::find(busy.begin(), busy.end(), g) != busy.end()) {
        RecordFacts(g, &record);
        record.state = "running";
        record.has_stack = false;
      } else if (!RecordGoroutine(g, &record)) {
        return;
      }
      print(absl::StrCat("\n", FormatRecord(record, system)));
    });
  });
}

void DumpOnFatalError() {
  if (GetTracebackLevel() == TracebackLevel::kNone) {
    EndTraceOfDying(/*may_start=*/false);
    return;
  }
  FreezeWorlds(kFreezeNs, /*may_start=*/false);
  G* const self = CurrentOrCallingG();
  if (self != nullptr) {
    GoroutineRecord record;
    RecordSelf(self, &record);
    PrintError(absl::StrCat(
        "\n",
        FormatRecord(record, GetTracebackLevel() >= TracebackLevel::kSystem)));
  }
  PrintOthers(self, [](const std::string& text) { PrintError(text); });
  EndTraceOfDying(/*may_start=*/false);
  if (GetTracebackLevel() == TracebackLevel::kCrash) ExitAfterTraceback();
}

}  // namespace internal
}  // namespace mpg
