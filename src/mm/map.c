#include "mm/map.h"

#include <errno.h>
#include <string.h>

#include "base/panic.h"
#include "base/stats.h"
#include "mm/pagecache.h"
#include "mm/pagetable.h"
#include "mm/tlb.h"

#define MAP_BOTTOM 0x10000UL          // nothing is mapped below unless asked for by MAP_FIXED
#define MAP_GAP (256UL << 20)         // left for the stack below MM_TOP

// Before [from, to) changes. `prot`: what it is going to be.
static void flush(struct mm *m, gva_t from, gva_t to, u32 prot)
{
    if (m->tlb)
        tlb_flush_range(m->tlb, from, to);
    for (u32 i = regions_after(m->regions, from); i < m->regions->count && m->regions->at[i].start < to; i++)
        prot |= m->regions->at[i].prot;
    if (prot & MM_EXEC)
        mm_code_moved(m); // (M4)
}

// The highest gap of `length` bytes below `below`.
static int find_gap_down(const struct mm *m, gva_t below, u64 length, gva_t *out)
{
    const struct regions *l = m->regions;
    u32 i = regions_after(l, below - 1);
    gva_t top = below;
    if (i < l->count && l->at[i].start < top)
        top = l->at[i].start;
    for (;; i--) {
        gva_t bottom = i ? l->at[i - 1].end : MAP_BOTTOM;
        bottom = MAX(bottom, MAP_BOTTOM);
        if (top > bottom && top - bottom >= length) {
            *out = top - length;
            return 0;
        }
        if (i == 0)
            return -ENOMEM;
        top = MIN(top, l->at[i - 1].start);
    }
}

static int find_place(struct mm *m, const struct map_request *q, gva_t *out)
{
    gva_t hint = ALIGN_DOWN(q->addr, PAGE_SIZE);
    if (hint >= MAP_BOTTOM && hint < MM_TOP && q->length <= MM_TOP - hint) {
        u32 i = regions_after(m->regions, hint);
        if (i == m->regions->count || m->regions->at[i].start >= hint + q->length) {
            *out = hint;
            return 0;
        }
    }
    gva_t top = MM_TOP - MAX(MAP_GAP, MIN(m->stack_limit, MM_TOP / 6 * 5) + (1UL << 20)) - m->map_slide;
    if (find_gap_down(m, ALIGN_DOWN(top, PAGE_SIZE), q->length, out) == 0)
        return 0;
    return find_gap_down(m, MM_TOP - (16UL << 20), q->length, out);
}

// The memory limit, as the obvious overcommit check: no process may hold more writable private
// memory than there are frames.
static bool over_limit(const struct mm *m, const struct map_request *q)
{
    u64 pages = q->length >> PAGE_SHIFT;
    if (m->total_pages + pages > m->as_limit >> PAGE_SHIFT)
        return true;
    struct store *s = m->store;
    if (!(q->prot & MM_WRITE) || q->backing)
        return false;
    if (pages > store_room(s))
        (void)node_reap(s, ~0u);
    return pages > store_room(s);
}

int mm_map(struct mm *m, const struct map_request *q, gva_t *out)
{
    gva_t at = q->addr;
    if (q->length == 0 || q->length > MM_TOP)
        return q->length ? -ENOMEM : -EINVAL;
    if (over_limit(m, q) || m->regions->count >= REGIONS_MOST)
        return -ENOMEM;
    if (q->fixed) {
        if (at & PAGE_MASK)
            return -EINVAL;
        if (at >= MM_TOP || q->length > MM_TOP - at)
            return -ENOMEM;
        u32 i = regions_after(m->regions, at);
        if (q->noreplace && i < m->regions->count && m->regions->at[i].start < at + q->length)
            return -EEXIST;
        flush(m, at, at + q->length, q->prot);
        int r = pt_unmap(m->store, m->stats, &m->root, at, at + q->length);
        if (r)
            return r;
    } else {
        int r = find_place(m, q, &at);
        if (r)
            return r;
        if (q->prot & MM_EXEC)
            mm_code_moved(m);
    }
    struct region g = {.start = at, .end = at + q->length, .page = q->page,
                       .backing = q->backing, .flags = q->flags, .prot = q->prot};
    int r = region_replace(m, g.start, g.end, &g);
    if (r)
        return r;
    m->shares = m->shares || backing_per_machine(g.backing);
    *out = at;
    return 0;
}

int mm_unmap(struct mm *m, gva_t addr, u64 length)
{
    u64 n = ALIGN_UP(length, PAGE_SIZE);
    if (addr & PAGE_MASK || length == 0 || n < length || addr >= MM_TOP || n > MM_TOP - addr)
        return -EINVAL;
    u32 i = regions_after(m->regions, addr);
    if (i == m->regions->count || m->regions->at[i].start >= addr + n)
        return 0;
    int r = region_split_allowed(m, addr, addr + n);
    if (r)
        return r;
    flush(m, addr, addr + n, 0);
    r = pt_unmap(m->store, m->stats, &m->root, addr, addr + n);
    return r ? r : region_replace(m, addr, addr + n, NULL);
}

int mm_protect(struct mm *m, gva_t addr, u64 length, u32 prot)
{
    u64 n = ALIGN_UP(length, PAGE_SIZE);
    if (addr & PAGE_MASK)
        return -EINVAL;
    if (length == 0)
        return 0;
    if (n < length || addr >= MM_TOP || n > MM_TOP - addr || !region_covers(m, addr, addr + n))
        return -ENOMEM;
    for (u32 i = regions_after(m->regions, addr);
         i < m->regions->count && m->regions->at[i].start < addr + n; i++)
        if ((prot & MM_WRITE && m->regions->at[i].flags & REGION_NOWRITE) ||
            (prot & MM_EXEC && m->regions->at[i].flags & REGION_NOEXEC))
            return -EACCES;
    flush(m, addr, addr + n, prot);
    return region_change(m, addr, addr + n, 0, 0, prot);
}

// Moves the entries of [from, from+n) to `to`: every path is owned before the first entry moves.
static int move_pages(struct mm *m, gva_t from, gva_t to, u64 n)
{
    pte_t pte, *slot, *target;
    for (gva_t va = from; pt_next(m->root, &va, from + n, &pte); va += PAGE_SIZE) {
        if (pt_own(m->store, m->stats, &m->root, va, &slot) ||
            pt_own(m->store, m->stats, &m->root, va - from + to, &slot))
            return -ENOMEM;
    }
    for (gva_t va = from; pt_next(m->root, &va, from + n, &pte); va += PAGE_SIZE) {
        if (pt_own(m->store, m->stats, &m->root, va, &slot) ||
            pt_own(m->store, m->stats, &m->root, va - from + to, &target))
            PANIC("an owned path was not"); // owning what is owned allocates nothing
        *target = *slot;
        *slot = 0;
    }
    return 0;
}

static int remap_move(struct mm *m, struct region g, gva_t old, u64 old_length, u64 new_length,
                      bool fixed, bool keep, gva_t to, gva_t *out)
{
    struct map_request q = {.addr = fixed || keep ? to : 0, .length = new_length, .prot = g.prot,
                            .flags = g.flags, .fixed = fixed, .backing = g.backing,
                            .page = g.page + ((old - g.start) >> PAGE_SHIFT)};
    u64 moved = MIN(old_length, new_length);
    if (g.backing)
        backing_get(g.backing);
    int r = mm_map(m, &q, &to);
    if (r) {
        if (g.backing)
            backing_put(m->store, g.backing);
        return r;
    }
    flush(m, old, old + moved, g.prot);
    r = move_pages(m, old, to, moved);
    if (r) {
        int undone = mm_unmap(m, to, new_length);
        return undone ? undone : r;
    }
    *out = to;
    return keep || old_length == 0 ? 0 : mm_unmap(m, old, old_length);
}

int mm_remap(struct mm *m, gva_t old, u64 old_length, u64 new_length, bool may_move, bool fixed,
             bool keep, gva_t to, gva_t *out)
{
    const struct region *found = region_find(m, old);
    if (!found)
        return -EFAULT;
    struct region g = *found;
    if (old_length > g.end - old)
        return -EFAULT;
    if (old_length == 0 && !(g.flags & REGION_SHARED))
        return -EINVAL;
    if (fixed || keep)
        return remap_move(m, g, old, old_length, new_length, fixed, keep, to, out);
    *out = old;
    if (new_length <= old_length && old_length)
        return new_length < old_length ? mm_unmap(m, old + new_length, old_length - new_length) : 0;
    u64 more = new_length - old_length;
    u32 next = regions_after(m->regions, g.end);
    bool room = old_length && old + old_length == g.end && new_length <= MM_TOP - old &&
                (next == m->regions->count || m->regions->at[next].start >= old + new_length);
    if (room) {
        struct map_request q = {.addr = g.end, .length = more, .prot = g.prot, .flags = g.flags,
                                .fixed = true, .backing = g.backing,
                                .page = g.page + ((g.end - g.start) >> PAGE_SHIFT)};
        gva_t at;
        if (g.backing)
            backing_get(g.backing);
        int r = mm_map(m, &q, &at);
        if (r && g.backing)
            backing_put(m->store, g.backing);
        return r;
    }
    return may_move ? remap_move(m, g, old, old_length, new_length, false, false, 0, out) : -ENOMEM;
}

int mm_discard(struct mm *m, gva_t addr, u64 length)
{
    flush(m, addr, addr + length, 0);
    return pt_unmap(m->store, m->stats, &m->root, addr, addr + length);
}

int mm_sync(struct mm *m, gva_t addr, u64 length, struct tlb *only)
{
    if (!region_covers(m, addr, addr + length))
        return -ENOMEM;
    for (u32 i = regions_after(m->regions, addr);
         i < m->regions->count && m->regions->at[i].start < addr + length; i++) {
        const struct region *g = &m->regions->at[i];
        if (!g->backing || !(g->flags & REGION_SHARED))
            continue;
        gva_t from = MAX(addr, g->start), to = MIN(addr + length, g->end);
        int r = backing_sync(m->store, g->backing, g->page + ((from - g->start) >> PAGE_SHIFT),
                             g->page + ((to - g->start) >> PAGE_SHIFT), only);
        if (r)
            return r;
    }
    return 0;
}

void mm_truncate(struct mm *m, const struct backing *b, u64 pages)
{
    for (u32 i = 0; i < m->regions->count; i++) {
        struct region g = m->regions->at[i];
        if (g.backing != b || g.page + ((g.end - g.start) >> PAGE_SHIFT) <= pages)
            continue;
        gva_t from = pages > g.page ? g.start + ((pages - g.page) << PAGE_SHIFT) : g.start;
        flush(m, from, g.end, 0);
        if (pt_unmap(m->store, m->stats, &m->root, from, g.end))
            return; // no memory for the path: the pages stay, as private copies would
    }
}

gva_t mm_brk(struct mm *m, gva_t want)
{
    if (want < m->brk_start || want >= MM_TOP || want - m->brk_start > m->data_limit)
        return m->brk;
    gva_t old = ALIGN_UP(m->brk, PAGE_SIZE), new = ALIGN_UP(want, PAGE_SIZE), at;
    if (new > old) {
        struct map_request q = {.addr = old, .length = new - old, .prot = MM_READ | MM_WRITE,
                                .flags = REGION_HEAP | (m->lock_future ? REGION_LOCKED : 0), .fixed = true, .noreplace = true};
        if (mm_map(m, &q, &at))
            return m->brk;
    } else if (new < old && mm_unmap(m, new, old - new)) {
        return m->brk;
    }
    m->brk = want;
    return want;
}

int mm_map_stack(struct mm *m, gva_t top, u64 bytes, bool executable)
{
    struct map_request q = {.addr = top - bytes, .length = bytes,
                            .prot = MM_READ | MM_WRITE | (executable ? MM_EXEC : 0),
                            .flags = REGION_GROWSDOWN, .fixed = true};
    gva_t at;
    return mm_map(m, &q, &at);
}

u64 mm_resident(const struct mm *m)
{
    u64 n = 0;
    pte_t pte;
    for (gva_t va = 0; pt_next(m->root, &va, MM_TOP, &pte); va += PAGE_SIZE)
        n++;
    return n;
}
