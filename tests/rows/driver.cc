#include "tests/rows/driver.h"

#include <gflags/gflags.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <regex>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "runtime/goroutine.h"
#include "sync/wait_group.h"

DEFINE_string(bench, ".", "run the benchmarks whose name matches this regexp");
DEFINE_int32(reps, 5, "repetitions of each");
DEFINE_int32(procs, 0, "GOMAXPROCS; 0: what each benchmark is defined for");
DEFINE_bool(list, false, "list the benchmarks and exit");
DEFINE_string(child, "", "internal: run this one here and print raw samples");

namespace mpg {
namespace rows {
namespace {

constexpr int64_t kRepetitionNs = 250'000'000;

int64_t Calibrate(const std::function<Timed(int64_t)>& op) {
  for (int64_t n = 1;;) {
    const Timed t = op(n);
    if (t.ns >= kRepetitionNs * 8 / 10) return t.ops;
    const double per_op = std::max<double>(t.ns, 1000) / t.ops;
    const double next = std::min(kRepetitionNs / per_op, t.ops * 20.0);
    if (static_cast<int64_t>(next) <= n) return n;
    n = static_cast<int64_t>(next);
  }
}

std::vector<Sample> RunHere(const Bench& bench, int count) {
  RuntimeOptions options = RuntimeOptions::FromEnvironment();
  options.max_procs = FLAGS_procs;
  Runtime runtime(options);
  std::vector<Sample> samples;
  if (bench.outside) {
    for (int i = 0; i < count; ++i) samples.push_back(bench.outside(runtime));
    return samples;
  }
  runtime.Run([&] {
    if (bench.once) {
      for (int i = 0; i < count; ++i) samples.push_back(bench.once());
      return;
    }
    const int64_t n = Calibrate(bench.op);
    for (int i = 0; i < count; ++i) {
      const Timed t = bench.op(n);
      samples.push_back({static_cast<double>(t.ns) / t.ops, {}});
    }
  });
  return samples;
}

// Samples travel from child to parent as "ns key=value key=value" lines.
void PrintRaw(const Sample& sample) {
  std::string line = absl::StrCat(sample.ns);
  for (const auto& [key, value] : sample.extra) {
    absl::StrAppend(&line, " ", key, "=", value);
  }
  puts(line.c_str());
}

bool ParseRaw(const std::string& line, Sample* sample) {
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  if (!absl::SimpleAtod(words[0], &sample->ns)) return false;
  for (size_t i = 1; i < words.size(); ++i) {
    const std::pair<std::string, std::string> kv =
        absl::StrSplit(words[i], '=');
    if (!absl::SimpleAtod(kv.second, &sample->extra[kv.first])) return false;
  }
  return true;
}

bool RunChild(const Bench& bench, int procs, int count,
              std::vector<Sample>* samples) {
  char self[4096];
  const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  if (length < 0) return false;
  self[length] = '\0';
  const std::string command =
      absl::StrCat("exec '", self, "' --child=", bench.name, " --procs=", procs,
                   " --reps=", count);
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return false;
  char line[4096];
  bool ok = true;
  while (fgets(line, sizeof line, pipe) != nullptr) {
    std::string text = line;
    while (!text.empty() && text.back() == '\n') text.pop_back();
    Sample sample;
    ok = ParseRaw(text, &sample) && ok;
    samples->push_back(std::move(sample));
  }
  return pclose(pipe) == 0 && ok && !samples->empty();
}

double Median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  const size_t n = v.size();
  return n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

void Report(const Bench& bench, int procs, const std::vector<Sample>& samples) {
  std::vector<double> ns;
  std::map<std::string, std::vector<double>> extra;
  for (const Sample& s : samples) {
    ns.push_back(s.ns);
    for (const auto& [key, value] : s.extra) extra[key].push_back(value);
  }
  std::string line = bench.note;
  for (const auto& [key, values] : extra) {
    absl::StrAppend(&line, " ", key, "=", Median(values));
  }
  printf("%s/P=%d\t%.1f\t%.1f\t%s\n", bench.name.c_str(), procs, Median(ns),
         *std::min_element(ns.begin(), ns.end()), line.c_str());
  fflush(stdout);
}

bool RunBench(const Bench& bench) {
  const std::vector<int> procs =
      FLAGS_procs > 0 ? std::vector<int>{FLAGS_procs} : bench.procs;
  bool ok = true;
  for (int p : procs) {
    std::vector<Sample> samples;
    bool ran = true;
    const int processes = bench.fresh ? FLAGS_reps : 1;
    for (int i = 0; i < processes && ran; ++i) {
      ran = RunChild(bench, p, bench.fresh ? 1 : FLAGS_reps, &samples);
    }
    if (ran) {
      Report(bench, p, samples);
    } else {
      fprintf(stderr, "%s at GOMAXPROCS=%d failed\n", bench.name.c_str(), p);
      ok = false;
    }
  }
  return ok;
}

}  // namespace

Bench Op(std::string name, std::vector<int> procs,
         std::function<Timed(int64_t)> op, std::string note) {
  Bench b;
  b.name = std::move(name);
  b.procs = std::move(procs);
  b.note = std::move(note);
  b.op = std::move(op);
  return b;
}

Bench Once(std::string name, std::vector<int> procs,
           std::function<Sample()> once, std::string note) {
  Bench b;
  b.name = std::move(name);
  b.procs = std::move(procs);
  b.note = std::move(note);
  b.once = std::move(once);
  b.fresh = true;
  return b;
}

Bench Outside(std::string name, std::vector<int> procs,
              std::function<Sample(Runtime&)> outside, std::string note) {
  Bench b;
  b.name = std::move(name);
  b.procs = std::move(procs);
  b.note = std::move(note);
  b.outside = std::move(outside);
  b.fresh = true;
  return b;
}

int Main(int argc, char** argv, const std::vector<Bench>& benches) {
  gflags::SetUsageMessage(
      "measures goroutines, channels and locks; prints "
      "name/P=procs<TAB>median<TAB>min<TAB>extra");
  gflags::ParseCommandLineFlags(&argc, &argv, /*remove_flags=*/true);
  if (FLAGS_reps < 1 || FLAGS_procs < 0 || argc > 1) {
    fprintf(stderr, "--reps must be at least 1 and --procs at least 0\n");
    return 2;
  }
  std::regex wanted;
  try {
    wanted = std::regex(FLAGS_bench);
  } catch (const std::regex_error& e) {
    fprintf(stderr, "--bench: %s\n", e.what());
    return 2;
  }
  bool ok = true;
  for (const Bench& bench : benches) {
    if (!FLAGS_child.empty()) {
      if (bench.name != FLAGS_child) continue;
      for (const Sample& s : RunHere(bench, FLAGS_reps)) PrintRaw(s);
      return 0;
    }
    if (!std::regex_search(bench.name, wanted)) continue;
    if (FLAGS_list) {
      printf("%s [%s] %s\n", bench.name.c_str(),
             absl::StrJoin(bench.procs, " ").c_str(), bench.note.c_str());
    } else {
      ok = RunBench(bench) && ok;
    }
  }
  if (!FLAGS_child.empty()) {
    fprintf(stderr, "no benchmark named %s\n", FLAGS_child.c_str());
    return 2;
  }
  return ok ? 0 : 1;
}

std::function<Timed(int64_t)> Exactly(std::function<void(int64_t)> body) {
  return [body = std::move(body)](int64_t n) {
    const int64_t start = NanoTime();
    body(n);
    return Timed{n, NanoTime() - start};
  };
}

std::function<Timed(int64_t)> Each(int k, std::function<void(int64_t)> body) {
  return [k, body = std::move(body)](int64_t n) {
    const int64_t per = (n + k - 1) / k;
    WaitGroup group;
    group.Add(k);
    const int64_t start = NanoTime();
    for (int i = 0; i < k; ++i) {
      Go([&group, &body, per] {
        body(per);
        group.Done();
      });
    }
    group.Wait();
    return Timed{per * k, NanoTime() - start};
  };
}

double ProcessCpuMs() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

double RssBytes() {
  FILE* file = fopen("/proc/self/statm", "r");
  long size = 0, resident = 0;
  if (file == nullptr || fscanf(file, "%ld %ld", &size, &resident) != 2) {
    abort();
  }
  fclose(file);
  return static_cast<double>(resident) *
         static_cast<double>(sysconf(_SC_PAGESIZE));
}

}  // namespace rows
}  // namespace mpg
