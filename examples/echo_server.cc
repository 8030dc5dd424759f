// echo_server [--address=HOST:PORT]: sends back to each client what it sends. A
// goroutine for each connection; try it with nc.
#include <gflags/gflags.h>

#include <array>
#include <cstdio>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "net/tcp.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"

DEFINE_string(address, "127.0.0.1:7777", "where to listen; port 0: any");

namespace {

void Log(absl::string_view what, const absl::Status& status) {
  std::fprintf(stderr, "echo_server: %s: %s\n", std::string(what).c_str(),
               std::string(status.message()).c_str());
}

void Echo(const mpg::Conn& client) {
  std::array<char, 16 << 10> buf;
  for (;;) {
    const absl::StatusOr<size_t> n = client.Read(absl::MakeSpan(buf));
    if (!n.ok()) return Log(client.RemoteAddr().ToString(), n.status());
    if (*n == 0) return;
    const auto sent = client.Write(absl::string_view(buf.data(), *n));
    if (!sent.ok()) {
      return Log(client.RemoteAddr().ToString(), sent.status());
    }
  }
}  // the last handle closes the connection

int Serve() {
  const absl::StatusOr<mpg::Listener> listener = mpg::Listen(FLAGS_address);
  if (!listener.ok()) {
    Log("cannot serve", listener.status());
    return 1;
  }
  std::printf("listening at %s\n", listener->Addr().ToString().c_str());
  std::fflush(stdout);
  for (;;) {
    const absl::StatusOr<mpg::Conn> client = listener->Accept();
    if (!client.ok()) {
      Log("cannot go on", client.status());
      return 1;
    }
    mpg::Go([client = *client] { Echo(client); });
  }
}

}  // namespace

int main(int argc, char** argv) {
  gflags::SetUsageMessage("echo_server [--address=HOST:PORT]");
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  return mpg::Main(Serve);
}
