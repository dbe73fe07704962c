#include "kernel/dnotify.h"

#include <errno.h>
#include <string.h>

#include "fs/notify.h"
#include "host/file.h"
#include "host/inotify.h"
#include "kernel/async.h"
#include "kernel/sys_file.h"
#include "kernel/waiter.h"

#define DN_ACCESS 0x1u
#define DN_MODIFY 0x2u
#define DN_CREATE 0x4u
#define DN_DELETE 0x8u
#define DN_RENAME 0x10u
#define DN_ATTRIB 0x20u
#define DN_MULTISHOT 0x80000000u
#define DN_EVENTS 0x3fu

const struct pool_kind dnotifies_pool = {.size = sizeof(struct dnotify)};

static struct dnotify *row_at(struct machine *m, u32 id)
{
    return pool_at(&m->dnotifies, id);
}

static u32 row_find(struct machine *m, u32 table, file_t dir)
{
    for (u32 id = pool_next(&m->dnotifies, 0); id; id = pool_next(&m->dnotifies, id))
        if (row_at(m, id)->table == table && row_at(m, id)->dir == dir)
            return id;
    return 0;
}

// ---- watches -------------------------------------------------------------------------------------

static const struct {
    u32 dn, in;
} meanings[] = {
    {DN_ACCESS, IN_ACCESS},
    {DN_MODIFY, IN_MODIFY},
    {DN_CREATE, IN_CREATE | IN_MOVED_TO},
    {DN_DELETE, IN_DELETE | IN_MOVED_FROM},
    {DN_RENAME, IN_MOVED_FROM | IN_MOVED_TO}, // with one cookie, in one directory
    {DN_ATTRIB, IN_ATTRIB},
};

static u32 wanted(u32 mask)
{
    u32 in = 0;
    for (u32 i = 0; i < ARRAY_LEN(meanings); i++)
        in |= mask & meanings[i].dn ? meanings[i].in : 0;
    return in;
}

static int queue_made(struct machine *m)
{
    if (m->dnotify_queue)
        return 0;
    int fd = host_inotify_new();
    if (fd < 0)
        return fd == -EMFILE ? -ENOMEM : fd;
    int r = anon_file(m, FILE_INOTIFY, ABI_O_RDONLY | ABI_O_NONBLOCK, "anon_inode:inotify", &m->dnotify_queue);
    if (r)
        host_close(fd);
    else
        file_at(m->fs, m->dnotify_queue)->host_fd = fd;
    return r;
}

// The number of the directory's watch, which now tells of these events, too. What has none (/proc) says nothing.
static int watch(struct machine *m, const struct file *dir, u32 mask)
{
    u32 in = wanted(mask) | IN_MASK_ADD;
    if (dir->inode)
        return notify_add(m->fs, m->dnotify_queue, dir->inode, in);
    return dir->host_fd < 0 ? -1 : host_inotify_add(file_at(m->fs, m->dnotify_queue)->host_fd, dir->host_fd, in);
}

static void unwatch(struct machine *m, i32 wd)
{
    for (u32 id = pool_next(&m->dnotifies, 0); id; id = pool_next(&m->dnotifies, id))
        if (row_at(m, id)->wd == wd)
            return; // (DN2)
    int r = wd >= NOTIFY_WD ? notify_remove(m->fs, m->dnotify_queue, wd)
            : wd >= 0       ? host_inotify_remove(file_at(m->fs, m->dnotify_queue)->host_fd, wd)
                            : 0;
    (void)r; // a directory that is gone took its watch along
}

static void row_drop(struct machine *m, u32 id)
{
    i32 wd = row_at(m, id)->wd;
    pool_free(&m->dnotifies, id);
    unwatch(m, wd);
    if (!m->dnotifies.live)
        waiters_free(m, &m->dnotify_waiters);
}

static void table_closes(void *arg, u32 table, file_t file) // file 0: all of them
{
    struct machine *m = arg;
    for (u32 id = pool_next(&m->dnotifies, 0), next; id; id = next) {
        next = pool_next(&m->dnotifies, id);
        if (row_at(m, id)->table == table && (!file || row_at(m, id)->dir == file))
            row_drop(m, id);
    }
}

void dnotify_attach(struct machine *m)
{
    m->fs->unnotify = table_closes;
    m->fs->unnotify_arg = m;
}

// ---- the call ------------------------------------------------------------------------------------

static int row_new(struct machine *m, u32 *id)
{
    int r = queue_made(m);
    if (r == 0 && !m->dnotify_waiters)
        r = watch_host(m, &m->dnotify_waiters, file_at(m->fs, m->dnotify_queue)->host_fd, ABI_POLLIN);
    if (r == 0)
        r = pool_new(&m->dnotifies, id);
    if (r && !m->dnotifies.live)
        waiters_free(m, &m->dnotify_waiters);
    return r;
}

i64 dnotify_set(struct machine *m, struct task *t, file_t file, i32 fd, u32 mask)
{
    struct file *f = file_at(m->fs, file);
    u32 id = row_find(m, t->files->id, file);
    if (!(mask & ~DN_MULTISHOT)) {
        if (id)
            row_drop(m, id);
        return 0;
    }
    if (f->kind != FILE_DIR && f->kind != FILE_PROCDIR)
        return -ENOTDIR;
    if (!id) {
        int r = row_new(m, &id);
        if (r)
            return r;
        *row_at(m, id) = (struct dnotify){.table = t->files->id, .dir = file, .wd = -1};
    }
    struct dnotify *row = row_at(m, id);
    int wd = watch(m, f, row->mask | mask);
    if (wd < -1) {
        if (!row->mask)
            row_drop(m, id);
        return wd == -ENOSPC ? -ENOMEM : wd;
    }
    row->wd = wd;
    row->mask |= mask & (DN_EVENTS | DN_MULTISHOT);
    t->files->notify = true;
    f->async_fd = fd;
    if (!f->owner) {
        f->owner = (i32)group_of(m, t)->pid;
        f->owner_kind = OWNER_PID;
    }
    return 0;
}

// ---- what happens --------------------------------------------------------------------------------

struct event {
    i32 wd;
    u32 mask, cookie, len;
};

static u32 meaning(struct machine *m, const struct event *e)
{
    u32 dn = 0;
    for (u32 i = 0; i < ARRAY_LEN(meanings); i++)
        dn |= e->mask & meanings[i].in ? meanings[i].dn : 0;
    dn &= ~DN_RENAME;
    if (e->mask & IN_MOVED_TO && e->cookie == m->dnotify_cookie && e->wd == m->dnotify_moved)
        dn |= DN_RENAME;
    if (e->mask & IN_MOVED_FROM) {
        m->dnotify_cookie = e->cookie;
        m->dnotify_moved = e->wd;
    }
    return dn;
}

static void tell(struct machine *m, const struct event *e)
{
    u32 what = meaning(m, e);
    for (u32 id = pool_next(&m->dnotifies, 0), next; id; id = next) {
        struct dnotify *row = row_at(m, id);
        next = pool_next(&m->dnotifies, id);
        if (row->wd != e->wd)
            continue;
        if (e->mask & IN_IGNORED)
            row->wd = -1;
        if (!(row->mask & what))
            continue;
        file_signal(m, row->dir, G_POLL_MSG);
        if (!(row->mask & DN_MULTISHOT))
            row_drop(m, id);
    }
}

void dnotify_look(struct machine *m)
{
    u8 bytes[4096];
    for (;;) {
        struct uio to;
        uio_kernel(&to, bytes, sizeof bytes);
        i64 n = file_read(m->fs, m->dnotify_queue, &to, -1);
        if (n <= 0)
            return;
        for (i64 at = 0; at < n;) {
            struct event e;
            memcpy(&e, bytes + at, sizeof e);
            at += (i64)sizeof e + e.len;
            // Of a directory that is watched Linux's dnotify tells what happens to names in it, and to itself.
            if (e.len || e.mask & (IN_ISDIR | IN_IGNORED))
                tell(m, &e);
        }
    }
}
