#include "runtime/runtime.h"

#include <utility>
#include <vector>

#include "base/lock.h"
#include "runtime/all_goroutines.h"
#include "runtime/sched.h"
#include "runtime/spawn.h"

namespace mpg {

Runtime::Runtime(RuntimeOptions options)
    : sched_(std::make_unique<internal::Sched>(options)) {
  sched_->Start();
}

Runtime::~Runtime() {
  internal::CallRuntimeEndHook(sched_.get());
  if (sched_->End()) return;
  // Reachable for ever: no leak.
  static RuntimeLock mu;
  static auto* left_behind = new std::vector<internal::Sched*>;
  RuntimeLockGuard guard(mu);
  left_behind->push_back(sched_.release());
}

void Runtime::Run(absl::AnyInvocable<void()> main) {
  sched_->Run(std::move(main));
}

void Runtime::Go(absl::AnyInvocable<void()> fn) {
  internal::SpawnClosure(sched_.get(), __builtin_return_address(0),
                         std::move(fn));
}

void Runtime::Wait() { sched_->WaitIdle(); }

SchedStats Runtime::Stats() const { return sched_->Stats(); }

int Main(absl::AnyInvocable<int()> main) {
  int status = 0;
  Runtime runtime;
  runtime.Run([&] { status = main(); });
  return status;
}

}  // namespace mpg
