// The signal system calls.

#include <errno.h>

#include "kernel/access.h"
#include "kernel/machine.h"
#include "kernel/sys_pidfd.h"
#include "kernel/syscall.h"
#include "mm/uaccess.h"

#define MASKABLE (~(SIGBIT(G_SIGKILL) | SIGBIT(G_SIGSTOP)))

i64 sys_rt_sigaction(struct machine *m, struct task *t, const u64 *a)
{
    u32 n = (u32)a[0];
    struct g_sigaction fresh, old;
    if (a[3] != 8 || n < 1 || n > G_NSIG)
        return -EINVAL;
    if (a[1] && (n == G_SIGKILL || n == G_SIGSTOP))
        return -EINVAL;
    if (a[1] && uaccess_read(t->mm, &fresh, a[1], sizeof fresh))
        return -EFAULT;
    old = t->sighand->actions->at[n - 1];
    if (a[2] && uaccess_write(t->mm, a[2], &old, sizeof old))
        return -EFAULT;
    if (!a[1])
        return 0;
    int r = sighand_own(m, t->sighand);
    if (r)
        return r;
    fresh.mask &= MASKABLE;
    t->sighand->actions->at[n - 1] = fresh;
    bool ignores = fresh.handler == 1 ||
                   (fresh.handler == 0 && (n == G_SIGCHLD || n == G_SIGCONT || n == G_SIGURG || n == G_SIGWINCH));
    if (ignores) { // what is pending is discarded
        struct group *g = group_of(m, t);
        for (task_t id = g->tasks; id; id = task_at(m, id)->gnext) {
            struct g_siginfo gone;
            while ((g->pending.set | task_at(m, id)->pending.set) & SIGBIT(n))
                signal_take(m, task_at(m, id), SIGBIT(n), &gone);
        }
    }
    return 0;
}

i64 sys_rt_sigprocmask(struct machine *m, struct task *t, const u64 *a)
{
    u64 set = 0, old = t->mask;
    (void)m;
    if (a[3] != 8)
        return -EINVAL;
    if (a[1] && uaccess_read_u64(t->mm, &set, a[1]))
        return -EFAULT;
    if (a[2] && uaccess_write_u64(t->mm, a[2], old))
        return -EFAULT;
    if (!a[1])
        return 0;
    switch ((i32)a[0]) {
    case 0: // SIG_BLOCK
        set |= old;
        break;
    case 1: // SIG_UNBLOCK
        set = old & ~set;
        break;
    case 2: // SIG_SETMASK
        break;
    default:
        return -EINVAL;
    }
    t->mask = set & MASKABLE;
    return 0;
}

i64 sys_rt_sigpending(struct machine *m, struct task *t, const u64 *a)
{
    u64 set = (t->pending.set | group_of(m, t)->pending.set) & t->mask;
    return a[1] > 8 ? -EINVAL : uaccess_write(t->mm, a[0], &set, a[1]);
}

i64 sys_rt_sigsuspend(struct machine *m, struct task *t, const u64 *a)
{
    if (!t->call.progress) {
        int r = mask_arg(m, t, a[0], a[1]);
        if (r)
            return r;
        t->call.progress = 1;
    }
    int r = park(m, t);
    return r == -EPARK ? r : -ERESTARTNOHAND;
}

i64 sys_rt_sigtimedwait(struct machine *m, struct task *t, const u64 *a)
{
    u64 set;
    struct g_siginfo info;
    t->sigwait = 0;
    if (a[3] != 8)
        return -EINVAL;
    int r = uaccess_read_u64(t->mm, &set, a[0]);
    if (r)
        return r;
    set &= MASKABLE;
    if (!t->call.deadline && a[2]) {
        r = timeout_arg(m, t, a[2], &t->call.deadline);
        if (r)
            return r;
    }
    if (a[1] && (r = uaccess_check(t->mm, a[1], sizeof info, MM_WRITE)))
        return r;
    u32 n = signal_take(m, t, set, &info);
    if (n) {
        if (a[1])
            r = uaccess_write(t->mm, a[1], &info, sizeof info);
        return r ? (i64)r : (i64)n;
    }
    if (t->timed_out || (a[2] && machine_time(m) >= t->call.deadline))
        return -EAGAIN;
    t->sigwait = set;
    if (a[2])
        park_until(m, t, t->call.deadline);
    r = park(m, t);
    return r == -ERESTARTSYS ? -EINTR : r;
}

i64 sys_rt_sigreturn(struct machine *m, struct task *t, const u64 *a)
{
    (void)a;
    return signal_return(m, t);
}

i64 sys_sigaltstack(struct machine *m, struct task *t, const u64 *a)
{
    struct g_stack fresh, old = t->altstack;
    u64 sp = t->regs.x[2];
    bool on = old.size && !(old.flags & (i32)G_SS_AUTODISARM) && sp > old.sp && sp - old.sp <= old.size;
    (void)m;
    if (a[0] && uaccess_read(t->mm, &fresh, a[0], sizeof fresh))
        return -EFAULT;
    if (a[1]) {
        struct g_stack out = old;
        out.flags = !old.size ? G_SS_DISABLE : (old.flags & (i32)G_SS_AUTODISARM) | (on ? G_SS_ONSTACK : 0);
        out.pad = 0;
        if (uaccess_write(t->mm, a[1], &out, sizeof out))
            return -EFAULT;
    }
    if (!a[0])
        return 0;
    if (on)
        return -EPERM;
    i32 mode = fresh.flags & ~(i32)G_SS_AUTODISARM;
    if (mode != 0 && mode != G_SS_DISABLE && mode != G_SS_ONSTACK)
        return -EINVAL;
    if (mode == G_SS_DISABLE)
        fresh = (struct g_stack){.flags = G_SS_DISABLE};
    else if (fresh.size < 2048)
        return -ENOMEM;
    else
        fresh.flags &= (i32)G_SS_AUTODISARM;
    t->altstack = fresh;
    return 0;
}

// ---- sending -------------------------------------------------------------------------------------

static bool may_signal(struct machine *m, struct task *t, struct group *to, u32 n)
{
    struct group *from = group_of(m, t);
    if (from == to || capable(from, G_CAP_KILL) || from->euid == to->suid || from->euid == to->uid || from->uid == to->suid ||
        from->uid == to->uid)
        return true;
    return n == G_SIGCONT && from->sid == to->sid;
}

static int send(struct machine *m, struct task *t, struct group *g, const struct g_siginfo *info)
{
    if (!may_signal(m, t, g, (u32)info->signo))
        return -EPERM;
    return info->signo == 0 || g->dead ? 0 : signal_send_group(m, g, info);
}

// kill(0), kill(-pgid), kill(-1)
static int send_many(struct machine *m, struct task *t, i32 pid, const struct g_siginfo *info)
{
    struct group *self = group_of(m, t);
    u32 pgid = pid == 0 ? self->pgid : (u32)-pid;
    int result = -ESRCH;
    for (u32 id = pool_next(&m->groups, 0), next; id; id = next) {
        next = pool_next(&m->groups, id);
        struct group *g = group_at(m, id);
        bool all = pid == -1 && g != self && g->pid != 1;
        if (g->kernel || (!all && (pid == -1 || g->pgid != pgid)))
            continue;
        int r = send(m, t, g, info);
        result = r == 0 || result == -ESRCH ? r : result;
    }
    return result;
}

i64 sys_kill(struct machine *m, struct task *t, const u64 *a)
{
    i32 pid = (i32)a[0];
    u32 n = (u32)a[1];
    struct group *self = group_of(m, t);
    struct g_siginfo info = {.signo = (i32)n, .code = G_SI_USER};
    info.user.pid = (i32)self->pid;
    info.user.uid = self->uid;
    if (n > G_NSIG)
        return -EINVAL;
    if (pid == INT32_MIN)
        return -ESRCH;
    if (pid <= 0)
        return send_many(m, t, pid, &info);
    struct group *to = group_find(m, (u32)pid);
    return to ? (i64)send(m, t, to, &info) : -ESRCH;
}

static i64 send_thread(struct machine *m, struct task *t, u32 tgid, u32 tid, const struct g_siginfo *info)
{
    task_t id = pid_find(m, tid);
    if (!id)
        return -ESRCH;
    struct task *to = task_at(m, id);
    struct group *g = group_of(m, to);
    if ((tgid && g->pid != tgid) || g->kernel)
        return -ESRCH;
    if (!may_signal(m, t, g, (u32)info->signo))
        return -EPERM;
    return info->signo == 0 || to->state == TASK_DEAD ? 0 : signal_send_task(m, to, info);
}

static i64 kill_thread(struct machine *m, struct task *t, i32 tgid, i32 tid, u32 n)
{
    struct group *self = group_of(m, t);
    struct g_siginfo info = {.signo = (i32)n, .code = G_SI_TKILL};
    info.user.pid = (i32)self->pid;
    info.user.uid = self->uid;
    if (tid <= 0 || tgid < 0 || n > G_NSIG)
        return -EINVAL;
    return send_thread(m, t, (u32)tgid, (u32)tid, &info);
}

i64 sys_tkill(struct machine *m, struct task *t, const u64 *a)
{
    return kill_thread(m, t, 0, (i32)a[0], (u32)a[1]);
}

i64 sys_tgkill(struct machine *m, struct task *t, const u64 *a)
{
    return (i32)a[0] <= 0 ? -EINVAL : kill_thread(m, t, (i32)a[0], (i32)a[1], (u32)a[2]);
}

i64 sys_rt_sigqueueinfo(struct machine *m, struct task *t, const u64 *a)
{
    struct g_siginfo info;
    u32 pid = (u32)a[0], n = (u32)a[1];
    if (n < 1 || n > G_NSIG)
        return -EINVAL;
    if (uaccess_read(t->mm, &info, a[2], sizeof info))
        return -EFAULT;
    if ((info.code >= 0 || info.code == G_SI_TKILL) && pid != group_of(m, t)->pid)
        return -EPERM;
    info.signo = (i32)n;
    info.pad = 0; // the kernel's own
    task_t id = pid_find(m, pid);
    return id ? (i64)send(m, t, group_of(m, task_at(m, id)), &info) : -ESRCH;
}

i64 sys_rt_tgsigqueueinfo(struct machine *m, struct task *t, const u64 *a)
{
    struct g_siginfo info;
    u32 n = (u32)a[2];
    if ((i32)a[0] <= 0 || (i32)a[1] <= 0 || n > G_NSIG)
        return -EINVAL;
    if (uaccess_read(t->mm, &info, a[3], sizeof info))
        return -EFAULT;
    if ((info.code >= 0 || info.code == G_SI_TKILL) && (u32)a[1] != t->tid)
        return -EPERM;
    info.signo = (i32)n;
    info.pad = 0;
    return send_thread(m, t, (u32)a[0], (u32)a[1], &info);
}

// A call that is interrupted goes on by itself here: nothing ever waits to be restarted by number.
i64 sys_restart_syscall(struct machine *m, struct task *t, const u64 *a)
{
    (void)m;
    (void)t;
    (void)a;
    return -EINTR;
}

i64 sys_pidfd_send_signal(struct machine *m, struct task *t, const u64 *a)
{
    struct group *self = group_of(m, t);
    u32 n = (u32)a[1], pid;
    struct g_siginfo info = {.signo = (i32)n, .code = G_SI_USER};
    info.user.pid = (i32)self->pid;
    info.user.uid = self->uid;
    if ((u32)a[3])
        return -EINVAL;
    int r = pidfd_or_proc(m, t, a[0], &pid);
    if (r && r != -ESRCH)
        return r;
    if (a[2]) {
        if (uaccess_read(t->mm, &info, a[2], sizeof info))
            return -EFAULT;
        if ((u32)info.signo != n)
            return -EINVAL;
        info.pad = 0;
        if ((info.code >= 0 || info.code == G_SI_TKILL) && (r || pid != self->pid))
            return r ? r : -EPERM;
    }
    if (n > G_NSIG)
        return -EINVAL;
    return r ? r : (i64)send(m, t, group_find(m, pid), &info);
}
