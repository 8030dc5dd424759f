// Metrics: what the scheduler counts and measures, under Go's names where Go has
// one. Go: package runtime/metrics.
//
//   std::vector<mpg::metrics::Sample> s = {{"/sched/goroutines:goroutines"}};
//   mpg::metrics::Read(absl::MakeSpan(s));
//   uint64_t n = s[0].value.Uint64();
//
// and for Prometheus, as the body of a page:
//
//   response.type = mpg::metrics::kPrometheusContentType;
//   response.body = mpg::metrics::PrometheusText();
//
// The figures are those of all Runtimes of the process together; what a Runtime that
// has ended counted stays counted. SchedStats (Runtime::Stats) has the same for one.
//
// Reading stops nobody and costs some microseconds; figures that are read together
// are not of one instant. Counting is always on.
//
// Thread safety: all functions from any goroutine or thread. None parks.
#ifndef MPG_RUNTIME_METRICS_H_
#define MPG_RUNTIME_METRICS_H_

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace mpg {
namespace metrics {

enum class Kind {
  kBad,  // there is no such metric
  kUint64,
  kFloat64,
  kFloat64Histogram,
};

// counts[i] things were at least buckets[i] and less than buckets[i + 1], which for
// the last one is infinite. buckets has one more element than counts. The buckets of
// a metric are the same as long as the process lives.
struct Float64Histogram {
  std::vector<uint64_t> counts;
  std::vector<double> buckets;
};

// A metric's value. Each accessor throws Panic if the value is of another kind.
class Value {
 public:
  Value() = default;
  explicit Value(uint64_t v) : v_(v) {}
  explicit Value(double v) : v_(v) {}
  explicit Value(Float64Histogram v) : v_(std::move(v)) {}

  metrics::Kind Kind() const { return static_cast<metrics::Kind>(v_.index()); }
  uint64_t Uint64() const;
  double Float64() const;
  const Float64Histogram& Histogram() const;  // Go: Float64Histogram

 private:
  std::variant<std::monostate, uint64_t, double, Float64Histogram> v_;
};

struct Description {
  // "/path/of/words:unit".
  absl::string_view name;
  absl::string_view description;
  metrics::Kind kind;
  bool cumulative;  // never falls
};

struct Sample {
  std::string name;
  Value value = {};  // set by Read
};

// All metrics, sorted by name.
absl::Span<const Description> All();

// Sets the values of the samples by their names. A name that is no metric's gets a
// value of kind kBad.
void Read(absl::Span<Sample> samples);

// All metrics in the text format of Prometheus, version 0.0.4. Names are made as Go's
// Prometheus library (client_golang) makes them, with mpg in the place of go:
// /sched/goroutines:goroutines is mpg_sched_goroutines_goroutines, and a
// cumulative one ends in _total. Histograms have a bucket for each power of four.
std::string PrometheusText();

inline constexpr char kPrometheusContentType[] =
    "text/plain; version=0.0.4; charset=utf-8";

}  // namespace metrics
}  // namespace mpg

#endif  // MPG_RUNTIME_METRICS_H_
