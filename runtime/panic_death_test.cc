// An exception that leaves a goroutine ends the program as a panic does.
#include <signal.h>
#include <unistd.h>

#include <exception>
#include <stdexcept>
#include <string>

#include "base/panic.h"
#include "channel/chan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"

namespace mpg {

// Not in an anonymous namespace: traces show them by these names.
__attribute__((noinline)) void InnocentThrower(int depth) {
  if (depth > 0) {
    InnocentThrower(depth - 1);
    asm volatile("");  // no tail call
    return;
  }
  throw std::runtime_error("out of cheese");
}

__attribute__((noinline)) void StartsAThrower() {
  Go([] { InnocentThrower(2); });
  asm volatile("");
}

namespace {

using internal::RunWith;
using testing::AllOf;
using testing::ContainsRegex;
using testing::ExitedWithCode;
using testing::HasSubstr;
using testing::KilledBySignal;

class PanicDeathTest : public testing::Test {
 protected:
  void SetUp() override {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
  }
};

void Rest() {
  for (;;) Gosched();
}

TEST_F(PanicDeathTest, ShowsMessageGoroutineAndStackOfTheThrower) {
  EXPECT_EXIT(RunWith(2,
                      [] {
                        StartsAThrower();
                        Rest();
                      }),
              ExitedWithCode(2),
              AllOf(HasSubstr("panic: std::runtime_error: out of cheese\n\n"
                              "goroutine "),
                    ContainsRegex("goroutine [0-9]+ \\[running\\]:\n"),
                    HasSubstr("mpg::InnocentThrower("),
                    ContainsRegex(
                        "created by mpg::StartsAThrower.* in goroutine 1\n")));
}

TEST_F(PanicDeathTest, ShowsTheMainGoroutine) {
  EXPECT_EXIT(RunWith(1, [] { InnocentThrower(0); }), ExitedWithCode(2),
              AllOf(HasSubstr("panic: std::runtime_error: out of cheese\n"),
                    HasSubstr("goroutine 1 [running]:\n"),
                    HasSubstr("mpg::InnocentThrower(")));
}

TEST_F(PanicDeathTest, APanicIsShownByItsTextAlone) {
  EXPECT_EXIT(RunWith(1,
                      [] {
                        auto c = MakeChan<int>();
                        c.Close();
                        c.Send(1);
                      }),
              ExitedWithCode(2),
              AllOf(HasSubstr("panic: send on closed channel\n\ngoroutine 1 "),
                    HasSubstr("[running]:\n")));
}

TEST_F(PanicDeathTest, ShowsExceptionsOfOtherTypes) {
  EXPECT_EXIT(RunWith(1, [] { throw std::string("just text"); }),
              ExitedWithCode(2), HasSubstr("panic: just text\n"));
  EXPECT_EXIT(RunWith(1, [] { throw "literal"; }), ExitedWithCode(2),
              HasSubstr("panic: literal\n"));
  EXPECT_EXIT(RunWith(1, [] { throw 5; }), ExitedWithCode(2),
              HasSubstr("panic: int\n"));
}

TEST_F(PanicDeathTest, ShowsTheNameAndTheLock) {
  EXPECT_EXIT(RunWith(1,
                      [] {
                        GoOptions options;
                        options.name = "worker 7";
                        Go(options, [] {
                          LockOSThread();
                          throw 1;
                        });
                        Rest();
                      }),
              ExitedWithCode(2),
              HasSubstr("\"worker 7\" [running, locked to thread]:\n"));
}

TEST_F(PanicDeathTest, PanicOnAnotherThreadThanMainsIsNotOutrun) {
  EXPECT_EXIT(RunWith(4,
                      [] {
                        for (int i = 0; i < 20; ++i) {
                          Go([] { InnocentThrower(30); });
                        }
                        for (int i = 0; i < 50; ++i) Gosched();
                        Rest();
                      }),
              ExitedWithCode(2), HasSubstr("out of cheese"));
}

TEST_F(PanicDeathTest, GoexitThroughNoexceptIsReported) {
  EXPECT_EXIT(RunWith(1, []() noexcept { Goexit(); }), ExitedWithCode(2),
              AllOf(HasSubstr("panic: Goexit through a noexcept function\n"),
                    HasSubstr("goroutine 1 [running]:\n")));
}

TEST_F(PanicDeathTest, PlainThreadsKeepTheirTerminateHandler) {
  EXPECT_EXIT(
      {
        std::set_terminate([] { _exit(77); });
        Runtime runtime(internal::Procs(1));
        std::terminate();
      },
      ExitedWithCode(77), "");
  EXPECT_EXIT(
      {
        Runtime runtime(internal::Procs(1));
        std::terminate();
      },
      KilledBySignal(SIGABRT), "");
}

}  // namespace
}  // namespace mpg
