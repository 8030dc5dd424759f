// The timers of those who have no P: plain threads, and Runtimes that have ended
// while somebody else waits for a timer of theirs.
//
// One heap and one thread for the process. The thread starts with the first
// timer and stays.
#ifndef MPG_RUNTIME_TIMER_SERVICE_H_
#define MPG_RUNTIME_TIMER_SERVICE_H_

#include <cstdint>

#include "timer/timer_heap.h"

namespace mpg {
namespace internal {

// The heap; adding to it with TimerHeap's functions wants ServiceTimerAdded after
// it. Any thread.
TimerHeap* ServiceTimers();
void ServiceTimerAdded(int64_t when);

// Forgets timers that were stopped, so that they do not count as something that
// will happen. Any thread.
void CompactServiceTimers();

// Threads of the service that will wake nobody, as far as it knows: 1 if it has a
// thread and no timers. For deadlock detection.
int IdleServiceThreads();

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_TIMER_SERVICE_H_
