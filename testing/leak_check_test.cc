#include "testing/leak_check.h"

#include <string>

#include "absl/time/time.h"
#include "channel/chan.h"
#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/time.h"

// Tests here abandon goroutines on purpose.
extern "C" int __lsan_is_turned_off() { return 1; }

inline void NoTailCall() { asm volatile(""); }

[[gnu::noinline]] void WaitForEver(mpg::Chan<int> c) {
  c.Recv();
  NoTailCall();
}
[[gnu::noinline]] void StartOne(mpg::Chan<int> c) {
  mpg::Go([c] { WaitForEver(c); });
  NoTailCall();
}

namespace mpg {
namespace testing {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

RuntimeOptions Procs(int n) {
  RuntimeOptions options;
  options.max_procs = n;
  return options;
}

LeakOptions Brief() {
  LeakOptions options;
  options.wait = absl::Milliseconds(50);
  return options;
}

TEST(LeakCheckTest, FindsNothingWhereNothingIsLeft) {
  LeakCheck check;
  EXPECT_EQ(check.Check(), "");
  Runtime runtime(Procs(2));
  runtime.Run([] {
    auto c = MakeChan<int>();
    Go([c] { c.Send(1); });
    c.Recv();
  });
  EXPECT_EQ(check.Check(), "");
}

TEST(LeakCheckTest, ShowsWhoIsLeftAndWhere) {
  Runtime runtime(Procs(2));
  auto c = MakeChan<int>();
  LeakCheck check(Brief());
  runtime.Run([c] {
    GoOptions named;
    named.name = "left";
    Go(named, [c] { WaitForEver(c); });
    StartOne(c);
  });
  const std::string report = check.Check();
  EXPECT_THAT(report, HasSubstr("2 goroutines were left behind:\n\n"));
  EXPECT_THAT(report, ContainsRegex("\ngoroutine [0-9]+ \"left\" "
                                    "\\[chan receive\\]:\n(.*\n.*\n)*"
                                    "WaitForEver\\("));
  EXPECT_THAT(report, ContainsRegex("created by StartOne.* in goroutine 1\n"));
  c.Close();
  LeakOptions patient;
  patient.wait = absl::Minutes(1);
  EXPECT_EQ(LeakCheck(patient).Check(), "");
  runtime.Wait();
  EXPECT_EQ(check.Check(), "");
}

TEST(LeakCheckTest, FailsTheTestWhenItIsDestroyed) {
  static Runtime* runtime;
  static Chan<int>* c;
  Runtime the_runtime(Procs(1));
  Chan<int> the_chan = MakeChan<int>();
  runtime = &the_runtime;
  c = &the_chan;
  EXPECT_NONFATAL_FAILURE(
      {
        LeakCheck check(Brief());
        runtime->Go([] { WaitForEver(*c); });
      },
      "1 goroutine was left behind:\n\ngoroutine ");
  c->Close();
  runtime->Wait();
}

TEST(LeakCheckTest, FindsThoseOfARuntimeThatHasEnded) {
  EXPECT_NONFATAL_FAILURE(
      {
        LeakCheck check(Brief());
        {
          Runtime runtime(Procs(1));
          runtime.Run([] { StartOne(MakeChan<int>()); });
        }
        EXPECT_THAT(check.Check(), ContainsRegex("1 goroutine was left behind:"
                                                 "(.*\n)*WaitForEver"));
        // One that was made later does not answer for it.
        EXPECT_EQ(LeakCheck(Brief()).Check(), "");
      },
      "WaitForEver");
}

TEST(LeakCheckTest, GoroutinesOfBeforeAreNobodysLeak) {
  Runtime runtime(Procs(1));
  auto c = MakeChan<int>();
  runtime.Run([c] { StartOne(c); });
  {
    LeakCheck check(Brief());
    EXPECT_EQ(check.Check(), "");
  }
  c.Close();
  runtime.Wait();
}

TEST(LeakCheckTest, WaitsForThoseThatAreEnding) {
  Runtime runtime(Procs(1));
  LeakOptions options;
  options.wait = absl::Minutes(1);
  LeakCheck check(options);
  runtime.Go([] { Sleep(absl::Milliseconds(30)); });
  EXPECT_EQ(check.Check(), "");
}

TEST(LeakCheckTest, IsForGoroutinesToo) {
  Runtime runtime(Procs(1));
  runtime.Run([] {
    LeakCheck check(Brief());
    EXPECT_EQ(check.Check(), "");  // nor is the caller a leak
    auto c = MakeChan<int>();
    StartOne(c);
    EXPECT_THAT(check.Check(), HasSubstr("1 goroutine was"));
    c.Close();
    while (NumGoroutine() > 1) Gosched();
  });
  runtime.Wait();
}

TEST(LeakCheckTest, IgnoresByFunctionOnTheStackOrByCreator) {
  Runtime runtime(Procs(1));
  auto c = MakeChan<int>();
  LeakOptions by_stack = Brief(), by_creator = Brief(), by_other = Brief();
  by_stack.ignore_functions = {"Nothing", "WaitForEver"};
  by_creator.ignore_functions = {"StartOne"};
  by_other.ignore_functions = {"Other"};
  {
    LeakCheck a(by_stack), b(by_creator), other(by_other);
    runtime.Run([c] { StartOne(c); });
    EXPECT_EQ(a.Check(), "");
    EXPECT_EQ(b.Check(), "");
    EXPECT_NE(other.Check(), "");
    c.Close();
    runtime.Wait();
  }
}

}  // namespace
}  // namespace testing
}  // namespace mpg
