// O_ASYNC: signals for files that become ready, and who gets them. See async.h.
#include "kernel/async.h"

#include <errno.h>
#include <string.h>

#include "kernel/sys_file.h"
#include "kernel/waiter.h"

static bool exists(struct machine *m, u8 kind, u32 id)
{
    if (kind != OWNER_PGRP)
        return pid_find(m, id) != 0;
    for (u32 g = pool_next(&m->groups, 0); g; g = pool_next(&m->groups, g))
        if (group_at(m, g)->pgid == id)
            return true;
    return false;
}

i64 owner_set(struct machine *m, struct file *f, u8 kind, i32 id)
{
    if (id < 0)
        return -EINVAL;
    if (id && !exists(m, kind, (u32)id))
        return -ESRCH;
    f->owner_kind = kind;
    f->owner = id;
    return 0;
}

static void tell_groups(struct machine *m, u32 pgid, const struct g_siginfo *info)
{
    for (u32 id = pool_next(&m->groups, 0); id; id = pool_next(&m->groups, id))
        if (group_at(m, id)->pgid == pgid && !group_at(m, id)->dead)
            (void)signal_send_group(m, group_at(m, id), info);
}

void file_signal(struct machine *m, file_t file, i32 code)
{
    static const i64 bands[] = {0,
                                ABI_POLLIN | ABI_POLLRDNORM,
                                ABI_POLLOUT | ABI_POLLWRNORM | ABI_POLLWRBAND,
                                ABI_POLLIN | ABI_POLLRDNORM,
                                ABI_POLLERR,
                                ABI_POLLPRI | ABI_POLLRDBAND,
                                ABI_POLLHUP | ABI_POLLERR};
    const struct file *f = file_at(m->fs, file);
    struct g_siginfo info = {.signo = f->sig ? f->sig : G_SIGIO, .code = f->sig ? code : G_SI_KERNEL};
    if (f->sig) {
        memcpy(&info.bytes[0], &bands[code], sizeof bands[code]);
        memcpy(&info.bytes[8], &f->async_fd, sizeof f->async_fd);
    }
    if (!f->owner)
        return;
    if (f->owner_kind == OWNER_PGRP) {
        tell_groups(m, (u32)f->owner, &info);
        return;
    }
    task_t id = pid_find(m, (u32)f->owner);
    if (!id)
        return;
    struct task *t = task_at(m, id);
    (void)(f->owner_kind == OWNER_TID ? signal_send_task(m, t, &info)
                                      : signal_send_group(m, group_of(m, t), &info));
}

void async_edge(struct machine *m, file_t file)
{
    struct file *f = file_at(m->fs, file);
    if (f->async_due)
        return;
    f->async_due = true;
    f->async_next = m->async_due;
    m->async_due = file;
}

void async_signal_due(struct machine *m)
{
    while (m->async_due) {
        file_t file = m->async_due;
        struct file *f = file_at(m->fs, file);
        m->async_due = f->async_next;
        f->async_due = false;
        int bits = ready_bits(m, file);
        if (bits & (ABI_POLLIN | ABI_POLLOUT | ABI_POLLHUP | ABI_POLLERR))
            file_signal(m, file, bits & ABI_POLLIN    ? G_POLL_IN
                                 : bits & ABI_POLLHUP ? G_POLL_HUP
                                 : bits & ABI_POLLERR ? G_POLL_ERR
                                                      : G_POLL_OUT);
    }
}

int async_set(struct machine *m, file_t file, i32 fd, bool on)
{
    struct file *f = file_at(m->fs, file);
    struct wait_spec w;
    waiters_free(m, &f->async);
    f->flags &= ~ABI_O_ASYNC;
    if (!on)
        return 0;
    file_wait(m->fs, file, ABI_POLLIN | ABI_POLLOUT, &w);
    for (int i = 0; i < w.nchan; i++) {
        int r = watch_async(m, &f->async, file, w.chan[i]);
        if (r)
            return r;
    }
    f->async_fd = fd;
    f->flags |= ABI_O_ASYNC;
    return 0;
}
