// NetAddr: the address of one end of a socket: IPv4, IPv6 or Unix. A value, no
// pointers in it, no allocation.
//
//   absl::StatusOr<NetAddr> a = NetAddr::FromIp("::1", 80);
//   a->ToString();                          // "[::1]:80"
//
// An IPv4 address is the same whatever socket it came from: one that an IPv6
// socket reports as ::ffff:10.0.0.1 is 10.0.0.1 here.
//
// Thread safety: a value. Nothing blocks.
// Source: Go's TCPAddr, UDPAddr and UnixAddr, SplitHostPort and JoinHostPort.
#ifndef MPG_NET_NET_ADDR_H_
#define MPG_NET_NET_ADDR_H_

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mpg {

class NetAddr {
 public:
  // No address: family() is AF_UNSPEC, ToString() empty.
  NetAddr();

  // An IP address in figures; of IPv6 also with a zone, "fe80::1%eth0".
  // InvalidArgument: it is none, or the port is not in 0 to 65535.
  static absl::StatusOr<NetAddr> FromIp(absl::string_view ip, int port);
  // The path of a Unix socket; a leading '@' stands for the 0 byte of a name in
  // Linux' abstract namespace. InvalidArgument: empty, or longer than 107 bytes.
  static absl::StatusOr<NetAddr> FromUnixPath(absl::string_view path);
  // What the system has written. An IPv4 address mapped into IPv6 becomes IPv4.
  static NetAddr FromRaw(const sockaddr* raw, socklen_t size);

  int family() const { return u_.any.sa_family; }
  // 0 if it has none.
  int port() const;
  // REQUIRES: family() is AF_INET or AF_INET6, port in 0 to 65535.
  void set_port(int port);
  // The IP address in figures, without port or brackets; of a Unix address the
  // path.
  std::string host() const;
  // "10.0.0.1:80", "[::1]:80", "/run/a.sock", "@abstract"; "@" for a Unix socket
  // without a name.
  std::string ToString() const;

  // 0.0.0.0 or ::
  bool IsAnyIp() const;
  bool IsLoopback() const;
  // The same address as one of an IPv6 socket. REQUIRES: family() is AF_INET or
  // AF_INET6.
  NetAddr ToIpv6() const;

  const sockaddr* raw() const { return &u_.any; }
  socklen_t raw_size() const { return size_; }

  friend bool operator==(const NetAddr& a, const NetAddr& b);
  friend bool operator!=(const NetAddr& a, const NetAddr& b) {
    return !(a == b);
  }

 private:
  union {
    sockaddr any;
    sockaddr_in in;
    sockaddr_in6 in6;
    sockaddr_un un;
  } u_;
  socklen_t size_;
};

struct HostPort {
  std::string host;
  std::string port;
};

// Splits "host:port", "[host]:port", ":port". InvalidArgument, in Go's words:
// "address X: missing port in address", "too many colons in address", ...
absl::StatusOr<HostPort> SplitHostPort(absl::string_view address);
// The other way; puts brackets around a host with a colon.
std::string JoinHostPort(absl::string_view host, absl::string_view port);

}  // namespace mpg

#endif  // MPG_NET_NET_ADDR_H_
