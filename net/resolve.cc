#include "net/resolve.h"

#include <errno.h>
#include <netdb.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "net/net_error.h"
#include "net/socket_call.h"
#include "runtime/goroutine.h"
#include "runtime/time.h"

namespace mpg {
namespace internal {
namespace {

using Addresses = absl::StatusOr<std::vector<NetAddr>>;

// Name services are libraries that use what stack they like.
constexpr size_t kLookupStack = size_t{512} << 10;

bool AllDigits(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

// What f returns, in a call that may block. On a plain thread: as long as it
// takes; in a goroutine, one that comes back after the deadline goes on by itself
// and is forgotten: it cannot be broken off.
template <class F>
auto LookUp(F f, absl::Time deadline, absl::string_view what) -> decltype(f()) {
  using Result = decltype(f());
  if (Goid() == 0) return f();
  Result result = absl::DeadlineExceededError(
      absl::StrCat("lookup ", what, ": i/o timeout"));
  const absl::Duration left = deadline - Now();
  if (left <= absl::ZeroDuration()) return result;
  const auto done = MakeChan<Result>(1);
  Go(GoOptions{kLookupStack, "lookup"},
     [done, f = std::move(f)] { done.Send(Syscall(f)); });
  if (deadline == absl::InfiniteFuture()) return *done.Recv();
  const Timer timer(left);
  Select(OnRecv(done, [&](std::optional<Result> found) { result = *found; }),
         OnRecv(timer.C()));
  timer.Stop();
  return result;
}

absl::StatusOr<int> ServicePort(const std::string& network,
                                const std::string& service,
                                absl::Time deadline) {
  const auto lookup = [network, service]() -> absl::StatusOr<int> {
    servent entry;
    servent* found = nullptr;
    char buffer[2048];
    getservbyname_r(service.c_str(), network.c_str(), &entry, buffer,
                    sizeof(buffer), &found);
    if (found != nullptr) return ntohs(static_cast<uint16_t>(found->s_port));
    return absl::InvalidArgumentError(
        absl::StrCat("lookup ", network, "/", service, ": unknown port"));
  };
  return LookUp(lookup, deadline, absl::StrCat(network, "/", service));
}

absl::StatusOr<int> LookupPort(const char* network, const std::string& port,
                               absl::Time deadline) {
  if (port.empty()) return 0;  // Go: "127.0.0.1:" is port 0
  if (!AllDigits(port)) return ServicePort(network, port, deadline);
  int number = 0;
  if (absl::SimpleAtoi(port, &number) && number <= 65535) return number;
  return absl::InvalidArgumentError(
      absl::StrCat("address ", port, ": invalid port"));
}

absl::Status LookupError(absl::string_view host, int gai_error, int error) {
  const std::string context = absl::StrCat("lookup ", host);
  switch (gai_error) {
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
      return absl::NotFoundError(absl::StrCat(context, ": no such host"));
    case EAI_SYSTEM:
      return ErrnoStatus(error, context, "getaddrinfo");
    case EAI_MEMORY:
      return ErrnoStatus(ENOMEM, context, "getaddrinfo");
    default:
      return absl::UnavailableError(absl::StrCat(
          context, ": ", absl::AsciiStrToLower(gai_strerror(gai_error))));
  }
}

// Blocks the thread.
Addresses GetAddrInfo(const std::string& host) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;  // else each address comes three times
  addrinfo* list = nullptr;
  const int failed = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (failed != 0) return LookupError(host, failed, errno);
  std::vector<NetAddr> addrs;
  for (const addrinfo* a = list; a != nullptr; a = a->ai_next) {
    if (a->ai_family != AF_INET && a->ai_family != AF_INET6) continue;
    addrs.push_back(NetAddr::FromRaw(a->ai_addr, a->ai_addrlen));
  }
  freeaddrinfo(list);
  if (addrs.empty()) return LookupError(host, EAI_NODATA, 0);
  return addrs;
}

Addresses LookupHost(const std::string& host, absl::Time deadline) {
  return LookUp([host] { return GetAddrInfo(host); }, deadline, host);
}

bool TryDualStack() {
  const int fd = SysSocket(AF_INET6, SOCK_STREAM);
  if (fd < 0) return false;
  const bool works = SysSetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0) == 0 &&
                     SysBind(fd, *NetAddr::FromIp("::", 0)) == 0;
  SysClose(fd);
  return works;
}

Addresses HostAddresses(const std::string& host, HostUse use,
                        absl::Time deadline) {
  if (!host.empty()) {
    const auto literal = NetAddr::FromIp(host, 0);
    if (literal.ok()) return std::vector<NetAddr>{*literal};
    return LookupHost(host, deadline);
  }
  if (use == HostUse::kDial) {
    return std::vector<NetAddr>{*NetAddr::FromIp("127.0.0.1", 0),
                                *NetAddr::FromIp("::1", 0)};
  }
  return std::vector<NetAddr>{
      *NetAddr::FromIp(SupportsDualStack() ? "::" : "0.0.0.0", 0)};
}

}  // namespace

absl::StatusOr<std::vector<NetAddr>> ResolveAddress(const char* network,
                                                    absl::string_view address,
                                                    HostUse use,
                                                    absl::Time deadline) {
  const auto parts = SplitHostPort(address);
  if (!parts.ok()) return parts.status();
  const auto port = LookupPort(network, parts->port, deadline);
  if (!port.ok()) return port.status();
  Addresses addrs = HostAddresses(parts->host, use, deadline);
  if (!addrs.ok()) return addrs;
  for (NetAddr& addr : *addrs) addr.set_port(*port);
  return addrs;
}

const NetAddr& FavourIpv4(const std::vector<NetAddr>& addrs) {
  const auto v4 = std::find_if(
      addrs.begin(), addrs.end(),
      [](const NetAddr& addr) { return addr.family() == AF_INET; });
  return v4 != addrs.end() ? *v4 : addrs.front();
}

bool SupportsDualStack() {
  static const bool supports = TryDualStack();
  return supports;
}

}  // namespace internal
}  // namespace mpg
