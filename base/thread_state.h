// What mpg keeps for each OS thread, and the only right way to reach it.
//
// A goroutine may leave a call on another thread than it entered it on. A
// compiler does not know that and may keep the address of a thread_local from
// before the call. ThisThread() therefore computes the address anew, in
// assembly the compiler cannot merge with an earlier one. Never keep its result
// across anything that can park.
//
// Thread safety: each thread touches its own; a signal handler may read.
#ifndef MPG_BASE_THREAD_STATE_H_
#define MPG_BASE_THREAD_STATE_H_

#include <atomic>
#include <cstdint>

#include "absl/base/attributes.h"

namespace mpg {

struct Waiter;

struct ThreadState {
  // Who blocks when this thread's code blocks: the running goroutine, or the
  // thread's own waiter. Null until a plain thread first needs one.
  Waiter* current;
  // RuntimeLocks this thread holds, and regions that forbid preemption. While
  // it is not 0 a signal handler must leave the thread alone. Go: m.locks.
  int32_t locks;
  // Set on threads that a Runtime runs goroutines on. Opaque here.
  void* m;
  // The same while the goroutine is in Syscall, when `m` and `current` say that
  // this is a plain thread.
  void* syscall_m;
  uint64_t rand_state;
};

extern "C" {
extern __thread ThreadState mpg_thread_state
    __attribute__((tls_model("initial-exec")));
}

namespace internal {
ThreadState* ThisThreadOutOfLine();
}  // namespace internal

ABSL_ATTRIBUTE_ALWAYS_INLINE inline ThreadState* ThisThread() {
#if defined(__x86_64__)
  ThreadState* t;
  asm volatile(
      "movq %%fs:0, %0\n\t"
      "addq mpg_thread_state@GOTTPOFF(%%rip), %0"
      : "=r"(t)
      :
      : "cc");
  return t;
#else
  return internal::ThisThreadOutOfLine();
#endif
}

// Forbid and allow preemption of this thread. They nest. The signal's handler
// runs on the same thread, so it is the compiler alone that must keep the order.
inline void HoldPreemption() {
  ++ThisThread()->locks;
  std::atomic_signal_fence(std::memory_order_seq_cst);
}
inline void ReleasePreemption() {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  --ThisThread()->locks;
}

// Forbids preemption of this thread in a scope. Nests.
class NoPreempt {
 public:
  NoPreempt() { HoldPreemption(); }
  ~NoPreempt() { ReleasePreemption(); }
  NoPreempt(const NoPreempt&) = delete;
  NoPreempt& operator=(const NoPreempt&) = delete;
};

}  // namespace mpg

#endif  // MPG_BASE_THREAD_STATE_H_
