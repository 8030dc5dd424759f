// SIGQUIT: a dump of all goroutines, and the end. Internal; users see runtime.h.
//
// The handler can do next to nothing where it happens to run: that thread may hold
// malloc's lock. So it wakes a thread that waits for nothing else, which stops all
// Runtimes as well as it can within a tenth of a second, prints, and exits. What it
// may hang at, a lock whose holder never lets go, an alarm of ten seconds without
// progress ends.
#ifndef MPG_RUNTIME_QUIT_H_
#define MPG_RUNTIME_QUIT_H_

namespace mpg {
namespace internal {

// If SIGQUIT has its default action, or is ignored since before the program began,
// takes it over. Once in a process: a child that was forked needs a thread of its
// own.
void InstallQuitHandler();

// 1 if there is a thread that waits for SIGQUIT: it wakes nobody. For deadlock
// detection.
int IdleQuitThreads();

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_QUIT_H_
