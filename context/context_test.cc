#include "context/context.h"

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/random.h"
#include "channel/chan.h"
#include "channel/unit.h"
#include "gtest/gtest.h"

namespace mpg {
namespace {

const ContextKey<std::string> kName;
const ContextKey<std::string> kOther;
const ContextKey<std::shared_ptr<int>> kToken;

bool IsDone(const Context& ctx) {
  bool closed = false;
  ctx.Done().TryRecv(&closed);
  return closed;
}

TEST(Context, BackgroundIsNeverCancelled) {
  EXPECT_FALSE(Background().Done());
  EXPECT_TRUE(Background().Err().ok());
  EXPECT_TRUE(Background().Cause().ok());
  EXPECT_EQ(Background().Deadline(), std::nullopt);
  EXPECT_EQ(Background().Value(kName), nullptr);
  EXPECT_EQ(Background(), Context());
}

TEST(Context, CancelClosesDoneAndSaysSo) {
  const auto [ctx, cancel] = WithCancel(Background());
  EXPECT_EQ(ctx.Done(), ctx.Done());
  EXPECT_FALSE(IsDone(ctx));
  EXPECT_TRUE(ctx.Err().ok());
  cancel();
  cancel();
  EXPECT_TRUE(IsDone(ctx));
  EXPECT_EQ(ctx.Err(), absl::CancelledError("context canceled"));
  EXPECT_EQ(ctx.Cause(), ctx.Err());
}

TEST(Context, DoneMadeAfterCancelIsClosed) {
  const auto [ctx, cancel] = WithCancel(Background());
  cancel();
  EXPECT_FALSE(ctx.Err().ok());
  EXPECT_TRUE(IsDone(ctx));
}

TEST(Context, FirstCauseWinsAndReachesDescendants) {
  const auto [root, cancel] = WithCancelCause(Background());
  const auto [child, cancel_child] = WithCancelCause(root);
  const auto [early, cancel_early] = WithCancelCause(root);
  cancel_early(absl::InternalError("early"));
  EXPECT_TRUE(root.Err().ok());
  cancel(absl::DataLossError("disk"));
  cancel(absl::DataLossError("late"));
  cancel_child(absl::DataLossError("late"));
  EXPECT_EQ(root.Cause(), absl::DataLossError("disk"));
  EXPECT_EQ(child.Cause(), absl::DataLossError("disk"));
  EXPECT_EQ(early.Cause(), absl::InternalError("early"));
  EXPECT_EQ(child.Err(), absl::CancelledError("context canceled"));
}

TEST(Context, OkCauseIsCanceled) {
  const auto [ctx, cancel] = WithCancelCause(Background());
  cancel(absl::OkStatus());
  EXPECT_EQ(ctx.Cause(), absl::CancelledError("context canceled"));
}

TEST(Context, ChildOfCancelledIsCancelled) {
  const auto [root, cancel] = WithCancelCause(Background());
  cancel(absl::AbortedError("why"));
  const auto [child, cancel_child] = WithCancel(WithValue(root, kName, "x"));
  EXPECT_TRUE(IsDone(child));
  EXPECT_EQ(child.Cause(), absl::AbortedError("why"));
}

TEST(Context, ValuesAreFoundByKeyNearestFirst) {
  const Context a = WithValue(Background(), kName, "a");
  const auto [b, cancel] = WithCancel(a);
  const Context c = WithValue(b, kName, "c");
  const Context d = WithValue(c, kOther, "d");
  EXPECT_EQ(*b.Value(kName), "a");
  EXPECT_EQ(*d.Value(kName), "c");
  EXPECT_EQ(*d.Value(kOther), "d");
  EXPECT_EQ(c.Value(kOther), nullptr);
  EXPECT_EQ(d.Done(), b.Done());
}

TEST(Context, WithoutCancelKeepsValuesOnly) {
  const auto [root, cancel] = WithCancel(WithValue(Background(), kName, "v"));
  const Context free = WithoutCancel(root);
  const auto [child, cancel_child] = WithCancel(free);
  cancel();
  EXPECT_FALSE(free.Done());
  EXPECT_TRUE(child.Err().ok());
  EXPECT_EQ(*child.Value(kName), "v");
}

TEST(Context, IsKeptByDescendantsAndEndsWithTheLast) {
  auto token = std::make_shared<int>(1);
  const std::weak_ptr<int> alive = token;
  auto child = std::make_unique<Context>(
      WithCancel(WithValue(Background(), kToken, std::move(token))).first);
  EXPECT_FALSE(alive.expired());
  child.reset();
  EXPECT_TRUE(alive.expired());
}

TEST(Context, LongChainsEndWithoutRecursion) {
  Context ctx;
  for (int i = 0; i < 200'000; ++i) {
    ctx = i % 2 ? WithValue(ctx, kName, "") : WithCancel(ctx).first;
  }
  EXPECT_TRUE(ctx.Err().ok());
}

TEST(Context, DoneOfAnEndedContextIsServedByItsAncestor) {
  const auto [root, cancel] = WithCancel(Background());
  const RecvChan<Unit> done = WithCancel(WithCancel(root).first).first.Done();
  std::thread waiter([done = done] { EXPECT_FALSE(done.Recv()); });
  cancel();
  waiter.join();
}

TEST(Context, AfterFuncRunsOnceAfterCancel) {
  const auto [ctx, cancel] = WithCancel(Background());
  const auto ran = MakeChan<bool>(2);
  const StopFunc stop =
      AfterFunc(ctx, [ctx = ctx, ran] { ran.Send(!ctx.Err().ok()); });
  EXPECT_FALSE(ran.TryRecv());
  cancel();
  EXPECT_EQ(ran.Recv(), true);
  EXPECT_FALSE(stop());
  cancel();
  EXPECT_FALSE(ran.TryRecv());
}

TEST(Context, AfterFuncOfACancelledContextRuns) {
  const auto [ctx, cancel] = WithCancel(Background());
  cancel();
  const auto ran = MakeChan<Unit>();
  AfterFunc(ctx, [ran] { ran.Send(Unit()); });
  EXPECT_TRUE(ran.Recv());
}

TEST(Context, StoppedAfterFuncDoesNotRunAndIsFreed) {
  const auto [ctx, cancel] = WithCancel(Background());
  auto token = std::make_shared<int>(1);
  const std::weak_ptr<int> alive = token;
  const StopFunc stop =
      AfterFunc(ctx, [token = std::move(token)] { ADD_FAILURE(); });
  EXPECT_TRUE(stop());
  EXPECT_TRUE(alive.expired());
  EXPECT_FALSE(stop());
  cancel();
  EXPECT_TRUE(AfterFunc(Background(), [] { ADD_FAILURE(); })());
}

TEST(Context, AfterFuncOfAnEndedContextIsServedByItsAncestor) {
  const auto [root, cancel] = WithCancel(Background());
  const auto ran = MakeChan<Unit>(1);
  AfterFunc(WithCancel(root).first, [ran] { ran.Send(Unit()); });
  EXPECT_FALSE(ran.TryRecv());
  cancel();
  EXPECT_TRUE(ran.Recv());
}

TEST(Context, AfterFuncOfAnEndedTreeIsFreedUnrun) {
  auto token = std::make_shared<int>(1);
  const std::weak_ptr<int> alive = token;
  AfterFunc(WithCancel(Background()).first,
            [token = std::move(token)] { ADD_FAILURE(); });
  EXPECT_TRUE(alive.expired());
}

// Trees grow, lose handles and are cancelled; a model knows who is cancelled
// and by whom.
TEST(Context, RandomTreesBehaveAsTheModel) {
  struct Node {
    Context ctx;
    CancelCauseFunc cancel;
    RecvChan<Unit> done;  // kept when ctx is dropped
    int parent;
    int cause = -1;
    bool dropped = false;
  };
  const uint64_t seed = SeedFromEnvironment();
  std::printf("MPG_SEED=%llu\n", static_cast<unsigned long long>(seed));
  FastRand rand(seed);
  for (int round = 0; round < 50; ++round) {
    std::vector<Node> nodes;
    for (int step = 0; step < 120; ++step) {
      const int n = static_cast<int>(nodes.size());
      const int at = n == 0 ? -1 : static_cast<int>(rand.Below(n));
      const uint32_t what = rand.Below(10);
      if (n == 0 || (what < 6 && !nodes[at].dropped)) {
        const int parent = what == 0 ? -1 : at;
        auto [ctx, cancel] =
            WithCancelCause(parent < 0 ? Background() : nodes[parent].ctx);
        nodes.push_back({ctx, cancel, {}, parent});
        if (parent >= 0) nodes.back().cause = nodes[parent].cause;
        if (rand.Below(2)) nodes.back().done = ctx.Done();
      } else if (what == 6 && !nodes[at].dropped) {
        nodes[at].ctx = Context();
        nodes[at].cancel = CancelCauseFunc();
        nodes[at].dropped = true;
      } else if (what == 7 && !nodes[at].dropped) {
        nodes[at].cancel(absl::AbortedError(std::to_string(at)));
        // A parent comes before its children.
        for (int i = at; i < n; ++i) {
          const bool below = i == at || (nodes[i].parent >= at &&
                                         nodes[nodes[i].parent].cause == at);
          if (nodes[i].cause < 0 && below) nodes[i].cause = at;
        }
      }
      for (const Node& node : nodes) {
        if (node.done) {
          bool closed = false;
          node.done.TryRecv(&closed);
          ASSERT_EQ(closed, node.cause >= 0) << "step " << step;
        }
        if (node.dropped) continue;
        ASSERT_EQ(node.ctx.Err().ok(), node.cause < 0);
        if (node.cause >= 0) {
          ASSERT_EQ(node.ctx.Cause().message(), std::to_string(node.cause));
        }
      }
    }
  }
}

TEST(Context, TreesChangeWhileTheyAreCancelled) {
  for (int round = 0; round < 100; ++round) {
    auto [root, cancel] = WithCancel(Background());
    std::atomic<int> ran{0}, stopped{0}, started{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, root = root] {
        for (int i = 0; i < 30; ++i) {
          const auto [child, cancel_child] = WithCancel(root);
          const auto [leaf, cancel_leaf] = WithCancel(child);
          const RecvChan<Unit> done = leaf.Done();
          if (i % 3 == 0) cancel_child();
          if (i % 3 == 1) {
            ++started;
            const StopFunc stop = AfterFunc(leaf, [&] { ++ran; });
            if (stop()) ++stopped;
          }
          if (!child.Err().ok()) {
            EXPECT_FALSE(leaf.Err().ok());
            EXPECT_FALSE(done.Recv());
          }
        }
        root.Done().Recv();
        EXPECT_FALSE(root.Err().ok());
      });
    }
    std::thread canceller([cancel = cancel] { cancel(); });
    cancel();
    EXPECT_TRUE(IsDone(root));
    canceller.join();
    for (std::thread& t : threads) t.join();
    while (ran + stopped != started) std::this_thread::yield();
  }
}

}  // namespace
}  // namespace mpg
