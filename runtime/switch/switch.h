// SwitchContext leaves one stack and goes on another, on the same thread.
//
//   Context main, fiber;
//   MakeContext(&fiber, stack_top, [](void* arg) { ...; }, arg);
//   SwitchContext(&main, &fiber);   // returns when somebody switches to &main
//
// It is inline assembly that ends in an indirect jump, and not a function that
// is called: a `ret` after a change of stacks is always mispredicted (8.6 ns a
// switch against 2.7 ns), a jump is predicted by its own address, so that each
// inlined place learns its own successor, and the compiler spills only what is
// live at that place instead of all callee-saved registers.
//
// What goes with the context: stack and frame pointer, and, because the
// compiler believes them clobbered, every other register. What stays with the
// thread: floating-point control (MXCSR and x87 control word, FPCR), since a
// rounding mode belongs to a thread as fesetround has it; the signal mask; TLS.
// C++ exception state: see eh_state.h. Sanitizers: see fiber_san.h.
//
// Thread safety: a context may be saved on one thread and resumed on another,
// if its owner synchronizes the two. `to` is read only before the jump, and
// `from` is complete before it, so whoever runs next may pass it on. Code
// around a switch must not keep the address of a thread-local across it:
// compilers do keep them, so such code belongs in functions not inlined.
//
// REQUIRES: the function that contains the switch has no variable-length array
// or alloca next to an over-aligned local: clang then keeps a base pointer in a
// callee-saved register (rbx, x19) and ignores that it is clobbered.
//
// Limits: Linux on x86-64 and aarch64. Hardware shadow stacks (CET-SS, GCS) are
// not supported; indirect-branch landing pads (IBT, BTI) are.
//
// Rejected: boost.context's fcontext and POSIX swapcontext. Both are called
// functions that end in ret; the second makes a system call as well.
#ifndef MPG_RUNTIME_SWITCH_SWITCH_H_
#define MPG_RUNTIME_SWITCH_SWITCH_H_

#include <cstddef>
#include <cstdint>

namespace mpg {
namespace internal {

// Where a suspended flow of control goes on. The assembly knows the offsets.
// bp is rbp or x29: neither compiler lets assembly clobber the frame pointer.
struct Context {
  void* sp = nullptr;
  void* bp = nullptr;
  void* pc = nullptr;
};

static_assert(offsetof(Context, sp) == 0 && offsetof(Context, bp) == 8 &&
                  offsetof(Context, pc) == 16,
              "known to the assembly");

// The bottom of every stack made by MakeContext: calls entry(arg). Debuggers
// and unwinders end their walk here. Not to be called. (start.S)
extern "C" void mpg_context_start();

// Saves the calling flow of control in *from and resumes *to. Returns when
// somebody switches to *from. from == to is allowed.
[[gnu::always_inline]] inline void SwitchContext(Context* from,
                                                 const Context* to);

// Where the caller of the function that this is in goes on when it returns, and the
// stack and frame pointer that it has then. That function must not be inlined.
[[gnu::always_inline]] inline Context CallerContext() {
  void** const frame = static_cast<void**>(__builtin_frame_address(0));
  Context caller;
  caller.sp = __builtin_dwarf_cfa();
  caller.bp = frame[0];
  caller.pc = __builtin_return_address(0);
  return caller;
}

// Makes *ctx such that the first switch to it calls entry(arg) at the top of
// the stack that ends at stack_top (exclusive; aligned down to 16 bytes here).
// Writes two words of the stack. entry must never return (it traps) and no
// exception may leave it (std::terminate).
inline void MakeContext(Context* ctx, void* stack_top, void (*entry)(void*),
                        void* arg) {
  const uintptr_t top = reinterpret_cast<uintptr_t>(stack_top) & ~uintptr_t{15};
  void** const sp = reinterpret_cast<void**>(top) - 2;
  sp[0] = reinterpret_cast<void*>(entry);
  sp[1] = arg;
  ctx->sp = sp;
  ctx->bp = nullptr;
  ctx->pc = reinterpret_cast<void*>(&mpg_context_start);
}

// Asks for the part of ctx's stack that its owner will touch first. Called one
// to four switches ahead, it hides the misses of cache and TLB that dominate
// when many goroutines take turns: 16 ns a switch among 10,000, against 20, or
// 60 and more where finding the next one waits for a load from the stack just
// entered. Any value of ctx->sp will do.
[[gnu::always_inline]] inline void PrefetchContext(const Context* ctx) {
  const char* const sp = static_cast<const char*>(ctx->sp);
  __builtin_prefetch(sp);
  __builtin_prefetch(sp + 64);
  __builtin_prefetch(sp + 128);
  __builtin_prefetch(sp + 192);
}

}  // namespace internal
}  // namespace mpg

// The definition of SwitchContext.
#if defined(__x86_64__) && !defined(__ILP32__)
#include "runtime/switch/switch_x86_64.h"
#elif defined(__aarch64__)
#include "runtime/switch/switch_aarch64.h"
#else
#error "mpg switches contexts on x86-64 and aarch64 only"
#endif

#endif  // MPG_RUNTIME_SWITCH_SWITCH_H_
