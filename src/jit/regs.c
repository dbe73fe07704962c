#include "jit/regs.h"

_Static_assert(CPU_OFFSET(file.pc) == -8, "the high x registers are a byte's distance from rbp");
_Static_assert(CPU_OFFSET(tlb.entry[0].host) <= 127, "so is what is asked of a TLB entry");

#define EACH_X(R)                                                                                  \
    R(2, RBX) R(8, R12) R(9, R13) R(10, RDI) R(11, RSI) R(12, R8) R(13, R9) R(14, R10) R(15, R11)  \
    R(16, R14) R(17, RDX)
#define EACH_F(R)                                                                                  \
    R(10, 2) R(11, 3) R(12, 4) R(13, 5) R(14, 6) R(15, 7) R(16, 8) R(17, 9) R(8, 10) R(9, 11)      \
    R(0, 12) R(1, 13) R(2, 14) R(3, 15)

#define PAIR(g, h) {g, h},
const struct reg_pair regs_x[REGS_X] = {EACH_X(PAIR)};
const struct reg_pair regs_f[REGS_F] = {EACH_F(PAIR)};

#define PLACE(g, h) [g] = h + 1,
const struct reg_map regs_fixed = {.x = {EACH_X(PLACE)}, .f = {EACH_F(PLACE)}};

void regs_load(struct x86 *e)
{
    for (unsigned i = 0; i < REGS_X; i++)
        x86_op_rm(e, X86_mov_rm64, regs_x[i].host, regs_memory_x(regs_x[i].guest));
    for (unsigned i = 0; i < REGS_F; i++)
        x86_op_rm(e, X86_movsd_rm, regs_f[i].host, regs_memory_f(regs_f[i].guest));
}

void regs_save(struct x86 *e)
{
    for (unsigned i = 0; i < REGS_X; i++)
        x86_op_rm(e, X86_mov_mr64, regs_x[i].host, regs_memory_x(regs_x[i].guest));
    for (unsigned i = 0; i < REGS_F; i++)
        x86_op_rm(e, X86_movsd_mr, regs_f[i].host, regs_memory_f(regs_f[i].guest));
}
