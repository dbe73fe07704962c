// /proc as files: the tree and its contents are the kernel's (fs/proc.h), reading is ours. A file's
// text is made when it is read from the start, and stays until it is read from the start again.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "fs/internal.h"
#include "fs/mount.h"

int proc_kind(struct fs *fs, const char *rel, u32 *mode)
{
    *mode = 0;
    int kind = fs->proc ? fs->proc->kind(fs->proc_arg, rel, mode) : *rel ? -ENOENT : PROC_DIR;
    if (!*mode)
        *mode = kind == PROC_DIR ? 0555 : kind == PROC_LINK ? 0777 : 0444;
    return kind;
}

int proc_stat(struct fs *fs, const char *rel, struct abi_stat *out)
{
    u32 mode;
    int kind = proc_kind(fs, rel, &mode);
    if (kind < 0)
        return kind;
    u64 ino = 14695981039346656037u; // FNV-1a of the name
    for (const char *p = rel; *p; p++)
        ino = (ino ^ (u8)*p) * 1099511628211u;
    *out = (struct abi_stat){.st_dev = strncmp(rel, ".sys", 4) ? PROC_DEV : SYS_DEV, .st_ino = *rel ? ino | 1u << 31 : 1,
                             .st_nlink = kind == PROC_DIR ? 2 : 1, .st_blksize = 1024};
    out->st_mode = mode | (kind == PROC_DIR    ? ABI_S_IFDIR
                           : kind == PROC_LINK ? ABI_S_IFLNK
                                               : ABI_S_IFREG);
    stat_time(fs, out);
    return 0;
}

int proc_open(struct fs *fs, const char *rel, u32 oflags, u32 mount, file_t *out)
{
    u32 mode;
    int kind = proc_kind(fs, rel, &mode);
    bool path = oflags & ABI_O_PATH, writes = (oflags & ABI_O_ACCMODE) != ABI_O_RDONLY;
    if (kind < 0)
        return kind;
    if (kind != PROC_DIR && (oflags & ABI_O_DIRECTORY))
        return -ENOTDIR;
    if (!path && kind == PROC_DIR && writes)
        return -EISDIR;
    if (!path && (oflags & (ABI_O_CREAT | ABI_O_EXCL)) == (ABI_O_CREAT | ABI_O_EXCL))
        return -EEXIST;
    if (!path && writes && (!fs->proc->write || !(mode & 0222)))
        return -EACCES;
    if (!path && !(mode & 0444) && (oflags & ABI_O_ACCMODE) != ABI_O_WRONLY)
        return -EACCES;
    char *name = budget_strdup(fs->budget, rel);
    if (!name)
        return -ENOMEM;
    int r = file_new(fs, path ? FILE_PATH : kind == PROC_DIR ? FILE_PROCDIR : FILE_PROC, oflags, out);
    if (r) {
        budget_free(name);
        return r;
    }
    file_at(fs, *out)->path = name;
    file_at(fs, *out)->opens = (u32)fs->mount_changes;
    file_set_mount(fs, file_at(fs, *out), mount);
    return 0;
}

// The text of an open file, made now if `fresh` or not made yet.
static int text_of(struct fs *fs, file_t id, bool fresh, struct strbuf **out)
{
    struct file *f = file_at(fs, id);
    struct strbuf *s = pool_find(&fs->texts, f->object);
    bool made = s != NULL;
    if (!made) {
        u32 text;
        int r = pool_new(&fs->texts, &text);
        if (r)
            return r;
        f->object = text;
        s = pool_at(&fs->texts, text);
        s->budget = fs->budget;
    }
    *out = s;
    if (made && !fresh)
        return 0;
    strbuf_clear(s);
    if (!fs->proc)
        return 0;
    int r = f->kind == FILE_PROCDIR ? fs->proc->list(fs->proc_arg, f->path, s)
                                    : fs->proc->read(fs->proc_arg, f->path, s);
    return r ? r : s->failed ? -ENOMEM : 0;
}

// A file whose bytes have addresses, a bounce buffer at a time; -ENOSYS: it is a text.
static i64 read_at(struct fs *fs, const char *rel, struct uio *to, u64 at)
{
    i64 done = 0;
    u8 *bounce = fs_bounce(fs);
    if (!bounce)
        return -ENOMEM;
    do {
        size_t n = MIN(to->left, (u64)BOUNCE);
        i64 r = fs->proc->read_at(fs->proc_arg, rel, at + (u64)done, bounce, n);
        i64 put = r > 0 ? uio_scatter(to, bounce, (u64)r) : r;
        if (put <= 0)
            return done ? done : put;
        done += put;
        if (put < (i64)n)
            break;
    } while (to->left);
    return done;
}

static i64 write_at(struct fs *fs, const char *rel, struct uio *from, u64 at)
{
    i64 done = 0;
    u8 *bounce = fs_bounce(fs);
    if (!bounce)
        return -ENOMEM;
    do {
        struct uio mark = *from;
        i64 n = uio_gather(&mark, bounce, MIN(from->left, (u64)BOUNCE));
        i64 r = n >= 0 ? fs->proc->write_at(fs->proc_arg, rel, at + (u64)done, bounce, (size_t)n) : n;
        if (r <= 0)
            return done ? done : r;
        uio_advance(from, (u64)r);
        done += r;
        if (r < n)
            break;
    } while (from->left);
    return done;
}

static i64 proc_read(struct fs *fs, file_t id, struct uio *to, i64 offset)
{
    struct file *f = file_at(fs, id);
    u64 at = offset < 0 ? f->pos : (u64)offset;
    struct strbuf *s;
    i64 n = fs->proc && fs->proc->read_at ? read_at(fs, f->path, to, at) : -ENOSYS;
    if (n > 0 && offset < 0)
        f->pos += (u64)n;
    if (n != -ENOSYS)
        return n;
    int r = text_of(fs, id, at == 0, &s);
    if (r)
        return r;
    n = at < s->len ? (i64)MIN(s->len - at, to->left) : 0;
    if (n)
        n = uio_scatter(to, s->data + at, (u64)n);
    if (n > 0 && offset < 0)
        f->pos += (u64)n;
    return n;
}

static i64 proc_write(struct fs *fs, file_t id, struct uio *from, i64 offset)
{
    struct file *f = file_at(fs, id);
    char text[4096];
    u64 size = MIN(from->left, (u64)sizeof(text));
    i64 n = fs->proc && fs->proc->write_at
                ? write_at(fs, f->path, from, offset < 0 ? f->pos : (u64)offset) : -ENOSYS;
    if (n > 0 && offset < 0)
        f->pos += (u64)n;
    if (n != -ENOSYS)
        return n;
    struct uio mark = *from;
    int r = uio_from(&mark, text, size);
    if (r)
        return r;
    n = fs->proc && fs->proc->write ? fs->proc->write(fs->proc_arg, f->path, text, size) : -EIO;
    if (n > 0)
        uio_advance(from, (u64)n);
    return n;
}

static i64 proc_seek(struct fs *fs, file_t id, i64 offset, int whence)
{
    struct file *f = file_at(fs, id);
    i64 to = whence == ABI_SEEK_SET ? offset : whence == ABI_SEEK_CUR ? (i64)f->pos + offset : -1;
    if (to < 0)
        return -EINVAL;
    f->pos = (u64)to;
    return to;
}

static int proc_stat_op(struct fs *fs, file_t id, struct abi_stat *out)
{
    return proc_stat(fs, file_at(fs, id)->path, out);
}

static i64 procdir_read(struct fs *fs, file_t id, struct uio *to, i64 offset)
{
    (void)fs, (void)id, (void)to, (void)offset;
    return -EISDIR;
}

static i64 proc_getdents(struct fs *fs, file_t id, struct uio *to)
{
    struct file *f = file_at(fs, id);
    struct strbuf *s;
    int r = text_of(fs, id, f->pos == 0, &s);
    return r ? r : synth_getdents(f, to, s, true);
}

static void proc_release(struct fs *fs, file_t id)
{
    struct file *f = file_at(fs, id);
    struct strbuf *s = pool_find(&fs->texts, f->object);
    if (!s)
        return;
    strbuf_clear(s);
    pool_free(&fs->texts, f->object);
}

// proc(5), /proc/PID/mounts: who polls is told once of each change since.
bool file_shows_mounts(const struct file *f)
{
    const char *name = f->kind == FILE_PROC ? strrchr(f->path, '/') : NULL;
    return name && f->path[0] != '.' && (!strcmp(name, "/mounts") || !strcmp(name, "/mountinfo"));
}

static int proc_poll(struct fs *fs, file_t id)
{
    struct file *f = file_at(fs, id);
    int ready = ABI_POLLIN | ABI_POLLOUT | ABI_POLLRDNORM | ABI_POLLWRNORM;
    if (!file_shows_mounts(f))
        return ready;
    ready = ABI_POLLIN | ABI_POLLRDNORM | (f->opens != (u32)fs->mount_changes ? ABI_POLLERR | ABI_POLLPRI : 0);
    f->opens = (u32)fs->mount_changes;
    return ready;
}

static void proc_wait(struct fs *fs, file_t id, int events, struct wait_spec *out)
{
    (void)events;
    if (file_shows_mounts(file_at(fs, id)))
        out->chan[out->nchan++] = CHAN(CHAN_MOUNTS, 0);
}

const struct file_ops file_proc_ops = {.read = proc_read,
                                       .write = proc_write,
                                       .seek = proc_seek,
                                       .stat = proc_stat_op,
                                       .poll = proc_poll,
                                       .wait = proc_wait,
                                       .release = proc_release};
const struct file_ops file_procdir_ops = {.read = procdir_read,
                                          .seek = proc_seek,
                                          .stat = proc_stat_op,
                                          .getdents = proc_getdents,
                                          .release = proc_release};
