// The memory system calls' substance: mmap, munmap, mprotect, mremap, madvise, brk. Lengths and
// addresses are bytes, page-aligned by the caller where the man page says the kernel rounds.
#ifndef MM_MAP_H
#define MM_MAP_H

#include "mm/region.h"

struct map_request {
    gva_t addr;              // a hint, or the place if fixed
    u64 length;              // > 0, page-aligned
    u32 prot, flags;         // MM_*, REGION_*
    bool fixed, noreplace;
    bool low;                // search upwards from addr (the loader's)
    struct backing *backing; // taken over on success; NULL = private anonymous
    u64 page;
};

MUST_CHECK int mm_map(struct mm *m, const struct map_request *q, gva_t *out); // -ENOMEM -EEXIST -EINVAL
MUST_CHECK int mm_unmap(struct mm *m, gva_t addr, u64 length);
MUST_CHECK int mm_protect(struct mm *m, gva_t addr, u64 length, u32 prot);
MUST_CHECK int mm_remap(struct mm *m, gva_t old, u64 old_length, u64 new_length, bool may_move,
                        bool fixed, bool keep, gva_t to, gva_t *out);
MUST_CHECK int mm_discard(struct mm *m, gva_t addr, u64 length); // MADV_DONTNEED
MUST_CHECK int mm_sync(struct mm *m, gva_t addr, u64 length, struct tlb *only); // msync; backing_sync
// The backing has now `pages` pages: what is mapped beyond goes (a touch there is SIGBUS).
void mm_truncate(struct mm *m, const struct backing *b, u64 pages);
gva_t mm_brk(struct mm *m, gva_t want); // the new break; the old one when it cannot be had
// The stack's region is [top - pages, top), and grows down to stack_limit.
MUST_CHECK int mm_map_stack(struct mm *m, gva_t top, u64 bytes, bool executable);
u64 mm_resident(const struct mm *m);    // pages present

#endif
