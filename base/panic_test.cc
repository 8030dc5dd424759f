#include "base/panic.h"

#include <unistd.h>

#include <stdexcept>
#include <string>
#include <thread>

#include "gtest/gtest.h"

namespace mpg {
namespace {

TEST(Panic, SaysWhatItWasGiven) {
  try {
    throw Panic("send on closed channel");
  } catch (const std::logic_error& e) {
    EXPECT_STREQ(e.what(), "send on closed channel");
    return;
  }
  FAIL() << "not a logic_error";
}

// Death tests match the output of the child from anywhere in it; ^ and $ here
// make it the whole.
TEST(FatalErrorDeathTest, PrintsAndExitsWithStatus2) {
  EXPECT_EXIT(FatalError("all is lost"), testing::ExitedWithCode(2),
              "^fatal error: all is lost\n$");
}

TEST(FatalErrorDeathTest, CallsTheHookAfterTheMessage) {
  EXPECT_EXIT(
      {
        SetFatalErrorHook([] { PrintError("dump\n"); });
        FatalError("all is lost");
      },
      testing::ExitedWithCode(2), "^fatal error: all is lost\ndump\n$");
}

// Go: a throw while dying ends at once, with another status.
TEST(FatalErrorDeathTest, FailureOfTheHookEndsWithStatus3) {
  EXPECT_EXIT(
      {
        SetFatalErrorHook([] { FatalError("again"); });
        FatalError("all is lost");
      },
      testing::ExitedWithCode(3), "^fatal error: all is lost\n$");
}

TEST(FatalErrorDeathTest, TheFirstOfTwoThreadsIsHeard) {
  EXPECT_EXIT(
      {
        SetFatalErrorHook([] {
          std::thread second([] { FatalError("second"); });
          usleep(20'000);
          PrintError("dump\n");
          _exit(2);
        });
        FatalError("first");
      },
      testing::ExitedWithCode(2), "^fatal error: first\ndump\n$");
}

TEST(FatalErrorDeathTest, LongMessagesArePrintedWhole) {
  const std::string text(200'000, 'x');
  EXPECT_EXIT(FatalError(text + "end"), testing::ExitedWithCode(2), "xend\n$");
}

}  // namespace
}  // namespace mpg
