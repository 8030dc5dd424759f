// SCHED lines have Go's form.
#include <stdlib.h>
#include <unistd.h>

#include <chrono>

#include "absl/time/time.h"
#include "channel/chan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"
#include "runtime/time.h"

namespace mpg {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::ExitedWithCode;
using testing::StartsWith;

// Runs goroutines in several states for a while, then exits.
void RunTraced(bool detailed) {
  RuntimeOptions options = internal::Procs(3);
  options.schedtrace = absl::Milliseconds(20);
  options.scheddetail = detailed;
  Runtime runtime(options);
  runtime.Run([] {
    auto c = MakeChan<int>();
    Go([c] { c.Recv(); });
    Go([c] {
      LockOSThread();
      c.Recv();
    });
    Go([] { Sleep(absl::Hours(1)); });
    Go([] {
      Syscall([] {
        for (;;) pause();
      });
    });
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    while (std::chrono::steady_clock::now() < end) Gosched();
  });
  _exit(0);  // a goroutine is in a system call for ever
}

class SchedTraceDeathTest : public testing::Test {
 protected:
  void SetUp() override {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
  }
};

TEST_F(SchedTraceDeathTest, LineHasGosForm) {
  EXPECT_EXIT(RunTraced(false), ExitedWithCode(0),
              AllOf(StartsWith("SCHED 0ms: gomaxprocs=3 "),
                    ContainsRegex(
                        "SCHED [0-9]+ms: gomaxprocs=3 idleprocs=[0-3] "
                        "threads=[0-9]+ spinningthreads=[0-9]+ needspinning=0 "
                        "idlethreads=[0-9]+ runqueue=[0-9]+ "
                        "\\[[0-9]+ [0-9]+ [0-9]+\\]\n"),
                    ContainsRegex("SCHED [1-9][0-9][0-9]+ms: ")));
}

TEST_F(SchedTraceDeathTest, DetailHasALineForEachPMAndG) {
  EXPECT_EXIT(
      RunTraced(true), ExitedWithCode(0),
      AllOf(ContainsRegex("SCHED [0-9]+ms: gomaxprocs=3 .* gcwaiting=false "
                          "nmidlelocked=[0-9]+ stopwait=0 sysmonwait="),
            ContainsRegex("\n  P0: status=[0-9] schedtick=[0-9]+ "
                          "syscalltick=[0-9]+ m=(nil|[0-9]+) runqsize=[0-9]+ "
                          "gfreecnt=[0-9]+ timerslen=[0-9]+\n"),
            ContainsRegex("\n  P2: status="),
            // The sleeper's.
            ContainsRegex("\n  P[0-2]: .* timerslen=1\n"),
            ContainsRegex("\n  M[0-9]+: p=(nil|[0-9]+) curg=(nil|[0-9]+) "
                          "mallocing=0 throwing=0 preemptoff= locks=[0-9]+ "
                          "dying=0 spinning=(true|false) blocked=(true|false) "
                          "lockedg=(nil|[0-9]+)\n"),
            ContainsRegex("\n  M[0-9]+: p=nil curg=nil .* blocked=true "
                          "lockedg=[0-9]+\n"),
            ContainsRegex("\n  G[0-9]+: status=3\\(\\) m=[0-9]+ lockedm=nil\n"),
            ContainsRegex("\n  M0: p=(nil|[0-9]+) curg=(nil|[0-9]+) "),
            ContainsRegex("\n  G1: status=[0-9]\\(.*\\) m=(nil|[0-9]+) "
                          "lockedm=(nil|[0-9]+)\n"),
            ContainsRegex("status=4\\(chan receive\\) m=nil lockedm=nil\n"),
            ContainsRegex("status=4\\(chan receive\\) m=nil "
                          "lockedm=[0-9]+\n")));
}

}  // namespace
}  // namespace mpg
