// Which registers a unit has for itself: by a guess at how often its blocks run.
//
// A loop is taken to run eight times for each time it is entered, a branch to go either way; one that leaves a loop
// does so seldom, and so is done, in code that was seen to run, what nothing shows to have been done before. That gives
// every register a weight, and a cost to every way out of the unit, which stands for a way in as well.
#include <string.h>

#include "jit/assign.h"

#define BLOCKS_MOST 128
#define LOOPS_MOST  32
#define ONCE           (1u << 12) // frequency of the unit's begin
#define FREQUENCY_MOST (1u << 28)
#define LOOP_TURNS     8
#define USES_LEAST     12 // of a register, in a unit without loops, to be worth a look

// Weights of a block's two ways on.
#define OFTEN  64u
#define SELDOM 4u

struct block {
    u16 first, last; // instructions
    u8 to[2];        // successors, + 1; 0: none
    u8 way[2];       // OFTEN, SELDOM; 0: there is no such way
    bool never;      // nobody was seen to go the second way
    bool ran;        // it did, as far as one can see
    bool cold;       // seldom reached
    u8 state;        // of the search: 0 = not seen, 1 = on the way, 2 = done
    u32 loops;       // mask: lies in these
    u64 frequency;
};

struct flow {
    const struct translation *t;
    u32 nblocks, norder, nloops;
    u64 crossings;   // of the unit's border, on the way out
    struct {
        u8 head, from;
    } loop[LOOPS_MOST];
    u8 order[BLOCKS_MOST]; // each before its successors, back edges aside
    struct block block[BLOCKS_MOST];
    u8 of[ARRAY_LEN(((struct plan *)0)->insn)]; // instruction -> block
};

struct weights {
    u64 of[2][32];  // x, f
    u32 written[2]; // masks
};

// ---- Blocks ---------------------------------------------------------------------------------

static bool find_blocks(struct flow *w)
{
    const struct plan *p = &w->t->plan;
    for (u32 n = 0; n < p->n; n++) {
        if (n == 0 || p->insn[n].head || p->insn[n].charges || !p->insn[n - 1].falls) {
            if (w->nblocks == BLOCKS_MOST)
                return false;
            w->block[w->nblocks++] = (struct block){.first = (u16)n};
        }
        w->block[w->nblocks - 1].last = (u16)n;
        w->of[n] = (u8)(w->nblocks - 1);
    }
    return true;
}

// Whether nothing shows that the place was ever jumped to.
static bool looks_cold(const struct translation *t, i64 off)
{
    return off >= 0 && off < (i64)PAGE_SIZE && !code_heat(t->page, (u32)off); // (J6)
}

static bool was_jumped_to(const struct flow *w, const struct block *b)
{
    return !looks_cold(w->t, w->t->plan.insn[b->first].off);
}

// The second way, if it is not just the next block: by a jump, or out of the unit.
static void find_way(struct flow *w, struct block *b, const struct plan_insn *last)
{
    const struct plan *p = &w->t->plan;
    bool branch = rv_flags[last->in.op] & RV_BRANCHES;
    if (last->kind != PLAN_GOTO && !branch && last->falls)
        return;
    b->way[1] = OFTEN;
    if (last->kind == PLAN_GOTO || branch || (last->in.op == OP_jal && last->in.rd == 0)) {
        i64 target = last->kind == PLAN_GOTO ? last->off : (i64)last->off + last->in.imm;
        if (target >= 0 && target < (i64)PAGE_SIZE && p->index[target / 2])
            b->to[1] = (u8)(w->of[p->index[target / 2] - 1] + 1);
        else
            b->never = looks_cold(w->t, target);
    } else if (last->in.op == OP_jal || last->in.op == OP_jalr) {
        b->cold = last->in.rd == 1 && looks_cold(w->t, (i64)last->off + last->in.len); // nobody came back
    }
}

static void find_ways(struct flow *w)
{
    for (u32 n = 0; n < w->nblocks; n++) {
        struct block *b = &w->block[n];
        const struct plan_insn *last = &w->t->plan.insn[b->last];
        if (last->falls) {
            b->to[0] = (u8)(w->of[b->last + 1] + 1);
            b->way[0] = OFTEN;
        }
        find_way(w, b, last);
    }
}

// ---- Loops ----------------------------------------------------------------------------------

// Depth first; what leads to a block that is on the way closes a loop.
static void search(struct flow *w)
{
    u8 way[BLOCKS_MOST], next[BLOCKS_MOST];
    u32 depth = 0, begin = BLOCKS_MOST;
    way[0] = next[0] = 0;
    w->block[0].state = 1;
    for (;;) {
        struct block *b = &w->block[way[depth]];
        if (next[depth] == 2) {
            b->state = 2;
            w->order[--begin] = way[depth];
            if (depth-- == 0)
                break;
            continue;
        }
        u32 to = b->to[next[depth]++];
        if (!to)
            continue;
        if (w->block[to - 1].state == 1 && w->nloops < LOOPS_MOST) {
            w->loop[w->nloops].head = (u8)(to - 1);
            w->loop[w->nloops++].from = way[depth];
        } else if (w->block[to - 1].state == 0) {
            w->block[to - 1].state = 1;
            way[++depth] = (u8)(to - 1);
            next[depth] = 0;
        }
    }
    w->norder = BLOCKS_MOST - begin;
    memmove(w->order, w->order + begin, w->norder);
}

// A loop is what comes to its end without passing its head. Its mask: the one of the first with this head.
static void mark_loops(struct flow *w)
{
    for (u32 l = 0; l < w->nloops; l++) {
        u32 head = w->loop[l].head, bit = l;
        for (u32 k = 0; k < l; k++)
            if (w->loop[k].head == head && bit == l)
                bit = k;
        w->block[head].loops |= 1u << bit;
        w->block[w->loop[l].from].loops |= 1u << bit;
        for (bool more = true; more;) {
            more = false;
            for (u32 i = w->norder; i-- > 0;) {
                struct block *b = &w->block[w->order[i]];
                for (u32 k = 0; k < 2; k++)
                    if (b->to[k] && b->to[k] - 1u != head && !(b->loops >> bit & 1) &&
                        w->block[b->to[k] - 1].loops >> bit & 1) {
                        b->loops |= 1u << bit;
                        more = true;
                    }
            }
        }
    }
}

// ---- Frequencies ----------------------------------------------------------------------------

// Which blocks certainly ran: what follows a branch that was taken may never have.
static void find_ran(struct flow *w)
{
    w->block[0].ran = true;
    for (u32 i = 0; i < w->norder; i++) {
        struct block *b = &w->block[w->order[i]];
        b->ran |= was_jumped_to(w, b);
        if (b->ran && b->to[0] && (!b->way[1] || b->never))
            w->block[b->to[0] - 1].ran = true;
        if (b->ran && b->to[1] && !b->way[0])
            w->block[b->to[1] - 1].ran = true;
        if (b->ran && b->never)
            b->way[1] = SELDOM;
        b->cold &= b->ran;
    }
}

static bool is_head(const struct flow *w, u32 n)
{
    for (u32 l = 0; l < w->nloops; l++)
        if (w->loop[l].head == n)
            return true;
    return false;
}

static bool is_back(const struct flow *w, u32 from, u32 to)
{
    for (u32 l = 0; l < w->nloops; l++)
        if (w->loop[l].head == to && w->loop[l].from == from)
            return true;
    return false;
}

static u32 way_weight(const struct flow *w, const struct block *b, u32 k)
{
    u32 weight = b->way[k], stays = b->to[k] ? w->block[b->to[k] - 1].loops : 0;
    if (!weight)
        return 0;
    if (b->to[k] && w->block[b->to[k] - 1].cold)
        weight = SELDOM;
    for (u32 left = b->loops & ~stays; left; left &= left - 1)
        weight /= LOOP_TURNS;
    return MAX(weight, 1u);
}

static void find_frequencies(struct flow *w)
{
    w->block[0].frequency = ONCE;
    for (u32 i = 0; i < w->norder; i++) {
        u32 n = w->order[i];
        struct block *b = &w->block[n];
        if (is_head(w, n))
            b->frequency = MIN(b->frequency * LOOP_TURNS, (u64)FREQUENCY_MOST);
        u32 weight[2] = {way_weight(w, b, 0), way_weight(w, b, 1)};
        for (u32 k = 0; k < 2; k++) {
            if (!weight[k])
                continue;
            u64 part = b->frequency * weight[k] / (weight[0] + weight[1]);
            if (!b->to[k])
                w->crossings += part;
            else if (!is_back(w, n, b->to[k] - 1u))
                w->block[b->to[k] - 1].frequency += part;
        }
    }
}

// ---- Weights --------------------------------------------------------------------------------

static void weigh(struct weights *g, const struct plan_insn *i, u64 frequency)
{
    const struct insn *in = &i->in;
    u32 uses = i->kind == PLAN_INSN ? assign_uses[in->op] : 0;
    g->of[0][in->rs1] += uses & USES_RS1 ? frequency : 0;
    g->of[0][in->rs2] += uses & USES_RS2 ? frequency : 0;
    g->of[1][in->rs1] += uses & USES_FS1 ? frequency : 0;
    g->of[1][in->rs2] += uses & USES_FS2 ? frequency : 0;
    g->of[1][in->rs3] += uses & USES_FS3 ? frequency : 0;
    if (uses & (USES_WR | USES_WF)) {
        u32 kind = uses & USES_WF ? 1 : 0;
        g->of[kind][in->rd] += frequency;
        g->written[kind] |= 1u << in->rd;
    }
}

// The guest register of the kind that has a host register and the least weight; or none and the most.
static u32 extreme(const u64 *weight, const u8 *place, bool placed, u32 done)
{
    u32 found = 32;
    for (u32 r = 0; r < 32; r++)
        if ((place[r] != 0) == placed && !(done >> r & 1) &&
            (found == 32 || (placed ? weight[r] < weight[found] : weight[r] > weight[found])))
            found = r;
    return found;
}

static void exchange_best(u8 *place, const u64 *weight, u32 written, u64 crossings)
{
    u32 done = 0;
    for (;;) {
        u32 in = extreme(weight, place, false, done), out = extreme(weight, place, true, done);
        if (in == 32 || out == 32)
            return;
        u64 cost = crossings * (3 + (written >> in & 1));
        if (weight[in] <= weight[out] + weight[out] / 4 + cost + cost / 2)
            return;
        place[in] = place[out];
        place[out] = 0;
        done |= 1u << in | 1u << out;
    }
}

// Whether some register in memory is used so often that it could pay.
static bool worth_a_look(const struct plan *p, const struct reg_map *m)
{
    u32 least = p->loops ? 1 : USES_LEAST;
    u32 count[2][32] = {{0}};
    if (p->n < least)
        return false;
    for (u32 n = 0; n < p->n; n++) {
        const struct insn *in = &p->insn[n].in;
        u32 uses = p->insn[n].kind == PLAN_INSN ? assign_uses[in->op] : 0;
        count[!(uses & USES_FS1)][in->rs1] += (uses & (USES_RS1 | USES_FS1)) != 0;
        count[!(uses & USES_FS2)][in->rs2] += (uses & (USES_RS2 | USES_FS2)) != 0;
        count[!(uses & USES_WF)][in->rd] += (uses & (USES_WR | USES_WF)) != 0;
    }
    count[1][0] = 0;
    for (u32 r = 0; r < 32; r++)
        if ((count[1][r] >= least && !m->x[r]) || (count[0][r] >= least && !m->f[r]))
            return true;
    return false;
}

static bool choose(struct reg_map *m, const struct translation *t)
{
    struct flow w = {.t = t};
    struct weights g = {0};
    struct reg_map before = *m;
    if (!find_blocks(&w))
        return false;
    find_ways(&w);
    search(&w);
    mark_loops(&w);
    find_ran(&w);
    find_frequencies(&w);
    for (u32 n = 0; n < t->plan.n; n++)
        weigh(&g, &t->plan.insn[n], w.block[w.of[n]].frequency);
    g.of[0][0] = 0;
    exchange_best(m->x, g.of[0], g.written[0], w.crossings);
    exchange_best(m->f, g.of[1], g.written[1], w.crossings);
    return memcmp(m, &before, sizeof before) != 0;
}

bool assign_choose(struct reg_map *m, const struct translation *t)
{
    return worth_a_look(&t->plan, m) && choose(m, t);
}
