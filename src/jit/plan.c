#include "jit/plan.h"

#include <string.h>

#define AGAIN_MOST 160 // instructions of a unit
#define AGAIN_PART 4   // of all

struct walk {
    struct plan *p;
    const struct jit_cache *c;
    const struct code_page *page;
    const u8 *code, *next;
    gva_t page_va;
    u32 begin;
    u32 again, again_most; // (N4) instructions that other units have, too
    bool met, closes;      // came to code of other units; that leads back to the begin
    u32 ntargets;
    struct {
        u16 off;
        bool again;
    } target[PLAN_MOST]; // found, not walked yet
};

static u32 halfword(const u8 *code, u32 off)
{
    return (u32)code[off] | (u32)code[off + 1] << 8;
}

static struct plan_insn *add(struct plan *p, u32 off, enum plan_kind kind)
{
    struct plan_insn *i = &p->insn[p->n++];
    *i = (struct plan_insn){.off = (u16)off, .kind = (u8)kind};
    return i;
}

// Whether code at off, not in the plan yet, should come in. *again: another unit has it, or the code before it.
static bool wanted(struct walk *w, u32 off, bool *again)
{
    if (w->p->n >= PLAN_MOST)
        return false;
    if (!*again && w->p->n && cache_find(w->c, w->page_va + off, w->page))
        *again = w->met = true;
    return !*again || w->again < w->again_most;
}

static void want_target(struct walk *w, i64 target, bool likely_taken, bool again)
{
    if (target < 0 || target >= (i64)PAGE_SIZE || w->ntargets == PLAN_MOST)
        return;
    w->closes |= again && target == (i64)w->begin;
    if (code_heat(w->page, (u32)target) || likely_taken) {
        w->target[w->ntargets].again = again;
        w->target[w->ntargets++].off = (u16)target;
    }
}

// Takes in what is reached from off without a choice.
static void walk_from(struct walk *w, u32 off, bool again)
{
    struct plan *p = w->p;
    for (;;) {
        u32 word, length;
        w->closes |= again && off == w->begin;
        if (off >= PAGE_SIZE || p->index[off / 2] || !wanted(w, off, &again))
            break;
        word = halfword(w->code, off);
        length = rv_length(word);
        bool straddles = off + length > PAGE_SIZE;
        if (straddles && !w->next) {
            add(p, off, PLAN_STRADDLE);
            p->index[off / 2] = (u16)p->n;
            p->guest_bytes += 2;
            return;
        }
        if (straddles)
            p->upper = (u16)halfword(w->next, 0);
        if (length == 4)
            word |= (straddles ? p->upper : halfword(w->code, off + 2)) << 16;
        struct plan_insn *i = add(p, off, PLAN_INSN);
        i->straddles = straddles;
        w->again += again;
        p->index[off / 2] = (u16)p->n;
        p->guest_bytes += length;
        if (!rv_decode(word, &i->in))
            i->in.op = OP_illegal;
        i64 target = (i64)off + i->in.imm;
        if (rv_flags[i->in.op] & RV_BRANCHES)
            want_target(w, target, i->in.imm < 0, again);
        if (i->in.op == OP_jal && i->in.rd == 0 && target >= 0 && target < (i64)PAGE_SIZE &&
            target != off) {
            i->falls = true;
            off = (u32)target;
            continue;
        }
        if (i->in.op == OP_illegal || rv_flags[i->in.op] & RV_ENDS_BLOCK)
            return;
        i->falls = true;
        off += length;
    }
    add(p, off, PLAN_GOTO);
}

static void note_loop(struct plan *p, u32 from, u32 to)
{
    if (from > to)
        return;
    p->loops_from = (u16)(p->loops ? MIN(p->loops_from, from) : from);
    p->loops_to = (u16)to; // they come in this order
    p->loops = true;
}

static void mark_heads(struct plan *p)
{
    p->insn[0].head = true;
    p->loops = false;
    for (u32 n = 0; n < p->n; n++) {
        struct plan_insn *i = &p->insn[n];
        bool branch = rv_flags[i->in.op] & RV_BRANCHES;
        i64 target = i->kind == PLAN_GOTO ? i->off : branch || (i->in.op == OP_jal && !i->falls)
                     ? (i64)i->off + i->in.imm : -1;
        if (target >= 0 && target < (i64)PAGE_SIZE && p->index[target / 2]) {
            p->insn[p->index[target / 2] - 1].head = true;
            note_loop(p, p->index[target / 2] - 1u, n);
        }
        if (branch && i->in.imm < 0)
            p->insn[n + 1].head = true;
    }
}

// A basic block begins at a head and behind whatever may jump.
static void count_blocks(struct plan *p)
{
    const u32 jumps = RV_BRANCHES | RV_ENDS_BLOCK;
    p->basic_blocks = 0;
    for (u32 n = 0; n < p->n; n++)
        p->basic_blocks += p->insn[n].kind != PLAN_GOTO &&
                           (p->insn[n].head || !p->insn[n - 1].falls || rv_flags[p->insn[n - 1].in.op] & jumps);
}

static void measure_chains(struct plan *p)
{
    u32 length = 0;
    for (u32 n = 0; n < p->n; n++) { // chains that are too long are cut
        struct plan_insn *i = &p->insn[n];
        length = i->head ? 1 : length + 1;
        if (length > CHAIN_MOST) {
            i->head = true;
            length = 1;
        }
    }
    u8 left = 0, need = 0;
    p->insn[0].charges = true;
    for (u32 n = p->n; n-- > 0;) {
        struct plan_insn *i = &p->insn[n];
        bool ends = !i->falls || p->insn[n + 1].head || rv_flags[i->in.op] & RV_BRANCHES;
        if (ends)
            left = 0;
        if (!i->falls || p->insn[n + 1].head)
            need = 0;
        if (i->falls)
            p->insn[n + 1].charges = ends;
        left = (u8)(left + (i->kind != PLAN_GOTO));
        need = (u8)(need + (i->kind != PLAN_GOTO));
        i->left = left;
        i->need = need;
    }
}

static void walk(struct walk *w)
{
    struct plan *p = w->p;
    p->n = p->guest_bytes = 0;
    memset(p->index, 0, sizeof p->index);
    walk_from(w, w->begin, false);
    while (w->ntargets && p->n < PLAN_MOST) {
        u32 target = w->target[--w->ntargets].off;
        bool again = w->target[w->ntargets].again;
        if (!p->index[target / 2] && wanted(w, target, &again))
            walk_from(w, target, again);
    }
    w->ntargets = 0;
}

bool plan_make(struct plan *p, struct jit_cache *c, const struct code_page *page,
               const u8 *code, const u8 *next, gva_t page_va, u32 off)
{
    struct walk w = {.p = p, .c = c, .page = page, .code = code, .next = next,
                     .page_va = page_va, .begin = off};
    walk(&w);
    if (p->insn[0].kind == PLAN_GOTO)
        return false;
    if (w.met && *cache_exit(c, page_va + off) && c->again < c->planned / AGAIN_PART) {
        w.again = 0;
        w.again_most = AGAIN_MOST;
        walk(&w);
        if (!w.closes) {
            w.again = w.again_most = 0;
            walk(&w);
        } else {
            c->again += w.again;
        }
    }
    c->planned += p->n;
    mark_heads(p);
    count_blocks(p);
    measure_chains(p);
    plan_windows(p, page, page_va, c);
    return true;
}
