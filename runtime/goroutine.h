// What code in a goroutine calls: go, yield, exit, and the goroutine's and the
// runtime's facts. Go: the go statement and package runtime.
//
//   mpg::Go([ch] { ch.Send(Compute()); });       // go func() { ... }()
//   mpg::Go(Worker, id, results);                // go worker(id, results)
//
// Thread safety: each function may be called by any goroutine. Those that need
// one throw Panic on a thread that runs none; Goid returns 0 there and NumCPU
// works everywhere.
//
// Rules for code that runs in a goroutine:
//  - It may go on in another OS thread after any call into mpg. Do not keep the
//    address of a thread_local, or of errno, across such a call. The value of
//    errno and the C++ exception state follow the goroutine.
//  - A std::mutex must not be held across a call that may park: another
//    goroutine on the same thread could lock it again. Use mpg::Mutex.
//  - An exception that leaves its function ends the program, as a panic does.
#ifndef MPG_RUNTIME_GOROUTINE_H_
#define MPG_RUNTIME_GOROUTINE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/strings/string_view.h"
#include "base/closure_origin.h"
#include "runtime/spawn.h"

namespace mpg {

struct GoOptions {
  // Bytes of address space for the stack; 0: the Runtime's. Rounded up to a
  // power of two of at least 16 KiB.
  size_t stack_size = 0;
  // Shown in dumps behind the goroutine's number.
  std::string name;
};

namespace internal {

// f(args...) as something to call once; arguments are copied or moved in, as
// std::thread does; std::ref passes a reference.
template <class F, class Tuple>
struct BoundCall {
  F f;
  Tuple args;

  void operator()() { std::apply(std::move(f), std::move(args)); }
  uintptr_t Origin() const { return ClosureOrigin(f); }
};

template <class F, class... Args>
auto BindClosure(F&& f, Args&&... args) {
  using Tuple = decltype(std::make_tuple(std::forward<Args>(args)...));
  return BoundCall<std::decay_t<F>, Tuple>{
      std::forward<F>(f), std::make_tuple(std::forward<Args>(args)...)};
}

template <class F, class... Args>
ABSL_ATTRIBUTE_ALWAYS_INLINE inline void FillSlotWithCall(ClosureSlot* slot,
                                                          F&& f,
                                                          Args&&... args) {
  if constexpr (sizeof...(Args) == 0) {
    FillSlot(slot, std::forward<F>(f));
  } else {
    SlotCanceler canceler{slot};
    auto closure = BindClosure(std::forward<F>(f), std::forward<Args>(args)...);
    canceler.slot = nullptr;
    FillSlot(slot, std::move(closure));
  }
}

}  // namespace internal

// Starts f(args...) as a new goroutine of the caller's Runtime. Does not block.
// The closure is not allocated if it fits in 64 bytes. Go: the go statement,
// newproc.
template <class F, class... Args,
          class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, GoOptions>>>
ABSL_ATTRIBUTE_NOINLINE void Go(F&& f, Args&&... args) {
  internal::ClosureSlot* slot =
      internal::BeginSpawn(internal::CurrentSchedOrPanic());
  internal::FillSlotWithCall(slot, std::forward<F>(f),
                             std::forward<Args>(args)...);
  internal::CommitSpawn(slot, __builtin_return_address(0));
}

template <class F, class... Args>
ABSL_ATTRIBUTE_NOINLINE void Go(const GoOptions& options, F&& f,
                                Args&&... args) {
  internal::ClosureSlot* slot =
      internal::BeginSpawn(internal::CurrentSchedOrPanic());
  internal::SetSpawnOptions(slot, options.name, options.stack_size);
  internal::FillSlotWithCall(slot, std::forward<F>(f),
                             std::forward<Args>(args)...);
  internal::CommitSpawn(slot, __builtin_return_address(0));
}

namespace internal {

struct M;
M* EnterSyscall();          // null: there is nothing to leave
M* EnterBlockingSyscall();  // likewise
void ExitSyscall(M* m);

template <M* (*kEnter)()>
class SyscallScope {
 public:
  // Inline always: dumps begin with the frame that called kEnter, and f runs in
  // frames below it.
  ABSL_ATTRIBUTE_ALWAYS_INLINE SyscallScope() : m_(kEnter()) {}
  ~SyscallScope() {
    if (m_ != nullptr) ExitSyscall(m_);
  }
  SyscallScope(const SyscallScope&) = delete;
  SyscallScope& operator=(const SyscallScope&) = delete;

 private:
  M* const m_;
};

}  // namespace internal

// Returns f(), which may block the thread: in a system call, in a library that
// knows nothing of goroutines. The other goroutines go on: sysmon takes the
// caller's P away after 20 us or more if somebody else has use for it, and on
// return the caller waits for one if there is none. Costs two atomic operations
// when f is short. The goroutine stays on its thread while f runs.
//
// To mpg, f's thread is a plain thread meanwhile: a channel or Mutex in f blocks
// the thread, Goid() is 0, Gosched and the like throw Panic; Go works, and so
// does Syscall (it just calls). On a plain thread Syscall just calls f.
// Exceptions come through, and so does the value of errno; but compilers take
// the address of errno for the same all through a function, and the caller may
// be on another thread afterwards: look at errno in f, or in a function of its
// own.
//
// A Runtime that ends while f blocks waits for it for a second and then leaves
// the thread behind, which never comes out of Syscall.
// Go: entersyscall, exitsyscall (proc.go).
template <class F>
decltype(auto) Syscall(F&& f) {
  internal::SyscallScope<internal::EnterSyscall> scope;
  return std::forward<F>(f)();
}

// Syscall for an f that will block: gives the P away at once rather than after
// 20 us. Go: entersyscallblock.
template <class F>
decltype(auto) BlockingSyscall(F&& f) {
  internal::SyscallScope<internal::EnterBlockingSyscall> scope;
  return std::forward<F>(f)();
}

// While one lives, no signal preempts the calling goroutine: for code that must
// not be interrupted for long, or would not stand it. Calls into mpg may still
// give way. They nest, up to 255. Must be destroyed by the goroutine that made
// it; does nothing on a plain thread. Timers that were started on its P wait for a P
// that runs out of work, as with Go's asyncpreemptoff=1: so no endless loops here.
class AsyncPreemptOff {
 public:
  AsyncPreemptOff();
  ~AsyncPreemptOff();
  AsyncPreemptOff(const AsyncPreemptOff&) = delete;
  AsyncPreemptOff& operator=(const AsyncPreemptOff&) = delete;

 private:
  internal::G* const g_;
};

// Lets other goroutines run; the caller goes on later. Go: runtime.Gosched.
void Gosched();

// Ends the calling goroutine: its stack is unwound, destructors run, and a
// catch (...) on the way cannot stop it. Called by the main goroutine, the
// program goes on without it; once no other goroutine is left that ends it
// with "fatal error: no goroutines (main called runtime.Goexit) - deadlock!".
// A noexcept function on the way ends the program. Go: runtime.Goexit.
[[noreturn]] void Goexit();

// The calling goroutine's number, as dumps show it; 0 outside a goroutine.
int64_t Goid();

// Wires the calling goroutine to its current thread: nobody else runs there,
// and it runs nowhere else, until UnlockOSThread has been called as often. A
// goroutine that ends while locked takes its thread with it. A switch to or
// from it wakes a thread: dear. Go: runtime.LockOSThread.
void LockOSThread();
void UnlockOSThread();

// The goroutines that exist now, the caller included. Go: NumGoroutine.
int NumGoroutine();

// The CPUs the process may use. Go: NumCPU.
int NumCPU();

// How many goroutines may run at the same time; n > 0 changes it, which stops
// the world for a moment. Returns the previous value. At most 1024.
// Go: GOMAXPROCS.
int GOMAXPROCS(int n);

// Sets how many OS threads the Runtime may have; one more ends the program with
// "fatal error: thread exhaustion". Returns the previous value.
// Go: debug.SetMaxThreads.
int SetMaxThreads(int n);

// Stops all other goroutines of the Runtime at their next call into mpg, and
// returns when none runs. Blocks while another stop is under way. The caller
// must not park until it has called StartTheWorld, nor end another Runtime; a
// Syscall keeps the P. `reason` is for traces.
// Go: stopTheWorld, startTheWorld.
void StopTheWorld(absl::string_view reason);
void StartTheWorld();

}  // namespace mpg

#endif  // MPG_RUNTIME_GOROUTINE_H_
