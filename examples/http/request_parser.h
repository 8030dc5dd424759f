// RequestParser: HTTP/1.x requests out of a stream of bytes, with the library
// http-parser.
//
// Thread safety: none. Nothing blocks.
#ifndef MPG_EXAMPLES_HTTP_REQUEST_PARSER_H_
#define MPG_EXAMPLES_HTTP_REQUEST_PARSER_H_

#include <http_parser.h>

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace mpg {
namespace examples {

struct Request {
  absl::string_view method;  // "GET"
  std::string target;        // as it was sent: "/a%20b?c"
  bool keep_alive = false;   // the client has more to ask
  // Headers are checked for syntax, and a body is read, but neither is kept.
};

class RequestParser {
 public:
  RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  enum class Result {
    kMore,   // all of `data` is used up; perhaps a request has begun
    kStop,   // on_request said so, or the client wants another protocol
    kError,  // this is no HTTP; see error()
  };
  // Calls on_request for each request that `data` completes, until it returns
  // false.
  Result Feed(absl::string_view data,
              absl::FunctionRef<bool(const Request&)> on_request);

  absl::string_view error() const;

 private:
  static RequestParser* Self(http_parser* parser) {
    return static_cast<RequestParser*>(parser->data);
  }
  static http_parser_settings Settings();
  static int OnUrl(http_parser* parser, const char* data, size_t size);
  static int OnComplete(http_parser* parser);

  http_parser parser_;
  Request request_;
  absl::FunctionRef<bool(const Request&)>* on_request_ = nullptr;
};

}  // namespace examples
}  // namespace mpg

#endif  // MPG_EXAMPLES_HTTP_REQUEST_PARSER_H_
