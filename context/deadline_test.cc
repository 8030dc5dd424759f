// Deadlines from plain threads, without a Runtime. tests/context has goroutines,
// and exact times.
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "channel/chan.h"
#include "context/context.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

const absl::Status kExceeded =
    absl::DeadlineExceededError("context deadline exceeded");
const absl::Status kCanceled = absl::CancelledError("context canceled");

TEST(Deadline, CancelsNotBeforeItsTime) {
  const absl::Time start = absl::Now();
  const auto [ctx, cancel] = WithTimeout(Background(), absl::Milliseconds(5));
  EXPECT_TRUE(ctx.Deadline().has_value());
  EXPECT_GE(*ctx.Deadline(), start + absl::Milliseconds(5));
  EXPECT_FALSE(ctx.Done().Recv());
  EXPECT_GE(absl::Now() - start,
            absl::Milliseconds(4));  // the clock may be set
  EXPECT_EQ(ctx.Err(), kExceeded);
  EXPECT_EQ(ctx.Cause(), kExceeded);
  cancel();
  EXPECT_EQ(ctx.Err(), kExceeded);
}

TEST(Deadline, CancelComesFirst) {
  const auto [ctx, cancel] = WithTimeout(Background(), absl::Hours(1));
  EXPECT_TRUE(ctx.Err().ok());
  cancel();
  EXPECT_EQ(ctx.Err(), kCanceled);
  EXPECT_FALSE(ctx.Done().Recv());
}

TEST(Deadline, OneThatHasPassedCancelsAtOnce) {
  for (absl::Duration d :
       {absl::ZeroDuration(), absl::Seconds(-1), -absl::InfiniteDuration()}) {
    EXPECT_EQ(WithTimeout(Background(), d).first.Err(), kExceeded);
  }
  EXPECT_EQ(WithDeadline(Background(), absl::InfinitePast()).first.Err(),
            kExceeded);
}

TEST(Deadline, NoneIsNoDeadline) {
  EXPECT_FALSE(Background().Deadline());
  EXPECT_FALSE(WithCancel(Background()).first.Deadline());
  const auto [ctx, cancel] = WithDeadline(Background(), absl::InfiniteFuture());
  EXPECT_FALSE(ctx.Deadline());
  EXPECT_TRUE(ctx.Err().ok());
  cancel();
  EXPECT_EQ(ctx.Err(), kCanceled);
}

TEST(Deadline, TheEarlierOneCounts) {
  const auto [parent, cancel_parent] =
      WithTimeout(Background(), absl::Hours(1));
  const auto [later, c1] = WithTimeout(parent, absl::Hours(2));
  EXPECT_EQ(later.Deadline(), parent.Deadline());
  const auto [earlier, c2] = WithTimeout(later, absl::Milliseconds(1));
  EXPECT_LT(*earlier.Deadline(), *parent.Deadline());
  EXPECT_FALSE(earlier.Done().Recv());
  EXPECT_EQ(earlier.Err(), kExceeded);
  EXPECT_TRUE(later.Err().ok());
  EXPECT_EQ(WithCancel(later).first.Deadline(), parent.Deadline());
  EXPECT_FALSE(WithoutCancel(later).Deadline());
  cancel_parent();
  EXPECT_EQ(later.Err(), kCanceled);
}

TEST(Deadline, ReachesWhatIsDerived) {
  const auto [parent, cancel] =
      WithTimeout(Background(), absl::Milliseconds(1));
  const Context child = WithCancel(parent).first;
  EXPECT_FALSE(child.Done().Recv());
  EXPECT_EQ(child.Err(), kExceeded);
}

TEST(Deadline, ACauseTellsWhichDeadlineItWas) {
  const absl::Status why = absl::UnavailableError("too slow");
  const auto [ctx, cancel] =
      WithTimeoutCause(Background(), absl::Milliseconds(1), why);
  ctx.Done().Recv();
  EXPECT_EQ(ctx.Err(), kExceeded);
  EXPECT_EQ(ctx.Cause(), why);
  const auto [past, c1] =
      WithDeadlineCause(Background(), absl::UnixEpoch(), why);
  EXPECT_EQ(past.Cause(), why);
  const auto [far, c2] = WithTimeoutCause(Background(), absl::Hours(1), why);
  c2();
  EXPECT_EQ(far.Cause(), kCanceled);
}

TEST(Deadline, UnderACancelledParent) {
  const auto [parent, cancel] = WithCancel(Background());
  cancel();
  EXPECT_EQ(WithTimeout(parent, absl::Hours(1)).first.Err(), kCanceled);
}

TEST(Deadline, DoneComesThoughNobodyHoldsTheContext) {
  EXPECT_FALSE(
      WithTimeout(Background(), absl::Milliseconds(1)).first.Done().Recv());
}

TEST(Deadline, FunctionsRun) {
  const auto [ctx, cancel] = WithTimeout(Background(), absl::Milliseconds(1));
  const auto ran = MakeChan<int>(1);
  AfterFunc(ctx, [ran] { ran.Send(1); });
  EXPECT_TRUE(ran.Recv());
}

TEST(Deadline, ACancelledContextIsLetGoOf) {
  const auto token = std::make_shared<int>(1);
  static const ContextKey<std::shared_ptr<int>> kToken;
  for (int i = 0; i < 1000; ++i) {
    const auto [ctx, cancel] =
        WithTimeout(WithValue(Background(), kToken, token), absl::Hours(1));
    cancel();
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(Deadline, CancelMayMeetTheDeadline) {
  for (int i = 0; i < 300; ++i) {
    const auto [ctx, cancel] =
        WithTimeout(Background(), absl::Microseconds(i % 60));
    std::vector<std::thread> threads;
    for (int k = 0; k < 2; ++k) {
      threads.emplace_back([ctx = ctx, cancel = cancel] {
        const Context child = WithTimeout(ctx, absl::Microseconds(30)).first;
        cancel();
        EXPECT_FALSE(child.Done().Recv());
      });
    }
    for (std::thread& t : threads) t.join();
    EXPECT_FALSE(ctx.Err().ok());
  }
}

}  // namespace
}  // namespace mpg
