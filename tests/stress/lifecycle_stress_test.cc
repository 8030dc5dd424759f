// Runtimes come and go, with goroutines in every state, while plain threads use
// the same channels; threads idle, end and are started again.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "base/random.h"
#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "tests/stress/stress_util.h"

// What abandoned goroutines hold is never freed, by contract.
extern "C" int __lsan_is_turned_off() { return 1; }

namespace mpg {
namespace {

using LifecycleStressTest = stress::StressTest;
using std::chrono::microseconds;

void SleepUpTo(FastRand* rand, uint32_t us) {
  std::this_thread::sleep_for(microseconds(rand->Below(us)));
}

void Sender(Chan<int> c) {
  for (;;) c.Send(1);
}
void Receiver(Chan<int> c) {
  for (;;) c.Recv();
}
void Yielder(Chan<int>) {
  for (;;) Gosched();
}
void Spawner(Chan<int> c) {
  Go(Spawner, c);
  int one = 1;
  c.TrySend(one);
}
void Locked(Chan<int> c) {
  LockOSThread();
  Receiver(c);
}
void Stopper(Chan<int>) {
  for (;;) {
    StopTheWorld("stress");
    StartTheWorld();
    Gosched();
  }
}
void Resizer(Chan<int>) {
  for (int i = 0;; ++i) {
    GOMAXPROCS(1 + i % 5);
    Gosched();
  }
}

using Role = void (*)(Chan<int>);
constexpr Role kRoles[] = {Sender, Receiver, Yielder, Spawner,
                           Locked, Stopper,  Resizer};

// A Runtime that ends whatever its goroutines do just then.
void LiveAndDie(Chan<int> c, int procs, FastRand rand) {
  RuntimeOptions options;
  options.max_procs = procs;
  options.idle_thread_life = absl::Microseconds(rand.Below(1000));
  Runtime runtime(options);
  for (uint32_t i = rand.Below(12); i > 0; --i) {
    const Role role = kRoles[rand.Below(std::size(kRoles))];
    runtime.Go([role, c] { role(c); });
  }
  for (uint32_t i = rand.Below(3); i > 0; --i) {
    const uint32_t yields = rand.Below(10);
    runtime.Run([yields, c] {
      Go([c] { Receiver(c); });
      for (uint32_t k = 0; k < yields; ++k) Gosched();
    });
  }
  SleepUpTo(&rand, 500);
}

TEST_P(LifecycleStressTest, RuntimesEndInTheMidstOfThings) {
  auto c = MakeChan<int>();
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      int one = 1;
      while (!over.load()) {
        c.TrySend(one);
        c.TryRecv();
        std::this_thread::yield();
      }
    });
  }
  std::thread second([&] {
    for (int i = 0; i < 5; ++i) LiveAndDie(c, 2, Rand(100 + i));
  });
  for (int i = 0; i < 5; ++i) LiveAndDie(c, procs(), Rand(i));
  second.join();
  over = true;
  for (auto& t : threads) t.join();
  // Nobody is left in its queues.
  int one = 1;
  EXPECT_FALSE(c.TrySend(one));
  EXPECT_FALSE(c.TryRecv().has_value());
  std::thread sender([c] { c.Send(7); });
  EXPECT_EQ(*c.Recv(), 7);
  sender.join();
}

// Ms that end of idleness at the moment they are wanted.
TEST_P(LifecycleStressTest, BurstsWithThreadsThatHardlyLive) {
  RuntimeOptions options;
  options.max_procs = procs();
  options.idle_thread_life = absl::Microseconds(100);
  Runtime runtime(options);
  FastRand rand = Rand(0);
  std::atomic<int> ran{0};
  int started = 0;
  for (int i = 0; i < 60; ++i) {
    for (uint32_t k = rand.Below(20); k > 0; --k, ++started) {
      const bool locks = rand.Below(8) == 0;
      runtime.Go([&ran, locks] {
        if (locks) LockOSThread();
        Gosched();
        ++ran;
      });
    }
    if (rand.Below(3) == 0) {
      runtime.Run([&, n = started] {
        while (ran.load() < n) Gosched();
      });
    } else {
      runtime.Wait();
    }
    ASSERT_EQ(ran.load(), started);
    SleepUpTo(&rand, 300);
  }
}

MPG_STRESS_AT_SEVERAL_PS(LifecycleStressTest);

}  // namespace
}  // namespace mpg
