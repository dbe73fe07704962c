// The persistent page table: five levels of nodes with 64 entries, shared by reference.
//
//   guest address:  | 41..36 | 35..30 | 29..24 | 23..18 | 17..12 | 11..0  |
//                     level 4  level 3  level 2  level 1  level 0   byte
//                     (root)                              (leaf)
//
// (P1) refs of a node counts the edges to it: from parent nodes, and from address spaces (roots).
// (P2) A node is changed only when it and every node above it have refs 1 (law L1): node_own first.
// (P3) An entry of a leaf holds one reference to its frame; one of an inner node, to its child.
// (P4) Copying a node gives each child one reference more: now the children are the shared ones.
#ifndef MM_PAGETABLE_H
#define MM_PAGETABLE_H

#include "mm/frame.h"

struct stats;

#define NODE_BITS 6
#define NODE_ENTRIES 64
#define NODE_LEVELS 5

typedef u64 pte_t; // a leaf's entry: frame number << 8 | flags; 0 = hole

enum {
    PTE_PRESENT = 1,
    PTE_SHARED = 2, // the page of a shared mapping: a write does not copy
    PTE_COPIED = 4, // made by a copy since the process began (counts what an exec throws away)
};

struct node {
    u32 refs;
    u32 level;
    union {
        struct node *child[NODE_ENTRIES]; // level > 0
        pte_t pte[NODE_ENTRIES];          // level 0
        struct node *next_free;
    };
};

static inline frame_t pte_frame(pte_t p)
{
    return (frame_t)(p >> 8);
}

static inline pte_t pte_make(frame_t f, u32 flags)
{
    return (pte_t)f << 8 | PTE_PRESENT | flags;
}

static inline struct node *node_get(struct node *n)
{
    if (n)
        n->refs++;
    return n;
}

void node_put(struct store *s, struct node *n); // NULL is fine; the last edge's put frees the subtree
// The same for an address space that ends (law L12): a small tree is freed at once, what is left of a
// large one waits for node_reap, in the list store->retired. Nobody else has an edge to those nodes.
void node_retire(struct store *s, struct node *n);
// Frees up to `budget` retired nodes and what they hold alone. True if any was left to free.
bool node_reap(struct store *s, u32 budget);
void node_chunks_free(struct store *s);

// The entry for va; 0 for a hole. *shared: some node on the way has refs > 1.
pte_t pt_find(const struct node *root, gva_t va, bool *shared);
// The slot for va with every node above owned (P2), made where missing. -ENOMEM (nothing is lost).
MUST_CHECK int pt_own(struct store *s, struct stats *st, struct node **root, gva_t va, pte_t **slot);
// Empties [from, to). -ENOMEM leaves a part of it in place; nothing else changes.
MUST_CHECK int pt_unmap(struct store *s, struct stats *st, struct node **root, gva_t from, gva_t to);
// The next present entry at or after *va and below `to`: true, with *va and *pte set.
bool pt_next(const struct node *root, gva_t *va, gva_t to, pte_t *pte);
// A deep copy: every node and every private page (the fork of early Unix). -ENOMEM: nothing made.
MUST_CHECK int pt_copy_all(struct store *s, struct stats *st, const struct node *root,
                           struct node **out);

#endif
