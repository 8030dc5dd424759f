#include "net/unix_socket.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "net/net_error.h"
#include "net/test_util.h"
#include "runtime/goroutine.h"
#include "runtime/test_util.h"

namespace mpg {
namespace internal {
namespace {

std::string NewPath() {
  // Not in TempDir(), whose name may be longer than an address can be.
  std::string dir = "/tmp/mpgXXXXXX";
  EXPECT_NE(mkdtemp(&dir[0]), nullptr);
  return dir + "/s";
}

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

void EchoOnce(const std::string& path) {
  const auto listener = ListenUnix(path);
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_EQ(listener->Addr().ToString(), path);
  Go([l = *listener] {
    const auto conn = l.Accept();
    ASSERT_TRUE(conn.ok());
    EchoUntilEof(*conn);
  });
  const auto conn = DialUnix(path);
  ASSERT_TRUE(conn.ok()) << conn.status();
  EXPECT_EQ(conn->RemoteAddr().ToString(), path);
  for (const char* text : {"hello", "once more"}) {
    ASSERT_TRUE(conn->Write(text).ok());
    EXPECT_EQ(ReadString(*conn, std::string(text).size()), text);
  }
  EXPECT_TRUE(conn->Close().ok());
  EXPECT_TRUE(listener->Close().ok());
}

TEST(UnixSocket, EchoesAndRemovesItsFile) {
  RunWith(2, [] {
    const std::string path = NewPath();
    EchoOnce(path);
    EXPECT_FALSE(Exists(path));
    EchoOnce(path);
  });
}

TEST(UnixSocket, AnAbstractNameHasNoFile) {
  RunWith(2, [] {
    // Not the process's number: sandboxes share a network, but not these.
    std::random_device random;
    const std::string name = absl::StrCat("@mpg-test-", random(), random());
    EchoOnce(name);
    EchoOnce(name);
  });
}

TEST(UnixSocket, SaysWhatIsWrong) {
  RunWith(2, [] {
    const std::string path = NewPath();
    const absl::Status nobody = DialUnix(path).status();
    EXPECT_EQ(ErrnoOf(nobody), ENOENT);
    EXPECT_EQ(nobody.message(),
              absl::StrCat("dial unix ", path,
                           ": connect: no such file or directory"));
    const auto listener = ListenUnix(path);
    ASSERT_TRUE(listener.ok());
    EXPECT_EQ(ErrnoOf(ListenUnix(path).status()), EADDRINUSE);
    EXPECT_TRUE(Exists(path));  // the failure has not removed it
    EXPECT_TRUE(absl::IsInvalidArgument(ListenUnix("").status()));
    EXPECT_TRUE(
        absl::IsInvalidArgument(DialUnix(std::string(200, 'x')).status()));
    EXPECT_FALSE(DialUnix(path)->SetNoDelay(true).ok());
  });
}

TEST(UnixSocket, CloseAndDeadlineEndWhoIsBlocked) {
  RunWith(2, [] {
    const auto listener = ListenUnix(NewPath());
    ASSERT_TRUE(listener.ok());
    ASSERT_TRUE(listener->SetDeadline(InMs(10)).ok());
    EXPECT_TRUE(TimedOut(listener->Accept()));
    ASSERT_TRUE(listener->SetDeadline(absl::InfiniteFuture()).ok());
    Go([l = *listener] {
      SleepMs(10);
      EXPECT_TRUE(l.Close().ok());
    });
    EXPECT_TRUE(SaysClosed(listener->Accept()));
  });
}

TEST(UnixSocket, TheLastHandleOfAListenerRemovesTheFile) {
  RunWith(1, [] {
    const std::string path = NewPath();
    {
      const auto listener = ListenUnix(path);
      EXPECT_TRUE(Exists(path));
    }
    EXPECT_FALSE(Exists(path));
  });
}

}  // namespace
}  // namespace internal
}  // namespace mpg
