#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "channel/chan.h"
#include "net/net_error.h"
#include "net/resolve.h"
#include "net/tcp.h"
#include "net/test_util.h"
#include "runtime/goroutine.h"
#include "runtime/test_util.h"

namespace mpg {
namespace internal {
namespace {

// A port of 127.0.0.1 that nobody listens at, and nobody is given: it is bound.
class DeadPort {
 public:
  DeadPort() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    const NetAddr any = *NetAddr::FromIp("127.0.0.1", 0);
    EXPECT_EQ(bind(fd_, any.raw(), any.raw_size()), 0);
    sockaddr_in bound;
    socklen_t size = sizeof(bound);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&bound), &size), 0);
    port_ = ntohs(bound.sin_port);
  }
  ~DeadPort() { close(fd_); }
  int port() const { return port_; }

 private:
  int fd_;
  int port_;
};

TEST(Dial, NobodyThereIsRefused) {
  RunWith(2, [] {
    ASSERT_TRUE(Listen("127.0.0.1:0").ok());  // now there is a poller
    const int before = OpenFds();
    const DeadPort dead;
    const std::string address = absl::StrCat("127.0.0.1:", dead.port());
    const absl::Status status = Dial(address).status();
    EXPECT_EQ(ErrnoOf(status), ECONNREFUSED);
    EXPECT_EQ(status.message(), absl::StrCat("dial tcp ", address,
                                             ": connect: connection refused"));
    EXPECT_EQ(OpenFds(), before + 1);  // dead's
  });
}

TEST(Dial, FindsAListenerByItsName) {
  RunWith(2, [] {
    const auto listener = Listen("127.0.0.1:0");
    ASSERT_TRUE(listener.ok());
    const std::string address =
        absl::StrCat("localhost:", listener->Addr().port());
    EXPECT_TRUE(Dial(address).ok());
    DialOptions options;
    options.timeout = absl::Seconds(20);
    EXPECT_TRUE(Dial(address, options).ok());
  });
}

TEST(Dial, SaysWhatIsWrongWithAnAddress) {
  RunWith(1, [] {
    const struct {
      const char *address, *error;
    } kCases[] = {
        {"127.0.0.1", "address 127.0.0.1: missing port in address"},
        {"::1:80", "address ::1:80: too many colons in address"},
        {"127.0.0.1:65536", "address 65536: invalid port"},
        {"127.0.0.1:99999999999", "address 99999999999: invalid port"},
        {"127.0.0.1:nosuch", "lookup tcp/nosuch: unknown port"},
        {"127.0.0.1:-1", "lookup tcp/-1: unknown port"},
        {"a..b:80", "lookup a..b: no such host"},
    };
    for (const auto& c : kCases) {
      EXPECT_EQ(Dial(c.address).status().message(),
                absl::StrCat("dial tcp: ", c.error));
      EXPECT_EQ(Listen(c.address).status().message(),
                absl::StrCat("listen tcp: ", c.error));
    }
    EXPECT_TRUE(absl::IsNotFound(Dial("a..b:80").status()));
    EXPECT_TRUE(absl::IsInvalidArgument(Dial("127.0.0.1").status()));
  });
}

TEST(Dial, PortsHaveNames) {
  RunWith(1, [] {
    const auto addrs = ResolveAddress("tcp", "[::1]:http", HostUse::kDial,
                                      absl::InfiniteFuture());
    if (!addrs.ok()) GTEST_SKIP() << addrs.status();  // no /etc/services
    EXPECT_EQ((*addrs)[0].ToString(), "[::1]:80");
  });
}

// What looks names up may need more stack than its caller has.
TEST(Dial, NamesAreLookedUpFromASmallStack) {
  RunWith(1, [] {
    const auto done = MakeChan<absl::Status>();
    Go(GoOptions{16 << 10, "small"}, [done] {
      const auto addrs = ResolveAddress("tcp", "localhost:nosuch",
                                        HostUse::kDial, absl::InfiniteFuture());
      done.Send(addrs.status());
    });
    EXPECT_EQ(done.Recv()->message(), "lookup tcp/nosuch: unknown port");
  });
}

// A listener whose queue is full does not answer.
TEST(Dial, EndsAtItsTimeout) {
  RunWith(2, [] {
    ListenOptions one;
    one.backlog = 1;
    const auto listener = Listen("127.0.0.1:0", one);
    ASSERT_TRUE(listener.ok());
    const std::string address = listener->Addr().ToString();
    DialOptions options;
    options.timeout = absl::Milliseconds(100);
    std::vector<Conn> queued;
    absl::Status status;
    absl::Time start;
    while (status.ok() && queued.size() < 10) {
      start = Now();
      const auto conn = Dial(address, options);
      status = conn.status();
      if (conn.ok()) queued.push_back(*conn);
    }
    EXPECT_TRUE(TimedOut(status));
    EXPECT_EQ(status.message(),
              absl::StrCat("dial tcp ", address, ": i/o timeout"));
    EXPECT_GE(Now() - start, options.timeout);

    DialOptions late;
    late.deadline = absl::UnixEpoch();
    EXPECT_TRUE(TimedOut(Dial(address, late)));
    EXPECT_TRUE(TimedOut(Dial("localhost:1", late)));
  });
}

TEST(Dial, ATimeoutThatIsNotReachedLeavesNoDeadline) {
  RunWith(2, [] {
    const auto listener = Listen("127.0.0.1:0");
    ASSERT_TRUE(listener.ok());
    DialOptions options;
    options.timeout = absl::Seconds(5);
    const auto conn = Dial(listener->Addr().ToString(), options);
    ASSERT_TRUE(conn.ok()) << conn.status();
    SleepMs(5100);
    EXPECT_TRUE(conn->Write("x").ok());
  });
}

}  // namespace
}  // namespace internal
}  // namespace mpg
