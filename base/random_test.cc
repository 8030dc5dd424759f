#include "base/random.h"

#include <stdlib.h>

#include <cstdint>
#include <cstdio>
#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace mpg {
namespace {

std::vector<uint32_t> Take(FastRand rand, int n) {
  std::vector<uint32_t> values;
  for (int i = 0; i < n; ++i) values.push_back(rand.Next());
  return values;
}

TEST(FastRand, ASeedGivesItsSequence) {
  EXPECT_EQ(Take(FastRand(1), 100), Take(FastRand(1), 100));
  EXPECT_NE(Take(FastRand(1), 100), Take(FastRand(2), 100));
  EXPECT_NE(Take(FastRand(0), 2)[0], Take(FastRand(0), 2)[1]);
}

TEST(FastRand, BelowStaysBelow) {
  FastRand rand(1);
  for (const uint32_t n : {1u, 2u, 3u, 7u, 61u, 1u << 31, 0xffffffffu}) {
    for (int i = 0; i < 1000; ++i) ASSERT_LT(rand.Below(n), n);
  }
  EXPECT_EQ(rand.Below(1), 0u);
}

// Chi-square over `cells` equal cells: its mean is cells - 1, its variance
// twice that. Six standard deviations do not happen; with fixed seeds they
// either never do or always.
void ExpectUniform(uint64_t seed, uint32_t cells) {
  FastRand rand(seed);
  std::vector<int> count(cells);
  const double expected = 1000;
  const int draws = static_cast<int>(expected) * static_cast<int>(cells);
  for (int i = 0; i < draws; ++i) ++count[rand.Below(cells)];
  double chi2 = 0;
  for (const int c : count) {
    chi2 += (c - expected) * (c - expected) / expected;
  }
  const double df = cells - 1;
  EXPECT_LT((chi2 - df) * (chi2 - df), 36 * 2 * df)
      << "seed " << seed << ", cells " << cells << ", chi-square " << chi2;
}

TEST(FastRand, BelowIsUniform) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    for (const uint32_t cells : {2, 3, 8, 61, 256}) ExpectUniform(seed, cells);
  }
}

TEST(FastRand, BitsAreUniform) {
  FastRand rand(7);
  int ones[32] = {};
  constexpr int kDraws = 100'000;
  for (int i = 0; i < kDraws; ++i) {
    const uint32_t v = rand.Next();
    for (int b = 0; b < 32; ++b) ones[b] += static_cast<int>(v >> b & 1);
  }
  // Standard deviation: sqrt(kDraws) / 2 = 158.
  for (const int n : ones) EXPECT_NEAR(n, kDraws / 2, 6 * 158);
}

// Neighbouring seeds, as NextSeed makes them, are not neighbouring sequences.
TEST(FastRand, FirstValuesOfManySeedsDiffer) {
  std::set<uint32_t> seen;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    seen.insert(FastRand(seed).Next());
  }
  EXPECT_GT(seen.size(), 990u);
}

TEST(Seed, IsTheSameAtEveryCall) {
  const uint64_t seed = SeedFromEnvironment();
  EXPECT_EQ(SeedFromEnvironment(), seed);
  std::thread([seed] { EXPECT_EQ(SeedFromEnvironment(), seed); }).join();
}

TEST(Seed, NextSeedDiffersAtEachCall) {
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(NextSeed());
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(ThreadRand, ThreadsHaveTheirOwn) {
  std::vector<uint32_t> mine, theirs;
  for (int i = 0; i < 10; ++i) mine.push_back(ThreadRand());
  std::thread([&] {
    for (int i = 0; i < 10; ++i) theirs.push_back(ThreadRand());
  }).join();
  EXPECT_NE(mine, theirs);
  EXPECT_GT(std::set<uint32_t>(mine.begin(), mine.end()).size(), 8u);
}

// The environment is read once, so each case needs a process of its own.
TEST(SeedDeathTest, IsTakenFromTheEnvironment) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        setenv("MPG_SEED", "12345", 1);
        exit(SeedFromEnvironment() == 12345 ? 7 : 1);
      },
      testing::ExitedWithCode(7), "");
}

// What any process with this seed gets for its first two calls.
TEST(SeedDeathTest, NextSeedCanBeRepeated) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const auto run = [] {
    setenv("MPG_SEED", "12345", 1);
    const uint64_t first = NextSeed();
    const uint64_t second = NextSeed();
    std::fprintf(stderr, "<%llx %llx>", static_cast<unsigned long long>(first),
                 static_cast<unsigned long long>(second));
    exit(7);
  };
  EXPECT_EXIT(run(), testing::ExitedWithCode(7),
              "<69810c7b48708594 8897d66cf208848b>");
}

TEST(SeedDeathTest, MustBeADecimalNumber) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        setenv("MPG_SEED", "0x12", 1);
        SeedFromEnvironment();
      },
      testing::ExitedWithCode(2), "MPG_SEED=0x12 is not a decimal number");
}

}  // namespace
}  // namespace mpg
