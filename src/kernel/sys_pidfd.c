// Descriptors of processes: pidfd_open(2), pidfd_getfd(2), and what CLONE_PIDFD makes.
//
// (PD1) `object` is the group's id until the process is reaped, then 0; group.pidfds counts the
//       descriptions that name it, so that reaping looks for them only when there are any.
#include "kernel/sys_pidfd.h"

#include <errno.h>

#include "base/budget.h"
#include "kernel/access.h"
#include "kernel/sys_file.h"

#define PIDFD_NONBLOCK ABI_O_NONBLOCK

static struct group *group_behind(struct fs *fs, file_t id)
{
    struct machine *m = fs->wake_arg;
    return pool_find(&m->groups, file_at(fs, id)->object);
}

static int pidfd_poll(struct fs *fs, file_t id)
{
    struct group *g = group_behind(fs, id);
    if (!g)
        return ABI_POLLIN | ABI_POLLRDNORM | ABI_POLLHUP;
    return g->zombie ? ABI_POLLIN | ABI_POLLRDNORM : 0;
}

static void pidfd_wait(struct fs *fs, file_t id, int events, struct wait_spec *out)
{
    (void)events;
    if (group_behind(fs, id))
        out->chan[out->nchan++] = CHAN(CHAN_PIDFD, file_at(fs, id)->object);
}

static void pidfd_release(struct fs *fs, file_t id)
{
    struct group *g = group_behind(fs, id);
    if (g)
        g->pidfds--;
}

void pidfd_attach(struct machine *m)
{
    static const struct file_ops ops = {.poll = pidfd_poll, .wait = pidfd_wait, .release = pidfd_release};
    m->fs->ops[FILE_PID] = &ops;
}

int pidfd_new(struct machine *m, struct group *g, u32 flags, file_t *out)
{
    char *label = budget_strdup(m->fs->budget, "anon_inode:[pidfd]");
    if (!label)
        return -ENOMEM;
    int r = file_new(m->fs, FILE_PID, ABI_O_RDWR | flags, out);
    if (r) {
        budget_free(label);
        return r;
    }
    struct file *f = file_at(m->fs, *out);
    f->path = label;
    f->object = g->id;
    g->pidfds++;
    return 0;
}

void pidfd_forget(struct machine *m, struct group *g)
{
    struct pool *files = &m->fs->files;
    for (u32 id = g->pidfds ? pool_next(files, 0) : 0; id && g->pidfds; id = pool_next(files, id)) {
        struct file *f = file_at(m->fs, id);
        if (f->kind != FILE_PID || f->object != g->id)
            continue;
        f->object = 0;
        g->pidfds--;
    }
    wake_channel(m, CHAN(CHAN_PIDFD, g->id));
}

int pidfd_process(struct machine *m, struct task *t, u64 fd, u32 *pid, bool *nonblock)
{
    file_t file = fd_arg(t, fd);
    if (!file || file_at(m->fs, file)->kind != FILE_PID)
        return -EBADF;
    struct group *g = group_behind(m->fs, file);
    *nonblock = file_at(m->fs, file)->flags & PIDFD_NONBLOCK;
    if (!g)
        return -ESRCH;
    *pid = g->pid;
    return 0;
}

// pidfd_send_signal also takes a descriptor of the directory /proc/PID.
int pidfd_or_proc(struct machine *m, struct task *t, u64 fd, u32 *pid)
{
    u64 n = 0;
    bool nonblock;
    file_t file = fd_arg(t, fd);
    if (!file || file_at(m->fs, file)->kind != FILE_PROCDIR)
        return pidfd_process(m, t, fd, pid, &nonblock);
    const char *rel = file_at(m->fs, file)->path;
    for (; *rel >= '0' && *rel <= '9' && n < 1u << 24; rel++)
        n = n * 10 + (u64)(*rel - '0');
    if (*rel || !n)
        return -EBADF;
    *pid = (u32)n;
    return group_find(m, *pid) ? 0 : -ESRCH;
}

int pidfd_traceable(struct machine *m, struct task *t, u64 fd, task_t *of)
{
    u32 pid;
    bool nonblock;
    int r = pidfd_process(m, t, fd, &pid, &nonblock);
    if (r)
        return r;
    const struct group *g = group_of(m, task_at(m, pid_find(m, pid)));
    if (g->dead || !g->tasks)
        return -ESRCH;
    *of = g->tasks;
    return may_trace(m, t, task_at(m, *of)) ? 0 : -EPERM;
}

i64 sys_pidfd_open(struct machine *m, struct task *t, const u64 *a)
{
    file_t file;
    if ((i32)a[0] <= 0 || (u32)a[1] & ~PIDFD_NONBLOCK)
        return -EINVAL;
    task_t id = pid_find(m, (u32)a[0]);
    if (!id || group_of(m, task_at(m, id))->kernel)
        return -ESRCH;
    struct group *g = group_of(m, task_at(m, id));
    if (g->pid != (u32)a[0])
        return -EINVAL; // a thread
    int r = pidfd_new(m, g, (u32)a[1], &file);
    return r ? r : fd_install(m, t, file, true);
}

i64 sys_pidfd_getfd(struct machine *m, struct task *t, const u64 *a)
{
    task_t of;
    if ((u32)a[2])
        return -EINVAL;
    int r = pidfd_traceable(m, t, a[0], &of);
    if (r)
        return r;
    file_t file = fd_arg(task_at(m, of), a[1]);
    if (!file)
        return -EBADF;
    file_get(m->fs, file);
    return fd_install(m, t, file, true);
}
