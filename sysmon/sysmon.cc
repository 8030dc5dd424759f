#include "sysmon/sysmon.h"

#include <sys/prctl.h>

#include <algorithm>
#include <limits>

#include "base/clock.h"

namespace mpg {
namespace {

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();
// Go: sysmon doubles its sleep after 50 idle cycles, that is after 1 ms.
constexpr int kQuietLooks = 50;
constexpr int64_t kPeriodicNs = 100'000'000;
// Until a stall that the host could not report at once is offered again.
constexpr int64_t kStallRetryNs = 1'000'000;

// Durations that can be added to a time; the longest is some 70 years.
SysmonOptions Addable(SysmonOptions options) {
  for (int64_t* ns : {&options.time_slice_ns, &options.unpolled_ns,
                      &options.stall_ns, &options.schedtrace_ns}) {
    *ns = std::min(*ns, kForever / 4);
  }
  return options;
}

class RealClock final : public SysmonClock {
 public:
  int64_t Now() override { return NanoTime(); }
  void Sleep(Note* note, int64_t ns) override {
    note->SleepFor(ns == kForever ? -1 : ns);
  }
};

}  // namespace

SysmonClock* RealSysmonClock() {
  static RealClock* const clock = new RealClock;
  return clock;
}

Sysmon::Sysmon(SysmonHost* host, SysmonClock* clock,
               const SysmonOptions& options)
    : host_(host),
      clock_(clock),
      options_(Addable(options)),
      delay_ns_(options.min_sleep_ns),
      last_trace_(clock->Now() - options_.schedtrace_ns),
      last_periodic_(clock->Now()) {}

void Sysmon::Run() {
  // The default slack of 50 us is more than the sleep.
  prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
  while (!stop_.load()) {
    int64_t sleep = Step();
    // seq_cst, as the next: see next_look_.
    next_look_.store(clock_->Now() + sleep);
    if (sleep > options_.unpolled_ns && host_->LastPoll() != last_poll_ &&
        host_->OthersIdle()) {
      sleep = options_.unpolled_ns;
      next_look_.store(clock_->Now() + sleep);
    }
    if (sleep > 0 && !stop_.load()) clock_->Sleep(&note_, sleep);
    // A signal that comes between the two is seen by the next Step's loads, or
    // (a Stop) above.
    if (note_.IsSignaled() && !stop_.load()) note_.Clear();
  }
}

void Sysmon::Stop() {
  stop_.store(true);
  note_.WakeupIfClear();
}

void Sysmon::WakeSlow() {
  // One of those who find it asleep wakes it.
  host_->Tick(clock_->Now());
  if (asleep_.exchange(false)) note_.WakeupIfClear();
}

int64_t Sysmon::NextTraceIn(int64_t now) const {
  if (options_.schedtrace_ns <= 0) return kForever;
  return std::max<int64_t>(0, last_trace_ + options_.schedtrace_ns - now);
}

void Sysmon::Trace(int64_t now) {
  if (options_.schedtrace_ns <= 0 || NextTraceIn(now) > 0) return;
  last_trace_ = now;
  host_->SchedTrace(options_.scheddetail);
}

int64_t Sysmon::Step() {
  const int64_t now = clock_->Now();
  host_->Tick(now);
  Trace(now);
  if (options_.stall_ns > 0) host_->SettleStalls();
  if (host_->AllIdle()) return StepIdle(now);
  idle_since_ = -1;
  watching_ = false;
  asleep_.store(false);
  next_idle_call_ = 0;
  if (now - last_periodic_ >= kPeriodicNs) {
    last_periodic_ = now;
    host_->Periodic(now);
  }
  look_by_ = kForever;
  bool retaken = WatchPolls(now);
  // Due by the next look.
  if (host_->NextTimer() < now + options_.max_sleep_ns) host_->StartForTimer();
  if (!host_->WorldStopping() && Retake(now)) retaken = true;
  if (options_.stall_ns > 0) WatchStalls(now);
  if (retaken) {
    quiet_looks_ = 0;
    delay_ns_ = options_.min_sleep_ns;
  } else if (quiet_looks_ < kQuietLooks) {
    ++quiet_looks_;
  } else {
    delay_ns_ = std::min(delay_ns_ * 2, options_.max_sleep_ns);
  }
  return std::min({delay_ns_, NextTraceIn(now), look_by_ - now});
}

// True: goroutines were made runnable.
bool Sysmon::WatchPolls(int64_t now) {
  const int64_t last = last_poll_ = host_->LastPoll();
  const bool others_idle = host_->OthersIdle() && !host_->WorldStopping();
  if (others_idle) last_idle_ = now;
  if (now - last < options_.unpolled_ns) {
    // Where polls are frequent and now and then some processor is idle, LookSoon
    // need not wake sysmon.
    if (now - last_idle_ < options_.max_sleep_ns) {
      LookBy(last + options_.unpolled_ns);
    }
    return false;
  }
  if (!host_->NetworkUnpolled()) return false;
  if (others_idle) {
    host_->WakeToPoll();
    LookBy(now + options_.unpolled_ns);
  }
  // Whoever was woken may be kept from it.
  const int64_t patience = (others_idle ? 2 : 1) * options_.max_sleep_ns;
  return now - last > patience && host_->PollNetwork();
}

// All is idle: waits a little for whether it stays so, then sleeps deeply.
int64_t Sysmon::StepIdle(int64_t now) {
  if (idle_since_ < 0) {
    idle_since_ = now;
  } else if (watching_ && !asleep_.load()) {
    // Somebody has started, and perhaps parked again before this look.
    watching_ = false;
    idle_since_ = now;
    next_idle_call_ = 0;
  }
  const int64_t left = idle_since_ + options_.idle_check_ns - now;
  // Should it not stay so, LookSoon need not wake sysmon.
  if (left > 0) return std::min(left, options_.unpolled_ns);
  // Before the host looks: whoever starts after its look is noticed above.
  if (!watching_) {
    watching_ = true;
    asleep_.store(true);
  }
  if (now >= next_idle_call_) {
    const int64_t again = host_->WhenAllIdle(now - idle_since_);
    next_idle_call_ = again == kForever ? kForever : now + again;
  }
  DeepSleep(clock_->Now());
  return 0;
}

void Sysmon::DeepSleep(int64_t now) {
  if (host_->AllIdle() && !stop_.load()) {
    const int64_t timer = host_->NextTimer();
    int64_t ns = NextTraceIn(now);
    if (next_idle_call_ != kForever) {
      ns = std::min(ns, std::max<int64_t>(0, next_idle_call_ - now));
    }
    if (timer != kForever) {
      // Whoever is idle until then wakes for it; late by this much, sysmon does.
      ns = std::min(ns, std::max<int64_t>(0, timer - now) + delay_ns_);
    }
    if (ns > 0) clock_->Sleep(&note_, ns);
  }
  if (host_->AllIdle()) return;
  // Somebody has started: look closely again. Go: sysmon after sysmonwait.
  delay_ns_ = options_.min_sleep_ns;
  if (clock_->Now() - idle_since_ >= options_.max_sleep_ns) quiet_looks_ = 0;
}

void Sysmon::WatchStalls(int64_t now) {
  const int n = host_->NumProcs();
  if (static_cast<int>(still_.size()) < n) still_.resize(n);
  for (int i = 0; i < n; ++i) WatchStall(i, &still_[i], now);
}

void Sysmon::WatchStall(int proc, Stillness* still, int64_t now) {
  const SysmonHost::ProcSample sample = host_->Sample(proc);
  if (sample.status != SysmonHost::ProcStatus::kRunning) {
    still->since = -1;
    return;
  }
  if (still->since < 0 || sample.switches != still->sample.switches ||
      sample.schedtick != still->sample.schedtick ||
      sample.syscalltick != still->sample.syscalltick) {
    *still = {sample, now, false};
  } else if (!still->reported && now - still->since >= options_.stall_ns) {
    still->reported = host_->Stalled(proc, sample, now - still->since);
  }
  if (still->reported) return;
  const int64_t due = still->since + options_.stall_ns;
  LookBy(due > now ? due : now + kStallRetryNs);
}

bool Sysmon::Retake(int64_t now) {
  const int n = host_->NumProcs();
  if (static_cast<int>(seen_.size()) < n) seen_.resize(n);
  bool any = false;
  for (int i = 0; i < n; ++i) {
    if (RetakeProc(i, host_->Sample(i), &seen_[i], now)) any = true;
  }
  return any;
}

bool Sysmon::RetakeProc(int proc, const SysmonHost::ProcSample& sample,
                        Seen* seen, int64_t now) {
  const bool still = sample.switches == seen->switches;
  seen->switches = sample.switches;
  const bool in_syscall = sample.status == SysmonHost::ProcStatus::kSyscall;
  if (!in_syscall && sample.status != SysmonHost::ProcStatus::kRunning) {
    return false;
  }
  bool overstays = false, any_forced = false;
  if (sample.schedtick != seen->schedtick || seen->schedwhen < 0) {
    seen->schedtick = sample.schedtick;
    seen->schedwhen = now;
  } else if (now - seen->schedwhen >= options_.time_slice_ns) {
    overstays = true;
    if (host_->Preempt(proc)) any_forced = true;
  }
  LookBy(overstays ? std::max(host_->NextDue(), now + options_.min_sleep_ns)
                   : seen->schedwhen + options_.time_slice_ns);
  const bool others_idle = host_->OthersIdle();
  const bool could_share = sample.has_local_work && others_idle;
  if (could_share) LookBy(now + options_.unpolled_ns);
  // A goroutine that makes one short call after another is in one at most looks:
  // its slice ends here. Go: sysretake.
  if (in_syscall && (overstays || LongCall(sample, seen, others_idle, now))) {
    return host_->RetakeSyscall(proc, sample.syscalltick);
  }
  if (still && could_share) host_->WakeForLocalWork(proc);
  return any_forced;
}

bool Sysmon::LongCall(const SysmonHost::ProcSample& sample, Seen* seen,
                      bool others_idle, int64_t now) const {
  if (sample.syscalltick != seen->syscalltick) {
    seen->syscalltick = sample.syscalltick;
    seen->syscallwhen = now;
    return false;  // at the next look at the earliest
  }
  return sample.has_local_work || !others_idle ||
         now - seen->syscallwhen >= options_.max_sleep_ns;
}

}  // namespace mpg
