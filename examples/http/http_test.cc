#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "examples/http/http_server.h"
#include "examples/http/request_parser.h"
#include "examples/http/static_files.h"
#include "examples/http/target.h"
#include "net/tcp.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"

namespace mpg {
namespace examples {
namespace {

TEST(RequestParser, FindsRequestsHoweverTheyAreCut) {
  const std::string stream =
      "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
      "POST /b?c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nxyz"
      "GET /d HTTP/1.0\r\n\r\n";
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    RequestParser parser;
    std::string seen;
    auto result = RequestParser::Result::kMore;
    for (size_t i = 0; i < stream.size(); i += piece) {
      result = parser.Feed(
          absl::string_view(stream).substr(i, piece), [&](const Request& r) {
            absl::StrAppend(&seen, r.method, " ", r.target, " ",
                            r.keep_alive ? "on" : "off", "\n");
            return r.keep_alive;
          });
    }
    EXPECT_EQ(seen, "GET /a on\nPOST /b?c on\nGET /d off\n") << piece;
    EXPECT_EQ(result, RequestParser::Result::kStop);
  }
}

TEST(RequestParser, RefusesWhatIsNoRequest) {
  for (const std::string& text :
       {std::string("hello\r\n\r\n"), std::string("GET / HTTP/9\r\n\r\n"),
        "GET /" + std::string(20000, 'x')}) {
    RequestParser parser;
    EXPECT_EQ(parser.Feed(text, [](const Request&) { return true; }),
              RequestParser::Result::kError);
    EXPECT_FALSE(parser.error().empty());
  }
}

TEST(StaticFiles, ATargetIsDecodedAndStaysBelow) {
  std::string path;
  EXPECT_TRUE(TargetPath("/a%20b/c.txt?x=1", &path));
  EXPECT_EQ(path, "a b/c.txt");
  EXPECT_TRUE(TargetPath("/", &path));
  EXPECT_EQ(path, "");
  for (const char* bad : {"", "a", "/%", "/%4", "/%zz", "/../x", "/a/%2e%2e/x",
                          "/%2e.", "/a%00b"}) {
    EXPECT_FALSE(TargetPath(bad, &path)) << bad;
  }
}

TEST(TargetParameter, IsFoundByNameAndDecoded) {
  std::string value;
  EXPECT_TRUE(TargetParameter("/x?a=1&bb=x%20y%26&b=2#c", "bb", &value));
  EXPECT_EQ(value, "x y&");
  EXPECT_TRUE(TargetParameter("/x?a=1&bb=3&b=2#c", "b", &value));
  EXPECT_EQ(value, "2");
  EXPECT_TRUE(TargetParameter("/x?a=", "a", &value));
  EXPECT_EQ(value, "");
  for (const char* without :
       {"/a=1", "/x?", "/x?b=1", "/x#?a=1", "/x?a", "/x?a=%4", "/x?a=%zz"}) {
    EXPECT_FALSE(TargetParameter(without, "a", &value)) << without;
  }
}

// What a server with `handler` answers to `requests`, until it closes.
std::string Exchange(const Handler& handler, absl::string_view requests) {
  std::string answer;
  Runtime runtime;
  runtime.Run([&] {
    const auto listener = Listen("127.0.0.1:0");
    ASSERT_TRUE(listener.ok()) << listener.status();
    Go([l = *listener, handler] { ServeHttp(l, handler).IgnoreError(); });
    const auto conn = Dial(listener->Addr().ToString());
    ASSERT_TRUE(conn.ok()) << conn.status();
    ASSERT_TRUE(conn->Write(requests).ok());
    char buf[4096];
    for (;;) {
      const auto n = conn->Read(absl::MakeSpan(buf));
      if (!n.ok() || *n == 0) break;
      answer.append(buf, *n);
    }
    listener->Close().IgnoreError();
  });
  runtime.Wait();
  return answer;
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  const Handler handler = [](const Request& request, Response* response) {
    response->body = absl::StrCat("<", request.target, ">");
  };
  const std::string answer = Exchange(
      handler,
      "GET /1 HTTP/1.1\r\nHost: x\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: x\r\n\r\n"
      "GET /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(absl::StartsWith(answer, "HTTP/1.1 200 OK\r\n")) << answer;
  const size_t first = answer.find("\r\n\r\n</1>");
  const size_t third = answer.find("Connection: close\r\n\r\n</3>");
  EXPECT_NE(first, std::string::npos) << answer;
  EXPECT_NE(third, std::string::npos) << answer;
  EXPECT_LT(first, third);
  EXPECT_EQ(answer.find("</2>"), std::string::npos) << answer;
}

TEST(HttpServer, SaysWhenItIsNotAsked) {
  const Handler nothing = [](const Request&, Response*) {};
  EXPECT_TRUE(absl::StartsWith(Exchange(nothing, "nonsense\r\n\r\n"),
                               "HTTP/1.1 400 Bad Request\r\n"));
}

class HttpFiles : public testing::Test {
 protected:
  HttpFiles() : root_(testing::TempDir() + "/httpXXXXXX") {
    EXPECT_NE(mkdtemp(&root_[0]), nullptr);
    std::ofstream(root_ + "/a.txt") << "text";
    std::ofstream(root_ + "/index.html") << "<p>index";
    std::ofstream(root_ + "/big") << std::string(1 << 20, 'b');
    EXPECT_EQ(symlink("/etc/passwd", (root_ + "/out").c_str()), 0);
  }
  std::string Get(const std::string& target) {
    return Exchange(StaticFiles(root_),
                    "GET " + target + " HTTP/1.1\r\nConnection: close\r\n\r\n");
  }
  std::string root_;
};

TEST_F(HttpFiles, AreHandedOut) {
  EXPECT_TRUE(absl::EndsWith(Get("/a.txt"), "\r\n\r\ntext"));
  EXPECT_TRUE(absl::EndsWith(Get("/"), "\r\n\r\n<p>index"));
  EXPECT_TRUE(
      absl::EndsWith(Get("/big"), "\r\n\r\n" + std::string(1 << 20, 'b')));
}

TEST_F(HttpFiles, AndNothingElse) {
  EXPECT_TRUE(absl::StartsWith(Get("/missing"), "HTTP/1.1 404 "));
  EXPECT_TRUE(absl::StartsWith(Get("/out"), "HTTP/1.1 403 "));
  EXPECT_TRUE(absl::StartsWith(Get("/../a.txt"), "HTTP/1.1 400 "));
  EXPECT_TRUE(absl::StartsWith(
      Exchange(StaticFiles(root_),
               "PUT /a.txt HTTP/1.1\r\nConnection: close\r\n\r\n"),
      "HTTP/1.1 405 "));
}

}  // namespace
}  // namespace examples
}  // namespace mpg
