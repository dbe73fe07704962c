// The two ends of a pseudo-terminal as open files (pty(7)).
#include "fs/tty.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/forking.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "host/clock.h"
#include "host/file.h"

struct tty *tty_at(struct fs *fs, u32 id)
{
    return id == TTY_HOST ? NULL : pool_find(&fs->ttys, id);
}

u32 tty_of_file(struct fs *fs, file_t id)
{
    const struct file *f = file_at(fs, id);
    if (!f)
        return 0;
    return f->kind == FILE_TTY ? TTY_HOST : f->kind == FILE_PTM || f->kind == FILE_PTS ? f->object : 0;
}

i32 *tty_pgrp(struct fs *fs, u32 id)
{
    struct tty *t = tty_at(fs, id);
    return t ? &t->pgrp : &fs->tty_pgrp;
}

i32 *tty_sid(struct fs *fs, u32 id)
{
    struct tty *t = tty_at(fs, id);
    return t ? &t->sid : &fs->tty_sid;
}

u64 tty_rdev(struct fs *fs, u32 id)
{
    const struct tty *t = tty_at(fs, id);
    return t ? ABI_MAKEDEV(ABI_PTS_MAJOR, t->number) : fs->tty_dev;
}

static struct tty *tty_of(struct fs *fs, file_t id)
{
    return pool_at(&fs->ttys, file_at(fs, id)->object);
}

// ---- which there are

u32 pty_find(struct fs *fs, u32 number)
{
    for (u32 id = 0; (id = pty_next(fs, id));)
        if (tty_at(fs, id)->number == number)
            return id;
    return 0;
}

u32 pty_next(struct fs *fs, u32 id)
{
    while ((id = pool_next(&fs->ttys, id)))
        if (!tty_at(fs, id)->hung)
            return id;
    return 0;
}

// The lowest free number; where the host's terminals are to be seen, also none of theirs.
static u32 free_number(struct fs *fs)
{
    char name[16];
    struct abi_stat s;
    int host = -1;
    for (u32 id = 0; (id = pool_next(&fs->mounts, id));)
        if (mount_at(fs, id)->kind == MOUNT_PTS && mount_at(fs, id)->fd >= 0)
            host = mount_at(fs, id)->fd;
    for (u32 n = 0;; n++) {
        bool taken = false;
        for (u32 id = 0; (id = pool_next(&fs->ttys, id));)
            taken = taken || tty_at(fs, id)->number == n;
        snprintf(name, sizeof name, "%u", n);
        if (!taken && (host < 0 || host_fstatat(host, name, &s)))
            return n;
    }
}

static const struct abi_termios fresh = {
    .c_iflag = ABI_ICRNL | ABI_IXON,
    .c_oflag = ABI_OPOST | ABI_ONLCR,
    .c_cflag = 017 | ABI_CS8 | ABI_CREAD, // B38400
    .c_lflag = ABI_ISIG | ABI_ICANON | ABI_ECHO | ABI_ECHOE | ABI_ECHOK | ABI_ECHOCTL | ABI_ECHOKE |
               ABI_IEXTEN,
    .c_cc = {3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0},
    .c_ispeed = 38400,
    .c_ospeed = 38400,
};

int pty_open_master(struct fs *fs, u32 oflags, u32 mount, file_t *out)
{
    u32 id, number = free_number(fs);
    char *name = budget_strdup(fs->budget, "ptmx");
    struct tty_bytes *bytes = budget_zalloc(fs->budget, sizeof *bytes);
    int r = name && bytes ? pool_new(&fs->ttys, &id) : -ENOMEM;
    if (r)
        goto no_row;
    r = file_new(fs, FILE_PTM, oflags, out);
    if (r)
        goto no_file;
    struct tty *t = tty_at(fs, id);
    *t = (struct tty){.number = number, .masters = 1, .locked = true, .termios = fresh,
                      .mode = 0620, .gid = 5, .bytes = bytes};
    t->uid = host_uid();
    struct file *f = file_at(fs, *out);
    f->object = id;
    file_set_mount(fs, f, mount);
    f->path = name;
    return 0;
no_file:
    pool_free(&fs->ttys, id);
no_row:
    budget_free(bytes);
    budget_free(name);
    return r;
}

int pty_open_slave(struct fs *fs, u32 id, u32 oflags, u32 mount, const char *name, file_t *out)
{
    struct tty *t = tty_at(fs, id);
    if (!t)
        return -ENOENT;
    if (t->locked || t->hung)
        return -EIO;
    if (t->exclusive)
        return -EBUSY;
    char *copy = budget_strdup(fs->budget, name);
    int r = copy ? file_new(fs, FILE_PTS, oflags, out) : -ENOMEM;
    if (r) {
        budget_free(copy);
        return r;
    }
    struct file *f = file_at(fs, *out);
    f->object = id;
    file_set_mount(fs, f, mount);
    f->path = copy;
    t->slaves++;
    t->left = false;
    return 0;
}

int pty_open_peer(struct fs *fs, file_t master, u32 oflags, file_t *out)
{
    char name[16];
    u32 mount = file_at(fs, master)->mount;
    snprintf(name, sizeof name, "pts/%u", tty_of(fs, master)->number);
    return pty_open_slave(fs, file_at(fs, master)->object, oflags, mount,
                          mount && mount_at(fs, mount)->kind == MOUNT_PTS ? name + 4 : name, out);
}

static void copy_tty(struct forking *f, void *object)
{
    struct tty *t = object;
    t->bytes = budget_dup(f, t->bytes);
}

static void drop_tty(void *owner, void *object)
{
    (void)owner;
    budget_free(((struct tty *)object)->bytes);
}

const struct pool_kind ttys_pool = {sizeof(struct tty), copy_tty, drop_tty};

static void drop(struct fs *fs, u32 id)
{
    struct tty *t = tty_at(fs, id);
    if (t->masters || t->slaves)
        return;
    budget_free(t->bytes);
    pool_free(&fs->ttys, id);
}

// ---- the master

static i64 master_read(struct fs *fs, file_t id, struct uio *to, i64 offset)
{
    struct tty *t = tty_of(fs, id);
    if (offset >= 0)
        return -ESPIPE;
    if (!to->left)
        return 0;
    bool status = t->packet && t->packet_status;
    if (!status && !t->out_len)
        return t->left ? -EIO : -EAGAIN;
    u32 head = t->packet ? 1 : 0;
    u32 n = status ? 0 : (u32)MIN((u64)t->out_len, to->left - head);
    u32 part = MIN(n, TTY_OUT - t->out_head);
    u8 first = status ? t->packet_status : 0;
    int r = uio_check(to, head + n, MM_WRITE);
    if (r == 0 && head)
        r = uio_to(to, &first, 1);
    if (r == 0)
        r = uio_to(to, t->bytes->out + t->out_head, part);
    if (r == 0)
        r = uio_to(to, t->bytes->out, n - part);
    if (r)
        return r;
    if (status)
        t->packet_status = 0;
    t->out_head = (t->out_head + n) % TTY_OUT;
    t->out_len -= n;
    tty_wake(fs, file_at(fs, id)->object);
    return head + n;
}

// IXOFF: asks the other side to stop, or to go on.
static void throttle(struct tty *t)
{
    u32 used = t->head - t->tail;
    bool on = used > TTY_IN - 256, off = used < 256;
    if (!(t->termios.c_iflag & ABI_IXOFF) || (t->throttled ? !off : !on))
        return;
    t->throttled = on;
    u8 c = t->termios.c_cc[on ? ABI_VSTOP : ABI_VSTART];
    if (c)
        tty_put(t, c);
}

static i64 master_write(struct fs *fs, file_t id, struct uio *from, i64 offset)
{
    u32 object = file_at(fs, id)->object;
    struct tty *t = tty_of(fs, id);
    u8 keys[256];
    if (offset >= 0)
        return -ESPIPE;
    if (!from->left)
        return 0;
    if (t->left)
        return -EIO;
    struct uio mark = *from;
    i64 n = uio_gather(&mark, keys, MIN(from->left, (u64)sizeof keys)), done = 0;
    if (n < 0)
        return n;
    while (done < n && tty_input_room(t))
        tty_input(fs, object, keys[done++]);
    throttle(t);
    uio_advance(from, (u64)done);
    if (done)
        tty_wake(fs, object);
    return done ? done : -EAGAIN;
}

static int master_poll(struct fs *fs, file_t id)
{
    const struct tty *t = tty_of(fs, id);
    int ready = 0;
    if (t->out_len)
        ready |= ABI_POLLIN | ABI_POLLRDNORM;
    if (t->packet && t->packet_status)
        ready |= ABI_POLLIN | ABI_POLLRDNORM | ABI_POLLPRI;
    if (t->left)
        ready |= ABI_POLLHUP;
    if (tty_input_room(t))
        ready |= ABI_POLLOUT | ABI_POLLWRNORM;
    return ready;
}

static void master_wait(struct fs *fs, file_t id, int events, struct wait_spec *out)
{
    (void)events;
    out->chan[out->nchan++] = CHAN(CHAN_TTY_MASTER, file_at(fs, id)->object);
}

static int master_stat(struct fs *fs, file_t id, struct abi_stat *out)
{
    (void)id;
    dev_stat(fs, DEV_PTMX, out);
    return 0;
}

static void master_release(struct fs *fs, file_t id)
{
    u32 object = file_at(fs, id)->object;
    struct tty *t = tty_at(fs, object);
    if (!t)
        return; // it never came to life
    t->masters--;
    t->hung = true;
    tty_flush(fs, object, true, true);
    if (fs->tty_hangup)
        fs->tty_hangup(fs->tty_arg, object);
    drop(fs, object);
}

const struct file_ops file_ptm_ops = {.read = master_read,
                                      .write = master_write,
                                      .ioctl = pty_ioctl,
                                      .poll = master_poll,
                                      .wait = master_wait,
                                      .stat = master_stat,
                                      .release = master_release};

// ---- the slave

int tty_read_waits(struct fs *fs, file_t id, u64 n, u32 *deciseconds, u64 *mark)
{
    const struct tty *t = tty_of(fs, id);
    u32 available = t->head - t->tail, least = t->termios.c_cc[ABI_VMIN];
    u32 time = t->termios.c_cc[ABI_VTIME];
    *deciseconds = 0;
    *mark = t->head;
    if (t->hung || !n)
        return 0;
    if (t->termios.c_lflag & ABI_ICANON)
        return tty_has_line(t) ? 0 : -EAGAIN;
    if (!least && !time)
        return 0;
    bool hurry = file_at(fs, id)->flags & ABI_O_NONBLOCK;
    if (available && (hurry || available >= MIN((u64)least, n)))
        return 0;
    if (!least || available)
        *deciseconds = time;
    return -EAGAIN;
}

static i64 slave_read(struct fs *fs, file_t id, struct uio *to, i64 offset)
{
    u32 deciseconds;
    u64 mark;
    struct tty *t = tty_of(fs, id);
    if (offset >= 0)
        return -ESPIPE;
    int r = tty_read_waits(fs, id, to->left, &deciseconds, &mark);
    if (r)
        return r;
    if (t->hung)
        return 0;
    i64 n = tty_take(t, to);
    throttle(t);
    tty_wake(fs, file_at(fs, id)->object);
    return n;
}

static i64 slave_write(struct fs *fs, file_t id, struct uio *from, i64 offset)
{
    struct tty *t = tty_of(fs, id);
    u8 text[1024];
    if (offset >= 0)
        return -ESPIPE;
    if (t->hung)
        return -EIO;
    if (!from->left)
        return 0;
    if (t->stopped || t->out_len >= TTY_OUT_SOFT)
        return -EAGAIN;
    struct uio mark = *from;
    i64 n = uio_gather(&mark, text, MIN(from->left, (u64)sizeof text)), done = 0;
    if (n < 0)
        return n;
    while (done < n && t->out_len < TTY_OUT_SOFT)
        tty_output(t, text[done++]);
    t->line_column = t->column;
    uio_advance(from, (u64)done);
    fs_wake(fs, CHAN(CHAN_TTY_MASTER, file_at(fs, id)->object));
    return done;
}

static int slave_poll(struct fs *fs, file_t id)
{
    const struct tty *t = tty_of(fs, id);
    u32 least = 1;
    if (t->hung)
        return ABI_POLLIN | ABI_POLLRDNORM | ABI_POLLOUT | ABI_POLLWRNORM | ABI_POLLERR | ABI_POLLHUP;
    if (!(t->termios.c_lflag & ABI_ICANON) && !t->termios.c_cc[ABI_VTIME])
        least = MAX(t->termios.c_cc[ABI_VMIN], 1u);
    return (tty_available(t) >= least ? ABI_POLLIN | ABI_POLLRDNORM : 0) |
           (!t->stopped && t->out_len < TTY_OUT_SOFT ? ABI_POLLOUT | ABI_POLLWRNORM : 0);
}

static void slave_wait(struct fs *fs, file_t id, int events, struct wait_spec *out)
{
    (void)events;
    out->chan[out->nchan++] = CHAN(CHAN_TTY_SLAVE, file_at(fs, id)->object);
}

static int slave_stat(struct fs *fs, file_t id, struct abi_stat *out)
{
    bool by_tty = !strcmp(file_at(fs, id)->path, "tty"); // opened as /dev/tty
    dev_stat(fs, by_tty ? DEV_TTY : DEV_PTS + tty_of(fs, id)->number, out);
    return 0;
}

static void slave_release(struct fs *fs, file_t id)
{
    u32 object = file_at(fs, id)->object;
    struct tty *t = tty_at(fs, object);
    if (!t)
        return;
    t->left = !--t->slaves;
    t->exclusive = t->exclusive && !t->left;
    tty_wake(fs, object);
    drop(fs, object);
}

const struct file_ops file_pts_ops = {.read = slave_read,
                                      .write = slave_write,
                                      .ioctl = pty_ioctl,
                                      .poll = slave_poll,
                                      .wait = slave_wait,
                                      .stat = slave_stat,
                                      .release = slave_release};
