// Ten thousand connections at a time, half of which the peer resets: nothing is
// left of them.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "net/net_error.h"
#include "net/tcp.h"
#include "net/test_util.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"
#include "runtime/time.h"
#include "sync/wait_group.h"

namespace mpg {
namespace {

using internal::Eventually;
using internal::OpenFds;
using internal::Scaled;

constexpr int kTotal = Scaled(10'000);
constexpr int kDialers = 100;

// How many connections may have both their ends here at a time.
int Room() {
  rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t want = 2 * kTotal + 200;
  if (limit.rlim_cur < want) {
    rlimit more = {want, std::max(want, limit.rlim_max)};
    if (setrlimit(RLIMIT_NOFILE, &more) != 0) {
      more = {limit.rlim_max, limit.rlim_max};
      setrlimit(RLIMIT_NOFILE, &more);
    }
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  // Even: half of each wave is reset.
  return static_cast<int>(
      std::min<rlim_t>(kTotal, (limit.rlim_cur - OpenFds() - 100) / 4 * 2));
}

struct Ends {
  std::atomic<int> normal{0}, reset{0}, other{0};
};

// Echoes until the client goes, and says how it went.
void Serve(const Conn& conn, Ends* ends) {
  char buf[256];
  for (;;) {
    const auto n = conn.Read(absl::MakeSpan(buf));
    if (n.ok() && *n > 0) {
      conn.Write(absl::string_view(buf, *n)).IgnoreError();
      continue;
    }
    ++(n.ok()                              ? ends->normal
       : ErrnoOf(n.status()) == ECONNRESET ? ends->reset
                                           : ends->other);
    conn.Close().IgnoreError();
    return;
  }
}

// `n` connections: all are open before the first one ends.
void Wave(const Listener& listener, int n, Ends* ends) {
  std::vector<Conn> conns(n);
  WaitGroup servers, dialers;
  servers.Go([&] {
    for (int i = 0; i < n; ++i) {
      auto conn = listener.Accept();
      ASSERT_TRUE(conn.ok()) << conn.status();
      servers.Go([conn = *conn, ends] { Serve(conn, ends); });
    }
  });
  std::atomic<int> next{0};
  for (int d = 0; d < kDialers; ++d) {
    dialers.Go([&] {
      for (int i; (i = next++) < n;) {
        auto conn = Dial(listener.Addr().ToString());
        ASSERT_TRUE(conn.ok()) << conn.status();
        conns[i] = *conn;
      }
    });
  }
  dialers.Wait();
  for (int i = 0; i < n; ++i) {
    dialers.Go([i, &conns] {
      const std::string text = std::to_string(i);
      ASSERT_TRUE(conns[i].Write(text).ok());
      EXPECT_EQ(internal::ReadString(conns[i], text.size()), text);
      const int linger = i % 2 == 0 ? 0 : -1;
      EXPECT_TRUE(conns[i].SetLinger(linger).ok());
      EXPECT_TRUE(conns[i].Close().ok());
    });
  }
  dialers.Wait();
  servers.Wait();
}

TEST(ManyConnections, LeaveNoDescriptorAndNoGoroutine) {
  const int room = Room();
  ASSERT_GT(room, 0);
  RecordProperty("at_a_time", room);
  Runtime runtime(internal::Procs(2));
  Ends ends;
  runtime.Run([&] {
    // Opens what stays open: the poller.
    { internal::MakeTcpPair(); }
    const int before = OpenFds();
    {
      const auto listener = Listen("127.0.0.1:0");
      ASSERT_TRUE(listener.ok()) << listener.status();
      for (int left = kTotal; left > 0; left -= room) {
        Wave(*listener, std::min(left, room), &ends);
      }
      ASSERT_TRUE(listener->Close().ok());
    }
    while (NumGoroutine() > 1) Sleep(absl::Milliseconds(1));
    EXPECT_EQ(OpenFds(), before);
  });
  runtime.Wait();
  EXPECT_EQ(ends.normal, kTotal / 2);
  EXPECT_EQ(ends.reset, kTotal / 2);
  EXPECT_EQ(ends.other, 0);
  EXPECT_EQ(runtime.Stats().goroutines, 0);
}

}  // namespace
}  // namespace mpg
