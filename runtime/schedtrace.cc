// Statistics and the SCHED lines. Go: schedtrace (proc.go).
#include <string>

#include "absl/base/attributes.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/panic.h"
#include "runtime/dump.h"
#include "runtime/sched.h"

namespace mpg {
namespace internal {

uint64_t Sched::Switches() const {
  uint64_t n = 0;
  for (int i = 0; i < allp_used.load(); ++i) {
    n += allp[i]->switches;
  }
  return n;
}

SchedStats Sched::Stats() const {
  SchedStats stats;
  stats.gomaxprocs = gomaxprocs.load();
  stats.idleprocs = idle_ps.Count();
  stats.threads = nthreads.load() + 1;  // sysmon
  stats.spinningthreads = nmspinning.load();
  stats.idlethreads = nmidle.load();
  stats.runqueue = runq.Size() + spill.Size();
  for (int i = 0; i < stats.gomaxprocs; ++i) {
    stats.local_runqueues.push_back(allp[i]->runq.Size());
  }
  stats.goroutines = LiveGoroutines();
  stats.goroutines_created = foreign_p.created.Get();
  for (int i = 0; i < allp_used.load(); ++i) {
    const P* p = allp[i];
    stats.goroutines_created += p->created.Get();
    stats.steals += p->steals.Get();
    stats.schedticks += p->schedtick;
    stats.yields += p->yields.Get();
    stats.signalled += p->signalled.Get();
  }
  stats.switches = Switches();
  stats.stalls = stall_reporter.count();
  // relaxed, both: figures.
  stats.handoffs = handoffs.load(std::memory_order_relaxed);
  stats.retakes = retakes.load(std::memory_order_relaxed);
  return stats;
}

namespace {

std::string DetailOfP(const P* p) {
  const M* m = p->m;
  return absl::StrCat(
      "  P", p->id, ": status=", static_cast<int>(p->status.load()),
      " schedtick=", p->schedtick.Get(), " syscalltick=", p->syscalltick.Get(),
      " m=", m == nullptr ? "nil" : absl::StrCat(m->id),
      " runqsize=", p->runq.Size(), " gfreecnt=", p->gfree.Count(),
      " timerslen=0\n");
}

// The lines for M and G look at what its owner may be changing, on purpose: Ms
// and descriptors stay mapped, each word is read whole, and an old one will do.
ABSL_ATTRIBUTE_NO_SANITIZE_THREAD std::string DetailOfM(const M* m) {
  const P* p = m->p;
  const G* g = m->curg;
  const G* locked = m->lockedg;
  const bool on_g0 = g == nullptr || g == &m->g0;
  return absl::StrCat(
      "  M", m->id, ": p=", p == nullptr ? "nil" : absl::StrCat(p->id),
      " curg=", on_g0 ? "nil" : absl::StrCat(g->goid),
      " mallocing=0 throwing=0 preemptoff= locks=0 dying=0 spinning=",
      m->spinning.Get() ? "true" : "false",
      " blocked=", m->state.load() == MState::kIdle ? "true" : "false",
      " lockedg=", locked == nullptr ? "nil" : absl::StrCat(locked->goid),
      "\n");
}

ABSL_ATTRIBUTE_NO_SANITIZE_THREAD std::string DetailOfG(const G* g) {
  const GStatus status = g->Status();
  const M* m = status == GStatus::kRunning ? g->m : nullptr;
  const M* lockedm = g->lockedm;  // once: it changes
  const absl::string_view reason =
      status == GStatus::kWaiting && g->site != nullptr
          ? WaitReasonName(g->site->reason)
          : "";
  return absl::StrCat(
      "  G", g->goid, ": status=", static_cast<int>(status), "(", reason,
      ") m=", m == nullptr ? "nil" : absl::StrCat(m->id),
      " lockedm=", lockedm == nullptr ? "nil" : absl::StrCat(lockedm->id),
      "\n");
}

}  // namespace

void Sched::PrintSchedTrace(bool detailed) {
  const SchedStats stats = Stats();
  std::string out = absl::StrCat(
      "SCHED ", (NanoTime() - start_time) / 1'000'000,
      "ms: gomaxprocs=", stats.gomaxprocs, " idleprocs=", stats.idleprocs,
      " threads=", stats.threads, " spinningthreads=", stats.spinningthreads,
      " idlethreads=", stats.idlethreads, " runqueue=", stats.runqueue);
  if (!detailed) {
    absl::StrAppend(&out, " [", absl::StrJoin(stats.local_runqueues, " "),
                    "]\n");
    PrintError(out);
    return;
  }
  absl::StrAppend(&out, " gcwaiting=", gcwaiting.load() ? "true" : "false",
                  " nmidlelocked=", nmlockedidle.load(), " stopwait=", stopwait,
                  " sysmonwait=false\n");
  for (int i = 0; i < stats.gomaxprocs; ++i) out += DetailOfP(allp[i]);
  std::vector<M*> ms;
  {
    RuntimeLockGuard guard(mu);
    ms = allm;
  }
  for (const M* m : ms) out += DetailOfM(m);
  ForEachG([&out](G* g) {
    if (g->Status() != GStatus::kDead) out += DetailOfG(g);
  });
  PrintError(out);
}

}  // namespace internal
}  // namespace mpg
