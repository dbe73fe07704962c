// setxattr and its family: twelve calls, three ways to name a file.
#include "base/alloc.h"
#include "kernel/sys_file.h"
#include "kernel/syscall.h"
#include "mm/uaccess.h"

#include <errno.h>

#define NAME_ROOM (ABI_XATTR_NAME_MAX + 1)

enum how { BY_PATH, BY_LINK, BY_FD };

static i64 apply(struct machine *m, struct task *t, enum how how, u64 which, const struct xattr *x)
{
    char path[PATH_ROOM];
    if (how == BY_FD) {
        file_t file = fd_arg(t, which);
        return file ? file_xattr(m->fs, file, x) : -EBADF;
    }
    int r = path_arg(t, which, path);
    return r ? r : path_xattr(m->fs, t->fs, path, how == BY_LINK ? ABI_AT_SYMLINK_NOFOLLOW : 0, x);
}

static int name_arg(struct task *t, char name[NAME_ROOM], gva_t at)
{
    i64 n = uaccess_string(t->mm, name, at, NAME_ROOM);
    return n == -ENAMETOOLONG || n == 0 ? -ERANGE : n < 0 ? (int)n : 0;
}

static i64 set(struct machine *m, struct task *t, enum how how, const u64 *a)
{
    char name[NAME_ROOM];
    struct xattr x = {.op = XATTR_SET, .name = name, .size = a[3], .flags = (u32)a[4]};
    if (x.flags & ~3u)
        return -EINVAL;
    int r = name_arg(t, name, a[1]);
    if (r)
        return r;
    if (a[3] > ABI_XATTR_SIZE_MAX)
        return -E2BIG;
    x.value = mem_alloc(a[3] + 1);
    if (!x.value)
        return -ENOMEM;
    i64 n = a[3] ? uaccess_read(t->mm, x.value, a[2], a[3]) : 0;
    if (n == 0)
        n = apply(m, t, how, a[0], &x);
    mem_free(x.value);
    return n;
}

// What comes back goes to `to`, unless the size asked about is 0.
static i64 fetch(struct machine *m, struct task *t, enum how how, u64 which, struct xattr *x, gva_t to, u64 size)
{
    x->value = mem_alloc(ABI_XATTR_SIZE_MAX);
    if (!x->value)
        return -ENOMEM;
    i64 n = apply(m, t, how, which, x);
    if (n > 0 && size) {
        int r = (u64)n > size ? -ERANGE : uaccess_write(t->mm, to, x->value, (u64)n);
        n = r ? r : n;
    }
    mem_free(x->value);
    return n;
}

static i64 get(struct machine *m, struct task *t, enum how how, const u64 *a)
{
    char name[NAME_ROOM];
    struct xattr x = {.op = XATTR_GET, .name = name};
    int r = name_arg(t, name, a[1]);
    return r ? r : fetch(m, t, how, a[0], &x, a[2], a[3]);
}

static i64 list(struct machine *m, struct task *t, enum how how, const u64 *a)
{
    struct xattr x = {.op = XATTR_LIST};
    return fetch(m, t, how, a[0], &x, a[1], a[2]);
}

static i64 take_away(struct machine *m, struct task *t, enum how how, const u64 *a)
{
    char name[NAME_ROOM];
    struct xattr x = {.op = XATTR_REMOVE, .name = name};
    int r = name_arg(t, name, a[1]);
    return r ? r : apply(m, t, how, a[0], &x);
}

#define THREE(call, function)                                                                       \
    i64 sys_##call(struct machine *m, struct task *t, const u64 *a) { return function(m, t, BY_PATH, a); } \
    i64 sys_l##call(struct machine *m, struct task *t, const u64 *a) { return function(m, t, BY_LINK, a); } \
    i64 sys_f##call(struct machine *m, struct task *t, const u64 *a) { return function(m, t, BY_FD, a); }

THREE(setxattr, set)
THREE(getxattr, get)
THREE(listxattr, list)
THREE(removexattr, take_away)
