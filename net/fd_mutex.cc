#include "net/fd_mutex.h"

#include "base/panic.h"
#include "sync/sema.h"

namespace mpg {
namespace internal {
namespace {

constexpr char kTooMany[] =
    "too many concurrent operations on a single file or socket (max 1048575)";

}  // namespace

bool FdMutex::Incref() {
  uint64_t old = state_.load();
  do {
    if ((old & kClosed) != 0) return false;
    if ((old & kUserMask) == kUserMask) FatalError(kTooMany);
  } while (!state_.compare_exchange_weak(old, old + kUser));
  return true;
}

bool FdMutex::IncrefAndClose() {
  uint64_t old = state_.load();
  uint64_t next;
  do {
    if ((old & kClosed) != 0) return false;
    if ((old & kUserMask) == kUserMask) FatalError(kTooMany);
    // The waiters are all woken below, so none is left.
    next = ((old | kClosed) + kUser) & ~(WaitMask(kRead) | WaitMask(kWrite));
  } while (!state_.compare_exchange_weak(old, next));
  for (const Side side : {kRead, kWrite}) {
    for (uint64_t n = (old & WaitMask(side)) >> WaitShift(side); n > 0; --n) {
      Semrelease(&sema_[side]);
    }
  }
  return true;
}

bool FdMutex::Decref() {
  const uint64_t now = state_.fetch_sub(kUser) - kUser;
  return (now & (kClosed | kUserMask)) == kClosed;
}

bool FdMutex::RWLockSlow(Side side) {
  uint64_t old = state_.load();
  for (;;) {
    if ((old & kClosed) != 0) return false;
    uint64_t next;
    const bool free = (old & LockBit(side)) == 0;
    if (free) {
      if ((old & kUserMask) == kUserMask) FatalError(kTooMany);
      next = (old | LockBit(side)) + kUser;
    } else {
      if ((old & WaitMask(side)) == WaitMask(side)) FatalError(kTooMany);
      next = old + OneWaiter(side);
    }
    if (!state_.compare_exchange_weak(old, next)) continue;
    if (free) return true;
    // Who unlocks or closes has taken us out of the count of waiters.
    Semacquire(&sema_[side]);
    old = state_.load();
  }
}

bool FdMutex::RWUnlockSlow(Side side) {
  uint64_t old = state_.load();
  uint64_t next;
  do {
    next = (old & ~LockBit(side)) - kUser;
    if ((old & WaitMask(side)) != 0) next -= OneWaiter(side);
  } while (!state_.compare_exchange_weak(old, next));
  if ((old & WaitMask(side)) != 0) Semrelease(&sema_[side]);
  return (next & (kClosed | kUserMask)) == kClosed;
}

}  // namespace internal
}  // namespace mpg
