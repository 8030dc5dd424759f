// The strings of execution traces, and names for program addresses.
#ifndef MPG_RUNTIME_TRACE_NAMES_H_
#define MPG_RUNTIME_TRACE_NAMES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/wait_reason.h"
#include "trace/trace_encode.h"

namespace mpg {
namespace internal {

// Why a goroutine gives up its P, in the words of Go's traces, by which `go tool
// trace` sorts what has blocked. The values are the numbers of these strings in
// every generation of every trace.
// Go: traceBlockReasonStrings, traceGoStopReasonStrings.
enum class TraceName : uint8_t {
  kUnspecified = 1,
  kChanReceive,
  kChanSend,
  kSelect,
  kForever,
  kSync,
  kSyncCond,
  kSleep,
  kNetwork,
  kPreempted,
  kGosched,
  kSynctest,
};

constexpr TraceName TraceNameOf(WaitReason reason) {
  switch (reason) {
    case WaitReason::kNone:
      return TraceName::kUnspecified;
    case WaitReason::kChanReceive:
      return TraceName::kChanReceive;
    case WaitReason::kChanSend:
      return TraceName::kChanSend;
    case WaitReason::kSelect:
      return TraceName::kSelect;
    case WaitReason::kChanReceiveNil:
    case WaitReason::kChanSendNil:
    case WaitReason::kSelectNoCases:
      return TraceName::kForever;
    case WaitReason::kSemacquire:
    case WaitReason::kSyncMutexLock:
    case WaitReason::kSyncRWMutexRLock:
    case WaitReason::kSyncRWMutexLock:
    case WaitReason::kSyncWaitGroupWait:
    case WaitReason::kStoppingTheWorld:
    case WaitReason::kRuntimeWait:
    case WaitReason::kTraceReaderBlocked:
      return TraceName::kSync;
    case WaitReason::kSyncCondWait:
      return TraceName::kSyncCond;
    case WaitReason::kSleep:
      return TraceName::kSleep;
    case WaitReason::kIOWait:
      return TraceName::kNetwork;
    case WaitReason::kPreempted:
      return TraceName::kPreempted;
    case WaitReason::kSynctestRun:
    case WaitReason::kSynctestWait:
      return TraceName::kSynctest;
  }
  return TraceName::kUnspecified;
}

// Strings 1, 2, ...
std::vector<std::string> TraceNames();

// A frame for a return address, or for a ClosureOrigin that is a text. The
// scheduler's own functions are hidden. There is no table of lines: the file is
// "module+0xoffset", as in dumps.
TraceFrame FrameForTrace(uintptr_t address);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_TRACE_NAMES_H_
