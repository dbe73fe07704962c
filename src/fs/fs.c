// The life of a machine's files, and of one open file description.
#include "fs/fs.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/forking.h"
#include "base/panic.h"
#include "fs/hostfds.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/mount_call.h"
#include "fs/notify.h"
#include "fs/tmpfs.h"
#include "fs/tty.h"
#include "host/file.h"

int fs_new(struct fs **out, const struct fs_options *options)
{
    struct fs *fs = mem_zalloc(sizeof(*fs));
    if (!fs)
        return -ENOMEM;
#define POOL(name) pool_init(&fs->name, name##_pool.size);
#include "fs/pools.def"
    fs->fdnodes_copied = fs->fsctx_copied = &fs->sink;
    fs->prefix_fd = -1;
    u32 umask = options->borrowed ? 022 : host_umask_zero();
    fs->umask = (options->has_umask ? options->umask : umask) & 0777;
    if (!options->borrowed)
        host_raise_fd_limit();
    fs->ops[FILE_HOST] = &file_host_ops;
    fs->ops[FILE_DIR] = &file_dir_ops;
    fs->ops[FILE_STREAM] = &file_stream_ops;
    fs->ops[FILE_INOTIFY] = &file_inotify_ops;
    fs->ops[FILE_TTY] = &file_tty_ops;
    fs->ops[FILE_PTM] = &file_ptm_ops;
    fs->ops[FILE_PTS] = &file_pts_ops;
    fs->ops[FILE_PIPE] = &file_pipe_ops;
    fs->ops[FILE_DEV] = &file_dev_ops;
    fs->ops[FILE_PROC] = &file_proc_ops;
    fs->ops[FILE_PROCDIR] = &file_procdir_ops;
    fs->ops[FILE_EVENT] = &file_event_ops;
    fs->ops[FILE_PATH] = &file_path_ops;
    fs->ops[FILE_NS] = &file_ns_ops;
    fs->ops[FILE_CONTEXT] = &file_context_ops;
    int r = mounts_new(fs, options);
    if (r) {
        fs_free(fs);
        return r;
    }
    *out = fs;
    return 0;
}

void fs_charge(struct fs *fs, struct budget *b)
{
    fs->budget = b;
#define POOL(name) pool_charge(&fs->name, b);
#include "fs/pools.def"
}

void fs_free(struct fs *fs)
{
    if (!fs)
        return;
#define POOL(name) pool_drop(fs, &fs->name, &name##_pool);
#include "fs/pools.def"
    tmpfs_free(fs);
    mounts_free(fs);
    hostfds_put(fs->hostfds);
    mem_free(fs->bounce);
    mem_free(fs);
}

u8 *fs_bounce(struct fs *fs)
{
    if (!fs->bounce)
        fs->bounce = mem_alloc(BOUNCE);
    return fs->bounce;
}

void fs_wake(struct fs *fs, u64 chan)
{
    if (fs->wake)
        fs->wake(fs->wake_arg, chan);
}

i64 fs_now(struct fs *fs)
{
    return fs->now ? fs->now(fs->now_arg) : 0;
}

int fs_random(struct fs *fs, void *bytes, size_t n)
{
    return fs->random ? fs->random(fs->random_arg, bytes, n) : host_random(bytes, n);
}

void stat_time(struct fs *fs, struct abi_stat *s)
{
    i64 now = fs_now(fs);
    s->st_atime_sec = s->st_mtime_sec = s->st_ctime_sec = now / 1000000000;
    s->st_atime_nsec = s->st_mtime_nsec = s->st_ctime_nsec = (u64)(now % 1000000000);
}

struct file *file_at(struct fs *fs, file_t id)
{
    return pool_find(&fs->files, id);
}

int file_new(struct fs *fs, enum file_kind kind, u32 flags, file_t *out)
{
    u32 id;
    int r = pool_new(&fs->files, &id);
    if (r)
        return r;
    struct file *f = file_at(fs, id);
    f->kind = (u8)kind;
    f->refs = 1;
    f->flags = flags & ~(ABI_O_CLOEXEC | ABI_O_CREAT | ABI_O_EXCL | ABI_O_NOCTTY | ABI_O_TRUNC);
    f->host_fd = -1;
    *out = id;
    return 0;
}

void file_get(struct fs *fs, file_t id)
{
    struct file *f = file_at(fs, id);
    ASSERT(f && f->refs);
    f->refs++;
}

// The standard or other descriptor of the process's that the file stands for, -1 = none.
static int inherited_fd(const struct file *f)
{
    return f->how & FILE_TWIN ? (int)f->object : f->how & FILE_INHERITED ? f->host_fd : -1;
}

static void close_host(struct fs *fs, const struct file *f)
{
    int inherited = inherited_fd(f);
    if (inherited >= 0)
        fs_host_close(fs, inherited);
    if (f->host_fd != inherited)
        fs_host_close(fs, f->host_fd);
}

void file_put(struct fs *fs, file_t id)
{
    if (!id)
        return;
    struct file *f = file_at(fs, id);
    ASSERT(f && f->refs);
    if (--f->refs)
        return;
    if ((f->watches || f->async || f->lease) && fs->unwatch)
        fs->unwatch(fs->unwatch_arg, id);
    const struct file_ops *ops = fs->ops[f->kind];
    if (ops && ops->release)
        ops->release(fs, id);
    locks_release_file(fs, id);
    if (f->inode) {
        if (f->kind == FILE_HOST || f->kind == FILE_DIR)
            notify_file(fs, f->inode, f->name, f->flags & ABI_O_ACCMODE ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
        name_put(fs, f->name);
        inode_put(fs, f->inode);
    }
    close_host(fs, f);
    budget_free(f->path);
    if (f->how & FILE_TREE)
        mount_tree_close(fs, f->mount);
    mount_put(fs, f->mount);
    pool_free(&fs->files, id);
}

// ---- the pools' kinds ----------------------------------------------------------------------------

static void copy_file(struct forking *f, void *object)
{
    struct file *file = object;
    int inherited = inherited_fd(file);
    file->path = budget_dup(f, file->path);
    if (file->host_fd >= 0 && !hostfds_get(f, file->host_fd)) {
        file->host_fd = -1;
        file->how &= (u8)~(FILE_TWIN | FILE_INHERITED);
    } else if (file->how & FILE_TWIN && !hostfds_get(f, inherited)) {
        file->how &= (u8)~FILE_TWIN;
    }
}

static void drop_file(void *owner, void *object)
{
    close_host(owner, object);
    budget_free(((struct file *)object)->path);
}

static void copy_text(struct forking *f, void *object)
{
    struct strbuf *text = object;
    text->data = budget_dup(f, text->data);
}

static void drop_text(void *owner, void *object)
{
    (void)owner;
    strbuf_clear(object);
}

const struct pool_kind files_pool = {sizeof(struct file), copy_file, drop_file};
const struct pool_kind texts_pool = {sizeof(struct strbuf), copy_text, drop_text};

// The host's procfs would show tine's own process, and hand out its memory.
int fs_guard(struct fs *fs, int fd, u64 dev)
{
    if (ABI_MAJOR(dev))
        return 0;
    for (u32 i = 0; i < MIN(fs->nseen, 8u); i++)
        if (fs->seen_dev[i] == dev)
            return 0;
    struct abi_statfs s;
    int r = host_fstatfs(fd, &s);
    if (r)
        return r;
    if (s.f_type == ABI_PROC_SUPER_MAGIC)
        return -EACCES;
    fs->seen_dev[fs->nseen++ % 8] = dev;
    return 0;
}

int file_adopt(struct fs *fs, int fd, const struct abi_stat *s, u32 flags, u32 mount, file_t *out)
{
    enum file_kind kind = FILE_STREAM;
    int r = fs_guard(fs, fd, s->st_dev);
    u32 type = s->st_mode & ABI_S_IFMT;
    if (r) {
        host_close(fd);
        return r;
    }
    bool device = type == ABI_S_IFBLK || (type == ABI_S_IFCHR && !dev_of_rdev(s->st_rdev));
    if (device && !(flags & ABI_O_PATH) && !fs->whole) {
        host_close(fd); // a device of the host, left in the root: not the guest's
        return -ENXIO;
    }
    if (flags & ABI_O_PATH) {
        kind = FILE_PATH;
    } else if (type == ABI_S_IFREG || type == ABI_S_IFBLK) {
        kind = FILE_HOST;
    } else if (type == ABI_S_IFDIR) {
        kind = FILE_DIR;
    } else if (type == ABI_S_IFCHR) {
        u32 dev = dev_of_rdev(s->st_rdev);
        if (dev) {
            host_close(fd);
            return dev_open(fs, dev, flags, mount, out);
        }
        if (host_isatty(fd))
            kind = FILE_TTY;
    } else if (type == ABI_S_IFIFO) { // found by path: the machine's own pipe
        int path_fd = host_reopen(fd, ABI_O_PATH);
        host_close(fd);
        if (path_fd < 0)
            return path_fd;
        return fifo_open(fs, path_fd, s, flags, mount, out);
    }
    r = file_new(fs, kind, flags, out);
    if (r) {
        host_close(fd);
        return r;
    }
    struct file *f = file_at(fs, *out);
    f->host_fd = fd;
    file_set_mount(fs, f, mount);
    f->dev = s->st_dev;
    f->ino = s->st_ino;
    return 0;
}

int fs_stdio(struct fs *fs, int host_fd, file_t *out)
{
    struct abi_stat s;
    int flags = host_fd_flags(host_fd);
    if (flags < 0)
        return flags;
    int r = host_fstat(host_fd, &s);
    if (r)
        return r;
    u32 type = s.st_mode & ABI_S_IFMT;
    enum file_kind kind = FILE_STREAM;
    char where[ABI_PATH_MAX];
    if (type == ABI_S_IFDIR && mount_path(fs, 1, host_fd, where, sizeof where) < 0)
        return -EBADF; // a directory outside of the root would be a way to all that is below it
    if (type == ABI_S_IFREG || type == ABI_S_IFBLK)
        kind = FILE_HOST;
    else if (type == ABI_S_IFDIR)
        kind = FILE_DIR;
    else if (type == ABI_S_IFCHR && host_isatty(host_fd))
        kind = FILE_TTY;
    r = file_new(fs, kind, (u32)flags & (ABI_O_ACCMODE | ABI_O_APPEND | ABI_O_NONBLOCK), out);
    if (r)
        return r;
    struct file *f = file_at(fs, *out);
    f->host_fd = host_fd;
    f->how = FILE_INHERITED;
    file_set_mount(fs, f, 1);
    f->dev = s.st_dev;
    f->ino = s.st_ino;
    if (kind != FILE_TTY)
        return 0;
    if (!fs->tty_dev)
        fs->tty_dev = s.st_rdev;
    // A write to a terminal may block whatever poll says, so it gets a description of our own (not
    // the master of a pty: opening that again makes another pty).
    int twin = s.st_rdev == ABI_MAKEDEV(5, 2) ? -1
        : host_reopen(host_fd, ((u32)flags & ABI_O_ACCMODE) | ABI_O_NONBLOCK | ABI_O_NOCTTY);
    if (twin >= 0) {
        f->host_fd = twin;
        f->object = (u32)host_fd;
        f->how = FILE_TWIN;
    }
    return 0;
}

void fs_stdio_leave(struct fs *fs, file_t id)
{
    struct file *f = file_at(fs, id);
    if (f->how & FILE_INHERITED)
        f->host_fd = -1;
    f->how = 0; // of a twin our own descriptor is left
}

int fs_memfd(struct fs *fs, const char *name, u32 mfd_flags, file_t *out)
{
    *out = 0;
    return tmp_memfd(fs, name, mfd_flags, out);
}
