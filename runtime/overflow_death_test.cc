// A goroutine that overflows its stack is told so; other faults are not ours.
#include <signal.h>
#include <unistd.h>

#include "channel/chan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"

namespace mpg {

volatile bool never = false;

__attribute__((noinline)) int RecursesForever(int n) {
  volatile char frame[200];
  frame[n % 200] = static_cast<char>(n);
  // A condition that the compiler does not see through.
  if (never) return 0;
  return RecursesForever(n + 1) + frame[(n + 1) % 200];
}

namespace {

using internal::RunWith;
using testing::AllOf;
using testing::ExitedWithCode;
using testing::HasSubstr;
using testing::KilledBySignal;

class OverflowDeathTest : public testing::Test {
 protected:
  void SetUp() override {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
  }
};

#if !defined(MPG_ASAN) && !defined(MPG_TSAN)
TEST_F(OverflowDeathTest, OfAGoroutineIsReported) {
  for (int procs : {1, 4}) {
    EXPECT_EXIT(
        RunWith(procs,
                [] {
                  Go([] { RecursesForever(0); });
                  for (;;) Gosched();
                }),
        ExitedWithCode(2),
        AllOf(HasSubstr("runtime: goroutine stack exceeds "),
              HasSubstr("-byte limit\nfatal error: stack overflow\n"),
              HasSubstr("[running]:\n"), HasSubstr("mpg::RecursesForever("),
              HasSubstr("...additional frames elided...\n")));
  }
}

TEST_F(OverflowDeathTest, OfTheMainGoroutineIsReported) {
  EXPECT_EXIT(RunWith(1, [] { RecursesForever(0); }), ExitedWithCode(2),
              HasSubstr("fatal error: stack overflow\n\ngoroutine 1 "));
}

TEST_F(OverflowDeathTest, OfAStackOfItsOwnSizeNamesThatSize) {
  EXPECT_EXIT(RunWith(1,
                      [] {
                        GoOptions options;
                        options.stack_size = 1 << 20;
                        Go(options, [] { RecursesForever(0); });
                        for (;;) Gosched();
                      }),
              ExitedWithCode(2),
              AllOf(HasSubstr("runtime: goroutine stack exceeds 105"),
                    HasSubstr("fatal error: stack overflow\n")));
}

TEST_F(OverflowDeathTest, OfAPlainThreadIsNotOurs) {
  EXPECT_EXIT(
      {
        Runtime runtime(internal::Procs(1));
        RecursesForever(0);
      },
      KilledBySignal(SIGSEGV), "");
}

int* volatile nowhere = nullptr;

TEST_F(OverflowDeathTest, NullPointerInAGoroutineIsASegmentationFault) {
  EXPECT_EXIT(RunWith(1, [] { *nowhere = 1; }), KilledBySignal(SIGSEGV), "");
}

TEST_F(OverflowDeathTest, EarlierHandlerSeesOtherFaults) {
  EXPECT_EXIT(
      {
        signal(SIGSEGV, [](int) { _exit(42); });
        RunWith(1, [] { *nowhere = 1; });
      },
      ExitedWithCode(42), "");
}
#endif

TEST(Overflow, DeepButFittingRecursionIsFine) {
  RunWith(2, [] {
    auto done = MakeChan<int>();
    for (int i = 0; i < 50; ++i) {
      Go([done] {
        struct Deep {
          static int Down(int n) {
            volatile char frame[512];
            frame[0] = 1;
            Gosched();
            return n == 0 ? 0 : Down(n - 1) + frame[0];
          }
        };
        done.Send(Deep::Down(100));
      });
    }
    for (int i = 0; i < 50; ++i) EXPECT_EQ(*done.Recv(), 100);
  });
}

}  // namespace
}  // namespace mpg
