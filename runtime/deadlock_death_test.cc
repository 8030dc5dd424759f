// Deadlock is found, told as Go tells it, and not seen where there is none.
#include <chrono>
#include <thread>

#include "base/panic.h"
#include "channel/chan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"

MPG_TEST_ABANDONS_GOROUTINES

namespace mpg {

__attribute__((noinline)) void StartsABlocked(Chan<int> c) {
  Go([c] { c.Recv(); });
  asm volatile("");
}

namespace {

using internal::Procs;
using internal::RunWith;
using std::chrono::milliseconds;
using testing::AllOf;
using testing::ContainsRegex;
using testing::ExitedWithCode;
using testing::HasSubstr;

constexpr char kDeadlock[] =
    "fatal error: all goroutines are asleep - deadlock!\n";

class DeadlockDeathTest : public testing::Test {
 protected:
  void SetUp() override {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
  }
};

using DeadlockTest = DeadlockDeathTest;

TEST_F(DeadlockDeathTest, IsReportedWithEveryGoroutine) {
  EXPECT_EXIT(
      RunWith(2,
              [] {
                auto c = MakeChan<int>();
                StartsABlocked(c);
                Go([] { Chan<int>().Send(1); });
                Go([] { Chan<int>().Recv(); });
                auto full = MakeChan<int>(1);
                full.Send(1);
                full.Send(2);
              }),
      ExitedWithCode(2),
      AllOf(
          HasSubstr(kDeadlock), HasSubstr("goroutine 1 [chan send]:\n"),
          ContainsRegex("goroutine [0-9]+ \\[chan receive\\]:\n"),
          HasSubstr("[chan send (nil chan)]:\n"),
          HasSubstr("[chan receive (nil chan)]:\n"),
          ContainsRegex("created by mpg::StartsABlocked.* in goroutine 1\n")));
}

TEST_F(DeadlockDeathTest, IsReportedAtEveryNumberOfPs) {
  for (int procs : {1, 4, 8}) {
    EXPECT_EXIT(RunWith(procs, [] { MakeChan<int>().Recv(); }),
                ExitedWithCode(2),
                AllOf(HasSubstr(kDeadlock),
                      HasSubstr("goroutine 1 [chan receive]:\n")));
  }
}

TEST_F(DeadlockDeathTest, LockedGoroutinesAreAsleepToo) {
  EXPECT_EXIT(RunWith(2,
                      [] {
                        LockOSThread();
                        MakeChan<int>().Recv();
                      }),
              ExitedWithCode(2),
              AllOf(HasSubstr(kDeadlock),
                    HasSubstr("[chan receive, locked to thread]:\n")));
}

TEST_F(DeadlockDeathTest, IsSeenByAThreadInWait) {
  EXPECT_EXIT(
      {
        Runtime runtime(Procs(2));
        runtime.Go([] { MakeChan<int>().Recv(); });
        runtime.Wait();
      },
      ExitedWithCode(2), HasSubstr(kDeadlock));
}

TEST_F(DeadlockDeathTest, IsSeenThoughTheLastThreadGivesUpLater) {
  EXPECT_EXIT(
      {
        Runtime runtime(Procs(2));
        runtime.Go([] { MakeChan<int>().Recv(); });
        // Long enough for everybody to think that this thread may help.
        std::this_thread::sleep_for(milliseconds(300));
        runtime.Wait();
      },
      ExitedWithCode(2), HasSubstr(kDeadlock));
}

TEST_F(DeadlockDeathTest, IsSeenOnceAThreadThatMightHaveHelpedHasEnded) {
  EXPECT_EXIT(RunWith(2,
                      [] {
                        std::thread([] {
                          std::this_thread::sleep_for(milliseconds(300));
                        }).detach();
                        MakeChan<int>().Recv();
                      }),
              ExitedWithCode(2), HasSubstr(kDeadlock));
}

TEST_F(DeadlockDeathTest, IsSeenByAThreadThatReceives) {
  EXPECT_EXIT(
      {
        Runtime runtime(Procs(2));
        auto c = MakeChan<int>();
        runtime.Go([c] { MakeChan<int>().Recv(); });
        c.Recv();
      },
      ExitedWithCode(2), HasSubstr(kDeadlock));
}

TEST_F(DeadlockDeathTest, SpansTwoRuntimes) {
  EXPECT_EXIT(
      {
        Runtime a(Procs(1));
        Runtime b(Procs(2));
        auto c = MakeChan<int>();
        b.Go([c] { c.Recv(); });
        a.Run([c] { c.Recv(); });
      },
      ExitedWithCode(2), HasSubstr(kDeadlock));
}

TEST_F(DeadlockDeathTest, MainThatCalledGoexitIsToldApart) {
  EXPECT_EXIT(RunWith(2,
                      [] {
                        Go([] {
                          for (int i = 0; i < 1000; ++i) Gosched();
                          PrintError("the others went on\n");
                        });
                        Goexit();
                      }),
              ExitedWithCode(2),
              AllOf(HasSubstr("the others went on\n"),
                    HasSubstr("fatal error: no goroutines (main called "
                              "runtime.Goexit) - deadlock!\n")));
}

TEST_F(DeadlockTest, IsNotSeenWhileAPlainThreadMayHelp) {
  auto c = MakeChan<int>();
  std::thread helper([c] {
    std::this_thread::sleep_for(milliseconds(200));
    c.Send(5);
  });
  RunWith(2, [c] { EXPECT_EQ(*c.Recv(), 5); });
  helper.join();
}

TEST_F(DeadlockTest, IsNotSeenWhileTheOtherRuntimeWorks) {
  auto c = MakeChan<int>();
  Runtime a(Procs(1)), b(Procs(1));
  b.Go([c] {
    internal::Burn(milliseconds(200));
    c.Send(1);
  });
  a.Run([c] { EXPECT_EQ(*c.Recv(), 1); });
}

// Each of them sleeps most of the time; the last look must not come between a
// wake-up and the awakening.
TEST_F(DeadlockTest, IsNotSeenInTalkWithAPlainThread) {
  auto there = MakeChan<int>(), back = MakeChan<int>();
  std::thread echo([=] {
    for (int v : there) back.Send(v);
  });
  RunWith(2, [=] {
    for (int i = 0; i < internal::Scaled(20000); ++i) {
      there.Send(i);
      ASSERT_EQ(*back.Recv(), i);
    }
    there.Close();
  });
  echo.join();
}

TEST_F(DeadlockTest, IdleRuntimeIsNoDeadlock) {
  Runtime runtime(Procs(2));
  runtime.Run([] { Go([] { MakeChan<int>().Recv(); }); });
  std::this_thread::sleep_for(milliseconds(100));
}

}  // namespace
}  // namespace mpg
