#include "net/net_addr.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace mpg {
namespace {

absl::Status AddressError(absl::string_view address, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("address ", address, ": ", why));
}

// "fe80::1%eth0", "fe80::1%2": the number of the interface; 0: no zone.
absl::StatusOr<uint32_t> ZoneIndex(const std::string& zone) {
  uint32_t index = 0;
  if (absl::SimpleAtoi(zone, &index) && index != 0) return index;
  index = if_nametoindex(zone.c_str());
  if (index != 0) return index;
  return absl::InvalidArgumentError(
      absl::StrCat("zone ", zone, ": no such network interface"));
}

std::string ZoneName(uint32_t index) {
  char name[IF_NAMESIZE];
  if (if_indextoname(index, name) != nullptr) return name;
  return absl::StrCat(index);
}

}  // namespace

NetAddr::NetAddr() : size_(sizeof(sa_family_t)) {
  std::memset(&u_, 0, sizeof(u_));
}

absl::StatusOr<NetAddr> NetAddr::FromIp(absl::string_view ip, int port) {
  if (port < 0 || port > 65535) {
    return AddressError(absl::StrCat(port), "invalid port");
  }
  NetAddr addr;
  const std::string text(ip);
  if (inet_pton(AF_INET, text.c_str(), &addr.u_.in.sin_addr) == 1) {
    addr.u_.in.sin_family = AF_INET;
    addr.u_.in.sin_port = htons(static_cast<uint16_t>(port));
    addr.size_ = sizeof(addr.u_.in);
    return addr;
  }
  const size_t percent = text.find('%');
  if (inet_pton(AF_INET6, text.substr(0, percent).c_str(),
                &addr.u_.in6.sin6_addr) != 1) {
    return AddressError(ip, "not an IP address");
  }
  if (percent != std::string::npos) {
    const auto zone = ZoneIndex(text.substr(percent + 1));
    if (!zone.ok()) return zone.status();
    addr.u_.in6.sin6_scope_id = *zone;
  }
  addr.u_.in6.sin6_family = AF_INET6;
  addr.u_.in6.sin6_port = htons(static_cast<uint16_t>(port));
  addr.size_ = sizeof(addr.u_.in6);
  return FromRaw(addr.raw(), addr.size_);
}

absl::StatusOr<NetAddr> NetAddr::FromUnixPath(absl::string_view path) {
  NetAddr addr;
  // One byte is left for the 0 at the end.
  if (path.empty() || path.size() >= sizeof(addr.u_.un.sun_path)) {
    return AddressError(path, "invalid length of a Unix socket's path");
  }
  if (path.find('\0') != path.npos) {
    return AddressError(path, "a 0 byte in a Unix socket's path");
  }
  addr.u_.un.sun_family = AF_UNIX;
  std::memcpy(addr.u_.un.sun_path, path.data(), path.size());
  const bool abstract = path.front() == '@';
  if (abstract) addr.u_.un.sun_path[0] = '\0';
  addr.size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                      path.size() + (abstract ? 0 : 1));
  return addr;
}

NetAddr NetAddr::FromRaw(const sockaddr* raw, socklen_t size) {
  NetAddr addr;
  if (size < sizeof(sa_family_t) || size > sizeof(addr.u_)) return addr;
  std::memcpy(&addr.u_, raw, size);
  addr.size_ = size;
  if (addr.family() == AF_INET6 &&
      IN6_IS_ADDR_V4MAPPED(&addr.u_.in6.sin6_addr)) {
    const sockaddr_in6 mapped = addr.u_.in6;
    addr = NetAddr();
    addr.u_.in.sin_family = AF_INET;
    addr.u_.in.sin_port = mapped.sin6_port;
    std::memcpy(&addr.u_.in.sin_addr, mapped.sin6_addr.s6_addr + 12, 4);
    addr.size_ = sizeof(addr.u_.in);
  }
  return addr;
}

int NetAddr::port() const {
  if (family() == AF_INET) return ntohs(u_.in.sin_port);
  if (family() == AF_INET6) return ntohs(u_.in6.sin6_port);
  return 0;
}

void NetAddr::set_port(int port) {
  const in_port_t raw = htons(static_cast<uint16_t>(port));
  if (family() == AF_INET) {
    u_.in.sin_port = raw;
  } else {
    u_.in6.sin6_port = raw;
  }
}

std::string NetAddr::host() const {
  char text[INET6_ADDRSTRLEN];
  switch (family()) {
    case AF_INET:
      inet_ntop(AF_INET, &u_.in.sin_addr, text, sizeof(text));
      return text;
    case AF_INET6: {
      inet_ntop(AF_INET6, &u_.in6.sin6_addr, text, sizeof(text));
      if (u_.in6.sin6_scope_id == 0) return text;
      return absl::StrCat(text, "%", ZoneName(u_.in6.sin6_scope_id));
    }
    case AF_UNIX: {
      const size_t room = size_ - offsetof(sockaddr_un, sun_path);
      if (room == 0) return "@";
      std::string path(u_.un.sun_path, room);
      if (path[0] == '\0') {
        path[0] = '@';
      } else {
        path.resize(std::min(path.size(), path.find('\0')));
      }
      return path;
    }
    default:
      return "";
  }
}

std::string NetAddr::ToString() const {
  if (family() != AF_INET && family() != AF_INET6) return host();
  return JoinHostPort(host(), absl::StrCat(port()));
}

bool NetAddr::IsAnyIp() const {
  if (family() == AF_INET) return u_.in.sin_addr.s_addr == INADDR_ANY;
  return family() == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&u_.in6.sin6_addr);
}

bool NetAddr::IsLoopback() const {
  if (family() == AF_INET) return ntohl(u_.in.sin_addr.s_addr) >> 24 == 127;
  return family() == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&u_.in6.sin6_addr);
}

NetAddr NetAddr::ToIpv6() const {
  if (family() != AF_INET) return *this;
  NetAddr mapped;
  mapped.u_.in6.sin6_family = AF_INET6;
  mapped.u_.in6.sin6_port = u_.in.sin_port;
  if (!IsAnyIp()) {
    mapped.u_.in6.sin6_addr.s6_addr[10] = 0xff;
    mapped.u_.in6.sin6_addr.s6_addr[11] = 0xff;
    std::memcpy(mapped.u_.in6.sin6_addr.s6_addr + 12, &u_.in.sin_addr, 4);
  }
  mapped.size_ = sizeof(mapped.u_.in6);
  return mapped;
}

bool operator==(const NetAddr& a, const NetAddr& b) {
  return a.size_ == b.size_ && std::memcmp(&a.u_, &b.u_, a.size_) == 0;
}

absl::StatusOr<HostPort> SplitHostPort(absl::string_view address) {
  constexpr absl::string_view kMissingPort = "missing port in address";
  constexpr absl::string_view kTooManyColons = "too many colons in address";
  const size_t colon = address.rfind(':');
  if (colon == address.npos) return AddressError(address, kMissingPort);
  absl::string_view host = address.substr(0, colon);
  absl::string_view rest = host;  // may hold no bracket
  if (address.front() == '[') {
    const size_t end = address.find(']');
    if (end == address.npos) {
      return AddressError(address, "missing ']' in address");
    }
    if (end + 1 == address.size()) return AddressError(address, kMissingPort);
    if (end + 1 != colon) {
      return AddressError(
          address, address[end + 1] == ':' ? kTooManyColons : kMissingPort);
    }
    host = rest = address.substr(1, end - 1);
  } else if (host.find(':') != host.npos) {
    return AddressError(address, kTooManyColons);
  }
  const absl::string_view port = address.substr(colon + 1);
  for (const absl::string_view part : {rest, port}) {
    if (part.find('[') != part.npos) {
      return AddressError(address, "unexpected '[' in address");
    }
    if (part.find(']') != part.npos) {
      return AddressError(address, "unexpected ']' in address");
    }
  }
  return HostPort{std::string(host), std::string(port)};
}

std::string JoinHostPort(absl::string_view host, absl::string_view port) {
  if (host.find(':') != host.npos) {
    return absl::StrCat("[", host, "]:", port);
  }
  return absl::StrCat(host, ":", port);
}

}  // namespace mpg
