// The go statement, numbers, names, yielding.
#include "runtime/goroutine.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/panic.h"
#include "channel/chan.h"
#include "gtest/gtest.h"
#include "runtime/runtime.h"
#include "runtime/test_util.h"

namespace mpg {
namespace {

using internal::InTurns;
using internal::Procs;
using internal::RunWith;

TEST(Goroutine, RunsItsFunction) {
  RunWith(1, [] {
    auto c = MakeChan<int>();
    Go([c] { c.Send(42); });
    EXPECT_EQ(*c.Recv(), 42);
  });
}

int g_sum;
void AddTo(int a, const std::string& b, std::unique_ptr<int> p, Chan<int> c) {
  g_sum = a + static_cast<int>(b.size()) + *p;
  c.Send(g_sum);
}

TEST(Goroutine, TakesArgumentsByValueAndByMove) {
  RunWith(1, [] {
    auto c = MakeChan<int>();
    std::string text = "four";
    Go(AddTo, 1, text, std::make_unique<int>(10), c);
    text = "changed later";
    EXPECT_EQ(*c.Recv(), 15);
  });
}

TEST(Goroutine, TakesReferencesByStdRef) {
  RunWith(2, [] {
    auto c = MakeChan<int>();
    int value = 1;
    Go(
        [c](int& v) {
          v = 7;
          c.Send(0);
        },
        std::ref(value));
    c.Recv();
    EXPECT_EQ(value, 7);
  });
}

struct Member {
  int base;
  void Send(Chan<int> c) { c.Send(base); }
};

TEST(Goroutine, CallsAMemberFunction) {
  RunWith(1, [] {
    Member m{9};
    auto c = MakeChan<int>();
    Go(&Member::Send, &m, c);
    EXPECT_EQ(*c.Recv(), 9);
  });
}

TEST(Goroutine, TakesAMoveOnlyClosure) {
  RunWith(1, [] {
    auto c = MakeChan<int>();
    Go([c, p = std::make_unique<int>(3)]() mutable { c.Send(*p); });
    EXPECT_EQ(*c.Recv(), 3);
  });
}

// Says how many of it live.
struct Counted {
  static std::atomic<int> alive;
  Counted() { ++alive; }
  Counted(const Counted&) { ++alive; }
  Counted(Counted&&) noexcept { ++alive; }
  ~Counted() { --alive; }
};
std::atomic<int> Counted::alive{0};

template <size_t kBytes>
void RunsClosureOfSize() {
  Runtime runtime(Procs(2));
  runtime.Run([] {
    auto c = MakeChan<int>();
    struct {
      unsigned char bytes[kBytes];
    } data;
    for (size_t i = 0; i < kBytes; ++i) data.bytes[i] = i * 7 % 251;
    Go([data, c, counted = Counted()] {
      int bad = 0;
      for (size_t i = 0; i < kBytes; ++i) bad += data.bytes[i] != i * 7 % 251;
      c.Send(bad);
    });
    EXPECT_EQ(*c.Recv(), 0) << kBytes;
  });
  runtime.Wait();
  EXPECT_EQ(Counted::alive.load(), 0) << kBytes;
}

TEST(Goroutine, TakesClosuresOfEverySizeAndDestroysThem) {
  RunsClosureOfSize<1>();
  RunsClosureOfSize<40>();
  RunsClosureOfSize<48>();
  RunsClosureOfSize<55>();
  RunsClosureOfSize<56>();
  RunsClosureOfSize<64>();
  RunsClosureOfSize<65>();
  RunsClosureOfSize<5000>();
}

struct alignas(128) Wide {
  int value = 5;
};

TEST(Goroutine, TakesAnOverAlignedClosure) {
  RunWith(1, [] {
    auto c = MakeChan<uintptr_t>();
    Go([w = Wide(), c] {
      c.Send(reinterpret_cast<uintptr_t>(&w) % 128 + w.value);
    });
    EXPECT_EQ(*c.Recv(), 5u);
  });
}

struct ThrowsOnCopy {
  ThrowsOnCopy() = default;
  ThrowsOnCopy(const ThrowsOnCopy&) { throw std::runtime_error("copy"); }
};

TEST(Goroutine, ThrowingCopyReachesTheCallerAndStartsNothing) {
  RunWith(1, [] {
    ThrowsOnCopy t;
    const int before = NumGoroutine();
    for (int i = 0; i < 1000; ++i) {
      EXPECT_THROW(Go([](const ThrowsOnCopy&) {}, t), std::runtime_error);
      GoOptions options;
      options.name = "never";
      options.stack_size = 32 << 10;
      EXPECT_THROW(Go(
                       options, [](const ThrowsOnCopy&) {}, t),
                   std::runtime_error);
    }
    EXPECT_EQ(NumGoroutine(), before);
  });
}

TEST(Goroutine, GoidIsUniqueAndZeroOnPlainThreads) {
  EXPECT_EQ(Goid(), 0);
  RunWith(2, [] {
    EXPECT_EQ(Goid(), 1);
    auto c = MakeChan<int64_t>();
    for (int i = 0; i < 500; ++i) Go([c] { c.Send(Goid()); });
    std::set<int64_t> ids{Goid()};
    for (int i = 0; i < 500; ++i) ids.insert(*c.Recv());
    EXPECT_EQ(ids.size(), 501u);
    EXPECT_EQ(ids.count(0), 0u);
  });
  EXPECT_EQ(Goid(), 0);
}

TEST(Goroutine, GoidStaysAcrossParks) {
  RunWith(2, [] {
    auto c = MakeChan<bool>();
    for (int i = 0; i < 50; ++i) {
      Go([c] {
        const int64_t id = Goid();
        bool same = true;
        for (int k = 0; k < 100; ++k) {
          Gosched();
          same = same && Goid() == id;
        }
        c.Send(same);
      });
    }
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(*c.Recv());
  });
}

TEST(Goroutine, NumGoroutineCountsTheLiving) {
  RunWith(1, [] {
    EXPECT_EQ(NumGoroutine(), 1);
    auto stop = MakeChan<int>();
    auto done = MakeChan<int>();
    for (int i = 0; i < 10; ++i) {
      Go([=] {
        stop.Recv();
        done.Send(1);
      });
    }
    EXPECT_EQ(NumGoroutine(), 11);
    stop.Close();
    for (int i = 0; i < 10; ++i) done.Recv();
    while (NumGoroutine() != 1) Gosched();
  });
}

TEST(Goroutine, NewestRunsFirstThenTheOthersInOrder) {
  // Go: runnext holds the newest, the others keep their order.
  RunWith(InTurns(), [] {
    std::vector<int> order;
    for (int i = 0; i < 5; ++i) {
      Go([&order, i] { order.push_back(i); });
    }
    while (order.size() < 5) Gosched();
    EXPECT_EQ(order, (std::vector<int>{4, 0, 1, 2, 3}));
  });
}

TEST(Goroutine, GoschedTakesTurns) {
  RunWith(InTurns(), [] {
    std::vector<int> order;
    auto done = MakeChan<int>();
    for (int i = 0; i < 3; ++i) {
      Go([&order, done, i] {
        for (int k = 0; k < 3; ++k) {
          order.push_back(i);
          Gosched();
        }
        done.Send(0);
      });
    }
    for (int i = 0; i < 3; ++i) done.Recv();
    ASSERT_EQ(order.size(), 9u);
    for (int k = 0; k < 9; k += 3) {
      EXPECT_EQ(std::set<int>(order.begin() + k, order.begin() + k + 3).size(),
                3u);
    }
  });
}

TEST(Goroutine, GoschedAloneReturns) {
  RunWith(1, [] {
    for (int i = 0; i < 10000; ++i) Gosched();
  });
}

TEST(Goroutine, HasTheStackItAskedFor) {
  RunWith(1, [] {
    auto c = MakeChan<int>();
    for (size_t size : {size_t{64} << 10, size_t{4} << 20}) {
      GoOptions options;
      options.stack_size = size;
      Go(options, [c, size] {
        // Leaves room for the guard and what the callers of this use.
        const size_t use = size - (40 << 10);
        volatile char* p = static_cast<char*>(__builtin_alloca(use));
        for (size_t i = 0; i < use; i += 4096) p[i] = 1;
        c.Send(p[0]);
      });
      EXPECT_EQ(*c.Recv(), 1);
    }
  });
}

TEST(Goroutine, CallsOutsideOnePanic) {
  EXPECT_THROW(Go([] {}), Panic);
  EXPECT_THROW(Gosched(), Panic);
  EXPECT_THROW(Goexit(), Panic);
  EXPECT_THROW(NumGoroutine(), Panic);
  EXPECT_THROW(GOMAXPROCS(0), Panic);
  EXPECT_THROW(LockOSThread(), Panic);
  EXPECT_THROW(StopTheWorld("test"), Panic);
  EXPECT_GE(NumCPU(), 1);
}

TEST(Goroutine, DeepSpawnTreeEnds) {
  Runtime runtime(Procs(2));
  std::atomic<int> leaves{0};
  struct Tree {
    std::atomic<int>* leaves;
    void Grow(int depth) const {
      if (depth == 0) {
        ++*leaves;
        return;
      }
      for (int i = 0; i < 2; ++i) {
        Go([self = *this, depth] { self.Grow(depth - 1); });
      }
    }
  };
  runtime.Go([&] { Tree{&leaves}.Grow(10); });
  runtime.Wait();
  EXPECT_EQ(leaves.load(), 1 << 10);
}

}  // namespace
}  // namespace mpg
