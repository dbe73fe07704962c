#include "mm/pagetable.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/panic.h"
#include "base/stats.h"

static inline u32 index_at(gva_t va, u32 level)
{
    return (va >> (PAGE_SHIFT + NODE_BITS * level)) & (NODE_ENTRIES - 1);
}

// Bytes that one entry of a node at `level` covers.
static inline u64 span_of(u32 level)
{
    return 1ULL << (PAGE_SHIFT + NODE_BITS * level);
}

// ---- nodes come from chunks and go back to a free list -------------------------------------------

#define CHUNK_NODES 120 // about 64 KiB

struct node_chunk {
    struct node_chunk *next;
    struct node node[CHUNK_NODES];
};

static int node_new(struct store *s, u32 level, struct node **out)
{
    if (mem_should_fail())
        return -ENOMEM;
    if (!s->node_free) {
        struct node_chunk *c = store_room(s) ? mem_alloc(sizeof *c) : NULL; // as a frame: no reserve is left
        if (!c)
            return -ENOMEM;
        s->budget.bytes += sizeof *c;
        c->next = s->node_chunks;
        s->node_chunks = c;
        for (int i = 0; i < CHUNK_NODES; i++) {
            c->node[i].next_free = s->node_free;
            s->node_free = &c->node[i];
        }
    }
    struct node *n = s->node_free;
    s->node_free = n->next_free;
    s->nodes_used++;
    n->refs = 1;
    n->level = level;
    *out = n;
    return 0;
}

static void node_release(struct store *s, struct node *n)
{
    n->next_free = s->node_free;
    s->node_free = n;
    s->nodes_used--;
}

void node_chunks_free(struct store *s)
{
    struct node_chunk *c = s->node_chunks, *next;
    for (; c; c = next) {
        next = c->next;
        budget_give(&s->budget, sizeof *c);
        mem_free(c);
    }
    s->node_chunks = NULL;
    s->node_free = NULL;
}

void node_put(struct store *s, struct node *n)
{
    if (!n)
        return;
    ASSERT_THAT(n->refs > 0, "P1");
    if (--n->refs)
        return;
    for (int i = 0; i < NODE_ENTRIES; i++) {
        if (n->level > 0)
            node_put(s, n->child[i]);
        else if (n->pte[i])
            frame_put(s, pte_frame(n->pte[i]));
    }
    node_release(s, n);
}

#define RETIRE_NOW 256 // nodes: processes with less than some 64 MiB never wait

// The link in the list takes the place of the first entry, which is let go before.
static void retire(struct store *s, struct node *n)
{
    if (!n)
        return;
    ASSERT_THAT(n->refs > 0, "P1");
    if (--n->refs)
        return;
    if (n->level > 0)
        retire(s, n->child[0]);
    else if (n->pte[0])
        frame_put(s, pte_frame(n->pte[0]));
    n->next_free = s->retired;
    s->retired = n;
}

bool node_reap(struct store *s, u32 budget)
{
    bool any = s->retired != NULL;
    while (s->retired && budget--) {
        struct node *n = s->retired;
        s->retired = n->next_free;
        for (int i = 1; i < NODE_ENTRIES; i++) {
            if (n->level > 0)
                retire(s, n->child[i]);
            else if (n->pte[i])
                frame_put(s, pte_frame(n->pte[i]));
        }
        node_release(s, n);
    }
    return any;
}

void node_retire(struct store *s, struct node *n)
{
    retire(s, n);
    (void)node_reap(s, RETIRE_NOW);
}

// ---- the heart -----------------------------------------------------------------------------------

// Makes the node at *edge this table's own: keeps it, makes it, or copies it (P2, P4).
static int node_own(struct store *s, struct stats *st, struct node **edge, u32 level)
{
    struct node *old = *edge, *own;
    if (likely(old && old->refs == 1))
        return 0;
    int r = node_new(s, level, &own);
    if (r)
        return r;
    if (!old) {
        memset(own->child, 0, sizeof own->child);
        st->nodes_new++;
    } else {
        memcpy(own->child, old->child, sizeof own->child);
        for (int i = 0; i < NODE_ENTRIES; i++) {
            if (level > 0)
                node_get(own->child[i]);
            else if (own->pte[i])
                frame_get(s, pte_frame(own->pte[i]));
        }
        old->refs--;
        st->nodes_copied++;
    }
    *edge = own;
    return 0;
}

pte_t pt_find(const struct node *root, gva_t va, bool *shared)
{
    const struct node *n = root;
    u32 most = 1;
    for (u32 level = NODE_LEVELS - 1; n; level--) {
        most = MAX(most, n->refs);
        if (level == 0) {
            *shared = most > 1;
            return n->pte[index_at(va, 0)];
        }
        n = n->child[index_at(va, level)];
    }
    *shared = most > 1;
    return 0;
}

int pt_own(struct store *s, struct stats *st, struct node **root, gva_t va, pte_t **slot)
{
    struct node **edge = root;
    for (u32 level = NODE_LEVELS - 1;; level--) {
        int r = node_own(s, st, edge, level);
        if (r)
            return r;
        if (level == 0) {
            *slot = &(*edge)->pte[index_at(va, 0)];
            return 0;
        }
        edge = &(*edge)->child[index_at(va, level)];
    }
}

// ---- ranges --------------------------------------------------------------------------------------

static bool node_empty(const struct node *n)
{
    for (int i = 0; i < NODE_ENTRIES; i++)
        if (n->child[i])
            return false;
    return true;
}

// base is the first address that *edge covers. A subtree inside the range goes with one put.
static int unmap_below(struct store *s, struct stats *st, struct node **edge, u32 level, gva_t base,
                       gva_t from, gva_t to)
{
    if (!*edge)
        return 0;
    u64 whole = span_of(level) * NODE_ENTRIES;
    if (from <= base && base + whole <= to) {
        node_put(s, *edge);
        *edge = NULL;
        return 0;
    }
    int r = node_own(s, st, edge, level);
    struct node *n = *edge;
    for (u32 i = 0; r == 0 && i < NODE_ENTRIES; i++) {
        gva_t at = base + i * span_of(level);
        if (at >= to || at + span_of(level) <= from)
            continue;
        if (level > 0) {
            r = unmap_below(s, st, &n->child[i], level - 1, at, from, to);
        } else if (n->pte[i]) {
            frame_put(s, pte_frame(n->pte[i]));
            n->pte[i] = 0;
        }
    }
    if (r == 0 && node_empty(n)) {
        node_put(s, n);
        *edge = NULL;
    }
    return r;
}

int pt_unmap(struct store *s, struct stats *st, struct node **root, gva_t from, gva_t to)
{
    gva_t va = from;
    pte_t pte;
    if (from >= to || !pt_next(*root, &va, to, &pte))
        return 0; // nothing there: nothing to own
    return unmap_below(s, st, root, NODE_LEVELS - 1, 0, from, to);
}

static bool next_below(const struct node *n, gva_t base, gva_t *va, gva_t to, pte_t *pte)
{
    u64 span = span_of(n->level);
    u32 i = *va > base ? (u32)((*va - base) / span) : 0;
    for (; i < NODE_ENTRIES && base + i * span < to; i++) {
        gva_t at = base + i * span;
        if (n->level == 0 && n->pte[i]) {
            *va = at;
            *pte = n->pte[i];
            return true;
        }
        if (n->level > 0 && n->child[i] && next_below(n->child[i], at, va, to, pte))
            return true;
    }
    return false;
}

bool pt_next(const struct node *root, gva_t *va, gva_t to, pte_t *pte)
{
    return root && *va < to && next_below(root, 0, va, to, pte);
}

int pt_copy_all(struct store *s, struct stats *st, const struct node *root, struct node **out)
{
    *out = NULL;
    gva_t va = 0;
    pte_t pte, *slot;
    u64 made = st->nodes_new;
    for (; pt_next(root, &va, ~0ULL, &pte); va += PAGE_SIZE) {
        frame_t f = pte_frame(pte);
        int r = pt_own(s, st, out, va, &slot);
        if (r == 0 && !(pte & PTE_SHARED)) {
            r = frame_new(s, &f);
            if (r == 0) {
                memcpy(frame_data(s, f), frame_data(s, pte_frame(pte)), PAGE_SIZE);
                st->frames_eager++;
                *slot = pte_make(f, PTE_COPIED);
            }
        } else if (r == 0) {
            frame_get(s, f);
            *slot = pte;
        }
        if (r) {
            node_put(s, *out);
            *out = NULL;
            return r;
        }
    }
    st->nodes_copied += st->nodes_new - made;
    st->nodes_new = made;
    return 0;
}
