// From "host:port" to addresses. Go: internetAddrList, LookupPort, LookupHost.
//
// Blocks the goroutine, not the thread, while the system looks a name up
// (getaddrinfo: the hosts file, DNS, whatever the machine is set up for).
// Thread safety: any goroutine or thread.
#ifndef MPG_NET_RESOLVE_H_
#define MPG_NET_RESOLVE_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "net/net_addr.h"

namespace mpg {
namespace internal {

enum class HostUse {
  kDial,    // an empty host is this machine: 127.0.0.1, then ::1
  kListen,  // an empty host is every address of this machine: [::]
};

// The addresses of "host:port" in the order in which to try them; at least one.
// `network` is "tcp" or "udp": whose names of ports count.
// InvalidArgument: the syntax; an unknown port. NotFound: "lookup X: no such
// host". Unavailable: the name service does not answer. DeadlineExceeded: "lookup
// X: i/o timeout"; the look-up then goes on by itself and is forgotten.
absl::StatusOr<std::vector<NetAddr>> ResolveAddress(const char* network,
                                                    absl::string_view address,
                                                    HostUse use,
                                                    absl::Time deadline);

// The one of `addrs` to listen on: the first that is IPv4, else the first.
// Go: addrList.forResolve.
const NetAddr& FavourIpv4(const std::vector<NetAddr>& addrs);

// Whether a socket for IPv6 here also takes IPv4.
bool SupportsDualStack();

}  // namespace internal
}  // namespace mpg

#endif  // MPG_NET_RESOLVE_H_
