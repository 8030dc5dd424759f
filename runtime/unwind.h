// Goexit: ending a goroutine by unwinding its stack.
#ifndef MPG_RUNTIME_UNWIND_H_
#define MPG_RUNTIME_UNWIND_H_

#include "runtime/g.h"

namespace mpg {
namespace internal {

// Unwinds g, the running goroutine, and ends it. Destructors and catch (...)
// blocks run; one that does not rethrow is unwound all the same.
[[noreturn]] void UnwindGoroutine(G* g);

// True while UnwindGoroutine is at work on g.
bool IsUnwinding(const G* g);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_UNWIND_H_
