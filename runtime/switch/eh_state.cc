#include "runtime/switch/eh_state.h"

#include <cxxabi.h>

namespace mpg {
namespace internal {

[[gnu::noinline]] EhState* ThreadEhState() {
  // Without it, link-time optimization may find the function to be constant
  // and merge calls made on different threads.
  asm volatile("" : : : "memory");
  return reinterpret_cast<EhState*>(abi::__cxa_get_globals());
}

}  // namespace internal
}  // namespace mpg
