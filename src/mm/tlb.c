#include "mm/tlb.h"

#include <string.h>

#include "host/clock.h"
#include "host/file.h"

#define OVERFLOWED (TLB_SIZE + 1)
#define RANGE_MOST 256 // pages: beyond, forgetting everything is cheaper

static void clear(struct tlb *t, u32 slot)
{
    struct tlb_entry *e = &t->entry[slot];
    e->read = e->write = e->exec = tlb_none(slot);
}

static u32 slot_of(struct tlb *t, gva_t va)
{
    return (u32)(tlb_slot(t, va) - t->entry);
}

static void window_clear(struct tlb *t, u32 i)
{
    *tlb_window(t, i) = (struct tlb_window){t->nowhere, (u64)(uintptr_t)t->sink - t->nowhere};
}

#define ALL_WINDOWS   (~(u64)0)
#define WRITE_WINDOWS ((u64)0x5555555555555555)

static void windows_clear(struct tlb *t, u64 which)
{
    for (u32 word = 0; word < ARRAY_LEN(t->windowed); word++) {
        for (u64 left = t->windowed[word] & which; left; left &= left - 1)
            window_clear(t, word * 64 + (u32)__builtin_ctzll(left));
        t->windowed[word] &= ~which;
    }
}

static void windows_search(struct tlb *t, gva_t va, u32 slot)
{
    bool others = false;
    const u8 *end = t->window_slot + TLB_WINDOWS;
    for (const u8 *at = t->window_slot; (at = memchr(at, slot & 0xff, (size_t)(end - at))) != NULL; at++) {
        u32 i = (u32)(at - t->window_slot);
        gva_t page = tlb_window(t, i)->page;
        if (page == (va & TLB_PAGE_MASK))
            window_clear(t, i);
        else if (page != t->nowhere)
            others |= slot_of(t, page) == slot;
    }
    if (!others)
        t->windowed_slot[slot / 64] &= ~(1ULL << slot % 64);
}

void tlb_page_moved(struct tlb *t, gva_t va)
{
    u32 slot = slot_of(t, va);
    if (unlikely(t->windowed_slot[slot / 64] >> slot % 64 & 1))
        windows_search(t, va, slot);
}

void tlb_init(struct tlb *t)
{
    u64 random;
    if (host_random(&random, sizeof random))
        random = host_monotonic() * 0x9e3779b97f4a7c15;
    t->nowhere = (random | 1ULL << 63) & TLB_PAGE_MASK;
    t->nfilled = t->nwritten = OVERFLOWED;
    for (u32 i = 0; i < TLB_WINDOWS; i++)
        window_clear(t, i);
    memset(t->windowed, 0, sizeof t->windowed);
    memset(t->windowed_slot, 0, sizeof t->windowed_slot);
    memset(t->window_slot, 0, sizeof t->window_slot);
    tlb_flush(t);
}

void tlb_flush(struct tlb *t)
{
    u32 n = t->nfilled == OVERFLOWED ? TLB_SIZE : t->nfilled;
    for (u32 i = 0; i < n; i++)
        clear(t, t->nfilled == OVERFLOWED ? i : t->filled[i]);
    t->nfilled = t->nwritten = 0;
    windows_clear(t, ALL_WINDOWS);
}

void tlb_flush_range(struct tlb *t, gva_t from, gva_t to)
{
    if ((to - from) >> PAGE_SHIFT > RANGE_MOST) {
        tlb_flush(t);
        return;
    }
    for (gva_t va = from; va < to; va += PAGE_SIZE)
        clear(t, slot_of(t, va)); // it may stay in the lists
    windows_clear(t, ALL_WINDOWS);
}

void tlb_flush_page(struct tlb *t, gva_t va)
{
    clear(t, slot_of(t, va)); // it may stay in the lists
    tlb_page_moved(t, va);
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
    windows_clear(t, WRITE_WINDOWS);
}

void tlb_revoke_exec(struct tlb *t)
{
    u32 n = t->nfilled == OVERFLOWED ? TLB_SIZE : t->nfilled;
    for (u32 i = 0; i < n; i++)
        revoke(t, t->nfilled == OVERFLOWED ? i : t->filled[i], false);
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
        tlb_page_moved(t, va); // (T2): the windows that may be written
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
