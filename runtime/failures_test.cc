// The system refuses what processes and the poller need: each refusal is told or made
// up for, and nothing is left of what had been begun.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/errno_status.h"
#include "base/open_fds.h"
#include "base/refusal.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/poll_desc.h"
#include "runtime/process.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"

namespace {

using mpg::internal::Real;
using mpg::internal::Refusal;

Refusal pipe_refusal, epoll_ctl_refusal, pidfd_refusal, epoll_pwait2_refusal;
std::atomic<int> sleeps{0};  // epoll_waits with a timeout

}  // namespace

// These stand before the C library's.
extern "C" {

int pipe2(int fds[2], int flags) noexcept {
  static const auto real = Real<int(int*, int)>("pipe2");
  return pipe_refusal.Refused() ? -1 : real(fds, flags);
}

int epoll_ctl(int epoll, int op, int fd, epoll_event* event) noexcept {
  static const auto real = Real<int(int, int, int, epoll_event*)>("epoll_ctl");
  if (op == EPOLL_CTL_ADD && epoll_ctl_refusal.Refused()) return -1;
  return real(epoll, op, fd, event);
}

int epoll_wait(int epoll, epoll_event* events, int max, int ms) {
  static const auto real = Real<int(int, epoll_event*, int, int)>("epoll_wait");
  if (ms > 0) ++sleeps;
  return real(epoll, events, max, ms);
}

long syscall(long number, ...) noexcept {
  // Not a static constant: whoever comes while that is found would wait by this call.
  using Call = long(long, long, long, long, long, long, long);
  static std::atomic<Call*> found{nullptr};
  if (found == nullptr) found = Real<Call>("syscall");
  Call* const real = found;
  if (number == SYS_pidfd_open && pidfd_refusal.Refused()) return -1;
  if (number == SYS_epoll_pwait2 && epoll_pwait2_refusal.Refused()) return -1;
  long args[6];  // as many as there may be: the rest is not looked at
  va_list list;
  va_start(list, number);
  for (long& arg : args) arg = va_arg(list, long);
  va_end(list);
  return real(number, args[0], args[1], args[2], args[3], args[4], args[5]);
}

}  // extern "C"

namespace mpg {
namespace {

using internal::OpenFds;
using internal::RunWith;

ProcessOptions Cat() {
  ProcessOptions o;
  o.argv = {"cat"};
  return o;
}

bool HasChildren() { return waitpid(-1, nullptr, WNOHANG) != -1; }

void ExpectThatProcessesRun() {
  const auto out = RunProcess(Cat(), "abc");
  ASSERT_TRUE(out.ok()) << out.status();
  EXPECT_EQ(out->out, "abc");
}

TEST(Failures, AProcessThatCannotBeWatchedDoesNotLiveOn) {
  RunWith(2, [] {
    ExpectThatProcessesRun();  // opens the poller
    const int before = OpenFds();
    pidfd_refusal.Refuse(ENFILE, 1);
    const absl::Status unopened = Process::Start(Cat()).status();
    EXPECT_EQ(ErrnoOf(unopened), ENFILE) << unopened;
    EXPECT_FALSE(HasChildren());
    epoll_ctl_refusal.Refuse(ENOSPC, 1);
    const absl::Status unpolled = Process::Start(Cat()).status();
    EXPECT_EQ(ErrnoOf(unpolled), ENOSPC) << unpolled;
    EXPECT_FALSE(HasChildren());
    EXPECT_EQ(OpenFds(), before);
    EXPECT_EQ(pidfd_refusal.times + epoll_ctl_refusal.times, 0);
    ExpectThatProcessesRun();
  });
}

TEST(Failures, PipesThatCannotBeHad) {
  RunWith(2, [] {
    ExpectThatProcessesRun();
    const int before = OpenFds();
    pipe_refusal.Refuse(EMFILE, 1);
    EXPECT_EQ(ErrnoOf(RunProcess(Cat(), "abc").status()), EMFILE);
    epoll_ctl_refusal.Refuse(ENOMEM, 1);  // of the first pipe
    EXPECT_EQ(ErrnoOf(RunProcess(Cat(), "abc").status()), ENOMEM);
    EXPECT_FALSE(HasChildren());
    EXPECT_EQ(OpenFds(), before);
    ExpectThatProcessesRun();
  });
}

// In a process of its own, which finds out once.
void WaitWithoutEpollPwait2(int error) {
  epoll_pwait2_refusal.Refuse(error, 1000);
  RunWith(1, [] {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    auto desc = PollDesc::Open(ends[0]);
    ASSERT_TRUE(desc.ok());
    for (const auto wait : {absl::Microseconds(300), absl::Milliseconds(20)}) {
      // Rounded down it would never sleep. The time may also be over before it can.
      int slept = 0;
      for (int i = 0; i < 100 && slept == 0; ++i) {
        const int before = sleeps;
        const int64_t start = NanoTime();
        desc->SetDeadline(PollDesc::kRead, absl::Now() + wait);
        EXPECT_TRUE(absl::IsDeadlineExceeded(desc->Wait(PollDesc::kRead)));
        const auto took = absl::Nanoseconds(NanoTime() - start);
        EXPECT_GE(took, wait - absl::Microseconds(100));  // two clocks
        slept = sleeps - before;
        EXPECT_LE(slept, 30);
      }
      EXPECT_GE(slept, 1);
    }
    desc->Close();
    close(ends[0]);
    close(ends[1]);
  });
  EXPECT_LT(epoll_pwait2_refusal.times, 1000);
  _exit(testing::Test::HasFailure() ? 1 : 42);
}

// Before Linux 5.11, and where a filter of system calls has not heard of it.
TEST(FailuresDeathTest, WithoutEpollPwait2WaitsAreRoundedUpToMilliseconds) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (int error : {ENOSYS, EPERM}) {
    EXPECT_EXIT(WaitWithoutEpollPwait2(error), testing::ExitedWithCode(42), "");
  }
}

}  // namespace
}  // namespace mpg
