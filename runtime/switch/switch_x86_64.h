// SwitchContext for x86-64 (System V ABI). Included by switch.h only.
#ifndef MPG_RUNTIME_SWITCH_SWITCH_X86_64_H_
#define MPG_RUNTIME_SWITCH_SWITCH_X86_64_H_

#include "runtime/switch/switch.h"

// Where indirect branches are checked (-fcf-protection), a place that is
// jumped to says so.
#if defined(__CET__) && (__CET__ & 1)
#define MPG_SWITCH_LANDING "endbr64\n\t"
#else
#define MPG_SWITCH_LANDING ""
#endif

#if defined(__AVX512F__)
#define MPG_SWITCH_AVX512                                                     \
  "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23",     \
      "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", \
      "k1", "k2", "k3", "k4", "k5", "k6", "k7",
#else
#define MPG_SWITCH_AVX512
#endif

namespace mpg {
namespace internal {

// Nothing is pushed, so the red zone below the old sp survives.
//
// The clobber list is every register that the compiler allocates; xmmN stands
// for ymmN and zmmN too. gcc takes the names of the AVX-512 registers only
// where they are enabled, so a function that gets AVX-512 by a target attribute
// of its own must not contain a switch.
[[gnu::always_inline]] inline void SwitchContext(Context* from,
                                                 const Context* to) {
  asm volatile(
      "leaq 1f(%%rip), %%rax\n\t"
      "movq %%rsp, 0(%%rdi)\n\t"
      "movq %%rbp, 8(%%rdi)\n\t"
      "movq %%rax, 16(%%rdi)\n\t"
      "movq 0(%%rsi), %%rsp\n\t"
      "movq 8(%%rsi), %%rbp\n\t"
      "jmpq *16(%%rsi)\n"
      "1:\n\t" MPG_SWITCH_LANDING
      : "+D"(from), "+S"(to)
      :
      : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13",
        "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
        "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
        "xmm15", MPG_SWITCH_AVX512 "mm0", "mm1", "mm2", "mm3", "mm4", "mm5",
        "mm6", "mm7", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)",
        "st(6)", "st(7)", "memory", "cc");
}

}  // namespace internal
}  // namespace mpg

#undef MPG_SWITCH_AVX512
#undef MPG_SWITCH_LANDING

#endif  // MPG_RUNTIME_SWITCH_SWITCH_X86_64_H_
