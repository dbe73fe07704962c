// LR, SC and AMOs as the host's instructions on the frame; atomic ones if other threads may be at work on
// it, which is when another machine has the store (frame.h, F4). One instruction is enough otherwise: a
// machine has one thread. What misses the TLB, or is misaligned (which traps), the interpreter does.
//
// The reservation is the interpreter's (cpu.h): an address and what was there; SC compares and swaps.
#include "jit/translate.h"

#define ENTRY(field) (CPU_OFFSET(tlb.entry) + (i32)offsetof(struct tlb_entry, field))

struct atomic {
    u8 wide; // 64 bits
    u8 rd, rs1, rs2;
};

// rcx = host address of the operand, if it is aligned and its page in the TLB; else by a stub to the
// interpreter. rax is lost.
static struct stub *emit_where(struct translation *t, const struct atomic *a, i32 tag)
{
    struct x86 *e = &t->e;
    unsigned log = a->wide ? 3 : 2;
    x86_op_rm(e, X86_mov_rm64, RAX, x_rm(t, a->rs1));
    x86_op_rr(e, X86_mov_rm32, RCX, RAX);
    x86_op_ri(e, X86_shr_mi32, RCX, PAGE_SHIFT - 5);
    x86_op_ri(e, X86_and_mi32, RCX, (TLB_SIZE - 1) << 5);
    x86_op_rm(e, X86_xor_rm64, RAX, x86_mem_index(REGS_CPU, RCX, 0, tag));
    // Page and alignment at once: bits that must be 0 go to the top.
    x86_op_ri(e, X86_ror_mi64, RAX, log);
    x86_op_ri(e, X86_cmp_mi64, RAX, (i64)(PAGE_SIZE >> log) - 1);
    struct stub *s = stub_add(t, STUB_STEP, x86_branch(e, X86_j_a, NULL));
    s->info = help_info(HELP_STEP, 0, t->i->left, t->i->off) | (t->i->in.len == 4 ? HELP_LONG : 0);
    x86_op_rm(e, X86_mov_rm64, RCX, x86_mem_index(REGS_CPU, RCX, 0, ENTRY(host)));
    x86_op_rm(e, X86_lea64, RCX, x86_mem_index(RCX, RAX, log, 0));
    return s;
}

static struct x86_rm target(void)
{
    return x86_mem(RCX, 0);
}

// The branch that is taken if nobody else is at work. The flags are lost.
static u8 *emit_if_alone(struct translation *t)
{
    x86_op_mi(&t->e, X86_cmp_mi32, CPU_FIELD(native.parallel), 0);
    return x86_branch(&t->e, X86_j_e, NULL);
}

static void emit_here(struct translation *t, u8 *branch)
{
    if (!t->e.full)
        x86_set_branch(branch, t->e.at);
}

// The prefix of the next instruction; who is alone jumps over it, into the instruction.
static void emit_lock(struct translation *t)
{
    u8 *alone = emit_if_alone(t);
    x86_op_none(&t->e, X86_lock);
    emit_here(t, alone);
}

// What was in memory, from rax to rd.
static void emit_result(struct translation *t, const struct atomic *a)
{
    if (!a->rd)
        return;
    if (!a->wide)
        x86_op_rr(&t->e, X86_movsxd, RAX, RAX);
    x86_op_rm(&t->e, X86_mov_mr64, RAX, x_rm(t, a->rd));
}

static void emit_load_reserved(struct translation *t, const struct atomic *a)
{
    struct x86 *e = &t->e;
    struct stub *s = emit_where(t, a, ENTRY(read));
    x86_op_rm(e, a->wide ? X86_mov_rm64 : X86_movsxd, RAX, target());
    x86_op_rm(e, X86_mov_mr64, RAX, CPU_FIELD(file.reserved_value));
    x86_op_rm(e, X86_mov_rm64, RCX, x_rm(t, a->rs1));
    x86_op_rm(e, X86_mov_mr64, RCX, CPU_FIELD(file.reservation));
    if (a->rd)
        x86_op_rm(e, X86_mov_mr64, RAX, x_rm(t, a->rd));
    s->back = e->at;
}

// rdx, which holds a guest register, is put aside.
static void emit_borrow(struct translation *t)
{
    x86_op_rm(&t->e, X86_mov_mr64, RDX, CPU_FIELD(native.spare[0]));
}

static void emit_give_back(struct translation *t)
{
    x86_op_rm(&t->e, X86_mov_rm64, RDX, CPU_FIELD(native.spare[0]));
}

// The second operand, while rdx is put aside.
static struct x86_rm operand(const struct translation *t, const struct atomic *a)
{
    bool in_rdx = in_host_x(t, a->rs2) && host_x(t, a->rs2) == RDX;
    return in_rdx ? CPU_FIELD(native.spare[0]) : x_rm(t, a->rs2);
}

static void emit_store_conditional(struct translation *t, const struct atomic *a)
{
    struct x86 *e = &t->e;
    struct stub *s = emit_where(t, a, ENTRY(write));
    x86_op_rm(e, X86_mov_rm64, RAX, x_rm(t, a->rs1));
    x86_op_rm(e, X86_cmp_rm64, RAX, CPU_FIELD(file.reservation));
    x86_op_mi(e, X86_mov_mi64, CPU_FIELD(file.reservation), -1); // the flags stay
    u8 *fails = x86_branch(e, X86_j_ne, NULL);
    emit_borrow(t);
    x86_op_rm(e, X86_mov_rm64, RDX, operand(t, a));
    x86_op_rm(e, X86_mov_rm64, RAX, CPU_FIELD(file.reserved_value));
    emit_lock(t);
    x86_op_rm(e, X86_cmpxchg_mr32 + a->wide, RDX, target());
    emit_give_back(t);
    if (e->full)
        return;
    x86_set_branch(fails, e->at);
    x86_op_rr(e, X86_set_ne, 0, RAX);
    x86_op_rr(e, X86_movzx8, RAX, RAX);
    if (a->rd)
        x86_op_rm(e, X86_mov_mr64, RAX, x_rm(t, a->rd));
    s->back = e->at;
}

static void emit_add(struct translation *t, const struct atomic *a)
{
    struct stub *s = emit_where(t, a, ENTRY(write));
    x86_op_rm(&t->e, X86_mov_rm64, RAX, x_rm(t, a->rs2));
    emit_lock(t);
    x86_op_rm(&t->e, X86_xadd_mr32 + a->wide, RAX, target());
    emit_result(t, a);
    s->back = t->e.at;
}

// xchg is always atomic: who is alone loads and stores, if there is a register for that.
static void emit_swap(struct translation *t, const struct atomic *a)
{
    struct x86 *e = &t->e;
    struct stub *s = emit_where(t, a, ENTRY(write));
    bool direct = !a->rs2 || in_host_x(t, a->rs2);
    u8 *alone = direct ? emit_if_alone(t) : NULL, *done = NULL;
    x86_op_rm(e, X86_mov_rm64, RAX, x_rm(t, a->rs2));
    x86_op_rm(e, X86_xchg_mr32 + a->wide, RAX, target());
    if (direct) {
        done = x86_branch(e, X86_jmp, NULL);
        emit_here(t, alone);
        x86_op_rm(e, X86_mov_rm32 + a->wide, RAX, target());
        if (a->rs2)
            x86_op_rm(e, X86_mov_mr32 + a->wide, host_x(t, a->rs2), target());
        else
            x86_op_mi(e, X86_mov_mi32 + a->wide, target(), 0);
        emit_here(t, done);
    }
    emit_result(t, a);
    s->back = e->at;
}

// The others: the new value is made in rdx by `op`, or, if `replaces` is a condition, is the operand
// where that holds between memory and operand.
static void emit_loop(struct translation *t, const struct atomic *a, enum x86_op op, int replaces)
{
    struct x86 *e = &t->e;
    struct stub *s = emit_where(t, a, ENTRY(write));
    emit_borrow(t);
    x86_op_rm(e, X86_mov_rm32 + a->wide, RAX, target());
    const u8 *again = e->at;
    x86_op_rr(e, X86_mov_rm64, RDX, RAX);
    x86_op_rm(e, op + a->wide, RDX, operand(t, a));
    if (replaces >= 0)
        x86_op_rm(e, X86_cmov_o + (unsigned)replaces, RDX, operand(t, a));
    emit_lock(t);
    x86_op_rm(e, X86_cmpxchg_mr32 + a->wide, RDX, target());
    x86_branch(e, X86_j_ne, again);
    emit_give_back(t);
    emit_result(t, a);
    s->back = e->at;
}

bool emit_atomic(struct translation *t)
{
    const struct insn *in = &t->i->in;
    struct atomic a = {.rd = in->rd, .rs1 = in->rs1, .rs2 = in->rs2};
    switch (in->op) {
#define BOTH(name, ...)                                                                            \
    case OP_##name##_d:                                                                            \
        a.wide = 1;                                                                                \
        /* fall through */                                                                         \
    case OP_##name##_w:                                                                            \
        __VA_ARGS__;                                                                               \
        return true;
        BOTH(lr, emit_load_reserved(t, &a))
        BOTH(sc, emit_store_conditional(t, &a))
        BOTH(amoswap, emit_swap(t, &a))
        BOTH(amoadd, emit_add(t, &a))
        BOTH(amoxor, emit_loop(t, &a, X86_xor_rm32, -1))
        BOTH(amoand, emit_loop(t, &a, X86_and_rm32, -1))
        BOTH(amoor, emit_loop(t, &a, X86_or_rm32, -1))
        BOTH(amomin, emit_loop(t, &a, X86_cmp_rm32, CC_G))
        BOTH(amomax, emit_loop(t, &a, X86_cmp_rm32, CC_L))
        BOTH(amominu, emit_loop(t, &a, X86_cmp_rm32, CC_A))
        BOTH(amomaxu, emit_loop(t, &a, X86_cmp_rm32, CC_B))
#undef BOTH
    default:
        return false;
    }
}
