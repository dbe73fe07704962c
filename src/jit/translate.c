// Guest instructions to host code: the rows of rv64.def, their semantics compiled over operands.
//
// What generated code keeps to:
//
// (G1) Registers: regs.h, assign.h. Whenever a unit is entered or left, every guest register is where regs.h says;
//      at every head of a chain, where the unit's map does. Nothing else is known or cached there. rax, rcx, xmm0, xmm1
//      and the flags live no longer than one instruction. Inside a chain upper halves may wait (halves.c).
// (G2) The budget is charged at heads and behind branches, and covers the whole chain at its head (plan.h, N2).
//      It is never negative where an instruction takes effect: where it would become so, the interpreter
//      runs the rest.
// (G3) An instruction that may trap changes nothing before it cannot trap any more. Its stub knows the
//      offset of its pc and how much of the budget to give back; cpu.page, which the unit's
//      tail sets, is the rest of pc.
// (G4) Help (thunks.c) saves all registers to cpu.file and loads them again: C sees and may change
//      them there. Stubs may use rax and rcx.
// (G5) MXCSR is the guest's: rounding to nearest (other modes of frm are not run here), its sticky
//      flags not yet in fflags. C that touches either calls fp_flags first.
// (G6) Translated code never outlives the bytes that it was made from: a store to a frame with code
//      misses the TLB (T2); jit_help then leaves translated code (E5 of interp.c).
// (G7) An exception to (G1): what was just put into a guest register that is in memory is in rax or rcx still, and
//      the next instruction may go by that, if it is no head, before it emits anything. A stub that comes back
//      in between brings it back.

#include "jit/translate.h"

#include <string.h>

#include "base/alloc.h"
#include "base/stats.h"
#include "host/clock.h"
#include "jit/assign.h"
#include "jit/operands.h"
#include "mm/mm.h"

// ---- Operands -------------------------------------------------------------------------------

enum type { i8_, u8_, i16_, u16_, i32_, u32_, u64_ };
static const u8 type_size[] = {1, 1, 2, 2, 4, 4, 8};

#define FP(function, kind, single, row)                                                            \
    static const struct fp_row row_##function = {FP_##kind, single, X86_##row};
#include "jit/fp.def"
#undef FP

static struct leaf x_leaf(const struct translation *t, unsigned r)
{
    if (r == 0 || t->known >> r & 1)
        return (struct leaf){.kind = V_C, .reg = (u8)r, .c = r ? t->value[r] : 0};
    return (struct leaf){.kind = V_X, .reg = (u8)r};
}

static struct value leaf_value(struct leaf a)
{
    return (struct value){.kind = a.kind, .a = a};
}

static struct value constant(u64 c)
{
    return leaf_value((struct leaf){.kind = V_C, .c = c});
}

static struct value operate(unsigned op, struct value a, struct value b)
{
    struct value v = {.kind = V_OP, .op = (u8)op, .a = a.a, .b = b.a};
    if (a.kind != V_C || b.kind != V_C)
        return v;
    switch (op) { // what builds constants
    case ADD:
        return constant(a.a.c + b.a.c);
    case ADD + OPERATION_W:
        return constant((u64)(i64)(i32)(a.a.c + b.a.c));
    case SLL:
        return constant(a.a.c << (b.a.c & 63));
    case SRL:
        return constant(a.a.c >> (b.a.c & 63));
    case OR:
        return constant(a.a.c | b.a.c);
    case XOR:
        return constant(a.a.c ^ b.a.c);
    case AND:
        return constant(a.a.c & b.a.c);
    default:
        return v;
    }
}

static struct value sext32(struct value v)
{
    if (v.kind == V_C)
        return constant((u64)(i64)(i32)v.a.c);
    if (v.kind == V_OP) {
        v.op += OPERATION_W;
        return v;
    }
    return (struct value){.kind = V_OP, .op = SEXT, .a = v.a, .b = {.kind = V_C}};
}

static struct value load(unsigned type, struct value address)
{
    struct value v = {.kind = V_LOAD, .op = (u8)type, .a = address.a};
    if (address.kind == V_OP)
        v.b.c = address.b.c;
    return v;
}

static struct value box(struct value v)
{
    if (v.kind == V_LOAD)
        v.b.kind = V_BOX; // marks it
    else
        v = (struct value){.kind = V_BOX, .a = v.a};
    return v;
}

// ---- Loads and stores -----------------------------------------------------------------------

// 64 bits off sp, of which the lower 32 were stored a moment ago: the host forwards these to a load of 32
// bits at once, but to one of 64 only when they are in its cache.
static void emit_halves(struct translation *t, unsigned rd, struct x86_rm at)
{
    struct x86 *e = &t->e;
    if (at.index == RCX && !in_host_x(t, rd)) { // both scratch registers are needed
        x86_op_rr(e, X86_add_rm64, RAX, RCX);
        at = x86_mem(RAX, at.disp);
    }
    struct x86_rm upper = at;
    unsigned scratch = at.base == RCX ? RAX : RCX; // at's own register is the last to be lost
    unsigned to = in_host_x(t, rd) ? host_x(t, rd) : scratch, lower = to == RCX ? RAX : RCX;
    upper.disp += 4;
    x86_op_rm(e, X86_mov_rm32, to, upper);
    x86_op_ri(e, X86_shl_mi64, to, 32);
    x86_op_rm(e, X86_mov_rm32, lower, at);
    x86_op_rr(e, X86_or_rm64, to, lower);
    result_done(t, rd, to);
}

static void emit_load(struct translation *t, unsigned rd, bool to_f, const struct value *v)
{
    static const u8 rows[] = {X86_movsx8, X86_movzx8, X86_movsx16, X86_movzx16, X86_movsxd,
                              X86_mov_rm32, X86_mov_rm64};
    struct x86 *e = &t->e;
    bool boxed = v->b.kind == V_BOX, kept = true;
    unsigned base = v->a.kind == V_C && !v->a.reg ? 32 : v->a.reg, size = type_size[v->op];
    i64 imm = (i64)(base == 32 ? v->a.c + v->b.c : v->b.c);
    struct x86_rm at = emit_access(t, base, imm, size, false,
                                   boxed ? HELP_LOAD_BOXED : HELP_LOAD_I8 + v->op,
                                   rd + (to_f ? 32 : 0));
    if (boxed) {
        unsigned to = in_host_f(t, rd) ? host_f(t, rd) : 0;
        x86_op_rm(e, X86_movss_rm, to, at);
        x86_op_rm(e, X86_orps, to, CPU_FIELD(native.fp[NATIVE_BOX]));
        if (!in_host_f(t, rd))
            x86_op_rm(e, X86_movsd_mr, 0, regs_memory_f(rd));
    } else if (to_f && in_host_f(t, rd)) {
        x86_op_rm(e, X86_movsd_rm, host_f(t, rd), at);
    } else if (to_f) {
        x86_op_rm(e, X86_mov_rm64, RCX, at);
        x86_op_rm(e, X86_mov_mr64, RCX, regs_memory_f(rd));
    } else if (t->i->window && t->i->halves) {
        emit_halves(t, rd, at);
        kept = in_host_x(t, rd);
    } else if (rd) {
        unsigned to = in_host_x(t, rd) ? host_x(t, rd) : RCX;
        x86_op_rm(e, rows[v->op], to, at);
        result_done(t, rd, to);
    }
    emit_access_done(t, kept);
}

static void emit_store(struct translation *t, unsigned size_log, struct value address,
                       struct value v)
{
    static const u8 rows[] = {X86_mov_mr8, X86_mov_mr16, X86_mov_mr32, X86_mov_mr64};
    struct x86 *e = &t->e;
    unsigned base = address.a.kind == V_C && !address.a.reg ? 32 : address.a.reg;
    i64 imm = (i64)(address.kind == V_OP ? address.b.c : 0);
    if (base == 32)
        imm = (i64)((u64)imm + address.a.c);
    bool from_f = v.kind == V_F, kept = true;
    unsigned reg = v.a.reg;
    struct x86_rm at = emit_access(t, base, imm, 1u << size_log, true, HELP_STORE_8 + size_log,
                                   reg + (from_f ? 32 : 0));
    if (from_f && in_host_f(t, reg)) {
        x86_op_rm(e, size_log == 3 ? X86_movsd_mr : X86_movss_mr, host_f(t, reg), at);
    } else if (!from_f && reg && in_host_x(t, reg)) {
        x86_op_rm(e, rows[size_log], host_x(t, reg), at);
    } else { // the value needs a register
        if (at.base == RCX && at.index == X86_NONE) {
            x86_op_rr(e, X86_mov_rm64, RAX, RCX);
            at.base = RAX;
        } else if (at.base == RCX || at.index == RCX) {
            x86_op_rr(e, X86_add_rm64, RAX, RCX);
            at = x86_mem(RAX, at.disp);
            kept = false;
        }
        if (from_f)
            x86_op_rm(e, X86_mov_rm64, RCX, regs_memory_f(reg));
        else if (reg)
            x86_op_rm(e, X86_mov_rm64, RCX, regs_memory_x(reg));
        else
            x86_op_rr(e, X86_xor_rm32, RCX, RCX);
        x86_op_rm(e, rows[size_log], RCX, at);
    }
    emit_access_done(t, kept);
}

// ---- What the rest of the vocabulary does ---------------------------------------------------

static void emit_step(struct translation *t)
{
    emit_help(t, help_info(HELP_STEP, 0, t->i->left, t->i->off) |
                     (t->i->in.len == 4 ? HELP_LONG : 0));
}

static void emit_trap(struct translation *t, enum trap_kind kind)
{
    if (kind == TRAP_ECALL)
        emit_help(t, help_info(HELP_TRAP, kind, t->i->left, t->i->off));
    else
        emit_step(t); // the trap has a value
}

// auipc before the jalr that overwrites its register, as calls are made of: nobody sees the value.
static bool unseen(const struct translation *t, unsigned rd)
{
    const struct plan_insn *next = t->i + 1;
    return t->i->in.op == OP_auipc && t->i->falls && !t->alone && next < &t->plan.insn[t->plan.n] &&
           next->kind == PLAN_INSN && !next->head && !next->straddles && next->off == t->i->off + 4u &&
           next->in.op == OP_jalr && next->in.rd == rd && next->in.rs1 == rd;
}

static void write_x(struct translation *t, unsigned rd, struct value v)
{
    if (v.kind == V_STEP || v.kind == V_FP) {
        if (v.kind == V_STEP ? !emit_atomic(t) : !emit_fp(t, v.fp, false))
            emit_step(t);
        t->known &= ~(1u << rd);
        return;
    }
    if (v.kind == V_LOAD)
        emit_load(t, rd, false, &v);
    if (rd == 0)
        return;
    t->known &= ~(1u << rd);
    if (v.kind == V_C) {
        if (unseen(t, rd)) {
            // known is enough
        } else if (leaf_small(v.a) && !in_host_x(t, rd)) {
            x86_op_mi(&t->e, X86_mov_mi64, regs_memory_x(rd), (i64)v.a.c);
        } else {
            emit_constant(t, result_place(t, rd), v.a.c);
            result_done(t, rd, result_place(t, rd));
        }
        t->known |= 1u << rd;
        t->value[rd] = v.a.c;
    } else if (v.kind == V_OP) {
        emit_operation(t, rd, &v);
    } else if (v.kind == V_X || v.kind == V_F) {
        leaf_fetch(t, result_place(t, rd), v.a);
        result_done(t, rd, result_place(t, rd));
    }
}

static void write_f(struct translation *t, unsigned rd, struct value v)
{
    struct x86 *e = &t->e;
    if (v.kind == V_FP) {
        if (!emit_fp(t, v.fp, true)) {
            emit_step(t);
            t->boxed &= ~(1u << rd);
        }
        return;
    }
    bool boxed = v.kind == V_BOX || v.b.kind == V_BOX;
    t->boxed = (t->boxed & ~(1u << rd)) | (u32)boxed << rd;
    if (v.kind == V_LOAD) {
        emit_load(t, rd, true, &v);
        return;
    }
    leaf_fetch(t, RAX, v.a); // from an x register
    if (v.kind == V_BOX) {
        x86_op_rr(e, X86_mov_rm32, RAX, RAX);
        x86_op_rm(e, X86_or_rm64, RAX, CPU_FIELD(native.fp[NATIVE_BOX]));
    }
    if (in_host_f(t, rd))
        x86_op_rr(e, X86_movq_xr, host_f(t, rd), RAX);
    else
        x86_op_rm(e, X86_mov_mr64, RAX, regs_memory_f(rd));
}

static void emit_branch(struct translation *t, enum x86_cc cc, struct value a, struct value b)
{
    i64 where = (i64)t->i->off + t->i->in.imm;
    if (a.kind == V_C && b.kind != V_C && (cc == CC_E || cc == CC_NE)) {
        struct value swap = a;
        a = b;
        b = swap;
    }
    emit_compare(t, a.a, b.a);
    emit_goto_if(t, cc, where, t->i->left - 1u);
}

static void emit_call(struct translation *t, unsigned rd)
{
    write_x(t, rd, constant(t->page_va + t->i->off + t->i->in.len));
    if (!t->i->falls)
        emit_goto(t, (i64)t->i->off + t->i->in.imm, t->i->left - 1u);
}

static void emit_call_reg(struct translation *t, unsigned rd, struct value to)
{
    struct x86 *e = &t->e;
    if (to.kind == V_C) {
        u64 pc = to.a.c & ~1UL;
        write_x(t, rd, constant(t->page_va + t->i->off + t->i->in.len));
        emit_goto(t, (i64)(pc - t->page_va), 0);
        return;
    }
    // "then setting the least-significant bit of the result to zero": jit_help does that; native.jumps
    // has no odd address.
    leaf_fetch(t, RAX, to.a);
    if (to.kind == V_OP && to.b.c)
        x86_op_ri(e, X86_add_mi64, RAX, (i64)to.b.c);
    if (rd) {
        emit_constant(t, RCX, t->page_va + t->i->off + t->i->in.len);
        x86_op_rm(e, X86_mov_mr64, RCX, x_rm(t, rd));
    }
    emit_goto_rax(t);
}

enum csr_op { CSR_WRITE, CSR_SET, CSR_CLEAR };
enum { CSR_FFLAGS = 1, CSR_FRM = 2 };

void emit_write_fflags(struct translation *t)
{
    const struct insn *in = &t->i->in;
    struct x86 *e = &t->e;
    struct x86_rm scratch = CPU_FIELD(native.spare[0]);
    if (in->op == OP_csrrwi) {
        x86_op_mi(e, X86_mov_mi32, CPU_FIELD(file.fflags), in->rs1);
    } else {
        leaf_fetch(t, RAX, (struct leaf){.kind = in->rs1 ? V_X : V_C, .reg = in->rs1});
        x86_op_ri(e, X86_and_mi32, RAX, 31);
        x86_op_rm(e, X86_mov_mr32, RAX, CPU_FIELD(file.fflags));
    }
    x86_op_rm(e, X86_stmxcsr, 0, scratch);
    x86_op_mi(e, X86_and_mi32, scratch, ~63);
    x86_op_rm(e, X86_ldmxcsr, 0, scratch);
}

// frflags r; flt or fle; fsflags r: how compilers compare quietly. Unless a NaN was compared, which
// the processor's parity flag still says, the flags are what they were.
static bool undoes_flags(const struct translation *t)
{
    const struct plan_insn *i = t->i;
    if (i < &t->plan.insn[2] || i->head || i[-1].head || !i[-1].falls || !i[-2].falls || !i->in.rs1)
        return false;
    const struct insn *compare = &i[-1].in, *read = &i[-2].in;
    return (compare->op == OP_flt_d || compare->op == OP_fle_d || compare->op == OP_flt_s ||
            compare->op == OP_fle_s) && compare->rd != i->in.rs1 && read->op == OP_csrrs &&
           read->imm == CSR_FFLAGS && read->rs1 == 0 && read->rd == i->in.rs1;
}

// frflags, fsflags and frrm, which compilers put around comparisons; the others are the interpreter's.
static void emit_csr(struct translation *t, enum csr_op op)
{
    const struct insn *in = &t->i->in;
    struct x86 *e = &t->e;
    bool immediate = in->op == OP_csrrwi;
    struct x86_rm scratch = CPU_FIELD(native.spare[0]);
    if (op == CSR_SET && in->rs1 == 0 && in->rd && (in->imm == CSR_FFLAGS || in->imm == CSR_FRM)) {
        if (in->imm == CSR_FRM) {
            x86_op_rm(e, X86_mov_rm32, RAX, CPU_FIELD(file.frm));
        } else {
            x86_op_rm(e, X86_stmxcsr, 0, scratch);
            x86_op_rm(e, X86_mov_rm32, RAX, scratch);
            x86_op_ri(e, X86_and_mi32, RAX, 63);
            x86_op_rm(e, X86_movzx8, RAX,
                      x86_mem_index(REGS_CPU, RAX, 0, CPU_OFFSET(native.fflags_of)));
            x86_op_rm(e, X86_or_rm32, RAX, CPU_FIELD(file.fflags));
        }
        result_done(t, in->rd, RAX);
        t->known &= ~(1u << in->rd);
    } else if (op == CSR_WRITE && in->rd == 0 && in->imm == CSR_FFLAGS && !immediate &&
               undoes_flags(t)) {
        struct stub *s = stub_add(t, STUB_FLAGS, x86_branch(e, X86_j_p, NULL));
        s->back = e->at;
    } else if (op == CSR_WRITE && in->rd == 0 && in->imm == CSR_FFLAGS) {
        emit_write_fflags(t);
    } else {
        write_x(t, in->rd, (struct value){.kind = V_STEP});
    }
}

static void emit_fence(struct translation *t, u32 sets)
{
    if ((sets & 0x50) && (sets & 0x0a) && (sets >> 8 & 15) != 8)
        x86_op_rm(&t->e, X86_mfence, 0, x86_reg(0));
}

// ---- The rows -------------------------------------------------------------------------------

#define RS1 leaf_value(x_leaf(t, in->rs1))
#define RS2 leaf_value(x_leaf(t, in->rs2))
#define FS1 leaf_value((struct leaf){.kind = V_F, .reg = in->rs1})
#define FS2 leaf_value((struct leaf){.kind = V_F, .reg = in->rs2})
#define FS3 leaf_value((struct leaf){.kind = V_F, .reg = in->rs3})
#define IMM constant((u64)(i64)in->imm)
#define ZIMM constant(in->rs1)
#define PC constant(t->page_va + t->i->off)
#define WR(v) write_x(t, in->rd, v)
#define WF(v) write_f(t, in->rd, v)
#define ADD(a, b) operate(ADD, a, b)
#define SUB(a, b) operate(SUB, a, b)
#define AND(a, b) operate(AND, a, b)
#define OR(a, b) operate(OR, a, b)
#define XOR(a, b) operate(XOR, a, b)
#define SLL(a, b) operate(SLL, a, b)
#define SRL(a, b) operate(SRL, a, b)
#define SRA(a, b) operate(SRA, a, b)
#define SLT(a, b) operate(SLT, a, b)
#define SLTU(a, b) operate(SLTU, a, b)
#define SEXT32(v) sext32(v)
#define SLLW(a, b) operate(SLL + OPERATION_W, a, b)
#define SRLW(a, b) operate(SRL + OPERATION_W, a, b)
#define SRAW(a, b) operate(SRA + OPERATION_W, a, b)
#define MUL(a, b) operate(MUL, a, b)
#define MULH(a, b) operate(MULH, a, b)
#define MULHSU(a, b) operate(MULHSU, a, b)
#define MULHU(a, b) operate(MULHU, a, b)
#define DIV(a, b) operate(DIV, a, b)
#define DIVU(a, b) operate(DIVU, a, b)
#define REM(a, b) operate(REM, a, b)
#define REMU(a, b) operate(REMU, a, b)
#define DIVW(a, b) operate(DIV + OPERATION_W, a, b)
#define DIVUW(a, b) operate(DIVU + OPERATION_W, a, b)
#define REMW(a, b) operate(REM + OPERATION_W, a, b)
#define REMUW(a, b) operate(REMU + OPERATION_W, a, b)
#define EQ(a, b) CC_E, a, b
#define NE(a, b) CC_NE, a, b
#define LT(a, b) CC_L, a, b
#define GE(a, b) CC_GE, a, b
#define LTU(a, b) CC_B, a, b
#define GEU(a, b) CC_AE, a, b
#define BRANCH(condition) emit_branch(t, condition)
#define CALL(to) emit_call(t, in->rd)
#define CALL_REG(to) emit_call_reg(t, in->rd, to)
#define LOAD(type, address) load(type##_, address)
#define STORE_u8 0
#define STORE_u16 1
#define STORE_u32 2
#define STORE_u64 3
#define STORE(type, address, v) emit_store(t, STORE_##type, address, v)
#define BOX32(v) box(v)
#define STEP ((struct value){.kind = V_STEP})
#define LOAD_RESERVED(type, address) STEP
#define STORE_CONDITIONAL(type, address, v) STEP
#define AMO_SWAP(type, address, v) STEP
#define AMO_ADD(type, address, v) STEP
#define AMO_XOR(type, address, v) STEP
#define AMO_AND(type, address, v) STEP
#define AMO_OR(type, address, v) STEP
#define AMO_MIN(type, address, v) STEP
#define AMO_MAX(type, address, v) STEP
#define AMO_MINU(type, address, v) STEP
#define AMO_MAXU(type, address, v) STEP
#define FP(f, ...) ((struct value){.kind = V_FP, .fp = &row_##f})
#define FP_RM(f, ...) FP(f)
#define CSR(op, v) emit_csr(t, op)
#define FENCE(sets) emit_fence(t, (u32)in->imm)
#define FENCE_I() emit_goto_next(t)
#define TRAP(kind) emit_trap(t, kind)

static void emit_goto_next(struct translation *t)
{
    emit_constant(t, RAX, t->page_va + t->i->off + t->i->in.len);
    emit_goto_rax(t);
}

static void emit_insn(struct translation *t)
{
    const struct insn *in = &t->i->in;
    switch (in->op) {
#define INSN(name, bits, format, operands, ...)                                                    \
    case OP_##name:                                                                                \
        __VA_ARGS__;                                                                               \
        break;
#include "isa/rv64.def"
#undef INSN
    default:
        emit_step(t); // illegal
    }
}

void emit_alone(struct translation *t)
{
    u8 window = t->i->window;
    u16 view = t->i->view;
    t->i->window = 0;
    t->i->view = 0;
    t->known = t->boxed = 0;
    t->alone = true;
    emit_insn(t);
    t->alone = false;
    t->i->window = window;
    t->i->view = view;
}

// (N3)
static void emit_straddle_check(struct translation *t)
{
    struct x86 *e = &t->e;
    gva_t next = t->page_va + PAGE_SIZE;
    i32 entry = CPU_OFFSET(tlb.entry) +
                (i32)((next >> PAGE_SHIFT & (TLB_SIZE - 1)) * sizeof(struct tlb_entry));
    emit_constant(t, RAX, next);
    x86_op_rm(e, X86_cmp_rm64, RAX, x86_mem(REGS_CPU, entry + (i32)offsetof(struct tlb_entry, exec)));
    stub_add(t, STUB_STRADDLE, x86_branch(e, X86_j_ne, NULL));
    x86_op_rm(e, X86_mov_rm64, RCX, x86_mem(REGS_CPU, entry + (i32)offsetof(struct tlb_entry, host)));
    x86_op_rm(e, X86_movzx16, RCX, x86_mem(RCX, 0));
    x86_op_ri(e, X86_cmp_mi32, RCX, t->plan.upper);
    stub_add(t, STUB_STRADDLE, x86_branch(e, X86_j_ne, NULL));
}

void emit_straddle(struct translation *t)
{
    emit_step(t);
    x86_op_rm(&t->e, X86_mov_rm64, RAX, CPU_FIELD(file.pc));
    emit_goto_rax(t);
}

static void emit_unit(struct translation *t)
{
    emit_from_fixed(t);
    for (u32 n = 0; n < t->plan.n; n++) {
        struct plan_insn *i = t->i = &t->plan.insn[n];
        if (i->head) {
            t->known = t->boxed = 0;
            t->held_at = NULL;
        }
        i->at = t->e.at;
        if (i->head || i->charges)
            emit_charge(t);
        if (i->straddles)
            emit_straddle_check(t);
        if (i->kind == PLAN_INSN && emit_shift_pair(t))
            t->plan.insn[++n].at = t->e.at;
        else if (i->kind == PLAN_INSN)
            emit_insn(t);
        else if (i->kind == PLAN_STRADDLE)
            emit_straddle(t);
        else
            emit_goto(t, i->off, 0);
    }
    t->cold = t->e.at;
    emit_stubs(t);
}

static int publish(struct translation *t)
{
    for (u32 n = 0; n < t->plan.n; n++) {
        const struct plan_insn *i = &t->plan.insn[n];
        if (i->entry && cache_enter(t->cache, t->page, t->page_va + i->off, i->entry,
                                    n ? 0 : (u32)(t->e.at - t->begin), n ? 0 : t->plan.guest_bytes))
            return -1;
    }
    return 0;
}

#define UNIT_MOST (PLAN_MOST * 160u)

const u8 *translate(struct jit_cache *c, struct store *s, struct stats *st, struct code_page *p,
                    const u8 *next, gva_t pc)
{
    u64 start = host_monotonic();
    struct translation *t = c->scratch ? c->scratch : (c->scratch = mem_alloc(sizeof *t));
    u8 *begin = cache_begin(c, s, UNIT_MOST);
    if (!begin || !t)
        return NULL;
    t->begin = begin;
    t->e = (struct x86){.at = begin, .end = begin + UNIT_MOST};
    t->cache = c;
    t->page = p;
    t->page_va = pc & TLB_PAGE_MASK;
    t->held_at = t->result_at = t->alone_done = NULL;
    t->alone = false;
    t->known = t->boxed = t->nstubs = t->nfixes = 0;
    t->tail.n = t->fixed_tail.n = t->convert[0].n = t->convert[1].n = 0;
    if (!plan_make(&t->plan, c, p, frame_data(s, p->frame), next, t->page_va, (u32)(pc & PAGE_MASK)))
        return NULL;
    assign(t);
    find_halves(t);
    emit_unit(t);
    if (t->e.full)
        return NULL;
    cache_end(c, t->e.at); // also if it is published in part
    if (publish(t))
        return NULL;
    c->made++;
    st->jit_blocks++;
    st->jit_basic_blocks += t->plan.basic_blocks;
    st->jit_instructions += t->plan.n;
    st->jit_guest_bytes += t->plan.guest_bytes;
    st->jit_bytes += (u32)(t->e.at - begin);
    st->jit_links += c->links;
    st->jit_thrown_away += c->thrown_away;
    st->jit_recycled += c->recycled;
    st->jit_pause_ns = MAX(st->jit_pause_ns, c->pause_ns);
    c->links = c->thrown_away = c->recycled = 0;
    st->jit_ns += host_monotonic() - start;
    return begin + c->shift;
}
