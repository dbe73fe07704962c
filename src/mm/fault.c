// The write fault and its kin: the one gate to a page (law L7).
//
// (X1) A page is written only when its whole path is this table's own and the frame has one holder,
//      or the entry says PTE_SHARED.
// (X2) A hole in private anonymous memory reads as the zero frame and takes no table node.

#include <errno.h>
#include <string.h>

#include "base/panic.h"
#include "base/stats.h"
#include "mm/map.h"
#include "mm/pagecache.h"
#include "mm/pagetable.h"
#include "mm/tlb.h"

#define STACK_GUARD (256 * PAGE_SIZE) // kept free below a growing stack

// An address just below the stack extends it, down to the limit.
static const struct region *grow_stack(struct mm *m, gva_t va)
{
    u32 i = regions_after(m->regions, va);
    if (i == m->regions->count)
        return NULL;
    struct region g = m->regions->at[i];
    gva_t start = ALIGN_DOWN(va, PAGE_SIZE);
    if (!(g.flags & REGION_GROWSDOWN) || g.end - start > m->stack_limit)
        return NULL;
    if (i > 0 && m->regions->at[i - 1].end + STACK_GUARD > start)
        return NULL;
    struct region more = g;
    more.end = g.start;
    more.start = start;
    if (region_replace(m, start, g.start, &more))
        return NULL;
    return region_find(m, va);
}

static bool allowed(const struct region *g, enum mm_access want)
{
    if (want == MM_READ)
        return g->prot & (MM_READ | MM_WRITE);
    return g->prot & want;
}

bool mm_watch_owns(const struct mm_watch *w, gva_t va, u64 len)
{
    for (u32 i = 0; i < ARRAY_LEN(w->own); i++)
        if (va >= w->own[i].start && va < w->own[i].end && len <= w->own[i].end - va)
            return true;
    return false;
}

// A page that is the child's as a whole needs no look at each store.
static bool watched(const struct mm *m, const struct region *g, gva_t va)
{
    const struct mm_watch *w = m->watch;
    return w->armed && !(g->flags & REGION_SHARED) &&
           !mm_watch_owns(w, ALIGN_DOWN(va, PAGE_SIZE), PAGE_SIZE);
}

static void fill_tlb(struct mm *m, gva_t va, enum mm_access want, frame_t f)
{
    struct tlb *t = m->tlb;
    if (!t)
        return;
    tlb_fill(t, va, want == MM_WRITE, want == MM_EXEC, frame_data(m->store, f));
    if (want == MM_WRITE)
        m->store->meta[f].flags |= FRAME_WRITE_CACHED;
}

// The frame that the region's backing has for va, with one reference for the table entry.
static enum mm_fault backing_frame(struct mm *m, const struct region *g, gva_t va, frame_t *f)
{
    u64 page = g->page + ((va - g->start) >> PAGE_SHIFT);
    int r = backing_page(m->store, g->backing, page, f);
    if (r == -ENOMEM)
        return FAULT_NOMEM;
    if (r)
        return FAULT_BUS;
    frame_get(m->store, *f);
    return FAULT_NONE;
}

// (M4) A page that has another frame now, or its first. `executed`: the one before was.
static void page_came(struct mm *m, const struct region *g, bool executed)
{
    if (executed || (g->prot & MM_EXEC && m->code_shared))
        mm_code_moved(m);
}

// A hole in a mapping with a backing: the entry points at the backing's frame.
static enum mm_fault fill_from_backing(struct mm *m, const struct region *g, gva_t va, frame_t *f)
{
    pte_t *slot;
    enum mm_fault fault = backing_frame(m, g, va, f);
    if (fault)
        return fault;
    if (pt_own(m->store, m->stats, &m->root, va, &slot)) {
        frame_put(m->store, *f);
        return FAULT_NOMEM;
    }
    *slot = pte_make(*f, g->flags & REGION_SHARED ? PTE_SHARED : 0);
    page_came(m, g, false);
    m->touched++;
    m->stats->file_fills++;
    return FAULT_NONE;
}

// Makes the page at va this address space's own: a fresh one, a copy, or taken over.
static enum mm_fault own_page(struct mm *m, const struct region *g, gva_t va, bool path_shared,
                              frame_t *out)
{
    struct store *s = m->store;
    pte_t *slot;
    frame_t from = FRAME_ZERO, f;
    if (pt_own(s, m->stats, &m->root, va, &slot))
        return FAULT_NOMEM;
    if (*slot) {
        from = pte_frame(*slot);
        if (s->meta[from].refs == 1) {
            m->stats->frames_taken_over += path_shared;
            *out = from;
            return FAULT_NONE;
        }
        frame_get(s, from); // keep it over the allocation below, which may shrink the cache
    } else if (g->backing) {
        enum mm_fault fault = backing_frame(m, g, va, &from);
        if (fault)
            return fault;
    }
    bool executed = frame_executed(&s->meta[from]);
    if (from == FRAME_ZERO) {
        if (frame_zeroed(s, &f))
            return FAULT_NOMEM;
        m->stats->zero_fills++;
    } else {
        if (frame_new(s, &f)) {
            frame_put(s, from);
            return FAULT_NOMEM;
        }
        memcpy(frame_data(s, f), frame_data(s, from), PAGE_SIZE);
        m->stats->frames_copied++;
        if (executed && m->tlb) { // who runs it is to run the copy from here on
            tlb_revoke_exec(m->tlb);
            store_code_lost(s);
        }
        frame_put(s, from);
        if (*slot)
            frame_put(s, pte_frame(*slot));
    }
    page_came(m, g, executed);
    m->touched += *slot == 0;
    *slot = pte_make(f, from == FRAME_ZERO ? 0 : PTE_COPIED);
    if (m->tlb)
        tlb_page_moved(m->tlb, va);
    *out = f;
    return FAULT_NONE;
}

static enum mm_fault resolve(struct mm *m, gva_t va, enum mm_access want, bool force, frame_t *f)
{
    if (va >= MM_TOP)
        return FAULT_MAPERR;
    const struct region *g = region_find(m, va);
    if (!g)
        g = grow_stack(m, va);
    if (!g)
        return FAULT_MAPERR;
    if (!allowed(g, want) && (!force || (want == MM_WRITE && g->flags & REGION_SHARED)))
        return FAULT_ACCERR;
    if (unlikely(m->watch != NULL) && !force && want == MM_WRITE && watched(m, g, va))
        return FAULT_WATCHED;
    bool path_shared;
    pte_t pte = pt_find(m->root, va, &path_shared);
    m->stats->tlb_misses++;
    if (pte && (want != MM_WRITE || pte & PTE_SHARED)) {
        *f = pte_frame(pte);
        return FAULT_NONE;
    }
    if (pte && !path_shared && m->store->meta[pte_frame(pte)].refs == 1) {
        *f = pte_frame(pte);
        return FAULT_NONE;
    }
    m->stats->faults++;
    if (!pte && g->backing && (want != MM_WRITE || g->flags & REGION_SHARED))
        return fill_from_backing(m, g, va, f);
    if (!pte && want != MM_WRITE) {
        *f = FRAME_ZERO;
        return FAULT_NONE;
    }
    return own_page(m, g, va, path_shared, f);
}

enum mm_fault mm_access(struct mm *m, gva_t va, enum mm_access want, u8 **host)
{
    frame_t f = FRAME_ZERO;
    enum mm_fault fault = resolve(m, va, want, false, &f);
    if (fault)
        return fault;
    if (want == MM_WRITE && frame_executed(&m->store->meta[f])) {
        frame_will_change(m->store, f);
        if (m->tlb)
            tlb_revoke_exec(m->tlb);
    }
    if (want == MM_WRITE)
        m->store->meta[f].flags |= FRAME_DIRTY;
    fill_tlb(m, va, want, f);
    *host = frame_data(m->store, f) + (va & PAGE_MASK);
    return FAULT_NONE;
}

enum mm_fault mm_access_forced(struct mm *m, gva_t va, enum mm_access want, u8 **host)
{
    frame_t f = FRAME_ZERO;
    enum mm_fault fault = resolve(m, va, want, true, &f);
    if (fault)
        return fault;
    if (want == MM_WRITE && frame_executed(&m->store->meta[f]))
        frame_will_change(m->store, f);
    if (want == MM_WRITE)
        m->store->meta[f].flags |= FRAME_DIRTY;
    if (want == MM_WRITE && m->tlb) { // it may have cached the frame that was there before
        tlb_flush_page(m->tlb, va);
        tlb_revoke_exec(m->tlb);
    }
    *host = frame_data(m->store, f) + (va & PAGE_MASK);
    return FAULT_NONE;
}

enum mm_fault mm_exec_frame(struct mm *m, gva_t va, frame_t *out)
{
    enum mm_fault fault = resolve(m, va, MM_EXEC, false, out);
    if (fault)
        return fault;
    struct frame *f = &m->store->meta[*out];
    if (f->flags & FRAME_WRITE_CACHED) {
        if (m->tlb)
            tlb_revoke_writes(m->tlb);
        if (!m->store->lock || f->refs == 1) // else another machine's hart may have it, too
            f->flags &= (u16)~FRAME_WRITE_CACHED;
    }
    fill_tlb(m, va, MM_EXEC, *out);
    return FAULT_NONE;
}
