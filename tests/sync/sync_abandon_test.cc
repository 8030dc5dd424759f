// A Runtime ends while goroutines of it are parked on what others go on using.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "gtest/gtest.h"
#include "runtime/goroutine.h"
#include "runtime/runtime.h"
#include "sync/mutex.h"
#include "sync/sema.h"
#include "sync/wait_group.h"
#include "tests/sync/util.h"

namespace mpg {
namespace {

using sync_test::AllParkedBut;
using sync_test::Procs;
using sync_test::Scaled;

// Lets n goroutines of a Runtime run f until they are parked, and ends it.
template <class F>
void ParkAndAbandon(int n, F f) {
  Runtime runtime(Procs(2));
  std::atomic<int> started{0};
  for (int i = 0; i < n; ++i) {
    runtime.Go([&started, f] {
      ++started;
      f();
      ADD_FAILURE() << "was not parked";
    });
  }
  while (started != n || !AllParkedBut(0, runtime)) std::this_thread::yield();
}

TEST(Abandon, ASemaphoreLosesNoTicket) {
  std::atomic<uint32_t> sema{0};
  ParkAndAbandon(10, [&] { Semacquire(&sema); });
  Semrelease(&sema);
  EXPECT_EQ(sema, 1u);
  Semacquire(&sema);
  std::thread other([&] { Semacquire(&sema); });
  Semrelease(&sema);
  other.join();
}

TEST(Abandon, AMutexServesTheOthers) {
  Mutex mu;
  mu.Lock();
  ParkAndAbandon(10, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { mu.Lock(); });
  mu.Unlock();
  const bool locked = mu.TryLock();
  EXPECT_TRUE(locked);
  std::vector<std::thread> threads;
  int count = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      mu.Lock();
      ++count;
      mu.Unlock();
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  if (locked) mu.Unlock();
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(count, 4);
}

// Threads that queue before and behind the abandoned keep their places.
TEST(Abandon, AMutexServesThoseWhoWaitBesideTheAbandoned) {
  Mutex mu;
  int count = 0;
  mu.Lock();
  std::vector<std::thread> threads;
  const auto lock_too = [&] {
    threads.emplace_back([&] {
      mu.Lock();
      ++count;
      mu.Unlock();
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  };
  lock_too();
  ParkAndAbandon(3, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { mu.Lock(); });
  lock_too();
  mu.Unlock();
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(count, 2);
}

TEST(Abandon, AWaitGroupServesTheOthers) {
  WaitGroup wg;
  wg.Add(1);
  ParkAndAbandon(10, [&] { wg.Wait(); });
  std::thread waiter([&] { wg.Wait(); });
  wg.Done();
  waiter.join();
  wg.Add(1);
  wg.Done();
  wg.Wait();
}

// The wait group is on a stack, or in a closure, that goes with the Runtime.
TEST(Abandon, AWaitGroupMayGoTogetherWithItsWaiters) {
  for (int i = 0; i < Scaled(50); ++i) {
    Runtime runtime(Procs(2));
    std::atomic<int> started{0};
    runtime.Go([&started] {
      WaitGroup wg;
      wg.Add(1);
      for (int k = 0; k < 5; ++k) {
        Go([&] {
          ++started;
          wg.Wait();
        });
      }
      wg.Wait();
    });
    while (started != 5) std::this_thread::yield();
  }
}

// The wake-up and the end of the Runtime meet: whoever is woken by then has got
// what it waited for, and whoever is not is off the queue.
TEST(Abandon, ReleasesMayRaceWithTheEnd) {
  for (int i = 0; i < Scaled(300); ++i) {
    std::atomic<uint32_t> sema{0};
    std::atomic<int> got{0};
    constexpr uint32_t kReleases = 50;
    auto runtime = std::make_unique<Runtime>(Procs(2));
    for (int k = 0; k < 5; ++k) {
      runtime->Go([&] {
        for (;;) {
          Semacquire(&sema);
          ++got;
        }
      });
    }
    std::thread releaser([&] {
      for (uint32_t k = 0; k < kReleases; ++k) Semrelease(&sema);
    });
    std::this_thread::sleep_for(std::chrono::microseconds(i % 50 * 4));
    runtime.reset();
    releaser.join();
    // A goroutine that was granted a ticket and never ran again took it along.
    const uint32_t left = sema + static_cast<uint32_t>(got);
    EXPECT_LE(left, kReleases);
    EXPECT_GE(left + 5, kReleases);
    // Nobody is left in the queue: a ticket goes into the word.
    const uint32_t before = sema;
    Semrelease(&sema);
    EXPECT_EQ(sema, before + 1);
  }
}

}  // namespace
}  // namespace mpg
