// What mount(2) is about: the place that a path leads to, whatever kind of file system it lies in, and where
// something is mounted if it is mounted there.
#include <errno.h>
#include <string.h>

#include "base/budget.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/tmpfs.h"
#include "host/file.h"

#define AS_DIR (ABI_O_PATH | ABI_O_DIRECTORY)

void place_clear(struct fs *fs, struct place *p)
{
    host_close(p->fd);
    if (p->inode)
        inode_put(fs, p->inode);
    p->fd = -1;
    p->inode = 0;
}

static int of_fd(struct place *p, int fd)
{
    struct abi_stat s;
    p->kind = PLACE_HOST;
    p->fd = fd;
    int r = fd < 0 ? fd : host_fstat(fd, &s);
    if (r)
        return r;
    p->dev = s.st_dev;
    p->ino = s.st_ino;
    p->dir = (s.st_mode & ABI_S_IFMT) == ABI_S_IFDIR;
    return 0;
}

static int of_inode(struct fs *fs, struct place *p, u32 inode)
{
    p->kind = PLACE_TMP;
    p->inode = inode;
    p->dir = inode_is(fs, inode, ABI_S_IFDIR);
    inode_get(fs, inode);
    return 0;
}

static int of_rel(struct fs *fs, struct place *p, const char *rel)
{
    u32 mode;
    p->kind = PLACE_PROC;
    p->dir = proc_kind(fs, rel, &mode) == PROC_DIR;
    memcpy(p->rel, rel, strlen(rel) + 1);
    return 0;
}

static int of_node(struct place *p, u32 node)
{
    p->kind = PLACE_NODE;
    p->node = node;
    p->dir = node == DEV_DIR || node == DEV_PTSDIR;
    return 0;
}

static int of_file(struct fs *fs, struct place *p, file_t id)
{
    const struct file *f = file_at(fs, id);
    if (!f)
        return -EBADF;
    if (!f->mount || f->how & (FILE_INHERITED | FILE_TWIN)) // what came with the process lies in no mount
        return -EINVAL;
    p->mount = f->mount;
    p->name = f->name;
    if (f->inode)
        return of_inode(fs, p, f->inode);
    if (f->host_fd >= 0 && (f->kind == FILE_HOST || f->kind == FILE_DIR || f->kind == FILE_PATH || f->kind == FILE_PIPE))
        return of_fd(p, host_reopen(f->host_fd, ABI_O_PATH));
    if (f->kind == FILE_PROC || f->kind == FILE_PROCDIR || (f->kind == FILE_PATH && !f->object))
        return of_rel(fs, p, f->path);
    return (f->kind == FILE_DEV || f->kind == FILE_PATH) && f->object ? of_node(p, f->object) : -EINVAL;
}

int place_find(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 flags, struct place *out)
{
    struct found at;
    *out = (struct place){.fd = -1};
    int r = walk(fs, c, dir, path, flags | (dir ? WALK_EMPTY : 0) | WALK_PLAIN, ABI_O_PATH, 0, &at);
    if (r)
        return r;
    out->mount = at.mount;
    out->name = at.kind == FOUND_TMP ? at.name : 0;
    r = at.kind == FOUND_HOST  ? of_fd(out, at.fd)
        : at.kind == FOUND_TMP ? of_inode(fs, out, at.inode)
        : at.kind == FOUND_PROC ? of_rel(fs, out, at.rel)
        : at.kind == FOUND_DEV ? of_node(out, at.link ? 0 : at.dev)
        : at.kind == FOUND_NS  ? -EINVAL
                               : of_file(fs, out, at.file);
    if (r == 0 && !out->mount)
        r = -EINVAL;
    if (r)
        place_clear(fs, out);
    return r;
}

bool place_is_root(struct fs *fs, const struct place *p)
{
    const struct mount *m = mount_at(fs, p->mount);
    switch (p->kind) {
    case PLACE_HOST:
        return m->fd >= 0 && m->dev == p->dev && m->ino == p->ino;
    case PLACE_TMP:
        return m->inode == p->inode;
    case PLACE_PROC:
        return m->kind == MOUNT_PROC && !strcmp(m->base, p->rel);
    default:
        return m->node && m->node == p->node;
    }
}

u32 mount_on(struct fs *fs, const struct mount_point *at)
{
    const struct mount *m = mount_at(fs, at->mount);
    u32 id = at->on_root ? m->over : m->first;
    for (; id && !at->on_root; id = m->next) {
        m = mount_at(fs, id);
        if (at->rel ? m->rel && !strcmp(m->rel, at->rel)
                    : m->name && !strcmp(m->name, at->name) && m->parent_inode == at->inode && m->parent_dev == at->dev &&
                          m->parent_ino == at->ino)
            break;
    }
    return id;
}

// A walk has come to the top already; a descriptor may be of what lay there before.
int place_top(struct fs *fs, struct place *p)
{
    struct mount_point at;
    if (!mount_at(fs, p->mount)->first || place_point(fs, p, &at))
        return 0;
    u32 top = mount_on(fs, &at);
    mount_point_clear(fs, &at);
    if (!top)
        return 0;
    while (mount_at(fs, top)->over)
        top = mount_at(fs, top)->over;
    place_clear(fs, p);
    return place_root(fs, top, p);
}

int place_root(struct fs *fs, u32 mount, struct place *p)
{
    const struct mount *m = mount_at(fs, mount);
    *p = (struct place){.mount = mount, .fd = -1};
    if (m->fd >= 0)
        return of_fd(p, host_dup(m->fd));
    return m->inode ? of_inode(fs, p, m->inode) : m->kind == MOUNT_PROC ? of_rel(fs, p, m->base) : of_node(p, m->node);
}

// The directory of a host file by its path below the mount's root: the host says it, and it is checked.
static int host_point(struct fs *fs, const struct place *p, struct mount_point *out, const char **name, char *path)
{
    const struct mount *m = mount_at(fs, p->mount);
    char root[ABI_PATH_MAX];
    struct abi_stat s;
    i64 n = host_fd_path(p->fd, path, ABI_PATH_MAX), nr = m->fd < 0 ? -EINVAL : host_fd_path(m->fd, root, sizeof root);
    if (n < 0 || nr < 0)
        return (int)(n < 0 ? n : nr);
    if (nr == 1)
        nr = 0;
    char *slash = strrchr(path, '/');
    if (n <= nr || memcmp(path, root, (size_t)nr) || path[nr] != '/' || !slash[1] || strlen(slash + 1) > ABI_NAME_MAX)
        return -ENOENT;
    *name = slash + 1;
    *slash = 0;
    out->fd = path + nr < slash ? host_openat2(m->fd, path + nr + 1, AS_DIR, 0) : host_dup(m->fd);
    if (out->fd == -ENOSYS || out->fd == -EPERM)
        out->fd = host_openat(HOST_CWD, path, AS_DIR, 0);
    if (out->fd < 0)
        return out->fd == -EAGAIN ? -ENOENT : out->fd;
    int r = host_fstatat(out->fd, *name, &s);
    if (r == 0 && (s.st_dev != p->dev || s.st_ino != p->ino))
        r = -ENOENT;
    if (r == 0)
        r = host_fstat(out->fd, &s);
    out->dev = s.st_dev;
    out->ino = s.st_ino;
    return r;
}

int place_point(struct fs *fs, const struct place *p, struct mount_point *out)
{
    char room[DEV_NAME_ROOM], path[ABI_PATH_MAX];
    const struct mount *m = mount_at(fs, p->mount);
    const char *text = NULL;
    int r = 0;
    *out = (struct mount_point){.mount = p->mount, .fd = -1};
    if (place_is_root(fs, p)) {
        out->on_root = true;
    } else if (p->kind == PLACE_HOST) {
        r = host_point(fs, p, out, &text, path);
    } else if (p->kind == PLACE_TMP) {
        u32 name = p->name && tmp_named(fs, p->name) == p->inode ? p->name : inode_at(fs, p->inode)->names;
        const struct name *n = name ? pool_at(&fs->names, name) : NULL;
        if (!n)
            return -ENOENT;
        text = n->text;
        out->inode = n->dir;
        inode_get(fs, n->dir);
    } else if (p->kind == PLACE_PROC) {
        out->rel = budget_strdup(fs->budget, p->rel);
        r = out->rel ? 0 : -ENOMEM;
    } else if (p->node && (m->kind == MOUNT_DEV || m->kind == MOUNT_PTS)) {
        text = dev_name(p->node, room);
        out->dev = m->dev;
        out->ino = m->ino;
        out->fd = m->fd < 0 ? -1 : host_dup(m->fd);
        r = out->fd < 0 && m->fd >= 0 ? out->fd : 0;
    } else {
        r = -EINVAL;
    }
    if (r == 0 && text && !(out->name = budget_strdup(fs->budget, text)))
        r = -ENOMEM;
    if (r)
        mount_point_clear(fs, out);
    return r;
}

bool place_holds(struct fs *fs, const struct place *p, u32 child)
{
    const struct mount *c = mount_at(fs, child);
    char path[ABI_PATH_MAX], above[ABI_PATH_MAX];
    if (place_is_root(fs, p))
        return true;
    if (!p->dir || c->on_root)
        return false;
    if (p->kind == PLACE_PROC) {
        size_t n = strlen(p->rel);
        return c->rel && !strncmp(c->rel, p->rel, n) && c->rel[n] == '/';
    }
    if (p->kind == PLACE_TMP) {
        u32 up = c->parent_inode;
        while (up && up != p->inode && inode_at(fs, up)->parent != up)
            up = inode_at(fs, up)->parent;
        return up && up == p->inode;
    }
    if (p->kind != PLACE_HOST || c->parent_fd < 0)
        return false;
    i64 n = host_fd_path(p->fd, above, sizeof above);
    if (n < 0 || host_fd_path(c->parent_fd, path, sizeof path) < 0)
        return true; // what cannot be told may be hidden by it
    return !memcmp(path, above, (size_t)n) && (!path[n] || path[n] == '/');
}

int place_open(struct fs *fs, const struct place *p, file_t *out)
{
    struct abi_stat s;
    if (p->kind == PLACE_TMP)
        return tmp_open(fs, p->inode, p->name, ABI_O_PATH, 0, p->mount, false, out);
    if (p->kind == PLACE_PROC)
        return proc_open(fs, p->rel, ABI_O_PATH, p->mount, out);
    if (p->kind == PLACE_NODE)
        return dev_open(fs, p->node, ABI_O_PATH, p->mount, out);
    int fd = host_dup(p->fd), r = fd < 0 ? fd : host_fstat(fd, &s);
    if (r == 0)
        return file_adopt(fs, fd, &s, ABI_O_PATH, p->mount, out);
    host_close(fd);
    return r;
}

int place_bind(struct fs *fs, const struct place *p, u32 *id)
{
    const struct mount *from = mount_at(fs, p->mount);
    bool root = place_is_root(fs, p);
    static const u8 kinds[] = {[PLACE_HOST] = MOUNT_HOST, [PLACE_TMP] = MOUNT_TMP, [PLACE_PROC] = MOUNT_PROC,
                               [PLACE_NODE] = MOUNT_NODE};
    u32 kind = root ? from->kind : kinds[p->kind];
    int r = mount_new(fs, kind, from->flags, from->source, id);
    if (r)
        return r;
    struct mount *m = mount_at(fs, *id);
    from = mount_at(fs, p->mount);
    m->sb_ro = from->sb_ro && kind != MOUNT_NODE;
    m->locked_ro = from->locked_ro;
    m->node = root ? from->node : p->node;
    m->file = !p->dir;
    m->dev = p->dev;
    m->ino = p->ino;
    mount_update(fs, *id);
    if (p->kind == PLACE_HOST) {
        m->fd = host_dup(p->fd);
        r = m->fd < 0 ? m->fd : 0;
    } else if (p->kind == PLACE_TMP) {
        m->inode = p->inode;
        inode_get(fs, p->inode);
    } else if (p->kind == PLACE_PROC) {
        budget_free(m->base);
        m->base = budget_strdup(fs->budget, p->rel);
        r = m->base ? 0 : -ENOMEM;
    }
    if (r)
        mount_put(fs, *id);
    return r;
}
