#include "tests/rows/time_rows.h"

#include <stdlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "base/random.h"
#include "runtime/goroutine.h"
#include "runtime/time.h"
#include "sync/wait_group.h"

namespace mpg {
namespace rows {
namespace {

void CreateStop(int64_t n) {
  for (; n > 0; --n) Timer(absl::Hours(1)).Stop();
}

void ResetChan(int64_t n) {
  const Timer t(absl::Hours(1));
  for (; n > 0; --n) t.Reset(absl::Hours(1));
}

void ResetFunc(int64_t n) {
  const Timer t = AfterFunc(absl::Hours(1), [] {});
  for (; n > 0; --n) t.Reset(absl::Hours(1));
  t.Stop();
}

std::function<Timed(int64_t)> FuncStop(int others) {
  return [others](int64_t n) -> Timed {
    std::vector<Timer> pending;
    for (int i = 0; i < others; ++i) {
      pending.push_back(AfterFunc(absl::Hours(1) + absl::Seconds(i), [] {}));
    }
    const int64_t start = NanoTime();
    for (int64_t i = 0; i < n; ++i) AfterFunc(absl::Hours(1), [] {}).Stop();
    const int64_t ns = NanoTime() - start;
    for (const Timer& t : pending) t.Stop();
    return {n, ns};
  };
}

// Eight goroutines put the same sixteen timers off.
Timed ResetShared(int64_t n) {
  std::vector<Timer> timers;
  for (int i = 0; i < 16; ++i) {
    timers.push_back(AfterFunc(absl::Hours(1), [] {}));
  }
  const Timed t = Each(8, [&timers](int64_t k) {
    for (; k > 0; --k) timers[k % 16].Reset(absl::Hours(1));
  })(n);
  for (const Timer& timer : timers) timer.Stop();
  return t;
}

Sample SleepMany() {
  constexpr int kCount = 100'000;
  FastRand rand(1);
  std::vector<int> ms(kCount);
  for (int& m : ms) m = 1 + static_cast<int>(rand.Below(1000));
  ms[0] = 1000;
  WaitGroup group;
  group.Add(kCount);
  const double cpu = ProcessCpuMs();
  const int64_t start = NanoTime();
  for (int i = 0; i < kCount; ++i) {
    Go([&group, m = ms[i]] {
      Sleep(absl::Milliseconds(m));
      group.Done();
    });
  }
  const int64_t spawned = NanoTime() - start;
  group.Wait();
  const int64_t ns = NanoTime() - start;
  Sample s;
  s.ns = static_cast<double>(ns);
  s.extra["wall_ms"] = s.ns / 1e6;
  s.extra["spawn_ms"] = static_cast<double>(spawned) / 1e6;
  s.extra["cpu_s"] = (ProcessCpuMs() - cpu) / 1e3;
  return s;
}

Sample Accuracy() {
  constexpr int kCount = 100;
  constexpr int64_t kNap = 1'000'000;
  std::vector<std::vector<double>> late(kCount);
  WaitGroup group;
  const int64_t end = NanoTime() + 2'000'000'000;
  const double cpu = ProcessCpuMs();
  for (int i = 0; i < kCount; ++i) {
    group.Go([&mine = late[static_cast<size_t>(i)], end] {
      for (int64_t now = NanoTime(); now < end;) {
        Sleep(absl::Nanoseconds(kNap));
        const int64_t after = NanoTime();
        mine.push_back(static_cast<double>(after - now - kNap));
        now = after;
      }
    });
  }
  group.Wait();
  std::vector<double> all;
  for (const auto& l : late) all.insert(all.end(), l.begin(), l.end());
  std::sort(all.begin(), all.end());
  if (all.empty() || all.front() < 0) abort();  // fired early
  const auto at = [&all](double p) {
    return all[static_cast<size_t>(p * static_cast<double>(all.size() - 1))];
  };
  Sample s;
  s.ns = at(.5);
  s.extra["p50_us"] = at(.5) / 1e3;
  s.extra["p99_us"] = at(.99) / 1e3;
  s.extra["max_us"] = all.back() / 1e3;
  s.extra["cpu_s"] = (ProcessCpuMs() - cpu) / 1e3;
  return s;
}

Sample Pending() {
  constexpr int kCount = 1'000'000;
  std::vector<Timer> timers(kCount);
  const double before = RssBytes();
  const int64_t start = NanoTime();
  for (int i = 0; i < kCount; ++i) {
    timers[static_cast<size_t>(i)] =
        AfterFunc(absl::Hours(1) + absl::Milliseconds(i % 1000), [] {});
  }
  Sample s;
  s.ns = static_cast<double>(NanoTime() - start) / kCount;
  s.extra["bytes"] = (RssBytes() - before) / kCount;
  for (const Timer& t : timers) t.Stop();
  return s;
}

}  // namespace

void AddTimeRows(std::vector<Bench>* benches) {
  benches->push_back(
      Op("timer_create_stop", {1}, Exactly(CreateStop), "ns, Timer+Stop"));
  benches->push_back(
      Op("timer_reset", {1}, Exactly(ResetChan), "ns/Reset, channel"));
  benches->push_back(
      Op("timer_func_stop", {1}, FuncStop(0), "ns, AfterFunc+Stop"));
  benches->push_back(Op("timer_func_stop_10k", {1}, FuncStop(10'000),
                        "ns, AfterFunc+Stop beside 10000 later timers"));
  benches->push_back(
      Op("timer_func_reset", {1}, Exactly(ResetFunc), "ns/Reset"));
  benches->push_back(Op("timer_reset_shared", {1, 2}, ResetShared,
                        "ns/Reset, 8 goroutines, 16 timers"));
  benches->push_back(Once("sleep_many", {1, 2}, SleepMany, "wall ns"));
  benches->push_back(
      Once("timer_accuracy", {1, 2}, Accuracy, "p50 lateness ns"));
  benches->push_back(
      Once("timer_pending_1M", {1}, Pending, "ns/AfterFunc, 1M pending"));
}

}  // namespace rows
}  // namespace mpg
