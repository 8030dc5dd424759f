#include "runtime/init.h"

#include <deque>

#include "base/lock.h"

namespace mpg {
namespace {

RuntimeLock mu;

std::deque<void (*)()>& Pending() {
  static auto* pending = new std::deque<void (*)()>;
  return *pending;
}

}  // namespace

void OnInit(void (*fn)()) {
  RuntimeLockGuard guard(mu);
  Pending().push_back(fn);
}

namespace internal {

void RunInitialisers() {
  for (;;) {
    void (*fn)();
    {
      RuntimeLockGuard guard(mu);
      if (Pending().empty()) return;
      fn = Pending().front();
      Pending().pop_front();
    }
    fn();
  }
}

}  // namespace internal
}  // namespace mpg
