// Preemption of goroutines that make no call into mpg.
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <sstream>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/options.h"
#include "runtime/runtime.h"
#include "runtime/switch/fiber_san.h"
#include "runtime/test_util.h"
#include "runtime/time.h"
#include "sync/wait_group.h"

namespace mpg {
namespace {

using internal::Burn;
using internal::Eventually;
using internal::Procs;
using internal::RunWith;
using internal::Scaled;
using std::chrono::microseconds;

// ThreadSanitizer does not let signals through: see preempt.h.
void SkipWithoutSignals() {
  if (internal::kSanHoldsSignals) GTEST_SKIP() << "signals do not preempt here";
}
class PreemptTest : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { SkipWithoutSignals(); }
};
class Preempt : public testing::Test {
 protected:
  void SetUp() override { SkipWithoutSignals(); }
};
INSTANTIATE_TEST_SUITE_P(Procs, PreemptTest, testing::Values(1, 2, 4));

// Turns until *stop; makes no call at all.
__attribute__((noinline)) uint64_t Spin(const std::atomic<bool>& stop) {
  uint64_t x = 1;
  // relaxed: the loop only has to see it some time.
  while (!stop.load(std::memory_order_relaxed)) {
    x = x * 6364136223846793005 + 1442695040888963407;
  }
  return x;
}

// Runs loop(stop) in a goroutine for each P and one more, and sees that others
// still get their turns.
template <class Loop>
void OthersRunBeside(int procs, Loop loop) {
  std::atomic<bool> stop{false};
  RunWith(procs, [&] {
    for (int i = 0; i <= procs; ++i) Go([&] { loop(stop); });
    for (int i = 0; i < 5; ++i) {
      Sleep(absl::Milliseconds(1));
      auto c = MakeChan<int>();
      Go([c] { c.Send(1); });
      EXPECT_EQ(c.Recv(), 1);
    }
    stop = true;
  });
}

TEST_P(PreemptTest, ALoopWithoutCalls) {
  OthersRunBeside(GetParam(),
                  [](const std::atomic<bool>& stop) { Spin(stop); });
}

TEST_P(PreemptTest, ALoopInMalloc) {
  OthersRunBeside(GetParam(), [](const std::atomic<bool>& stop) {
    std::vector<std::unique_ptr<char[]>> kept(64);
    for (size_t i = 0; !stop; ++i) {
      kept[i % 64].reset(new char[16 + i * 37 % 5000]);
      kept[i % 64][0] = 1;
    }
  });
}

TEST_P(PreemptTest, ALoopOfOutputStreams) {
  OthersRunBeside(GetParam(), [](const std::atomic<bool>& stop) {
    while (!stop) {
      std::ostringstream out;
      for (int i = 0; i < 100; ++i) out << i << ' ' << 1.5 * i;
      EXPECT_EQ(out.str().substr(0, 6), "0 01 1");
    }
  });
}

TEST_P(PreemptTest, AStaticInitialiser) {
  static std::atomic<const std::atomic<bool>*> the_stop;
  struct Slow {
    Slow() { Spin(*the_stop.load()); }
    int value = 7;
  };
  // One of them initialises, the others wait for it in the C++ library.
  OthersRunBeside(GetParam(), [](const std::atomic<bool>& stop) {
    the_stop = &stop;
    static Slow slow;
    EXPECT_EQ(slow.value, 7);
    Spin(stop);
  });
}

TEST_P(PreemptTest, AMutexOfTheStandardLibrary) {
  std::mutex mu;
  int64_t counter = 0, sum = 0;
  std::atomic<int64_t> expected{0};
  OthersRunBeside(GetParam(), [&](const std::atomic<bool>& stop) {
    while (!stop) {
      std::lock_guard<std::mutex> guard(mu);
      ++counter;
      Burn(microseconds(50));
      ++expected;
      sum += 2;
    }
  });
  EXPECT_EQ(counter, expected.load());
  EXPECT_EQ(sum, 2 * counter);
}

// read is restarted by the kernel.
TEST_P(PreemptTest, ABlockingReadThatNobodyAnnounced) {
  const int procs = GetParam();
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  RunWith(procs, [&] {
    std::atomic<int> good{0};
    for (int i = 0; i < procs; ++i) {
      Go([&] {
        char c;
        good += read(fds[0], &c, 1) == 1;
      });
    }
    for (int i = 0; i < 5; ++i) Sleep(absl::Milliseconds(10));
    EXPECT_EQ(good.load(), 0);
    for (int i = 0; i < procs; ++i) EXPECT_EQ(write(fds[1], "x", 1), 1);
    while (good.load() != procs) Sleep(absl::Milliseconds(1));
  });
  close(fds[0]);
  close(fds[1]);
}

// nanosleep is not restarted: it tells how much is left.
TEST_F(Preempt, ASleepThatNobodyAnnouncedMayEndWithEintr) {
  RunWith(1, [] {
    std::atomic<bool> slept{false};
    Go([&] {
      timespec left{1, 0};
      const int64_t start = NanoTime();
      while (nanosleep(&left, &left) != 0) {
        ASSERT_EQ(errno, EINTR);
      }
      EXPECT_GE(NanoTime() - start, 1'000'000'000);
      slept = true;
    });
    Sleep(absl::Milliseconds(1));
    EXPECT_FALSE(slept.load());
    while (!slept) Sleep(absl::Milliseconds(1));
  });
}

TEST_P(PreemptTest, ThreadLocalsStayTheGoroutines) {
  static thread_local int64_t mine = 0;
  OthersRunBeside(GetParam(), [](const std::atomic<bool>& stop) {
    const pid_t home = gettid();
    const int64_t goid = Goid();
    mine = goid;
    errno = static_cast<int>(goid % 100 + 1);
    const int wrong = errno;
    while (!stop.load(std::memory_order_relaxed)) {
      // No other goroutine may have used this thread meanwhile.
      ASSERT_EQ(*const_cast<volatile int64_t*>(&mine), goid);
    }
    EXPECT_EQ(errno, wrong);
    EXPECT_EQ(gettid(), home);
  });
}

TEST_P(PreemptTest, NumbersInRegistersSurvive) {
  OthersRunBeside(GetParam(), [](const std::atomic<bool>& stop) {
    while (!stop) {
      double a = 1, b = 0;
      for (int i = 1; i <= 100000; ++i) {
        a = a * 1.0000001 + 1e-9;
        b += 1;
      }
      ASSERT_EQ(b, 100000);
      ASSERT_GT(a, 1.01);
      ASSERT_LT(a, 1.02);
    }
  });
}

TEST_P(PreemptTest, LockedGoroutines) {
  OthersRunBeside(GetParam(), [](const std::atomic<bool>& stop) {
    LockOSThread();
    const pid_t home = gettid();
    Spin(stop);
    EXPECT_EQ(gettid(), home);
    UnlockOSThread();
  });
}

TEST_P(PreemptTest, TheWorldStopsAroundLoops) {
  std::atomic<bool> stop{false};
  RunWith(GetParam(), [&] {
    std::atomic<int> started{0};
    for (int i = 0; i < GetParam() + 2; ++i) {
      Go([&] {
        ++started;
        Spin(stop);
      });
    }
    while (started.load() != GetParam() + 2) Sleep(absl::Milliseconds(1));
    for (int i = 0; i < 5; ++i) {
      StopTheWorld("test");
      StartTheWorld();
      GOMAXPROCS(1 + i % 3);
    }
    stop = true;
  });
}

// Signals hit the scheduler in all its states.
TEST_P(PreemptTest, BesideGoroutinesThatSwitchAllTheTime) {
  RuntimeOptions options = Procs(GetParam());
  options.time_slice = absl::Microseconds(200);
  std::atomic<bool> stop{false};
  Runtime runtime(options);
  runtime.Run([&] {
    auto c = MakeChan<int>();
    WaitGroup wg;
    for (int i = 0; i < 3; ++i) {
      Go([&] { Spin(stop); });
      Go([&] {
        while (!stop) Burn(microseconds(300));
      });
      wg.Go([&, c] {
        for (int k = 0; k < Scaled(3000); ++k) {
          c.Send(k);
          if (k % 7 == 0) Gosched();
          if (k % 50 == 0) Go([] { Burn(microseconds(20)); });
          if (k % 101 == 0) Sleep(absl::Microseconds(30));
          if (k % 13 == 0) Syscall([] { return getppid(); });
        }
      });
      wg.Go([&, c] {
        for (int k = 0; k < Scaled(3000); ++k) EXPECT_TRUE(c.Recv());
      });
    }
    wg.Wait();
    stop = true;
  });
  runtime.Wait();
}

TEST_F(Preempt, NotWhereItIsForbidden) {
  std::atomic<bool> ran{false};
  RunWith(1, [&] {
    auto done = MakeChan<int>();
    Go([&, done] {
      {
        AsyncPreemptOff off;
        AsyncPreemptOff nested;
        do {
          ran = false;
          Go([&] { ran = true; });
        } while (ran);  // it gives way there if its time is over
        Burn(microseconds(60'000));
        EXPECT_FALSE(ran.load());
      }
      EXPECT_TRUE(Eventually([&] { return ran.load(); }));
      done.Send(1);
    });
    done.Recv();
  });
}

TEST_F(Preempt, NotWhereTheOptionsForbidIt) {
  RuntimeOptions options = Procs(1);
  options.async_preempt = false;
  std::atomic<bool> ran{false};
  Runtime runtime(options);
  runtime.Run([&] {
    do {
      ran = false;
      Go([&] { ran = true; });
    } while (ran);  // it gives way there if its time is over
    Burn(microseconds(60'000));
    EXPECT_FALSE(ran.load());
  });
  runtime.Wait();
}

TEST_F(Preempt, TheEndOfTheRuntimeWaitsForLoops) {
  std::atomic<bool> stop{false};
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    stop = true;
  });
  std::atomic<int> ended{0};
  {
    Runtime runtime(Procs(2));
    runtime.Run([&] {
      for (int i = 0; i < 5; ++i) {
        Go([&] {
          Spin(stop);
          ++ended;
        });
      }
      for (int i = 0; i < 3; ++i) Sleep(absl::Milliseconds(1));
    });
  }
  EXPECT_GT(ended.load(), 0);
  stopper.join();
}

std::atomic<int> user_signals{0};

TEST_F(Preempt, OtherSigurgSignalsGoWhereTheyWent) {
  // The handler is installed once in a process, and this needs another one.
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        signal(SIGURG, [](int) { ++user_signals; });
        std::atomic<bool> stop{false};
        RunWith(1, [&] {
          Go([&] { Spin(stop); });
          Sleep(absl::Milliseconds(1));
          kill(getpid(), SIGURG);
          while (user_signals != 1) Sleep(absl::Milliseconds(1));
          Sleep(absl::Milliseconds(30));
          stop = true;
        });
        _exit(user_signals == 1 ? 42 : 1);
      },
      testing::ExitedWithCode(42), "");
}

// Where the last signal of the user's came from and ran.
std::atomic<pid_t> user_signal_from{0};
std::atomic<bool> user_signal_off_stack{false};
char* goroutine_frame = nullptr;

TEST_F(Preempt, OtherSigurgSignalsComeWithWhatTheyBringOnAStackOfTheirOwn) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        struct sigaction action = {};
        action.sa_flags = SA_SIGINFO;
        action.sa_sigaction = [](int, siginfo_t* info, void*) {
          // More than a goroutine's stack may have, and not on it.
          volatile char room[32 << 10];
          room[0] = room[sizeof room - 1] = 1;
          const ptrdiff_t away = goroutine_frame - const_cast<char*>(room);
          user_signal_off_stack = std::abs(away) > (64 << 10);
          user_signal_from = info->si_pid;
        };
        sigaction(SIGURG, &action, nullptr);
        RunWith(1, [&] {
          char frame;
          goroutine_frame = &frame;
          raise(SIGURG);  // to this thread
        });
        _exit(user_signal_from == getpid() && user_signal_off_stack ? 42 : 1);
      },
      testing::ExitedWithCode(42), "");
}

}  // namespace
}  // namespace mpg
