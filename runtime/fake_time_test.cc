// Times and orders here are exact: that is what fake time is for.
#include "runtime/fake_time.h"

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/panic.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"
#include "runtime/time.h"
#include "sync/cond.h"
#include "sync/mutex.h"
#include "sync/wait_group.h"

namespace mpg {
namespace {

using internal::RunWith;
using testing::ExitedWithCode;

class FakeTime : public testing::TestWithParam<int> {
 protected:
  template <class F>
  static void Run(F f) {
    RunWith(GetParam(), [&f] { RunWithFakeTime(f); });
  }
};
INSTANTIATE_TEST_SUITE_P(Procs, FakeTime, testing::Values(1, 2, 4));

TEST_P(FakeTime, BeginsAt2000AndMovesByWhatIsSlept) {
  Run([] {
    const absl::Time start = Now();
    EXPECT_EQ(absl::FormatTime(start, absl::UTCTimeZone()),
              "2000-01-01T00:00:00+00:00");
    for (int i = 1; i <= 100; ++i) {
      Sleep(absl::Hours(1));
      EXPECT_EQ(Now() - start, absl::Hours(i));
    }
  });
}

TEST_P(FakeTime, AYearTakesNoTime) {
  const absl::Time start = absl::Now();
  Run([] { Sleep(absl::Hours(24 * 365)); });
  EXPECT_LT(absl::Now() - start, absl::Minutes(10));
}

TEST_P(FakeTime, SleepersWakeInTheOrderOfTheirTimes) {
  Run([] {
    Chan<int> woken = MakeChan<int>(10);
    for (int i : {7, 2, 9, 4, 1, 8, 3, 6, 5, 0}) {
      Go([woken, i] {
        const absl::Time start = Now();
        Sleep(absl::Nanoseconds(i));
        EXPECT_EQ(Now() - start, absl::Nanoseconds(i));
        woken.Send(i);
      });
    }
    for (int i = 0; i < 10; ++i) EXPECT_EQ(*woken.Recv(), i);
  });
}

TEST_P(FakeTime, TimersFireAtTheirTime) {
  Run([] {
    const absl::Time start = Now();
    Timer t(absl::Minutes(5));
    EXPECT_EQ(*t.C().Recv(), start + absl::Minutes(5));
    EXPECT_EQ(Now(), start + absl::Minutes(5));
    Chan<absl::Time> ran = MakeChan<absl::Time>();
    Timer f = AfterFunc(absl::Seconds(1), [ran] { ran.Send(Now()); });
    EXPECT_EQ(*ran.Recv(), start + absl::Seconds(301));
    EXPECT_FALSE(f.Reset(absl::Seconds(2)));
    EXPECT_EQ(*ran.Recv(), start + absl::Seconds(303));
  });
}

TEST_P(FakeTime, TickersTickExactlyAndDropWhatIsNotTaken) {
  Run([] {
    const absl::Time start = Now();
    Ticker ticker(absl::Seconds(10));
    EXPECT_EQ(*ticker.C().Recv(), start + absl::Seconds(10));
    Sleep(absl::Seconds(35));  // ticks at 20, 30 and 40
    EXPECT_EQ(*ticker.C().Recv(), start + absl::Seconds(20));
    EXPECT_EQ(*ticker.C().Recv(), start + absl::Seconds(50));
    ticker.Stop();
  });
}

TEST_P(FakeTime, StoppedAndPutOffTimersMoveNoClock) {
  Run([] {
    const absl::Time start = Now();
    Timer t(absl::Hours(1));
    EXPECT_TRUE(t.Stop());
    Timer u(absl::Hours(1));
    EXPECT_TRUE(u.Reset(absl::Hours(3)));
    EXPECT_TRUE(u.C().Recv());
    EXPECT_EQ(Now() - start, absl::Hours(3));
  });
}

TEST_P(FakeTime, SelectWithATimeout) {
  Run([] {
    Chan<int> slow = MakeChan<int>();
    Go([slow] {
      Sleep(absl::Seconds(5));
      slow.Send(1);
    });
    EXPECT_EQ(Select(OnRecv(slow, [](std::optional<int>) {}),
                     OnRecv(After(absl::Seconds(4)),
                            [](std::optional<absl::Time>) {})),
              1);
    EXPECT_EQ(Select(OnRecv(slow, [](std::optional<int>) {}),
                     OnRecv(After(absl::Seconds(4)),
                            [](std::optional<absl::Time>) {})),
              0);
  });
}

TEST_P(FakeTime, WaitReturnsWhenAllOthersAreBlocked) {
  Run([] {
    std::atomic<int> steps{0};
    Chan<int> go_on = MakeChan<int>();
    for (int i = 0; i < 5; ++i) {
      Go([&steps, go_on] {
        for (int k = 0; k < 3; ++k) {
          go_on.Recv();
          for (int y = 0; y < 10; ++y) Gosched();
          ++steps;
        }
      });
    }
    for (int k = 1; k <= 15; ++k) {
      go_on.Send(0);
      FakeTimeWait();
      EXPECT_EQ(steps, k);
    }
  });
}

TEST_P(FakeTime, WaitSeesWhatHappensAtTheSameMoment) {
  Run([] {
    std::atomic<bool> done{false};
    AfterFunc(absl::Seconds(1), [&] { done = true; });
    Sleep(absl::Seconds(1) - absl::Nanoseconds(1));
    FakeTimeWait();
    EXPECT_FALSE(done);
    Sleep(absl::Nanoseconds(1));
    FakeTimeWait();
    EXPECT_TRUE(done);
  });
}

TEST_P(FakeTime, BlockingOnAMutexDoesNotMoveTheClock) {
  Run([] {
    Mutex mu;
    int count = 0;
    WaitGroup wg;
    const absl::Time start = Now();
    Timer far(absl::Hours(1));
    for (int i = 0; i < 10; ++i) {
      wg.Go([&] {
        for (int k = 0; k < 100; ++k) {
          MutexLock lock(&mu);
          ++count;
          Gosched();
        }
      });
    }
    wg.Wait();
    EXPECT_EQ(count, 1000);
    EXPECT_EQ(Now(), start);
  });
}

TEST_P(FakeTime, CondAndWaitGroupWaitsLetTheClockGoOn) {
  Run([] {
    Mutex mu;
    Cond cond(&mu);
    bool set = false;
    WaitGroup wg;
    const absl::Time start = Now();
    wg.Go([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      mu.Lock();
      while (!set) cond.Wait();
      mu.Unlock();
    });
    Go([&] {
      Sleep(absl::Hours(2));
      MutexLock lock(&mu);
      set = true;
      cond.Signal();
    });
    wg.Wait();
    EXPECT_EQ(Now() - start, absl::Hours(2));
  });
}

TEST_P(FakeTime, ReturnsOnlyWhenAllHaveEnded) {
  static std::atomic<int> ended;
  ended = 0;
  Run([] {
    for (int i = 0; i < 10; ++i) {
      Go([i] {
        Sleep(absl::Hours(i));
        Go([] {
          Sleep(absl::Hours(1));
          ++ended;
        });
      });
    }
    AfterFunc(absl::Hours(100), [] { ADD_FAILURE() << "nobody waits for it"; });
  });
  EXPECT_EQ(ended, 10);
}

TEST_P(FakeTime, GoexitEndsTheBubbleToo) {
  Run([] {
    Go([] { Sleep(absl::Hours(1)); });
    Goexit();
  });
}

TEST_P(FakeTime, BubblesAreIndependentOfEachOtherAndOfTheRest) {
  std::atomic<bool> stop{false};  // outlives the main goroutine
  RunWith(GetParam(), [&stop] {
    WaitGroup wg;
    Go([&stop] {
      while (!stop) Gosched();
    });
    for (int i = 1; i <= 5; ++i) {
      wg.Go([i] {
        RunWithFakeTime([i] {
          const absl::Time start = Now();
          for (int k = 0; k < 50; ++k) Sleep(absl::Hours(i));
          EXPECT_EQ(Now() - start, absl::Hours(50 * i));
        });
        EXPECT_GT(Now(), absl::FromUnixSeconds(1'500'000'000));
      });
    }
    wg.Wait();
    stop = true;
  });
}

TEST(FakeTimeAnywhere, RunsOnAPlainThread) {
  RunWithFakeTime([] {
    const absl::Time start = Now();
    Sleep(absl::Hours(1));
    EXPECT_EQ(Now() - start, absl::Hours(1));
  });
}

template <class F>
std::string PanicOf(F&& f) {
  try {
    f();
  } catch (const Panic& p) {
    return p.what();
  }
  return "no panic";
}

TEST(FakeTimeAnywhere, MisuseIsAPanic) {
  EXPECT_EQ(PanicOf([] { FakeTimeWait(); }), "goroutine is not in a bubble");
  RunWithFakeTime([] {
    EXPECT_EQ(PanicOf([] { RunWithFakeTime([] {}); }),
              "synctest.Run called from within a synctest bubble");
  });
}

class FakeTimeDeathTest : public testing::Test {
 protected:
  FakeTimeDeathTest() { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

TEST_F(FakeTimeDeathTest, AllBlocked) {
  EXPECT_EXIT(RunWithFakeTime([] {
                Sleep(absl::Hours(1));
                MakeChan<int>().Recv();
              }),
              ExitedWithCode(2),
              "fatal error: deadlock: all goroutines in bubble are "
              "blocked[^$]*chan receive");
}

TEST_F(FakeTimeDeathTest, BlockedGoroutinesRemain) {
  EXPECT_EXIT(RunWithFakeTime([] { Go([] { MakeChan<int>().Recv(); }); }),
              ExitedWithCode(2),
              "deadlock: main bubble goroutine has exited but blocked "
              "goroutines remain");
}

}  // namespace
}  // namespace mpg
