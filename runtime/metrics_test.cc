#include "runtime/metrics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/panic.h"
#include "channel/chan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/all_goroutines.h"
#include "runtime/goroutine.h"
#include "runtime/test_util.h"
#include "runtime/time.h"
#include "sync/mutex.h"
#include "sync/rwmutex.h"

namespace mpg {
namespace metrics {
namespace {

using internal::Eventually;
using internal::Procs;
using internal::RunWith;
using internal::Scaled;
using ::testing::HasSubstr;

Value ReadOne(const std::string& name) {
  std::vector<Sample> s = {{name}};
  Read(absl::MakeSpan(s));
  return s[0].value;
}

uint64_t Unsigned(const std::string& name) { return ReadOne(name).Uint64(); }

uint64_t CountOf(const Value& histogram) {
  const auto& counts = histogram.Histogram().counts;
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

TEST(MetricsTest, NamesAreSortedUniqueAndHaveAUnit) {
  const std::regex form("(/[a-z]+([-/][a-z]+)*):([a-z]+)");
  std::string before;
  for (const Description& d : All()) {
    const std::string name(d.name);
    EXPECT_TRUE(std::regex_match(name, form)) << name;
    EXPECT_LT(before, name);
    EXPECT_FALSE(d.description.empty());
    EXPECT_EQ(ReadOne(name).Kind(), d.kind) << name;
    before = name;
  }
  EXPECT_GT(All().size(), 20u);
}

TEST(MetricsTest, AnUnknownNameIsBadAndTheOthersAreReadAllTheSame) {
  std::vector<Sample> s = {{"/sched/nothing:s"}, {"/sched/gomaxprocs:threads"}};
  Runtime runtime(Procs(3));
  Read(absl::MakeSpan(s));
  EXPECT_EQ(s[0].value.Kind(), Kind::kBad);
  EXPECT_EQ(s[1].value.Uint64(), 3u);
}

TEST(MetricsTest, AValueOfAnotherKindIsAPanic) {
  const Value v(uint64_t{1});
  EXPECT_EQ(v.Uint64(), 1u);
  EXPECT_THROW(v.Float64(), Panic);
  EXPECT_THROW(v.Histogram(), Panic);
  EXPECT_THROW(Value(1.5).Uint64(), Panic);
  EXPECT_THROW(Value().Uint64(), Panic);
}

TEST(MetricsTest, GoroutinesAreCountedByState) {
  Runtime runtime(internal::InTurns());
  auto stop = MakeChan<int>();
  auto leave_call = MakeChan<int>();
  for (int i = 0; i < 7; ++i) runtime.Go([stop] { stop.Recv(); });
  for (int i = 0; i < 2; ++i) {
    runtime.Go([leave_call] { Syscall([&] { leave_call.Recv(); }); });
  }
  const auto n = [](const std::string& state) {
    return Unsigned("/sched/goroutines" + state + ":goroutines");
  };
  EXPECT_TRUE(Eventually([&] {
    return n("/waiting") == 7 && n("/not-in-go") == 2 && n("/running") == 0 &&
           n("/runnable") == 0;
  }));
  EXPECT_EQ(n(""), 9u);
  runtime.Run([&] {
    for (int i = 0; i < 3; ++i) Go([] {});
    // They wait for the only P.
    EXPECT_EQ(n("/runnable"), 3u);
    EXPECT_EQ(n("/running"), 1u);
    EXPECT_EQ(n("/waiting"), 7u);
    EXPECT_EQ(n("/not-in-go"), 2u);
  });
  for (int i = 0; i < 2; ++i) leave_call.Send(0);
  stop.Close();
  runtime.Wait();
  EXPECT_EQ(n(""), 0u);
}

TEST(MetricsTest, CountersOfARuntimeThatHasEndedStayCounted) {
  const uint64_t created = Unsigned("/sched/goroutines-created:goroutines");
  const uint64_t calls = Unsigned("/mpg/syscalls:calls");
  for (int round = 0; round < 3; ++round) {
    RunWith(2, [] {
      for (int i = 0; i < 10; ++i) Go([] { Syscall([] {}); });
    });
  }
  EXPECT_EQ(Unsigned("/sched/goroutines-created:goroutines") - created, 33u);
  EXPECT_GE(Unsigned("/mpg/syscalls:calls") - calls, 30u);
  EXPECT_EQ(Unsigned("/sched/goroutines:goroutines"), 0u);
}

TEST(MetricsTest, LatenciesAreSampled) {
  const uint64_t before = CountOf(ReadOne("/sched/latencies:seconds"));
  int turns = Scaled(100'000);
  RunWith(1, [turns] {
    auto a = MakeChan<int>();
    Go([a, turns] {
      for (int i = 0; i < turns; ++i) a.Send(i);
    });
    for (int i = 0; i < turns; ++i) a.Recv();
  });
  const uint64_t n = CountOf(ReadOne("/sched/latencies:seconds")) - before;
  // Each value wakes one of the two: one in 128 of about 1 to 2 times `turns`.
  EXPECT_GT(n, static_cast<uint64_t>(turns) / 128 / 4);
  EXPECT_LT(n, static_cast<uint64_t>(turns) / 128 * 8);
}

// Whoever waits behind one that computes for 3 ms is late by that much, also when
// it is new, has yielded or was readied.
TEST(MetricsTest, LatenciesTellHowLongGoroutinesWaitedForAProcessor) {
  const Value before = ReadOne("/sched/latencies:seconds");
  const auto late = [&] {
    const Value now = ReadOne("/sched/latencies:seconds");
    const Float64Histogram& h = now.Histogram();
    uint64_t n = 0;
    for (size_t i = 0; i < h.counts.size(); ++i) {
      if (h.buckets[i] >= 0.002) {
        n += h.counts[i] - before.Histogram().counts[i];
      }
    }
    return n;
  };
  RunWith(1, [&] {
    // All at once, so that each waits for the 3 ms.
    for (int round = 0; round < 100 && late() < 2; ++round) {
      for (int i = 0; i < 200; ++i) Go([] { Gosched(); });
      internal::Burn(std::chrono::milliseconds(3));
      Sleep(absl::Milliseconds(1));
    }
  });
  EXPECT_GE(late(), 2u);
}

TEST(MetricsTest, WaitingForAMutexIsTimed) {
  const double before = ReadOne("/sync/mutex/wait/total:seconds").Float64();
  RunWith(2, [] {
    Mutex mu;
    mu.Lock();
    auto done = MakeChan<int>();
    Go([&] {
      mu.Lock();
      mu.Unlock();
      done.Send(0);
    });
    EXPECT_TRUE(Eventually([] {
      const auto all = internal::AllGoroutines();
      return std::any_of(all.begin(), all.end(), [](const auto& g) {
        return g.state == "sync.Mutex.Lock";
      });
    }));
    Sleep(absl::Milliseconds(5));
    mu.Unlock();
    done.Recv();
  });
  const double waited =
      ReadOne("/sync/mutex/wait/total:seconds").Float64() - before;
  EXPECT_GT(waited, 0.001);
  EXPECT_LT(waited, 60);
}

TEST(MetricsTest, OneInEightWaitsForAnRWMutexIsTimedAndStandsForEight) {
  const double before = ReadOne("/sync/mutex/wait/total:seconds").Float64();
  RunWith(1, [] {
    for (int i = 0; i < 16; ++i) {
      RWMutex mu;
      mu.Lock();
      auto done = MakeChan<int>();
      Go([&] {
        mu.RLock();
        mu.RUnlock();
        done.Send(0);
      });
      Sleep(absl::Milliseconds(5));
      mu.Unlock();
      done.Recv();
    }
  });
  // Locks at one address wait at one root, which times two of these 16; those at
  // different addresses perhaps one in all. Most wait for nearly 5 ms.
  EXPECT_GT(ReadOne("/sync/mutex/wait/total:seconds").Float64() - before,
            0.005);
}

TEST(MetricsTest, StopsOfTheWorldAreTimed) {
  const uint64_t stops =
      CountOf(ReadOne("/sched/pauses/stopping/other:seconds"));
  const uint64_t pauses = CountOf(ReadOne("/sched/pauses/total/other:seconds"));
  RunWith(2, [] {
    for (int i = 0; i < 5; ++i) {
      StopTheWorld("test");
      internal::Burn(std::chrono::milliseconds(2));
      StartTheWorld();
    }
  });
  EXPECT_EQ(CountOf(ReadOne("/sched/pauses/stopping/other:seconds")) - stops,
            5u);
  const Value total = ReadOne("/sched/pauses/total/other:seconds");
  EXPECT_EQ(CountOf(total) - pauses, 5u);
  const Float64Histogram& h = total.Histogram();
  ASSERT_EQ(h.buckets.size(), h.counts.size() + 1);
  uint64_t long_ones = 0;
  for (size_t i = 0; i < h.counts.size(); ++i) {
    if (h.buckets[i + 1] > 0.002) long_ones += h.counts[i];
  }
  EXPECT_GE(long_ones, 5u);
}

TEST(MetricsTest, TimersAreCounted) {
  Runtime runtime(Procs(1));
  runtime.Run([] {
    const uint64_t before = Unsigned("/mpg/timers:timers");
    Timer t(absl::Hours(1));
    EXPECT_EQ(Unsigned("/mpg/timers:timers"), before + 1);
  });
}

TEST(MetricsTest, StatsTellHandoffs) {
  Runtime runtime(Procs(1));
  runtime.Run([] {
    Go([] { BlockingSyscall([] {}); });
    Sleep(absl::Milliseconds(1));
  });
  runtime.Wait();
  EXPECT_GE(runtime.Stats().handoffs, 1u);
}

// --- Prometheus's text format, strictly ---------------------------------------

// What a page says, or why it is not one.
struct Page {
  std::string error;
  std::map<std::string, std::string> types;
  std::map<std::string, double> samples;  // by name and labels
};

bool ParseNumber(const std::string& text, double* out) {
  if (text == "+Inf") {
    *out = INFINITY;
    return true;
  }
  static const std::regex number("[0-9]+(\\.[0-9]+)?(e[-+]?[0-9]+)?");
  if (!std::regex_match(text, number)) return false;
  *out = std::stod(text);
  return true;
}

// A histogram's lines: bounds rise, counts do not fall, the last bound is
// infinite and its count _count, and there is a _sum.
struct Buckets {
  double bound = -INFINITY;
  double count = 0;
};

Page Parse(const std::string& text) {
  Page page;
  if (text.empty() || text.back() != '\n') {
    page.error = "the last line has no end";
    return page;
  }
  static const std::regex help("# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ([^\\\\]+)");
  static const std::regex type(
      "# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)");
  static const std::regex sample(
      "([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{le=\"([^\"]+)\"\\})? ([^ ]+)");
  std::string helped;
  std::string current;  // the family whose samples may come now
  std::map<std::string, Buckets> histograms;
  for (absl::string_view line : absl::StrSplit(
           absl::string_view(text).substr(0, text.size() - 1), '\n')) {
    const std::string s(line);
    const auto fail = [&](const char* why) {
      if (page.error.empty()) page.error = std::string(why) + ": " + s;
    };
    std::smatch m;
    if (std::regex_match(s, m, help)) {
      helped = m[1];
      current.clear();
    } else if (std::regex_match(s, m, type)) {
      if (m[1] != helped) fail("TYPE without its HELP");
      current = m[1];
      if (!page.types.emplace(current, m[2]).second) fail("a second family");
    } else if (std::regex_match(s, m, sample)) {
      const std::string name = m[1];
      double value;
      if (current.empty()) fail("a sample without TYPE");
      if (!ParseNumber(m[4], &value)) fail("not a number");
      if (!page.samples.emplace(name + m[2].str(), value).second) {
        fail("a second sample");
      }
      if (page.types[current] != "histogram") {
        if (name != current || m[2].matched) fail("not of this family");
        continue;
      }
      Buckets& b = histograms[current];
      if (name == current + "_bucket") {
        double bound;
        if (!ParseNumber(m[3], &bound)) fail("not a bound");
        if (bound <= b.bound) fail("bounds do not rise");
        if (value < b.count) fail("counts fall");
        b = {bound, value};
      } else if (name == current + "_count") {
        if (!std::isinf(b.bound)) fail("no +Inf bucket");
        if (value != b.count) fail("not the last bucket's count");
      } else if (name != current + "_sum") {
        fail("not of this histogram");
      }
    } else {
      fail("not a line of the format");
    }
  }
  for (const auto& [name, b] : histograms) {
    for (const char* part : {"_sum", "_count"}) {
      if (page.samples.count(name + part) == 0) page.error = name + part;
    }
  }
  return page;
}

TEST(PrometheusTest, TheCheckerFindsWhatIsWrong) {
  const std::string head = "# HELP a b\n# TYPE a histogram\n";
  const std::string tail = "a_sum 1\na_count 2\n";
  const auto error = [](const std::string& text) { return Parse(text).error; };
  EXPECT_EQ(
      error(head + "a_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 2\n" + tail),
      "");
  EXPECT_NE(error(head + "a_bucket{le=\"1\"} 1\n" + tail), "");
  EXPECT_NE(error(head + "a_bucket{le=\"+Inf\"} 1\n" + tail), "");
  EXPECT_NE(error(head + "a_bucket{le=\"+Inf\"} 2\na_count 2\n"), "");
  EXPECT_NE(error("# TYPE a gauge\na 1\n"), "");
  EXPECT_NE(error("# HELP a b\n# TYPE a gauge\na 1\na 2\n"), "");
  EXPECT_NE(error("# HELP a b\n# TYPE a gauge\nb 1\n"), "");
  EXPECT_NE(error("# HELP a b\n# TYPE a gauge\na one\n"), "");
  EXPECT_NE(error("# HELP a b\n# TYPE a gauge\na 1"), "");
  EXPECT_EQ(error("# HELP a b\n# TYPE a gauge\na 1\n"), "");
}

TEST(PrometheusTest, ThePageIsInTheFormatAndHasAllMetrics) {
  Runtime runtime(Procs(2));
  runtime.Run([] {
    StopTheWorld("test");
    StartTheWorld();
  });
  const Page page = Parse(PrometheusText());
  EXPECT_EQ(page.error, "");
  EXPECT_EQ(page.types.size(), All().size());
  EXPECT_EQ(page.samples.at("mpg_sched_gomaxprocs_threads"), 2);
  EXPECT_EQ(page.types.at("mpg_sched_gomaxprocs_threads"), "gauge");
  EXPECT_EQ(page.types.at("mpg_sched_goroutines_created_goroutines_total"),
            "counter");
  EXPECT_EQ(page.types.at("mpg_sched_latencies_seconds"), "histogram");
  EXPECT_EQ(page.types.at("mpg_sync_mutex_wait_total_seconds_total"),
            "counter");
  EXPECT_EQ(page.types.at("mpg_threads_wakes_events_total"), "counter");
  EXPECT_GE(page.samples.at("mpg_sched_pauses_total_other_seconds_count"), 1);
  EXPECT_GT(page.samples.at("mpg_sched_pauses_total_other_seconds_sum"), 0);
}

}  // namespace
}  // namespace metrics
}  // namespace mpg
