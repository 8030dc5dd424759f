// Timers for what is built on the runtime. Internal to mpg; users want time.h.
#ifndef MPG_RUNTIME_START_TIMER_H_
#define MPG_RUNTIME_START_TIMER_H_

#include <cstdint>

#include "timer/timer_heap.h"

namespace mpg {
namespace internal {

// Starts t, which nobody else knows yet, to fire after d nanoseconds; with the
// timers of the caller's P, with those of its bubble (fake_time.h), or with those
// of the process on a plain thread. `fire` must not block: it is called on the
// scheduler's own stack, or on the thread of the process's timers. Any thread.
void StartTimer(TimerNode* t, int64_t d);
// Starts t anew, wherever it is. Returns whether it was pending. Any thread.
bool ResetTimer(TimerNode* t, int64_t d);

// Calls fn(arg), which runs or destroys what belongs to the user and so may park:
// now, or, on the scheduler's own stack and where preemption is forbidden, in a
// goroutine of its own. Any thread.
void RunAsUser(void (*fn)(void*), void* arg);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_START_TIMER_H_
