// All goroutines of the process with their stacks: for profiles, the leak check and
// dumps. Internal. Go: goroutineProfileWithLabels (mprof.go).
#ifndef MPG_RUNTIME_ALL_GOROUTINES_H_
#define MPG_RUNTIME_ALL_GOROUTINES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/dump.h"

namespace mpg {
namespace internal {

struct Sched;

struct ProfiledGoroutine : GoroutineRecord {
  uint64_t runtime = 0;  // differs from one Runtime of the process to the next
  std::string header;    // "goroutine 7 [chan receive]:\n"
  std::string
      created_by;  // "created by f(...) in goroutine 1\n...", or nothing
  bool is_caller = false;
};

// Stops the world of one Runtime after the other; a Runtime's goroutines are as they
// were at one moment. Goroutines in Syscall and those that a signal has preempted
// have their stacks too. Blocks; any goroutine or thread, not within StopTheWorld.
std::vector<ProfiledGoroutine> AllGoroutines();

// Those of one Runtime, which does not end meanwhile. By a thread or another Runtime's
// goroutine.
std::vector<ProfiledGoroutine> GoroutinesOf(Sched* s);
// How many they are, at once.
int64_t CountGoroutines(const Sched* s);

// Called at the beginning of each Runtime's end, on the thread that ends it, with no
// lock held; null: nothing is.
using RuntimeEndHook = void (*)(Sched* s);
void SetRuntimeEndHook(RuntimeEndHook hook);
void CallRuntimeEndHook(Sched* s);

// As it stands in a dump, in Go's format, with a new line at the end.
std::string FormatGoroutine(const ProfiledGoroutine& g);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_ALL_GOROUTINES_H_
