// Which guest registers live in host registers, and where everything else is.
//
//   rbp -> cpu.window   rsp: the host's stack, 16-byte aligned   r15: the budget
//   rax rcx xmm0 xmm1: scratch
//   the others hold guest registers, between units always the same ones: so code can be entered anywhere
#ifndef JIT_REGS_H
#define JIT_REGS_H

#include "cpu/cpu.h"
#include "jit/x86.h"

#define REGS_CPU    RBP
#define REGS_BUDGET R15
#define REGS_X      11 // host registers that hold guest x registers
#define REGS_F      14 // and f registers

struct reg_pair {
    u8 guest, host;
};
extern const struct reg_pair regs_x[REGS_X], regs_f[REGS_F];

// By guest register: its host register + 1; 0: it is in memory.
struct reg_map {
    u8 x[32], f[32];
};
extern const struct reg_map regs_fixed;

// The displacement of a field of struct cpu from rbp.
#define CPU_OFFSET(field) ((i32)offsetof(struct cpu, field) - (i32)offsetof(struct cpu, window))
#define CPU_FIELD(field) x86_mem(REGS_CPU, CPU_OFFSET(field))

static inline struct x86_rm regs_memory_x(unsigned i)
{
    return x86_mem(REGS_CPU, CPU_OFFSET(file.x) + 8 * (i32)i);
}

static inline struct x86_rm regs_memory_f(unsigned i)
{
    return x86_mem(REGS_CPU, CPU_OFFSET(file.f) + 8 * (i32)i);
}

// Loads the guest registers from cpu.file, stores them there.
void regs_load(struct x86 *e);
void regs_save(struct x86 *e);

#endif
