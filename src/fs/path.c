// The calls that take a path and look at, or open, what it names. Those that change a directory are
// in names.c.
#include "fs/path.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "abi/tty.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/tmpfs.h"
#include "host/file.h"

static u32 walk_flags(u32 at_flags)
{
    return (at_flags & ABI_AT_SYMLINK_NOFOLLOW ? WALK_NOFOLLOW : 0) |
           (at_flags & ABI_AT_EMPTY_PATH ? WALK_EMPTY : 0);
}

static int find(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 at_flags,
                struct found *out)
{
    return walk(fs, c, dir, path, walk_flags(at_flags), ABI_O_PATH, 0, out);
}

// What open asks of the host: all host files are opened non-blocking, and append and the like are kept
// by us.
static u32 host_oflags(u32 oflags)
{
    if (oflags & ABI_O_PATH)
        return oflags & (ABI_O_PATH | ABI_O_DIRECTORY);
    if (oflags & ABI_O_ACCMODE)
        oflags &= ~ABI_O_TRUNC; // once it is known that the file may be written: opened_for_writing
    return (oflags & (ABI_O_ACCMODE | ABI_O_CREAT | ABI_O_EXCL | ABI_O_TRUNC | ABI_O_SYNC |
                      ABI_O_NOATIME | ABI_O_TMPFILE)) |
           ABI_O_NOCTTY | ABI_O_NONBLOCK;
}

// What is left to do when a regular file was opened with these flags.
static int opened_for_writing(struct fs *fs, int fd, struct abi_stat *s, u32 oflags)
{
    if (!(oflags & ABI_O_ACCMODE) || oflags & ABI_O_PATH || (s->st_mode & ABI_S_IFMT) != ABI_S_IFREG)
        return 0;
    if (fs->executing && fs->executing(fs->executing_arg, s->st_dev, s->st_ino))
        return -ETXTBSY;
    // Who just made a file has not changed it: its set-user-ID bits stay.
    bool made = oflags & ABI_O_CREAT && !s->st_size && s->st_mode & (ABI_S_ISUID | ABI_S_ISGID);
    if (!(oflags & ABI_O_TRUNC) || made)
        return 0;
    int r = host_ftruncate(fd, 0);
    return r ? r : host_fstat(fd, s);
}

// What the mount says: devices may not be opened there, or nothing that is written to.
static int mount_allows(struct fs *fs, const struct found *at, u32 oflags)
{
    struct abi_stat s;
    bool writes = (oflags & ABI_O_ACCMODE) != ABI_O_RDONLY;
    if (oflags & ABI_O_PATH || at->kind == FOUND_FILE)
        return 0;
    if (at->kind == FOUND_PROC)
        return writes && mount_is_ro(fs, at->mount) ? -EROFS : 0;
    if (!mount_has(fs, at->mount, ABI_MS_NODEV))
        return 0;
    s.st_mode = at->kind == FOUND_TMP ? inode_at(fs, at->inode)->mode
                : at->kind == FOUND_DEV ? at->dev == DEV_DIR || at->dev == DEV_PTSDIR ? ABI_S_IFDIR : ABI_S_IFCHR : 0;
    int r = at->kind == FOUND_HOST ? host_fstat(at->fd, &s) : 0;
    u32 type = s.st_mode & ABI_S_IFMT;
    return r ? r : type == ABI_S_IFCHR || type == ABI_S_IFBLK ? -EACCES : 0;
}

static int open_found(struct fs *fs, struct found *at, u32 oflags, u32 mode, bool nofollow, file_t *out)
{
    struct abi_stat s;
    u32 proc_mode;
    int r = mount_allows(fs, at, oflags);
    if (r) {
        found_clear(at);
        return r;
    }
    switch (at->kind) {
    case FOUND_HOST:
        r = host_fstat(at->fd, &s);
        if (r == 0)
            r = opened_for_writing(fs, at->fd, &s, oflags);
        if (r) {
            found_clear(at);
            return r;
        }
        if ((oflags & ABI_O_TRUNC) && fs->written && !(oflags & ABI_O_PATH))
            fs->written(fs->written_arg, s.st_dev, s.st_ino, 0, ~(u64)0);
        return file_adopt(fs, at->fd, &s, oflags, at->mount, out);
    case FOUND_PROC:
        if (nofollow && !(oflags & ABI_O_PATH) && proc_kind(fs, at->rel, &proc_mode) == PROC_LINK)
            return oflags & ABI_O_EXCL ? -EEXIST : -ELOOP;
        return proc_open(fs, at->rel, oflags, at->mount, out);
    case FOUND_TMP:
        return tmp_open(fs, at->inode, at->name, oflags, mode, at->mount, at->made, out);
    case FOUND_NS:
        return ns_open(fs, at->type, at->mounts, at->rel, oflags, out);
    case FOUND_DEV:
        if (at->link)
            return oflags & ABI_O_EXCL ? -EEXIST : -ELOOP;
        return dev_open(fs, at->dev, oflags, at->mount, out);
    default:
        return file_reopen(fs, at->file, oflags, out);
    }
}

static u32 resolve_flags(u32 resolve)
{
    static const u32 flags[][2] = {{ABI_RESOLVE_NO_XDEV, WALK_NO_XDEV}, {ABI_RESOLVE_NO_MAGICLINKS, WALK_NO_MAGIC},
                                   {ABI_RESOLVE_NO_SYMLINKS, WALK_NO_LINKS}, {ABI_RESOLVE_BENEATH, WALK_BENEATH},
                                   {ABI_RESOLVE_IN_ROOT, WALK_IN_ROOT}};
    u32 to = 0;
    for (u32 i = 0; i < ARRAY_LEN(flags); i++)
        to |= resolve & flags[i][0] ? flags[i][1] : 0;
    return to;
}

int path_open(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 oflags, u32 mode,
              file_t *out)
{
    return path_open_resolve(fs, c, dir, path, oflags, mode, 0, out);
}

int path_open_resolve(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 oflags, u32 mode,
                      u32 resolve, file_t *out)
{
    struct found at;
    *out = 0;
    if (oflags & ABI_O_PATH)
        oflags &= ABI_O_PATH | ABI_O_DIRECTORY | ABI_O_NOFOLLOW;
    else
        oflags |= ABI_O_LARGEFILE;
    bool excl = (oflags & (ABI_O_CREAT | ABI_O_EXCL)) == (ABI_O_CREAT | ABI_O_EXCL);
    bool nofollow = (oflags & ABI_O_NOFOLLOW) || excl;
    u32 hflags = host_oflags(oflags), wflags = (nofollow ? WALK_NOFOLLOW : 0) | resolve_flags(resolve);
    mode &= 07777 & ~c->c->umask;
    int r = walk(fs, c, dir, path, wflags, hflags, mode, &at);
    if (r == -ENXIO && (oflags & ABI_O_ACCMODE) == ABI_O_WRONLY) {
        // A FIFO without a reader among the host's processes: ours are to be looked at.
        struct abi_stat s;
        r = walk(fs, c, dir, path, wflags, ABI_O_PATH, 0, &at);
        if (r == 0 && at.kind == FOUND_HOST) {
            r = host_fstat(at.fd, &s);
            if (r == 0 && (s.st_mode & ABI_S_IFMT) == ABI_S_IFIFO)
                return fifo_open(fs, at.fd, &s, oflags, at.mount, out);
            found_clear(&at);
        }
        r = -ENXIO;
    }
    return r ? r : open_found(fs, &at, oflags, mode, nofollow, out);
}

static int stat_found(struct fs *fs, struct found *at, struct abi_stat *out)
{
    int r;
    switch (at->kind) {
    case FOUND_HOST:
        r = host_fstat(at->fd, out);
        return r ? r : fs_guard(fs, at->fd, out->st_dev);
    case FOUND_PROC:
        return proc_stat(fs, at->rel, out);
    case FOUND_DEV:
        dev_stat(fs, at->link ? DEV_DIR : at->dev, out);
        if (at->link) {
            out->st_mode = ABI_S_IFLNK | 0777;
            out->st_size = (i64)strlen(at->rel);
        }
        return 0;
    case FOUND_TMP:
        tmp_stat(fs, at->inode, out);
        return 0;
    case FOUND_NS:
        ns_stat(at->rel, out);
        stat_time(fs, out);
        return 0;
    default:
        return file_stat(fs, at->file, out);
    }
}

int path_stat(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 flags,
              struct abi_stat *out)
{
    struct found at;
    int r = walk_stat1(fs, c, dir, path, flags & ABI_AT_SYMLINK_NOFOLLOW, out);
    if (r != -EAGAIN)
        return r;
    r = find(fs, c, dir, path, flags, &at);
    if (r == 0)
        r = stat_found(fs, &at, out);
    found_clear(&at);
    return r;
}

int path_statx(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 flags, u32 mask,
               struct abi_statx *out)
{
    struct found at;
    struct abi_stat s;
    int r = find(fs, c, dir, path, flags, &at);
    if (r)
        return r;
    struct mount_file where = {.mount = at.mount, .inode = found_inode(fs, &at),
                               .node = at.kind == FOUND_DEV && !at.link ? at.dev : 0,
                               .rel = at.kind == FOUND_PROC || at.kind == FOUND_DEV ? at.rel : NULL};
    if (at.kind == FOUND_FILE) {
        r = file_statx(fs, at.file, flags, mask, out);
    } else if (at.kind == FOUND_HOST) {
        memset(out, 0, sizeof(*out));
        r = host_statx(at.fd, flags & 0x6000u, mask, out); // AT_STATX_SYNC_TYPE
        if (r == 0)
            r = fs_guard(fs, at.fd, ABI_MAKEDEV(out->stx_dev_major, out->stx_dev_minor));
    } else {
        r = stat_found(fs, &at, &s);
        if (r == 0)
            statx_of(&s, out);
    }
    if (r == 0 && at.kind != FOUND_FILE)
        mount_statx(fs, &where, mask, out);
    found_clear(&at);
    return r;
}

// What a mode of 9 bits allows the owner, as synthetic files are everybody's own.
static int allowed(u32 st_mode, u32 want)
{
    u32 has = st_mode >> 6 & 7;
    return (has & want) == want ? 0 : -EACCES;
}

int path_access(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 mode, u32 flags)
{
    struct found at;
    struct abi_stat s;
    if (mode & ~7u)
        return -EINVAL;
    int r = find(fs, c, dir, path, flags, &at);
    if (r)
        return r;
    struct file *f = at.kind == FOUND_FILE ? file_at(fs, at.file) : NULL;
    int fd = f ? f->host_fd : at.fd;
    u32 inode = found_inode(fs, &at);
    bool noexec = mode & ABI_X_OK && mount_has(fs, at.mount, ABI_MS_NOEXEC) && stat_found(fs, &at, &s) == 0 &&
                  (s.st_mode & ABI_S_IFMT) == ABI_S_IFREG;
    if (noexec) {
        r = -EACCES;
    } else if (inode) {
        r = (mode & ABI_W_OK) && mount_is_ro(fs, at.mount) ? -EROFS : mode ? tmp_may(fs, inode, mode) : 0;
    } else if (at.kind == FOUND_HOST || (f && fd >= 0)) {
        if ((mode & ABI_W_OK) && mount_is_ro(fs, at.mount))
            r = -EROFS;
        else if (mode)
            r = host_access(fd, mode, flags & ABI_AT_EACCESS);
    } else {
        r = stat_found(fs, &at, &s);
        if (r == 0)
            r = allowed(s.st_mode, mode);
    }
    found_clear(&at);
    return r;
}

i64 path_readlink(struct fs *fs, struct fsctx *c, file_t dir, const char *path, char *buf, size_t cap)
{
    struct found at;
    u32 mode;
    i64 n = walk(fs, c, dir, path, WALK_NOFOLLOW | (dir ? WALK_EMPTY : 0), ABI_O_PATH, 0, &at);
    if (n < 0)
        return n;
    struct file *f = at.kind == FOUND_FILE ? file_at(fs, at.file) : NULL;
    u32 inode = found_inode(fs, &at);
    if (inode) {
        const char *text = inode_at(fs, inode)->text;
        if (!inode_is(fs, inode, ABI_S_IFLNK))
            return f && f->kind == FILE_PATH ? -ENOENT : -EINVAL;
        n = (i64)MIN(strlen(text), cap);
        memcpy(buf, text, (size_t)n);
        return n;
    }
    if (at.kind == FOUND_PROC || (f && f->kind == FILE_PATH && f->host_fd < 0 && !f->object)) {
        const char *rel = f ? f->path : at.rel;
        n = proc_kind(fs, rel, &mode);
        if (n >= 0)
            n = n == PROC_LINK ? fs->proc->readlink(fs->proc_arg, rel, buf, cap) : -EINVAL;
    } else if (at.kind == FOUND_DEV && at.link) {
        n = (i64)MIN(strlen(at.rel), cap);
        memcpy(buf, at.rel, (size_t)n);
    } else if (at.kind == FOUND_HOST || (f && f->kind == FILE_PATH && f->host_fd >= 0)) {
        n = host_readlinkat(f ? f->host_fd : at.fd, "", buf, cap);
        if (n == -ENOENT)
            n = f ? -ENOENT : -EINVAL; // the host's word for "no link" when the name is empty
    } else {
        n = -EINVAL;
    }
    found_clear(&at);
    return n;
}

// For what changes an inode: its descriptor (borrowed from `at` or its file), or 0 where found_inode tells it;
// -EROFS, or -EPERM for what is neither.
static int changeable(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 flags,
                      struct found *at)
{
    struct abi_stat s;
    int r = find(fs, c, dir, path, flags, at);
    if (r)
        return r;
    struct file *f = at->kind == FOUND_FILE ? file_at(fs, at->file) : NULL;
    int fd = f ? f->host_fd : at->fd;
    if (mount_is_ro(fs, at->mount))
        r = -EROFS;
    else if (found_inode(fs, at))
        return 0;
    else if (fd < 0)
        r = -EPERM;
    else if ((r = host_fstat(fd, &s)) == 0)
        r = fs_guard(fs, fd, s.st_dev);
    if (r)
        found_clear(at);
    return r ? r : fd;
}

int path_chmod(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 mode, u32 flags)
{
    struct found at;
    int fd = changeable(fs, c, dir, path, flags, &at);
    if (fd < 0)
        return fd;
    u32 inode = found_inode(fs, &at);
    int r = inode ? tmp_chmod(fs, inode, found_name(fs, &at), mode) : host_chmod(fd, mode & 07777);
    found_clear(&at);
    return r;
}

int path_chown(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 uid, u32 gid, u32 flags)
{
    struct found at;
    int fd = changeable(fs, c, dir, path, flags, &at);
    if (fd < 0)
        return fd;
    u32 inode = found_inode(fs, &at);
    int r = inode ? tmp_chown(fs, inode, found_name(fs, &at), uid, gid) : host_chown(fd, uid, gid);
    found_clear(&at);
    return r;
}

int path_utimens(struct fs *fs, struct fsctx *c, file_t dir, const char *path,
                 const struct abi_timespec *times, u32 flags)
{
    struct found at;
    int fd = changeable(fs, c, dir, path, flags, &at);
    if (fd < 0)
        return fd;
    u32 inode = found_inode(fs, &at);
    int r = inode ? tmp_utimens(fs, inode, found_name(fs, &at), times) : host_utimens(fd, times);
    found_clear(&at);
    return r;
}

int path_statfs(struct fs *fs, struct fsctx *c, const char *path, struct abi_statfs *out)
{
    struct found at;
    int r = find(fs, c, 0, path, 0, &at);
    if (r)
        return r;
    if (at.kind == FOUND_FILE) {
        r = file_statfs(fs, at.file, out);
    } else if (at.kind == FOUND_HOST) {
        r = host_fstatfs(at.fd, out);
    } else if (at.kind == FOUND_TMP) {
        tmp_statfs(fs, at.inode, out);
    } else {
        *out = (struct abi_statfs){.f_bsize = 4096, .f_frsize = 4096, .f_namelen = ABI_NAME_MAX};
        out->f_type = at.kind == FOUND_PROC && *mount_at(fs, at.mount)->base ? ABI_SYSFS_MAGIC
                      : at.kind == FOUND_PROC                ? ABI_PROC_SUPER_MAGIC
                      : at.kind == FOUND_NS                  ? ABI_NSFS_MAGIC
                      : mount_at(fs, at.mount)->kind == MOUNT_PTS ? ABI_DEVPTS_SUPER_MAGIC
                                                                  : ABI_TMPFS_MAGIC;
    }
    if (r == 0 && at.kind != FOUND_FILE)
        mount_statfs(fs, at.mount, out);
    found_clear(&at);
    return r;
}

// Without an open, of which somebody would be told.
static int truncate_in_memory(struct fs *fs, const struct found *at, u64 size)
{
    u32 inode = found_inode(fs, at), mount = at->kind == FOUND_FILE ? file_at(fs, at->file)->mount : at->mount;
    if (mount && mount_at(fs, mount)->ro)
        return -EROFS;
    int r = tmp_may(fs, inode, ABI_W_OK);
    if (r == 0 && fs->memory->executing(fs->memory_arg, inode_at(fs, inode)->memory))
        r = -ETXTBSY;
    return r ? r : tmp_truncate(fs, inode, found_name(fs, at), size);
}

int path_truncate(struct fs *fs, struct fsctx *c, const char *path, i64 size)
{
    file_t f;
    struct found at;
    struct abi_stat s = {0};
    if (size < 0)
        return -EINVAL;
    int r = find(fs, c, 0, path, 0, &at);
    if (r)
        return r;
    r = stat_found(fs, &at, &s);
    u32 type = s.st_mode & ABI_S_IFMT;
    if (r == 0 && type != ABI_S_IFREG)
        r = type == ABI_S_IFDIR ? -EISDIR : -EINVAL;
    bool in_memory = r == 0 && found_inode(fs, &at);
    if (in_memory)
        r = truncate_in_memory(fs, &at, (u64)size);
    found_clear(&at);
    if (r || in_memory)
        return r;
    r = path_open(fs, c, 0, path, ABI_O_WRONLY, 0, &f);
    if (r)
        return r;
    r = file_truncate(fs, f, size);
    file_put(fs, f);
    return r;
}

static i64 found_path(struct fs *fs, struct found *at, char *buf, size_t cap)
{
    char room[DEV_NAME_ROOM];
    const char *head = mount_guest(fs, at->mount ? at->mount : 1), *tail = at->rel;
    if (at->kind == FOUND_HOST)
        return mount_path(fs, at->mount, at->fd, buf, cap);
    if (at->kind == FOUND_FILE)
        return file_path(fs, at->file, buf, cap);
    if (at->kind == FOUND_TMP)
        return tmp_path(fs, at->mount, at->inode, at->name, buf, cap);
    if (!head)
        return -ENAMETOOLONG;
    if (at->kind == FOUND_NS)
        head = "";
    else if (at->kind == FOUND_DEV)
        tail = mount_at(fs, at->mount)->kind == MOUNT_NODE ? "" : dev_name(at->dev, room);
    else
        tail = mount_below(fs, at->mount, tail);
    size_t nh = strlen(head), nt = strlen(tail);
    if (nh + nt + 2 > cap)
        return -ENAMETOOLONG;
    memcpy(buf, head, nh);
    if (nt && at->kind != FOUND_NS)
        buf[nh++] = '/';
    memcpy(buf + nh, tail, nt + 1);
    return (i64)(nh + nt);
}

i64 path_realpath(struct fs *fs, struct fsctx *c, file_t dir, const char *path, char *buf, size_t cap)
{
    struct found at;
    i64 n = find(fs, c, dir, path, 0, &at);
    if (n < 0)
        return n;
    n = found_path(fs, &at, buf, cap);
    found_clear(&at);
    return n < 0 ? n : ctx_strip(fs, c, buf);
}

int path_exec(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 flags, file_t *out,
              struct file_id *id, char *abs, size_t cap)
{
    struct found at;
    struct abi_stat s;
    int r = walk(fs, c, dir, path, walk_flags(flags) | WALK_NAME,
                 ABI_O_RDONLY | ABI_O_NONBLOCK | ABI_O_NOCTTY, 0, &at);
    if (r)
        return r == -ENXIO ? -EACCES : r;
    if (at.kind == FOUND_FILE) {
        r = file_reopen(fs, at.file, ABI_O_RDONLY | ABI_O_NONBLOCK, out);
        if (r)
            return r == -EAGAIN || r == -ENXIO ? -EACCES : r; // a FIFO, a socket
        r = file_identity(fs, *out, id);
    } else if (at.kind == FOUND_HOST) {
        r = host_fstat(at.fd, &s);
        if (r == 0 && (s.st_mode & ABI_S_IFMT) != ABI_S_IFREG)
            r = -EACCES;
        if (r) {
            found_clear(&at);
            return r;
        }
        *id = file_id_of(&s);
        r = file_adopt(fs, at.fd, &s, ABI_O_RDONLY | ABI_O_LARGEFILE, at.mount, out);
        if (r)
            return r;
    } else if (at.kind == FOUND_TMP && inode_is(fs, at.inode, ABI_S_IFREG)) {
        r = tmp_may(fs, at.inode, ABI_X_OK);
        if (r == 0)
            r = tmp_open(fs, at.inode, at.name, ABI_O_RDONLY | ABI_O_PATH, 0, at.mount, false, out);
        if (r)
            return r;
        file_at(fs, *out)->kind = FILE_HOST; // it may be one that is not to be read
        file_at(fs, *out)->flags = ABI_O_RDONLY;
        r = file_identity(fs, *out, id);
    } else {
        return at.kind == FOUND_TMP && inode_is(fs, at.inode, ABI_S_IFLNK) ? -ELOOP : -EACCES;
    }
    if (file_at(fs, *out)->kind != FILE_HOST || mount_has(fs, file_at(fs, *out)->mount, ABI_MS_NOEXEC))
        r = -EACCES;
    if (r == 0 && at.kind == FOUND_HOST && at.named && strlen(at.rel) < cap) {
        memcpy(abs, at.rel, strlen(at.rel) + 1);
    } else if (r == 0) {
        i64 n = file_path(fs, *out, abs, cap);
        r = n < 0 ? (int)n : 0;
    }
    if (r)
        file_put(fs, *out);
    return r;
}

int file_executable(struct fs *fs, file_t id)
{
    const struct file *f = file_at(fs, id);
    return f->inode ? tmp_may(fs, f->inode, ABI_X_OK) : host_access(f->host_fd, ABI_X_OK, true);
}
