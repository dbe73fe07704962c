// Reading, writing, sizes and positions of open files.
//
// (I1) A blocking write is entered again until all is written; what is written so far stands in
//      t->call.progress, and is the result if a signal or an error ends the call.
// (I2) The page cache hears of every read before it and of every change after it.
#include "kernel/sys_file.h"

#include <errno.h>
#include <string.h>

#include "kernel/async.h"
#include "kernel/disk.h"
#include "mm/pagecache.h"
#include "mm/uaccess.h"

// ---- helpers of the family

void signal_self(struct machine *m, struct task *t, int signo)
{
    struct group *g = group_of(m, t);
    struct g_siginfo info;
    memset(&info, 0, sizeof info);
    info.signo = signo;
    info.code = G_SI_USER;
    info.user.pid = (i32)g->pid;
    info.user.uid = g->uid;
    (void)signal_send_task(m, t, &info);
}

void file_will_be_used(struct machine *m, file_t file)
{
    const struct file *f = file_at(m->fs, file);
    if (f && f->kind == FILE_HOST)
        pagecache_before_read(m->store, f->dev, f->ino, machine_only_tlb(m));
}

u64 file_size(struct machine *m, file_t file)
{
    struct abi_stat st;
    return file_stat(m->fs, file, &st) == 0 && st.st_size > 0 ? (u64)st.st_size : 0;
}

void file_changed(struct machine *m, file_t file, u64 offset, u64 n)
{
    const struct file *f = file_at(m->fs, file);
    if (f && f->kind == FILE_HOST)
        m->fs->written(m->fs->written_arg, f->dev, f->ino, offset, n);
}

int file_readable(struct machine *m, struct task *t, u64 fd, file_t *file)
{
    *file = fd_arg(t, fd);
    const struct file *f = *file ? file_at(m->fs, *file) : NULL;
    if (!f || f->kind == FILE_PATH || (f->flags & ABI_O_ACCMODE) == ABI_O_WRONLY)
        return -EBADF;
    return 0;
}

int file_writable(struct machine *m, struct task *t, u64 fd, file_t *file)
{
    *file = fd_arg(t, fd);
    const struct file *f = *file ? file_at(m->fs, *file) : NULL;
    if (!f || f->kind == FILE_PATH || (f->flags & ABI_O_ACCMODE) == ABI_O_RDONLY)
        return -EBADF;
    return 0;
}

static bool is_regular(struct machine *m, file_t file)
{
    struct abi_stat st;
    return file_at(m->fs, file)->kind == FILE_HOST && file_stat(m->fs, file, &st) == 0 &&
           (st.st_mode & ABI_S_IFMT) == ABI_S_IFREG;
}

bool file_blocking(struct machine *m, file_t file)
{
    return !(file_at(m->fs, file)->flags & ABI_O_NONBLOCK);
}

// ---- the caller's buffers

// Cuts the vectors so that they hold at most n bytes together.
void vectors_cut(struct vectors *v, u64 n)
{
    v->total = MIN(v->total, n);
    for (u32 i = 0; i < v->count; i++) {
        v->at[i].len = MIN(v->at[i].len, n);
        n -= v->at[i].len;
    }
}

int vectors_one(struct vectors *v, gva_t base, u64 len)
{
    if ((i64)len < 0)
        return -EINVAL;
    v->count = 1;
    v->at[0] = (struct uio_vec){base, MIN(len, ABI_RW_MAX)};
    v->total = v->at[0].len;
    return 0;
}

int vectors_arg(struct task *t, struct vectors *v, gva_t from, u64 count)
{
    _Static_assert(sizeof(struct uio_vec) == sizeof(struct abi_iovec), "read as they are");
    if (count > ABI_IOV_MAX)
        return -EINVAL;
    v->count = (u32)count;
    v->total = 0;
    int r = count ? uaccess_read(t->mm, v->at, from, count * sizeof v->at[0]) : 0;
    if (r)
        return r;
    for (u32 i = 0; i < v->count; i++) {
        if ((i64)v->at[i].len < 0 || (i64)(v->total + v->at[i].len) < 0)
            return -EINVAL;
        v->total += v->at[i].len;
    }
    vectors_cut(v, ABI_RW_MAX);
    return 0;
}

// ---- read

#define PIECE (8u << 20) // bytes that are moved before it is asked whether the call should go on

// All of it, in pieces, up to the first that is not full: a count, or -E...
static i64 in_pieces(struct machine *m, struct task *t, file_t file, struct vectors *v, i64 offset, bool write)
{
    struct uio u;
    u64 done = 0, piece;
    i64 r;
    uio_guest(&u, t->mm, v->at, v->count);
    do {
        i64 at = offset < 0 ? -1 : offset + (i64)done;
        u.left = piece = MIN(v->total - done, (u64)PIECE);
        r = write ? file_write(m->fs, file, &u, at) : file_read(m->fs, file, &u, at);
        done += r > 0 ? (u64)r : 0;
        m->fs->cached = false; // a part that is there already counts: no waiting for the disk behind it
    } while (r > 0 && (u64)r == piece && done < v->total && !call_must_end(m, t));
    return done ? (i64)done : r;
}

// A helper brings what is to be read into the host's cache; then the call is entered again, and reads.
static i64 read_fetches(struct machine *m, struct task *t, file_t file, struct vectors *v, i64 offset)
{
    struct host_job job = {.kind = HOST_FETCH, .fd = m->fs->fetch.fd, .offset = (i64)m->fs->fetch.offset,
                           .length = m->fs->fetch.length};
    i64 r = disk_call(m, t, &job);
    if (r == -EPARK || r == -ERESTARTSYS)
        return r;
    struct uio u; // it was done at once, or could not be: the read itself says what is wrong
    uio_guest(&u, t->mm, v->at, v->count);
    return file_read(m->fs, file, &u, offset);
}

i64 file_do_read(struct machine *m, struct task *t, file_t file, struct vectors *v, i64 offset,
                 bool nowait)
{
    // Who waits already is not asked again: only the beginning of a read is job control's.
    int e = t->call.state[1] ? 0 : tty_check(m, t, file, G_SIGTTIN);
    if (e)
        return e;
    file_will_be_used(m, file);
    m->fs->cached = disk_overlaps(m) && !disk_done(t) && !nowait;
    i64 r = in_pieces(m, t, file, v, offset, false);
    if (r == -EFETCH)
        return read_fetches(m, t, file, v, offset);
    if (r != -EAGAIN)
        return r;
    if (v->total == 0)
        return 0;
    if (!file_blocking(m, file) || nowait)
        return r;
    if (file_at(m->fs, file)->kind != FILE_PTS)
        return park_on_file(m, t, file, ABI_POLLIN);
    struct uio u;
    uio_guest(&u, t->mm, v->at, v->count);
    return tty_read_parks(m, t, file, &u);
}

// read(2) and its kin: bytes at `base`, or `n` vectors there.
static i64 read_call(struct machine *m, struct task *t, u64 fd, bool many, gva_t base, u64 n, i64 offset)
{
    file_t file;
    struct vectors v;
    int r = file_readable(m, t, fd, &file);
    if (r == 0)
        r = many ? vectors_arg(t, &v, base, n) : vectors_one(&v, base, n);
    return r ? r : file_do_read(m, t, file, &v, offset, false);
}

i64 sys_read(struct machine *m, struct task *t, const u64 *a)
{
    return read_call(m, t, a[0], false, a[1], a[2], -1);
}

i64 sys_readv(struct machine *m, struct task *t, const u64 *a)
{
    return read_call(m, t, a[0], true, a[1], a[2], -1);
}

i64 sys_pread64(struct machine *m, struct task *t, const u64 *a)
{
    return (i64)a[3] < 0 ? -EINVAL : read_call(m, t, a[0], false, a[1], a[2], (i64)a[3]);
}

i64 sys_preadv(struct machine *m, struct task *t, const u64 *a)
{
    return (i64)a[3] < 0 ? -EINVAL : read_call(m, t, a[0], true, a[1], a[2], (i64)a[3]);
}

enum { RWF_HIPRI = 1, RWF_DSYNC = 2, RWF_SYNC = 4, RWF_NOWAIT = 8, RWF_APPEND = 16 };

i64 sys_preadv2(struct machine *m, struct task *t, const u64 *a)
{
    file_t file;
    struct vectors v;
    i64 offset = (i64)a[3];
    u32 flags = (u32)a[5];
    if (offset < -1)
        return -EINVAL;
    int r = file_readable(m, t, a[0], &file);
    if (r == 0 && flags & ~(u32)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT))
        r = -EOPNOTSUPP;
    if (r == 0)
        r = vectors_arg(t, &v, a[1], a[2]);
    return r ? r : file_do_read(m, t, file, &v, offset, flags & RWF_NOWAIT);
}

// ---- write

static u64 write_position(struct machine *m, file_t file, i64 offset)
{
    const struct file *f = file_at(m->fs, file);
    if (f->flags & ABI_O_APPEND)
        return file_size(m, file);
    if (offset >= 0)
        return (u64)offset;
    if (f->how & FILE_INHERITED) {
        i64 at = file_seek(m->fs, file, 0, ABI_SEEK_CUR);
        return at > 0 ? (u64)at : 0;
    }
    return f->pos;
}

// RLIMIT_FSIZE: how many of n bytes may be written at `at`. -EFBIG with SIGXFSZ if none.
static i64 size_allowed(struct machine *m, struct task *t, u64 at, u64 n)
{
    u64 limit = group_of(m, t)->limit[G_RLIMIT_FSIZE][0];
    if (n == 0 || limit >= INT64_MAX || (at <= limit && n <= limit - at))
        return (i64)n;
    if (at >= limit) {
        signal_self(m, t, G_SIGXFSZ);
        return -EFBIG;
    }
    return (i64)(limit - at);
}

// One write to a file of the host: never waits.
static i64 write_host(struct machine *m, struct task *t, file_t file, struct vectors *v, i64 offset)
{
    if (group_of(m, t)->limit[G_RLIMIT_FSIZE][0] < INT64_MAX && is_regular(m, file)) {
        i64 n = size_allowed(m, t, write_position(m, file, offset), v->total);
        if (n < 0)
            return n;
        vectors_cut(v, (u64)n);
    }
    file_will_be_used(m, file);
    return in_pieces(m, t, file, v, offset, true);
}

// Ends a write that cannot go on: what was written counts more than why it stopped (I1).
i64 write_ends(struct machine *m, struct task *t, i64 why)
{
    if (why == -EPIPE)
        signal_self(m, t, G_SIGPIPE);
    return t->call.progress ? (i64)t->call.progress : why;
}

i64 file_do_write(struct machine *m, struct task *t, file_t file, struct vectors *v, i64 offset,
                  bool nowait)
{
    int e = t->call.progress ? 0 : tty_check(m, t, file, G_SIGTTOU);
    if (e)
        return e;
    if (file_at(m->fs, file)->kind == FILE_HOST)
        return write_host(m, t, file, v, offset);
    for (;;) {
        struct uio u;
        uio_guest(&u, t->mm, v->at, v->count);
        uio_advance(&u, MIN(t->call.progress, v->total));
        i64 r = file_write(m->fs, file, &u, offset);
        if (r > 0)
            t->call.progress += (u64)r;
        if (r == 0 || t->call.progress >= v->total)
            return (i64)t->call.progress;
        if (r > 0)
            continue;
        if (r != -EAGAIN || !file_blocking(m, file) || nowait)
            return write_ends(m, t, r);
        r = park_on_file(m, t, file, ABI_POLLOUT);
        return r == -EPARK ? r : write_ends(m, t, r);
    }
}

static i64 write_call(struct machine *m, struct task *t, u64 fd, bool many, gva_t base, u64 n, i64 offset)
{
    file_t file;
    struct vectors v;
    int r = file_writable(m, t, fd, &file);
    if (r == 0)
        r = many ? vectors_arg(t, &v, base, n) : vectors_one(&v, base, n);
    return r ? r : file_do_write(m, t, file, &v, offset, false);
}

i64 sys_write(struct machine *m, struct task *t, const u64 *a)
{
    return write_call(m, t, a[0], false, a[1], a[2], -1);
}

i64 sys_writev(struct machine *m, struct task *t, const u64 *a)
{
    return write_call(m, t, a[0], true, a[1], a[2], -1);
}

i64 sys_pwrite64(struct machine *m, struct task *t, const u64 *a)
{
    return (i64)a[3] < 0 ? -EINVAL : write_call(m, t, a[0], false, a[1], a[2], (i64)a[3]);
}

i64 sys_pwritev(struct machine *m, struct task *t, const u64 *a)
{
    return (i64)a[3] < 0 ? -EINVAL : write_call(m, t, a[0], true, a[1], a[2], (i64)a[3]);
}

i64 sys_pwritev2(struct machine *m, struct task *t, const u64 *a)
{
    file_t file;
    struct vectors v;
    i64 offset = (i64)a[3];
    u32 flags = (u32)a[5];
    if (offset < -1)
        return -EINVAL;
    int r = file_writable(m, t, a[0], &file);
    if (r == 0 && flags & ~(u32)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND))
        r = -EOPNOTSUPP;
    if (r == 0)
        r = vectors_arg(t, &v, a[1], a[2]);
    if (r)
        return r;
    if (flags & RWF_APPEND && is_regular(m, file)) // the position stays, unless it is the file's own
        offset = offset == -1 ? file_seek(m->fs, file, 0, ABI_SEEK_END) : (i64)file_size(m, file);
    i64 n = offset < -1 ? offset : file_do_write(m, t, file, &v, offset, flags & RWF_NOWAIT);
    if (n > 0 && flags & RWF_APPEND && (i64)a[3] == -1 && is_regular(m, file))
        (void)file_seek(m->fs, file, offset + n, ABI_SEEK_SET);
    r = n > 0 && flags & (RWF_DSYNC | RWF_SYNC) && is_regular(m, file)
            ? file_sync(m->fs, file, !(flags & RWF_SYNC)) : 0;
    return r ? r : n;
}

// ---- copying between files

// Waits for the side that is not ready. -EPARK, -ERESTARTSYS, -EAGAIN
static i64 copy_waits(struct machine *m, struct task *t, file_t from, file_t to)
{
    bool to_waits = !(file_poll(m->fs, to) & (ABI_POLLOUT | ABI_POLLERR));
    file_t who = to_waits ? to : from;
    if (!file_blocking(m, who))
        return -EAGAIN;
    return park_on_file(m, t, who, to_waits ? ABI_POLLOUT : ABI_POLLIN);
}

i64 sys_sendfile(struct machine *m, struct task *t, const u64 *a)
{
    file_t to, from;
    i64 start = -1;
    int e = file_readable(m, t, a[1], &from);
    if (e == 0)
        e = file_writable(m, t, a[0], &to);
    if (e == 0 && a[2])
        e = uaccess_read(t->mm, &start, a[2], sizeof start);
    if (e == 0 && a[2])
        e = uaccess_check(t->mm, a[2], sizeof start, MM_WRITE);
    if (e)
        return e;
    if (a[2] && start < 0)
        return -EINVAL;
    u64 n = MIN(a[3], (u64)ABI_RW_MAX);
    file_will_be_used(m, from);
    file_will_be_used(m, to);
    i64 r = 0;
    while (t->call.progress < n) {
        i64 at = a[2] ? start + (i64)t->call.progress : -1, here = -1;
        r = call_must_end(m, t) ? -ERESTARTSYS
                                : file_copy(m->fs, from, &at, to, &here, n - t->call.progress);
        if (r <= 0)
            break;
        u64 end = file_at(m->fs, to)->kind == FILE_HOST ? write_position(m, to, -1) : 0;
        file_changed(m, to, end - MIN(end, (u64)r), (u64)r);
        t->call.progress += (u64)r;
    }
    if (r == -EAGAIN)
        r = copy_waits(m, t, from, to);
    if (r == -EPARK)
        return r;
    if (r < 0)
        r = write_ends(m, t, r);
    else
        r = (i64)t->call.progress;
    if (r > 0 && a[2]) {
        start += r;
        e = uaccess_write(t->mm, a[2], &start, sizeof start);
    }
    return e ? e : r;
}

static int copy_range_offset(struct task *t, gva_t from, i64 *offset)
{
    *offset = -1;
    if (!from)
        return 0;
    int r = uaccess_read(t->mm, offset, from, sizeof *offset);
    if (r == 0)
        r = uaccess_check(t->mm, from, sizeof *offset, MM_WRITE);
    return r ? r : *offset < 0 ? -EINVAL : 0;
}

static int copy_range_files(struct machine *m, struct task *t, const u64 *a, file_t *from, file_t *to)
{
    int r = file_readable(m, t, a[0], from);
    if (r == 0)
        r = file_writable(m, t, a[2], to);
    if (r)
        return r;
    if (file_at(m->fs, *from)->kind == FILE_DIR || file_at(m->fs, *to)->kind == FILE_DIR)
        return -EISDIR;
    if (!is_regular(m, *from) || !is_regular(m, *to))
        return -EINVAL;
    return file_at(m->fs, *to)->flags & ABI_O_APPEND ? -EBADF : 0;
}

i64 sys_copy_file_range(struct machine *m, struct task *t, const u64 *a)
{
    file_t from, to;
    i64 from_at, to_at;
    if (a[5])
        return -EINVAL;
    int e = copy_range_files(m, t, a, &from, &to);
    if (e == 0)
        e = copy_range_offset(t, a[1], &from_at);
    if (e == 0)
        e = copy_range_offset(t, a[3], &to_at);
    if (e)
        return e;
    u64 n = MIN(a[4], (u64)ABI_RW_MAX);
    u64 here = to_at >= 0 ? (u64)to_at : write_position(m, to, -1);
    u64 there = from_at >= 0 ? (u64)from_at : write_position(m, from, -1);
    const struct file *f = file_at(m->fs, from), *g = file_at(m->fs, to);
    if (f->dev == g->dev && f->ino == g->ino && here < there + n && there < here + n)
        return -EINVAL;
    i64 allowed = size_allowed(m, t, here, n);
    if (allowed < 0)
        return allowed;
    file_will_be_used(m, from);
    file_will_be_used(m, to);
    u64 done = 0;
    i64 r;
    do {
        r = file_copy(m->fs, from, a[1] ? &from_at : NULL, to, a[3] ? &to_at : NULL, (u64)allowed - done);
        done += r > 0 ? (u64)r : 0;
    } while (r > 0 && done < (u64)allowed && !call_must_end(m, t));
    if (!done)
        return r;
    r = (i64)done;
    file_changed(m, to, here, (u64)r);
    i64 ends[2] = {(i64)there + r, (i64)here + r};
    if (a[1])
        e = uaccess_write(t->mm, a[1], &ends[0], sizeof ends[0]);
    if (e == 0 && a[3])
        e = uaccess_write(t->mm, a[3], &ends[1], sizeof ends[1]);
    return e ? e : r;
}

// ---- position and size

i64 sys_lseek(struct machine *m, struct task *t, const u64 *a)
{
    file_t file = fd_arg(t, a[0]);
    if (!file || file_at(m->fs, file)->kind == FILE_PATH)
        return -EBADF;
    return file_seek(m->fs, file, (i64)a[1], (int)a[2]);
}

// May a file have this size? -EINVAL, -EFBIG (with SIGXFSZ)
static int size_arg(struct machine *m, struct task *t, u64 size)
{
    if ((i64)size < 0)
        return -EINVAL;
    if (size <= group_of(m, t)->limit[G_RLIMIT_FSIZE][0])
        return 0;
    signal_self(m, t, G_SIGXFSZ);
    return -EFBIG;
}

i64 sys_ftruncate(struct machine *m, struct task *t, const u64 *a)
{
    file_t file = fd_arg(t, a[0]);
    if ((i64)a[1] < 0)
        return -EINVAL;
    if (!file || file_at(m->fs, file)->kind == FILE_PATH)
        return -EBADF;
    u64 old = file_size(m, file);
    int r = a[1] > old ? size_arg(m, t, a[1]) : 0;
    if (r)
        return r;
    file_will_be_used(m, file);
    r = file_truncate(m->fs, file, (i64)a[1]);
    if (r == 0)
        file_changed(m, file, MIN(old, a[1]), MAX(old, a[1]) - MIN(old, a[1]));
    return r;
}

i64 sys_truncate(struct machine *m, struct task *t, const u64 *a)
{
    char path[PATH_ROOM];
    struct abi_stat old;
    if ((i64)a[1] < 0)
        return -EINVAL;
    int r = path_arg(t, a[0], path);
    if (r == 0)
        r = lease_break(m, t, 0, path, ABI_O_WRONLY);
    if (r == 0)
        r = path_stat(m->fs, t->fs, 0, path, 0, &old);
    if (r == 0)
        r = a[1] > (u64)old.st_size ? size_arg(m, t, a[1]) : 0;
    if (r)
        return r;
    pagecache_before_read(m->store, old.st_dev, old.st_ino, machine_only_tlb(m));
    r = path_truncate(m->fs, t->fs, path, (i64)a[1]);
    if (r == 0)
        m->fs->written(m->fs->written_arg, old.st_dev, old.st_ino, MIN((u64)old.st_size, a[1]), 0);
    return r;
}

i64 sys_fallocate(struct machine *m, struct task *t, const u64 *a)
{
    file_t file;
    int r = file_writable(m, t, a[0], &file);
    if (r)
        return r;
    i64 offset = (i64)a[2], len = (i64)a[3], end;
    if (offset < 0 || len <= 0)
        return -EINVAL;
    if (__builtin_add_overflow(offset, len, &end))
        return -EFBIG;
    r = a[1] & 1 ? 0 : size_arg(m, t, (u64)end); // FALLOC_FL_KEEP_SIZE
    if (r)
        return r;
    file_will_be_used(m, file);
    u64 old = file_size(m, file);
    r = file_allocate(m->fs, file, (u32)a[1], offset, len);
    if (r == 0) // collapse and insert move all that follows
        file_changed(m, file, (u64)offset, MAX(old, (u64)end) - (u64)offset);
    return r;
}

i64 sys_fadvise64(struct machine *m, struct task *t, const u64 *a)
{
    file_t file = fd_arg(t, a[0]);
    if (!file || file_at(m->fs, file)->kind == FILE_PATH)
        return -EBADF;
    if (file_at(m->fs, file)->kind == FILE_PIPE)
        return -ESPIPE;
    return (u32)a[3] > 5 || (i64)a[2] < 0 ? -EINVAL : 0;
}

// Nothing is read ahead here, and who asks is told what Linux would say.
i64 sys_readahead(struct machine *m, struct task *t, const u64 *a)
{
    file_t file;
    int r = file_readable(m, t, a[0], &file);
    if (r)
        return r;
    return file_at(m->fs, file)->kind == FILE_HOST ? 0 : -EINVAL;
}

// ---- to the disk

i64 sys_sync(struct machine *m, struct task *t, const u64 *a)
{
    (void)a;
    if (!disk_done(t))
        (void)pagecache_sync_all(m->store, machine_only_tlb(m));
    return disk_call(m, t, &(struct host_job){.kind = HOST_SYNC_ALL, .fd = -1});
}

i64 sys_syncfs(struct machine *m, struct task *t, const u64 *a)
{
    file_t file = fd_arg(t, a[0]);
    if (!file || file_at(m->fs, file)->kind == FILE_PATH)
        return -EBADF;
    int host = file_sync_fd(m->fs, file);
    if (host < 0) // a file system of the machine's own
        return 0;
    if (!disk_done(t))
        (void)pagecache_sync_all(m->store, machine_only_tlb(m));
    return disk_call(m, t, &(struct host_job){.kind = HOST_SYNC_FS, .fd = host});
}

static i64 do_fsync(struct machine *m, struct task *t, u64 fd, bool data_only)
{
    file_t file = fd_arg(t, fd);
    if (!file || file_at(m->fs, file)->kind == FILE_PATH)
        return -EBADF;
    if (!disk_done(t))
        file_will_be_used(m, file);
    int host = file_sync_fd(m->fs, file);
    if (host < 0 || file_at(m->fs, file)->inode)
        return file_at(m->fs, file)->inode ? 0 : host;
    return disk_call(m, t, &(struct host_job){.kind = data_only ? HOST_SYNC_DATA : HOST_SYNC_FILE, .fd = host});
}

i64 sys_fsync(struct machine *m, struct task *t, const u64 *a)
{
    return do_fsync(m, t, a[0], false);
}

i64 sys_fdatasync(struct machine *m, struct task *t, const u64 *a)
{
    return do_fsync(m, t, a[0], true);
}

i64 sys_sync_file_range(struct machine *m, struct task *t, const u64 *a)
{
    file_t file = fd_arg(t, a[0]);
    i64 end;
    if (!file || file_at(m->fs, file)->kind == FILE_PATH)
        return -EBADF;
    if (a[3] & ~7ULL || (i64)a[1] < 0 || (i64)a[2] < 0 || __builtin_add_overflow((i64)a[1], (i64)a[2], &end))
        return -EINVAL;
    int host = file_sync_fd(m->fs, file);
    if (host < 0)
        return file_at(m->fs, file)->inode ? 0 : -ESPIPE;
    if (!disk_done(t))
        file_will_be_used(m, file);
    return disk_call(m, t, &(struct host_job){.kind = HOST_SYNC_RANGE, .fd = host, .offset = (i64)a[1],
                                              .length = a[2], .flags = (u32)a[3]});
}

// ---- what a file is

i64 sys_fstat(struct machine *m, struct task *t, const u64 *a)
{
    struct abi_stat st;
    file_t file = fd_arg(t, a[0]);
    if (!file)
        return -EBADF;
    file_will_be_used(m, file);
    int r = file_stat(m->fs, file, &st);
    return r ? r : uaccess_write(t->mm, a[1], &st, sizeof st);
}

i64 sys_fstatfs(struct machine *m, struct task *t, const u64 *a)
{
    struct abi_statfs st;
    file_t file = fd_arg(t, a[0]);
    if (!file)
        return -EBADF;
    int r = file_statfs(m->fs, file, &st);
    return r ? r : uaccess_write(t->mm, a[1], &st, sizeof st);
}

i64 sys_fchmod(struct machine *m, struct task *t, const u64 *a)
{
    file_t file = fd_arg(t, a[0]);
    if (!file || file_at(m->fs, file)->kind == FILE_PATH)
        return -EBADF;
    return file_chmod(m->fs, file, (u32)a[1] & 07777);
}

i64 sys_fchown(struct machine *m, struct task *t, const u64 *a)
{
    file_t file = fd_arg(t, a[0]);
    if (!file || file_at(m->fs, file)->kind == FILE_PATH)
        return -EBADF;
    return file_chown(m->fs, file, (u32)a[1], (u32)a[2]);
}

i64 sys_getdents64(struct machine *m, struct task *t, const u64 *a)
{
    file_t file = fd_arg(t, a[0]);
    if (!file || file_at(m->fs, file)->kind == FILE_PATH)
        return -EBADF;
    struct uio_vec v;
    struct uio u;
    uio_guest1(&u, &v, t->mm, a[1], MIN((u32)a[2], 1u << 20));
    return file_getdents(m->fs, file, &u);
}
