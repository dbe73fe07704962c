// fsopen(2), fsconfig(2), fsmount(2), fspick(2), open_tree(2), move_mount(2), mount_setattr(2): mounts by descriptor.
#include <errno.h>
#include <string.h>

#include "abi/mount_abi.h"
#include "fs/mount_call.h"
#include "kernel/access.h"
#include "kernel/sys_file.h"
#include "mm/uaccess.h"

#define PARAM_MOST 256u // bytes of a key or a value, with the NUL
#define BLOB_MOST (1 << 20)
#define LOOK_UP (ABI_AT_EMPTY_PATH | ABI_AT_NO_AUTOMOUNT | ABI_AT_SYMLINK_NOFOLLOW)

static bool may_mount(struct machine *m, struct task *t)
{
    return capable(group_of(m, t), G_CAP_SYS_ADMIN);
}

// A path and where it begins. `buf` holds PATH_ROOM bytes.
static int mount_path_arg(struct task *t, u64 fd, gva_t from, bool empty, bool nofollow, char *buf, struct mount_path *out)
{
    *out = (struct mount_path){.path = buf, .nofollow = nofollow};
    int r = at_arg(t, fd, from, buf, &out->dir);
    if (r || *buf)
        return r;
    if (!empty)
        return -ENOENT;
    if (!out->dir)
        memcpy(buf, ".", 2);
    return 0;
}

static i64 install(struct machine *m, struct task *t, int r, file_t file, bool cloexec)
{
    return r ? r : fd_install(m, t, file, cloexec);
}

// ---- contexts ------------------------------------------------------------------------------------

i64 sys_fsopen(struct machine *m, struct task *t, const u64 *a)
{
    char type[PATH_ROOM];
    file_t file = 0;
    if (!may_mount(m, t))
        return -EPERM;
    if ((u32)a[1] & ~ABI_FSOPEN_CLOEXEC)
        return -EINVAL;
    int r = path_arg(t, a[0], type);
    if (r)
        return r == -ENAMETOOLONG ? -EINVAL : r;
    r = fs_context(m->fs, type, &file);
    return install(m, t, r, file, a[1] & ABI_FSOPEN_CLOEXEC);
}

i64 sys_fspick(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    struct mount_path p;
    file_t file = 0;
    u32 flags = (u32)a[2];
    if (!may_mount(m, t))
        return -EPERM;
    if (flags & ~(ABI_FSPICK_CLOEXEC | ABI_FSPICK_SYMLINK_NOFOLLOW | ABI_FSPICK_NO_AUTOMOUNT | ABI_FSPICK_EMPTY_PATH))
        return -EINVAL;
    int r = mount_path_arg(t, a[0], a[1], flags & ABI_FSPICK_EMPTY_PATH, flags & ABI_FSPICK_SYMLINK_NOFOLLOW, path, &p);
    if (r == 0)
        r = fs_pick(m->fs, t->fs, &p, &file);
    return install(m, t, r, file, flags & ABI_FSPICK_CLOEXEC);
}

static int context_arg(struct machine *m, struct task *t, u64 fd, file_t *file)
{
    *file = fd_arg(t, fd);
    if (!*file || file_at(m->fs, *file)->flags & ABI_O_PATH)
        return -EBADF;
    return is_fs_context(m->fs, *file) ? 0 : -EINVAL;
}

// fsconfig(2), ERRORS: which arguments a command takes.
static int config_check(const u64 *a)
{
    bool key = a[2], value = a[3];
    i32 aux = (i32)a[4];
    if ((i32)a[0] < 0)
        return -EINVAL;
    switch ((u32)a[1]) {
    case ABI_FSCONFIG_SET_FLAG:
        return key && !value && !aux ? 0 : -EINVAL;
    case ABI_FSCONFIG_SET_STRING:
        return key && value && !aux ? 0 : -EINVAL;
    case ABI_FSCONFIG_SET_BINARY:
        return key && value && aux > 0 && aux <= BLOB_MOST ? 0 : -EINVAL;
    case ABI_FSCONFIG_SET_PATH:
    case ABI_FSCONFIG_SET_PATH_EMPTY:
        return key && value && (aux == ABI_AT_FDCWD || aux >= 0) ? 0 : -EINVAL;
    case ABI_FSCONFIG_SET_FD:
        return key && !value && aux >= 0 ? 0 : -EINVAL;
    case ABI_FSCONFIG_CMD_CREATE:
    case ABI_FSCONFIG_CMD_CREATE_EXCL:
    case ABI_FSCONFIG_CMD_RECONFIGURE:
        return !key && !value && !aux ? 0 : -EINVAL;
    default:
        return -EOPNOTSUPP;
    }
}

static int param_arg(struct task *t, gva_t from, char to[PARAM_MOST])
{
    i64 n = uaccess_string(t->mm, to, from, PARAM_MOST);
    return n == -ENAMETOOLONG ? -EINVAL : n < 0 ? (int)n : 0;
}

// A path, a descriptor or bytes: nothing is made of them.
static int other_value(struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    if ((u32)a[1] == ABI_FSCONFIG_SET_FD)
        return fd_arg(t, a[4]) ? 0 : -EBADF;
    return (u32)a[1] == ABI_FSCONFIG_SET_BINARY ? uaccess_check(t->mm, a[3], (u32)a[4], MM_READ) : path_arg(t, a[3], path);
}

i64 sys_fsconfig(struct machine *m, struct task *t, const u64 *a)
{
    char key[PARAM_MOST], value[PARAM_MOST];
    file_t file;
    u32 command = (u32)a[1];
    int r = config_check(a);
    if (r == 0)
        r = context_arg(m, t, a[0], &file);
    if (r == 0 && a[2])
        r = param_arg(t, a[2], key);
    if (r == 0 && command == ABI_FSCONFIG_SET_STRING)
        r = param_arg(t, a[3], value);
    if (r)
        return r;
    if (command == ABI_FSCONFIG_SET_FLAG || command == ABI_FSCONFIG_SET_STRING)
        return fs_context_set(m->fs, file, key, command == ABI_FSCONFIG_SET_FLAG ? NULL : value);
    if (a[2]) {
        r = other_value(t, a);
        return r ? r : fs_context_set_other(m->fs, file, key);
    }
    return may_mount(m, t) ? fs_context_command(m->fs, file, command) : -EPERM;
}

// ---- attributes ----------------------------------------------------------------------------------

// mount(2)'s flags for these; times are not among them.
static u32 flags_of(u64 attr)
{
    static const u32 flags[][2] = {{ABI_MOUNT_ATTR_RDONLY, ABI_MS_RDONLY}, {ABI_MOUNT_ATTR_NOSUID, ABI_MS_NOSUID},
                                   {ABI_MOUNT_ATTR_NODEV, ABI_MS_NODEV}, {ABI_MOUNT_ATTR_NOEXEC, ABI_MS_NOEXEC},
                                   {ABI_MOUNT_ATTR_NODIRATIME, ABI_MS_NODIRATIME},
                                   {ABI_MOUNT_ATTR_NOSYMFOLLOW, ABI_MS_NOSYMFOLLOW}};
    u32 to = 0;
    for (u32 i = 0; i < ARRAY_LEN(flags); i++)
        to |= attr & flags[i][0] ? flags[i][1] : 0;
    return to;
}

#define ATTRS (ABI_MOUNT_ATTR_RDONLY | ABI_MOUNT_ATTR_NOSUID | ABI_MOUNT_ATTR_NODEV | ABI_MOUNT_ATTR_NOEXEC | \
               ABI_MOUNT_ATTR_ATIME | ABI_MOUNT_ATTR_NODIRATIME | ABI_MOUNT_ATTR_NOSYMFOLLOW)

// The times are one value of three, not flags.
static int times_of(u64 attr, u32 *flags)
{
    switch (attr & ABI_MOUNT_ATTR_ATIME) {
    case 0:
        *flags |= ABI_MS_RELATIME;
        return 0;
    case ABI_MOUNT_ATTR_NOATIME:
        *flags |= ABI_MS_NOATIME;
        return 0;
    case ABI_MOUNT_ATTR_STRICTATIME:
        return 0;
    default:
        return -EINVAL;
    }
}

i64 sys_fsmount(struct machine *m, struct task *t, const u64 *a)
{
    file_t context, file = 0;
    u32 attr = (u32)a[2], flags = flags_of(attr);
    if (!may_mount(m, t))
        return -EPERM;
    if ((u32)a[1] & ~ABI_FSMOUNT_CLOEXEC || attr & ~ATTRS)
        return -EINVAL;
    int r = times_of(attr, &flags);
    if (r == 0)
        r = context_arg(m, t, a[0], &context);
    if (r == 0)
        r = fs_context_mount(m->fs, context, flags, &file);
    return install(m, t, r, file, a[1] & ABI_FSMOUNT_CLOEXEC);
}

static int change_of(struct task *t, const struct abi_mount_attr *attr, struct mount_change *q)
{
    u64 set = attr->attr_set, clear = attr->attr_clr, spread = attr->propagation;
    if (spread & ~(u64)(ABI_MS_SHARED | ABI_MS_PRIVATE | ABI_MS_SLAVE | ABI_MS_UNBINDABLE) || spread & (spread - 1) ||
        (set | clear) & ~(u64)(ATTRS | ABI_MOUNT_ATTR_IDMAP))
        return -EINVAL;
    q->set = flags_of(set);
    q->clear = flags_of(clear);
    q->propagation = (u32)spread;
    int r = 0;
    if (clear & ABI_MOUNT_ATTR_ATIME) {
        q->clear |= ABI_MS_RELATIME | ABI_MS_NOATIME;
        r = (clear & ABI_MOUNT_ATTR_ATIME) == ABI_MOUNT_ATTR_ATIME ? times_of(set, &q->set) : -EINVAL;
    } else if (set & ABI_MOUNT_ATTR_ATIME) {
        r = -EINVAL;
    }
    if (r || !((set | clear) & ABI_MOUNT_ATTR_IDMAP))
        return r;
    if (clear & ABI_MOUNT_ATTR_IDMAP || attr->userns_fd > INT32_MAX)
        return -EINVAL;
    return fd_arg(t, attr->userns_fd) ? -EINVAL : -EBADF; // there is but one user namespace
}

i64 sys_mount_setattr(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    struct abi_mount_attr attr;
    struct mount_path p;
    u32 flags = (u32)a[2];
    struct mount_change q = {.all = flags & ABI_AT_RECURSIVE};
    if (flags & ~(LOOK_UP | ABI_AT_RECURSIVE))
        return -EINVAL;
    if (a[4] > PAGE_SIZE || a[4] < sizeof attr)
        return a[4] > PAGE_SIZE ? -E2BIG : -EINVAL;
    if (!may_mount(m, t))
        return -EPERM;
    int r = uaccess_struct(t->mm, &attr, sizeof attr, a[3], a[4]);
    if (r || !(attr.attr_set | attr.attr_clr | attr.propagation))
        return r;
    r = change_of(t, &attr, &q);
    if (r == 0)
        r = mount_path_arg(t, a[0], a[1], flags & ABI_AT_EMPTY_PATH, flags & ABI_AT_SYMLINK_NOFOLLOW, path, &p);
    return r ? r : fs_mount_setattr(m->fs, t->fs, &p, &q);
}

// ---- trees ---------------------------------------------------------------------------------------

i64 sys_open_tree(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    struct mount_path p;
    file_t file = 0;
    u32 flags = (u32)a[2];
    if (flags & ~(LOOK_UP | ABI_AT_RECURSIVE | ABI_OPEN_TREE_CLONE | ABI_OPEN_TREE_CLOEXEC) ||
        (flags & (ABI_AT_RECURSIVE | ABI_OPEN_TREE_CLONE)) == ABI_AT_RECURSIVE)
        return -EINVAL;
    if (flags & ABI_OPEN_TREE_CLONE && !may_mount(m, t))
        return -EPERM;
    int r = mount_path_arg(t, a[0], a[1], flags & ABI_AT_EMPTY_PATH, flags & ABI_AT_SYMLINK_NOFOLLOW, path, &p);
    if (r == 0)
        r = fs_open_tree(m->fs, t->fs, &p, !(flags & ABI_OPEN_TREE_CLONE) ? TREE_HERE : flags & ABI_AT_RECURSIVE ? TREE_ALL : TREE_ONE,
                         &file);
    return install(m, t, r, file, flags & ABI_OPEN_TREE_CLOEXEC);
}

i64 sys_move_mount(struct machine *m, struct task *t, const u64 *a)
{
    char path1[PATH_ROOM], path2[PATH_ROOM];
    struct mount_path from, to;
    u32 flags = (u32)a[4];
    const u32 known = ABI_MOVE_MOUNT_F_SYMLINKS | ABI_MOVE_MOUNT_F_AUTOMOUNTS | ABI_MOVE_MOUNT_F_EMPTY_PATH |
                      ABI_MOVE_MOUNT_T_SYMLINKS | ABI_MOVE_MOUNT_T_AUTOMOUNTS | ABI_MOVE_MOUNT_T_EMPTY_PATH |
                      ABI_MOVE_MOUNT_SET_GROUP | ABI_MOVE_MOUNT_BENEATH;
    if (!may_mount(m, t))
        return -EPERM;
    if (flags & ~known || (flags & ABI_MOVE_MOUNT_SET_GROUP && flags & ABI_MOVE_MOUNT_BENEATH))
        return -EINVAL;
    int r = mount_path_arg(t, a[0], a[1], flags & ABI_MOVE_MOUNT_F_EMPTY_PATH, !(flags & ABI_MOVE_MOUNT_F_SYMLINKS), path1, &from);
    if (r == 0)
        r = mount_path_arg(t, a[2], a[3], flags & ABI_MOVE_MOUNT_T_EMPTY_PATH, !(flags & ABI_MOVE_MOUNT_T_SYMLINKS), path2, &to);
    if (r == 0 && flags & ABI_MOVE_MOUNT_SET_GROUP) // of peers, which no mount has
        r = -EINVAL;
    return r ? r : fs_move_mount(m->fs, t->fs, &from, &to, flags & ABI_MOVE_MOUNT_BENEATH);
}
