// http_hello [--address=HOST:PORT] [--root=DIR]: an HTTP/1.1 server that says
// "hello", or hands out the files of a directory. With --metrics, /metrics is a page for
// Prometheus, and /debug/pprof/goroutine (block, mutex) is for go tool pprof.
#include <gflags/gflags.h>

#include <cstdio>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "examples/http/http_server.h"
#include "examples/http/static_files.h"
#include "net/tcp.h"
#include "runtime/metrics.h"
#include "runtime/pprof.h"
#include "runtime/runtime.h"

DEFINE_string(address, "127.0.0.1:8080", "where to listen; port 0: any");
DEFINE_string(root, "", "the directory to serve; empty: say hello");
DEFINE_bool(metrics, false, "serve /metrics and /debug/pprof/...");

namespace {

using mpg::examples::Handler;
using mpg::examples::Request;
using mpg::examples::Response;

void Hello(const Request&, Response* response) { response->body = "hello"; }

// Answers for what is asked of the scheduler, and lets `next` answer the rest.
Handler WithMetrics(Handler next) {
  return [next](const Request& request, Response* response) {
    absl::string_view target = request.target;
    if (target == "/metrics") {
      response->type = mpg::metrics::kPrometheusContentType;
      response->body = mpg::metrics::PrometheusText();
    } else if (absl::ConsumePrefix(&target, "/debug/pprof/")) {
      const absl::StatusOr<std::string> profile = mpg::pprof::Profile(target);
      response->code = profile.ok() ? 200 : 404;
      response->type = "application/octet-stream";
      response->body = profile.ok() ? *profile : "no such profile\n";
    } else {
      next(request, response);
    }
  };
}

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
  Handler handler =
      FLAGS_root.empty() ? Hello : mpg::examples::StaticFiles(FLAGS_root);
  if (FLAGS_metrics) handler = WithMetrics(std::move(handler));
  return Fail(mpg::examples::ServeHttp(*listener, handler));
}

}  // namespace

int main(int argc, char** argv) {
  gflags::SetUsageMessage(
      "http_hello [--address=HOST:PORT] [--root=DIR] [--metrics]");
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  return mpg::Main(Serve);
}
