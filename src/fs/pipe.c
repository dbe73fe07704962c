// Pipes and FIFOs: a ring of bytes that grows to its capacity when it is needed.
//
// (PI1) readers and writers count open descriptions, not descriptors; `opens` only ever grow, so that
//       an open that waits notices a partner that has come and gone (fifo(7)).
// (PI2) A write of at most PIPE_BUF bytes is done as a whole or not at all (pipe(7)).
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/forking.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "host/file.h"
#include "mm/uaccess.h"

#define PIPE_DEFAULT (64u << 10)
#define PIPE_MAX (1u << 20) // /proc/sys/fs/pipe-max-size

struct pipe {
    u32 refs; // open descriptions
    u32 readers, writers;
    u32 reader_opens, writer_opens;
    u32 capacity, alloc, head, len; // bytes; alloc <= capacity is what the ring has now
    u8 *ring;
    u64 ino;           // of a pipe
    u64 fifo_dev, fifo_ino; // of a FIFO, else 0
};

// The copy's ring is as long as what is in it.
static void copy_pipe(struct forking *f, void *object)
{
    struct pipe *p = object;
    const u8 *ring = p->ring;
    u32 part = MIN(p->len, p->alloc - p->head);
    p->ring = p->len && !f->error ? budget_alloc(f->fs->budget, p->len) : NULL;
    if (p->ring) {
        memcpy(p->ring, ring + p->head, part);
        memcpy(p->ring + part, ring, p->len - part);
    } else if (p->len) {
        f->error = f->error ? f->error : -ENOMEM;
    }
    p->alloc = p->ring ? p->len : 0;
    p->head = 0;
}

static void drop_pipe(void *owner, void *object)
{
    (void)owner;
    budget_free(((struct pipe *)object)->ring);
}

const struct pool_kind pipes_pool = {sizeof(struct pipe), copy_pipe, drop_pipe};

static struct pipe *pipe_of(struct fs *fs, file_t id)
{
    return pool_find(&fs->pipes, file_at(fs, id)->object);
}

static int pipe_new(struct fs *fs, u32 *id, struct pipe **out)
{
    int r = pool_new(&fs->pipes, id);
    if (r)
        return r;
    *out = pool_at(&fs->pipes, *id);
    (*out)->capacity = PIPE_DEFAULT;
    (*out)->ino = ++fs->next_ino;
    return 0;
}

static void attach(struct fs *fs, struct file *f, u32 pipe_id, struct pipe *p)
{
    f->object = pipe_id;
    p->refs++;
    u32 access = f->flags & ABI_O_ACCMODE;
    if (access != ABI_O_WRONLY) {
        f->how |= FILE_READER;
        p->readers++;
        p->reader_opens++;
    }
    if (access != ABI_O_RDONLY) {
        f->how |= FILE_WRITER;
        p->writers++;
        p->writer_opens++;
    }
    fs_wake(fs, CHAN(CHAN_PIPE_OPEN, pipe_id));
}

void pipe_attach(struct fs *fs, file_t id, u32 pipe)
{
    attach(fs, file_at(fs, id), pipe, pool_at(&fs->pipes, pipe));
}

static void pipe_drop(struct fs *fs, u32 pipe_id)
{
    struct pipe *p = pool_at(&fs->pipes, pipe_id);
    if (p->refs)
        return;
    budget_free(p->ring);
    pool_free(&fs->pipes, pipe_id);
}

int fs_pipe(struct fs *fs, file_t out[2], u32 flags)
{
    u32 id;
    struct pipe *p;
    if (flags & ~(ABI_O_CLOEXEC | ABI_O_NONBLOCK | ABI_O_DIRECT))
        return -EINVAL;
    int r = pipe_new(fs, &id, &p);
    if (r)
        return r;
    flags &= ABI_O_NONBLOCK | ABI_O_DIRECT;
    r = file_new(fs, FILE_PIPE, ABI_O_RDONLY | flags, &out[0]);
    if (r)
        goto no_reader;
    r = file_new(fs, FILE_PIPE, ABI_O_WRONLY | flags, &out[1]);
    if (r)
        goto no_writer;
    attach(fs, file_at(fs, out[0]), id, p);
    attach(fs, file_at(fs, out[1]), id, p);
    return 0;
no_writer:
    file_put(fs, out[0]);
no_reader:
    pipe_drop(fs, id);
    return r;
}

static u32 find_fifo(struct fs *fs, u64 dev, u64 ino)
{
    for (u32 id = pool_next(&fs->pipes, 0); id; id = pool_next(&fs->pipes, id)) {
        struct pipe *p = pool_at(&fs->pipes, id);
        if (p->fifo_ino == ino && p->fifo_dev == dev)
            return id;
    }
    return 0;
}

int fifo_open(struct fs *fs, int path_fd, const struct abi_stat *s, u32 flags, u32 mount, file_t *out)
{
    u32 access = flags & ABI_O_ACCMODE;
    u32 id = find_fifo(fs, s->st_dev, s->st_ino);
    struct pipe *p = pool_find(&fs->pipes, id);
    int r = 0;
    if (access == ABI_O_WRONLY && (flags & ABI_O_NONBLOCK) && (!p || !p->readers))
        r = -ENXIO;
    if (r == 0 && !p)
        r = pipe_new(fs, &id, &p);
    if (r) {
        host_close(path_fd);
        return r;
    }
    p->fifo_dev = s->st_dev;
    p->fifo_ino = s->st_ino;
    r = file_new(fs, FILE_PIPE, flags, out);
    if (r) {
        host_close(path_fd);
        pipe_drop(fs, id);
        return r;
    }
    struct file *f = file_at(fs, *out);
    f->host_fd = path_fd;
    file_set_mount(fs, f, mount);
    f->dev = s->st_dev;
    f->ino = s->st_ino;
    f->opens = access == ABI_O_RDONLY ? p->writer_opens : p->reader_opens;
    attach(fs, f, id, p);
    if (access == ABI_O_RDWR || (flags & ABI_O_NONBLOCK))
        return 0;
    if (access == ABI_O_RDONLY ? p->writers : p->readers)
        return 0;
    return -EAGAIN;
}

bool pipe_is_fifo(struct fs *fs, u32 pipe)
{
    const struct pipe *p = pool_find(&fs->pipes, pipe);
    return p && p->fifo_ino;
}

int file_open_done(struct fs *fs, file_t id)
{
    struct file *f = file_at(fs, id);
    if (!f || f->kind != FILE_PIPE)
        return 0;
    struct pipe *p = pipe_of(fs, id);
    u32 access = f->flags & ABI_O_ACCMODE;
    u32 seen = access == ABI_O_RDONLY ? p->writer_opens : p->reader_opens;
    return access == ABI_O_RDWR || seen != f->opens ? 0 : -EAGAIN;
}

static i64 pipe_read(struct fs *fs, file_t id, struct uio *to, i64 offset)
{
    struct pipe *p = pipe_of(fs, id);
    if (offset >= 0)
        return -ESPIPE;
    if (!to->left)
        return 0;
    if (!p->len)
        return p->writers ? -EAGAIN : 0;
    u32 n = (u32)MIN((u64)p->len, to->left), part = MIN(n, p->alloc - p->head);
    int r = uio_check(to, n, MM_WRITE); // nothing is consumed that cannot be delivered (law L11)
    if (r == 0)
        r = uio_to(to, p->ring + p->head, part);
    if (r == 0)
        r = uio_to(to, p->ring, n - part);
    if (r)
        return r;
    p->len -= n;
    p->head = p->len ? (p->head + n) % p->alloc : 0;
    fs_wake(fs, CHAN(CHAN_PIPE_SPACE, file_at(fs, id)->object));
    return n;
}

// Makes the ring at least `want` <= capacity bytes long.
static int grow(struct fs *fs, struct pipe *p, u32 want)
{
    if (want <= p->alloc)
        return 0;
    u32 size = MAX(p->alloc, 4096u);
    while (size < want)
        size *= 2;
    size = MIN(size, p->capacity);
    u8 *ring = budget_alloc(fs->budget, size);
    if (!ring)
        return -ENOMEM;
    u32 part = MIN(p->len, p->alloc - p->head);
    if (p->len) {
        memcpy(ring, p->ring + p->head, part);
        memcpy(ring + part, p->ring, p->len - part);
    }
    budget_free(p->ring);
    p->ring = ring;
    p->alloc = size;
    p->head = 0;
    return 0;
}

static i64 pipe_write(struct fs *fs, file_t id, struct uio *from, i64 offset)
{
    struct pipe *p = pipe_of(fs, id);
    if (offset >= 0)
        return -ESPIPE;
    if (!p->readers)
        return -EPIPE;
    if (!from->left)
        return 0;
    u32 space = p->capacity - p->len, n = (u32)MIN((u64)space, from->left);
    if (!n || (from->left <= ABI_PIPE_BUF && n < from->left))
        return -EAGAIN;
    int r = grow(fs, p, p->len + n);
    if (r)
        return r;
    u32 tail = (p->head + p->len) % p->alloc, part = MIN(n, p->alloc - tail);
    i64 done = uio_gather(from, p->ring + tail, part);
    if (done == (i64)part && part < n) {
        i64 more = uio_gather(from, p->ring, n - part);
        done += more > 0 ? more : 0;
    }
    if (done < 0)
        return done;
    p->len += (u32)done;
    fs_wake(fs, CHAN(CHAN_PIPE_DATA, file_at(fs, id)->object));
    return done;
}

static int pipe_stat(struct fs *fs, file_t id, struct abi_stat *out)
{
    struct file *f = file_at(fs, id);
    if (f->host_fd >= 0)
        return host_fstat(f->host_fd, out);
    *out = (struct abi_stat){.st_dev = ABI_MAKEDEV(0, 14), .st_ino = pipe_of(fs, id)->ino,
                             .st_mode = ABI_S_IFIFO | 0600, .st_nlink = 1, .st_blksize = 4096};
    stat_time(fs, out);
    return 0;
}

static int pipe_poll(struct fs *fs, file_t id)
{
    struct file *f = file_at(fs, id);
    struct pipe *p = pipe_of(fs, id);
    int ready = 0;
    if (f->how & FILE_READER) {
        if (p->len)
            ready |= ABI_POLLIN | ABI_POLLRDNORM;
        // A FIFO that never had a writer since it was opened does not hang up (fifo(7), poll(2)).
        if (!p->writers && (!p->fifo_ino || p->writer_opens != f->opens))
            ready |= ABI_POLLHUP;
    }
    if (f->how & FILE_WRITER) {
        if (p->capacity - p->len >= ABI_PIPE_BUF)
            ready |= ABI_POLLOUT | ABI_POLLWRNORM;
        if (!p->readers)
            ready |= ABI_POLLERR;
    }
    return ready;
}

static void pipe_wait(struct fs *fs, file_t id, int events, struct wait_spec *out)
{
    struct file *f = file_at(fs, id);
    if (!events) {
        out->chan[out->nchan++] = CHAN(CHAN_PIPE_OPEN, f->object);
        return;
    }
    if (f->how & FILE_READER)
        out->chan[out->nchan++] = CHAN(CHAN_PIPE_DATA, f->object);
    if (f->how & FILE_WRITER)
        out->chan[out->nchan++] = CHAN(CHAN_PIPE_SPACE, f->object);
}

static int pipe_ioctl(struct fs *fs, file_t id, u32 cmd, struct mm *mm, u64 arg)
{
    if (cmd == ABI_FIONREAD)
        return uaccess_write_u32(mm, arg, pipe_of(fs, id)->len);
    return -ENOTTY;
}

static void pipe_release(struct fs *fs, file_t id)
{
    struct file *f = file_at(fs, id);
    struct pipe *p = pool_find(&fs->pipes, f->object);
    if (!p)
        return; // fs_pipe could not finish
    if (f->how & FILE_READER)
        p->readers--;
    if (f->how & FILE_WRITER)
        p->writers--;
    p->refs--;
    fs_wake(fs, CHAN(CHAN_PIPE_DATA, f->object));
    fs_wake(fs, CHAN(CHAN_PIPE_SPACE, f->object));
    pipe_drop(fs, f->object);
}

i64 file_pipe_size(struct fs *fs, file_t id)
{
    struct file *f = file_at(fs, id);
    return f->kind == FILE_PIPE ? (i64)pipe_of(fs, id)->capacity : -EBADF;
}

i64 file_pipe_length(struct fs *fs, file_t id)
{
    return file_at(fs, id)->kind == FILE_PIPE ? (i64)pipe_of(fs, id)->len : -EBADF;
}

i64 file_pipe_room(struct fs *fs, file_t id)
{
    if (file_at(fs, id)->kind != FILE_PIPE)
        return -EBADF;
    const struct pipe *p = pipe_of(fs, id);
    return p->capacity - p->len;
}

bool file_same_pipe(struct fs *fs, file_t a, file_t b)
{
    return file_at(fs, a)->object == file_at(fs, b)->object;
}

u64 file_pipe_peek(struct fs *fs, file_t id, void *to, u64 n)
{
    const struct pipe *p = pipe_of(fs, id);
    u32 all = (u32)MIN((u64)p->len, n), part = MIN(all, p->alloc - p->head);
    if (all) {
        memcpy(to, p->ring + p->head, part);
        memcpy((u8 *)to + part, p->ring, all - part);
    }
    return all;
}

void file_pipe_skip(struct fs *fs, file_t id, u64 n)
{
    struct pipe *p = pipe_of(fs, id);
    u32 gone = (u32)MIN((u64)p->len, n);
    p->len -= gone;
    p->head = p->len ? (p->head + gone) % p->alloc : 0;
    fs_wake(fs, CHAN(CHAN_PIPE_SPACE, file_at(fs, id)->object));
}

i64 file_pipe_resize(struct fs *fs, file_t id, u64 bytes)
{
    struct file *f = file_at(fs, id);
    if (f->kind != FILE_PIPE)
        return -EBADF;
    struct pipe *p = pipe_of(fs, id);
    if (bytes > 1u << 31)
        return -EINVAL;
    u32 size = 4096;
    while (size < bytes)
        size *= 2;
    if (size > PIPE_MAX)
        return -EPERM;
    if (size < p->len)
        return -EBUSY;
    if (p->alloc > size) { // shrink: to what it holds; the next write grows it again
        u8 *ring = budget_alloc(fs->budget, size);
        if (!ring)
            return -ENOMEM;
        u32 part = MIN(p->len, p->alloc - p->head);
        memcpy(ring, p->ring + p->head, part);
        memcpy(ring + part, p->ring, p->len - part);
        budget_free(p->ring);
        p->ring = ring;
        p->alloc = size;
        p->head = 0;
    }
    p->capacity = size;
    fs_wake(fs, CHAN(CHAN_PIPE_SPACE, f->object));
    return size;
}

const struct file_ops file_pipe_ops = {
    .read = pipe_read,
    .write = pipe_write,
    .stat = pipe_stat,
    .ioctl = pipe_ioctl,
    .poll = pipe_poll,
    .wait = pipe_wait,
    .release = pipe_release,
};
