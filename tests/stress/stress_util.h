// What the stress tests share: seeds, and how much to do.
#ifndef MPG_TESTS_STRESS_STRESS_UTIL_H_
#define MPG_TESTS_STRESS_STRESS_UTIL_H_

#include <cstdint>
#include <cstdio>
#include <string>

#include "base/random.h"
#include "gtest/gtest.h"

namespace mpg {
namespace stress {

// A test for 1, 2, 4 and 8 Ps, with a seed of its own that a failure shows: run
// it again with MPG_SEED set to the process's seed, which is printed once.
class StressTest : public testing::TestWithParam<int> {
 protected:
  StressTest() : seed_(NextSeed()) {
    static const bool printed = [] {
      printf("MPG_SEED=%llu\n",
             static_cast<unsigned long long>(SeedFromEnvironment()));
      return true;
    }();
    (void)printed;
  }
  int procs() const { return GetParam(); }
  // The generator of the i-th actor.
  FastRand Rand(int i) const {
    return FastRand(seed_ + static_cast<uint64_t>(i) * 0x9e3779b97f4a7c15);
  }

 private:
  const uint64_t seed_;
};

inline std::string ProcsName(const testing::TestParamInfo<int>& info) {
  return std::to_string(info.param) + "P";
}

#define MPG_STRESS_AT_SEVERAL_PS(suite)                            \
  INSTANTIATE_TEST_SUITE_P(At, suite, testing::Values(1, 2, 4, 8), \
                           ::mpg::stress::ProcsName)

}  // namespace stress
}  // namespace mpg

#endif  // MPG_TESTS_STRESS_STRESS_UTIL_H_
