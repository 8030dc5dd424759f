// A tour of mpg: a prime sieve, a tree of a million goroutines, a ring, and a
// word count of the files given on the command line, each with its figures.
//
//   tour [--procs=N] [--schedtrace=MS] [FILE...]
#include <gflags/gflags.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "examples/ring.h"
#include "examples/sieve.h"
#include "examples/skynet.h"
#include "examples/word_count.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"

DEFINE_int32(procs, 0, "GOMAXPROCS; 0: $GOMAXPROCS, else all CPUs");
DEFINE_int32(schedtrace, 0, "print a SCHED line this often, in ms; 0: never");
DEFINE_int32(primes, 2000, "length of the sieve");
DEFINE_int32(leaves, 1000000, "leaves of skynet: a power of ten");
DEFINE_int32(nodes, 1000, "goroutines in the ring");
DEFINE_int32(rounds, 1000, "times round the ring");

namespace {

using mpg::examples::CountFiles;
using mpg::examples::NthPrime;
using mpg::examples::PassRoundRing;
using mpg::examples::Skynet;

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "tour: wrong result: %s\n", what.c_str());
  std::exit(1);
}

double Milliseconds(const std::function<void()>& body) {
  const absl::Time start = absl::Now();
  body();
  return absl::ToDoubleMilliseconds(absl::Now() - start);
}

void RunSieve() {
  int prime = 0;
  const double ms = Milliseconds([&] { prime = NthPrime(FLAGS_primes); });
  if (FLAGS_primes == 2000 && prime != 17389) Fail("sieve");
  std::printf(
      "sieve      prime number %d is %d: %d goroutines in a chain, %.0f ms\n",
      FLAGS_primes, prime, FLAGS_primes + 1, ms);
}

void RunSkynet() {
  const int64_t n = FLAGS_leaves;
  int64_t sum = 0;
  const double ms = Milliseconds([&] { sum = Skynet(n); });
  if (sum != n * (n - 1) / 2) Fail("skynet");
  const double goroutines = static_cast<double>(n) * 10 / 9;
  std::printf(
      "skynet     %.0f goroutines sum up to %lld: %.0f ms, %.0f ns a "
      "goroutine\n",
      goroutines, static_cast<long long>(sum), ms, ms * 1e6 / goroutines);
}

void RunRing() {
  int in_order = 0;
  const double ms = Milliseconds(
      [&] { in_order = PassRoundRing(FLAGS_nodes, FLAGS_rounds); });
  if (in_order != FLAGS_rounds) Fail("ring");
  const double hops = static_cast<double>(FLAGS_nodes) * FLAGS_rounds;
  std::printf(
      "ring       %d goroutines, %d times round: %.0f ms, %.1f ns a hop\n",
      FLAGS_nodes, FLAGS_rounds, ms, ms * 1e6 / hops);
}

bool RunWordCount(const std::vector<std::string>& paths) {
  int64_t words = 0, bytes = 0;
  bool ok = true;
  const double ms = Milliseconds([&] {
    const auto results = CountFiles(paths);
    for (size_t done = 1; done <= paths.size(); ++done) {
      const auto count = *results.Recv();
      std::fprintf(stderr, "\rwordcount  %zu of %zu files\033[K\r", done,
                   paths.size());
      if (!count.ok()) {
        std::fprintf(stderr, "wordcount: %s\n",
                     std::string(count.status().message()).c_str());
        ok = false;
        continue;
      }
      words += count->words;
      bytes += count->bytes;
    }
  });
  std::printf("wordcount  %zu files, %lld words, %.1f MB: %.1f ms\n",
              paths.size(), static_cast<long long>(words),
              static_cast<double>(bytes) / 1e6, ms);
  return ok;
}

}  // namespace

int main(int argc, char** argv) {
  gflags::SetUsageMessage("tour of mpg: tour [flags] [FILE...]");
  gflags::ParseCommandLineFlags(&argc, &argv, /*remove_flags=*/true);
  int64_t power = 1;
  while (power < FLAGS_leaves) power *= 10;
  if (FLAGS_procs < 0 || FLAGS_schedtrace < 0 || FLAGS_primes < 1 ||
      power != FLAGS_leaves || FLAGS_nodes < 1 || FLAGS_rounds < 1) {
    std::fprintf(stderr, "tour: flags out of range; see --help\n");
    return 2;
  }
  mpg::RuntimeOptions options = mpg::RuntimeOptions::FromEnvironment();
  if (FLAGS_procs > 0) options.max_procs = FLAGS_procs;
  if (FLAGS_schedtrace > 0) {
    options.schedtrace = absl::Milliseconds(FLAGS_schedtrace);
  }
  const std::vector<std::string> paths(argv + 1, argv + argc);
  mpg::Runtime runtime(options);
  bool ok = true;
  runtime.Run([&] {
    std::printf("GOMAXPROCS=%d on %d CPUs\n", mpg::GOMAXPROCS(0),
                mpg::NumCPU());
    RunSieve();
    RunSkynet();
    RunRing();
    if (!paths.empty()) ok = RunWordCount(paths);
  });
  const mpg::SchedStats stats = runtime.Stats();
  std::printf(
      "%llu goroutines in all, %llu switches, %llu steals, %d threads\n",
      static_cast<unsigned long long>(stats.goroutines_created),
      static_cast<unsigned long long>(stats.switches),
      static_cast<unsigned long long>(stats.steals), stats.threads);
  return ok ? 0 : 1;
}
