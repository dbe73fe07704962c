// The encoder: x86-64 instructions to bytes. Nothing else of tine writes a byte of machine code.
#ifndef JIT_X86_H
#define JIT_X86_H

#include "base/types.h"

enum x86_op {
#define X86(name, ...) X86_##name,
#include "jit/x86.def"
#undef X86
    X86_COUNT
};

enum x86_reg { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

// Condition codes as x86 numbers them; cc ^ 1 is the opposite.
enum x86_cc { CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A,
              CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE, CC_LE, CC_G };

// An operand: a register, or memory at base + index * scale + disp (index X86_NONE: without).
struct x86_rm {
    bool memory;
    u8 base; // or the register
    u8 index, scale; // scale as a shift, 0-3
    i32 disp;
};

#define X86_NONE 0xff

static inline struct x86_rm x86_reg(unsigned r)
{
    return (struct x86_rm){.base = (u8)r};
}

static inline struct x86_rm x86_mem(unsigned base, i32 disp)
{
    return (struct x86_rm){.memory = true, .base = (u8)base, .index = X86_NONE, .disp = disp};
}

static inline struct x86_rm x86_mem_index(unsigned base, unsigned index, unsigned scale, i32 disp)
{
    return (struct x86_rm){true, (u8)base, (u8)index, (u8)scale, disp};
}

// Where bytes go. When there is no more room, nothing is written and `full` is set; that is to be
// looked at before the code is used.
struct x86 {
    u8 *at, *end;
    bool full;
};

#define X86_LONGEST 15 // bytes of an instruction
#define X86_ROOM    24 // that must be there for one: some are written that it does not need

// reg: the register operand; v: the VEX one. What a form does not have is not looked at.
void x86_emit(struct x86 *e, enum x86_op op, unsigned reg, unsigned v, struct x86_rm rm, i64 imm);

static inline void x86_op_rm(struct x86 *e, enum x86_op op, unsigned reg, struct x86_rm rm)
{
    x86_emit(e, op, reg, 0, rm, 0);
}

static inline void x86_op_rr(struct x86 *e, enum x86_op op, unsigned reg, unsigned rm)
{
    x86_emit(e, op, reg, 0, x86_reg(rm), 0);
}

static inline void x86_op_mi(struct x86 *e, enum x86_op op, struct x86_rm rm, i64 imm)
{
    x86_emit(e, op, 0, 0, rm, imm);
}

static inline void x86_op_ri(struct x86 *e, enum x86_op op, unsigned rm, i64 imm)
{
    x86_emit(e, op, 0, 0, x86_reg(rm), imm);
}

static inline void x86_op_none(struct x86 *e, enum x86_op op)
{
    x86_emit(e, op, 0, 0, x86_reg(0), 0);
}

// A jump, call or condition to `target`, or, with NULL, to nowhere yet. The end of the instruction
// comes back: where its distance is counted from.
u8 *x86_branch(struct x86 *e, enum x86_op op, const u8 *target);
// A jump or condition back to `target`, in two bytes if it is near: its distance is not to be set again.
u8 *x86_branch_back(struct x86 *e, enum x86_op op, const u8 *target);
// Sets the distance, at most 127 bytes, of the short_ jump that ends at `end`.
void x86_set_short(u8 *end, const u8 *target);
// Sets the distance of the branch that ends at `end`; one store, so that a thread which runs it sees
// the old or the new target.
void x86_set_branch(u8 *end, const u8 *target);
const u8 *x86_branch_target(const u8 *end);
// Nops, so that the distance of a branch of `length` bytes emitted next lies in one cache line.
void x86_align_branch(struct x86 *e, unsigned length);

const char *x86_name(enum x86_op op);

#endif
