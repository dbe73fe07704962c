// What can be done with any open file: checks that are the same for all kinds, then the kind's row.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/tmpfs.h"
#include "fs/tty.h"
#include "host/file.h"
#include "mm/uaccess.h"

static const struct file_ops *ops_of(struct fs *fs, const struct file *f)
{
    static const struct file_ops none;
    const struct file_ops *ops = fs->ops[f->kind];
    return ops ? ops : &none;
}

i64 file_read(struct fs *fs, file_t id, struct uio *to, i64 offset)
{
    struct file *f = file_at(fs, id);
    if (!f || (f->flags & ABI_O_ACCMODE) == ABI_O_WRONLY || (f->flags & ABI_O_PATH))
        return -EBADF;
    if (offset < -1)
        return -EINVAL;
    const struct file_ops *ops = ops_of(fs, f);
    return ops->read ? ops->read(fs, id, to, offset) : -EINVAL;
}

i64 file_write(struct fs *fs, file_t id, struct uio *from, i64 offset)
{
    struct file *f = file_at(fs, id);
    if (!f || (f->flags & ABI_O_ACCMODE) == ABI_O_RDONLY || (f->flags & ABI_O_PATH))
        return -EBADF;
    if (offset < -1)
        return -EINVAL;
    const struct file_ops *ops = ops_of(fs, f);
    return ops->write ? ops->write(fs, id, from, offset) : -EINVAL;
}

i64 file_seek(struct fs *fs, file_t id, i64 offset, int whence)
{
    struct file *f = file_at(fs, id);
    if (!f || (f->flags & ABI_O_PATH))
        return -EBADF;
    const struct file_ops *ops = ops_of(fs, f);
    return ops->seek ? ops->seek(fs, id, offset, whence) : -ESPIPE;
}

int file_stat(struct fs *fs, file_t id, struct abi_stat *out)
{
    struct file *f = file_at(fs, id);
    if (!f)
        return -EBADF;
    const struct file_ops *ops = ops_of(fs, f);
    if (f->inode) {
        tmp_stat(fs, f->inode, out);
        return 0;
    }
    if (ops->stat)
        return ops->stat(fs, id, out);
    if (f->host_fd >= 0)
        return host_fstat(f->host_fd, out);
    *out = (struct abi_stat){.st_dev = ABI_MAKEDEV(0, 15), .st_ino = 1, .st_mode = 0600,
                             .st_nlink = 1, .st_blksize = 4096};
    stat_time(fs, out);
    return 0;
}

void statx_of(const struct abi_stat *s, struct abi_statx *out)
{
    *out = (struct abi_statx){
        .stx_mask = ABI_STATX_BASIC_STATS,
        .stx_blksize = (u32)s->st_blksize,
        .stx_nlink = s->st_nlink,
        .stx_uid = s->st_uid,
        .stx_gid = s->st_gid,
        .stx_mode = (u16)s->st_mode,
        .stx_ino = s->st_ino,
        .stx_size = (u64)s->st_size,
        .stx_blocks = (u64)s->st_blocks,
        .stx_atime = {s->st_atime_sec, (u32)s->st_atime_nsec, 0},
        .stx_mtime = {s->st_mtime_sec, (u32)s->st_mtime_nsec, 0},
        .stx_ctime = {s->st_ctime_sec, (u32)s->st_ctime_nsec, 0},
        .stx_rdev_major = ABI_MAJOR(s->st_rdev),
        .stx_rdev_minor = ABI_MINOR(s->st_rdev),
        .stx_dev_major = ABI_MAJOR(s->st_dev),
        .stx_dev_minor = ABI_MINOR(s->st_dev),
    };
}

int file_statx(struct fs *fs, file_t id, u32 flags, u32 mask, struct abi_statx *out)
{
    struct abi_stat s;
    struct file *f = file_at(fs, id);
    if (!f)
        return -EBADF;
    bool dev = f->kind == FILE_DEV || (f->kind == FILE_PATH && f->object), ours = !(f->how & (FILE_INHERITED | FILE_TWIN));
    struct mount_file where = {.mount = ours ? f->mount : 0, .inode = f->inode, .node = dev ? f->object : 0,
                               .rel = f->host_fd < 0 ? f->path : NULL};
    int r;
    if (f->host_fd >= 0 && f->kind != FILE_DEV) {
        memset(out, 0, sizeof(*out));
        r = host_statx(f->host_fd, flags & 0x6000u, mask, out);
    } else {
        r = file_stat(fs, id, &s);
        if (r == 0)
            statx_of(&s, out);
    }
    if (r == 0)
        mount_statx(fs, &where, mask, out);
    return r;
}

int file_statfs(struct fs *fs, file_t id, struct abi_statfs *out)
{
    struct file *f = file_at(fs, id);
    if (!f)
        return -EBADF;
    if (f->host_fd >= 0) {
        int r = host_fstatfs(f->host_fd, out);
        if (r == 0)
            mount_statfs(fs, f->mount, out);
        return r;
    }
    if (f->inode) {
        tmp_statfs(fs, f->inode, out);
        mount_statfs(fs, f->mount, out);
        return 0;
    }
    *out = (struct abi_statfs){.f_bsize = 4096, .f_frsize = 4096, .f_namelen = 255};
    out->f_type = f->kind == FILE_PTM || f->kind == FILE_PTS ? ABI_DEVPTS_SUPER_MAGIC
                  : f->kind == FILE_PIPE ? ABI_PIPEFS_MAGIC
                  : f->kind == FILE_NS ? ABI_NSFS_MAGIC
                  : f->kind == FILE_PROC || f->kind == FILE_PROCDIR ? ABI_PROC_SUPER_MAGIC
                                                                    : ABI_TMPFS_MAGIC;
    if (out->f_type == ABI_PROC_SUPER_MAGIC && f->path && !strncmp(f->path, ".sys", 4))
        out->f_type = ABI_SYSFS_MAGIC;
    mount_statfs(fs, f->mount, out);
    return 0;
}

static int writable(struct file *f)
{
    if (!f || (f->flags & ABI_O_PATH))
        return -EBADF;
    return (f->flags & ABI_O_ACCMODE) == ABI_O_RDONLY ? -EINVAL : 0;
}

int file_truncate(struct fs *fs, file_t id, i64 size)
{
    struct file *f = file_at(fs, id);
    int r = writable(f);
    if (r)
        return r;
    if (size < 0 || f->kind != FILE_HOST || (f->inode && inode_is(fs, f->inode, ABI_S_IFBLK)))
        return -EINVAL;
    if (f->inode)
        return tmp_truncate(fs, f->inode, f->name, (u64)size);
    r = host_ftruncate(f->host_fd, size);
    if (r == 0 && fs->written)
        fs->written(fs->written_arg, f->dev, f->ino, (u64)size, ~(u64)0 - (u64)size);
    return r;
}

int file_allocate(struct fs *fs, file_t id, u32 mode, i64 offset, i64 len)
{
    struct file *f = file_at(fs, id);
    int r = writable(f);
    if (r)
        return -EBADF;
    if (f->kind == FILE_PIPE)
        return -ESPIPE;
    if (f->inode && f->kind == FILE_HOST)
        return tmp_allocate(fs, f->inode, f->name, mode, offset, len);
    return f->kind == FILE_HOST ? host_fallocate(f->host_fd, mode, offset, len) : -ENODEV;
}

int file_sync_fd(struct fs *fs, file_t id)
{
    struct file *f = file_at(fs, id);
    if (!f || (f->flags & ABI_O_PATH))
        return -EBADF;
    return f->kind == FILE_HOST || f->kind == FILE_DIR ? f->host_fd : -EINVAL;
}

int file_sync(struct fs *fs, file_t id, bool data_only)
{
    int fd = file_sync_fd(fs, id);
    if (fd < 0 && file_at(fs, id)->inode)
        return 0; // memory
    return fd < 0 ? fd : host_fsync(fd, data_only);
}

// -EROFS where a mount forbids changes.
static int changeable(struct fs *fs, const struct file *f)
{
    if (!f)
        return -EBADF;
    if (mount_is_ro(fs, f->mount))
        return -EROFS;
    return f->host_fd >= 0 || f->inode ? 0 : f->kind == FILE_PROC || f->kind == FILE_PROCDIR ? -EPERM : 1;
}

int file_chmod(struct fs *fs, file_t id, u32 mode)
{
    struct file *f = file_at(fs, id);
    int r = changeable(fs, f);
    return r ? (r < 0 ? r : 0) : f->inode ? tmp_chmod(fs, f->inode, f->name, mode) : host_chmod(f->host_fd, mode & 07777);
}

int file_chown(struct fs *fs, file_t id, u32 uid, u32 gid)
{
    struct file *f = file_at(fs, id);
    int r = changeable(fs, f);
    return r ? (r < 0 ? r : 0) : f->inode ? tmp_chown(fs, f->inode, f->name, uid, gid) : host_chown(f->host_fd, uid, gid);
}

int file_utimens(struct fs *fs, file_t id, const struct abi_timespec *times)
{
    struct file *f = file_at(fs, id);
    int r = changeable(fs, f);
    return r ? (r < 0 ? r : 0) : f->inode ? tmp_utimens(fs, f->inode, f->name, times) : host_utimens(f->host_fd, times);
}

int file_setflags(struct fs *fs, file_t id, u32 flags)
{
    struct file *f = file_at(fs, id);
    if (!f || (f->flags & ABI_O_PATH))
        return -EBADF;
    f->flags = (f->flags & ~ABI_O_SETFL) | (flags & ABI_O_SETFL);
    return 0;
}

i64 file_getdents(struct fs *fs, file_t id, struct uio *to)
{
    struct file *f = file_at(fs, id);
    if (!f || (f->flags & ABI_O_PATH))
        return -EBADF;
    const struct file_ops *ops = ops_of(fs, f);
    return ops->getdents ? ops->getdents(fs, id, to) : -ENOTDIR;
}

int file_ioctl(struct fs *fs, file_t id, u32 cmd, struct mm *mm, u64 arg)
{
    struct file *f = file_at(fs, id);
    u32 on;
    if (!f || (f->flags & ABI_O_PATH))
        return -EBADF;
    if (cmd == ABI_FIONBIO || cmd == ABI_FIOASYNC) {
        int r = uaccess_read_u32(mm, &on, arg);
        u32 bit = cmd == ABI_FIONBIO ? ABI_O_NONBLOCK : ABI_O_ASYNC;
        if (r == 0)
            f->flags = on ? f->flags | bit : f->flags & ~bit;
        return r;
    }
    const struct file_ops *ops = ops_of(fs, f);
    return ops->ioctl ? ops->ioctl(fs, id, cmd, mm, arg) : -ENOTTY;
}

int file_poll(struct fs *fs, file_t id)
{
    struct file *f = file_at(fs, id);
    if (!f || (f->flags & ABI_O_PATH))
        return ABI_POLLNVAL;
    const struct file_ops *ops = ops_of(fs, f);
    if (ops->poll)
        return ops->poll(fs, id);
    return ABI_POLLIN | ABI_POLLOUT | ABI_POLLRDNORM | ABI_POLLWRNORM;
}

void file_wait(struct fs *fs, file_t id, int events, struct wait_spec *out)
{
    struct file *f = file_at(fs, id);
    *out = (struct wait_spec){.host_fd = -1};
    if (!f)
        return;
    const struct file_ops *ops = ops_of(fs, f);
    if (ops->wait)
        ops->wait(fs, id, events, out);
}

i64 file_path(struct fs *fs, file_t id, char *buf, size_t cap)
{
    struct file *f = file_at(fs, id);
    char text[ABI_PATH_MAX + 16];
    struct abi_stat s;
    if (!f)
        return -EBADF;
    if (f->inode)
        return tmp_path(fs, f->mount, f->inode, f->name, buf, cap);
    if (f->kind == FILE_PIPE && f->host_fd < 0) {
        int r = file_stat(fs, id, &s);
        if (r)
            return r;
        struct strbuf b = {0};
        r = strbuf_printf(&b, "pipe:[%llu]", (unsigned long long)s.st_ino);
        i64 n = r ? r : b.len < cap ? (i64)b.len : -ENAMETOOLONG;
        if (n > 0) {
            memcpy(buf, b.data, b.len);
            buf[n] = 0;
        }
        strbuf_clear(&b);
        return n;
    }
    bool named = f->kind == FILE_TTY && f->path; // /dev/tty
    if (f->host_fd >= 0 && f->kind != FILE_DEV && f->kind != FILE_SOCKET && !named) {
        i64 n = mount_path(fs, f->mount ? f->mount : 1, f->host_fd, buf, cap);
        // What came with the process may lie outside of all mounts.
        bool ours = !(f->how & (FILE_INHERITED | FILE_TWIN));
        return n == -ENOENT && !ours ? host_fd_path(f->host_fd, buf, cap) : n;
    }
    const char *head = "", *tail = f->path ? f->path : "";
    if (f->kind == FILE_EVENT)
        head = "anon_inode:[eventfd]";
    else if (f->kind == FILE_PTM || f->kind == FILE_PTS || f->kind == FILE_DEV || f->kind == FILE_PROC || f->kind == FILE_PROCDIR ||
             f->kind == FILE_PATH || named)
        head = f->mount ? mount_guest(fs, f->mount) : "";
    if (!head)
        return -ENAMETOOLONG;
    if (f->mount && mount_at(fs, f->mount)->kind == MOUNT_PROC)
        tail = mount_below(fs, f->mount, tail);
    else if (f->mount && mount_at(fs, f->mount)->kind == MOUNT_NODE)
        tail = "";
    size_t nh = strlen(head), nt = strlen(tail);
    bool slash = nh && nt && f->kind != FILE_EVENT;
    if (nh + nt + 2 > sizeof(text) || nh + nt + slash + 1 > cap)
        return -ENAMETOOLONG;
    memcpy(buf, head, nh);
    if (slash)
        buf[nh++] = '/';
    memcpy(buf + nh, tail, nt + 1);
    return (i64)(nh + nt);
}

int file_reopen(struct fs *fs, file_t id, u32 oflags, file_t *out)
{
    struct file *f = file_at(fs, id);
    struct abi_stat s;
    if (!f)
        return -EBADF;
    bool writes = (oflags & ABI_O_ACCMODE) != ABI_O_RDONLY || (oflags & ABI_O_TRUNC);
    if (mount_is_ro(fs, f->mount) && writes)
        return -EROFS;
    if (f->inode)
        return tmp_open(fs, f->inode, f->name, oflags & ~ABI_O_CREAT, 0, f->mount, false, out);
    if (f->kind == FILE_PROC || f->kind == FILE_PROCDIR)
        return proc_open(fs, f->path, oflags, f->mount, out);
    if (f->kind == FILE_NS)
        return ns_open(fs, f->opens, f->object, f->path, oflags, out);
    if (f->kind == FILE_PTM)
        return pty_open_master(fs, oflags, f->mount, out);
    if (f->kind == FILE_PTS)
        return pty_open_slave(fs, f->object, oflags, f->mount, f->path, out);
    if (f->kind == FILE_DEV)
        return dev_open(fs, f->object, oflags, f->mount, out);
    if (f->kind == FILE_PIPE && f->host_fd < 0) {
        // An end of a pipe: another description on the same pipe.
        int r = file_new(fs, FILE_PIPE, oflags, out);
        if (r)
            return r;
        pipe_attach(fs, *out, f->object);
        return 0;
    }
    if (f->host_fd < 0)
        return -ENXIO;
    int fd = host_reopen(f->host_fd, (oflags & ~(ABI_O_DIRECT | ABI_O_ASYNC | ABI_O_APPEND |
                                                 ABI_O_CREAT | ABI_O_EXCL)) |
                                         ABI_O_NOCTTY | ABI_O_NONBLOCK);
    if (fd == -ENXIO && f->kind == FILE_PIPE)
        fd = host_reopen(f->host_fd, ABI_O_PATH);
    if (fd == -ENXIO && (f->how & FILE_INHERITED)) { // a socket, or a pipe without its reader
        file_get(fs, id);
        *out = id;
        return 0;
    }
    if (fd < 0)
        return fd;
    int r = host_fstat(fd, &s);
    if (r) {
        host_close(fd);
        return r;
    }
    u32 type = s.st_mode & ABI_S_IFMT;
    if (type == ABI_S_IFIFO && (f->how & FILE_INHERITED)) { // the host's pipe stays the host's
        r = file_new(fs, FILE_STREAM, oflags, out);
        if (r) {
            host_close(fd);
            return r;
        }
        file_at(fs, *out)->host_fd = fd;
        file_set_mount(fs, file_at(fs, *out), 1);
        return 0;
    }
    return file_adopt(fs, fd, &s, oflags, f->mount, out);
}

i64 file_copy(struct fs *fs, file_t from, i64 *from_offset, file_t to, i64 *to_offset, u64 n)
{
    u64 size = MIN(n, (u64)BOUNCE);
    struct file *out = file_at(fs, to);
    if (!out)
        return -EBADF;
    struct uio u;
    // Nothing is taken from a pipe that the other side would not take.
    if (!(file_poll(fs, to) & (ABI_POLLOUT | ABI_POLLERR)))
        return -EAGAIN;
    if (out->kind == FILE_PIPE || out->kind == FILE_STREAM || out->kind == FILE_TTY)
        size = MIN(size, (u64)ABI_PIPE_BUF);
    u8 *buf = mem_alloc(size ? size : 1);
    if (!buf)
        return -ENOMEM;
    uio_kernel(&u, buf, size);
    i64 got = file_read(fs, from, &u, from_offset ? *from_offset : -1), put = 0;
    if (got > 0) {
        uio_kernel(&u, buf, (u64)got);
        put = file_write(fs, to, &u, to_offset ? *to_offset : -1);
        i64 back = put < 0 ? got : got - put;
        if (back && !from_offset)
            file_seek(fs, from, -back, ABI_SEEK_CUR); // what a file gave too much
    }
    mem_free(buf);
    if (got <= 0)
        return got;
    if (put > 0 && from_offset)
        *from_offset += put;
    if (put > 0 && to_offset)
        *to_offset += put;
    return put;
}

bool file_on_noexec(struct fs *fs, file_t id)
{
    return mount_has(fs, file_at(fs, id)->mount, ABI_MS_NOEXEC);
}

bool file_has_writer(struct fs *fs, u64 dev, u64 ino)
{
    for (u32 id = pool_next(&fs->files, 0); id; id = pool_next(&fs->files, id)) {
        const struct file *f = file_at(fs, id);
        if (f->kind == FILE_HOST && f->ino == ino && f->dev == dev && f->flags & ABI_O_ACCMODE)
            return true;
    }
    return false;
}

struct file_id file_id_of(const struct abi_stat *s)
{
    return (struct file_id){s->st_dev, s->st_ino, (u64)s->st_size,
                            (u64)s->st_mtime_sec * 1000000000u + s->st_mtime_nsec,
                            (u64)s->st_ctime_sec * 1000000000u + s->st_ctime_nsec};
}

int file_identity(struct fs *fs, file_t id, struct file_id *out)
{
    struct abi_stat s;
    struct file *f = file_at(fs, id);
    if (!f || (f->flags & ABI_O_PATH))
        return -EBADF;
    if (f->kind != FILE_HOST)
        return -ENODEV;
    int r = file_stat(fs, id, &s);
    if (r)
        return r;
    *out = file_id_of(&s);
    return 0;
}

int file_page_read(struct fs *fs, file_t id, u64 offset, u8 *page)
{
    struct file *f = file_at(fs, id);
    size_t done = 0;
    if (!f || f->kind != FILE_HOST || f->inode)
        return -ENODEV;
    while (done < PAGE_SIZE) {
        i64 r = host_pread(f->host_fd, page + done, PAGE_SIZE - done, (i64)(offset + done));
        if (r < 0 && r != -EINTR)
            return (int)r;
        if (r == 0)
            break;
        done += r > 0 ? (size_t)r : 0;
    }
    memset(page + done, 0, PAGE_SIZE - done);
    return 0;
}

int file_page_write(struct fs *fs, file_t id, u64 offset, const u8 *page, size_t n)
{
    struct file *f = file_at(fs, id);
    size_t done = 0;
    if (!f || f->kind != FILE_HOST || f->inode)
        return -ENODEV;
    while (done < n) {
        i64 r = host_pwrite(f->host_fd, page + done, n - done, (i64)(offset + done));
        if (r < 0 && r != -EINTR)
            return (int)r;
        done += r > 0 ? (size_t)r : 0;
    }
    return 0;
}
