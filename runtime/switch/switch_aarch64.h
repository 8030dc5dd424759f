// SwitchContext for aarch64 (AAPCS64). Included by switch.h only.
#ifndef MPG_RUNTIME_SWITCH_SWITCH_AARCH64_H_
#define MPG_RUNTIME_SWITCH_SWITCH_AARCH64_H_

#include "runtime/switch/switch.h"

// Where indirect branches are checked (-mbranch-protection), a place that is
// jumped to says so: hint 36 is `bti j`.
#if defined(__ARM_FEATURE_BTI_DEFAULT)
#define MPG_SWITCH_LANDING "hint #36\n\t"
#else
#define MPG_SWITCH_LANDING ""
#endif

namespace mpg {
namespace internal {

// vN stands for zN (SVE) too. x18 is a temporary register on Linux, unless the
// compiler was told to keep its hands off it (-ffixed-x18).
[[gnu::always_inline]] inline void SwitchContext(Context* from,
                                                 const Context* to) {
  register Context* x0 asm("x0") = from;
  register const Context* x1 asm("x1") = to;
  asm volatile(
      "adr x10, 1f\n\t"
      "mov x9, sp\n\t"
      "stp x9, x29, [x0]\n\t"
      "str x10, [x0, #16]\n\t"
      "ldp x9, x29, [x1]\n\t"
      "ldr x10, [x1, #16]\n\t"
      "mov sp, x9\n\t"
      "br x10\n"
      "1:\n\t" MPG_SWITCH_LANDING
      : "+r"(x0), "+r"(x1)
      :
      : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12",
        "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22",
        "x23", "x24", "x25", "x26", "x27", "x28", "x30", "v0", "v1", "v2", "v3",
        "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14",
        "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24",
        "v25", "v26", "v27", "v28", "v29", "v30", "v31",
#if defined(__ARM_FEATURE_SVE)
        "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10",
        "p11", "p12", "p13", "p14", "p15",
#endif
        "memory", "cc");
}

}  // namespace internal
}  // namespace mpg

#undef MPG_SWITCH_LANDING

#endif  // MPG_RUNTIME_SWITCH_SWITCH_AARCH64_H_
