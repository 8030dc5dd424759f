#include "net/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "net/fd.h"
#include "net/net_addr.h"
#include "net/net_error.h"
#include "net/resolve.h"
#include "net/socket_call.h"
#include "net/stream_listener.h"
#include "runtime/time.h"

namespace mpg {
namespace {

using internal::NetFd;
using internal::Network;
using internal::SysSetOption;

// Go: defaultTCPKeepAliveIdle, defaultTCPKeepAliveInterval.
constexpr int kKeepAliveSeconds = 15;
// Go: Dialer.partialDeadline's saneMinimum.
constexpr absl::Duration kMinShare = absl::Seconds(2);

// Go's defaults. A listener's are handed on to the connections it accepts.
void SetDefaults(int fd) {
  SysSetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SysSetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SysSetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveSeconds);
  SysSetOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveSeconds);
}

absl::Status Failed(int fd, int error, absl::string_view call) {
  internal::SysClose(fd);
  return internal::ErrnoStatus(error, call, "");
}

absl::StatusOr<Listener> ListenAt(NetAddr addr, const ListenOptions& options) {
  const bool all = addr.IsAnyIp() && internal::SupportsDualStack();
  if (all) addr = addr.ToIpv6();
  const int fd = internal::SysSocket(addr.family(), SOCK_STREAM);
  if (fd < 0) return internal::ErrnoStatus(-fd, "socket", "");
  SetDefaults(fd);
  SysSetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (addr.family() == AF_INET6) {
    SysSetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, all ? 0 : 1);
  }
  if (options.reuse_port) {
    const int error = -SysSetOption(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (error > 0) return Failed(fd, error, "setsockopt");
  }
  const int error = -internal::SysBind(fd, addr);
  if (error > 0) return Failed(fd, error, "bind");
  return internal::ListenOn(fd, Network::kTcp, options.backlog, "");
}

using FdOr = absl::StatusOr<std::shared_ptr<NetFd>>;

FdOr ConnectOnce(const NetAddr& addr, absl::Time deadline) {
  const int fd = internal::SysSocket(addr.family(), SOCK_STREAM);
  if (fd < 0) return internal::ErrnoStatus(-fd, "socket", "");
  SetDefaults(fd);
  return NetFd::Connect(fd, Network::kTcp, addr, deadline);
}

// A socket that is connected to itself: the system chose, for its own end, the
// port that it was to connect to, which nobody listens at. Or there was no port
// for its own end, which passes. Go: selfConnect, spuriousENOTAVAIL.
bool Spurious(const FdOr& fd) {
  if (!fd.ok()) return ErrnoOf(fd.status()) == EADDRNOTAVAIL;
  return (*fd)->local() == (*fd)->remote();
}

FdOr ConnectTo(const NetAddr& addr, absl::Time deadline) {
  constexpr int kTries = 3;
  FdOr fd = ConnectOnce(addr, deadline);
  for (int i = 1; i < kTries && Spurious(fd); ++i) {
    fd = ConnectOnce(addr, deadline);
  }
  return fd;
}

// When to give up the first of `left` addresses. Go: partialDeadline.
absl::Time ShareOf(absl::Time deadline, size_t left) {
  if (deadline == absl::InfiniteFuture()) return deadline;
  const absl::Time now = Now();
  const absl::Duration remaining = deadline - now;
  const absl::Duration share = remaining / static_cast<int64_t>(left);
  return now + std::min(remaining, std::max(share, kMinShare));
}

absl::Status DialError(absl::string_view address, const absl::Status& why) {
  const std::string context = absl::StrCat("dial tcp ", address);
  if (absl::IsDeadlineExceeded(why) && ErrnoOf(why) == 0) {
    return absl::DeadlineExceededError(absl::StrCat(context, ": i/o timeout"));
  }
  return internal::Annotate(why, context);
}

}  // namespace

absl::StatusOr<Listener> Listen(absl::string_view address,
                                const ListenOptions& options) {
  const auto addrs = internal::ResolveAddress(
      "tcp", address, internal::HostUse::kListen, absl::InfiniteFuture());
  if (!addrs.ok()) return internal::Annotate(addrs.status(), "listen tcp");
  const NetAddr& addr = internal::FavourIpv4(*addrs);
  auto listener = ListenAt(addr, options);
  if (listener.ok()) return listener;
  return internal::Annotate(listener.status(),
                            absl::StrCat("listen tcp ", addr.ToString()));
}

absl::StatusOr<Conn> Dial(absl::string_view address,
                          const DialOptions& options) {
  absl::Time deadline = options.deadline;
  if (options.timeout < absl::InfiniteDuration()) {
    deadline = std::min(deadline, Now() + options.timeout);
  }
  const auto addrs = internal::ResolveAddress(
      "tcp", address, internal::HostUse::kDial, deadline);
  if (!addrs.ok()) return internal::Annotate(addrs.status(), "dial tcp");
  absl::Status first_error;
  for (size_t i = 0; i < addrs->size(); ++i) {
    NetAddr addr = (*addrs)[i];
    if (addr.IsAnyIp()) {  // Go: an unspecified address is this machine
      addr = *NetAddr::FromIp(addr.family() == AF_INET ? "127.0.0.1" : "::1",
                              addr.port());
    }
    absl::Status error;
    if (deadline <= Now()) {
      error = absl::DeadlineExceededError("i/o timeout");
    } else {
      auto fd = ConnectTo(addr, ShareOf(deadline, addrs->size() - i));
      if (fd.ok()) return Conn(*std::move(fd));
      error = fd.status();
    }
    if (first_error.ok()) first_error = DialError(addr.ToString(), error);
    if (deadline <= Now()) break;
  }
  return first_error;
}

}  // namespace mpg
