#include "base/thread_state.h"

namespace mpg {

extern "C" {
__thread ThreadState mpg_thread_state = {};
}

namespace internal {

ABSL_ATTRIBUTE_NOINLINE ThreadState* ThisThreadOutOfLine() {
  // The barrier keeps the compiler from seeing this as a pure function.
  asm volatile("" ::: "memory");
  return &mpg_thread_state;
}

}  // namespace internal
}  // namespace mpg
