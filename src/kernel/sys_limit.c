// What a process may use and has used: resource limits, usage, nice values.
//
// Processor time: cpu_time.h.
#include "kernel/syscall.h"

#include <errno.h>
#include <string.h>

#include "kernel/access.h"
#include "kernel/cpu_time.h"
#include "mm/map.h"
#include "mm/uaccess.h"

#define TICK_NS 10000000u // of times(2): 100 in a second

struct task *task_arg(struct machine *m, struct task *t, u64 pid)
{
    if ((i32)pid <= 0)
        return pid == 0 ? t : NULL;
    task_t id = pid_find(m, (u32)pid);
    return id ? task_at(m, id) : NULL;
}

bool owns(const struct group *by, const struct group *of)
{
    return capable(by, G_CAP_SYS_NICE) || by->euid == of->uid || by->euid == of->euid;
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
    if (lim[1] > g->limit[which][1] && !capable(me, G_CAP_SYS_RESOURCE))
        return -EPERM;
    if (which == G_RLIMIT_NOFILE && lim[1] > NOFILE_MOST)
        return -EPERM;
    g->limit[which][0] = lim[0];
    g->limit[which][1] = lim[1];
    limit_apply(of, which, lim[0]);
    return 0;
}

// prlimit(2): all of the ids are the caller's real ones, or CAP_SYS_RESOURCE.
static bool may_limit(const struct group *by, const struct group *of)
{
    return capable(by, G_CAP_SYS_RESOURCE) ||
           (by->uid == of->uid && by->uid == of->euid && by->uid == of->suid && by->gid == of->gid &&
            by->gid == of->egid && by->gid == of->sgid);
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
    if (of->group != t->group && !may_limit(group_of(m, t), group_of(m, of)))
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

static struct g_timeval timeval_of(u64 ns)
{
    return (struct g_timeval){(i64)(ns / 1000000000u), (i64)(ns % 1000000000u / 1000u)};
}

static void put_usage(struct g_rusage *u, struct cpu_usage used)
{
    u->utime = timeval_of(used.user);
    u->stime = timeval_of(used.system);
}

enum { RUSAGE_OF_SELF = 0, RUSAGE_OF_CHILDREN = -1, RUSAGE_OF_THREAD = 1 };

i64 sys_getrusage(struct machine *m, struct task *t, const u64 *a)
{
    struct g_rusage u;
    const struct group *g = group_of(m, t);
    memset(&u, 0, sizeof u);
    switch ((i32)a[0]) {
    case RUSAGE_OF_SELF:
        put_usage(&u, cpu_of_group(m, g));
        u.minflt = (i64)t->mm->touched;
        u.maxrss = (i64)(mm_resident(t->mm) * (PAGE_SIZE / 1024));
        break;
    case RUSAGE_OF_CHILDREN:
        put_usage(&u, cpu_of_children(m, g));
        u.maxrss = (i64)g->child_peak_pages * 4;
        break;
    case RUSAGE_OF_THREAD:
        put_usage(&u, cpu_of_task(m, t));
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
    struct cpu_usage own = cpu_of_group(m, g), children = cpu_of_children(m, g);
    i64 tms[4] = {(i64)(own.user / TICK_NS), (i64)(own.system / TICK_NS),
                  (i64)(children.user / TICK_NS), (i64)(children.system / TICK_NS)};
    int r = a[0] ? uaccess_write(t->mm, a[0], tms, sizeof tms) : 0;
    return r ? r : (i64)(machine_time(m) / TICK_NS);
}

// ---- nice values

enum { WHO_PROCESS, WHO_PGRP, WHO_USER };

static bool who_matches(struct machine *m, struct task *t, const struct group *g, u32 which, u32 who)
{
    const struct group *me = group_of(m, t);
    if (g->zombie)
        return false;
    switch (which) {
    case WHO_PROCESS:
        if (!who)
            return g == me;
        return group_find(m, who) == g;
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
        } else if (nice < g->nice && !capable(me, G_CAP_SYS_NICE) && (u64)(20 - nice) > floor) {
            r = -EACCES;
        } else {
            g->nice = nice;
            r = r == -ESRCH ? 0 : r;
        }
    }
    return r;
}
