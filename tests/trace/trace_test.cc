#include "runtime/trace.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/all_goroutines.h"
#include "runtime/goroutine.h"
#include "runtime/options.h"
#include "runtime/poll_desc.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"
#include "runtime/time.h"
#include "sync/cond.h"
#include "sync/mutex.h"
#include "sync/wait_group.h"
#include "tests/trace/recorded.h"

// Functions with names to look for, outside of mpg: its own are not shown.
namespace traced {

ABSL_ATTRIBUTE_NOINLINE void Child(mpg::Chan<int> c) {
  c.Recv();
  asm volatile("");  // no tail call
}
ABSL_ATTRIBUTE_NOINLINE void Spin(int64_t ns) {
  const int64_t end = mpg::NanoTime() + ns;
  while (mpg::NanoTime() < end) {
    for (volatile int i = 0; i < 10'000; i = i + 1) {
    }
  }
}

}  // namespace traced

namespace mpg {
namespace {

using traced::Child;
using traced::Spin;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using tracetool::State;

#define EXPECT_TRACE(r) EXPECT_EQ((r).error, "")

bool Shows(const std::vector<std::string>& stack, absl::string_view function) {
  return std::any_of(stack.begin(), stack.end(), [&](const std::string& f) {
    return absl::StrContains(f, function);
  });
}

TEST(TraceTest, AGoroutineIsCreatedRunsBlocksIsWokenAndEnds) {
  const Recorded r = Record(
      [] {
        auto c = MakeChan<int>();
        WaitGroup wg;
        wg.Add(1);
        Go([&, c] {
          Child(c);
          wg.Done();
        });
        Gosched();  // it waits now
        c.Send(1);
        wg.Wait();
        Gosched();
      },
      internal::InTurns());
  EXPECT_TRACE(r);
  const int64_t g = r.Goroutine("AGoroutineIsCreated");
  ASSERT_NE(g, 0);
  EXPECT_THAT(r.States(g),
              ElementsAre(State::kRunnable, State::kRunning, State::kWaiting,
                          State::kRunnable, State::kRunning, State::kNotExist));
  const auto blocks = r.Stops("chan receive");
  ASSERT_THAT(blocks, Not(IsEmpty()));
  EXPECT_EQ(blocks[0]->event.subject_id, g);
  EXPECT_TRUE(Shows(blocks[0]->stack, "Child"));
  // Woken by main, in Send.
  for (const RecordedEvent& e : r.events) {
    if (e.event.subject_id != g || !e.Is(State::kWaiting, State::kRunnable)) {
      continue;
    }
    EXPECT_NE(e.event.g, g);
    EXPECT_NE(e.event.g, -1);
    EXPECT_THAT(e.stack, Not(IsEmpty()));
  }
}

TEST(TraceTest, AGoroutineIsNamedByItsFunction) {
  const Recorded r = Record([] {
    auto c = MakeChan<int>(2);
    Go(&Child, c);
    Go(Child, c);
    c.Send(1);
    c.Send(1);
    WaitGroup wg;
    wg.Go([] { Gosched(); });
    wg.Wait();
  });
  EXPECT_TRACE(r);
  int children = 0;
  bool lambda = false;
  for (const RecordedEvent& e : r.events) {
    if (e.start.empty()) continue;
    children += absl::StrContains(e.start[0], "Child(");
    lambda |= absl::StrContains(e.start[0], "{lambda()#");
  }
  EXPECT_EQ(children, 2);
  EXPECT_TRUE(lambda);
}

TEST(TraceTest, SaysWhyAGoroutineWaits) {
  const Recorded r = Record(
      [] {
        WaitGroup wg;
        auto c = MakeChan<int>();
        wg.Go([c] { c.Send(1); });
        Gosched();  // it runs until it waits
        c.Recv();
        wg.Wait();
        Mutex mu;
        mu.Lock();
        wg.Go([&] {
          mu.Lock();
          mu.Unlock();
        });
        Gosched();
        mu.Unlock();
        wg.Wait();
        Cond cond(&mu);
        bool set = false;
        wg.Go([&] {
          mu.Lock();
          while (!set) cond.Wait();
          mu.Unlock();
        });
        Gosched();
        mu.Lock();
        set = true;
        cond.Signal();
        mu.Unlock();
        wg.Wait();
        Go([] { Chan<int>().Recv(); });  // for ever
        Go([] { Select({}); });
        Gosched();
        Sleep(absl::Milliseconds(2));
      },
      internal::InTurns());
  EXPECT_TRACE(r);
  for (const char* reason :
       {"chan send", "sync", "sync.(*Cond).Wait", "sleep", "forever"}) {
    EXPECT_THAT(r.Stops(reason), Not(IsEmpty())) << reason;
  }
}

TEST(TraceTest, ASelectAndTheNetworkAreReasons) {
  int fds[2];
  ASSERT_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
  const Recorded r = Record(
      [&] {
        auto a = MakeChan<int>(), b = MakeChan<int>();
        WaitGroup wg;
        wg.Go([=] {
          Select(OnRecv(a, [](std::optional<int>) {}),
                 OnRecv(b, [](std::optional<int>) {}));
        });
        wg.Go([&] {
          absl::StatusOr<PollDesc> desc = PollDesc::Open(fds[0]);
          ASSERT_TRUE(desc.ok()) << desc.status();
          EXPECT_TRUE(desc->Wait(PollDesc::kRead).ok());
        });
        for (int i = 0; i < 3; ++i) Gosched();  // they wait now
        b.Send(1);
        ASSERT_EQ(write(fds[1], "x", 1), 1);
        wg.Wait();
      },
      internal::InTurns());
  close(fds[0]);
  close(fds[1]);
  EXPECT_TRACE(r);
  EXPECT_THAT(r.Stops("select"), SizeIs(1));
  ASSERT_THAT(r.Stops("network"), SizeIs(1));
  EXPECT_TRUE(Shows(r.Stops("network")[0]->stack, "PollDesc::Wait"));
}

TEST(TraceTest, SystemCallsAreShownAndThatTheirPIsTaken) {
  const Recorded r = Record(
      [] {
        WaitGroup wg;
        std::atomic<bool> inside{false}, leave{false};
        wg.Go([&] {
          Syscall([&] {
            inside.store(true);
            while (!leave.load()) usleep(1'000);
          });
        });
        wg.Go([] { BlockingSyscall([] { usleep(1'000); }); });
        while (!inside.load()) Gosched();  // so it has lost its P
        for (int i = 0; i < 100; ++i) Syscall([] { getppid(); });
        leave.store(true);
        wg.Wait();
      },
      internal::InTurns());
  EXPECT_TRACE(r);
  EXPECT_THAT(r.OfType(tracetool::kEvGoSyscallBegin), SizeIs(102));
  EXPECT_GE(r.OfType(tracetool::kEvGoSyscallEnd).size(), 1u);
  EXPECT_GE(r.OfType(tracetool::kEvGoSyscallEndBlocked).size(), 2u);
  EXPECT_GE(r.OfType(tracetool::kEvProcSteal).size(), 1u);
}

TEST(TraceTest, ALoopThatIsPreemptedIsShown) {
#if defined(MPG_TSAN)
  GTEST_SKIP() << "no preemption by signals under ThreadSanitizer";
#endif
  RuntimeOptions options = internal::Procs(1);
  options.time_slice = absl::Milliseconds(2);
  const Recorded r = Record(
      [] {
        // Each waits for the other, which runs when this one is preempted.
        std::atomic<int> turns[2] = {};
        WaitGroup wg;
        for (const int i : {0, 1}) {
          wg.Go([&turns, i] {
            for (int n = 1; n <= 10; ++n) {
              turns[i].store(n);
              while (turns[1 - i].load() < n) Spin(1'000'000);
            }
          });
        }
        wg.Wait();
      },
      options);
  EXPECT_TRACE(r);
  const auto stops = r.Stops("preempted");
  ASSERT_THAT(stops, Not(IsEmpty()));
  EXPECT_TRUE(std::any_of(stops.begin(), stops.end(),
                          [](auto* e) { return !e->stack.empty(); }));
}

TEST(TraceTest, ChangesOfGOMAXPROCSAndStopsOfTheWorldAreShown) {
  const Recorded r = Record([] {
    GOMAXPROCS(5);
    GOMAXPROCS(1);
    StopTheWorld("for the test");
    StartTheWorld();
    internal::AllGoroutines();
    Gosched();
  });
  EXPECT_TRACE(r);
  std::vector<uint64_t> procs;
  for (const auto* e : r.OfType(tracetool::kEvProcsChange)) {
    procs.push_back(e->event.args[0]);
  }
  EXPECT_THAT(procs, ElementsAre(2, 5, 1));
  std::vector<std::string> stops;
  for (const auto* e : r.OfType(tracetool::kEvStwBegin)) {
    stops.push_back(e->text[0]);
  }
  EXPECT_THAT(stops, ElementsAre("GOMAXPROCS", "GOMAXPROCS", "for the test",
                                 "goroutine profile"));
  EXPECT_THAT(r.OfType(tracetool::kEvStwEnd), SizeIs(4));
}

TEST(TraceTest, TasksRegionsAndLogsOfUsers) {
  const Recorded r = Record([] {
    TraceTask task("request");
    TraceTask part("part", &task);
    {
      TraceRegion region("parse", &part);
      TraceRegion inner("inner");
      TraceLog("size", "17", &part);
    }
    WaitGroup wg;
    wg.Go([&] { TraceRegion elsewhere("elsewhere", &task); });
    wg.Wait();
    part.End();
    part.End();  // does nothing
  });
  EXPECT_TRACE(r);
  const auto begins = r.OfType(tracetool::kEvUserTaskBegin);
  ASSERT_THAT(begins, SizeIs(2));
  EXPECT_EQ(begins[0]->text[0], "request");
  EXPECT_EQ(begins[1]->event.args[1], begins[0]->event.args[0]);
  EXPECT_THAT(r.OfType(tracetool::kEvUserTaskEnd), SizeIs(2));
  const auto regions = r.OfType(tracetool::kEvUserRegionBegin);
  ASSERT_THAT(regions, SizeIs(3));
  EXPECT_EQ(regions[0]->text[0], "parse");
  EXPECT_EQ(regions[0]->event.args[0], begins[1]->event.args[0]);
  EXPECT_THAT(r.OfType(tracetool::kEvUserRegionEnd), SizeIs(3));
  const auto logs = r.OfType(tracetool::kEvUserLog);
  ASSERT_THAT(logs, SizeIs(1));
  EXPECT_THAT(logs[0]->text, ElementsAre("size", "17"));
}

bool SomeGoroutineIs(absl::string_view state) {
  const auto all = internal::AllGoroutines();
  return std::any_of(all.begin(), all.end(),
                     [&](const auto& g) { return g.state == state; });
}

TEST(TraceTest, WhatWasThereBeforeIsThere) {
  Runtime runtime({.max_procs = 2});
  const std::string path = TraceFile();
  runtime.Run([&] {
    auto c = MakeChan<int>();
    std::atomic<bool> leave{false};
    WaitGroup wg;
    wg.Go([c] { Child(c); });
    wg.Go([&] {
      Syscall([&] {
        while (!leave.load()) usleep(1'000);
      });
    });
    while (!SomeGoroutineIs("chan receive") || !SomeGoroutineIs("syscall")) {
      Gosched();
    }
    ASSERT_TRUE(StartTrace(path).ok());
    EXPECT_TRUE(TraceEnabled());
    leave.store(true);
    c.Send(1);
    wg.Wait();
    StopTrace();
    EXPECT_FALSE(TraceEnabled());
  });
  const Recorded r = ReadRecorded(path);
  EXPECT_TRACE(r);
  bool waited = false, in_call = false, end_of_call = false;
  for (const RecordedEvent& e : r.events) {
    waited |= e.Is(State::kUndetermined, State::kWaiting);
    in_call |= e.Is(State::kUndetermined, State::kSyscall);
    end_of_call |= e.Is(State::kSyscall, State::kRunnable);
  }
  EXPECT_TRUE(waited);
  EXPECT_TRUE(in_call);
  EXPECT_TRUE(end_of_call);
}

TEST(TraceTest, GoroutinesOfPlainThreadsAndWhomTheyWake) {
  const std::string path = TraceFile();
  Runtime runtime({.max_procs = 2});
  ASSERT_TRUE(StartTrace(path).ok());  // also on a plain thread
  auto c = MakeChan<int>();
  std::thread thread([&] {
    runtime.Go([c] { Child(c); });
    usleep(200'000);
    c.Send(1);
    runtime.Wait();
  });
  runtime.Run([&] { Sleep(absl::Milliseconds(400)); });
  thread.join();
  StopTrace();
  const Recorded r = ReadRecorded(path);
  EXPECT_TRACE(r);
  int64_t g = 0;  // the one besides main
  for (const auto* e : r.OfType(tracetool::kEvGoCreate)) {
    if (e->start != std::vector<std::string>{"main"}) g = e->event.subject_id;
  }
  ASSERT_NE(g, 0);
  EXPECT_THAT(r.States(g),
              ElementsAre(State::kRunnable, State::kRunning, State::kWaiting,
                          State::kRunnable, State::kRunning, State::kNotExist));
}

TEST(TraceTest, RuntimesThatComeAndGoAndSeveralAtOnce) {
  const std::string path = TraceFile();
  ASSERT_TRUE(StartTrace(path).ok());
  auto work = [] {
    Runtime runtime({.max_procs = 2});
    runtime.Run([] {
      WaitGroup wg;
      for (int i = 0; i < 10; ++i) wg.Go([] { Sleep(absl::Milliseconds(1)); });
      wg.Wait();
    });
  };
  for (int i = 0; i < 3; ++i) {
    std::thread other(work);
    work();
    other.join();
  }
  StopTrace();
  const Recorded r = ReadRecorded(path);
  EXPECT_TRACE(r);
  int created = 0;
  for (const auto* e : r.OfType(tracetool::kEvGoCreate)) {
    created += e->Is(State::kNotExist, State::kRunnable);
  }
  EXPECT_EQ(created, 6 * 11);
}

TEST(TraceTest, GoexitAndLockedThreads) {
  const Recorded r = Record([] {
    WaitGroup wg;
    wg.Go([] {
      LockOSThread();
      Sleep(absl::Milliseconds(1));
      Gosched();
      UnlockOSThread();
    });
    wg.Go([] {
      LockOSThread();
      Goexit();  // its thread ends with it
    });
    wg.Wait();
    while (NumGoroutine() > 1) Gosched();  // they end after their Done
  });
  EXPECT_TRACE(r);
  EXPECT_GE(r.OfType(tracetool::kEvGoDestroy).size(), 2u);
}

Recorded RecordTalk(int64_t ns) {
  const std::string path = TraceFile();
  Runtime runtime({.max_procs = 2});
  runtime.Run([&] {
    EXPECT_TRUE(StartTrace(path).ok());
    auto c = MakeChan<int>();
    std::atomic<bool> over{false};
    Go([&, c] {
      while (!over.load()) c.Send(1);
      c.Close();
    });
    const int64_t end = NanoTime() + ns;
    while (c.Recv()) {
      if (NanoTime() > end) over.store(true);
      Sleep(absl::Microseconds(50));
    }
    StopTrace();
  });
  return ReadRecorded(path);
}

TEST(TraceTest, ManyGenerations) {
  Recorded r = RecordTalk(2'500'000'000);
  // One that took long to begin lasts longer, but no more than 10 s.
  if (r.OfType(tracetool::kEvSync).size() < 3) r = RecordTalk(22'500'000'000);
  EXPECT_TRACE(r);
  EXPECT_GE(r.OfType(tracetool::kEvSync).size(), 3u);
}

// What they are doing fills more than one buffer before the trace has begun.
TEST(TraceTest, ThousandsOfGoroutines) {
#if defined(MPG_TSAN) || defined(MPG_ASAN)
  constexpr int kGoroutines = 5'000;  // ThreadSanitizer stands 8128
#else
  constexpr int kGoroutines = 20'000;
#endif
  const std::string path = TraceFile();
  Runtime runtime({.max_procs = 2});
  runtime.Run([&] {
    auto c = MakeChan<int>();
    WaitGroup wg;
    for (int i = 0; i < kGoroutines; ++i) wg.Go([c] { c.Recv(); });
    Sleep(absl::Milliseconds(20));
    ASSERT_TRUE(StartTrace(path).ok());
    c.Close();
    wg.Wait();
    while (NumGoroutine() > 1) Gosched();  // they end after their Done
    StopTrace();
  });
  const Recorded r = ReadRecorded(path);
  EXPECT_TRACE(r);
  EXPECT_GE(r.OfType(tracetool::kEvGoStatus).size(), size_t{kGoroutines});
  EXPECT_GE(r.OfType(tracetool::kEvGoDestroy).size(), size_t{kGoroutines});
}

#if defined(__x86_64__)
// As code that keeps no frame pointers leaves them: rbp leads to data.
ABSL_ATTRIBUTE_NOINLINE void YieldWithFrames(const int64_t (*frame)[2]) {
  asm volatile(
      "pushq %%rbp\n\t"
      "subq $8, %%rsp\n\t"
      "movq %0, %%rbp\n\t"
      "call *%1\n\t"
      "addq $8, %%rsp\n\t"
      "popq %%rbp"
      :
      : "r"(frame), "r"(&Gosched)
      : "memory", "cc", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10",
        "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
        "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

TEST(TraceTest, AFramePointerThatIsNoneDoesNoHarm) {
#if defined(MPG_ASAN) || defined(MPG_TSAN)
  GTEST_SKIP() << "a sanitizer's runtime walks the stack by frame pointers";
#endif
  for (const int64_t word : {int64_t{-1}, int64_t{1}, INT64_MIN, INT64_MAX}) {
    const Recorded r = Record(
        [word] {
          Go([] { Gosched(); });
          const int64_t frame[][2] = {{word, word}, {word, word}};
          YieldWithFrames(frame);
        },
        internal::InTurns());
    EXPECT_TRACE(r);
    EXPECT_THAT(r.Stops("runtime.Gosched"), Not(IsEmpty()));
  }
}
#endif

TEST(TraceTest, OneFileAtATime) {
  const std::string path = TraceFile();
  ASSERT_TRUE(StartTrace(path).ok());
  const absl::Status again = StartTrace(TraceFile());
  EXPECT_EQ(again.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(again.message(), "tracing is already enabled");
  StopTrace();
  StopTrace();  // does nothing
  EXPECT_TRACE(ReadRecorded(path));
}

TEST(TraceTest, AFileThatCannotBeWritten) {
  const absl::Status status = StartTrace("/nonexistent/trace");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nonexistent/trace"));
  EXPECT_FALSE(TraceEnabled());
}

TEST(TraceTest, AFullDiskIsSaid) {
  testing::internal::CaptureStderr();
  const absl::Status status = StartTrace("/dev/full");
  StopTrace();
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(said, HasSubstr("mpg: trace: "));
  EXPECT_THAT(said, HasSubstr("No space left on device"));
}

TEST(FlightRecorderTest, WritesWhatHasJustBeenAndGoesOn) {
  Runtime runtime({.max_procs = 2});
  runtime.Run([&] {
    FlightRecorder recorder({absl::Milliseconds(300), 10 << 20});
    EXPECT_EQ(recorder.WriteTo(TraceFile()).code(),
              absl::StatusCode::kFailedPrecondition);
    ASSERT_TRUE(recorder.Start().ok());
    EXPECT_TRUE(recorder.Enabled());
    EXPECT_EQ(FlightRecorder().Start().code(),
              absl::StatusCode::kFailedPrecondition);
    const auto logs = [&] {
      const std::string path = TraceFile();
      EXPECT_TRUE(recorder.WriteTo(path).ok());
      const Recorded r = ReadRecorded(path);
      EXPECT_TRACE(r);
      std::vector<std::string> out;
      for (const auto* e : r.OfType(tracetool::kEvUserLog)) {
        out.push_back(e->text[1]);
      }
      return out;
    };
    TraceLog("", "long ago");
    Sleep(absl::Milliseconds(1500));
    // A generation that took long to begin lasts longer.
    const int64_t limit = NanoTime() + 60'000'000'000;
    while (!logs().empty() && NanoTime() < limit) {
      Sleep(absl::Milliseconds(100));
    }
    for (const char* message : {"one", "two"}) {
      TraceLog("", message);
      EXPECT_THAT(logs(), testing::AllOf(testing::Contains(message),
                                         Not(testing::Contains("long ago"))));
    }
    recorder.Stop();
    EXPECT_FALSE(TraceEnabled());
  });
}

TEST(FlightRecorderTest, ATraceMayBeTakenBesides) {
  Runtime runtime({.max_procs = 2});
  runtime.Run([&] {
    FlightRecorder recorder;
    ASSERT_TRUE(recorder.Start().ok());
    TraceLog("", "before");
    const std::string file = TraceFile(), flight = TraceFile();
    ASSERT_TRUE(StartTrace(file).ok());
    TraceLog("", "within");
    StopTrace();
    EXPECT_TRUE(TraceEnabled());
    TraceLog("", "after");
    ASSERT_TRUE(recorder.WriteTo(flight).ok());
    const Recorded of_file = ReadRecorded(file), all = ReadRecorded(flight);
    EXPECT_TRACE(of_file);
    EXPECT_TRACE(all);
    EXPECT_THAT(of_file.OfType(tracetool::kEvUserLog), SizeIs(1));
    EXPECT_THAT(all.OfType(tracetool::kEvUserLog), SizeIs(3));
  });
}

}  // namespace
}  // namespace mpg
