// UDP: datagrams. A UdpConn is a cheap handle, as Conn is (conn.h): copies are the
// same socket, any goroutine may use it, Close wakes those who are blocked.
//
//   absl::StatusOr<UdpConn> server = ListenUdp("127.0.0.1:0");
//   absl::StatusOr<UdpConn> client = DialUdp(server->LocalAddr().ToString());
//   client->Write("ping");
//   auto ping = server->ReadFrom(absl::MakeSpan(buf));     // {4, who sent it}
//   server->WriteTo("pong", ping->from);
//
// Errors: net_error.h. On a socket made by DialUdp, a Read or Write may say
// ECONNREFUSED: nobody was there for an earlier datagram.
// Source: Go's net.UDPConn.
#ifndef MPG_NET_UDP_H_
#define MPG_NET_UDP_H_

#include <cstddef>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "net/net_addr.h"

namespace mpg {

namespace internal {
class NetFd;
}  // namespace internal

class UdpConn {
 public:
  // No socket.
  UdpConn() = default;
  UdpConn(std::shared_ptr<internal::NetFd> fd, bool ipv6)
      : fd_(std::move(fd)), ipv6_(ipv6) {}

  explicit operator bool() const { return fd_ != nullptr; }

  struct Datagram {
    size_t size;
    NetAddr from;
  };
  // Waits for a datagram. What does not fit into buf is lost. Its size may be 0.
  absl::StatusOr<Datagram> ReadFrom(absl::Span<char> buf) const;
  absl::StatusOr<size_t> Read(absl::Span<char> buf) const;

  // Sends one datagram. WriteTo is for sockets of ListenUdp (else EISCONN), Write
  // for those of DialUdp (else EDESTADDRREQ).
  absl::StatusOr<size_t> WriteTo(absl::string_view data,
                                 const NetAddr& to) const;
  absl::StatusOr<size_t> Write(absl::string_view data) const;

  absl::Status Close() const;

  // As those of Conn.
  absl::Status SetDeadline(absl::Time deadline) const;
  absl::Status SetReadDeadline(absl::Time deadline) const;
  absl::Status SetWriteDeadline(absl::Time deadline) const;
  NetAddr LocalAddr() const;
  // Of a socket of DialUdp.
  NetAddr RemoteAddr() const;
  int fd() const;

 private:
  std::shared_ptr<internal::NetFd> fd_;
  bool ipv6_ = false;  // the socket's family is AF_INET6
};

// Receives at `address`; see Listen (tcp.h) for what that may be.
absl::StatusOr<UdpConn> ListenUdp(absl::string_view address);
// Sends to `address`, and receives only from there. Blocks the goroutine while a
// name is looked up; a name's addresses are not tried one after another: nobody
// says whether one works.
absl::StatusOr<UdpConn> DialUdp(absl::string_view address);

}  // namespace mpg

#endif  // MPG_NET_UDP_H_
