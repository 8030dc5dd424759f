#include "context/semaphore.h"

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "base/lock.h"
#include "base/panic.h"
#include "channel/chan.h"
#include "channel/select.h"
#include "channel/unit.h"

namespace mpg {

bool Semaphore::TryAcquireLocked(int64_t n) {
  if (size_ - held_ < n || !queue_.empty()) return false;
  held_ += n;
  return true;
}

absl::Status Semaphore::Acquire(const Context& ctx, int64_t n) {
  absl::Status err = ctx.Err();
  if (!err.ok()) return err;
  const RecvChan<Unit> done = ctx.Done();
  {
    RuntimeLockGuard guard(lock_);
    if (TryAcquireLocked(n)) return absl::OkStatus();
  }
  if (n > size_) {
    done.Recv();
    return ctx.Err();
  }
  const auto entry = std::make_shared<Entry>(Entry{n, MakeChan<Unit>(), false});
  Queue place{entry};
  const auto at = place.begin();
  {
    RuntimeLockGuard guard(lock_);
    if (TryAcquireLocked(n)) return absl::OkStatus();
    queue_.splice(queue_.end(), place);
  }
  Select(OnRecv(entry->ready), OnRecv(done));
  err = ctx.Err();
  if (!err.ok()) GiveUp(*entry, at);
  return err;
}

void Semaphore::GiveUp(const Entry& entry, Queue::iterator at) {
  Queue mine, granted;
  {
    RuntimeLockGuard guard(lock_);
    if (entry.granted) {
      held_ -= entry.n;
      Grant(&granted);
    } else {
      const bool was_first = at == queue_.begin();
      mine.splice(mine.end(), queue_, at);
      // Those behind may have waited for its turn only.
      if (was_first) Grant(&granted);
    }
  }
  Wake(granted);
}

bool Semaphore::TryAcquire(int64_t n) {
  RuntimeLockGuard guard(lock_);
  return TryAcquireLocked(n);
}

void Semaphore::Release(int64_t n) {
  Queue granted;
  bool held = false;
  {
    RuntimeLockGuard guard(lock_);
    held = held_ >= n;
    if (held) {
      held_ -= n;
      Grant(&granted);
    }
  }
  if (!held) throw Panic("semaphore: released more than held");
  Wake(granted);
}

// Only from the front: whoever wants much would wait for ever if those behind
// it could take each little that is released.
void Semaphore::Grant(Queue* granted) {
  while (!queue_.empty() && size_ - held_ >= queue_.front()->n) {
    Entry& first = *queue_.front();
    held_ += first.n;
    first.granted = true;
    granted->splice(granted->end(), queue_, queue_.begin());
  }
}

void Semaphore::Wake(const Queue& granted) {
  for (const auto& entry : granted) entry->ready.Close();
}

}  // namespace mpg
