#include "examples/http/request_parser.h"

namespace mpg {
namespace examples {
namespace {

constexpr size_t kMaxTarget = 8 << 10;

}  // namespace

http_parser_settings RequestParser::Settings() {
  http_parser_settings settings;
  http_parser_settings_init(&settings);
  settings.on_url = OnUrl;
  settings.on_message_complete = OnComplete;
  return settings;
}

RequestParser::RequestParser() {
  http_parser_init(&parser_, HTTP_REQUEST);
  parser_.data = this;
}

RequestParser::Result RequestParser::Feed(
    absl::string_view data,
    absl::FunctionRef<bool(const Request&)> on_request) {
  static const http_parser_settings settings = Settings();
  on_request_ = &on_request;
  const size_t used =
      http_parser_execute(&parser_, &settings, data.data(), data.size());
  on_request_ = nullptr;
  const http_errno error = HTTP_PARSER_ERRNO(&parser_);
  if (error == HPE_PAUSED || parser_.upgrade) return Result::kStop;
  if (error != HPE_OK || used != data.size()) return Result::kError;
  return Result::kMore;
}

absl::string_view RequestParser::error() const {
  return http_errno_description(HTTP_PARSER_ERRNO(&parser_));
}

// In pieces, if it came in pieces.
int RequestParser::OnUrl(http_parser* parser, const char* data, size_t size) {
  std::string& target = Self(parser)->request_.target;
  if (target.size() + size > kMaxTarget) return 1;
  target.append(data, size);
  return 0;
}

int RequestParser::OnComplete(http_parser* parser) {
  RequestParser* const self = Self(parser);
  Request& request = self->request_;
  request.method = http_method_str(static_cast<http_method>(parser->method));
  request.keep_alive = !parser->upgrade && http_should_keep_alive(parser) != 0;
  if (!(*self->on_request_)(request)) http_parser_pause(parser, 1);
  request.target.clear();
  return 0;
}

}  // namespace examples
}  // namespace mpg
