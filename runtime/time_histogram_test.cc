#include "runtime/time_histogram.h"

#include <cstdint>

#include "gtest/gtest.h"

namespace mpg {
namespace internal {
namespace {

TEST(TimeHistogramTest, BoundsRiseByAQuarterAtMost) {
  EXPECT_EQ(TimeHistogram::LowerBound(0), 0);
  EXPECT_EQ(TimeHistogram::LowerBound(1), 64);
  for (int i = 2; i < TimeHistogram::kBuckets; ++i) {
    const int64_t before = TimeHistogram::LowerBound(i - 1);
    const int64_t bound = TimeHistogram::LowerBound(i);
    EXPECT_GT(bound, before);
    EXPECT_LE((bound - before) * 4, before);
  }
  EXPECT_EQ(TimeHistogram::LowerBound(TimeHistogram::kBuckets - 1),
            int64_t{1} << 40);
}

TEST(TimeHistogramTest, EachBoundBelongsToItsBucket) {
  for (int i = 1; i < TimeHistogram::kBuckets; ++i) {
    const int64_t bound = TimeHistogram::LowerBound(i);
    EXPECT_EQ(TimeHistogram::BucketOf(bound), i);
    EXPECT_EQ(TimeHistogram::BucketOf(bound - 1), i - 1);
  }
  EXPECT_EQ(TimeHistogram::BucketOf(INT64_MAX), TimeHistogram::kBuckets - 1);
  EXPECT_EQ(TimeHistogram::BucketOf(INT64_MIN), 0);
}

TEST(TimeHistogramTest, CountsAndSums) {
  TimeHistogram h;
  h.Record(-5);
  h.Record(63);
  h.Record(64);
  h.Record(1000);
  EXPECT_EQ(h.Count(0), 2u);
  EXPECT_EQ(h.Count(1), 1u);
  EXPECT_EQ(h.Count(TimeHistogram::BucketOf(1000)), 1u);
  EXPECT_EQ(h.Sum(), 63u + 64u + 1000u);
}

}  // namespace
}  // namespace internal
}  // namespace mpg
