// open_tree(2), move_mount(2), mount_setattr(2): mounts by descriptor. A tree that stands nowhere is a namespace of its
// own that nobody is in (mntns.detached); the open file that it was made with owns it.
#include <errno.h>

#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/mount_call.h"

int mount_tree_open(struct fs *fs, u32 top, file_t *out)
{
    struct place root;
    u32 ns;
    int r = mntns_new(fs, top, &ns);
    if (r) {
        mount_umount_tree(fs, top);
        return r;
    }
    mntns_at(fs, ns)->detached = true;
    r = place_root(fs, top, &root);
    if (r == 0)
        r = place_open(fs, &root, out);
    place_clear(fs, &root);
    if (r) {
        mntns_put(fs, ns);
        return r;
    }
    file_at(fs, *out)->how |= FILE_TREE;
    return 0;
}

void mount_tree_close(struct fs *fs, u32 mount)
{
    u32 ns = mount_at(fs, mount)->ns;
    if (ns && mntns_at(fs, ns)->detached && mntns_root(fs, ns) == mount)
        mntns_put(fs, ns);
}

int fs_open_tree(struct fs *fs, struct fsctx *c, const struct mount_path *p, enum tree_open what, file_t *out)
{
    struct place at;
    u32 top;
    int r = place_find(fs, c, p->dir, p->path, p->nofollow ? WALK_NOFOLLOW : 0, &at);
    if (r)
        return r;
    if (what == TREE_HERE) {
        r = place_open(fs, &at, out);
        place_clear(fs, &at);
        return r;
    }
    r = mount_copyable(fs, c, &at, what == TREE_ALL);
    if (r == 0)
        r = mount_copy_tree(fs, &at, what == TREE_ALL ? MOUNT_COPY_BIND : MOUNT_COPY_ONE, &top);
    place_clear(fs, &at);
    return r ? r : mount_tree_open(fs, top, out);
}

int fs_move_mount(struct fs *fs, struct fsctx *c, const struct mount_path *from, const struct mount_path *to, bool beneath)
{
    struct place what, at;
    int r = place_find(fs, c, from->dir, from->path, from->nofollow ? WALK_NOFOLLOW : 0, &what);
    if (r)
        return r;
    r = place_find(fs, c, to->dir, to->path, to->nofollow ? WALK_NOFOLLOW : 0, &at);
    if (r == 0) {
        r = mount_move(fs, c, &what, &at, beneath);
        place_clear(fs, &at);
    }
    place_clear(fs, &what);
    return r;
}

static u32 changed(const struct mount *m, const struct mount_change *q)
{
    return (m->flags & ~q->clear) | q->set;
}

// All of it or nothing: first they are asked.
static int may_change(struct fs *fs, u32 id, const struct mount_change *q)
{
    const struct mount *m = mount_at(fs, id);
    bool ro = changed(m, q) & ABI_MS_RDONLY;
    if (m->locked_ro && !ro)
        return -EPERM;
    return ro && !(m->flags & ABI_MS_RDONLY) && mount_has_writer(fs, id, false) ? -EBUSY : 0;
}

static int change(struct fs *fs, u32 top, const struct mount_change *q)
{
    int r = 0;
    for (u32 id = top; id && r == 0; id = q->all ? mount_next(fs, id, top) : 0)
        r = may_change(fs, id, q);
    if (r)
        return r;
    for (u32 id = top; id; id = q->all ? mount_next(fs, id, top) : 0) {
        struct mount *m = mount_at(fs, id);
        m->flags = changed(m, q);
        if (q->propagation)
            m->unbindable = q->propagation == ABI_MS_UNBINDABLE;
        mount_update(fs, id);
    }
    mounts_changed(fs);
    return 0;
}

int fs_mount_setattr(struct fs *fs, struct fsctx *c, const struct mount_path *p, const struct mount_change *q)
{
    struct place at;
    int r = place_find(fs, c, p->dir, p->path, p->nofollow ? WALK_NOFOLLOW : 0, &at);
    if (r)
        return r;
    const struct mount *m = mount_at(fs, at.mount);
    bool detached = m->ns && mntns_at(fs, m->ns)->detached && !m->parent;
    r = place_is_root(fs, &at) && (detached || mount_is_ours(fs, c, at.mount)) ? change(fs, at.mount, q) : -EINVAL;
    place_clear(fs, &at);
    return r;
}
