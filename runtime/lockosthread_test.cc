// Goroutines wired to threads.
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>

#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"

namespace mpg {
namespace {

using internal::Procs;
using internal::RunWith;
using internal::Scaled;

TEST(LockOSThread, KeepsTheThreadAcrossParks) {
  for (int procs : {1, 2, 4}) {
    RunWith(procs, [] {
      auto c = MakeChan<int>();
      auto moved = MakeChan<int>();
      for (int i = 0; i < 8; ++i) {
        Go([=] {
          LockOSThread();
          const pid_t home = gettid();
          int away = 0;
          for (int k = 0; k < Scaled(200); ++k) {
            if (i % 2 == 0) {
              c.Send(1);
            } else {
              c.Recv();
            }
            away += gettid() != home;
            Gosched();
            away += gettid() != home;
          }
          UnlockOSThread();
          moved.Send(away);
        });
      }
      for (int i = 0; i < 8; ++i) EXPECT_EQ(*moved.Recv(), 0);
    });
  }
}

// None of these is on the short way from one goroutine to the next.
TEST(LockOSThread, EveryParkCountsAsASwitch) {
  Runtime runtime(Procs(1));
  runtime.Run([&runtime] {
    LockOSThread();
    auto to = MakeChan<int>(), from = MakeChan<int>();
    Go([=] {
      LockOSThread();
      while (auto v = to.Recv()) from.Send(*v);
      from.Close();
    });
    const uint64_t before = runtime.Stats().switches;
    for (int i = 0; i < 100; ++i) {
      to.Send(i);
      from.Recv();
    }
    EXPECT_GE(runtime.Stats().switches - before, 200u);
    to.Close();
    EXPECT_FALSE(from.Recv().has_value());
  });
}

TEST(LockOSThread, NobodyElseRunsOnTheThread) {
  RunWith(2, [] {
    auto go = MakeChan<int>(), done = MakeChan<int>();
    std::atomic<pid_t> taken{0};
    std::atomic<bool> over{false};
    Go([&] {
      LockOSThread();
      taken = gettid();
      go.Send(1);
      go.Recv();
      over = true;
      UnlockOSThread();
      done.Send(0);
    });
    go.Recv();
    int guests = 0;
    for (int i = 0; i < 200; ++i) {
      Go([&] {
        for (int k = 0; k < 10; ++k) {
          if (!over.load() && gettid() == taken.load()) ++guests;
          Gosched();
        }
        done.Send(0);
      });
    }
    for (int i = 0; i < 200; ++i) done.Recv();
    go.Send(1);
    done.Recv();
    EXPECT_EQ(guests, 0);
  });
}

TEST(LockOSThread, Nests) {
  RunWith(2, [] {
    auto done = MakeChan<int>();
    Go([=] {
      LockOSThread();
      LockOSThread();
      UnlockOSThread();
      const pid_t home = gettid();
      int away = 0;
      for (int k = 0; k < 100; ++k) {
        Gosched();
        away += gettid() != home;
      }
      UnlockOSThread();
      UnlockOSThread();  // one too many: nothing happens, as in Go
      done.Send(away);
    });
    EXPECT_EQ(*done.Recv(), 0);
  });
}

thread_local bool marked = false;
__attribute__((noinline)) bool Marked() { return marked; }
__attribute__((noinline)) void Mark() { marked = true; }

TEST(LockOSThread, AGoroutineThatEndsLockedTakesItsThreadAlong) {
  Runtime runtime(Procs(2));
  for (int i = 0; i < Scaled(100); ++i) {
    runtime.Go([] {
      LockOSThread();
      Mark();
      if (Goid() % 2 == 0) Goexit();
    });
  }
  runtime.Wait();
  std::atomic<int> seen{0};
  for (int i = 0; i < 100; ++i) {
    runtime.Go([&] {
      for (int k = 0; k < 5; ++k) {
        seen += Marked();
        Gosched();
      }
    });
  }
  runtime.Wait();
  EXPECT_EQ(seen.load(), 0);
  EXPECT_TRUE(
      internal::Eventually([&] { return runtime.Stats().threads <= 10; }));
}

TEST(LockOSThread, MainMayLock) {
  Runtime runtime(Procs(2));
  const pid_t home = gettid();
  runtime.Run([&] {
    LockOSThread();
    const pid_t here = gettid();
    EXPECT_EQ(here, home);
    auto c = MakeChan<int>();
    for (int i = 0; i < 100; ++i) {
      Go([c] { c.Send(1); });
      c.Recv();
      EXPECT_EQ(gettid(), here);
    }
    // Ends locked: m0 lives on all the same.
  });
  runtime.Run([&] { EXPECT_EQ(gettid(), home); });
  runtime.Wait();
}

TEST(LockOSThread, SurvivesStopsOfTheWorld) {
  RunWith(4, [] {
    std::atomic<bool> stop{false};
    auto c = MakeChan<int>(), done = MakeChan<int>();
    for (int i = 0; i < 6; ++i) {
      Go([&, i] {
        LockOSThread();
        const pid_t home = gettid();
        int away = 0;
        while (!stop.load()) {
          int v = 1;
          if (i % 2 == 0) {
            if (!c.TrySend(v)) Gosched();
          } else {
            if (!c.TryRecv()) Gosched();
          }
          away += gettid() != home;
        }
        UnlockOSThread();
        done.Send(away);
      });
    }
    for (int i = 0; i < Scaled(500); ++i) {
      if (i % 2 == 0) {
        GOMAXPROCS(1 + i / 2 % 4);
      } else {
        StopTheWorld("test");
        StartTheWorld();
      }
      Gosched();
    }
    stop = true;
    for (int i = 0; i < 6; ++i) EXPECT_EQ(*done.Recv(), 0);
  });
}

}  // namespace
}  // namespace mpg
