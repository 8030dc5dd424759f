// http_hello [--address=HOST:PORT] [--root=DIR]: an HTTP/1.1 server that says
// "hello", or hands out the files of a directory.
#include <gflags/gflags.h>

#include <cstdio>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "examples/http/http_server.h"
#include "examples/http/static_files.h"
#include "net/tcp.h"
#include "runtime/runtime.h"

DEFINE_string(address, "127.0.0.1:8080", "where to listen; port 0: any");
DEFINE_string(root, "", "the directory to serve; empty: say hello");

namespace {

using mpg::examples::Request;
using mpg::examples::Response;

void Hello(const Request&, Response* response) { response->body = "hello"; }

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "http_hello: %s\n",
               std::string(status.message()).c_str());
  return 1;
}

int Serve() {
  const absl::StatusOr<mpg::Listener> listener = mpg::Listen(FLAGS_address);
  if (!listener.ok()) return Fail(listener.status());
  std::printf("listening at %s\n", listener->Addr().ToString().c_str());
  std::fflush(stdout);
  return Fail(mpg::examples::ServeHttp(
      *listener,
      FLAGS_root.empty() ? Hello : mpg::examples::StaticFiles(FLAGS_root)));
}

}  // namespace

int main(int argc, char** argv) {
  gflags::SetUsageMessage("http_hello [--address=HOST:PORT] [--root=DIR]");
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  return mpg::Main(Serve);
}
