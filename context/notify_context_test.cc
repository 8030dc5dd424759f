#include "context/notify_context.h"

#include <signal.h>

#include <atomic>

#include "absl/status/status.h"
#include "context/context.h"
#include "gtest/gtest.h"
#include "runtime/runtime.h"
#include "runtime/signal.h"
#include "runtime/test_util.h"

namespace mpg {
namespace {

using internal::RunWith;

std::atomic<int> handled{0};

class NotifyContextTest : public testing::Test {
 protected:
  void SetUp() override {
    handled = 0;
    signal(SIGUSR1, [](int) { ++handled; });
  }
  void TearDown() override {
    Reset();
    signal(SIGUSR1, SIG_DFL);
  }
};

TEST_F(NotifyContextTest, ASignalCancels) {
  RunWith(2, [] {
    auto [ctx, stop] = NotifyContext(Background(), {SIGUSR1});
    EXPECT_TRUE(ctx.Err().ok());
    raise(SIGUSR1);
    ctx.Done().Recv();
    EXPECT_EQ(ctx.Err(), absl::CancelledError("context canceled"));
    EXPECT_EQ(ctx.Cause(),
              absl::CancelledError("user defined signal 1 signal received"));
    EXPECT_EQ(handled, 0);
    raise(SIGUSR1);  // still taken
    EXPECT_EQ(handled, 0);
    stop();
    raise(SIGUSR1);
    EXPECT_EQ(handled, 1);
    stop();
  });
}

TEST_F(NotifyContextTest, StopCancelsAndGivesTheSignalBack) {
  RunWith(2, [] {
    auto [ctx, stop] = NotifyContext(Background(), {SIGUSR1});
    stop();
    ctx.Done().Recv();
    EXPECT_EQ(ctx.Cause(), absl::CancelledError("context canceled"));
    raise(SIGUSR1);
    EXPECT_EQ(handled, 1);
  });
}

TEST_F(NotifyContextTest, TheParentCancels) {
  RunWith(2, [] {
    auto [parent, cancel] = WithCancel(Background());
    auto [ctx, stop] = NotifyContext(parent, {SIGUSR1});
    cancel();
    ctx.Done().Recv();
    auto [late, stop_late] = NotifyContext(parent, {SIGUSR1});
    EXPECT_FALSE(late.Err().ok());
    stop();
    stop_late();
  });
}

TEST_F(NotifyContextTest, OnAPlainThread) {
  auto [ctx, stop] = NotifyContext(Background(), {SIGUSR1});
  raise(SIGUSR1);
  ctx.Done().Recv();
  stop();
  raise(SIGUSR1);
  EXPECT_EQ(handled, 1);
}

}  // namespace
}  // namespace mpg
