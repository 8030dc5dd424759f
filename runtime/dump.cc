#include "runtime/dump.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/panic.h"
#include "base/wait_reason.h"
#include "runtime/backtrace.h"
#include "runtime/sched.h"
#include "runtime/switch_to.h"

namespace mpg {
namespace internal {
namespace {

std::string StateOf(const G* g) {
  const GStatus status = g->Status();
  if (status == GStatus::kWaiting && g->site != nullptr) {
    return std::string(WaitReasonName(g->site->reason));
  }
  return std::string(GStatusName(status));
}

// Looks at a parked goroutine's stack from within: resumes the goroutine with,
// instead of its predecessor's business, the order to take a backtrace and to
// come straight back.
struct Visit : M {
  explicit Visit(Sched* s) : M(s, -1, &kG0Ops) {}
  Context here;
  SanFiber here_san;
  Backtrace trace;
};

void TakeBacktraceAndReturn(M* m, G* g) {
  Visit* visit = static_cast<Visit*>(m);
  TakeBacktrace(&visit->trace);
  SanBeforeSwitch(g->San(), &visit->here_san, false);
  SwitchContext(&g->ctx, &visit->here);
  SanAfterSwitch(g->San());
}

// REQUIRES: g is parked or queued with a stack, and nobody will run it.
void VisitParked(G* g, Visit* visit) {
  M* m = g->m;
  visit->after = TakeBacktraceAndReturn;
  visit->after_g = g;
  g->m = visit;
  SanAdoptThread(&visit->here_san);
  SanBeforeSwitch(&visit->here_san, g->San(), false);
  SwitchContext(&visit->here, &g->ctx);
  SanAfterSwitch(&visit->here_san);
  g->m = m;
}

void DumpOne(G* g, const G* self) {
  const GStatus status = g->Status();
  if (status == GStatus::kDead || status == GStatus::kIdle) return;
  std::string out = "\n";
  if (g == self) {
    Backtrace trace;
    TakeBacktrace(&trace);
    out += FormatHeader(g, "running") + FormatBacktrace(trace);
  } else if (status == GStatus::kRunning || status == GStatus::kSyscall ||
             status == GStatus::kPreempted) {
    out += FormatHeader(g, "");
    out += "\tgoroutine running on other thread; stack unavailable\n";
  } else {
    out += FormatHeader(g, "");
    if (g->stack) {
      Visit visit(g->sched);
      VisitParked(g, &visit);
      out += FormatBacktrace(visit.trace);
    }
  }
  PrintError(out + FormatCreatedBy(g));
}

}  // namespace

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

namespace {

std::string LabelsOf(const G* g) {
  if (g->extra == nullptr || g->extra->labels.Empty()) return "";
  return absl::StrCat(" ", g->extra->labels.ToString());
}

}  // namespace

std::string FormatHeader(const G* g, absl::string_view state) {
  std::string name;
  if (g->extra != nullptr && !g->extra->name.empty()) {
    name = absl::StrCat(" \"", g->extra->name, "\"");
  }
  return absl::StrCat("goroutine ", g->goid, name, " [",
                      state.empty() ? StateOf(g) : std::string(state),
                      g->lockedm != nullptr ? ", locked to thread" : "", "]",
                      LabelsOf(g), ":\n");
}

std::string FormatCreatedBy(const G* g) {
  return FormatCreatedBy(g->gopc, g->parent_goid);
}

std::string FormatCreatedBy(const void* gopc, int64_t parent_goid) {
  if (gopc == nullptr || parent_goid == 0) return "";
  std::string frame = FormatPc(gopc);
  const size_t eol = frame.find('\n');
  return absl::StrCat("created by ", frame.substr(0, eol), " in goroutine ",
                      parent_goid, frame.substr(eol));
}

void DumpOnFatalError() {
  G* const self = CurrentOrCallingG();
  ForEachSchedRacy([&](Sched* s) {
    // Go: freezetheworld. Best effort: who does not come by is not waited for.
    // Not `stopping`: Run must not return.
    s->gcwaiting.store(true);
    while (s->idle_ps.TakeAny(0) >= 0) {
    }
    s->PreemptAll();
  });
  usleep(1000);
  if (self != nullptr) DumpOne(self, self);
  ForEachSchedRacy([&](Sched* s) {
    s->ForEachGRacy([&](G* g) {
      if (g != self) DumpOne(g, self);
    });
  });
}

}  // namespace internal
}  // namespace mpg
