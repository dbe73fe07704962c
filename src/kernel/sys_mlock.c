// Memory that is to stay, and what a program says about its memory: mlock(2), mincore(2), msync(2),
// madvise(2). Nothing is ever swapped out here; a lock makes pages present, and is counted.
#include <errno.h>

#include "kernel/access.h"
#include "kernel/sys_mm.h"
#include "kernel/sys_pidfd.h"
#include "kernel/syscall.h"
#include "mm/map.h"
#include "mm/pagecache.h"
#include "mm/pagetable.h"
#include "mm/uaccess.h"

enum { MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE = 8,
       MADV_REMOVE, MADV_DONTFORK, MADV_DOFORK, MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE,
       MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP, MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_COLD,
       MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_DONTNEED_LOCKED, MADV_COLLAPSE };
enum { MCL_CURRENT = 1, MCL_FUTURE = 2, MCL_ONFAULT = 4 };
enum { MS_ASYNC = 1, MS_INVALIDATE = 2, MS_SYNC = 4 };
#define MLOCK_ONFAULT 1u

// ---- locks

static bool may_lock_any(const struct group *g)
{
    return capable(g, G_CAP_IPC_LOCK);
}

int lock_allowed(struct machine *m, struct task *t, bool wanted, u64 bytes)
{
    const struct group *g = group_of(m, t);
    u64 limit = g->limit[G_RLIMIT_MEMLOCK][0];
    if (may_lock_any(g))
        return 0;
    if (wanted && !limit)
        return -EPERM;
    u64 pages = region_locked_pages(t->mm, 0, MM_TOP) + (bytes >> PAGE_SHIFT);
    return pages > limit >> PAGE_SHIFT ? -EAGAIN : 0;
}

#define PIECE (1UL << 20) // made present before it is asked whether the call should go on

static int populate_for(struct machine *m, struct task *t, gva_t start, gva_t end, enum mm_access want)
{
    for (gva_t va = start; va < end; va += PAGE_SIZE) {
        int r = uaccess_check(t->mm, va, 1, want);
        if (r == 0 && va % PIECE == 0 && call_must_end(m, t))
            r = -ERESTARTSYS;
        if (r)
            return r;
    }
    return 0;
}

int mm_populate(struct machine *m, struct task *t, gva_t from, gva_t to)
{
    while (from < to) {
        const struct region *g = region_find(t->mm, from);
        if (!g)
            return -ENOMEM;
        gva_t end = MIN(g->end, to);
        bool write = g->prot & MM_WRITE && !(g->flags & REGION_SHARED);
        int r = populate_for(m, t, from, end, write ? MM_WRITE : MM_READ);
        if (r)
            return r;
        from = end;
    }
    return 0;
}

static i64 do_lock(struct machine *m, struct task *t, u64 addr, u64 length, bool on_fault)
{
    const struct group *g = group_of(m, t);
    gva_t start = ALIGN_DOWN(addr, PAGE_SIZE), end = ALIGN_UP(addr + length, PAGE_SIZE);
    u64 limit = g->limit[G_RLIMIT_MEMLOCK][0];
    if (!may_lock_any(g) && !limit)
        return -EPERM;
    if (end < start)
        return -EINVAL;
    if (end > MM_TOP)
        return -ENOMEM;
    u64 more = ((end - start) >> PAGE_SHIFT) - region_locked_pages(t->mm, start, end);
    if (!may_lock_any(g) && region_locked_pages(t->mm, 0, MM_TOP) + more > limit >> PAGE_SHIFT)
        return -ENOMEM;
    bool whole = region_covers(t->mm, start, end);
    int r = region_lock(t->mm, start, end, true);
    if (r == 0 && whole && !on_fault)
        r = mm_populate(m, t, start, end);
    if (r < 0 && r != -ERESTARTSYS)
        r = -ENOMEM;
    return r ? r : whole ? 0 : -ENOMEM;
}

i64 sys_mlock(struct machine *m, struct task *t, const u64 *a)
{
    return do_lock(m, t, a[0], a[1], false);
}

i64 sys_mlock2(struct machine *m, struct task *t, const u64 *a)
{
    if ((u32)a[2] & ~MLOCK_ONFAULT)
        return -EINVAL;
    return do_lock(m, t, a[0], a[1], a[2] & MLOCK_ONFAULT);
}

i64 sys_munlock(struct machine *m, struct task *t, const u64 *a)
{
    gva_t start = ALIGN_DOWN(a[0], PAGE_SIZE), end = ALIGN_UP(a[0] + a[1], PAGE_SIZE);
    (void)m;
    if (end < start)
        return -EINVAL;
    if (end > MM_TOP)
        return -ENOMEM;
    bool whole = region_covers(t->mm, start, end);
    int r = region_lock(t->mm, start, end, false);
    return r ? r : whole ? 0 : -ENOMEM;
}

i64 sys_mlockall(struct machine *m, struct task *t, const u64 *a)
{
    const struct group *g = group_of(m, t);
    u64 limit = g->limit[G_RLIMIT_MEMLOCK][0];
    u32 flags = (u32)a[0];
    if (!flags || flags & ~7u || flags == MCL_ONFAULT)
        return -EINVAL;
    if (!may_lock_any(g) && !limit)
        return -EPERM;
    if (!may_lock_any(g) && flags & MCL_CURRENT && t->mm->total_pages > limit >> PAGE_SHIFT)
        return -ENOMEM;
    if (flags & MCL_CURRENT) {
        int r = region_lock(t->mm, 0, MM_TOP, true);
        if (r)
            return r;
        for (u32 i = 0; !(flags & MCL_ONFAULT) && i < t->mm->regions->count; i++)
            (void)!mm_populate(m, t, t->mm->regions->at[i].start, t->mm->regions->at[i].end);
    }
    t->mm->lock_future = !(flags & MCL_FUTURE) ? 0 : flags & MCL_ONFAULT ? LOCK_ON_FAULT : LOCK_FUTURE;
    return 0;
}

i64 sys_munlockall(struct machine *m, struct task *t, const u64 *a)
{
    (void)m;
    (void)a;
    t->mm->lock_future = 0;
    return region_lock(t->mm, 0, MM_TOP, false);
}

// ---- msync, mincore

static bool any_locked(struct mm *mm, gva_t start, gva_t end)
{
    return region_locked_pages(mm, start, end) > 0;
}

i64 sys_msync(struct machine *m, struct task *t, const u64 *a)
{
    u64 n = ALIGN_UP(a[1], PAGE_SIZE);
    if (a[0] & PAGE_MASK || a[2] & ~7ULL || (a[2] & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC))
        return -EINVAL;
    if (n < a[1] || a[0] >= MM_TOP || n > MM_TOP - a[0])
        return -ENOMEM;
    if (a[2] & MS_INVALIDATE && any_locked(t->mm, a[0], a[0] + n))
        return -EBUSY;
    return mm_sync(t->mm, a[0], n, machine_only_tlb(m));
}

// Present in the table, or for a mapping with a backing, in its cache.
static bool in_core(struct mm *mm, gva_t va)
{
    bool shared;
    const struct region *g = region_find(mm, va);
    if (pt_find(mm->root, va, &shared))
        return true;
    if (g->backing)
        return backing_cached(g->backing, g->page + ((va - g->start) >> PAGE_SHIFT));
    return region_locked(mm, g); // read, and never written: the zero page
}

i64 sys_mincore(struct machine *m, struct task *t, const u64 *a)
{
    u64 n = ALIGN_UP(a[1], PAGE_SIZE);
    (void)m;
    if (a[0] & PAGE_MASK)
        return -EINVAL;
    if (n < a[1] || a[0] >= MM_TOP || n > MM_TOP - a[0])
        return -ENOMEM;
    int r = uaccess_check(t->mm, a[2], n >> PAGE_SHIFT, MM_WRITE);
    if (r)
        return r;
    if (!region_covers(t->mm, a[0], a[0] + n))
        return -ENOMEM;
    for (u64 i = 0; i < n >> PAGE_SHIFT; i++) {
        u8 there = in_core(t->mm, a[0] + (i << PAGE_SHIFT));
        r = uaccess_write(t->mm, a[2] + i, &there, 1);
        if (r)
            return r;
    }
    return 0;
}

// ---- madvise

// What every region in the range has to be for the advice. 0, -EINVAL, -EACCES
static int advice_fits(struct mm *mm, gva_t start, gva_t end, u32 advice)
{
    for (u32 i = regions_after(mm->regions, start);
         i < mm->regions->count && mm->regions->at[i].start < end; i++) {
        const struct region *g = &mm->regions->at[i];
        bool locked = region_locked(mm, g), shared = g->flags & REGION_SHARED;
        switch (advice) {
        case MADV_DONTNEED: case MADV_COLD: case MADV_PAGEOUT:
            if (locked)
                return -EINVAL;
            break;
        case MADV_FREE: case MADV_WIPEONFORK:
            if (g->backing)
                return -EINVAL;
            break;
        case MADV_REMOVE:
            if (locked || !g->backing)
                return -EINVAL;
            if (!shared || !(g->prot & MM_WRITE))
                return -EACCES;
            break;
        default:
            break;
        }
    }
    return 0;
}

// MADV_REMOVE: the pages are zeros from now on, for everybody who maps them.
static int remove_pages(struct mm *mm, gva_t start, gva_t end)
{
    for (gva_t va = start; va < end; va += PAGE_SIZE) {
        const struct region *g = region_find(mm, va);
        if (!g || !in_core(mm, va))
            continue;
        int r = uaccess_zero(mm, va, PAGE_SIZE);
        if (r)
            return r;
    }
    return 0;
}

// The bits of the region that an advice sets or clears; false: it has no such effect.
static bool advice_marks(u32 advice, u32 *clear, u32 *set)
{
    *clear = *set = 0;
    switch (advice) {
    case MADV_DONTFORK:
        *set = REGION_DONTFORK;
        return true;
    case MADV_DOFORK:
        *clear = REGION_DONTFORK;
        return true;
    case MADV_DONTDUMP:
        *set = REGION_DONTDUMP;
        return true;
    case MADV_DODUMP:
        *clear = REGION_DONTDUMP;
        return true;
    case MADV_WIPEONFORK:
        *set = REGION_WIPEONFORK;
        return true;
    case MADV_KEEPONFORK:
        *clear = REGION_WIPEONFORK;
        return true;
    default:
        return false;
    }
}

static int advise(struct machine *m, struct task *t, struct mm *mm, gva_t start, gva_t end, u32 advice)
{
    u32 clear, set;
    int r = advice_fits(mm, start, end, advice);
    if (r)
        return r;
    if (advice_marks(advice, &clear, &set)) {
        mm->advised = true;
        return region_change(mm, start, end, clear, set, ~0u);
    }
    switch (advice) {
    case MADV_DONTNEED: case MADV_FREE: case MADV_DONTNEED_LOCKED:
        return mm_discard(mm, start, end - start);
    case MADV_REMOVE:
        return remove_pages(mm, start, end);
    case MADV_POPULATE_READ:
        return populate_for(m, t, start, end, MM_READ);
    case MADV_POPULATE_WRITE:
        return populate_for(m, t, start, end, MM_WRITE);
    default:
        return 0;
    }
}

static bool advice_known(u64 advice)
{
    return advice <= MADV_DONTNEED || (advice >= MADV_FREE && advice <= MADV_COLLAPSE);
}

// Holes do not keep the advice from what is mapped: -ENOMEM comes at the end.
static i64 madvise_range(struct machine *m, struct task *t, struct mm *mm, u64 addr, u64 length, u64 advice)
{
    u64 n = ALIGN_UP(length, PAGE_SIZE);
    if (!advice_known(advice) || addr & PAGE_MASK || n < length || addr + n < addr)
        return -EINVAL;
    if (n == 0)
        return 0;
    if (addr >= MM_TOP || n > MM_TOP - addr)
        return -ENOMEM;
    bool whole = region_covers(mm, addr, addr + n);
    if (!whole && (advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE))
        return -ENOMEM;
    int r = advise(m, t, mm, addr, addr + n, (u32)advice);
    return r ? r : whole ? 0 : -ENOMEM;
}

i64 sys_madvise(struct machine *m, struct task *t, const u64 *a)
{
    return madvise_range(m, t, t->mm, a[0], a[1], (u32)a[2]);
}

#define IOV_MOST 1024u

i64 sys_process_madvise(struct machine *m, struct task *t, const u64 *a)
{
    u64 iov[2], done = 0;
    u32 advice = (u32)a[3];
    task_t of;
    if ((u32)a[4] || a[2] > IOV_MOST)
        return -EINVAL;
    int r = pidfd_traceable(m, t, a[0], &of);
    if (r)
        return r;
    if (advice != MADV_COLD && advice != MADV_PAGEOUT && advice != MADV_WILLNEED && advice != MADV_COLLAPSE)
        return -EINVAL;
    for (u64 i = 0; i < a[2]; i++) {
        r = uaccess_read(t->mm, iov, a[1] + i * sizeof iov, sizeof iov);
        i64 e = r ? r : madvise_range(m, t, task_at(m, of)->mm, iov[0], iov[1], advice);
        if (e)
            return done ? (i64)done : e;
        done += iov[1];
    }
    return (i64)done;
}
