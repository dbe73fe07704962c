// Namespaces as files: what the links of /proc/PID/ns lead to. `object` is a mount namespace, a reference, or 0 for the
// kinds of which there is one; `opens` is the kind, a CLONE_NEW*.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/budget.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "mm/uaccess.h"

#define NS_DEV ABI_MAKEDEV(0, 3)
#define NEWUSER 0x10000000u
#define NEWPID 0x20000000u

enum { NS_GET_USERNS = 0xb701, NS_GET_PARENT, NS_GET_NSTYPE, NS_GET_OWNER_UID };

void ns_stat(const char *name, struct abi_stat *out) // "mnt:[4026531836]"
{
    *out = (struct abi_stat){.st_dev = NS_DEV, .st_nlink = 1, .st_mode = ABI_S_IFREG | 0444, .st_blksize = 4096};
    const char *number = strchr(name, '[');
    out->st_ino = number ? strtoull(number + 1, NULL, 10) : 0;
}

int ns_open(struct fs *fs, u32 type, u32 mounts, const char *name, u32 oflags, file_t *out)
{
    if (oflags & ABI_O_DIRECTORY)
        return -ENOTDIR;
    char *label = budget_strdup(fs->budget, name);
    if (!label)
        return -ENOMEM;
    int r = file_new(fs, FILE_NS, oflags, out);
    if (r) {
        budget_free(label);
        return r;
    }
    struct file *f = file_at(fs, *out);
    f->path = label;
    f->object = mounts;
    f->opens = type;
    mntns_get(fs, mounts);
    return 0;
}

bool file_ns(struct fs *fs, file_t id, u32 *type, u32 *mounts)
{
    const struct file *f = file_at(fs, id);
    if (f->kind != FILE_NS)
        return false;
    *type = f->opens;
    *mounts = f->object;
    return true;
}

static int ns_stat_op(struct fs *fs, file_t id, struct abi_stat *out)
{
    ns_stat(file_at(fs, id)->path, out);
    stat_time(fs, out);
    return 0;
}

static int ns_ioctl(struct fs *fs, file_t id, u32 cmd, struct mm *mm, u64 arg)
{
    u32 type = file_at(fs, id)->opens, root = 0;
    switch (cmd) {
    case NS_GET_NSTYPE:
        return (int)type;
    case NS_GET_OWNER_UID:
        return type == NEWUSER ? uaccess_write(mm, arg, &root, sizeof root) : -EINVAL;
    case NS_GET_PARENT:
        return type == NEWUSER || type == NEWPID ? -EPERM : -EINVAL; // the first one
    case NS_GET_USERNS:
        return -EPERM;
    default:
        return -ENOTTY;
    }
}

static void ns_release(struct fs *fs, file_t id)
{
    mntns_put(fs, file_at(fs, id)->object);
}

const struct file_ops file_ns_ops = {.stat = ns_stat_op, .ioctl = ns_ioctl, .release = ns_release};
