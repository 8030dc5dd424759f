// TCP: Listen and Dial. What they return is in conn.h.
//
//   absl::StatusOr<Listener> listener = Listen("127.0.0.1:0");
//   absl::StatusOr<Conn> conn = Dial(listener->Addr().ToString());
//
// Addresses are "host:port". host: an IP address in figures (IPv6 in brackets:
// "[::1]:80", "[fe80::1%eth0]:80") or a name; port: a number or the name of a
// service ("http").
//
// Thread safety: any goroutine or thread. Both block the goroutine only, looking
// up names included.
// Errors: net_error.h, with "listen tcp ADDRESS: " or "dial tcp ADDRESS: " before.
// Source: Go's net.Listen, ListenConfig, Dialer.
#ifndef MPG_NET_TCP_H_
#define MPG_NET_TCP_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "net/conn.h"

namespace mpg {

struct ListenOptions {
  // Connections that may wait to be accepted; 0: as many as the system allows.
  int backlog = 0;
  // Several listeners share the address, and the system spreads the connections
  // (SO_REUSEPORT). All must ask for it.
  bool reuse_port = false;
};

// Listens at `address`. Without a host (":8080"), or with 0.0.0.0 or [::], at all
// addresses of this machine, IPv4 and IPv6; port 0: one that is free. A name that
// has several addresses: at one of them, rather of IPv4.
absl::StatusOr<Listener> Listen(absl::string_view address,
                                const ListenOptions& options = {});

struct DialOptions {
  // The earlier of the two counts, for all that Dial does.
  absl::Duration timeout = absl::InfiniteDuration();
  absl::Time deadline = absl::InfiniteFuture();
};

// Connects to `address`; without a host (":80") to this machine. The addresses of
// a name are tried one after another, and each gets its share of the time that is
// left; the error is that of the first. DeadlineExceeded: "i/o timeout".
absl::StatusOr<Conn> Dial(absl::string_view address,
                          const DialOptions& options = {});

}  // namespace mpg

#endif  // MPG_NET_TCP_H_
