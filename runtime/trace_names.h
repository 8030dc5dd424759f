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

TraceName TraceNameOf(WaitReason reason);

// Strings 1, 2, ...
std::vector<std::string> TraceNames();

// A frame for a return address, or for a ClosureOrigin that is a text. The
// scheduler's own functions are hidden. There is no table of lines: the file is
// "module+0xoffset", as in dumps.
TraceFrame FrameForTrace(uintptr_t address);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_TRACE_NAMES_H_
