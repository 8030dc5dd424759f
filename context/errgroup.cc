#include "context/errgroup.h"

#include <cstddef>
#include <tuple>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/lock.h"
#include "base/panic.h"
#include "channel/chan.h"
#include "channel/unit.h"

namespace mpg {

ErrGroup::ErrGroup(const Context& ctx) {
  std::tie(ctx_, cancel_) = WithCancelCause(ctx);
}

void ErrGroup::Go(absl::AnyInvocable<absl::Status()> fn) {
  if (running_) running_.Send(Unit());
  Start(std::move(fn));
}

bool ErrGroup::TryGo(absl::AnyInvocable<absl::Status()> fn) {
  Unit unit;
  if (running_ && !running_.TrySend(unit)) return false;
  Start(std::move(fn));
  return true;
}

void ErrGroup::Start(absl::AnyInvocable<absl::Status()> fn) {
  wg_.Go([this, fn = std::move(fn)]() mutable {
    // Also when fn is left by Goexit.
    struct MakeRoom {
      const Chan<Unit>& running;
      ~MakeRoom() {
        if (running) running.TryRecv();
      }
    } make_room{running_};
    const absl::Status status = fn();
    if (!status.ok()) Failed(status);
  });
}

void ErrGroup::Failed(const absl::Status& status) {
  {
    RuntimeLockGuard guard(lock_);
    if (!first_.ok()) return;
    first_ = status;
  }
  cancel_(status);
}

absl::Status ErrGroup::Wait() {
  wg_.Wait();
  absl::Status first;
  {
    RuntimeLockGuard guard(lock_);
    first = first_;
  }
  cancel_(first);
  return first;
}

void ErrGroup::SetLimit(int n) {
  if (const size_t active = running_.Len(); active != 0) {
    throw Panic(absl::StrCat("errgroup: modify limit while ", active,
                             " goroutines in the group are still active"));
  }
  running_ = n < 0 ? Chan<Unit>() : MakeChan<Unit>(n);
}

}  // namespace mpg
