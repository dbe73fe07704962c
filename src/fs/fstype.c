// The types of file systems that can be mounted.
#include <errno.h>
#include <string.h>

#include "base/budget.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/mount_call.h"
#include "fs/tmpfs.h"

enum { OPTIONS_TMPFS = 1, OPTIONS_RAMFS }; // the latter takes whatever it is told, and minds the mode

static const struct {
    const char *name;
    u8 kind, options;
    bool single;
    const char *base;
    u32 node;
    u32 mode;                 // of the root, if nobody says
    const char *params[5][2]; // others, that make no difference; of tmpfs's, what has the same values (NULL: any)
} types[] = {
    {"tmpfs", MOUNT_TMP, OPTIONS_TMPFS, false, NULL, 0, 01777, {{NULL}}},
    {"ramfs", MOUNT_TMP, OPTIONS_RAMFS, false, NULL, 0, 0755, {{NULL}}},
    {"devtmpfs", MOUNT_TMP, OPTIONS_TMPFS, true, NULL, 0, 0755, {{NULL}}},
    {"proc", MOUNT_PROC, 0, false, "", 0, 0, {{"gid", "gid"}, {"hidepid", NULL}, {"subset", NULL}}},
    {"sysfs", MOUNT_PROC, 0, true, ".sys", 0, 0, {{NULL}}},
    {"devpts", MOUNT_PTS, 0, false, NULL, DEV_PTSDIR, 0,
     {{"uid", "uid"}, {"gid", "gid"}, {"mode", "mode"}, {"ptmxmode", "mode"}, {"max", "uid"}}},
};

int fstype_find(const char *name)
{
    for (u32 i = 0; i < ARRAY_LEN(types); i++)
        if (!strcmp(types[i].name, name))
            return (int)i;
    return -ENODEV;
}

const char *fstype_name(u32 type)
{
    return types[type].name;
}

u32 fstype_mode(u32 type)
{
    return types[type].mode;
}

bool fstype_is_tmpfs(u32 type)
{
    return types[type].options && !types[type].single;
}

bool fstype_is_single(u32 type)
{
    return types[type].single;
}

int fstype_mount(struct fs *fs, u32 type, const struct tmpfs_options *o, u32 flags, bool ro, const char *source, u32 *id)
{
    u32 root = 0;
    int r = mount_new(fs, types[type].kind, flags, *source ? source : "none", id);
    if (r)
        return r;
    if (types[type].kind == MOUNT_TMP)
        r = types[type].single ? tmpfs_devices(fs, &root) : tmpfs_new(fs, o, &root);
    struct mount *m = mount_at(fs, *id);
    m->inode = r ? 0 : root;
    m->node = types[type].node;
    if (r == 0 && types[type].base) {
        budget_free(m->base);
        m->base = budget_strdup(fs->budget, types[type].base);
        r = m->base ? 0 : -ENOMEM;
    }
    m->sb_ro = ro;
    mount_update(fs, *id);
    if (r)
        mount_put(fs, *id);
    return r;
}

int fstype_param(struct fs *fs, u32 type, struct tmpfs_options *o, const char *key, const char *value)
{
    struct tmpfs_options unused;
    for (u32 i = 0; i < ARRAY_LEN(types[type].params) && types[type].params[i][0]; i++) {
        const char *like = types[type].params[i][1];
        if (!strcmp(types[type].params[i][0], key))
            return like ? tmpfs_param(fs, &unused, like, value) : value ? 0 : -EINVAL;
    }
    if (!types[type].options)
        return -ENOENT;
    if (types[type].options == OPTIONS_RAMFS && strcmp(key, "mode") != 0)
        return strcmp(key, "source") ? 0 : -ENOENT;
    return tmpfs_param(fs, o, key, value);
}
