#include "runtime/stack/stack.h"

#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/status/status.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "runtime/stack/stack_memory.h"
#include "runtime/switch/fiber_san.h"

#if defined(MPG_ASAN)
#include <sanitizer/lsan_interface.h>
#endif

namespace mpg {
namespace internal {
namespace {

size_t ResidentKilobytes() {
  long total = 0;
  long resident = 0;
  FILE* const f = std::fopen("/proc/self/statm", "r");
  if (f != nullptr) {
    if (std::fscanf(f, "%ld %ld", &total, &resident) != 2) resident = 0;
    std::fclose(f);
  }
  return static_cast<size_t>(resident * (sysconf(_SC_PAGESIZE) >> 10));
}

Stack MustTake(StackCache& cache) {
  absl::Status why;
  const Stack s = cache.Take(&why);
  EXPECT_TRUE(s) << why;
  EXPECT_TRUE(why.ok());
  return s;
}

// Writes the stack's whole usable memory.
void Fill(const StackPool& pool, Stack s, int value) {
  std::memset(pool.Lo(s), value, pool.Usable(s));
}

TEST(StackPoolTest, MapsNothingBeforeTheFirstTake) {
  StackPool pool({});
  EXPECT_EQ(pool.Stats().bytes_mapped, 0u);
  StackCache cache(&pool);
  EXPECT_EQ(pool.Stats().bytes_mapped, 0u);
  const Stack s = MustTake(cache);
  EXPECT_GT(pool.Stats().bytes_mapped, 0u);
  cache.Give(s, false);
  cache.Flush();
}

TEST(StackPoolTest, StackIsAlignedWritableAndAsLargeAsAsked) {
  StackPoolOptions options;
  options.stack_size = 100 << 10;
  StackPool pool(options);
  EXPECT_EQ(pool.stack_size(), size_t{100} << 10);
  StackCache cache(&pool);
  std::vector<Stack> stacks;
  for (int i = 0; i < 100; ++i) {
    const Stack s = MustTake(cache);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(s.hi) % 64, 0u);
    EXPECT_GE(pool.Usable(s),
              (size_t{100} << 10) - StackPool::kGuardSize - 4096);
    Fill(pool, s, i);
    stacks.push_back(s);
  }
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(*pool.Lo(stacks[i]), static_cast<char>(i));
    EXPECT_EQ(stacks[i].hi[-1], static_cast<char>(i));
    cache.Give(stacks[i], false);
  }
  cache.Flush();
}

TEST(StackPoolTest, SmallestStackHasRoom) {
  StackPoolOptions options;
  options.stack_size = 1;
  StackPool pool(options);
  StackCache cache(&pool);
  const Stack s = MustTake(cache);
  EXPECT_GE(pool.Usable(s), size_t{8} << 10);
  Fill(pool, s, 1);
  cache.Give(s, /*deep=*/true);
  cache.Flush();
}

TEST(StackPoolTest, TopsOfNeighboursDifferInColour) {
  StackPoolOptions options;
  options.colours = 8;
  StackPool pool(options);
  StackCache cache(&pool);
  std::vector<Stack> stacks;
  std::set<uintptr_t> offsets;
  for (int i = 0; i < 32; ++i) {
    stacks.push_back(MustTake(cache));
    offsets.insert(reinterpret_cast<uintptr_t>(stacks.back().hi) % 4096);
  }
  EXPECT_EQ(offsets.size(), 8u);
  for (Stack s : stacks) cache.Give(s, false);
  cache.Flush();
}

TEST(StackCacheTest, TakesTheStackGivenLast) {
  StackPool pool({});
  StackCache cache(&pool);
  const Stack a = MustTake(cache);
  const Stack b = MustTake(cache);
  EXPECT_NE(a.hi, b.hi);
  cache.Give(a, false);
  cache.Give(b, false);
  EXPECT_EQ(MustTake(cache).hi, b.hi);
  EXPECT_EQ(MustTake(cache).hi, a.hi);
  cache.Give(a, false);
  cache.Give(b, false);
  cache.Flush();
}

TEST(StackCacheTest, TakeHotFindsOnlyWhatIsAtHand) {
  StackPool pool({});
  StackCache cache(&pool);
  EXPECT_FALSE(cache.TakeHot());
  const Stack a = MustTake(cache);
  std::vector<Stack> more;  // fetched along with the first
  while (Stack s = cache.TakeHot()) more.push_back(s);
  cache.Give(a, false);
  EXPECT_EQ(cache.TakeHot().hi, a.hi);
  cache.Give(a, false);
  for (Stack other : more) cache.Give(other, false);
  cache.Flush();
  EXPECT_FALSE(cache.TakeHot()) << "they are in the pool";
}

TEST(StackCacheTest, StacksGivenHereAreTakenElsewhere) {
  StackPool pool({});
  StackCache here(&pool);
  StackCache there(&pool);
  std::set<char*> given;
  for (int i = 0; i < 500; ++i) given.insert(MustTake(here).hi);
  for (char* hi : given) here.Give(Stack{hi}, false);
  here.Flush();
  std::vector<Stack> taken;
  for (int i = 0; i < 500; ++i) {
    taken.push_back(MustTake(there));
    EXPECT_EQ(given.erase(taken.back().hi), 1u);
  }
  for (Stack s : taken) there.Give(s, false);
  there.Flush();
}

TEST(StackPoolTest, CountsEveryStackOnce) {
  StackPool pool({});
  StackCache a(&pool);
  StackCache b(&pool);
  std::vector<Stack> stacks;
  for (int i = 0; i < 300; ++i) stacks.push_back(MustTake(i % 2 ? a : b));
  EXPECT_EQ(pool.Stats().in_use, 300u);
  for (int i = 0; i < 200; ++i) a.Give(stacks[i], false);
  StackStats stats = pool.Stats();
  EXPECT_EQ(stats.in_use, 100u);
  EXPECT_GE(stats.cached + stats.resting, 200u);
  for (int i = 200; i < 300; ++i) b.Give(stacks[i], false);
  a.Flush();
  b.Flush();
  stats = pool.Stats();
  EXPECT_EQ(stats.in_use, 0u);
  EXPECT_EQ(stats.cached, 0u);
  EXPECT_GE(stats.resting, 300u);
}

TEST(StackPoolTest, RandomTakesAndGivesNeverShareAStack) {
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE(seed);
  FastRand rand(seed);
  StackPool pool({});
  StackCache caches[3] = {StackCache(&pool), StackCache(&pool),
                          StackCache(&pool)};
  std::vector<std::pair<Stack, uint32_t>> used;
  std::set<char*> model;
  for (int i = 0; i < 20000; ++i) {
    StackCache& cache = caches[rand.Below(3)];
    // Long waves up and down, so that batches move both ways.
    const bool up = i / 1000 % 2 == 0;
    if (rand.Below(100) < (up ? 70u : 30u) || used.empty()) {
      const Stack s = MustTake(cache);
      ASSERT_TRUE(model.insert(s.hi).second) << "taken twice";
      const uint32_t tag = rand.Next();
      std::memcpy(s.hi - sizeof tag, &tag, sizeof tag);
      used.emplace_back(s, tag);
    } else {
      const size_t k = rand.Below(static_cast<uint32_t>(used.size()));
      const auto [s, tag] = used[k];
      ASSERT_EQ(std::memcmp(s.hi - sizeof tag, &tag, sizeof tag), 0);
      used[k] = used.back();
      used.pop_back();
      model.erase(s.hi);
      cache.Give(s, rand.Below(10) == 0);
    }
    if (rand.Below(500) == 0) cache.Flush();
    if (rand.Below(500) == 0) pool.Scavenge(64);
    if (i % 1000 == 0) {
      ASSERT_EQ(pool.Stats().in_use, used.size());
    }
  }
  for (auto& [s, tag] : used) caches[0].Give(s, false);
  for (StackCache& cache : caches) cache.Flush();
}

TEST(StackPoolTest, TrimKeepsTheTopAndGivesTheRestBack) {
  StackPool pool({});
  StackCache cache(&pool);
  const Stack s = MustTake(cache);
  Fill(pool, s, 7);
  pool.Trim(s);
  EXPECT_EQ(*pool.Lo(s), 0) << "given back";
  EXPECT_EQ(s.hi[-8192], 7) << "kept";
  cache.Give(s, false);
  cache.Flush();
}

TEST(StackPoolTest, MemoryGoesDownWhenDeepStacksAreGiven) {
  StackPool pool({});
  StackCache cache(&pool);
  std::vector<Stack> stacks;
  for (int i = 0; i < 200; ++i) stacks.push_back(MustTake(cache));
  for (Stack s : stacks) Fill(pool, s, 1);
  const size_t full = ResidentKilobytes();
  for (Stack s : stacks) cache.Give(s, /*deep=*/true);
  EXPECT_LT(ResidentKilobytes() + 200 * 180, full);
  cache.Flush();
}

TEST(StackCacheTest, DeepStackWithoutHintIsFoundBySampling) {
  StackPool pool({});
  StackCache cache(&pool);
  const Stack s = MustTake(cache);
  Fill(pool, s, 7);
  for (int i = 0; i < 2000; ++i) {
    cache.Give(s, false);
    ASSERT_EQ(MustTake(cache).hi, s.hi);
  }
  EXPECT_EQ(*pool.Lo(s), 0);
  cache.Give(s, false);
  cache.Flush();
}

TEST(StackPoolTest, ScavengeGivesBackOnlyWhatRestedSinceThePreviousCall) {
  StackPool pool({});
  StackCache cache(&pool);
  std::vector<Stack> stacks;
  for (int i = 0; i < 640; ++i) stacks.push_back(MustTake(cache));
  for (Stack s : stacks) Fill(pool, s, 1);
  const size_t full = ResidentKilobytes();
  for (Stack s : stacks) cache.Give(s, false);
  cache.Flush();
  const size_t resting = pool.Stats().resting;
  EXPECT_EQ(pool.Scavenge(SIZE_MAX), 0u) << "they came just now";
  for (int i = 0; i < 320; ++i) stacks[i] = MustTake(cache);
  for (int i = 0; i < 320; ++i) cache.Give(stacks[i], false);
  cache.Flush();
  EXPECT_EQ(pool.Scavenge(64), 64u) << "at most what was asked for";
  EXPECT_EQ(pool.Stats().clean, 64u);
  // The 320 that were taken and given meanwhile are in their second period now.
  EXPECT_EQ(pool.Scavenge(SIZE_MAX) + pool.Scavenge(SIZE_MAX), resting - 64);
  EXPECT_EQ(pool.Stats().resting, 0u);
  EXPECT_LT(ResidentKilobytes() + 640 * 200, full);
}

TEST(StackPoolTest, ScavengedStacksAreTakenAgainAndStillGuarded) {
  StackPool pool({});
  StackCache cache(&pool);
  std::vector<Stack> stacks;
  for (int i = 0; i < 64; ++i) stacks.push_back(MustTake(cache));
  for (Stack s : stacks) Fill(pool, s, 1);
  for (Stack s : stacks) cache.Give(s, false);
  cache.Flush();
  pool.Scavenge(SIZE_MAX);
  ASSERT_GE(pool.Scavenge(SIZE_MAX), 64u);
  // Some were fetched along with the 64 and never taken.
  const size_t clean = pool.Stats().clean;
  const size_t mapped = pool.Stats().bytes_mapped;
  std::set<char*> again;
  for (size_t i = 0; i < clean; ++i) {
    const Stack s = MustTake(cache);
    EXPECT_EQ(*pool.Lo(s), 0);
    Fill(pool, s, 2);
    again.insert(s.hi);
  }
  EXPECT_EQ(pool.Stats().bytes_mapped, mapped);
  for (Stack s : stacks) EXPECT_EQ(again.count(s.hi), 1u);
  EXPECT_DEATH(pool.Lo(stacks[0])[-1] = 1, "");
  for (char* hi : again) cache.Give(Stack{hi}, false);
  cache.Flush();
}

TEST(StackPoolTest, GuardHitNamesTheStackThatOverflowed) {
  StackPool pool({});
  StackCache cache(&pool);
  const Stack a = MustTake(cache);
  const Stack b = MustTake(cache);
  Stack hit;
  EXPECT_TRUE(pool.IsGuardHit(pool.Lo(a) - 1, &hit));
  EXPECT_EQ(hit.hi, a.hi);
  EXPECT_TRUE(pool.IsGuardHit(pool.Lo(b) - StackPool::kGuardSize, &hit));
  EXPECT_EQ(hit.hi, b.hi);
  EXPECT_FALSE(pool.IsGuardHit(pool.Lo(a), &hit));
  EXPECT_FALSE(pool.IsGuardHit(a.hi - 1, &hit));
  EXPECT_FALSE(pool.IsGuardHit(&hit, &hit));
  EXPECT_FALSE(pool.IsGuardHit(nullptr, &hit));
  cache.Give(a, false);
  cache.Give(b, false);
  cache.Flush();
}

using StackDeathTest = ::testing::Test;

TEST(StackDeathTest, AllOfTheGuardFaultsAndTheNeighboursDoNot) {
  ::testing::FLAGS_gtest_death_test_style = "fast";
  StackPool pool({});
  StackCache cache(&pool);
  std::vector<Stack> stacks;
  for (int i = 0; i < 3; ++i) stacks.push_back(MustTake(cache));
  for (Stack s : stacks) Fill(pool, s, 3);
  char* const lo = pool.Lo(stacks[1]);
  EXPECT_DEATH(lo[-1] = 1, "");
  EXPECT_DEATH(lo[-static_cast<long>(StackPool::kGuardSize)] = 1, "");
  EXPECT_DEATH(lo[-5000] = 1, "");
  for (Stack s : stacks) EXPECT_EQ(*pool.Lo(s), 3);
  for (Stack s : stacks) cache.Give(s, false);
  cache.Flush();
}

// A kernel that lacks or refuses things.
class FakeSyscalls : public StackSyscalls {
 public:
  void* Map(size_t size) override {
    if (size > largest_map) {
      errno = ENOMEM;
      return nullptr;
    }
    ++maps;
    return StackSyscalls::Map(size);
  }
  int Unmap(void* base, size_t size) override {
    ++unmaps;
    return StackSyscalls::Unmap(base, size);
  }
  int Advise(void* base, size_t size, int advice) override {
    if (advice == kGuardInstall && guard_error != 0) {
      errno = guard_error;
      return -1;
    }
    return StackSyscalls::Advise(base, size, advice);
  }
  ssize_t AdviseMany(const iovec* ranges, int count, int advice) override {
    if (many_error != 0 || (advice == kGuardInstall && guard_error != 0)) {
      errno = many_error != 0 ? many_error : guard_error;
      return -1;
    }
    if (partial) return StackSyscalls::AdviseMany(ranges, count / 2, advice);
    return StackSyscalls::AdviseMany(ranges, count, advice);
  }
  int ProtectNone(void* base, size_t size) override {
    if (protect_error != 0) {
      errno = protect_error;
      return -1;
    }
    ++protects;
    return StackSyscalls::ProtectNone(base, size);
  }

  static constexpr int kGuardInstall = 102;
  size_t largest_map = SIZE_MAX;
  int many_error = 0;
  int guard_error = 0;
  int protect_error = 0;
  bool partial = false;
  int maps = 0;
  int unmaps = 0;
  int protects = 0;
};

StackPoolOptions With(FakeSyscalls* fake) {
  StackPoolOptions options;
  options.syscalls = fake;
  return options;
}

void ExpectGuarded(FakeSyscalls* fake) {
  StackPool pool(With(fake));
  StackCache cache(&pool);
  std::vector<Stack> stacks;
  for (int i = 0; i < 10; ++i) stacks.push_back(MustTake(cache));
  for (Stack s : stacks) EXPECT_DEATH(pool.Lo(s)[-1] = 1, "");
  for (Stack s : stacks) Fill(pool, s, 1);
  for (Stack s : stacks) cache.Give(s, true);
  cache.Flush();
}

TEST(StackDeathTest, GuardsWithoutProcessMadvise) {
  FakeSyscalls fake;
  fake.many_error = EBADF;
  ExpectGuarded(&fake);
}

TEST(StackDeathTest, GuardsWhenTheKernelStopsHalfway) {
  FakeSyscalls fake;
  fake.partial = true;
  ExpectGuarded(&fake);
}

TEST(StackDeathTest, GuardsByMprotectOnAnOldKernel) {
  FakeSyscalls fake;
  fake.guard_error = EINVAL;
  ExpectGuarded(&fake);
  EXPECT_GE(fake.protects, 10);
}

TEST(StackPoolFailureTest, RefusedAddressSpaceIsReportedAndMayBeRetried) {
  FakeSyscalls fake;
  fake.largest_map = 0;
  StackPool pool(With(&fake));
  StackCache cache(&pool);
  absl::Status why;
  EXPECT_FALSE(cache.Take(&why));
  EXPECT_EQ(why.code(), absl::ErrnoToStatusCode(ENOMEM));
  EXPECT_NE(std::string(why.message()).find("mmap"), std::string::npos) << why;
  fake.largest_map = SIZE_MAX;
  const Stack s = MustTake(cache);
  cache.Give(s, false);
  cache.Flush();
}

TEST(StackPoolFailureTest, LittleAddressSpaceGivesSmallSlabs) {
  FakeSyscalls fake;
  fake.largest_map = 4 << 20;
  {
    StackPool pool(With(&fake));
    StackCache cache(&pool);
    std::vector<Stack> stacks;
    for (int i = 0; i < 100; ++i) stacks.push_back(MustTake(cache));
    for (Stack s : stacks) Fill(pool, s, 1);
    for (Stack s : stacks) cache.Give(s, false);
    cache.Flush();
    EXPECT_GT(fake.maps, 1);
  }
  EXPECT_EQ(fake.unmaps, fake.maps) << "all returned";
}

TEST(StackPoolFailureTest, RunningOutOfSlabsIsReported) {
  FakeSyscalls fake;
  fake.largest_map = 540 << 10;  // one stack a slab
  StackPool pool(With(&fake));
  StackCache cache(&pool);
  absl::Status why;
  std::vector<Stack> stacks;
  for (;;) {
    const Stack s = cache.Take(&why);
    if (!s) break;
    stacks.push_back(s);
  }
  EXPECT_EQ(why.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(stacks.size(), 128u);
  for (Stack s : stacks) cache.Give(s, false);
  cache.Flush();
}

TEST(StackPoolFailureTest, RefusedGuardIsReportedAndNoStackIsLost) {
  FakeSyscalls fake;
  fake.guard_error = EINVAL;
  fake.protect_error = ENOMEM;
  StackPool pool(With(&fake));
  StackCache cache(&pool);
  absl::Status why;
  for (int i = 0; i < 100; ++i) {
    why = absl::OkStatus();
    EXPECT_FALSE(cache.Take(&why));
    EXPECT_NE(std::string(why.message()).find("max_map_count"),
              std::string::npos)
        << why;
  }
  EXPECT_EQ(pool.Stats().in_use, 0u);
  EXPECT_EQ(fake.maps, 1);
  fake.protect_error = 0;
  std::set<char*> stacks;
  // Refills of 2, 4, 8, 16 and 32 stacks.
  for (int i = 0; i < 62; ++i) stacks.insert(MustTake(cache).hi);
  EXPECT_EQ(stacks.size(), 62u);
  EXPECT_EQ(fake.maps, 1) << "the slots that had no guard were used";
  EXPECT_EQ(fake.protects, 62);
  for (char* hi : stacks) cache.Give(Stack{hi}, false);
  cache.Flush();
}

#if defined(MPG_ASAN)
// Makes the stack the only place that refers to the object.
ABSL_ATTRIBUTE_NOINLINE uintptr_t PlaceObject(Stack s) {
  const char* const object = new char[100];
  std::memcpy(s.hi - 64, &object, sizeof object);
  return ~reinterpret_cast<uintptr_t>(object);
}

TEST(StackPoolTest, ObjectsThatOnlyAStackRefersToAreNoLeaks) {
  StackPool pool({});
  StackCache cache(&pool);
  const Stack s = MustTake(cache);
  const uintptr_t complement = PlaceObject(s);
  EXPECT_EQ(__lsan_do_recoverable_leak_check(), 0);
  delete[] reinterpret_cast<char*>(~complement);
  cache.Give(s, false);
  cache.Flush();
}
#endif

}  // namespace
}  // namespace internal
}  // namespace mpg
