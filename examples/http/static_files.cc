#include "examples/http/static_files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "examples/http/target.h"
#include "runtime/goroutine.h"

namespace mpg {
namespace examples {
namespace {

absl::string_view TypeOf(absl::string_view path) {
  static constexpr struct {
    absl::string_view suffix, type;
  } kTypes[] = {{".html", "text/html; charset=utf-8"},
                {".css", "text/css; charset=utf-8"},
                {".js", "text/javascript; charset=utf-8"},
                {".json", "application/json"},
                {".txt", "text/plain; charset=utf-8"},
                {".md", "text/plain; charset=utf-8"},
                {".svg", "image/svg+xml"},
                {".png", "image/png"},
                {".jpg", "image/jpeg"}};
  for (const auto& known : kTypes) {
    if (absl::EndsWith(path, known.suffix)) return known.type;
  }
  return "application/octet-stream";
}

void Fail(int code, absl::string_view why, Response* response) {
  response->code = code;
  response->body = absl::StrCat(code, " ", why, "\n");
}

// The file's real name, links followed; empty: there is none.
std::string RealPath(const std::string& path) {
  char* const real = realpath(path.c_str(), nullptr);
  if (real == nullptr) return "";
  std::string result = real;
  free(real);
  return result;
}

// Blocks the thread.
void OpenBelow(const std::string& root, const std::string& path,
               Response* response) {
  std::string real = RealPath(absl::StrCat(root, "/", path));
  struct stat info;
  if (!real.empty() && stat(real.c_str(), &info) == 0 &&
      S_ISDIR(info.st_mode)) {
    real = RealPath(real + "/index.html");
  }
  if (real.empty()) return Fail(404, "not found", response);
  if (!absl::StartsWith(real, root + "/")) {
    return Fail(403, "forbidden", response);
  }
  const int file = open(real.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0 && errno == EACCES) return Fail(403, "forbidden", response);
  if (file < 0) return Fail(404, "not found", response);
  if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(file);
    return Fail(403, "forbidden", response);
  }
  response->type = TypeOf(real);
  response->file = file;
  response->file_size = info.st_size;
}

}  // namespace

Handler StaticFiles(std::string root) {
  const std::string real = RealPath(root);
  return [real](const Request& request, Response* response) {
    std::string path;
    if (request.method != "GET" && request.method != "HEAD") {
      return Fail(405, "method not allowed", response);
    }
    if (!TargetPath(request.target, &path)) {
      return Fail(400, "bad request", response);
    }
    Syscall([&] { OpenBelow(real, path, response); });
  };
}

}  // namespace examples
}  // namespace mpg
