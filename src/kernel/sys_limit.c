// What a process may use and has used: resource limits, priorities, usage, the scheduler's policies.
//
// Processor time is instructions: one is a nanosecond.
#include "kernel/syscall.h"

#include <errno.h>
#include <string.h>

#include "mm/map.h"
#include "mm/uaccess.h"

#define TICK_NS 10000000u // of times(2): 100 in a second

// ---- finding whom a call is about

static struct task *task_arg(struct machine *m, struct task *t, u64 pid)
{
    if ((i32)pid <= 0)
        return pid == 0 ? t : NULL;
    task_t id = pid_find(m, (u32)pid);
    return id ? task_at(m, id) : NULL;
}

// May `by` change what belongs to `of`?
static bool owns(const struct group *by, const struct group *of)
{
    return by->euid == 0 || by->euid == of->uid || by->euid == of->euid;
}

// ---- resource limits

#define NOFILE_MOST 1048576u

static void limit_apply(struct task *t, u32 which, u64 soft)
{
    if (!t->mm)
        return;
    if (which == G_RLIMIT_STACK)
        t->mm->stack_limit = soft;
    else if (which == G_RLIMIT_DATA)
        t->mm->data_limit = soft;
    else if (which == G_RLIMIT_AS)
        t->mm->as_limit = soft;
}

static int limit_set(struct machine *m, struct task *t, struct task *of, u32 which, const u64 lim[2])
{
    const struct group *me = group_of(m, t);
    struct group *g = group_of(m, of);
    if (lim[0] > lim[1])
        return -EINVAL;
    if (lim[1] > g->limit[which][1] && me->euid != 0)
        return -EPERM;
    if (which == G_RLIMIT_NOFILE && lim[1] > NOFILE_MOST)
        return -EPERM;
    g->limit[which][0] = lim[0];
    g->limit[which][1] = lim[1];
    limit_apply(of, which, lim[0]);
    return 0;
}

i64 sys_prlimit64(struct machine *m, struct task *t, const u64 *a)
{
    u64 lim[2], old[2];
    u32 which = (u32)a[1];
    if (which >= G_RLIM_COUNT)
        return -EINVAL;
    int r = a[2] ? uaccess_read(t->mm, lim, a[2], sizeof lim) : 0;
    if (r)
        return r;
    struct task *of = task_arg(m, t, a[0]);
    if (!of)
        return -ESRCH;
    if (of->group != t->group && !owns(group_of(m, t), group_of(m, of)))
        return -EPERM;
    memcpy(old, group_of(m, of)->limit[which], sizeof old);
    if (a[3])
        r = uaccess_check(t->mm, a[3], sizeof old, MM_WRITE);
    if (r == 0 && a[2])
        r = limit_set(m, t, of, which, lim);
    if (r == 0 && a[3])
        r = uaccess_write(t->mm, a[3], old, sizeof old);
    return r;
}

i64 sys_getrlimit(struct machine *m, struct task *t, const u64 *a)
{
    if ((u32)a[0] >= G_RLIM_COUNT)
        return -EINVAL;
    return uaccess_write(t->mm, a[1], group_of(m, t)->limit[(u32)a[0]], 2 * sizeof(u64));
}

i64 sys_setrlimit(struct machine *m, struct task *t, const u64 *a)
{
    u64 lim[2];
    if ((u32)a[0] >= G_RLIM_COUNT)
        return -EINVAL;
    int r = uaccess_read(t->mm, lim, a[1], sizeof lim);
    return r ? r : limit_set(m, t, t, (u32)a[0], lim);
}

// ---- usage

static u64 group_instructions(struct machine *m, const struct group *g)
{
    u64 n = g->instructions;
    for (task_t id = g->tasks; id; id = task_at(m, id)->gnext)
        n += task_at(m, id)->instructions;
    return n;
}

static struct g_timeval timeval_of(u64 ns)
{
    return (struct g_timeval){(i64)(ns / 1000000000u), (i64)(ns % 1000000000u / 1000u)};
}

enum { RUSAGE_OF_SELF = 0, RUSAGE_OF_CHILDREN = -1, RUSAGE_OF_THREAD = 1 };

i64 sys_getrusage(struct machine *m, struct task *t, const u64 *a)
{
    struct g_rusage u;
    const struct group *g = group_of(m, t);
    memset(&u, 0, sizeof u);
    switch ((i32)a[0]) {
    case RUSAGE_OF_SELF:
        u.utime = timeval_of(group_instructions(m, g));
        u.minflt = (i64)t->mm->touched;
        u.maxrss = (i64)(mm_resident(t->mm) * (PAGE_SIZE / 1024));
        break;
    case RUSAGE_OF_CHILDREN:
        u.utime = timeval_of(g->child_instructions);
        u.maxrss = (i64)g->child_peak_pages * 4;
        break;
    case RUSAGE_OF_THREAD:
        u.utime = timeval_of(t->instructions);
        u.maxrss = (i64)(mm_resident(t->mm) * (PAGE_SIZE / 1024));
        break;
    default:
        return -EINVAL;
    }
    return uaccess_write(t->mm, a[1], &u, sizeof u);
}

i64 sys_times(struct machine *m, struct task *t, const u64 *a)
{
    const struct group *g = group_of(m, t);
    i64 tms[4] = {(i64)(group_instructions(m, g) / TICK_NS), 0,
                  (i64)(g->child_instructions / TICK_NS), 0};
    int r = a[0] ? uaccess_write(t->mm, a[0], tms, sizeof tms) : 0;
    return r ? r : (i64)(machine_time(m) / TICK_NS);
}

// ---- nice values

enum { WHO_PROCESS, WHO_PGRP, WHO_USER };

static bool who_matches(struct machine *m, struct task *t, const struct group *g, u32 which, u32 who)
{
    const struct group *me = group_of(m, t);
    if (g->kernel || g->zombie)
        return false;
    switch (which) {
    case WHO_PROCESS:
        if (!who)
            return g == me;
        return pid_find(m, who) && task_at(m, pid_find(m, who))->group == g->id;
    case WHO_PGRP:
        return g->pgid == (who ? who : me->pgid);
    default:
        return g->uid == (who ? who : me->uid);
    }
}

i64 sys_getpriority(struct machine *m, struct task *t, const u64 *a)
{
    i64 best = -ESRCH;
    if ((u32)a[0] > WHO_USER)
        return -EINVAL;
    for (group_t id = 0; (id = pool_next(&m->groups, id));) {
        const struct group *g = group_at(m, id);
        if (who_matches(m, t, g, (u32)a[0], (u32)a[1]))
            best = MAX(best, (i64)(20 - g->nice));
    }
    return best;
}

i64 sys_setpriority(struct machine *m, struct task *t, const u64 *a)
{
    const struct group *me = group_of(m, t);
    i32 nice = MIN(MAX((i32)a[2], -20), 19);
    i64 r = -ESRCH;
    if ((u32)a[0] > WHO_USER)
        return -EINVAL;
    for (group_t id = 0; (id = pool_next(&m->groups, id));) {
        struct group *g = group_at(m, id);
        if (!who_matches(m, t, g, (u32)a[0], (u32)a[1]))
            continue;
        u64 floor = MIN(g->limit[G_RLIMIT_NICE][0], 40u);
        if (!owns(me, g)) {
            r = -EPERM;
        } else if (nice < g->nice && me->euid != 0 && (u64)(20 - nice) > floor) {
            r = -EACCES;
        } else {
            g->nice = nice;
            r = r == -ESRCH ? 0 : r;
        }
    }
    return r;
}

// ---- policies: there is one, SCHED_OTHER, and one processor

enum { POLICY_OTHER, POLICY_FIFO, POLICY_RR, POLICY_BATCH, POLICY_IDLE = 5 };
#define POLICY_RESET_ON_FORK 0x40000000u

// -EINVAL, -EPERM (real-time policies are not to be had)
static int policy_check(u32 policy, i32 priority)
{
    switch (policy & ~POLICY_RESET_ON_FORK) {
    case POLICY_OTHER:
    case POLICY_BATCH:
    case POLICY_IDLE:
        return priority == 0 ? 0 : -EINVAL;
    case POLICY_FIFO:
    case POLICY_RR:
        return priority >= 1 && priority <= 99 ? -EPERM : -EINVAL;
    default:
        return -EINVAL;
    }
}

i64 sys_sched_setscheduler(struct machine *m, struct task *t, const u64 *a)
{
    i32 priority;
    if ((i32)a[0] < 0 || (i32)a[1] < 0 || !a[2])
        return -EINVAL;
    int r = uaccess_read(t->mm, &priority, a[2], sizeof priority);
    if (r)
        return r;
    if (!task_arg(m, t, a[0]))
        return -ESRCH;
    return policy_check((u32)a[1], priority);
}

i64 sys_sched_setparam(struct machine *m, struct task *t, const u64 *a)
{
    i32 priority;
    if ((i32)a[0] < 0 || !a[1])
        return -EINVAL;
    int r = uaccess_read(t->mm, &priority, a[1], sizeof priority);
    if (r)
        return r;
    if (!task_arg(m, t, a[0]))
        return -ESRCH;
    return policy_check(POLICY_OTHER, priority);
}

i64 sys_sched_getscheduler(struct machine *m, struct task *t, const u64 *a)
{
    if ((i32)a[0] < 0)
        return -EINVAL;
    return task_arg(m, t, a[0]) ? POLICY_OTHER : -ESRCH;
}

i64 sys_sched_getparam(struct machine *m, struct task *t, const u64 *a)
{
    if ((i32)a[0] < 0 || !a[1])
        return -EINVAL;
    if (!task_arg(m, t, a[0]))
        return -ESRCH;
    return uaccess_write_u32(t->mm, a[1], 0);
}

i64 sys_sched_get_priority_max(struct machine *m, struct task *t, const u64 *a)
{
    (void)m;
    (void)t;
    switch ((u32)a[0]) {
    case POLICY_FIFO:
    case POLICY_RR:
        return 99;
    case POLICY_OTHER:
    case POLICY_BATCH:
    case POLICY_IDLE:
        return 0;
    default:
        return -EINVAL;
    }
}

i64 sys_sched_get_priority_min(struct machine *m, struct task *t, const u64 *a)
{
    i64 most = sys_sched_get_priority_max(m, t, a);
    return most > 0 ? 1 : most;
}

i64 sys_sched_setaffinity(struct machine *m, struct task *t, const u64 *a)
{
    u64 mask = 0;
    int r = uaccess_read(t->mm, &mask, a[2], MIN((size_t)(u32)a[1], sizeof mask));
    if (r)
        return r;
    const struct task *of = (i32)a[0] < 0 ? NULL : task_arg(m, t, a[0]);
    if (!of)
        return -ESRCH;
    if (!owns(group_of(m, t), group_at(m, of->group)))
        return -EPERM;
    return mask & 1 ? 0 : -EINVAL;
}

i64 sys_sched_getaffinity(struct machine *m, struct task *t, const u64 *a)
{
    u32 size = (u32)a[1];
    if (size < sizeof(u64) || size % sizeof(u64))
        return -EINVAL;
    if ((i32)a[0] < 0 || !task_arg(m, t, a[0]))
        return -ESRCH;
    int r = uaccess_write_u64(t->mm, a[2], 1);
    return r ? r : (i64)sizeof(u64);
}

i64 sys_getcpu(struct machine *m, struct task *t, const u64 *a)
{
    (void)m;
    int r = a[0] ? uaccess_write_u32(t->mm, a[0], 0) : 0;
    if (r == 0 && a[1])
        r = uaccess_write_u32(t->mm, a[1], 0);
    return r;
}
