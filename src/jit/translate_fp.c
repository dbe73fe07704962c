// Floating point in SSE registers. MXCSR rounds to nearest and collects the flags (G5); what x86 does
// otherwise than RISC-V goes to the interpreter: other static rounding modes, conversions out of
// range, NaN operands of fmin and fmax, FMA that yields a NaN, singles that are not NaN-boxed.
#include "cpu/fp.h"
#include "jit/translate.h"

// What an f register that was loaded as a scratch is.
#define X0 0
#define X1 1

static unsigned place(const struct translation *t, unsigned f)
{
    return in_host_f(t, f) ? host_f(t, f) : X86_NONE;
}

// The xmm register that holds f[i]: its own, or the scratch, loaded.
static unsigned load(struct translation *t, unsigned f, unsigned scratch)
{
    if (in_host_f(t, f))
        return host_f(t, f);
    x86_op_rm(&t->e, X86_movsd_rm, scratch, regs_memory_f(f));
    return scratch;
}

// Where the result is computed, and its way home from there.
static unsigned result(const struct translation *t, unsigned f)
{
    return in_host_f(t, f) ? host_f(t, f) : X0;
}

static void store(struct translation *t, unsigned f, unsigned from)
{
    if (!in_host_f(t, f))
        x86_op_rm(&t->e, X86_movsd_mr, from, regs_memory_f(f));
    else if (host_f(t, f) != from)
        x86_op_rr(&t->e, X86_movaps, host_f(t, f), from);
}

static void step_if(struct translation *t, enum x86_cc cc, u32 flags)
{
    struct stub *s = stub_add(t, STUB_STEP, x86_branch(&t->e, X86_j_o + cc, NULL));
    s->info = help_info(HELP_STEP, 0, t->i->left, t->i->off) | flags |
              (t->i->in.len == 4 ? HELP_LONG : 0);
}

// Steps for which emit_fp_done is still to say where they go on.
static void steps_done(struct translation *t, u32 first)
{
    for (u32 i = first; i < t->nstubs; i++)
        if (t->stub[i].kind == STUB_STEP)
            t->stub[i].back = t->e.at;
}

// A single that may not be NaN-boxed: that is found out once in a chain. If it is not, the interpreter
// takes over until the next jump.
static void check_boxed(struct translation *t, unsigned f)
{
    struct x86 *e = &t->e;
    if (t->boxed >> f & 1)
        return;
    if (in_host_f(t, f)) {
        x86_emit(e, X86_pextrd, host_f(t, f), 0, x86_reg(RAX), 1);
        x86_op_ri(e, X86_cmp_mi32, RAX, -1);
    } else {
        struct x86_rm upper = regs_memory_f(f);
        upper.disp += 4;
        x86_op_mi(e, X86_cmp_mi32, upper, -1);
    }
    step_if(t, CC_NE, HELP_LEAVE);
    t->boxed |= 1u << f;
}

// "the canonical NaN": what x86 makes is one with the sign bit or a payload.
static void check_nan(struct translation *t, unsigned x, bool single)
{
    x86_op_rr(&t->e, single ? X86_ucomiss : X86_ucomisd, x, x);
    struct stub *s = stub_add(t, STUB_NAN, x86_branch(&t->e, X86_j_p, NULL));
    s->size = (u8)x;
    s->flags = single;
    s->back = t->e.at;
}

void emit_nan_stub(struct translation *t, const struct stub *s)
{
    x86_op_rm(&t->e, X86_movsd_rm, s->size,
              s->flags ? CPU_FIELD(native.fp[NATIVE_NAN_S]) : CPU_FIELD(native.fp[NATIVE_NAN_D]));
    x86_branch(&t->e, X86_jmp, s->back);
}

// The VEX form of an SSE row: the rows stand in the same order.
static enum x86_op vex(enum x86_op op)
{
    switch (op) {
#define VEX(name)                                                                                  \
    case X86_##name:                                                                               \
        return X86_v##name;
        VEX(addss) VEX(addsd) VEX(subss) VEX(subsd) VEX(mulss) VEX(mulsd) VEX(divss) VEX(divsd)
        VEX(minss) VEX(minsd) VEX(maxss) VEX(maxsd)
#undef VEX
    default:
        return X86_nop;
    }
}

// to = a op b; the upper half is a's.
static void binary(struct translation *t, enum x86_op op, unsigned to, unsigned fa, unsigned fb)
{
    struct x86 *e = &t->e;
    unsigned a = load(t, fa, X0);
    if (to == a) {
        x86_op_rm(e, op, to, f_rm(t, fb));
    } else if (t->cache->has_avx) {
        x86_emit(e, vex(op), to, a, f_rm(t, fb), 0);
    } else {
        unsigned work = to == place(t, fb) ? X0 : to;
        x86_op_rr(e, X86_movaps, work, a);
        x86_op_rm(e, op, work, f_rm(t, fb));
        if (work != to)
            x86_op_rr(e, X86_movaps, to, work);
    }
}

static void emit_sign(struct translation *t, const struct insn *in, enum fp_kind kind, bool single)
{
    struct x86 *e = &t->e;
    struct x86_rm sign = single ? CPU_FIELD(native.fp[NATIVE_SIGN_S])
                                : CPU_FIELD(native.fp[NATIVE_SIGN_D]);
    struct x86_rm rest = single ? CPU_FIELD(native.fp[NATIVE_REST_S])
                                : CPU_FIELD(native.fp[NATIVE_REST_D]);
    unsigned a = load(t, in->rs1, X1);
    if (in->rs1 == in->rs2) {
        if (kind == FP_SGNJ) {
            store(t, in->rd, a);
            return;
        }
        x86_op_rr(e, X86_movaps, X0, a);
        x86_op_rm(e, kind == FP_SGNJN ? X86_xorps : X86_andps, X0,
                  kind == FP_SGNJN ? sign : rest);
        store(t, in->rd, X0);
        return;
    }
    x86_op_rm(e, in_host_f(t, in->rs2) ? X86_movaps : X86_movsd_rm, X0, f_rm(t, in->rs2));
    if (kind == FP_SGNJN)
        x86_op_rm(e, X86_xorps, X0, sign);
    x86_op_rm(e, X86_andps, X0, sign);
    if (kind == FP_SGNJX) {
        x86_op_rr(e, X86_xorps, X0, a);
    } else {
        if (a != X1)
            x86_op_rr(e, X86_movaps, X1, a);
        x86_op_rm(e, X86_andps, X1, rest);
        x86_op_rr(e, X86_orps, X0, X1);
    }
    store(t, in->rd, X0);
}

static void emit_order(struct translation *t, const struct insn *in, bool single, enum x86_op set)
{
    // a < b as b > a: "above" is false of unordered operands.
    unsigned b = load(t, in->rs2, X1);
    x86_op_rm(&t->e, single ? X86_comiss : X86_comisd, b, f_rm(t, in->rs1));
    x86_op_rr(&t->e, set, 0, RAX);
}

static void emit_equal(struct translation *t, const struct insn *in, bool single)
{
    unsigned a = load(t, in->rs1, X0);
    x86_op_rm(&t->e, single ? X86_ucomiss : X86_ucomisd, a, f_rm(t, in->rs2));
    x86_op_rr(&t->e, X86_set_e, 0, RAX);
    x86_op_rr(&t->e, X86_set_np, 0, RCX);
    x86_op_rr(&t->e, X86_and_rm32, RAX, RCX);
}

// rax = the boolean in al, in rd.
static void boolean(struct translation *t, unsigned rd)
{
    if (!rd)
        return;
    unsigned to = in_host_x(t, rd) ? host_x(t, rd) : RAX;
    x86_op_rr(&t->e, X86_movzx8, to, RAX);
    if (to == RAX)
        x86_op_rm(&t->e, X86_mov_mr64, RAX, regs_memory_x(rd));
}

// Rounds toward zero, or as MXCSR does. Out of range x86 answers the lowest number.
static void emit_to_int(struct translation *t, const struct insn *in, enum x86_op op)
{
    struct x86 *e = &t->e;
    bool wide = op == X86_cvttss2si64 || op == X86_cvttsd2si64;
    if (in->rm != FP_RTZ)
        op += X86_cvtss2si32 - X86_cvttss2si32;
    x86_op_rm(e, op, RAX, f_rm(t, in->rs1));
    x86_op_ri(e, wide ? X86_cmp_mi64 : X86_cmp_mi32, RAX, 1); // overflows for just that
    step_if(t, CC_O, 0);
    if (!in->rd)
        return;
    unsigned to = in_host_x(t, in->rd) ? host_x(t, in->rd) : RAX;
    if (!wide)
        x86_op_rr(e, X86_movsxd, to, RAX);
    else if (to != RAX)
        x86_op_rr(e, X86_mov_rm64, to, RAX);
    if (to == RAX)
        x86_op_rm(e, X86_mov_mr64, RAX, regs_memory_x(in->rd));
}

static void emit_from_int(struct translation *t, const struct insn *in, const struct fp_row *f)
{
    struct x86 *e = &t->e;
    x86_op_rr(e, X86_xorps, X0, X0); // what the conversion does not write
    if (in->rs1 == 0 || f->kind == FP_FROM_UNSIGNED) {
        if (in->rs1)
            x86_op_rm(e, X86_mov_rm32, RAX, x_rm(t, in->rs1));
        else
            x86_op_rr(e, X86_xor_rm32, RAX, RAX);
        x86_op_rr(e, f->op, X0, RAX);
    } else {
        x86_op_rm(e, f->op, X0, x_rm(t, in->rs1));
    }
    if (f->single)
        x86_op_rm(e, X86_orps, X0, CPU_FIELD(native.fp[NATIVE_BOX]));
    store(t, in->rd, X0);
}

static bool is_single_fma(enum x86_op op)
{
    return op == X86_vfmadd213ss || op == X86_vfmsub213ss || op == X86_vfnmadd213ss ||
           op == X86_vfnmsub213ss;
}

static void emit_fma(struct translation *t, const struct insn *in, enum x86_op op)
{
    struct x86 *e = &t->e;
    bool single = is_single_fma(op);
    unsigned b = load(t, in->rs2, X1);
    if (in->rd == in->rs3 && in->rd != in->rs1 && in->rd != in->rs2 && in_host_f(t, in->rd)) {
        _Static_assert(X86_vfmadd231sd == X86_vfmadd213sd + 2 &&
                       X86_vfnmsub231ss == X86_vfnmsub213ss + 2, "rows stand together");
        unsigned to = host_f(t, in->rd);
        x86_emit(e, op + 2, to, b, f_rm(t, in->rs1), 0);
        x86_op_rr(e, single ? X86_ucomiss : X86_ucomisd, to, to);
        struct stub *s = stub_add(t, STUB_FMA, x86_branch(e, X86_j_p, NULL));
        s->flags = single;
        s->back = e->at;
        return;
    }
    x86_op_rm(e, in_host_f(t, in->rs1) ? X86_movaps : X86_movsd_rm, X0, f_rm(t, in->rs1));
    x86_emit(e, op, X0, b, f_rm(t, in->rs3), 0);
    x86_op_rr(e, single ? X86_ucomiss : X86_ucomisd, X0, X0);
    step_if(t, CC_P, 0);
    store(t, in->rd, X0);
}

// "fma(inf, 0, qNaN) raises the invalid operation exception", which x86 does not: so the factors are
// multiplied alone. If that is no NaN, none of its flags count.
void emit_fma_stub(struct translation *t, const struct stub *s)
{
    struct x86 *e = &t->e;
    const struct insn *in = &t->i->in;
    x86_op_rm(e, X86_stmxcsr, 0, CPU_FIELD(native.spare[0]));
    x86_op_rm(e, X86_movsd_rm, X0, f_rm(t, in->rs1));
    x86_op_rm(e, s->flags ? X86_mulss : X86_mulsd, X0, f_rm(t, in->rs2));
    x86_op_rr(e, s->flags ? X86_ucomiss : X86_ucomisd, X0, X0);
    u8 *nan = x86_branch(e, X86_j_p, NULL);
    x86_op_rm(e, X86_ldmxcsr, 0, CPU_FIELD(native.spare[0]));
    if (!e->full)
        x86_set_branch(nan, e->at);
    x86_op_rm(e, X86_movsd_rm, host_f(t, in->rd),
              s->flags ? CPU_FIELD(native.fp[NATIVE_NAN_S]) : CPU_FIELD(native.fp[NATIVE_NAN_D]));
    x86_branch(e, X86_jmp, s->back);
}

static void emit_min_max(struct translation *t, const struct insn *in, const struct fp_row *f)
{
    unsigned a = load(t, in->rs1, X0);
    x86_op_rm(&t->e, f->single ? X86_ucomiss : X86_ucomisd, a, f_rm(t, in->rs2));
    step_if(t, CC_P, 0);
    step_if(t, CC_E, 0); // perhaps 0 and -0
    binary(t, f->op, result(t, in->rd), in->rs1, in->rs2);
    store(t, in->rd, result(t, in->rd));
}

static bool rounds_as_mxcsr(const struct translation *t, const struct fp_row *f)
{
    unsigned rm = t->i->in.rm;
    if (!(rv_flags[t->i->in.op] & RV_ROUNDS))
        return true;
    return rm == FP_RNE || rm == 7 || (f->kind == FP_TO_INT && rm == FP_RTZ);
}

static void emit_kind(struct translation *t, const struct insn *in, const struct fp_row *f)
{
    struct x86 *e = &t->e;
    unsigned to = result(t, in->rd);
    switch (f->kind) {
    case FP_ARITH:
        binary(t, f->op, to, in->rs1, in->rs2);
        check_nan(t, to, f->single);
        store(t, in->rd, to);
        break;
    case FP_SQRT:
        x86_op_rr(e, X86_movaps, X0, load(t, in->rs1, X0)); // keeps the upper half
        x86_op_rr(e, f->op, X0, X0);
        check_nan(t, X0, f->single);
        store(t, in->rd, X0);
        break;
    case FP_FMA:
        emit_fma(t, in, f->op);
        break;
    case FP_SGNJ:
    case FP_SGNJN:
    case FP_SGNJX:
        emit_sign(t, in, f->kind, f->single);
        break;
    case FP_MINMAX:
        emit_min_max(t, in, f);
        break;
    case FP_ORDER:
        emit_order(t, in, f->single, f->op);
        boolean(t, in->rd);
        break;
    case FP_EQUAL:
        emit_equal(t, in, f->single);
        boolean(t, in->rd);
        break;
    case FP_TO_INT:
        emit_to_int(t, in, f->op);
        break;
    case FP_FROM_INT:
    case FP_FROM_UNSIGNED:
        emit_from_int(t, in, f);
        break;
    case FP_NARROW:
    case FP_WIDEN:
        x86_op_rr(e, X86_xorps, X0, X0);
        x86_op_rm(e, f->op, X0, f_rm(t, in->rs1));
        check_nan(t, X0, f->kind == FP_NARROW);
        if (f->kind == FP_NARROW)
            x86_op_rm(e, X86_orps, X0, CPU_FIELD(native.fp[NATIVE_BOX]));
        store(t, in->rd, X0);
        break;
    }
}

// Whether the instruction's result is a single.
static bool makes_single(const struct fp_row *f)
{
    return (f->single && f->kind != FP_WIDEN) || f->kind == FP_NARROW;
}

bool emit_fp(struct translation *t, const struct fp_row *f, bool to_f)
{
    const struct insn *in = &t->i->in;
    if (f->kind == FP_STEP || !rounds_as_mxcsr(t, f) ||
        (f->kind == FP_FMA && !t->cache->has_fma))
        return false;
    u32 first = t->nstubs;
    if (f->single && f->kind != FP_FROM_INT && f->kind != FP_FROM_UNSIGNED) {
        check_boxed(t, in->rs1);
        if (f->kind != FP_SQRT && f->kind != FP_TO_INT && f->kind != FP_WIDEN)
            check_boxed(t, in->rs2);
        if (f->kind == FP_FMA)
            check_boxed(t, in->rs3);
    }
    emit_kind(t, in, f);
    steps_done(t, first);
    if (to_f && makes_single(f))
        t->boxed |= 1u << in->rd;
    else if (to_f)
        t->boxed &= ~(1u << in->rd);
    return true;
}
