// Call stacks: taken, and printed as Go prints them.
#ifndef MPG_RUNTIME_BACKTRACE_H_
#define MPG_RUNTIME_BACKTRACE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace mpg {
namespace internal {

struct Backtrace {
  static constexpr int kMaxFrames = 100;  // Go shows 50 and 50
  void* pcs[kMaxFrames];
  int size = 0;
  bool truncated = false;
};

// The caller's stack. Async-signal-safe once it has been called before (the
// unwinder loads itself at its first use).
void TakeBacktrace(Backtrace* out);

// "func(...)\n\tbinary+0x1234\n" for each frame; frames of the scheduler itself
// are left out, as Go leaves out its own, unless `system`.
std::string FormatBacktrace(const Backtrace& trace, bool system = false);

// The name of the function around the instruction before `pc`, with its parameter
// types, or "?".
std::string FunctionName(const void* pc);

// It is a function of the scheduler itself.
bool IsSchedulerFunction(absl::string_view name);

// It is what runs a goroutine's closure, and shows one that is inlined there.
bool RunsClosure(absl::string_view name);

// A frame that dumps and profiles leave out: a scheduler's function, but not what
// runs a goroutine's closure if it called one of mpg's own (`callee`, the next
// frame in; "": none). Then the closure is inlined there, and the frame is all that
// shows of the program; addr2line -i names it.
bool IsHiddenFrame(absl::string_view name, absl::string_view callee);

// "binary+0x1234".
std::string PlaceOf(const void* pc);

// "func(...)\n\tbinary+0x1234\n" for one address.
std::string FormatPc(const void* pc);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_BACKTRACE_H_
