// Go's execution trace format, as Go 1.22 and 1.23 write it: event types, their
// arguments, limits.
//
// A file is a header of 16 bytes ("go 1.22 trace" or "go 1.23 trace", and zeros)
// and batches: a type byte, then generation, thread (M), base time and size as
// varints, then that many bytes. A batch holds strings, stacks, CPU samples, the
// clock's frequency, or events of one thread; an event is a type byte and varints,
// the first of them the time since the event before it in the batch.
#ifndef MPG_TOOLS_TRACE_FORMAT_H_
#define MPG_TOOLS_TRACE_FORMAT_H_

#include <cstddef>
#include <cstdint>

namespace mpg {
namespace tracetool {

// The numbers are the file's.
enum EventType : uint8_t {
  kEvNone = 0,
  kEvEventBatch,
  kEvStacks,
  kEvStack,
  kEvStrings,
  kEvString,
  kEvCpuSamples,
  kEvCpuSample,
  kEvFrequency,
  kEvProcsChange,
  kEvProcStart,
  kEvProcStop,
  kEvProcSteal,
  kEvProcStatus,
  kEvGoCreate,
  kEvGoCreateSyscall,
  kEvGoStart,
  kEvGoDestroy,
  kEvGoDestroySyscall,
  kEvGoStop,
  kEvGoBlock,
  kEvGoUnblock,
  kEvGoSyscallBegin,
  kEvGoSyscallEnd,
  kEvGoSyscallEndBlocked,
  kEvGoStatus,
  kEvStwBegin,
  kEvStwEnd,
  kEvGcActive,
  kEvGcBegin,
  kEvGcEnd,
  kEvGcSweepActive,
  kEvGcSweepBegin,
  kEvGcSweepEnd,
  kEvGcMarkAssistActive,
  kEvGcMarkAssistBegin,
  kEvGcMarkAssistEnd,
  kEvHeapAlloc,
  kEvHeapGoal,
  kEvGoLabel,
  kEvUserTaskBegin,
  kEvUserTaskEnd,
  kEvUserRegionBegin,
  kEvUserRegionEnd,
  kEvUserLog,
  // Since Go 1.23.
  kEvGoSwitch,
  kEvGoSwitchDestroy,
  kEvGoCreateBlocked,
  kEvGoStatusStack,
  kEvExperimentalBatch,
  // Experiment "alloc-free".
  kEvExperimentFirst = 128,
  kEvExperimentLast = 136,
  // Not in files: the reader makes one at the end of each generation.
  kEvSync = 255,
};

enum class GoStatus : uint8_t { kBad, kRunnable, kRunning, kSyscall, kWaiting };
enum class ProcStatus : uint8_t {
  kBad,
  kRunning,
  kIdle,
  kSyscall,
  kSyscallAbandoned,  // the thread that had it is gone
};

constexpr int kMaxArgs = 5;
constexpr size_t kHeaderSize = 16;
constexpr uint64_t kMaxBatchSize = 64 << 10;
constexpr uint64_t kMaxFrames = 128;
constexpr uint64_t kMaxStringSize = 1 << 10;

struct EventSpec {
  const char* name = nullptr;  // null: there is no such type
  bool timed = false;          // may stand in a batch of events
  int args = 0;                // without the time
  // Positions among the arguments, or -1. The stack that comes first is that of
  // the goroutine that ran; the other one is the new goroutine's.
  int stacks[2] = {-1, -1};
  int strings[2] = {-1, -1};
};

const EventSpec& SpecOf(uint8_t type);

}  // namespace tracetool
}  // namespace mpg

#endif  // MPG_TOOLS_TRACE_FORMAT_H_
