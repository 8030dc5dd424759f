// Sysmon: the monitor of a scheduler. A thread of its own that, every so often,
// takes processors from who keeps them too long, sees to work that nobody was
// woken for, and prints schedtrace lines. Go: sysmon, retake (proc.go).
//
// It knows no scheduler: what it looks at and what it can do is a SysmonHost,
// and time is a SysmonClock, so that tests run it with fakes.
//
//   Sysmon sysmon(&host, RealSysmonClock(), options);
//   std::thread t([&] { sysmon.Run(); });
//   ...
//   sysmon.Stop();
//   t.join();
//
// Policy, each look (Step):
//   - A processor that runs under one schedtick for a time slice is asked to
//     give way (Preempt); if it is in a system call then, it is retaken.
//   - A processor in a system call since the last look is retaken (RetakeSyscall),
//     unless it has no work, others could take new work, and it has been there for
//     less than max_sleep_ns.
//   - A processor that runs or is in a system call, has queued work and has not
//     switched since the last look, while others are idle and none looks for work:
//     one is woken (WakeForLocalWork).
//   - If somebody waits for the network, which was not polled for unpolled_ns while
//     some processor is idle, one is woken to do it (WakeToPoll). If none is idle,
//     sysmon polls after max_sleep_ns; if who was woken has not, after twice as long.
//   - A processor that runs and has neither switched, nor begun a slice or a system
//     call, for stall_ns is reported (Stalled), once; also while the world is to
//     stop.
//   - A timer that is due within max_sleep_ns starts a thread that will be there in
//     time.
// Looks are min_sleep_ns apart; after 50 looks at which nothing was retaken the
// distance doubles with each, up to max_sleep_ns; something retaken brings it
// back to min_sleep_ns, as does a Preempt that wants to be called again or a deep
// sleep. After less than max_sleep_ns without work it doubles at once: a look costs
// some 20 us where cores are scarce. None is later than the end of a slice that has
// been seen to begin, nor, while others could help, than unpolled_ns after the last
// if a processor has queued work or the network is unpolled, or than that after a
// poll that LookSoon was told of.
//
// Deep sleep. When all is idle (AllIdle) there is nothing to watch. After
// idle_check_ns of it, WhenAllIdle is called, and then sysmon sleeps until
// Wakeup, the next timer, the next schedtrace line, or the moment for which
// WhenAllIdle asked to be called again: an idle program burns no CPU. No wake-up
// is lost:
//     sysmon:     1. asleep_ = true;           2. AllIdle()? sleep : go on
//     scheduler:  1. no longer all idle;       2. Wakeup(): asleep_? wake it
//   with all four seq_cst: one of the two sees the other. asleep_ is set before
//   WhenAllIdle is called and stays set until Wakeup or until not all is idle;
//   so a scheduler that started and is idle again by the next look is noticed
//   too, and a new period of idleness begins.
//
// Thread safety: Run and Step by one thread; Stop, Wakeup and LookSoon by any. The
// host is called on the thread of Run and must do its own synchronization.
#ifndef MPG_SYSMON_SYSMON_H_
#define MPG_SYSMON_SYSMON_H_

#include <atomic>
#include <cstdint>
#include <vector>

#include "base/note.h"

namespace mpg {

class SysmonHost {
 public:
  enum class ProcStatus : uint8_t { kIdle, kRunning, kSyscall, kStopped };
  struct ProcSample {
    ProcStatus status;
    uint32_t schedtick;    // changes with each new time slice
    uint32_t switches;     // changes with each switch
    uint32_t syscalltick;  // changes with each system call
    bool has_local_work;
  };

  virtual ~SysmonHost() = default;
  // At the start of each look; and by the thread that calls Wakeup, before anything
  // runs, if sysmon sleeps deeply.
  virtual void Tick(int64_t now) { (void)now; }
  virtual int NumProcs() = 0;
  virtual ProcSample Sample(int proc) = 0;
  // Processors are being stopped: nothing is to be retaken or woken.
  virtual bool WorldStopping() = 0;
  // No processor runs anything. seq_cst; see "Deep sleep".
  virtual bool AllIdle() = 0;
  // Some processor is idle or looks for work, and could take more.
  virtual bool OthersIdle() = 0;

  // The goroutine there has used up its slice: asks it to give way. True: look
  // again soon, it is to be forced (then Preempt is called once more).
  virtual bool Preempt(int proc) = 0;
  // When somebody may want what an overstaying goroutine occupies: the earliest
  // timer; INT64_MAX: nobody that is known of.
  virtual int64_t NextDue() = 0;
  // False: the thread came back meanwhile. `syscalltick` is what was sampled.
  virtual bool RetakeSyscall(int proc, uint32_t syscalltick) = 0;
  // The goroutine there has kept it for ns, longer than stall_ns, since it was as in
  // `sample`. Called every millisecond until it returns true or the goroutine has
  // given way.
  virtual bool Stalled(int proc, const ProcSample& sample, int64_t ns) = 0;
  // At each look, if there is a stall_ns.
  virtual void SettleStalls() = 0;
  virtual void WakeForLocalWork(int proc) = 0;

  // When the network was last polled, or first waited for; seq_cst.
  virtual int64_t LastPoll() = 0;
  // Somebody waits for the network, and nobody sleeps in it for all.
  virtual bool NetworkUnpolled() = 0;
  virtual bool PollNetwork() = 0;
  virtual void WakeToPoll() = 0;
  // When the earliest timer is due that no thread waits for; INT64_MAX: none.
  virtual int64_t NextTimer() = 0;
  virtual void StartForTimer() = 0;

  // All has been idle for idle_ns. Returns in how many nanoseconds it wants to
  // be called again if that lasts; INT64_MAX: not in this period.
  virtual int64_t WhenAllIdle(int64_t idle_ns) = 0;
  // About every 100 ms while not all is idle.
  virtual void Periodic(int64_t now) = 0;
  virtual void SchedTrace(bool detailed) = 0;
};

class SysmonClock {
 public:
  virtual ~SysmonClock() = default;
  virtual int64_t Now() = 0;
  // Sleeps for ns (INT64_MAX: for ever) or until the note is signaled.
  virtual void Sleep(Note* note, int64_t ns) = 0;
};

// CLOCK_MONOTONIC. Lives for ever.
SysmonClock* RealSysmonClock();

struct SysmonOptions {
  int64_t time_slice_ns = 10'000'000;  // Go: forcePreemptNS
  int64_t min_sleep_ns = 20'000;       // Go: 20 us
  int64_t max_sleep_ns = 10'000'000;   // Go: 10 ms
  int64_t unpolled_ns = 1'000'000;     // Go: 10 ms
  int64_t idle_check_ns = 2'000'000;   // untuned
  int64_t stall_ns = 0;                // 0: no reports
  int64_t schedtrace_ns = 0;           // 0: never
  bool scheddetail = false;
};

class Sysmon {
 public:
  // Both must outlive this.
  Sysmon(SysmonHost* host, SysmonClock* clock, const SysmonOptions& options);
  Sysmon(const Sysmon&) = delete;
  Sysmon& operator=(const Sysmon&) = delete;

  // Watches until Stop.
  void Run();
  // Makes Run return soon. Once.
  void Stop();

  // The scheduler is no longer all idle. One load unless sysmon sleeps deeply.
  void Wakeup() {
    // seq_cst: see "Deep sleep".
    if (asleep_.load()) WakeSlow();
  }

  // Somebody has stored `now` as LastPoll, and may be long in coming back to the
  // network or to what is queued, while others are idle: looks within unpolled_ns.
  // One load if it does anyway.
  void LookSoon(int64_t now) {
    // seq_cst: see next_look_.
    if (next_look_.load() > now + options_.unpolled_ns) note_.WakeupIfClear();
  }

  // One look; returns how long to sleep until the next. For tests.
  int64_t Step();

 private:
  struct Seen {
    uint32_t schedtick = 0;
    uint32_t switches = 0;
    uint32_t syscalltick = 0;
    int64_t schedwhen = -1;  // -1: never looked at
    int64_t syscallwhen = 0;
  };

  // What a processor was last seen to do, and since when.
  struct Stillness {
    SysmonHost::ProcSample sample = {};
    int64_t since = -1;  // -1: it did not run
    bool reported = false;
  };

  void WakeSlow();
  int64_t NextTraceIn(int64_t now) const;
  void Trace(int64_t now);
  int64_t StepIdle(int64_t now);
  void DeepSleep(int64_t now);
  void WatchStalls(int64_t now);
  void WatchStall(int proc, Stillness* still, int64_t now);
  bool Retake(int64_t now);
  bool WatchPolls(int64_t now);
  void LookBy(int64_t when) {
    if (when < look_by_) look_by_ = when;
  }
  bool RetakeProc(int proc, const SysmonHost::ProcSample& sample, Seen* seen,
                  int64_t now);
  bool LongCall(const SysmonHost::ProcSample& sample, Seen* seen,
                bool others_idle, int64_t now) const;

  SysmonHost* const host_;
  SysmonClock* const clock_;
  const SysmonOptions options_;

  // The thread of Run.
  std::vector<Seen> seen_;
  std::vector<Stillness> still_;
  int64_t delay_ns_;
  int quiet_looks_ = 0;
  int64_t idle_since_ = -1;     // -1: not all is idle
  int64_t next_idle_call_ = 0;  // of WhenAllIdle, in this period
  bool watching_ = false;       // asleep_ was set in this period
  int64_t look_by_ = 0;         // the latest time for the next look
  int64_t last_poll_ = 0;       // that of the host at the last look
  int64_t last_idle_ = 0;       // the last look that saw somebody idle
  int64_t last_trace_;
  int64_t last_periodic_;

  // When the next look begins; stored after the look before, and then LastPoll is read
  // again. Whoever calls LookSoon has stored LastPoll before it reads this, all four
  // seq_cst: either it reads what was stored here last, or sysmon sees the poll and
  // does not sleep for long, if somebody is still idle. (Who idles after that looks at
  // all queues, and keeps the time.) Not stored for deep sleep, where Wakeup is called.
  std::atomic<int64_t> next_look_{0};
  std::atomic<bool> asleep_{false};
  std::atomic<bool> stop_{false};
  Note note_;
};

}  // namespace mpg

#endif  // MPG_SYSMON_SYSMON_H_
