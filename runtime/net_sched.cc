// The network poller in the schedule loop. Go: findRunnable, injectglist.
#include <sys/resource.h>

#include <utility>

#include "base/clock.h"
#include "runtime/latency.h"
#include "runtime/netpoll.h"
#include "runtime/sched.h"
#include "runtime/trace_hooks.h"

namespace mpg {
namespace internal {
namespace {

// The kernel has taken the core from m's thread, this one, since the last call, which
// was not long ago.
bool SwitchedOut(M* m, int64_t now) {
  rusage usage;
  getrusage(RUSAGE_THREAD, &usage);
  const auto last =
      std::exchange(m->switched_out, M::SwitchedOut{usage.ru_nivcsw, now});
  return usage.ru_nivcsw != last.times && now - last.at < NetPace::kScarceForNs;
}

}  // namespace

// The keeper has to sleep in epoll from now on.
absl::Status Sched::UseNetPoll() {
  if (net_sleep.InUse()) return absl::OkStatus();
  absl::Status status = net_sleep.Use();
  // One that sleeps on its note moves over.
  if (status.ok()) keeper.WakeFor(0);
  return status;
}

// A goroutine of p has parked, the first to wait for the network. Usually p is
// idle before anything comes; if it goes on, somebody else should wait.
void Sched::NetWaiterCame() {
  const int64_t now = NanoTime();
  last_poll.store(now);  // seq_cst: see Sysmon::next_look_
  if (idle_ps.Count() == 0) return;
  M* const m = CurrentM();
  if (P* p = m->p) p->wants_keeper = true;
  // A goroutine may run for long before that is looked at.
  if (m->curg.Get() != &m->g0) sysmon->LookSoon(now);
}

// True: goroutines were put into p's ring. At most one M polls like this at once.
bool Sched::PollNetworkInto(P* p) {
  // relaxed: only to keep a second one away.
  if (net_polling.exchange(true, std::memory_order_relaxed)) return false;
  int n = 0;
  bool overflowed = false;
  NetPoll([&](Waiter* w) {
    G* const g = static_cast<G*>(w);
    if (g->sched != this) {
      Ready(w);
      return;
    }
    SetGStatus(g, GStatus::kWaiting, GStatus::kRunnable);
    if (Traced(p->m)) TraceGoUnblock(p->m, g, nullptr);
    BecomesRunnable(p, g);
    overflowed |= p->runq.Put<kSpawnLimit>(g, false, SpillTo(p)) ==
                  PutResult::kOverflowed;
    ++n;
  });
  net_polling.store(false, std::memory_order_relaxed);
  p->net_ready.Add(static_cast<uint64_t>(n));
  const int64_t now = NanoTime();
  last_poll.store(now);  // seq_cst: see Sysmon::next_look_
  const bool shared =
      p->net_pace.Polled(n, now, [&] { return SwitchedOut(p->m, now); });
  if (shared || overflowed) {
    WakeForRing();
  } else if (idle_ps.CountRelaxed() != 0 && (n > 1 || NetworkUnpolled())) {
    sysmon->LookSoon(now);
  }
  return n != 0;
}

bool Sched::PollNetworkForeign() {
  last_poll.store(NanoTime(), std::memory_order_relaxed);
  const int n = NetPoll([](Waiter* w) { Ready(w); });
  // relaxed: a figure.
  net_ready.fetch_add(static_cast<uint64_t>(n), std::memory_order_relaxed);
  return n != 0;
}

// Somebody waits for the network, and no keeper does it for all.
bool Sched::NetworkUnpolled() const {
  return net_waiters.load() != 0 && !net_sleep.Blocked();
}

}  // namespace internal
}  // namespace mpg
