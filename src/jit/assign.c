#include "jit/assign.h"

#define INLINE_MOST 2 // exchanges that are done on the spot

// ---- What instructions use ------------------------------------------------------------------

#define OF_ALL(a, b, c, ...) ((a) | (b) | (c))
#define OF_TWO(a, b)         ((a) | (b))
#define RS1 USES_RS1
#define RS2 USES_RS2
#define FS1 USES_FS1
#define FS2 USES_FS2
#define FS3 USES_FS3
#define IMM 0
#define ZIMM 0
#define PC 0
#define WR(v) (USES_WR | (v))
#define WF(v) (USES_WF | (v))
#define ADD OF_TWO
#define SUB OF_TWO
#define AND OF_TWO
#define OR OF_TWO
#define XOR OF_TWO
#define SLL OF_TWO
#define SRL OF_TWO
#define SRA OF_TWO
#define SLT OF_TWO
#define SLTU OF_TWO
#define SLLW OF_TWO
#define SRLW OF_TWO
#define SRAW OF_TWO
#define MUL OF_TWO
#define MULH OF_TWO
#define MULHSU OF_TWO
#define MULHU OF_TWO
#define DIV OF_TWO
#define DIVU OF_TWO
#define REM OF_TWO
#define REMU OF_TWO
#define DIVW OF_TWO
#define DIVUW OF_TWO
#define REMW OF_TWO
#define REMUW OF_TWO
#define EQ OF_TWO
#define NE OF_TWO
#define LT OF_TWO
#define GE OF_TWO
#define LTU OF_TWO
#define GEU OF_TWO
#define SEXT32(v) (v)
#define BOX32(v) (v)
#define BRANCH(condition) (condition)
#define CALL(to) (USES_WR | (to))
#define CALL_REG(to) (USES_WR | (to))
#define LOAD(type, address) (address)
#define STORE(type, address, v) ((address) | (v))
#define LOAD_RESERVED(type, address) (address)
#define STORE_CONDITIONAL(type, address, v) ((address) | (v))
#define AMO(type, address, v) ((address) | (v))
#define AMO_SWAP AMO
#define AMO_ADD AMO
#define AMO_XOR AMO
#define AMO_AND AMO
#define AMO_OR AMO
#define AMO_MIN AMO
#define AMO_MAX AMO
#define AMO_MINU AMO
#define AMO_MAXU AMO
#define FP(f, ...) OF_ALL(__VA_ARGS__, 0, 0, 0)
#define FP_RM(f, ...) OF_ALL(__VA_ARGS__, 0, 0, 0)
#define CSR(op, v) (USES_WR | (v))
#define FENCE(sets) 0
#define FENCE_I() 0
#define TRAP(kind) 0

const u8 assign_uses[OP_COUNT] = {
#define INSN(name, bits, format, operands, ...) [OP_##name] = __VA_ARGS__,
#include "isa/rv64.def"
#undef INSN
};

// ---- The exchanges --------------------------------------------------------------------------

static void find_swaps(struct translation *t, bool is_f)
{
    const struct reg_pair *fixed = is_f ? regs_f : regs_x;
    const u8 *place = is_f ? t->map.f : t->map.x;
    u8 in[16] = {0}; // by host register
    for (unsigned r = 0; r < 32; r++)
        if (place[r])
            in[place[r] - 1] = (u8)r;
    for (unsigned i = 0; i < (is_f ? REGS_F : REGS_X); i++)
        if (in[fixed[i].host] != fixed[i].guest)
            t->swap[t->nswaps++] = (struct reg_swap){.is_f = is_f, .host = fixed[i].host,
                                                     .in = in[fixed[i].host], .out = fixed[i].guest};
}

void assign(struct translation *t)
{
    t->map = regs_fixed;
    t->nswaps = 0;
    if (!assign_choose(&t->map, t))
        return;
    find_swaps(t, false);
    find_swaps(t, true);
    if (!t->nswaps)
        return;
    u32 written[2] = {0};
    for (u32 n = 0; n < t->plan.n; n++) {
        const struct plan_insn *i = &t->plan.insn[n];
        u8 uses = i->kind == PLAN_INSN ? assign_uses[i->in.op] : 0;
        if (uses & (USES_WR | USES_WF))
            written[uses & USES_WF ? 1 : 0] |= 1u << i->in.rd;
        if (i->kind == PLAN_STRADDLE) // it may be any
            written[0] = written[1] = ~0u;
    }
    for (u32 i = 0; i < t->nswaps; i++)
        t->swap[i].writes = written[t->swap[i].is_f] >> t->swap[i].in & 1;
}

static void move(struct translation *t, const struct reg_swap *s, unsigned guest, bool to_memory)
{
    if (s->is_f)
        x86_op_rm(&t->e, to_memory ? X86_movsd_mr : X86_movsd_rm, s->host, regs_memory_f(guest));
    else
        x86_op_rm(&t->e, to_memory ? X86_mov_mr64 : X86_mov_rm64, s->host, regs_memory_x(guest));
}

static void exchange_all(struct translation *t, bool to_fixed)
{
    for (u32 i = 0; i < t->nswaps; i++) {
        const struct reg_swap *s = &t->swap[i];
        if (!to_fixed || s->writes)
            move(t, s, to_fixed ? s->in : s->out, true);
        move(t, s, to_fixed ? s->out : s->in, false);
    }
}

static void convert(struct translation *t, bool to_fixed)
{
    if (t->nswaps <= INLINE_MOST)
        exchange_all(t, to_fixed);
    else
        calls_add(t, &t->convert[to_fixed]);
}

void emit_from_fixed(struct translation *t)
{
    convert(t, false);
}

void emit_to_fixed(struct translation *t)
{
    convert(t, true);
}

void emit_conversions(struct translation *t)
{
    for (unsigned to_fixed = 0; to_fixed < 2; to_fixed++) {
        if (!t->convert[to_fixed].n)
            continue;
        calls_lead_here(t, &t->convert[to_fixed]);
        exchange_all(t, to_fixed);
        x86_op_none(&t->e, X86_ret);
    }
}
