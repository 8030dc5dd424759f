// mpg_context_start: the outermost frame of every stack that MakeContext makes.
//
// It is jumped to with sp at {entry, arg}, 16-byte aligned, and calls
// entry(arg). There is no caller: the return address is declared undefined,
// which ends DWARF walks (gdb, _Unwind_Backtrace), and the frame pointer is
// zero, which ends walks along frame pointers. entry does not return; if it
// does, the trap says so.

        .text
        .globl mpg_context_start
        .balign 16
#if defined(__x86_64__)
        .type mpg_context_start, @function
mpg_context_start:
        .cfi_startproc
        .cfi_undefined rip
#if defined(__CET__) && (__CET__ & 1)
        endbr64
#endif
        xorl    %ebp, %ebp
        movq    8(%rsp), %rdi
        callq   *(%rsp)
        ud2
        .cfi_endproc
        .size mpg_context_start, . - mpg_context_start
#elif defined(__aarch64__)
        .type mpg_context_start, %function
mpg_context_start:
        .cfi_startproc
        .cfi_undefined x30
        hint    #38             // bti jc
        mov     x29, xzr
        mov     x30, xzr
        ldp     x9, x0, [sp]
        blr     x9
        brk     #0
        .cfi_endproc
        .size mpg_context_start, . - mpg_context_start
#else
#error "mpg switches contexts on x86-64 and aarch64 only"
#endif

        .section .note.GNU-stack, "", %progbits
