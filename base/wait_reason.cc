#include "base/wait_reason.h"

namespace mpg {

absl::string_view WaitReasonName(WaitReason reason) {
  switch (reason) {
    case WaitReason::kNone:
      return "";
    case WaitReason::kChanReceive:
      return "chan receive";
    case WaitReason::kChanSend:
      return "chan send";
    case WaitReason::kChanReceiveNil:
      return "chan receive (nil chan)";
    case WaitReason::kChanSendNil:
      return "chan send (nil chan)";
    case WaitReason::kSelect:
      return "select";
    case WaitReason::kSelectNoCases:
      return "select (no cases)";
    case WaitReason::kSemacquire:
      return "semacquire";
    case WaitReason::kSyncMutexLock:
      return "sync.Mutex.Lock";
    case WaitReason::kSyncRWMutexRLock:
      return "sync.RWMutex.RLock";
    case WaitReason::kSyncRWMutexLock:
      return "sync.RWMutex.Lock";
    case WaitReason::kSyncCondWait:
      return "sync.Cond.Wait";
    case WaitReason::kSyncWaitGroupWait:
      return "sync.WaitGroup.Wait";
    case WaitReason::kSleep:
      return "sleep";
    case WaitReason::kIOWait:
      return "IO wait";
    case WaitReason::kPreempted:
      return "preempted";
    case WaitReason::kStoppingTheWorld:
      return "stopping the world";
    case WaitReason::kRuntimeWait:
      return "runtime.Wait";
    case WaitReason::kSynctestRun:
      return "synctest.Run";
    case WaitReason::kSynctestWait:
      return "synctest.Wait";
    case WaitReason::kTraceReaderBlocked:
      return "trace reader (blocked)";
  }
  return "unknown wait reason";
}

}  // namespace mpg
