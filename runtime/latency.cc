#include "runtime/latency.h"

#include "base/clock.h"
#include "runtime/sched.h"

namespace mpg {
namespace internal {

ABSL_ATTRIBUTE_NOINLINE void StartTiming(P* p, G* g) {
  // Not at a fixed distance: goroutines take turns, and always the same one would
  // be timed.
  p->until_timed = 1 + p->rand.Below(2 * kTimedEvery - 1);
  g->runnable_since = p->timers.Now();
  g->flags |= kGFlagTimed;
}

ABSL_ATTRIBUTE_NOINLINE void StopTiming(P* p, G* g) {
  g->flags &= ~kGFlagTimed;
  p->latencies.Record(p->timers.Now() - g->runnable_since);
}

void BecomesRunnableGlobally(G* g) {
  // A comparison with the highest bits: the random number's best.
  if (ThreadRand() >= UINT32_MAX / kTimedEvery) return;
  g->runnable_since = NanoTime();
  g->flags |= kGFlagTimed;
}

}  // namespace internal
}  // namespace mpg
