// System calls that take a path, and the path arguments.
#include "kernel/access.h"
#include "kernel/sys_file.h"

#include <errno.h>
#include <string.h>

#include "abi/mount_abi.h"
#include "kernel/async.h"
#include "mm/pagecache.h"
#include "mm/uaccess.h"

// ---- arguments

int path_arg(struct task *t, gva_t from, char *buf)
{
    i64 n = uaccess_string(t->mm, buf, from, PATH_ROOM);
    return n < 0 ? (int)n : 0;
}

int dirfd_arg(struct task *t, u64 fd, file_t *file)
{
    *file = 0;
    if ((i32)fd == ABI_AT_FDCWD)
        return 0;
    *file = fd_arg(t, fd);
    return *file ? 0 : -EBADF;
}

int at_arg(struct task *t, u64 fd, gva_t from, char *path, file_t *dir)
{
    int r = path_arg(t, from, path);
    if (r)
        return r;
    *dir = 0;
    return path[0] == '/' ? 0 : dirfd_arg(t, fd, dir);
}

// ---- open

#define SYS_OPENAT 56u
#define SYS_OPENAT2 437u

// O_TRUNC emptied a file that may be mapped or cached.
static void opened(struct machine *m, file_t file, u32 flags)
{
    if (flags & ABI_O_TRUNC && !(flags & ABI_O_PATH))
        file_changed(m, file, 0, 1ULL << 48);
}

// A FIFO waits for its other side; its file stands in t->call.state[0] meanwhile, O_CLOEXEC in [1].
static i64 open_wait(struct machine *m, struct task *t)
{
    file_t file = (file_t)t->call.state[0];
    int r = file_open_done(m->fs, file);
    if (r == -EAGAIN)
        r = park_on_file(m, t, file, 0);
    if (r == -EPARK)
        return r;
    t->call.state[0] = 0;
    if (r) {
        file_put(m->fs, file);
        return r;
    }
    return fd_install(m, t, file, t->call.state[1]);
}

void open_dropped(struct machine *m, struct task *t)
{
    if (t->call.active && (t->call.number == SYS_OPENAT || t->call.number == SYS_OPENAT2) && t->call.state[0])
        file_put(m->fs, (file_t)t->call.state[0]);
    t->call.active = false;
}

static i64 do_open(struct machine *m, struct task *t, file_t dir, const char *path, const struct abi_open_how *how)
{
    file_t file;
    u32 flags = (u32)how->flags & ~ABI_O_CLOEXEC;
    if (!fd_room(t->files, fd_limit(m, t)))
        return -EMFILE;
    int r = lease_break(m, t, dir, path, flags);
    if (r)
        return r;
    r = path_open_resolve(m->fs, t->fs, dir, path, flags | ABI_O_LARGEFILE, (u32)how->mode & 07777, (u32)how->resolve,
                          &file);
    if (r == -EAGAIN && file) {
        t->call.state[0] = file;
        t->call.state[1] = how->flags & ABI_O_CLOEXEC;
        return open_wait(m, t);
    }
    if (r)
        return r;
    opened(m, file, flags);
    tty_opened(m, t, file, flags);
    return fd_install(m, t, file, how->flags & ABI_O_CLOEXEC);
}

i64 sys_openat(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    file_t dir;
    if (t->call.state[0])
        return open_wait(m, t);
    int r = at_arg(t, a[0], a[1], path, &dir);
    return r ? r : do_open(m, t, dir, path, &(struct abi_open_how){.flags = (u32)a[2], .mode = a[3]});
}

// ---- openat2

#define OPEN_FLAGS (ABI_O_ACCMODE | ABI_O_CREAT | ABI_O_EXCL | ABI_O_NOCTTY | ABI_O_TRUNC | ABI_O_APPEND | ABI_O_NONBLOCK | \
                    ABI_O_SYNC | ABI_O_ASYNC | ABI_O_DIRECT | ABI_O_LARGEFILE | ABI_O_DIRECTORY | ABI_O_NOFOLLOW | \
                    ABI_O_NOATIME | ABI_O_CLOEXEC | ABI_O_PATH | ABI_O_TMPFILE)
#define ONLY_TMPFILE (ABI_O_TMPFILE & ~ABI_O_DIRECTORY)
#define RESOLVE_KNOWN 63u

static int how_arg(struct task *t, gva_t from, u64 size, struct abi_open_how *how)
{
    if (size < sizeof *how)
        return -EINVAL;
    if (size > PAGE_SIZE)
        return -E2BIG;
    return uaccess_struct(t->mm, how, sizeof *how, from, size);
}

// openat2(2), ERRORS: what openat lets pass is refused here.
static int how_check(const struct abi_open_how *how)
{
    u64 flags = how->flags;
    const u64 with_path = ABI_O_PATH | ABI_O_DIRECTORY | ABI_O_NOFOLLOW | ABI_O_CLOEXEC;
    bool creates = flags & (ABI_O_CREAT | ONLY_TMPFILE);
    if (flags & ~(u64)OPEN_FLAGS || how->resolve & ~(u64)RESOLVE_KNOWN ||
        (how->resolve & ABI_RESOLVE_BENEATH && how->resolve & ABI_RESOLVE_IN_ROOT))
        return -EINVAL;
    if (creates ? how->mode & ~(u64)07777 : how->mode)
        return -EINVAL;
    if (flags & ABI_O_DIRECTORY && flags & ABI_O_CREAT)
        return -EINVAL;
    if (flags & ONLY_TMPFILE && (!(flags & ABI_O_DIRECTORY) || (flags & ABI_O_ACCMODE) == ABI_O_RDONLY))
        return -EINVAL;
    if (flags & ABI_O_PATH && flags & ~with_path)
        return -EINVAL;
    // Nothing is known of a path before the host was asked: what may not wait is not opened.
    return how->resolve & ABI_RESOLVE_CACHED ? -EAGAIN : 0;
}

i64 sys_openat2(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    struct abi_open_how how;
    file_t dir;
    if (t->call.state[0])
        return open_wait(m, t);
    int r = how_arg(t, a[2], a[3], &how);
    if (r == 0)
        r = how_check(&how);
    if (r == 0 && how.resolve & (ABI_RESOLVE_BENEATH | ABI_RESOLVE_IN_ROOT)) {
        r = path_arg(t, a[1], path);
        if (r == 0)
            r = dirfd_arg(t, a[0], &dir);
    } else if (r == 0) {
        r = at_arg(t, a[0], a[1], path, &dir);
    }
    return r ? r : do_open(m, t, dir, path, &how);
}

// ---- stat

i64 sys_newfstatat(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    struct abi_stat st;
    file_t dir;
    u32 flags = (u32)a[3];
    if (flags & ~(ABI_AT_SYMLINK_NOFOLLOW | ABI_AT_NO_AUTOMOUNT | ABI_AT_EMPTY_PATH))
        return -EINVAL;
    int r = at_arg(t, a[0], a[1], path, &dir);
    if (r)
        return r;
    if (path[0] == 0 && flags & ABI_AT_EMPTY_PATH && dir) {
        file_will_be_used(m, dir);
        r = file_stat(m->fs, dir, &st);
    } else {
        r = path_stat(m->fs, t->fs, dir, path, flags & ~ABI_AT_NO_AUTOMOUNT, &st);
    }
    return r ? r : uaccess_write(t->mm, a[2], &st, sizeof st);
}

i64 sys_statx(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    struct abi_statx st;
    file_t dir;
    u32 flags = (u32)a[2], mask = (u32)a[3];
    const u32 sync_type = 0x6000; // AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC
    if (flags & ~(ABI_AT_SYMLINK_NOFOLLOW | ABI_AT_NO_AUTOMOUNT | ABI_AT_EMPTY_PATH | sync_type) ||
        (flags & sync_type) == sync_type || mask & 0x80000000u)
        return -EINVAL;
    int r = at_arg(t, a[0], a[1], path, &dir);
    if (r)
        return r;
    if (path[0] == 0 && flags & ABI_AT_EMPTY_PATH && dir) {
        file_will_be_used(m, dir);
        r = file_statx(m->fs, dir, flags, mask, &st);
    } else {
        r = path_statx(m->fs, t->fs, dir, path, flags, mask, &st);
    }
    return r ? r : uaccess_write(t->mm, a[4], &st, sizeof st);
}

i64 sys_statfs(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    struct abi_statfs st;
    int r = path_arg(t, a[0], path);
    if (r == 0)
        r = path_statfs(m->fs, t->fs, path, &st);
    return r ? r : uaccess_write(t->mm, a[1], &st, sizeof st);
}

static i64 do_access(struct machine *m, struct task *t, const u64 *a, u32 flags)
{
    char path[PATH_ROOM];
    file_t dir;
    if (a[2] & ~(u64)7 ||
        flags & ~(ABI_AT_EACCESS | ABI_AT_SYMLINK_NOFOLLOW | ABI_AT_EMPTY_PATH))
        return -EINVAL;
    const struct group *g = group_of(m, t);
    int r = at_arg(t, a[0], a[1], path, &dir);
    if (r)
        return r;
    m->real_ids = !(flags & ABI_AT_EACCESS);
    if (!(flags & ABI_AT_EACCESS) && m->changes_identity) {
        identity_assume(m, g->uid, g->gid, g->gids); // until the next call
        flags |= ABI_AT_EACCESS;
    }
    r = path_access(m->fs, t->fs, dir, path, (u32)a[2], flags);
    m->real_ids = false;
    return r;
}

i64 sys_faccessat(struct machine *m, struct task *t, const u64 *a)
{
    return do_access(m, t, a, 0);
}

i64 sys_faccessat2(struct machine *m, struct task *t, const u64 *a)
{
    return do_access(m, t, a, (u32)a[3]);
}

i64 sys_readlinkat(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM], text[PATH_ROOM];
    file_t dir;
    if ((i32)a[3] <= 0)
        return -EINVAL;
    int r = at_arg(t, a[0], a[1], path, &dir);
    if (r)
        return r;
    i64 n = path_readlink(m->fs, t->fs, dir, path, text, sizeof text);
    if (n < 0)
        return n;
    n = MIN(n, (i64)(u32)a[3]);
    r = uaccess_write(t->mm, a[2], text, (size_t)n);
    return r ? r : n;
}

// ---- making and removing names

i64 sys_mknodat(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    file_t dir;
    u32 mode = (u32)a[2];
    switch (mode & ABI_S_IFMT) {
    case 0:
        mode |= ABI_S_IFREG;
        break;
    case ABI_S_IFREG:
    case ABI_S_IFIFO:
    case ABI_S_IFSOCK:
    case ABI_S_IFCHR:
    case ABI_S_IFBLK:
        break;
    case ABI_S_IFDIR:
        return -EPERM;
    default:
        return -EINVAL;
    }
    int r = at_arg(t, a[0], a[1], path, &dir);
    return r ? r : path_mknod(m->fs, t->fs, dir, path, mode, (u32)a[3]);
}

i64 sys_mkdirat(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    file_t dir;
    int r = at_arg(t, a[0], a[1], path, &dir);
    return r ? r : path_mkdir(m->fs, t->fs, dir, path, (u32)a[2] & 01777);
}

i64 sys_unlinkat(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    file_t dir;
    if ((u32)a[2] & ~ABI_AT_REMOVEDIR)
        return -EINVAL;
    int r = at_arg(t, a[0], a[1], path, &dir);
    return r ? r : path_unlink(m->fs, t->fs, dir, path, (u32)a[2]);
}

i64 sys_symlinkat(struct machine *m, struct task *t, const u64 *a)
{
    char target[PATH_ROOM], path[PATH_ROOM];
    file_t dir;
    int r = path_arg(t, a[0], target);
    if (r == 0 && !target[0])
        r = -ENOENT;
    if (r == 0)
        r = at_arg(t, a[1], a[2], path, &dir);
    return r ? r : path_symlink(m->fs, t->fs, target, dir, path);
}

i64 sys_linkat(struct machine *m, struct task *t, const u64 *a)
{
    char old[PATH_ROOM], new[PATH_ROOM];
    file_t dir1, dir2;
    if ((u32)a[4] & ~(ABI_AT_SYMLINK_FOLLOW | ABI_AT_EMPTY_PATH))
        return -EINVAL;
    int r = at_arg(t, a[0], a[1], old, &dir1);
    if (r == 0)
        r = at_arg(t, a[2], a[3], new, &dir2);
    return r ? r : path_link(m->fs, t->fs, dir1, old, dir2, new, (u32)a[4]);
}

i64 sys_renameat2(struct machine *m, struct task *t, const u64 *a)
{
    char old[PATH_ROOM], new[PATH_ROOM];
    file_t dir1, dir2;
    u32 flags = (u32)a[4];
    if (flags & ~(ABI_RENAME_NOREPLACE | ABI_RENAME_EXCHANGE | ABI_RENAME_WHITEOUT) ||
        (flags & ABI_RENAME_EXCHANGE && flags & ~ABI_RENAME_EXCHANGE))
        return -EINVAL;
    int r = at_arg(t, a[0], a[1], old, &dir1);
    if (r == 0)
        r = at_arg(t, a[2], a[3], new, &dir2);
    return r ? r : path_rename(m->fs, t->fs, dir1, old, dir2, new, flags);
}

// ---- modes, owners, times

i64 sys_fchmodat(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    file_t dir;
    int r = at_arg(t, a[0], a[1], path, &dir);
    return r ? r : path_chmod(m->fs, t->fs, dir, path, (u32)a[2] & 07777, 0);
}

i64 sys_fchownat(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    file_t dir;
    u32 flags = (u32)a[4];
    if (flags & ~(ABI_AT_SYMLINK_NOFOLLOW | ABI_AT_EMPTY_PATH))
        return -EINVAL;
    int r = at_arg(t, a[0], a[1], path, &dir);
    return r ? r : path_chown(m->fs, t->fs, dir, path, (u32)a[2], (u32)a[3], flags);
}

static bool nsec_ok(i64 nsec)
{
    return (nsec >= 0 && nsec < 1000000000) || nsec == ABI_UTIME_NOW || nsec == ABI_UTIME_OMIT;
}

i64 sys_utimensat(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    struct abi_timespec times[2], *when = NULL;
    file_t dir;
    u32 flags = (u32)a[3];
    if (a[2]) {
        int r = uaccess_read(t->mm, times, a[2], sizeof times);
        if (r)
            return r;
        if (times[0].tv_nsec == ABI_UTIME_OMIT && times[1].tv_nsec == ABI_UTIME_OMIT)
            return 0;
        if (!nsec_ok(times[0].tv_nsec) || !nsec_ok(times[1].tv_nsec))
            return -EINVAL;
        when = times;
    }
    if (flags & ~(ABI_AT_SYMLINK_NOFOLLOW | ABI_AT_EMPTY_PATH))
        return -EINVAL;
    if (!a[1] && (i32)a[0] != ABI_AT_FDCWD) { // futimens
        if (flags)
            return -EINVAL;
        file_t file = fd_arg(t, a[0]);
        if (!file || file_at(m->fs, file)->kind == FILE_PATH)
            return -EBADF;
        return file_utimens(m->fs, file, when);
    }
    int r = at_arg(t, a[0], a[1], path, &dir);
    return r ? r : path_utimens(m->fs, t->fs, dir, path, when, flags);
}

// ---- where a process stands

i64 sys_getcwd(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    i64 n = fsctx_getcwd(m->fs, t->fs, path, sizeof path);
    if (n < 0)
        return n;
    if ((u64)n + 1 > a[1])
        return -ERANGE;
    int r = uaccess_write(t->mm, a[0], path, (size_t)n + 1);
    return r ? r : n + 1;
}

i64 sys_chdir(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    int r = path_arg(t, a[0], path);
    return r ? r : fsctx_chdir(m->fs, t->fs, path);
}

i64 sys_fchdir(struct machine *m, struct task *t, const u64 *a)
{
    file_t file = fd_arg(t, a[0]);
    return file ? fsctx_fchdir(m->fs, t->fs, file) : -EBADF;
}

i64 sys_chroot(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    int r = path_arg(t, a[0], path);
    if (r == 0 && !capable(group_of(m, t), G_CAP_SYS_CHROOT))
        r = -EPERM;
    return r ? r : fsctx_chroot(m->fs, t->fs, path);
}

i64 sys_umask(struct machine *m, struct task *t, const u64 *a)
{
    u32 old;
    int r = fsctx_umask(m->fs, t->fs, (u32)a[0] & 0777, &old);
    return r ? r : (i64)old;
}
