// Runtime: a goroutine scheduler and its lifetime. Go: package runtime.
//
//   int main() {
//     return mpg::Main([] {
//       mpg::Chan<int> c = mpg::MakeChan<int>();
//       mpg::Go([c] { c.Send(42); });
//       std::printf("%d\n", *c.Recv());
//       return 0;
//     });
//   }
//
// Several Runtimes may live in a process, one after another or at the same
// time. Goroutines of two Runtimes, and plain threads, may use one channel,
// mutex or wait group together.
//
// When every goroutine of a program is blocked, and no thread is left that could
// wake one, the program ends with
// "fatal error: all goroutines are asleep - deadlock!", the stacks of all
// goroutines and exit status 2. Threads that sleep in a channel, a lock or Wait
// of mpg cannot wake anybody; any other thread of the process might, so while
// there is one no deadlock is reported.
//
// Process-wide effects of the first Runtime: a std::terminate handler that
// reports a panic in a goroutine (and calls the previous handler on other
// threads), and a SIGSEGV and SIGBUS handler on a stack of its own that
// recognises goroutine stack overflow (and passes on all else). If SIGQUIT has its
// default action then, or is ignored since before the program began, the signal
// dumps all goroutines of all Runtimes to stderr as Go does ("SIGQUIT: quit", each goroutine's state and stack) and ends the process
// with exit status 2; a thread that does nothing else waits for it. For dumps from
// code, and $GOTRACEBACK, see stack_dump.h.
#ifndef MPG_RUNTIME_RUNTIME_H_
#define MPG_RUNTIME_RUNTIME_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "runtime/options.h"

namespace mpg {

namespace internal {
struct Sched;
}  // namespace internal

class Runtime {
 public:
  // Throws Panic for options out of range. Starts the monitor thread
  // (std::system_error if the system refuses it); threads for goroutines are
  // started as they are needed, and if one is refused then the program ends:
  // "fatal error: newosproc". So it does where there is no memory for a stack:
  // "fatal error: runtime: out of memory".
  explicit Runtime(RuntimeOptions options = RuntimeOptions::FromEnvironment());

  // Ends the Runtime: running goroutines are stopped at their next call into
  // mpg (one that makes none keeps the destructor waiting), threads are joined,
  // memory is returned. Threads that are still in a Syscall after a second are
  // left behind instead, with a line on stderr and the Runtime's memory. Goroutines that are left are abandoned: they are taken
  // off what they wait for, their stacks are freed without unwinding, so
  // destructors of objects on them do not run. Must not be called by one of its
  // goroutines, nor while another thread is in Run, Go, Wait or Stats.
  ~Runtime();

  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Runs main as the main goroutine and returns when it returns; other
  // goroutines go on. The calling thread becomes m0 and runs goroutines as
  // long: if one that makes no call into mpg occupies it when main returns, Run
  // waits for that one. One Run at a time; not from a goroutine (Panic).
  // A panic in any goroutine ends the process. Go: runtime.main.
  void Run(absl::AnyInvocable<void()> main);

  // Starts fn as a goroutine. Any thread. Does not block.
  void Go(absl::AnyInvocable<void()> fn);

  // Blocks the calling thread until no goroutine of this Runtime is left. Any
  // plain thread; Panic if called by one of its goroutines.
  void Wait();

  // Any thread. Does not stop anybody.
  SchedStats Stats() const;

 private:
  std::unique_ptr<internal::Sched> sched_;
};

// The body of int main(): runs main as the main goroutine of a Runtime with
// options from the environment, and returns what it returns.
int Main(absl::AnyInvocable<int()> main);

}  // namespace mpg

#endif  // MPG_RUNTIME_RUNTIME_H_
