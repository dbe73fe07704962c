// Integer operations: operands.h's V_OP, in general registers.
#include "jit/operands.h"
#include "jit/translate.h"

void result_done(struct translation *t, unsigned rd, unsigned from)
{
    if (!in_host_x(t, rd)) {
        x86_op_rm(&t->e, X86_mov_mr64, from, regs_memory_x(rd));
        t->held = (u8)rd;
        t->held_in = (u8)from;
        t->result_at = t->e.at;
    } else if (host_x(t, rd) != from) {
        x86_op_rr(&t->e, X86_mov_rm64, host_x(t, rd), from);
    }
}

void result_held(struct translation *t)
{
    t->held_at = t->result_at == t->e.at ? t->e.at : NULL;
}

unsigned held_x(const struct translation *t, unsigned r)
{
    if (in_host_x(t, r))
        return host_x(t, r);
    return t->held_at == t->e.at && t->held == r ? t->held_in : X86_NONE;
}

static struct x86_rm x_operand(const struct translation *t, unsigned r)
{
    unsigned host = held_x(t, r);
    return host == X86_NONE ? regs_memory_x(r) : x86_reg(host);
}

void leaf_fetch(struct translation *t, unsigned to, struct leaf a)
{
    if (a.kind == V_C)
        emit_constant(t, to, a.c);
    else if (a.kind == V_F)
        x86_op_rm(&t->e, in_host_f(t, a.reg) ? X86_movq_rx : X86_mov_rm64,
                  in_host_f(t, a.reg) ? host_f(t, a.reg) : to,
                  in_host_f(t, a.reg) ? x86_reg(to) : regs_memory_f(a.reg));
    else if (held_x(t, a.reg) != to)
        x86_op_rm(&t->e, X86_mov_rm64, to, x_operand(t, a.reg));
}

static bool is_host(const struct translation *t, struct leaf a, unsigned host)
{
    return a.kind == V_X && in_host_x(t, a.reg) && host_x(t, a.reg) == host;
}

// The operand of an instruction: a register, memory, or, for large constants, rcx.
static struct x86_rm operand(struct translation *t, struct leaf a)
{
    if (a.kind == V_X)
        return x_operand(t, a.reg);
    leaf_fetch(t, RCX, a);
    return x86_reg(RCX);
}

struct arith {
    u8 rm, mi; // rows for 32 bits; the ones for 64 follow
    bool commutes;
};

static const struct arith ariths[] = {
    [ADD] = {X86_add_rm32, X86_add_mi32, true}, [SUB] = {X86_sub_rm32, X86_sub_mi32, false},
    [AND] = {X86_and_rm32, X86_and_mi32, true}, [OR] = {X86_or_rm32, X86_or_mi32, true},
    [XOR] = {X86_xor_rm32, X86_xor_mi32, true},
};

static void emit_arith(struct translation *t, unsigned rd, unsigned op, bool w, struct leaf a,
                       struct leaf b)
{
    const struct arith *k = &ariths[op];
    struct x86 *e = &t->e;
    unsigned to = result_place(t, rd), wide = !w;
    if (k->commutes && (a.kind == V_C || (b.kind == V_X && !in_host_x(t, b.reg) &&
                                          held_x(t, b.reg) != X86_NONE))) {
        struct leaf swap = a;
        a = b;
        b = swap;
    }
    if (op == SUB && a.kind == V_C && a.c == 0) {
        leaf_fetch(t, to, b);
        x86_op_rr(e, X86_neg32 + wide, 0, to);
    } else if (leaf_small(b) && a.kind == V_X && !in_host_x(t, rd) && a.reg == rd && !w &&
               held_x(t, rd) == X86_NONE) {
        x86_op_mi(e, k->mi + 1u, regs_memory_x(rd), (i64)b.c); // in memory
        return;
    } else if (op == ADD && leaf_small(b) && a.kind == V_X && in_host_x(t, a.reg) && !is_host(t, a, to) &&
               b.c) {
        x86_op_rm(e, X86_lea32 + wide, to, x86_mem(host_x(t, a.reg), (i32)b.c));
    } else if (op == ADD && a.kind == V_X && b.kind == V_X && in_host_x(t, a.reg) &&
               in_host_x(t, b.reg) && !is_host(t, a, to) && !is_host(t, b, to)) {
        x86_op_rm(e, X86_lea32 + wide, to,
                  x86_mem_index(host_x(t, a.reg), host_x(t, b.reg), 0, 0));
    } else if (leaf_small(b)) {
        leaf_fetch(t, to, a);
        if (op == AND && b.c == 0xff)
            x86_op_rr(e, X86_movzx8, to, to);
        else if (b.c || op == AND)
            x86_op_ri(e, k->mi + wide, to, (i64)b.c);
    } else if (is_host(t, b, to) && !is_host(t, a, to)) {
        if (k->commutes) {
            x86_op_rm(e, k->rm + wide, to, operand(t, a));
        } else { // a - b into b's place
            x86_op_rr(e, X86_neg32 + wide, 0, to);
            x86_op_rm(e, X86_add_rm32 + wide, to, operand(t, a));
        }
    } else {
        bool b_in_rcx = b.kind == V_X && held_x(t, b.reg) == RCX;
        leaf_fetch(t, to, a);
        x86_op_rm(e, k->rm + wide, to, b_in_rcx ? x86_reg(RCX) : operand(t, b));
    }
    if (w && !t->i->lazy)
        x86_op_rr(e, X86_movsxd, to, to);
    result_done(t, rd, to);
}

static void emit_shift(struct translation *t, unsigned rd, unsigned op, bool w, struct leaf a,
                       struct leaf b)
{
    static const u8 by_constant[] = {X86_shl_mi32, X86_shr_mi32, X86_sar_mi32};
    static const u8 by_cl[] = {X86_shl_cl32, X86_shr_cl32, X86_sar_cl32};
    struct x86 *e = &t->e;
    unsigned to = result_place(t, rd), wide = !w, which = op - SLL;
    bool extended = !w || t->i->lazy; // no sign left to extend
    if (b.kind == V_C) {
        leaf_fetch(t, to, a);
        if (b.c & (w ? 31 : 63))
            x86_op_ri(e, by_constant[which] + wide, to, (i64)(b.c & (w ? 31 : 63)));
        extended |= op == SRL && (b.c & 31);
    } else if (t->cache->has_bmi2 && b.kind == V_X) {
        static const u8 by_register[] = {X86_shlx32, X86_shrx32, X86_sarx32};
        unsigned count = in_host_x(t, b.reg) ? host_x(t, b.reg) : RCX;
        if (count == RCX)
            leaf_fetch(t, RCX, b);
        if (a.kind == V_C)
            leaf_fetch(t, RAX, a);
        x86_emit(e, by_register[which] + wide, to, count,
                 a.kind == V_C ? x86_reg(RAX) : x_operand(t, a.reg), 0);
    } else {
        leaf_fetch(t, RCX, b);
        if (is_host(t, b, to))
            to = RAX;
        leaf_fetch(t, to, a);
        x86_op_rr(e, by_cl[which] + wide, 0, to);
    }
    if (!extended)
        x86_op_rr(e, X86_movsxd, to, to);
    result_done(t, rd, to);
}

// The host's instruction that extends the lower `bits`; X86_nop: there is none.
static enum x86_op extension(unsigned bits, bool is_signed)
{
    switch (bits) {
    case 8:
        return is_signed ? X86_movsx8 : X86_movzx8;
    case 16:
        return is_signed ? X86_movsx16 : X86_movzx16;
    case 32:
        return is_signed ? X86_movsxd : X86_mov_rm32;
    default:
        return X86_nop;
    }
}

// slli, then srli or srai; or slliw, then sraiw. Neither can trap, so nobody sees what is in between.
bool emit_shift_pair(struct translation *t)
{
    const struct plan_insn *i = t->i;
    const struct insn *left = &i->in, *right = &i[1].in;
    bool w = left->op == OP_slliw, is_signed = right->op != OP_srli;
    if (w ? right->op != OP_sraiw : left->op != OP_slli || (right->op != OP_srli && right->op != OP_srai))
        return false;
    unsigned rd = left->rd, rs = left->rs1, up = (unsigned)left->imm, down = (unsigned)right->imm;
    if (!i->falls || i[1].kind != PLAN_INSN || i[1].head || i[1].straddles || right->rd != rd ||
        right->rs1 != rd || !rd || !rs || t->known >> rs & 1)
        return false;
    enum x86_op op = extension((w ? 32u : 64u) - up, is_signed);
    if (op == X86_nop || (w && up != down))
        return false;
    struct x86 *e = &t->e;
    unsigned to = result_place(t, rd);
    x86_op_rm(e, op, to, x_rm(t, rs));
    if (up > down)
        x86_op_ri(e, X86_shl_mi64, to, up - down);
    else if (up < down)
        x86_op_ri(e, is_signed ? X86_sar_mi64 : X86_shr_mi64, to, down - up);
    result_done(t, rd, to);
    t->known &= ~(1u << rd);
    return true;
}

void emit_compare(struct translation *t, struct leaf a, struct leaf b)
{
    struct x86 *e = &t->e;
    unsigned ra = a.kind == V_X ? held_x(t, a.reg) : X86_NONE;
    bool b_in_rcx = b.kind == V_X && held_x(t, b.reg) == RCX;
    if (b.kind == V_C && b.c == 0 && ra != X86_NONE) {
        x86_op_rr(e, X86_test_mr64, ra, ra);
    } else if (leaf_small(b) && a.kind == V_X) {
        x86_op_mi(e, X86_cmp_mi64, x_operand(t, a.reg), (i64)b.c);
    } else {
        if (ra == X86_NONE || ra == RCX) // where a constant goes
            leaf_fetch(t, ra = RAX, a);
        x86_op_rm(e, X86_cmp_rm64, ra, b_in_rcx ? x86_reg(RCX) : operand(t, b));
    }
}

static void emit_set(struct translation *t, unsigned rd, bool is_signed, struct leaf a,
                     struct leaf b)
{
    emit_compare(t, a, b);
    unsigned to = result_place(t, rd);
    x86_op_rr(&t->e, is_signed ? X86_set_l : X86_set_b, 0, RAX);
    x86_op_rr(&t->e, X86_movzx8, to, RAX);
    result_done(t, rd, to);
}

static void emit_multiply(struct translation *t, unsigned rd, bool w, struct leaf a, struct leaf b)
{
    struct x86 *e = &t->e;
    unsigned to = result_place(t, rd), wide = !w;
    if (a.kind == V_C) {
        struct leaf swap = a;
        a = b;
        b = swap;
    }
    if (leaf_small(b) && a.kind == V_X) {
        x86_emit(e, X86_imul_rmi32 + wide, to, 0, x_operand(t, a.reg), (i64)b.c);
    } else if (is_host(t, b, to)) {
        x86_op_rm(e, X86_imul_rm32 + wide, to, operand(t, a));
    } else {
        leaf_fetch(t, to, a);
        x86_op_rm(e, X86_imul_rm32 + wide, to, operand(t, b));
    }
    if (w && !t->i->lazy)
        x86_op_rr(e, X86_movsxd, to, to);
    result_done(t, rd, to);
}

// Around what needs rdx, which holds a guest register.
static void rdx_begin(struct translation *t)
{
    x86_op_rm(&t->e, X86_mov_mr64, RDX, CPU_FIELD(native.spare[0]));
}

static void rdx_end(struct translation *t)
{
    x86_op_rm(&t->e, X86_mov_rm64, RDX, CPU_FIELD(native.spare[0]));
}

static void emit_multiply_high(struct translation *t, unsigned rd, unsigned op, struct leaf a,
                               struct leaf b)
{
    struct x86 *e = &t->e;
    leaf_fetch(t, RCX, b);
    leaf_fetch(t, RAX, a);
    rdx_begin(t);
    if (op == MULHSU) { // unsigned, less b if a is negative
        x86_op_rm(e, X86_mov_mr64, RAX, CPU_FIELD(native.spare[1]));
        x86_op_rr(e, X86_mul64, 0, RCX);
        x86_op_rm(e, X86_mov_rm64, RAX, CPU_FIELD(native.spare[1]));
        x86_op_ri(e, X86_sar_mi64, RAX, 63);
        x86_op_rr(e, X86_and_rm64, RAX, RCX);
        x86_op_rr(e, X86_sub_rm64, RDX, RAX);
    } else {
        x86_op_rr(e, op == MULH ? X86_imul64 : X86_mul64, 0, RCX);
    }
    x86_op_rr(e, X86_mov_rm64, RAX, RDX);
    rdx_end(t);
    result_done(t, rd, RAX);
}

// "The quotient of division by zero has all bits set, and the remainder of division by zero equals
// the dividend"; the most negative number by -1 is itself, remainder 0.
static void emit_divide(struct translation *t, unsigned rd, unsigned op, bool w, struct leaf a,
                        struct leaf b)
{
    struct x86 *e = &t->e;
    bool is_signed = op == DIV || op == REM, quotient = op == DIV || op == DIVU;
    unsigned wide = !w;
    leaf_fetch(t, RCX, b);
    leaf_fetch(t, RAX, a);
    rdx_begin(t);
    // One comparison for both: b + 1 <= 1 unsigned.
    if (is_signed) {
        x86_op_rm(e, X86_lea32 + wide, RDX, x86_mem(RCX, 1));
        x86_op_ri(e, X86_cmp_mi32 + wide, RDX, 1);
    } else {
        x86_op_rr(e, X86_test_mr32 + wide, RCX, RCX);
    }
    struct stub *s = stub_add(t, STUB_DIVIDE, x86_branch(e, is_signed ? X86_j_be : X86_j_e, NULL));
    s->size = (u8)(wide | (unsigned)quotient << 1 | (unsigned)is_signed << 2);
    if (is_signed)
        x86_op_none(e, w ? X86_cdq : X86_cqo);
    else
        x86_op_rr(e, X86_xor_rm32, RDX, RDX);
    x86_op_rr(e, (is_signed ? X86_idiv32 : X86_div32) + wide, 0, RCX);
    if (!quotient)
        x86_op_rr(e, X86_mov_rm64, RAX, RDX);
    s->back = e->at;
    rdx_end(t);
    if (w)
        x86_op_rr(e, X86_movsxd, RAX, RAX);
    result_done(t, rd, RAX);
}

void emit_divide_stub(struct translation *t, const struct stub *s)
{
    struct x86 *e = &t->e;
    unsigned wide = s->size & 1;
    bool quotient = s->size & 2, is_signed = s->size & 4;
    u8 *minus_one = NULL;
    if (is_signed) {
        x86_op_rr(e, X86_test_mr32 + wide, RCX, RCX);
        minus_one = x86_branch(e, X86_j_ne, NULL);
    }
    if (quotient)
        x86_op_ri(e, X86_mov_mi64, RAX, -1);
    x86_branch(e, X86_jmp, s->back);
    if (!is_signed || e->full)
        return;
    x86_set_branch(minus_one, e->at);
    if (quotient)
        x86_op_rr(e, X86_neg32 + wide, 0, RAX);
    else
        x86_op_rr(e, X86_xor_rm32, RAX, RAX);
    x86_branch(e, X86_jmp, s->back);
}

void emit_operation(struct translation *t, unsigned rd, const struct value *v)
{
    unsigned op = v->op & (OPERATION_W - 1u);
    bool w = v->op & OPERATION_W;
    switch (op) {
    case ADD:
    case SUB:
    case AND:
    case OR:
    case XOR:
        if (w && op == ADD && v->b.kind == V_C && v->b.c == 0 && v->a.kind == V_X) {
            x86_op_rm(&t->e, X86_movsxd, result_place(t, rd), x_operand(t, v->a.reg));
            result_done(t, rd, result_place(t, rd));
            break;
        }
        emit_arith(t, rd, op, w, v->a, v->b);
        break;
    case SLL:
    case SRL:
    case SRA:
        emit_shift(t, rd, op, w, v->a, v->b);
        break;
    case SLT:
    case SLTU:
        emit_set(t, rd, op == SLT, v->a, v->b);
        break;
    case MUL:
        emit_multiply(t, rd, w, v->a, v->b);
        break;
    case MULH:
    case MULHSU:
    case MULHU:
        emit_multiply_high(t, rd, op, v->a, v->b);
        break;
    case SEXT:
        leaf_fetch(t, RAX, v->a);
        x86_op_rr(&t->e, X86_movsxd, result_place(t, rd), RAX);
        result_done(t, rd, result_place(t, rd));
        break;
    default:
        emit_divide(t, rd, op, w, v->a, v->b);
    }
    result_held(t);
}
