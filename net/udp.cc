#include "net/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "absl/strings/str_cat.h"
#include "net/fd.h"
#include "net/net_error.h"
#include "net/resolve.h"
#include "net/socket_call.h"

namespace mpg {
namespace {

using internal::NetFd;
using internal::Network;

absl::Status NoSocket(absl::string_view op) {
  return internal::ErrnoStatus(EINVAL, op, "");
}

absl::StatusOr<UdpConn> ListenAt(NetAddr addr) {
  const bool all = addr.IsAnyIp() && internal::SupportsDualStack();
  if (all) addr = addr.ToIpv6();
  const int fd = internal::SysSocket(addr.family(), SOCK_DGRAM);
  if (fd < 0) return internal::ErrnoStatus(-fd, "socket", "");
  const bool ipv6 = addr.family() == AF_INET6;
  if (ipv6) {
    internal::SysSetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, all ? 0 : 1);
  }
  const int error = -internal::SysBind(fd, addr);
  if (error > 0) {
    internal::SysClose(fd);
    return internal::ErrnoStatus(error, "bind", "");
  }
  auto net_fd = NetFd::Adopt(fd, Network::kUdp);
  if (!net_fd.ok()) return net_fd.status();
  (*net_fd)->SetAddrs(internal::SysLocalAddr(fd), NetAddr());
  return UdpConn(*std::move(net_fd), ipv6);
}

absl::StatusOr<UdpConn> DialAt(const NetAddr& addr) {
  const int fd = internal::SysSocket(addr.family(), SOCK_DGRAM);
  if (fd < 0) return internal::ErrnoStatus(-fd, "socket", "");
  auto net_fd = NetFd::Connect(fd, Network::kUdp, addr, absl::InfiniteFuture());
  if (!net_fd.ok()) return net_fd.status();
  return UdpConn(*std::move(net_fd), addr.family() == AF_INET6);
}

}  // namespace

absl::StatusOr<UdpConn> ListenUdp(absl::string_view address) {
  const auto addrs = internal::ResolveAddress(
      "udp", address, internal::HostUse::kListen, absl::InfiniteFuture());
  if (!addrs.ok()) return internal::Annotate(addrs.status(), "listen udp");
  const NetAddr& addr = internal::FavourIpv4(*addrs);
  auto conn = ListenAt(addr);
  if (conn.ok()) return conn;
  return internal::Annotate(conn.status(),
                            absl::StrCat("listen udp ", addr.ToString()));
}

absl::StatusOr<UdpConn> DialUdp(absl::string_view address) {
  const auto addrs = internal::ResolveAddress(
      "udp", address, internal::HostUse::kDial, absl::InfiniteFuture());
  if (!addrs.ok()) return internal::Annotate(addrs.status(), "dial udp");
  const NetAddr& addr = internal::FavourIpv4(*addrs);
  auto conn = DialAt(addr);
  if (conn.ok()) return conn;
  return internal::Annotate(conn.status(),
                            absl::StrCat("dial udp ", addr.ToString()));
}

absl::StatusOr<UdpConn::Datagram> UdpConn::ReadFrom(
    absl::Span<char> buf) const {
  if (!fd_) return NoSocket("read");
  Datagram datagram;
  const auto size = fd_->ReadFrom(buf, &datagram.from);
  if (!size.ok()) return size.status();
  datagram.size = *size;
  return datagram;
}

absl::StatusOr<size_t> UdpConn::Read(absl::Span<char> buf) const {
  if (!fd_) return NoSocket("read");
  NetAddr from;
  return fd_->ReadFrom(buf, &from);
}

absl::StatusOr<size_t> UdpConn::WriteTo(absl::string_view data,
                                        const NetAddr& to) const {
  if (!fd_) return NoSocket("write");
  if (fd_->remote().family() != AF_UNSPEC) {
    return internal::ErrnoStatus(EISCONN, "write udp", "");
  }
  if (!ipv6_ || to.family() != AF_INET) return fd_->WriteTo(data, &to);
  const NetAddr mapped = to.ToIpv6();
  return fd_->WriteTo(data, &mapped);
}

absl::StatusOr<size_t> UdpConn::Write(absl::string_view data) const {
  if (!fd_) return NoSocket("write");
  return fd_->WriteTo(data, nullptr);
}

absl::Status UdpConn::Close() const {
  return fd_ ? fd_->Close() : NoSocket("close");
}

absl::Status UdpConn::SetDeadline(absl::Time deadline) const {
  if (!fd_) return NoSocket("set");
  return fd_->SetDeadline(PollDesc::kReadWrite, deadline);
}

absl::Status UdpConn::SetReadDeadline(absl::Time deadline) const {
  if (!fd_) return NoSocket("set");
  return fd_->SetDeadline(PollDesc::kRead, deadline);
}

absl::Status UdpConn::SetWriteDeadline(absl::Time deadline) const {
  if (!fd_) return NoSocket("set");
  return fd_->SetDeadline(PollDesc::kWrite, deadline);
}

NetAddr UdpConn::LocalAddr() const { return fd_ ? fd_->local() : NetAddr(); }

NetAddr UdpConn::RemoteAddr() const { return fd_ ? fd_->remote() : NetAddr(); }

int UdpConn::fd() const { return fd_ ? fd_->fd() : -1; }

}  // namespace mpg
