// RunProcess: a process with its input and output in memory.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <string>
#include <tuple>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/errno_status.h"
#include "base/park.h"
#include "channel/chan.h"
#include "runtime/fd_guard.h"
#include "runtime/poll_desc.h"
#include "runtime/process.h"

namespace mpg {
namespace {

using internal::ErrnoStatus;
using internal::FdGuard;

constexpr size_t kBuffer = 64 << 10;  // that of a pipe

// Between this process and a child.
struct Pipe {
  FdGuard ours;
  FdGuard theirs;
  PollDesc poll;  // closed before `ours`

  absl::Status Open(bool we_write) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "", "pipe2");
    ours = FdGuard(ends[we_write ? 1 : 0]);
    theirs = FdGuard(ends[we_write ? 0 : 1]);
    fcntl(ours.get(), F_SETFL, fcntl(ours.get(), F_GETFL) | O_NONBLOCK);
    auto opened = PollDesc::Open(ours.get());
    if (!opened.ok()) return opened.status();
    poll = *std::move(opened);
    return absl::OkStatus();
  }
};

// errno moves with the goroutine, its address does not: see Syscall.
ABSL_ATTRIBUTE_NOINLINE ssize_t ReadOnce(int fd, char* buf, size_t size) {
  const ssize_t n = read(fd, buf, size);
  return n < 0 ? -errno : n;
}

// write(2) without SIGPIPE: it is blocked, and taken if it has come from here.
ABSL_ATTRIBUTE_NOINLINE ssize_t WriteOnce(int fd, absl::string_view data) {
  sigset_t sigpipe, old, pending;
  sigemptyset(&sigpipe);
  sigaddset(&sigpipe, SIGPIPE);
  sigpending(&pending);
  pthread_sigmask(SIG_BLOCK, &sigpipe, &old);
  const ssize_t n = write(fd, data.data(), data.size());
  const int error = errno;
  if (n < 0 && error == EPIPE && sigismember(&pending, SIGPIPE) == 0) {
    const timespec now = {0, 0};
    while (sigtimedwait(&sigpipe, nullptr, &now) < 0 && errno == EINTR) {
    }
  }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  return n < 0 ? -error : n;
}

absl::Status ReadAll(Pipe* pipe, std::string* out) {
  std::string buf(kBuffer, '\0');
  for (;;) {
    const ssize_t n = ReadOnce(pipe->ours.get(), &buf[0], buf.size());
    if (n == 0) return absl::OkStatus();
    if (n > 0) {
      out->append(buf, 0, static_cast<size_t>(n));
    } else if (n == -EAGAIN) {
      const absl::Status ready = pipe->poll.Wait(PollDesc::kRead);
      if (!ready.ok()) return ready;
    } else if (n != -EINTR) {
      return ErrnoStatus(static_cast<int>(-n), "", "read");
    }
  }
}

// A child that does not want all of it is none of our business. Go: ignores EPIPE.
absl::Status WriteAll(Pipe* pipe, absl::string_view data) {
  while (!data.empty()) {
    const ssize_t n = WriteOnce(pipe->ours.get(), data.substr(0, kBuffer));
    if (n == -EPIPE) break;
    if (n >= 0) {
      data.remove_prefix(static_cast<size_t>(n));
    } else if (n == -EAGAIN) {
      const absl::Status ready = pipe->poll.Wait(PollDesc::kWrite);
      if (!ready.ok()) return ready;
    } else if (n != -EINTR) {
      return ErrnoStatus(static_cast<int>(-n), "", "write");
    }
  }
  pipe->poll.Close();
  pipe->ours.Close();
  return absl::OkStatus();
}

void Keep(absl::Status* first, absl::Status status) {
  if (first->ok()) *first = std::move(status);
}

}  // namespace

absl::StatusOr<ProcessOutput> RunProcess(const ProcessOptions& options,
                                         absl::string_view input) {
  ProcessOptions o = options;
  Pipe in, out, err;
  for (auto [fd, pipe, we_write] : {std::tuple{&o.in, &in, true},
                                    {&o.out, &out, false},
                                    {&o.err, &err, false}}) {
    if (*fd >= 0 || (we_write && input.empty())) continue;
    if (absl::Status s = pipe->Open(we_write); !s.ok()) return s;
    *fd = pipe->theirs.get();
  }
  auto process = Process::Start(o);
  if (!process.ok()) return process.status();
  // Else the ends of the streams would not be seen.
  for (Pipe* pipe : {&in, &out, &err}) pipe->theirs.Close();

  ProcessOutput result;
  const auto done = MakeChan<absl::Status>(3);
  int streams = 0;
  const auto start = [&](Pipe* pipe, auto work) {
    if (pipe->ours.get() < 0) return;
    ++streams;
    SpawnConcurrent([work, done] { done.Send(work()); });
  };
  start(&in, [&] { return WriteAll(&in, input); });
  start(&out, [&] { return ReadAll(&out, &result.out); });
  start(&err, [&] { return ReadAll(&err, &result.err); });
  absl::Status first;
  for (; streams > 0; --streams) Keep(&first, *done.Recv());
  auto state = process->Wait();
  if (!state.ok()) Keep(&first, state.status());
  if (!first.ok()) return first;
  result.state = *state;
  return result;
}

}  // namespace mpg
