// The calls that change a directory: the walk goes to the directory that holds the last name, and
// the host does the rest there. No last name is ever followed.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/tmpfs.h"
#include "host/file.h"

struct parent {
    u32 mount;
    int fd;    // the directory (O_PATH), ours; or ...
    u32 inode; // ... in a tmpfs
    u32 len;   // of the name without a slash
    bool dots; // the name is ".", ".." or the path names a root
    bool busy; // the name is a mount point or a device of ours
    bool synthetic; // -EACCES, since the directory is no directory of the host
    char name[ABI_NAME_MAX + 2]; // with one slash behind it if the path had any
};

static bool is_mount_point(struct fs *fs, u32 mount, const struct parent *p, size_t len)
{
    const char *name = p->name;
    const struct mount *own = mount_at(fs, mount);
    struct abi_stat s;
    if (mount_point_busy(fs, p->fd, p->inode, name, len))
        return true;
    return own->kind == MOUNT_DEV && !p->inode && host_fstat(p->fd, &s) == 0 && own->dev == s.st_dev && own->ino == s.st_ino &&
           (dev_find(name, len) || dev_link(name, len));
}

// Answers 0 with p->fd to close, or -E...
static int find_parent(struct fs *fs, struct fsctx *c, file_t dir, const char *path, struct parent *p)
{
    char up[ABI_PATH_MAX + 2];
    struct found at;
    size_t end = strlen(path);
    p->fd = -1;
    p->inode = 0;
    p->synthetic = false;
    if (!end)
        return -ENOENT;
    if (end >= ABI_PATH_MAX)
        return -ENAMETOOLONG;
    bool slash = path[end - 1] == '/';
    while (end && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start && path[start - 1] != '/')
        start--;
    size_t len = end - start;
    if (len > ABI_NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(p->name, path + start, len);
    memcpy(p->name + len, slash ? "/" : "", slash ? 2 : 1);
    p->len = (u32)len;
    p->dots = !len || (len == 1 && p->name[0] == '.') || (len == 2 && !memcmp(p->name, "..", 2));
    snprintf(up, sizeof(up), "%.*s%s", (int)start, path, start ? "" : ".");
    int r = walk(fs, c, dir, up, WALK_PLAIN, ABI_O_PATH | ABI_O_DIRECTORY, 0, &at);
    if (r)
        return r;
    p->mount = at.mount;
    p->fd = at.fd;
    p->inode = found_inode(fs, &at);
    if (p->inode) {
        p->mount = at.kind == FOUND_FILE ? file_at(fs, at.file)->mount : at.mount;
        p->busy = !p->dots && is_mount_point(fs, p->mount, p, len);
        return inode_is(fs, p->inode, ABI_S_IFDIR) ? 0 : -ENOTDIR;
    }
    if (at.kind == FOUND_FILE) {
        struct file *f = file_at(fs, at.file);
        if (f->host_fd < 0 || (f->kind != FILE_DIR && f->kind != FILE_PATH))
            return -ENOTDIR;
        p->mount = f->mount;
        p->fd = host_dup(f->host_fd);
    } else if (at.kind != FOUND_HOST) {
        p->synthetic = true;
        return -EACCES; // /proc and a synthetic /dev
    }
    if (p->fd < 0)
        return p->fd;
    p->busy = !p->dots && is_mount_point(fs, p->mount, p, len);
    return 0;
}

static void parent_clear(struct parent *p)
{
    host_close(p->fd);
}

// For what makes a new name.
static int find_new(struct fs *fs, struct fsctx *c, file_t dir, const char *path, struct parent *p)
{
    struct abi_stat s;
    u32 name;
    int r = find_parent(fs, c, dir, path, p);
    if (r == 0 && (p->dots || p->busy))
        r = -EEXIST;
    if (r == 0 && mount_at(fs, p->mount)->ro && p->inode)
        r = tmp_look(fs, p->inode, p->name, p->len, &name) == 0 ? -EEXIST : -EROFS;
    else if (r == 0 && mount_at(fs, p->mount)->ro)
        r = host_fstatat(p->fd, p->name, &s) == 0 ? -EEXIST : -EROFS;
    if (r)
        parent_clear(p);
    return r;
}

// In a tmpfs; the slash behind a name is for directories.
static int make(struct fs *fs, const struct parent *p, u32 mode, u64 rdev, const char *text)
{
    u32 name;
    if (p->name[p->len] && (mode & ABI_S_IFMT) != ABI_S_IFDIR)
        return tmp_look(fs, p->inode, p->name, p->len, &name) == 0 ? -EEXIST : -ENOENT;
    return tmp_make(fs, p->inode, p->name, p->len, mode, rdev, text, &name);
}

int path_mkdir(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 mode)
{
    struct parent p;
    int r = find_new(fs, c, dir, path, &p);
    if (r)
        return r;
    mode &= 01777 & ~c->c->umask;
    r = p.inode ? make(fs, &p, ABI_S_IFDIR | mode, 0, NULL) : host_mkdirat(p.fd, p.name, mode);
    parent_clear(&p);
    return r;
}

int path_mknod(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 mode, u64 rdev)
{
    struct parent p;
    u32 type = mode & ABI_S_IFMT;
    int r = find_new(fs, c, dir, path, &p);
    if (r)
        return r;
    // A device node is a way to the host's devices; in memory it leads to the machine's own, if anywhere.
    bool device = type == ABI_S_IFBLK || (type == ABI_S_IFCHR && rdev);
    if (device && (p.inode ? !tmp_may_mknod(fs) : !fs->whole))
        r = -EPERM;
    else if (p.inode)
        r = make(fs, &p, mode & ~c->c->umask, rdev, NULL);
    else
        r = host_mknodat(p.fd, p.name, mode & ~c->c->umask, rdev);
    parent_clear(&p);
    return r;
}

int path_symlink(struct fs *fs, struct fsctx *c, const char *target, file_t dir, const char *path)
{
    struct parent p;
    if (!*target)
        return -ENOENT;
    int r = find_new(fs, c, dir, path, &p);
    if (r)
        return r;
    r = p.inode ? make(fs, &p, ABI_S_IFLNK | 0777, 0, target) : host_symlinkat(target, p.fd, p.name);
    parent_clear(&p);
    return r;
}

// unlink("name/") is good for nothing.
static int unlink_slashed(struct fs *fs, const struct parent *p)
{
    u32 name;
    int r = tmp_look(fs, p->inode, p->name, p->len, &name);
    return r ? r : inode_is(fs, tmp_named(fs, name), ABI_S_IFDIR) ? -EISDIR : -ENOTDIR;
}

int path_unlink(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 flags)
{
    struct parent p;
    bool is_dir = flags & ABI_AT_REMOVEDIR;
    if (flags & ~ABI_AT_REMOVEDIR)
        return -EINVAL;
    int r = find_parent(fs, c, dir, path, &p);
    if (r == 0 && p.dots)
        r = !is_dir ? -EISDIR : !p.name[0] || p.name[0] == '/' ? -EBUSY
            : p.name[1] == '.' ? -ENOTEMPTY : -EINVAL;
    else if (r == 0 && p.busy)
        r = -EBUSY;
    else if (r == 0 && mount_at(fs, p.mount)->ro)
        r = -EROFS;
    if (r == 0 && p.inode && p.name[p.len] && !is_dir)
        r = unlink_slashed(fs, &p);
    else if (r == 0)
        r = p.inode ? tmp_unlink(fs, p.inode, p.name, p.len, is_dir) : host_unlinkat(p.fd, p.name, is_dir);
    parent_clear(&p);
    return r;
}

int path_rename(struct fs *fs, struct fsctx *c, file_t dir1, const char *path1, file_t dir2,
                const char *path2, u32 flags)
{
    struct parent a, b = {.fd = -1};
    int r = find_parent(fs, c, dir1, path1, &a);
    if (r == 0)
        r = find_parent(fs, c, dir2, path2, &b);
    if (r == 0 && a.mount != b.mount)
        r = -EXDEV;
    if (r == 0 && (a.dots || b.dots || a.busy || b.busy))
        r = -EBUSY;
    if (r == 0 && mount_at(fs, a.mount)->ro)
        r = -EROFS;
    if (r == 0 && a.inode)
        r = tmp_rename(fs, a.inode, a.name, a.len, b.inode, b.name, b.len, flags, a.name[a.len] || b.name[b.len]);
    else if (r == 0)
        r = host_renameat(a.fd, a.name, b.fd, b.name, flags);
    if (r == 0)
        mounts_renamed(fs);
    parent_clear(&a);
    parent_clear(&b);
    return r;
}

// The old name is followed, or is a descriptor: link what it stands for.
static int link_found(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 flags,
                      struct parent *to)
{
    struct found at;
    u32 wflags = (flags & ABI_AT_SYMLINK_FOLLOW ? 0 : WALK_NOFOLLOW) |
                 (flags & ABI_AT_EMPTY_PATH ? WALK_EMPTY : 0);
    int r = walk(fs, c, dir, path, wflags, ABI_O_PATH, 0, &at);
    if (r)
        return r;
    struct file *f = at.kind == FOUND_FILE ? file_at(fs, at.file) : NULL;
    u32 mount = f ? f->mount : at.mount;
    int fd = f ? f->host_fd : at.fd;
    u32 inode = found_inode(fs, &at);
    if (inode)
        r = mount == to->mount && to->inode ? tmp_link(fs, to->inode, to->name, to->len, inode) : -EXDEV;
    else
        r = fd < 0 || mount != to->mount ? -EXDEV : host_link_fd(fd, to->fd, to->name);
    found_clear(&at);
    return r;
}

static int link_name(struct fs *fs, const struct parent *from, const struct parent *to)
{
    u32 name;
    int r = tmp_look(fs, from->inode, from->name, from->len, &name);
    u32 inode = r ? 0 : tmp_named(fs, name);
    if (r == 0 && (from->name[from->len] || to->name[to->len]))
        r = inode_is(fs, inode, ABI_S_IFDIR) ? -EPERM : from->name[from->len] ? -ENOTDIR : -ENOENT;
    return r ? r : tmp_link(fs, to->inode, to->name, to->len, inode);
}

int path_link(struct fs *fs, struct fsctx *c, file_t dir1, const char *path1, file_t dir2,
              const char *path2, u32 flags)
{
    struct parent a = {.fd = -1}, b;
    if (flags & ~(ABI_AT_SYMLINK_FOLLOW | ABI_AT_EMPTY_PATH))
        return -EINVAL;
    int r = find_new(fs, c, dir2, path2, &b);
    if (r)
        return r;
    if ((flags & ABI_AT_SYMLINK_FOLLOW) || !*path1) {
        r = link_found(fs, c, dir1, path1, flags, &b);
    } else {
        r = find_parent(fs, c, dir1, path1, &a);
        if (r == -EACCES && a.synthetic)
            r = -EXDEV;
        if (r == 0)
            r = a.dots ? -EPERM : a.busy || a.mount != b.mount ? -EXDEV
                : a.inode ? link_name(fs, &a, &b) : host_linkat(a.fd, a.name, b.fd, b.name);
    }
    parent_clear(&a);
    parent_clear(&b);
    return r;
}
