// FdMutex: who may use a descriptor, and when it can be closed.
//
// It counts those who use the descriptor, lets one reader and one writer at it at
// a time (the others queue, first come, first served), and remembers that it is
// closed. The descriptor's number may be given back only when the last user has
// gone: else a read could go to a descriptor that another has just been given.
//
//   if (!mu.RWLock(FdMutex::kRead)) return closed;
//   ... read ...
//   if (mu.RWUnlock(FdMutex::kRead)) destroy;
//
//   Close: if (!mu.IncrefAndClose()) return closed already;
//          ... wake those who are blocked in the descriptor ...
//          if (mu.Decref()) destroy;
//
// Invariant: exactly one of the calls RWUnlock and Decref returns true, after
// IncrefAndClose has; its caller is alone with the descriptor.
//
// The word: bit 0 closed; bit 1 and 2 the locks for reading and writing; then
// three counts of 20 bits: users, readers that wait, writers that wait.
//
// Thread safety: any goroutine or thread. Memory: what happened before an unlock
// is visible after the next lock of the same kind, and to who destroys: all
// changes of the word are seq_cst read-modify-writes.
// Limit: 2^20 - 1 users at a time; more: FatalError, as Go's panic.
// Source: Go's fdMutex (internal/poll/fd_mutex.go).
#ifndef MPG_NET_FD_MUTEX_H_
#define MPG_NET_FD_MUTEX_H_

#include <atomic>
#include <cstdint>

#include "absl/base/optimization.h"

namespace mpg {
namespace internal {

class FdMutex {
 public:
  enum Side : int { kRead = 0, kWrite = 1 };

  FdMutex() = default;
  FdMutex(const FdMutex&) = delete;
  FdMutex& operator=(const FdMutex&) = delete;

  // Joins the users. False: closed.
  bool Incref();
  // Joins the users, and from now on nobody else does; those who wait for a lock
  // give up. False: closed before.
  bool IncrefAndClose();
  // Leaves the users. True: closed, and that was the last.
  bool Decref();

  // Joins the users and takes the lock of that side; may block. False: closed.
  bool RWLock(Side side) {
    // The uncontended case: nobody holds this side's lock. relaxed: the
    // compare-and-swap decides.
    uint64_t old = state_.load(std::memory_order_relaxed);
    if (ABSL_PREDICT_TRUE((old & (kClosed | LockBit(side))) == 0 &&
                          (old & kUserMask) != kUserMask) &&
        state_.compare_exchange_strong(old, (old | LockBit(side)) + kUser)) {
      return true;
    }
    return RWLockSlow(side);
  }

  // Gives both back. True: closed, and that was the last user.
  bool RWUnlock(Side side) {
    uint64_t old = state_.load(std::memory_order_relaxed);
    if (ABSL_PREDICT_TRUE((old & (kClosed | WaitMask(side))) == 0) &&
        state_.compare_exchange_strong(old, (old & ~LockBit(side)) - kUser)) {
      return false;
    }
    return RWUnlockSlow(side);
  }

  bool Closed() const { return (state_.load() & kClosed) != 0; }

 private:
  static constexpr uint64_t kClosed = 1;
  static constexpr uint64_t kUser = uint64_t{1} << 3;
  static constexpr uint64_t kCount = (uint64_t{1} << 20) - 1;
  static constexpr uint64_t kUserMask = kCount << 3;

  static constexpr uint64_t LockBit(Side side) { return uint64_t{2} << side; }
  static constexpr int WaitShift(Side side) { return 23 + 20 * side; }
  static constexpr uint64_t WaitMask(Side side) {
    return kCount << WaitShift(side);
  }
  static constexpr uint64_t OneWaiter(Side side) {
    return uint64_t{1} << WaitShift(side);
  }

  bool RWLockSlow(Side side);
  bool RWUnlockSlow(Side side);

  std::atomic<uint64_t> state_{0};
  std::atomic<uint32_t> sema_[2] = {{0}, {0}};  // where each side's waiters are
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_NET_FD_MUTEX_H_
