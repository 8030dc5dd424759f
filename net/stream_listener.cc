#include "net/stream_listener.h"

#include <limits>

#include "net/net_addr.h"
#include "net/net_error.h"
#include "net/socket_call.h"

namespace mpg {
namespace internal {

absl::StatusOr<Listener> ListenOn(int fd, Network network, int backlog,
                                  std::string unlink_path) {
  // The system lowers it to what it allows.
  constexpr int kAsManyAsAllowed = std::numeric_limits<int>::max();
  const int error = -SysListen(fd, backlog > 0 ? backlog : kAsManyAsAllowed);
  if (error > 0) {
    SysClose(fd);
    return ErrnoStatus(error, "listen", "");
  }
  auto net_fd = NetFd::Adopt(fd, network);
  if (!net_fd.ok()) return net_fd.status();
  (*net_fd)->SetAddrs(SysLocalAddr(fd), NetAddr());
  return Listener(std::make_shared<StreamListener>(*std::move(net_fd),
                                                   std::move(unlink_path)));
}

StreamListener::~StreamListener() { RemoveFile(); }

absl::StatusOr<Conn> StreamListener::Accept() {
  const auto accepted = fd_->Accept();
  if (!accepted.ok()) return accepted.status();
  // A system call less: a listener on one address has only connections there.
  const bool any = fd_->local().IsAnyIp();
  const NetAddr local = any ? SysLocalAddr(accepted->fd) : fd_->local();
  auto conn = NetFd::Adopt(accepted->fd, fd_->network());
  if (!conn.ok()) return fd_->PollError("accept", conn.status());
  (*conn)->SetAddrs(local, accepted->peer);
  return Conn(*std::move(conn));
}

// The file goes first: once the socket is closed, somebody else may have made one
// of that name.
absl::Status StreamListener::Close() {
  RemoveFile();
  return fd_->Close();
}

void StreamListener::RemoveFile() {
  if (unlink_path_.empty() || removed_.exchange(true)) return;
  SysUnlink(unlink_path_.c_str());
}

}  // namespace internal
}  // namespace mpg
