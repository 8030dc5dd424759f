#include "net/conn.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "net/fd.h"
#include "net/net_error.h"
#include "net/stream_listener.h"

namespace mpg {
namespace {

absl::Status NoConnection(absl::string_view op) {
  return internal::ErrnoStatus(EINVAL, op, "");
}

}  // namespace

absl::StatusOr<size_t> Conn::Read(absl::Span<char> buf) const {
  if (!fd_) return NoConnection("read");
  return fd_->Read(buf);
}

absl::StatusOr<size_t> Conn::ReadFull(absl::Span<char> buf) const {
  if (!fd_) return NoConnection("read");
  return fd_->ReadFull(buf);
}

absl::StatusOr<size_t> Conn::Write(absl::string_view data) const {
  if (!fd_) return NoConnection("write");
  return fd_->Write(data);
}

absl::StatusOr<size_t> Conn::Writev(
    absl::Span<const absl::string_view> parts) const {
  if (!fd_) return NoConnection("write");
  return fd_->Writev(parts);
}

absl::Status Conn::Close() const {
  return fd_ ? fd_->Close() : NoConnection("close");
}

absl::Status Conn::CloseWrite() const {
  return fd_ ? fd_->Shutdown(SHUT_WR) : NoConnection("close");
}

absl::Status Conn::CloseRead() const {
  return fd_ ? fd_->Shutdown(SHUT_RD) : NoConnection("close");
}

absl::Status Conn::SetDeadline(absl::Time deadline) const {
  if (!fd_) return NoConnection("set");
  return fd_->SetDeadline(PollDesc::kReadWrite, deadline);
}

absl::Status Conn::SetReadDeadline(absl::Time deadline) const {
  if (!fd_) return NoConnection("set");
  return fd_->SetDeadline(PollDesc::kRead, deadline);
}

absl::Status Conn::SetWriteDeadline(absl::Time deadline) const {
  if (!fd_) return NoConnection("set");
  return fd_->SetDeadline(PollDesc::kWrite, deadline);
}

NetAddr Conn::LocalAddr() const { return fd_ ? fd_->local() : NetAddr(); }

NetAddr Conn::RemoteAddr() const { return fd_ ? fd_->remote() : NetAddr(); }

absl::Status Conn::SetNoDelay(bool on) const {
  if (!fd_) return NoConnection("set");
  const int value = on;
  return fd_->SetOption(IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value));
}

absl::Status Conn::SetKeepAlive(bool on) const {
  if (!fd_) return NoConnection("set");
  const int value = on;
  return fd_->SetOption(SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(value));
}

absl::Status Conn::SetLinger(int seconds) const {
  if (!fd_) return NoConnection("set");
  linger value;
  value.l_onoff = seconds >= 0;
  value.l_linger = seconds >= 0 ? seconds : 0;
  return fd_->SetOption(SOL_SOCKET, SO_LINGER, &value, sizeof(value));
}

int Conn::fd() const { return fd_ ? fd_->fd() : -1; }

absl::StatusOr<Conn> Listener::Accept() const {
  if (!impl_) return NoConnection("accept");
  return impl_->Accept();
}

NetAddr Listener::Addr() const {
  return impl_ ? impl_->fd().local() : NetAddr();
}

absl::Status Listener::Close() const {
  return impl_ ? impl_->Close() : NoConnection("close");
}

absl::Status Listener::SetDeadline(absl::Time deadline) const {
  if (!impl_) return NoConnection("set");
  return impl_->fd().SetDeadline(PollDesc::kReadWrite, deadline);
}

int Listener::fd() const { return impl_ ? impl_->fd().fd() : -1; }

}  // namespace mpg
