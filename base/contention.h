// What waiting for locks costs, told by who makes others wait (sync/) to who shows
// it (runtime/metrics.h, runtime/pprof.h). The two do not know each other.
//
// Thread safety: all functions from any thread.
// Source: Go's sched.totalMutexWaitTime (proc.go) and mutexevent (mprof.go).
#ifndef MPG_BASE_CONTENTION_H_
#define MPG_BASE_CONTENTION_H_

#include <atomic>
#include <cstdint>

#include "absl/base/optimization.h"

namespace mpg {
namespace internal {

// Somebody has waited for a Mutex or RWMutex for so long.
void AddLockWait(int64_t ns);
// The sum, since the process began.
int64_t LockWaitNanos();

// Of so many releases of a lock that others wait for, one is reported; 0: none
// is. Go: mutexprofilerate.
extern std::atomic<int64_t> contention_rate;

// To whom: called by the releaser with the time that the waiter whom it lets go
// has waited, and the rate. Set before the rate, once. May be called with the
// caller's stack nearly full; must not park.
using ContentionFn = void (*)(int64_t waited_ns, int64_t rate);
void SetContentionHook(ContentionFn hook);

void ReportContention(int64_t waited_ns);

// relaxed: a switch; what is noted around its change may go either way.
inline bool ContentionIsReported() {
  return ABSL_PREDICT_FALSE(contention_rate.load(std::memory_order_relaxed) >
                            0);
}

}  // namespace internal
}  // namespace mpg

#endif  // MPG_BASE_CONTENTION_H_
