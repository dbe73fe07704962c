// mount(2), umount2(2), pivot_root(2), and openat2(2).
#include <errno.h>
#include <string.h>

#include "abi/mount_abi.h"
#include "fs/mount_call.h"
#include "kernel/access.h"
#include "kernel/sys_file.h"
#include "mm/uaccess.h"

static bool may_mount(struct machine *m, struct task *t)
{
    return capable(group_of(m, t), G_CAP_SYS_ADMIN);
}

// mount(2)'s data: a page, or as much of it as can be read.
static int data_arg(struct task *t, gva_t from, char data[PAGE_SIZE])
{
    u64 n = 0;
    data[0] = 0;
    if (!from)
        return 0;
    while (n < PAGE_SIZE - 1) {
        u64 part = MIN(PAGE_SIZE - 1 - n, PAGE_SIZE - ((from + n) & PAGE_MASK));
        if (uaccess_read(t->mm, data + n, from + n, part))
            break;
        n += part;
    }
    data[n] = 0;
    return n ? 0 : -EFAULT;
}

i64 sys_mount(struct machine *m, struct task *t, const u64 *a)
{
    char source[PATH_ROOM] = "", target[PATH_ROOM], type[PATH_ROOM], data[PAGE_SIZE];
    struct mount_request q = {source, target, data, a[2] ? type : NULL, (u32)a[3]};
    int r = a[2] ? path_arg(t, a[2], type) : 0;
    if (r == -ENAMETOOLONG)
        r = -EINVAL;
    if (r == 0 && a[0])
        r = path_arg(t, a[0], source);
    if (r == 0)
        r = data_arg(t, a[4], data);
    if (r == 0)
        r = path_arg(t, a[1], target);
    return r ? r : fs_mount(m->fs, t->fs, &q, may_mount(m, t));
}

i64 sys_umount2(struct machine *m, struct task *t, const u64 *a)
{
    char target[PATH_ROOM];
    u32 flags = (u32)a[1];
    if (flags & ~(ABI_MNT_FORCE | ABI_MNT_DETACH | ABI_MNT_EXPIRE | ABI_UMOUNT_NOFOLLOW))
        return -EINVAL;
    int r = path_arg(t, a[0], target);
    return r ? r : fs_umount(m->fs, t->fs, target, flags, may_mount(m, t));
}

i64 sys_pivot_root(struct machine *m, struct task *t, const u64 *a)
{
    char to[PATH_ROOM], old[PATH_ROOM];
    u32 roots[2];
    if (!may_mount(m, t))
        return -EPERM;
    int r = path_arg(t, a[0], to);
    if (r == 0)
        r = path_arg(t, a[1], old);
    if (r == 0)
        r = fs_pivot_root(m->fs, t->fs, to, old, roots);
    if (r)
        return r;
    for (task_t id = 0; (id = pool_next(&m->tasks, id));)
        if (task_at(m, id)->fs)
            fsctx_pivoted(m->fs, task_at(m, id)->fs, roots);
    return 0;
}
