// For tests against the tools that read what mpg writes: where they are, and what
// they say.
#ifndef MPG_RUNTIME_REAL_TOOLS_H_
#define MPG_RUNTIME_REAL_TOOLS_H_

#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace mpg {
namespace internal {

// A program's path; empty: it is not on the PATH, nor in `more`.
inline std::string FindTool(const std::string& name,
                            const std::vector<std::string>& more = {}) {
  std::vector<std::string> dirs;
  if (const char* path = getenv("PATH")) dirs = absl::StrSplit(path, ':');
  dirs.insert(dirs.end(), more.begin(), more.end());
  for (const std::string& dir : dirs) {
    std::string tool = absl::StrCat(dir, "/", name);
    if (access(tool.c_str(), X_OK) == 0) return tool;
  }
  return "";
}

inline std::string FindGo() {
  if (const char* go = getenv("MPG_GO")) return go;
  return FindTool("go", {"/usr/lib/go-1.23/bin"});
}

// What a shell's command writes to stdout and stderr; with a line at the end if it
// fails.
inline std::string OutputOf(const std::string& command) {
  FILE* pipe = popen(absl::StrCat("(", command, ") 2>&1").c_str(), "r");
  if (pipe == nullptr) return "popen failed";
  std::string out;
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) != 0;) {
    out.append(buffer, n);
  }
  const int status = pclose(pipe);
  if (status != 0) absl::StrAppend(&out, "\nexit status ", status, "\n");
  return out;
}

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_REAL_TOOLS_H_
