// Deadlines, and Close while others are blocked.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "net/net_error.h"
#include "net/tcp.h"
#include "net/test_util.h"
#include "runtime/goroutine.h"
#include "runtime/test_util.h"
#include "sync/wait_group.h"

namespace mpg {
namespace internal {
namespace {

absl::StatusOr<size_t> ReadByte(const Conn& conn) {
  char byte;
  return conn.Read(absl::MakeSpan(&byte, 1));
}

// More than the two buffers in between hold, if nobody reads.
absl::Status Flood(const Conn& conn) {
  static const std::string* const much = new std::string(size_t{32} << 20, 'x');
  return conn.Write(*much).status();
}

class TcpBlock : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Procs, TcpBlock, testing::Values(1, 2, 4));

TEST_P(TcpBlock, AReadEndsAtItsDeadlineAndNotBefore) {
  RunWith(GetParam(), [] {
    const TcpPair pair = MakeTcpPair();
    const absl::Time deadline = InMs(30);
    ASSERT_TRUE(pair.client.SetReadDeadline(deadline).ok());
    EXPECT_TRUE(TimedOut(ReadByte(pair.client)));
    EXPECT_GE(Now(), deadline);
    EXPECT_TRUE(TimedOut(ReadByte(pair.client)));
    EXPECT_TRUE(pair.client.Write("x").ok());

    ASSERT_TRUE(pair.client.SetReadDeadline(absl::InfiniteFuture()).ok());
    ASSERT_TRUE(pair.server.Write("y").ok());
    EXPECT_TRUE(ReadByte(pair.client).ok());
  });
}

TEST_P(TcpBlock, ADeadlineAfterAShortReadEndsTheNext) {
  RunWith(GetParam(), [] {
    const TcpPair pair = MakeTcpPair();
    ASSERT_TRUE(pair.server.Write("abc").ok());
    char buf[100];
    ASSERT_EQ(*pair.client.Read(absl::MakeSpan(buf)), 3u);
    ASSERT_TRUE(pair.client.SetReadDeadline(InMs(10)).ok());
    EXPECT_TRUE(TimedOut(pair.client.Read(absl::MakeSpan(buf))));
    ASSERT_TRUE(pair.client.SetReadDeadline(absl::InfiniteFuture()).ok());
    ASSERT_TRUE(pair.server.Write("de").ok());
    ASSERT_EQ(*pair.client.Read(absl::MakeSpan(buf)), 2u);
  });
}

TEST_P(TcpBlock, AWriteEndsAtItsDeadline) {
  RunWith(GetParam(), [] {
    const TcpPair pair = MakeTcpPair();
    ASSERT_TRUE(pair.client.SetWriteDeadline(InMs(30)).ok());
    EXPECT_TRUE(TimedOut(Flood(pair.client)));
    EXPECT_TRUE(TimedOut(pair.client.Write("x")));
    ASSERT_TRUE(pair.server.Write("y").ok());
    EXPECT_TRUE(ReadByte(pair.client).ok());
  });
}

TEST_P(TcpBlock, ADeadlineInThePastEndsWhoIsBlockedNow) {
  RunWith(GetParam(), [] {
    const TcpPair pair = MakeTcpPair();
    Go([c = pair.client] {
      SleepMs(10);
      EXPECT_TRUE(c.SetDeadline(absl::UnixEpoch()).ok());
    });
    EXPECT_TRUE(TimedOut(ReadByte(pair.client)));
    EXPECT_TRUE(TimedOut(pair.client.Write("x")));
  });
}

TEST_P(TcpBlock, AnAcceptEndsAtItsDeadline) {
  RunWith(GetParam(), [] {
    const auto listener = Listen("127.0.0.1:0");
    ASSERT_TRUE(listener.ok());
    ASSERT_TRUE(listener->SetDeadline(InMs(20)).ok());
    EXPECT_TRUE(TimedOut(listener->Accept()));
    ASSERT_TRUE(listener->SetDeadline(absl::InfiniteFuture()).ok());
    EXPECT_TRUE(Dial(listener->Addr().ToString()).ok());
    EXPECT_TRUE(listener->Accept().ok());
  });
}

TEST_P(TcpBlock, CloseEndsAllWhoAreBlocked) {
  RunWith(GetParam(), [] {
    for (int i = 0; i < 10; ++i) {
      const auto listener = Listen("127.0.0.1:0");
      ASSERT_TRUE(listener.ok());
      const TcpPair pair = MakeTcpPair();
      std::atomic<int> ended{0};
      WaitGroup blocked;
      for (int n = 0; n < 3; ++n) {  // one runs, two wait for their turn
        blocked.Go([&, c = pair.client] {
          EXPECT_TRUE(SaysClosed(ReadByte(c)));
          ++ended;
        });
        blocked.Go([&, c = pair.client] {
          EXPECT_TRUE(SaysClosed(Flood(c)));
          ++ended;
        });
        blocked.Go([&, l = *listener] {
          EXPECT_TRUE(SaysClosed(l.Accept()));
          ++ended;
        });
      }
      if (i % 2 == 0) SleepMs(5);
      EXPECT_TRUE(pair.client.Close().ok());
      EXPECT_TRUE(listener->Close().ok());
      blocked.Wait();
      EXPECT_EQ(ended, 9);
    }
  });
}

TEST(TcpClose, WhatIsClosedSaysSo) {
  RunWith(1, [] {
    const TcpPair pair = MakeTcpPair();
    const auto listener = Listen("127.0.0.1:0");
    ASSERT_TRUE(pair.client.Close().ok());
    ASSERT_TRUE(listener->Close().ok());
    EXPECT_TRUE(SaysClosed(ReadByte(pair.client)));
    EXPECT_TRUE(SaysClosed(pair.client.ReadFull({})));
    EXPECT_TRUE(SaysClosed(pair.client.Write("x")));
    EXPECT_TRUE(SaysClosed(pair.client.Close()));
    EXPECT_TRUE(SaysClosed(pair.client.CloseWrite()));
    EXPECT_TRUE(SaysClosed(pair.client.SetDeadline(InMs(1))));
    EXPECT_TRUE(SaysClosed(pair.client.SetNoDelay(true)));
    EXPECT_TRUE(SaysClosed(listener->Accept()));
    EXPECT_TRUE(SaysClosed(listener->Close()));
    EXPECT_EQ(listener->Close().message(),
              "close tcp " + listener->Addr().ToString() +
                  ": use of closed network connection");
  });
}

// The number of a descriptor that was closed is given away again at once.
TEST(TcpClose, NobodyReadsFromTheNextConnectionOfThatNumber) {
  RunWith(4, [] {
    for (int i = 0; i < Scaled(300); ++i) {
      TcpPair old = MakeTcpPair();
      WaitGroup reader;
      reader.Go([c = old.client] { EXPECT_FALSE(ReadByte(c).ok()); });
      if (i % 2 == 0) Gosched();
      ASSERT_TRUE(old.client.Close().ok());
      const TcpPair next = MakeTcpPair();
      ASSERT_TRUE(next.server.Write("x").ok());
      ASSERT_TRUE(next.client.Write("x").ok());
      EXPECT_EQ(ReadString(next.client, 1), "x");
      EXPECT_EQ(ReadString(next.server, 1), "x");
      reader.Wait();
    }
  });
}

// Lowers the number of descriptors that can be open, to those that are now and
// `room`.
class FewDescriptors {
 public:
  explicit FewDescriptors(int room) {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit few = before_;
    // The lowest number that is free is the next.
    const int next = dup(0);
    close(next);
    few.rlim_cur = static_cast<rlim_t>(next + room);
    setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_;
};

TEST(TcpAccept, WaitsUntilThereAreDescriptorsAgain) {
  RunWith(2, [] {
    const auto listener = Listen("127.0.0.1:0");
    ASSERT_TRUE(listener.ok());
    std::atomic<bool> accepted{false};
    WaitGroup server;
    Conn client;
    {
      const FewDescriptors few(1);
      auto conn = Dial(listener->Addr().ToString());
      ASSERT_TRUE(conn.ok()) << conn.status();
      client = *conn;
      server.Go([&] {
        const auto served = listener->Accept();
        ASSERT_TRUE(served.ok()) << served.status();
        accepted = true;
        EchoUntilEof(*served);
      });
      SleepMs(50);
      EXPECT_FALSE(accepted);
      EXPECT_EQ(ErrnoOf(Dial(listener->Addr().ToString()).status()), EMFILE);
    }
    ASSERT_TRUE(client.Write("hello").ok());
    EXPECT_EQ(ReadString(client, 5), "hello");
    EXPECT_TRUE(client.Close().ok());
    server.Wait();
  });
}

TEST(TcpAccept, WithoutDescriptorsCanBeClosedAndHasADeadline) {
  RunWith(2, [] {
    const auto listener = Listen("127.0.0.1:0");
    ASSERT_TRUE(listener.ok());
    const FewDescriptors few(1);
    const auto client = Dial(listener->Addr().ToString());
    ASSERT_TRUE(client.ok()) << client.status();
    ASSERT_TRUE(listener->SetDeadline(InMs(30)).ok());
    EXPECT_TRUE(TimedOut(listener->Accept()));
    ASSERT_TRUE(listener->SetDeadline(absl::InfiniteFuture()).ok());
    Go([l = *listener] {
      SleepMs(50);
      EXPECT_TRUE(l.Close().ok());
    });
    EXPECT_TRUE(SaysClosed(listener->Accept()));
  });
}

}  // namespace
}  // namespace internal
}  // namespace mpg
