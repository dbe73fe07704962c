// Jumps, the budget, and the cold ends of a unit.
#include "jit/assign.h"
#include "jit/translate.h"

void emit_constant(struct translation *t, unsigned reg, u64 v)
{
    if (v == 0)
        x86_op_rr(&t->e, X86_xor_rm32, reg, reg); // changes the flags
    else if (v <= 0xffffffff)
        x86_op_ri(&t->e, X86_mov_i32, reg, (i64)v);
    else if ((i64)v == (i32)v)
        x86_op_ri(&t->e, X86_mov_mi64, reg, (i64)v);
    else
        x86_op_ri(&t->e, X86_mov_i64, reg, (i64)v);
}

void emit_help(struct translation *t, u32 info)
{
    emit_clean(t);
    x86_op_ri(&t->e, X86_mov_i32, RCX, info);
    calls_add(t, &t->tail);
}

static void emit_page(struct translation *t)
{
    _Static_assert(MM_TOP >> PAGE_SHIFT <= INT32_MAX, "a page's number is an immediate");
    x86_op_mi(&t->e, X86_mov_mi32, CPU_FIELD(page), (i32)(t->page_va >> PAGE_SHIFT));
}

// What every call for help of a unit runs through: it says which page this is.
static void emit_tail(struct translation *t)
{
    struct x86 *e = &t->e;
    if (t->nswaps && t->tail.n) { // (A2)
        calls_lead_here(t, &t->tail);
        x86_op_rm(e, X86_pop_m, 0, CPU_FIELD(native.back));
        emit_page(t);
        x86_branch(e, X86_call, t->cache->access);
        u8 *known = x86_branch(e, X86_short_j_be, NULL);
        emit_to_fixed(t);
        x86_branch(e, X86_call, t->cache->help);
        emit_from_fixed(t);
        x86_op_rr(e, X86_test_mr32, RSP, RSP); // above
        if (!e->full)
            x86_set_short(known, e->at);
        x86_op_rm(e, X86_jmp_m, 0, CPU_FIELD(native.back));
    }
    struct calls *direct = t->nswaps ? &t->fixed_tail : &t->tail;
    if (direct->n) {
        calls_lead_here(t, direct);
        emit_page(t);
        x86_branch(e, X86_jmp, t->cache->help);
    }
}

// A branch (jmp or a condition, this one inside the unit if that has its own map) to an offset in the page.
static void emit_branch_to(struct translation *t, enum x86_op op, u32 target)
{
    u32 in_plan = t->plan.index[target / 2];
    if (in_plan) {
        const u8 *at = t->plan.insn[in_plan - 1].at;
        u8 *end = at ? x86_branch_back(&t->e, op, at) : x86_branch(&t->e, op, NULL);
        if (!at) {
            if (t->nfixes == ARRAY_LEN(t->fix)) {
                t->e.full = true;
                return;
            }
            t->fix[t->nfixes].end = end;
            t->fix[t->nfixes++].insn = (u16)(in_plan - 1);
        }
        return;
    }
    emit_to_fixed(t);
    const u8 *to = cache_find(t->cache, t->page_va + target, t->page);
    if (to) {
        x86_branch(&t->e, op, to - t->cache->shift);
        t->cache->links++;
        return;
    }
    u32 n = (u32)(t->i - t->plan.insn);
    if (t->plan.loops && n >= t->plan.loops_from && n <= t->plan.loops_to)
        *cache_exit(t->cache, t->page_va + target) = 1;
    x86_align_branch(&t->e, op == X86_jmp ? 5 : 6);
    struct stub *s = stub_add(t, STUB_LINK, x86_branch(&t->e, op, NULL));
    s->target = target;
}

// rax holds a guest address: on to its code, if native.jumps knows it.
void emit_goto_rax(struct translation *t)
{
    struct x86 *e = &t->e;
    i32 jumps = CPU_OFFSET(native.jumps);
    emit_to_fixed(t);
    thunks_emit_key(e);
    x86_op_rm(e, X86_cmp_rm64, RAX, x86_mem_index(REGS_CPU, RCX, 0, jumps));
    x86_branch(e, X86_j_ne, t->cache->miss);
    x86_op_rm(e, X86_jmp_m, 0, x86_mem_index(REGS_CPU, RCX, 0, jumps + 8));
}

void emit_goto(struct translation *t, i64 target, unsigned refund)
{
    struct x86 *e = &t->e;
    if (refund)
        x86_op_ri(e, X86_add_mi64, REGS_BUDGET, refund);
    if (target >= 0 && target < (i64)PAGE_SIZE) {
        emit_branch_to(t, X86_jmp, (u32)target);
        return;
    }
    gva_t pc = t->page_va + (u64)target;
    u32 number = cache_link(t->cache, pc);
    if (number < CPU_LINKS)
        emit_to_fixed(t);
    emit_constant(t, RAX, pc);
    if (number < CPU_LINKS)
        x86_op_rm(e, X86_jmp_m, 0, x86_mem(REGS_CPU, CPU_OFFSET(native.link) + (i32)number * 8));
    else
        emit_goto_rax(t);
}

void emit_goto_if(struct translation *t, enum x86_cc cc, i64 target, unsigned refund)
{
    bool in_page = target >= 0 && target < (i64)PAGE_SIZE;
    if (in_page && !refund && (!t->nswaps || t->plan.index[target / 2])) {
        emit_branch_to(t, X86_j_o + cc, (u32)target);
        return;
    }
    struct stub *s = stub_add(t, STUB_GOTO, x86_branch(&t->e, X86_j_o + cc, NULL));
    s->target = target;
    s->refund = (u8)refund;
}

// What a head of one stretch charges, and asks for, is the same: that takes one instruction less.
void emit_charge(struct translation *t)
{
    const struct plan_insn *i = t->i;
    bool at_once = i->left == i->need;
    if (!i->left && !i->head)
        return;
    if (i->head && i->need && !at_once) {
        x86_op_ri(&t->e, X86_cmp_mi64, REGS_BUDGET, i->need);
        struct stub *s = stub_add(t, STUB_CHARGE, x86_branch(&t->e, X86_j_l, NULL));
        s->info = help_info(HELP_TRAP, TRAP_BUDGET, 0, i->off);
    }
    if (i->left)
        x86_op_ri(&t->e, X86_sub_mi64, REGS_BUDGET, i->left);
    if (i->head && i->left && at_once) {
        struct stub *s = stub_add(t, STUB_CHARGE, x86_branch(&t->e, X86_j_s, NULL));
        s->info = help_info(HELP_TRAP, TRAP_BUDGET, i->left, i->off);
    }
}

static void emit_stub(struct translation *t, const struct stub *s)
{
    if (s->from)
        x86_set_branch(s->from, t->e.at);
    t->i = &t->plan.insn[s->insn];
    t->held_at = t->result_at = NULL;
    switch (s->kind) {
    case STUB_MEMORY:
        emit_memory_stub(t, s);
        break;
    case STUB_CHARGE:
        emit_help(t, s->info);
        break;
    case STUB_VIEW:
        emit_view_stub(t, s);
        break;
    case STUB_WINDOW:
        emit_window_stub(t, s);
        break;
    case STUB_GOTO:
        emit_goto(t, s->target, s->refund);
        break;
    case STUB_LINK:
        x86_op_ri(&t->e, X86_mov_i32, RAX, s->from - t->cache->base);
        x86_op_ri(&t->e, X86_mov_i32, RCX, help_info(HELP_LINK, 0, 0, (u32)s->target));
        calls_add(t, t->nswaps ? &t->fixed_tail : &t->tail); // it came by emit_branch_to, converted
        break;
    case STUB_NAN:
        emit_nan_stub(t, s);
        break;
    case STUB_FMA:
        emit_fma_stub(t, s);
        break;
    case STUB_FLAGS:
        emit_write_fflags(t);
        x86_branch(&t->e, X86_jmp, s->back);
        break;
    case STUB_DIVIDE:
        emit_divide_stub(t, s);
        break;
    case STUB_STRADDLE:
        emit_straddle(t);
        break;
    case STUB_STEP:
        emit_help(t, s->info);
        x86_branch(&t->e, X86_jmp, s->back);
        break;
    }
}

// Whoever comes from elsewhere may enter at every head that is not another unit's already.
static void emit_entries(struct translation *t)
{
    for (u32 n = 0; n < t->plan.n; n++) {
        struct plan_insn *i = &t->plan.insn[n];
        if (!i->head || i->kind == PLAN_GOTO ||
            (n && cache_find(t->cache, t->page_va + i->off, t->page)))
            continue;
        i->entry = n == 0 ? t->begin : t->nswaps ? t->e.at : i->at;
        if (n && t->nswaps) {
            emit_from_fixed(t);
            x86_branch(&t->e, X86_jmp, i->at);
        }
    }
}

void emit_stubs(struct translation *t)
{
    for (u32 i = 0; i < t->nstubs && !t->e.full; i++) { // they may add others
        struct stub s = t->stub[i];
        emit_stub(t, &s);
    }
    if (t->e.full)
        return;
    emit_entries(t);
    emit_tail(t);
    emit_conversions(t);
    for (u32 i = 0; i < t->nfixes; i++)
        x86_set_branch(t->fix[i].end, t->plan.insn[t->fix[i].insn].at);
}
