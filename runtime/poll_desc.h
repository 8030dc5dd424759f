// PollDesc: a file descriptor that goroutines can wait for without a thread each:
// sockets, pipes, eventfd, timerfd, pidfd, inotify, terminals; not regular files.
//
//   fcntl(fd, F_SETFL, O_NONBLOCK);
//   absl::StatusOr<PollDesc> pd = PollDesc::Open(fd);
//   for (;;) {
//     ssize_t n = read(fd, buf, size);
//     if (n >= 0 || errno != EAGAIN) break;
//     absl::Status s = pd->Wait(PollDesc::kRead);     // others run meanwhile
//     if (!s.ok()) return s;
//   }
//   pd->Close();  close(fd);
//
// One waiter a mode at a time. Readiness is remembered: one that comes before
// Wait makes Wait return at once, and that is why an operation is tried before it.
//
// Thread safety: Wait by one goroutine a mode, SetDeadline and Close by any, also
// while others wait. On a plain thread Wait calls poll(2) in slices of 50 ms.
// Source: Go's pollDesc, netpoll.go and internal/poll/fd_poll_runtime.go.
#ifndef MPG_RUNTIME_POLL_DESC_H_
#define MPG_RUNTIME_POLL_DESC_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mpg {

namespace internal {
struct PollState;
}  // namespace internal

class PollDesc {
 public:
  enum Mode { kRead = 1, kWrite = 2, kReadWrite = 3 };

  // Registers fd, which must be non-blocking and stay open until Close. Errors:
  // what the kernel says (ErrnoOf in base/errno_status.h), such as EPERM for a regular file,
  // EMFILE for the poller itself.
  static absl::StatusOr<PollDesc> Open(int fd);

  PollDesc() = default;  // closed
  ~PollDesc();           // closes it; nobody waits any more
  PollDesc(PollDesc&& other) noexcept;
  PollDesc& operator=(PollDesc&& other) noexcept;
  PollDesc(const PollDesc&) = delete;
  PollDesc& operator=(const PollDesc&) = delete;

  // Forgets that fd was ready. For an operation that shall not profit from what
  // came before it. Error: as Wait's. `mode` is kRead or kWrite.
  absl::Status Reset(Mode mode);

  // Blocks until fd may be ready for `mode` (kRead or kWrite): may, since
  // somebody else may have been faster, and since errors and the end of the
  // stream count as ready. DeadlineExceeded("i/o timeout") when the deadline has
  // passed, Cancelled("use of closed file") when it is closed.
  absl::Status Wait(Mode mode);

  // The end of the stream, an error or urgent data has been reported since Open:
  // what a reader may miss who waits first because its last read got less than it
  // asked for (net/fd.h). Noted before the readiness that comes with it, so: false
  // after a Reset or Wait, and it either was not there then, or Wait will return.
  bool SawException() const;

  // Until when Wait waits; in the past: it fails at once; InfiniteFuture(): for
  // ever, as at first. Wakes those whose time is over. A deadline that has passed
  // stays passed until a new one is set.
  void SetDeadline(Mode modes, absl::Time deadline);

  // Those who wait fail. The descriptor may be closed after this. Once more:
  // nothing.
  void Close();

 private:
  explicit PollDesc(internal::PollState* state) : state_(state) {}

  internal::PollState* state_ = nullptr;  // changes when it is moved only
};

}  // namespace mpg

#endif  // MPG_RUNTIME_POLL_DESC_H_
