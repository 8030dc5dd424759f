// Timers and deadlock detection.
#include <optional>

#include "absl/time/time.h"
#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"
#include "runtime/time.h"

namespace mpg {
namespace {

using internal::RunWith;
using testing::ExitedWithCode;

class TimeDeathTest : public testing::TestWithParam<int> {
 protected:
  TimeDeathTest() { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

INSTANTIATE_TEST_SUITE_P(Procs, TimeDeathTest, testing::Values(1, 2));

constexpr char kDeadlock[] = "all goroutines are asleep - deadlock!";

TEST_P(TimeDeathTest, ADeadlockIsReportedOnceTheLastTimerHasFired) {
  EXPECT_EXIT(RunWith(GetParam(),
                      [] {
                        Sleep(absl::Milliseconds(5));
                        After(absl::Milliseconds(5)).Recv();
                        MakeChan<int>().Recv();
                      }),
              ExitedWithCode(2), kDeadlock);
}

TEST_P(TimeDeathTest, AStoppedTimerKeepsNobodyAlive) {
  EXPECT_EXIT(RunWith(GetParam(),
                      [] {
                        Timer t(absl::Hours(1));
                        Timer f = AfterFunc(absl::Hours(2), [] {});
                        Sleep(absl::Milliseconds(1));
                        t.Stop();
                        f.Stop();
                        t.C().Recv();
                      }),
              ExitedWithCode(2), kDeadlock);
}

TEST_P(TimeDeathTest, SleepersAreShownWithTheirReason) {
  EXPECT_EXIT(RunWith(GetParam(),
                      [] {
                        Go([] { Sleep(absl::Hours(1)); });
                        Sleep(absl::Milliseconds(5));
                        throw 1;
                      }),
              ExitedWithCode(2), "panic");
}

}  // namespace
}  // namespace mpg
