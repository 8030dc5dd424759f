// Reports of goroutines that keep their processor.
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/panic.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/options.h"
#include "runtime/runtime.h"
#include "runtime/switch/fiber_san.h"
#include "runtime/test_util.h"
#include "runtime/time.h"

namespace user_code {

// Nothing of mpg in it: what keeps a processor must not call.
__attribute__((noinline)) void SpinUntil(const std::atomic<bool>& stop) {
  // relaxed: the loop only has to see it some time.
  while (!stop.load(std::memory_order_relaxed)) {
  }
}

}  // namespace user_code

namespace mpg {
namespace {

using internal::Eventually;
using internal::Procs;
using user_code::SpinUntil;

RuntimeOptions Watched(int procs, absl::Duration stall) {
  RuntimeOptions options = Procs(procs);
  options.stall_report = stall;
  return options;
}

int Occurrences(absl::string_view text, absl::string_view what) {
  int n = 0;
  for (size_t at = 0; (at = text.find(what, at)) != text.npos; ++at) ++n;
  return n;
}

// stderr of a Runtime in which `body` runs. The stalls it has counted are seen by
// body through `stalls`.
template <class Body>
std::string ReportsOf(RuntimeOptions options, Body body) {
  testing::internal::CaptureStderr();
  {
    Runtime runtime(options);
    runtime.Run([&] { body([&] { return runtime.Stats().stalls; }); });
  }
  return testing::internal::GetCapturedStderr();
}

// The same, anew until the reports say `what`: a machine that stands still makes
// stalls of its own, and body may have waited for one of those.
template <class Body>
std::string ReportsUntil(absl::string_view what, RuntimeOptions options,
                         Body body) {
  std::string reports;
  for (int attempts = 0; attempts < 5; ++attempts) {
    reports = ReportsOf(options, body);
    if (absl::StrContains(reports, what)) break;
  }
  EXPECT_TRUE(absl::StrContains(reports, what)) << reports;
  return reports;
}

// Under ThreadSanitizer the signal comes late: there is no stack then.
void ExpectStack(const std::string& reports, absl::string_view function) {
  if (internal::kSanHoldsSignals) return;
  EXPECT_TRUE(absl::StrContains(reports, function)) << reports;
  EXPECT_TRUE(absl::StrContains(reports, "[running]:\n")) << reports;
  EXPECT_TRUE(absl::StrContains(reports, "created by ")) << reports;
}

// What a report of a loop says.
constexpr absl::string_view kLoopReport =
    internal::kSanHoldsSignals ? "has been kept by one goroutine for "
                               : "SpinUntil";

// With preemption by signals the stall would begin anew each time.
RuntimeOptions WatchedWithoutPreemption(int procs) {
  RuntimeOptions options = Watched(procs, absl::Milliseconds(20));
  options.async_preempt = false;
  return options;
}

// Loops, each on a P of its own.
void ExpectLoopsAreReportedOnceEach(int loops) {
  const std::string reports = ReportsUntil(
      kLoopReport, WatchedWithoutPreemption(loops + 1), [loops](auto stalls) {
        std::atomic<bool> stop{false};
        std::atomic<int> done{0};
        for (int i = 0; i < loops; ++i) {
          Go([&] {
            SpinUntil(stop);
            ++done;
          });
        }
        while (stalls() < static_cast<uint64_t>(loops)) {
          Sleep(absl::Milliseconds(1));
        }
        Sleep(absl::Milliseconds(50));  // for one more report, which is wrong
        stop = true;
        while (done < loops) Sleep(absl::Milliseconds(1));
      });
  ExpectStack(reports, "SpinUntil");
  EXPECT_LE(Occurrences(reports, "SpinUntil"), loops) << reports;
}

TEST(Stall, ALoopIsReportedOnceWithItsStack) {
  ExpectLoopsAreReportedOnceEach(1);
}

TEST(Stall, TwoAtOnceAreReportedOnceEach) { ExpectLoopsAreReportedOnceEach(2); }

// The signal that asks ends the call, and with it the program.
TEST(Stall, AReportIsPrintedAlsoIfTheRuntimeEndsMeanwhile) {
  ReportsUntil("has been kept by one goroutine for ",
               Watched(2, absl::Milliseconds(20)),
               [](auto) { poll(nullptr, 0, 1000); });
}

// The signal that asks ends the call: there is no stall any more when sysmon looks.
TEST(Stall, ACallThatTheSignalEndsIsReported) {
  const std::string reports =
      ReportsOf(Watched(2, absl::Milliseconds(20)), [](auto stalls) {
        while (stalls() == 0) {
          poll(nullptr, 0, 1000);
          for (int i = 0; i < 50 && stalls() == 0; ++i) {
            Sleep(absl::Milliseconds(1));
          }
        }
      });
  EXPECT_TRUE(absl::StrContains(reports, "has been kept by one goroutine for "))
      << reports;
}

TEST(Stall, ACallThatBlocksUnannouncedIsReportedAsSuch) {
  const std::string reports = ReportsUntil(
      "outside of mpg::Syscall", Watched(2, absl::Milliseconds(20)),
      [](auto stalls) {
        const int fd = eventfd(0, EFD_CLOEXEC);
        ASSERT_GE(fd, 0);
        std::atomic<bool> done{false};
        Go([fd, &done] {
          pollfd p{fd, POLLIN, 0};
          while (poll(&p, 1, -1) < 0 && errno == EINTR) {
          }
          done = true;
        });
        while (stalls() == 0) Sleep(absl::Milliseconds(1));
        const uint64_t one = 1;
        EXPECT_EQ(write(fd, &one, sizeof one), ssize_t{sizeof one});
        while (!done) Sleep(absl::Milliseconds(1));
        close(fd);
      });
  ExpectStack(reports, "poll");
}

TEST(Stall, AnAnnouncedCallIsNone) {
  uint64_t counted = 1;
  const std::string reports =
      ReportsOf(Watched(1, absl::Milliseconds(20)), [&](auto stalls) {
        Syscall([] { usleep(100'000); });
        counted = stalls();
      });
  // A machine that stands still may stall anybody.
  EXPECT_FALSE(absl::StrContains(reports, "outside of mpg::Syscall"))
      << reports;
  EXPECT_LE(counted, 1u) << reports;
}

TEST(Stall, WithAsyncPreemptionToo) {
  std::atomic<bool> stop{false};
  // Less than a slice: preempted or not.
  const RuntimeOptions options = Watched(2, absl::Milliseconds(5));
  const std::string reports = ReportsOf(options, [&](auto stalls) {
    Go([&] { SpinUntil(stop); });
    while (stalls() == 0) Sleep(absl::Milliseconds(1));
    stop = true;
  });
  EXPECT_TRUE(absl::StrContains(reports, "has been kept by one goroutine for "))
      << reports;
}

TEST(Stall, WhoKeepsTheWorldFromStoppingIsReported) {
  const RuntimeOptions options = WatchedWithoutPreemption(2);
  const std::string reports =
      ReportsUntil(kLoopReport, options, [](auto stalls) {
        std::atomic<bool> spins{false}, stop{false}, done{false};
        Go([&] {
          spins = true;
          SpinUntil(stop);
          done = true;
        });
        while (!spins) Gosched();
        std::thread ends_it([&] {
          while (stalls() == 0) usleep(1000);
          stop = true;
        });
        StopTheWorld("a test");
        StartTheWorld();
        Syscall([&] { ends_it.join(); });
        while (!done) Sleep(absl::Milliseconds(1));
      });
  ExpectStack(reports, "SpinUntil");
}

TEST(Stall, ReportsAreFewAMinuteAndAllAreCounted) {
  constexpr int kStalls = 9;
  const std::string reports =
      ReportsOf(Watched(2, absl::Milliseconds(5)), [&](auto stalls) {
        for (uint64_t i = 1; i <= kStalls; ++i) {
          std::atomic<bool> stop{false}, done{false};
          Go([&] {
            SpinUntil(stop);
            done = true;
          });
          while (stalls() < i) Sleep(absl::Milliseconds(1));
          stop = true;
          while (!done) Sleep(absl::Milliseconds(1));
        }
        EXPECT_GE(stalls(), uint64_t{kStalls});
      });
  const int told = Occurrences(reports, "has been kept by one goroutine for ");
  EXPECT_LE(told, 5) << reports;
  const size_t at = reports.find(" more stalls in ");
  ASSERT_NE(at, reports.npos) << reports;
  const size_t number = reports.rfind(' ', at - 1) + 1;
  int left_out;
  ASSERT_TRUE(absl::SimpleAtoi(reports.substr(number, at - number), &left_out));
  EXPECT_GE(told + left_out, kStalls) << reports;
}

TEST(Stall, NoneIsWatchedForUnlessAskedFor) {
  RuntimeOptions options = Procs(1);
  std::string reports = ReportsOf(options, [&](auto stalls) {
    internal::Burn(std::chrono::milliseconds(100));
    EXPECT_EQ(stalls(), 0u);
  });
  EXPECT_EQ(reports, "");
  options.stall_report = -absl::Milliseconds(1);
  EXPECT_THROW(Runtime runtime(options), Panic);
}

}  // namespace
}  // namespace mpg
