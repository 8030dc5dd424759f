// Goroutine dumps from code. Go: runtime.Stack, debug.Stack, debug.PrintStack.
//
//   std::fputs(mpg::DumpGoroutines().c_str(), stderr);
//
// The form is Go's:
//
//   goroutine 18 "reader" [chan receive, 5 minutes, locked to thread]:
//   mpg::Chan<int>::Recv() const
//           /usr/bin/program+0x1c2f0
//   Reader(...)
//           /usr/bin/program+0x1b0aa
//   created by main::{lambda()#1}::operator()() const in goroutine 1
//           /usr/bin/program+0x1a811
//
// Minutes are shown from the first on, for who is blocked; they are counted to
// about half a minute. Places are offsets in a binary, for addr2line.
//
// What else makes dumps: a fatal error (deadlock, stack overflow, ...), an
// uncaught panic, and SIGQUIT (runtime.h). $GOTRACEBACK says how much those show,
// as in Go: none, single, all, system (with the scheduler's frames), crash (then
// SIGABRT, for a core file).
//
// Thread safety: all functions by any goroutine and any other thread.
#ifndef MPG_RUNTIME_STACK_DUMP_H_
#define MPG_RUNTIME_STACK_DUMP_H_

#include <string>

namespace mpg {

struct DumpOptions {
  // Goroutines with the same frames in the same state together, the largest group
  // first: "3 goroutines [chan receive, 2 to 5 minutes]:", one of their stacks,
  // and the numbers of all.
  bool group_identical = false;
  // Also the scheduler's own frames, which are left out as Go leaves out its own.
  bool system_frames = false;
};

// Every goroutine of every Runtime, the caller first. Stops the world of one
// Runtime after the other while it looks, so that each of them is seen at one
// moment, and sets it going again.
// Waits for goroutines that cannot be preempted, and for another stop of the
// world to end; between StopTheWorld and StartTheWorld it shows the caller's
// Runtime alone. Goroutines in a Syscall are shown where they called it.
std::string DumpGoroutines(const DumpOptions& options = {});

// The stack of the calling goroutine, or thread ("thread [running]:"); with `all`,
// DumpGoroutines(). Go: runtime.Stack.
std::string Stack(bool all = false);

// Stack() to stderr. Go: debug.PrintStack.
void PrintStack();

}  // namespace mpg

#endif  // MPG_RUNTIME_STACK_DUMP_H_
