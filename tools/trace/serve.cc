#include "tools/trace/serve.h"

#include <signal.h>

#include <iostream>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "channel/chan.h"
#include "examples/http/target.h"
#include "net/tcp.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/signal.h"
#include "tools/trace/assets.h"
#include "tools/trace/json.h"
#include "tools/trace/reader.h"

namespace mpg {
namespace tracetool {
namespace {

using examples::Request;
using examples::Response;

constexpr absl::string_view kJson = "application/json";

absl::string_view TypeOf(absl::string_view name) {
  if (absl::EndsWith(name, ".html")) return "text/html; charset=utf-8";
  if (absl::EndsWith(name, ".css")) return "text/css; charset=utf-8";
  if (absl::EndsWith(name, ".js")) return "text/javascript; charset=utf-8";
  return "text/plain; charset=utf-8";
}

void Fail(int code, absl::string_view why, Response* response) {
  response->code = code;
  response->body = absl::StrCat(code, " ", why, "\n");
}

void AnswerAsset(absl::string_view path, Response* response) {
  const Asset* const asset = FindAsset(path.empty() ? "index.html" : path);
  if (asset == nullptr) return Fail(404, "not found", response);
  response->type = TypeOf(asset->name);
  response->body = std::string(asset->bytes);
}

// The parameters of one request, all of which are numbers but for a text.
class Parameters {
 public:
  explicit Parameters(absl::string_view target) : target_(target) {}

  // `fallback` where there is none.
  int64_t Number(absl::string_view name, int64_t fallback) {
    std::string text;
    int64_t value = fallback;
    if (examples::TargetParameter(target_, name, &text) &&
        !absl::SimpleAtoi(text, &value)) {
      good_ = false;
    }
    return value;
  }
  std::string Text(absl::string_view name) {
    std::string text;
    if (!examples::TargetParameter(target_, name, &text)) good_ = false;
    return text;
  }
  bool good() const { return good_; }

 private:
  const absl::string_view target_;
  bool good_ = true;
};

// Empty: there is nothing of that name, or what it asks for is malformed.
std::string AnswerApi(const View& view, absl::string_view path,
                      Parameters* asked) {
  if (path == "api/window") {
    WindowQuery query;
    query.from = asked->Number("from", 0);
    query.to = asked->Number("to", 0);
    query.width = asked->Number("width", 0);
    query.first_p = asked->Number("first", 0);
    query.last_p = asked->Number("last", -1);
    return asked->good() ? view.Window(query) : "";
  }
  if (path == "api/stretch") {
    const int64_t p = asked->Number("p", -1);
    const int64_t at = asked->Number("at", 0);
    const int64_t id = asked->Number("id", -1);
    if (!asked->good()) return "";
    if (p < 0) return view.Stretch(id);
    const uint32_t there = view.At(p, at);
    return there == kNone ? "null" : view.Stretch(there);
  }
  if (path == "api/search") {
    const std::string text = asked->Text("q");
    const int64_t from = asked->Number("from", -1);
    const bool back = asked->Number("back", 0) != 0;
    return asked->good() ? view.Search(text, from, !back) : "";
  }
  return "";
}

}  // namespace

Session::Session(std::string file, uint64_t size)
    : file_(std::move(file)), size_(size) {}

absl::Status Session::Load(std::istream* in) {
  TraceReader reader(in);
  status_ = timeline_.Load(&reader, [this](uint64_t read) {
    read_.store(read, std::memory_order_relaxed);
    return !cancelled_.load(std::memory_order_relaxed);
  });
  view_.emplace(timeline_);
  loaded_.store(true, std::memory_order_release);
  return status_;
}

bool Session::failed() const {
  return loaded_.load(std::memory_order_acquire) && !status_.ok() &&
         !absl::IsCancelled(status_);
}

std::string Session::State() const {
  const bool loaded = loaded_.load(std::memory_order_acquire);
  return absl::StrCat(
      "{\"file\":", JsonString(file_), ",\"size\":", size_,
      ",\"read\":", read_.load(std::memory_order_relaxed), ",\"error\":",
      JsonString(loaded ? absl::string_view(status_.message()) : ""),
      ",\"trace\":", loaded ? view_->Overview() : "null", "}");
}

void Session::Handle(const Request& request, Response* response) {
  std::string path;
  if (request.method != "GET" && request.method != "HEAD") {
    return Fail(405, "method not allowed", response);
  }
  if (!examples::TargetPath(request.target, &path)) {
    return Fail(400, "bad request", response);
  }
  if (!absl::StartsWith(path, "api/")) return AnswerAsset(path, response);
  response->type = kJson;
  if (path == "api/state") {
    response->body = State();
    return;
  }
  Parameters asked(request.target);
  if (loaded_.load(std::memory_order_acquire)) {
    response->body = AnswerApi(*view_, path, &asked);
  }
  if (!response->body.empty()) return;
  response->type = "text/plain; charset=utf-8";
  if (!asked.good()) return Fail(400, "bad request", response);
  Fail(404, "not found", response);
}

int Serve(const std::string& address, const std::string& file,
          std::unique_ptr<std::istream> in, uint64_t size) {
  const auto session = std::make_shared<Session>(file, size);
  const auto load = [session, file,
                     in = std::shared_ptr<std::istream>(std::move(in))] {
    // Reads a file and computes for long: on a thread that has no P, so that even a
    // program with a single P answers meanwhile.
    const absl::Status status =
        BlockingSyscall([&] { return session->Load(in.get()); });
    if (!session->failed()) return;
    std::cerr << "trace: " << file << ": " << status.message() << "\n";
  };
  return Main([&] {
    const absl::StatusOr<Listener> listener = Listen(address);
    if (!listener.ok()) {
      std::cerr << "trace: " << listener.status().message() << "\n";
      return 1;
    }
    std::cout << "trace: serving http://" << listener->Addr().ToString()
              << "/\n"
              << std::flush;
    const Chan<int> stopped = MakeChan<int>(1);
    Notify(stopped, {SIGINT, SIGTERM});
    Go(load);
    Go([listener = *listener, session] {
      examples::ServeHttp(listener, [session](const Request& request,
                                              Response* answer) {
        session->Handle(request, answer);
      }).IgnoreError();
    });
    stopped.Recv();
    session->Cancel();
    listener->Close().IgnoreError();
    return session->failed() ? 1 : 0;
  });
}

}  // namespace tracetool
}  // namespace mpg
