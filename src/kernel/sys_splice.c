// splice(2), tee(2), vmsplice(2): bytes from and to pipes without a buffer of the caller's. They are
// copied here all the same, through a buffer of ours.
//
// (SP1) Nothing leaves a pipe that the other side has not taken: bytes are looked at, written, and then
//       taken away. Nothing is read from elsewhere that the pipe has no room for.
#include <errno.h>

#include "base/alloc.h"
#include "kernel/sys_file.h"
#include "mm/uaccess.h"

enum { SPLICE_F_MOVE = 1, SPLICE_F_NONBLOCK = 2, SPLICE_F_MORE = 4, SPLICE_F_GIFT = 8, SPLICE_F_ALL = 15 };
#define PIECE (64u << 10)

static bool is_pipe(struct machine *m, file_t file)
{
    return file_at(m->fs, file)->kind == FILE_PIPE;
}

static bool hung_up(struct machine *m, file_t pipe, int bit)
{
    return file_poll(m->fs, pipe) & bit;
}

// The buffer's bytes into a file, all that it takes now: a count, or -E...
static i64 put(struct machine *m, file_t to, u8 *buf, u64 n, i64 offset)
{
    struct uio u;
    u64 done = 0;
    while (done < n) {
        uio_kernel(&u, buf + done, n - done);
        i64 r = file_write(m->fs, to, &u, offset < 0 ? -1 : offset + (i64)done);
        if (r <= 0)
            return done ? (i64)done : r;
        done += (u64)r;
    }
    return (i64)done;
}

static i64 from_pipe(struct machine *m, file_t pipe, file_t to, u8 *buf, u64 n, i64 offset, bool keep)
{
    u64 have = file_pipe_peek(m->fs, pipe, buf, MIN(n, (u64)PIECE));
    if (!have)
        return hung_up(m, pipe, ABI_POLLHUP) ? 0 : -EAGAIN;
    if (is_pipe(m, to) && !hung_up(m, to, ABI_POLLERR)) {
        i64 room = file_pipe_room(m->fs, to);
        have = MIN(have, (u64)room);
        if (!have)
            return -EAGAIN;
    }
    i64 r = put(m, to, buf, have, offset);
    if (r > 0 && !keep)
        file_pipe_skip(m->fs, pipe, (u64)r);
    return r;
}

static i64 into_pipe(struct machine *m, file_t from, file_t pipe, u8 *buf, u64 n, i64 offset)
{
    struct uio u;
    if (hung_up(m, pipe, ABI_POLLERR))
        return -EPIPE;
    u64 room = (u64)file_pipe_room(m->fs, pipe);
    if (!room)
        return -EAGAIN;
    uio_kernel(&u, buf, MIN(MIN(n, room), (u64)PIECE));
    i64 got = file_read(m->fs, from, &u, offset);
    return got > 0 ? put(m, pipe, buf, (u64)got, -1) : got;
}

// Which side is not ready, and shall be waited for.
static i64 wait_for_side(struct machine *m, struct task *t, file_t in, file_t out, u32 flags)
{
    bool full = is_pipe(m, out) ? file_pipe_room(m->fs, out) == 0
                                : !(file_poll(m->fs, out) & (ABI_POLLOUT | ABI_POLLERR));
    file_t who = full ? out : in;
    if (!file_blocking(m, who) || (flags & SPLICE_F_NONBLOCK && is_pipe(m, who)))
        return -EAGAIN;
    return park_on_file(m, t, who, full ? ABI_POLLOUT : ABI_POLLIN);
}

static int offset_arg(struct machine *m, struct task *t, file_t file, gva_t at, i64 *offset)
{
    *offset = -1;
    if (!at)
        return 0;
    if (is_pipe(m, file))
        return -ESPIPE;
    int r = uaccess_read(t->mm, offset, at, sizeof *offset);
    if (r == 0)
        r = uaccess_check(t->mm, at, sizeof *offset, MM_WRITE);
    if (r == 0 && file_seek(m->fs, file, 0, ABI_SEEK_CUR) < 0)
        r = -EINVAL;
    return r ? r : *offset < 0 ? -EINVAL : 0;
}

// Kinds that hold a stream of bytes; the others (eventfd, epoll, ..) only speak in records.
static bool splices(struct machine *m, file_t file)
{
    switch (file_at(m->fs, file)->kind) {
    case FILE_HOST: case FILE_STREAM: case FILE_TTY: case FILE_PIPE: case FILE_DEV: case FILE_PROC:
    case FILE_SOCKET:
        return true;
    default:
        return false;
    }
}

// May these two be spliced? Files of the machine that only answer questions may not.
static int splice_files(struct machine *m, struct task *t, const u64 *a, file_t *in, file_t *out)
{
    int r = file_readable(m, t, a[0], in);
    if (r == 0)
        r = file_writable(m, t, a[2], out);
    if (r)
        return r;
    bool pipe_in = is_pipe(m, *in), pipe_out = is_pipe(m, *out);
    if ((!pipe_in && !pipe_out) || !splices(m, *in) || !splices(m, *out))
        return -EINVAL;
    if (pipe_in && pipe_out && file_same_pipe(m->fs, *in, *out))
        return -EINVAL;
    if (!pipe_out && file_at(m->fs, *out)->flags & ABI_O_APPEND)
        return -EINVAL;
    return 0;
}

static bool has_position(struct machine *m, file_t file)
{
    return file_at(m->fs, file)->kind == FILE_HOST;
}

static i64 move(struct machine *m, struct task *t, file_t in, file_t out, i64 from, i64 to, u64 n)
{
    u8 *buf = mem_alloc(PIECE);
    i64 r = buf ? 0 : -ENOMEM;
    while (buf && t->call.progress < n) {
        u64 done = t->call.progress, left = n - done;
        i64 at_in = from < 0 ? -1 : from + (i64)done, at_out = to < 0 ? -1 : to + (i64)done;
        file_will_be_used(m, in);
        file_will_be_used(m, out);
        if (call_must_end(m, t)) {
            r = -ERESTARTSYS;
            break;
        }
        r = is_pipe(m, in) ? from_pipe(m, in, out, buf, left, at_out, false)
                           : into_pipe(m, in, out, buf, left, at_in);
        if (r <= 0)
            break;
        t->call.progress += (u64)r;
        if (!has_position(m, in) && !is_pipe(m, in))
            break; // what there was of a stream
    }
    mem_free(buf);
    return r;
}

i64 sys_splice(struct machine *m, struct task *t, const u64 *a)
{
    file_t in, out;
    i64 from, to;
    u32 flags = (u32)a[5];
    u64 n = MIN(a[4], (u64)ABI_RW_MAX);
    if (n == 0)
        return 0;
    if (flags & ~(u32)SPLICE_F_ALL)
        return -EINVAL;
    int e = splice_files(m, t, a, &in, &out);
    if (e == 0)
        e = offset_arg(m, t, in, a[1], &from);
    if (e == 0)
        e = offset_arg(m, t, out, a[3], &to);
    if (e)
        return e;
    i64 r = move(m, t, in, out, from, to, n);
    if (r == -EAGAIN && !t->call.progress)
        r = wait_for_side(m, t, in, out, flags);
    if (r == -EPARK)
        return r;
    r = r < 0 ? write_ends(m, t, r) : (i64)t->call.progress;
    i64 ends[2] = {from + r, to + r};
    if (r > 0 && a[1])
        e = uaccess_write(t->mm, a[1], &ends[0], sizeof ends[0]);
    if (r > 0 && a[3] && e == 0)
        e = uaccess_write(t->mm, a[3], &ends[1], sizeof ends[1]);
    return e ? e : r;
}

i64 sys_tee(struct machine *m, struct task *t, const u64 *a)
{
    file_t in, out;
    u64 n = MIN(a[2], (u64)ABI_RW_MAX);
    u32 flags = (u32)a[3];
    if (flags & ~(u32)SPLICE_F_ALL)
        return -EINVAL;
    if (n == 0)
        return 0;
    int e = file_readable(m, t, a[0], &in);
    if (e == 0)
        e = file_writable(m, t, a[1], &out);
    if (e == 0 && (!is_pipe(m, in) || !is_pipe(m, out) || file_same_pipe(m->fs, in, out)))
        e = -EINVAL;
    if (e)
        return e;
    // All at once: what is copied stays in front, so it cannot be done in pieces.
    n = MIN(n, (u64)file_pipe_length(m->fs, in));
    u8 *buf = mem_alloc(MAX(n, 1u));
    if (!buf)
        return -ENOMEM;
    i64 r;
    u64 have = file_pipe_peek(m->fs, in, buf, n);
    u64 room = (u64)file_pipe_room(m->fs, out);
    if (hung_up(m, out, ABI_POLLERR))
        r = -EPIPE;
    else if (!have)
        r = hung_up(m, in, ABI_POLLHUP) ? 0 : -EAGAIN;
    else
        r = room ? put(m, out, buf, MIN(have, room), -1) : -EAGAIN;
    mem_free(buf);
    if (r == -EAGAIN)
        r = wait_for_side(m, t, in, out, flags);
    return r == -EPIPE ? write_ends(m, t, r) : r;
}

// Between a pipe and the caller's memory: as writev and readv do it.
i64 sys_vmsplice(struct machine *m, struct task *t, const u64 *a)
{
    struct vectors v;
    u32 flags = (u32)a[3];
    file_t file = fd_arg(t, a[0]);
    if (flags & ~(u32)SPLICE_F_ALL)
        return -EINVAL;
    if (!file || file_at(m->fs, file)->kind != FILE_PIPE)
        return -EBADF;
    int r = vectors_arg(t, &v, a[1], a[2]);
    if (r || !v.total)
        return r;
    bool nowait = flags & SPLICE_F_NONBLOCK;
    return (file_at(m->fs, file)->flags & ABI_O_ACCMODE) == ABI_O_RDONLY
               ? file_do_read(m, t, file, &v, -1, nowait)
               : file_do_write(m, t, file, &v, -1, nowait);
}
