// The system refuses what sockets need: each refusal is told, and what comes after
// it works as if nothing had been.
#include <errno.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/refusal.h"
#include "net/net_error.h"
#include "net/tcp.h"
#include "net/test_util.h"
#include "runtime/goroutine.h"
#include "runtime/options.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"
#include "runtime/time.h"

namespace {

using mpg::internal::Real;
using mpg::internal::Refusal;

Refusal epoll_create_refusal, epoll_ctl_refusal, eventfd_refusal,
    accept_refusal;

// Until it is set, a name server does not answer.
std::atomic<bool> names_are_known{true};

}  // namespace

// These stand before the C library's.
extern "C" {

int epoll_create1(int flags) {
  static const auto real = Real<int(int)>("epoll_create1");
  return epoll_create_refusal.Refused() ? -1 : real(flags);
}

int epoll_ctl(int epoll, int op, int fd, epoll_event* event) {
  static const auto real = Real<int(int, int, int, epoll_event*)>("epoll_ctl");
  if (op == EPOLL_CTL_ADD && epoll_ctl_refusal.Refused()) return -1;
  return real(epoll, op, fd, event);
}

int eventfd(unsigned value, int flags) {
  static const auto real = Real<int(unsigned, int)>("eventfd");
  return eventfd_refusal.Refused() ? -1 : real(value, flags);
}

int getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                addrinfo** result) {
  static const auto real =
      Real<int(const char*, const char*, const addrinfo*, addrinfo**)>(
          "getaddrinfo");
  while (!names_are_known) usleep(1000);
  return real(host, service, hints, result);
}

int getservbyname_r(const char* name, const char* protocol, servent* entry,
                    char* buffer, size_t size, servent** result) {
  static const auto real =
      Real<int(const char*, const char*, servent*, char*, size_t, servent**)>(
          "getservbyname_r");
  while (!names_are_known) usleep(1000);
  return real(name, protocol, entry, buffer, size, result);
}

int accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  static const auto real =
      Real<int(int, sockaddr*, socklen_t*, int)>("accept4");
  return accept_refusal.Refused() ? -1 : real(fd, address, size, flags);
}

}  // extern "C"

namespace mpg {
namespace {

using internal::OpenFds;
using internal::RunWith;

template <class T>
testing::AssertionResult FailsWith(int error, const absl::StatusOr<T>& result,
                                   absl::string_view words) {
  if (ErrnoOf(result.status()) != error) {
    return testing::AssertionFailure() << result.status();
  }
  return internal::Says(result, words);
}

void ExpectThatSocketsWork() {
  const internal::TcpPair pair = internal::MakeTcpPair();
  Go([conn = pair.server] { internal::EchoUntilEof(conn); });
  ASSERT_TRUE(pair.client.Write("abc").ok());
  EXPECT_EQ(internal::ReadString(pair.client, 3), "abc");
  EXPECT_TRUE(pair.client.Close().ok());
}

// In the order in which the first socket of a process needs them: one test.
TEST(NetFailures, ThePollerCannotBeMade) {
  RunWith(2, [] {
    const int before = OpenFds();
    epoll_create_refusal.Refuse(EMFILE, 1);
    EXPECT_TRUE(FailsWith(EMFILE, Listen("127.0.0.1:0"), "epoll_create1: "));
    EXPECT_EQ(OpenFds(), before);

    // The process's set is there from here on, and the Runtime's own is wanted.
    eventfd_refusal.Refuse(ENFILE, 1);
    EXPECT_TRUE(FailsWith(ENFILE, Listen("127.0.0.1:0"), "eventfd: "));
    epoll_create_refusal.Refuse(ENOMEM, 1);
    EXPECT_TRUE(FailsWith(ENOMEM, Listen("127.0.0.1:0"), "epoll_create1: "));
    const int made = OpenFds();
    epoll_ctl_refusal.Refuse(ENOSPC, 1);  // of the socket
    EXPECT_TRUE(FailsWith(ENOSPC, Listen("127.0.0.1:0"), "epoll_ctl"));
    EXPECT_EQ(OpenFds(), made);

    ExpectThatSocketsWork();
    while (NumGoroutine() > 1) Sleep(absl::Milliseconds(1));
  });
  EXPECT_EQ(epoll_create_refusal.times + eventfd_refusal.times +
                epoll_ctl_refusal.times,
            0);
}

TEST(NetFailures, ASocketCannotBePolled) {
  RunWith(2, [] {
    const auto listener = Listen("127.0.0.1:0");
    ASSERT_TRUE(listener.ok());
    const std::string address = listener->Addr().ToString();
    const int before = OpenFds();
    epoll_ctl_refusal.Refuse(ENOSPC, 1);
    EXPECT_TRUE(FailsWith(ENOSPC, Dial(address), "dial tcp"));
    EXPECT_EQ(OpenFds(), before);
    // What that Dial had connected.
    ASSERT_TRUE(listener->Accept().ok());
    // Of a connection that has been accepted.
    const auto client = Dial(address);
    ASSERT_TRUE(client.ok());
    epoll_ctl_refusal.Refuse(ENOMEM, 1);
    EXPECT_TRUE(FailsWith(ENOMEM, listener->Accept(), "accept tcp"));
    char byte;
    const auto n = client->Read(absl::MakeSpan(&byte, 1));
    EXPECT_TRUE(!n.ok() || *n == 0) << "the server's end has been closed";
    const auto again = Dial(address);
    ASSERT_TRUE(again.ok());
    EXPECT_TRUE(listener->Accept().ok());
  });
}

// The lookup blocks its thread, but neither the P nor, beyond its timeout, Dial.
TEST(NetFailures, ANameThatIsNotAnswered) {
  RuntimeOptions options = internal::Procs(1);
  options.async_preempt = false;
  RunWith(options, [] {
    names_are_known = false;
    DialOptions soon;
    soon.timeout = absl::Milliseconds(20);
    for (auto [address, what] : {std::pair{"localhost:1", "localhost"},
                                 {"127.0.0.1:http", "tcp/http"}}) {
      const auto conn = Dial(address, soon);
      EXPECT_TRUE(internal::TimedOut(conn));
      EXPECT_EQ(conn.status().message(),
                absl::StrCat("dial tcp: lookup ", what, ": i/o timeout"));
    }
    names_are_known = true;
    // The lookups are at their ends then, and nobody minds their results.
    while (NumGoroutine() > 1) Sleep(absl::Milliseconds(1));
  });
}

TEST(NetFailures, AcceptPassesOverWhatGoesByAndWaitsOutShortage) {
  RunWith(2, [] {
    const auto listener = Listen("127.0.0.1:0");
    ASSERT_TRUE(listener.ok());
    for (int error :
         {ECONNABORTED, EPROTO, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM}) {
      const auto client = Dial(listener->Addr().ToString());
      ASSERT_TRUE(client.ok());
      accept_refusal.Refuse(error, 2);
      EXPECT_TRUE(listener->Accept().ok()) << error;
      EXPECT_EQ(accept_refusal.times, 0) << error;
    }
    const auto client = Dial(listener->Addr().ToString());
    ASSERT_TRUE(client.ok());
    accept_refusal.Refuse(EPERM, 1);
    EXPECT_TRUE(FailsWith(EPERM, listener->Accept(), "accept4"));
    EXPECT_TRUE(listener->Accept().ok());
  });
}

}  // namespace
}  // namespace mpg
