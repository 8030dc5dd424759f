#include "runtime/preempt.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <functional>

#if defined(MPG_ASAN)
#include <sanitizer/asan_interface.h>
#endif

#include "base/clock.h"
#include "base/panic.h"
#include "runtime/backtrace_of.h"
#include "runtime/goroutine.h"
#include "runtime/latency.h"
#include "runtime/sched.h"
#include "runtime/switch_to.h"
#include "runtime/trace_hooks.h"

namespace mpg {
namespace internal {
namespace {

// Go uses it too: the program hardly needs it, libc does not, and it is ignored
// by default. (Go: sigPreempt.)
constexpr int kSignal = SIGURG;
// In the signals that we send.
char preempt_wish;
char stall_wish;

struct sigaction previous;

bool OnStackOf(const G* g, const Context& at) {
  if (!g->stack) return false;
  const uintptr_t sp = reinterpret_cast<uintptr_t>(at.sp);
  const uintptr_t hi = reinterpret_cast<uintptr_t>(g->stack.hi);
  return sp <= hi && sp > hi - g->sched->PoolOf(g)->Usable(g->stack);
}

// The goroutine that the signal has interrupted outside of the scheduler, or null.
G* Interrupted(M* m, const void* context) {
  if (ThisThread()->locks != 0 || m->using_p || m->after != nullptr) {
    return nullptr;
  }
  G* g = m->curg;
  P* p = m->p;
  const bool runs =
      g != &m->g0 && p != nullptr && g->Status() == GStatus::kRunning &&
      // relaxed: kGcstop is this thread's own doing.
      p->status.load(std::memory_order_relaxed) == PStatus::kRunning &&
      OnStackOf(g, InterruptedAt(context));
  return runs ? g : nullptr;
}

// See preempt.h.
bool MayPreempt(const G* g) {
  return g->async_off == 0 &&
         // relaxed: see Waiter::preempt. False: nobody wants it any more.
         g->preempt.load(std::memory_order_relaxed) &&
         !g->sched->stopping.load() && !HoldsLibraryLock();
}

void PassOn(int signal, siginfo_t* info, void* context) {
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  }
}

void OnSignal(int signal, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const void* const wish = info->si_value.sival_ptr;
  if (!IsPreemptSignal(signal, info)) {
    PassOn(signal, info, context);
  } else if (M* m = CurrentM()) {
    G* const g = Interrupted(m, context);
    if (wish == &stall_wish) {
      if (g != nullptr || m->curg == &m->g0) {
        m->sched->stall_reporter.Answer(m, g, context);
      }
    } else if (g != nullptr && MayPreempt(g)) {
      if (M* heir = m->sched->PopIdleM()) {
        g->ctx = InterruptedAt(context);  // for dumps
        m->sched->SleepInHandler(m, g, heir);
      }
    }
  }
  errno = saved_errno;
}

void Send(const M* m, char* wish) {
  siginfo_t info;
  memset(&info, 0, sizeof info);
  info.si_code = SI_QUEUE;
  info.si_pid = getpid();
  info.si_uid = getuid();
  info.si_value.sival_ptr = wish;
  syscall(SYS_rt_tgsigqueueinfo, getpid(), m->tid, kSignal, &info);
}

}  // namespace

bool IsPreemptSignal(int signal, const siginfo_t* info) {
  return signal == kSignal && info->si_code == SI_QUEUE &&
         (info->si_value.sival_ptr == &preempt_wish ||
          info->si_value.sival_ptr == &stall_wish);
}

void InstallPreemptHandler() {
  static const bool installed = [] {
    FindLockingFunctions();
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = OnSignal;
    // SA_RESTART: what can be restarted goes on as if nothing had happened.
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigaction(kSignal, &action, &previous);
    return true;
  }();
  (void)installed;
}

void SendPreemptSignal(const M* m) { Send(m, &preempt_wish); }
void SendStallSignal(const M* m) { Send(m, &stall_wish); }

// In the handler, at the end of the Runtime: g is abandoned where it is, as one that
// is queued, which it is. It must not run again: somebody may be about to take it off
// the queue. The thread goes from the signal's stack to its own.
[[noreturn]] void Sched::AbandonInHandler(M* m, G* g) {
  m->in_handler.store(AsleepInHandler::kNo);
#if defined(MPG_ASAN)
  __asan_handle_no_return();  // the handler's frames
#endif
  pthread_sigmask(SIG_SETMASK, &signal_mask, nullptr);
  ReleasePreemption();
  LeaveFor(m, g, &m->g0, nullptr);
  FatalError("an abandoned goroutine runs");
}

// In the handler. g gives its P to heir and waits for another.
void Sched::SleepInHandler(M* m, G* g, M* heir) {
  HoldPreemption();
  g->preempt.store(false, std::memory_order_relaxed);  // see Waiter::preempt
  // It may be about to park: what it has noted for that is given back.
  const ParkSite* const site = g->site;
  g->site = nullptr;
  g->flags |= kGFlagInHandler;
  SetGStatus(g, GStatus::kRunning, GStatus::kPreempted);
  P* const own = m->p;
  own->signalled.Add(1);
  own->CountSwitch();
  // A variable does instead of runnable_since: g stays on this thread.
  const bool timed = --own->until_timed == 0;
  if (timed) own->until_timed = 1 + own->rand.Below(2 * kTimedEvery - 1);
  const int64_t since = timed ? NanoTime() : 0;
  if (Traced(m)) {
    // What was interrupted may use the frame pointer for something else.
    const bool has_frame = std::less<>()(g->ctx.sp, g->ctx.bp);
    TraceGoStop(m, g, TraceName::kPreempted, has_frame ? g->ctx.bp : nullptr);
  }
  m->in_handler.store(AsleepInHandler::kAsleep);
  heir->nextp = ReleaseP(m);
  // Not Inject, which might start a thread: heir looks at the queue. From here on
  // m may be woken.
  runq.Put(g);
  heir->park.Wakeup();
  m->park.Sleep();
  m->park.Clear();
  m->in_handler.store(AsleepInHandler::kNo);
  P* p = m->nextp;
  if (p == nullptr) AbandonInHandler(m, g);
  m->nextp = nullptr;
  AcquireP(m, p);
  if (Traced(m)) TraceGoStart(m, g);
  if (timed) p->latencies.Record(NanoTime() - since);
  g->flags &= ~kGFlagInHandler;
  g->site = site;
  SetGStatus(g, GStatus::kPreempted, GStatus::kRunning);
  ReleasePreemption();
}

void Sched::WakeInHandler(P* p, M* m) {
  AsleepInHandler asleep = AsleepInHandler::kAsleep;
  if (!m->in_handler.compare_exchange_strong(asleep, AsleepInHandler::kWoken)) {
    if (p != nullptr) HandoffP(p);  // the end of the Runtime has woken it
    return;
  }
  m->nextp = p;
  m->park.Wakeup();
}

// Somebody could use p's time.
bool Sched::WorkWaits(P* p) const {
  return !p->runq.Empty() || !runq.Empty() || !spill.Empty() ||
         gcwaiting.load() || EarliestTimer() <= NanoTime();
}

// Asks the thread that has p to come to the handler. True: look again soon.
bool Sched::SignalP(P* p) {
  if (!HaveIdleM()) {
    // The handler can start no thread. One that has just been started is about
    // to be idle.
    const int threads = nthreads.load();
    if (threads >= max_threads.load()) return false;
    int64_t last = spare_since.load();
    const int64_t now = NanoTime();
    if (now - last > kSpareNs &&
        spare_since.compare_exchange_strong(last, now)) {
      NewM(nullptr, /*spinning=*/false);
    }
    return true;
  }
  if (p->status.load() != PStatus::kRunning) return false;
  const M* m = p->m.Acquire();  // pairs with the Publish in BindP
  if (m == nullptr || m == CurrentM()) return false;
  SendPreemptSignal(m);
  return true;
}

// For who waits for every P and has asked once.
void Sched::SignalAll() {
  if (!options.async_preempt) return;
  const int procs = gomaxprocs.load();
  for (int i = 0; i < procs; ++i) SignalP(allp[i]);
}

}  // namespace internal

AsyncPreemptOff::AsyncPreemptOff() : g_(internal::CurrentG()) {
  if (g_ == nullptr) return;
  if (g_->async_off == UINT8_MAX) {
    throw Panic("mpg: AsyncPreemptOff nested too deeply");
  }
  ++g_->async_off;
}

AsyncPreemptOff::~AsyncPreemptOff() {
  if (g_ != nullptr) --g_->async_off;
}

}  // namespace mpg
