// wordcount FILE...: lines, words and bytes of each file and in total, as wc
// prints them; all files at the same time; progress on stderr.
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "examples/word_count.h"
#include "runtime/runtime.h"

namespace {

void Print(const mpg::examples::FileCount& count) {
  std::printf("%8lld %8lld %10lld %s\n", static_cast<long long>(count.lines),
              static_cast<long long>(count.words),
              static_cast<long long>(count.bytes), count.path.c_str());
}

int CountAll(const std::vector<std::string>& paths) {
  const bool progress = isatty(STDERR_FILENO) != 0;
  const auto results = mpg::examples::CountFiles(paths);
  mpg::examples::FileCount total;
  total.path = "total";
  int failed = 0;
  for (size_t done = 1; done <= paths.size(); ++done) {
    const auto count = *results.Recv();
    if (progress) {
      std::fprintf(stderr, "\r%zu of %zu files\033[K\r", done, paths.size());
    }
    if (!count.ok()) {
      std::fprintf(stderr, "wordcount: %s\n",
                   std::string(count.status().message()).c_str());
      ++failed;
      continue;
    }
    Print(*count);
    total.lines += count->lines;
    total.words += count->words;
    total.bytes += count->bytes;
  }
  if (paths.size() > 1) Print(total);
  return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: wordcount FILE...\n");
    return 2;
  }
  const std::vector<std::string> paths(argv + 1, argv + argc);
  return mpg::Main([&paths] { return CountAll(paths); });
}
