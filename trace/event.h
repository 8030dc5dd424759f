// The events of a trace file, by the numbers and with the arguments of Go's
// format. Source: Go's internal/trace/event/go122 (Go 1.22 and 1.23).
//
// A file is the 16 bytes of kTraceHeader and then batches. A batch is
//   kEventBatch, generation, thread, base time, length    (all but the first
//   byte are varints: seven bits a byte, the lowest first)
// and then `length` bytes: either events of that thread in order, each a type
// byte, the time since the one before it (since the base time, for the first)
// and the event's own arguments; or, if the first byte is kStacks, kStrings,
// kCpuSamples or kFrequency, a part of that table. Batches of a generation stand
// together, and a generation has one frequency batch.
#ifndef MPG_TRACE_EVENT_H_
#define MPG_TRACE_EVENT_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/strings/string_view.h"

namespace mpg {

inline constexpr absl::string_view kTraceHeader{"go 1.23 trace\0\0\0", 16};

// Limits of readers.
inline constexpr size_t kMaxBatchBytes = 64 << 10;
inline constexpr size_t kMaxStackFrames = 128;
inline constexpr size_t kMaxStringBytes = 1 << 10;

// In brackets: the arguments after the time.
enum class TraceEvent : uint8_t {
  kEventBatch = 1,
  kStacks = 2,
  kStack = 3,  // [id, n, n times (pc, function string, file string, line)]
  kStrings = 4,
  kString = 5,  // [id, length, bytes]
  kCpuSamples = 6,
  kCpuSample = 7,
  kFrequency = 8,        // [units of time a second]
  kProcsChange = 9,      // [GOMAXPROCS, stack]
  kProcStart = 10,       // [P, P's sequence number]
  kProcStop = 11,        // []
  kProcSteal = 12,       // [P, P's sequence number, thread it is taken from]
  kProcStatus = 13,      // [P, TraceProcStatus]
  kGoCreate = 14,        // [new G, its start as a stack, stack]
  kGoStart = 16,         // [G, G's sequence number]
  kGoDestroy = 17,       // []
  kGoStop = 19,          // [reason string, stack]
  kGoBlock = 20,         // [reason string, stack]
  kGoUnblock = 21,       // [G, G's sequence number, stack]
  kGoSyscallBegin = 22,  // [P's sequence number, stack]
  kGoSyscallEnd = 23,    // []
  kGoSyscallEndBlocked = 24,  // []
  kGoStatus = 25,             // [G, thread, TraceGoStatus]
  kStwBegin = 26,             // [kind string, stack]
  kStwEnd = 27,               // []
  kUserTaskBegin = 40,        // [task, parent task, name string, stack]
  kUserTaskEnd = 41,          // [task, stack]
  kUserRegionBegin = 42,      // [task, name string, stack]
  kUserRegionEnd = 43,        // [task, name string, stack]
  kUserLog = 44,              // [task, key string, value string, stack]
};

enum class TraceGoStatus : uint8_t {
  kRunnable = 1,
  kRunning = 2,
  kSyscall = 3,
  kWaiting = 4,
};

enum class TraceProcStatus : uint8_t {
  kRunning = 1,
  kIdle = 2,
  kSyscall = 3,
};

// "No thread" in a batch that belongs to a whole generation.
inline constexpr uint64_t kNoTraceThread = ~uint64_t{0};

// Appends v at p; at most 10 bytes. Returns the end.
inline uint8_t* PutVarint(uint8_t* p, uint64_t v) {
  while (v >= 0x80) {
    *p++ = static_cast<uint8_t>(v) | 0x80;
    v >>= 7;
  }
  *p++ = static_cast<uint8_t>(v);
  return p;
}

// A sequence number, which mostly is a large one: 4 bytes without a loop.
enum class TraceSeq : uint64_t {};

// Appends v at p, with zeros above its highest bit if need be; at most 10 bytes.
inline uint8_t* PutVarint(uint8_t* p, TraceSeq seq) {
  const auto v = static_cast<uint64_t>(seq);
  if (v >> 28 != 0) return PutVarint(p, v);
  const uint32_t bytes = static_cast<uint32_t>(
      (v & 0x7f) | (v & 0x7f << 7) << 1 | (v & 0x7f << 14) << 2 |
      (v & 0x7f << 21) << 3 | 0x808080);
  std::memcpy(p, &bytes, sizeof bytes);
  return p + sizeof bytes;
}

}  // namespace mpg

#endif  // MPG_TRACE_EVENT_H_
