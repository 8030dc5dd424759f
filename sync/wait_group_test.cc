#include "sync/wait_group.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/cacheline.h"
#include "base/panic.h"
#include "base/random.h"
#include "base/thread_state.h"
#include "gtest/gtest.h"
#include "sync/test_util.h"

namespace mpg {
namespace {

using sync_test::ScriptedWaiter;
using sync_test::Threads;
using sync_test::WaitUntilParked;

std::string PanicOf(const std::function<void()>& fn) {
  try {
    fn();
  } catch (const Panic& p) {
    return p.what();
  }
  return "no panic";
}

TEST(WaitGroup, WaitReturnsAtOnceAtZero) {
  WaitGroup wg;
  wg.Wait();
  wg.Add(2);
  wg.Done();
  wg.Add(-1);
  wg.Wait();
}

TEST(WaitGroup, WaitBlocksUntilTheLastDone) {
  WaitGroup wg;
  std::atomic<int> done{0};
  wg.Add(2);
  Threads threads;
  threads.Start([&] {
    wg.Wait();
    EXPECT_EQ(done, 2);
  });
  WaitUntilParked(1);
  ++done;
  wg.Done();
  ++done;
  wg.Done();
}

TEST(WaitGroup, AllWaitersGoOn) {
  WaitGroup wg;
  std::atomic<int> gone_on{0};
  wg.Add(1);
  Threads threads;
  for (int i = 0; i < 10; ++i) {
    threads.Start([&] {
      wg.Wait();
      ++gone_on;
    });
  }
  WaitUntilParked(10);
  EXPECT_EQ(gone_on, 0);
  wg.Done();
  threads.Join();
  EXPECT_EQ(gone_on, 10);
}

TEST(WaitGroup, CanBeUsedAgain) {
  WaitGroup wg;
  int value = 0;
  for (int i = 1; i <= 500; ++i) {
    wg.Add(1);
    Threads threads;
    threads.Start([&, i] {
      value = i;
      wg.Done();
    });
    wg.Wait();
    EXPECT_EQ(value, i);
  }
}

TEST(WaitGroup, GoRunsAndCounts) {
  WaitGroup wg;
  std::atomic<int> ran{0};
  for (int i = 0; i < 20; ++i) wg.Go([&ran] { ++ran; });
  wg.Wait();
  EXPECT_EQ(ran, 20);
}

// What fn has captured is gone before Wait returns.
TEST(WaitGroup, GoDestroysTheFunctionBeforeItIsDone) {
  for (int i = 0; i < 200; ++i) {
    WaitGroup wg;
    auto token = std::make_shared<int>(1);
    wg.Go([token] { EXPECT_EQ(*token, 1); });
    wg.Wait();
    EXPECT_EQ(token.use_count(), 1);
  }
}

TEST(WaitGroup, GoTakesMoveOnlyFunctions) {
  WaitGroup wg;
  int value = 0;
  wg.Go([p = std::make_unique<int>(42), &value] { value = *p; });
  wg.Wait();
  EXPECT_EQ(value, 42);
}

TEST(WaitGroup, NegativeCounterPanics) {
  WaitGroup wg;
  EXPECT_EQ(PanicOf([&] { wg.Done(); }), "sync: negative WaitGroup counter");
  WaitGroup wg2;
  wg2.Add(1);
  EXPECT_EQ(PanicOf([&] { wg2.Add(-2); }), "sync: negative WaitGroup counter");
}

TEST(WaitGroup, TheLastDoneMayComeWhileTheWaiterParks) {
  WaitGroup wg;
  wg.Add(1);
  ScriptedWaiter w;
  w.before_commit = [&] { wg.Done(); };
  w.Run([&] { wg.Wait(); });
  EXPECT_EQ(w.parks, 0);
  EXPECT_EQ(w.readies, 0);
}

// As above; the one who comes too late wakes those who were waiting.
TEST(WaitGroup, TheLastDoneLeavesTheOthersToTheWaiterThatParks) {
  WaitGroup wg;
  wg.Add(1);
  ScriptedWaiter first, second;
  first.while_parked = [&](int) { second.Run([&] { wg.Wait(); }); };
  second.before_commit = [&] { wg.Done(); };
  first.Run([&] { wg.Wait(); });
  EXPECT_EQ(first.parks, 1);
  EXPECT_EQ(first.readies, 1);
  EXPECT_EQ(second.parks, 0);
}

TEST(WaitGroup, AddBeforeTheWaiterHasParkedPanics) {
  WaitGroup wg;
  wg.Add(1);
  ScriptedWaiter w;
  std::string what;
  w.before_commit = [&] {
    wg.Done();
    what = PanicOf([&] { wg.Add(1); });
    wg.Add(-1);
  };
  w.Run([&] { wg.Wait(); });
  EXPECT_EQ(what, "sync: WaitGroup misuse: Add called concurrently with Wait");
}

TEST(WaitGroup, ReuseBeforeWaitHasReturnedPanics) {
  WaitGroup wg;
  wg.Add(1);
  ScriptedWaiter early;
  early.at_ready = [&] { wg.Add(1); };
  early.while_parked = [&](int) { wg.Done(); };
  std::string what;
  early.Run([&] { what = PanicOf([&] { wg.Wait(); }); });
  EXPECT_EQ(what,
            "sync: WaitGroup is reused before previous Wait has returned");
}

TEST(WaitGroup, AnAbandonedWaiterIsForgotten) {
  // Of three waiters the i-th is abandoned.
  for (int i = 0; i < 3; ++i) {
    WaitGroup wg;
    wg.Add(1);
    ScriptedWaiter w[3];
    const auto finish = [&](int) {
      EXPECT_TRUE(w[i].site.abandon(&w[i], w[i].arg));
      wg.Done();
    };
    w[0].while_parked = [&](int) { w[1].Run([&] { wg.Wait(); }); };
    w[1].while_parked = [&](int) { w[2].Run([&] { wg.Wait(); }); };
    w[2].while_parked = finish;
    w[0].Run([&] { wg.Wait(); });
    for (int k = 0; k < 3; ++k) EXPECT_EQ(w[k].readies, k == i ? 0 : 1);
  }
}

TEST(WaitGroup, TheOnlyWaiterIsAbandoned) {
  WaitGroup wg;
  wg.Add(1);
  ScriptedWaiter w;
  w.while_parked = [&](int) {
    EXPECT_TRUE(w.site.abandon(&w, w.arg));
    wg.Done();
  };
  w.Run([&] { wg.Wait(); });
  EXPECT_EQ(w.readies, 0);
}

TEST(WaitGroup, AWaiterThatIsBeingWokenIsNotAbandoned) {
  WaitGroup wg;
  wg.Add(1);
  ScriptedWaiter w;
  w.at_ready = [&] { EXPECT_FALSE(w.site.abandon(&w, w.arg)); };
  w.while_parked = [&](int) { wg.Done(); };
  w.Run([&] { wg.Wait(); });
  EXPECT_EQ(w.readies, 1);
}

// Go: main returns while its goroutines wait on what was its own.
TEST(WaitGroup, MayGoBeforeItsAbandonedWaiters) {
  auto wg = std::make_unique<WaitGroup>();
  wg->Add(1);
  ScriptedWaiter w;
  bool abandoned = false;
  struct Left {};
  w.while_parked = [&](int) {
    wg.reset();
    abandoned = w.site.abandon(&w, w.arg);
    throw Left();  // it never runs again
  };
  EXPECT_THROW(w.Run([&] { wg->Wait(); }), Left);
  ThisThread()->current = nullptr;
  EXPECT_TRUE(abandoned);
}

TEST(WaitGroupStress, LocalVariableOfTheWaiter) {
  // The Done must not touch what the Wait has given up: for ASan and TSan.
  constexpr int kRounds = 20'000;
  std::atomic<WaitGroup*> current{nullptr};
  Threads threads;
  threads.Start([&] {
    for (int i = 0; i < kRounds; ++i) {
      WaitGroup* wg;
      while ((wg = current.exchange(nullptr)) == nullptr) {
        std::this_thread::yield();
      }
      wg->Done();
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    auto wg = std::make_unique<WaitGroup>();
    wg->Add(1);
    current = wg.get();
    wg->Wait();
  }
}

// Wait and the last Done meet in every order, with several of each.
TEST(WaitGroupStress, WaitersAndDonesRace) {
  const uint64_t seed = sync_test::TestSeed();
  constexpr int kRounds = 3000;
  constexpr int kWaiters = 3;
  constexpr int kDones = 3;
  WaitGroup work;
  std::atomic<int> round{0};
  std::atomic<int> arrived{0};
  std::atomic<int> finished{0};
  Threads threads;
  const auto at_each_round = [&](int id, auto body) {
    threads.Start([&, id, body] {
      FastRand rand(seed + static_cast<uint64_t>(id));
      for (int r = 1; r <= kRounds; ++r) {
        while (round != r) std::this_thread::yield();
        for (uint32_t spin = rand.Below(200); spin > 0; --spin) CpuRelax();
        body(r);
        ++arrived;
      }
    });
  };
  for (int i = 0; i < kDones; ++i) {
    at_each_round(i, [&](int) {
      ++finished;
      work.Done();
    });
  }
  for (int i = 0; i < kWaiters; ++i) {
    at_each_round(100 + i, [&](int r) {
      work.Wait();
      EXPECT_EQ(finished, r * kDones);
    });
  }
  for (int r = 1; r <= kRounds; ++r) {
    work.Add(kDones);
    round = r;
    while (arrived != r * (kDones + kWaiters)) std::this_thread::yield();
  }
}

}  // namespace
}  // namespace mpg
