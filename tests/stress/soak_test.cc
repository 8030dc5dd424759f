// Everything at once, for as long as MPG_SOAK_SECONDS says (3 by default): actors
// that each do one random thing after another - sockets whose peers go, deadlines,
// pipes, calls that block, loops that make no call, timers, channels, locks,
// goroutines that end in every way - while the world is stopped and Ps come and
// go. In the end each message has been counted and no goroutine, descriptor or
// thread is left.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/open_fds.h"
#include "base/random.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "context/context.h"
#include "gtest/gtest.h"
#include "net/tcp.h"
#include "net/udp.h"
#include "runtime/goroutine.h"
#include "runtime/poll_desc.h"
#include "runtime/runtime.h"
#include "runtime/time.h"
#include "sync/mutex.h"
#include "sync/wait_group.h"
#include "tests/stress/stress_util.h"

namespace mpg {
namespace {

constexpr int kActors = 24;

int64_t SoakNanos() {
  int seconds = 3;
  if (const char* text = getenv("MPG_SOAK_SECONDS")) {
    EXPECT_TRUE(absl::SimpleAtoi(text, &seconds)) << text;
  }
  return int64_t{seconds} * 1'000'000'000;
}

void BurnMicros(int64_t us) {
  const int64_t end = NanoTime() + us * 1000;
  while (NanoTime() < end) {
  }
}

class Soak {
 public:
  Soak() {
    auto listener = Listen("127.0.0.1:0");
    EXPECT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    server_.Go([this] { Serve(); });
  }

  void Act(FastRand rand, int64_t end) {
    while (NanoTime() < end) {
      (this->*kThings[rand.Below(std::size(kThings))])(&rand);
      ++done_;
    }
  }

  void End() {
    EXPECT_TRUE(listener_.Close().ok());
    server_.Wait();
    EXPECT_EQ(sent_.load(), received_.load());
    EXPECT_EQ(guarded_, locked_.load());
    EXPECT_GT(done_.load(), 0);
  }

  // Stops the world, and changes the number of Ps, now and then.
  static void Disturb(FastRand rand, int64_t end) {
    while (NanoTime() < end) {
      Sleep(absl::Microseconds(rand.Below(20'000)));
      if (rand.Below(2) == 0) {
        StopTheWorld("soak");
        BurnMicros(rand.Below(200));
        StartTheWorld();
      } else {
        GOMAXPROCS(1 + static_cast<int>(rand.Below(8)));
      }
    }
  }

 private:
  // --- TCP: an echo server whose clients leave in three ways.

  void Serve() {
    for (;;) {
      auto conn = listener_.Accept();
      if (!conn.ok()) return;
      server_.Go([conn = *std::move(conn)] {
        char buf[512];
        for (;;) {
          const auto n = conn.Read(absl::MakeSpan(buf));
          if (!n.ok() || *n == 0) break;
          if (!conn.Write(absl::string_view(buf, *n)).ok()) break;
        }
        conn.Close().IgnoreError();
      });
    }
  }

  void TalkTcp(FastRand* rand) {
    const auto conn = Dial(listener_.Addr().ToString());
    ASSERT_TRUE(conn.ok()) << conn.status();
    for (uint32_t i = rand->Below(5); i > 0; --i) {
      std::string text(1 + rand->Below(2000), static_cast<char>(rand->Next()));
      std::string back(text.size(), '\0');
      ASSERT_TRUE(conn->Write(text).ok());
      const auto n = conn->ReadFull(absl::MakeSpan(&back[0], back.size()));
      ASSERT_TRUE(n.ok()) << n.status();
      ASSERT_EQ(back, text);
    }
    switch (rand->Below(3)) {
      case 0:
        EXPECT_TRUE(conn->SetLinger(0).ok());
        EXPECT_TRUE(conn->Close().ok());
        break;
      case 1:
        EXPECT_TRUE(conn->CloseWrite().ok());
        char byte;
        EXPECT_EQ(conn->Read(absl::MakeSpan(&byte, 1)).value_or(9), 0u);
        break;
      default:
        break;  // with the handle
    }
  }

  void ReadUntilADeadlineOrAClose(FastRand* rand) {
    const auto conn = Dial(listener_.Addr().ToString());
    ASSERT_TRUE(conn.ok()) << conn.status();
    const bool by_deadline = rand->Below(2) == 0;
    const absl::Duration wait = absl::Microseconds(rand->Below(3000));
    if (by_deadline) {
      EXPECT_TRUE(conn->SetReadDeadline(Now() + wait).ok());
    } else {
      Go([conn = *conn, wait] {
        Sleep(wait);
        conn.Close().IgnoreError();
      });
    }
    char byte;
    const auto n = conn->Read(absl::MakeSpan(&byte, 1));
    EXPECT_EQ(n.status().code(), by_deadline
                                     ? absl::StatusCode::kDeadlineExceeded
                                     : absl::StatusCode::kCancelled);
  }

  void TalkUdp(FastRand* rand) {
    const auto server = ListenUdp("127.0.0.1:0");
    ASSERT_TRUE(server.ok()) << server.status();
    const auto client = DialUdp(server->LocalAddr().ToString());
    ASSERT_TRUE(client.ok()) << client.status();
    const std::string text = std::to_string(rand->Next());
    ASSERT_TRUE(client->Write(text).ok());
    char buf[64];
    const auto n = server->Read(absl::MakeSpan(buf));
    ASSERT_TRUE(n.ok()) << n.status();
    EXPECT_EQ(absl::string_view(buf, *n), text);
  }

  // --- Descriptors and calls.

  void ReadAPipe(FastRand* rand) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    Go([out = ends[1], us = rand->Below(500)] {
      Sleep(absl::Microseconds(us));
      EXPECT_EQ(write(out, "x", 1), 1);
      close(out);
    });
    auto poll = PollDesc::Open(ends[0]);
    ASSERT_TRUE(poll.ok()) << poll.status();
    char byte = 0;
    while (read(ends[0], &byte, 1) < 0) {
      ASSERT_TRUE(poll->Wait(PollDesc::kRead).ok());
    }
    EXPECT_EQ(byte, 'x');
    poll->Close();
    close(ends[0]);
  }

  void Call(FastRand* rand) {
    const useconds_t us = rand->Below(1000);
    if (rand->Below(2) == 0) {
      Syscall([us] { usleep(us); });
    } else {
      BlockingSyscall([us] { usleep(us); });
    }
  }

  void CallUnannounced(FastRand* rand) { usleep(rand->Below(300)); }
  void Compute(FastRand* rand) { BurnMicros(rand->Below(2000)); }
  void Yield(FastRand*) { Gosched(); }
  void Nap(FastRand* rand) { Sleep(absl::Microseconds(rand->Below(2000))); }

  void WireAThread(FastRand* rand) {
    LockOSThread();
    const pid_t thread = gettid();
    Sleep(absl::Microseconds(rand->Below(300)));
    EXPECT_EQ(gettid(), thread);
    UnlockOSThread();
  }

  // --- Channels, timers, locks.

  void PassNumbers(FastRand* rand) {
    auto c = MakeChan<int>(rand->Below(4));
    const int n = static_cast<int>(rand->Below(50));
    sent_ += n;
    Go([c, n] {
      for (int i = 0; i < n; ++i) c.Send(i);
      c.Close();
    });
    for (int v : c) {
      (void)v;
      ++received_;
    }
  }

  void SelectWithATimer(FastRand* rand) {
    auto c = MakeChan<int>();
    ++sent_;
    Go([c, us = rand->Below(600)] {
      Sleep(absl::Microseconds(us));
      c.Send(1);
    });
    const auto late = After(absl::Microseconds(rand->Below(600)));
    bool got = false;
    Select(OnRecv(c, [&](std::optional<int>) { got = true; }),
           OnRecv(late, [](std::optional<absl::Time>) {}));
    if (!got) c.Recv();
    ++received_;
  }

  void CancelAContext(FastRand* rand) {
    auto [ctx, cancel] =
        WithTimeout(Background(), absl::Microseconds(rand->Below(1000)));
    if (rand->Below(2) == 0) {
      Go([cancel = cancel, us = rand->Below(1000)] {
        Sleep(absl::Microseconds(us));
        cancel();
      });
    }
    ctx.Done().Recv();
    EXPECT_FALSE(ctx.Err().ok());
    cancel();
  }

  void Count(FastRand*) {
    ++locked_;
    mutex_.Lock();
    ++guarded_;
    mutex_.Unlock();
  }

  void EndInEveryWay(FastRand* rand) {
    WaitGroup group;
    for (uint32_t i = rand->Below(20); i > 0; --i) {
      const uint32_t how = rand->Below(3);
      group.Go([how] {
        if (how == 0) Goexit();
        if (how == 1) {
          try {
            throw 1;
          } catch (int) {
            Gosched();
          }
        }
      });
    }
    group.Wait();
  }

  using Thing = void (Soak::*)(FastRand*);
  static constexpr Thing kThings[] = {
      &Soak::TalkTcp,
      &Soak::ReadUntilADeadlineOrAClose,
      &Soak::TalkUdp,
      &Soak::ReadAPipe,
      &Soak::Call,
      &Soak::CallUnannounced,
      &Soak::Compute,
      &Soak::Yield,
      &Soak::Nap,
      &Soak::WireAThread,
      &Soak::PassNumbers,
      &Soak::SelectWithATimer,
      &Soak::CancelAContext,
      &Soak::Count,
      &Soak::EndInEveryWay,
  };

  Listener listener_;
  WaitGroup server_;
  std::atomic<int64_t> done_{0}, sent_{0}, received_{0}, locked_{0};
  Mutex mutex_;
  int64_t guarded_ = 0;
};

using SoakTest = stress::StressTest;

TEST_P(SoakTest, NothingIsLostAndNothingIsLeft) {
  const int fds = internal::OpenFds();
  {
    RuntimeOptions options;
    options.max_procs = procs();
    options.idle_thread_life = absl::Milliseconds(100);
    Runtime runtime(options);
    runtime.Run([&] {
      const int64_t end = NanoTime() + SoakNanos();
      Soak soak;
      WaitGroup actors;
      for (int i = 0; i < kActors; ++i) {
        actors.Go([&, i] { soak.Act(Rand(i), end); });
      }
      actors.Go([&] { Soak::Disturb(Rand(kActors), end); });
      actors.Wait();
      soak.End();
      while (NumGoroutine() > 1) Sleep(absl::Milliseconds(1));
    });
    runtime.Wait();
    EXPECT_EQ(runtime.Stats().goroutines, 0);
    // main's thread has left; idle ones end after a while.
    const int64_t patience = NanoTime() + int64_t{60'000'000'000};
    while (runtime.Stats().threads > 8 && NanoTime() < patience) usleep(10'000);
    EXPECT_LE(runtime.Stats().threads, 8);
  }
  // The process's poller stays.
  EXPECT_LE(internal::OpenFds(), fds + 1);
}

INSTANTIATE_TEST_SUITE_P(At, SoakTest, testing::Values(1, 4),
                         stress::ProcsName);

}  // namespace
}  // namespace mpg
