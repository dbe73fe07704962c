// Descriptors: making, copying, closing them; fcntl, locks, ioctl.
#include "kernel/sys_file.h"

#include <errno.h>
#include <string.h>

#include "base/budget.h"
#include "host/file.h"
#include "kernel/async.h"
#include "kernel/dnotify.h"
#include "fs/tmpfs.h"
#include "kernel/memory_file.h"
#include "mm/pagecache.h"
#include "mm/region.h"
#include "mm/uaccess.h"

i64 fd_install(struct machine *m, struct task *t, file_t file, bool cloexec)
{
    int fd = fd_alloc(m->fs, t->files, file, 0, cloexec, fd_limit(m, t));
    if (fd < 0)
        file_put(m->fs, file);
    return fd == -EINVAL ? -EMFILE : fd; // a limit of 0
}

// ---- close

i64 sys_close(struct machine *m, struct task *t, const u64 *a)
{
    return (i32)a[0] < 0 ? -EBADF : fd_close(m->fs, t->files, (u32)a[0]);
}

#define CLOSE_RANGE_UNSHARE 2u
#define CLOSE_RANGE_CLOEXEC 4u

i64 sys_close_range(struct machine *m, struct task *t, const u64 *a)
{
    u32 first = (u32)a[0], last = (u32)a[1], flags = (u32)a[2];
    if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last)
        return -EINVAL;
    if (flags & CLOSE_RANGE_UNSHARE && t->files->holders > 1) {
        struct fdtable *own;
        int r = fdtable_fork(m->fs, t->files, &own);
        if (r)
            return r;
        fdtable_put(m->fs, t->files);
        t->files = own;
    }
    return fd_close_range(m->fs, t->files, first, last, flags & CLOSE_RANGE_CLOEXEC);
}

// ---- dup

static i64 dup_from(struct machine *m, struct task *t, file_t file, u64 min, bool cloexec)
{
    if (min >= fd_limit(m, t))
        return -EINVAL;
    file_get(m->fs, file);
    int fd = fd_alloc(m->fs, t->files, file, (u32)min, cloexec, fd_limit(m, t));
    if (fd < 0)
        file_put(m->fs, file);
    return fd;
}

i64 sys_dup(struct machine *m, struct task *t, const u64 *a)
{
    file_t file = fd_arg(t, a[0]);
    if (!file)
        return -EBADF;
    file_get(m->fs, file);
    return fd_install(m, t, file, false);
}

i64 sys_dup3(struct machine *m, struct task *t, const u64 *a)
{
    u32 from = (u32)a[0], to = (u32)a[1], flags = (u32)a[2];
    if (flags & ~ABI_O_CLOEXEC || from == to)
        return -EINVAL;
    file_t file = fd_arg(t, from);
    if (!file || to >= fd_limit(m, t))
        return -EBADF;
    file_get(m->fs, file);
    int r = fd_replace(m->fs, t->files, to, file, flags & ABI_O_CLOEXEC, fd_limit(m, t));
    if (r)
        file_put(m->fs, file);
    return r ? r : (i64)to;
}

// ---- new objects

i64 sys_pipe2(struct machine *m, struct task *t, const u64 *a)
{
    file_t ends[2];
    int fds[2];
    u32 flags = (u32)a[1];
    if (flags & ~(ABI_O_CLOEXEC | ABI_O_NONBLOCK | ABI_O_DIRECT))
        return -EINVAL;
    int r = uaccess_check(t->mm, a[0], sizeof fds, MM_WRITE);
    if (r == 0)
        r = fs_pipe(m->fs, ends, flags & ~ABI_O_CLOEXEC);
    if (r)
        return r;
    r = fd_alloc2(m->fs, t->files, ends, flags & ABI_O_CLOEXEC, fd_limit(m, t), fds);
    if (r) {
        file_put(m->fs, ends[0]);
        file_put(m->fs, ends[1]);
        return r;
    }
    return uaccess_write(t->mm, a[0], fds, sizeof fds);
}

int anon_file(struct machine *m, enum file_kind kind, u32 flags, const char *label, file_t *out)
{
    char *path = budget_strdup(m->fs->budget, label);
    if (!path)
        return -ENOMEM;
    int r = file_new(m->fs, kind, flags, out);
    if (r)
        budget_free(path);
    else
        file_at(m->fs, *out)->path = path;
    return r;
}

i64 sys_eventfd2(struct machine *m, struct task *t, const u64 *a)
{
    file_t file;
    int r = fs_eventfd(m->fs, (u32)a[0], (u32)a[1], &file);
    return r ? r : fd_install(m, t, file, a[1] & ABI_EFD_CLOEXEC);
}

#define MEMFD_NAME_MAX 249
#define MFD_KNOWN 0x1bu // CLOEXEC, ALLOW_SEALING, NOEXEC_SEAL, EXEC
#define MFD_HUGETLB 4u
#define MFD_HUGE_SHIFT 26
#define HUGE_2MB 21u // log2

// Huge pages are pages like all others here; those of 2 MiB are said to be there.
static int memfd_flags(u32 *flags)
{
    u32 size = *flags & MFD_HUGETLB ? *flags >> MFD_HUGE_SHIFT : 0;
    if (*flags & MFD_HUGETLB)
        *flags &= (1u << MFD_HUGE_SHIFT) - 1 - MFD_HUGETLB;
    if (*flags & ~MFD_KNOWN)
        return -EINVAL;
    return size && size != HUGE_2MB ? -ENODEV : 0;
}

i64 sys_memfd_create(struct machine *m, struct task *t, const u64 *a)
{
    char name[MEMFD_NAME_MAX + 1];
    file_t file;
    u32 flags = (u32)a[1];
    int r = memfd_flags(&flags);
    i64 n = r ? r : uaccess_string(t->mm, name, a[0], sizeof name);
    if (n < 0)
        return n == -ENAMETOOLONG ? -EINVAL : n;
    r = fs_memfd(m->fs, name, flags, &file);
    return r ? r : fd_install(m, t, file, flags & ABI_MFD_CLOEXEC);
}

// ---- seals: of files that came with the process the host keeps them; what it cannot see are our mappings

static bool mapped_writable(struct machine *m, const struct backing *b)
{
    for (u32 id = pool_next(&m->tasks, 0); id; id = pool_next(&m->tasks, id)) {
        const struct mm *mm = task_at(m, id)->mm;
        for (u32 i = 0; mm && i < mm->regions->count; i++) {
            const struct region *g = &mm->regions->at[i];
            if (g->backing == b && g->flags & REGION_SHARED && !(g->flags & REGION_NOWRITE))
                return true;
        }
    }
    return false;
}

static i64 add_seals(struct machine *m, file_t file, u32 seals)
{
    const struct file *f = file_at(m->fs, file);
    if ((f->flags & ABI_O_ACCMODE) == ABI_O_RDONLY)
        return -EPERM;
    if (f->kind != FILE_HOST)
        return -EINVAL;
    if (f->inode && (seals & ~ABI_F_SEALS || inode_at(m->fs, f->inode)->seals & ABI_F_SEAL_SEAL))
        return seals & ~ABI_F_SEALS ? -EINVAL : -EPERM;
    struct backing *b = memory_file_backing(m, file);
    bool own = b != NULL, busy;
    if (!b)
        b = backing_find(m->store, f->dev, f->ino);
    busy = seals & ABI_F_SEAL_WRITE && b && mapped_writable(m, b);
    if (own)
        backing_put(m->store, b);
    if (busy)
        return -EBUSY;
    if (own) {
        struct inode *i = inode_at(m->fs, f->inode);
        if (seals & ABI_F_SEAL_EXEC && i->mode & 0111)
            seals |= ABI_F_SEAL_SHRINK | ABI_F_SEAL_GROW | ABI_F_SEAL_WRITE | ABI_F_SEAL_FUTURE_WRITE;
        i->seals |= seals;
        return 0;
    }
    if (b) { // what is dirty could not be written any more
        int r = backing_sync(m->store, b, 0, ~0ULL, machine_only_tlb(m));
        if (r)
            return r;
    }
    return host_fcntl_number(f->host_fd, ABI_F_ADD_SEALS, seals);
}

// ---- locks

static int park_on_lock(struct machine *m, struct task *t, file_t file)
{
    struct wait_spec w;
    file_lock_wait(m->fs, file, &w);
    return park_on_spec(m, t, &w);
}

// A lock of a kind needs the file open for it.
static int lock_allowed(const struct file *f, const struct abi_flock *lk)
{
    u32 access = f->flags & ABI_O_ACCMODE;
    if ((lk->l_type == ABI_F_RDLCK && access == ABI_O_WRONLY) ||
        (lk->l_type == ABI_F_WRLCK && access == ABI_O_RDONLY))
        return -EBADF;
    return 0;
}

#define SYS_FCNTL 25u

static void lock_wait_over(struct machine *m, struct task *t)
{
    if (t->call.state[0])
        file_lock_wait_over(m->fs, (u32)t->call.state[0]);
    t->call.state[0] = 0;
}

void lock_dropped(struct machine *m, struct task *t)
{
    if (t->call.active && t->call.number == SYS_FCNTL)
        lock_wait_over(m, t);
}

static i64 record_lock(struct machine *m, struct task *t, file_t file, int cmd, gva_t at)
{
    struct abi_flock lk;
    bool ofd = cmd == ABI_F_OFD_GETLK || cmd == ABI_F_OFD_SETLK || cmd == ABI_F_OFD_SETLKW;
    bool get = cmd == ABI_F_GETLK || cmd == ABI_F_OFD_GETLK;
    lock_wait_over(m, t);
    int r = uaccess_read(t->mm, &lk, at, sizeof lk);
    if (r)
        return r;
    if (lk.l_type < ABI_F_RDLCK || lk.l_type > ABI_F_UNLCK || (get && lk.l_type == ABI_F_UNLCK) ||
        (ofd && lk.l_pid))
        return -EINVAL;
    r = get ? uaccess_check(t->mm, at, sizeof lk, MM_WRITE) : lock_allowed(file_at(m->fs, file), &lk);
    if (r)
        return r;
    i32 asked_pid = lk.l_pid;
    lk.l_pid = ofd ? 0 : (i32)group_of(m, t)->pid;
    if (!get && !ofd)
        t->files->locks = true;
    r = file_lock(m->fs, file, ofd ? LOCK_OF_FILE(file) : t->files->id, cmd, &lk);
    if (get && lk.l_type == ABI_F_UNLCK)
        lk.l_pid = asked_pid; // nothing in the way: only l_type tells so (fcntl(2))
    if (get)
        return r ? r : uaccess_write(t->mm, at, &lk, sizeof lk);
    if (r != -EAGAIN || (cmd != ABI_F_SETLKW && cmd != ABI_F_OFD_SETLKW))
        return r;
    u32 wait = 0;
    r = ofd ? 0 : file_lock_waits(m->fs, file, t->files->id, &lk, &wait);
    if (r)
        return r;
    t->call.state[0] = wait;
    r = park_on_lock(m, t, file);
    if (r != -EPARK)
        lock_wait_over(m, t);
    return r;
}

i64 sys_flock(struct machine *m, struct task *t, const u64 *a)
{
    file_t file = fd_arg(t, a[0]);
    u32 op = (u32)a[1];
    if (!file || file_at(m->fs, file)->kind == FILE_PATH)
        return -EBADF;
    u32 what = op & ~(u32)ABI_LOCK_NB;
    if (what != ABI_LOCK_SH && what != ABI_LOCK_EX && what != ABI_LOCK_UN)
        return -EINVAL;
    int r = file_flock(m->fs, file, (int)op);
    return r == -EAGAIN && !(op & ABI_LOCK_NB) ? park_on_lock(m, t, file) : r;
}

// ---- fcntl

enum { EX_TID, EX_PID, EX_PGRP }; // struct f_owner_ex

static i64 owner_ex(struct machine *m, struct task *t, struct file *f, bool set, gva_t at)
{
    static const i32 kinds[] = {[OWNER_PID] = EX_PID, [OWNER_TID] = EX_TID, [OWNER_PGRP] = EX_PGRP};
    static const u8 back[] = {[EX_TID] = OWNER_TID, [EX_PID] = OWNER_PID, [EX_PGRP] = OWNER_PGRP};
    i32 ex[2] = {kinds[f->owner_kind], f->owner};
    if (!set)
        return uaccess_write(t->mm, at, ex, sizeof ex);
    int r = uaccess_read(t->mm, ex, at, sizeof ex);
    if (r)
        return r;
    if (ex[0] < EX_TID || ex[0] > EX_PGRP)
        return -EINVAL;
    return owner_set(m, f, back[ex[0]], ex[1]);
}

static i64 set_flags(struct machine *m, file_t file, i32 fd, u32 flags)
{
    struct file *f = file_at(m->fs, file);
    bool async = flags & ABI_O_ASYNC;
    int r = async != !!(f->flags & ABI_O_ASYNC) ? async_set(m, file, fd, async) : 0;
    return r ? r : file_setflags(m->fs, file, (f->flags & ~ABI_O_SETFL) | (flags & ABI_O_SETFL));
}

// Commands that look at the descriptor alone, and so work on O_PATH ones.
static i64 fcntl_descriptor(struct machine *m, struct task *t, u32 fd, file_t file, int cmd, u64 arg)
{
    int r;
    switch (cmd) {
    case ABI_F_DUPFD:
    case ABI_F_DUPFD_CLOEXEC:
        return dup_from(m, t, file, (u32)arg, cmd == ABI_F_DUPFD_CLOEXEC);
    case ABI_F_GETFD:
        r = fd_cloexec(t->files, fd);
        return r > 0 ? (i64)ABI_FD_CLOEXEC : r;
    case ABI_F_SETFD:
        return fd_set_cloexec(m->fs, t->files, fd, arg & ABI_FD_CLOEXEC);
    case ABI_F_GETFL:
        return file_at(m->fs, file)->flags & ~ABI_O_CLOEXEC;
    default:
        return file_at(m->fs, file)->kind == FILE_PATH ? -EBADF : -ENOIOCTLCMD;
    }
}

static i64 fcntl_file(struct machine *m, struct task *t, u32 fd, file_t file, int cmd, u64 arg)
{
    struct file *f = file_at(m->fs, file);
    switch (cmd) {
    case ABI_F_SETFL:
        return set_flags(m, file, (i32)fd, (u32)arg);
    case ABI_F_GETLK:
    case ABI_F_SETLK:
    case ABI_F_SETLKW:
    case ABI_F_OFD_GETLK:
    case ABI_F_OFD_SETLK:
    case ABI_F_OFD_SETLKW:
        return record_lock(m, t, file, cmd, arg);
    case ABI_F_GETOWN:
        return f->owner_kind == OWNER_PGRP ? -f->owner : f->owner;
    case ABI_F_SETOWN:
        if ((i32)arg == INT32_MIN)
            return -EINVAL;
        return owner_set(m, f, (i32)arg < 0 ? OWNER_PGRP : OWNER_PID, (i32)arg < 0 ? -(i32)arg : (i32)arg);
    case ABI_F_GETOWN_EX:
    case ABI_F_SETOWN_EX:
        return owner_ex(m, t, f, cmd == ABI_F_SETOWN_EX, arg);
    case ABI_F_GETSIG:
        return f->sig;
    case ABI_F_SETSIG:
        if (arg > G_NSIG)
            return -EINVAL;
        f->sig = (u16)arg;
        return 0;
    case ABI_F_GETPIPE_SZ:
        return file_pipe_size(m->fs, file);
    case ABI_F_SETPIPE_SZ:
        return (i32)arg < 0 ? -EINVAL : file_pipe_resize(m->fs, file, (u32)arg);
    case ABI_F_ADD_SEALS:
        return add_seals(m, file, (u32)arg);
    case ABI_F_GET_SEALS:
        return f->inode && f->kind == FILE_HOST ? (i64)inode_at(m->fs, f->inode)->seals
               : f->kind == FILE_HOST ? host_fcntl_number(f->host_fd, cmd, 0) : -EINVAL;
    case ABI_F_SETLEASE:
        return lease_set(m, t, file, (i32)fd, (u32)arg);
    case ABI_F_GETLEASE:
        return lease_get(m, file);
    case ABI_F_NOTIFY:
        return dnotify_set(m, t, file, (i32)fd, (u32)arg);
    default:
        return -EINVAL;
    }
}

i64 sys_fcntl(struct machine *m, struct task *t, const u64 *a)
{
    file_t file = fd_arg(t, a[0]);
    if (!file)
        return -EBADF;
    i64 r = fcntl_descriptor(m, t, (u32)a[0], file, (int)a[1], a[2]);
    return r == -ENOIOCTLCMD ? fcntl_file(m, t, (u32)a[0], file, (int)a[1], a[2]) : r;
}

// ---- ioctl

i64 sys_ioctl(struct machine *m, struct task *t, const u64 *a)
{
    file_t file = fd_arg(t, a[0]);
    if (!file || file_at(m->fs, file)->kind == FILE_PATH)
        return -EBADF;
    u32 cmd = (u32)a[1];
    if (cmd == ABI_FIOCLEX || cmd == ABI_FIONCLEX)
        return fd_set_cloexec(m->fs, t->files, (u32)a[0], cmd == ABI_FIOCLEX);
    if (cmd == ABI_FIOASYNC) {
        u32 on;
        int e = uaccess_read_u32(t->mm, &on, a[2]);
        u32 flags = file_at(m->fs, file)->flags & ~ABI_O_ASYNC;
        return e ? e : set_flags(m, file, (i32)a[0], on ? flags | ABI_O_ASYNC : flags);
    }
    // Shared extents: no file here has them, and who would copy otherwise has to hear that.
    if (cmd == ABI_FICLONE && file_at(m->fs, file)->kind == FILE_HOST)
        return fd_arg(t, a[2]) ? -EOPNOTSUPP : -EBADF;
    i64 r = tty_ioctl(m, t, file, cmd, a[2]);
    return r == -ENOIOCTLCMD ? file_ioctl(m->fs, file, cmd, t->mm, a[2]) : r;
}
