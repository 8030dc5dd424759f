// What runtime/time.h promises, on 1, 2 and 4 Ps, and on plain threads. How late a
// timer fires is not asserted, nor an order of goroutines: the machine may be busy.
// fake_time_test.cc asserts both.
#include "runtime/time.h"

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/panic.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"
#include "sync/wait_group.h"

MPG_TEST_ABANDONS_GOROUTINES

namespace mpg {
namespace {

using internal::RunWith;

constexpr int64_t kMs = 1'000'000;

template <class F>
std::string PanicOf(F&& f) {
  try {
    f();
  } catch (const Panic& p) {
    return p.what();
  }
  return "no panic";
}

// Runs a test in a goroutine, with so many Ps; 0: on a plain thread.
class TimeTest : public testing::TestWithParam<int> {
 protected:
  template <class F>
  static void Run(F&& f) {
    if (GetParam() == 0) {
      std::thread(std::forward<F>(f)).join();
    } else {
      RunWith(GetParam(), std::forward<F>(f));
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Procs, TimeTest, testing::Values(0, 1, 2, 4));

TEST_P(TimeTest, SleepIsNeverShort) {
  Run([] {
    for (int us : {1, 20, 300, 1000, 5000}) {
      const int64_t start = NanoTime();
      Sleep(absl::Microseconds(us));
      EXPECT_GE(NanoTime() - start, us * 1000);
    }
  });
}

TEST_P(TimeTest, SleepOfNothingReturns) {
  Run([] {
    Sleep(absl::ZeroDuration());
    Sleep(absl::Seconds(-1));
    Sleep(-absl::InfiniteDuration());
  });
}

TEST_P(TimeTest, ATimerSendsOnceAndNotEarly) {
  Run([] {
    const int64_t start = NanoTime();
    const absl::Time wall = absl::Now();
    Timer t(absl::Milliseconds(3));
    const std::optional<absl::Time> at = t.C().Recv();
    EXPECT_GE(NanoTime() - start, 3 * kMs);
    ASSERT_TRUE(at.has_value());
    EXPECT_GE(*at, wall);
    EXPECT_LE(*at, absl::Now());
    EXPECT_FALSE(t.Stop());
    EXPECT_FALSE(t.C().TryRecv());
  });
}

TEST_P(TimeTest, DurationsThatHavePassedFireAtOnce) {
  Run([] {
    EXPECT_TRUE(After(absl::ZeroDuration()).Recv());
    EXPECT_TRUE(After(absl::Seconds(-5)).Recv());
    EXPECT_TRUE(After(-absl::InfiniteDuration()).Recv());
    Chan<int> ran = MakeChan<int>(1);
    AfterFunc(absl::Nanoseconds(-1), [ran] { ran.Send(1); });
    EXPECT_TRUE(ran.Recv());
  });
}

TEST_P(TimeTest, LongDurationsNeverPass) {
  Run([] {
    std::atomic<bool> ran{false};
    const absl::Duration kLong[] = {
        absl::InfiniteDuration(), absl::Hours(24) * 365 * 293,
        absl::Hours(24) * 365 * 10000, absl::Nanoseconds(INT64_MAX)};
    for (absl::Duration d : kLong) {
      Timer t(d);
      Timer f = AfterFunc(d, [&ran] { ran = true; });
      Ticker ticker(d);
      Sleep(absl::Milliseconds(1));
      EXPECT_FALSE(t.C().TryRecv());
      EXPECT_FALSE(ticker.C().TryRecv());
      EXPECT_TRUE(t.Stop());
      EXPECT_TRUE(f.Stop());
    }
    EXPECT_FALSE(ran);
  });
}

TEST_P(TimeTest, StopTellsWhetherItWasPending) {
  Run([] {
    Timer t(absl::Hours(1));
    EXPECT_TRUE(t.Stop());
    EXPECT_FALSE(t.Stop());
    Timer f = AfterFunc(absl::Hours(1), [] { ADD_FAILURE() << "ran"; });
    EXPECT_TRUE(f.Stop());
    EXPECT_FALSE(f.Stop());
  });
}

// Go 1.23: what was sent and not received is taken back, and the timer counts as
// stopped in time.
TEST_P(TimeTest, NoStaleValueAfterStopOrReset) {
  Run([] {
    Timer t(absl::Milliseconds(1));
    Sleep(absl::Milliseconds(5));
    EXPECT_TRUE(t.Stop());
    EXPECT_FALSE(t.C().TryRecv());
    t.Reset(absl::Milliseconds(1));
    Sleep(absl::Milliseconds(5));
    EXPECT_TRUE(t.Reset(absl::Hours(1)));
    EXPECT_FALSE(t.C().TryRecv());
    EXPECT_TRUE(t.Stop());
    EXPECT_FALSE(t.Reset(absl::Milliseconds(1)));
    EXPECT_TRUE(t.C().Recv());
  });
}

TEST_P(TimeTest, ResetMovesBothWays) {
  Run([] {
    Timer t(absl::Hours(1));
    EXPECT_TRUE(t.Reset(absl::Milliseconds(2)));
    EXPECT_TRUE(t.C().Recv());
    const int64_t start = NanoTime();
    EXPECT_FALSE(t.Reset(absl::Milliseconds(1)));
    t.Reset(absl::Milliseconds(6));
    EXPECT_TRUE(t.C().Recv());
    EXPECT_GE(NanoTime() - start, 6 * kMs);
  });
}

TEST_P(TimeTest, AfterFuncRunsEachTimeItIsSet) {
  Run([] {
    Chan<int64_t> ran = MakeChan<int64_t>(4);
    int64_t start = NanoTime();
    Timer t = AfterFunc(absl::Milliseconds(2), [ran] { ran.Send(NanoTime()); });
    EXPECT_GE(*ran.Recv(), start + 2 * kMs);
    EXPECT_FALSE(t.C());
    EXPECT_FALSE(t.Stop());
    start = NanoTime();
    EXPECT_FALSE(t.Reset(absl::Milliseconds(1)));
    EXPECT_GE(*ran.Recv(), start + kMs);
    EXPECT_FALSE(ran.TryRecv());
  });
}

TEST_P(TimeTest, AfterFuncMayResetItself) {
  Run([] {
    Chan<int> done = MakeChan<int>();
    auto t = std::make_shared<Timer>();
    auto left = std::make_shared<std::atomic<int>>(5);
    // Set only once *t is.
    Chan<int> set = MakeChan<int>();
    *t = AfterFunc(absl::ZeroDuration(), [=] {
      set.Recv();
      if (--*left == 0) {
        done.Send(1);
      } else {
        t->Reset(absl::Microseconds(100));
      }
    });
    set.Close();
    EXPECT_TRUE(done.Recv());
    *t = Timer();
  });
}

TEST_P(TimeTest, AFunctionIsDestroyedWhenItCannotRunAnyMore) {
  Run([] {
    auto token = std::make_shared<int>(1);
    {
      Timer t = AfterFunc(absl::Hours(1), [token] {});
      Timer copy = t;
      EXPECT_EQ(token.use_count(), 2);
      EXPECT_TRUE(copy.Stop());
    }
    // The heap lets go when it comes across the entry: at the next start on the
    // same P.
    for (int i = 0; i < 100'000 && token.use_count() != 1; ++i) {
      AfterFunc(absl::Hours(1), [] {}).Stop();
    }
    EXPECT_EQ(token.use_count(), 1);
    Chan<int> ran = MakeChan<int>(1);
    AfterFunc(absl::ZeroDuration(), [token, ran] { ran.Send(1); });
    EXPECT_TRUE(ran.Recv());
  });
}

TEST_P(TimeTest, TickerKeepsItsRhythm) {
  Run([] {
    const int64_t start = NanoTime();
    Ticker ticker(absl::Milliseconds(2));
    for (int i = 1; i <= 10; ++i) {
      EXPECT_TRUE(ticker.C().Recv());
      EXPECT_GE(NanoTime() - start, i * 2 * kMs);
    }
    ticker.Stop();
    EXPECT_FALSE(ticker.C().TryRecv());
    Sleep(absl::Milliseconds(5));
    EXPECT_FALSE(ticker.C().TryRecv());
  });
}

TEST_P(TimeTest, TickerDropsTicksForSlowReceivers) {
  Run([] {
    Ticker ticker(absl::Milliseconds(1));
    Sleep(absl::Milliseconds(20));
    EXPECT_TRUE(ticker.C().Recv());
    // One more may have been sent meanwhile; a few if this thread had to wait.
    int more = 0;
    while (ticker.C().TryRecv()) ++more;
    EXPECT_LE(more, 5);
  });
}

TEST_P(TimeTest, TickerResetChangesThePeriodAndStartsAStoppedOne) {
  Run([] {
    Ticker ticker(absl::Hours(1));
    ticker.Reset(absl::Milliseconds(1));
    EXPECT_TRUE(ticker.C().Recv());
    EXPECT_TRUE(ticker.C().Recv());
    ticker.Stop();
    ticker.Reset(absl::Milliseconds(1));
    EXPECT_TRUE(ticker.C().Recv());
  });
}

TEST_P(TimeTest, AfterEndsASelect) {
  Run([] {
    Chan<int> never = MakeChan<int>();
    int chosen = Select(
        OnRecv(never, [](std::optional<int>) {}),
        OnRecv(After(absl::Milliseconds(1)), [](std::optional<absl::Time> t) {
          EXPECT_TRUE(t.has_value());
        }));
    EXPECT_EQ(chosen, 1);
    Chan<int> ready = MakeChan<int>(1);
    ready.Send(1);
    chosen =
        Select(OnRecv(ready, [](std::optional<int>) {}),
               OnRecv(After(absl::Hours(1)), [](std::optional<absl::Time>) {}));
    EXPECT_EQ(chosen, 0);
  });
}

// What nobody refers to is stopped and its memory used again.
TEST_P(TimeTest, DroppedTimersAndTickersCostNothing) {
  Run([] {
    for (int i = 0; i < internal::Scaled(200'000); ++i) {
      After(absl::Hours(1));
      Ticker ticker(absl::Hours(1));
    }
  });
  // A million of each would be 300 MB; see memory in time_benchmark.
}

TEST_P(TimeTest, CKeepsItsTimerAlive) {
  Run([] {
    RecvChan<absl::Time> c = Timer(absl::Milliseconds(1)).C();
    EXPECT_TRUE(c.Recv());
    c = Tick(absl::Milliseconds(1));
    EXPECT_TRUE(c.Recv());
    EXPECT_TRUE(c.Recv());
  });
}

TEST(Time, MisuseIsAPanicInGosWords) {
  EXPECT_EQ(PanicOf([] { Timer().Stop(); }),
            "time: Stop called on uninitialized Timer");
  EXPECT_EQ(PanicOf([] { Timer().Reset(absl::Seconds(1)); }),
            "time: Reset called on uninitialized Timer");
  EXPECT_EQ(PanicOf([] { Ticker t(absl::ZeroDuration()); }),
            "non-positive interval for NewTicker");
  EXPECT_EQ(PanicOf([] { Ticker(absl::Hours(1)).Reset(absl::Seconds(-1)); }),
            "non-positive interval for Ticker.Reset");
  EXPECT_EQ(PanicOf([] { Ticker().Reset(absl::Seconds(1)); }),
            "time: Reset called on uninitialized Ticker");
  Ticker().Stop();
  EXPECT_FALSE(Timer().C());
  EXPECT_FALSE(Tick(absl::ZeroDuration()));
}

TEST(Time, FunctionsRunInAGoroutineOrAThreadOfTheirOwn) {
  RunWith(2, [] {
    const int64_t here = Goid();
    Chan<int64_t> id = MakeChan<int64_t>();
    AfterFunc(absl::ZeroDuration(), [id] { id.Send(Goid()); });
    const int64_t there = *id.Recv();
    EXPECT_NE(there, 0);
    EXPECT_NE(there, here);
  });
  Chan<int64_t> id = MakeChan<int64_t>();
  AfterFunc(absl::ZeroDuration(), [id] { id.Send(Goid()); });
  EXPECT_EQ(*id.Recv(), 0);
}

// Threads, goroutines and timers of both kinds use one another's timers.
TEST(Time, TimersMayBeSharedWithThreads) {
  Timer of_thread(absl::Hours(1));
  Timer of_goroutine;
  RunWith(2, [&] {
    of_goroutine = Timer(absl::Hours(1));
    EXPECT_TRUE(of_thread.Reset(absl::Milliseconds(1)));
    EXPECT_TRUE(of_thread.C().Recv());
    std::thread other(
        [&] { EXPECT_TRUE(of_goroutine.Reset(absl::Milliseconds(1))); });
    EXPECT_TRUE(of_goroutine.C().Recv());
    other.join();
    of_goroutine.Reset(absl::Milliseconds(20));
    of_thread.Reset(absl::Milliseconds(20));
  });
  // The Runtime is gone; the timer fires nevertheless.
  EXPECT_TRUE(of_goroutine.C().Recv());
  EXPECT_TRUE(of_thread.C().Recv());
}

}  // namespace
}  // namespace mpg
