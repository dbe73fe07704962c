// mount(2), umount2(2), pivot_root(2): what may be mounted, moved and taken away. That the caller has
// CAP_SYS_ADMIN has been asked; paths are looked up before that, as in Linux.
#include <errno.h>
#include <string.h>

#include "base/budget.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/mount_call.h"
#include "fs/tmpfs.h"

#define ATIMES (ABI_MS_NOATIME | ABI_MS_NODIRATIME | ABI_MS_RELATIME | ABI_MS_STRICTATIME)

// MOUNT_FLAGS of a call's; the times as before where a remount says nothing of them.
static u32 mount_flags(u32 flags, u32 before, bool again)
{
    u32 to = flags & MOUNT_FLAGS & ~ABI_MS_RELATIME;
    if (again && !(flags & ATIMES))
        return to | (before & (ABI_MS_NOATIME | ABI_MS_NODIRATIME | ABI_MS_RELATIME));
    return flags & (ABI_MS_NOATIME | ABI_MS_STRICTATIME) ? to : to | ABI_MS_RELATIME;
}

bool mount_is_ours(struct fs *fs, const struct fsctx *c, u32 mount)
{
    return mount_at(fs, mount)->ns && mount_at(fs, mount)->ns == c->c->ns;
}

bool mount_has_writer(struct fs *fs, u32 mount, bool everywhere)
{
    for (file_t id = 0; (id = pool_next(&fs->files, id));) {
        const struct file *f = file_at(fs, id);
        if (f->kind == FILE_HOST && f->flags & ABI_O_ACCMODE && f->mount && !(f->how & (FILE_INHERITED | FILE_TWIN)) &&
            (f->mount == mount || (everywhere && mount_same_fs(fs, f->mount, mount))))
            return true;
    }
    return false;
}

// ---- a new mount ---------------------------------------------------------------------------------

int mount_graft(struct fs *fs, struct place *at, u32 id)
{
    struct mount_point point = {.fd = -1};
    int r = place_top(fs, at);
    if (r == 0)
        r = place_point(fs, at, &point);
    if (r == 0 && at->dir == mount_at(fs, id)->file) {
        mount_point_clear(fs, &point);
        r = -ENOTDIR;
    }
    if (r) {
        mount_umount_tree(fs, id);
        return r;
    }
    mount_attach(fs, id, &point);
    mounts_changed(fs);
    return 0;
}

static int graft(struct fs *fs, const struct fsctx *c, struct place *at, u32 id)
{
    if (mount_is_ours(fs, c, at->mount))
        return mount_graft(fs, at, id);
    mount_umount_tree(fs, id);
    return -EINVAL;
}

static int new_mount(struct fs *fs, const struct fsctx *c, const struct mount_request *q, struct place *at)
{
    u32 id;
    int type = q->type ? fstype_find(q->type) : -EINVAL;
    if (type < 0)
        return type;
    struct tmpfs_options o = {.mode = fstype_mode((u32)type)};
    bool tmpfs = fstype_is_tmpfs((u32)type);
    int r = tmpfs ? tmpfs_parse(fs, q->data, &o) : 0;
    if (r == 0)
        r = fstype_mount(fs, (u32)type, &o, mount_flags(q->flags, 0, false), tmpfs && q->flags & ABI_MS_RDONLY, q->source, &id);
    if (r)
        return r;
    // The same file system once more: where each mount is one of its own, it is not the same.
    if (fstype_is_single((u32)type) && place_is_root(fs, at) && mount_same_fs(fs, at->mount, id)) {
        mount_put(fs, id);
        return -EBUSY;
    }
    return graft(fs, c, at, id);
}

// ---- what is there, elsewhere --------------------------------------------------------------------

static bool hides_something(struct fs *fs, const struct place *p)
{
    for (u32 id = mount_at(fs, p->mount)->first; id; id = mount_at(fs, id)->next)
        if (mount_at(fs, id)->locked && place_holds(fs, p, id))
            return true;
    return false;
}

// It stands in a tree of its own, which somebody has a descriptor of.
static bool is_detached(struct fs *fs, u32 mount)
{
    u32 ns = mount_at(fs, mount)->ns;
    return ns && mntns_at(fs, ns)->detached;
}

int mount_copyable(struct fs *fs, const struct fsctx *c, const struct place *from, bool all)
{
    if (!mount_is_ours(fs, c, from->mount) && !is_detached(fs, from->mount))
        return -EINVAL;
    return mount_at(fs, from->mount)->unbindable || (!all && hides_something(fs, from)) ? -EINVAL : 0;
}

static int bind_mount(struct fs *fs, struct fsctx *c, const struct mount_request *q, struct place *at)
{
    struct place from;
    u32 id;
    if (!*q->source)
        return -EINVAL;
    int r = place_find(fs, c, 0, q->source, 0, &from);
    if (r)
        return r;
    bool all = q->flags & ABI_MS_REC;
    r = mount_copyable(fs, c, &from, all);
    if (r == 0)
        r = mount_copy_tree(fs, &from, all ? MOUNT_COPY_BIND : MOUNT_COPY_ONE, &id);
    place_clear(fs, &from);
    return r ? r : graft(fs, c, at, id);
}

static bool is_within(struct fs *fs, u32 mount, u32 top)
{
    while (mount && mount != top)
        mount = mount_at(fs, mount)->parent;
    return mount == top;
}

// What stands in a tree of its own is moved as a whole, and may go into another such tree.
static int may_move(struct fs *fs, const struct fsctx *c, const struct place *from, const struct place *at)
{
    const struct mount *m = mount_at(fs, from->mount);
    bool alone = is_detached(fs, from->mount);
    if (alone ? m->parent || mount_at(fs, at->mount)->ns == m->ns : !mount_is_ours(fs, c, from->mount) || !m->parent)
        return -EINVAL;
    if (!mount_is_ours(fs, c, at->mount) && !(alone && is_detached(fs, at->mount)))
        return -EINVAL;
    if (!place_is_root(fs, from) || m->locked || m->file == at->dir)
        return -EINVAL;
    return is_within(fs, at->mount, from->mount) ? -ELOOP : 0;
}

// It takes the place of `top`, which comes to lie on it.
static void move_beneath(struct fs *fs, u32 id, u32 top)
{
    struct mount_point was, on = {.mount = id, .on_root = true, .fd = -1};
    bool locked = mount_at(fs, top)->locked;
    mount_take(fs, top, &was);
    mount_attach(fs, id, &was);
    mount_attach(fs, top, &on);
    mount_at(fs, top)->locked = locked;
}

// What is to come to lie on `from`: the root of a mount that is neither where the process is rooted, nor locked.
static bool may_go_beneath(struct fs *fs, const struct fsctx *c, const struct place *from, const struct place *at)
{
    const struct mount *top = mount_at(fs, at->mount);
    if (!place_is_root(fs, at) || !top->parent || top->locked || at->mount == file_at(fs, c->c->root)->mount)
        return false;
    return !mount_at(fs, from->mount)->over && !is_within(fs, from->mount, at->mount);
}

int mount_move(struct fs *fs, const struct fsctx *c, const struct place *from, struct place *at, bool beneath)
{
    struct mount_point to = {.fd = -1}, was;
    int r = place_top(fs, at); // first: `from` itself may lie on what a descriptor has open
    if (r == 0)
        r = may_move(fs, c, from, at);
    if (r == 0 && beneath && !may_go_beneath(fs, c, from, at))
        r = -EINVAL;
    if (r == 0 && !beneath)
        r = place_point(fs, at, &to);
    if (r)
        return r;
    u32 alone = is_detached(fs, from->mount) ? mount_at(fs, from->mount)->ns : 0;
    mount_take(fs, from->mount, &was);
    if (alone)
        pool_free(&fs->mntnses, alone);
    if (beneath)
        move_beneath(fs, from->mount, at->mount);
    else
        mount_attach(fs, from->mount, &to);
    mount_point_clear(fs, &was);
    mounts_changed(fs);
    return 0;
}

static int move_mount(struct fs *fs, struct fsctx *c, const struct mount_request *q, struct place *at)
{
    struct place from;
    if (!*q->source)
        return -EINVAL;
    int r = place_find(fs, c, 0, q->source, 0, &from);
    if (r)
        return r;
    r = mount_move(fs, c, &from, at, false);
    place_clear(fs, &from);
    return r;
}

// ---- flags ---------------------------------------------------------------------------------------

static int set_flags(struct fs *fs, u32 id, u32 flags)
{
    struct mount *m = mount_at(fs, id);
    u32 to = mount_flags(flags, m->flags, true);
    if (m->locked_ro && !(to & ABI_MS_RDONLY))
        return -EPERM;
    if (to & ABI_MS_RDONLY && !(m->flags & ABI_MS_RDONLY) && mount_has_writer(fs, id, false))
        return -EBUSY;
    m->flags = to;
    mount_update(fs, id);
    mounts_changed(fs);
    return 0;
}

static void set_sb(struct fs *fs, u32 id, bool ro)
{
    for (u32 n = 0; (n = pool_next(&fs->mounts, n));)
        if (mount_same_fs(fs, id, n)) {
            mount_at(fs, n)->sb_ro = ro;
            mount_update(fs, n);
        }
}

static int may_reconfigure(struct fs *fs, u32 id, bool ro)
{
    const struct mount *m = mount_at(fs, id);
    if (m->locked_ro && !ro)
        return -EPERM;
    return ro && !m->sb_ro && mount_has_writer(fs, id, true) ? -EBUSY : 0;
}

int mount_reconfigure(struct fs *fs, u32 id, bool ro, const struct tmpfs_options *o)
{
    int r = may_reconfigure(fs, id, ro);
    if (r == 0 && mount_at(fs, id)->kind == MOUNT_TMP)
        r = tmpfs_resize(fs, mount_at(fs, id)->inode, o);
    if (r)
        return r;
    set_sb(fs, id, ro);
    mounts_changed(fs);
    return 0;
}

static int remount(struct fs *fs, u32 id, const struct mount_request *q)
{
    struct tmpfs_options o = {0};
    bool ro = q->flags & ABI_MS_RDONLY;
    int r = may_reconfigure(fs, id, ro);
    if (r == 0 && mount_at(fs, id)->kind == MOUNT_TMP)
        r = tmpfs_parse(fs, q->data, &o);
    if (r == 0 && mount_at(fs, id)->kind == MOUNT_TMP)
        r = tmpfs_resize(fs, mount_at(fs, id)->inode, &o);
    if (r == 0)
        r = set_flags(fs, id, q->flags);
    if (r == 0)
        set_sb(fs, id, ro);
    return r;
}

static int propagation(struct fs *fs, u32 id, u32 flags)
{
    u32 what = flags & (ABI_MS_SHARED | ABI_MS_PRIVATE | ABI_MS_SLAVE | ABI_MS_UNBINDABLE);
    if (what & (what - 1) || flags & ~(what | ABI_MS_REC | ABI_MS_SILENT))
        return -EINVAL;
    for (u32 n = id; n; n = flags & ABI_MS_REC ? mount_next(fs, n, id) : 0)
        mount_at(fs, n)->unbindable = what == ABI_MS_UNBINDABLE;
    return 0;
}

int fs_mount(struct fs *fs, struct fsctx *c, const struct mount_request *q, bool may)
{
    struct mount_request copy = *q;
    struct place at;
    int r = place_find(fs, c, 0, q->target, 0, &at);
    if (r)
        return r;
    if ((copy.flags & ABI_MS_MGC_MSK) == ABI_MS_MGC_VAL)
        copy.flags &= ~ABI_MS_MGC_MSK;
    u32 flags = copy.flags;
    bool root = place_is_root(fs, &at) && mount_is_ours(fs, c, at.mount);
    if (!may)
        r = -EPERM;
    else if (flags & ABI_MS_NOUSER)
        r = -EINVAL;
    else if ((flags & (ABI_MS_REMOUNT | ABI_MS_BIND)) == (ABI_MS_REMOUNT | ABI_MS_BIND))
        r = root ? set_flags(fs, at.mount, flags) : -EINVAL;
    else if (flags & ABI_MS_REMOUNT)
        r = root ? remount(fs, at.mount, &copy) : -EINVAL;
    else if (flags & ABI_MS_BIND)
        r = bind_mount(fs, c, &copy, &at);
    else if (flags & (ABI_MS_SHARED | ABI_MS_PRIVATE | ABI_MS_SLAVE | ABI_MS_UNBINDABLE))
        r = root ? propagation(fs, at.mount, flags) : -EINVAL;
    else if (flags & ABI_MS_MOVE)
        r = move_mount(fs, c, &copy, &at);
    else
        r = new_mount(fs, c, &copy, &at);
    place_clear(fs, &at);
    return r;
}

// ---- umount --------------------------------------------------------------------------------------

// Somebody is in it: files, directories that are current or root, mounts, pages.
static bool is_busy(struct fs *fs, u32 id)
{
    const struct mount *m = mount_at(fs, id);
    if (m->first || m->refs > 1)
        return true;
    if (m->kind != MOUNT_TMP || !fs->memory)
        return false;
    for (u32 n = 0; (n = pool_next(&fs->mounts, n));)
        if (n != id && mount_same_fs(fs, n, id))
            return false; // its pages stay where they are
    for (u32 i = 0; (i = pool_next(&fs->inodes, i));) {
        const struct inode *n = inode_at(fs, i);
        if (n->tmpfs == inode_at(fs, m->inode)->tmpfs && n->memory && fs->memory->mapped(fs->memory_arg, n->memory))
            return true;
    }
    return false;
}

static int expire(struct fs *fs, struct fsctx *c, u32 id, u32 flags)
{
    struct mount *m = mount_at(fs, id);
    if (flags & (ABI_MNT_FORCE | ABI_MNT_DETACH) || id == file_at(fs, c->c->root)->mount)
        return -EINVAL;
    if (is_busy(fs, id))
        return -EBUSY;
    bool was = m->expiring;
    m->expiring = true;
    return was ? 0 : -EAGAIN;
}

static int umount(struct fs *fs, struct fsctx *c, u32 id, u32 flags)
{
    const struct mount *m = mount_at(fs, id);
    int r = flags & ABI_MNT_EXPIRE ? expire(fs, c, id, flags) : 0;
    if (r)
        return r;
    if (id == file_at(fs, c->c->root)->mount && !(flags & ABI_MNT_DETACH)) // the root only becomes read-only
        return remount(fs, id, &(struct mount_request){.flags = m->flags | ABI_MS_RDONLY, .data = ""});
    if (!m->parent)
        return -EINVAL;
    if (!(flags & ABI_MNT_DETACH) && is_busy(fs, id))
        return -EBUSY;
    mount_umount_tree(fs, id);
    mounts_changed(fs);
    return 0;
}

int fs_umount(struct fs *fs, struct fsctx *c, const char *target, u32 flags, bool may)
{
    struct place at;
    if (flags & ~(ABI_MNT_FORCE | ABI_MNT_DETACH | ABI_MNT_EXPIRE | ABI_UMOUNT_NOFOLLOW))
        return -EINVAL;
    int r = place_find(fs, c, 0, target, WALK_QUIET | (flags & ABI_UMOUNT_NOFOLLOW ? WALK_NOFOLLOW : 0), &at);
    if (r)
        return r;
    bool root = place_is_root(fs, &at);
    r = place_top(fs, &at);
    place_clear(fs, &at);
    if (r)
        return r;
    if (!may)
        return -EPERM;
    if (!root || !mount_is_ours(fs, c, at.mount) || mount_at(fs, at.mount)->locked)
        return -EINVAL;
    return umount(fs, c, at.mount, flags);
}

// ---- pivot_root ----------------------------------------------------------------------------------

// Whether `p` can be reached by going down from `from`, which is a mount's root.
static bool below(struct fs *fs, const struct place *p, u32 from)
{
    return is_within(fs, p->mount, from);
}

static int may_pivot(struct fs *fs, struct fsctx *c, const struct place *to, const struct place *old, u32 root)
{
    const struct file *f = file_at(fs, c->c->root);
    const struct mount *m = mount_at(fs, to->mount), *r = mount_at(fs, root);
    if (!to->dir || !old->dir)
        return -ENOTDIR;
    if (!mount_is_ours(fs, c, root) || !mount_is_ours(fs, c, to->mount) || !mount_is_ours(fs, c, old->mount) || m->locked)
        return -EINVAL;
    if (to->mount == root || old->mount == root)
        return -EBUSY;
    bool at_root = f->inode ? f->inode == r->inode : f->dev == r->dev && f->ino == r->ino;
    if (!at_root || !place_is_root(fs, to) || !m->parent || r->locked)
        return -EINVAL;
    return below(fs, old, to->mount) && below(fs, to, root) ? 0 : -EINVAL;
}

// The new root takes the old one's place, which goes to `point`.
static void pivot(struct fs *fs, u32 to, u32 root, struct mount_point *point)
{
    u32 id = mount_at(fs, root)->ns;
    struct mntns *ns = pool_at(&fs->mntnses, id);
    struct mount_point was, up;
    mount_take(fs, to, &was);
    mount_take(fs, root, &up);
    if (ns->root == root) {
        ns->root = to;
        for (u32 n = to; n; n = mount_next(fs, n, to))
            mount_at(fs, n)->ns = id;
    } else {
        mount_attach(fs, to, &up);
    }
    mount_attach(fs, root, point);
    mount_point_clear(fs, &was);
    mounts_changed(fs);
}

int fs_pivot_root(struct fs *fs, struct fsctx *c, const char *new_root, const char *put_old, u32 roots[2])
{
    struct place to, old = {.fd = -1};
    struct mount_point point = {.fd = -1};
    u32 root = file_at(fs, c->c->root)->mount;
    int r = place_find(fs, c, 0, new_root, 0, &to);
    if (r == 0)
        r = place_find(fs, c, 0, put_old, 0, &old);
    if (r == 0)
        r = may_pivot(fs, c, &to, &old, root);
    if (r == 0)
        r = place_point(fs, &old, &point);
    if (r == 0)
        pivot(fs, to.mount, root, &point);
    roots[0] = root;
    roots[1] = to.mount;
    place_clear(fs, &to);
    place_clear(fs, &old);
    return r;
}
