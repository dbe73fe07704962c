// Guest memory from translated code: the TLB is probed inline (tlb.h, T3).
#include "jit/translate.h"

#define ENTRY(field) (CPU_OFFSET(tlb) + (i32)offsetof(struct tlb_entry, field))

_Static_assert(sizeof(struct tlb_entry) == 32, "the index below is scaled by 32");

static void emit_address(struct translation *t, unsigned base, i64 imm)
{
    struct x86 *e = &t->e;
    if (base == 32)
        emit_constant(t, RAX, (u64)imm);
    else if (regs_place_x[base] && imm)
        x86_op_rm(e, X86_lea64, RAX, x86_mem(regs_host_x(base), (i32)imm));
    else
        x86_op_rm(e, X86_mov_rm64, RAX, regs_x_rm(base));
    if (base != 32 && !regs_place_x[base] && imm)
        x86_op_ri(e, X86_add_mi64, RAX, imm);
}

//     rax = address                         xor with the tag leaves the offset in the page, if it hits
//     ecx = its TLB entry's distance
//     rax ^= entry.tag; if rax > PAGE_SIZE - size: stub
//     rcx = entry.host                      the access goes to rcx + rax
struct x86_rm emit_access(struct translation *t, unsigned base, i64 imm, unsigned size, bool write,
                          enum help kind, unsigned reg)
{
    struct x86 *e = &t->e;
    i32 tag = write ? ENTRY(write) : ENTRY(read);
    emit_address(t, base, imm);
    x86_op_rr(e, X86_mov_rm32, RCX, RAX);
    x86_op_ri(e, X86_shr_mi32, RCX, PAGE_SHIFT - 5);
    x86_op_ri(e, X86_and_mi32, RCX, (TLB_SIZE - 1) << 5);
    x86_op_rm(e, X86_xor_rm64, RAX, x86_mem_index(REGS_CPU, RCX, 0, tag));
    x86_op_ri(e, X86_cmp_mi64, RAX, (i64)PAGE_SIZE - size);
    struct stub *s = stub_add(t, STUB_MEMORY, x86_branch(e, X86_j_a, NULL));
    s->size = write;
    s->info = help_info(kind, reg, t->i->left, t->i->off) | (t->i->in.len == 4 ? HELP_LONG : 0);
    x86_op_rm(e, X86_mov_rm64, RCX, x86_mem_index(REGS_CPU, RCX, 0, ENTRY(host)));
    return x86_mem_index(RCX, RAX, 0, 0);
}

void emit_access_done(struct translation *t)
{
    t->stub[t->nstubs - 1].back = t->e.at;
}

void emit_memory_stub(struct translation *t, const struct stub *s)
{
    struct x86 *e = &t->e;
    x86_op_rm(e, X86_xor_rm64, RAX,
              x86_mem_index(REGS_CPU, RCX, 0, s->size ? ENTRY(write) : ENTRY(read)));
    emit_help(t, s->info);
    x86_branch(e, X86_jmp, s->back);
}
