#include "examples/word_count.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "runtime/goroutine.h"

namespace mpg {
namespace examples {

absl::StatusOr<FileCount> CountFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("open ", path));
  constexpr size_t kBuffer = 64 << 10;
  const std::unique_ptr<char[]> buffer(new char[kBuffer]);
  FileCount count;
  count.path = path;
  bool in_word = false;
  for (;;) {
    const ssize_t n = read(fd, buffer.get(), kBuffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int error = errno;
      close(fd);
      return absl::ErrnoToStatus(error, absl::StrCat("read ", path));
    }
    if (n == 0) break;
    count.bytes += n;
    for (ssize_t i = 0; i < n; ++i) {
      const unsigned char c = static_cast<unsigned char>(buffer[i]);
      const bool space = absl::ascii_isspace(c);
      if (c == '\n') ++count.lines;
      if (!space && !in_word) ++count.words;
      in_word = !space;
    }
    Gosched();  // a large file leaves the others their turns
  }
  close(fd);
  return count;
}

RecvChan<absl::StatusOr<FileCount>> CountFiles(
    const std::vector<std::string>& paths) {
  auto results = MakeChan<absl::StatusOr<FileCount>>(paths.size());
  for (const std::string& path : paths) {
    Go([results, path] { results.Send(CountFile(path)); });
  }
  return results;
}

}  // namespace examples
}  // namespace mpg
