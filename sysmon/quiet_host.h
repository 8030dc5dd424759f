// QuietHost: a SysmonHost that never asks for anything, for tests and benchmarks to
// derive from. Nothing of it is ever idle.
#ifndef MPG_SYSMON_QUIET_HOST_H_
#define MPG_SYSMON_QUIET_HOST_H_

#include <cstdint>
#include <limits>

#include "sysmon/sysmon.h"

namespace mpg {

class QuietHost : public SysmonHost {
 public:
  int NumProcs() override { return 0; }
  ProcSample Sample(int) override { return {}; }
  bool WorldStopping() override { return false; }
  bool AllIdle() override { return false; }
  bool OthersIdle() override { return false; }
  bool Preempt(int) override { return false; }
  int64_t NextDue() override { return kNever; }
  bool RetakeSyscall(int, uint32_t) override { return false; }
  bool Stalled(int, const ProcSample&, int64_t) override { return true; }
  void SettleStalls() override {}
  void WakeForLocalWork(int) override {}
  int64_t LastPoll() override { return 0; }
  bool NetworkUnpolled() override { return false; }
  bool PollNetwork() override { return false; }
  void WakeToPoll() override {}
  int64_t NextTimer() override { return kNever; }
  void StartForTimer() override {}
  int64_t WhenAllIdle(int64_t) override { return kNever; }
  void Periodic(int64_t) override {}
  void SchedTrace(bool) override {}

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
};

}  // namespace mpg

#endif  // MPG_SYSMON_QUIET_HOST_H_
