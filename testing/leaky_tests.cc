// Tests for leak_check_listener_test.sh: under FailTestsThatLeak one of them fails.
#include <unistd.h>

#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/all_goroutines.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "testing/leak_check.h"

extern "C" int __lsan_is_turned_off() { return 1; }

TEST(LeakyTest, Tidy) {
  mpg::Runtime runtime;
  runtime.Run([] {
    auto c = mpg::MakeChan<int>();
    mpg::Go([c] { c.Send(1); });
    c.Recv();
  });
  runtime.Wait();
}

TEST(LeakyTest, Untidy) {
  mpg::Runtime runtime;
  auto c = mpg::MakeChan<int>();
  runtime.Run([c] { mpg::Go([c] { c.Recv(); }); });
  for (;;) {  // until main has ended and the other one is blocked
    const auto all = mpg::internal::AllGoroutines();
    if (all.size() == 1 && all[0].state == "chan receive") break;
    usleep(1000);
  }
}

TEST(LeakyTest, TidyAfterAnUntidyOne) {
  mpg::Runtime runtime;
  runtime.Run([] {});
}

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  mpg::testing::LeakOptions options;
  options.wait = absl::Milliseconds(200);
  mpg::testing::FailTestsThatLeak(options);
  return RUN_ALL_TESTS();
}
