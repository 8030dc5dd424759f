// Goroutines in system calls.
#include <errno.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>

#include "absl/time/time.h"
#include "base/panic.h"
#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/options.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"
#include "runtime/time.h"
#include "sync/wait_group.h"

namespace mpg {
namespace {

using internal::Eventually;
using internal::kSanitized;
using internal::Procs;
using internal::RunWith;
using internal::Scaled;

class SyscallTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Procs, SyscallTest, testing::Values(1, 2, 4));

struct Pipe {
  Pipe() { EXPECT_EQ(pipe(fds), 0); }
  ~Pipe() {
    close(fds[0]);
    CloseWriter();
  }
  void CloseWriter() {
    if (fds[1] >= 0) close(fds[1]);
    fds[1] = -1;
  }
  ssize_t ReadOne() const {
    char c;
    return read(fds[0], &c, 1);
  }
  ssize_t WriteOne() const { return write(fds[1], "x", 1); }
  int fds[2];
};

TEST_P(SyscallTest, ReturnsWhatTheFunctionReturns) {
  RunWith(GetParam(), [] {
    int x = 1;
    EXPECT_EQ(Syscall([] { return 7; }), 7);
    int& ref = Syscall([&x]() -> int& { return x; });
    EXPECT_EQ(&ref, &x);
    Syscall([&x] { x = 2; });
    EXPECT_EQ(x, 2);
    EXPECT_EQ(BlockingSyscall([] { return std::string("s"); }), "s");
    auto p = Syscall([] { return std::make_unique<int>(3); });
    EXPECT_EQ(*p, 3);
  });
}

// The compiler may have computed errno's address, and on another thread.
__attribute__((noinline)) int ErrnoHere() {
  asm volatile("");
  return errno;
}

TEST_P(SyscallTest, ErrnoComesThrough) {
  RunWith(GetParam(), [] {
    for (int i = 0; i < Scaled(1000); ++i) {
      Go([] {
        EXPECT_EQ(Syscall([] { return close(-1); }), -1);
        EXPECT_EQ(ErrnoHere(), EBADF);
        EXPECT_EQ(BlockingSyscall([] { return chdir("/no/such"); }), -1);
        EXPECT_EQ(ErrnoHere(), ENOENT);
      });
    }
  });
}

TEST_P(SyscallTest, ExceptionsComeThrough) {
  RunWith(GetParam(), [] {
    for (int i = 0; i < 10; ++i) {
      EXPECT_THROW(Syscall([] { throw std::runtime_error("no"); }),
                   std::runtime_error);
      EXPECT_THROW(BlockingSyscall([] {
                     usleep(100);
                     throw std::runtime_error("no");
                   }),
                   std::runtime_error);
      EXPECT_NE(Goid(), 0);
    }
  });
}

TEST(Syscall, OnAPlainThreadJustCalls) {
  EXPECT_EQ(Syscall([] { return 7; }), 7);
  EXPECT_EQ(BlockingSyscall([] { return 8; }), 8);
}

TEST_P(SyscallTest, TheCallIsMadeOnAPlainThread) {
  RunWith(GetParam(), [] {
    auto c = MakeChan<int>();
    auto ran = MakeChan<int>();
    Syscall([&] {
      EXPECT_EQ(Goid(), 0);
      EXPECT_THROW(Gosched(), Panic);
      EXPECT_THROW(LockOSThread(), Panic);
      EXPECT_EQ(Syscall([] { return 1; }), 1);
      EXPECT_GE(NumGoroutine(), 1);
      // While this thread blocks in a channel the other goroutine runs.
      Go([&] { c.Send(5); });
      EXPECT_EQ(c.Recv(), 5);
      Go([&] { ran.Send(1); });
    });
    EXPECT_EQ(ran.Recv(), 1);
    EXPECT_NE(Goid(), 0);
  });
}

TEST_P(SyscallTest, OthersRunWhileOneBlocks) {
  RunWith(GetParam(), [] {
    Pipe pipe;
    auto done = MakeChan<ssize_t>();
    Go([&] { done.Send(Syscall([&] { return pipe.ReadOne(); })); });
    auto pings = MakeChan<int>();
    Go([&] {
      for (int i = 0; i < 1000; ++i) pings.Send(i);
      pings.Close();
    });
    int n = 0;
    for (int i : pings) n += i >= 0;
    EXPECT_EQ(n, 1000);
    EXPECT_FALSE(done.TryRecv());
    EXPECT_EQ(pipe.WriteOne(), 1);
    EXPECT_EQ(done.Recv(), 1);
  });
}

// Main itself blocks the thread of Run, and so do others.
TEST_P(SyscallTest, MainBlocksAndOthersWakeIt) {
  RunWith(GetParam(), [] {
    Pipe pipe;
    for (int i = 0; i < 20; ++i) {
      Go([&] { EXPECT_EQ(pipe.WriteOne(), 1); });
      EXPECT_EQ(Syscall([&] { return pipe.ReadOne(); }), 1);
      Go([&] { EXPECT_EQ(pipe.WriteOne(), 1); });
      EXPECT_EQ(BlockingSyscall([&] { return pipe.ReadOne(); }), 1);
    }
  });
}

TEST_P(SyscallTest, ManyBlockAndThreadsGoDownAgain) {
  RuntimeOptions options = Procs(GetParam());
  options.idle_thread_life = absl::Milliseconds(50);
  Runtime runtime(options);
  const int n = kSanitized ? 50 : 1000;
  runtime.Run([&] {
    Pipe pipe;
    std::atomic<int> read{0};
    for (int i = 0; i < n; ++i) {
      Go([&] {
        Syscall([&] { return pipe.ReadOne(); });
        ++read;
      });
    }
    while (runtime.Stats().threads < n) Sleep(absl::Milliseconds(1));
    int64_t sum = 0;
    for (int i = 0; i < 100000; ++i) {
      sum += i;
      if (i % 100 == 0) Gosched();
    }
    EXPECT_NE(sum, 0);
    EXPECT_EQ(read.load(), 0);
    pipe.CloseWriter();
    while (read.load() != n) Sleep(absl::Milliseconds(1));
  });
  runtime.Wait();
  EXPECT_TRUE(
      Eventually([&] { return runtime.Stats().threads <= GetParam() + 4; }));
}

// Without that, each round would leave its threads behind, for the 10 s of their
// idle life.
TEST_P(SyscallTest, ThreadsAreUsedAgain) {
  Runtime runtime(Procs(GetParam()));
  constexpr int kCalls = 20;
  runtime.Run([&] {
    for (int round = 0; round < 20; ++round) {
      Pipe pipe;
      WaitGroup wg;
      std::atomic<int> inside{0};
      for (int i = 0; i < kCalls; ++i) {
        wg.Go([&] {
          BlockingSyscall([&] {
            ++inside;
            return pipe.ReadOne();
          });
        });
      }
      while (inside != kCalls) Sleep(absl::Microseconds(100));
      pipe.CloseWriter();
      wg.Wait();
    }
    EXPECT_LE(runtime.Stats().threads, 5 * kCalls);
  });
  runtime.Wait();
}

// Slices that do not end: only the calls move the P.
RuntimeOptions OnePAndLongSlices() {
  RuntimeOptions options = Procs(1);
  options.time_slice = absl::Minutes(10);
  options.async_preempt = false;
  return options;
}

// Blocks until another goroutine, which needs the P, has run for a while.
void BlockInCall(const Pipe& pipe) {
  Go([&pipe] {
    usleep(200);
    EXPECT_EQ(pipe.WriteOne(), 1);
  });
  EXPECT_EQ(Syscall([&pipe] { return pipe.ReadOne(); }), 1);
}

TEST(Syscall, WhoHasLostItsPTwiceGivesItAwayItself) {
  Runtime runtime(OnePAndLongSlices());
  runtime.Run([&] {
    Pipe pipe;
    for (int i = 0; i < 2; ++i) BlockInCall(pipe);
    const SchedStats before = runtime.Stats();
    EXPECT_EQ(before.retakes, 2u);
    for (int i = 0; i < 20; ++i) BlockInCall(pipe);
    const SchedStats after = runtime.Stats();
    EXPECT_EQ(after.retakes, 2u);
    EXPECT_EQ(after.handoffs - before.handoffs, 20u);
  });
  runtime.Wait();
}

TEST(Syscall, AShortCallEndsThat) {
  Runtime runtime(OnePAndLongSlices());
  runtime.Run([&] {
    Pipe pipe;
    // A short call takes long if this thread is not run: tried again then.
    for (bool kept = false; !kept;) {
      for (int i = 0; i < 2; ++i) BlockInCall(pipe);
      uint64_t handoffs[3];
      for (uint64_t& n : handoffs) {
        n = runtime.Stats().handoffs;
        Go([] {});
        EXPECT_GT(Syscall([] { return getppid(); }), 0);
        Gosched();
      }
      EXPECT_GT(handoffs[1], handoffs[0]);
      kept = handoffs[2] == handoffs[1];
    }
  });
  runtime.Wait();
}

TEST_P(SyscallTest, ShortCallsFromManyGoroutines) {
  RunWith(GetParam(), [] {
    const int n = 50, rounds = Scaled(2000);
    auto done = MakeChan<int>();
    for (int i = 0; i < n; ++i) {
      Go([=] {
        int good = 0;
        for (int k = 0; k < rounds; ++k) {
          good += Syscall([] { return getppid(); }) > 0;
          if (k % 16 == 0) Gosched();
          if (k % 64 == 0) Syscall([] { return usleep(30); });
        }
        done.Send(good);
      });
    }
    for (int i = 0; i < n; ++i) EXPECT_EQ(*done.Recv(), rounds);
  });
}

TEST_P(SyscallTest, TheWorldStopsAroundThoseWhoBlock) {
  RunWith(GetParam(), [] {
    Pipe pipe;
    std::atomic<int> out{0};
    for (int i = 0; i < 8; ++i) {
      Go([&] {
        Syscall([&] { return pipe.ReadOne(); });
        ++out;
      });
    }
    for (int i = 0; i < Scaled(200); ++i) {
      StopTheWorld("test");
      if (i == 100) {
        for (int k = 0; k < 8; ++k) pipe.WriteOne();
        usleep(2000);
        EXPECT_EQ(out.load(), 0);  // they have come back, and wait
      }
      StartTheWorld();
      Gosched();
    }
    for (int k = 0; k < 8; ++k) pipe.WriteOne();
    while (out.load() != 8) Gosched();
  });
}

TEST_P(SyscallTest, GomaxprocsChangesAroundThoseWhoBlock) {
  RunWith(GetParam(), [] {
    const int n = 8;
    auto done = MakeChan<int>();
    std::atomic<bool> stop{false};
    for (int i = 0; i < n; ++i) {
      Go([&, i] {
        while (!stop) Syscall([i] { return usleep(10 + i * 10); });
        done.Send(1);
      });
    }
    for (int i = 0; i < Scaled(200); ++i) {
      GOMAXPROCS(1 + i % 5);
      Syscall([] { return usleep(20); });
    }
    stop = true;
    for (int i = 0; i < n; ++i) done.Recv();
  });
}

TEST_P(SyscallTest, LockedGoroutinesKeepTheirThread) {
  RunWith(GetParam(), [] {
    // Run must not return before: one may be locked to its thread.
    auto done = MakeChan<int>();
    for (int i = 0; i < 6; ++i) {
      Go([=] {
        LockOSThread();
        const pid_t home = gettid();
        for (int k = 0; k < Scaled(100); ++k) {
          EXPECT_EQ(Syscall([] {
                      usleep(20);
                      return gettid();
                    }),
                    home);
          EXPECT_EQ(gettid(), home);
          Gosched();
          EXPECT_EQ(gettid(), home);
        }
        UnlockOSThread();
        done.Send(0);
      });
    }
    for (int i = 0; i < 6; ++i) done.Recv();
  });
}

TEST_P(SyscallTest, RunReturnsWhileOthersBlock) {
  Pipe pipe;
  for (int i = 0; i < Scaled(100); ++i) {
    Runtime runtime(Procs(GetParam()));
    runtime.Run([&] {
      for (int k = 0; k < 3; ++k) {
        Go([&] { Syscall([&] { return pipe.ReadOne(); }); });
      }
      for (int k = 0; k < i % 5; ++k) Gosched();
      if (i % 2 == 0) Syscall([] { return usleep(100); });
    });
    for (int k = 0; k < 3; ++k) EXPECT_EQ(pipe.WriteOne(), 1);
    runtime.Wait();
  }
}

TEST_P(SyscallTest, TimersFireWhileThePIsInACall) {
  RunWith(GetParam(), [] {
    for (int i = 0; i < GetParam(); ++i) {
      Go([] { Syscall([] { return usleep(30000); }); });
    }
    std::atomic<bool> fired{false};
    Timer t = AfterFunc(absl::Milliseconds(1), [&] { fired = true; });
    Syscall([&] { EXPECT_TRUE(Eventually([&] { return fired.load(); })); });
  });
}

// The Runtime ends while a goroutine is in a call that never returns.
TEST(Syscall, TheEndOfTheRuntimeDoesNotWaitForEver) {
  Pipe* pipe = new Pipe;  // for the thread that is left behind
  testing::internal::CaptureStderr();
  {
    Runtime runtime(Procs(2));
    runtime.Run([&] {
      std::atomic<bool> inside{false};
      Go([&inside, pipe] {
        Syscall([&inside, pipe] {
          inside = true;
          return pipe->ReadOne();
        });
      });
      while (!inside) Sleep(absl::Milliseconds(1));
    });
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "mpg: a Runtime has ended while 1 goroutine is in Syscall; the "
            "thread is left behind\n");
  EXPECT_EQ(pipe->WriteOne(), 1);
  usleep(10000);  // it comes back, and ends
}

}  // namespace
}  // namespace mpg
