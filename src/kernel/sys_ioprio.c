// I/O priorities (ioprio_set(2)): kept for who asks, as ionice(1) does. The host's disks do not hear of them.
#include <errno.h>

#include "kernel/access.h"
#include "kernel/syscall.h"

enum { CLASS_NONE, CLASS_RT, CLASS_BE, CLASS_IDLE };
enum { WHO_PROCESS = 1, WHO_PGRP, WHO_USER };
#define CLASS_SHIFT 13
#define LEVELS 8u

static int ioprio_check(const struct group *me, u32 ioprio)
{
    u32 level = ioprio & (LEVELS - 1);
    switch (ioprio >> CLASS_SHIFT) {
    case CLASS_RT:
        return capable(me, G_CAP_SYS_ADMIN) || capable(me, G_CAP_SYS_NICE) ? 0 : -EPERM;
    case CLASS_BE:
    case CLASS_IDLE:
        return 0;
    case CLASS_NONE:
        return level ? -EINVAL : 0;
    default:
        return -EINVAL;
    }
}

static bool is_meant(struct machine *m, struct task *t, const struct task *of, u32 which, u32 who)
{
    const struct group *me = group_of(m, t), *g = of->group ? group_at(m, of->group) : NULL;
    if (!g || g->zombie)
        return false;
    if (which == WHO_PROCESS)
        return of == task_arg(m, t, who);
    if (which == WHO_PGRP)
        return g->pgid == (who ? who : me->pgid);
    return g->uid == (who ? who : me->uid);
}

i64 sys_ioprio_set(struct machine *m, struct task *t, const u64 *a)
{
    const struct group *me = group_of(m, t);
    u32 which = (u32)a[0], ioprio = (u32)a[2];
    i64 r = -ESRCH;
    int e = ioprio_check(me, ioprio);
    if (e)
        return e;
    if (which < WHO_PROCESS || which > WHO_USER)
        return -EINVAL;
    for (u32 id = 0; (id = pool_next(&m->tasks, id));) {
        struct task *of = task_at(m, id);
        if (!is_meant(m, t, of, which, (u32)a[1]))
            continue;
        if (!owns(me, group_of(m, of)))
            return -EPERM;
        of->ioprio = (u16)ioprio;
        r = 0;
    }
    return r;
}

// Of several the best one: a lower class, then a lower level; one that says nothing counts as the usual.
i64 sys_ioprio_get(struct machine *m, struct task *t, const u64 *a)
{
    u32 which = (u32)a[0];
    i64 best = -ESRCH;
    if (which < WHO_PROCESS || which > WHO_USER)
        return -EINVAL;
    for (u32 id = 0; (id = pool_next(&m->tasks, id));) {
        const struct task *of = task_at(m, id);
        if (!is_meant(m, t, of, which, (u32)a[1]))
            continue;
        i64 one = of->ioprio || which == WHO_PROCESS ? of->ioprio : CLASS_BE << CLASS_SHIFT | 4;
        best = best < 0 ? one : MIN(best, one);
    }
    return best;
}
