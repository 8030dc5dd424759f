// Child processes, waited for without a thread each. Go: os.StartProcess, os/exec.
//
//   ProcessOptions ls;
//   ls.argv = {"ls", "-l"};
//   absl::StatusOr<ProcessOutput> out = RunProcess(ls);
//   if (out.ok() && out->state.Success()) Use(out->out);
//
//   absl::StatusOr<Process> server = Process::Start(options);
//   Go([&] { Sleep(limit); server->Kill().IgnoreError(); });
//   absl::StatusOr<ExitState> state = server->Wait();      // parks the goroutine
//
// A child has its own pidfd, so that neither Wait nor Signal can hit another
// process that has got its number. Descriptors of mpg are not inherited; others
// are unless they are O_CLOEXEC. The child's signal mask is the caller's; signals
// that are caught here have their defaults there.
//
// Errors keep their errno (ErrnoOf in base/errno_status.h): ENOENT, "exec: "x":
// no such file or directory", for a program that is not there. A child that fails
// is no error: ExitState says so.
//
// Needs Linux 5.3 (pidfd_open). Not together with SIGCHLD ignored, nor with a
// waitpid(-1) elsewhere, which takes the exit state away: ECHILD.
//
// Thread safety: Wait, Signal and Kill from any goroutine or thread, at the same
// time. What blocks: Start for as long as fork and exec take (in a Syscall); Wait
// and RunProcess until the child has ended.
#ifndef MPG_RUNTIME_PROCESS_H_
#define MPG_RUNTIME_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mpg {

struct ProcessOptions {
  // The program, looked up in $PATH if there is no '/' in its name, and its
  // arguments.
  std::vector<std::string> argv;
  // "NAME=value"; none: this process's.
  std::optional<std::vector<std::string>> env;
  std::string dir;  // where it starts; empty: here
  // What become its descriptors 0, 1 and 2; -1: /dev/null.
  int in = -1;
  int out = -1;
  int err = -1;
};

// How a process has ended. Go: os.ProcessState.
struct ExitState {
  pid_t pid = 0;
  int code = -1;   // its exit status; -1: it was killed by a signal
  int signal = 0;  // which killed it
  bool core_dumped = false;
  absl::Duration user_time;
  absl::Duration system_time;

  bool Success() const { return code == 0; }
  // In Go's words: "exit status 1", "signal: killed (core dumped)".
  std::string ToString() const;
};

class Process {
 public:
  static absl::StatusOr<Process> Start(const ProcessOptions& options);

  Process() = default;  // none: Wait and Signal are FailedPrecondition
  Process(Process&&) = default;
  Process& operator=(Process&&) = default;
  // One that nobody has waited for goes on, and remains a zombie when it has
  // ended.
  ~Process() = default;

  pid_t pid() const;

  // Waits until it has ended. Once: FailedPrecondition "Wait was already called".
  absl::StatusOr<ExitState> Wait();

  // FailedPrecondition "os: process already finished" if it is.
  absl::Status Signal(int signal);
  absl::Status Kill();

 private:
  struct Child;
  explicit Process(std::shared_ptr<Child> child) : child_(std::move(child)) {}
  std::shared_ptr<Child> child_;
};

struct ProcessOutput {
  ExitState state;
  std::string out;
  std::string err;
};

// Starts a process, hands it `input`, collects what it writes (where options.in,
// out and err are -1), and waits for it. A process that leaves its output to one of
// its own children is waited for until that has closed it. Go: Cmd.Output.
absl::StatusOr<ProcessOutput> RunProcess(const ProcessOptions& options,
                                         absl::string_view input = "");

}  // namespace mpg

#endif  // MPG_RUNTIME_PROCESS_H_
