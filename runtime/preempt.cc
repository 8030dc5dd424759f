#include "runtime/preempt.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstring>

#include "base/clock.h"
#include "base/panic.h"
#include "runtime/goroutine.h"
#include "runtime/sched.h"

namespace mpg {
namespace internal {
namespace {

// Go uses it too: the program hardly needs it, libc does not, and it is ignored
// by default. (Go: sigPreempt.)
constexpr int kSignal = SIGURG;
// In the signals that we send.
char ours;

struct sigaction previous;

Context Interrupted(const void* context) {
  const auto& mc = static_cast<const ucontext_t*>(context)->uc_mcontext;
  Context out;
#if defined(__x86_64__)
  out.sp = reinterpret_cast<void*>(mc.gregs[REG_RSP]);
  out.bp = reinterpret_cast<void*>(mc.gregs[REG_RBP]);
  out.pc = reinterpret_cast<void*>(mc.gregs[REG_RIP]);
#elif defined(__aarch64__)
  out.sp = reinterpret_cast<void*>(mc.sp);
  out.bp = reinterpret_cast<void*>(mc.regs[29]);
  out.pc = reinterpret_cast<void*>(mc.pc);
#endif
  return out;
}

bool OnStackOf(const G* g, const Context& ctx) {
  if (!g->stack) return false;
  const uintptr_t sp = reinterpret_cast<uintptr_t>(ctx.sp);
  const uintptr_t hi = reinterpret_cast<uintptr_t>(g->stack.hi);
  return sp <= hi && sp > hi - g->sched->PoolOf(g)->Usable(g->stack);
}

// The goroutine to be preempted, or null. See preempt.h.
G* MayPreempt(M* m, const void* context) {
  if (m == nullptr || ThisThread()->locks != 0 || m->using_p ||
      m->after != nullptr) {
    return nullptr;
  }
  G* g = m->curg;
  P* p = m->p;
  if (g == &m->g0 || p == nullptr || g->Status() != GStatus::kRunning ||
      g->async_off != 0 ||
      // relaxed: see Waiter::preempt. Nobody wants it any more.
      !g->preempt.load(std::memory_order_relaxed) ||
      // relaxed: kGcstop is this thread's own doing.
      p->status.load(std::memory_order_relaxed) != PStatus::kRunning ||
      !OnStackOf(g, Interrupted(context)) || m->sched->stopping.load() ||
      HoldsLibraryLock()) {
    return nullptr;
  }
  return g;
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
  if (info->si_code != SI_QUEUE || info->si_value.sival_ptr != &ours) {
    PassOn(signal, info, context);
    errno = saved_errno;
    return;
  }
  M* m = CurrentM();
  if (G* g = MayPreempt(m, context)) {
    if (M* heir = m->sched->PopIdleM()) {
      g->ctx = Interrupted(context);  // for dumps
      m->sched->SleepInHandler(m, g, heir);
    }
  }
  errno = saved_errno;
}

}  // namespace

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

// In the handler. g gives its P to heir and waits for another.
void Sched::SleepInHandler(M* m, G* g, M* heir) {
  NoPreempt no_preempt;
  g->preempt.store(false, std::memory_order_relaxed);  // see Waiter::preempt
  // It may be about to park: what it has noted for that is given back.
  const ParkSite* const site = g->site;
  g->site = nullptr;
  g->flags |= kGFlagInHandler;
  SetGStatus(g, GStatus::kRunning, GStatus::kPreempted);
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
  m->nextp = nullptr;
  AcquireP(m, p);
  g->flags &= ~kGFlagInHandler;
  g->site = site;
  SetGStatus(g, GStatus::kPreempted, GStatus::kRunning);
}

void Sched::WakeInHandler(P* p, M* m) {
  AsleepInHandler asleep = AsleepInHandler::kAsleep;
  if (!m->in_handler.compare_exchange_strong(asleep, AsleepInHandler::kWoken)) {
    HandoffP(p);  // the end of the Runtime has woken it
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
  if (idle_ms.Empty()) {
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
  // acquire: pairs with the release in AcquireP, for p->m.
  if (p->status.load(std::memory_order_acquire) != PStatus::kRunning) {
    return false;
  }
  const M* m = p->m;
  if (m == nullptr || m == CurrentM()) return false;
  siginfo_t info;
  memset(&info, 0, sizeof info);
  info.si_code = SI_QUEUE;
  info.si_pid = getpid();
  info.si_uid = getuid();
  info.si_value.sival_ptr = &ours;
  syscall(SYS_rt_tgsigqueueinfo, getpid(), m->tid, kSignal, &info);
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
