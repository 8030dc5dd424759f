// An event as the reader hands it out.
#ifndef MPG_TOOLS_TRACE_EVENT_H_
#define MPG_TOOLS_TRACE_EVENT_H_

#include <cstdint>
#include <string>

#include "tools/trace/format.h"
#include "tools/trace/generation.h"

namespace mpg {
namespace tracetool {

// The states of goroutines and processors in transitions. A processor is never
// runnable, waiting or in a syscall; a goroutine is never idle.
enum class State : uint8_t {
  kUndetermined,  // the trace began later
  kNotExist,
  kRunnable,
  kRunning,
  kWaiting,
  kSyscall,
  kIdle,
};

struct Event {
  uint8_t type = kEvNone;  // EventType
  int64_t time = 0;  // ns; each event's is greater than the one's before it
  // What ran there, before the event; -1: none.
  int64_t m = -1, p = -1, g = -1;
  uint64_t args[kMaxArgs] = {};  // as in format.cc, without the time

  // The transition, if the event is one of a goroutine or processor.
  enum class Subject : uint8_t { kNone, kGoroutine, kProc };
  Subject subject = Subject::kNone;
  int64_t subject_id = -1;
  State from = State::kUndetermined, to = State::kUndetermined;

  // End of a user task: what its beginning said. Beginning of one: the parent.
  uint64_t parent_task = ~uint64_t{0};
  std::string task_name;

  // What string and stack numbers stand for; valid until the reader is asked for
  // the next event.
  const Tables* tables = nullptr;

  // The stack of the goroutine that ran, or 0; the reason of GoStop and GoBlock.
  uint64_t stack() const {
    const int at = type == kEvCpuSample ? 0 : SpecOf(type).stacks[0];
    return at < 0 ? 0 : args[at];
  }
};

}  // namespace tracetool
}  // namespace mpg

#endif  // MPG_TOOLS_TRACE_EVENT_H_
