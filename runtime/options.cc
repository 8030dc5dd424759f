#include "runtime/options.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace mpg {
namespace {

[[noreturn]] void BadEnvironment(const char* variable, absl::string_view entry,
                                 const char* want) {
  fprintf(stderr, "mpg: %s: %.*s: want %s\n", variable,
          static_cast<int>(entry.size()), entry.data(), want);
  exit(2);
}

int AffinityCpus() {
  // Large enough for every machine Linux runs on; a smaller kernel mask fits.
  constexpr int kMost = 8192;
  cpu_set_t* set = CPU_ALLOC(kMost);
  const size_t size = CPU_ALLOC_SIZE(kMost);
  int n = 0;
  if (sched_getaffinity(0, size, set) == 0) n = CPU_COUNT_S(size, set);
  CPU_FREE(set);
  if (n > 0) return n;
  return std::max(1, static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
}

// CPUs by the quota of the cgroup at `dir` (version 2), or 0 for no limit.
double QuotaAt(const std::string& dir) {
  std::ifstream file(dir + "/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  double value;
  return absl::SimpleAtod(quota, &value) ? value / period : 0;
}

// The tightest quota from our cgroup up to the root.
double CgroupQuota() {
  std::ifstream file("/proc/self/cgroup");
  std::string line, path;
  while (std::getline(file, line)) {
    if (line.rfind("0::", 0) == 0) path = line.substr(3);
  }
  double tightest = 0;
  for (;;) {
    const double quota = QuotaAt("/sys/fs/cgroup" + path);
    if (quota > 0 && (tightest == 0 || quota < tightest)) tightest = quota;
    const size_t slash = path.rfind('/');
    if (path.empty() || slash == std::string::npos) return tightest;
    path.resize(slash);
  }
}

int64_t DebugNumber(absl::string_view entry, absl::string_view value) {
  int64_t n;
  if (!absl::SimpleAtoi(value, &n) || n < 0) {
    BadEnvironment("GODEBUG", entry, "a number that is not negative");
  }
  return n;
}

void ApplyDebug(absl::string_view entry, RuntimeOptions* options) {
  const size_t equals = entry.find('=');
  if (equals == absl::string_view::npos) return;
  const absl::string_view key = entry.substr(0, equals);
  const absl::string_view value = entry.substr(equals + 1);
  if (key == "schedtrace") {
    options->schedtrace = absl::Milliseconds(DebugNumber(entry, value));
  } else if (key == "scheddetail") {
    options->scheddetail = DebugNumber(entry, value) > 0;
  } else if (key == "stallms") {
    options->stall_report = absl::Milliseconds(DebugNumber(entry, value));
  } else if (key == "asyncpreemptoff") {
    options->async_preempt = DebugNumber(entry, value) == 0;
  }
}

}  // namespace

int CpusGranted() {
  const int cpus = AffinityCpus();
  const double quota = CgroupQuota();
  if (quota <= 0) return cpus;
  // Go 1.25 rounds up, and keeps at least 2 where there are as many.
  const int limit = std::max(2, static_cast<int>(ceil(quota)));
  return std::min(cpus, limit);
}

RuntimeOptions RuntimeOptions::FromEnvironment() {
  RuntimeOptions options;
  if (const char* text = getenv("GOMAXPROCS"); text && *text != '\0') {
    int n;
    // "A clear error for bad input": Go falls back to the CPUs in silence.
    if (!absl::SimpleAtoi(text, &n) || n <= 0) {
      BadEnvironment("GOMAXPROCS", text, "a positive number");
    }
    options.max_procs = n;
  }
  if (const char* text = getenv("GODEBUG"); text != nullptr) {
    for (absl::string_view entry : absl::StrSplit(text, ',')) {
      ApplyDebug(entry, &options);
    }
  }
  return options;
}

}  // namespace mpg
