// The stack of a flow of control that does not run just now, walked from outside.
#ifndef MPG_RUNTIME_BACKTRACE_OF_H_
#define MPG_RUNTIME_BACKTRACE_OF_H_

#include "runtime/backtrace.h"
#include "runtime/switch/switch.h"

namespace mpg {
namespace internal {

// Walks from `ctx`, innermost first. Nothing is run on that stack and nothing of it
// is changed; it may even be in use, as long as nobody returns from the frame that
// ctx stands for. The unwinder needs no more than what a Context holds: a frame is
// found by the stack or the frame pointer, and both are in it.
void TakeBacktraceOf(const Context& ctx, Backtrace* out);

// The same for a place where a signal has interrupted the code, so that ctx.pc is
// the next instruction and not behind a call.
void TakeBacktraceOfInterrupted(const Context& ctx, Backtrace* out);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_BACKTRACE_OF_H_
