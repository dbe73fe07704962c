// /proc/PID/mem and pagemap: the files whose offsets are addresses (proc(5)).
//
// mem goes through the debugger's gate (mm_access_forced): permissions do not matter, and what is written
// to a private page is the address space's own copy. Who may look in is asked at each access, not at open.
#include <errno.h>
#include <string.h>

#include "kernel/access.h"
#include "kernel/proc.h"
#include "mm/pagetable.h"
#include "mm/region.h"
#include "mm/uaccess.h"

#define MAP_PRESENT (1ULL << 63)
#define MAP_FILE (1ULL << 61) // or shared anonymous
#define MAP_ALONE (1ULL << 56)
#define MAP_SOFT_DIRTY (1ULL << 55) // nothing is told apart by it: what is there counts as written

// The address space that the caller may look into; *mm NULL: there is none any more.
static int look(struct machine *m, const struct proc_target *p, struct mm **mm)
{
    *mm = NULL;
    if (!p->t || p->t->state == TASK_DEAD)
        return 0;
    if (m->current && !may_trace(m, task_at(m, m->current), p->t))
        return -EACCES;
    *mm = p->t->mm;
    return 0;
}

// Page by page: what comes before the first hole counts.
static i64 move(struct mm *mm, gva_t at, u8 *bytes, size_t n, bool write)
{
    size_t done = 0;
    while (done < n && at + done < MM_TOP) {
        size_t part = MIN(n - done, PAGE_SIZE - ((at + done) & PAGE_MASK));
        if (write ? uaccess_poke(mm, at + done, bytes + done, part)
                  : uaccess_peek(mm, bytes + done, at + done, part))
            break;
        done += part;
    }
    return done || !n ? (i64)done : -EIO;
}

static u64 page_entry(const struct mm *mm, const struct region *g, gva_t va)
{
    bool shared;
    pte_t pte = g ? pt_find(mm->root, va, &shared) : 0;
    if (!pte)
        return g ? MAP_SOFT_DIRTY : 0;
    bool file = g->backing && !(pte & PTE_COPIED);
    bool alone = !shared && mm->store->meta[pte_frame(pte)].refs == 1;
    return MAP_PRESENT | MAP_SOFT_DIRTY | (file ? MAP_FILE : 0) | (alone ? MAP_ALONE : 0);
}

// Eight bytes a page. Frame numbers are nobody's business: 0.
static i64 page_map(struct mm *mm, u64 offset, u8 *bytes, size_t n)
{
    const u64 end = MM_TOP >> PAGE_SHIFT;
    u64 first = offset / sizeof(u64), count = n / sizeof(u64);
    if (offset % sizeof(u64) || n % sizeof(u64))
        return -EINVAL;
    count = first < end ? MIN(count, end - first) : 0;
    const struct region *g = NULL;
    for (u64 i = 0; i < count; i++) {
        gva_t va = (first + i) << PAGE_SHIFT;
        if (!g || va < g->start || va >= g->end)
            g = region_find(mm, va);
        u64 entry = page_entry(mm, g, va);
        memcpy(bytes + i * sizeof entry, &entry, sizeof entry);
    }
    return (i64)(count * sizeof(u64));
}

i64 proc_task_read_at(struct machine *m, const struct proc_target *p, const char *name, u64 offset,
                      void *to, size_t n)
{
    struct mm *mm;
    bool map = strcmp(name, "pagemap") == 0;
    if (!map && strcmp(name, "mem") != 0)
        return -ENOSYS;
    int r = look(m, p, &mm);
    if (r || !mm)
        return r;
    return map ? page_map(mm, offset, to, n) : move(mm, offset, to, n, false);
}

i64 proc_task_write_at(struct machine *m, const struct proc_target *p, const char *name, u64 offset,
                       const void *from, size_t n)
{
    struct mm *mm;
    if (strcmp(name, "mem") != 0)
        return -ENOSYS;
    int r = look(m, p, &mm);
    return r || !mm ? r : move(mm, offset, (u8 *)(uintptr_t)from, n, true);
}
