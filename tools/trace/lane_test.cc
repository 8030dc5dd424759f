// The index against a model that looks at every stretch.
#include "tools/trace/lane.h"

#include <algorithm>
#include <random>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"

namespace mpg {
namespace tracetool {
namespace {

struct Stretch {
  int64_t start, end;
};

LaneIndex IndexOf(const std::vector<Stretch>& stretches) {
  LaneIndex lane;
  for (const Stretch& s : stretches) lane.Add(s.start, s.end);
  lane.Finish();
  return lane;
}

size_t ModelAt(const std::vector<Stretch>& all, int64_t time) {
  size_t i = 0;
  while (i < all.size() && all[i].end <= time && all[i].start <= time) ++i;
  return i;
}

// Straight from Window's comment.
std::vector<Cell> Model(const std::vector<Stretch>& all, int64_t from,
                        int64_t to, int64_t resolution) {
  std::vector<Cell> cells;
  bool open = false;  // the last cell takes more
  for (size_t i = ModelAt(all, from); i < all.size(); ++i) {
    const Stretch& s = all[i];
    const int64_t length = s.end - s.start;
    // A column is whole though `to` lies in it.
    const bool same_column =
        !cells.empty() &&
        cells.back().start / resolution == s.start / resolution;
    if (s.start >= to && !same_column) break;
    const bool wide = length >= resolution;
    if (wide || !open || !same_column) {
      Cell cell;
      cell.start = s.start;
      cell.first = cell.longest = i;
      cells.push_back(cell);
    }
    Cell& cell = cells.back();
    cell.end = s.end;
    cell.busy += length;
    ++cell.count;
    if (length > all[cell.longest].end - all[cell.longest].start) {
      cell.longest = i;
    }
    open = !wide;
  }
  return cells;
}

void ExpectSame(const std::vector<Cell>& got, const std::vector<Cell>& want) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].start, want[i].start) << i;
    EXPECT_EQ(got[i].end, want[i].end) << i;
    EXPECT_EQ(got[i].busy, want[i].busy) << i;
    EXPECT_EQ(got[i].first, want[i].first) << i;
    EXPECT_EQ(got[i].count, want[i].count) << i;
    EXPECT_EQ(got[i].longest, want[i].longest) << i;
  }
}

// Lengths and gaps of every magnitude, none of them sometimes.
std::vector<Stretch> RandomLane(std::mt19937_64* random, size_t size) {
  const auto magnitude = [&] {
    return static_cast<int64_t>((*random)() >> (48 + (*random)() % 16)) - 1;
  };
  std::vector<Stretch> lane;
  int64_t now = 0;
  for (size_t i = 0; i < size; ++i) {
    now += std::max<int64_t>(0, magnitude() / 8);
    const int64_t end = now + std::max<int64_t>(0, magnitude());
    lane.push_back({now, end});
    now = end;
  }
  return lane;
}

TEST(LaneIndexTest, IsAsTheModelSays) {
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE(testing::Message() << "MPG_SEED=" << seed);
  std::mt19937_64 random(seed);
  for (const size_t size : {1u, 2u, 15u, 16u, 17u, 300u, 5000u}) {
    const std::vector<Stretch> stretches = RandomLane(&random, size);
    const LaneIndex lane = IndexOf(stretches);
    const int64_t duration = stretches.back().end + 1;
    for (int i = 0; i < 100; ++i) {
      const auto time = [&] {
        return static_cast<int64_t>(random() % static_cast<uint64_t>(duration));
      };
      int64_t from = time(), to = time();
      if (i == 0) from = 0, to = duration;
      if (from > to) std::swap(from, to);
      const int64_t resolution =
          1 + static_cast<int64_t>(random() >> (random() % 63 + 1)) % duration;
      ExpectSame(lane.Window(from, to, resolution),
                 Model(stretches, from, to, resolution));
      EXPECT_EQ(lane.At(from), ModelAt(stretches, from));
      if (HasFatalFailure() || HasNonfatalFailure()) {
        FAIL() << size << " stretches, " << from << " to " << to << " by "
               << resolution;
      }
    }
  }
}

TEST(LaneIndexTest, HasTwoCellsAColumnAtMostAndLosesNothing) {
  const uint64_t seed = SeedFromEnvironment();
  SCOPED_TRACE(testing::Message() << "MPG_SEED=" << seed);
  std::mt19937_64 random(seed);
  const std::vector<Stretch> stretches = RandomLane(&random, 20000);
  const LaneIndex lane = IndexOf(stretches);
  int64_t busy = 0;
  for (const Stretch& s : stretches) busy += s.end - s.start;
  const int64_t duration = stretches.back().end;
  // From before the start: the first stretch may have no length.
  for (const int64_t width : {1, 10, 1000, 100000}) {
    const int64_t resolution = duration / width + 1;
    const std::vector<Cell> cells = lane.Window(-1, duration + 1, resolution);
    EXPECT_LE(cells.size(), 2 * static_cast<size_t>(width));
    int64_t sum = 0;
    size_t count = 0;
    for (const Cell& cell : cells) {
      sum += cell.busy;
      count += cell.count;
    }
    EXPECT_EQ(sum, busy);
    EXPECT_EQ(count, stretches.size());
  }
}

TEST(LaneIndexTest, AnEmptyLaneHasNothing) {
  const LaneIndex lane = IndexOf({});
  EXPECT_TRUE(lane.Window(0, 1000, 1).empty());
  EXPECT_EQ(lane.At(0), 0u);
}

TEST(LaneIndexTest, FindsWhatIsAtATime) {
  const LaneIndex lane = IndexOf({{10, 20}, {20, 30}, {40, 50}});
  EXPECT_EQ(lane.At(0), 0u);
  EXPECT_EQ(lane.At(10), 0u);
  EXPECT_EQ(lane.At(20), 1u);
  EXPECT_EQ(lane.At(30), 2u);
  EXPECT_EQ(lane.At(49), 2u);
  EXPECT_EQ(lane.At(50), 3u);
}

}  // namespace
}  // namespace tracetool
}  // namespace mpg
