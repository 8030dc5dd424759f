#include "net/tcp.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/random.h"
#include "net/net_error.h"
#include "net/test_util.h"
#include "runtime/goroutine.h"
#include "runtime/test_util.h"
#include "sync/wait_group.h"

namespace mpg {
namespace internal {
namespace {

// The text repeats only after a while, so that a piece in a wrong place shows.
std::string Pattern(size_t size) {
  std::string text(size, '\0');
  uint32_t x = 1;
  for (char& c : text) {
    x = x * 1664525 + 1013904223;
    c = static_cast<char>(x >> 24);
  }
  return text;
}

class TcpProcs : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Procs, TcpProcs, testing::Values(1, 2, 4));

TEST_P(TcpProcs, EveryMessageComesBack) {
  RunWith(GetParam(), [] {
    const auto listener = Listen("127.0.0.1:0");
    ASSERT_TRUE(listener.ok()) << listener.status();
    constexpr int kConns = 32;
    const int trips = Scaled(500);
    Go([l = *listener] {
      for (;;) {
        auto conn = l.Accept();
        if (!conn.ok()) break;
        Go([c = *conn] { EchoUntilEof(c); });
      }
    });
    std::atomic<int> good{0};
    WaitGroup clients;
    for (int i = 0; i < kConns; ++i) {
      clients.Go([&, i] {
        const auto conn = Dial(listener->Addr().ToString());
        ASSERT_TRUE(conn.ok()) << conn.status();
        for (int t = 0; t < trips; ++t) {
          const std::string out = absl::StrCat("client ", i, " trip ", t);
          ASSERT_TRUE(conn->Write(out).ok());
          if (ReadString(*conn, out.size()) == out) ++good;
        }
        EXPECT_TRUE(conn->Close().ok());
      });
    }
    clients.Wait();
    EXPECT_EQ(good, kConns * trips);
    EXPECT_TRUE(listener->Close().ok());
  });
}

TEST_P(TcpProcs, MuchGoesBothWaysAtTheSameTime) {
  RunWith(GetParam(), [] {
    const TcpPair pair = MakeTcpPair();
    const std::string data = Pattern(size_t{8} << 20);
    WaitGroup both;
    for (const Conn& conn : {pair.client, pair.server}) {
      both.Go([&data, conn] {
        const auto n = conn.Write(data);
        ASSERT_TRUE(n.ok()) << n.status();
        EXPECT_EQ(*n, data.size());
        EXPECT_TRUE(conn.CloseWrite().ok());
      });
      both.Go([&data, conn] {
        EXPECT_TRUE(ReadString(conn, data.size()) == data);
        char more;
        EXPECT_EQ(*conn.Read(absl::MakeSpan(&more, 1)), 0u);
      });
    }
    both.Wait();
  });
}

// A reader that has just read all there was must still hear of what came with it:
// the end, and urgent data. See fd.h, "Skipping reads that would fail".
TEST_P(TcpProcs, TheEndIsSeenHoweverItComesWithTheData) {
  RunWith(GetParam(), [] {
    for (int i = 0; i < Scaled(2000); ++i) {
      const TcpPair pair = MakeTcpPair();
      Go([c = pair.client, i] {
        if (i % 3 == 0) Gosched();
        ASSERT_TRUE(c.Write("data").ok());
        if (i % 2 == 0) Gosched();
        ASSERT_TRUE(c.Close().ok());
      });
      if (i % 5 == 0) Gosched();
      char buf[100];
      ASSERT_EQ(*pair.server.Read(absl::MakeSpan(buf)), 4u);
      ASSERT_EQ(*pair.server.Read(absl::MakeSpan(buf)), 0u);
      ASSERT_EQ(*pair.server.Read(absl::MakeSpan(buf)), 0u);
    }
  });
}

// Reads of every size, among them those of just what was written, in a stream that
// comes in pieces of every size.
TEST_P(TcpProcs, ReadsOfEverySizeGetTheStream) {
  RunWith(GetParam(), [] {
    const TcpPair pair = MakeTcpPair();
    const std::string text = Pattern(Scaled(400'000));
    Go([&text, conn = pair.server] {
      FastRand rand(NextSeed());
      for (size_t at = 0; at < text.size();) {
        const size_t n = 1 + rand.Below(rand.Below(4) == 0 ? 2000 : 100);
        const auto piece = absl::string_view(text).substr(at, n);
        ASSERT_TRUE(conn.Write(piece).ok());
        at += piece.size();
        if (rand.Below(8) == 0) Gosched();
        if (rand.Below(100) == 0) SleepMs(1);
      }
      conn.Close().IgnoreError();
    });
    FastRand rand(NextSeed());
    std::string got;
    char buf[1024];
    for (;;) {
      const size_t room = 1 + rand.Below(rand.Below(4) == 0 ? 1024 : 100);
      const auto n = pair.client.Read(absl::MakeSpan(buf, room));
      ASSERT_TRUE(n.ok()) << n.status();
      if (*n == 0) break;
      got.append(buf, *n);
      ASSERT_EQ(text.compare(got.size() - *n, *n, buf, *n), 0) << got.size();
    }
    EXPECT_EQ(got.size(), text.size());
  });
}

// What has been received is read, whatever came after it.
TEST(Tcp, TheByteReadAheadComesBeforeTheEndAndBeforeAReset) {
  RunWith(2, [] {
    for (const int linger : {-1, 0}) {
      for (const size_t first : {1, 2, 3}) {
        const TcpPair pair = MakeTcpPair();
        ASSERT_TRUE(pair.server.Write("abc").ok());
        SleepMs(1);
        std::string got = ReadString(pair.client, first);
        if (first == 1) got += ReadString(pair.client, 1);
        ASSERT_TRUE(pair.server.SetLinger(linger).ok());
        ASSERT_TRUE(pair.server.Close().ok());
        SleepMs(1);
        char buf[8];
        auto n = pair.client.Read(absl::MakeSpan(buf));
        // A reset drops what the system has, not what it has handed out.
        if (first != 3) {
          ASSERT_TRUE(n.ok()) << n.status();
          EXPECT_EQ(got + std::string(buf, *n), "abc");
          n = pair.client.Read(absl::MakeSpan(buf));
        }
        EXPECT_EQ(ErrnoOf(n.status()), linger == 0 ? ECONNRESET : 0);
        EXPECT_EQ(n.ok(), linger != 0);
      }
    }
  });
}

TEST(Tcp, WhatIsBehindUrgentDataIsRead) {
  RunWith(2, [] {
    const TcpPair pair = MakeTcpPair();
    ASSERT_TRUE(pair.client.Write("ab").ok());
    ASSERT_EQ(send(pair.client.fd(), "!", 1, MSG_OOB), 1);
    ASSERT_TRUE(pair.client.Write("cd").ok());
    SleepMs(20);
    std::string got;
    char buf[100];
    while (got.size() < 4) {
      const auto n = pair.server.Read(absl::MakeSpan(buf));
      ASSERT_TRUE(n.ok());
      got.append(buf, *n);
    }
    EXPECT_EQ(got, "abcd");
  });
}

TEST(Tcp, AThousandConnectionsAtOnce) {
  RunWith(2, [] {
    const int conns = Scaled(1000);
    const auto listener = Listen("127.0.0.1:0");
    ASSERT_TRUE(listener.ok());
    const int before = OpenFds();
    Go([l = *listener] {
      for (;;) {
        auto conn = l.Accept();
        if (!conn.ok()) break;
        Go([c = *conn] { EchoUntilEof(c, 16); });
      }
    });
    std::vector<Conn> all;
    for (int i = 0; i < conns; ++i) {
      auto conn = Dial(listener->Addr().ToString());
      ASSERT_TRUE(conn.ok()) << conn.status();
      all.push_back(*std::move(conn));
    }
    for (const Conn& conn : all) ASSERT_TRUE(conn.Write("hello").ok());
    for (const Conn& conn : all) ASSERT_EQ(ReadString(conn, 5), "hello");
    EXPECT_TRUE(listener->Close().ok());
    for (const Conn& conn : all) EXPECT_TRUE(conn.Close().ok());
    while (NumGoroutine() > 1) SleepMs(1);
    EXPECT_EQ(OpenFds(), before - 1);
  });
}

TEST(Tcp, ConnectionsThatAreResetLeaveNothing) {
  RunWith(2, [] {
    const auto listener = Listen("127.0.0.1:0");
    ASSERT_TRUE(listener.ok());
    const int before = OpenFds();
    const int goroutines = NumGoroutine();
    Go([l = *listener] {
      for (;;) {
        auto conn = l.Accept();
        if (!conn.ok()) break;
        Go([c = *conn] { EchoUntilEof(c); });
      }
    });
    WaitGroup clients;
    for (int g = 0; g < 10; ++g) {
      clients.Go([&listener, g] {
        for (int i = 0; i < Scaled(100); ++i) {
          const auto conn = Dial(listener->Addr().ToString());
          ASSERT_TRUE(conn.ok()) << conn.status();
          ASSERT_TRUE(conn->Write("hello").ok());
          if ((g + i) % 2 == 0) {
            ASSERT_TRUE(conn->SetLinger(0).ok());
          } else {
            EXPECT_EQ(ReadString(*conn, 5), "hello");
          }
          ASSERT_TRUE(conn->Close().ok());
        }
      });
    }
    clients.Wait();
    for (int i = 0; i < 12'000 && NumGoroutine() > goroutines + 1; ++i) {
      SleepMs(5);
    }
    EXPECT_EQ(NumGoroutine(), goroutines + 1);  // who accepts
    EXPECT_EQ(OpenFds(), before);
    EXPECT_TRUE(listener->Close().ok());
  });
}

TEST(Tcp, AResetIsAnErrorWithItsErrno) {
  RunWith(2, [] {
    const TcpPair pair = MakeTcpPair();
    Go([c = pair.client] {
      SleepMs(10);
      ASSERT_TRUE(c.SetLinger(0).ok());
      ASSERT_TRUE(c.Close().ok());
    });
    char byte;
    const auto n = pair.server.Read(absl::MakeSpan(&byte, 1));
    EXPECT_EQ(ErrnoOf(n.status()), ECONNRESET);
    EXPECT_EQ(n.status().message(),
              absl::StrCat("read tcp ", pair.server.LocalAddr().ToString(),
                           "->", pair.server.RemoteAddr().ToString(),
                           ": read: connection reset by peer"));
  });
}

// A SIGPIPE would end the test.
TEST(Tcp, AWriteToNobodyIsAnErrorAndNoSignal) {
  RunWith(2, [] {
    const TcpPair pair = MakeTcpPair();
    ASSERT_TRUE(pair.server.Close().ok());
    absl::Status status;
    for (int i = 0; i < 100 && status.ok(); ++i) {
      status = pair.client.Write("x").status();
      SleepMs(1);
    }
    EXPECT_TRUE(ErrnoOf(status) == EPIPE || ErrnoOf(status) == ECONNRESET)
        << status;
    const absl::string_view parts[] = {"x", "y"};
    EXPECT_EQ(ErrnoOf(pair.client.Writev(parts).status()), EPIPE);
  });
}

TEST(Tcp, ReadFullTellsAnEndInBetweenFromAnEnd) {
  RunWith(2, [] {
    const TcpPair pair = MakeTcpPair();
    Go([c = pair.client] {
      for (const char* piece : {"ab", "cdef", "gh"}) {
        ASSERT_TRUE(c.Write(piece).ok());
        SleepMs(2);
      }
      ASSERT_TRUE(c.Close().ok());
    });
    char buf[6];
    EXPECT_EQ(*pair.server.ReadFull(absl::MakeSpan(buf)), 6u);
    EXPECT_EQ(absl::string_view(buf, 6), "abcdef");
    const auto half = pair.server.ReadFull(absl::MakeSpan(buf));
    EXPECT_TRUE(absl::IsOutOfRange(half.status()));
    EXPECT_EQ(half.status().message(), "unexpected EOF");
    EXPECT_EQ(*pair.server.ReadFull(absl::MakeSpan(buf)), 0u);
    EXPECT_EQ(*pair.server.Read({}), 0u);
  });
}

TEST(Tcp, WritevWritesAllPartsInOrder) {
  RunWith(2, [] {
    const TcpPair pair = MakeTcpPair();
    std::vector<std::string> texts;
    std::string all;
    for (size_t i = 0; i < 300; ++i) {
      texts.push_back(Pattern(i % 7 == 0 ? 0 : (i * 7919) % 30000));
      all += texts.back();
    }
    const std::vector<absl::string_view> parts(texts.begin(), texts.end());
    Go([c = pair.client, &parts, size = all.size()] {
      const auto n = c.Writev(parts);
      ASSERT_TRUE(n.ok()) << n.status();
      EXPECT_EQ(*n, size);
      EXPECT_EQ(*c.Writev({}), 0u);
    });
    EXPECT_TRUE(ReadString(pair.server, all.size()) == all);
  });
}

TEST(Tcp, WritesOfSeveralGoroutinesDoNotMix) {
  RunWith(4, [] {
    const TcpPair pair = MakeTcpPair();
    constexpr size_t kSize = 300000;
    WaitGroup writers;
    for (char c = 'a'; c < 'e'; ++c) {
      writers.Go([conn = pair.client, c] {
        EXPECT_TRUE(conn.Write(std::string(kSize, c)).ok());
      });
    }
    for (int i = 0; i < 4; ++i) {
      const std::string block = ReadString(pair.server, kSize);
      EXPECT_EQ(block.find_first_not_of(block[0]), std::string::npos);
    }
    writers.Wait();
  });
}

TEST(Tcp, EachSideIsClosedByItself) {
  RunWith(2, [] {
    const TcpPair pair = MakeTcpPair();
    ASSERT_TRUE(pair.client.CloseWrite().ok());
    char byte;
    EXPECT_EQ(*pair.server.Read(absl::MakeSpan(&byte, 1)), 0u);
    EXPECT_EQ(ErrnoOf(pair.client.Write("x").status()), EPIPE);
    ASSERT_TRUE(pair.server.Write("still").ok());
    EXPECT_EQ(ReadString(pair.client, 5), "still");

    Go([c = pair.client] {
      SleepMs(10);
      EXPECT_TRUE(c.CloseRead().ok());
    });
    EXPECT_EQ(*pair.client.Read(absl::MakeSpan(&byte, 1)), 0u);
  });
}

TEST(Tcp, OptionsAreGosAndCanBeChanged) {
  RunWith(1, [] {
    const TcpPair pair = MakeTcpPair();
    const auto option = [](const Conn& c, int level, int name) {
      int value = -1;
      socklen_t size = sizeof(value);
      EXPECT_EQ(getsockopt(c.fd(), level, name, &value, &size), 0);
      return value;
    };
    for (const Conn& conn : {pair.client, pair.server}) {
      EXPECT_EQ(option(conn, IPPROTO_TCP, TCP_NODELAY), 1);
      EXPECT_EQ(option(conn, SOL_SOCKET, SO_KEEPALIVE), 1);
      EXPECT_EQ(option(conn, IPPROTO_TCP, TCP_KEEPIDLE), 15);
      EXPECT_EQ(option(conn, IPPROTO_TCP, TCP_KEEPINTVL), 15);
      EXPECT_TRUE(conn.SetNoDelay(false).ok());
      EXPECT_EQ(option(conn, IPPROTO_TCP, TCP_NODELAY), 0);
      EXPECT_TRUE(conn.SetKeepAlive(false).ok());
      EXPECT_EQ(option(conn, SOL_SOCKET, SO_KEEPALIVE), 0);
    }
  });
}

TEST(Tcp, AddressesAreThoseOfBothEnds) {
  RunWith(1, [] {
    for (const char* address : {"127.0.0.1:0", "[::1]:0", ":0", "localhost:0",
                                "0.0.0.0:0", "[::]:0"}) {
      const auto listener = Listen(address);
      ASSERT_TRUE(listener.ok()) << listener.status();
      EXPECT_NE(listener->Addr().port(), 0);
      const auto client = Dial(listener->Addr().ToString());
      ASSERT_TRUE(client.ok()) << client.status();
      const auto server = listener->Accept();
      ASSERT_TRUE(server.ok()) << server.status();
      EXPECT_EQ(client->LocalAddr(), server->RemoteAddr()) << address;
      EXPECT_EQ(client->RemoteAddr(), server->LocalAddr()) << address;
      EXPECT_TRUE(client->LocalAddr().IsLoopback()) << address;
    }
  });
}

TEST(Tcp, AListenerAtAllAddressesTakesBothFamilies) {
  RunWith(1, [] {
    for (const char* address : {":0", "0.0.0.0:0"}) {
      const auto listener = Listen(address);
      ASSERT_TRUE(listener.ok()) << listener.status();
      for (const char* host : {"127.0.0.1", "::1", "localhost", ""}) {
        const std::string port = absl::StrCat(listener->Addr().port());
        const auto client = Dial(JoinHostPort(host, port));
        ASSERT_TRUE(client.ok()) << client.status();
        ASSERT_TRUE(listener->Accept().ok());
      }
    }
  });
}

TEST(Tcp, ListenersShareAnAddressIfAllAsk) {
  RunWith(1, [] {
    ListenOptions options;
    options.reuse_port = true;
    options.backlog = 4;
    const auto first = Listen("127.0.0.1:0", options);
    ASSERT_TRUE(first.ok());
    const std::string address = first->Addr().ToString();
    auto second = Listen(address, options);
    ASSERT_TRUE(second.ok());
    WaitGroup acceptors;
    std::array<std::atomic<int>, 2> accepted{};
    for (int i = 0; i < 2; ++i) {
      acceptors.Go([&, i, listener = i == 0 ? *first : *second] {
        while (listener.Accept().ok()) ++accepted[i];
      });
    }
    // The kernel shares them out by a hash of their ports.
    for (int i = 0; accepted[0] == 0 || accepted[1] == 0; ++i) {
      ASSERT_LT(i, 1000);
      ASSERT_TRUE(Dial(address).ok());
    }
    const auto refused = Listen(address);
    EXPECT_EQ(ErrnoOf(refused.status()), EADDRINUSE);
    EXPECT_EQ(
        refused.status().message(),
        absl::StrCat("listen tcp ", address, ": bind: address already in use"));
    ASSERT_TRUE(first->Close().ok());
    ASSERT_TRUE(second->Close().ok());
    acceptors.Wait();
  });
}

TEST(Tcp, AHandleWithoutAConnectionIsRefused) {
  RunWith(1, [] {
    EXPECT_FALSE(Conn());
    char byte;
    EXPECT_EQ(ErrnoOf(Conn().Read(absl::MakeSpan(&byte, 1)).status()), EINVAL);
    EXPECT_EQ(ErrnoOf(Conn().Write("x").status()), EINVAL);
    EXPECT_EQ(ErrnoOf(Conn().Close()), EINVAL);
    EXPECT_EQ(ErrnoOf(Listener().Accept().status()), EINVAL);
    EXPECT_EQ(Conn().fd(), -1);
    EXPECT_EQ(Listener().Addr(), NetAddr());
  });
}

TEST(Tcp, TheLastHandleClosesTheConnection) {
  RunWith(2, [] {
    TcpPair pair = MakeTcpPair();
    pair.client = Conn();
    char byte;
    EXPECT_EQ(*pair.server.Read(absl::MakeSpan(&byte, 1)), 0u);
  });
}

TEST(Tcp, PlainThreadsMayUseConnections) {
  const auto listener = Listen("127.0.0.1:0");
  ASSERT_TRUE(listener.ok()) << listener.status();
  std::thread server([&] {
    const auto conn = listener->Accept();
    ASSERT_TRUE(conn.ok());
    EchoUntilEof(*conn);
  });
  const auto conn = Dial(listener->Addr().ToString());
  ASSERT_TRUE(conn.ok());
  ASSERT_TRUE(conn->Write("hello").ok());
  EXPECT_EQ(ReadString(*conn, 5), "hello");
  EXPECT_TRUE(conn->Close().ok());
  server.join();
}

}  // namespace
}  // namespace internal
}  // namespace mpg
