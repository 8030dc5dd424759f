// What the tests of net/ share.
#ifndef MPG_NET_TEST_UTIL_H_
#define MPG_NET_TEST_UTIL_H_

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/open_fds.h"
#include "net/conn.h"
#include "net/tcp.h"
#include "runtime/goroutine.h"
#include "runtime/test_util.h"
#include "runtime/time.h"

namespace mpg {
namespace internal {

// Two ends of a TCP connection over the loopback interface.
struct TcpPair {
  Conn client;
  Conn server;
};

inline TcpPair MakeTcpPair(const ListenOptions& options = {}) {
  auto listener = Listen("127.0.0.1:0", options);
  EXPECT_TRUE(listener.ok()) << listener.status();
  auto client = Dial(listener->Addr().ToString());
  EXPECT_TRUE(client.ok()) << client.status();
  auto server = listener->Accept();
  EXPECT_TRUE(server.ok()) << server.status();
  EXPECT_TRUE(listener->Close().ok());
  return {*std::move(client), *std::move(server)};
}

// The next n bytes; fewer at the end of the stream.
inline std::string ReadString(const Conn& conn, size_t n) {
  std::string text(n, '\0');
  const auto got = conn.ReadFull(absl::Span<char>(&text[0], n));
  EXPECT_TRUE(got.ok()) << got.status();
  text.resize(got.ok() ? *got : 0);
  return text;
}

// Sends back what comes until the peer ends its side; then closes.
inline void EchoUntilEof(const Conn& conn, size_t buffer = 4096) {
  std::string buf(buffer, '\0');
  for (;;) {
    const auto n = conn.Read(absl::MakeSpan(&buf[0], buf.size()));
    if (!n.ok() || *n == 0) break;
    if (!conn.Write(absl::string_view(buf).substr(0, *n)).ok()) break;
  }
  conn.Close().IgnoreError();
}

template <class T>
absl::Status StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}
inline absl::Status StatusOf(const absl::Status& status) { return status; }

template <class R>
testing::AssertionResult Says(const R& result, absl::string_view words) {
  const absl::Status status = StatusOf(result);
  if (!status.ok() && absl::StrContains(status.message(), words)) {
    return testing::AssertionSuccess();
  }
  return testing::AssertionFailure() << status << " does not say " << words;
}

template <class R>
testing::AssertionResult TimedOut(const R& result) {
  if (!absl::IsDeadlineExceeded(StatusOf(result))) {
    return testing::AssertionFailure() << StatusOf(result);
  }
  return Says(result, "i/o timeout");
}

template <class R>
testing::AssertionResult SaysClosed(const R& result) {
  if (!absl::IsCancelled(StatusOf(result))) {
    return testing::AssertionFailure() << StatusOf(result);
  }
  return Says(result, "use of closed network connection");
}

inline void SleepMs(int ms) { Sleep(absl::Milliseconds(ms)); }
inline absl::Time InMs(int ms) { return Now() + absl::Milliseconds(ms); }

}  // namespace internal
}  // namespace mpg

#endif  // MPG_NET_TEST_UTIL_H_
