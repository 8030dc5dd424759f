#include "tools/trace/lane.h"

#include <algorithm>

namespace mpg {
namespace tracetool {

void LaneIndex::Add(int64_t start, int64_t end) {
  starts_.push_back(start);
  busy_.push_back(busy_.back() + (end - start));
}

void LaneIndex::Finish() {
  starts_.shrink_to_fit();
  busy_.shrink_to_fit();
  size_t below = size();
  while (below > kFan) {
    std::vector<uint32_t> level;
    level.reserve((below + kFan - 1) / kFan);
    for (size_t first = 0; first < below; first += kFan) {
      const auto at = [&](size_t i) {
        return longest_.empty() ? i : longest_.back()[i];
      };
      size_t best = at(first);
      for (size_t i = first + 1; i < std::min(first + kFan, below); ++i) {
        best = Longer(best, at(i));
      }
      level.push_back(static_cast<uint32_t>(best));
    }
    below = level.size();
    longest_.push_back(std::move(level));
  }
}

size_t LaneIndex::Longer(size_t a, size_t b) const {
  return Length(b) > Length(a) ? b : a;
}

// From `first` up, then down again to `last`: the largest blocks that fit between.
size_t LaneIndex::Longest(size_t first, size_t last) const {
  size_t best = first;
  size_t block = 1, level = 0;
  for (size_t i = first; i < last;) {
    while (level < longest_.size() && i % (block * kFan) == 0 &&
           i + block * kFan <= last) {
      block *= kFan;
      ++level;
    }
    while (i + block > last) {
      block /= kFan;
      --level;
    }
    best = Longer(best, level == 0 ? i : longest_[level - 1][i / block]);
    i += block;
  }
  return best;
}

size_t LaneIndex::StartsAt(size_t from, int64_t time) const {
  size_t step = 1, low = from;
  while (low + step < size() && starts_[low + step] < time) {
    low += step;
    step *= 2;
  }
  const auto begin = starts_.begin();
  const size_t high = std::min(low + step, size());
  return static_cast<size_t>(
      std::lower_bound(begin + static_cast<ptrdiff_t>(low),
                       begin + static_cast<ptrdiff_t>(high), time) -
      begin);
}

size_t LaneIndex::At(int64_t time) const {
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), time);
  const auto i = static_cast<size_t>(after - starts_.begin());
  return i > 0 && End(i - 1) > time ? i - 1 : i;
}

Cell LaneIndex::Merge(size_t first, size_t last) const {
  Cell cell;
  cell.start = starts_[first];
  cell.end = End(last - 1);
  cell.busy = busy_[last] - busy_[first];
  cell.first = first;
  cell.count = last - first;
  cell.longest = Longest(first, last);
  return cell;
}

std::vector<Cell> LaneIndex::Window(int64_t from, int64_t to,
                                    int64_t resolution) const {
  std::vector<Cell> cells;
  for (size_t i = At(from); i < size() && starts_[i] < to;) {
    const int64_t column = starts_[i] / resolution;
    const size_t next = StartsAt(i, (column + 1) * resolution);
    // Only the last of a column can reach beyond it.
    const size_t longer = Length(next - 1) >= resolution ? next - 1 : next;
    if (i < longer) cells.push_back(Merge(i, longer));
    if (longer < next) cells.push_back(Merge(longer, next));
    i = next;
  }
  return cells;
}

}  // namespace tracetool
}  // namespace mpg
