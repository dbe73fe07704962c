// The memory system calls: decode arguments, then mm/map.h.

#include <errno.h>

#include "fs/tmpfs.h"
#include "host/file.h"
#include "kernel/elf.h"
#include "kernel/sys_mm.h"
#include "kernel/syscall.h"
#include "mm/map.h"
#include "mm/pagecache.h"
#include "mm/pagetable.h"
#include "mm/tlb.h"
#include "mm/uaccess.h"

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
    if (file_on_noexec(m->fs, id)) {
        if (q->prot & MM_EXEC)
            return -EPERM;
        q->flags |= REGION_NOEXEC;
    }
    if (mode == ABI_O_WRONLY || f->flags & ABI_O_PATH)
        return f->flags & ABI_O_PATH ? -EBADF : -EACCES;
    if (q->flags & REGION_SHARED && mode != ABI_O_RDWR) {
        if (q->prot & MM_WRITE)
            return -EACCES;
        q->flags |= REGION_NOWRITE;
    }
    if (q->flags & REGION_SHARED && mode == ABI_O_RDWR && f->kind == FILE_HOST && ABI_MAJOR(f->dev) == 0) {
        int seals = f->inode ? (int)inode_at(m->fs, f->inode)->seals : host_fcntl_number(f->host_fd, ABI_F_GET_SEALS, 0);
        bool sealed = seals > 0 && (u32)seals & (ABI_F_SEAL_WRITE | ABI_F_SEAL_FUTURE_WRITE);
        if (sealed && q->prot & MM_WRITE)
            return -EPERM;
        if (sealed) {
            q->flags |= REGION_NOWRITE;
            mode = ABI_O_RDONLY;
        }
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

#define MAP_KNOWN                                                                                 \
    (G_MAP_TYPE | G_MAP_FIXED | G_MAP_ANONYMOUS | G_MAP_GROWSDOWN | G_MAP_LOCKED | G_MAP_NORESERVE |   \
     G_MAP_POPULATE | G_MAP_STACK | G_MAP_FIXED_NOREPLACE | G_MAP_IGNORED)

// What is wrong with the flags, in the order in which Linux looks.
static int mmap_check(struct task *t, const u64 *a)
{
    u64 flags = a[3], type = flags & G_MAP_TYPE;
    if (a[5] & PAGE_MASK)
        return -EINVAL;
    if (!(flags & G_MAP_ANONYMOUS) && !fd_arg(t, a[4]))
        return -EBADF;
    if (a[1] == 0)
        return -EINVAL;
    if (ALIGN_UP(a[1], PAGE_SIZE) < a[1])
        return -ENOMEM;
    if (type < G_MAP_SHARED || type > G_MAP_SHARED_VALIDATE)
        return -EINVAL;
    if (type == G_MAP_SHARED_VALIDATE && flags & G_MAP_ANONYMOUS)
        return -EINVAL;
    if (type == G_MAP_SHARED_VALIDATE && flags & ~(u64)MAP_KNOWN)
        return -EOPNOTSUPP; // MAP_SYNC among them
    return flags & G_MAP_HUGETLB ? -ENOMEM : 0; // there are no huge pages
}

i64 sys_mmap(struct machine *m, struct task *t, const u64 *a)
{
    u64 flags = a[3];
    struct map_request q = {.addr = a[0], .length = ALIGN_UP(a[1], PAGE_SIZE), .prot = a[2] & 7,
                            .fixed = flags & (G_MAP_FIXED | G_MAP_FIXED_NOREPLACE),
                            .noreplace = flags & G_MAP_FIXED_NOREPLACE};
    gva_t at;
    bool lock = flags & G_MAP_LOCKED || t->mm->lock_future;
    int r = mmap_check(t, a);
    if (r == 0 && lock)
        r = lock_allowed(m, t, flags & G_MAP_LOCKED, q.length);
    if (r)
        return r;
    if ((flags & G_MAP_TYPE) != G_MAP_PRIVATE)
        q.flags |= REGION_SHARED;
    if (flags & G_MAP_GROWSDOWN)
        q.flags |= REGION_GROWSDOWN;
    if (!(flags & G_MAP_ANONYMOUS))
        r = file_mapping(m, t, a[4], a[5], &q);
    else if (q.flags & REGION_SHARED)
        r = backing_anonymous(m->store, &q.backing);
    if (r)
        return r;
    r = mm_map(t->mm, &q, &at);
    if (r && q.backing)
        backing_put(m->store, q.backing);
    if (r)
        return r;
    if (lock && region_lock(t->mm, at, at + q.length, true))
        lock = false;
    if ((lock && t->mm->lock_future != LOCK_ON_FAULT) || flags & G_MAP_POPULATE)
        (void)!mm_populate(m, t, at, at + q.length);
    return (i64)at;
}

i64 sys_munmap(struct machine *m, struct task *t, const u64 *a)
{
    int r = mm_unmap(t->mm, a[0], a[1]);
    shm_reap(m);
    return r;
}

// PROT_GROWSDOWN: from the begin of the mapping on, which must be a stack's. None grows upwards here.
i64 sys_mprotect(struct machine *m, struct task *t, const u64 *a)
{
    u64 grows = a[2] & (G_PROT_GROWSDOWN | G_PROT_GROWSUP);
    gva_t start = a[0];
    (void)m;
    if (a[2] & ~(u64)G_PROT_KNOWN || grows == (G_PROT_GROWSDOWN | G_PROT_GROWSUP) || start & PAGE_MASK)
        return -EINVAL;
    if (grows && a[1]) {
        const struct region *g = region_find(t->mm, start);
        if (!g)
            return -ENOMEM;
        if (grows == G_PROT_GROWSUP || !(g->flags & REGION_GROWSDOWN))
            return -EINVAL;
        start = g->start;
    }
    return mm_protect(t->mm, start, MIN(a[1], MM_TOP) + (a[0] - start), a[2] & 7);
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
    if ((fixed || keep) && // without FIXED it is a hint, held to the same
        (a[4] & PAGE_MASK || a[4] >= MM_TOP || new_length > MM_TOP - a[4] ||
         (a[4] < a[0] + old_length && a[0] < a[4] + new_length)))
        return -EINVAL;
    int r = mm_remap(t->mm, a[0], old_length, new_length, a[3] & G_MREMAP_MAYMOVE, fixed, keep, a[4],
                     &at);
    return r ? r : (i64)at;
}

// remap_file_pages(2), as Linux does it since 4.0: a mapping of its own for the window.
i64 sys_remap_file_pages(struct machine *m, struct task *t, const u64 *a)
{
    gva_t start = ALIGN_DOWN(a[0], PAGE_SIZE), at;
    u64 n = ALIGN_DOWN(a[1], PAGE_SIZE);
    if (a[2] || start + n <= start || a[3] + (n >> PAGE_SHIFT) < a[3])
        return -EINVAL;
    const struct region *g = region_find(t->mm, start);
    if (!g || !(g->flags & REGION_SHARED) || !g->backing)
        return -EINVAL;
    struct region first = *g;
    if (start + n > MM_TOP || !region_covers(t->mm, start, start + n))
        return -EINVAL;
    for (u32 i = regions_after(t->mm->regions, start); i < t->mm->regions->count; i++) {
        const struct region *next = &t->mm->regions->at[i];
        if (next->start >= start + n)
            break;
        if (next->backing != first.backing || next->flags != first.flags || next->prot != first.prot)
            return -EINVAL;
    }
    struct map_request q = {.addr = start, .length = n, .prot = first.prot, .flags = first.flags,
                            .fixed = true, .backing = first.backing, .page = a[3]};
    backing_get(q.backing);
    int r = mm_map(t->mm, &q, &at);
    if (r)
        backing_put(m->store, q.backing);
    return r;
}
