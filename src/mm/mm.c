#include "mm/mm.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/forking.h"
#include "base/mix.h"
#include "base/panic.h"
#include "base/stats.h"
#include "mm/map.h"
#include "mm/pagecache.h"
#include "mm/pagetable.h"
#include "mm/tlb.h"

void mm_code_moved(struct mm *m)
{
    m->code_space = mix_next(&m->store->code_spaces);
    m->code_shared = false;
}

int mm_new(struct store *s, struct stats *stats, struct mm **out)
{
    struct mm *m = mem_zalloc(sizeof *m);
    if (!m)
        return -ENOMEM;
    m->holders = 1;
    m->serial = ++s->serial;
    m->store = s;
    mm_code_moved(m);
    m->stats = stats;
    m->stack_limit = 8UL << 20;
    m->data_limit = m->as_limit = ~0ULL;
    int r = regions_new(s, &m->regions);
    if (r) {
        mem_free(m);
        return r;
    }
    *out = m;
    return 0;
}

void mm_get(struct mm *m)
{
    m->holders++;
}

void mm_put(struct mm *m)
{
    ASSERT_THAT(m->holders > 0, "M1");
    if (--m->holders)
        return;
    if (m->tlb) {
        tlb_flush(m->tlb);
        m->tlb->mm = NULL;
    }
    node_retire(m->store, m->root);
    if (m->regions)
        regions_put(m->store, m->regions);
    if (m->exe)
        backing_executed(m->store, m->exe);
    mem_free(m);
}

// The child's view of regions marked by madvise: absent, or zeroed.
static int apply_fork_advice(struct mm *m)
{
    for (u32 i = 0; i < m->regions->count; i++) {
        struct region g = m->regions->at[i];
        if (!(g.flags & (REGION_DONTFORK | REGION_WIPEONFORK)))
            continue;
        int r = pt_unmap(m->store, m->stats, &m->root, g.start, g.end);
        if (r == 0 && g.flags & REGION_DONTFORK) {
            r = region_replace(m, g.start, g.end, NULL);
            i--;
        }
        if (r)
            return r;
    }
    return 0;
}

// Revokes cached write permissions, then shares the root and the region list (law L2).
static int duplicate(struct mm *parent, bool eager, bool advised, struct mm **out)
{
    struct mm *m = mem_alloc(sizeof *m);
    if (!m)
        return -ENOMEM;
    if (parent->tlb)
        tlb_revoke_writes(parent->tlb);
    parent->code_shared = true;
    *m = *parent;
    m->holders = 1;
    m->serial = ++m->store->serial;
    m->tlb = NULL;
    m->watch = NULL;
    m->locked = false;
    m->lock_future = 0;
    m->regions->refs++;
    if (eager || advised)
        mm_code_moved(m);
    if (eager) {
        int r = pt_copy_all(m->store, m->stats, parent->root, &m->root);
        if (r) {
            m->regions->refs--;
            mem_free(m);
            return r;
        }
    } else {
        node_get(m->root);
    }
    if (m->exe)
        backing_execute(m->exe);
    int r = advised ? apply_fork_advice(m) : 0;
    if (r) {
        mm_put(m);
        return r;
    }
    m->stats->tables_shared++;
    *out = m;
    return 0;
}

int mm_fork(struct mm *parent, struct mm **out)
{
    return duplicate(parent, parent->eager, parent->advised, out);
}

int mm_copy(struct mm *parent, struct mm **out)
{
    return duplicate(parent, false, false, out);
}

// ---- machine fork --------------------------------------------------------------------------------

int mm_forget_shared(struct mm *m)
{
    int r = 0;
    if (!m->shares)
        return 0;
    if (m->tlb)
        tlb_flush(m->tlb);
    mm_code_moved(m);
    for (u32 i = 0; i < m->regions->count && r == 0; i++) {
        const struct region *g = &m->regions->at[i];
        if (g->flags & REGION_SHARED && backing_per_machine(g->backing))
            r = pt_unmap(m->store, m->stats, &m->root, g->start, g->end);
    }
    return r;
}

struct mm *mm_machine_fork(struct forking *f, struct mm *from, struct stats *stats)
{
    bool found;
    struct mm *m = forking_find(f, from, &found);
    if (found) {
        if (m)
            m->holders++;
        return m;
    }
    from->code_shared = true;
    m = forking_dup(f, from, sizeof *m);
    forking_add(f, from, m);
    if (!m)
        return NULL;
    m->holders = 1;
    m->tlb = NULL;
    m->stats = stats;
    m->regions = m->shares ? regions_copy(f, from->regions) : from->regions;
    if (!m->shares)
        m->regions->refs++;
    if (from->tlb)
        tlb_revoke_writes(from->tlb);
    node_get(m->root);
    m->exe = backing_copy(f, m->exe);
    if (m->exe)
        m->exe->executing++;
    return m;
}

// ---- the TLB -------------------------------------------------------------------------------------

void mm_switch(struct mm *m, struct tlb *t)
{
    if (t->mm == m)
        return;
    if (t->mm)
        t->mm->tlb = NULL;
    if (m->tlb) {
        tlb_flush(m->tlb);
        m->tlb->mm = NULL;
    }
    tlb_flush(t);
    t->mm = m;
    m->tlb = t;
}
