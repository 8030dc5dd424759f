#include "net/socket_call.h"

#include <errno.h>
#include <unistd.h>

#include "absl/base/attributes.h"

namespace mpg {
namespace internal {
namespace {

template <class Call>
auto Retry(Call&& call) {
  for (;;) {
    auto result = call();
    if (result >= 0) return result;
    const int error = errno;
    if (error != EINTR) return static_cast<decltype(result)>(-error);
  }
}

// For calls that are not to be made again.
int Once(int result) { return result >= 0 ? result : -errno; }

}  // namespace

ABSL_ATTRIBUTE_NOINLINE ssize_t SysRecv(int fd, void* data, size_t size) {
  return Retry([=] { return recv(fd, data, size, 0); });
}

ABSL_ATTRIBUTE_NOINLINE ssize_t SysSend(int fd, const void* data, size_t size) {
  return Retry([=] { return send(fd, data, size, MSG_NOSIGNAL); });
}

ABSL_ATTRIBUTE_NOINLINE ssize_t SysRecvFrom(int fd, void* data, size_t size,
                                            NetAddr* from) {
  sockaddr_storage raw;
  socklen_t raw_size = sizeof(raw);
  const ssize_t n = Retry([&] {
    raw_size = sizeof(raw);
    return recvfrom(fd, data, size, 0, reinterpret_cast<sockaddr*>(&raw),
                    &raw_size);
  });
  if (n >= 0) {
    *from = NetAddr::FromRaw(reinterpret_cast<sockaddr*>(&raw), raw_size);
  }
  return n;
}

ABSL_ATTRIBUTE_NOINLINE ssize_t SysSendTo(int fd, const void* data, size_t size,
                                          const NetAddr& to) {
  return Retry([&] {
    return sendto(fd, data, size, MSG_NOSIGNAL, to.raw(), to.raw_size());
  });
}

ABSL_ATTRIBUTE_NOINLINE ssize_t SysSendMsg(int fd, const msghdr& message) {
  return Retry([&] { return sendmsg(fd, &message, MSG_NOSIGNAL); });
}

ABSL_ATTRIBUTE_NOINLINE int SysSocket(int family, int type) {
  return Once(socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

ABSL_ATTRIBUTE_NOINLINE int SysAccept(int fd, NetAddr* peer) {
  sockaddr_storage raw;
  socklen_t raw_size = sizeof(raw);
  const int accepted = Retry([&] {
    raw_size = sizeof(raw);
    return accept4(fd, reinterpret_cast<sockaddr*>(&raw), &raw_size,
                   SOCK_NONBLOCK | SOCK_CLOEXEC);
  });
  if (accepted >= 0) {
    *peer = NetAddr::FromRaw(reinterpret_cast<sockaddr*>(&raw), raw_size);
  }
  return accepted;
}

ABSL_ATTRIBUTE_NOINLINE int SysConnect(int fd, const NetAddr& to) {
  return Once(connect(fd, to.raw(), to.raw_size()));
}

ABSL_ATTRIBUTE_NOINLINE int SysBind(int fd, const NetAddr& addr) {
  return Once(bind(fd, addr.raw(), addr.raw_size()));
}

ABSL_ATTRIBUTE_NOINLINE int SysListen(int fd, int backlog) {
  return Once(listen(fd, backlog));
}

ABSL_ATTRIBUTE_NOINLINE int SysShutdown(int fd, int how) {
  return Once(shutdown(fd, how));
}

// Not again after EINTR: on Linux the descriptor is gone already.
ABSL_ATTRIBUTE_NOINLINE int SysClose(int fd) { return Once(close(fd)); }

ABSL_ATTRIBUTE_NOINLINE int SysUnlink(const char* path) {
  return Once(unlink(path));
}

ABSL_ATTRIBUTE_NOINLINE int SysSetOption(int fd, int level, int name,
                                         const void* value, size_t size) {
  return Once(setsockopt(fd, level, name, value, static_cast<socklen_t>(size)));
}

int SysSetOption(int fd, int level, int name, int value) {
  return SysSetOption(fd, level, name, &value, sizeof(value));
}

ABSL_ATTRIBUTE_NOINLINE int SysTakeError(int fd) {
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

NetAddr SysLocalAddr(int fd) {
  sockaddr_storage raw;
  socklen_t size = sizeof(raw);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&raw), &size) != 0) return {};
  return NetAddr::FromRaw(reinterpret_cast<sockaddr*>(&raw), size);
}

NetAddr SysPeerAddr(int fd) {
  sockaddr_storage raw;
  socklen_t size = sizeof(raw);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&raw), &size) != 0) return {};
  return NetAddr::FromRaw(reinterpret_cast<sockaddr*>(&raw), size);
}

}  // namespace internal
}  // namespace mpg
