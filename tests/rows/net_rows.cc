#include "tests/rows/net_rows.h"

#include <time.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "examples/http/http_server.h"
#include "net/tcp.h"
#include "runtime/goroutine.h"
#include "runtime/time.h"
#include "sync/wait_group.h"

namespace mpg {
namespace rows {
namespace {

template <class T>
T Must(absl::StatusOr<T> v) {
  if (v.ok()) return *std::move(v);
  std::fprintf(stderr, "%s\n", std::string(v.status().message()).c_str());
  abort();
}

int64_t CpuNanos() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

constexpr int kConns = 64;
constexpr size_t kSize = 64;

void Echo(const Conn& conn) {
  char buf[kSize];
  while (Must(conn.ReadFull(absl::MakeSpan(buf))) == kSize) {
    Must(conn.Write(absl::MakeConstSpan(buf)));
  }
}

// A goroutine at each end of 64 connections over loopback, a message of 64 bytes
// under way on each.
Sample TcpEcho() {
  const Listener listener = Must(Listen("127.0.0.1:0"));
  WaitGroup servers;
  servers.Go([&] {
    for (int i = 0; i < kConns; ++i) {
      servers.Go([conn = Must(listener.Accept())] { Echo(conn); });
    }
  });
  std::vector<Conn> conns;
  for (int i = 0; i < kConns; ++i) {
    conns.push_back(Must(Dial(listener.Addr().ToString())));
  }
  std::atomic<int64_t> trips{0};
  std::atomic<bool> stop{false};
  const int64_t cpu = CpuNanos();
  const int64_t start = NanoTime();
  WaitGroup clients;
  for (const Conn& conn : conns) {
    clients.Go([&, conn] {
      char buf[kSize] = {};
      int64_t mine = 0;
      for (; !stop; ++mine) {
        Must(conn.Write(absl::MakeConstSpan(buf)));
        Must(conn.ReadFull(absl::MakeSpan(buf)));
      }
      trips += mine;
      (void)conn.Close();
    });
  }
  Sleep(absl::Seconds(1));
  stop = true;
  clients.Wait();
  const double ns = static_cast<double>(NanoTime() - start);
  const double used = static_cast<double>(CpuNanos() - cpu);
  servers.Wait();
  const double n = static_cast<double>(trips);
  Sample s;
  s.ns = ns / n;
  s.extra["trips_per_s"] = n / ns * 1e9;
  s.extra["cpu_us_per_trip"] = used / n / 1e3;
  return s;
}

// What a command prints.
std::string OutputOf(const std::string& command) {
  std::string out;
  FILE* const pipe = popen(command.c_str(), "re");
  if (pipe == nullptr) abort();
  char buf[4096];
  for (size_t n; (n = fread(buf, 1, sizeof buf, pipe)) > 0;) {
    out.append(buf, n);
  }
  if (pclose(pipe) != 0) {
    std::fprintf(stderr, "%s: failed\n%s", command.c_str(), out.c_str());
    abort();
  }
  return out;
}

// "hello" over HTTP/1.1, asked for by wrk on the same processors.
Sample HttpHello() {
  const Listener listener = Must(Listen("127.0.0.1:0"));
  Go([listener] {
    (void)examples::ServeHttp(
        listener, [](const examples::Request&, examples::Response* response) {
          response->body = "hello";
        });
  });
  const int64_t cpu = CpuNanos();
  const std::string out = BlockingSyscall([&] {
    return OutputOf(absl::StrCat("wrk -t1 -c64 -d5s http://",
                                 listener.Addr().ToString(), "/ 2>&1"));
  });
  const double used = static_cast<double>(CpuNanos() - cpu);
  (void)listener.Close();
  constexpr char kRate[] = "Requests/sec:";
  const size_t at = out.find(kRate);
  double rate = 0;
  if (at == out.npos || out.find("Socket errors") != out.npos ||
      out.find("Non-2xx") != out.npos ||
      !absl::SimpleAtod(out.substr(at + sizeof kRate - 1,
                                   out.find('\n', at) - at - sizeof kRate + 1),
                        &rate)) {
    std::fprintf(stderr, "%s", out.c_str());
    abort();
  }
  Sample s;
  s.ns = 1e9 / rate;
  s.extra["requests_per_s"] = rate;
  s.extra["server_cores"] = used / 5e9;
  return s;
}

}  // namespace

void AddNetRows(std::vector<Bench>* benches) {
  benches->push_back(Once("tcp_echo", {1, 2}, TcpEcho, "ns/round trip"));
  benches->push_back(Once("http", {1, 2}, HttpHello, "ns/request"));
}

}  // namespace rows
}  // namespace mpg
