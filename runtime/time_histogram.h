// TimeHistogram: how often times of which length came, in buckets whose width is
// a quarter of a power of two. Go: timeHistogram (histogram.go).
//
// Bucket 0 counts times below 64 ns; the buckets from there on each cover a quarter
// of the way from one power of two to the next, up to 2^40 ns (18 minutes); the
// last one counts all that is longer. A time is so known to 25 %.
//
// Thread safety: one writer at a time; any thread may read meanwhile, and gets
// each count as it is at some recent moment.
#ifndef MPG_RUNTIME_TIME_HISTOGRAM_H_
#define MPG_RUNTIME_TIME_HISTOGRAM_H_

#include <cstdint>

#include "runtime/owner_cell.h"

namespace mpg {
namespace internal {

class TimeHistogram {
 public:
  static constexpr int kMinBits = 6;
  static constexpr int kMaxBits = 40;
  static constexpr int kSubBits = 2;
  static constexpr int kBuckets = ((kMaxBits - kMinBits) << kSubBits) + 2;

  // By the one writer. A negative time counts as zero.
  void Record(int64_t ns) {
    counts_[BucketOf(ns)].Add(1);
    if (ns > 0) sum_.Add(static_cast<uint64_t>(ns));
  }

  uint64_t Count(int bucket) const { return counts_[bucket].Get(); }

  // Of all times, in nanoseconds.
  uint64_t Sum() const { return sum_.Get(); }

  // The least time that falls into a bucket, in nanoseconds.
  static constexpr int64_t LowerBound(int bucket) {
    if (bucket == 0) return 0;
    const int k = bucket - 1;
    const int power = kMinBits + (k >> kSubBits);
    const int64_t sub = k & ((1 << kSubBits) - 1);
    return (int64_t{1} << power) + (sub << (power - kSubBits));
  }

  static int BucketOf(int64_t ns) {
    if (ns < int64_t{1} << kMinBits) return 0;
    if (ns >= int64_t{1} << kMaxBits) return kBuckets - 1;
    const int power = 63 - __builtin_clzll(static_cast<uint64_t>(ns));
    const int sub =
        static_cast<int>(ns >> (power - kSubBits)) & ((1 << kSubBits) - 1);
    return 1 + ((power - kMinBits) << kSubBits) + sub;
  }

 private:
  OwnerCounter counts_[kBuckets];
  OwnerCounter sum_;
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_TIME_HISTOGRAM_H_
