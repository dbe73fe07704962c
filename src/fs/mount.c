// Rows of the mount table, and the tree that they form.
#include "fs/mount.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/budget.h"
#include "base/forking.h"
#include "base/panic.h"
#include "fs/hostfds.h"
#include "fs/internal.h"
#include "fs/mount_call.h"
#include "fs/tmpfs.h"
#include "host/file.h"

// ---- life ----------------------------------------------------------------------------------------

int mount_new(struct fs *fs, enum mount_kind kind, u32 flags, const char *source, u32 *id)
{
    if (fs->mounts.live >= MOUNTS_MOST)
        return -ENOSPC;
    int r = pool_new(&fs->mounts, id);
    if (r)
        return r;
    struct mount *m = mount_at(fs, *id);
    *m = (struct mount){.kind = (u8)kind, .flags = flags & MOUNT_FLAGS, .refs = 1, .fd = -1, .parent_fd = -1,
                        .serial = ++fs->mount_serial, .stale = true};
    m->base = budget_strdup(fs->budget, "");
    m->source = budget_strdup(fs->budget, source);
    mount_update(fs, *id);
    if (m->base && m->source)
        return 0;
    mount_put(fs, *id);
    return -ENOMEM;
}

void mount_get(struct fs *fs, u32 id)
{
    if (!id)
        return;
    struct mount *m = mount_at(fs, id);
    m->refs++;
    m->expiring = false;
}

static void free_texts(struct mount *m)
{
    budget_free(m->base);
    budget_free(m->guest);
    budget_free(m->source);
    budget_free(m->name);
    budget_free(m->rel);
}

void mount_put(struct fs *fs, u32 id)
{
    if (!id)
        return;
    struct mount *m = mount_at(fs, id);
    ASSERT_THAT(m->refs, "MT1");
    if (--m->refs)
        return;
    while (m->first) // locked ones, that have stayed
        mount_detach(fs, m->first);
    fs_host_close(fs, m->fd);
    u32 inode = m->inode;
    free_texts(m);
    pool_free(&fs->mounts, id);
    if (inode)
        inode_put(fs, inode);
}

void file_set_mount(struct fs *fs, struct file *f, u32 mount)
{
    f->mount = mount;
    mount_get(fs, mount);
}

void mount_update(struct fs *fs, u32 id)
{
    struct mount *m = mount_at(fs, id);
    m->ro = m->sb_ro || m->flags & ABI_MS_RDONLY;
}

static void copy_mount(struct forking *f, void *object)
{
    struct mount *m = object;
    m->base = budget_dup(f, m->base);
    m->guest = budget_dup(f, m->guest);
    m->source = budget_dup(f, m->source);
    m->name = budget_dup(f, m->name);
    m->rel = budget_dup(f, m->rel);
    if (!hostfds_get(f, m->fd))
        m->fd = -1;
    if (!hostfds_get(f, m->parent_fd))
        m->parent_fd = -1;
}

static void drop_mount(void *fs, void *object)
{
    struct mount *m = object;
    fs_host_close(fs, m->fd);
    fs_host_close(fs, m->parent_fd);
    free_texts(m);
}

const struct pool_kind mounts_pool = {sizeof(struct mount), copy_mount, drop_mount};

// ---- the tree ------------------------------------------------------------------------------------

void mount_point_clear(struct fs *fs, struct mount_point *at)
{
    fs_host_close(fs, at->fd);
    if (at->inode)
        inode_put(fs, at->inode);
    budget_free(at->name);
    budget_free(at->rel);
    *at = (struct mount_point){.fd = -1};
}

// The names that a walk stops at, after some have gone; one too many until then is no harm.
static void names_anew(struct fs *fs)
{
    fs->mount_names = 0;
    for (u32 id = 0; (id = pool_next(&fs->mounts, id));) {
        const struct mount *m = mount_at(fs, id);
        if (m->name)
            fs->mount_names |= mount_name_bit(m->name, strlen(m->name));
    }
}

u32 mount_next(struct fs *fs, u32 id, u32 top)
{
    const struct mount *m = mount_at(fs, id);
    if (m->first)
        return m->first;
    for (; id != top; m = mount_at(fs, id)) {
        if (m->next)
            return m->next;
        id = m->parent;
    }
    return 0;
}

static void link_child(struct fs *fs, u32 parent, u32 id)
{
    struct mount *m = mount_at(fs, id), *p = mount_at(fs, parent);
    m->parent = parent;
    m->next = 0;
    m->prev = p->last;
    *(m->prev ? &mount_at(fs, m->prev)->next : &p->first) = id;
    p->last = id;
    if (m->on_root)
        p->over = id;
}

void mount_attach(struct fs *fs, u32 id, struct mount_point *at)
{
    struct mount *m = mount_at(fs, id);
    m->on_root = at->on_root;
    m->name = at->name;
    m->rel = at->rel;
    m->parent_fd = at->fd;
    m->parent_dev = at->dev;
    m->parent_ino = at->ino;
    m->parent_inode = at->inode;
    link_child(fs, at->mount, id);
    for (u32 n = id; n; n = mount_next(fs, n, id)) {
        mount_at(fs, n)->ns = mount_at(fs, at->mount)->ns;
        mount_at(fs, n)->stale = true;
    }
    if (m->name)
        fs->mount_names |= mount_name_bit(m->name, strlen(m->name));
    *at = (struct mount_point){.fd = -1};
}

void mount_take(struct fs *fs, u32 id, struct mount_point *was)
{
    struct mount *m = mount_at(fs, id);
    if (m->parent) {
        struct mount *p = mount_at(fs, m->parent);
        *(m->prev ? &mount_at(fs, m->prev)->next : &p->first) = m->next;
        *(m->next ? &mount_at(fs, m->next)->prev : &p->last) = m->prev;
        if (p->over == id)
            p->over = 0;
    }
    *was = (struct mount_point){.mount = m->parent, .on_root = m->on_root, .fd = m->parent_fd, .dev = m->parent_dev,
                                .ino = m->parent_ino, .inode = m->parent_inode, .name = m->name, .rel = m->rel};
    m->name = m->rel = NULL;
    m->parent = m->next = m->prev = m->parent_inode = m->ns = 0;
    m->parent_fd = -1;
    m->on_root = m->locked = false;
    for (u32 n = id; n; n = mount_next(fs, n, id))
        mount_at(fs, n)->stale = true;
}

void mount_detach(struct fs *fs, u32 id)
{
    struct mount_point was;
    mount_take(fs, id, &was);
    mount_point_clear(fs, &was);
    mount_put(fs, id);
}

bool mount_point_busy(struct fs *fs, int fd, u32 inode, const char *name, size_t len)
{
    struct abi_stat s = {0};
    if (!(fs->mount_names & mount_name_bit(name, len)) || (!inode && host_fstat(fd, &s)))
        return false;
    for (u32 id = 0; (id = pool_next(&fs->mounts, id));) {
        const struct mount *m = mount_at(fs, id);
        if (m->name && strlen(m->name) == len && !memcmp(m->name, name, len) && !m->rel &&
            m->parent_inode == inode && (inode || (m->parent_dev == s.st_dev && m->parent_ino == s.st_ino)))
            return true;
    }
    return false;
}

void mount_statfs(struct fs *fs, u32 id, struct abi_statfs *out)
{
    static const u32 flags[][2] = {{ABI_MS_NOSUID, ABI_ST_NOSUID}, {ABI_MS_NODEV, ABI_ST_NODEV},
                                   {ABI_MS_NOEXEC, ABI_ST_NOEXEC}, {ABI_MS_NOATIME, ABI_ST_NOATIME},
                                   {ABI_MS_NODIRATIME, ABI_ST_NODIRATIME}, {ABI_MS_RELATIME, ABI_ST_RELATIME},
                                   {ABI_MS_NOSYMFOLLOW, ABI_ST_NOSYMFOLLOW}};
    out->f_flags = ABI_ST_VALID | (mount_is_ro(fs, id) ? ABI_ST_RDONLY : 0);
    for (u32 i = 0; i < ARRAY_LEN(flags); i++)
        out->f_flags |= mount_has(fs, id, flags[i][0]) ? flags[i][1] : 0;
}

static bool is_root(struct fs *fs, const struct mount_file *at, const struct abi_statx *s)
{
    const struct mount *m = mount_at(fs, at->mount);
    if (at->inode || at->node)
        return at->inode ? at->inode == m->inode : at->node == m->node;
    if (at->rel)
        return m->kind == MOUNT_PROC && !strcmp(at->rel, m->base);
    return m->fd >= 0 && m->ino == s->stx_ino && m->dev == ABI_MAKEDEV((u64)s->stx_dev_major, s->stx_dev_minor);
}

void mount_statx(struct fs *fs, const struct mount_file *at, u32 mask, struct abi_statx *out)
{
    bool unique = mask & ABI_STATX_MNT_ID_UNIQUE;
    out->stx_mask &= ~(ABI_STATX_MNT_ID | ABI_STATX_MNT_ID_UNIQUE);
    out->stx_mnt_id = 0;
    out->stx_attributes &= ~(u64)ABI_STATX_ATTR_MOUNT_ROOT;
    if (!at->mount)
        return;
    out->stx_mask |= unique ? ABI_STATX_MNT_ID_UNIQUE : ABI_STATX_MNT_ID;
    out->stx_mnt_id = unique ? mount_unique(mount_at(fs, at->mount)) : at->mount;
    out->stx_attributes_mask |= ABI_STATX_ATTR_MOUNT_ROOT;
    if (is_root(fs, at, out))
        out->stx_attributes |= ABI_STATX_ATTR_MOUNT_ROOT;
}

static bool is_sys(const struct mount *m)
{
    return !strncmp(m->base, ".sys", 4);
}

bool mount_same_fs(struct fs *fs, u32 a, u32 b)
{
    const struct mount *m = mount_at(fs, a), *n = mount_at(fs, b);
    if (m->kind != n->kind)
        return false;
    switch (m->kind) {
    case MOUNT_HOST:
        return m->dev == n->dev;
    case MOUNT_TMP:
        return inode_at(fs, m->inode)->tmpfs == inode_at(fs, n->inode)->tmpfs;
    case MOUNT_PROC:
        return is_sys(m) == is_sys(n);
    default:
        return true;
    }
}

u32 tmp_mount(struct fs *fs, u32 tmpfs)
{
    const struct tmpfs *t = pool_at(&fs->tmpfses, tmpfs);
    for (u32 id = 0; t->root && (id = pool_next(&fs->mounts, id));)
        if (mount_at(fs, id)->inode == t->root && mount_at(fs, id)->ns)
            return id;
    return 0;
}

void mounts_changed(struct fs *fs)
{
    fs->mount_changes++;
    names_anew(fs);
    fs_wake(fs, CHAN(CHAN_MOUNTS, 0));
}

// ---- paths ---------------------------------------------------------------------------------------

// Whether its mount point lies in some directory below its parent's root, which may get another name.
static bool is_deep(struct fs *fs, const struct mount *m)
{
    const struct mount *p = m->parent ? mount_at(fs, m->parent) : NULL;
    if (!p || m->on_root || m->rel)
        return false;
    return m->parent_inode ? m->parent_inode != p->inode
                           : m->parent_fd >= 0 && (m->parent_dev != p->dev || m->parent_ino != p->ino);
}

void mounts_renamed(struct fs *fs)
{
    bool deep = false;
    for (u32 id = 0; !deep && (id = pool_next(&fs->mounts, id));)
        deep = is_deep(fs, mount_at(fs, id));
    for (u32 id = 0; deep && (id = pool_next(&fs->mounts, id));)
        mount_at(fs, id)->stale = true;
}

const char *mount_below(struct fs *fs, u32 mount, const char *rel)
{
    size_t n = strlen(mount_at(fs, mount)->base);
    return rel[n] == '/' && n ? rel + n + 1 : rel + n;
}

// The path of a mount whose parent's is known.
static int make_guest(struct fs *fs, struct mount *m)
{
    char up[ABI_PATH_MAX] = "", path[2 * ABI_PATH_MAX];
    const char *head = m->parent ? mount_at(fs, m->parent)->guest : "", *tail = m->name ? m->name : "";
    i64 n = 0;
    budget_free(m->guest);
    m->guest = NULL;
    if (!head)
        return -ENAMETOOLONG;
    if (m->rel)
        tail = mount_below(fs, m->parent, m->rel);
    else if (m->parent_inode)
        n = tmp_path(fs, m->parent, m->parent_inode, 0, up, sizeof up);
    else if (m->parent_fd >= 0)
        n = mount_path(fs, m->parent, m->parent_fd, up, sizeof up);
    if (n > 0)
        head = up[1] ? up : "";
    int len = snprintf(path, sizeof path, "%s%s%s", head, *tail ? "/" : "", tail);
    if (n < 0 || len >= ABI_PATH_MAX)
        return n < 0 ? (int)n : -ENAMETOOLONG;
    m->guest = budget_strdup(fs->budget, path);
    m->stale = !m->guest;
    return m->guest ? 0 : -ENOMEM;
}

const char *mount_guest(struct fs *fs, u32 id)
{
    struct mount *m = mount_at(fs, id);
    while (m->stale) { // the highest stale one first; each is made once
        struct mount *top = m;
        while (top->parent && mount_at(fs, top->parent)->stale)
            top = mount_at(fs, top->parent);
        top->stale = false;
        if (make_guest(fs, top) && top != m)
            return NULL;
    }
    return m->guest;
}

i64 mount_path(struct fs *fs, u32 mount, int fd, char *buf, size_t cap)
{
    struct mount *m = mount_at(fs, mount);
    char host[ABI_PATH_MAX], root[ABI_PATH_MAX];
    i64 n = host_fd_path(fd, host, sizeof(host));
    if (n < 0)
        return n;
    const char *tail = host, *guest = mount_guest(fs, mount);
    if (!guest)
        return -ENAMETOOLONG;
    if (!m->whole && host[0] == '/') {
        i64 nr = m->fd < 0 ? -ENOENT : host_fd_path(m->fd, root, sizeof(root));
        if (nr < 0)
            return nr;
        if (nr == 1) // the mount's root is the host's /
            nr = 0;
        if (n < nr || memcmp(host, root, (size_t)nr) || (host[nr] && host[nr] != '/'))
            return -ENOENT; // moved out of the mount
        tail = host + nr;
    }
    if (tail[0] == '/' && !tail[1])
        tail = "";
    int len = snprintf(buf, cap, "%s%s", tail[0] && tail[0] != '/' ? "" : guest, tail);
    if (len == 0)
        len = snprintf(buf, cap, "/");
    return len < 0 || (size_t)len >= cap ? -ENAMETOOLONG : len;
}
