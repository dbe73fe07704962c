// Scheduling policies (sched(7)): kept for who asks. One processor runs all threads in turn, whatever
// their policy.
#include <errno.h>
#include <string.h>

#include "kernel/access.h"
#include "kernel/syscall.h"
#include "mm/uaccess.h"

enum { POLICY_OTHER, POLICY_FIFO, POLICY_RR, POLICY_BATCH, POLICY_IDLE = 5, POLICY_DEADLINE };
#define POLICY_RESET_ON_FORK 0x40000000u
#define SLICE_NS 100000000 // of SCHED_RR

static bool is_real_time(u32 policy)
{
    return policy == POLICY_FIFO || policy == POLICY_RR;
}

// May t give `of` this policy? -EINVAL, -EPERM
static int policy_check(struct machine *m, struct task *t, const struct task *of, u32 policy, u32 priority)
{
    const struct group *me = group_of(m, t), *it = group_at(m, of->group);
    if (policy == POLICY_DEADLINE)
        return -EPERM; // nothing can be promised
    if (!is_real_time(policy) && policy != POLICY_OTHER && policy != POLICY_BATCH && policy != POLICY_IDLE)
        return -EINVAL;
    if (is_real_time(policy) ? priority < 1 || priority > 99 : priority != 0)
        return -EINVAL;
    if (capable(me, G_CAP_SYS_NICE))
        return 0;
    if (me->euid != it->uid && me->euid != it->euid)
        return -EPERM;
    u64 most = it->limit[G_RLIMIT_RTPRIO][0];
    bool more = policy != of->policy || priority > of->rt_priority;
    return is_real_time(policy) && more && priority > most ? -EPERM : 0;
}

static i64 set_policy(struct machine *m, struct task *t, struct task *of, u32 policy, u32 priority,
                      bool reset)
{
    int r = policy_check(m, t, of, policy, priority);
    if (r)
        return r;
    if (of->policy_reset && !reset && !capable(group_of(m, t), G_CAP_SYS_NICE))
        return -EPERM;
    of->policy = (u8)policy;
    of->rt_priority = (u8)priority;
    of->policy_reset = reset;
    return 0;
}

i64 sys_sched_setscheduler(struct machine *m, struct task *t, const u64 *a)
{
    u32 priority, policy = (u32)a[1];
    if ((i32)a[0] < 0 || (i32)policy < 0 || !a[2])
        return -EINVAL;
    int r = uaccess_read_u32(t->mm, &priority, a[2]);
    if (r)
        return r;
    struct task *of = task_arg(m, t, a[0]);
    if (!of)
        return -ESRCH;
    return set_policy(m, t, of, policy & ~POLICY_RESET_ON_FORK, priority, policy & POLICY_RESET_ON_FORK);
}

i64 sys_sched_setparam(struct machine *m, struct task *t, const u64 *a)
{
    u32 priority;
    if ((i32)a[0] < 0 || !a[1])
        return -EINVAL;
    int r = uaccess_read_u32(t->mm, &priority, a[1]);
    if (r)
        return r;
    struct task *of = task_arg(m, t, a[0]);
    return of ? set_policy(m, t, of, of->policy, priority, of->policy_reset) : -ESRCH;
}

// As task_arg, for who only looks: tine's own reaper is seen as a task of the usual policy.
static const struct task *looked_at(struct machine *m, struct task *t, u64 pid)
{
    static const struct task reaper;
    const struct task *of = task_arg(m, t, pid);
    return of || (i32)pid <= 0 || !group_find(m, (u32)pid) ? of : &reaper;
}

i64 sys_sched_getscheduler(struct machine *m, struct task *t, const u64 *a)
{
    if ((i32)a[0] < 0)
        return -EINVAL;
    const struct task *of = looked_at(m, t, a[0]);
    return of ? (i64)(of->policy | (of->policy_reset ? POLICY_RESET_ON_FORK : 0)) : -ESRCH;
}

i64 sys_sched_getparam(struct machine *m, struct task *t, const u64 *a)
{
    if ((i32)a[0] < 0 || !a[1])
        return -EINVAL;
    const struct task *of = looked_at(m, t, a[0]);
    return of ? uaccess_write_u32(t->mm, a[1], of->rt_priority) : -ESRCH;
}

// ---- sched_setattr, sched_getattr

struct sched_attr {
    u32 size, policy;
    u64 flags;
    i32 nice;
    u32 priority;
    u64 runtime, deadline, period;
    u32 util[2];
};
#define ATTR_FIRST 48u // bytes of its first version
#define ATTR_RESET_ON_FORK 1u

i64 sys_sched_setattr(struct machine *m, struct task *t, const u64 *a)
{
    struct sched_attr s;
    u32 size;
    memset(&s, 0, sizeof s);
    if (!a[1] || (i32)a[0] < 0 || (u32)a[2])
        return -EINVAL;
    int r = uaccess_read_u32(t->mm, &size, a[1]);
    if (r)
        return r;
    size = size ? size : ATTR_FIRST;
    if (size < ATTR_FIRST || size > PAGE_SIZE) {
        r = uaccess_write_u32(t->mm, a[1], sizeof s);
        return r ? r : -E2BIG;
    }
    r = uaccess_read(t->mm, &s, a[1], MIN(size, sizeof s));
    if (r)
        return r;
    struct task *of = task_arg(m, t, a[0]);
    if (!of)
        return -ESRCH;
    if (s.flags & ~0x7fULL || (i32)s.policy < 0)
        return -EINVAL;
    i64 e = set_policy(m, t, of, s.policy, s.priority, s.flags & ATTR_RESET_ON_FORK);
    if (e == 0 && !is_real_time(s.policy))
        group_of(m, of)->nice = MIN(MAX(s.nice, -20), 19);
    return e;
}

i64 sys_sched_getattr(struct machine *m, struct task *t, const u64 *a)
{
    struct sched_attr s;
    u32 size = (u32)a[2];
    memset(&s, 0, sizeof s);
    if (!a[1] || (i32)a[0] < 0 || size < ATTR_FIRST || size > PAGE_SIZE || (u32)a[3])
        return -EINVAL;
    const struct task *of = looked_at(m, t, a[0]);
    if (!of)
        return -ESRCH;
    s.size = MIN(size, (u32)sizeof s);
    s.policy = of->policy;
    s.flags = of->policy_reset ? ATTR_RESET_ON_FORK : 0;
    s.priority = of->rt_priority;
    s.nice = is_real_time(of->policy) || !of->group ? 0 : group_at(m, of->group)->nice;
    s.util[1] = 1024;
    return uaccess_write(t->mm, a[1], &s, s.size);
}

i64 sys_sched_rr_get_interval(struct machine *m, struct task *t, const u64 *a)
{
    if ((i32)a[0] < 0)
        return -EINVAL;
    const struct task *of = looked_at(m, t, a[0]);
    if (!of)
        return -ESRCH;
    struct g_timespec ts = {0, of->policy == POLICY_FIFO ? 0 : SLICE_NS};
    return uaccess_write(t->mm, a[1], &ts, sizeof ts);
}

// ---- priorities and processors

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
    case POLICY_DEADLINE:
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
    if ((i32)a[0] < 0 || !looked_at(m, t, a[0]))
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
