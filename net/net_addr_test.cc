#include "net/net_addr.h"

#include <gtest/gtest.h>

#include <string>

namespace mpg {
namespace {

std::string ErrorOf(absl::string_view address) {
  const auto parts = SplitHostPort(address);
  return parts.ok() ? "ok" : std::string(parts.status().message());
}

TEST(NetAddr, AnAddressIsPrintedAsItIsRead) {
  for (const char* ip : {"127.0.0.1", "::1", "2001:db8::7", "0.0.0.0", "::"}) {
    const auto addr = NetAddr::FromIp(ip, 80);
    ASSERT_TRUE(addr.ok()) << addr.status();
    EXPECT_EQ(addr->host(), ip);
    EXPECT_EQ(addr->port(), 80);
    EXPECT_EQ(addr->ToString(), JoinHostPort(ip, "80"));
  }
}

TEST(NetAddr, AMappedAddressIsAnIpv4Address) {
  const auto mapped = NetAddr::FromIp("::ffff:10.1.2.3", 7);
  ASSERT_TRUE(mapped.ok());
  EXPECT_EQ(*mapped, *NetAddr::FromIp("10.1.2.3", 7));
  const NetAddr back = mapped->ToIpv6();
  EXPECT_EQ(back.family(), AF_INET6);
  EXPECT_EQ(NetAddr::FromRaw(back.raw(), back.raw_size()), *mapped);
}

TEST(NetAddr, AZoneIsKept) {
  const auto addr = NetAddr::FromIp("fe80::1%1", 80);
  ASSERT_TRUE(addr.ok()) << addr.status();
  EXPECT_EQ(addr->host().substr(0, 8), "fe80::1%");
  EXPECT_FALSE(NetAddr::FromIp("fe80::1%no-such-zone", 80).ok());
}

TEST(NetAddr, WhatIsNoAddressIsRefused) {
  for (const char* ip :
       {"", "localhost", "1.2.3", "1.2.3.4.5", ":::", "[::1]"}) {
    EXPECT_FALSE(NetAddr::FromIp(ip, 80).ok()) << ip;
  }
  EXPECT_FALSE(NetAddr::FromIp("127.0.0.1", -1).ok());
  EXPECT_FALSE(NetAddr::FromIp("127.0.0.1", 65536).ok());
}

TEST(NetAddr, NoAddressIsEmpty) {
  EXPECT_EQ(NetAddr().ToString(), "");
  EXPECT_EQ(NetAddr().family(), AF_UNSPEC);
  EXPECT_NE(NetAddr(), *NetAddr::FromIp("127.0.0.1", 0));
}

TEST(NetAddr, UnixPathsAreKeptAndTooLongOnesRefused) {
  EXPECT_EQ(NetAddr::FromUnixPath("/run/a.sock")->ToString(), "/run/a.sock");
  EXPECT_EQ(NetAddr::FromUnixPath("@abstract")->ToString(), "@abstract");
  EXPECT_EQ(NetAddr::FromUnixPath("@abstract")->raw_size(), 2u + 9u);
  EXPECT_TRUE(NetAddr::FromUnixPath(std::string(107, 'x')).ok());
  EXPECT_FALSE(NetAddr::FromUnixPath(std::string(108, 'x')).ok());
  EXPECT_FALSE(NetAddr::FromUnixPath("").ok());
}

TEST(SplitHostPort, TakesHostAndPortApart) {
  const struct {
    const char *address, *host, *port;
  } kCases[] = {{"127.0.0.1:80", "127.0.0.1", "80"},
                {":8080", "", "8080"},
                {"[::1]:http", "::1", "http"},
                {"[fe80::1%eth0]:80", "fe80::1%eth0", "80"},
                {"localhost:", "localhost", ""}};
  for (const auto& c : kCases) {
    const auto parts = SplitHostPort(c.address);
    ASSERT_TRUE(parts.ok()) << c.address << parts.status();
    EXPECT_EQ(parts->host, c.host);
    EXPECT_EQ(parts->port, c.port);
  }
}

TEST(SplitHostPort, SaysWhatIsWrong) {
  EXPECT_EQ(ErrorOf("127.0.0.1"), "address 127.0.0.1: missing port in address");
  EXPECT_EQ(ErrorOf(""), "address : missing port in address");
  EXPECT_EQ(ErrorOf("[::1]"), "address [::1]: missing port in address");
  EXPECT_EQ(ErrorOf("[::1]80:"), "address [::1]80:: missing port in address");
  EXPECT_EQ(ErrorOf("::1:80"), "address ::1:80: too many colons in address");
  EXPECT_EQ(ErrorOf("[::1]::"), "address [::1]::: too many colons in address");
  EXPECT_EQ(ErrorOf("[::1:80"), "address [::1:80: missing ']' in address");
  EXPECT_EQ(ErrorOf("a[b:80"), "address a[b:80: unexpected '[' in address");
  EXPECT_EQ(ErrorOf("a]b:80"), "address a]b:80: unexpected ']' in address");
  EXPECT_EQ(ErrorOf("a:8]0"), "address a:8]0: unexpected ']' in address");
}

}  // namespace
}  // namespace mpg
