#include "context/errgroup.h"

#include <atomic>
#include <string>

#include "absl/status/status.h"
#include "base/panic.h"
#include "channel/chan.h"
#include "channel/unit.h"
#include "context/context.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

TEST(ErrGroup, WaitsForAll) {
  ErrGroup group;
  std::atomic<int> ran{0};
  for (int i = 0; i < 10; ++i) {
    group.Go([&] {
      ++ran;
      return absl::OkStatus();
    });
  }
  EXPECT_TRUE(group.Wait().ok());
  EXPECT_EQ(ran, 10);
}

TEST(ErrGroup, TheFirstErrorCancelsTheOthersAndIsReturned) {
  ErrGroup group(Background());
  group.Go([&] {
    group.context().Done().Recv();
    return absl::InternalError("second");
  });
  group.Go([] { return absl::DataLossError("first"); });
  EXPECT_EQ(group.Wait(), absl::DataLossError("first"));
  EXPECT_EQ(group.context().Cause(), absl::DataLossError("first"));
}

TEST(ErrGroup, WaitCancelsTheContext) {
  const auto [parent, cancel] = WithCancel(Background());
  ErrGroup group(parent);
  EXPECT_TRUE(group.context().Err().ok());
  EXPECT_TRUE(group.Wait().ok());
  EXPECT_EQ(group.context().Err(), absl::CancelledError("context canceled"));
  EXPECT_TRUE(parent.Err().ok());
}

TEST(ErrGroup, LimitIsKept) {
  ErrGroup group;
  group.SetLimit(2);
  std::atomic<int> running{0};
  for (int i = 0; i < 100; ++i) {
    group.Go([&] {
      EXPECT_LE(++running, 2);
      --running;
      return absl::OkStatus();
    });
  }
  EXPECT_TRUE(group.Wait().ok());
  group.SetLimit(-1);
  EXPECT_TRUE(group.TryGo([] { return absl::OkStatus(); }));
  EXPECT_TRUE(group.Wait().ok());
}

TEST(ErrGroup, TryGoOnlyBelowTheLimitWhichThenCannotChange) {
  ErrGroup group;
  group.SetLimit(1);
  const auto gate = MakeChan<Unit>();
  EXPECT_TRUE(group.TryGo([gate] {
    gate.Recv();
    return absl::OkStatus();
  }));
  EXPECT_FALSE(group.TryGo([] { return absl::InternalError("ran"); }));
  try {
    group.SetLimit(3);
    ADD_FAILURE();
  } catch (const Panic& panic) {
    EXPECT_EQ(std::string(panic.what()),
              "errgroup: modify limit while 1 goroutines in the group are "
              "still active");
  }
  gate.Close();
  EXPECT_TRUE(group.Wait().ok());
}

}  // namespace
}  // namespace mpg
