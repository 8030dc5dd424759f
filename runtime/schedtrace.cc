// Statistics and the SCHED lines. Go: schedtrace (proc.go).
#include <sys/uio.h>
#include <unistd.h>

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
  const M* m = p->m.Acquire();
  return absl::StrCat(
      "  P", p->id, ": status=", static_cast<int>(p->status.load()),
      " schedtick=", p->schedtick.Get(), " syscalltick=", p->syscalltick.Get(),
      " m=", m == nullptr ? "nil" : absl::StrCat(m->id),
      " runqsize=", p->runq.Size(), " gfreecnt=", p->gfree.Count(),
      " timerslen=", p->timers.heap()->Size(), "\n");
}

// How many locks m's thread holds. By a system call, because a thread that has
// ended has taken the place with it; 0 then. Like what follows, not ordered with
// the owner's writes, on purpose.
ABSL_ATTRIBUTE_NO_SANITIZE_THREAD int32_t LocksOf(const M* m) {
  int32_t* const place = const_cast<int32_t*>(m->locks);
  if (place == nullptr) return 0;
  int32_t locks = 0;
  iovec to = {&locks, sizeof locks};
  iovec from = {place, sizeof locks};
  const ssize_t n = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
  return n == sizeof locks ? locks : 0;
}

// The lines for M and G look at what its owner may be changing, on purpose: Ms
// and descriptors stay mapped, each word is read whole, and an old one will do.
// Go prints also what has no counterpart here, and so do we, as 0: mallocing,
// throwing and dying (a process that dies prints no more lines), preemptoff.
ABSL_ATTRIBUTE_NO_SANITIZE_THREAD std::string DetailOfM(const M* m) {
  const P* p = m->p;
  if (p != nullptr && p->m.Get() != m) p = nullptr;  // lost in a system call
  const G* g = m->curg;
  const G* locked = m->lockedg;
  const bool on_g0 = g == nullptr || g == &m->g0;
  return absl::StrCat(
      "  M", m->id, ": p=", p == nullptr ? "nil" : absl::StrCat(p->id),
      " curg=", on_g0 ? "nil" : absl::StrCat(g->goid),
      " mallocing=0 throwing=0 preemptoff= locks=", LocksOf(m),
      " dying=0 spinning=", m->spinning.Get() ? "true" : "false", " blocked=",
      m->locked_asleep || m->state.load() == MState::kIdle ? "true" : "false",
      " lockedg=", locked == nullptr ? "nil" : absl::StrCat(locked->goid),
      "\n");
}

ABSL_ATTRIBUTE_NO_SANITIZE_THREAD std::string DetailOfG(const G* g) {
  const GStatus status = g->Status();
  const bool has_m = status == GStatus::kRunning ||
                     status == GStatus::kSyscall ||
                     status == GStatus::kPreempted;
  const M* m = has_m ? g->m : nullptr;
  const ParkSite* site = g->site;  // once, too
  const M* lockedm = g->lockedm;   // once: it changes
  const absl::string_view reason =
      site != nullptr &&
              (status == GStatus::kWaiting || status == GStatus::kRunnable)
          ? WaitReasonName(site->reason)
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
  const int64_t now = NanoTime();
  if (schedtrace_start == 0) schedtrace_start = now;
  std::string out = absl::StrCat(
      "SCHED ", (now - schedtrace_start) / 1'000'000,
      "ms: gomaxprocs=", stats.gomaxprocs, " idleprocs=", stats.idleprocs,
      " threads=", stats.threads, " spinningthreads=", stats.spinningthreads,
      // Go's flag; here whoever ends a stop of the world looks for work himself.
      " needspinning=0 idlethreads=", stats.idlethreads,
      " runqueue=", stats.runqueue);
  if (!detailed) {
    absl::StrAppend(&out, " [", absl::StrJoin(stats.local_runqueues, " "),
                    "]\n");
    PrintError(out);
    return;
  }
  int waits;
  {
    RuntimeLockGuard guard(mu);
    waits = stopwait;
  }
  // Who prints is sysmon, which is not asleep.
  absl::StrAppend(&out, " gcwaiting=", gcwaiting.load() ? "true" : "false",
                  " nmidlelocked=", nmlockedidle.load(), " stopwait=", waits,
                  " sysmonwait=false\n");
  for (int i = 0; i < stats.gomaxprocs; ++i) out += DetailOfP(allp[i]);
  {
    RuntimeLockGuard guard(mu);
    // The newest first, as Go lists them.
    for (auto m = allm.rbegin(); m != allm.rend(); ++m) out += DetailOfM(*m);
  }
  ForEachG([&out](G* g) {
    if (g->Status() != GStatus::kDead) out += DetailOfG(g);
  });
  PrintError(out);
}

}  // namespace internal
}  // namespace mpg
