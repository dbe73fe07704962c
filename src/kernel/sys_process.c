// Who am I: process ids, groups, sessions (credentials(7)).

#include <errno.h>

#include "kernel/access.h"
#include "kernel/machine.h"
#include "kernel/syscall.h"

i64 sys_getpid(struct machine *m, struct task *t, const u64 *a)
{
    (void)a;
    return group_of(m, t)->pid;
}

i64 sys_gettid(struct machine *m, struct task *t, const u64 *a)
{
    (void)m;
    (void)a;
    return t->tid;
}

i64 sys_getppid(struct machine *m, struct task *t, const u64 *a)
{
    group_t parent = group_of(m, t)->parent;
    (void)a;
    return parent ? group_at(m, parent)->pid : 0;
}

i64 sys_set_tid_address(struct machine *m, struct task *t, const u64 *a)
{
    (void)m;
    t->clear_child_tid = a[0];
    return t->tid;
}

i64 sys_sched_yield(struct machine *m, struct task *t, const u64 *a)
{
    (void)t;
    (void)a;
    m->need_resched = true;
    return 0;
}

static struct group *group_by_pid(struct machine *m, struct task *t, u64 pid)
{
    return (i32)pid == 0 ? group_of(m, t) : group_find(m, (u32)pid);
}

i64 sys_getpgid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_by_pid(m, t, a[0]);
    return g ? (i64)g->pgid : -ESRCH;
}

i64 sys_getsid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_by_pid(m, t, a[0]);
    return g ? (i64)g->sid : -ESRCH;
}

static bool pgid_exists(struct machine *m, u32 pgid, u32 sid)
{
    for (u32 id = pool_next(&m->groups, 0); id; id = pool_next(&m->groups, id)) {
        struct group *g = group_at(m, id);
        if (g->pgid == pgid && g->sid == sid)
            return true;
    }
    return false;
}

i64 sys_setpgid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *self = group_of(m, t), *g = group_by_pid(m, t, a[0]);
    i32 wanted = (i32)a[1];
    if (wanted < 0)
        return -EINVAL;
    if (!g || (g != self && g->parent != self->id))
        return -ESRCH;
    u32 pgid = wanted ? (u32)wanted : g->pid;
    if (g != self && g->sid != self->sid)
        return -EPERM;
    if (g != self && g->execed)
        return -EACCES;
    if (g->sid == g->pid)
        return -EPERM;
    if (pgid != g->pid && !pgid_exists(m, pgid, self->sid))
        return -EPERM;
    g->pgid = pgid;
    return 0;
}

i64 sys_setsid(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    (void)a;
    for (u32 id = pool_next(&m->groups, 0); id; id = pool_next(&m->groups, id))
        if (group_at(m, id)->pgid == g->pid)
            return -EPERM;
    g->pgid = g->sid = g->pid;
    g->tty = 0;
    return g->pid;
}
