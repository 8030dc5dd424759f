// Sched: all that the Ms and Ps of one Runtime share. Go: type schedt
// (runtime2.go). Internal; users see runtime/runtime.h.
//
// How no wake-up is lost. Work is submitted and processors go idle without a
// common lock. Two protocols, each a store, a full barrier and a load:
//
//   Submit (Ready, Go, from a thread without a P; overflow of a ring):
//     S1. publish the work: the size of the global queue or of the spill list
//         is stored seq_cst;
//     S2. if a P is idle and nobody spins, make one M spin (WakeP). Both are
//         seq_cst loads.
//   Idle (FindRunnable):
//     I1. announce the P: set its bit in idle_ps (seq_cst);
//     I2. if this M was spinning, decrement nmspinning (seq_cst);
//     I3. look once more at the global queue, the spill list and all rings; if there is work,
//         take an idle P again and go on.
//   In the total order of seq_cst operations either S2 comes after I1 (and I2),
//   and the submitter wakes an M; or I3 comes after S1, and the idler finds the
//   work. If S2 saw a spinner, that spinner's I2 comes after S1, and then its
//   I3 does; or it found other work, and then it looks again (Found).
//
//   Work that a P puts into its own ring: its S1 is only a release store and its
//   S2 a relaxed load, with no barrier between them that costs anything. The
//   idler supplies one for both, between I2 and I3 (base/asymmetric_barrier.h),
//   and so does whoever looks again because it was counted as a spinner; unless all
//   Ps are idle (RingBarrier).
//   Where the kernel has none, an I3 may miss the work; then it runs on its own
//   P, later than it might, unless a further Put there or sysmon
//   (WakeForLocalWork) sees the idle P before.
//
//   Work on its way from the global queue or the spill list into a ring is in
//   neither: who moves it does S2 afterwards (WakeForRing).
//   tests/model/wake_m_model.pml checks all of this.
//
//   Work in runnext wakes nobody most of the time, and no I3 looks there: two
//   goroutines that talk stay on one P (see RunnextWake). sysmon sees to a
//   runnext that its P does not come to. What a look at the network puts into the
//   ring wakes nobody either, if it is little (net_pace.h), but I3s see it.
//
//   Timers. Whoever adds one (T1: the heap's NextWhen, seq_cst) sees to it, if a P
//   is idle (T2), that an M keeps the time (NeedKeeper). An M whose P has gone
//   idle (I1) comes to KeepTime after that and looks at all heaps. By the same
//   argument one of the two sees the other; timer/timekeeper.h has the rest. Busy
//   Ps look at their own timers at every switch.
//
//   The network is like a timer that is never due: while a goroutine waits for a
//   descriptor, the keeper sleeps in epoll, for ever if need be. Who parks as the
//   first (net_waiters, seq_cst) and goes on running others sees to a keeper as
//   with T2; if it does not come to that, sysmon does. Busy Ps poll before they look
//   for work elsewhere, sysmon every 10 ms if none is idle. Who was woken to spin
//   steals first; then Found sees to a keeper.
//
// Lock order: world (a goroutine lock), then mu, then trace.mu; the locks of the
// queues, free lists, stack pools and trace buffers are leaves. Nothing is called
// out to under any of them.
#ifndef MPG_RUNTIME_SCHED_H_
#define MPG_RUNTIME_SCHED_H_

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "base/lock.h"
#include "base/note.h"
#include "queue/gqueue.h"
#include "queue/idle_mask.h"
#include "queue/idle_stack.h"
#include "queue/spill_list.h"
#include "runtime/g.h"
#include "runtime/m.h"
#include "runtime/netpoll.h"
#include "runtime/options.h"
#include "runtime/owner_cell.h"
#include "runtime/p.h"
#include "runtime/shuffle.h"
#include "runtime/stack/stack.h"
#include "runtime/stall.h"
#include "runtime/time_histogram.h"
#include "runtime/trace_sched.h"
#include "runtime/world.h"
#include "sysmon/sysmon.h"
#include "timer/timekeeper.h"

namespace mpg {
namespace internal {

// More processors than any machine we know has; a fixed array needs no care
// when GOMAXPROCS changes.
inline constexpr int kMaxProcs = 1024;

extern const WaiterOps kGoroutineOps;
extern const WaiterOps kG0Ops;

struct Figures;

// Stacks of one size other than the Runtime's. Slow: behind a lock.
struct OwnSizeStacks {
  explicit OwnSizeStacks(size_t size)
      : pool(StackPoolOptions{size}), cache(&pool) {}
  ~OwnSizeStacks() { cache.Flush(); }
  StackPool pool;
  RuntimeLock mu;
  StackCache cache;  // guarded by mu
};

struct Sched {
  explicit Sched(const RuntimeOptions& o);
  ~Sched();

  const RuntimeOptions options;
  const uint64_t number;  // of all Scheds of the process, from 1
  // As wait_clock.h has it; relaxed: a figure for people.
  std::atomic<uint16_t> wait_clock;

  // --- Goroutines (spawn.cc).
  GlobalQueue<G, &G::schedlink> runq;  // preempted, or readied without a P
  SpillList<G> spill;                  // overflow of the Ps' rings
  GFree gfree;
  StackPool stacks;
  std::atomic<int64_t> goid_gen{0};
  // Stands in for a P where a thread without one creates goroutines; its queue
  // is not used. Guarded by foreign_mu.
  P foreign_p;
  RuntimeLock foreign_mu;

  G* NewG(P* p);               // p's owner
  G* NewForeignG();            // any thread
  void FreeG(P* p, G* g);      // p's owner
  void TakeStack(P* p, G* g);  // p's owner; fatal if there is no memory
  void FreeStack(P* p, G* g);  // p's owner
  OwnSizeStacks* StacksOfSize(size_t size);
  StackPool* PoolOf(const G* g);
  void Inject(G* g);  // any thread: global queue, and WakeP
  int64_t LiveGoroutines() const;
  void ForEachG(absl::FunctionRef<void(G*)> fn);
  static void ForEachIn(const std::vector<G*>& blocks,
                        absl::FunctionRef<void(G*)> fn);
  // For a dying process: does not wait for a lock for ever.
  void ForEachGRacy(absl::FunctionRef<void(G*)> fn);

  // --- Ps. allp[i] is written once, before allp_used says so, and stays.
  P* allp[kMaxProcs] = {};
  std::atomic<int> allp_used{0};
  std::atomic<int> gomaxprocs{0};  // changes only while the world is stopped
  IdleMask idle_ps{kMaxProcs};     // Go: idlepMask, npidle
  std::atomic<int> nmspinning{0};

  // --- The schedule loop (proc.cc), on an M's g0.
  void ScheduleLoop(M* m);  // returns when m is to leave
  G* FindRunnable(M* m);
  G* Found(M* m, G* g);
  G* FoundElsewhere(M* m, G* g);
  G* LocalOrGlobal(M* m);
  G* TakeGlobalBatch(P* p, int max);
  G* TakeSpilled(P* p, int max, bool newest);
  G* Spin(M* m);
  G* StealWork(P* p, const uint32_t* seen);
  void WatchSwitches(uint32_t* seen) const;
  void GoIdle(M* m);
  bool HandleInterrupt(M* m);
  void EndTimeSlice(P* p);
  bool AnyWork() const;
  void RingBarrier() const;
  bool AnyWorkAfterBarrier() const;
  void WakeForRing();  // p's owner

  // --- Ms (threads.cc).
  IdleStack<M, &M::idle_link> idle_ms;
  std::atomic<int> nmidle{0};
  std::atomic<int> nmlockedidle{0};  // asleep until their goroutine runs
  std::atomic<int> nthreads{0};      // alive, m0 included, sysmon not
  std::atomic<int> max_threads;
  std::atomic<uint32_t> wake_backoff{1};
  const int64_t idle_life_ns;

  void WakeP();            // any thread
  void RunnextWake(P* p);  // p's owner
  void SpinFailed();
  void SpinSucceeded();
  void StartM(P* p, bool spinning);
  M* PopIdleM();
  bool HaveIdleM();
  bool StopM(M* m);  // false: m is to leave
  void NewM(P* p, bool spinning);
  void CheckThreadCount(int threads);
  M* AllocM();
  M* AllocM0();
  void RecycleM(M* m, MState state);
  void HandoffP(P* p);
  void AcquireP(M* m, P* p);
  void BindP(M* m, P* p);  // AcquireP without an event
  P* ReleaseP(M* m);
  void PutIdleP(P* p);
  bool MustLeave(const M* m) const;
  void LeaveThread(bool is_m0);
  void JoinDeadThreads();
  void AttachThread(M* m);
  void DetachThread();

  // --- Timers (timers.cc).
  NetSleep net_sleep;
  Timekeeper keeper{&net_sleep};

  bool KeepTime(M* m);
  int64_t EarliestTimer() const;
  int64_t KeeperTime() const;  // until when the keeper is to sleep
  bool TimersUnkept();
  void RunTimers(P* p, int64_t now);    // p's owner
  void TimerAdded(P* p, int64_t when);  // p's owner
  void NeedKeeper(int64_t when);        // any thread
  void DropStoppedTimers();             // any thread

  // --- The network (net_sched.cc).
  std::atomic<int> net_waiters{0};  // goroutines that wait for a descriptor
  std::atomic<bool> net_polling{false};  // an M does without blocking
  std::atomic<int64_t> last_poll{0};     // NanoTime

  absl::Status UseNetPoll();
  void NetWaiterCame();        // p's owner
  bool PollNetworkInto(P* p);  // p's owner
  bool PollNetworkForeign();   // any thread
  bool NetworkUnpolled() const;

  // --- System calls (syscall.cc).
  // A goroutine that has lost its P in so many calls running gives it away at the
  // beginning of the next, if anybody waits for it. Untuned.
  static constexpr int kCallsLost = 2;
  bool RetakeSyscallP(P* p);  // any thread; true: the caller owns p, kIdle
  // The same for a dying process: no lock, no event. Whose it was; null: nobody's.
  const M* TakeSyscallP(P* p);

  // --- Preemption by a signal (preempt.cc).
  static constexpr int64_t kSpareNs = 5'000'000;
  std::atomic<int64_t> spare_since{0};  // when a spare M was last started
  bool SignalP(P* p);                   // not in a handler
  void SignalAll();
  bool WorkWaits(P* p) const;  // sysmon
  void SleepInHandler(M* m, G* g, M* heir);
  // The caller owns p, kIdle. Null: m is to leave its goroutine and the Sched.
  void WakeInHandler(P* p, M* m);
  [[noreturn]] void AbandonInHandler(M* m, G* g);

  StallReporter stall_reporter;  // sysmon, and its signal's handler

  // --- Goroutines wired to threads (locked.cc).
  bool StopLockedM(M* m);  // false: m is to leave
  void StartLockedM(M* m, G* g);

  // --- Stopping the world (stw.cc). Go: worldsema, gcwaiting, stopwait.
  WorldLock world;
  std::atomic<bool> gcwaiting{false};
  int stopwait = 0;  // guarded by mu
  Note stopnote;
  absl::FunctionRef<void(P*)>* safe_point_fn = nullptr;  // Go: safePointFn
  std::atomic<int> safe_point_wait{0};
  Note safe_point_note;

  void PreemptAll();
  void PreemptOne(P* p);
  void StopTheWorldWithLock(P* own);
  void StartTheWorldWithLock(int new_procs);
  void ForEachP(P* own, absl::FunctionRef<void(P*)> fn);
  void CountStopped(P* p);
  void StopIdlePs();
  void StopSyscallPs();
  void StopP(P* p);
  void ProcResize(int n);
  void KeepP(M* m, int procs);
  void RunSafePoint(P* p);

  SchedTrace trace;
  // The monitor's: when the first line was printed. Go: starttime.
  int64_t schedtrace_start = 0;

  // --- Life (life.cc).
  const int64_t start_time;
  sigset_t signal_mask;               // of who made it; all Ms have it
  std::atomic<bool> stopping{false};  // ~Sched: every M leaves
  std::atomic<bool> running{false};   // a thread is in Run
  std::atomic<M*> m0{nullptr};        // its M
  int64_t m0_run = 0;                 // guarded by mu: Runs that m0 has left
  std::atomic<bool> main_done{false};
  std::atomic<bool> main_goexited{false};
  bool main_returned = false;   // the main goroutine's
  int64_t main_goid = 0;        // written before the main goroutine runs
  std::atomic<int> waiters{0};  // threads in WaitIdle
  RuntimeLock wait_mu;
  std::vector<Note*> wait_notes;  // guarded by wait_mu
  // Threads that work on this Sched just now and hold no P of it.
  std::atomic<int> foreign_calls{0};
  std::unique_ptr<SysmonHost> sysmon_host;
  std::unique_ptr<Sysmon> sysmon;
  std::thread sysmon_thread;

  // Once, before all else. Throws std::system_error if sysmon gets no thread.
  void Start();
  // Before the destructor. False: threads are left, which need *this for ever.
  bool End();
  bool AwaitThreads();
  int ThreadsInCalls();
  void Run(absl::AnyInvocable<void()> main);
  void MainEnds();
  void WakeM0(M* m, int64_t run);
  void WaitIdle();
  void NotifyIdle();
  void WakeLeaving();
  void AbandonAll();
  static void ForgetReadied(G* g);

  // --- Figures (schedtrace.cc, metrics.cc).
  std::atomic<uint64_t> handoffs{0};       // Ps given up with work or a need
  std::atomic<uint64_t> retakes{0};        // Ps taken from system calls
  std::atomic<uint64_t> thread_wakes{0};   // Ms woken to have a P
  std::atomic<uint64_t> thread_starts{0};  // Ms started
  std::atomic<uint64_t> net_ready{
      0};                     // goroutines readied by PollNetworkForeign
  TimeHistogram stop_times;   // guarded by world: until all have stopped
  TimeHistogram pause_times;  // guarded by world: until they go on
  int64_t stop_began = 0;     // guarded by world
  SchedStats Stats() const;
  void AddFigures(Figures* out);
  uint64_t Switches() const;
  void PrintSchedTrace(bool detailed);

  // --- Guarded by mu.
  RuntimeLock mu;
  std::vector<M*> allm;                 // all that ever were
  std::vector<M*> free_ms;              // their threads have ended
  std::vector<M*> used_m0s;             // of Runs that have returned
  std::vector<pthread_t> dead_threads;  // to be joined
  bool left_behind = false;             // nobody joins any more
  std::vector<G*> g_blocks;             // kGBlock descriptors each
  std::vector<std::pair<void*, size_t>> g_maps;
  G* g_map_next = nullptr;
  G* g_map_end = nullptr;
  int64_t next_mid = 0;
  std::map<size_t, std::unique_ptr<OwnSizeStacks>> own_size_stacks;

 private:
  G* NewGBlock();
};

// Counts a thread that works on `s` without a P of it; ~Sched waits for it.
class ForeignCall {
 public:
  explicit ForeignCall(Sched* s) : s_(s) { s_->foreign_calls.fetch_add(1); }
  ~ForeignCall() { s_->foreign_calls.fetch_sub(1); }
  ForeignCall(const ForeignCall&) = delete;
  ForeignCall& operator=(const ForeignCall&) = delete;

 private:
  Sched* const s_;
};

// The M that this thread is, or null.
inline M* CurrentM() { return static_cast<M*>(ThisThread()->m); }
// The goroutine that this thread runs now; null also on a g0. (park.cc)
G* CurrentG();
// The same, or the goroutine whose Syscall this thread is in.
G* CurrentOrCallingG();
G* CurrentGOrPanic();
GExtra* ExtraOf(G* g);  // the running goroutine's own, made on demand

// Where a P's ring overflows to: RunQueue::Put's last argument.
inline auto SpillTo(P* p) {
  return [p](G** batch, int n) {
    ShuffleBatch(&p->rand, batch, n);
    p->sched->spill.Put(batch, n);
  };
}

// All Scheds of the process. (life.cc)
void ForEachSched(absl::FunctionRef<void(Sched*)> fn);
// Likewise; none of them ends before its foreign_calls is decremented again.
std::vector<Sched*> PinScheds();
// The same for a dying process: without waiting for a lock.
void ForEachSchedRacy(absl::FunctionRef<void(Sched*)> fn);

// What goroutines do on their own stacks. (park.cc)
void GoroutineMain(void*);
void Yield(G* g);
[[noreturn]] void EndGoroutineByUnwinding(G* g);
// Readies g's stack for the first switch to it.
void PrepareFirstRun(G* g);
// Queues a goroutine that p's owner has made runnable where p runs next, and
// wakes another P if that makes sense. Not `next`: at the queue's end.
void PutReady(P* p, G* g, bool next = true);
// Ready for what has come about by itself, as timers do: those that are readied
// one after another run in that order, behind all who wait on this P.
void ReadyInTurn(Waiter* w);
// From g0 to g, which has a stack; returns when a goroutine comes back to g0.
// (proc.cc)
void Execute(M* m, G* g);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_SCHED_H_
