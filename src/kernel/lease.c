// Leases: F_SETLEASE, F_GETLEASE, and the opens that break them. See async.h.
#include <errno.h>

#include "kernel/async.h"
#include "kernel/sys_file.h"

static struct lease *lease_at(struct machine *m, u32 id)
{
    return pool_at(&m->leases, id);
}

const struct pool_kind leases_pool = {.size = sizeof(struct lease)};

static void wake(struct machine *m, u32 id)
{
    wake_channel(m, CHAN(CHAN_LEASE, id));
}

static u32 lease_of(struct machine *m, u64 dev, u64 ino)
{
    for (u32 id = pool_next(&m->leases, 0); id; id = pool_next(&m->leases, id))
        if (lease_at(m, id)->dev == dev && lease_at(m, id)->ino == ino)
            return id;
    return 0;
}

void lease_drop(struct machine *m, struct file *f)
{
    u32 id = f->lease;
    f->lease = 0;
    pool_free(&m->leases, id);
    wake(m, id);
}

// Descriptions of the same file: all of them, or those that can write.
static u32 opens_of(struct machine *m, const struct file *f, bool writers)
{
    struct pool *files = &m->fs->files;
    u32 n = 0;
    for (u32 id = pool_next(files, 0); id; id = pool_next(files, id)) {
        const struct file *other = file_at(m->fs, id);
        n += other->kind == FILE_HOST && other->dev == f->dev && other->ino == f->ino &&
             (!writers || (other->flags & ABI_O_ACCMODE) != ABI_O_RDONLY);
    }
    return n;
}

i64 lease_get(struct machine *m, file_t file)
{
    const struct file *f = file_at(m->fs, file);
    if (!f->lease)
        return ABI_F_UNLCK;
    const struct lease *l = lease_at(m, f->lease);
    return l->breaking ? l->to : l->type;
}

static int allowed(struct machine *m, struct task *t, file_t file, u32 type)
{
    const struct file *f = file_at(m->fs, file);
    struct abi_stat st;
    int r = file_stat(m->fs, file, &st);
    if (r)
        return r;
    u32 fsuid = group_of(m, t)->fsuid;
    if (fsuid && fsuid != st.st_uid)
        return -EACCES;
    if (f->kind != FILE_HOST || (st.st_mode & ABI_S_IFMT) != ABI_S_IFREG)
        return -EINVAL;
    u32 other = lease_of(m, f->dev, f->ino);
    if (other && other != f->lease && (type == ABI_F_WRLCK || lease_at(m, other)->type == ABI_F_WRLCK))
        return -EAGAIN;
    if (type == ABI_F_RDLCK ? opens_of(m, f, true) > 0 : opens_of(m, f, false) > 1)
        return -EAGAIN;
    return f->lease && lease_at(m, f->lease)->breaking ? -EAGAIN : 0;
}

i64 lease_set(struct machine *m, struct task *t, file_t file, i32 fd, u32 type)
{
    struct file *f = file_at(m->fs, file);
    u32 id = f->lease;
    if (type > ABI_F_UNLCK)
        return -EINVAL;
    if (type == ABI_F_UNLCK) {
        if (!id)
            return -EAGAIN;
        lease_drop(m, f);
        return 0;
    }
    bool lowered = id && lease_at(m, id)->breaking && lease_at(m, id)->to == type;
    int r = lowered ? 0 : allowed(m, t, file, type);
    if (r == 0 && !id)
        r = pool_new(&m->leases, &id);
    if (r)
        return r;
    *lease_at(m, id) = (struct lease){.file = file, .dev = f->dev, .ino = f->ino, .type = (u8)type};
    f->lease = id;
    f->async_fd = fd;
    if (!f->owner) {
        f->owner = (i32)group_of(m, t)->pid;
        f->owner_kind = OWNER_PID;
    }
    wake(m, id);
    return 0;
}

// The holder is told, once.
static void begin_break(struct machine *m, struct lease *l, u8 to)
{
    if (l->breaking && l->to == ABI_F_UNLCK)
        return;
    if (l->breaking && l->to == to)
        return;
    l->to = to;
    l->deadline = machine_time(m) + m->lease_break_time * 1000000000u;
    l->breaking = true;
    file_signal(m, l->file, G_POLL_MSG);
}

int lease_break(struct machine *m, struct task *t, file_t dir, const char *path, u32 flags)
{
    struct abi_stat st;
    if (!m->leases.live || flags & ABI_O_PATH)
        return 0;
    if (path_stat(m->fs, t->fs, dir, path, flags & ABI_O_NOFOLLOW ? ABI_AT_SYMLINK_NOFOLLOW : 0, &st))
        return 0; // the open says what is wrong
    u32 id = lease_of(m, st.st_dev, st.st_ino);
    bool writes = (flags & ABI_O_ACCMODE) != ABI_O_RDONLY || flags & ABI_O_TRUNC;
    if (!id || (lease_at(m, id)->type == ABI_F_RDLCK && !writes))
        return 0;
    struct lease *l = lease_at(m, id);
    begin_break(m, l, writes || l->type == ABI_F_RDLCK ? ABI_F_UNLCK : ABI_F_RDLCK);
    if (flags & ABI_O_NONBLOCK)
        return -EAGAIN;
    if (machine_time(m) < l->deadline) {
        park_until(m, t, l->deadline);
        int r = wait_on(m, t, CHAN(CHAN_LEASE, id));
        return r ? r : park(m, t);
    }
    if (l->to == ABI_F_UNLCK) {
        lease_drop(m, file_at(m->fs, l->file));
    } else {
        l->type = l->to;
        l->breaking = false;
        wake(m, id);
    }
    return 0;
}
