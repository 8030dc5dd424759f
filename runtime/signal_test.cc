// Signals over channels.
#include "runtime/signal.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <thread>

#include "absl/time/time.h"
#include "base/panic.h"
#include "base/random.h"
#include "channel/chan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/switch/fiber_san.h"
#include "runtime/test_util.h"
#include "runtime/time.h"

namespace mpg {
namespace {

using internal::RunWith;
using internal::Scaled;
using testing::HasSubstr;

// Leaves no trace of a test that has failed.
class SignalTest : public testing::TestWithParam<int> {
 protected:
  void TearDown() override { Reset(); }
};
INSTANTIATE_TEST_SUITE_P(Procs, SignalTest, testing::Values(1, 4));
using Signal = SignalTest;

std::atomic<int> handled{0};
void CountSignal(int) { ++handled; }

// A handler of the program, for as long as it lives.
class OwnHandler {
 public:
  OwnHandler(int signal, void (*handler)(int)) : signal_(signal) {
    struct sigaction action = {};
    action.sa_handler = handler;
    action.sa_flags = SA_ONSTACK;
    sigaction(signal, &action, &before_);
  }
  ~OwnHandler() { sigaction(signal_, &before_, nullptr); }

 private:
  const int signal_;
  struct sigaction before_;
};

TEST_P(SignalTest, ComesToEveryChannelThatHasAskedForIt) {
  RunWith(GetParam(), [] {
    const auto usr1 = MakeChan<int>(1), both = MakeChan<int>(2);
    Notify(usr1, {SIGUSR1});
    Notify(both, {SIGUSR1});
    Notify(both, {SIGUSR2});  // in addition
    raise(SIGUSR1);
    EXPECT_EQ(usr1.Recv(), SIGUSR1);
    EXPECT_EQ(both.Recv(), SIGUSR1);
    raise(SIGUSR2);
    EXPECT_EQ(both.Recv(), SIGUSR2);
    EXPECT_EQ(usr1.Len(), 0u);
    Stop(usr1);
    Stop(both);
  });
}

TEST_P(SignalTest, WakesAGoroutineThatWaits) {
  RunWith(GetParam(), [] {
    const auto c = MakeChan<int>(1);
    Notify(c, {SIGHUP});
    for (int i = 0; i < 100; ++i) {
      Go([] { raise(SIGHUP); });
      EXPECT_EQ(c.Recv(), SIGHUP);
    }
    Stop(c);
  });
}

TEST_P(SignalTest, AFullChannelLosesIt) {
  RunWith(GetParam(), [] {
    const auto c = MakeChan<int>(1), all = MakeChan<int>(10);
    Notify(c, {SIGUSR1});
    Notify(all, {SIGUSR1});
    raise(SIGUSR1);
    EXPECT_EQ(all.Recv(), SIGUSR1);
    raise(SIGUSR1);
    EXPECT_EQ(all.Recv(), SIGUSR1);
    EXPECT_EQ(c.Recv(), SIGUSR1);
    EXPECT_EQ(c.TryRecv(), std::nullopt);
  });
}

TEST_P(SignalTest, NothingComesAfterStopAndAllThatCameBeforeIsThere) {
  RunWith(GetParam(), [] {
    const OwnHandler own(SIGUSR1, CountSignal);
    for (int i = 0; i < Scaled(300); ++i) {
      const auto c = MakeChan<int>(1);
      Notify(c, {SIGUSR1});
      raise(SIGUSR1);
      Stop(c);
      EXPECT_EQ(c.TryRecv(), SIGUSR1);
      handled = 0;
      raise(SIGUSR1);
      EXPECT_EQ(handled, 1) << "the program's handler is back";
      EXPECT_EQ(c.TryRecv(), std::nullopt);
      c.Close();
    }
  });
}

TEST_F(Signal, WhatItDidBeforeComesBack) {
  const OwnHandler own(SIGUSR1, CountSignal);
  const auto c = MakeChan<int>(1), d = MakeChan<int>(1);
  handled = 0;
  Notify(c, {SIGUSR1});
  Notify(d, {SIGUSR1});
  raise(SIGUSR1);
  EXPECT_EQ(d.Recv(), SIGUSR1);
  Stop(c);
  raise(SIGUSR1);
  EXPECT_EQ(d.Recv(), SIGUSR1);
  EXPECT_EQ(handled, 0);
  Stop(d);
  raise(SIGUSR1);
  EXPECT_EQ(handled, 1);
  Notify(c, {SIGUSR1});
  Reset({SIGUSR1});
  raise(SIGUSR1);
  EXPECT_EQ(handled, 2);
}

TEST_F(Signal, IgnoreAndReset) {
  const auto c = MakeChan<int>(1);
  Notify(c, {SIGUSR1});
  EXPECT_FALSE(Ignored(SIGUSR1));
  Ignore({SIGUSR1});
  EXPECT_TRUE(Ignored(SIGUSR1));
  raise(SIGUSR1);
  EXPECT_EQ(c.TryRecv(), std::nullopt);
  Notify(c, {SIGUSR1});
  EXPECT_FALSE(Ignored(SIGUSR1));
  raise(SIGUSR1);
  EXPECT_EQ(c.Recv(), SIGUSR1);
  Reset({SIGUSR1});
  EXPECT_FALSE(Ignored(SIGUSR1));
}

using SignalDeathTest = SignalTest;

TEST_F(SignalDeathTest, TheDefaultComesBack) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        const auto c = MakeChan<int>(1);
        Notify(c, {SIGTERM});
        raise(SIGTERM);
        c.Recv();
        Stop(c);
        raise(SIGTERM);
        _exit(7);
      },
      testing::KilledBySignal(SIGTERM), "");
}

TEST_F(SignalDeathTest, AFaultOfTheProgramIsNotSent) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  if (internal::kSanitized) GTEST_SKIP() << "its report comes first";
  EXPECT_EXIT(
      {
        const auto c = MakeChan<int>(1);
        Notify(c, {SIGSEGV});
        raise(SIGSEGV);
        c.Recv();  // sent by somebody
        volatile uintptr_t nowhere = 8;
        *reinterpret_cast<volatile int*>(nowhere) = 1;
        _exit(7);
      },
      testing::KilledBySignal(SIGSEGV), "");
}

// No channel is notified any more: nobody can come.
TEST_F(SignalDeathTest, ADeadlockIsOneAgainAfterStop) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        Runtime runtime(internal::Procs(2));
        runtime.Run([] {
          const auto c = MakeChan<int>(1);
          Notify(c, {SIGUSR1});
          Go([] {
            Sleep(absl::Milliseconds(100));
            raise(SIGUSR1);
          });
          c.Recv();
          Stop(c);
          c.Recv();
        });
      },
      testing::ExitedWithCode(2),
      HasSubstr("fatal error: all goroutines are asleep - deadlock!"));
}

TEST_P(SignalTest, WhoWaitsForASignalIsNotDeadlocked) {
  RunWith(GetParam(), [] {
    const auto c = MakeChan<int>(1);
    Notify(c, {SIGUSR1});
    const pid_t self = getpid();
    const pid_t child = fork();
    if (child == 0) {
      // Longer than deadlock detection needs.
      const timespec nap = {0, 300'000'000};
      nanosleep(&nap, nullptr);
      kill(self, SIGUSR1);
      _exit(0);
    }
    if (internal::kSanHoldsSignals) {
      // Its signals come when this thread calls something that it watches.
      while (c.Len() == 0) Syscall([] { usleep(1000); });
    }
    EXPECT_EQ(c.Recv(), SIGUSR1);
    EXPECT_EQ(waitpid(child, nullptr, 0), child);
  });
}

TEST_F(Signal, WhatMpgUsesItselfIsLeftToIt) {
  if (internal::kSanHoldsSignals) GTEST_SKIP() << "signals do not preempt here";
  std::atomic<bool> stop{false};
  RunWith(1, [&stop] {
    const auto c = MakeChan<int>(1);
    Notify(c, {SIGURG});
    for (int i = 0; i < 3; ++i) {
      Go([&stop] {
        // relaxed: the loop only has to see it some time.
        while (!stop.load(std::memory_order_relaxed)) {
        }
      });
    }
    Sleep(absl::Milliseconds(50));
    EXPECT_EQ(c.TryRecv(), std::nullopt);
    raise(SIGURG);
    EXPECT_EQ(c.Recv(), SIGURG);
    stop = true;
  });
}

TEST_P(SignalTest, ManyAskAndLeaveWhileSignalsCome) {
  const OwnHandler own(SIGUSR1, CountSignal);
  handled = 0;
  const int rounds = Scaled(200);
  std::atomic<int> got{0};
  RunWith(GetParam(), [&] {
    std::atomic<int> left{8};
    for (int i = 0; i < 8; ++i) {
      Go([&, rand = FastRand(NextSeed())]() mutable {
        for (int k = 0; k < rounds; ++k) {
          const auto c = MakeChan<int>(1);
          Notify(c, {SIGUSR1});
          if (rand.Below(2) == 0) raise(SIGUSR1);
          if (rand.Below(4) == 0) Gosched();
          Stop(c);
          if (c.TryRecv()) ++got;
          // A send after Stop would be a panic.
          c.Close();
        }
        --left;
      });
    }
    while (left != 0) {
      raise(SIGUSR1);
      Sleep(absl::Microseconds(100));
    }
  });
  EXPECT_GT(got, 0);
}

TEST_F(Signal, PlainThreadsMayAskWithoutARuntime) {
  const auto c = MakeChan<int>(1);
  Notify(c, {SIGWINCH});
  std::thread sender([] { raise(SIGWINCH); });
  EXPECT_EQ(c.Recv(), SIGWINCH);
  sender.join();
  Stop(c);
}

TEST_F(Signal, BadArguments) {
  EXPECT_THROW(Notify(SendChan<int>()), Panic);
  const auto c = MakeChan<int>(1);
  Notify(c, {SIGKILL, 0, -1, 1000});  // without effect
  Stop(c);
  Stop(c);
  EXPECT_EQ(SignalName(SIGINT), "interrupt");
  EXPECT_EQ(SignalName(SIGKILL), "killed");
  EXPECT_EQ(SignalName(63), "signal 63");
}

// A signal that is caught anyhow leaves what follows alone.
TEST_F(Signal, ASystemCallIsRestarted) {
  RunWith(2, [] {
    const auto c = MakeChan<int>(1);
    Notify(c, {SIGUSR1});
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    std::atomic<pthread_t> reader{};
    std::atomic<bool> reads{false};
    const auto done = MakeChan<ssize_t>();
    Go([&, fd = ends[0]] {
      done.Send(Syscall([&] {
        reader = pthread_self();
        reads = true;
        char byte;
        return read(fd, &byte, 1);
      }));
    });
    while (!reads) Gosched();
    Sleep(absl::Milliseconds(2));
    pthread_kill(reader, SIGUSR1);
    if (!internal::kSanHoldsSignals) {
      EXPECT_EQ(c.Recv(), SIGUSR1);
    }
    ASSERT_EQ(write(ends[1], "x", 1), 1);
    EXPECT_EQ(done.Recv(), 1);
    close(ends[0]);
    close(ends[1]);
  });
}

}  // namespace
}  // namespace mpg
