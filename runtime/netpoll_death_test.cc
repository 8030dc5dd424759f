// What is said when the poller's descriptors have been closed, as by a program that
// closes all it does not know.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/poll_desc.h"
#include "runtime/test_util.h"
#include "runtime/time.h"

namespace mpg {
namespace {

using internal::RunWith;
using testing::ExitedWithCode;
using testing::MatchesRegex;

// The process's epoll descriptors, the oldest first.
std::vector<int> EpollFds() {
  std::vector<int> found;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry, gone) !=
        "anon_inode:[eventpoll]") {
      continue;
    }
    int fd;
    if (absl::SimpleAtoi(entry.path().filename().string(), &fd)) {
      found.push_back(fd);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

// A goroutine waits for a pipe, and the descriptor with that number is closed.
void LoseDescriptor(size_t which) {
  RunWith(2, [which] {
    int fds[2];
    ASSERT_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
    absl::StatusOr<PollDesc> desc = PollDesc::Open(fds[0]);
    ASSERT_TRUE(desc.ok());
    Go([&desc] { desc->Wait(PollDesc::kRead).IgnoreError(); });
    const std::vector<int> epolls = EpollFds();
    ASSERT_LT(which, epolls.size());
    close(epolls[which]);
    for (;;) Sleep(absl::Milliseconds(1));
  });
}

class NetPollDeathTest : public testing::TestWithParam<size_t> {};
// The set with all descriptors, and the Runtime's own, on which it sleeps.
INSTANTIATE_TEST_SUITE_P(, NetPollDeathTest, testing::Values(0, 1));

TEST_P(NetPollDeathTest, AClosedPollerIsFatal) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      LoseDescriptor(GetParam()), ExitedWithCode(2),
      MatchesRegex("(.|\n)*runtime: epollwait on fd [0-9]+ failed with 9\n"
                   "fatal error: runtime: netpoll failed\n(.|\n)*"));
}

}  // namespace
}  // namespace mpg
