#include "kernel/stream.h"

#include <errno.h>

#include "base/alloc.h"
#include "host/file.h"
#include "kernel/sys_file.h"

#define PIECE (64u << 10) // bytes to a call

static const struct stream *stream_of(struct fs *fs, file_t id)
{
    struct machine *m = fs->wake_arg;
    return &m->stream[file_at(fs, id)->object % ARRAY_LEN(m->stream)];
}

// The owner's function may take its time: others of the family run meanwhile.
static i64 stream_read(struct fs *fs, file_t id, struct uio *to, i64 offset)
{
    struct machine *m = fs->wake_arg;
    const struct stream *s = stream_of(fs, id);
    u64 n = MIN(to->left, (u64)PIECE);
    if (offset >= 0)
        return -ESPIPE;
    int r = uio_check(to, n, MM_WRITE);
    if (r || !s->read || !n)
        return r;
    u8 *bytes = mem_alloc(n);
    if (!bytes)
        return -ENOMEM;
    store_unlock(m->store);
    i64 got = s->read(s->arg, bytes, n);
    store_lock(m->store);
    got = MIN(got, (i64)n);
    r = got > 0 ? uio_to(to, bytes, (u64)got) : 0;
    mem_free(bytes);
    m->stream_dry = m->stream_dry || got == -EAGAIN;
    return r ? r : got;
}

static int stream_poll(struct fs *fs, file_t id)
{
    struct machine *m = fs->wake_arg;
    if (file_at(fs, id)->object)
        return ABI_POLLOUT | ABI_POLLWRNORM;
    return m->stream_dry ? 0 : ABI_POLLIN | ABI_POLLRDNORM;
}

static void stream_wait(struct fs *fs, file_t id, int events, struct wait_spec *out)
{
    (void)events;
    out->chan[out->nchan++] = CHAN(CHAN_STREAM, file_at(fs, id)->object);
}

void streams_again(struct machine *m)
{
    if (!m->stream_dry)
        return;
    m->stream_dry = false;
    wake_channel(m, CHAN(CHAN_STREAM, 0));
}

static i64 stream_write(struct fs *fs, file_t id, struct uio *from, i64 offset)
{
    struct machine *m = fs->wake_arg;
    const struct stream *s = stream_of(fs, id);
    u64 n = MIN(from->left, (u64)PIECE);
    if (offset >= 0)
        return -ESPIPE;
    u8 *bytes = mem_alloc(n ? n : 1);
    if (!bytes)
        return -ENOMEM;
    i64 r = uio_from(from, bytes, n);
    if (r == 0) {
        store_unlock(m->store);
        r = s->write ? s->write(s->arg, bytes, n) : (i64)n;
        store_lock(m->store);
    }
    mem_free(bytes);
    return MIN(r, (i64)n);
}

void stream_attach(struct machine *m)
{
    static const struct file_ops ops = {.read = stream_read, .write = stream_write,
                                        .poll = stream_poll, .wait = stream_wait};
    m->fs->ops[FILE_STREAM_CALLS] = &ops;
}

static int open_null(struct machine *m, file_t *out)
{
    int fd = host_openat(HOST_CWD, "/dev/null", ABI_O_RDWR, 0);
    if (fd < 0)
        return fd;
    int r = fs_stdio(m->fs, fd, out);
    if (r)
        host_close(fd);
    return r;
}

// Descriptor `fd` of the program, for a process that is started beside it.
static int share_with_program(struct machine *m, u32 fd, file_t *out)
{
    const struct group *g = group_at(m, m->main_group);
    *out = g->tasks ? fd_get(task_at(m, g->tasks)->files, fd) : 0;
    if (!*out)
        return -EBADF;
    file_get(m->fs, *out);
    return 0;
}

int stream_open(struct machine *m, u32 fd, file_t *out)
{
    const struct stream *s = &m->stream[fd];
    int host, r;
    switch (s->kind) {
    case STREAM_TAKE:
        return m->main_group ? share_with_program(m, fd, out) : fs_stdio(m->fs, s->fd, out);
    case STREAM_SHARE:
        host = host_dup(s->fd);
        r = host < 0 ? host : fs_stdio(m->fs, host, out);
        if (r && host >= 0)
            host_close(host);
        return r;
    case STREAM_NULL:
        return open_null(m, out);
    case STREAM_CALLS:
        r = anon_file(m, FILE_STREAM_CALLS, fd ? ABI_O_WRONLY : ABI_O_RDONLY, "/dev/null", out);
        if (r == 0)
            file_at(m->fs, *out)->object = fd;
        return r;
    default:
        return -EBADF;
    }
}

void stream_undo(struct machine *m, u32 fd, file_t file)
{
    if (file && m->stream[fd].kind == STREAM_TAKE && !m->main_group)
        fs_stdio_leave(m->fs, file);
    file_put(m->fs, file);
}
