// Programs that end while they are traced: the file is whole.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "channel/chan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/time.h"
#include "runtime/trace.h"
#include "tests/trace/recorded.h"

// Programs that end in the midst leave what is on their goroutines' stacks.
extern "C" int __lsan_is_turned_off() { return 1; }

namespace mpg {
namespace {

using ::testing::ExitedWithCode;
using ::testing::IsEmpty;
using ::testing::Not;

// A file that the child, which runs the test again, knows too.
std::string FileOf(const char* name) {
  return absl::StrCat(testing::TempDir(), "/", name, ".trace");
}

// As a program does that was started with $MPG_TRACE.
void RunTraced(const std::string& path, void (*main)()) {
  setenv("MPG_TRACE", path.c_str(), 1);
  RuntimeOptions options;
  options.max_procs = 2;
  Runtime runtime(options);
  runtime.Run(main);
}

class TraceDeathTest : public testing::Test {
 protected:
  TraceDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(TraceDeathTest, ADeadlock) {
  const std::string path = FileOf("deadlock");
  EXPECT_EXIT(RunTraced(path,
                        [] {
                          Sleep(absl::Milliseconds(5));
                          MakeChan<int>().Recv();
                        }),
              ExitedWithCode(2), "all goroutines are asleep - deadlock!");
  const Recorded r = ReadRecorded(path);
  EXPECT_EQ(r.error, "");
  EXPECT_THAT(r.Stops("sleep"), Not(IsEmpty()));
  EXPECT_THAT(r.Stops("chan receive"), Not(IsEmpty()));
}

TEST_F(TraceDeathTest, APanic) {
  const std::string path = FileOf("panic");
  EXPECT_EXIT(RunTraced(path,
                        [] {
                          Go([] { throw std::runtime_error("enough"); });
                          Sleep(absl::Seconds(10));
                        }),
              ExitedWithCode(2), "enough");
  const Recorded r = ReadRecorded(path);
  EXPECT_EQ(r.error, "");
  EXPECT_THAT(r.Stops("sleep"), Not(IsEmpty()));
}

TEST_F(TraceDeathTest, ExitByAGoroutine) {
  const std::string path = FileOf("exit");
  EXPECT_EXIT(RunTraced(path,
                        [] {
                          Go([] { MakeChan<int>().Recv(); });
                          Sleep(absl::Milliseconds(5));
                          std::exit(3);
                        }),
              ExitedWithCode(3), "");
  const Recorded r = ReadRecorded(path);
  EXPECT_EQ(r.error, "");
  EXPECT_THAT(r.Stops("chan receive"), Not(IsEmpty()));
}

// Whoever calls exit need not be able to park.
TEST_F(TraceDeathTest, ExitWithTheWorldStopped) {
  const std::string path = FileOf("stopped");
  EXPECT_EXIT(RunTraced(path,
                        [] {
                          Sleep(absl::Milliseconds(5));
                          StopTheWorld("for good");
                          std::exit(3);
                        }),
              ExitedWithCode(3), "");
  EXPECT_EQ(ReadRecorded(path).error, "");
}

TEST_F(TraceDeathTest, ExitOfAForksChildRunsNoGoroutine) {
  const std::string path = FileOf("forked");
  EXPECT_EXIT(RunTraced(path,
                        [] {
                          static pid_t parent;
                          parent = getpid();
                          Go([] {
                            while (getpid() == parent) Gosched();
                            _exit(9);  // it runs in the child
                          });
                          const pid_t child = fork();
                          if (child == 0) std::exit(3);
                          int status = -1;
                          Syscall([&] { waitpid(child, &status, 0); });
                          std::exit(WEXITSTATUS(status) + 1);
                        }),
              ExitedWithCode(4), "");
  EXPECT_EQ(ReadRecorded(path).error, "");
}

TEST_F(TraceDeathTest, TheNameMayHoldTheNumberOfTheProcess) {
  const std::string path = FileOf("of_%p_%p%");
  EXPECT_EXIT(
      {
        RunTraced(path, [] {});
        StopTrace();
        const std::string pid = absl::StrCat(getpid());
        const Recorded r = ReadRecorded(
            FileOf(absl::StrCat("of_", pid, "_", pid, "%").c_str()));
        std::exit(r.error.empty() && !r.events.empty() ? 4 : 5);
      },
      ExitedWithCode(4), "");
}

TEST_F(TraceDeathTest, AFileThatCannotBeMadeIsSaidAndTheProgramRuns) {
  EXPECT_EXIT(RunTraced("/nonexistent/trace", [] { std::exit(6); }),
              ExitedWithCode(6), "mpg: MPG_TRACE: .*/nonexistent/trace");
}

TEST_F(TraceDeathTest, AForksChildLeavesTheFileAlone) {
  const std::string path = TraceFile();
  int status = -1;
  {
    Runtime runtime({.max_procs = 2});
    runtime.Run([&] {
      ASSERT_TRUE(StartTrace(path).ok());
      Gosched();
      const pid_t child = fork();
      if (child == 0) {
        StopTrace();  // there is none here
        _exit(TraceEnabled() ? 1 : 0);
      }
      Syscall([&] { waitpid(child, &status, 0); });
      TraceLog("", "after the child");
      StopTrace();
    });
  }
  EXPECT_EQ(status, 0);
  const Recorded r = ReadRecorded(path);
  EXPECT_EQ(r.error, "");
  EXPECT_THAT(r.OfType(tracetool::kEvUserLog), Not(IsEmpty()));
}

}  // namespace
}  // namespace mpg
