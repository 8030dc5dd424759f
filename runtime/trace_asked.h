// $MPG_TRACE: see trace.h.
#ifndef MPG_RUNTIME_TRACE_ASKED_H_
#define MPG_RUNTIME_TRACE_ASKED_H_

namespace mpg {
namespace internal {

// Begins a trace if the environment asks for one, the first time it is called.
void TraceIfAsked();

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_TRACE_ASKED_H_
