// The server as a client on the loopback sees it.
#include "tools/trace/serve.h"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <sstream>
#include <streambuf>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "examples/http/http_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "net/tcp.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "tools/trace/hand_made_trace.h"

namespace mpg {
namespace tracetool {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string Fetch(const Listener& listener, absl::string_view request) {
  std::string answer;
  const auto conn = Dial(listener.Addr().ToString());
  EXPECT_TRUE(conn.ok()) << conn.status();
  EXPECT_TRUE(conn->Write(absl::StrCat(request,
                                       " HTTP/1.1\r\nHost: x\r\n"
                                       "Connection: close\r\n\r\n"))
                  .ok());
  char buf[4096];
  for (;;) {
    const auto n = conn->Read(absl::MakeSpan(buf));
    if (!n.ok() || *n == 0) return answer;
    answer.append(buf, *n);
  }
}

// Runs `body` beside a server of the session, on a single P.
void WithServer(Session* session,
                const std::function<void(const Listener&)>& body) {
  RuntimeOptions options;
  options.max_procs = 1;
  Runtime runtime(options);
  runtime.Run([&] {
    const auto listener = Listen("127.0.0.1:0");
    ASSERT_TRUE(listener.ok()) << listener.status();
    Go([l = *listener, session] {
      examples::ServeHttp(l, [session](const examples::Request& request,
                                       examples::Response* response) {
        session->Handle(request, response);
      }).IgnoreError();
    });
    body(*listener);
    listener->Close().IgnoreError();
  });
  runtime.Wait();
}

std::string Get(Session* session, const std::string& target) {
  std::string answer;
  WithServer(session, [&](const Listener& listener) {
    answer = Fetch(listener, absl::StrCat("GET ", target));
  });
  return answer;
}

class ServeTest : public testing::Test {
 protected:
  ServeTest() {
    std::istringstream in(HandMade());
    EXPECT_TRUE(session_.Load(&in).ok());
  }
  std::string Get(const std::string& target) {
    return tracetool::Get(&session_, target);
  }
  Session session_{"dir/hand \"made\".trace", 1234};
};

TEST_F(ServeTest, HandsOutThePageAndItsParts) {
  for (const auto& part :
       {std::pair<const char*, const char*>{"/", "<!DOCTYPE html>"},
        {"/page.css", "prefers-color-scheme"},
        {"/page.js", "import"},
        {"/chart.js", "d3.zoom"},
        {"/d3.min.js", "https://d3js.org"},
        {"/LICENSE", "Permission to use"}}) {
    const std::string answer = Get(part.first);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n")) << part.first;
    EXPECT_NE(answer.find(part.second), std::string::npos) << part.first;
  }
  EXPECT_THAT(Get("/").substr(0, 300), HasSubstr("text/html; charset=utf-8"));
  EXPECT_THAT(Get("/page.js").substr(0, 300), HasSubstr("text/javascript"));
}

TEST_F(ServeTest, AnswersQuestions) {
  EXPECT_THAT(Get("/api/state"),
              HasSubstr("\r\n\r\n{\"file\":\"dir/hand \\\"made\\\".trace\","
                        "\"size\":1234,\"read\":0,\"error\":\"\","
                        "\"trace\":{\"version\":23,"));
  EXPECT_THAT(Get("/api/window?from=0&to=16001&width=100&first=0&last=1"),
              HasSubstr("\r\n\r\n{\"from\":0,\"to\":16001,\"column\":161,"));
  EXPECT_THAT(Get("/api/stretch?id=2"), HasSubstr("{\"stretch\":2,"));
  EXPECT_THAT(Get("/api/stretch?p=1&at=8000"), HasSubstr("{\"stretch\":2,"));
  EXPECT_THAT(Get("/api/stretch?p=9&at=0"), HasSubstr("\r\n\r\nnull"));
  EXPECT_THAT(Get("/api/search?q=work%65r&from=1"),
              HasSubstr("{\"stretch\":2,\"goroutines\":1}"));
  EXPECT_THAT(Get("/api/search?q=main&from=1&back=1"),
              HasSubstr("{\"stretch\":0,\"goroutines\":2}"));
}

TEST_F(ServeTest, RefusesWhatIsNotThereOrMalformed) {
  for (const char* missing : {"/nothing", "/api/nothing", "/api/", "/page",
                              "/api/stretch?id=99", "/api/stretch"}) {
    EXPECT_THAT(Get(missing), StartsWith("HTTP/1.1 404 ")) << missing;
  }
  for (const char* bad : {"/../page.js", "/api/window?from=x",
                          "/api/window?width=99999999999999999999",
                          "/api/search", "/api/search?q=%zz"}) {
    EXPECT_THAT(Get(bad), StartsWith("HTTP/1.1 400 ")) << bad;
  }
  std::string answer;
  WithServer(&session_, [&](const Listener& listener) {
    answer = Fetch(listener, "DELETE /");
  });
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 "));
}

// A file that blocks the thread that reads it until it is let go.
class SlowFile : public std::stringbuf {
 public:
  explicit SlowFile(const std::string& bytes) : std::stringbuf(bytes) {}
  void LetGo() {
    const std::lock_guard<std::mutex> lock(mutex_);
    go_ = true;
    changed_.notify_all();
  }

 protected:
  std::streamsize xsgetn(char* to, std::streamsize size) override {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return go_; });
    return std::stringbuf::xsgetn(to, size);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool go_ = false;
};

TEST(LoadingTest, PagesAreAnsweredMeanwhileOnASingleP) {
  SlowFile file(HandMade());
  std::istream in(&file);
  Session session("slow.trace", 500);
  WithServer(&session, [&](const Listener& listener) {
    Go([&] { BlockingSyscall([&] { EXPECT_TRUE(session.Load(&in).ok()); }); });
    Gosched();
    EXPECT_THAT(Fetch(listener, "GET /api/state"),
                HasSubstr("\"size\":500,\"read\":0,\"error\":\"\","
                          "\"trace\":null}"));
    EXPECT_THAT(Fetch(listener, "GET /"), StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(Fetch(listener, "GET /api/stretch?id=0"),
                StartsWith("HTTP/1.1 404 "));
    file.LetGo();
    while (absl::StrContains(Fetch(listener, "GET /api/state"),
                             "\"trace\":null")) {
      Gosched();
    }
    EXPECT_THAT(Fetch(listener, "GET /api/stretch?id=0"),
                StartsWith("HTTP/1.1 200 "));
  });
}

TEST(LoadingTest, OfADamagedFileWhatCanBeReadIsShownWithTheError) {
  const std::string bytes = HandMade();
  std::istringstream in(bytes.substr(0, bytes.size() - 20));
  Session session("cut.trace", bytes.size());
  EXPECT_FALSE(session.Load(&in).ok());
  EXPECT_TRUE(session.failed());
  EXPECT_THAT(Get(&session, "/api/state"), HasSubstr("\"error\":\"truncated"));
}

TEST(LoadingTest, WhatIsNoTraceIsSaid) {
  std::istringstream in("This is a text, and no trace at all.");
  Session session("text", 10);
  EXPECT_FALSE(session.Load(&in).ok());
  EXPECT_THAT(Get(&session, "/api/state"),
              HasSubstr("\"error\":\"this is not a Go execution trace\","
                        "\"trace\":{\"version\":0,\"duration\":0,"
                        "\"events\":0,"));
}

}  // namespace
}  // namespace tracetool
}  // namespace mpg
