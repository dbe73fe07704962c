// The calls that led a guest thread to where it is.
//
// Each step goes from a function to its caller by the first of these that can:
//   1. the unwind table of the file (.eh_frame);
//   2. the function's own code from its beginning on: what it did to sp and where it saved ra and s0
//      (compilers for riscv64 leave C code without unwind tables);
//   3. for the innermost one, the registers: ra is the return address; for others, a frame pointer.
// A signal handler's frame leads back to what the signal interrupted. What does not make sense ends it.
#ifndef SEE_BACKTRACE_H
#define SEE_BACKTRACE_H

#include "cpu/cpu.h"
#include "see/symbols.h"
#include "see/text.h"

#define BACKTRACE_MAX 64u

struct call_frame {
    gva_t pc;         // where it is, or where it goes on after the call
    gva_t sp;
    bool interrupted; // pc is the next instruction itself: the innermost frame, or one that a signal met
};

// The innermost first; how many. `sigreturn` is where signal handlers return to (machine.vdso_sigreturn).
u32 backtrace(struct symbols *s, struct mm *mm, const struct regs *regs, gva_t sigreturn,
              struct call_frame out[BACKTRACE_MAX]);
// Lines "    #0  0x000000000001066c  read+0x1c (libc.so.6)", each beginning with `indent`.
void backtrace_text(struct symbols *s, struct mm *mm, const struct regs *regs, gva_t sigreturn,
                    const char *indent, struct text *out);

#endif
