#include "runtime/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "base/errno_status.h"
#include "runtime/fd_guard.h"
#include "runtime/goroutine.h"
#include "runtime/poll_desc.h"
#include "runtime/signal.h"

extern char** environ;

namespace mpg {

using internal::ErrnoStatus;
using internal::FdGuard;

namespace {

// Newer than the headers of the systems this is built on.
#ifndef P_PIDFD
constexpr idtype_t kPidfd = static_cast<idtype_t>(3);
#else
constexpr idtype_t kPidfd = P_PIDFD;
#endif

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (const std::string& s : strings)
    out.push_back(const_cast<char*>(s.c_str()));
  out.push_back(nullptr);
  return out;
}

// What posix_spawn shall do in the child.
class SpawnActions {
 public:
  SpawnActions() { posix_spawn_file_actions_init(&actions_); }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;

  // `fd` becomes `as`; -1: /dev/null. Returns an errno.
  int Assign(int fd, int as) {
    if (fd < 0) {
      return posix_spawn_file_actions_addopen(&actions_, as, "/dev/null",
                                              O_RDWR, 0);
    }
    // The first ones must not be overwritten before they have been copied.
    if (fd <= 2) {
      fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
      if (fd < 0) return errno;
      copies_.emplace_back(fd);
    }
    return posix_spawn_file_actions_adddup2(&actions_, fd, as);
  }
  int Chdir(const std::string& dir) {
    return posix_spawn_file_actions_addchdir_np(&actions_, dir.c_str());
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
  std::vector<FdGuard> copies_;
};

int Spawn(const ProcessOptions& o, pid_t* pid) {
  SpawnActions actions;
  for (auto [fd, as] : {std::pair{o.in, 0}, {o.out, 1}, {o.err, 2}}) {
    if (const int error = actions.Assign(fd, as)) return error;
  }
  if (!o.dir.empty()) {
    if (const int error = actions.Chdir(o.dir)) return error;
  }
  const std::vector<char*> argv = Pointers(o.argv);
  const std::vector<char*> env =
      o.env ? Pointers(*o.env) : std::vector<char*>();
  return posix_spawnp(pid, argv[0], actions.get(), nullptr, argv.data(),
                      o.env ? env.data() : environ);
}

absl::Duration ToDuration(const timeval& t) {
  return absl::Seconds(t.tv_sec) + absl::Microseconds(t.tv_usec);
}

// 1: it has ended; 0: not yet; -errno.
int Reap(int pidfd, ExitState* state) {
  siginfo_t info = {};
  rusage usage = {};
  if (syscall(SYS_waitid, kPidfd, pidfd, &info, WEXITED | WNOHANG, &usage) !=
      0) {
    return -errno;
  }
  if (info.si_pid == 0) return 0;
  state->pid = info.si_pid;
  if (info.si_code == CLD_EXITED) {
    state->code = info.si_status;
  } else {
    state->signal = info.si_status;
    state->core_dumped = info.si_code == CLD_DUMPED;
  }
  state->user_time = ToDuration(usage.ru_utime);
  state->system_time = ToDuration(usage.ru_stime);
  return 1;
}

// A child that cannot be watched must not live on unknown.
void KillAndReap(pid_t pid) {
  kill(pid, SIGKILL);
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

struct Process::Child {
  explicit Child(pid_t p, int fd) : pid(p), pidfd(fd) {}
  const pid_t pid;
  const FdGuard pidfd;
  PollDesc poll;  // closed before pidfd
  std::atomic<bool> waited{false};
};

std::string ExitState::ToString() const {
  if (signal == 0) return absl::StrCat("exit status ", code);
  return absl::StrCat("signal: ", SignalName(signal),
                      core_dumped ? " (core dumped)" : "");
}

absl::StatusOr<Process> Process::Start(const ProcessOptions& options) {
  if (options.argv.empty()) {
    return absl::InvalidArgumentError("exec: no command");
  }
  pid_t pid = 0;
  int pidfd = -1;
  absl::Status status = Syscall([&]() -> absl::Status {
    const std::string what = absl::StrCat("exec: \"", options.argv[0], "\"");
    if (const int error = Spawn(options, &pid)) {
      return ErrnoStatus(error, what, "");
    }
    // Nobody else reaps it, so the number is still its own.
    pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    if (pidfd >= 0) return absl::OkStatus();
    const int error = errno;
    KillAndReap(pid);
    return ErrnoStatus(error, what, "pidfd_open");
  });
  if (!status.ok()) return status;
  auto child = std::make_shared<Child>(pid, pidfd);
  auto poll = PollDesc::Open(pidfd);
  if (!poll.ok()) {
    Syscall([pid] { KillAndReap(pid); });
    return poll.status();
  }
  child->poll = *std::move(poll);
  return Process(std::move(child));
}

pid_t Process::pid() const { return child_ == nullptr ? 0 : child_->pid; }

absl::StatusOr<ExitState> Process::Wait() {
  const std::shared_ptr<Child> child = child_;
  if (child == nullptr)
    return absl::FailedPreconditionError("exec: not started");
  if (child->waited.exchange(true)) {
    return absl::FailedPreconditionError("exec: Wait was already called");
  }
  ExitState state;
  for (;;) {
    const int ended = Reap(child->pidfd.get(), &state);
    if (ended > 0) return state;
    if (ended < 0 && ended != -EINTR) return ErrnoStatus(-ended, "", "waitid");
    if (ended < 0) continue;
    const absl::Status ready = child->poll.Wait(PollDesc::kRead);
    if (!ready.ok()) return ready;
  }
}

absl::Status Process::Signal(int signal) {
  if (child_ == nullptr)
    return absl::FailedPreconditionError("exec: not started");
  if (syscall(SYS_pidfd_send_signal, child_->pidfd.get(), signal, nullptr, 0) ==
      0) {
    return absl::OkStatus();
  }
  if (errno == ESRCH) {
    return absl::FailedPreconditionError("os: process already finished");
  }
  return ErrnoStatus(errno, "", "pidfd_send_signal");
}

absl::Status Process::Kill() { return Signal(SIGKILL); }

}  // namespace mpg
