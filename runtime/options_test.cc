// $GOMAXPROCS, $GODEBUG, and the CPUs that are granted.
#include "runtime/options.h"

#include <sched.h>
#include <stdlib.h>

#include <string>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

using testing::ExitedWithCode;
using testing::HasSubstr;

class OptionsTest : public testing::Test {
 protected:
  void SetUp() override { TearDown(); }
  void TearDown() override {
    unsetenv("GOMAXPROCS");
    unsetenv("GODEBUG");
  }
  static RuntimeOptions With(const char* variable, const char* value) {
    setenv(variable, value, 1);
    return RuntimeOptions::FromEnvironment();
  }
};

using OptionsDeathTest = OptionsTest;

TEST_F(OptionsTest, DefaultsWithoutEnvironment) {
  const RuntimeOptions o = RuntimeOptions::FromEnvironment();
  EXPECT_EQ(o.max_procs, 0);
  EXPECT_EQ(o.max_threads, 10000);
  EXPECT_TRUE(o.async_preempt);
  EXPECT_EQ(o.schedtrace, absl::ZeroDuration());
  EXPECT_FALSE(o.scheddetail);
}

TEST_F(OptionsTest, GomaxprocsSetsTheNumberOfPs) {
  EXPECT_EQ(With("GOMAXPROCS", "3").max_procs, 3);
  EXPECT_EQ(With("GOMAXPROCS", "").max_procs, 0);
}

TEST_F(OptionsTest, GodebugSetsWhatItNames) {
  const RuntimeOptions o = With(
      "GODEBUG",
      "schedtrace=250,scheddetail=1,asyncpreemptoff=1,stallms=40,gctrace=1");
  EXPECT_EQ(o.schedtrace, absl::Milliseconds(250));
  EXPECT_TRUE(o.scheddetail);
  EXPECT_FALSE(o.async_preempt);
  EXPECT_EQ(o.stall_report, absl::Milliseconds(40));
}

TEST_F(OptionsTest, GodebugZeroIsOff) {
  const RuntimeOptions o =
      With("GODEBUG", "schedtrace=0,scheddetail=0,asyncpreemptoff=0,stallms=0");
  EXPECT_EQ(o.schedtrace, absl::ZeroDuration());
  EXPECT_FALSE(o.scheddetail);
  EXPECT_TRUE(o.async_preempt);
  EXPECT_EQ(o.stall_report, absl::ZeroDuration());
}

TEST_F(OptionsTest, GodebugEntriesOfOthersAreLeftAlone) {
  With("GODEBUG", "madvdontneed=x,,nonsense,=,a=b=c");
}

TEST_F(OptionsTest, CpusGrantedFollowTheAffinityMask) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  EXPECT_GE(CpusGranted(), 1);
  EXPECT_LE(CpusGranted(), CPU_COUNT(&before));
  int first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(CpusGranted(), 1);
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
}

TEST_F(OptionsDeathTest, BadGomaxprocsIsAnError) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (const std::string bad : {"0", "-2", "two", "4x", "99999999999"}) {
    EXPECT_EXIT(
        With("GOMAXPROCS", bad.c_str()), ExitedWithCode(2),
        HasSubstr("mpg: GOMAXPROCS: " + bad + ": want a positive number"));
  }
}

TEST_F(OptionsDeathTest, BadGodebugEntryIsAnError) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (const std::string bad :
       {"schedtrace=often", "schedtrace=", "scheddetail=-1",
        "asyncpreemptoff=yes", "stallms=-1", "stallms=1s"}) {
    EXPECT_EXIT(With("GODEBUG", ("gctrace=1," + bad).c_str()),
                ExitedWithCode(2), HasSubstr("mpg: GODEBUG: " + bad));
  }
}

}  // namespace
}  // namespace mpg
