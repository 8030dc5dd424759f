// For tests that stand before the C library's functions: calls that fail on demand.
#ifndef MPG_BASE_REFUSAL_H_
#define MPG_BASE_REFUSAL_H_

#include <dlfcn.h>
#include <errno.h>

#include <atomic>

namespace mpg {
namespace internal {

// The next `times` calls fail with `error`. Thread-safe.
struct Refusal {
  std::atomic<int> error{0};
  std::atomic<int> times{0};

  void Refuse(int with, int n) {
    error = with;
    times = n;
  }
  // Whether this call is to fail; then errno says why.
  bool Refused() {
    int n = times.load();
    while (n > 0 && !times.compare_exchange_weak(n, n - 1)) {
    }
    if (n > 0) errno = error;
    return n > 0;
  }
};

// The C library's own function `name`, of type F.
template <class F>
F* Real(const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

}  // namespace internal
}  // namespace mpg

#endif  // MPG_BASE_REFUSAL_H_
