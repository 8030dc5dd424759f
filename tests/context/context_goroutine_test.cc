// Context, ErrGroup, Semaphore and SingleFlight between goroutines, and between
// goroutines and plain threads.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/panic.h"
#include "base/park.h"
#include "base/random.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "channel/unit.h"
#include "context/context.h"
#include "context/errgroup.h"
#include "context/semaphore.h"
#include "context/single_flight.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "sync/wait_group.h"
#include "tests/sync/util.h"

namespace mpg {
namespace {

using sync_test::AllParkedBut;
using sync_test::Procs;
using sync_test::Scaled;
using sync_test::TestSeed;

class ContextOnProcs : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Procs, ContextOnProcs, testing::Values(1, 2, 4));

// Runs `main` in a Runtime until all goroutines have ended, not just that one.
template <class F>
void RunToTheEnd(int procs, F&& main) {
  Runtime runtime(Procs(procs));
  runtime.Run(std::forward<F>(main));
  runtime.Wait();
}

// Gives way, whether a goroutine or a plain thread calls.
void Yield() {
  if (Goid() != 0) {
    Gosched();
  } else {
    std::this_thread::yield();
  }
}

// --- Context ----------------------------------------------------------------

// What somebody who has been given a context may be doing when it is cancelled.
// Each ends when it is, and not before.
using Activity = void (*)(const Context& ctx, Semaphore* full);
constexpr Activity kActivities[] = {
    [](const Context& ctx, Semaphore*) { ctx.Done().Recv(); },
    [](const Context& ctx, Semaphore*) {
      Select(OnRecv(MakeChan<int>()), OnRecv(ctx.Done()));
    },
    [](const Context& ctx, Semaphore* full) {
      EXPECT_FALSE(full->Acquire(ctx, 1).ok());
    },
    // More than there is.
    [](const Context& ctx, Semaphore* full) {
      EXPECT_FALSE(full->Acquire(ctx, 1000).ok());
    },
    [](const Context& ctx, Semaphore*) {
      while (ctx.Err().ok()) {
      }
    },
    [](const Context& ctx, Semaphore*) {
      while (ctx.Err().ok()) Yield();
    },
    [](const Context& ctx, Semaphore*) {
      for (bool closed = false; !closed; ctx.Done().TryRecv(&closed)) {
      }
    },
    // Waits for somebody below.
    [](const Context& ctx, Semaphore*) {
      const auto [child, cancel] = WithCancel(ctx);
      WaitGroup wg;
      wg.Go([child = child] { child.Done().Recv(); });
      wg.Wait();
    },
    // Keeps nothing of the contexts but a channel.
    [](const Context& ctx, Semaphore*) {
      const RecvChan<Unit> done =
          WithCancel(WithCancel(ctx).first).first.Done();
      done.Recv();
    },
    [](const Context& ctx, Semaphore*) {
      const auto ran = MakeChan<Unit>();
      AfterFunc(ctx, [ran] { ran.Send({}); });
      ran.Recv();
    },
    [](const Context& ctx, Semaphore*) {
      ErrGroup group(ctx);
      for (int i = 0; i < 3; ++i) {
        group.Go([&] {
          group.context().Done().Recv();
          return group.context().Err();
        });
      }
      EXPECT_EQ(group.Wait(), absl::CancelledError("context canceled"));
    },
};

// Plain threads and goroutines in each of these states, at various depths below
// what is cancelled; some of them have not begun.
TEST_P(ContextOnProcs, CancelReachesChildrenInEveryState) {
  const uint64_t seed = TestSeed();
  for (int round = 0; round < 4; ++round) {
    FastRand rand(seed + static_cast<uint64_t>(round));
    Semaphore full(1);
    ASSERT_TRUE(full.TryAcquire(1));
    std::vector<std::thread> threads;
    std::atomic<int> ended{0};
    RuntimeOptions options = Procs(GetParam());
    options.time_slice =
        absl::Milliseconds(1);  // some never give way by choice
    Runtime(options).Run([&] {
      const auto [root, cancel] = WithCancelCause(Background());
      WaitGroup wg;
      int n = 0;
      for (const Activity activity : kActivities) {
        Context ctx = root;
        for (uint32_t d = rand.Below(4); d > 0; --d) {
          ctx = WithCancel(ctx).first;
        }
        const auto run = [&, activity, ctx, root = root] {
          activity(ctx, &full);
          EXPECT_EQ(root.Cause(), absl::AbortedError("enough"));
          EXPECT_EQ(ctx.Cause(), absl::AbortedError("enough"));
          EXPECT_EQ(ctx.Err(), absl::CancelledError("context canceled"));
          ++ended;
        };
        wg.Go(run);
        wg.Go(run);
        threads.emplace_back(run);
        n += 3;
      }
      for (uint32_t i = rand.Below(8); i > 0; --i) Gosched();
      EXPECT_EQ(ended, 0);
      if (round % 2 == 0) {
        cancel(absl::AbortedError("enough"));
      } else {
        threads.emplace_back(
            [cancel = cancel] { cancel(absl::AbortedError("enough")); });
      }
      wg.Wait();
      for (std::thread& t : threads) t.join();
      EXPECT_EQ(ended, n);
    });
    full.Release(1);
    EXPECT_TRUE(full.TryAcquire(1));
  }
}

TEST_P(ContextOnProcs, TreesChangeWhileTheyAreCancelled) {
  const uint64_t seed = TestSeed();
  for (int round = 0; round < Scaled(100); ++round) {
    std::atomic<int> ran{0}, stopped{0}, started{0};
    std::thread foreign;
    RunToTheEnd(GetParam(), [&] {
      const auto [root, cancel] = WithCancel(Background());
      const auto grow = [&, root = root](uint64_t me) {
        FastRand rand(seed + me);
        while (root.Err().ok()) {
          const auto [child, cancel_child] = WithCancel(root);
          const auto [leaf, cancel_leaf] = WithCancel(child);
          const RecvChan<Unit> done = leaf.Done();
          if (rand.Below(3) == 0) cancel_child();
          if (rand.Below(3) == 0) {
            ++started;
            const StopFunc stop = AfterFunc(leaf, [&] { ++ran; });
            if (rand.Below(2) == 0) Yield();
            if (stop()) ++stopped;
          }
          if (!child.Err().ok()) {
            EXPECT_FALSE(leaf.Err().ok());
            EXPECT_FALSE(done.Recv());
          }
          if (rand.Below(3) == 0) Yield();
        }
      };
      WaitGroup wg;
      for (uint64_t g = 0; g < 4; ++g) wg.Go([&, g] { grow(g); });
      foreign = std::thread([&] { grow(99); });
      for (int i = 0; i < 20; ++i) Gosched();
      cancel();
      wg.Wait();
      foreign.join();
      while (ran + stopped != started) Gosched();
    });
  }
}

TEST_P(ContextOnProcs, AfterFuncRunsWhereItWasCancelled) {
  RunToTheEnd(GetParam(), [] {
    const auto id = MakeChan<int64_t>();
    const auto in_goroutine = WithCancel(Background());
    AfterFunc(in_goroutine.first, [id] { id.Send(Goid()); });
    in_goroutine.second();
    EXPECT_GT(*id.Recv(), 1);
    const auto in_thread = WithCancel(Background());
    AfterFunc(in_thread.first, [id] { id.Send(Goid()); });
    std::thread(in_thread.second).join();
    EXPECT_EQ(*id.Recv(), 0);
  });
}

// --- ErrGroup ---------------------------------------------------------------

TEST_P(ContextOnProcs, ErrGroupEndsThoseThatAreBlocked) {
  RunToTheEnd(GetParam(), [] {
    for (int round = 0; round < Scaled(200); ++round) {
      ErrGroup group(Background());
      const auto c = MakeChan<int>();
      for (int i = 0; i < 8; ++i) {
        group.Go([&]() -> absl::Status {
          Select(OnRecv(c), OnRecv(group.context().Done()));
          return group.context().Err();
        });
      }
      group.Go([round]() -> absl::Status {
        if (round % 2 == 0) Gosched();
        return absl::DataLossError("disk");
      });
      EXPECT_EQ(group.Wait(), absl::DataLossError("disk"));
      EXPECT_EQ(group.context().Cause(), absl::DataLossError("disk"));
    }
  });
}

TEST_P(ContextOnProcs, ErrGroupKeepsItsLimitAlsoWhenLeftByGoexit) {
  RunToTheEnd(GetParam(), [] {
    ErrGroup group(Background());
    group.SetLimit(3);
    std::atomic<int> running{0}, ran{0};
    for (int i = 0; i < Scaled(1000); ++i) {
      group.Go([&, i] {
        EXPECT_LE(++running, 3);
        if (i % 3 == 0) Gosched();
        ++ran;
        --running;
        if (i % 5 == 0) Goexit();
        return absl::OkStatus();
      });
    }
    EXPECT_TRUE(group.Wait().ok());
    EXPECT_EQ(ran, Scaled(1000));
  });
}

// --- Semaphore --------------------------------------------------------------

TEST_P(ContextOnProcs, SemaphoreIsNeverOverdrawnAndLosesNothing) {
  constexpr int64_t kSize = 5;
  const uint64_t seed = TestSeed();
  Semaphore sem(kSize);
  std::atomic<int64_t> held{0};
  const auto use = [&](uint64_t me) {
    FastRand rand(seed + me);
    for (int i = 0; i < Scaled(1000); ++i) {
      const int64_t n = 1 + rand.Below(kSize);
      const auto [ctx, cancel] = WithCancel(Background());
      if (rand.Below(4) == 0) SpawnConcurrent(cancel);
      const bool got =
          rand.Below(4) == 0 ? sem.TryAcquire(n) : sem.Acquire(ctx, n).ok();
      if (!got) continue;
      EXPECT_LE(held += n, kSize);
      if (rand.Below(2) == 0) Yield();
      held -= n;
      sem.Release(n);
    }
  };
  std::thread foreign;
  RunToTheEnd(GetParam(), [&] {
    WaitGroup wg;
    for (uint64_t g = 0; g < 10; ++g) wg.Go([&, g] { use(g); });
    foreign = std::thread([&] { use(99); });
    wg.Wait();
    foreign.join();
  });
  EXPECT_TRUE(sem.TryAcquire(kSize));
}

// Go: TestLargeAcquireDoesntStarve.
TEST_P(ContextOnProcs, SemaphoreGivesABigRequestItsTurn) {
  RunToTheEnd(GetParam(), [] {
    const int64_t n = 4;
    Semaphore sem(n);
    std::atomic<bool> running{true};
    WaitGroup wg;
    for (int64_t i = 0; i < n; ++i) {
      EXPECT_TRUE(sem.Acquire(Background(), 1).ok());
      wg.Go([&] {
        while (running) {
          Gosched();
          sem.Release(1);
          EXPECT_TRUE(sem.Acquire(Background(), 1).ok());
        }
        sem.Release(1);
      });
    }
    EXPECT_TRUE(sem.Acquire(Background(), n).ok());
    running = false;
    sem.Release(n);
    wg.Wait();
    EXPECT_TRUE(sem.TryAcquire(n));
  });
}

TEST_P(ContextOnProcs, SemaphoreLetsTheCancelledGoAndServesTheRest) {
  RunToTheEnd(GetParam(), [] {
    for (int round = 0; round < Scaled(300); ++round) {
      Semaphore sem(3);
      EXPECT_TRUE(sem.TryAcquire(3));
      const auto [ctx, cancel] = WithCancel(Background());
      std::atomic<int> got{0};
      WaitGroup wg;
      for (int i = 0; i < 9; ++i) {
        wg.Go([&, i, ctx = i % 3 == 0 ? ctx : Background()] {
          const absl::Status status = sem.Acquire(ctx, 1 + i % 3);
          EXPECT_TRUE(status.ok() || i % 3 == 0) << status;
          if (!status.ok()) return;
          ++got;
          sem.Release(1 + i % 3);
        });
      }
      if (round % 2 == 0) Gosched();
      wg.Go([cancel = cancel] { cancel(); });
      sem.Release(3);
      wg.Wait();
      EXPECT_GE(got, 6);
      EXPECT_TRUE(sem.TryAcquire(3));
    }
  });
}

// --- SingleFlight -----------------------------------------------------------

TEST_P(ContextOnProcs, SingleFlightRunsOneCallAtATimeAndServesAll) {
  SingleFlight<std::string, int> flights;
  std::atomic<int> calls{0}, running{0};
  const auto use = [&] {
    for (int i = 0; i < Scaled(500); ++i) {
      const int before = calls;
      const auto result = flights.Do("key", [&]() -> absl::StatusOr<int> {
        EXPECT_EQ(++running, 1);
        const int now = ++calls;
        Yield();
        --running;
        return now;
      });
      // It began before this Do returned, and had not ended when it began.
      ASSERT_TRUE(result.value.ok());
      EXPECT_GE(*result.value, before);
      EXPECT_LE(*result.value, calls);
    }
  };
  std::thread foreign;
  RunToTheEnd(GetParam(), [&] {
    WaitGroup wg;
    for (int g = 0; g < 8; ++g) wg.Go(use);
    foreign = std::thread(use);
    wg.Wait();
    foreign.join();
  });
  EXPECT_GE(calls, Scaled(500));
}

TEST_P(ContextOnProcs, SingleFlightChannelsBringTheResultToSelects) {
  RunToTheEnd(GetParam(), [] {
    SingleFlight<int, int> flights;
    const auto go = MakeChan<Unit>();
    const auto first = flights.DoChan(1, [go]() -> absl::StatusOr<int> {
      go.Recv();
      return 42;
    });
    const auto second =
        flights.DoChan(1, []() -> absl::StatusOr<int> { return 0; });
    WaitGroup wg;
    for (const auto& channel : {first, second}) {
      wg.Go([channel] {
        Select(OnRecv(MakeChan<int>()), OnRecv(channel, [](auto result) {
                 EXPECT_EQ(*result->value, 42);
                 EXPECT_TRUE(result->shared);
               }));
      });
    }
    Gosched();
    go.Close();
    wg.Wait();
  });
}

// Go: TestGoexitDo.
TEST_P(ContextOnProcs, SingleFlightLeftByGoexitPanicsInThoseWhoWait) {
  Runtime runtime(Procs(GetParam()));
  runtime.Run([&] {
    SingleFlight<int, int> flights;
    const auto begun = MakeChan<Unit>(), go = MakeChan<Unit>();
    WaitGroup wg;
    std::atomic<int> panics{0}, returned{0};
    wg.Go([&] {
      flights.Do(1, [&]() -> absl::StatusOr<int> {
        begun.Close();
        go.Recv();
        Goexit();
      });
      ++returned;
    });
    begun.Recv();
    std::vector<std::thread> threads;
    const auto join = [&] {
      try {
        flights.Do(1, [&]() -> absl::StatusOr<int> {
          ADD_FAILURE() << "the first call is still under way";
          return 0;
        });
        ++returned;
      } catch (const Panic& panic) {
        EXPECT_STREQ(panic.what(), "runtime.Goexit was called");
        ++panics;
      }
    };
    for (int i = 0; i < 4; ++i) wg.Go(join);
    threads.emplace_back(join);
    while (internal::ParkedThreads() == 0 || !AllParkedBut(1, runtime)) {
      Gosched();
    }
    go.Close();
    wg.Wait();
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(returned, 0);
    EXPECT_EQ(panics, 5);
  });
}

// --- Preemption -------------------------------------------------------------

// A loop that only calls these gives way when it is asked to.
TEST(ContextPreempt, LoopsOfCallsThatDoNotBlockGiveWay) {
  RunToTheEnd(1, [] {
    std::atomic<int> ended{0};
    std::atomic<bool> stop{false};
    Semaphore sem(1), empty(0);
    ErrGroup group(Background());
    group.SetLimit(0);
    const auto [ctx, cancel] = WithCancel(Background());
    WaitGroup wg;
    const auto loop = [&](auto call) {
      wg.Go([&, call] {
        while (!stop) call();
        ++ended;
      });
    };
    loop([ctx = ctx] { EXPECT_TRUE(ctx.Err().ok()); });
    loop([ctx = ctx] { ctx.Done().TryRecv(); });
    loop([&] { empty.TryAcquire(1); });
    loop([&] {
      if (sem.Acquire(Background(), 1).ok()) sem.Release(1);
    });
    loop([&] { group.TryGo([] { return absl::OkStatus(); }); });
    Gosched();  // the loops run now, one after another
    stop = true;
    wg.Wait();
    EXPECT_EQ(ended, 5);
  });
}

}  // namespace
}  // namespace mpg
