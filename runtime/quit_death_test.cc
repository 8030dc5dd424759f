// SIGQUIT dumps all goroutines and ends the program, whatever the program does.
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "channel/chan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/sched.h"
#include "runtime/switch/fiber_san.h"
#include "runtime/test_util.h"

namespace mpg {

__attribute__((noinline)) void BlockedFunction(const Chan<int>& c) {
  c.Recv();
  asm volatile("" ::: "memory");
}

__attribute__((noinline)) void BusyFunction() {
  for (;;) {
    asm volatile("" ::: "memory");
  }
}

__attribute__((noinline)) void CallingFunction() {
  Syscall([] {
    for (;;) pause();
  });
}

namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::ExitedWithCode;
using testing::HasSubstr;
using testing::KilledBySignal;
using testing::Not;

constexpr char kHead[] = "SIGQUIT: quit\nPC=0x[0-9a-f]+ m=[0-9nil]+ sigcode=";

void Quit() { kill(getpid(), SIGQUIT); }

class QuitDeathTest : public testing::Test {
 protected:
  void SetUp() override {
    if (internal::kSanHoldsSignals) GTEST_SKIP() << "signals are held back";
    testing::FLAGS_gtest_death_test_style = "threadsafe";
  }
};

TEST_F(QuitDeathTest, ShowsBlockedGoroutines) {
  EXPECT_EXIT(
      {
        Runtime runtime(internal::Procs(2));
        runtime.Run([] {
          auto c = MakeChan<int>();
          Go([c] { BlockedFunction(c); });
          for (int i = 0; i < 1000; ++i) Gosched();
          Quit();
          CallingFunction();
        });
      },
      ExitedWithCode(2),
      AllOf(ContainsRegex(kHead), ContainsRegex("\n\ngoroutine 1 \\["),
            ContainsRegex("goroutine [0-9]+ \\[chan receive\\]:\n"),
            HasSubstr("mpg::BlockedFunction("),
            ContainsRegex("created by .* in goroutine 1\n")));
}

TEST_F(QuitDeathTest, StopsTightLoops) {
  EXPECT_EXIT(
      {
        Runtime runtime(internal::Procs(2));
        runtime.Run([&runtime] {
          for (int i = 0; i < 3; ++i) Go([] { BusyFunction(); });
          // The dump does not wait long for those that run; it has the stack of
          // one that was preempted in any case.
          std::thread([&runtime] {
            while (runtime.Stats().signalled < 20) usleep(1000);
            Quit();
          }).detach();
          BusyFunction();
        });
      },
      ExitedWithCode(2),
      AllOf(ContainsRegex(kHead), HasSubstr("mpg::BusyFunction(")));
}

TEST_F(QuitDeathTest, ShowsSystemCalls) {
  EXPECT_EXIT(
      {
        Runtime runtime(internal::Procs(1));
        runtime.Run([] {
          Go([] { Quit(); });
          CallingFunction();
        });
      },
      ExitedWithCode(2),
      AllOf(ContainsRegex(kHead), HasSubstr("goroutine 1 [syscall"),
            HasSubstr("mpg::CallingFunction(")));
}

TEST_F(QuitDeathTest, ShowsEveryRuntimeWhenAllAreIdle) {
  EXPECT_EXIT(
      {
        auto c = MakeChan<int>();
        Runtime a(internal::Procs(1));
        Runtime b(internal::Procs(2));
        a.Go([c] { BlockedFunction(c); });
        b.Go([c] { BlockedFunction(c); });
        while (a.Stats().idleprocs != 1 || b.Stats().idleprocs != 2)
          usleep(100);
        usleep(5000);  // sysmon sleeps as well by then, as a rule
        Quit();
        for (;;) pause();
      },
      ExitedWithCode(2),
      AllOf(ContainsRegex(kHead),
            ContainsRegex("BlockedFunction\\((.|\n)*BlockedFunction\\(")));
}

TEST_F(QuitDeathTest, DoesNotWaitForARuntimeLock) {
  EXPECT_EXIT(
      {
        Runtime runtime(internal::Procs(2));
        runtime.Run([]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
          internal::CurrentG()->sched->mu.Lock();
          Quit();
          BusyFunction();
        });
      },
      ExitedWithCode(2),
      AllOf(ContainsRegex(kHead), HasSubstr("goroutine 1 [running]"),
            HasSubstr("stack unavailable")));
}

TEST_F(QuitDeathTest, LevelNoneShowsTheSignalAlone) {
  EXPECT_EXIT(
      {
        setenv("GOTRACEBACK", "none", 1);
        Runtime runtime(internal::Procs(1));
        runtime.Run([] {
          Quit();
          CallingFunction();
        });
      },
      ExitedWithCode(2),
      AllOf(ContainsRegex(kHead), Not(HasSubstr("goroutine 1"))));
}

TEST_F(QuitDeathTest, LevelSystemShowsTheSchedulersFrames) {
  EXPECT_EXIT(
      {
        setenv("GOTRACEBACK", "system", 1);
        Runtime runtime(internal::Procs(1));
        runtime.Run([] {
          Quit();
          CallingFunction();
        });
      },
      ExitedWithCode(2), HasSubstr("mpg_context_start"));
}

TEST_F(QuitDeathTest, LevelCrashAborts) {
  EXPECT_EXIT(
      {
        setenv("GOTRACEBACK", "crash", 1);
        Runtime runtime(internal::Procs(1));
        runtime.Run([] {
          Quit();
          CallingFunction();
        });
      },
      KilledBySignal(SIGABRT), HasSubstr("goroutine 1"));
}

// The other process that the death test is has inherited what is set here.
TEST_F(QuitDeathTest, AnInheritedIgnoreDoesNotCount) {
  const auto before = signal(SIGQUIT, SIG_IGN);
  EXPECT_EXIT(
      {
        Runtime runtime(internal::Procs(1));
        runtime.Run([] {
          Quit();
          CallingFunction();
        });
      },
      ExitedWithCode(2), ContainsRegex(kHead));
  signal(SIGQUIT, before);
}

TEST_F(QuitDeathTest, TheProgramsOwnIgnoreStays) {
  EXPECT_EXIT(
      {
        signal(SIGQUIT, SIG_IGN);
        Runtime runtime(internal::Procs(1));
        runtime.Run([] { Quit(); });
        _exit(3);
      },
      ExitedWithCode(3), "");
}

TEST_F(QuitDeathTest, AnExistingHandlerStays) {
  EXPECT_EXIT(
      {
        signal(SIGQUIT, [](int) { _exit(7); });
        Runtime runtime(internal::Procs(1));
        runtime.Run([] {
          Quit();
          CallingFunction();
        });
      },
      ExitedWithCode(7), "");
}

TEST_F(QuitDeathTest, AForkedChildDiesByTheSignal) {
  EXPECT_EXIT(
      {
        Runtime runtime(internal::Procs(1));
        const pid_t child = fork();
        if (child == 0) {
          Quit();
          for (;;) pause();
        }
        int status = 0;
        waitpid(child, &status, 0);
        _exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGQUIT ? 0 : 1);
      },
      ExitedWithCode(0), "");
}

TEST_F(QuitDeathTest, APanicShowsEveryGoroutineAtLevelAll) {
  EXPECT_EXIT(
      {
        setenv("GOTRACEBACK", "all", 1);
        Runtime runtime(internal::Procs(2));
        runtime.Run([] {
          auto c = MakeChan<int>();
          Go([c] { BlockedFunction(c); });
          for (int i = 0; i < 1000; ++i) Gosched();
          throw Panic("at the disco");
        });
      },
      ExitedWithCode(2),
      AllOf(HasSubstr("panic: at the disco"), HasSubstr("BlockedFunction(")));
}

}  // namespace
}  // namespace mpg
