// inotify(7): the host's own. Every change of a file, by the machine or by others, is a call of the host, so
// the host knows of all of them, and by name; tine only walks the path. What the host has no file for
// (/proc, our devices) cannot be watched: EACCES.
#include <errno.h>

#include "host/file.h"
#include "host/inotify.h"
#include "kernel/sys_file.h"
#include "mm/uaccess.h"

#define IN_DONT_FOLLOW 0x02000000u
#define IN_ONLYDIR 0x01000000u
#define IN_MASK_CREATE 0x10000000u
#define IN_MASK_ADD 0x20000000u
#define IN_KNOWN 0xf7000fffu // all events and flags

i64 sys_inotify_init1(struct machine *m, struct task *t, const u64 *a)
{
    file_t file;
    u32 flags = (u32)a[0];
    if (flags & ~(ABI_O_NONBLOCK | ABI_O_CLOEXEC))
        return -EINVAL;
    int fd = host_inotify_new();
    if (fd < 0)
        return fd;
    int r = anon_file(m, FILE_INOTIFY, ABI_O_RDONLY | (flags & ABI_O_NONBLOCK), "anon_inode:inotify", &file);
    if (r) {
        host_close(fd);
        return r;
    }
    file_at(m->fs, file)->host_fd = fd;
    return fd_install(m, t, file, flags & ABI_O_CLOEXEC);
}

static int inotify_arg(struct machine *m, struct task *t, u64 fd, int *host)
{
    file_t file = fd_arg(t, fd);
    if (!file)
        return -EBADF;
    const struct file *f = file_at(m->fs, file);
    if (f->kind != FILE_INOTIFY)
        return -EINVAL;
    *host = f->host_fd;
    return 0;
}

i64 sys_inotify_add_watch(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    file_t file;
    int host;
    u32 mask = (u32)a[2], flags = ABI_O_PATH;
    if (!(mask & IN_KNOWN) || (mask & IN_MASK_ADD && mask & IN_MASK_CREATE))
        return -EINVAL;
    int r = inotify_arg(m, t, a[0], &host);
    if (r == 0)
        r = path_arg(t, a[1], path);
    if (r)
        return r;
    if (mask & IN_DONT_FOLLOW)
        flags |= ABI_O_NOFOLLOW;
    if (mask & IN_ONLYDIR)
        flags |= ABI_O_DIRECTORY;
    r = path_open(m->fs, t->fs, 0, path, flags, 0, &file);
    if (r)
        return r;
    int fd = file_at(m->fs, file)->host_fd;
    r = fd >= 0 ? host_inotify_add(host, fd, mask) : -EACCES;
    file_put(m->fs, file);
    return r;
}

i64 sys_inotify_rm_watch(struct machine *m, struct task *t, const u64 *a)
{
    int host, r = inotify_arg(m, t, a[0], &host);
    return r ? r : host_inotify_remove(host, (i32)a[1]);
}
