// Deadlock detection. Go: checkdead (proc.go).
#ifndef MPG_RUNTIME_DEADLOCK_H_
#define MPG_RUNTIME_DEADLOCK_H_

namespace mpg {
namespace internal {

struct Sched;

// Ends the program, as Go does, if `s` has goroutines, all of them are blocked,
// and no thread of the process is left that could wake one. Called on the
// monitor's thread when `s` has been idle for a while; some 50 us.
// True if there is a thread that may wake one: it may yet end, or block as well.
bool CheckDead(Sched* s);

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_DEADLOCK_H_
