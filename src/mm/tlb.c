#include "mm/tlb.h"

#define OVERFLOWED (TLB_SIZE + 1)

static void clear(struct tlb_entry *e)
{
    e->read = e->write = e->exec = TLB_NONE;
}

void tlb_init(struct tlb *t)
{
    t->nfilled = t->nwritten = OVERFLOWED;
    tlb_flush(t);
}

void tlb_flush(struct tlb *t)
{
    u32 n = t->nfilled == OVERFLOWED ? TLB_SIZE : t->nfilled;
    for (u32 i = 0; i < n; i++)
        clear(&t->entry[t->nfilled == OVERFLOWED ? i : t->filled[i]]);
    t->nfilled = t->nwritten = 0;
    t->generation++;
}

void tlb_flush_page(struct tlb *t, gva_t va)
{
    clear(tlb_slot(t, va)); // it may stay in the lists
    t->generation++;
}

void tlb_revoke_writes(struct tlb *t)
{
    u32 n = t->nwritten == OVERFLOWED ? TLB_SIZE : t->nwritten;
    for (u32 i = 0; i < n; i++)
        t->entry[t->nwritten == OVERFLOWED ? i : t->written[i]].write = TLB_NONE;
    t->nwritten = 0;
}

void tlb_revoke_exec(struct tlb *t)
{
    u32 n = t->nfilled == OVERFLOWED ? TLB_SIZE : t->nfilled;
    for (u32 i = 0; i < n; i++)
        t->entry[t->nfilled == OVERFLOWED ? i : t->filled[i]].exec = TLB_NONE;
    t->generation++;
}

static void note(u16 *list, u32 *n, u32 slot)
{
    if (*n < TLB_SIZE)
        list[(*n)++] = (u16)slot;
    else
        *n = OVERFLOWED;
}

void tlb_fill(struct tlb *t, gva_t va, bool write, bool exec, u8 *host)
{
    struct tlb_entry *e = tlb_slot(t, va);
    u32 slot = (u32)(e - t->entry);
    gva_t tag = va & TLB_PAGE_MASK;
    bool empty = e->read == TLB_NONE && e->write == TLB_NONE && e->exec == TLB_NONE;
    if (empty)
        note(t->filled, &t->nfilled, slot);
    if (e->host != host || (e->read != tag && e->write != tag && e->exec != tag)) {
        clear(e);
        e->host = host;
    }
    if (exec) {
        e->exec = tag;
        e->write = TLB_NONE;
    } else if (write) {
        if (e->write == TLB_NONE)
            note(t->written, &t->nwritten, slot);
        e->read = e->write = tag;
        e->exec = TLB_NONE;
    } else {
        e->read = tag;
    }
}
