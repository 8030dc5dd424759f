#include "runtime/stack/ring.h"

#include <cstdint>
#include <deque>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"

namespace mpg {
namespace internal {
namespace {

TEST(RingTest, PopsKeepTheOrderOfPushes) {
  Ring<int> ring;
  ring.Reserve(5);
  const int in[] = {1, 2, 3, 4, 5};
  ring.PushBack(in, 5);
  int out[5] = {};
  EXPECT_EQ(ring.PopBack(out, 2), 2u);
  EXPECT_EQ(out[0], 4);
  EXPECT_EQ(out[1], 5);
  EXPECT_EQ(ring.PopFront(out, 2), 2u);
  EXPECT_EQ(out[0], 1);
  EXPECT_EQ(out[1], 2);
  EXPECT_EQ(ring.PopBack(out, 9), 1u);
  EXPECT_EQ(out[0], 3);
  EXPECT_EQ(ring.PopFront(out, 9), 0u);
}

TEST(RingTest, AgreesWithDeque) {
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE(seed);
  FastRand rand(seed);
  Ring<uint32_t> ring;
  std::deque<uint32_t> model;
  for (int i = 0; i < 20000; ++i) {
    const uint32_t n = rand.Below(40);
    std::vector<uint32_t> got(n);
    switch (rand.Below(3)) {
      case 0: {
        std::vector<uint32_t> values(n);
        for (uint32_t& v : values) v = rand.Next();
        ring.Reserve(model.size() + n);
        ring.PushBack(values.data(), n);
        model.insert(model.end(), values.begin(), values.end());
        break;
      }
      case 1: {
        got.resize(ring.PopFront(got.data(), n));
        const auto end = model.begin() + static_cast<long>(got.size());
        ASSERT_EQ(got, std::vector<uint32_t>(model.begin(), end));
        model.erase(model.begin(), end);
        break;
      }
      default: {
        got.resize(ring.PopBack(got.data(), n));
        const auto begin = model.end() - static_cast<long>(got.size());
        ASSERT_EQ(got, std::vector<uint32_t>(begin, model.end()));
        model.erase(begin, model.end());
      }
    }
    ASSERT_EQ(ring.Size(), model.size());
  }
}

}  // namespace
}  // namespace internal
}  // namespace mpg
