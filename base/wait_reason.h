// Why a waiter is blocked, in Go's words (Go: waitReason, runtime2.go).
// Shown in goroutine dumps, traces and metrics.
#ifndef MPG_BASE_WAIT_REASON_H_
#define MPG_BASE_WAIT_REASON_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace mpg {

// With a new one comes its name, in wait_reason.cc; kWaitReasons counts them.
enum class WaitReason : uint8_t {
  kNone,
  kChanReceive,
  kChanSend,
  kChanReceiveNil,
  kChanSendNil,
  kSelect,
  kSelectNoCases,
  kSemacquire,
  kSyncMutexLock,
  kSyncRWMutexRLock,
  kSyncRWMutexLock,
  kSyncCondWait,
  kSyncWaitGroupWait,
  kSleep,
  kIOWait,
  kPreempted,
  kStoppingTheWorld,
  kRuntimeWait,
  kSynctestRun,
  kSynctestWait,
  kTraceReaderBlocked,
};
inline constexpr size_t kWaitReasons =
    static_cast<size_t>(WaitReason::kTraceReaderBlocked) + 1;

absl::string_view WaitReasonName(WaitReason reason);

}  // namespace mpg

#endif  // MPG_BASE_WAIT_REASON_H_
