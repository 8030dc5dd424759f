// The numbers by which a trace knows goroutines, Ps and threads. Those of several
// Scheds differ (of goroutines, unless there are 2^40 in one), and are exact in
// JavaScript, in which viewers are written.
#ifndef MPG_RUNTIME_TRACE_IDS_H_
#define MPG_RUNTIME_TRACE_IDS_H_

#include <cstdint>

#include "runtime/m.h"
#include "runtime/p.h"
#include "runtime/sched.h"

namespace mpg {
namespace internal {

inline constexpr int kTraceThreadBits = 20;
inline constexpr int kTraceGoidBits = 40;
inline constexpr uint64_t kTraceScheds = uint64_t{1} << 13;

inline uint64_t TraceThreadOf(const M* m) {
  return (m->sched->number - 1) << kTraceThreadBits | (m->id + 1);
}

// Of the stream for what happens without a P.
inline uint64_t TraceSharedThreadOf(const Sched* s) {
  return (s->number - 1) << kTraceThreadBits | ((1 << kTraceThreadBits) - 1);
}

inline uint64_t TraceProcOf(const Sched* s, int p) {
  return (s->number - 1) * kMaxProcs + p;
}

inline uint64_t TraceGoidOf(const Sched* s, int64_t goid) {
  return (s->number - 1) % kTraceScheds << kTraceGoidBits | goid;
}

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_TRACE_IDS_H_
