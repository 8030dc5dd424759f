// Descriptors that goroutines wait for.
#include "runtime/poll_desc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/random.h"
#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/options.h"
#include "runtime/runtime.h"
#include "runtime/switch/fiber_san.h"
#include "runtime/test_util.h"
#include "runtime/time.h"
#include "sync/wait_group.h"

MPG_TEST_ABANDONS_GOROUTINES

namespace mpg {
namespace {

using internal::Burn;
using internal::kSanitized;
using internal::Procs;
using internal::RunWith;
using internal::Scaled;

class PollTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Procs, PollTest, testing::Values(1, 2, 4));

// A descriptor and its PollDesc.
struct Polled {
  explicit Polled(int f) : fd(f), desc(*PollDesc::Open(f)) {}
  ~Polled() { Close(); }
  void Close() {
    desc.Close();
    if (fd >= 0) close(fd);
    fd = -1;
  }
  // The byte that comes next; -1: the end; -2: Wait has failed.
  int ReadByte() {
    for (;;) {
      unsigned char byte;
      const ssize_t n = read(fd, &byte, 1);
      if (n == 1) return byte;
      if (n == 0) return -1;
      if (errno == EINTR) continue;
      EXPECT_EQ(errno, EAGAIN);
      status = desc.Wait(PollDesc::kRead);
      if (!status.ok()) return -2;
    }
  }
  bool WriteByte(unsigned char byte) {
    for (;;) {
      if (write(fd, &byte, 1) == 1) return true;
      if (errno != EAGAIN && errno != EINTR) return false;
      status = desc.Wait(PollDesc::kWrite);
      if (!status.ok()) return false;
    }
  }
  int fd;
  PollDesc desc;
  absl::Status status;
};

struct PolledPipe {
  PolledPipe() {
    int fds[2];
    EXPECT_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    in = std::make_unique<Polled>(fds[0]);
    out = std::make_unique<Polled>(fds[1]);
  }
  std::unique_ptr<Polled> in, out;
};

TEST_P(PollTest, APipeWakesItsReader) {
  RunWith(GetParam(), [] {
    PolledPipe pipe;
    WaitGroup wg;
    wg.Go([&] {
      for (int i = 0; i < 100; ++i) EXPECT_EQ(pipe.in->ReadByte(), i);
      EXPECT_EQ(pipe.in->ReadByte(), -1);
    });
    for (int i = 0; i < 100; ++i) {
      if (i % 10 == 0) Sleep(absl::Microseconds(100));
      EXPECT_TRUE(pipe.out->WriteByte(static_cast<unsigned char>(i)));
    }
    pipe.out->Close();
    wg.Wait();
  });
}

TEST_P(PollTest, AFullPipeMakesItsWriterWait) {
  RunWith(GetParam(), [] {
    PolledPipe pipe;
    fcntl(pipe.out->fd, F_SETPIPE_SZ, 4096);
    constexpr int kBytes = 20'000;
    WaitGroup wg;
    wg.Go([&] {
      for (int i = 0; i < kBytes; ++i) {
        ASSERT_TRUE(pipe.out->WriteByte(static_cast<unsigned char>(i)));
      }
    });
    Sleep(absl::Milliseconds(1));
    for (int i = 0; i < kBytes; ++i) ASSERT_EQ(pipe.in->ReadByte(), i & 255);
    wg.Wait();
  });
}

TEST_P(PollTest, SeveralKindsOfDescriptors) {
  RunWith(GetParam(), [] {
    WaitGroup wg;
    Polled event(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    wg.Go([&] {
      EXPECT_TRUE(event.desc.Wait(PollDesc::kRead).ok());
      uint64_t n = 0;
      EXPECT_EQ(read(event.fd, &n, sizeof n), static_cast<ssize_t>(sizeof n));
      EXPECT_EQ(n, 5u);
    });
    Polled timer(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
    itimerspec at = {{0, 0}, {0, 2'000'000}};
    timerfd_settime(timer.fd, 0, &at, nullptr);
    wg.Go([&] { EXPECT_TRUE(timer.desc.Wait(PollDesc::kRead).ok()); });
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
    Polled a(fds[0]), b(fds[1]);
    wg.Go([&] { EXPECT_EQ(a.ReadByte(), 'x'); });
    Sleep(absl::Milliseconds(1));
    const uint64_t five = 5;
    EXPECT_EQ(write(event.fd, &five, sizeof five), 8);
    EXPECT_TRUE(b.WriteByte('x'));
    wg.Wait();
  });
}

TEST(Poll, WhatCannotBePolledIsAnError) {
  RunWith(1, [] {
    char name[] = "/tmp/mpg_poll_test_XXXXXX";
    const int fd = mkstemp(name);
    ASSERT_GE(fd, 0);
    unlink(name);
    EXPECT_EQ(PollDesc::Open(fd).status().code(),
              absl::ErrnoToStatusCode(EPERM));
    close(fd);
    EXPECT_EQ(PollDesc::Open(-1).status().code(),
              absl::ErrnoToStatusCode(EBADF));
    PollDesc none;
    EXPECT_EQ(none.Wait(PollDesc::kRead).code(), absl::StatusCode::kCancelled);
    none.Close();
  });
}

TEST_P(PollTest, ReadinessIsRememberedAndReset) {
  RunWith(GetParam(), [] {
    PolledPipe pipe;
    EXPECT_TRUE(pipe.out->WriteByte(1));
    EXPECT_TRUE(pipe.in->desc.Wait(PollDesc::kRead).ok());
    // Told once: edge-triggered.
    pipe.in->desc.SetDeadline(PollDesc::kRead,
                              absl::Now() + absl::Milliseconds(5));
    EXPECT_EQ(pipe.in->desc.Wait(PollDesc::kRead).code(),
              absl::StatusCode::kDeadlineExceeded);
    pipe.in->desc.SetDeadline(PollDesc::kRead, absl::InfiniteFuture());
    EXPECT_TRUE(pipe.out->WriteByte(2));
    Sleep(absl::Milliseconds(20));  // sysmon or an idle thread has seen it
    EXPECT_TRUE(pipe.in->desc.Reset(PollDesc::kRead).ok());
    EXPECT_EQ(pipe.in->ReadByte(), 1);
    EXPECT_EQ(pipe.in->ReadByte(), 2);
  });
}

TEST_P(PollTest, Deadlines) {
  RunWith(GetParam(), [] {
    PolledPipe pipe;
    PollDesc& in = pipe.in->desc;
    in.SetDeadline(PollDesc::kReadWrite, absl::Now() - absl::Seconds(1));
    EXPECT_EQ(in.Wait(PollDesc::kRead).message(), "i/o timeout");
    EXPECT_EQ(in.Wait(PollDesc::kWrite).message(), "i/o timeout");
    EXPECT_FALSE(in.Reset(PollDesc::kRead).ok());
    for (int i = 0; i < 20; ++i) {
      const absl::Time when = absl::Now() + absl::Microseconds(i * 100);
      in.SetDeadline(PollDesc::kRead, when);
      EXPECT_EQ(pipe.in->ReadByte(), -2);
      EXPECT_EQ(pipe.in->status.code(), absl::StatusCode::kDeadlineExceeded);
      EXPECT_GE(absl::Now(), when - absl::Microseconds(50));
    }
    // Changed while somebody waits: later, never, and now.
    WaitGroup wg;
    in.SetDeadline(PollDesc::kRead, absl::Now() + absl::Seconds(2));
    wg.Go([&] { EXPECT_EQ(pipe.in->ReadByte(), 7); });
    Sleep(absl::Milliseconds(1));
    in.SetDeadline(PollDesc::kRead, absl::Now() + absl::Hours(1));
    in.SetDeadline(PollDesc::kRead, absl::InfiniteFuture());
    Sleep(absl::Milliseconds(2100));
    EXPECT_TRUE(pipe.out->WriteByte(7));
    wg.Wait();
    wg.Go([&] { EXPECT_EQ(pipe.in->ReadByte(), -2); });
    Sleep(absl::Milliseconds(1));
    in.SetDeadline(PollDesc::kRead, absl::UnixEpoch());
    wg.Wait();
  });
}

TEST_P(PollTest, CloseWakesThoseWhoWait) {
  RunWith(GetParam(), [] {
    for (int i = 0; i < Scaled(300); ++i) {
      PolledPipe pipe;
      fcntl(pipe.out->fd, F_SETPIPE_SZ, 4096);
      std::vector<char> much(1 << 20);
      EXPECT_GT(write(pipe.out->fd, much.data(), much.size()), 0);
      PolledPipe empty;
      WaitGroup wg;
      wg.Go([&] {
        EXPECT_EQ(empty.in->ReadByte(), -2);
        EXPECT_EQ(empty.in->status.message(), "use of closed file");
      });
      wg.Go([&] {
        const absl::Status s = pipe.out->desc.Wait(PollDesc::kWrite);
        if (s.ok()) {
          EXPECT_FALSE(pipe.out->WriteByte(1));
        }
      });
      if (i % 3 == 0) Gosched();
      if (i % 5 == 0) Sleep(absl::Microseconds(50));
      empty.in->desc.Close();
      pipe.out->desc.Close();
      wg.Wait();
      EXPECT_EQ(empty.in->desc.Wait(PollDesc::kRead).code(),
                absl::StatusCode::kCancelled);
    }
  });
}

TEST(PollDeathTest, TwoWaitersForOneModeAreAnError) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(RunWith(1,
                      [] {
                        PolledPipe pipe;
                        Go([&] { (void)pipe.in->desc.Wait(PollDesc::kRead); });
                        Gosched();
                        (void)pipe.in->desc.Wait(PollDesc::kRead);
                      }),
              testing::ExitedWithCode(2), "fatal error: runtime: double wait");
}

TEST(Poll, PlainThreadsWaitToo) {
  PolledPipe pipe;
  std::thread writer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_TRUE(pipe.out->WriteByte(3));
  });
  EXPECT_EQ(pipe.in->ReadByte(), 3);
  writer.join();
  std::thread closer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    pipe.in->desc.Close();
  });
  EXPECT_EQ(pipe.in->ReadByte(), -2);
  closer.join();
}

// The first P computes; who waits for the network goes on at the other.
TEST(Poll, ABusyPDoesNotKeepOthersFromTheNetwork) {
  std::atomic<bool> stop{false};
  RunWith(2, [&] {
    PolledPipe pipe;
    Go([&] {
      while (!stop) Burn(std::chrono::microseconds(100));
    });
    for (int i = 0; i < 20; ++i) {
      std::thread writer([&] {
        std::this_thread::sleep_for(std::chrono::microseconds(200));
        pipe.out->WriteByte(1);
      });
      EXPECT_EQ(pipe.in->ReadByte(), 1);
      writer.join();
    }
    stop = true;
  });
}

// However short goroutines have been so far, when one runs long the others do not
// wait for it: the first of three computes, or is in a system call, until a second
// has come. Also if the other P's thread sleeps in the network meanwhile.
TEST(Poll, LongOnesAreSharedAlsoAfterShortOnes) {
  constexpr int kReaders = 3;
  RunWith(2, [&] {
    PolledPipe pipes[kReaders], answers, silent;
    std::atomic<int> arrived{0};
    WaitGroup readers;
    readers.Go([&] { silent.in->ReadByte(); });
    for (PolledPipe& pipe : pipes) {
      readers.Go([&] {
        for (int byte; (byte = pipe.in->ReadByte()) >= 0;) {
          const auto await = [&] {
            ++arrived;
            while (arrived < 2) {
            }
          };
          if (byte == 1) {
            AsyncPreemptOff not_by_a_signal;
            await();
          } else if (byte == 2) {
            Syscall(await);
          }
          answers.out->WriteByte(0);
        }
      });
    }
    for (int round = 0; round < 20; ++round) {
      for (int i = 0; i <= 20; ++i) {
        const int byte = i == 20 ? 1 + round % 2 : 0;
        for (PolledPipe& pipe : pipes) {
          pipe.out->WriteByte(static_cast<unsigned char>(byte));
        }
        for (int k = 0; k < kReaders; ++k) answers.in->ReadByte();
      }
      arrived = 0;
    }
    for (PolledPipe& pipe : pipes) pipe.out->Close();
    silent.out->Close();
    readers.Wait();
  });
}

// All Ps compute: sysmon polls, and preempts.
TEST_P(PollTest, LoopsDoNotKeepOthersFromTheNetwork) {
  if (internal::kSanHoldsSignals) GTEST_SKIP() << "signals do not preempt here";
  std::atomic<bool> stop{false};
  RunWith(GetParam(), [&] {
    PolledPipe pipe;
    for (int i = 0; i < GetParam(); ++i) {
      Go([&] {
        while (!stop) Burn(std::chrono::microseconds(100));
      });
    }
    for (int i = 0; i < 3; ++i) {
      std::thread writer([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        pipe.out->WriteByte(1);
      });
      EXPECT_EQ(pipe.in->ReadByte(), 1);
      Syscall([&] { writer.join(); });
    }
    stop = true;
  });
}

TEST_P(PollTest, WhoOnlyWaitsForTheNetworkBurnsNoCpu) {
  RunWith(GetParam(), [] {
    PolledPipe pipe;
    Go([&] {
      Sleep(absl::Milliseconds(50));
      timespec before, after;
      clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
      Sleep(absl::Milliseconds(300));
      clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
      EXPECT_LT(absl::DurationFromTimespec(after) -
                    absl::DurationFromTimespec(before),
                absl::Milliseconds(60));
      pipe.out->WriteByte(1);
    });
    EXPECT_EQ(pipe.in->ReadByte(), 1);
  });
}

TEST_P(PollTest, TwoRuntimesUseOneEnd) {
  PolledPipe there, back;
  std::thread other([&] {
    RunWith(GetParam(), [&] {
      for (int i = 0; i < 200; ++i) {
        EXPECT_EQ(there.in->ReadByte(), i);
        EXPECT_TRUE(back.out->WriteByte(static_cast<unsigned char>(i)));
      }
    });
  });
  RunWith(GetParam(), [&] {
    for (int i = 0; i < 200; ++i) {
      EXPECT_TRUE(there.out->WriteByte(static_cast<unsigned char>(i)));
      EXPECT_EQ(back.in->ReadByte(), i);
    }
  });
  other.join();
}

TEST_P(PollTest, TheRuntimeEndsWhileOthersWait) {
  PolledPipe pipe;
  for (int i = 0; i < Scaled(100); ++i) {
    PolledPipe mine;
    {
      Runtime runtime(Procs(GetParam()));
      runtime.Run([&] {
        Go([&] { mine.in->ReadByte(); });
        for (int k = 0; k < i % 4; ++k) Gosched();
        if (i % 7 == 0) Sleep(absl::Microseconds(100));
        if (i % 2 == 0) mine.out->WriteByte(1);
      });
    }
    RunWith(GetParam(), [&] {
      EXPECT_TRUE(pipe.out->WriteByte(1));
      EXPECT_EQ(pipe.in->ReadByte(), 1);
    });
  }
}

TEST_P(PollTest, WhileTheWorldStops) {
  std::atomic<bool> stop{false};
  RunWith(GetParam(), [&] {
    PolledPipe pipe;
    WaitGroup wg;
    wg.Go([&] {
      while (pipe.in->ReadByte() != 9) {
      }
      stop = true;
    });
    wg.Go([&] {
      for (int i = 0; i < Scaled(300); ++i) {
        EXPECT_TRUE(pipe.out->WriteByte(1));
        Gosched();
      }
      EXPECT_TRUE(pipe.out->WriteByte(9));
    });
    for (int i = 0; !stop; ++i) {
      StopTheWorld("test");
      StartTheWorld();
      GOMAXPROCS(1 + i % 4);
      Gosched();
    }
    wg.Wait();
  });
}

// Tokens go round between many pipes, with deadlines set and cleared on the way.
TEST_P(PollTest, ManyPipesAtRandom) {
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE(testing::Message() << "MPG_SEED=" << seed);
  RunWith(GetParam(), [seed] {
    const int n = kSanitized ? 20 : 200;
    const int hops = kSanitized ? 20 : 100;
    std::vector<PolledPipe> pipes(static_cast<size_t>(n));
    WaitGroup wg;
    for (int i = 0; i < n; ++i) {
      wg.Go([&, i] {
        FastRand rand(seed + static_cast<uint64_t>(i));
        Polled& in = *pipes[static_cast<size_t>(i)].in;
        Polled& out = *pipes[static_cast<size_t>((i + 1) % n)].out;
        for (int k = 0; k < hops; ++k) {
          if (i != 0 || k != 0) {
            int got;
            while ((got = in.ReadByte()) == -2) {  // the deadline
              in.desc.SetDeadline(PollDesc::kRead, absl::InfiniteFuture());
            }
            ASSERT_EQ(got, (i == 0 ? k - 1 : k) & 255);
          }
          if (rand.Below(4) == 0) {
            in.desc.SetDeadline(
                PollDesc::kRead,
                absl::Now() + absl::Microseconds(rand.Below(500)));
          }
          ASSERT_TRUE(out.WriteByte(static_cast<unsigned char>(k)));
        }
      });
    }
    wg.Wait();
  });
}

TEST_P(PollTest, SleepersAreNeverEarlyBesideTheNetwork) {
  RunWith(GetParam(), [] {
    PolledPipe pipe;
    WaitGroup wg;
    wg.Go([&] {
      while (pipe.in->ReadByte() >= 0) {
      }
    });
    for (int i = 0; i < 20; ++i) {
      wg.Go([i] {
        for (int k = 0; k < 10; ++k) {
          const absl::Time start = absl::Now();
          Sleep(absl::Microseconds(100 * i + 10));
          EXPECT_GE(absl::Now() - start, absl::Microseconds(100 * i + 10 - 50));
        }
      });
    }
    for (int i = 0; i < 50; ++i) {
      Sleep(absl::Microseconds(150));
      pipe.out->WriteByte(1);
    }
    pipe.out->Close();
    wg.Wait();
  });
}

}  // namespace
}  // namespace mpg
