// What the store instruction that just trapped was about to do.
#ifndef CPU_STORE_H
#define CPU_STORE_H

#include "cpu/cpu.h"

struct cpu_store {
    gva_t va;
    u32 size;   // bytes, 1-8
    bool plain; // it stores `value`; else an atomic operation, or a floating-point register's
    bool by_sp; // addressed from the stack pointer
    u64 value;
};

// Of the instruction at regs->pc. False: it cannot be read, or stores nothing.
MUST_CHECK bool cpu_store_at(struct mm *mm, const struct regs *regs, struct cpu_store *out);

#endif
