// From a path to what it names (law L13).
//
// The walk holds a position (a mount and a directory in it) and the rest of the path. It opens as many
// components at once as lie in one mount and are neither `..` nor the name of a mount point: a
// stretch, one openat2 that may neither leave the directory nor follow a link. Only when the host
// answers that there is a link (-ELOOP) does it go on component by component up to that link, and
// puts the link's text in front of the rest.
//
// (W1) No host call ever follows a link or goes upwards on its own, but for `..` of up(), which is
//      checked.
// (W2) `rest` is at most sizeof(buf) - 1 bytes; links are counted for the whole walk.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/tmpfs.h"
#include "host/file.h"

#define LINKS_MAX 40
#define AS_DIR (ABI_O_PATH | ABI_O_DIRECTORY)
#define DONE 0 // what a step answers, or -E...
#define MORE 1

struct walker {
    struct fs *fs;
    struct fsctx *c; // NULL: the machine's own root
    u32 flags, oflags, mode;
    file_t dir; // where relative paths begin; with WALK_BENEATH or WALK_IN_ROOT nothing above it is reached
    u32 *links;
    struct found *out;
    u32 mount; // the position
    int fd;    // -1 in /proc (`rel` says where), in a tmpfs, and in a /dev that the host does not have
    u32 inode; // in a tmpfs
    bool own;  // fd is ours to close
    bool begun; // some of the path is behind us
    bool slow; // a link is near: one component at a time
    const char *rest;
    char buf[2 * ABI_PATH_MAX];
    char rel[ABI_PATH_MAX];
};

static void move(struct walker *w, u32 mount, int fd, bool own)
{
    if (w->own)
        host_close(w->fd);
    w->mount = mount;
    w->fd = fd;
    w->own = own;
    w->inode = 0;
}

static void move_to_inode(struct walker *w, u32 mount, u32 inode)
{
    move(w, mount, -1, false);
    w->inode = inode;
}

// To where the mount begins, or what is mounted on that.
static void move_to_root(struct walker *w, u32 mount)
{
    const struct mount *m = mount_at(w->fs, mount);
    while (unlikely(m->over != 0)) {
        mount = m->over;
        m = mount_at(w->fs, mount);
    }
    if (unlikely(m->expiring) && !(w->flags & WALK_QUIET))
        mount_at(w->fs, mount)->expiring = false;
    memcpy(w->rel, m->base, strlen(m->base) + 1);
    move(w, mount, m->fd, false);
    w->inode = m->inode;
}

// To where it is mounted: the directory that holds the name.
static void move_out_of(struct walker *w, const struct mount *m)
{
    if (m->rel) {
        memcpy(w->rel, m->rel, strlen(m->rel) + 1);
        char *slash = strrchr(w->rel, '/');
        *(slash ? slash : w->rel) = 0;
    } else if (mount_at(w->fs, m->parent)->kind == MOUNT_PROC) {
        memcpy(w->rel, mount_at(w->fs, m->parent)->base, strlen(mount_at(w->fs, m->parent)->base) + 1);
    }
    move(w, m->parent, m->parent_fd, false);
    w->inode = m->parent_inode;
}

static int move_to_file(struct walker *w, file_t id)
{
    struct file *f = file_at(w->fs, id);
    if (!f)
        return -EBADF;
    u32 kind = f->mount ? mount_at(w->fs, f->mount)->kind : MOUNT_HOST;
    if (f->kind == FILE_PROCDIR || (f->kind == FILE_PATH && kind == MOUNT_PROC)) {
        move(w, f->mount, -1, false);
        memmove(w->rel, f->path, strlen(f->path) + 1);
        return MORE;
    }
    if ((f->object == DEV_DIR || f->object == DEV_PTSDIR) && (f->kind == FILE_DEV || f->kind == FILE_PATH)) {
        move(w, f->mount, -1, false);
        return MORE;
    }
    if (f->inode && (f->kind == FILE_DIR || f->kind == FILE_PATH)) {
        move_to_inode(w, f->mount, f->inode);
        return MORE;
    }
    if ((f->kind != FILE_DIR && f->kind != FILE_PATH) || f->host_fd < 0)
        return -ENOTDIR;
    move(w, f->mount ? f->mount : 1, f->host_fd, false);
    return MORE;
}

static bool at_place(struct walker *w, u32 mount, u64 dev, u64 ino)
{
    struct abi_stat s;
    struct mount *m = mount_at(w->fs, mount);
    if (w->mount != mount || w->fd < 0)
        return false;
    if (w->fd == m->fd)
        return m->dev == dev && m->ino == ino;
    return host_fstat(w->fd, &s) == 0 && s.st_dev == dev && s.st_ino == ino;
}

static size_t component(const char *p)
{
    return strcspn(p, "/");
}

static const char *skip_slashes(const char *p)
{
    return p + strspn(p, "/");
}

// Nothing but slashes follows.
static bool is_last(const char *after)
{
    return !*skip_slashes(after);
}

static bool named(const char *row, const char *name, size_t len)
{
    return !strncmp(row, name, len) && !row[len];
}

// The mount whose mount point is `name` at the position, or 0.
static u32 crossing(struct walker *w, const char *name, size_t len)
{
    const struct mount *m;
    for (u32 id = mount_at(w->fs, w->mount)->first; id; id = m->next) {
        m = mount_at(w->fs, id);
        if (!m->name || !named(m->name, name, len))
            continue;
        if (m->parent_inode ? w->inode == m->parent_inode
            : m->parent_fd < 0 ? w->fd < 0
                             : w->fd == m->parent_fd ||
                                   at_place(w, m->parent, m->parent_dev, m->parent_ino))
            return id;
    }
    return 0;
}

// The same in /proc, where `rel` is what was walked to.
static u32 proc_crossing(struct walker *w)
{
    const struct mount *m;
    for (u32 id = mount_at(w->fs, w->mount)->first; id; id = m->next) {
        m = mount_at(w->fs, id);
        if (m->rel && !strcmp(m->rel, w->rel))
            return id;
    }
    return 0;
}

// Whether a stretch has to end before `name`, since it may be a mount point or a device of ours.
static bool special(struct fs *fs, u32 mount, const char *name, size_t len)
{
    if (fs->mount_names & mount_name_bit(name, len))
        return true;
    u8 kind = mount_at(fs, mount)->kind;
    return (kind == MOUNT_DEV && (dev_find(name, len) || dev_link(name, len))) ||
           (kind == MOUNT_PTS && pts_name_find(fs, name, len));
}

static bool at_root_of(struct walker *w, u32 mount)
{
    struct mount *m = mount_at(w->fs, mount);
    if (w->mount != mount)
        return false;
    return m->inode ? w->inode == m->inode : w->fd == m->fd || at_place(w, mount, m->dev, m->ino);
}

static bool at_our_root(struct walker *w)
{
    struct file *root = w->c ? file_at(w->fs, w->c->c->root) : NULL;
    if (!root)
        return at_root_of(w, mntns_root(w->fs, 1));
    if (root->inode)
        return w->inode == root->inode && w->mount == root->mount;
    return w->fd == root->host_fd || at_place(w, root->mount, root->dev, root->ino);
}

// Whether the mount's root is fd or above it: by its parents, one by one.
static bool below_root_of(const struct mount *m, int fd)
{
    struct abi_stat s, above;
    bool found = false;
    int at = host_openat(fd, ".", AS_DIR, 0);
    bool more = at >= 0 && host_fstat(at, &s) == 0;
    while (more && !(found = s.st_dev == m->dev && s.st_ino == m->ino)) {
        int parent = host_openat(at, "..", AS_DIR, 0);
        host_close(at);
        at = parent;
        more = at >= 0 && host_fstat(at, &above) == 0 && (above.st_dev != s.st_dev || above.st_ino != s.st_ino);
        s = above;
    }
    if (at >= 0)
        host_close(at);
    return found;
}

// Whether fd lies inside the mount; a directory that somebody moved out of it does not.
static bool inside(struct walker *w, int fd)
{
    char path[ABI_PATH_MAX];
    const struct mount *m = mount_at(w->fs, w->mount);
    i64 n = m->whole ? 1 : mount_path(w->fs, w->mount, fd, path, sizeof(path));
    return n == -ENAMETOOLONG ? below_root_of(m, fd) : n > 0;
}

// The position is the directory that openat2 was given.
static bool at_begin(struct walker *w)
{
    const struct file *f = file_at(w->fs, w->dir);
    if (!f || w->mount != (f->mount ? f->mount : 1))
        return false;
    if (f->inode || w->inode)
        return f->inode == w->inode;
    if (f->host_fd >= 0)
        return w->fd == f->host_fd || at_place(w, w->mount, f->dev, f->ino);
    return w->fd < 0 && (mount_at(w->fs, w->mount)->kind != MOUNT_PROC || !strcmp(w->rel, f->path));
}

// Upwards from a mount's root: through those that it is mounted on, as long as none is ours.
static int up_mount(struct walker *w)
{
    u32 from = w->mount;
    for (const struct mount *m = mount_at(w->fs, from); m->parent; m = mount_at(w->fs, m->parent)) {
        if (w->flags & WALK_NO_XDEV)
            return -EXDEV;
        if (!m->on_root) {
            move_out_of(w, m);
            return MORE;
        }
        const struct mount *below = mount_at(w->fs, m->parent);
        move(w, m->parent, below->fd, false);
        w->inode = below->inode;
        if (at_our_root(w))
            break;
    }
    move_to_root(w, from);
    return MORE;
}

static int up(struct walker *w)
{
    if (unlikely(w->flags & WALK_SCOPED) && at_begin(w))
        return w->flags & WALK_BENEATH ? -EXDEV : MORE;
    if (at_our_root(w))
        return MORE;
    if (at_root_of(w, w->mount))
        return up_mount(w);
    if (w->inode) {
        u32 parent = inode_at(w->fs, w->inode)->parent;
        int r = tmp_may(w->fs, w->inode, ABI_X_OK);
        if (!parent || !tmp_is_above(w->fs, mount_at(w->fs, w->mount)->inode, parent))
            return r ? r : -ENOENT; // moved out of the mount
        w->inode = parent;
        return r ? r : MORE;
    }
    int fd = host_openat(w->fd, "..", AS_DIR, 0);
    if (fd < 0)
        return fd;
    if (!inside(w, fd)) {
        host_close(fd);
        return -ENOENT;
    }
    move(w, w->mount, fd, true);
    return MORE;
}

// openat2, or the same by hand where the host lacks it.
static int open_stretch(struct fs *fs, int dir, const char *path, u32 flags, u32 mode)
{
    char name[ABI_NAME_MAX + 1], link[1];
    if (!fs->no_openat2) {
        int fd = -EAGAIN;
        for (int i = 0; fd == -EAGAIN && i < 8; i++)
            fd = host_openat2(dir, path, flags, mode);
        if (fd != -ENOSYS && fd != -EPERM)
            return fd;
        int probe = host_openat2(dir, ".", AS_DIR, 0);
        host_close(probe);
        if (probe >= 0)
            return fd; // it was about this file
        fs->no_openat2 = true;
    }
    int at = dir, fd = -ENOENT;
    for (const char *p = path; *p;) {
        size_t n = component(p);
        if (n > ABI_NAME_MAX)
            fd = -ENAMETOOLONG;
        memcpy(name, p, MIN(n, (size_t)ABI_NAME_MAX));
        name[MIN(n, (size_t)ABI_NAME_MAX)] = 0;
        p = skip_slashes(p + n);
        bool keep_link = (flags & (ABI_O_PATH | ABI_O_NOFOLLOW)) == (ABI_O_PATH | ABI_O_NOFOLLOW);
        if (n <= ABI_NAME_MAX) {
            if ((*p || !keep_link) && !(flags & ABI_O_EXCL && !*p) &&
                host_readlinkat(at, name, link, 1) >= 0)
                fd = -ELOOP;
            else
                fd = host_openat(at, name, *p ? AS_DIR | ABI_O_NOFOLLOW : flags | ABI_O_NOFOLLOW, mode);
        }
        if (at != dir)
            host_close(at);
        if (fd < 0)
            return fd;
        at = fd;
    }
    return fd;
}

// A stretch from a mount's own root has the name that it was asked for by: it holds no link, no dots.
static void note_name(struct walker *w, const char *path)
{
    struct mount *m = mount_at(w->fs, w->mount);
    const char *guest = w->fd == m->fd ? mount_guest(w->fs, w->mount) : NULL;
    size_t head = guest ? strlen(guest) : 0, n = strlen(path);
    if (!guest || head + n + 2 > sizeof w->out->rel)
        return;
    memcpy(w->out->rel, guest, head);
    w->out->rel[head] = '/';
    memcpy(w->out->rel + head + 1, path, n + 1);
    w->out->named = true;
}

// Opens the last stretch with the flags asked for.
static int open_last(struct walker *w, const char *path, bool must_dir)
{
    u32 flags = w->oflags;
    bool ro = mount_at(w->fs, w->mount)->ro;
    if (must_dir && (flags & ABI_O_CREAT))
        return -EISDIR;
    if (must_dir)
        flags |= ABI_O_DIRECTORY;
    else if (w->flags & WALK_NOFOLLOW)
        flags |= ABI_O_NOFOLLOW;
    if (ro && !(flags & ABI_O_PATH)) {
        if ((flags & ABI_O_ACCMODE) != ABI_O_RDONLY || (flags & ABI_O_TRUNC))
            flags = ABI_O_PATH | (flags & (ABI_O_NOFOLLOW | ABI_O_DIRECTORY));
        flags &= ~ABI_O_CREAT;
    }
    int fd = open_stretch(w->fs, w->fd, path, flags, w->mode);
    if (fd >= 0 && (flags & ABI_O_PATH) && !(w->oflags & ABI_O_PATH)) {
        host_close(fd); // it exists, and would have been written
        return -EROFS;
    }
    if (fd == -ENOENT && ro && (w->oflags & ABI_O_CREAT))
        return -EROFS;
    if (fd < 0)
        return fd;
    w->out->kind = FOUND_HOST;
    w->out->mount = w->mount;
    w->out->fd = fd;
    if (w->flags & WALK_NAME)
        note_name(w, path);
    return DONE;
}

// A tmpfs's inode is what was asked for: whether its mount lets it be opened that way.
static int ends_in(struct walker *w, u32 inode, bool must_dir)
{
    bool path = w->oflags & ABI_O_PATH, dir = inode_is(w->fs, inode, ABI_S_IFDIR);
    bool writes = (w->oflags & ABI_O_ACCMODE) != ABI_O_RDONLY || w->oflags & ABI_O_TRUNC;
    if (must_dir && !dir)
        return -ENOTDIR;
    if (path)
        return DONE;
    if ((w->oflags & (ABI_O_CREAT | ABI_O_EXCL)) == (ABI_O_CREAT | ABI_O_EXCL))
        return -EEXIST;
    if (dir && w->oflags & ABI_O_CREAT && !(w->oflags & ABI_O_DIRECTORY))
        return -EISDIR;
    return writes && mount_at(w->fs, w->mount)->ro ? -EROFS : DONE;
}

// The position itself is what was asked for.
static int finish_here(struct walker *w)
{
    struct found *out = w->out;
    const struct mount *m = mount_at(w->fs, w->mount);
    u32 flags = w->oflags & ~ABI_O_NOFOLLOW;
    out->mount = w->mount;
    if (w->inode) { // what may be done with it, tmp_open says
        out->kind = FOUND_TMP;
        out->inode = w->inode;
        out->name = 0;
        return ends_in(w, w->inode, false);
    }
    if ((w->oflags & ABI_O_CREAT) && !(w->oflags & ABI_O_PATH) && (!m->file || w->oflags & ABI_O_EXCL))
        return w->oflags & ABI_O_EXCL ? -EEXIST : -EISDIR;
    if (m->file)
        flags &= ~ABI_O_CREAT;
    if (w->fd < 0) {
        out->kind = FOUND_DEV;
        out->dev = m->node;
        return DONE;
    }
    if (m->ro && !(flags & ABI_O_PATH) &&
        ((flags & ABI_O_ACCMODE) != ABI_O_RDONLY || (flags & ABI_O_TRUNC)))
        return -EROFS;
    int fd = host_openat(w->fd, ".", flags, w->mode);
    if (fd == -ENOTDIR && !(flags & ABI_O_DIRECTORY)) // a bind of a file
        fd = host_reopen(w->fd, flags);
    if (fd < 0 && fd == -EACCES && (flags & ABI_O_PATH))
        fd = host_dup(w->fd); // a directory without search permission still names itself
    if (fd < 0)
        return fd;
    out->kind = FOUND_HOST;
    out->fd = fd;
    return DONE;
}

static int run(struct walker *w);

// Restarts at the root: first under the prefix (-L), as if that were all there is.
static int restart(struct walker *w)
{
    for (;;) { // `..` of the root is the root
        w->rest = skip_slashes(w->rest);
        size_t n = component(w->rest);
        if (!named(".", w->rest, n) && !named("..", w->rest, n))
            break;
        if (!n)
            break;
        w->rest += n;
    }
    struct file *root = w->c ? file_at(w->fs, w->c->c->root) : NULL;
    u32 base = root ? root->mount : mntns_root(w->fs, 1);
    const struct mount *m = mount_at(w->fs, base);
    if (unlikely(w->flags & (WALK_SCOPED | WALK_NO_XDEV))) {
        if (w->flags & WALK_BENEATH || (w->flags & WALK_NO_XDEV && w->begun && w->mount != base))
            return -EXDEV;
        if (w->flags & WALK_IN_ROOT)
            return move_to_file(w, w->dir);
    }
    bool machine_root = m->main && (!root || (root->dev == m->dev && root->ino == m->ino));
    move(w, base, m->fd, false);
    w->inode = m->inode;
    if (machine_root && w->fs->prefix_fd >= 0 && !(w->flags & WALK_PLAIN) && *w->rest &&
        !crossing(w, w->rest, component(w->rest))) {
        struct walker *sub = mem_alloc(sizeof(*sub));
        if (!sub)
            return -ENOMEM;
        memcpy(sub, w, offsetof(struct walker, buf));
        memcpy(sub->buf, w->rest, strlen(w->rest) + 1);
        sub->rest = sub->buf;
        sub->oflags &= ~(ABI_O_CREAT | ABI_O_EXCL);
        move(sub, base, w->fs->prefix_fd, false);
        int r = run(sub);
        move(sub, base, -1, false);
        mem_free(sub);
        if (r == DONE && (w->oflags & ABI_O_CREAT) && (w->oflags & ABI_O_EXCL)) {
            found_clear(w->out);
            return -EEXIST;
        }
        if (r != -ENOENT && r != -ENOTDIR)
            return r;
    }
    return machine_root || !root ? MORE : move_to_file(w, w->c->c->root);
}

// A link's text takes the place of the component that ends at `after`.
static int follow(struct walker *w, const char *text, size_t n, const char *after)
{
    char whole[2 * ABI_PATH_MAX];
    size_t left = strlen(after);
    if (++*w->links > LINKS_MAX || w->flags & WALK_NO_LINKS || mount_has(w->fs, w->mount, ABI_MS_NOSYMFOLLOW))
        return -ELOOP;
    if (!n)
        return -ENOENT;
    if (n + left >= sizeof(whole))
        return -ENAMETOOLONG;
    memcpy(whole, text, n);
    memcpy(whole + n, after, left + 1); // `after` is empty or begins with a slash
    memcpy(w->buf, whole, n + left + 1);
    w->rest = w->buf;
    w->slow = false;
    w->begun = true;
    return w->buf[0] == '/' ? restart(w) : MORE;
}

static int one_component(struct walker *w)
{
    char name[ABI_NAME_MAX + 1], link[ABI_PATH_MAX];
    size_t len = component(w->rest);
    const char *after = w->rest + len;
    bool last = is_last(after), must_dir = last && *after;
    if (len > ABI_NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(name, w->rest, len);
    name[len] = 0;
    i64 n = host_readlinkat(w->fd, name, link, sizeof(link));
    if (n == sizeof(link))
        return -ENAMETOOLONG;
    if (n >= 0 && !(last && !must_dir && (w->flags & WALK_NOFOLLOW)))
        return follow(w, link, (size_t)n, after);
    if (n < 0 && n != -EINVAL && !(n == -ENOENT && last))
        return (int)n;
    if (last)
        return open_last(w, name, must_dir);
    int fd = open_stretch(w->fs, w->fd, name, AS_DIR, 0);
    if (fd < 0)
        return fd;
    move(w, w->mount, fd, true);
    w->rest = after;
    return MORE;
}

static int stretch(struct walker *w)
{
    char path[2 * ABI_PATH_MAX];
    size_t used = 0;
    const char *p = w->rest, *after = p;
    for (; *p; p = skip_slashes(after)) {
        size_t len = component(p);
        if (p != w->rest && (named("..", p, len) || special(w->fs, w->mount, p, len)))
            break;
        if (len > ABI_NAME_MAX)
            return -ENAMETOOLONG;
        after = p + len;
        if (named(".", p, len))
            continue;
        if (used)
            path[used++] = '/';
        memcpy(path + used, p, len);
        used += len;
    }
    path[used] = 0;
    if (used >= ABI_PATH_MAX) {
        w->slow = true;
        return MORE;
    }
    if (!*p) {
        // "a/." and "a/" both want a directory
        bool must_dir = *after || (after[-1] == '.' && after - 1 > w->rest && after[-2] == '/');
        int r = open_last(w, path, must_dir);
        if (r != -ELOOP)
            return r;
        w->slow = true;
        return MORE;
    }
    int fd = open_stretch(w->fs, w->fd, path, AS_DIR, 0);
    // The host looks for a directory before it minds the link: ask again, one by one.
    if (fd == -ELOOP || fd == -ENOTDIR) {
        w->slow = true;
        return MORE;
    }
    if (fd < 0)
        return fd;
    move(w, w->mount, fd, true);
    w->rest = p;
    return MORE;
}

// In the machine's own part of /dev.
static int device(struct walker *w, size_t len)
{
    const char *after = w->rest + len;
    bool last = is_last(after);
    const char *text = mount_at(w->fs, w->mount)->kind == MOUNT_DEV ? dev_link(w->rest, len) : NULL;
    if (text && !(last && !*after && (w->flags & WALK_NOFOLLOW)))
        return follow(w, text, strlen(text), after);
    if (*after)
        return -ENOTDIR;
    struct found *out = w->out;
    out->kind = FOUND_DEV;
    out->mount = w->mount;
    out->dev = mount_at(w->fs, w->mount)->kind == MOUNT_PTS ? pts_name_find(w->fs, w->rest, len)
                                                            : dev_find(w->rest, len);
    out->link = text != NULL;
    if (text)
        memcpy(out->rel, text, strlen(text) + 1);
    return DONE;
}

// Into a mount whose mount point ends at `after`.
static int enter(struct walker *w, u32 to, const char *after)
{
    if (w->flags & WALK_NO_XDEV)
        return -EXDEV;
    w->rest = after;
    move_to_root(w, to);
    return MORE;
}

static void cut_last(char *rel)
{
    char *slash = strrchr(rel, '/');
    *(slash ? slash : rel) = 0;
}

static int proc_link(struct walker *w, const char *after)
{
    char text[ABI_PATH_MAX];
    bool last = is_last(after);
    const struct proc_ops *ops = w->fs->proc;
    struct found *out = w->out;
    int ns = ops->ns ? ops->ns(w->fs->proc_arg, w->rel, &out->type, &out->mounts, out->rel) : 0;
    i64 file = ops->file && !ns ? ops->file(w->fs->proc_arg, w->rel) : ns < 0 ? ns : 0;
    if (file < 0)
        return (int)file;
    size_t len = strlen(w->rel);
    bool magic = file > 0 || ns || (len > 4 && !strcmp(w->rel + len - 4, "/exe"));
    u32 mount = file > 0 ? file_at(w->fs, (file_t)file)->mount : ns ? 0 : w->mount;
    if (magic && w->flags & (WALK_NO_MAGIC | WALK_NO_LINKS))
        return -ELOOP;
    if (magic && (w->flags & WALK_SCOPED || (w->flags & WALK_NO_XDEV && mount != w->mount)))
        return -EXDEV;
    if (ns) {
        out->kind = FOUND_NS;
        out->mount = 0;
        return *after ? -ENOTDIR : DONE;
    }
    if (file > 0 && last) {
        out->kind = FOUND_FILE;
        out->file = (file_t)file;
        out->mount = mount;
        return DONE;
    }
    if (file > 0) {
        if (++*w->links > LINKS_MAX)
            return -ELOOP;
        w->rest = after;
        return move_to_file(w, (file_t)file);
    }
    i64 n = ops->readlink(w->fs->proc_arg, w->rel, text, sizeof(text));
    if (n < 0)
        return (int)n;
    cut_last(w->rel);
    return follow(w, text, (size_t)n, after);
}

static int proc_component(struct walker *w)
{
    size_t len = component(w->rest), used = strlen(w->rel);
    const char *after = w->rest + len;
    bool last = is_last(after);
    u32 mode;
    if (named(".", w->rest, len)) {
        w->rest = after;
        return MORE;
    }
    if (named("..", w->rest, len)) {
        w->rest = after;
        if (w->flags & WALK_SCOPED && at_begin(w))
            return w->flags & WALK_BENEATH ? -EXDEV : MORE;
        if (!strcmp(w->rel, mount_at(w->fs, w->mount)->base))
            return up_mount(w);
        cut_last(w->rel);
        return MORE;
    }
    if (used + len + 2 > sizeof(w->rel))
        return -ENAMETOOLONG;
    if (used)
        w->rel[used++] = '/';
    memcpy(w->rel + used, w->rest, len);
    w->rel[used + len] = 0;
    int kind = proc_kind(w->fs, w->rel, &mode);
    if (kind < 0)
        return kind;
    u32 to = mount_at(w->fs, w->mount)->first ? proc_crossing(w) : 0;
    if (to)
        return enter(w, to, after);
    if (kind == PROC_FILE && *after)
        return -ENOTDIR;
    if (kind == PROC_LINK && !(last && !*after && (w->flags & WALK_NOFOLLOW)))
        return proc_link(w, after);
    w->rest = after;
    return MORE;
}

// In a file system of the machine's own.
static int tmp_component(struct walker *w, size_t len)
{
    const char *after = w->rest + len;
    bool last = is_last(after), must_dir = last && *after, made = false;
    u32 name = 0;
    int r = tmp_look(w->fs, w->inode, w->rest, len, &name);
    if (r == -ENOENT && last && w->oflags & ABI_O_CREAT && !(w->oflags & ABI_O_PATH)) {
        if (must_dir || mount_at(w->fs, w->mount)->ro)
            return must_dir ? -EISDIR : -EROFS;
        r = tmp_make(w->fs, w->inode, w->rest, len, ABI_S_IFREG | w->mode, 0, NULL, &name);
        made = r == 0;
    }
    if (r)
        return r;
    u32 inode = tmp_named(w->fs, name);
    if (inode_is(w->fs, inode, ABI_S_IFLNK) && !(last && !*after && w->flags & WALK_NOFOLLOW)) {
        const char *text = inode_at(w->fs, inode)->text;
        return follow(w, text, strlen(text), after);
    }
    if (!last) {
        if (!inode_is(w->fs, inode, ABI_S_IFDIR))
            return -ENOTDIR;
        w->inode = inode;
        w->rest = after;
        return MORE;
    }
    w->out->kind = FOUND_TMP;
    w->out->mount = w->mount;
    w->out->inode = inode;
    w->out->name = name;
    w->out->made = made;
    return made ? DONE : ends_in(w, inode, must_dir);
}

static int step(struct walker *w)
{
    struct mount *m = mount_at(w->fs, w->mount);
    w->rest = skip_slashes(w->rest);
    if (m->kind == MOUNT_PROC) {
        if (*w->rest)
            return proc_component(w);
        w->out->kind = FOUND_PROC;
        w->out->mount = w->mount;
        memcpy(w->out->rel, w->rel, strlen(w->rel) + 1);
        return DONE;
    }
    if (!*w->rest)
        return finish_here(w);
    size_t len = component(w->rest);
    if (named(".", w->rest, len)) {
        w->rest += len;
        return MORE;
    }
    if (named("..", w->rest, len)) {
        w->rest += len;
        return up(w);
    }
    if (special(w->fs, w->mount, w->rest, len)) {
        u32 to = crossing(w, w->rest, len);
        if (to)
            return enter(w, to, w->rest + len);
        if (m->kind == MOUNT_DEV && at_root_of(w, w->mount) &&
            (dev_find(w->rest, len) || dev_link(w->rest, len)))
            return device(w, len);
        if (m->kind == MOUNT_PTS && at_root_of(w, w->mount) && pts_name_find(w->fs, w->rest, len))
            return device(w, len);
    }
    if (w->inode)
        return tmp_component(w, len);
    if (w->fd < 0 || m->file)
        return m->file ? -ENOTDIR : -ENOENT;
    return w->slow ? one_component(w) : stretch(w);
}

static int run(struct walker *w)
{
    int r;
    do
        r = step(w);
    while (r == MORE);
    return r;
}

int walk(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 flags, u32 oflags,
         u32 mode, struct found *out)
{
    u32 links = 0;
    size_t n = strlen(path);
    out->kind = 0;
    out->fd = -1;
    out->link = out->named = out->made = false;
    if (n >= ABI_PATH_MAX)
        return -ENAMETOOLONG;
    if (!n) {
        if (!(flags & WALK_EMPTY))
            return -ENOENT;
        out->kind = FOUND_FILE;
        out->file = dir ? dir : c->c->cwd;
        struct file *f = file_at(fs, out->file);
        out->mount = f ? f->mount : 0;
        return f ? 0 : -EBADF;
    }
    struct walker w;
    w.fs = fs;
    w.c = c;
    w.flags = flags;
    w.oflags = oflags;
    w.mode = mode;
    w.links = &links;
    w.out = out;
    w.mount = 1;
    w.fd = -1;
    w.inode = 0;
    w.dir = dir ? dir : c ? c->c->cwd : 0;
    w.own = w.slow = w.begun = false;
    w.rel[0] = 0;
    w.rest = w.buf;
    memcpy(w.buf, path, n + 1);
    int r = path[0] == '/' ? restart(&w) : move_to_file(&w, w.dir);
    if (r == MORE)
        r = run(&w);
    move(&w, 1, -1, false);
    return r;
}

int walk_stat1(struct fs *fs, struct fsctx *c, file_t dir, const char *name, bool nofollow,
               struct abi_stat *out)
{
    size_t n = strlen(name);
    struct file *f = file_at(fs, dir ? dir : c->c->cwd);
    u32 mount = f && f->mount ? f->mount : 1;
    if (!n || n > ABI_NAME_MAX || strchr(name, '/') || named(".", name, n) || named("..", name, n))
        return -EAGAIN;
    if (!f || (f->kind != FILE_DIR && f->kind != FILE_PATH) || f->host_fd < 0 || special(fs, mount, name, n))
        return -EAGAIN;
    int r = host_fstatat(f->host_fd, name, out);
    if (r)
        return r;
    if ((out->st_mode & ABI_S_IFMT) == ABI_S_IFLNK && !nofollow)
        return -EAGAIN;
    for (u32 i = 0; i < MIN(fs->nseen, 8u); i++)
        if (fs->seen_dev[i] == out->st_dev)
            return 0;
    return ABI_MAJOR(out->st_dev) ? 0 : -EAGAIN;
}

u32 found_inode(struct fs *fs, const struct found *f)
{
    return f->kind == FOUND_TMP ? f->inode : f->kind == FOUND_FILE ? file_at(fs, f->file)->inode : 0;
}

u32 found_name(struct fs *fs, const struct found *f)
{
    return f->kind == FOUND_TMP ? f->name : f->kind == FOUND_FILE ? file_at(fs, f->file)->name : 0;
}

void found_clear(struct found *f)
{
    host_close(f->fd);
    f->fd = -1;
}
