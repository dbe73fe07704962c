#include "mm/tlb.h"

#define OVERFLOWED (TLB_SIZE + 1)

static void clear(struct tlb *t, u32 slot)
{
    struct tlb_entry *e = &t->entry[slot];
    e->read = e->write = e->exec = tlb_none(slot);
}

static u32 slot_of(struct tlb *t, gva_t va)
{
    return (u32)(tlb_slot(t, va) - t->entry);
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
        clear(t, t->nfilled == OVERFLOWED ? i : t->filled[i]);
    t->nfilled = t->nwritten = 0;
    t->generation++;
}

void tlb_flush_page(struct tlb *t, gva_t va)
{
    clear(t, slot_of(t, va)); // it may stay in the lists
    t->generation++;
}

static void revoke(struct tlb *t, u32 slot, bool write)
{
    gva_t *tag = write ? &t->entry[slot].write : &t->entry[slot].exec;
    *tag = tlb_none(slot);
}

void tlb_revoke_writes(struct tlb *t)
{
    u32 n = t->nwritten == OVERFLOWED ? TLB_SIZE : t->nwritten;
    for (u32 i = 0; i < n; i++)
        revoke(t, t->nwritten == OVERFLOWED ? i : t->written[i], true);
    t->nwritten = 0;
}

void tlb_revoke_exec(struct tlb *t)
{
    u32 n = t->nfilled == OVERFLOWED ? TLB_SIZE : t->nfilled;
    for (u32 i = 0; i < n; i++)
        revoke(t, t->nfilled == OVERFLOWED ? i : t->filled[i], false);
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
    u32 slot = slot_of(t, va);
    struct tlb_entry *e = &t->entry[slot];
    gva_t tag = va & TLB_PAGE_MASK, none = tlb_none(slot);
    if (e->read == none && e->write == none && e->exec == none)
        note(t->filled, &t->nfilled, slot);
    if (e->host != host || (e->read != tag && e->write != tag && e->exec != tag)) {
        clear(t, slot);
        e->host = host;
    }
    if (exec) {
        e->exec = tag;
        e->write = none;
    } else if (write) {
        if (e->write == none)
            note(t->written, &t->nwritten, slot);
        e->read = e->write = tag;
        e->exec = none;
    } else {
        e->read = tag;
    }
}
