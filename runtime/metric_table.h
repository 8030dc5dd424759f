// The table behind runtime/metrics.h. Internal.
#ifndef MPG_RUNTIME_METRIC_TABLE_H_
#define MPG_RUNTIME_METRIC_TABLE_H_

#include "absl/types/span.h"
#include "runtime/figures.h"
#include "runtime/metrics.h"

namespace mpg {
namespace internal {

struct Metric {
  metrics::Description description;
  metrics::Value (*value)(const Figures& f);
  // The times behind a histogram; null: it is none.
  const TimeCounts* (*times)(const Figures& f) = nullptr;
};

absl::Span<const Metric> AllMetrics();

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_METRIC_TABLE_H_
