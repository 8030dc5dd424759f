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
// Source: Go's net.OpError.
#ifndef MPG_NET_NET_ERROR_H_
#define MPG_NET_NET_ERROR_H_

#include "base/errno_status.h"  // IWYU pragma: export

#endif  // MPG_NET_NET_ERROR_H_
