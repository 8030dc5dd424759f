// LaneIndex: the stretches of one lane of the timeline, at any zoom.
//
// A picture of a lane, some thousand pixels wide, can show no more than a cell or two
// for each pixel; a lane may have millions of stretches. Window gives what there is to
// draw and takes a time of its size, whatever the number of stretches: a binary search
// for each pixel, sums by prefix, the longest of many by a pyramid of blocks.
//
// Takes 17 bytes a stretch.
//
// Thread safety: none while stretches are added; after that, any number of readers.
#ifndef MPG_TOOLS_TRACE_LANE_H_
#define MPG_TOOLS_TRACE_LANE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mpg {
namespace tracetool {

// One stretch, or several that are drawn as one.
struct Cell {
  int64_t start = 0, end = 0;
  int64_t busy = 0;  // the sum of the stretches' lengths
  size_t first = 0;  // positions in the lane
  size_t count = 0;
  size_t longest = 0;  // the first of the longest
};

class LaneIndex {
 public:
  // In the order of start; each ends where the next one starts or earlier.
  void Add(int64_t start, int64_t end);
  // Adds what Window needs. After the last Add.
  void Finish();

  size_t size() const { return starts_.size(); }

  // What is to be seen from `from` to `to` (not included), with columns of
  // `resolution` ns: column k has the times from k * resolution on. A stretch as long as
  // a column is a cell of its own. The others that begin in one column, and have no
  // longer one between them, are one cell. So there are two cells a column at most.
  // REQUIRES: resolution > 0.
  std::vector<Cell> Window(int64_t from, int64_t to, int64_t resolution) const;

  // The stretch at `time`, or else the first after it, or size().
  size_t At(int64_t time) const;

 private:
  // Blocks of so many are summed up in one of the next level.
  static constexpr size_t kFan = 16;

  int64_t Length(size_t i) const { return busy_[i + 1] - busy_[i]; }
  int64_t End(size_t i) const { return starts_[i] + Length(i); }
  // The first from `from` on that starts at `time` or later; near `from` soon found.
  size_t StartsAt(size_t from, int64_t time) const;
  size_t Longer(size_t a, size_t b) const;
  size_t Longest(size_t first, size_t last) const;
  Cell Merge(size_t first, size_t last) const;

  std::vector<int64_t> starts_;
  std::vector<int64_t> busy_ = {
      0};  // before each stretch: the lengths of all earlier
  // Level n has, for each kFan to the power of n + 1 stretches, the longest.
  std::vector<std::vector<uint32_t>> longest_;
};

}  // namespace tracetool
}  // namespace mpg

#endif  // MPG_TOOLS_TRACE_LANE_H_
