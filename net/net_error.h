// The errors of net/: absl::Status with the system's errno kept, and Go's words.
//
//   read tcp 127.0.0.1:4242->127.0.0.1:80: read: connection reset by peer
//   dial tcp 127.0.0.1:1: connect: connection refused
//
// What a caller can tell apart:
//   ErrnoOf(s) != 0         the system said so: ECONNRESET, EPIPE, EADDRINUSE, ...;
//                           the code is absl::ErrnoToStatusCode's
//   DeadlineExceeded, no errno   "i/o timeout": a deadline set here has passed
//   Cancelled, no errno     "use of closed network connection": closed by Close
//   InvalidArgument, NotFound    an address that is none; a name without an address
//   OutOfRange              "unexpected EOF", from ReadFull
//
// Thread safety: pure functions.
// Source: Go's net.OpError, os.SyscallError, syscall.Errno.
#ifndef MPG_NET_NET_ERROR_H_
#define MPG_NET_NET_ERROR_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace mpg {

// The errno behind `status`; 0: there is none.
int ErrnoOf(const absl::Status& status);

namespace internal {

// "connection reset by peer": strerror's words as Go writes them.
std::string ErrnoText(int error);
// "context: call: text", with errno kept. `call` may be empty.
absl::Status ErrnoStatus(int error, absl::string_view context,
                         absl::string_view call);
// `status` with "context: " before its message.
absl::Status Annotate(const absl::Status& status, absl::string_view context);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_NET_NET_ERROR_H_
