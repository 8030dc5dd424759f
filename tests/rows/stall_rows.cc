#include "tests/rows/stall_rows.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "base/clock.h"
#include "runtime/goroutine.h"
#include "runtime/time.h"
#include "sync/wait_group.h"

namespace mpg {
namespace rows {
namespace {

void Getppid(int64_t n) {
  for (; n > 0; --n) syscall(SYS_getppid);
}

void SyscallGetppid(int64_t n) {
  for (; n > 0; --n) Syscall([] { return syscall(SYS_getppid); });
}

// What Syscall adds: the difference of the two above drowns where calls are slow.
void SyscallNothing(int64_t n) {
  for (; n > 0; --n) Syscall([] { asm volatile(""); });
}

// What the loops compute. volatile: or the compiler, which sees that nobody reads
// it, leaves them out.
volatile uint64_t sink;

// A sleeper behind a loop that makes no call: how late it wakes.
Sample PreemptLatency() {
  constexpr int64_t kNap = 10'000'000;
  std::atomic<bool> stop{false};
  WaitGroup group;
  group.Go([&stop] {
    uint64_t x = 1;
    // relaxed: nothing is published with it.
    while (!stop.load(std::memory_order_relaxed)) {
      x = x * 6364136223846793005 + 1442695040888963407;
    }
    sink = x;
  });
  std::vector<double> late;
  const int64_t end = NanoTime() + int64_t{3'000'000'000};
  for (int64_t now = NanoTime(); now < end;) {
    Sleep(absl::Nanoseconds(kNap));
    const int64_t after = NanoTime();
    late.push_back(static_cast<double>(after - now - kNap));
    now = after;
  }
  stop = true;
  group.Wait();
  std::sort(late.begin(), late.end());
  const auto at = [&late](double p) {
    return late[static_cast<size_t>(p * static_cast<double>(late.size() - 1))];
  };
  Sample s;
  s.ns = at(.5);
  s.extra["p50_ms"] = at(.5) / 1e6;
  s.extra["p99_ms"] = at(.99) / 1e6;
  s.extra["max_ms"] = late.back() / 1e6;
  return s;
}

// Steps a second of a loop that computes for a second.
double ComputeRate() {
  constexpr int64_t kChunk = 100'000;
  uint64_t x = 1;
  int64_t steps = 0;
  const int64_t start = NanoTime();
  int64_t now = start;
  for (; now - start < 1'000'000'000; now = NanoTime()) {
    for (int64_t i = 0; i < kChunk; ++i) {
      x = x * 6364136223846793005 + 1442695040888963407;
    }
    steps += kChunk;
  }
  sink = x;
  return static_cast<double>(steps) * 1e9 / static_cast<double>(now - start);
}

// What became of ComputeRate beside others.
void Compare(double alone, double with, Sample* s) {
  s->ns = 1e9 / with;
  s->extra["relative_throughput"] = with / alone;
}

// 64 goroutines in blocking reads, which each get a byte every 10 ms, beside one
// that computes.
Sample SyscallBlock() {
  constexpr int kPipes = 64;
  const double alone = ComputeRate();
  std::atomic<int64_t> reads{0};
  std::atomic<bool> stop{false};
  int ends[kPipes][2];
  WaitGroup readers;
  for (auto& pipe_ends : ends) {
    if (pipe(pipe_ends) != 0) abort();
    readers.Go([fd = pipe_ends[0], &reads] {
      char byte;
      while (Syscall([fd, &byte] { return read(fd, &byte, 1); }) == 1) ++reads;
      close(fd);
    });
  }
  WaitGroup writer;
  writer.Go([&] {
    while (!stop) {
      Sleep(absl::Milliseconds(10));
      for (const auto& e : ends) {
        if (write(e[1], "x", 1) != 1) abort();
      }
    }
    for (const auto& e : ends) close(e[1]);
  });
  Sleep(absl::Milliseconds(50));
  const int64_t before = reads;
  const double with = ComputeRate();
  Sample s;
  s.extra["reads_per_s"] = static_cast<double>(reads - before);
  stop = true;
  writer.Wait();
  readers.Wait();
  Compare(alone, with, &s);
  return s;
}

// A thousand goroutines that are blocked in read(2) for good, beside one that
// computes.
Sample SyscallBlocked() {
  constexpr int kReaders = 1000;
  const double alone = ComputeRate();
  int ends[2];
  if (pipe(ends) != 0) abort();
  std::atomic<int> reading{0};
  WaitGroup readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.Go([&] {
      ++reading;
      char byte;
      if (Syscall([&] { return read(ends[0], &byte, 1); }) != 0) abort();
    });
  }
  while (reading != kReaders) Sleep(absl::Milliseconds(1));
  Sleep(absl::Milliseconds(50));
  const double with = ComputeRate();
  close(ends[1]);
  readers.Wait();
  close(ends[0]);
  Sample s;
  Compare(alone, with, &s);
  return s;
}

}  // namespace

void AddStallRows(std::vector<Bench>* benches) {
  benches->push_back(Op("getppid", {1}, Exactly(Getppid), "ns, alone"));
  benches->push_back(
      Op("syscall_getppid", {1}, Exactly(SyscallGetppid), "ns, in Syscall"));
  benches->push_back(
      Op("syscall_nothing", {1}, Exactly(SyscallNothing), "ns, in Syscall"));
  benches->push_back(
      Once("preempt_latency", {1}, PreemptLatency, "p50 lateness ns"));
  benches->push_back(Once("syscall_block", {2}, SyscallBlock, "ns/step"));
  benches->push_back(
      Once("syscall_blocked_1000", {1, 2}, SyscallBlocked, "ns/step"));
}

}  // namespace rows
}  // namespace mpg
