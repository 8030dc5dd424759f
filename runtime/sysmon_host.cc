#include "runtime/sysmon_host.h"

#include <algorithm>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/panic.h"
#include "runtime/deadlock.h"
#include "runtime/sched.h"
#include "runtime/wait_clock.h"

namespace mpg {
namespace internal {
namespace {

class SchedHost final : public SysmonHost {
 public:
  explicit SchedHost(Sched* s) : s_(s) {}

  void Tick(int64_t now) override {
    const uint16_t clock = WaitClock(now);
    // relaxed: see Sched::wait_clock.
    if (s_->wait_clock.load(std::memory_order_relaxed) != clock) {
      s_->wait_clock.store(clock, std::memory_order_relaxed);
    }
  }
  int NumProcs() override { return s_->gomaxprocs.load(); }

  ProcSample Sample(int proc) override {
    P* p = s_->allp[proc];
    ProcSample sample;
    sample.status = StatusOf(p->status.load());
    sample.schedtick = p->schedtick;
    sample.switches = static_cast<uint32_t>(p->switches);
    sample.syscalltick = static_cast<uint32_t>(p->syscalltick);
    sample.has_local_work = !p->runq.Empty();
    return sample;
  }

  bool WorldStopping() override { return s_->gcwaiting.load(); }
  bool AllIdle() override {
    return s_->idle_ps.Count() == s_->gomaxprocs.load();
  }
  bool OthersIdle() override {
    return s_->nmspinning.load() + s_->idle_ps.Count() > 0;
  }
  // First a request that the goroutine sees at its next call into mpg; a signal
  // if it makes none and somebody waits: that costs two switches of threads.
  bool Preempt(int proc) override {
    P* p = s_->allp[proc];
    const uint32_t tick = p->schedtick;
    s_->PreemptOne(p);
    if (!s_->options.async_preempt || !s_->WorkWaits(p)) return false;
    if (asked_[proc] == tick) return s_->SignalP(p);
    asked_[proc] = tick;
    return true;
  }
  int64_t NextDue() override { return s_->EarliestTimer(); }
  bool RetakeSyscall(int proc, uint32_t syscalltick) override {
    P* p = s_->allp[proc];
    if (static_cast<uint32_t>(p->syscalltick) != syscalltick ||
        !s_->RetakeSyscallP(p)) {
      return false;
    }
    // relaxed: a figure.
    s_->retakes.fetch_add(1, std::memory_order_relaxed);
    s_->HandoffP(p);
    return true;
  }
  bool Stalled(int proc, const ProcSample& sample, int64_t ns) override {
    return s_->stall_reporter.Report(
        {s_->allp[proc], sample.switches, sample.schedtick, sample.syscalltick},
        ns);
  }
  void SettleStalls() override { s_->stall_reporter.Settle(); }
  void WakeForLocalWork(int) override { s_->WakeP(); }
  int64_t LastPoll() override { return s_->last_poll.load(); }
  bool NetworkUnpolled() override { return s_->NetworkUnpolled(); }
  bool PollNetwork() override { return s_->PollNetworkForeign(); }
  void WakeToPoll() override { s_->WakeP(); }
  // Of interest only if it would be nobody else's: busy Ps look by themselves,
  // and a keeper wakes for all.
  int64_t NextTimer() override {
    if (s_->idle_ps.Count() == 0 || s_->keeper.Kept()) return TimerHeap::kNever;
    return s_->EarliestTimer();
  }
  void StartForTimer() override { s_->NeedKeeper(0); }
  int64_t WhenAllIdle(int64_t idle_ns) override {
    s_->DropStoppedTimers();
    const bool look_again = CheckDead(s_);
    s_->stacks.Scavenge(std::numeric_limits<size_t>::max());
    if (!look_again) return std::numeric_limits<int64_t>::max();
    // A deadlock is told after at most four times as long as it took to come
    // about; a program that just waits pays next to nothing.
    return std::clamp(3 * idle_ns, kMinRecheckNs, kMaxRecheckNs);
  }
  void Periodic(int64_t) override { s_->stacks.Scavenge(kScavengeStacks); }
  void SchedTrace(bool detailed) override { s_->PrintSchedTrace(detailed); }

 private:
  static constexpr int64_t kMinRecheckNs = 50'000'000;
  static constexpr int64_t kMaxRecheckNs = 10'000'000'000;
  // Pooled stacks whose memory is given back in one round; untuned.
  static constexpr size_t kScavengeStacks = 256;

  static ProcStatus StatusOf(PStatus status) {
    switch (status) {
      case PStatus::kIdle:
        return ProcStatus::kIdle;
      case PStatus::kRunning:
        return ProcStatus::kRunning;
      case PStatus::kSyscall:
        return ProcStatus::kSyscall;
      case PStatus::kGcstop:
      case PStatus::kDead:
        return ProcStatus::kStopped;
    }
    return ProcStatus::kStopped;
  }

  Sched* const s_;
  uint32_t asked_[kMaxProcs] = {};  // schedtick at the last request
};

}  // namespace

std::unique_ptr<SysmonHost> NewSysmonHost(Sched* sched) {
  return std::make_unique<SchedHost>(sched);
}

}  // namespace internal
}  // namespace mpg
