// Deadlines in goroutines; under fake time, where they are exact.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/random.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "channel/unit.h"
#include "context/context.h"
#include "context/errgroup.h"
#include "context/semaphore.h"
#include "gtest/gtest.h"
#include "runtime/fake_time.h"
#include "runtime/goroutine.h"
#include "runtime/options.h"
#include "runtime/runtime.h"
#include "runtime/time.h"
#include "sync/wait_group.h"

namespace mpg {
namespace {

class DeadlineTest : public testing::TestWithParam<int> {
 protected:
  template <class F>
  static void RunFake(F f) {
    RuntimeOptions options;
    options.max_procs = GetParam();
    Runtime runtime(options);
    runtime.Run([&f] { RunWithFakeTime(f); });
  }
};
INSTANTIATE_TEST_SUITE_P(Procs, DeadlineTest, testing::Values(1, 2, 4));

TEST_P(DeadlineTest, FiresExactlyThen) {
  RunFake([] {
    const absl::Time start = Now();
    const auto [ctx, cancel] = WithTimeout(Background(), absl::Hours(1));
    EXPECT_EQ(ctx.Deadline(), start + absl::Hours(1));
    Sleep(absl::Hours(1) - absl::Nanoseconds(1));
    FakeTimeWait();
    EXPECT_TRUE(ctx.Err().ok());
    Sleep(absl::Nanoseconds(1));
    FakeTimeWait();
    EXPECT_EQ(ctx.Err().code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_EQ(Now(), start + absl::Hours(1));
  });
}

TEST_P(DeadlineTest, AWholeTreeIsCancelledAtItsDeadlines) {
  RunFake([] {
    const absl::Time start = Now();
    const auto [root, cancel] = WithTimeout(Background(), absl::Minutes(50));
    WaitGroup wg;
    for (int i = 1; i <= 100; ++i) {
      wg.Go([root = root, start, i] {
        const auto [ctx, c] = WithTimeout(root, absl::Minutes(i));
        ctx.Done().Recv();
        EXPECT_EQ(Now() - start, absl::Minutes(i < 50 ? i : 50));
        EXPECT_EQ(ctx.Err().code(), absl::StatusCode::kDeadlineExceeded);
      });
    }
    wg.Wait();
  });
}

TEST_P(DeadlineTest, EndsWaitsForASemaphoreAndAnErrGroup) {
  RunFake([] {
    const absl::Time start = Now();
    Semaphore semaphore(1);
    EXPECT_TRUE(semaphore.Acquire(Background(), 1).ok());
    const auto [ctx, cancel] = WithTimeout(Background(), absl::Seconds(3));
    EXPECT_EQ(semaphore.Acquire(ctx, 1).code(),
              absl::StatusCode::kDeadlineExceeded);
    EXPECT_EQ(Now() - start, absl::Seconds(3));
    semaphore.Release(1);

    const auto [limited, cancel2] = WithTimeout(Background(), absl::Seconds(5));
    ErrGroup group(limited);
    for (int i = 0; i < 4; ++i) {
      group.Go([ctx = limited]() -> absl::Status {
        const int i = Select(
            OnRecv(ctx.Done(), [](std::optional<Unit>) {}),
            OnRecv(After(absl::Hours(1)), [](std::optional<absl::Time>) {}));
        return i == 0 ? ctx.Err() : absl::OkStatus();
      });
    }
    EXPECT_EQ(group.Wait().code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_EQ(Now() - start, absl::Seconds(8));
  });
}

// Random trees; each goroutine knows when its context must end, and by whom.
TEST_P(DeadlineTest, RandomTreesEndWhenTheModelSays) {
  const uint64_t seed = SeedFromEnvironment();
  std::printf("MPG_SEED=%llu\n", static_cast<unsigned long long>(seed));
  RunFake([seed] {
    FastRand rand(seed);
    const absl::Time start = Now();
    struct Node {
      Context ctx;
      CancelFunc cancel;
      int ends;  // seconds after start
    };
    std::vector<Node> nodes = {{Background(), CancelFunc(), 1 << 20}};
    WaitGroup wg;
    for (int i = 0; i < 200; ++i) {
      const Node& parent =
          nodes[rand.Below(static_cast<uint32_t>(nodes.size()))];
      const int deadline = 1 + static_cast<int>(rand.Below(1000));
      const int cancelled =
          rand.Below(3) == 0 ? 1 + static_cast<int>(rand.Below(1000)) : 1 << 20;
      auto [ctx, cancel] =
          WithDeadline(parent.ctx, start + absl::Seconds(deadline));
      const int ends = std::min({parent.ends, deadline, cancelled});
      if (cancelled < (1 << 20)) {
        AfterFunc(absl::Seconds(cancelled), [cancel = cancel] { cancel(); });
      }
      wg.Go([ctx = ctx, start, ends] {
        ctx.Done().Recv();
        EXPECT_EQ(Now() - start, absl::Seconds(ends));
      });
      nodes.push_back({ctx, cancel, ends});
    }
    wg.Wait();
  });
}

// The Runtime in which it was made is gone when it is due.
TEST_P(DeadlineTest, OutlivesItsRuntime) {
  Context ctx;
  {
    RuntimeOptions options;
    options.max_procs = GetParam();
    Runtime runtime(options);
    runtime.Run(
        [&] { ctx = WithTimeout(Background(), absl::Milliseconds(30)).first; });
  }
  EXPECT_FALSE(ctx.Done().Recv());
  EXPECT_EQ(ctx.Err().code(), absl::StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace mpg
