// Files, directories, streams and terminals of the host.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "abi/mount_abi.h"
#include "fs/internal.h"
#include "fs/notify.h"
#include "fs/tmpfs.h"
#include "host/file.h"
#include "mm/uaccess.h"

// Regular files and block devices. The bytes pass through our own memory (law L3: a request in
// flight may only touch that), except where one span is all there is.

// Less than n only at the end of the file, or before an error: a host may stop anywhere.
static i64 read_at(struct file *f, void *buf, size_t n, i64 offset)
{
    i64 done = 0, r;
    do {
        u8 *to = (u8 *)buf + done;
        size_t left = n - (size_t)done;
        r = (f->how & FILE_INHERITED) && offset < 0 ? host_read(f->host_fd, to, left)
                                                    : host_pread(f->host_fd, to, left, offset + done);
        done += r > 0 ? r : 0;
    } while (r == -EINTR || (r > 0 && (size_t)done < n));
    return done ? done : r;
}

enum { FETCH_MAX = 1 << 20 };

// What the host has in memory, or -EFETCH; where the host can't tell, it may take its time.
static i64 read_cached(struct fs *fs, struct file *f, void *buf, size_t n, u64 wanted, i64 offset)
{
    i64 r = host_pread_cached(f->host_fd, buf, n, offset);
    if (r == -EAGAIN) {
        fs->fetch.fd = f->host_fd;
        fs->fetch.offset = (u64)offset;
        fs->fetch.length = MIN(wanted, (u64)FETCH_MAX);
        return -EFETCH;
    }
    if (r > 0 && (size_t)r < n) { // the rest may be on the disk, or behind the end
        i64 rest = read_at(f, (u8 *)buf + r, n - (size_t)r, offset + r);
        return rest > 0 ? r + rest : r;
    }
    return r >= 0 ? r : read_at(f, buf, n, offset);
}

static i64 host_file_read(struct fs *fs, file_t id, struct uio *to, i64 offset)
{
    struct file *f = file_at(fs, id);
    bool inherited = offset < 0 && (f->how & FILE_INHERITED);
    i64 at = inherited ? -1 : offset < 0 ? (i64)f->pos : offset;
    i64 done = 0, r = 0;
    u8 *bounce = NULL, *host;
    size_t len;
    while (to->left) {
        r = uio_span(to, MM_WRITE, &host, &len);
        if (r)
            break;
        size_t want = len;
        if (len < to->left) {
            if (inherited) // consumes: nothing that cannot be delivered
                r = uio_check(to, MIN(to->left, (u64)BOUNCE), MM_WRITE);
            if (!(bounce = fs_bounce(fs)))
                r = -ENOMEM;
            if (r)
                break;
            want = MIN(to->left, (u64)BOUNCE);
            host = bounce;
        }
        r = f->inode ? tmp_read(fs, f, host, want, (u64)(at + done))
            : fs->cached && !done && !inherited ? read_cached(fs, f, host, want, to->left, at)
                                                : read_at(f, host, want, inherited ? -1 : at + done);
        if (r <= 0)
            break;
        i64 got = r;
        if (host == bounce)
            r = uio_scatter(to, bounce, (u64)got);
        else
            uio_advance(to, (u64)got);
        if (r < 0)
            break;
        done += r;
        if (r < got || (size_t)got < want)
            break;
    }
    if (offset < 0 && !inherited)
        f->pos += (u64)done;
    if (f->inode && done)
        notify_file(fs, f->inode, f->name, IN_ACCESS);
    return done ? done : r;
}

static i64 write_at(struct file *f, const void *buf, size_t n, i64 offset, bool here, i64 *end)
{
    i64 r;
    do {
        if (f->flags & ABI_O_APPEND)
            r = host_append(f->host_fd, buf, n, end);
        else if ((f->how & FILE_INHERITED) && here)
            r = host_write(f->host_fd, buf, n);
        else
            r = host_pwrite(f->host_fd, buf, n, offset);
    } while (r == -EINTR);
    if (r >= 0 && !(f->flags & ABI_O_APPEND))
        *end = offset + r;
    return r;
}

static i64 memory_write(struct fs *fs, const struct file *f, const void *buf, size_t n, i64 offset, i64 *end)
{
    if (f->flags & ABI_O_APPEND)
        offset = (i64)tmp_size(fs, f->inode);
    i64 r = tmp_write(fs, f->inode, buf, n, (u64)offset);
    if (r >= 0)
        *end = offset + r;
    return r;
}

static i64 host_file_write(struct fs *fs, file_t id, struct uio *from, i64 offset)
{
    struct file *f = file_at(fs, id);
    i64 at = offset < 0 ? (i64)f->pos : offset, end = at, done = 0, r = 0;
    u8 *bounce = NULL, *host;
    size_t len;
    while (from->left) {
        r = uio_span(from, MM_READ, &host, &len);
        if (r)
            break;
        bool direct = len == from->left;
        i64 want = (i64)len;
        if (!direct) {
            if (!(bounce = fs_bounce(fs))) {
                r = -ENOMEM;
                break;
            }
            struct uio mark = *from;
            want = uio_gather(&mark, bounce, MIN(from->left, (u64)BOUNCE));
            if (want <= 0) {
                r = want;
                break;
            }
            host = bounce;
        }
        r = f->inode ? memory_write(fs, f, host, (size_t)want, at + done, &end)
                      : write_at(f, host, (size_t)want, at + done, offset < 0, &end);
        if (r < 0)
            break;
        uio_advance(from, (u64)r);
        done += r;
        if (r == 0) // less than all of it may have a reason that passes; if not, the next time says so
            break;
    }
    if (offset < 0 && done)
        f->pos = (u64)end;
    if (f->inode && done)
        notify_file(fs, f->inode, f->name, IN_MODIFY);
    if (done && fs->written)
        fs->written(fs->written_arg, f->dev, f->ino, (u64)(end - done), (u64)done);
    return done ? done : r;
}

static i64 host_file_seek(struct fs *fs, file_t id, i64 offset, int whence)
{
    struct file *f = file_at(fs, id);
    if (f->how & FILE_INHERITED)
        return host_lseek(f->host_fd, offset, whence);
    i64 to;
    if (whence == ABI_SEEK_SET)
        to = offset;
    else if (whence == ABI_SEEK_CUR)
        to = __builtin_add_overflow((i64)f->pos, offset, &to) ? -EOVERFLOW : to < 0 ? -EINVAL : to;
    else if (f->inode && (whence == ABI_SEEK_DATA || whence == ABI_SEEK_HOLE)) {
        to = offset < 0 ? -ENXIO : tmp_seek(fs, f->inode, (u64)offset, whence == ABI_SEEK_DATA);
        return to < 0 ? to : (i64)(f->pos = (u64)to);
    } else if (f->inode && whence == ABI_SEEK_END)
        to = __builtin_add_overflow((i64)tmp_size(fs, f->inode), offset, &to) ? -EOVERFLOW : to < 0 ? -EINVAL : to;
    else if (f->inode)
        return -EINVAL;
    else
        return (to = host_lseek(f->host_fd, offset, whence)) < 0 ? to : (i64)(f->pos = (u64)to);
    if (to < 0)
        return whence == ABI_SEEK_SET ? -EINVAL : to;
    f->pos = (u64)to;
    return to;
}

static int ramdisk_ioctl(u32 cmd, struct mm *mm, u64 arg)
{
    switch (cmd) {
    case ABI_BLKGETSIZE64:
        return uaccess_write_u64(mm, arg, RAMDISK_SIZE);
    case ABI_BLKGETSIZE:
        return uaccess_write_u64(mm, arg, RAMDISK_SIZE / 512);
    case ABI_BLKSSZGET:
        return uaccess_write_u32(mm, arg, 512);
    default:
        return cmd == ABI_BLKFLSBUF ? 0 : -ENOTTY;
    }
}

static int host_file_ioctl(struct fs *fs, file_t id, u32 cmd, struct mm *mm, u64 arg)
{
    struct file *f = file_at(fs, id);
    struct abi_stat s;
    if (f->inode && inode_is(fs, f->inode, ABI_S_IFBLK))
        return ramdisk_ioctl(cmd, mm, arg);
    if (cmd == ABI_FIONREAD) {
        int r = file_stat(fs, id, &s);
        i64 at = f->how & FILE_INHERITED ? host_lseek(f->host_fd, 0, ABI_SEEK_CUR) : (i64)f->pos;
        return r ? r : uaccess_write_u32(mm, arg, s.st_size > at ? (u32)(s.st_size - at) : 0);
    }
    if (cmd == ABI_FS_IOC_GETFLAGS && !f->inode) {
        u64 flags = 0;
        int r = host_ioctl(f->host_fd, cmd, &flags);
        return r < 0 ? r : uaccess_write_u32(mm, arg, (u32)flags);
    }
    return -ENOTTY;
}

const struct file_ops file_host_ops = {
    .read = host_file_read,
    .write = host_file_write,
    .seek = host_file_seek,
    .ioctl = host_file_ioctl,
};

// Directories: the position is the host's, as its cookies mean nothing to us. The layout of a
// record is the same on every 64-bit Linux. Behind the host's entries come our own, which `pos` counts.

static i64 dir_read(struct fs *fs, file_t id, struct uio *to, i64 offset)
{
    (void)fs, (void)id, (void)to, (void)offset;
    return -EISDIR;
}

static i64 dir_getdents(struct fs *fs, file_t id, struct uio *to)
{
    struct file *f = file_at(fs, id);
    size_t n = (size_t)MIN(to->left, (u64)32768);
    if (f->inode)
        return tmp_getdents(fs, id, to);
    int r = uio_check(to, n, MM_WRITE);
    if (r)
        return r;
    u8 *buf = fs_bounce(fs);
    if (!buf)
        return -ENOMEM;
    i64 got = host_getdents(f->host_fd, buf, n);
    if (got > 0) {
        r = uio_to(to, buf, (u64)got);
        got = r ? r : got;
    } else if (got == 0) {
        struct strbuf names = {0};
        synth_names(fs, f, &names);
        got = names.failed ? -ENOMEM : names.len ? synth_getdents(f, to, &names, false) : 0;
        strbuf_clear(&names);
    }
    return got;
}

static i64 dir_seek(struct fs *fs, file_t id, i64 offset, int whence)
{
    struct file *f = file_at(fs, id);
    if (f->inode && whence == ABI_SEEK_CUR)
        offset += (i64)f->pos;
    if (f->inode)
        return whence > ABI_SEEK_CUR || offset < 0 ? -EINVAL : (i64)(f->pos = (u64)offset);
    if (whence == ABI_SEEK_SET)
        f->pos = 0;
    return host_lseek(f->host_fd, offset, whence);
}

const struct file_ops file_dir_ops = {.read = dir_read, .seek = dir_seek, .getdents = dir_getdents};

static int path_stat_op(struct fs *fs, file_t id, struct abi_stat *out)
{
    struct file *f = file_at(fs, id);
    if (f->host_fd >= 0)
        return host_fstat(f->host_fd, out);
    if (f->object) {
        dev_stat(fs, f->object, out);
        return 0;
    }
    return proc_stat(fs, f->path, out);
}

const struct file_ops file_path_ops = {.stat = path_stat_op};

// Streams: whatever of the host may make one wait. Descriptors that we opened are non-blocking;
// inherited ones are shared with others and stay as they are (F4): the host is asked not to wait for
// this one call, and where it can't promise that we poll, and move no more than must fit.

static i64 stream_read(struct fs *fs, file_t id, struct uio *to, i64 offset)
{
    struct file *f = file_at(fs, id);
    u8 *host;
    size_t len;
    if (offset >= 0)
        return -ESPIPE;
    if (!to->left)
        return 0;
    int r = uio_span(to, MM_WRITE, &host, &len);
    if (r)
        return r;
    u8 *bounce = NULL;
    if (len < to->left) { // more than one span: only as far as it can be delivered
        i32 ready = 0;
        if (host_ioctl(f->host_fd, ABI_FIONREAD, &ready) < 0 || ready <= 0)
            ready = 4096;
        size_t want = (size_t)MIN(MIN(to->left, (u64)ready), (u64)BOUNCE);
        if (want > len && uio_check(to, want, MM_WRITE) == 0 && (bounce = fs_bounce(fs)))
            len = want;
    }
    i64 n = -EOPNOTSUPP;
    void *buf = bounce ? bounce : host;
    if (!(f->how & FILE_INHERITED))
        n = host_read(f->host_fd, buf, len);
    else if (!(f->how & FILE_POLLS))
        n = host_read_nowait(f->host_fd, buf, len);
    if (n == -EOPNOTSUPP || n == -ENOSYS) {
        f->how |= FILE_POLLS;
        n = host_poll(f->host_fd, ABI_POLLIN) ? host_read(f->host_fd, buf, len) : -EAGAIN;
    }
    if (n > 0 && bounce) {
        r = uio_to(to, bounce, (u64)n);
        n = r ? r : n;
    } else if (n > 0) {
        uio_advance(to, (u64)n);
    }
    return n == -EINTR ? -EAGAIN : n;
}

static i64 stream_write(struct fs *fs, file_t id, struct uio *from, i64 offset)
{
    struct file *f = file_at(fs, id);
    if (offset >= 0)
        return -ESPIPE;
    u64 size = MIN(from->left, (u64)BOUNCE);
    u8 *buf = fs_bounce(fs);
    if (!buf)
        return -ENOMEM;
    struct uio mark = *from;
    i64 n = uio_gather(&mark, buf, size), want = n;
    if (n >= 0) {
        n = -EOPNOTSUPP;
        if (!(f->how & FILE_INHERITED))
            n = host_write(f->host_fd, buf, (size_t)want);
        else if (!(f->how & FILE_POLLS))
            n = host_write_nowait(f->host_fd, buf, (size_t)want);
        if (n == -EOPNOTSUPP || n == -ENOSYS) {
            f->how |= FILE_POLLS;
            int ready = host_poll(f->host_fd, ABI_POLLOUT);
            // POLLOUT promises PIPE_BUF bytes of a pipe; a terminal takes at least that soon
            n = ready ? host_write(f->host_fd, buf, (size_t)MIN(want, (i64)ABI_PIPE_BUF)) : -EAGAIN;
        }
    }
    if (n > 0)
        uio_advance(from, (u64)n);
    return n == -EINTR ? -EAGAIN : n;
}

static int stream_poll(struct fs *fs, file_t id)
{
    return host_poll(file_at(fs, id)->host_fd, ABI_POLLIN | ABI_POLLOUT | ABI_POLLPRI |
                                                   ABI_POLLRDNORM | ABI_POLLWRNORM | ABI_POLLRDHUP);
}

static void stream_wait(struct fs *fs, file_t id, int events, struct wait_spec *out)
{
    out->host_fd = file_at(fs, id)->host_fd;
    out->host_events = (short)events;
}

static i64 stream_seek(struct fs *fs, file_t id, i64 offset, int whence)
{
    return host_lseek(file_at(fs, id)->host_fd, offset, whence);
}

static int stream_ioctl(struct fs *fs, file_t id, u32 cmd, struct mm *mm, u64 arg)
{
    i32 n = 0;
    if (cmd != ABI_FIONREAD && cmd != ABI_TIOCOUTQ)
        return -ENOTTY;
    int r = host_ioctl(file_at(fs, id)->host_fd, cmd, &n);
    return r < 0 ? r : uaccess_write_u32(mm, arg, (u32)n);
}

const struct file_ops file_stream_ops = {
    .read = stream_read,
    .write = stream_write,
    .seek = stream_seek,
    .ioctl = stream_ioctl,
    .poll = stream_poll,
    .wait = stream_wait,
};

// Terminals. Their modes and size are the host's; process groups and sessions are the machine's.

struct tty_row { // commands that are passed on: bytes in and out
    u32 cmd;
    u8 in, out;
};
static const struct tty_row tty_rows[] = {
    {ABI_TCGETS, 0, ABI_TERMIOS_SIZE},    {ABI_TCSETS, ABI_TERMIOS_SIZE, 0},
    {ABI_TCSETSW, ABI_TERMIOS_SIZE, 0},   {ABI_TCSETSF, ABI_TERMIOS_SIZE, 0},
    {ABI_TCGETS2, 0, ABI_TERMIOS2_SIZE},  {ABI_TCSETS2, ABI_TERMIOS2_SIZE, 0},
    {ABI_TCSETSW2, ABI_TERMIOS2_SIZE, 0}, {ABI_TCSETSF2, ABI_TERMIOS2_SIZE, 0},
    {ABI_TCGETA, 0, ABI_TERMIO_SIZE},     {ABI_TCSETA, ABI_TERMIO_SIZE, 0},
    {ABI_TCSETAW, ABI_TERMIO_SIZE, 0},    {ABI_TCSETAF, ABI_TERMIO_SIZE, 0},
    {ABI_TIOCGWINSZ, 0, 8},               {ABI_TIOCSWINSZ, 8, 0},
    {ABI_FIONREAD, 0, 4},                 {ABI_TIOCOUTQ, 0, 4},
    {ABI_TIOCGPTN, 0, 4},                 {ABI_TIOCSPTLCK, 4, 0},
    {ABI_TIOCGPTLCK, 0, 4},
};

static int tty_ioctl(struct fs *fs, file_t id, u32 cmd, struct mm *mm, u64 arg)
{
    struct file *f = file_at(fs, id);
    u32 pgrp;
    int r;
    switch (cmd) {
    case ABI_TIOCGPGRP:
        return fs->tty_pgrp ? uaccess_write_u32(mm, arg, (u32)fs->tty_pgrp) : -ENOTTY;
    case ABI_TIOCGSID:
        return fs->tty_sid ? uaccess_write_u32(mm, arg, (u32)fs->tty_sid) : -ENOTTY;
    case ABI_TIOCSPGRP:
        r = uaccess_read_u32(mm, &pgrp, arg);
        if (r == 0)
            fs->tty_pgrp = (i32)pgrp;
        return r;
    case ABI_TCSBRK: // tcdrain when arg is not 0: output is the host's to drain
    case ABI_TCSBRKP:
    case ABI_TIOCEXCL:
    case ABI_TIOCNXCL:
    case ABI_TIOCSCTTY: // the kernel keeps tty_sid
    case ABI_TIOCNOTTY:
        return 0;
    case ABI_TCXONC:
    case ABI_TCFLSH:
        return host_ioctl_number(f->host_fd, cmd, arg);
    }
    for (u32 i = 0; i < ARRAY_LEN(tty_rows); i++) {
        const struct tty_row *row = &tty_rows[i];
        u8 buf[64] = {0};
        if (row->cmd != cmd)
            continue;
        r = row->in ? uaccess_read(mm, buf, arg, row->in) : 0;
        if (r == 0)
            r = host_ioctl(f->host_fd, cmd, buf);
        if (r >= 0 && row->out)
            r = uaccess_write(mm, arg, buf, row->out);
        return r < 0 ? r : 0;
    }
    return -ENOTTY;
}

static int tty_stat(struct fs *fs, file_t id, struct abi_stat *out)
{
    const struct file *f = file_at(fs, id);
    if (!f->path)
        return host_fstat(f->host_fd, out);
    dev_stat(fs, DEV_TTY, out); // it was opened as that
    return 0;
}

const struct file_ops file_tty_ops = {
    .stat = tty_stat,
    .read = stream_read,
    .write = stream_write,
    .ioctl = tty_ioctl,
    .poll = stream_poll,
    .wait = stream_wait,
};
