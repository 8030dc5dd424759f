#include "sync/sema.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"
#include "sync/sema_table.h"
#include "sync/test_util.h"

namespace mpg {
namespace {

using sync_test::Threads;
using sync_test::WaitUntilParked;

uint32_t Waiting(std::atomic<uint32_t>* s) {
  return internal::SemaRootOf(internal::SemaphoreKey(s))->nwait.load();
}

TEST(Sema, AcquireTakesAReleaseThatCameFirst) {
  std::atomic<uint32_t> s{0};
  Semrelease(&s);
  Semrelease(&s);
  EXPECT_EQ(s, 2u);
  Semacquire(&s);
  Semacquire(&s);
  EXPECT_EQ(s, 0u);
}

TEST(Sema, AcquireBlocksUntilReleased) {
  std::atomic<uint32_t> s{0};
  int value = 0;
  Threads threads;
  threads.Start([&] {
    Semacquire(&s);
    EXPECT_EQ(value, 42);
  });
  WaitUntilParked(1);
  EXPECT_EQ(Waiting(&s), 1u);
  value = 42;
  Semrelease(&s);
  threads.Join();
  EXPECT_EQ(s, 0u);
  EXPECT_EQ(Waiting(&s), 0u);
}

TEST(Sema, WaitersAreServedFirstComeFirstServed) {
  for (const bool handoff : {false, true}) {
    std::atomic<uint32_t> s{0};
    std::atomic<int> served{0};
    constexpr int kWaiters = 5;
    int order[kWaiters];
    Threads threads;
    for (int i = 0; i < kWaiters; ++i) {
      threads.Start([&, i] {
        Semacquire(&s);
        order[i] = served++;
      });
      WaitUntilParked(i + 1);
    }
    for (int i = 0; i < kWaiters; ++i) {
      Semrelease(&s, handoff);
      while (served != i + 1) std::this_thread::yield();
    }
    threads.Join();
    for (int i = 0; i < kWaiters; ++i) EXPECT_EQ(order[i], i);
  }
}

// A ticket goes to who waits and not to who comes later and is quicker.
TEST(Sema, ReleaseGivesTheTicketToTheWaiterItself) {
  std::atomic<uint32_t> s{0};
  std::atomic<bool> first_done{false};
  Threads threads;
  threads.Start([&] {
    Semacquire(&s);
    first_done = true;
  });
  WaitUntilParked(1);
  Semrelease(&s);
  EXPECT_EQ(s, 0u);  // never in the word
  threads.Start([&] {
    Semacquire(&s);
    EXPECT_TRUE(first_done);
  });
  while (!first_done) std::this_thread::yield();
  Semrelease(&s);
}

TEST(Sema, SemaphoresOfOneRootDoNotMix) {
  // Words 251 * 8 bytes apart share a root.
  struct alignas(8) Word {
    std::atomic<uint32_t> s{0};
  };
  std::vector<Word> words(internal::kSemaRoots * 3);
  std::atomic<uint32_t>& a = words[0].s;
  std::atomic<uint32_t>& b = words[internal::kSemaRoots].s;
  std::atomic<uint32_t>& c = words[internal::kSemaRoots * 2].s;
  ASSERT_EQ(internal::SemaRootOf(internal::SemaphoreKey(&a)),
            internal::SemaRootOf(internal::SemaphoreKey(&b)));
  std::atomic<int> woken{0};
  Threads threads;
  threads.Start([&] {
    Semacquire(&a);
    woken += 1;
  });
  WaitUntilParked(1);
  threads.Start([&] {
    Semacquire(&b);
    woken += 10;
  });
  WaitUntilParked(2);
  Semrelease(&c);  // somebody waits in the root, but nobody here
  EXPECT_EQ(c, 1u);
  Semrelease(&b);
  while (woken == 0) std::this_thread::yield();
  EXPECT_EQ(woken, 10);
  Semrelease(&a);
  threads.Join();
  EXPECT_EQ(woken, 11);
}

// The word may go as soon as the last acquirer has returned.
TEST(Sema, TheAcquirerMayDestroyTheWord) {
  for (int i = 0; i < 2000; ++i) {
    auto s = std::make_unique<std::atomic<uint32_t>>(0);
    Threads threads;
    threads.Start([p = s.get()] { Semrelease(p); });
    Semacquire(s.get());
    s.reset();
  }
}

// Go: TestSemaHandoff and BenchmarkSemaWorkNonblock in spirit: tickets are
// neither lost nor made.
TEST(SemaStress, TicketsAreNeitherLostNorMade) {
  const uint64_t seed = sync_test::TestSeed();
  constexpr int kSemas = 3;
  constexpr int kThreads = 6;
  constexpr int kRounds = 3000;
  struct alignas(8) Word {
    std::atomic<uint32_t> s{0};
  };
  // Two in one root.
  std::vector<Word> words(internal::kSemaRoots + 2);
  std::atomic<uint32_t>* const semas[kSemas] = {
      &words[0].s, &words[internal::kSemaRoots].s, &words[1].s};
  // Each semaphore guards `capacity` places.
  constexpr uint32_t kCapacity = 2;
  std::atomic<uint32_t> inside[kSemas] = {};
  for (auto* s : semas) s->store(kCapacity);
  {
    Threads threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.Start([&, t] {
        FastRand rand(seed + static_cast<uint64_t>(t));
        for (int i = 0; i < kRounds; ++i) {
          const uint32_t k = rand.Below(kSemas);
          Semacquire(semas[k]);
          EXPECT_LE(++inside[k], kCapacity);
          if (rand.Below(8) == 0) std::this_thread::yield();
          --inside[k];
          Semrelease(semas[k], rand.Below(4) == 0);
        }
      });
    }
  }
  for (auto* s : semas) {
    EXPECT_EQ(*s, kCapacity);
    EXPECT_EQ(Waiting(s), 0u);
  }
}

TEST(SemaStress, PingPong) {
  std::atomic<uint32_t> a{0}, b{0};
  int64_t turns = 0;
  Threads threads;
  constexpr int kRounds = 5000;
  threads.Start([&] {
    for (int i = 0; i < kRounds; ++i) {
      Semacquire(&a);
      ++turns;
      Semrelease(&b);
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    Semrelease(&a);
    Semacquire(&b);
    EXPECT_EQ(turns, i + 1);
  }
}

}  // namespace
}  // namespace mpg
