#include "runtime/debug_stats.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include <map>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "base/wait_reason.h"
#include "runtime/figures.h"
#include "runtime/sched.h"
#include "runtime/time_histogram.h"

namespace mpg {
namespace internal {
namespace {

std::string Quoted(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&out, "\\u%04x", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

absl::string_view Bool(bool b) { return b ? "true" : "false"; }

absl::string_view PStatusName(PStatus status) {
  switch (status) {
    case PStatus::kIdle:
      return "idle";
    case PStatus::kRunning:
      return "running";
    case PStatus::kSyscall:
      return "syscall";
    case PStatus::kGcstop:
      return "gcstop";
    case PStatus::kDead:
      return "dead";
  }
  return "?";
}

// These look at what its owner may be changing, on purpose: Ms and descriptors
// stay mapped, each word is read whole, and an old one will do.
ABSL_ATTRIBUTE_NO_SANITIZE_THREAD absl::string_view StateName(const G* g) {
  const GStatus status = g->Status();
  const ParkSite* site = g->site;  // once: it changes
  if (status == GStatus::kWaiting && site != nullptr) {
    return WaitReasonName(site->reason);
  }
  return GStatusName(status);
}

std::string States(Sched* s) {
  std::map<absl::string_view, int64_t> counts;
  s->ForEachG([&counts](G* g) {
    const GStatus status = g->Status();
    if (status != GStatus::kDead && status != GStatus::kIdle) {
      ++counts[StateName(g)];
    }
  });
  return absl::StrJoin(counts, ",", [](std::string* out, const auto& count) {
    absl::StrAppend(out, Quoted(count.first), ":", count.second);
  });
}

ABSL_ATTRIBUTE_NO_SANITIZE_THREAD int64_t GoidOn(const M* m) {
  const G* g = m == nullptr ? nullptr : m->curg.Acquire();
  return g == nullptr || g == &m->g0 ? 0 : g->goid;
}

std::string ProcJson(const P* p) {
  const M* m = p->m.Acquire();
  return absl::StrCat(
      "{\"id\":", p->id, ",\"status\":", Quoted(PStatusName(p->status.load())),
      ",\"m\":", m == nullptr ? -1 : m->id, ",\"goid\":", GoidOn(m),
      ",\"runq\":", p->runq.Size(), ",\"timers\":", p->timers.heap()->Size(),
      ",\"schedtick\":", p->schedtick.Get(),
      ",\"switches\":", p->switches.Get(),
      ",\"syscalltick\":", p->syscalltick.Get(), "}");
}

ABSL_ATTRIBUTE_NO_SANITIZE_THREAD absl::string_view MStateName(const M* m) {
  if (m->locked_asleep) return "locked";
  switch (m->state.load()) {
    case MState::kActive: {
      const G* g = m->curg.Acquire();
      if (g == nullptr) return "starting";
      return g->Status() == GStatus::kSyscall ? "syscall" : "active";
    }
    case MState::kIdle:
      return "idle";
    case MState::kDead:
    case MState::kLeft:
      return "dead";
  }
  return "?";
}

ABSL_ATTRIBUTE_NO_SANITIZE_THREAD std::string MJson(const M* m) {
  const P* p = m->p;
  if (p != nullptr && p->m.Get() != m) p = nullptr;  // lost in a system call
  return absl::StrCat("{\"id\":", m->id, ",\"tid\":", m->tid,
                      ",\"state\":", Quoted(MStateName(m)),
                      ",\"p\":", p == nullptr ? -1 : p->id,
                      ",\"goid\":", GoidOn(m),
                      ",\"spinning\":", Bool(m->spinning.Get()), "}");
}

std::string ProcsJson(Sched* s) {
  std::vector<std::string> out;
  for (int i = 0; i < s->gomaxprocs.load(); ++i) {
    out.push_back(ProcJson(s->allp[i]));
  }
  return absl::StrJoin(out, ",");
}

std::string MsJson(Sched* s) {
  std::vector<std::string> out;
  RuntimeLockGuard guard(s->mu);
  for (const M* m : s->allm) {
    if (MStateName(m) != "dead") out.push_back(MJson(m));
  }
  return absl::StrJoin(out, ",");
}

std::string LatenciesJson(const Sched* s) {
  TimeCounts sum;
  for (int i = 0; i < s->allp_used.load(); ++i) sum.Add(s->allp[i]->latencies);
  std::vector<std::string> out;
  for (int i = 0; i < TimeHistogram::kBuckets; ++i) {
    if (sum.counts[i] == 0) continue;
    out.push_back(absl::StrCat("[", TimeHistogram::LowerBound(i), ",",
                               sum.counts[i], "]"));
  }
  return absl::StrJoin(out, ",");
}

std::string RuntimeJson(Sched* s) {
  const SchedStats stats = s->Stats();
  return absl::StrCat(
      absl::StrCat("{\"gomaxprocs\":", stats.gomaxprocs, ",\"idleprocs\":",
                   stats.idleprocs, ",\"threads\":", stats.threads,
                   ",\"spinningthreads\":", stats.spinningthreads,
                   ",\"idlethreads\":", stats.idlethreads, ",\"nmidlelocked\":",
                   s->nmlockedidle.load(), ",\"runqueue\":", stats.runqueue,
                   ",\"goroutines\":", stats.goroutines),
      absl::StrCat(
          ",\"goroutines_created\":", stats.goroutines_created,
          ",\"switches\":", stats.switches,
          ",\"schedticks\":", stats.schedticks, ",\"steals\":", stats.steals,
          // relaxed: a figure.
          ",\"thread_wakes\":", s->thread_wakes.load(std::memory_order_relaxed),
          ",\"gcwaiting\":", Bool(s->gcwaiting.load()),
          ",\"uptime_ns\":", NanoTime() - s->start_time),
      ",\"latencies\":[", LatenciesJson(s), "],\"states\":{", States(s),
      "},\"procs\":[", ProcsJson(s), "],\"ms\":[", MsJson(s), "]}");
}

int64_t Nanos(const timeval& t) {
  return t.tv_sec * int64_t{1'000'000'000} + t.tv_usec * int64_t{1000};
}

}  // namespace

std::string DebugStatsJson() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  std::vector<std::string> runtimes;
  for (Sched* s : PinScheds()) {
    runtimes.push_back(RuntimeJson(s));
    s->foreign_calls.fetch_sub(1);
  }
  return absl::StrCat("{\"version\":1,\"pid\":", getpid(),
                      ",\"program\":", Quoted(program_invocation_short_name),
                      ",\"time_ns\":", NanoTime(), ",\"cpu_ns\":",
                      Nanos(usage.ru_utime) + Nanos(usage.ru_stime),
                      ",\"voluntary_switches\":", usage.ru_nvcsw,
                      ",\"involuntary_switches\":", usage.ru_nivcsw,
                      ",\"runtimes\":[", absl::StrJoin(runtimes, ","), "]}\n");
}

}  // namespace internal
}  // namespace mpg
