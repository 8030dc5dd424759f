// What sysmon costs the scheduler (Wakeup) and itself (Step).
#include <limits>

#include "base/clock.h"
#include "benchmark/benchmark.h"
#include "sysmon/sysmon.h"

namespace mpg {
namespace {

class BusyHost final : public SysmonHost {
 public:
  explicit BusyHost(int n) : n_(n) {}
  int NumProcs() override { return n_; }
  ProcSample Sample(int) override {
    ++tick_;
    return {ProcStatus::kRunning, tick_, tick_, 0, true};
  }
  bool WorldStopping() override { return false; }
  bool AllIdle() override { return false; }
  bool OthersIdle() override { return false; }
  bool Preempt(int) override { return false; }
  int64_t NextDue() override { return INT64_MAX; }
  bool RetakeSyscall(int, uint32_t) override { return false; }
  bool Stalled(int, const ProcSample&, int64_t) override { return true; }
  void SettleStalls() override {}
  bool WakeForLocalWork(int) override { return false; }
  int64_t LastPoll() override { return 0; }
  bool PollNetwork() override { return false; }
  void WakeToPoll() override {}
  int64_t NextTimer() override { return std::numeric_limits<int64_t>::max(); }
  void StartForTimer() override {}
  int64_t WhenAllIdle(int64_t) override {
    return std::numeric_limits<int64_t>::max();
  }
  void Periodic(int64_t) override {}
  void SchedTrace(bool) override {}

 private:
  const int n_;
  uint32_t tick_ = 0;
};

void BM_Sysmon_WakeupAwake(benchmark::State& state) {
  BusyHost host(1);
  Sysmon sysmon(&host, RealSysmonClock(), SysmonOptions());
  for (auto _ : state) {
    sysmon.Wakeup();
    benchmark::ClobberMemory();
  }
}
BENCHMARK(BM_Sysmon_WakeupAwake);

void BM_Sysmon_Step(benchmark::State& state) {
  BusyHost host(static_cast<int>(state.range(0)));
  Sysmon sysmon(&host, RealSysmonClock(), SysmonOptions());
  for (auto _ : state) benchmark::DoNotOptimize(sysmon.Step());
}
BENCHMARK(BM_Sysmon_Step)->Arg(2)->Arg(64);

}  // namespace
}  // namespace mpg
