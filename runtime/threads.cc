// Ms: started, put to sleep, woken, ended; and Ps handed from one to another.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/panic.h"
#include "runtime/overflow.h"
#include "runtime/sched.h"
#include "runtime/trace_hooks.h"

namespace mpg {
namespace internal {
namespace {

// Stack of a thread of ours; goroutines do not run on it, g0 does.
constexpr size_t kThreadStack = 256 << 10;

// Failed wake-ups for runnext double the number that are skipped, up to this:
// at 14 us a wake-up (measured) it then costs under 1 ns a Ready.
constexpr uint32_t kMaxWakeBackoff = 1 << 14;

void* ThreadMain(void* arg) {
  M* m = static_cast<M*>(arg);
  Sched* s = m->sched;
  SignalStack signal_stack;
  s->AttachThread(m);
  // Go: minit. What the program has blocked, for a thread of its own that waits
  // for it, is not to come here.
  sigset_t mask = s->signal_mask;
  if (s->options.async_preempt ||
      s->options.stall_report > absl::ZeroDuration()) {
    sigdelset(&mask, SIGURG);
  }
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  if (P* p = std::exchange(m->nextp, nullptr)) s->AcquireP(m, p);
  s->ScheduleLoop(m);
  // The M may have been reused already if it died of idleness: not touched.
  return nullptr;
}

}  // namespace

void Sched::AttachThread(M* m) {
  ThreadState* t = ThisThread();
  m->tid = gettid();
  m->eh = ThreadEhState();
  m->errno_place = &errno;
  m->locks = &t->locks;
  m->curg = &m->g0;
  m->g0.m = m;
  m->g0.sched = this;
  t->m = m;
  t->current = &m->g0;
  // Half the lateness of a short sleep is the kernel's default slack of 50 us.
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  SanAdoptThread(m->g0.San());
}

void Sched::DetachThread() {
  ThreadState* t = ThisThread();
  t->m = nullptr;
  t->current = nullptr;
}

void Sched::AcquireP(M* m, P* p) {
  BindP(m, p);
  if (Traced(m)) TraceProcStart(m);
}

void Sched::BindP(M* m, P* p) {
  m->p = p;
  p->m.Publish(m);  // to who prints Ps: m may be new
  // What sysmon has seen of it was under another M: a new time slice begins.
  p->schedtick = p->schedtick + 1;
  // release: pairs with sysmon's acquire loads.
  p->status.store(PStatus::kRunning, std::memory_order_release);
}

P* Sched::ReleaseP(M* m) {
  P* p = m->p;
  if (Traced(m)) TraceProcStop(m);
  m->p = nullptr;
  p->m = nullptr;
  p->status.store(PStatus::kIdle, std::memory_order_release);  // as above
  return p;
}

// I1 of the protocol in sched.h. REQUIRES: the caller owns p, which is kIdle.
void Sched::PutIdleP(P* p) {
  p->net_pace.Idles();
  idle_ps.Set(p->id);
  if (waiters.load() != 0) NotifyIdle();
}

void Sched::WakeP() {
  do {
    if (nmspinning.load() != 0 || idle_ps.Count() == 0 || stopping.load()) {
      return;
    }
    int none = 0;
    if (!nmspinning.compare_exchange_strong(none, 1)) return;
    const int i = idle_ps.TakeAny(0);
    if (i >= 0) {
      StartM(allp[i], /*spinning=*/true);
      return;
    }
    // All Ps are busy; each will look at the queues before it idles. But who
    // submitted work meanwhile took us for a spinner, and a P may have idled
    // before that: look in their stead. Go: sched.needspinning.
    nmspinning.fetch_sub(1);
  } while (AnyWorkAfterBarrier());
}

// p has put a goroutine into its empty runnext while others idle. Usually the
// current goroutine is about to block and p itself goes on with it, sooner than
// any thread could be woken; so wake only now and then, less often the more
// such wake-ups found nothing (StopSpinning counts), and let sysmon catch the
// goroutine that computes on without blocking.
void Sched::RunnextWake(P* p) {
  if (p->wake_skip > 0) {
    --p->wake_skip;
    return;
  }
  // relaxed, here and where it changes: a heuristic.
  p->wake_skip = wake_backoff.load(std::memory_order_relaxed);
  WakeP();
}

void Sched::SpinFailed() {
  const uint32_t old = wake_backoff.load(std::memory_order_relaxed);
  wake_backoff.store(std::min(old * 2, kMaxWakeBackoff),
                     std::memory_order_relaxed);
}

void Sched::SpinSucceeded() {
  if (wake_backoff.load(std::memory_order_relaxed) != 1) {
    wake_backoff.store(1, std::memory_order_relaxed);
  }
}

// Gives p, which the caller owns, to an idle M or a new one. Go: startm.
void Sched::StartM(P* p, bool spinning) {
  NoPreempt no_preempt;
  sysmon->Wakeup();
  while (M* m = idle_ms.Pop()) {
    MState idle = MState::kIdle;
    if (!m->state.compare_exchange_strong(idle, MState::kActive)) {
      RecycleM(m, idle);
      continue;
    }
    nmidle.fetch_sub(1);
    m->spinning = spinning;
    m->nextp = p;
    // relaxed, here and below: figures.
    thread_wakes.fetch_add(1, std::memory_order_relaxed);
    m->park.Wakeup();
    return;
  }
  NewM(p, spinning);
}

// An M to be given a P in a signal handler: without a lock, without memory. Null:
// there is none.
M* Sched::PopIdleM() {
  M* m = idle_ms.Pop();
  if (m == nullptr) return nullptr;
  MState idle = MState::kIdle;
  if (m->state.compare_exchange_strong(idle, MState::kActive)) {
    nmidle.fetch_sub(1);
    return m;
  }
  idle_ms.Push(m);  // dead: for somebody else to recycle
  return nullptr;
}

// True if PopIdleM would find one: those whose threads have ended, which a handler
// cannot recycle and would come to again and again, are out of its way. Not in a
// handler.
bool Sched::HaveIdleM() {
  while (M* m = idle_ms.Pop()) {
    const MState state = m->state.load();
    if (state == MState::kIdle) {
      idle_ms.Push(m);  // who looked meanwhile has started a thread too many
      return true;
    }
    RecycleM(m, state);
  }
  return false;
}

// Go: newm, allocm, newosproc.
void Sched::NewM(P* p, bool spinning) {
  M* m = AllocM();
  m->spinning = spinning;
  m->nextp = p;
  JoinDeadThreads();
  thread_starts.fetch_add(1, std::memory_order_relaxed);
  const int threads = nthreads.fetch_add(1) + 1;
  CheckThreadCount(threads);
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setstacksize(&attr, kThreadStack);
  sigset_t all, old;
  sigfillset(&all);
  // The new thread takes signals only once its signal stack stands.
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_t thread;
  const int error = pthread_create(&thread, &attr, ThreadMain, m);
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  pthread_attr_destroy(&attr);
  if (error != 0) {
    PrintError(absl::StrCat("runtime: failed to create new OS thread (have ",
                            threads - 1, " already; errno=", error, ")\n"));
    if (error == EAGAIN) {
      PrintError(
          "runtime: may need to increase max user processes (ulimit -u)\n");
    }
    FatalError("newosproc");
  }
}

// Go: checkmcount.
void Sched::CheckThreadCount(int threads) {
  if (threads <= max_threads.load()) return;
  PrintError(absl::StrCat("runtime: program exceeds ", max_threads.load(),
                          "-thread limit\n"));
  FatalError("thread exhaustion");
}

M* Sched::AllocM() {
  RuntimeLockGuard guard(mu);
  M* m;
  if (free_ms.empty()) {
    m = new M(this, next_mid++, &kG0Ops);
    allm.push_back(m);
    TraceNewM(m);
  } else {
    m = free_ms.back();
    free_ms.pop_back();
    m->state.store(MState::kActive);
    m->park.Clear();
  }
  return m;
}

// An M for the thread that calls Run.
M* Sched::AllocM0() {
  RuntimeLockGuard guard(mu);
  for (M* m : used_m0s) {
    // One whose thread left with a goroutine wired to it stays that one's; one
    // that is still on the idle stack (kLeft) must not be pushed again.
    if (m->lockedg.Get() == nullptr && m->state.load() == MState::kActive) {
      m->park.Clear();
      m->left = false;
      m->retired = false;
      return m;
    }
  }
  M* m = new M(this, next_mid++, &kG0Ops);
  m->is_m0 = true;
  allm.push_back(m);
  TraceNewM(m);
  used_m0s.push_back(m);
  return m;
}

// Sleeps until somebody hands m a P. False: m's thread is to end instead.
// Go: stopm.
bool Sched::StopM(M* m) {
  if (MustLeave(m)) return false;
  m->state.store(MState::kIdle);
  nmidle.fetch_add(1);
  idle_ms.Push(m);
  // ~Sched sets `stopping`, then wakes all it finds on the stack: it finds m,
  // or m sees it here. Likewise for the end of Run.
  MState idle = MState::kIdle;
  const MState end = m->is_m0 ? MState::kLeft : MState::kDead;
  if (MustLeave(m) && m->state.compare_exchange_strong(idle, end)) {
    nmidle.fetch_sub(1);
    return false;
  }
  if (!m->park.SleepFor(m->is_m0 ? -1 : idle_life_ns)) {
    idle = MState::kIdle;
    if (m->state.compare_exchange_strong(idle, MState::kDead)) {
      nmidle.fetch_sub(1);
      return false;
    }
    m->park.Sleep();  // woken in this very moment
  }
  // Who changed the state has woken m, and nobody else does.
  m->park.Clear();
  P* p = std::exchange(m->nextp, nullptr);
  if (p == nullptr) return false;  // WakeLeaving, WakeM0
  AcquireP(m, p);
  return true;
}

// m was popped off the idle stack and its thread is gone.
void Sched::RecycleM(M* m, MState state) {
  if (state == MState::kLeft) {
    m->state.store(MState::kActive);  // AllocM0 may have it again
    return;
  }
  RuntimeLockGuard guard(mu);
  free_ms.push_back(m);
}

bool Sched::MustLeave(const M* m) const {
  return stopping.load() || (m->is_m0 && main_done.load());
}

// The last thing a thread does for this Sched.
void Sched::LeaveThread(bool is_m0) {
  DetachThread();
  if (is_m0) return;  // Run sees to the rest
  RuntimeLockGuard guard(mu);
  if (left_behind) {
    pthread_detach(pthread_self());
  } else {
    dead_threads.push_back(pthread_self());
  }
  nthreads.fetch_sub(1);
}

// The caller gives up p, which it owns; somebody else must see to p's work.
// Go: handoffp.
void Sched::HandoffP(P* p) {
  if (gcwaiting.load()) {
    StopP(p);
    return;
  }
  if (stopping.load()) {
    // Whoever got it would only hand it on.
    PutIdleP(p);
    return;
  }
  handoffs.fetch_add(1, std::memory_order_relaxed);
  if (!p->runq.Empty() || !runq.Empty() || !spill.Empty()) {
    StartM(p, /*spinning=*/false);
    return;
  }
  // Nobody looks for work at all: one M should.
  int none = 0;
  if (nmspinning.load() + idle_ps.Count() == 0 &&
      nmspinning.compare_exchange_strong(none, 1)) {
    StartM(p, /*spinning=*/true);
    return;
  }
  PutIdleP(p);
  if (AnyWorkAfterBarrier() || TimersUnkept()) WakeP();  // I3
}

void Sched::JoinDeadThreads() {
  std::vector<pthread_t> dead;
  {
    RuntimeLockGuard guard(mu);
    dead.swap(dead_threads);
  }
  for (pthread_t t : dead) pthread_join(t, nullptr);
}

}  // namespace internal
}  // namespace mpg
