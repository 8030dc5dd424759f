// A Sched's life: schedinit, the main goroutine, waiting, the end.
// Go: schedinit, main (proc.go).
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/closure_origin.h"
#include "base/panic.h"
#include "runtime/debug_threads.h"
#include "runtime/dump.h"
#include "runtime/figures.h"
#include "runtime/goroutine.h"
#include "runtime/init.h"
#include "runtime/overflow.h"
#include "runtime/panic.h"
#include "runtime/preempt.h"
#include "runtime/quit.h"
#include "runtime/sched.h"
#include "runtime/sysmon_host.h"
#include "runtime/timer_service.h"
#include "runtime/trace_asked.h"
#include "runtime/wait_clock.h"

namespace mpg {
namespace internal {
namespace {

int ProcsFor(const RuntimeOptions& o) {
  const int n = o.max_procs > 0 ? o.max_procs : CpusGranted();
  return std::min(n, kMaxProcs);
}

SysmonOptions SysmonOptionsFor(const RuntimeOptions& o) {
  SysmonOptions out;
  out.time_slice_ns = absl::ToInt64Nanoseconds(o.time_slice);
  out.schedtrace_ns = absl::ToInt64Nanoseconds(o.schedtrace);
  out.scheddetail = o.scheddetail;
  out.stall_ns = absl::ToInt64Nanoseconds(o.stall_report);
  return out;
}

RuntimeOptions Supported(RuntimeOptions o) {
  o.async_preempt = o.async_preempt && !kSanHoldsSignals;
  return o;
}

// How long the end of a Runtime waits for system calls.
constexpr int64_t kCallGraceNs = 1'000'000'000;

std::atomic<uint64_t> sched_count{0};
}  // namespace

// Where debuggers (tools/gdb) begin.
extern std::vector<Sched*>* debug_scheds;

namespace {

// All Scheds of the process: for dumps and deadlock detection.
RuntimeLock scheds_mu;
std::vector<Sched*>& AllScheds() {
  static auto* all = new std::vector<Sched*>;
  debug_scheds = all;
  return *all;
}

}  // namespace

std::vector<Sched*>* debug_scheds = nullptr;

void ForEachSched(absl::FunctionRef<void(Sched*)> fn) {
  RuntimeLockGuard guard(scheds_mu);
  for (Sched* s : AllScheds()) fn(s);
}

std::vector<Sched*> PinScheds() {
  std::vector<Sched*> all;
  ForEachSched([&all](Sched* s) {
    s->foreign_calls.fetch_add(1);
    all.push_back(s);
  });
  return all;
}

void ForEachSchedRacy(absl::FunctionRef<void(Sched*)> fn)
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  const bool locked = scheds_mu.TryLock();
  for (Sched* s : AllScheds()) fn(s);
  if (locked) scheds_mu.Unlock();
}

Sched::Sched(const RuntimeOptions& o)
    : options(Supported(o)),
      number(sched_count.fetch_add(1) + 1),
      wait_clock(WaitClock(NanoTime())),
      stacks(StackPoolOptions{o.stack_size}),
      foreign_p(-1, this, &gfree, &stacks, NextSeed()),
      max_threads(o.max_threads),
      idle_life_ns(absl::ToInt64Nanoseconds(o.idle_thread_life)),
      start_time(NanoTime()) {
  pthread_sigmask(SIG_SETMASK, nullptr, &signal_mask);
  if (o.max_procs < 0 || o.max_threads < 1) {
    throw Panic(
        "mpg: RuntimeOptions: max_procs and max_threads must be positive");
  }
  if (o.stall_report < absl::ZeroDuration()) {
    throw Panic("mpg: RuntimeOptions: stall_report must not be negative");
  }
  InstallTerminateHandler();
  InstallOverflowHandler();
  InstallQuitHandler();
  ServeDebugIfAsked();
  TraceIfAsked();
  if (options.async_preempt || o.stall_report > absl::ZeroDuration()) {
    InstallPreemptHandler();
  }
  SetFatalErrorHook(&DumpOnFatalError);
  ProcResize(ProcsFor(o));
  for (int i = 0; i < gomaxprocs.load(); ++i) {
    allp[i]->status.store(PStatus::kIdle);
    idle_ps.Set(i);
  }
  sysmon_host = NewSysmonHost(this);
  sysmon = std::make_unique<Sysmon>(sysmon_host.get(), RealSysmonClock(),
                                    SysmonOptionsFor(o));
}

void Sched::Start() {
  sysmon_thread = std::thread([this] { sysmon->Run(); });  // may throw
  TraceStarts(this);
  RuntimeLockGuard guard(scheds_mu);
  AllScheds().push_back(this);
}

bool Sched::End() {
  TraceEnds(this);
  {
    RuntimeLockGuard guard(scheds_mu);
    KeepFigures(this);
    auto& all = AllScheds();
    all.erase(std::find(all.begin(), all.end(), this));
  }
  stopping.store(true);
  // sysmon and threads that ready our goroutines start Ms, unless they see
  // `stopping`: once those that may have missed it are gone, nthreads only
  // falls. Therefore this order.
  sysmon->Stop();
  sysmon_thread.join();
  const bool all_left = AwaitThreads();
  stall_reporter.End();
  TraceHasEnded(this);
  JoinDeadThreads();
  // Before the stacks that sleepers' timers lie on go.
  for (int i = 0; i < allp_used.load(); ++i) {
    allp[i]->timers.heap()->Retire(ServiceTimers);
  }
  AbandonAll();
  return all_left;
}

// Until every thread has left, or those that have not sit in system calls and
// show no sign of coming back.
bool Sched::AwaitThreads() {
  int64_t give_up = 0;
  while (foreign_calls.load() != 0 || nthreads.load() != 0) {
    PreemptAll();
    WakeLeaving();
    usleep(50);
    const int threads = nthreads.load();
    if (threads == 0 || ThreadsInCalls() != threads) {
      give_up = 0;
    } else if (give_up == 0) {
      give_up = NanoTime() + kCallGraceNs;
    } else if (NanoTime() >= give_up) {
      PrintError(
          absl::StrCat("mpg: a Runtime has ended while ", threads,
                       threads == 1 ? " goroutine is" : " goroutines are",
                       " in Syscall; the thread",
                       threads == 1 ? " is" : "s are", " left behind\n"));
      RuntimeLockGuard guard(mu);
      left_behind = true;
      return false;
    }
  }
  return true;
}

int Sched::ThreadsInCalls() {
  RuntimeLockGuard guard(mu);
  int n = 0;
  for (const M* m : allm) {
    const G* g = m->curg.Acquire();
    if (g != nullptr && g->Status() == GStatus::kSyscall) ++n;
  }
  return n;
}

Sched::~Sched() {
  // A thread that readied one of our goroutines may still be on its way out.
  while (foreign_calls.load() != 0) usleep(10);
  for (int i = 0; i < allp_used.load(); ++i) {
    allp[i]->runq.DrainTo([](G*) {});
    allp[i]->gfree.Flush();
    allp[i]->stacks.Flush();
    delete allp[i];
  }
  foreign_p.gfree.Flush();
  while (idle_ms.Pop() != nullptr) {
  }
  for (M* m : allm) delete m;
  for (auto [map, size] : g_maps) munmap(map, size);
}

// Wakes every sleeping M, so that it sees that it is to leave.
void Sched::WakeLeaving() {
  while (M* m = idle_ms.Pop()) {
    MState idle = MState::kIdle;
    if (m->state.compare_exchange_strong(idle, MState::kActive)) {
      nmidle.fetch_sub(1);
      m->park.Wakeup();  // with no P: StopM looks at MustLeave
    }
  }
  keeper.WakeFor(0);
  RuntimeLockGuard guard(mu);
  for (M* m : allm) {
    if (m->locked_asleep) m->park.WakeupIfClear();
    WakeInHandler(nullptr, m);
  }
}

// g has been readied, from where it parked last or otherwise, and never runs.
void Sched::ForgetReadied(G* g) {
  if (g->site != nullptr && g->site->forget != nullptr) {
    g->site->forget(g, g->site_arg);
  }
}

// The goroutines that are left never run again: takes the parked ones off what
// they wait for, so that nobody readies them later, and destroys closures that
// never ran. Destructors on their stacks do not run.
void Sched::AbandonAll() {
  ForEachG([](G* g) {
    for (;;) {
      // acquire: pairs with the release in SetGStatus.
      const GStatus status = g->status.load(std::memory_order_acquire);
      if (status == GStatus::kSyscall) return;  // in a thread left behind
      if (status == GStatus::kRunnable && !g->stack) {
        g->fn.manage(&g->fn, ClosureOp::kDiscard);
      } else if (status == GStatus::kRunnable) {
        ForgetReadied(g);
      }
      if (status != GStatus::kWaiting || g->site == nullptr ||
          g->site->abandon == nullptr || g->site->abandon(g, g->site_arg)) {
        break;
      }
      // Somebody has taken it off and is about to call Ready.
      while (g->status.load(std::memory_order_acquire) == GStatus::kWaiting) {
        usleep(10);
      }
    }
    delete g->extra;
    g->extra = nullptr;
  });
}

// Go: main (proc.go). The calling thread is m0 until main returns.
void Sched::Run(absl::AnyInvocable<void()> main) {
  if (CurrentM() != nullptr) {
    throw Panic("mpg: Runtime::Run called on a thread that runs goroutines");
  }
  if (running.exchange(true)) {
    throw Panic("mpg: Runtime::Run called while it runs on another thread");
  }
  M* m = AllocM0();
  m0.store(m);
  main_done.store(false);
  main_goexited.store(false);
  nthreads.fetch_add(1);
  Waiter* const before = ThisThread()->current;
  SignalStack signal_stack;
  AttachThread(m);
  ClosureSlot* slot = BeginSpawn(this);
  auto run_main = [this, &main] {
    RunInitialisers();
    UnlockOSThread();
    struct End {
      Sched* s;
      ~End() { s->MainEnds(); }
    } end{this};
    main();
    end.s->main_returned = true;
  };
  FillSlot(slot, NameClosure(run_main, OriginOfText("main")));
  G* g = GOf(slot);
  // Locked to m0 while the registered initialisers run, as Go's main is; from
  // the start, so that it begins on this thread wherever it is picked.
  ExtraOf(g)->locked_count = 1;
  g->lockedm = m;
  g->flags |= kGFlagLocked;
  m->lockedg = g;
  main_returned = false;
  main_goid = g->goid;
  // The first P for this thread, if one is idle; else the main goroutine waits
  // its turn and brings the P with it.
  const int i = idle_ps.TakeAny(0);
  if (i >= 0) {
    sysmon->Wakeup();
    AcquireP(m, allp[i]);
    SetGStatus(g, GStatus::kIdle, GStatus::kRunnable);
    m->picked = g;
  } else {
    CommitSpawn(slot, nullptr);
  }
  ScheduleLoop(m);
  ThisThread()->current = before;
  {
    RuntimeLockGuard guard(mu);
    ++m0_run;  // WakeM0 touches m no more
  }
  nthreads.fetch_sub(1);
  m0.store(nullptr);
  running.store(false);
}

// The main goroutine's function has returned, or Goexit unwinds it.
void Sched::MainEnds() {
  if (!main_returned) {
    // Go: the program goes on without a main goroutine.
    main_goexited.store(true);
    return;
  }
  WaitForDyingPanic();
  M* m = m0.load();
  int64_t run;
  {
    RuntimeLockGuard guard(mu);
    run = m0_run;
  }
  main_done.store(true);
  WakeM0(m, run);
}

// Makes m0's thread come back from its schedule loop. Called by the main
// goroutine, wherever it runs.
void Sched::WakeM0(M* m, int64_t run) {
  while (CurrentM() != m) {
    {
      RuntimeLockGuard guard(mu);
      // Once it has left it may be in the next Run already.
      if (m0_run != run) return;
      MState idle = MState::kIdle;
      if (m->state.compare_exchange_strong(idle, MState::kLeft)) {
        nmidle.fetch_sub(1);
        m->park.Wakeup();
        return;
      }
      if (m->locked_asleep) m->park.WakeupIfClear();
    }
    keeper.WakeFor(0);
    PreemptAll();
    usleep(20);
    // m0 may be just the one who stops the world, and wait for us.
    if (gcwaiting.load()) Yield(CurrentG());
  }
  m->p->interrupt.store(true);
}

void Sched::WaitIdle() {
  if (CurrentG() != nullptr && CurrentG()->sched == this) {
    throw Panic("mpg: Runtime::Wait called by one of its goroutines");
  }
  Note note;
  waiters.fetch_add(1);
  {
    RuntimeLockGuard guard(wait_mu);
    wait_notes.push_back(&note);
  }
  // An M that goes idle after this sees `waiters` (both seq_cst); one that went
  // idle before has published its counts.
  while (LiveGoroutines() != 0) {
    note.Sleep();
    RuntimeLockGuard guard(wait_mu);
    note.Clear();
  }
  {
    RuntimeLockGuard guard(wait_mu);
    wait_notes.erase(std::find(wait_notes.begin(), wait_notes.end(), &note));
  }
  waiters.fetch_sub(1);
}

// Called when a P has become idle: tells those who wait for just that.
void Sched::NotifyIdle() {
  if (waiters.load() == 0 || LiveGoroutines() != 0) return;
  RuntimeLockGuard guard(wait_mu);
  for (Note* note : wait_notes) note->WakeupIfClear();
}

}  // namespace internal
}  // namespace mpg
