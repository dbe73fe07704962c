#include "jit/thunks.h"

#include "jit/regs.h"

static const u8 saved[] = {RBX, RBP, R12, R13, R14, R15};

static void emit_enter(struct x86 *e)
{
    for (unsigned i = 0; i < ARRAY_LEN(saved); i++)
        x86_op_rr(e, X86_push, 0, saved[i]);
    x86_op_ri(e, X86_sub_mi64, RSP, 8);
    x86_op_rm(e, X86_lea64, REGS_CPU, x86_mem(RDI, (i32)offsetof(struct cpu, window)));
    x86_op_rr(e, X86_mov_rm64, RAX, RSI);
    x86_op_rm(e, X86_mov_rm64, REGS_BUDGET, CPU_FIELD(native.budget));
    regs_load(e);
    x86_op_rr(e, X86_jmp_m, 0, RAX);
}

// ecx = (eax ^ eax >> shift) >> 1 modulo `entries`, as a distance.
static void emit_slot(struct x86 *e, unsigned shift, u32 entries)
{
    x86_op_rr(e, X86_mov_rm32, RCX, RAX);
    x86_op_ri(e, X86_shr_mi32, RCX, shift);
    x86_op_rr(e, X86_xor_rm32, RCX, RAX);
    x86_op_ri(e, X86_shl_mi32, RCX, 3);
    x86_op_ri(e, X86_and_mi32, RCX, (i64)(entries - 1) * (i64)sizeof(struct native_jump));
}

void thunks_emit_key(struct x86 *e)
{
    x86_op_rm(e, X86_add_rm64, RAX, CPU_FIELD(native.tag));
    emit_slot(e, 12, CPU_JUMPS); // cpu_jump_slot()
}

#define TLB_ENTRY(field) (CPU_OFFSET(tlb.entry) + (i32)offsetof(struct tlb_entry, field))

// rax: a value, ecx: info. "Above": it is no access, the TLB does not know it, or C should look at the windows; else
// rax = the access's host address, for once. Every access has only a few bytes of code for this.
static void emit_access(struct x86 *e)
{
#define LAST(size) ((u16)(PAGE_SIZE - (size)))
    static const u16 last[] = {LAST(1), LAST(1), LAST(2), LAST(2), LAST(4), LAST(4), LAST(8), LAST(4),
                               LAST(1), LAST(2), LAST(4), LAST(8)}; // offsets in a page, by kind
#undef LAST
    x86_op_rr(e, X86_push, 0, RDX);
    x86_op_rr(e, X86_push, 0, RCX);
    x86_op_rr(e, X86_push, 0, RSI);
    x86_op_ri(e, X86_shr_mi32, RCX, 28);
    x86_op_ri(e, X86_cmp_mi32, RCX, HELP_STORE_64);
    u8 *other = x86_branch(e, X86_j_a, NULL);
    x86_op_mi(e, X86_cmp_mi32, CPU_FIELD(native.fills_left), 0);
    u8 *look = x86_branch(e, X86_j_s, NULL);
    x86_op_ri(e, X86_mov_i64, RDX, (i64)(uintptr_t)last);
    x86_op_rm(e, X86_movzx16, RDX, x86_mem_index(RDX, RCX, 1, 0));
    x86_op_rr(e, X86_mov_rm32, RSI, RAX);
    x86_op_ri(e, X86_shr_mi32, RSI, PAGE_SHIFT - 5);
    x86_op_ri(e, X86_and_mi32, RSI, (TLB_SIZE - 1) << 5);
    x86_op_ri(e, X86_cmp_mi32, RCX, HELP_STORE_8);
    x86_op_rm(e, X86_mov_rm64, RCX, x86_mem_index(REGS_CPU, RSI, 0, TLB_ENTRY(read)));
    u8 *reads = x86_branch(e, X86_j_b, NULL);
    x86_op_rm(e, X86_mov_rm64, RCX, x86_mem_index(REGS_CPU, RSI, 0, TLB_ENTRY(write)));
    x86_set_branch(reads, e->at);
    x86_op_rr(e, X86_xor_rm64, RAX, RCX);
    x86_op_rr(e, X86_cmp_rm64, RAX, RDX);
    u8 *miss = x86_branch(e, X86_j_a, NULL);
    x86_op_rm(e, X86_mov_rm64, RCX, x86_mem_index(REGS_CPU, RSI, 0, TLB_ENTRY(host)));
    x86_op_rm(e, X86_lea64, RAX, x86_mem_index(RCX, RAX, 0, 0)); // the flags stay
    u8 *hit = x86_branch(e, X86_jmp, NULL);
    x86_set_branch(miss, e->at);
    x86_op_rr(e, X86_xor_rm64, RAX, RCX);
    x86_set_branch(other, e->at);
    x86_set_branch(look, e->at);
    x86_op_rr(e, X86_test_mr32, RSP, RSP); // above
    x86_set_branch(hit, e->at);
    x86_op_rr(e, X86_pop, 0, RSI);
    x86_op_rr(e, X86_pop, 0, RCX);
    x86_op_rr(e, X86_pop, 0, RDX);
    x86_op_none(e, X86_ret);
}

// rax: a value, ecx: info, on the stack: where to go on. "Above", or as `access` has it.
static void emit_help(struct x86 *e, struct jit_cache *c)
{
    c->help = e->at;
    x86_branch(e, X86_call, c->access);
    u8 *for_c = x86_branch(e, X86_j_a, NULL);
    x86_op_none(e, X86_ret);
    x86_set_branch(for_c, e->at);
    x86_op_rm(e, X86_pop_m, 0, CPU_FIELD(native.resume));
    u8 *over = x86_branch(e, X86_jmp, NULL);
    c->miss = e->at; // rax: a key that is not where it should be in native.jumps
    i32 more = CPU_OFFSET(native.jumps[CPU_JUMPS]);
    emit_slot(e, 16, CPU_JUMPS_MORE); // cpu_jump_more()
    x86_op_rm(e, X86_cmp_rm64, RAX, x86_mem_index(REGS_CPU, RCX, 0, more));
    u8 *ask = x86_branch(e, X86_j_ne, NULL);
    x86_op_rm(e, X86_jmp_m, 0, x86_mem_index(REGS_CPU, RCX, 0, more + 8));
    c->unlinked = e->at; // rax: a guest address, whose number leads here
    x86_op_ri(e, X86_mov_i32, RCX, help_info(HELP_MISS, 1, 0, 0));
    u8 *over_too = x86_branch(e, X86_jmp, NULL);
    x86_set_branch(ask, e->at);
    x86_op_ri(e, X86_mov_i32, RCX, help_info(HELP_MISS, 0, 0, 0));
    x86_set_branch(over, e->at);
    x86_set_branch(over_too, e->at);
    regs_save(e);
    x86_op_rm(e, X86_mov_mr64, REGS_BUDGET, CPU_FIELD(native.budget));
    x86_op_rm(e, X86_lea64, RDI, x86_mem(REGS_CPU, -(i32)offsetof(struct cpu, window)));
    x86_op_rr(e, X86_mov_rm64, RSI, RAX);
    x86_op_rr(e, X86_mov_rm32, RDX, RCX);
    x86_op_ri(e, X86_mov_i64, RAX, (i64)(uintptr_t)jit_help);
    x86_op_rr(e, X86_call_m, 0, RAX);
    x86_op_rr(e, X86_test_mr32, RAX, RAX);
    u8 *leave = x86_branch(e, X86_j_ne, NULL);
    x86_op_rm(e, X86_mov_rm64, REGS_BUDGET, CPU_FIELD(native.budget));
    regs_load(e);
    x86_op_rr(e, X86_test_mr32, RSP, RSP);
    x86_op_rm(e, X86_jmp_m, 0, CPU_FIELD(native.resume));
    x86_set_branch(leave, e->at);
    x86_op_ri(e, X86_add_mi64, RSP, 8);
    for (unsigned i = ARRAY_LEN(saved); i-- > 0;)
        x86_op_rr(e, X86_pop, 0, saved[i]);
    x86_op_none(e, X86_ret);
}

// rdi = the window's number, in ecx before; rcx = its distance from the base.
static void emit_window(struct x86 *e)
{
    x86_op_rr(e, X86_mov_rm32, RDI, RCX);
    x86_op_ri(e, X86_shl_mi32, RCX, 4);
    x86_op_ri(e, X86_add_mi64, RCX, CPU_OFFSET(tlb.near));
    x86_op_ri(e, X86_cmp_mi32, RDI, TLB_NEAR);
    u8 *near = x86_branch(e, X86_j_b, NULL);
    x86_op_ri(e, X86_add_mi64, RCX, CPU_OFFSET(tlb.far) - CPU_OFFSET(tlb.near) - TLB_NEAR * 16);
    if (!e->full)
        x86_set_branch(near, e->at);
}

// rax: what a guest address and a window's page differ in; ecx: the window's number. Fills the window from the TLB.
// rax = the address; "equal" if the window has now that address's page and had not before, and C need not look at the
// windows.
static void emit_fill(struct x86 *e, i32 tag)
{
    _Static_assert(sizeof(struct tlb_window) == 16, "the number is scaled by that");
    struct x86_rm page = x86_mem_index(REGS_CPU, RCX, 0, (i32)offsetof(struct tlb_window, page));
    struct x86_rm distance = page;
    distance.disp = (i32)offsetof(struct tlb_window, distance);
    x86_op_rr(e, X86_push, 0, RDI);
    x86_op_rr(e, X86_push, 0, RDX);
    x86_op_rr(e, X86_push, 0, RSI);
    emit_window(e);
    x86_op_rm(e, X86_xor_rm64, RAX, page);
    x86_op_rr(e, X86_mov_rm64, RDX, RAX);
    x86_op_ri(e, X86_and_mi64, RDX, ~(i64)PAGE_MASK);
    x86_op_rm(e, X86_cmp_rm64, RDX, page);
    u8 *had = x86_branch(e, X86_j_e, NULL);
    x86_op_rr(e, X86_mov_rm32, RSI, RAX);
    x86_op_ri(e, X86_shr_mi32, RSI, PAGE_SHIFT - 5);
    x86_op_ri(e, X86_and_mi32, RSI, (TLB_SIZE - 1) << 5);
    x86_op_rm(e, X86_cmp_rm64, RDX, x86_mem_index(REGS_CPU, RSI, 0, tag));
    u8 *miss = x86_branch(e, X86_j_ne, NULL);
    x86_op_rm(e, X86_mov_mr64, RDX, page);
    x86_op_rr(e, X86_neg64, 0, RDX);
    x86_op_rm(e, X86_add_rm64, RDX, x86_mem_index(REGS_CPU, RSI, 0, TLB_ENTRY(host)));
    x86_op_rm(e, X86_mov_mr64, RDX, distance);
    x86_op_ri(e, X86_shr_mi32, RSI, 5);
    x86_op_rm(e, X86_bts_mr64, RSI, CPU_FIELD(tlb.windowed_slot));
    x86_op_rm(e, X86_bts_mr64, RDI, CPU_FIELD(tlb.windowed));
    x86_op_rm(e, X86_mov_mr8, RSI, x86_mem_index(REGS_CPU, RDI, 0, CPU_OFFSET(tlb.window_slot)));
    x86_op_mi(e, X86_add_mi32, x86_mem_index(REGS_CPU, RDI, 2, CPU_OFFSET(native.fills)), 1);
    x86_op_mi(e, X86_sub_mi32, CPU_FIELD(native.fills_left), 1);
    u8 *often = x86_branch(e, X86_j_s, NULL);
    x86_op_rr(e, X86_cmp_rm32, RCX, RCX);
    u8 *filled = x86_branch(e, X86_jmp, NULL);
    x86_set_branch(often, e->at);
    x86_set_branch(had, e->at);
    x86_set_branch(miss, e->at);
    x86_op_rr(e, X86_test_mr32, RSP, RSP); // not equal
    x86_set_branch(filled, e->at);
    x86_op_rr(e, X86_pop, 0, RSI); // the flags stay
    x86_op_rr(e, X86_pop, 0, RDX);
    x86_op_rr(e, X86_pop, 0, RDI);
    x86_op_none(e, X86_ret);
}

bool thunks_emit(struct jit_cache *c, u8 *end)
{
    struct x86 e = {.at = c->base, .end = end};
    c->enter = e.at;
    emit_enter(&e);
    c->access = e.at;
    emit_access(&e);
    emit_help(&e, c);
    c->fill[0] = e.at;
    emit_fill(&e, TLB_ENTRY(write));
    c->fill[1] = e.at;
    emit_fill(&e, TLB_ENTRY(read));
    return !e.full;
}

void thunks_enter(const struct jit_cache *c, struct cpu *cpu, const u8 *host)
{
    // A function's address from an object's: what ISO C leaves open, POSIX has.
    void (*enter)(struct cpu *, const u8 *);
    const u8 *at = cache_run_address(c, c->enter);
    _Static_assert(sizeof enter == sizeof at, "");
    __builtin_memcpy(&enter, &at, sizeof enter);
    enter(cpu, host);
}
