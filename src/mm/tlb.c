#include "mm/tlb.h"

void tlb_flush(struct tlb *t)
{
    for (u32 i = 0; i < TLB_SIZE; i++)
        t->entry[i].read = t->entry[i].write = t->entry[i].exec = TLB_NONE;
}

void tlb_flush_page(struct tlb *t, gva_t va)
{
    struct tlb_entry *e = tlb_slot(t, va);
    e->read = e->write = e->exec = TLB_NONE;
}

void tlb_revoke_writes(struct tlb *t)
{
    for (u32 i = 0; i < TLB_SIZE; i++)
        t->entry[i].write = TLB_NONE;
}

void tlb_revoke_exec(struct tlb *t)
{
    for (u32 i = 0; i < TLB_SIZE; i++)
        t->entry[i].exec = TLB_NONE;
}
