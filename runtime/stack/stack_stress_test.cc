// Many processors at once, and many stacks at once.
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/lock.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "runtime/stack/stack.h"
#include "runtime/switch/fiber_san.h"

namespace mpg {
namespace internal {
namespace {

#if defined(MPG_ASAN) || defined(MPG_TSAN)
constexpr int kRounds = 5000;
#else
constexpr int kRounds = 50000;
#endif

// What one processor leaves for another to give back.
struct Exchange {
  RuntimeLock mu;
  std::vector<Stack> stacks ABSL_GUARDED_BY(mu);
};

void Work(StackPool* pool, Exchange* exchange, uint64_t seed) {
  FastRand rand(seed);
  StackCache cache(pool);
  std::vector<Stack> mine;
  absl::Status why;
  const auto check_and_give = [&](Stack s) {
    char* mark;
    std::memcpy(&mark, s.hi - sizeof mark, sizeof mark);
    ASSERT_EQ(mark, s.hi) << "somebody else wrote to it";
    mark = nullptr;
    std::memcpy(s.hi - sizeof mark, &mark, sizeof mark);
    cache.Give(s, rand.Below(50) == 0);
  };
  for (int i = 0; i < kRounds; ++i) {
    const bool up = i / 500 % 2 == 0;
    if (mine.empty() || rand.Below(100) < (up ? 65u : 35u)) {
      const Stack s = cache.Take(&why);
      ASSERT_TRUE(s) << why;
      std::memcpy(s.hi - sizeof s.hi, &s.hi, sizeof s.hi);
      mine.push_back(s);
      continue;
    }
    Stack s = mine.back();
    mine.pop_back();
    if (rand.Below(4) == 0) {
      RuntimeLockGuard lock(exchange->mu);
      exchange->stacks.push_back(s);
      s = exchange->stacks.front();
      exchange->stacks.front() = exchange->stacks.back();
      exchange->stacks.pop_back();
    }
    check_and_give(s);
    if (rand.Below(300) == 0) cache.Flush();
  }
  for (Stack s : mine) check_and_give(s);
  cache.Flush();
}

TEST(StackStressTest, ProcessorsAndScavengerShareAPool) {
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE(seed);
  StackPool pool({});
  Exchange exchange;
  std::atomic<bool> stop{false};
  std::thread scavenger([&] {
    Stack hit;
    while (!stop.load()) {
      pool.Scavenge(200);
      const StackStats stats = pool.Stats();
      EXPECT_LE(stats.resting + stats.clean, 1u << 20);
      EXPECT_FALSE(pool.IsGuardHit(&hit, &hit));
      usleep(200);
    }
  });
  std::vector<std::thread> workers;
  for (uint64_t i = 0; i < 4; ++i) {
    workers.emplace_back(Work, &pool, &exchange, seed + i);
  }
  for (std::thread& t : workers) t.join();
  stop.store(true);
  scavenger.join();
  const StackStats stats = pool.Stats();
  RuntimeLockGuard lock(exchange.mu);
  EXPECT_EQ(stats.in_use, exchange.stacks.size());
  EXPECT_EQ(stats.cached, 0u);
}

size_t MappingsOfThisProcess() {
  FILE* const f = std::fopen("/proc/self/maps", "r");
  if (f == nullptr) return 0;
  size_t lines = 0;
  for (int c; (c = std::fgetc(f)) != EOF;) lines += c == '\n';
  std::fclose(f);
  return lines;
}

size_t PagesOfThisProcess() {
  FILE* const f = std::fopen("/proc/self/statm", "r");
  long total = 0, resident = 0;
  if (f == nullptr) return 0;
  if (std::fscanf(f, "%ld %ld", &total, &resident) != 2) resident = 0;
  std::fclose(f);
  return static_cast<size_t>(resident);
}

bool KernelHasGuardInstall() {
  void* const p = mmap(nullptr, 4096, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const bool has = madvise(p, 4096, 102) == 0;
  munmap(p, 4096);
  return has;
}

TEST(StackStressTest, AMillionStacksFitTheDefaultMapCount) {
#if defined(MPG_ASAN) || defined(MPG_TSAN)
  GTEST_SKIP() << "guards are mappings, or fibers are few, under a sanitizer";
#endif
  if (!KernelHasGuardInstall()) {
    GTEST_SKIP() << "needs MADV_GUARD_INSTALL (Linux 6.13)";
  }
  constexpr size_t kStacks = 1000000;
  constexpr size_t kTouched = 20000;
  StackPool pool({});
  StackCache cache(&pool);
  absl::Status why;
  std::vector<Stack> stacks(kStacks);
  for (Stack& s : stacks) {
    s = cache.Take(&why);
    ASSERT_TRUE(s) << why;
  }
  EXPECT_LT(MappingsOfThisProcess(), 1000u);
  EXPECT_EQ(pool.Stats().in_use, kStacks);
  const size_t before = PagesOfThisProcess();
  for (size_t i = 0; i < kStacks; i += kStacks / kTouched) {
    std::memset(stacks[i].hi - 2048, 1, 2048);
  }
  const size_t grown = PagesOfThisProcess() - before;
  EXPECT_GE(grown, kTouched * 9 / 10);
  EXPECT_LE(grown, kTouched * 11 / 10) << "one page a stack";
  for (Stack s : stacks) cache.Give(s, false);
  cache.Flush();
  pool.Scavenge(SIZE_MAX);
  EXPECT_GE(pool.Scavenge(SIZE_MAX), kStacks);
  // What is left are the pool's two lists.
  EXPECT_LE(PagesOfThisProcess(),
            before + kTouched / 10 + 2 * kStacks * sizeof(Stack) / 4096);
}

}  // namespace
}  // namespace internal
}  // namespace mpg
