// The text format of Prometheus ("Exposition formats", version 0.0.4).
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "runtime/figures.h"
#include "runtime/metric_table.h"
#include "runtime/metrics.h"

namespace mpg {
namespace metrics {
namespace {

using internal::Figures;
using internal::Metric;
using internal::TimeCounts;
using internal::TimeHistogram;

// client_golang: RuntimeMetricsToProm.
std::string PrometheusName(const Description& d) {
  absl::string_view name = d.name;
  // Ours would begin with mpg twice.
  absl::ConsumePrefix(&name, "/mpg");
  std::string out = absl::StrCat(
      "mpg", absl::StrReplaceAll(name, {{"/", "_"}, {"-", "_"}, {":", "_"}}));
  if (d.cumulative && d.kind != Kind::kFloat64Histogram) out += "_total";
  return out;
}

// The shortest text that means the same number.
std::string Number(double v) {
  for (int digits = 1; digits < 17; ++digits) {
    std::string text = absl::StrFormat("%.*g", digits, v);
    if (std::stod(text) == v) return text;
  }
  return absl::StrFormat("%.17g", v);
}

std::string Histogram(const std::string& name, const TimeCounts& times) {
  // A bucket for each power of four rather than all 138.
  constexpr int kEvery = 2 << TimeHistogram::kSubBits;
  std::string out;
  uint64_t sum = 0;
  for (int i = 0; i < TimeHistogram::kBuckets; ++i) {
    sum += times.counts[i];
    if (i % kEvery != 0 || i == TimeHistogram::kBuckets - 1) continue;
    const auto bound = static_cast<double>(TimeHistogram::LowerBound(i + 1));
    absl::StrAppend(&out, name, "_bucket{le=\"", Number(bound / 1e9), "\"} ",
                    sum, "\n");
  }
  absl::StrAppend(&out, name, "_bucket{le=\"+Inf\"} ", sum, "\n");
  absl::StrAppend(&out, name, "_sum ",
                  Number(static_cast<double>(times.sum_ns) / 1e9), "\n");
  absl::StrAppend(&out, name, "_count ", sum, "\n");
  return out;
}

absl::string_view TypeName(const Description& d) {
  if (d.kind == Kind::kFloat64Histogram) return "histogram";
  return d.cumulative ? "counter" : "gauge";
}

}  // namespace

std::string PrometheusText() {
  const Figures figures = internal::CollectFigures();
  std::string out;
  for (const Metric& m : internal::AllMetrics()) {
    const Description& d = m.description;
    const std::string name = PrometheusName(d);
    // Descriptions hold neither backslashes nor new lines.
    absl::StrAppend(&out, "# HELP ", name, " ", d.description, "\n# TYPE ",
                    name, " ", TypeName(d), "\n");
    if (m.times != nullptr) {
      out += Histogram(name, *m.times(figures));
    } else if (d.kind == Kind::kUint64) {
      absl::StrAppend(&out, name, " ", m.value(figures).Uint64(), "\n");
    } else {
      absl::StrAppend(&out, name, " ", Number(m.value(figures).Float64()),
                      "\n");
    }
  }
  return out;
}

}  // namespace metrics
}  // namespace mpg
