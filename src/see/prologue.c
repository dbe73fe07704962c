// Walks the code in a straight line. A return or jump that ends an epilogue gives back the state from
// before the epilogue, as the code behind it was reached from further up.

#include "see/prologue.h"

#include <string.h>

#include "isa/decode.h"
#include "mm/region.h"
#include "mm/uaccess.h"

#define WALK_MAX 65536u // bytes of a function that are looked at

enum { RA = 1, SP = 2, S0 = 8 };

struct walk {
    struct prologue now, before; // before: as the epilogue began
    bool in_epilogue;
    bool lost; // sp is not known any more, s0 may be
    u32 known;     // registers with a constant in them: sizes of large frames
    i64 value[32];
};

static void epilogue(struct walk *w)
{
    if (!w->in_epilogue)
        w->before = w->now;
    w->in_epilogue = true;
}

// Keeps track of constants: lui, addi, addiw.
static void constant(struct walk *w, const struct insn *i)
{
    bool from = i->rs1 == 0 || w->known >> i->rs1 & 1;
    i64 v = i->rs1 ? w->value[i->rs1] : 0;
    if (!(rv_flags[i->op] & RV_WRITES_X) || !i->rd)
        return;
    w->known &= ~(1u << i->rd);
    if (i->op == OP_lui)
        w->value[i->rd] = i->imm;
    else if (i->op == OP_addi && from)
        w->value[i->rd] = v + i->imm;
    else if (i->op == OP_addiw && from)
        w->value[i->rd] = (i32)(v + i->imm);
    else
        return;
    w->known |= 1u << i->rd;
}

// add sp,sp,register, or with a negative constant; sub likewise. False: it is something else.
static bool large_frame(struct walk *w, const struct insn *i)
{
    if ((i->op != OP_add && i->op != OP_sub) || i->rd != SP || i->rs1 != SP || !(w->known >> i->rs2 & 1))
        return false;
    i64 by = i->op == OP_add ? w->value[i->rs2] : -w->value[i->rs2];
    if (by > 0)
        epilogue(w);
    w->now.size -= (u64)by;
    return true;
}

static void step(struct walk *w, const struct insn *i)
{
    struct prologue *p = &w->now;
    if (i->op == OP_addi && i->rd == SP && i->rs1 == SP) {
        if (i->imm > 0)
            epilogue(w);
        p->size -= (u64)(i64)i->imm;
    } else if (i->op == OP_addi && i->rd == S0 && i->rs1 == SP) {
        p->by_pointer = true;
        p->pointer_offset = (i64)p->size - i->imm;
    } else if (i->op == OP_sd && i->rs1 == SP && i->rs2 == RA && !p->saved_ra) {
        p->saved_ra = true;
        p->ra = i->imm - (i64)p->size;
    } else if (i->op == OP_sd && i->rs1 == SP && i->rs2 == S0 && !p->saved_s0 && !p->by_pointer) {
        p->saved_s0 = true;
        p->s0 = i->imm - (i64)p->size;
    } else if (i->op == OP_ld && i->rs1 == SP && i->rd == RA) {
        epilogue(w);
        p->saved_ra = false;
    } else if (i->op == OP_ld && i->rs1 == SP && i->rd == S0) {
        epilogue(w);
        p->saved_s0 = p->by_pointer = false;
    } else if (!large_frame(w, i) && i->rd == SP && rv_flags[i->op] & RV_WRITES_X) {
        w->lost = true;
    }
    constant(w, i);
    bool leaves = (i->op == OP_jal && i->rd == 0) || (i->op == OP_jalr && i->rd == 0);
    if (leaves && w->in_epilogue) {
        w->now = w->before;
        w->in_epilogue = false;
    }
}

bool prologue_read(struct mm *mm, gva_t start, gva_t pc, struct prologue *out)
{
    struct walk w = {0};
    if (pc < start || pc - start > WALK_MAX)
        return false;
    for (gva_t at = start; at < pc;) {
        u16 half[2] = {0, 0};
        struct insn i;
        if (uaccess_read(mm, &half[0], at, 2))
            return false;
        u32 word = half[0];
        if (rv_length(word) == 4 && uaccess_read(mm, &half[1], at + 2, 2))
            return false;
        word |= (u32)half[1] << 16;
        if (!rv_decode(word, &i))
            return false;
        step(&w, &i);
        at += i.len;
    }
    *out = w.now;
    return (!w.lost || out->by_pointer) && out->size < 1UL << 32;
}
