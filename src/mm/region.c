#include "mm/region.h"

#include <errno.h>
#include <string.h>

#include "base/budget.h"
#include "base/forking.h"
#include "base/panic.h"
#include "base/stats.h"
#include "mm/pagecache.h"

#define ROOM_FIRST 14u

static int list_new(struct store *s, u32 room, struct regions **out)
{
    struct regions *l = budget_alloc(&s->budget, sizeof *l + room * sizeof l->at[0]);
    if (!l)
        return -ENOMEM;
    *l = (struct regions){.refs = 1, .room = room};
    *out = l;
    return 0;
}

int regions_new(struct store *s, struct regions **out)
{
    return list_new(s, ROOM_FIRST, out);
}

void regions_put(struct store *s, struct regions *l)
{
    if (--l->refs)
        return;
    for (u32 i = 0; i < l->count; i++)
        if (l->at[i].backing)
            backing_put(s, l->at[i].backing);
    budget_free(l);
}

struct regions *regions_copy(struct forking *f, const struct regions *from)
{
    struct regions *l = budget_dup(f, from);
    if (!l)
        return NULL;
    l->refs = 1;
    for (u32 i = 0; i < l->count; i++)
        l->at[i].backing = backing_copy(f, l->at[i].backing);
    return l;
}

// A list of this address space's own (R2) with room for `more` regions.
static int regions_own(struct mm *m, u32 more)
{
    struct regions *old = m->regions, *own;
    if (old->refs == 1 && old->count + more <= old->room)
        return 0;
    int r = list_new(m->store, MAX(old->count + more, old->count + old->count / 2 + 2), &own);
    if (r)
        return r;
    memcpy(own->at, old->at, old->count * sizeof old->at[0]);
    own->count = old->count;
    if (old->refs > 1) {
        for (u32 i = 0; i < own->count; i++)
            if (own->at[i].backing)
                backing_get(own->at[i].backing);
        old->refs--;
        m->stats->tables_copied++;
    } else {
        budget_free(old);
    }
    m->regions = own;
    return 0;
}

u32 regions_after(const struct regions *l, gva_t va)
{
    u32 low = 0, high = l->count;
    while (low < high) {
        u32 mid = (low + high) / 2;
        if (l->at[mid].end <= va)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct region *region_find(struct mm *m, gva_t va)
{
    const struct regions *l = m->regions;
    if (m->last < l->count && l->at[m->last].start <= va && va < l->at[m->last].end)
        return &l->at[m->last];
    u32 i = regions_after(l, va);
    if (i == l->count || va < l->at[i].start)
        return NULL;
    m->last = i;
    return &l->at[i];
}

bool region_covers(const struct mm *m, gva_t start, gva_t end)
{
    const struct regions *l = m->regions;
    for (u32 i = regions_after(l, start); start < end; i++) {
        if (i == l->count || l->at[i].start > start)
            return false;
        start = l->at[i].end;
    }
    return true;
}

static void insert_at(struct regions *l, u32 i, struct region r)
{
    memmove(&l->at[i + 1], &l->at[i], (l->count - i) * sizeof l->at[0]);
    l->at[i] = r;
    l->count++;
}

// Cuts the region that crosses va in two; the list is owned and has room.
static void split_at(struct regions *l, gva_t va)
{
    u32 i = regions_after(l, va);
    if (i == l->count || l->at[i].start >= va)
        return;
    struct region upper = l->at[i];
    upper.page += (va - upper.start) >> PAGE_SHIFT;
    upper.start = va;
    l->at[i].end = va;
    if (upper.backing)
        backing_get(upper.backing);
    insert_at(l, i + 1, upper);
}

static bool joinable(const struct region *a, const struct region *b)
{
    return a->end == b->start && a->backing == b->backing && a->flags == b->flags &&
           a->prot == b->prot &&
           (!a->backing || a->page + ((a->end - a->start) >> PAGE_SHIFT) == b->page);
}

// Joins neighbours around [start, end].
static void join_around(struct mm *m, gva_t start, gva_t end)
{
    struct regions *l = m->regions;
    u32 i = regions_after(l, start);
    i = i ? i - 1 : 0;
    while (i + 1 < l->count && l->at[i].start <= end) {
        if (!joinable(&l->at[i], &l->at[i + 1])) {
            i++;
            continue;
        }
        l->at[i].end = l->at[i + 1].end;
        if (l->at[i].backing)
            backing_put(m->store, l->at[i].backing);
        memmove(&l->at[i + 1], &l->at[i + 2], (l->count - i - 2) * sizeof l->at[0]);
        l->count--;
    }
}

// A change that cuts regions at start and end must leave no more than are allowed.
static bool too_many(const struct regions *l, gva_t start, gva_t end)
{
    u32 i = regions_after(l, start), k = regions_after(l, end), cuts = 0;
    if (l->count + 2 <= REGIONS_MOST)
        return false;
    cuts += i < l->count && l->at[i].start < start;
    cuts += k < l->count && l->at[k].start < end;
    return cuts && l->count + cuts > REGIONS_MOST;
}

int region_split_allowed(const struct mm *m, gva_t start, gva_t end)
{
    const struct regions *l = m->regions;
    bool inside_one = regions_after(l, start) == regions_after(l, end);
    return inside_one && too_many(l, start, end) ? -ENOMEM : 0;
}

int region_replace(struct mm *m, gva_t start, gva_t end, const struct region *fresh)
{
    int r = region_split_allowed(m, start, end);
    if (r == 0)
        r = regions_own(m, 3);
    if (r)
        return r;
    struct regions *l = m->regions;
    split_at(l, start);
    split_at(l, end);
    u32 first = regions_after(l, start), last = first;
    for (; last < l->count && l->at[last].start < end; last++) {
        m->total_pages -= (l->at[last].end - l->at[last].start) >> PAGE_SHIFT;
        if (l->at[last].backing)
            backing_put(m->store, l->at[last].backing);
    }
    memmove(&l->at[first], &l->at[last], (l->count - last) * sizeof l->at[0]);
    l->count -= last - first;
    if (fresh) {
        insert_at(l, first, *fresh);
        m->total_pages += (fresh->end - fresh->start) >> PAGE_SHIFT;
        join_around(m, start, end);
    }
    return 0;
}

int region_change(struct mm *m, gva_t start, gva_t end, u32 clear, u32 set, u32 prot)
{
    if (too_many(m->regions, start, end))
        return -ENOMEM;
    int r = regions_own(m, 3);
    if (r)
        return r;
    struct regions *l = m->regions;
    split_at(l, start);
    split_at(l, end);
    for (u32 i = regions_after(l, start); i < l->count && l->at[i].start < end; i++) {
        l->at[i].flags = (l->at[i].flags & ~clear) | set;
        if (prot != ~0u)
            l->at[i].prot = prot;
    }
    join_around(m, start, end);
    return 0;
}

int region_lock(struct mm *m, gva_t start, gva_t end, bool lock)
{
    int r = 0;
    if (!lock && !m->locked)
        return 0;
    if (!m->locked) { // marks that came by fork
        r = region_change(m, 0, MM_TOP, REGION_LOCKED, 0, ~0u);
        m->locked = r == 0;
    }
    return r ? r : region_change(m, start, end, REGION_LOCKED, lock ? REGION_LOCKED : 0, ~0u);
}

u64 region_locked_pages(const struct mm *m, gva_t start, gva_t end)
{
    u64 n = 0;
    if (!m->locked)
        return 0;
    for (u32 i = regions_after(m->regions, start); i < m->regions->count; i++) {
        const struct region *g = &m->regions->at[i];
        if (g->start >= end)
            break;
        if (g->flags & REGION_LOCKED)
            n += (MIN(end, g->end) - MAX(start, g->start)) >> PAGE_SHIFT;
    }
    return n;
}
