#include "examples/http/http_server.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "runtime/goroutine.h"
#include "runtime/time.h"

namespace mpg {
namespace examples {
namespace {

constexpr absl::Duration kIdleTimeout = absl::Seconds(60);
// Answers are written at once when there is so much of them.
constexpr size_t kFlushAt = 64 << 10;

absl::string_view Reason(int code) {
  switch (code) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Internal Server Error";
  }
}

// One connection.
class HttpConn {
 public:
  HttpConn(const Conn& conn, const Handler& handler)
      : conn_(conn), handler_(handler) {}

  void Serve() {
    std::array<char, 16 << 10> buf;
    for (bool more = true; more;) {
      EachSecond();
      const absl::StatusOr<size_t> n = conn_.Read(absl::MakeSpan(buf));
      if (!n.ok() || *n == 0) return;
      const auto result =
          parser_.Feed(absl::string_view(buf.data(), *n),
                       [this](const Request& r) { return Answer(r); });
      if (result == RequestParser::Result::kError) Refuse();
      more = result == RequestParser::Result::kMore;
      if (!Flush()) return;
    }
  }

 private:
  // What changes with the second that it is: looked at before each read, so that
  // a deadline does not cost more than that.
  void EachSecond() {
    const std::time_t now = std::time(nullptr);
    if (now == now_) return;
    now_ = now;
    std::tm utc;
    char text[40];
    const size_t size = std::strftime(
        text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &utc));
    date_.assign(text, size);
    conn_.SetDeadline(Now() + kIdleTimeout).IgnoreError();
  }

  // False: that was the last request.
  bool Answer(const Request& request) {
    Response response;
    handler_(request, &response);
    const bool file = response.file >= 0;
    const int64_t size =
        file ? response.file_size : static_cast<int64_t>(response.body.size());
    AppendHead(response, size, request.keep_alive);
    const bool head = request.method == "HEAD";
    bool good = true;
    if (file) {
      good = head || SendFile(response.file, size);
      close(response.file);
    } else if (!head) {
      out_ += response.body;
    }
    if (out_.size() >= kFlushAt) good = good && Flush();
    return good && request.keep_alive;
  }

  void Refuse() {
    Response response;
    response.code = 400;
    response.body = absl::StrCat("400 ", parser_.error(), "\n");
    AppendHead(response, static_cast<int64_t>(response.body.size()), false);
    out_ += response.body;
  }

  void AppendHead(const Response& response, int64_t size, bool keep_alive) {
    absl::StrAppend(&out_, "HTTP/1.1 ", response.code, " ",
                    Reason(response.code), "\r\nDate: ", date_);
    absl::StrAppend(&out_, "\r\nContent-Type: ", response.type,
                    "\r\nContent-Length: ", size,
                    keep_alive ? "" : "\r\nConnection: close", "\r\n\r\n");
  }

  // Reading a file may block: on a slow disk, on a network's. The next piece is
  // read while nothing waits for it but this goroutine.
  bool SendFile(int file, int64_t left) {
    std::string piece(kFlushAt, '\0');
    while (left > 0) {
      const size_t room = static_cast<size_t>(
          std::min<int64_t>(left, static_cast<int64_t>(piece.size())));
      const ssize_t n = Syscall([&] { return read(file, &piece[0], room); });
      if (n <= 0) return false;  // shorter than it was: the client must notice
      out_.append(piece, 0, static_cast<size_t>(n));
      left -= n;
      if (out_.size() >= kFlushAt && !Flush()) return false;
    }
    return true;
  }

  bool Flush() {
    if (out_.empty()) return true;
    const bool good = conn_.Write(out_).ok();
    out_.clear();
    return good;
  }

  const Conn conn_;
  const Handler& handler_;
  RequestParser parser_;
  std::string out_;
  std::time_t now_ = 0;
  std::string date_;
};

}  // namespace

absl::Status ServeHttp(const Listener& listener, const Handler& handler) {
  for (;;) {
    const absl::StatusOr<Conn> conn = listener.Accept();
    if (!conn.ok()) return conn.status();
    Go([conn = *conn, handler] { HttpConn(conn, handler).Serve(); });
  }
}

}  // namespace examples
}  // namespace mpg
