// The debug socket: its protocol, its file, and clients that misbehave.
#include "runtime/debug_server.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "channel/chan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"

MPG_TEST_ABANDONS_GOROUTINES

namespace mpg {

__attribute__((noinline)) void WaitingFunction(const Chan<int>& c) {
  c.Recv();
  asm volatile("" ::: "memory");
}

namespace {

using internal::Eventually;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::StartsWith;

int Connect(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path.data(), path.size());
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

std::string Ask(const std::string& path, const std::string& request) {
  const int fd = Connect(path);
  if (fd < 0) return "not connected";
  EXPECT_EQ(static_cast<ssize_t>(request.size()),
            send(fd, request.data(), request.size(), MSG_NOSIGNAL));
  std::string answer;
  char buffer[4096];
  for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;) {
    answer.append(buffer, static_cast<size_t>(n));
  }
  close(fd);
  return answer;
}

class DebugServerTest : public testing::Test {
 protected:
  DebugServerTest() {
    char name[] = "/tmp/mpgXXXXXX";  // short: a socket's path has 107 bytes
    dir_ = mkdtemp(name);
    path_ = dir_ + "/s";
  }
  ~DebugServerTest() override {
    StopServingDebug();
    unlink(path_.c_str());
    EXPECT_EQ(0, rmdir(dir_.c_str()));  // nothing is left
  }
  std::string dir_;
  std::string path_;
};

TEST_F(DebugServerTest, ShowsTheScheduler) {
  Runtime runtime(internal::Procs(2));
  auto c = MakeChan<int>();
  for (int i = 0; i < 5; ++i) runtime.Go([c] { WaitingFunction(c); });
  ASSERT_EQ(absl::OkStatus(), ServeDebug(path_));
  EXPECT_TRUE(Eventually([this] {
    return Ask(path_, "stats\n").find("\"chan receive\":5") !=
           std::string::npos;
  }));
  EXPECT_THAT(
      Ask(path_, "stats\n"),
      AllOf(StartsWith(absl::StrCat("{\"version\":1,\"pid\":", getpid(), ",")),
            HasSubstr("\"runtimes\":[{\"gomaxprocs\":2,"),
            HasSubstr("\"goroutines\":5,\"goroutines_created\":5,"),
            ContainsRegex("\"procs\":\\[\\{\"id\":0,\"status\":\"[a-z]+\","),
            ContainsRegex("\"ms\":\\[\\{\"id\":0,\"tid\":[0-9]+,")));
  c.Close();
  runtime.Wait();
}

TEST_F(DebugServerTest, Dumps) {
  Runtime runtime(internal::Procs(2));
  auto c = MakeChan<int>();
  for (int i = 0; i < 3; ++i) runtime.Go([c] { WaitingFunction(c); });
  ASSERT_EQ(absl::OkStatus(), ServeDebug(path_));
  EXPECT_TRUE(Eventually([this] {
    return Ask(path_, "dump grouped\n").find("3 goroutines [chan receive]") !=
           std::string::npos;
  }));
  EXPECT_THAT(Ask(path_, "dump\n"),
              AllOf(ContainsRegex("goroutine [0-9]+ \\[chan receive\\]:\n"),
                    HasSubstr("mpg::WaitingFunction(")));
  c.Close();
  runtime.Wait();
}

TEST_F(DebugServerTest, WithoutARuntimeThereIsNone) {
  ASSERT_EQ(absl::OkStatus(), ServeDebug(path_));
  EXPECT_THAT(Ask(path_, "stats\n"), HasSubstr("\"runtimes\":[]}\n"));
}

TEST_F(DebugServerTest, AnswersNonsenseWithAnError) {
  ASSERT_EQ(absl::OkStatus(), ServeDebug(path_));
  EXPECT_THAT(Ask(path_, "rm -rf /\n"), StartsWith("error: "));
}

TEST_F(DebugServerTest, IsForItsUserAlone) {
  ASSERT_EQ(absl::OkStatus(), ServeDebug(path_));
  struct stat info;
  ASSERT_EQ(0, stat(path_.c_str(), &info));
  EXPECT_EQ(0600u, info.st_mode & 0777);
}

TEST_F(DebugServerTest, RemovesItsFile) {
  ASSERT_EQ(absl::OkStatus(), ServeDebug(path_));
  StopServingDebug();
  EXPECT_NE(0, access(path_.c_str(), F_OK));
  StopServingDebug();
}

TEST_F(DebugServerTest, ReplacesAStaleSocketOnly) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, path_.data(), path_.size());
  ASSERT_EQ(0, bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address));
  ASSERT_EQ(0, listen(fd, 1));
  EXPECT_EQ(absl::StatusCode::kAlreadyExists, ServeDebug(path_).code());
  close(fd);  // the file stays, and nobody serves it
  ASSERT_EQ(absl::OkStatus(), ServeDebug(path_));
  EXPECT_THAT(Ask(path_, "stats\n"), StartsWith("{"));
}

TEST_F(DebugServerTest, LeavesAFileThatIsNoSocket) {
  FILE* f = fopen(path_.c_str(), "w");
  ASSERT_NE(nullptr, f);
  fclose(f);
  EXPECT_EQ(absl::StatusCode::kAlreadyExists, ServeDebug(path_).code());
  EXPECT_EQ(0, access(path_.c_str(), F_OK));
}

TEST_F(DebugServerTest, ServesOnce) {
  ASSERT_EQ(absl::OkStatus(), ServeDebug(path_));
  EXPECT_EQ(absl::StatusCode::kFailedPrecondition,
            ServeDebug(path_ + "2").code());
}

TEST_F(DebugServerTest, RefusesAPathThatIsTooLong) {
  EXPECT_EQ(absl::StatusCode::kInvalidArgument,
            ServeDebug(std::string(200, 'x')).code());
}

TEST_F(DebugServerTest, AClientThatSaysNothingHoldsUpNobodyForLong) {
  ASSERT_EQ(absl::OkStatus(), ServeDebug(path_));
  const int silent = Connect(path_);
  ASSERT_GE(silent, 0);
  const int gone = Connect(path_);
  close(gone);
  EXPECT_THAT(Ask(path_, "stats\n"), StartsWith("{"));
  close(silent);
}

// In a process of its own: the first Runtime looks at the environment.
TEST_F(DebugServerTest, TheEnvironmentAsksForIt) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        static const std::string dir = dir_;
        // After the socket's file has been removed, or this fails.
        atexit([] {
          if (rmdir(dir.c_str()) != 0) _exit(1);
        });
        setenv("MPG_DEBUG_SOCKET", (dir + "/%p").c_str(), 1);
        Runtime runtime(internal::Procs(1));
        const std::string path = absl::StrCat(dir, "/", getpid());
        exit(absl::StrContains(Ask(path, "stats\n"), "\"gomaxprocs\":1") ? 0
                                                                         : 3);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace mpg
