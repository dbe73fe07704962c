// In place of jit/choose.c, for tests: nearly every unit has its registers elsewhere, without regard to what it uses.
#include "jit/assign.h"

static u32 next(u32 *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

static void exchange(u8 *place, u32 first, u32 *seed)
{
    u32 done = 0, often = next(seed) % 5; // of 4; 0: none
    for (u32 out = 0; out < 32; out++) {
        u32 in = next(seed) % 32, tries = 0;
        if (!place[out] || done >> out & 1 || next(seed) % 4 >= often)
            continue;
        while ((place[in] || in < first || done >> in & 1) && tries++ < 32)
            in = (in + 1) % 32;
        if (place[in] || in < first || done >> in & 1)
            continue;
        place[in] = place[out];
        place[out] = 0;
        done |= 1u << in | 1u << out;
    }
}

bool assign_choose(struct reg_map *m, const struct translation *t)
{
    u32 seed = (u32)(t->page_va >> 12) * 2654435761u + t->plan.insn[0].off * 40503u + t->plan.n;
    exchange(m->x, 1, &seed);
    exchange(m->f, 0, &seed);
    return true;
}
