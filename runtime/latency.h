// How long goroutines wait from runnable to running: /sched/latencies:seconds.
// Go: g.tracking, sched.timeToRun (proc.go).
//
// One in kTimedEvery is timed, chosen at random by whoever makes it runnable; the
// others cost a countdown there and nothing when they run: the flag of those that
// are timed sends the switch to them another way (PickSuccessor). Go times each
// goroutine's every 8th turn; a switch is cheaper here, and a look at the clock is
// not.
#ifndef MPG_RUNTIME_LATENCY_H_
#define MPG_RUNTIME_LATENCY_H_

#include <cstdint>

#include "absl/base/attributes.h"
#include "absl/base/optimization.h"
#include "base/random.h"
#include "runtime/g.h"
#include "runtime/p.h"

namespace mpg {
namespace internal {

inline constexpr uint32_t kTimedEvery = 128;

// Slow paths. p's owner; g is not yet where others can take it, or runs next.
void StartTiming(P* p, G* g);
void StopTiming(P* p, G* g);

// g has become runnable and is about to be put into p's queue. p's owner.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline void BecomesRunnable(P* p, G* g) {
  if (ABSL_PREDICT_FALSE(--p->until_timed == 0)) StartTiming(p, g);
}

// The same without a P. g is about to be put into the global queue.
void BecomesRunnableGlobally(G* g);

// g runs next on p. p's owner.
inline void StartsToRun(P* p, G* g) {
  if (ABSL_PREDICT_FALSE((g->flags & kGFlagTimed) != 0)) StopTiming(p, g);
}

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_LATENCY_H_
