// Dumps from code: what they show, and that nothing is lost by them.
#include "runtime/stack_dump.h"

#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "channel/chan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/sched.h"
#include "runtime/test_util.h"
#include "sync/wait_group.h"

namespace user {  // what is mpg's own may be left out of dumps

auto Receiving(mpg::Chan<int> c) {
  return [c] { c.Recv(); };
}

}  // namespace user

namespace mpg {

__attribute__((noinline)) void ReceiverFunction(const Chan<int>& c) {
  c.Recv();
  asm volatile("" ::: "memory");
}

__attribute__((noinline)) std::string StackOfFunction() {
  std::string stack = Stack();
  return stack;
}

__attribute__((noinline)) void LoopingFunction(const std::atomic<bool>* stop,
                                               std::atomic<bool>* begun) {
  begun->store(true);
  while (!stop->load(std::memory_order_relaxed)) {
  }
}

__attribute__((noinline)) void CallingFunction(int fd) {
  char byte;
  Syscall([&] {
    while (read(fd, &byte, 1) < 0) {
    }
  });
  asm volatile("" ::: "memory");
}

namespace {

using internal::Eventually;
using internal::RunWith;
using testing::AllOf;
using testing::AnyOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

int Count(const std::string& text, const std::string& what) {
  return static_cast<int>(
             std::vector<std::string>(absl::StrSplit(text, what)).size()) -
         1;
}

// The part of a dump that is about the goroutine of that name.
std::string PartOf(const std::string& dump, const std::string& name) {
  for (absl::string_view part : absl::StrSplit(dump, "\n\n")) {
    if (part.find(absl::StrCat("\"", name, "\"")) != part.npos) {
      return std::string(part);
    }
  }
  return "";
}

template <class F>
void GoNamed(const std::string& name, F f) {
  GoOptions options;
  options.name = name;
  Go(options, std::move(f));
}

// Until the goroutine of that name is so.
void AwaitState(const std::string& name, const std::string& state) {
  while (PartOf(DumpGoroutines(), name).find("[" + state) ==
         std::string::npos) {
    Gosched();
  }
}

TEST(StackTest, OfTheCallerNamesItsFunctionsAndState) {
  RunWith(1, [] {
    EXPECT_THAT(StackOfFunction(),
                AllOf(ContainsRegex("^goroutine [0-9]+ \\[running\\]:"),
                      HasSubstr("mpg::StackOfFunction")));
  });
}

TEST(StackTest, OfAThread) {
  EXPECT_THAT(StackOfFunction(),
              AllOf(StartsWith("thread [running]:\n"),
                    HasSubstr("mpg::StackOfFunction"), HasSubstr("main(...)")));
}

TEST(DumpTest, ShowsABlockedGoroutinesReasonFramesAndMaker) {
  RunWith(2, [] {
    auto c = MakeChan<int>();
    GoNamed("blocked", [c] { ReceiverFunction(c); });
    AwaitState("blocked", "chan receive");
    const std::string part = PartOf(DumpGoroutines(), "blocked");
    EXPECT_THAT(part,
                AllOf(ContainsRegex("goroutine [0-9]+ \"blocked\" "
                                    "\\[chan receive\\]:\n"),
                      HasSubstr("mpg::ReceiverFunction("),
                      ContainsRegex("created by .* in goroutine [0-9]+\n"),
                      Not(HasSubstr("mpg::internal::Park"))));
    DumpOptions system;
    system.system_frames = true;
    EXPECT_THAT(PartOf(DumpGoroutines(system), "blocked"),
                HasSubstr("mpg_context_start"));
    c.Close();
  });
}

TEST(DumpTest, ShowsAClosureAlsoWhereItHasBeenInlined) {
  RunWith(2, [] {
    auto c = MakeChan<int>();
    GoNamed("closure", user::Receiving(c));
    AwaitState("closure", "chan receive");
    const std::string part = PartOf(DumpGoroutines(), "closure");
    EXPECT_THAT(part.substr(0, part.find("created by ")),
                AnyOf(HasSubstr("::ClosureIn<"), HasSubstr("operator()")));
    c.Close();
  });
}

TEST(DumpTest, ShowsWhereASystemCallWasMade) {
  int ends[2];
  ASSERT_EQ(0, pipe(ends));
  RunWith(2, [&] {
    GoNamed("caller", [&] { CallingFunction(ends[0]); });
    AwaitState("caller", "syscall");
    EXPECT_THAT(PartOf(DumpGoroutines(), "caller"),
                HasSubstr("mpg::CallingFunction("));
    EXPECT_EQ(1, write(ends[1], "x", 1));
  });
  close(ends[0]);
  close(ends[1]);
}

TEST(DumpTest, ShowsWhereALoopWasInterrupted) {
  if (internal::kSanHoldsSignals) GTEST_SKIP() << "no preemption by signals";
  std::atomic<bool> stop{false}, begun{false};
  RunWith(2, [&] {
    GoNamed("looper", [&] { LoopingFunction(&stop, &begun); });
    while (!begun.load()) Gosched();
    EXPECT_THAT(PartOf(DumpGoroutines(), "looper"),
                AllOf(HasSubstr("mpg::LoopingFunction("),
                      ContainsRegex("created by .* in goroutine")));
    stop.store(true);
  });
}

// A signal needs an idle thread to give the P to, and these have ended.
TEST(DumpTest, ShowsALoopAfterIdleThreadsHaveEnded) {
  if (internal::kSanHoldsSignals) GTEST_SKIP() << "no preemption by signals";
  std::atomic<bool> stop{false}, begun{false};
  RuntimeOptions options = internal::Procs(2);
  options.idle_thread_life = absl::Milliseconds(1);
  Runtime runtime(options);
  const auto threads_end = [&runtime] {
    return runtime.Stats().threads == 1;  // sysmon
  };
  for (int i = 0; i < 4; ++i) {
    runtime.Go([] { BlockingSyscall([] { usleep(1000); }); });
  }
  runtime.Wait();
  ASSERT_TRUE(Eventually(threads_end));
  std::thread main([&] {
    GoOptions named;
    named.name = "looper";
    runtime.Run([&] { Go(named, LoopingFunction, &stop, &begun); });
  });
  ASSERT_TRUE(Eventually([&begun] { return begun.load(); }));
  ASSERT_TRUE(
      Eventually([&runtime] { return runtime.Stats().idlethreads == 0; }));
  EXPECT_THAT(PartOf(DumpGoroutines(), "looper"),
              HasSubstr("mpg::LoopingFunction("));
  stop.store(true);
  main.join();
  runtime.Wait();
}

TEST(DumpTest, SaysWhoIsLockedToItsThread) {
  RunWith(2, [] {
    auto c = MakeChan<int>();
    auto ended = MakeChan<int>();
    GoNamed("locked", [c, ended] {
      LockOSThread();
      c.Recv();
      ended.Close();
    });
    AwaitState("locked", "chan receive");
    EXPECT_THAT(PartOf(DumpGoroutines(), "locked"),
                HasSubstr("[chan receive, locked to thread]:\n"));
    c.Close();
    ended.Recv();  // its thread may be that of Run, which leaves with this one
  });
}

TEST(DumpTest, CountsTheMinutesOfAWait) {
  RunWith(2, [] {
    auto c = MakeChan<int>();
    GoNamed("patient", [c] { c.Recv(); });
    AwaitState("patient", "chan receive");
    EXPECT_THAT(PartOf(DumpGoroutines(), "patient"), Not(HasSubstr("minutes")));
    internal::G* patient = nullptr;
    internal::CurrentG()->sched->ForEachG([&](internal::G* g) {
      if (g->extra != nullptr && g->extra->name == "patient") patient = g;
    });
    ASSERT_NE(nullptr, patient);
    // As if it had parked 10 ticks of 34 s ago: at least 9 have gone by.
    patient->wait_since = static_cast<uint16_t>(patient->wait_since - 10);
    EXPECT_THAT(PartOf(DumpGoroutines(), "patient"),
                HasSubstr("[chan receive, 5 minutes]:\n"));
    c.Close();
  });
}

TEST(DumpTest, GroupsIdenticalStacks) {
  RunWith(2, [] {
    auto c = MakeChan<int>();
    for (int i = 0; i < 7; ++i) Go([c] { ReceiverFunction(c); });
    DumpOptions grouped;
    grouped.group_identical = true;
    std::string dump;
    do {
      Gosched();
      dump = DumpGoroutines(grouped);
    } while (dump.find("7 goroutines [chan receive]:\n") == std::string::npos);
    EXPECT_EQ(1, Count(dump, "mpg::ReceiverFunction("));
    EXPECT_THAT(dump, ContainsRegex("\ngoroutines( [0-9]+){7}\n"));
    EXPECT_EQ(7, Count(DumpGoroutines(), "mpg::ReceiverFunction("));
    c.Close();
  });
}

TEST(DumpTest, ByAThreadShowsEveryRuntime) {
  auto c = MakeChan<int>();
  Runtime a(internal::Procs(1)), b(internal::Procs(2));
  a.Go([c] { ReceiverFunction(c); });
  b.Go([c] { ReceiverFunction(c); });
  EXPECT_TRUE(Eventually(
      [] { return Count(DumpGoroutines(), "mpg::ReceiverFunction(") == 2; }));
  c.Close();
  a.Wait();
  b.Wait();
}

TEST(DumpTest, ByWhoHasStoppedTheWorld) {
  RunWith(2, [] {
    auto c = MakeChan<int>();
    GoNamed("blocked", [c] { ReceiverFunction(c); });
    AwaitState("blocked", "chan receive");
    StopTheWorld("test");
    const std::string dump = DumpGoroutines();
    StartTheWorld();
    EXPECT_THAT(PartOf(dump, "blocked"), HasSubstr("mpg::ReceiverFunction("));
    c.Close();
  });
}

// Two Runtimes whose goroutines dump at once, while others of them work: all the
// work gets done.
TEST(DumpTest, LosesNothing) {
  constexpr int kDumps = internal::Scaled(60);
  constexpr int kSends = internal::Scaled(20000);
  std::atomic<int64_t> sum{0};
  const auto work = [&sum] {
    WaitGroup wait;
    auto c = MakeChan<int>(4);
    for (int i = 0; i < 4; ++i) {
      wait.Go([c] {
        for (int k = 0; k < kSends; ++k) c.Send(1);
      });
      wait.Go([c, &sum] {
        for (int k = 0; k < kSends; ++k) sum += *c.Recv();
      });
    }
    wait.Go([] {
      for (int i = 0; i < kDumps; ++i) {
        EXPECT_THAT(DumpGoroutines(), ContainsRegex("goroutine [0-9]+ \\["));
        Gosched();
      }
    });
    wait.Wait();
  };
  std::thread other([&] { RunWith(2, work); });
  RunWith(2, work);
  other.join();
  EXPECT_EQ(8 * kSends, sum.load());
}

TEST(DumpTest, WhileARuntimeEnds) {
  std::atomic<bool> stop{false};
  std::thread dumper([&stop] {
    while (!stop.load()) DumpGoroutines();
  });
  for (int i = 0; i < internal::Scaled(100); ++i) {
    RunWith(2, [] {
      for (int k = 0; k < 5; ++k) Go([k] { GOMAXPROCS(k % 2 + 1); });
    });
  }
  stop.store(true);
  dumper.join();
}

}  // namespace
}  // namespace mpg
