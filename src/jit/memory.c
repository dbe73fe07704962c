// Guest memory from translated code: the TLB is probed inline (tlb.h, T3).
#include "jit/operands.h"
#include "jit/translate.h"

#define ENTRY(field) (CPU_OFFSET(tlb.entry) + (i32)offsetof(struct tlb_entry, field))

_Static_assert(sizeof(struct tlb_entry) == 32, "the index below is scaled by 32");

static void emit_address(struct translation *t, unsigned base, i64 imm)
{
    struct x86 *e = &t->e;
    unsigned host = held_x(t, base);
    if (host != X86_NONE && imm)
        x86_op_rm(e, X86_lea64, RAX, x86_mem(host, (i32)imm));
    else if (host != RAX)
        x86_op_rm(e, X86_mov_rm64, RAX, host != X86_NONE ? x86_reg(host) : regs_memory_x(base));
    if (host == X86_NONE && imm)
        x86_op_ri(e, X86_add_mi64, RAX, imm);
}

// ecx = the distance of the TLB entry for rax; rax becomes the offset in the page, if it is below
// PAGE_SIZE. The branch for when there are not `size` bytes from there in the page comes back.
static u8 *emit_probe(struct translation *t, i32 tag, unsigned size)
{
    struct x86 *e = &t->e;
    if (t->cache->has_bmi2) {
        x86_emit(e, X86_rorx32, RCX, 0, x86_reg(RAX), PAGE_SHIFT - 5);
    } else {
        x86_op_rr(e, X86_mov_rm32, RCX, RAX);
        x86_op_ri(e, X86_shr_mi32, RCX, PAGE_SHIFT - 5);
    }
    x86_op_ri(e, X86_and_mi32, RCX, (TLB_SIZE - 1) << 5);
    x86_op_rm(e, X86_xor_rm64, RAX, x86_mem_index(REGS_CPU, RCX, 0, tag));
    x86_op_ri(e, X86_cmp_mi64, RAX, (i64)PAGE_SIZE - size);
    return x86_branch(e, X86_j_a, NULL);
}

static struct x86_rm window_of(const struct translation *t)
{
    return x86_mem(REGS_CPU, 8 * (t->i->window - 1));
}

// The first access by a window: rax = window = entry.host - entry.tag, so that the accesses go to rax +
// guest address.
static u8 *emit_window_probe(struct translation *t, unsigned base)
{
    struct x86 *e = &t->e;
    i32 tag = t->i->window_writes ? ENTRY(write) : ENTRY(read);
    emit_address(t, base, t->i->window_from);
    u8 *miss = emit_probe(t, tag, t->i->window_size);
    x86_op_rm(e, X86_mov_rm64, RAX, x86_mem_index(REGS_CPU, RCX, 0, ENTRY(host)));
    x86_op_rm(e, X86_sub_rm64, RAX, x86_mem_index(REGS_CPU, RCX, 0, tag));
    x86_op_rm(e, X86_mov_mr64, RAX, window_of(t));
    return miss;
}

static struct x86_rm view_of(const struct translation *t, i32 field)
{
    u32 i = t->i->view - 1u;
    i32 window = i < TLB_NEAR ? CPU_OFFSET(tlb.near) + (i32)(i * sizeof(struct tlb_window))
                 : CPU_OFFSET(tlb.far) + (i32)((i - TLB_NEAR) * sizeof(struct tlb_window));
    return x86_mem(REGS_CPU, window + field);
}

static struct x86_rm relative_to(struct translation *t, unsigned base, i64 imm)
{
    if (in_host_x(t, base))
        return x86_mem_index(RAX, host_x(t, base), 0, (i32)imm);
    x86_op_rm(&t->e, X86_mov_rm64, RCX, regs_memory_x(base));
    return x86_mem_index(RAX, RCX, 0, (i32)imm);
}

//     rax = address ^ window.page; if rax > PAGE_SIZE - size: stub
//     rax = window.distance                 the access goes to rax + guest address
static struct x86_rm emit_view_access(struct translation *t, unsigned base, i64 imm, u32 info)
{
    struct x86 *e = &t->e;
    emit_address(t, base, t->i->window_from);
    u8 *again = e->at;
    x86_op_rm(e, X86_xor_rm64, RAX, view_of(t, offsetof(struct tlb_window, page)));
    x86_op_ri(e, X86_cmp_mi64, RAX, (i64)PAGE_SIZE - t->i->window_size);
    struct stub *s = stub_add(t, STUB_VIEW, x86_branch(e, X86_j_a, NULL));
    s->again = again;
    s->info = info;
    x86_op_rm(e, X86_mov_rm64, RAX, view_of(t, offsetof(struct tlb_window, distance)));
    if (t->i->window)
        x86_op_rm(e, X86_mov_mr64, RAX, window_of(t));
    return relative_to(t, base, imm);
}

// From a stub to behind the access, with what the code there may go by.
static void emit_back(struct translation *t, const struct stub *s)
{
    if (s->held)
        x86_op_rm(&t->e, X86_mov_rm64, s->held_in, regs_memory_x(s->held));
    x86_branch(&t->e, X86_jmp, s->back);
}

// Behind an access without the window.
static void emit_window_back(struct translation *t, const struct stub *s)
{
    x86_op_rm(&t->e, X86_mov_rm64, RAX, window_of(t));
    emit_back(t, s);
}

void emit_window_stub(struct translation *t, const struct stub *s)
{
    if (t->i->leads)
        x86_op_mi(&t->e, X86_mov_mi64, window_of(t), 0);
    emit_alone(t);
    emit_window_back(t, s);
}

void emit_view_stub(struct translation *t, const struct stub *s)
{
    struct x86 *e = &t->e;
    x86_op_ri(e, X86_mov_i32, RCX, t->i->view - 1);
    x86_branch(e, X86_call, t->cache->fill[!t->i->window_writes]);
    x86_branch(e, X86_j_e, s->again);
    if (t->i->window) {
        emit_window_stub(t, s);
    } else { // it crosses pages or is not in the TLB, so C does it
        emit_help(t, s->info);
        emit_back(t, s);
    }
}

static struct x86_rm emit_window_access(struct translation *t, unsigned base, i64 imm)
{
    struct x86 *e = &t->e;
    u8 *miss;
    if (t->i->leads) {
        miss = emit_window_probe(t, base);
    } else {
        if (e->at != t->window_at || t->i[-1].window != t->i->window)
            x86_op_rm(e, X86_mov_rm64, RAX, window_of(t));
        x86_op_rr(e, X86_test_mr64, RAX, RAX);
        miss = x86_branch(e, X86_j_e, NULL);
    }
    stub_add(t, STUB_WINDOW, miss);
    return relative_to(t, base, imm);
}

static u32 access_info(const struct translation *t, enum help kind, unsigned reg)
{
    return help_info(kind, reg, t->i->left, t->i->off) | (t->i->in.len == 4 ? HELP_LONG : 0);
}

// At a constant address: its TLB entry is known, and whether it crosses pages.
static struct x86_rm emit_access_at(struct translation *t, gva_t va, unsigned size, bool write,
                                    u32 info)
{
    struct x86 *e = &t->e;
    i32 entry = (i32)(va >> PAGE_SHIFT & (TLB_SIZE - 1)) * 32;
    struct x86_rm tag = x86_mem(REGS_CPU, entry + (write ? ENTRY(write) : ENTRY(read)));
    i64 page = (i64)(va & TLB_PAGE_MASK);
    if (page == (i32)page) {
        x86_op_mi(e, X86_cmp_mi64, tag, page);
    } else {
        emit_constant(t, RAX, (u64)page);
        x86_op_rm(e, X86_cmp_rm64, RAX, tag);
    }
    bool crosses = (va & PAGE_MASK) + size > PAGE_SIZE;
    struct stub *s = stub_add(t, STUB_MEMORY, x86_branch(e, crosses ? X86_jmp : X86_j_ne, NULL));
    s->place = STUB_CONSTANT;
    s->target = (i64)va;
    s->info = info;
    x86_op_rm(e, X86_mov_rm64, RCX, x86_mem(REGS_CPU, entry + ENTRY(host)));
    return x86_mem(RCX, (i32)(va & PAGE_MASK));
}

//     rax = address                         xor with the tag leaves the offset in the page, if it hits
//     ecx = its TLB entry's distance
//     rax ^= entry.tag; if rax > PAGE_SIZE - size: stub
//     rcx = entry.host                      the access goes to rcx + rax
struct x86_rm emit_access(struct translation *t, unsigned base, i64 imm, unsigned size, bool write,
                          enum help kind, unsigned reg)
{
    struct x86 *e = &t->e;
    u32 info = access_info(t, kind, reg);
    if (base == 32)
        return emit_access_at(t, (u64)imm, size, write, info);
    if (t->i->view)
        return emit_view_access(t, base, imm, info);
    if (t->i->window)
        return emit_window_access(t, base, imm);
    emit_address(t, base, imm);
    if (t->alone && !page_is_hot(t->page)) { // small rather than fast
        emit_help(t, info);
        t->alone_done = x86_branch(e, X86_short_j_a, NULL);
        return x86_mem(RAX, 0);
    }
    struct stub *s = stub_add(t, STUB_MEMORY, emit_probe(t, write ? ENTRY(write) : ENTRY(read), size));
    s->place = write ? STUB_WRITE : STUB_READ;
    s->info = info;
    x86_op_rm(e, X86_mov_rm64, RCX, x86_mem_index(REGS_CPU, RCX, 0, ENTRY(host)));
    return x86_mem_index(RCX, RAX, 0, 0);
}

void emit_access_done(struct translation *t, bool kept)
{
    if (t->alone_done) {
        if (!t->e.full)
            x86_set_short(t->alone_done, t->e.at);
        t->alone_done = NULL;
        return;
    }
    struct stub *s = &t->stub[t->nstubs - 1];
    s->back = t->e.at;
    result_held(t);
    s->held = t->held_at ? t->held : 0;
    s->held_in = t->held_in;
    t->window_at = kept ? t->e.at : NULL;
}

void emit_memory_stub(struct translation *t, const struct stub *s)
{
    struct x86 *e = &t->e;
    if (s->place == STUB_CONSTANT)
        emit_constant(t, RAX, (u64)s->target);
    else
        x86_op_rm(e, X86_xor_rm64, RAX,
                  x86_mem_index(REGS_CPU, RCX, 0, s->place == STUB_WRITE ? ENTRY(write) : ENTRY(read)));
    emit_help(t, s->info);
    emit_back(t, s);
}
