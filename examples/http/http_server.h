// A small HTTP/1.1 server: keep-alive, pipelining, a goroutine for each
// connection. All requests that one read brings are answered with one write.
//
// Thread safety: ServeHttp and the handler run in many goroutines at a time.
#ifndef MPG_EXAMPLES_HTTP_HTTP_SERVER_H_
#define MPG_EXAMPLES_HTTP_HTTP_SERVER_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "examples/http/request_parser.h"
#include "net/tcp.h"

namespace mpg {
namespace examples {

struct Response {
  int code = 200;
  absl::string_view type = "text/plain; charset=utf-8";
  std::string body;
  // Instead of a body: an open file and its size. The server closes it.
  int file = -1;
  int64_t file_size = 0;
};

using Handler = std::function<void(const Request&, Response*)>;

// Serves until Accept fails, and says why it did.
absl::Status ServeHttp(const Listener& listener, const Handler& handler);

}  // namespace examples
}  // namespace mpg

#endif  // MPG_EXAMPLES_HTTP_HTTP_SERVER_H_
