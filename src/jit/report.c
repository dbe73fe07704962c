// Tells who looks on (cpu/code.h) what was translated.
#include "jit/report.h"

#include "jit/plan.h"
#include "mm/mm.h"

static u32 word_at(const struct plan *p, const u8 *code, u32 off)
{
    u32 word = (u32)code[off] | (u32)code[off + 1] << 8;
    if (rv_length(word) == 4 && off + 4 > PAGE_SIZE)
        word |= (u32)p->upper << 16;
    else if (rv_length(word) == 4)
        word |= (u32)code[off + 2] << 16 | (u32)code[off + 3] << 24;
    return word;
}

void report_unit(const struct translation *t, struct store *s, struct mm *mm)
{
    struct code_line line[ARRAY_LEN(t->plan.insn)];
    const u8 *code = frame_data(s, t->page->frame), *begin = t->begin;
    struct code_unit u = {
        .pc = t->page_va + t->plan.insn[0].off,
        .guest_size = t->plan.guest_bytes,
        .bytes = begin,
        .size = (u32)(t->e.at - begin),
        .host = begin + t->cache->shift,
        .line = line,
    };
    for (u32 n = 0; n < t->plan.n; n++) {
        const struct plan_insn *i = &t->plan.insn[n];
        if (i->kind == PLAN_INSN)
            line[u.lines++] = (struct code_line){t->page_va + i->off, word_at(&t->plan, code, i->off),
                                                 (u32)(i->at - begin)};
    }
    u.cold = (u32)(t->cold - begin);
    s->code_watch->translated(s->code_watch->arg, mm, &u);
}
