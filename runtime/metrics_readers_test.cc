// Metrics beside Go's own list of them, and their page before Prometheus's reader.
#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/metrics.h"
#include "runtime/real_tools.h"
#include "runtime/test_util.h"
#include "runtime/time.h"

namespace mpg {
namespace metrics {
namespace {

using internal::FindGo;
using internal::FindTool;
using internal::OutputOf;

std::string Contents(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

// As docs/metrics-and-profiles.md says.
bool HasNoCounterpart(const std::string& name) {
  for (const char* prefix :
       {"/cgo/", "/cpu/classes/", "/gc/", "/godebug/", "/memory/"}) {
    if (absl::StartsWith(name, prefix)) return true;
  }
  return absl::StrContains(name, "/gc:");  // pauses for the collector
}

TEST(MetricsReadersTest, GosMetricsAreHereWithTheSameNameAndKind) {
  const std::string go = FindGo();
  if (go.empty()) GTEST_SKIP() << "no go found: see MPG_GO";
  const std::string output = OutputOf(absl::StrCat(
      "HOME=", ::testing::TempDir(), " GOTOOLCHAIN=local ", go, " env GOROOT"));
  const absl::string_view root = absl::StripSuffix(output, "\n");
  const std::string table =
      Contents(absl::StrCat(root, "/src/runtime/metrics/description.go"));
  if (table.empty()) GTEST_SKIP() << "no source of Go's in " << root;

  std::map<std::string, const Description*> ours;
  for (const Description& d : All()) ours[std::string(d.name)] = &d;
  const std::regex entry("Name: +\"(/[^\"]+)\",([^}]*)\\}");
  int found = 0;
  for (std::sregex_iterator i(table.begin(), table.end(), entry), end; i != end;
       ++i) {
    const std::string name = (*i)[1], rest = (*i)[2];
    if (HasNoCounterpart(name)) continue;
    ++found;
    ASSERT_TRUE(ours.count(name) != 0) << name;
    const Description& d = *ours[name];
    EXPECT_EQ(d.cumulative,
              std::regex_search(rest, std::regex("Cumulative: +true")))
        << name;
    const char* kind = d.kind == Kind::kUint64    ? "KindUint64"
                       : d.kind == Kind::kFloat64 ? "KindFloat64"
                                                  : "KindFloat64Histogram";
    EXPECT_TRUE(
        std::regex_search(rest, std::regex(absl::StrCat("Kind: +", kind, ","))))
        << name;
  }
  EXPECT_GE(found, 6);  // Go 1.23
}

TEST(MetricsReadersTest, PromtoolFindsNothingWrong) {
  const std::string promtool = FindTool("promtool");
  if (promtool.empty()) GTEST_SKIP() << "no promtool (package prometheus)";
  Runtime runtime(internal::Procs(2));
  runtime.Run([] {
    for (int i = 0; i < 1000; ++i) Go([] { Sleep(absl::Microseconds(10)); });
    Sleep(absl::Milliseconds(1));
  });
  const std::string file = ::testing::TempDir() + "/page";
  std::ofstream(file) << PrometheusText();
  EXPECT_EQ(OutputOf(absl::StrCat(promtool, " check metrics <", file)), "");
  std::ofstream(file, std::ios::app) << "no page\n";
  EXPECT_NE(OutputOf(absl::StrCat(promtool, " check metrics <", file)), "");
}

}  // namespace
}  // namespace metrics
}  // namespace mpg
