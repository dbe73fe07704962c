#include "mm/check.h"

#include <stdlib.h>

#include "base/panic.h"
#include "mm/pagecache.h"
#include "mm/pagetable.h"
#include "mm/region.h"

// Edges seen to each node: open addressing, the host's heap (a checker never fails an allocation).
struct seen {
    const struct node **node;
    u32 *edges;
    u64 size, used;
};

static u32 *edges_of(struct seen *seen, const struct node *n)
{
    u64 i = ((u64)(uintptr_t)n >> 4) * 0x9e3779b97f4a7c15ULL % seen->size;
    while (seen->node[i] && seen->node[i] != n)
        i = (i + 1) % seen->size;
    if (!seen->node[i])
        seen->used++;
    seen->node[i] = n;
    return &seen->edges[i];
}

// Each node's children are counted once, at the first edge.
static void count_below(struct seen *seen, u32 *frames, const struct node *n)
{
    if (!n || (*edges_of(seen, n))++)
        return;
    for (int i = 0; i < NODE_ENTRIES; i++) {
        if (n->level > 0)
            count_below(seen, frames, n->child[i]);
        else if (n->pte[i])
            frames[pte_frame(n->pte[i])]++;
    }
}

static void check_regions(const struct mm *m)
{
    const struct regions *l = m->regions;
    u64 pages = 0;
    for (u32 i = 0; i < l->count; i++) {
        ASSERT_THAT(l->at[i].start < l->at[i].end && !(l->at[i].start & PAGE_MASK), "R1");
        ASSERT_THAT(i == 0 || l->at[i - 1].end <= l->at[i].start, "R1");
        pages += (l->at[i].end - l->at[i].start) >> PAGE_SHIFT;
    }
    ASSERT_THAT(pages == m->total_pages, "R1");
}

void mm_check(struct store *s, struct mm *const *mms, u32 n)
{
    (void)node_reap(s, ~0u);
    struct seen seen = {.size = s->nodes_used * 4ULL + 16};
    u32 *frames = calloc(s->fresh, sizeof *frames);
    seen.node = calloc(seen.size, sizeof *seen.node);
    seen.edges = calloc(seen.size, sizeof *seen.edges);
    ASSERT(frames && seen.node && seen.edges);
    for (u32 i = 0; i < n; i++) {
        check_regions(mms[i]);
        count_below(&seen, frames, mms[i]->root);
    }
    pagecache_count(s, frames);
    for (u64 i = 0; i < seen.size; i++)
        ASSERT_THAT(!seen.node[i] || seen.node[i]->refs == seen.edges[i], "P1");
    ASSERT_THAT(seen.used == s->nodes_used, "P1: a node leaked");
    u32 used = 0;
    for (u32 f = 1; f < s->fresh; f++) {
        used += frames[f] != 0;
        ASSERT_THAT(!frames[f] || s->meta[f].refs == frames[f], "F1");
    }
    ASSERT_THAT(used == s->used, "F1: a frame leaked");
    free(frames);
    free(seen.node);
    free(seen.edges);
}
