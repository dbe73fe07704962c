// Region lists (Linux's VMAs): sorted arrays, shared by reference, immutable while shared (law L2).
//
// (R1) Regions are sorted, do not overlap, are not empty; start and end are page-aligned.
// (R2) A list with refs > 1 is not changed: regions_own copies it first.
// (R3) Each region in each list holds one reference to its backing.
#ifndef MM_REGION_H
#define MM_REGION_H

#include "mm/mm.h"

struct backing;

enum {
    REGION_SHARED = 1,      // MAP_SHARED
    REGION_GROWSDOWN = 2,   // the stack
    REGION_DONTFORK = 4,
    REGION_WIPEONFORK = 8,
    REGION_HEAP = 16,       // made by brk
    REGION_NOWRITE = 32,    // a shared mapping of a file opened for reading only: never writable
    REGION_VDSO = 64,
    REGION_LOCKED = 128,
    REGION_DONTDUMP = 256,   // not in a core file
    REGION_NOEXEC = 512,     // of a file whose mount forbids to execute: never executable
};

struct region {
    gva_t start, end;
    u64 page;                // first page within the backing
    struct backing *backing; // NULL: private anonymous memory
    u32 flags;
    u32 prot;                // MM_READ | MM_WRITE | MM_EXEC
};

struct regions {
    u32 refs, count, room;
    struct region at[];
};

MUST_CHECK int regions_new(struct store *s, struct regions **out);
void regions_put(struct store *s, struct regions *l);
// A machine fork's copy, with the backings that the copy has. NULL: f->error.
struct regions *regions_copy(struct forking *f, const struct regions *from);

// The index of the first region that ends above va; count if none.
u32 regions_after(const struct regions *l, gva_t va);
const struct region *region_find(struct mm *m, gva_t va); // NULL: nothing mapped there

// Makes [start, end) hold exactly `fresh` (takes over a reference to its backing), or nothing if it
// is NULL. Splits what is cut, joins what fits. -ENOMEM leaves everything as it was.
MUST_CHECK int region_replace(struct mm *m, gva_t start, gva_t end, const struct region *fresh);
// For each part of a region inside [start, end): flags = flags & ~clear | set; prot if not ~0.
MUST_CHECK int region_change(struct mm *m, gva_t start, gva_t end, u32 clear, u32 set, u32 prot);
#define REGIONS_MOST 65530u // vm.max_map_count

// mlock's mark, which a forked child does not inherit.
static inline bool region_locked(const struct mm *m, const struct region *g)
{
    return m->locked && g->flags & REGION_LOCKED;
}
// Whether [start, end) may be taken out of the middle of a region. -ENOMEM: there are too many.
MUST_CHECK int region_split_allowed(const struct mm *m, gva_t start, gva_t end);
// Locks or unlocks what is mapped in [start, end).
MUST_CHECK int region_lock(struct mm *m, gva_t start, gva_t end, bool lock);
u64 region_locked_pages(const struct mm *m, gva_t start, gva_t end);
// True if every page of [start, end) is mapped.
bool region_covers(const struct mm *m, gva_t start, gva_t end);

#endif
