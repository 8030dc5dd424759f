// What timer_heap_fuzzer does, on bytes from a generator: runs everywhere.
#include <cstdint>
#include <cstdio>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"
#include "timer/timer_heap_model.h"

namespace mpg {
namespace {

TEST(TimerHeapFuzz, RandomOperationsBehaveAsAMultimap) {
  const uint64_t seed = SeedFromEnvironment();
  std::printf("MPG_SEED=%llu\n", static_cast<unsigned long long>(seed));
  FastRand rand(seed);
  int64_t fired = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<uint8_t> bytes(3 * (1 + rand.Below(400)));
    for (uint8_t& b : bytes) b = static_cast<uint8_t>(rand.Next() >> 24);
    timer_test::ModelRun run;
    run.Run(bytes.data(), bytes.size());
    fired += run.fired();
  }
  EXPECT_GT(fired, 1000);
}

}  // namespace
}  // namespace mpg
