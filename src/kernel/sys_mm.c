// The memory system calls: decode arguments, then mm/map.h.

#include <errno.h>

#include "kernel/elf.h"
#include "kernel/syscall.h"
#include "mm/map.h"
#include "mm/pagecache.h"
#include "mm/pagetable.h"
#include "mm/tlb.h"
#include "mm/uaccess.h"

enum { MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_FREE = 8,
       MADV_REMOVE, MADV_DONTFORK, MADV_DOFORK, MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE,
       MADV_NOHUGEPAGE, MADV_DONTDUMP, MADV_DODUMP, MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_COLD,
       MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_DONTNEED_LOCKED };

i64 sys_brk(struct machine *m, struct task *t, const u64 *a)
{
    (void)m;
    return (i64)mm_brk(t->mm, a[0]);
}

// The backing of a file mapping, with the checks of mmap(2).
static int file_mapping(struct machine *m, struct task *t, u64 fd, u64 offset, struct map_request *q)
{
    file_t id = fd_arg(t, fd);
    if (!id)
        return -EBADF;
    struct file *f = file_at(m->fs, id);
    u32 mode = f->flags & ABI_O_ACCMODE;
    if (f->kind == FILE_DEV && f->object == DEV_ZERO) {
        if (q->flags & REGION_SHARED && mode == ABI_O_RDONLY) {
            if (q->prot & MM_WRITE)
                return -EACCES;
            q->flags |= REGION_NOWRITE;
        }
        if (q->flags & REGION_SHARED)
            return backing_anonymous(m->store, &q->backing);
        return 0;
    }
    if (mode == ABI_O_WRONLY || f->flags & ABI_O_PATH)
        return f->flags & ABI_O_PATH ? -EBADF : -EACCES;
    if (q->flags & REGION_SHARED && mode != ABI_O_RDWR) {
        if (q->prot & MM_WRITE)
            return -EACCES;
        q->flags |= REGION_NOWRITE;
    }
    q->page = offset >> PAGE_SHIFT;
    int r = file_backing(m, id, &q->backing);
    if (r == 0 && q->flags & REGION_SHARED && mode == ABI_O_RDWR) {
        r = backing_allow_writes(q->backing, f->host_fd);
        if (r)
            backing_put(m->store, q->backing);
    }
    return r;
}

i64 sys_mmap(struct machine *m, struct task *t, const u64 *a)
{
    u64 flags = a[3], type = flags & G_MAP_TYPE;
    struct map_request q = {.addr = a[0], .length = ALIGN_UP(a[1], PAGE_SIZE), .prot = a[2] & 7,
                            .fixed = flags & (G_MAP_FIXED | G_MAP_FIXED_NOREPLACE),
                            .noreplace = flags & G_MAP_FIXED_NOREPLACE};
    gva_t at;
    if (a[1] == 0 || a[5] & PAGE_MASK || type < G_MAP_SHARED || type > G_MAP_SHARED_VALIDATE)
        return -EINVAL;
    if (q.length < a[1])
        return -ENOMEM;
    if (type != G_MAP_PRIVATE)
        q.flags |= REGION_SHARED;
    if (flags & G_MAP_GROWSDOWN)
        q.flags |= REGION_GROWSDOWN;
    int r = 0;
    if (!(flags & G_MAP_ANONYMOUS))
        r = file_mapping(m, t, a[4], a[5], &q);
    else if (q.flags & REGION_SHARED)
        r = backing_anonymous(m->store, &q.backing);
    if (r)
        return r;
    r = mm_map(t->mm, &q, &at);
    if (r && q.backing)
        backing_put(m->store, q.backing);
    return r ? r : (i64)at;
}

i64 sys_munmap(struct machine *m, struct task *t, const u64 *a)
{
    int r = mm_unmap(t->mm, a[0], a[1]);
    shm_reap(m);
    return r;
}

i64 sys_mprotect(struct machine *m, struct task *t, const u64 *a)
{
    (void)m;
    return a[2] & ~0x0300000fULL ? -EINVAL : mm_protect(t->mm, a[0], a[1], a[2] & 7);
}

i64 sys_mremap(struct machine *m, struct task *t, const u64 *a)
{
    gva_t at;
    u64 known = G_MREMAP_MAYMOVE | G_MREMAP_FIXED | G_MREMAP_DONTUNMAP;
    u64 old_length = ALIGN_UP(a[1], PAGE_SIZE), new_length = ALIGN_UP(a[2], PAGE_SIZE);
    bool fixed = a[3] & G_MREMAP_FIXED, keep = a[3] & G_MREMAP_DONTUNMAP;
    (void)m;
    if (a[0] & PAGE_MASK || a[3] & ~known || !new_length || new_length < a[2])
        return -EINVAL;
    if ((fixed || keep) && !(a[3] & G_MREMAP_MAYMOVE))
        return -EINVAL;
    if (keep && old_length != new_length)
        return -EINVAL;
    if (fixed && (a[4] & PAGE_MASK || a[4] >= MM_TOP || new_length > MM_TOP - a[4] ||
                  (a[4] < a[0] + old_length && a[0] < a[4] + new_length)))
        return -EINVAL;
    int r = mm_remap(t->mm, a[0], old_length, new_length, a[3] & G_MREMAP_MAYMOVE, fixed, keep, a[4],
                     &at);
    return r ? r : (i64)at;
}

static int populate(struct task *t, gva_t from, u64 n, enum mm_access want)
{
    for (gva_t va = from; va < from + n; va += PAGE_SIZE) {
        int r = uaccess_check(t->mm, va, 1, want);
        if (r)
            return r;
    }
    return 0;
}

i64 sys_madvise(struct machine *m, struct task *t, const u64 *a)
{
    u64 n = ALIGN_UP(a[1], PAGE_SIZE);
    u32 clear = 0, set = 0;
    bool private_only = false;
    (void)m;
    if (a[0] & PAGE_MASK || n < a[1])
        return -EINVAL;
    switch (a[2]) {
    case MADV_DONTNEED:
    case MADV_DONTNEED_LOCKED:
    case MADV_FREE:
    case MADV_NORMAL: case MADV_RANDOM: case MADV_SEQUENTIAL: case MADV_WILLNEED:
    case MADV_MERGEABLE: case MADV_UNMERGEABLE: case MADV_HUGEPAGE: case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP: case MADV_DODUMP: case MADV_COLD: case MADV_PAGEOUT:
    case MADV_POPULATE_READ: case MADV_POPULATE_WRITE:
        break;
    case MADV_DONTFORK:
        set = REGION_DONTFORK;
        break;
    case MADV_DOFORK:
        clear = REGION_DONTFORK;
        break;
    case MADV_WIPEONFORK:
        set = REGION_WIPEONFORK;
        private_only = true;
        break;
    case MADV_KEEPONFORK:
        clear = REGION_WIPEONFORK;
        break;
    default:
        return -EINVAL;
    }
    if (n == 0)
        return 0;
    if (a[0] >= MM_TOP || n > MM_TOP - a[0] || !region_covers(t->mm, a[0], a[0] + n))
        return -ENOMEM;
    if (private_only || a[2] == MADV_FREE)
        for (u32 i = regions_after(t->mm->regions, a[0]);
             i < t->mm->regions->count && t->mm->regions->at[i].start < a[0] + n; i++)
            if (t->mm->regions->at[i].backing)
                return -EINVAL;
    if (a[2] == MADV_DONTNEED || a[2] == MADV_FREE || a[2] == MADV_DONTNEED_LOCKED)
        return mm_discard(t->mm, a[0], n);
    if (a[2] == MADV_POPULATE_READ || a[2] == MADV_POPULATE_WRITE)
        return populate(t, a[0], n, a[2] == MADV_POPULATE_READ ? MM_READ : MM_WRITE);
    if (!set && !clear)
        return 0;
    t->mm->advised = true;
    return region_change(t->mm, a[0], a[0] + n, clear, set, ~0u);
}

i64 sys_msync(struct machine *m, struct task *t, const u64 *a)
{
    u64 n = ALIGN_UP(a[1], PAGE_SIZE);
    (void)m;
    if (a[0] & PAGE_MASK || a[2] & ~7ULL || (a[2] & 5) == 5)
        return -EINVAL;
    if (n < a[1] || a[0] >= MM_TOP || n > MM_TOP - a[0])
        return -ENOMEM;
    return mm_sync(t->mm, a[0], n);
}

i64 sys_mincore(struct machine *m, struct task *t, const u64 *a)
{
    u64 n = ALIGN_UP(a[1], PAGE_SIZE);
    (void)m;
    if (a[0] & PAGE_MASK)
        return -EINVAL;
    if (a[0] >= MM_TOP || n > MM_TOP - a[0] || !region_covers(t->mm, a[0], a[0] + n))
        return -ENOMEM;
    for (u64 i = 0; i < n >> PAGE_SHIFT; i++) {
        bool shared;
        u8 there = pt_find(t->mm->root, a[0] + (i << PAGE_SHIFT), &shared) != 0;
        int r = uaccess_write(t->mm, a[2] + i, &there, 1);
        if (r)
            return r;
    }
    return 0;
}

// Nothing is ever swapped: a lock is a mark for who asks. A child starts without, so the marks that
// it has from its parent go first.
static int set_locked(struct mm *mm, u64 start, u64 end, bool on)
{
    if (!mm->locked && !on)
        return 0;
    int r = mm->locked ? 0 : region_change(mm, 0, MM_TOP, REGION_LOCKED, 0, ~0u);
    if (r == 0)
        r = region_change(mm, start, end, REGION_LOCKED, on ? REGION_LOCKED : 0, ~0u);
    mm->locked = mm->locked || r == 0;
    return r;
}

static i64 lock_range(struct task *t, u64 addr, u64 length, bool on)
{
    u64 start = ALIGN_DOWN(addr, PAGE_SIZE), end = ALIGN_UP(addr + length, PAGE_SIZE);
    if (end < start)
        return -EINVAL;
    if (end > MM_TOP || !region_covers(t->mm, start, end))
        return -ENOMEM;
    return set_locked(t->mm, start, end, on);
}

static i64 lock_all(struct task *t, bool on)
{
    return set_locked(t->mm, 0, MM_TOP, on);
}

i64 sys_mlock(struct machine *m, struct task *t, const u64 *a)
{
    (void)m;
    return lock_range(t, a[0], a[1], true);
}

i64 sys_munlock(struct machine *m, struct task *t, const u64 *a)
{
    (void)m;
    return lock_range(t, a[0], a[1], false);
}

i64 sys_mlockall(struct machine *m, struct task *t, const u64 *a)
{
    (void)m;
    if (a[0] == 0 || a[0] & ~7ULL || a[0] == 4)
        return -EINVAL;
    return a[0] & 1 ? lock_all(t, true) : 0; // MCL_CURRENT
}

i64 sys_munlockall(struct machine *m, struct task *t, const u64 *a)
{
    (void)m;
    (void)a;
    return lock_all(t, false);
}
