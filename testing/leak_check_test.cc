#include "testing/leak_check.h"

#include <chrono>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "channel/chan.h"
#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "runtime/all_goroutines.h"
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
// Where nothing is to be left: it waits no longer than it must.
LeakOptions Patient() {
  LeakOptions options;
  options.wait = absl::Minutes(1);
  return options;
}

// Before that a report shows them elsewhere, or main, which is about to end.
void UntilAllAreInRecv(int n) {
  for (int in_recv = 0, others = 1; in_recv != n || others != 0;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    in_recv = others = 0;
    for (const auto& g : internal::AllGoroutines()) {
      ++(g.state == "chan receive" ? in_recv : others);
    }
  }
}

TEST(LeakCheckTest, FindsNothingWhereNothingIsLeft) {
  LeakCheck check(Patient());
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
  UntilAllAreInRecv(2);
  const std::string report = check.Check();
  EXPECT_THAT(report, HasSubstr("2 goroutines were left behind:\n\n"));
  EXPECT_THAT(report, ContainsRegex("\ngoroutine [0-9]+ \"left\" "
                                    "\\[chan receive\\]:\n(.*\n.*\n)*"
                                    "WaitForEver\\("));
  EXPECT_THAT(report, ContainsRegex("created by StartOne.* in goroutine 1\n"));
  c.Close();
  EXPECT_EQ(LeakCheck(Patient()).Check(), "");
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
          UntilAllAreInRecv(1);
        }
        EXPECT_THAT(check.Check(), ContainsRegex("1 goroutine was left behind:"
                                                 "(.*\n)*WaitForEver"));
        // One that was made later does not answer for it.
        EXPECT_EQ(LeakCheck(Patient()).Check(), "");
      },
      "WaitForEver");
}

TEST(LeakCheckTest, GoroutinesOfBeforeAreNobodysLeak) {
  Runtime runtime(Procs(1));
  auto c = MakeChan<int>();
  runtime.Run([c] { StartOne(c); });
  {
    LeakCheck check(Patient());
    EXPECT_EQ(check.Check(), "");
  }
  c.Close();
  runtime.Wait();
}

TEST(LeakCheckTest, WaitsForThoseThatAreEnding) {
  Runtime runtime(Procs(1));
  LeakCheck check(Patient());
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
  LeakOptions by_stack = Patient(), by_creator = Patient();
  LeakOptions by_other = Brief();
  by_stack.ignore_functions = {"Nothing", "WaitForEver"};
  by_creator.ignore_functions = {"StartOne"};
  by_other.ignore_functions = {"Other"};
  {
    LeakCheck a(by_stack), b(by_creator), other(by_other);
    runtime.Run([c] { StartOne(c); });
    UntilAllAreInRecv(1);
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
