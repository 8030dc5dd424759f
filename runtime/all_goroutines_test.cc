#include "runtime/all_goroutines.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "channel/chan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/backtrace.h"
#include "runtime/goroutine.h"
#include "runtime/labels.h"
#include "runtime/test_util.h"
#include "runtime/time.h"

// Functions to be found in stacks.
inline void NoTailCall() { asm volatile(""); }

[[gnu::noinline]] void WaitForValue(mpg::Chan<int> c) {
  c.Recv();
  NoTailCall();
}
[[gnu::noinline]] void CallerOfWait(mpg::Chan<int> c) {
  WaitForValue(c);
  NoTailCall();
}
[[gnu::noinline]] void InACall(mpg::Chan<int> c) {
  mpg::Syscall([&] { c.Recv(); });
  NoTailCall();
}
[[gnu::noinline]] void InABlockingCall(mpg::Chan<int> c) {
  mpg::BlockingSyscall([&] { c.Recv(); });
  NoTailCall();
}
[[gnu::noinline]] void ComputeUntil(const std::atomic<bool>& stop) {
  while (!stop.load(std::memory_order_relaxed)) {
  }
  NoTailCall();
}
[[gnu::noinline]] void NeverRun() { NoTailCall(); }
[[gnu::noinline]] std::vector<mpg::internal::ProfiledGoroutine> LookAround() {
  auto all = mpg::internal::AllGoroutines();
  NoTailCall();
  return all;
}

namespace mpg {
namespace internal {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

// The one with this function on its stack, as a dump shows it; "": there is none.
std::string DumpOf(const std::vector<ProfiledGoroutine>& all,
                   const std::string& function) {
  for (const ProfiledGoroutine& g : all) {
    const std::string dump = FormatGoroutine(g);
    if (dump.find(function) != std::string::npos) return dump;
  }
  return "";
}

int CountOf(const std::vector<ProfiledGoroutine>& all,
            const std::string& function) {
  int n = 0;
  for (const ProfiledGoroutine& g : all) {
    n += FormatGoroutine(g).find(function) != std::string::npos;
  }
  return n;
}

TEST(AllGoroutinesTest, ShowsWhereEachOneIs) {
  Runtime runtime(Procs(2));
  auto c = MakeChan<int>();
  runtime.Run([&] {
    Go([c] { CallerOfWait(c); });
    Go([c] { InACall(c); });
    Go([c] { InABlockingCall(c); });
    Sleep(absl::Milliseconds(1));
    std::vector<ProfiledGoroutine> all;
    // Until the three are where they go.
    do {
      Gosched();
      all = LookAround();
    } while (DumpOf(all, "WaitForValue").empty() ||
             CountOf(all, "[syscall]") != 2);
    EXPECT_EQ(all.size(), 4u);
    EXPECT_THAT(DumpOf(all, "WaitForValue"),
                ContainsRegex("^goroutine [0-9]+ \\[chan receive\\]:\n"
                              "(.*\n.*\n)*WaitForValue\\(.*\n.*\n"
                              "CallerOfWait\\("));
    EXPECT_THAT(DumpOf(all, "InACall"),
                ContainsRegex(
                    "^goroutine [0-9]+ \\[syscall\\]:\n(.*\n.*\n)*InACall\\("));
    EXPECT_THAT(
        DumpOf(all, "InABlockingCall"),
        ContainsRegex(
            "^goroutine [0-9]+ \\[syscall\\]:\n(.*\n.*\n)*InABlockingCall\\("));
    EXPECT_THAT(
        DumpOf(all, "LookAround"),
        ContainsRegex("^goroutine 1 \\[running\\]:\n(.*\n.*\n)*LookAround"));
    EXPECT_THAT(DumpOf(all, "WaitForValue"),
                ContainsRegex("\ncreated by .* in goroutine 1\n"));
    c.Close();
  });
  runtime.Wait();
}

TEST(AllGoroutinesTest, ShowsOneThatHasNotRunYet) {
  RunWith(InTurns(), [] {
    Go(NeverRun);
    const auto all = LookAround();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_THAT(all[1].header, HasSubstr("[runnable]"));
    EXPECT_EQ(all[1].pcs.size(), 1u);
    EXPECT_THAT(FunctionName(all[1].pcs[0]), HasSubstr("ClosureIn"));
  });
}

TEST(AllGoroutinesTest, ShowsWhereASignalHasPreemptedOne) {
  if (kSanHoldsSignals) GTEST_SKIP() << "no preemption by signals here";
  std::atomic<bool> stop{false};
  Runtime runtime(Procs(1));
  runtime.Go([&] { ComputeUntil(stop); });
  // From a thread; the world stops only when the loop is preempted.
  std::string dump;
  EXPECT_TRUE(Eventually([&] {
    dump = DumpOf(LookAround(), "ComputeUntil");
    return dump.find("[preempted]") != std::string::npos;
  }));
  EXPECT_THAT(dump,
              ContainsRegex("\\[preempted\\]:\n(.*\n.*\n)*ComputeUntil\\("));
  stop = true;
  runtime.Wait();
}

TEST(AllGoroutinesTest, ShowsAllRuntimesToAThreadAndToAGoroutine) {
  Runtime a(Procs(1)), b(Procs(2));
  auto c = MakeChan<int>();
  a.Go([c] { WaitForValue(c); });
  b.Go([c] { CallerOfWait(c); });
  EXPECT_TRUE(Eventually([] {
    const auto all = LookAround();
    return all.size() == 2 && CountOf(all, "WaitForValue") == 2;
  }));
  a.Run([] {
    const auto all = LookAround();
    EXPECT_EQ(all.size(), 3u);
    EXPECT_EQ(CountOf(all, "WaitForValue"), 2);
    EXPECT_EQ(CountOf(all, "LookAround"), 1);
  });
  c.Close();
  a.Wait();
  b.Wait();
}

TEST(AllGoroutinesTest, ShowsLabelsAndTheirHeirs) {
  Runtime runtime(InTurns());
  auto c = MakeChan<int>();
  runtime.Run([&] {
    pprof::Do(pprof::Labels({{"user", "ann"}, {"job", "7"}}),
              [&] { Go([c] { WaitForValue(c); }); });
    Gosched();
    const auto all = LookAround();
    EXPECT_THAT(DumpOf(all, "WaitForValue"),
                ContainsRegex("^goroutine [0-9]+ \\[chan receive\\] "
                              "\\{\"job\":\"7\", \"user\":\"ann\"\\}:\n"));
    EXPECT_THAT(DumpOf(all, "LookAround"), HasSubstr("[running]:\n"));
    c.Close();
  });
  runtime.Wait();
}

// What is looked at goes on as if nothing had been.
TEST(AllGoroutinesTest, DisturbsNobody) {
  Runtime runtime(Procs(2));
  std::atomic<bool> done{false};
  std::atomic<int64_t> sum{0};
  constexpr int kPairs = 4;
  int turns = Scaled(50'000);
  for (int i = 0; i < kPairs; ++i) {
    runtime.Go([&, i] {
      auto c = MakeChan<int>(i % 2);
      Go([c, turns] {
        for (int k = 0; k < turns; ++k) {
          c.Send(1);
          if (k % 1000 == 0) Syscall([] {});
        }
        c.Close();
      });
      int64_t mine = 0;
      for (int v : c) mine += v;
      sum.fetch_add(mine);
    });
  }
  std::thread observer([&] {
    while (!done.load()) EXPECT_LE(LookAround().size(), 2u * kPairs);
  });
  runtime.Wait();
  done = true;
  observer.join();
  EXPECT_EQ(sum.load(), int64_t{kPairs} * turns);
}

// A Runtime may end while somebody else looks at it.
TEST(AllGoroutinesTest, RuntimesComeAndGoMeanwhile) {
  std::atomic<bool> done{false};
  std::thread observer([&] {
    while (!done.load()) LookAround();
  });
  for (int i = 0; i < Scaled(200); ++i) {
    RunWith(2, [] {
      for (int k = 0; k < 10; ++k) Go([] { Gosched(); });
    });
  }
  done = true;
  observer.join();
}

}  // namespace
}  // namespace internal
}  // namespace mpg
