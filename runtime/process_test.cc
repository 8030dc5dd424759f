// Child processes.
#include "runtime/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/errno_status.h"
#include "base/open_fds.h"
#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"
#include "runtime/time.h"

namespace mpg {
namespace {

using internal::OpenFds;
using internal::RunWith;
using internal::Scaled;

ProcessOptions Shell(const std::string& script) {
  ProcessOptions o;
  o.argv = {"sh", "-c", script};
  return o;
}

ExitState StateOf(const std::string& script) {
  const auto out = RunProcess(Shell(script));
  EXPECT_TRUE(out.ok()) << out.status();
  return out.ok() ? out->state : ExitState();
}

class ProcessTest : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Procs, ProcessTest, testing::Values(1, 4));

TEST_P(ProcessTest, TellsHowItEnded) {
  RunWith(GetParam(), [] {
    EXPECT_TRUE(StateOf("exit 0").Success());
    EXPECT_EQ(StateOf("exit 0").ToString(), "exit status 0");
    const ExitState three = StateOf("exit 3");
    EXPECT_FALSE(three.Success());
    EXPECT_EQ(three.code, 3);
    EXPECT_EQ(three.ToString(), "exit status 3");
    const ExitState killed = StateOf("kill -9 $$");
    EXPECT_EQ(killed.code, -1);
    EXPECT_EQ(killed.signal, SIGKILL);
    EXPECT_EQ(killed.ToString(), "signal: killed");
    EXPECT_GT(killed.pid, 0);
  });
}

TEST_P(ProcessTest, InputAndOutputsLargerThanAPipe) {
  RunWith(GetParam(), [] {
    const std::string text(300'000, 'x');
    const auto out = RunProcess(Shell("tee /dev/stderr"), text);
    ASSERT_TRUE(out.ok()) << out.status();
    EXPECT_EQ(out->out, text);
    EXPECT_EQ(out->err, text);
  });
}

TEST_P(ProcessTest, InputThatNobodyReadsIsNoErrorAndNoSignal) {
  RunWith(GetParam(), [] {
    const auto out =
        RunProcess(Shell("exec 0<&-; echo ok"), std::string(300'000, 'x'));
    ASSERT_TRUE(out.ok()) << out.status();
    EXPECT_EQ(out->out, "ok\n");
  });
}

TEST_P(ProcessTest, EnvironmentAndDirectory) {
  RunWith(GetParam(), [] {
    ProcessOptions o = Shell("echo $A-$HOME; pwd");
    o.env = std::vector<std::string>{"A=b", "PATH=/bin:/usr/bin"};
    o.dir = "/";
    const auto out = RunProcess(o);
    ASSERT_TRUE(out.ok()) << out.status();
    EXPECT_EQ(out->out, "b-\n/\n");
    o.dir = "/no/such/directory";
    EXPECT_EQ(ErrnoOf(RunProcess(o).status()), ENOENT);
  });
}

TEST_P(ProcessTest, DescriptorsOfTheCallersChoice) {
  RunWith(GetParam(), [] {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    ProcessOptions o = Shell("echo to out; echo to err >&2");
    o.out = o.err = ends[1];
    auto process = Process::Start(o);
    ASSERT_TRUE(process.ok()) << process.status();
    EXPECT_TRUE(process->Wait().value().Success());
    close(ends[1]);
    char buf[100];
    const ssize_t n = read(ends[0], buf, sizeof buf);
    ASSERT_GT(n, 0);
    EXPECT_EQ(std::string(buf, n), "to out\nto err\n");
    close(ends[0]);
  });
}

// The child's 0 becomes /dev/null before its 1 is copied from what is 0 here.
TEST_P(ProcessTest, DescriptorsAmongTheFirstThree) {
  RunWith(GetParam(), [] {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const int before = dup(0);
    ASSERT_EQ(dup2(ends[1], 0), 0);
    ProcessOptions o = Shell("echo through");
    o.out = 0;
    auto process = Process::Start(o);
    if (before >= 0) {
      dup2(before, 0);
      close(before);
    } else {
      close(0);
    }
    close(ends[1]);
    ASSERT_TRUE(process.ok()) << process.status();
    EXPECT_EQ(process->Wait().value().code, 0);
    char buf[100];
    const ssize_t n = read(ends[0], buf, sizeof buf);
    ASSERT_GT(n, 0);
    EXPECT_EQ(std::string(buf, n), "through\n");
    close(ends[0]);
  });
}

TEST_P(ProcessTest, ManyAtATimeNeedNoThreadEach) {
  const int fds = OpenFds();
  const int n = Scaled(200);
  RuntimeOptions options = internal::Procs(GetParam());
  options.idle_thread_life = absl::Milliseconds(100);
  Runtime runtime(options);
  runtime.Run([&] {
    const auto started = MakeChan<int>(n);
    const auto ended = MakeChan<int>(n);
    int stop[2];
    ASSERT_EQ(pipe2(stop, O_CLOEXEC), 0);
    for (int i = 0; i < n; ++i) {
      Go([=, in = stop[0]] {
        ProcessOptions o = Shell("cat; exit " + std::to_string(i % 100));
        o.in = in;
        auto process = Process::Start(o);
        EXPECT_TRUE(process.ok()) << process.status();
        started.Send(i);
        const auto state = process->Wait();
        EXPECT_TRUE(state.ok()) << state.status();
        EXPECT_EQ(state->code, i % 100);
        ended.Send(i);
      });
    }
    for (int i = 0; i < n; ++i) started.Recv();
    EXPECT_EQ(ended.Len(), 0u);
    // Those that Start needed may be there still.
    EXPECT_TRUE(
        internal::Eventually([&] { return runtime.Stats().threads < 20; }));
    close(stop[0]);
    close(stop[1]);
    for (int i = 0; i < n; ++i) ended.Recv();
  });
  runtime.Wait();
  EXPECT_LE(OpenFds(), fds + 3);  // the poller's
}

TEST_P(ProcessTest, KillEndsWait) {
  RunWith(GetParam(), [] {
    auto process = Process::Start(Shell("sleep 1000"));
    ASSERT_TRUE(process.ok()) << process.status();
    const auto killed = MakeChan<bool>(1);
    Go([&process, killed] {
      Sleep(absl::Milliseconds(5));
      killed.Send(process->Kill().ok());
    });
    const auto state = process->Wait();
    EXPECT_TRUE(killed.Recv());  // it uses `process` until then
    ASSERT_TRUE(state.ok()) << state.status();
    EXPECT_EQ(state->signal, SIGKILL);
    EXPECT_EQ(state->pid, process->pid());
    const absl::Status late = process->Signal(SIGTERM);
    EXPECT_EQ(late,
              absl::FailedPreconditionError("os: process already finished"));
  });
}

TEST_P(ProcessTest, WaitIsForOnce) {
  RunWith(GetParam(), [] {
    auto process = Process::Start(Shell("exit 0"));
    ASSERT_TRUE(process.ok());
    EXPECT_TRUE(process->Wait().ok());
    EXPECT_EQ(process->Wait().status(),
              absl::FailedPreconditionError("exec: Wait was already called"));
  });
}

TEST_P(ProcessTest, WhatCannotBeStartedIsAnErrorWithItsErrno) {
  RunWith(GetParam(), [] {
    RunProcess(Shell("exit 0")).IgnoreError();  // opens the poller
    const int fds = OpenFds();
    ProcessOptions o;
    EXPECT_FALSE(Process::Start(o).ok());
    o.argv = {"no-such-program"};
    const absl::Status status = Process::Start(o).status();
    EXPECT_EQ(ErrnoOf(status), ENOENT);
    EXPECT_EQ(status.message(),
              "exec: \"no-such-program\": no such file or directory");
    o.argv = {"/"};
    EXPECT_EQ(ErrnoOf(RunProcess(o).status()), EACCES);
    EXPECT_EQ(OpenFds(), fds);
    Process none;
    EXPECT_FALSE(none.Wait().ok());
    EXPECT_FALSE(none.Kill().ok());
  });
}

TEST(Process, OnAPlainThread) {
  const auto out = RunProcess(Shell("cat; exit 4"), "abc");
  ASSERT_TRUE(out.ok()) << out.status();
  EXPECT_EQ(out->out, "abc");
  EXPECT_EQ(out->state.code, 4);
}

}  // namespace
}  // namespace mpg
