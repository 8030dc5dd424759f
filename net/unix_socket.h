// Unix stream sockets: ListenUnix and DialUnix. What they return is in conn.h.
//
// A path that begins with '@' is a name in Linux' abstract namespace: no file.
//
// Thread safety: any goroutine or thread. Neither blocks.
// Errors: net_error.h, with "listen unix PATH: " or "dial unix PATH: " before. A
// file that is there already: EADDRINUSE, even if nobody listens any more; remove
// it first, as in Go. DialUnix of a listener whose queue is full: EAGAIN.
// Source: Go's net.ListenUnix, DialUnix.
#ifndef MPG_NET_UNIX_SOCKET_H_
#define MPG_NET_UNIX_SOCKET_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "net/conn.h"

namespace mpg {

// Makes the file `path`, which Listener::Close removes.
absl::StatusOr<Listener> ListenUnix(absl::string_view path);
absl::StatusOr<Conn> DialUnix(absl::string_view path);

}  // namespace mpg

#endif  // MPG_NET_UNIX_SOCKET_H_
