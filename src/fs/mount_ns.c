// Whole trees of mounts: copies of them, mount namespaces, and their end.
#include <errno.h>
#include <stdio.h>

#include "base/budget.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/mount_call.h"
#include "fs/tmpfs.h"
#include "host/file.h"

const struct pool_kind mntnses_pool = {.size = sizeof(struct mntns)};

int mntns_new(struct fs *fs, u32 root, u32 *id)
{
    int r = pool_new(&fs->mntnses, id);
    if (r)
        return r;
    *(struct mntns *)pool_at(&fs->mntnses, *id) = (struct mntns){.refs = 1, .root = root, .serial = ++fs->mntns_serial};
    for (u32 m = root; m; m = mount_next(fs, m, root))
        mount_at(fs, m)->ns = *id;
    return 0;
}

void mntns_get(struct fs *fs, u32 id)
{
    if (id)
        ((struct mntns *)pool_at(&fs->mntnses, id))->refs++;
}

void mntns_put(struct fs *fs, u32 id)
{
    struct mntns *n = id ? pool_at(&fs->mntnses, id) : NULL;
    if (!n || --n->refs)
        return;
    u32 root = n->root;
    pool_free(&fs->mntnses, id);
    mount_umount_tree(fs, root);
}

static u32 lowest(struct fs *fs, u32 id)
{
    while (mount_at(fs, id)->first)
        id = mount_at(fs, id)->first;
    return id;
}

// Each goes its own way, with its locked ones (MT3): those below come first.
void mount_umount_tree(struct fs *fs, u32 top)
{
    for (u32 id = top; id; id = mount_next(fs, id, top))
        mount_at(fs, id)->ns = 0;
    for (u32 id = lowest(fs, top), next; id != top; id = next) {
        const struct mount *m = mount_at(fs, id);
        next = m->next ? lowest(fs, m->next) : m->parent;
        if (!m->locked)
            mount_detach(fs, id);
    }
    mount_detach(fs, top);
}

// The same mount once more, at the same point of another parent.
static int copy_child(struct fs *fs, u32 child, u32 parent)
{
    struct mount_point at = {.mount = parent, .fd = -1};
    const struct mount *m = mount_at(fs, child);
    struct place root = {.mount = child, .fd = m->fd, .dev = m->dev, .ino = m->ino, .inode = m->inode, .node = m->node,
                         .dir = !m->file};
    u32 id;
    root.kind = m->fd >= 0 ? PLACE_HOST : m->inode ? PLACE_TMP : m->kind == MOUNT_PROC ? PLACE_PROC : PLACE_NODE;
    snprintf(root.rel, sizeof root.rel, "%s", m->base);
    int r = place_bind(fs, &root, &id);
    if (r)
        return r;
    m = mount_at(fs, child);
    at.on_root = m->on_root;
    at.dev = m->parent_dev;
    at.ino = m->parent_ino;
    at.name = m->name ? budget_strdup(fs->budget, m->name) : NULL;
    at.rel = m->rel ? budget_strdup(fs->budget, m->rel) : NULL;
    if ((m->name && !at.name) || (m->rel && !at.rel)) {
        r = -ENOMEM;
    } else if (m->parent_fd >= 0) {
        at.fd = host_dup(m->parent_fd);
        r = at.fd < 0 ? at.fd : 0;
    } else if (m->parent_inode) {
        at.inode = m->parent_inode;
        inode_get(fs, at.inode);
    }
    mount_at(fs, id)->unbindable = m->unbindable;
    mount_at(fs, child)->copy = id;
    if (r) {
        mount_point_clear(fs, &at);
        mount_put(fs, id);
        return r;
    }
    mount_attach(fs, id, &at);
    mount_at(fs, id)->locked = m->locked;
    return 0;
}

int mount_copy_tree(struct fs *fs, const struct place *place, enum mount_copy what, u32 *top)
{
    u32 source = place->mount;
    int r = place_bind(fs, place, top);
    if (r || what == MOUNT_COPY_ONE)
        return r;
    mount_at(fs, source)->copy = *top;
    for (u32 id = source; (id = mount_next(fs, id, source)) && r == 0;) {
        struct mount *m = mount_at(fs, id);
        u32 parent = mount_at(fs, m->parent)->copy;
        m->copy = 0;
        if (!parent || (m->parent == source && !place_holds(fs, place, id)) || (what == MOUNT_COPY_BIND && m->unbindable))
            continue;
        r = copy_child(fs, id, parent);
    }
    if (r)
        mount_umount_tree(fs, *top);
    return r;
}

// ---- a namespace of one's own --------------------------------------------------------------------

// The same file, found in the copy of its mount. *out 0: it is none that a path context has.
static int file_in(struct fs *fs, file_t from, u32 mount, file_t *out)
{
    const struct file *f = file_at(fs, from);
    char *path = f->path ? budget_strdup(fs->budget, f->path) : NULL;
    int fd = f->host_fd >= 0 ? host_dup(f->host_fd) : -1;
    int r = (f->path && !path) ? -ENOMEM : f->host_fd >= 0 && fd < 0 ? fd : file_new(fs, FILE_PATH, f->flags, out);
    if (r) {
        budget_free(path);
        host_close(fd);
        return r;
    }
    struct file *copy = file_at(fs, *out);
    f = file_at(fs, from);
    copy->flags = ABI_O_PATH | ABI_O_DIRECTORY;
    copy->host_fd = fd;
    copy->path = path;
    copy->object = f->kind == FILE_PATH || f->kind == FILE_DEV ? f->object : 0;
    copy->dev = f->dev;
    copy->ino = f->ino;
    copy->inode = f->inode;
    copy->name = f->name;
    name_get(fs, copy->name);
    if (copy->inode)
        inode_get(fs, copy->inode);
    file_set_mount(fs, copy, mount);
    return 0;
}

// The place of `id` in the copied tree; what lies in no copied mount stays where it is.
static int file_moved(struct fs *fs, file_t id, u32 old, file_t *out)
{
    const struct file *f = file_at(fs, id);
    u32 mount = f->mount && mount_at(fs, f->mount)->ns == old ? mount_at(fs, f->mount)->copy : 0;
    if (mount)
        return file_in(fs, id, mount, out);
    file_get(fs, id);
    *out = id;
    return 0;
}

// A directory to be a root or current one: where a mount begins.
static int root_file(struct fs *fs, u32 mount, file_t *out)
{
    struct abi_stat s;
    const struct mount *m = mount_at(fs, mount);
    if (m->inode)
        return tmp_open(fs, m->inode, 0, ABI_O_PATH, 0, mount, false, out);
    int fd = m->fd < 0 ? -EINVAL : host_dup(m->fd);
    int r = fd < 0 ? fd : host_fstat(fd, &s);
    if (r == 0)
        return file_adopt(fs, fd, &s, ABI_O_PATH | ABI_O_DIRECTORY, mount, out);
    host_close(fd);
    return r;
}

void fsctx_pivoted(struct fs *fs, struct fsctx *c, const u32 roots[2])
{
    const struct mount *m = mount_at(fs, roots[0]);
    file_t *slots[] = {&c->c->root, &c->c->cwd}, fresh;
    for (u32 i = 0; i < ARRAY_LEN(slots); i++) {
        const struct file *f = file_at(fs, *slots[i]);
        bool at = f->inode ? f->inode == m->inode : f->host_fd >= 0 && f->dev == m->dev && f->ino == m->ino;
        if (f->mount != roots[0] || !at || root_file(fs, roots[1], &fresh))
            continue;
        file_put(fs, *slots[i]);
        *slots[i] = fresh;
    }
}

int fsctx_enter_mounts(struct fs *fs, struct fsctx *c, u32 ns)
{
    file_t root;
    u32 old, top = ns ? mntns_root(fs, ns) : 0;
    while (top && mount_at(fs, top)->over)
        top = mount_at(fs, top)->over;
    int r = top ? fsctx_own(fs, c) : -EINVAL;
    if (r == 0)
        r = root_file(fs, top, &root);
    if (r)
        return r;
    old = c->c->ns;
    file_put(fs, c->c->root);
    file_put(fs, c->c->cwd);
    file_get(fs, root);
    c->c->root = c->c->cwd = root;
    c->c->ns = ns;
    mntns_get(fs, ns);
    mntns_put(fs, old);
    return 0;
}

int fsctx_unshare_mounts(struct fs *fs, struct fsctx *c)
{
    u32 old = c->c->ns, root = ((struct mntns *)pool_at(&fs->mntnses, old))->root, top, ns;
    const struct mount *m = mount_at(fs, root);
    struct place all = {.mount = root, .kind = m->inode ? PLACE_TMP : PLACE_HOST, .dir = true, .fd = m->fd,
                        .dev = m->dev, .ino = m->ino, .inode = m->inode};
    file_t cwd = 0, dir = 0;
    int r = fsctx_own(fs, c);
    if (r == 0)
        r = mount_copy_tree(fs, &all, MOUNT_COPY_NS, &top);
    if (r)
        return r;
    mount_at(fs, top)->main = mount_at(fs, root)->main;
    mount_at(fs, top)->whole = mount_at(fs, root)->whole;
    r = file_moved(fs, c->c->root, old, &dir);
    if (r == 0)
        r = file_moved(fs, c->c->cwd, old, &cwd);
    if (r == 0)
        r = mntns_new(fs, top, &ns);
    if (r) {
        file_put(fs, dir);
        file_put(fs, cwd);
        mount_umount_tree(fs, top);
        return r;
    }
    file_put(fs, c->c->root);
    file_put(fs, c->c->cwd);
    c->c->root = dir;
    c->c->cwd = cwd;
    c->c->ns = ns;
    mntns_put(fs, old);
    return 0;
}
