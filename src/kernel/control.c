// What the machine's owner can see and do from outside, while the machine is at rest.
#include "kernel/control.h"

#include <errno.h>
#include <string.h>

#include "mm/map.h"
#include "mm/uaccess.h"

static struct task *find(struct machine *m, u32 tid)
{
    task_t id = pid_find(m, tid);
    return id && task_at(m, id)->state != TASK_DEAD && task_at(m, id)->mm ? task_at(m, id) : NULL;
}

int machine_kill(struct machine *m, u32 pid, int signal)
{
    struct g_siginfo info = {.signo = signal, .code = G_SI_USER};
    int r = -ESRCH;
    if (signal < 1 || signal > G_NSIG)
        return -EINVAL;
    store_lock(m->store);
    for (u32 id = pool_next(&m->groups, 0); id; id = pool_next(&m->groups, id)) {
        struct group *g = group_at(m, id);
        if (g->pid != pid || g->kernel)
            continue;
        r = signal_send_group(m, g, &info);
        break;
    }
    store_unlock(m->store);
    return r;
}

int machine_memory_read(struct machine *m, u32 pid, gva_t from, void *to, size_t n)
{
    store_lock(m->store);
    struct task *t = find(m, pid);
    int r = t ? uaccess_read(t->mm, to, from, n) : -ESRCH;
    store_unlock(m->store);
    return r;
}

int machine_memory_write(struct machine *m, u32 pid, gva_t to, const void *from, size_t n)
{
    store_lock(m->store);
    struct task *t = find(m, pid);
    int r = t ? uaccess_check(t->mm, to, n, MM_WRITE) : -ESRCH;
    if (r == 0)
        r = uaccess_write(t->mm, to, from, n);
    store_unlock(m->store);
    return r;
}

struct regs *machine_regs(struct machine *m, u32 tid)
{
    struct task *t = find(m, tid);
    return t ? &t->regs : NULL;
}

static char state_of(struct machine *m, const struct group *g)
{
    if (g->zombie || g->dead)
        return 'Z';
    if (g->stopped)
        return 'T';
    for (task_t id = g->tasks; id; id = task_at(m, id)->gnext)
        if (task_at(m, id)->state == TASK_RUNNABLE)
            return 'R';
    return 'S';
}

static void describe(struct machine *m, const struct group *g, struct process_info *out)
{
    const struct task *leader = task_at(m, g->leader), *any = g->tasks ? task_at(m, g->tasks) : leader;
    *out = (struct process_info){.pid = g->pid, .pgid = g->pgid, .sid = g->sid, .threads = g->ntasks,
                                 .state = state_of(m, g), .instructions = g->instructions};
    out->ppid = g->parent ? group_at(m, g->parent)->pid : 0;
    out->resident = any->mm ? mm_resident(any->mm) : 0;
    for (task_t id = g->tasks; id; id = task_at(m, id)->gnext)
        out->instructions += task_at(m, id)->instructions;
    memcpy(out->name, leader->comm, sizeof out->name);
    if (out->state == 'Z')
        out->status = g->exit_status & 0xffff;
}

u32 machine_processes(struct machine *m, struct process_info *out, u32 room)
{
    u32 n = 0;
    store_lock(m->store);
    for (u32 id = pool_next(&m->groups, 0); id; id = pool_next(&m->groups, id)) {
        if (group_at(m, id)->kernel)
            continue;
        if (n < room)
            describe(m, group_at(m, id), &out[n]);
        n++;
    }
    store_unlock(m->store);
    return n;
}
