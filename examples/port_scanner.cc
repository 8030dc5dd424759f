// port_scanner [--host=HOST] [--from=N] [--to=N]: which TCP ports of a host,
// this machine by default, take connections. One goroutine hands out the ports,
// many try them.
#include <gflags/gflags.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "channel/chan.h"
#include "net/net_addr.h"
#include "net/tcp.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "sync/wait_group.h"

DEFINE_string(host, "127.0.0.1", "whose ports");
DEFINE_int32(from, 1, "the first port");
DEFINE_int32(to, 65535, "the last port");
DEFINE_int32(parallel, 200, "connections to try at the same time");
DEFINE_int32(timeout_ms, 500, "how long to wait for an answer");

namespace {

bool IsOpen(int port) {
  mpg::DialOptions options;
  options.timeout = absl::Milliseconds(FLAGS_timeout_ms);
  // Closed again at the end of the statement.
  return mpg::Dial(mpg::JoinHostPort(FLAGS_host, absl::StrCat(port)), options)
      .ok();
}

int Scan() {
  const auto ports_to_try = mpg::MakeChan<int>();
  const auto open = mpg::MakeChan<int>(16);
  mpg::Go([ports_to_try] {
    for (int p = FLAGS_from; p <= FLAGS_to; ++p) ports_to_try.Send(p);
    ports_to_try.Close();
  });
  mpg::Go([ports_to_try, open] {
    mpg::WaitGroup scans;
    for (int i = 0; i < FLAGS_parallel; ++i) {
      scans.Go([ports_to_try, open] {
        for (const int port : ports_to_try) {
          if (IsOpen(port)) open.Send(port);
        }
      });
    }
    scans.Wait();
    open.Close();
  });
  std::vector<int> ports(open.begin(), open.end());
  std::sort(ports.begin(), ports.end());
  for (const int port : ports) std::printf("%d\n", port);
  std::printf("%zu of %d ports open\n", ports.size(),
              FLAGS_to - FLAGS_from + 1);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  gflags::SetUsageMessage("port_scanner [--host=HOST] [--from=N] [--to=N]");
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  if (FLAGS_from < 1 || FLAGS_to > 65535 || FLAGS_from > FLAGS_to ||
      FLAGS_parallel < 1) {
    std::fprintf(stderr, "port_scanner: want 1 <= from <= to <= 65535\n");
    return 2;
  }
  return mpg::Main(Scan);
}
