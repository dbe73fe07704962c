// Accesses off one base register that share a TLB probe.
//
// The first of a group probes for the bytes that all of them touch and puts, if these lie in one page,
// host address - guest address into a window (cpu.window); the others only look whether there is
// something in it.
//
// (W1) A group lies in one chain, and its register changes by additions of constants alone between its
//      accesses; so who is in the middle of it went by its first access.
// (W2) A window is empty (0) when its group's bytes cross pages or missed the TLB, and after every call
//      for help that may have moved a page (run.c). Then each access probes for itself.
// (W3) A group with a store goes by the write tag, which implies the read tag (tlb.h). A store behind a
//      branch does not join a group that only reads: it may never be reached.
#include "jit/plan.h"

#include <string.h>

#include "cpu/cpu.h"

#define RECENT    24   // instructions
#define SPAN_MOST 1024 // bytes of a group: wider ones cross pages too often

struct group {
    u16 first, last;
    u16 count; // of accesses; 0: there is no group
    bool writes, branched;
    i32 from, to; // bytes it touches, from the register's value at its first access
    i32 moved;    // the register, since then
};

struct search {
    struct plan *p;
    struct group open[32]; // by register
    u16 of[ARRAY_LEN(((struct plan *)0)->insn)]; // instruction -> group's first + 1
    u8 used[ARRAY_LEN(((struct plan *)0)->insn)]; // windows that hold something there, as a mask
};

// Bytes that a load or store of base + constant touches; 0: it is something else.
static u32 access_size(u16 op, bool *writes)
{
    *writes = false;
    switch (op) {
    case OP_sb: *writes = true; return 1;
    case OP_sh: *writes = true; return 2;
    case OP_sw: case OP_fsw: *writes = true; return 4;
    case OP_sd: case OP_fsd: *writes = true; return 8;
    case OP_lb: case OP_lbu: return 1;
    case OP_lh: case OP_lhu: return 2;
    case OP_lw: case OP_lwu: case OP_flw: return 4;
    case OP_ld: case OP_fld: return 8;
    default: return 0;
    }
}

// Gives the group a window, if one is free for all of its length.
static void close_group(struct search *s, struct group *g)
{
    u32 taken = 0;
    if (g->count >= 2) {
        for (u32 n = g->first; n <= g->last; n++)
            taken |= s->used[n];
        u32 window = (u32)__builtin_ctz(~taken);
        for (u32 n = g->first; n <= g->last && window < CPU_WINDOWS; n++) {
            s->used[n] |= (u8)(1u << window);
            if (s->of[n] == g->first + 1)
                s->p->insn[n].window = (u8)(window + 1);
        }
        struct plan_insn *first = &s->p->insn[g->first];
        first->leads = true;
        first->window_writes = g->writes;
        first->window_from = (i16)g->from;
        first->window_size = (u16)(g->to - g->from);
    }
    g->count = 0;
}

static void note_access(struct search *s, u32 n, u32 size, bool writes)
{
    const struct insn *in = &s->p->insn[n].in;
    struct group *g = &s->open[in->rs1];
    i32 from = in->imm + g->moved, to = from + (i32)size;
    if (g->count && (MAX(to, g->to) - MIN(from, g->from) > SPAN_MOST ||
                     (writes && !g->writes && g->branched)))
        close_group(s, g);
    if (!g->count) {
        *g = (struct group){.first = (u16)n, .from = in->imm, .to = in->imm + (i32)size};
        from = g->from;
        to = g->to;
    }
    g->from = MIN(from, g->from);
    g->to = MAX(to, g->to);
    g->last = (u16)n;
    g->writes |= writes;
    g->count++;
    s->of[n] = (u16)(g->first + 1);
}

// Whether the instruction loads from the stack what a moment ago was stored as 32 bits: compilers spill
// words so and fetch them back with ld.
static bool follows_word(const struct plan *p, u32 n)
{
    const struct insn *in = &p->insn[n].in;
    if (in->op != OP_ld || in->rs1 != 2 || in->rd == 2 || in->rd == 0)
        return false;
    for (u32 back = 0; back < RECENT && n > 0 && !p->insn[n].head; back++) {
        const struct insn *before = &p->insn[--n].in;
        if ((before->op == OP_sw || before->op == OP_sd) && before->rs1 == 2 &&
            before->imm == in->imm)
            return before->op == OP_sw;
        if (rv_flags[before->op] & RV_WRITES_X && before->rd == 2)
            return false;
    }
    return false;
}

static void close_all(struct search *s)
{
    for (u32 r = 0; r < 32; r++)
        close_group(s, &s->open[r]);
}

void plan_windows(struct plan *p)
{
    struct search s = {.p = p};
    for (u32 n = 0; n < p->n; n++) {
        const struct plan_insn *i = &p->insn[n];
        const struct insn *in = &i->in;
        bool writes;
        if (i->head || !i->falls)
            close_all(&s); // an instruction that does not fall through is no access
        if (i->kind != PLAN_INSN)
            continue;
        u32 size = access_size(in->op, &writes);
        if (size && in->rs1)
            note_access(&s, n, size, writes);
        p->insn[n].halves = follows_word(p, n);
        if (rv_flags[in->op] & RV_BRANCHES)
            for (u32 r = 0; r < 32; r++)
                s.open[r].branched = true;
        if (!(rv_flags[in->op] & RV_WRITES_X))
            continue;
        struct group *g = &s.open[in->rd];
        if (in->op == OP_addi && in->rd == in->rs1 && g->moved + in->imm == (i16)(g->moved + in->imm))
            g->moved += in->imm;
        else
            close_group(&s, g);
    }
    close_all(&s);
}
