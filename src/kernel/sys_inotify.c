// inotify(7): of the host's files the host's own. Every change of one, by the machine or by others, is a call of
// the host, so the host knows of all of them, and by name; tine only walks the path. Of files in the machine's
// memory fs/notify.h tells, through the same descriptor. What neither has (/proc, our devices) cannot be
// watched: EACCES.
#include <errno.h>

#include "fs/notify.h"
#include "host/file.h"
#include "host/inotify.h"
#include "kernel/sys_file.h"
#include "mm/uaccess.h"

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

static int inotify_arg(struct machine *m, struct task *t, u64 fd, file_t *inotify)
{
    *inotify = fd_arg(t, fd);
    if (!*inotify)
        return -EBADF;
    return file_at(m->fs, *inotify)->kind == FILE_INOTIFY ? 0 : -EINVAL;
}

i64 sys_inotify_add_watch(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    file_t inotify, file;
    u32 mask = (u32)a[2], flags = ABI_O_PATH;
    if (!(mask & IN_KNOWN) || (mask & IN_MASK_ADD && mask & IN_MASK_CREATE))
        return -EINVAL;
    int r = inotify_arg(m, t, a[0], &inotify);
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
    const struct file *f = file_at(m->fs, file);
    if (f->inode)
        r = notify_add(m->fs, inotify, f->inode, mask);
    else
        r = f->host_fd >= 0 ? host_inotify_add(file_at(m->fs, inotify)->host_fd, f->host_fd, mask) : -EACCES;
    file_put(m->fs, file);
    return r;
}

i64 sys_inotify_rm_watch(struct machine *m, struct task *t, const u64 *a)
{
    file_t inotify;
    i32 wd = (i32)a[1];
    int r = inotify_arg(m, t, a[0], &inotify);
    if (r)
        return r;
    return wd >= NOTIFY_WD ? notify_remove(m->fs, inotify, wd)
                           : host_inotify_remove(file_at(m->fs, inotify)->host_fd, wd);
}
