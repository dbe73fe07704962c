// The machine's own devices, and eventfd: objects that need nothing but themselves.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/tty.h"
#include "host/file.h"
#include "mm/uaccess.h"

struct dev_row {
    const char *name;
    u8 major, minor;
};
static const struct dev_row devices[] = {
    [DEV_NULL] = {"null", 1, 3},     [DEV_ZERO] = {"zero", 1, 5},       [DEV_FULL] = {"full", 1, 7},
    [DEV_RANDOM] = {"random", 1, 8}, [DEV_URANDOM] = {"urandom", 1, 9}, [DEV_TTY] = {"tty", 5, 0},
    [DEV_PTMX] = {"ptmx", 5, 2},
};
static const char *const links[][2] = {
    {"fd", "/proc/self/fd"},
    {"stdin", "/proc/self/fd/0"},
    {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"},
};

static bool same(const char *row, const char *name, size_t len)
{
    return strlen(row) == len && !memcmp(row, name, len);
}

u32 dev_find(const char *name, size_t len)
{
    for (u32 i = DEV_NULL; i < ARRAY_LEN(devices); i++)
        if (same(devices[i].name, name, len))
            return i;
    return 0;
}

const char *dev_link(const char *name, size_t len)
{
    for (u32 i = 0; i < ARRAY_LEN(links); i++)
        if (same(links[i][0], name, len))
            return links[i][1];
    return NULL;
}

u32 dev_of_rdev(u64 rdev)
{
    for (u32 i = DEV_NULL; i < ARRAY_LEN(devices); i++)
        if (rdev == ABI_MAKEDEV(devices[i].major, devices[i].minor))
            return i;
    return 0;
}

u32 pts_name_find(struct fs *fs, const char *name, size_t len)
{
    u32 number = 0;
    if (same("ptmx", name, len))
        return DEV_PTMX;
    if (!len || len > 5 || (name[0] == '0' && len > 1))
        return 0;
    for (size_t i = 0; i < len; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        number = number * 10 + (u32)(name[i] - '0');
    }
    return pty_find(fs, number) ? DEV_PTS + number : 0;
}

const char *dev_name(u32 dev, char *room)
{
    if (dev == DEV_DIR || dev == DEV_PTSDIR)
        return "";
    if (dev < DEV_PTS)
        return devices[dev].name;
    snprintf(room, DEV_NAME_ROOM, "%u", dev - DEV_PTS);
    return room;
}

void dev_stat(struct fs *fs, u32 dev, struct abi_stat *out)
{
    *out = (struct abi_stat){.st_dev = ABI_MAKEDEV(0, 5), .st_ino = 16 + dev, .st_nlink = 1,
                             .st_blksize = 4096};
    if (dev == DEV_DIR || dev == DEV_PTSDIR) {
        out->st_mode = ABI_S_IFDIR | 0755;
    } else if (dev >= DEV_PTS) {
        const struct tty *t = tty_at(fs, pty_find(fs, dev - DEV_PTS));
        out->st_dev = ABI_MAKEDEV(0, 24);
        out->st_ino = 3 + dev - DEV_PTS;
        out->st_blksize = 1024;
        out->st_mode = ABI_S_IFCHR | (t ? t->mode : 0620);
        out->st_uid = t ? t->uid : 0;
        out->st_gid = t ? t->gid : 5;
        out->st_rdev = ABI_MAKEDEV(ABI_PTS_MAJOR, dev - DEV_PTS);
    } else {
        out->st_mode = ABI_S_IFCHR | 0666;
        out->st_rdev = ABI_MAKEDEV(devices[dev].major, devices[dev].minor);
    }
    stat_time(fs, out);
}

// /dev/tty: the terminal that controls the process.
static int tty_open(struct fs *fs, u32 oflags, u32 mount, file_t *out)
{
    u32 tty = fs->tty_controlling ? fs->tty_controlling(fs->tty_arg) : TTY_HOST;
    if (!tty)
        return -ENXIO;
    if (tty != TTY_HOST)
        return pty_open_slave(fs, tty, oflags, mount, "tty", out);
    int fd = host_openat(HOST_CWD, "/dev/tty",
                         (oflags & ABI_O_ACCMODE) | ABI_O_NOCTTY | ABI_O_NONBLOCK, 0);
    if (fd < 0)
        return fd;
    char *name = budget_strdup(fs->budget, "tty");
    int r = name ? file_new(fs, FILE_TTY, oflags, out) : -ENOMEM;
    if (r) {
        budget_free(name);
        host_close(fd);
        return r;
    }
    file_at(fs, *out)->host_fd = fd;
    file_at(fs, *out)->path = name;
    file_set_mount(fs, file_at(fs, *out), mount);
    return 0;
}

int dev_open(struct fs *fs, u32 dev, u32 oflags, u32 mount, file_t *out)
{
    char room[DEV_NAME_ROOM];
    bool path = oflags & ABI_O_PATH, dir = dev == DEV_DIR || dev == DEV_PTSDIR;
    if (!dir && (oflags & ABI_O_DIRECTORY))
        return -ENOTDIR;
    if (dir && !path && (oflags & ABI_O_ACCMODE) != ABI_O_RDONLY)
        return -EISDIR;
    if ((oflags & (ABI_O_CREAT | ABI_O_EXCL)) == (ABI_O_CREAT | ABI_O_EXCL))
        return -EEXIST;
    if (dev == DEV_TTY && !path)
        return tty_open(fs, oflags, mount, out);
    if (dev == DEV_PTMX && !path)
        return pty_open_master(fs, oflags, mount, out);
    const char *below = dev_name(dev, room);
    if (dev >= DEV_PTS && !path)
        return pty_open_slave(fs, pty_find(fs, dev - DEV_PTS), oflags, mount, below, out);
    char *name = budget_strdup(fs->budget, below);
    if (!name)
        return -ENOMEM;
    int r = file_new(fs, path ? FILE_PATH : FILE_DEV, oflags, out);
    if (r) {
        budget_free(name);
        return r;
    }
    struct file *f = file_at(fs, *out);
    f->object = dev;
    file_set_mount(fs, f, mount);
    f->path = name;
    return 0;
}

static i64 random_read(struct fs *fs, struct uio *to)
{
    u8 buf[256];
    i64 done = 0;
    while (to->left) {
        u64 n = MIN(to->left, (u64)sizeof(buf));
        int r = fs_random(fs, buf, n);
        if (r == 0)
            r = uio_to(to, buf, n);
        if (r)
            return done ? done : r;
        done += (i64)n;
    }
    return done;
}

static i64 dev_read(struct fs *fs, file_t id, struct uio *to, i64 offset)
{
    (void)offset;
    i64 n = (i64)to->left;
    int r;
    switch (file_at(fs, id)->object) {
    case DEV_NULL:
        return 0;
    case DEV_ZERO:
    case DEV_FULL:
        r = uio_zero(to, (u64)n);
        return r ? r : n;
    case DEV_RANDOM:
    case DEV_URANDOM:
        return random_read(fs, to);
    default:
        return -EISDIR;
    }
}

static i64 dev_write(struct fs *fs, file_t id, struct uio *from, i64 offset)
{
    (void)offset;
    i64 n = (i64)from->left;
    if (file_at(fs, id)->object == DEV_FULL)
        return n ? -ENOSPC : 0;
    uio_advance(from, (u64)n);
    return n;
}

static i64 dev_seek(struct fs *fs, file_t id, i64 offset, int whence)
{
    struct file *f = file_at(fs, id);
    if ((f->object == DEV_DIR || f->object == DEV_PTSDIR) && whence == ABI_SEEK_SET && offset >= 0)
        return (i64)(f->pos = (u64)offset);
    return 0;
}

static int dev_stat_op(struct fs *fs, file_t id, struct abi_stat *out)
{
    dev_stat(fs, file_at(fs, id)->object, out);
    return 0;
}

int synth_dirent(struct uio *to, u64 ino, u64 next, u8 type, const char *name)
{
    _Alignas(8) char record[sizeof(struct abi_dirent64) + ABI_NAME_MAX + 9] = {0};
    struct abi_dirent64 *d = (void *)record;
    size_t n = strlen(name), head = offsetof(struct abi_dirent64, d_name);
    size_t size = ALIGN_UP(head + n + 1, (size_t)8);
    if (n > ABI_NAME_MAX)
        return -ENAMETOOLONG;
    if (size > to->left)
        return 0;
    d->d_ino = ino;
    d->d_off = (i64)next;
    d->d_reclen = (u16)size;
    d->d_type = type;
    memcpy(record + head, name, n);
    int r = uio_to(to, record, size);
    return r ? r : 1;
}

i64 synth_getdents(struct file *f, struct uio *to, const struct strbuf *entries, bool with_dots)
{
    static const char dots[] = "d.\0d..";
    u64 left = to->left, index = 0;
    const char *p = dots, *end = with_dots ? dots + sizeof(dots) : dots;
    for (int part = 0; part < 2; part++) {
        for (; p < end; p += strlen(p) + 1, index++) {
            if (index < f->pos)
                continue;
            u8 type = *p == 'd' ? ABI_DT_DIR : *p == 'l' ? ABI_DT_LNK
                    : *p == 'c' ? ABI_DT_CHR : ABI_DT_REG;
            int r = synth_dirent(to, 100 + index, index + 1, type, p + 1);
            if (r <= 0)
                return left != to->left ? (i64)(left - to->left) : r ? r : -EINVAL;
            f->pos = index + 1;
        }
        p = entries->data;
        end = p ? p + entries->len : p;
    }
    return (i64)(left - to->left);
}

// Unless the host has the name in the directory `fd`, too.
static void add_name(struct strbuf *names, char type, const char *name, int fd)
{
    struct abi_stat s;
    if (fd >= 0 && host_fstatat(fd, name, &s) == 0)
        return;
    strbuf_add(names, &type, 1);
    strbuf_add(names, name, strlen(name) + 1);
}

static void add_devices(struct strbuf *names, int fd)
{
    for (u32 i = DEV_NULL; i < ARRAY_LEN(devices); i++)
        add_name(names, 'c', devices[i].name, fd);
    for (u32 i = 0; i < ARRAY_LEN(links); i++)
        add_name(names, 'l', links[i][0], fd);
}

static void add_ptys(struct fs *fs, struct strbuf *names, int fd)
{
    char room[DEV_NAME_ROOM];
    add_name(names, 'c', "ptmx", fd);
    for (u32 id = 0; (id = pty_next(fs, id));)
        add_name(names, 'c', dev_name(DEV_PTS + tty_at(fs, id)->number, room), fd);
}

void synth_names(struct fs *fs, const struct file *f, struct strbuf *names)
{
    struct mount *own = mount_at(fs, f->mount ? f->mount : 1);
    for (u32 i = own->first; i; i = mount_at(fs, i)->next) {
        const struct mount *m = mount_at(fs, i);
        if (m->name && m->parent_dev == f->dev && m->parent_ino == f->ino)
            add_name(names, 'd', m->name, f->host_fd);
    }
    if (own->kind == MOUNT_DEV && own->dev == f->dev && own->ino == f->ino)
        add_devices(names, f->host_fd);
    if (own->kind == MOUNT_PTS && own->dev == f->dev && own->ino == f->ino)
        add_ptys(fs, names, f->host_fd);
}

static i64 dev_getdents(struct fs *fs, file_t id, struct uio *to)
{
    struct file *f = file_at(fs, id);
    struct strbuf names = {0};
    if (f->object != DEV_DIR && f->object != DEV_PTSDIR)
        return -ENOTDIR;
    if (f->object == DEV_PTSDIR) {
        add_ptys(fs, &names, -1);
    } else {
        add_devices(&names, -1);
        for (u32 m = mount_at(fs, f->mount)->first; m; m = mount_at(fs, m)->next) {
            const char *name = mount_at(fs, m)->name;
            if (name && !dev_find(name, strlen(name)))
                add_name(&names, 'd', name, -1);
        }
    }
    i64 r = names.failed ? -ENOMEM : synth_getdents(f, to, &names, true);
    strbuf_clear(&names);
    return r;
}

const struct file_ops file_dev_ops = {
    .read = dev_read,
    .write = dev_write,
    .seek = dev_seek,
    .stat = dev_stat_op,
    .getdents = dev_getdents,
};

// eventfd(2): the counter is the file's position.

int fs_eventfd(struct fs *fs, u64 init, u32 efd_flags, file_t *out)
{
    if (efd_flags & ~(ABI_EFD_SEMAPHORE | ABI_EFD_CLOEXEC | ABI_EFD_NONBLOCK))
        return -EINVAL;
    int r = file_new(fs, FILE_EVENT, ABI_O_RDWR | (efd_flags & ABI_EFD_NONBLOCK), out);
    if (r)
        return r;
    file_at(fs, *out)->pos = init;
    file_at(fs, *out)->how = efd_flags & ABI_EFD_SEMAPHORE ? FILE_SEMAPHORE : 0;
    return 0;
}

static i64 event_read(struct fs *fs, file_t id, struct uio *to, i64 offset)
{
    struct file *f = file_at(fs, id);
    if (offset >= 0)
        return -ESPIPE;
    if (to->left < 8)
        return -EINVAL;
    if (!f->pos)
        return -EAGAIN;
    u64 value = f->how & FILE_SEMAPHORE ? 1 : f->pos;
    int r = uio_check(to, 8, MM_WRITE);
    if (r == 0)
        r = uio_to(to, &value, 8);
    if (r)
        return r;
    f->pos -= value;
    fs_wake(fs, CHAN(CHAN_EVENT, id));
    return 8;
}

static i64 event_write(struct fs *fs, file_t id, struct uio *from, i64 offset)
{
    struct file *f = file_at(fs, id);
    u64 value;
    if (offset >= 0)
        return -ESPIPE;
    if (from->left < 8)
        return -EINVAL;
    struct uio mark = *from; // an -EAGAIN comes back with the same bytes
    int r = uio_from(&mark, &value, 8);
    if (r)
        return r;
    if (value == ~(u64)0)
        return -EINVAL;
    if (value > ~(u64)0 - 1 - f->pos)
        return -EAGAIN;
    *from = mark;
    f->pos += value;
    fs_wake(fs, CHAN(CHAN_EVENT, id));
    return 8;
}

static int event_poll(struct fs *fs, file_t id)
{
    u64 count = file_at(fs, id)->pos;
    return (count ? ABI_POLLIN | ABI_POLLRDNORM : 0) |
           (count < ~(u64)0 - 1 ? ABI_POLLOUT | ABI_POLLWRNORM : 0);
}

static void event_wait(struct fs *fs, file_t id, int events, struct wait_spec *out)
{
    (void)fs, (void)events;
    out->chan[out->nchan++] = CHAN(CHAN_EVENT, id);
}

const struct file_ops file_event_ops = {
    .read = event_read, .write = event_write, .poll = event_poll, .wait = event_wait};
