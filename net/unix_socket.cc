#include "net/unix_socket.h"

#include <sys/socket.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "net/fd.h"
#include "net/net_addr.h"
#include "net/net_error.h"
#include "net/socket_call.h"
#include "net/stream_listener.h"

namespace mpg {
namespace {

using internal::Network;

absl::StatusOr<Listener> ListenAt(const NetAddr& addr) {
  const int fd = internal::SysSocket(AF_UNIX, SOCK_STREAM);
  if (fd < 0) return internal::ErrnoStatus(-fd, "socket", "");
  const int error = -internal::SysBind(fd, addr);
  if (error > 0) {
    internal::SysClose(fd);
    return internal::ErrnoStatus(error, "bind", "");
  }
  std::string path = addr.host();
  if (path[0] == '@') path.clear();
  return internal::ListenOn(fd, Network::kUnix, /*backlog=*/0, std::move(path));
}

absl::StatusOr<Conn> DialAt(const NetAddr& addr) {
  const int fd = internal::SysSocket(AF_UNIX, SOCK_STREAM);
  if (fd < 0) return internal::ErrnoStatus(-fd, "socket", "");
  auto net_fd = internal::NetFd::Connect(fd, Network::kUnix, addr,
                                         absl::InfiniteFuture());
  if (!net_fd.ok()) return net_fd.status();
  return Conn(*std::move(net_fd));
}

}  // namespace

absl::StatusOr<Listener> ListenUnix(absl::string_view path) {
  const auto addr = NetAddr::FromUnixPath(path);
  if (!addr.ok()) return internal::Annotate(addr.status(), "listen unix");
  auto listener = ListenAt(*addr);
  if (listener.ok()) return listener;
  return internal::Annotate(listener.status(),
                            absl::StrCat("listen unix ", path));
}

absl::StatusOr<Conn> DialUnix(absl::string_view path) {
  const auto addr = NetAddr::FromUnixPath(path);
  if (!addr.ok()) return internal::Annotate(addr.status(), "dial unix");
  auto conn = DialAt(*addr);
  if (conn.ok()) return conn;
  return internal::Annotate(conn.status(), absl::StrCat("dial unix ", path));
}

}  // namespace mpg
