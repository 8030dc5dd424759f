// Timers and the scheduler: who fires them when Ps are busy, idle, few or gone.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/random.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/options.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"
#include "runtime/time.h"
#include "sync/wait_group.h"

MPG_TEST_ABANDONS_GOROUTINES

namespace mpg {
namespace {

using internal::Burn;
using internal::Eventually;
using internal::Procs;
using internal::RunWith;
using internal::Scaled;

class TimeSchedTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Procs, TimeSchedTest, testing::Values(1, 2, 4));

// The P on which the timer was started computes and makes no call.
TEST(TimeSched, ATimerOfABusyPFiresOnAnother) {
  RunWith(2, [] {
    for (int i = 0; i < 10; ++i) {
      std::atomic<bool> fired{false};
      const Timer t = AfterFunc(absl::Milliseconds(1), [&] { fired = true; });
      const auto end =
          std::chrono::steady_clock::now() + std::chrono::seconds(30);
      while (!fired && std::chrono::steady_clock::now() < end) {
      }
      ASSERT_TRUE(fired);
    }
  });
}

// The sleeper's P goes on with a goroutine that makes no call.
TEST(TimeSched, ASleeperBehindABusyGoroutineWakesOnAnotherP) {
  RunWith(2, [] {
    std::atomic<bool> woken{false};
    WaitGroup wg;
    wg.Go([&] {
      const auto end =
          std::chrono::steady_clock::now() + std::chrono::seconds(30);
      while (!woken && std::chrono::steady_clock::now() < end) {
      }
      EXPECT_TRUE(woken);
    });
    Sleep(absl::Milliseconds(1));
    woken = true;
    wg.Wait();
  });
}

// On one P, between goroutines that never block.
TEST(TimeSched, TimersFireAmongGoroutinesThatOnlyYield) {
  std::atomic<bool> stop{false};  // outlives the main goroutine
  RunWith(1, [&stop] {
    for (int i = 0; i < 3; ++i) {
      Go([&stop] {
        while (!stop) Gosched();
      });
    }
    for (int i = 0; i < 5; ++i) Sleep(absl::Milliseconds(1));
    std::atomic<bool> fired{false};
    Timer t = AfterFunc(absl::Milliseconds(1), [&] { fired = true; });
    while (!fired) Gosched();
    stop = true;
  });
}

TEST(TimeSched, ALoneGoroutineThatYieldsLetsItsTimersFire) {
  RunWith(1, [] {
    std::atomic<bool> fired{false};
    Timer t = AfterFunc(absl::Milliseconds(1), [&] { fired = true; });
    while (!fired) Gosched();
  });
}

// Somebody sleeps for long; another wants to be woken earlier.
TEST_P(TimeSchedTest, AnEarlierTimerWakesWhoSleepsForALaterOne) {
  RunWith(GetParam(), [] {
    Timer late(absl::Hours(1));
    Sleep(absl::Milliseconds(2));
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      late.Reset(absl::Milliseconds(1));
    });
    late.C().Recv();
    other.join();
  });
}

TEST_P(TimeSchedTest, TimersOfAPThatDiesMove) {
  RunWith(4, [] {
    WaitGroup wg;
    std::atomic<int> woken{0};
    for (int i = 0; i < 200; ++i) {
      wg.Go([&woken, i] {
        Burn(std::chrono::microseconds(50));
        Sleep(absl::Milliseconds(20 + i % 10));
        ++woken;
      });
    }
    Sleep(absl::Milliseconds(10));
    GOMAXPROCS(GetParam());
    Timer t(absl::Milliseconds(1));
    t.C().Recv();
    GOMAXPROCS(3);
    wg.Wait();
    EXPECT_EQ(woken, 200);
  });
}

TEST_P(TimeSchedTest, TimersFireAfterTheWorldWasStopped) {
  RunWith(GetParam(), [] {
    WaitGroup wg;
    for (int i = 0; i < 20; ++i) {
      wg.Go([i] { Sleep(absl::Microseconds(100 * i)); });
    }
    for (int i = 0; i < 50; ++i) {
      StopTheWorld("test");
      StartTheWorld();
      Sleep(absl::Microseconds(50));
    }
    wg.Wait();
  });
}

// The thread gives its P away at once, while another sleeps for a later timer.
TEST_P(TimeSchedTest, ALockedGoroutineSleepsWhileSomebodyKeepsALaterTime) {
  RunWith(GetParam(), [] {
    Timer late = AfterFunc(absl::Hours(1), [] {});
    WaitGroup wg;
    wg.Go([] {
      Sleep(absl::Milliseconds(2));  // the other Ps are idle now
      LockOSThread();
      for (int i = 0; i < 5; ++i) Sleep(absl::Milliseconds(1));
      UnlockOSThread();
    });
    wg.Wait();
    for (int i = 0; i < 5; ++i) {
      wg.Go([] {
        Sleep(absl::Milliseconds(1));
        BlockingSyscall([] { return usleep(1000); });
      });
      Sleep(absl::Milliseconds(1));
      wg.Wait();
    }
    late.Stop();
  });
}

TEST_P(TimeSchedTest, ADestructorOfATimersFunctionMayPark) {
  struct Parks {
    ~Parks() {
      Sleep(absl::Microseconds(10));
      done.Send(1);
    }
    Chan<int> done;
  };
  RunWith(GetParam(), [] {
    for (int i = 0; i < 20; ++i) {
      auto done = MakeChan<int>(1);
      auto parks = std::make_shared<Parks>();
      parks->done = done;
      AfterFunc(i % 2 == 0 ? absl::Hours(1) : absl::Microseconds(20), [parks] {
      }).Stop();
      parks.reset();
      if (i % 3 == 0) Gosched();
      Go([] {
        for (int k = 0; k < 3; ++k) Sleep(absl::Microseconds(50));
      });
      EXPECT_EQ(done.Recv(), 1);
    }
  });
}

TEST_P(TimeSchedTest, ALockedGoroutineSleepsAndComesBackToItsThread) {
  RunWith(GetParam(), [] {
    WaitGroup wg;
    for (int i = 0; i < 3; ++i) {
      wg.Go([] {
        LockOSThread();
        const auto thread = std::this_thread::get_id();
        for (int k = 0; k < 20; ++k) {
          Sleep(absl::Microseconds(200));
          EXPECT_EQ(std::this_thread::get_id(), thread);
        }
        UnlockOSThread();
      });
    }
    wg.Wait();
  });
}

// Main returns while timers of all kinds are pending; the Runtime goes on, then
// ends.
TEST_P(TimeSchedTest, ARuntimeEndsWithTimersPending) {
  auto token = std::make_shared<int>(1);
  {
    Runtime runtime(Procs(GetParam()));
    std::atomic<int> ticks{0};
    std::vector<Timer> timers;
    runtime.Run([&] {
      for (int i = 0; i < 10; ++i) {
        Go([] { Sleep(absl::Hours(1)); });
        timers.push_back(AfterFunc(absl::Hours(1), [token] {}));
        timers.push_back(Timer(absl::Hours(1)));
      }
      Go([&] {
        for (absl::Time t : Ticker(absl::Milliseconds(1)).C()) {
          (void)t;
          ++ticks;
        }
      });
    });
    // m0, which may have kept the time, has gone.
    EXPECT_TRUE(Eventually([&] { return ticks > 5; }));
    EXPECT_TRUE(timers[0].Stop());
    EXPECT_TRUE(timers[1].Stop());
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST_P(TimeSchedTest, RuntimesWithSleepersComeAndGo) {
  for (int i = 0; i < Scaled(100); ++i) {
    Runtime runtime(Procs(GetParam()));
    runtime.Run([i] {
      for (int k = 0; k < 5; ++k) {
        Go([k] {
          for (;;) Sleep(absl::Microseconds(10 * k));
        });
      }
      Sleep(absl::Microseconds(i * 3));
    });
  }
}

// Goroutines and threads stop and reset the same timers all the time.
TEST_P(TimeSchedTest, SharedTimersSurviveEverybody) {
  const uint64_t seed = SeedFromEnvironment();
  std::printf("MPG_SEED=%llu\n", static_cast<unsigned long long>(seed));
  constexpr int kTimers = 8;
  std::atomic<int64_t> ran{0};
  std::vector<Timer> timers;
  const auto work = [&](uint64_t which) {
    FastRand rand(seed + which);
    for (int i = 0; i < Scaled(5000); ++i) {
      const Timer& t = timers[rand.Below(kTimers)];
      switch (rand.Below(4)) {
        case 0:
          t.Stop();
          break;
        case 1:
          t.Reset(absl::Hours(1));
          break;
        default:
          t.Reset(absl::Nanoseconds(rand.Below(100'000)));
      }
      if (t.C()) t.C().TryRecv();
      if (rand.Below(200) == 0) Sleep(absl::Microseconds(50));
    }
  };
  Runtime runtime(Procs(GetParam()));
  runtime.Run([&] {
    for (int i = 0; i < kTimers; ++i) {
      timers.push_back(i % 2 == 0 ? Timer(absl::Hours(1))
                                  : AfterFunc(absl::Hours(1), [&] { ++ran; }));
    }
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < 2; ++i) {
      threads.emplace_back([&work, i] { work(i); });
    }
    WaitGroup wg;
    for (uint64_t i = 2; i < 8; ++i) wg.Go([&work, i] { work(i); });
    wg.Wait();
    for (std::thread& t : threads) t.join();
    // Each is still good.
    for (const Timer& t : timers) {
      if (t.C()) {
        t.Reset(absl::Microseconds(100));
        EXPECT_TRUE(t.C().Recv());
      } else {
        t.Stop();
        Sleep(absl::Milliseconds(1));
        const int64_t before = ran;
        t.Reset(absl::ZeroDuration());
        while (ran == before) Sleep(absl::Microseconds(100));
      }
    }
  });
  runtime.Wait();
}

TEST_P(TimeSchedTest, ManySleepersAllWakeAndNoneEarly) {
  RunWith(GetParam(), [] {
    WaitGroup wg;
    std::atomic<int> early{0};
    for (int i = 0; i < Scaled(20'000); ++i) {
      wg.Go([&early, i] {
        const int64_t ns = 1000 * (i % 50'000);
        const int64_t start = NanoTime();
        Sleep(absl::Nanoseconds(ns));
        if (NanoTime() - start < ns) ++early;
      });
    }
    wg.Wait();
    EXPECT_EQ(early, 0);
  });
}

// An idle program with a far timer sleeps.
TEST_P(TimeSchedTest, WaitingForATimerBurnsNoCpu) {
  RunWith(GetParam(), [] {
    Sleep(absl::Milliseconds(50));
    timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    Sleep(absl::Milliseconds(300));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    const int64_t ns = (after.tv_sec - before.tv_sec) * 1'000'000'000 +
                       (after.tv_nsec - before.tv_nsec);
    EXPECT_LT(ns, 60'000'000);
  });
}

}  // namespace
}  // namespace mpg
