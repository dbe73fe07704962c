// Upper halves that nobody reads.
//
// Operations on words extend their result's sign, which is an instruction more for the host. Most results go to other
// operations on words, or to memory as words, and are overwritten then.
//
// (H1) A register is dirty if its upper half is not the lower one's sign, though for the guest it is. Before the next
//      head, branch or way out it is overwritten, or made clean by who reads all of it.
// (H2) Whoever calls for help in between first makes all of them clean (control.c): so a dirty register is one
//      whose guest value is a word, and it is in a host register.
#include "jit/assign.h"

enum reads { READS_ALL, READS_WORDS, READS_BITS, READS_LOW };

// What an instruction reads of its sources: all; words, and makes one; each bit for the same bit of the result; or bits
// of the lower half alone, and makes no dirty register.
static enum reads reads_of(const struct insn *in)
{
    switch (in->op) {
    case OP_addw: case OP_subw: case OP_mulw: case OP_addiw: case OP_slliw: case OP_srliw: case OP_sraiw:
    case OP_sllw: case OP_srlw: case OP_sraw:
        return READS_WORDS;
    case OP_and: case OP_or: case OP_xor: case OP_ori: case OP_xori:
        return READS_BITS;
    case OP_andi:
        return in->imm >= 0 ? READS_LOW : READS_BITS;
    case OP_addi:
        return in->imm == 0 ? READS_BITS : READS_ALL;
    default:
        return READS_ALL;
    }
}

static bool has_two(u16 op)
{
    return assign_uses[op] & USES_RS2;
}

// Registers that hold words behind the instruction, given those before it.
static u32 words_after(const struct plan_insn *i, u32 words)
{
    const struct insn *in = &i->in;
    u32 rd = 1u << in->rd;
    if (!(rv_flags[in->op] & RV_WRITES_X))
        return words;
    bool is_word = false;
    switch (reads_of(in)) {
    case READS_WORDS:
    case READS_LOW:
        is_word = true;
        break;
    case READS_BITS:
        is_word = words >> in->rs1 & 1 && (!has_two(in->op) || words >> in->rs2 & 1);
        break;
    case READS_ALL:
        is_word = in->op == OP_lw || in->op == OP_lui || in->op == OP_lbu || in->op == OP_lhu || in->op == OP_lb ||
                  in->op == OP_lh || (in->op == OP_addi && in->rs1 == 0);
        break;
    }
    return (is_word ? words | rd : words & ~rd) | 1;
}

// Registers of which only the lower half is read from here on, given those behind the instruction. words: before it.
static u32 low_before(const struct translation *t, struct plan_insn *i, u32 low, u32 words)
{
    const struct insn *in = &i->in;
    u32 uses = assign_uses[in->op], rd = 1u << in->rd;
    u32 from = (uses & USES_RS1 ? 1u << in->rs1 : 0) | (uses & USES_RS2 ? 1u << in->rs2 : 0);
    bool lazy = rv_flags[in->op] & RV_WRITES_X && low & rd && in_host_x(t, in->rd);
    if (rv_flags[in->op] & RV_WRITES_X)
        low |= rd;
    switch (reads_of(in)) {
    case READS_WORDS:
        i->lazy = lazy;
        return low;
    case READS_LOW:
        return low;
    case READS_BITS:
        return lazy && (words & from) == from ? low : low & ~from;
    case READS_ALL:
        break;
    }
    if (in->op == OP_sw || in->op == OP_sh || in->op == OP_sb)
        from = 1u << in->rs1;
    return low & ~from;
}

static void find_dirty(struct plan *p)
{
    u32 dirty = 0;
    for (u32 n = 0; n < p->n; n++) {
        struct plan_insn *i = &p->insn[n];
        const struct insn *in = &i->in;
        i->dirty = dirty;
        if (i->kind != PLAN_INSN || !(rv_flags[in->op] & RV_WRITES_X))
            continue;
        u32 from = 1u << in->rs1 | (has_two(in->op) ? 1u << in->rs2 : 0);
        dirty &= ~(1u << in->rd) | (reads_of(in) == READS_BITS && dirty & from ? ~0u : 0);
        if (i->lazy || (reads_of(in) == READS_BITS && i->dirty & from))
            dirty |= 1u << in->rd;
    }
}

void find_halves(struct translation *t)
{
    struct plan *p = &t->plan;
    u32 words[ARRAY_LEN(p->insn)];
    u32 low = 0;
    for (u32 n = 0; n < p->n; n++) {
        const struct plan_insn *before = n ? &p->insn[n - 1] : NULL;
        bool begins = !before || p->insn[n].head || !before->falls || before->kind != PLAN_INSN;
        words[n] = begins ? 1 : words_after(before, words[n - 1]);
    }
    for (u32 n = p->n; n-- > 0;) {
        struct plan_insn *i = &p->insn[n];
        i->lazy = false;
        if (!i->falls || p->insn[n + 1].head || rv_flags[i->in.op] & RV_BRANCHES)
            low = 0;
        u32 uses = assign_uses[i->in.op];
        bool plain = i->kind == PLAN_INSN && !i->straddles && i->in.op != OP_illegal;
        if (!plain || uses & (USES_FS1 | USES_FS2 | USES_FS3 | USES_WF))
            low = 0;
        else
            low = low_before(t, i, low, words[n]);
    }
    find_dirty(p);
}

void emit_clean(struct translation *t)
{
    for (u32 left = t->i->dirty; left; left &= left - 1) {
        unsigned host = host_x(t, (unsigned)__builtin_ctz(left));
        x86_op_rr(&t->e, X86_movsxd, host, host);
    }
}
