#include "runtime/backtrace_of.h"

#include <algorithm>

#include "absl/base/attributes.h"

// mpg_call_below(ctx, fn, arg) calls fn(arg) from a frame whose unwind information
// says that its caller is the frame of *ctx: an unwinder that begins in fn comes to
// its own caller, then to us, then to ctx's stack. The frame's canonical address, the
// caller's frame pointer and the return address are read from *ctx, which a
// callee-saved register (rbx, x19) points to; of the other registers nothing is
// known. The second function is the same and says that its caller was interrupted.
//
// .cfi_escape 0x0f: DW_CFA_def_cfa_expression; 0x10: DW_CFA_expression, an address
// where a register is saved; 0x73, 0x83: DW_OP_breg3 (rbx), DW_OP_breg19 (x19);
// 0x06: DW_OP_deref.
#if defined(__x86_64__)
#define MPG_CALL_BELOW(name, signal_frame)   \
  asm(".pushsection .text\n"                 \
      ".type " name ", @function\n" name     \
      ":\n"                                  \
      ".cfi_startproc\n" signal_frame        \
      "pushq %rbx\n"                         \
      ".cfi_def_cfa_offset 16\n"             \
      ".cfi_offset rbx, -16\n"               \
      "movq %rdi, %rbx\n"                    \
      "movq %rdx, %rdi\n"                    \
      ".cfi_remember_state\n"                \
      ".cfi_undefined rbx\n"                 \
      ".cfi_escape 0x0f, 3, 0x73, 0, 0x06\n" \
      ".cfi_escape 0x10, 6, 2, 0x73, 8\n"    \
      ".cfi_escape 0x10, 16, 2, 0x73, 16\n"  \
      "callq *%rsi\n"                        \
      "nop\n"                                \
      ".cfi_restore_state\n"                 \
      "popq %rbx\n"                          \
      ".cfi_def_cfa_offset 8\n"              \
      "ret\n"                                \
      ".cfi_endproc\n"                       \
      ".size " name ", . - " name            \
      "\n"                                   \
      ".popsection\n")
#elif defined(__aarch64__)
#define MPG_CALL_BELOW(name, signal_frame)   \
  asm(".pushsection .text\n"                 \
      ".balign 4\n"                          \
      ".type " name ", %function\n" name     \
      ":\n"                                  \
      ".cfi_startproc\n" signal_frame        \
      "hint #34\n"                           \
      "stp x29, x30, [sp, #-32]!\n"          \
      ".cfi_def_cfa_offset 32\n"             \
      ".cfi_offset x29, -32\n"               \
      ".cfi_offset x30, -24\n"               \
      "str x19, [sp, #16]\n"                 \
      ".cfi_offset x19, -16\n"               \
      "mov x19, x0\n"                        \
      "mov x0, x2\n"                         \
      ".cfi_remember_state\n"                \
      ".cfi_undefined x19\n"                 \
      ".cfi_escape 0x0f, 3, 0x83, 0, 0x06\n" \
      ".cfi_escape 0x10, 29, 2, 0x83, 8\n"   \
      ".cfi_escape 0x10, 30, 2, 0x83, 16\n"  \
      "blr x1\n"                             \
      "nop\n"                                \
      ".cfi_restore_state\n"                 \
      "ldr x19, [sp, #16]\n"                 \
      "ldp x29, x30, [sp], #32\n"            \
      ".cfi_def_cfa_offset 0\n"              \
      "ret\n"                                \
      ".cfi_endproc\n"                       \
      ".size " name ", . - " name            \
      "\n"                                   \
      ".popsection\n")
#endif

extern "C" {
void mpg_call_below(const mpg::internal::Context* ctx, void (*fn)(void*),
                    void* arg);
void mpg_call_below_interrupted(const mpg::internal::Context* ctx,
                                void (*fn)(void*), void* arg);
}
MPG_CALL_BELOW("mpg_call_below", "");
MPG_CALL_BELOW("mpg_call_below_interrupted", ".cfi_signal_frame\n");

namespace mpg {
namespace internal {
namespace {

struct Walk {
  Backtrace* out;
  const void* return_address;  // into mpg_call_below
};

// What the unwinder sees before it comes to ctx's stack: TakeBacktrace, this, and
// mpg_call_below, where this returns to.
ABSL_ATTRIBUTE_NOINLINE void WalkFromHere(void* arg) {
  auto* walk = static_cast<Walk*>(arg);
  walk->return_address = __builtin_return_address(0);
  TakeBacktrace(walk->out);
  asm volatile("" ::: "memory");  // no tail call
}

void DropOwnFrames(const Walk& walk) {
  Backtrace* out = walk.out;
  void** const end = out->pcs + out->size;
  void** const ours = std::find(out->pcs, end, walk.return_address);
  // Not there: a stack that the unwinder could not leave.
  void** const first = ours == end ? end : ours + 1;
  out->size = static_cast<int>(std::copy(first, end, out->pcs) - out->pcs);
}

}  // namespace

void TakeBacktraceOf(const Context& ctx, Backtrace* out) {
  Walk walk{out, nullptr};
  mpg_call_below(&ctx, &WalkFromHere, &walk);
  DropOwnFrames(walk);
}

void TakeBacktraceOfInterrupted(const Context& ctx, Backtrace* out) {
  Walk walk{out, nullptr};
  mpg_call_below_interrupted(&ctx, &WalkFromHere, &walk);
  DropOwnFrames(walk);
}

}  // namespace internal
}  // namespace mpg
