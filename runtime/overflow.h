// Goroutine stack overflow: recognised by the fault in a guard page, on a signal
// stack, and reported as Go does.
#ifndef MPG_RUNTIME_OVERFLOW_H_
#define MPG_RUNTIME_OVERFLOW_H_

namespace mpg {
namespace internal {

// Handles SIGSEGV and SIGBUS for the process, once; any thread. Faults that are
// not in a goroutine's guard page go to the handler that was there before.
void InstallOverflowHandler();

// Gives the calling thread a signal stack, and its former one back.
class SignalStack {
 public:
  SignalStack();
  ~SignalStack();
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  void* memory_;
  void* old_sp_;
  unsigned long old_size_;
  int old_flags_;
};

}  // namespace internal
}  // namespace mpg

#endif  // MPG_RUNTIME_OVERFLOW_H_
