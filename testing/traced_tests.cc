// Tests for trace_flag_test.sh.
#include <cstdlib>

#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"

TEST(TracedTest, Talks) {
  mpg::Runtime runtime;
  runtime.Run([] {
    auto c = mpg::MakeChan<int>();
    mpg::Go([c] { c.Send(1); });
    c.Recv();
  });
}

TEST(TracedDeathTest, RunsTheProgramAgain) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(std::exit(3), testing::ExitedWithCode(3), "");
}
