// wait4(2) and waitid(2).

#include <errno.h>

#include "kernel/machine.h"
#include "kernel/sys_pidfd.h"
#include "kernel/syscall.h"
#include "mm/uaccess.h"

enum { P_ALL, P_PID, P_PGID, P_PIDFD };

struct wanted {
    u32 type, id;
    u64 options; // G_W...
};

struct found {
    struct group *child;
    i32 code;   // CLD_...
    i32 status; // as wait4 reports it
};

static bool matches(const struct wanted *w, const struct group *g)
{
    bool clone = g->exit_signal != G_SIGCHLD;
    if (!(w->options & G_WALL) && clone != !!(w->options & G_WCLONE))
        return false;
    return w->type == P_ALL || (w->type == P_PID && g->pid == w->id) ||
           (w->type == P_PGID && g->pgid == w->id);
}

static bool state_of(const struct wanted *w, struct group *g, struct found *f)
{
    f->child = g;
    if (g->zombie && w->options & G_WEXITED) {
        f->status = g->exit_status;
        f->code = !(f->status & 0x7f) ? G_CLD_EXITED : f->status & 0x80 ? G_CLD_DUMPED : G_CLD_KILLED;
        return true;
    }
    if (g->stopped && !g->stop_reported && w->options & G_WSTOPPED) {
        f->status = g->stop_signal << 8 | 0x7f;
        f->code = G_CLD_STOPPED;
        return true;
    }
    if (g->continued && w->options & G_WCONTINUED) {
        f->status = 0xffff;
        f->code = G_CLD_CONTINUED;
        return true;
    }
    return false;
}

// 1 = found, 0 = nothing yet, -ECHILD.
static int look(struct machine *m, struct task *t, const struct wanted *w, struct found *f)
{
    bool any = false;
    for (group_t id = group_of(m, t)->children; id; id = group_at(m, id)->snext) {
        struct group *g = group_at(m, id);
        if (!matches(w, g))
            continue;
        any = true;
        if (state_of(w, g, f))
            return 1;
    }
    return any ? 0 : -ECHILD;
}

static struct g_rusage usage_of(const struct group *g)
{
    u64 us = (g->instructions + g->child_instructions) / 1000;
    return (struct g_rusage){.utime = {(i64)(us / 1000000), (i64)(us % 1000000)},
                             .maxrss = (i64)MAX(g->peak_pages, g->child_peak_pages) * 4};
}

static void consume(struct machine *m, const struct found *f)
{
    if (f->code == G_CLD_STOPPED)
        f->child->stop_reported = true;
    else if (f->code == G_CLD_CONTINUED)
        f->child->continued = false;
    else
        group_reap(m, f->child);
}

static int wait_for_children(struct machine *m, struct task *t)
{
    int r = wait_on(m, t, CHAN(CHAN_CHILD, t->group));
    return r ? r : park(m, t);
}

i64 sys_wait4(struct machine *m, struct task *t, const u64 *a)
{
    i32 pid = (i32)a[0];
    u64 options = (u32)a[2]; // an int: __WCLONE comes sign-extended
    struct wanted w = {.options = options | G_WEXITED};
    struct found f;
    if (options & ~(u64)(G_WNOHANG | G_WUNTRACED | G_WCONTINUED | G_WNOTHREAD | G_WCLONE | G_WALL))
        return -EINVAL;
    if (pid == INT32_MIN)
        return -ESRCH;
    w.type = pid == -1 ? P_ALL : pid > 0 ? P_PID : P_PGID;
    w.id = pid > 0 ? (u32)pid : pid == 0 ? group_of(m, t)->pgid : (u32)-pid;
    int r = look(m, t, &w, &f);
    if (r == 0)
        return options & G_WNOHANG ? 0 : wait_for_children(m, t);
    if (r < 0)
        return r;
    struct g_rusage usage = usage_of(f.child);
    if (a[1])
        r = uaccess_write(t->mm, a[1], &f.status, sizeof f.status);
    if (r >= 0 && a[3])
        r = uaccess_write(t->mm, a[3], &usage, sizeof usage);
    if (r < 0)
        return r;
    u32 found = f.child->pid;
    consume(m, &f);
    return found;
}

i64 sys_waitid(struct machine *m, struct task *t, const u64 *a)
{
    u64 options = (u32)a[3];
    struct wanted w = {.type = (u32)a[0], .id = (u32)a[1], .options = options};
    struct found f;
    struct g_siginfo info = {0};
    struct g_rusage usage = {0};
    u64 known = G_WNOHANG | G_WSTOPPED | G_WEXITED | G_WCONTINUED | G_WNOWAIT | G_WNOTHREAD | G_WALL |
                G_WCLONE;
    bool nonblock = false;
    if (options & ~known || !(options & (G_WSTOPPED | G_WEXITED | G_WCONTINUED)) || w.type > P_PIDFD)
        return -EINVAL;
    if (w.type == P_PIDFD) {
        if ((i32)w.id < 0)
            return -EINVAL;
        int e = pidfd_process(m, t, a[1], &w.id, &nonblock);
        if (e)
            return e == -ESRCH ? -ECHILD : e;
        w.type = P_PID;
    }
    if (w.type == P_PID && (i32)w.id <= 0)
        return -EINVAL;
    if (w.type == P_PGID && (i32)w.id < 0)
        return -EINVAL;
    if (w.type == P_PGID && w.id == 0)
        w.id = group_of(m, t)->pgid;
    int r = look(m, t, &w, &f);
    if (r == 0 && nonblock && !(options & G_WNOHANG))
        return -EAGAIN;
    if (r == 0 && !(options & G_WNOHANG))
        return wait_for_children(m, t);
    if (r < 0)
        return r;
    if (r > 0) {
        info = (struct g_siginfo){.signo = G_SIGCHLD, .code = f.code};
        info.child.pid = (i32)f.child->pid;
        info.child.uid = f.child->uid;
        info.child.status = f.code == G_CLD_EXITED ? f.status >> 8 & 0xff
                            : f.code == G_CLD_STOPPED ? f.child->stop_signal
                            : f.code == G_CLD_CONTINUED ? G_SIGCONT : f.status & 0x7f;
        usage = usage_of(f.child);
    }
    int e = a[4] ? uaccess_write(t->mm, a[4], &usage, sizeof usage) : 0;
    if (e == 0 && a[2])
        e = uaccess_write(t->mm, a[2], &info, sizeof info);
    if (e)
        return e;
    if (r > 0 && !(options & G_WNOWAIT))
        consume(m, &f);
    return 0;
}
