// The system calls on sockets that net/ makes, without errno: they return what
// the system returns, or the negated error. EINTR is retried inside (but for
// Connect, which goes on by itself). A compiler takes the address of errno for
// the same all through a function, and a goroutine changes threads: so errno is
// looked at here, in functions that do not park, and nowhere else.
//
// Thread safety: as the system calls. None blocks on a non-blocking descriptor.
#ifndef MPG_NET_SOCKET_CALL_H_
#define MPG_NET_SOCKET_CALL_H_

#include <sys/socket.h>
#include <sys/types.h>

#include <cstddef>

#include "net/net_addr.h"

namespace mpg {
namespace internal {

ssize_t SysRecv(int fd, void* data, size_t size);
// Never raises SIGPIPE. So neither does SysSendMsg.
ssize_t SysSend(int fd, const void* data, size_t size);
ssize_t SysRecvFrom(int fd, void* data, size_t size, NetAddr* from);
ssize_t SysSendTo(int fd, const void* data, size_t size, const NetAddr& to);
ssize_t SysSendMsg(int fd, const msghdr& message);

// Non-blocking and close-on-exec, both.
int SysSocket(int family, int type);
int SysAccept(int fd, NetAddr* peer);

int SysConnect(int fd, const NetAddr& to);
int SysBind(int fd, const NetAddr& addr);
int SysListen(int fd, int backlog);
int SysShutdown(int fd, int how);
int SysClose(int fd);
int SysUnlink(const char* path);
int SysSetOption(int fd, int level, int name, const void* value, size_t size);
int SysSetOption(int fd, int level, int name, int value);
// SO_ERROR, as a positive errno, and forgets it.
int SysTakeError(int fd);
// No address if the system gives none.
NetAddr SysLocalAddr(int fd);
NetAddr SysPeerAddr(int fd);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_NET_SOCKET_CALL_H_
