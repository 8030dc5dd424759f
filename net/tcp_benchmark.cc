// A round trip over TCP: 64 loopback connections with a goroutine at each end, in
// this process, and one message of 64 bytes under way on each. The time of an
// iteration is that of a round trip.
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "benchmark/benchmark.h"
#include "net/tcp.h"
#include "runtime/runtime.h"
#include "sync/wait_group.h"

namespace mpg {
namespace {

constexpr size_t kMessage = 64;
constexpr int kConns = 64;

void Serve(const Conn& conn, size_t buffer) {
  std::string buf(buffer, '\0');
  for (;;) {
    const auto n = conn.Read(absl::MakeSpan(&buf[0], buf.size()));
    if (!n.ok() || *n == 0) return;
    if (!conn.Write(absl::string_view(buf).substr(0, *n)).ok()) return;
  }
}

// Round trips until there have been enough. False: one failed.
bool Call(const Conn& conn, size_t buffer, std::atomic<int64_t>* left) {
  const std::string out(kMessage, 'x');
  std::string in(buffer, '\0');
  // relaxed: only counts.
  while (left->fetch_sub(1, std::memory_order_relaxed) > 0) {
    if (!conn.Write(out).ok()) return false;
    for (size_t got = 0; got < kMessage;) {
      const auto n = conn.Read(absl::MakeSpan(&in[0], in.size()));
      if (!n.ok() || *n == 0) return false;
      got += *n;
    }
  }
  return true;
}

// Arguments: Ps, and the size of the buffers to read into. With room to spare, a
// read tells that nothing is left, and the next one waits without trying first.
void BM_Tcp_Echo(benchmark::State& state) {
  RuntimeOptions options;
  options.max_procs = static_cast<int>(state.range(0));
  const size_t buffer = static_cast<size_t>(state.range(1));
  Runtime runtime(options);
  runtime.Run([&] {
    const auto listener = Listen("127.0.0.1:0");
    if (!listener.ok()) return state.SkipWithError("no listener");
    WaitGroup servers;
    std::vector<Conn> conns;
    for (int i = 0; i < kConns; ++i) {
      conns.push_back(*Dial(listener->Addr().ToString()));
      servers.Go([conn = *listener->Accept(), buffer] { Serve(conn, buffer); });
    }
    std::atomic<bool> failed{false};
    // One "iteration" of the loop does all: to count is the clients' own.
    std::atomic<int64_t> left{static_cast<int64_t>(state.max_iterations)};
    for (auto _ : state) {
      if (left.load(std::memory_order_relaxed) <= 0) continue;
      WaitGroup clients;
      for (const Conn& conn : conns) {
        clients.Go([&, conn] {
          if (!Call(conn, buffer, &left)) failed = true;
        });
      }
      clients.Wait();
    }
    if (failed) state.SkipWithError("a connection failed");
    for (const Conn& conn : conns) conn.Close().IgnoreError();
    servers.Wait();
    state.SetItemsProcessed(state.iterations());
  });
  runtime.Wait();
}
BENCHMARK(BM_Tcp_Echo)
    ->ArgNames({"procs", "buffer"})
    ->ArgsProduct({{1, 2}, {64, 4096}})
    ->UseRealTime()
    ->MeasureProcessCPUTime();

// Connecting, accepting and closing both ends.
void BM_Tcp_Connect(benchmark::State& state) {
  RuntimeOptions options;
  options.max_procs = static_cast<int>(state.range(0));
  Runtime runtime(options);
  runtime.Run([&] {
    const auto listener = Listen("127.0.0.1:0");
    if (!listener.ok()) return state.SkipWithError("no listener");
    const std::string address = listener->Addr().ToString();
    for (auto _ : state) {
      const auto client = Dial(address);
      const auto server = listener->Accept();
      if (!client.ok() || !server.ok()) {
        state.SkipWithError("a connection failed");
        break;
      }
      client->SetLinger(0).IgnoreError();  // no port is kept for TIME_WAIT
      client->Close().IgnoreError();
      server->Close().IgnoreError();
    }
  });
  runtime.Wait();
}
BENCHMARK(BM_Tcp_Connect)->ArgName("procs")->Arg(1)->Arg(2)->UseRealTime();

}  // namespace
}  // namespace mpg
