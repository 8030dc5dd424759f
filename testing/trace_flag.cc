#include "testing/trace_flag.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "gtest/gtest.h"
#include "runtime/trace.h"

namespace mpg {
namespace testing {
namespace {

constexpr absl::string_view kFlag = "--mpg_trace";

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "testing: %s\n", why.c_str());
  std::exit(2);
}

class Listener final : public ::testing::EmptyTestEventListener {
 public:
  explicit Listener(std::string path) : path_(std::move(path)) {}
  void OnTestProgramStart(const ::testing::UnitTest&) override {
    const absl::Status status = StartTrace(path_);
    if (!status.ok()) Die(std::string(status.message()));
  }
  void OnTestProgramEnd(const ::testing::UnitTest&) override { StopTrace(); }

 private:
  const std::string path_;
};

}  // namespace

void TraceTestsIfAsked(int* argc, char** argv) {
  std::string path;
  int kept = 0;
  for (int i = 0; i < *argc; ++i) {
    absl::string_view arg = argv[i];
    if (i == 0 || !absl::ConsumePrefix(&arg, kFlag) ||
        (!arg.empty() && arg[0] != '=')) {
      argv[kept++] = argv[i];
      continue;
    }
    path = std::string(absl::StripPrefix(arg, "="));
    if (path.empty()) Die("--mpg_trace=FILE needs the name of a file");
  }
  argv[*argc = kept] = nullptr;
  if (path.empty() || ::testing::internal::InDeathTestChild()) return;
  ::testing::UnitTest::GetInstance()->listeners().Append(
      new Listener(std::move(path)));
}

}  // namespace testing
}  // namespace mpg
