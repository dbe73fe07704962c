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
//
// An access that is alone, or leads a group, probes the TLB or, if its register is likely to stay in one page
// from one time to the next, compares with a window of the hart (tlb.h, T5), which is a load and an index less.
// In a loop every access is taken to be so; run.c looks at how often windows are filled, and code_wanders says which
// accesses were found to go from page to page.
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

// ---- The hart's windows ---------------------------------------------------------------------

#define STRIDE_MOST 128 // bytes: with a greater one, pages change too often
#define ALONE_MOST  80  // instructions of a unit whose accesses outside loops have windows, where its page is hot
#define ALONE_ALL   192 // of a cache: more would take each other's windows
#define IN_LOOPS_ALL 224 // the same for those in loops; twice as many with the ones of hot pages
#define ALONE_LOOP  16  // instructions: they are judged as if they were in a loop of so many
#define OFTEN       8   // accesses by a register that a unit does not change

struct loop {
    u16 first, last;
};

struct loops {
    u32 n;
    struct loop loop[64];
};

static void find_loops(struct loops *l, const struct plan *p)
{
    l->n = 0;
    for (u32 n = 0; n < p->n && l->n < ARRAY_LEN(l->loop); n++) {
        const struct plan_insn *i = &p->insn[n];
        i64 target = i->kind == PLAN_GOTO ? i->off
                     : rv_flags[i->in.op] & RV_BRANCHES || (i->in.op == OP_jal && !i->falls)
                     ? (i64)i->off + i->in.imm : -1;
        if (target < 0 || target >= (i64)PAGE_SIZE || !p->index[target / 2])
            continue;
        u32 first = p->index[target / 2] - 1u;
        if (first <= n)
            l->loop[l->n++] = (struct loop){(u16)first, (u16)n};
    }
}

// The innermost loop around an instruction; or the whole unit, and false.
static bool loop_around(const struct loops *l, const struct plan *p, u32 n, struct loop *out)
{
    *out = (struct loop){0, (u16)(p->n - 1)};
    bool found = false;
    for (u32 i = 0; i < l->n; i++) {
        const struct loop *k = &l->loop[i];
        if (k->first <= n && n <= k->last && k->last - k->first <= out->last - out->first) {
            *out = *k;
            found = true;
        }
    }
    return found;
}

// Whether register r goes from page to page seldom where instruction n uses it.
static bool is_steady(const struct loops *l, const struct plan *p, u32 n, u32 r, u32 *loop)
{
    struct loop k;
    u32 uses = 0;
    bool writes, in_loop = loop_around(l, p, n, &k);
    *loop = in_loop ? k.last - k.first + 1u : 0;
    if (r == 2 || r == 3 || r == 4)
        return true;
    for (u32 m = k.first; m <= k.last; m++) {
        const struct insn *in = &p->insn[m].in;
        if (p->insn[m].kind != PLAN_INSN)
            continue;
        uses += in->rs1 == r && access_size(in->op, &writes);
        if (rv_flags[in->op] & RV_WRITES_X && in->rd == r &&
            !(in->op == OP_addi && in->rs1 == r && in->imm >= -STRIDE_MOST &&
              in->imm <= STRIDE_MOST))
            return false;
    }
    return in_loop || uses >= OFTEN;
}

// In loops, units have windows in turn: one for each register that is steady, and one for each other access or group.
// Code that is long rather than a loop finds what other units of the function left in its register's. The stack has
// the near ones.
static u32 window_number(struct jit_cache *c, struct jit_window w)
{
    c->next_window = (u16)((c->next_window + 1u) % ((TLB_WINDOWS - 64) / 2));
    u32 i = 64 + 2u * c->next_window;
    c->window[i] = c->window[i + 1] = w;
    return i;
}

static void give_views(struct plan *p, const struct code_page *page, gva_t page_va, struct jit_cache *c)
{
    struct loops l;
    bool hot = page_is_hot(page), alone = hot && p->n <= ALONE_MOST; // accesses outside loops have windows, too
    u16 of[32][2] = {{0}}; // in loops, by register and kind: a window + 1
    find_loops(&l, p);
    for (u32 n = 0; n < p->n; n++) {
        struct plan_insn *i = &p->insn[n];
        bool writes;
        u32 size = i->kind == PLAN_INSN ? access_size(i->in.op, &writes) : 0, r = i->in.rs1;
        if (!size || !r || (i->window && !i->leads) || code_wanders(page, i->off))
            continue;
        u32 loop;
        bool steady = is_steady(&l, p, n, r, &loop);
        if (!steady && loop && c->in_loops++ >= (hot ? 2u : 1u) * IN_LOOPS_ALL)
            continue;
        if (!steady && !loop && (!alone || c->alone++ >= ALONE_ALL))
            continue;
        if (!i->window) {
            i->window_writes = writes;
            i->window_from = (i16)i->in.imm;
            i->window_size = (u16)size;
        }
        u32 kind = !i->window_writes;
        if (!steady)
            i->view = (u16)(window_number(c, (struct jit_window){page_va + i->off, page->frame, loop ? loop : ALONE_LOOP, 0}) + kind + 1);
        else if (r == 2 || !loop)
            i->view = (u16)((r == 2 ? 0 : 2 * r) + kind + 1);
        else if (of[r][kind])
            i->view = of[r][kind];
        else
            i->view = of[r][kind] = (u16)(window_number(c, (struct jit_window){0}) + kind + 1);
    }
}

void plan_windows(struct plan *p, const struct code_page *page, gva_t page_va, struct jit_cache *c)
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
    give_views(p, page, page_va, c);
}
