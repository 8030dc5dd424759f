// What sysmon costs the scheduler (Wakeup) and itself (Step).
#include <cstdint>

#include "base/clock.h"
#include "benchmark/benchmark.h"
#include "sysmon/quiet_host.h"
#include "sysmon/sysmon.h"

namespace mpg {
namespace {

class BusyHost final : public QuietHost {
 public:
  explicit BusyHost(int n) : n_(n) {}
  int NumProcs() override { return n_; }
  ProcSample Sample(int) override {
    ++tick_;
    return {ProcStatus::kRunning, tick_, tick_, 0, true};
  }

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
