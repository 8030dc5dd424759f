#include "net/udp.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "net/net_error.h"
#include "net/test_util.h"
#include "runtime/goroutine.h"
#include "runtime/test_util.h"
#include "sync/wait_group.h"

namespace mpg {
namespace internal {
namespace {

// Sends back what comes until closed.
void EchoDatagrams(const UdpConn& conn) {
  char buf[2048];
  for (;;) {
    const auto got = conn.ReadFrom(absl::MakeSpan(buf));
    if (!got.ok()) return;
    conn.WriteTo(absl::string_view(buf, got->size), got->from).IgnoreError();
  }
}

TEST(Udp, DatagramsComeBackWhole) {
  RunWith(2, [] {
    for (const char* address : {"127.0.0.1:0", "[::1]:0", ":0"}) {
      const auto server = ListenUdp(address);
      ASSERT_TRUE(server.ok()) << server.status();
      Go([s = *server] { EchoDatagrams(s); });
      WaitGroup clients;
      for (const char* host : {"127.0.0.1", "::1"}) {
        const bool any = std::string(address) == ":0";
        if (!any && server->LocalAddr().host() != host) continue;
        clients.Go([&, host] {
          const auto conn = DialUdp(
              JoinHostPort(host, absl::StrCat(server->LocalAddr().port())));
          ASSERT_TRUE(conn.ok()) << conn.status();
          ASSERT_TRUE(conn->SetReadDeadline(InMs(20000)).ok());
          for (const size_t size : {5u, 0u, 1400u}) {
            const std::string out(size, 'u');
            EXPECT_EQ(*conn->Write(out), size);
            char in[2048];
            const auto n = conn->Read(absl::MakeSpan(in));
            ASSERT_TRUE(n.ok()) << n.status();
            EXPECT_EQ(absl::string_view(in, *n), out);
          }
        });
      }
      clients.Wait();
      EXPECT_TRUE(server->Close().ok());
    }
  });
}

TEST(Udp, WhatDoesNotFitIsLost) {
  RunWith(2, [] {
    const auto server = ListenUdp("127.0.0.1:0");
    const auto client = DialUdp(server->LocalAddr().ToString());
    ASSERT_TRUE(client->Write("abcdef").ok());
    ASSERT_TRUE(client->Write("next").ok());
    char buf[4];
    const auto first = server->ReadFrom(absl::MakeSpan(buf));
    ASSERT_TRUE(first.ok());
    EXPECT_EQ(absl::string_view(buf, first->size), "abcd");
    EXPECT_EQ(first->from, client->LocalAddr());
    EXPECT_EQ(*server->Read(absl::MakeSpan(buf)), 4u);
    EXPECT_EQ(absl::string_view(buf, 4), "next");
  });
}

TEST(Udp, EachKindOfSocketSendsInItsOwnWay) {
  RunWith(1, [] {
    const auto server = ListenUdp("127.0.0.1:0");
    const auto client = DialUdp(server->LocalAddr().ToString());
    EXPECT_EQ(ErrnoOf(server->Write("x").status()), EDESTADDRREQ);
    EXPECT_EQ(ErrnoOf(client->WriteTo("x", server->LocalAddr()).status()),
              EISCONN);
    EXPECT_EQ(ErrnoOf(UdpConn().Write("x").status()), EINVAL);
  });
}

TEST(Udp, NobodyThereShowsLater) {
  RunWith(2, [] {
    const auto gone = ListenUdp("127.0.0.1:0");
    const auto client = DialUdp(gone->LocalAddr().ToString());
    ASSERT_TRUE(gone->Close().ok());
    ASSERT_TRUE(client->Write("x").ok());
    ASSERT_TRUE(client->SetReadDeadline(InMs(20000)).ok());
    char byte;
    const auto n = client->Read(absl::MakeSpan(&byte, 1));
    EXPECT_EQ(ErrnoOf(n.status()), ECONNREFUSED) << n.status();
  });
}

TEST(Udp, DeadlineAndCloseEndWhoIsBlocked) {
  RunWith(2, [] {
    const auto conn = ListenUdp("127.0.0.1:0");
    ASSERT_TRUE(conn->SetDeadline(InMs(10)).ok());
    char byte;
    EXPECT_TRUE(TimedOut(conn->Read(absl::MakeSpan(&byte, 1))));
    ASSERT_TRUE(conn->SetDeadline(absl::InfiniteFuture()).ok());
    Go([c = *conn] {
      SleepMs(10);
      EXPECT_TRUE(c.Close().ok());
    });
    EXPECT_TRUE(SaysClosed(conn->ReadFrom(absl::MakeSpan(&byte, 1))));
    EXPECT_TRUE(SaysClosed(conn->Close()));
  });
}

TEST(Udp, SaysWhatIsWrong) {
  RunWith(1, [] {
    EXPECT_EQ(ListenUdp("127.0.0.1").status().message(),
              "listen udp: address 127.0.0.1: missing port in address");
    EXPECT_EQ(DialUdp("127.0.0.1:x").status().message(),
              "dial udp: lookup udp/x: unknown port");
    const auto first = ListenUdp("127.0.0.1:0");
    EXPECT_EQ(ErrnoOf(ListenUdp(first->LocalAddr().ToString()).status()),
              EADDRINUSE);
  });
}

}  // namespace
}  // namespace internal
}  // namespace mpg
