// The end of threads and processes, zombies, orphans, and what parents hear of it.

#include <errno.h>

#include "base/alloc.h"
#include "base/panic.h"
#include "kernel/core.h"
#include "kernel/cpu_time.h"
#include "kernel/machine.h"
#include "kernel/sys_pidfd.h"
#include "kernel/sys_file.h"
#include "kernel/syscall.h"
#include "kernel/timer.h"
#include "kernel/trace.h"
#include "mm/uaccess.h"

// ---- what the parent hears -----------------------------------------------------------------------

static struct g_siginfo child_info(struct machine *m, const struct group *g, i32 code)
{
    struct g_siginfo info = {.signo = G_SIGCHLD, .code = code};
    info.child.pid = (i32)g->pid;
    info.child.uid = g->uid;
    info.child.utime = cpu_of_group(m, g).user / 10000000; // ticks
    info.child.stime = cpu_of_group(m, g).system / 10000000;
    switch (code) {
    case G_CLD_EXITED:
        info.child.status = g->exit_status >> 8 & 0xff;
        break;
    case G_CLD_STOPPED:
        info.child.status = g->stop_signal;
        break;
    case G_CLD_CONTINUED:
        info.child.status = G_SIGCONT;
        break;
    default:
        info.child.status = g->exit_status & 0x7f;
    }
    return info;
}

static const struct g_sigaction *chld_action(struct machine *m, struct group *parent)
{
    if (parent->kernel || !parent->tasks)
        return NULL;
    return &task_at(m, parent->tasks)->sighand->actions->at[G_SIGCHLD - 1];
}

void child_state_changed(struct machine *m, struct group *child, i32 code)
{
    struct group *parent = child->parent ? group_at(m, child->parent) : NULL;
    if (!parent)
        return;
    const struct g_sigaction *act = chld_action(m, parent);
    struct g_siginfo info = child_info(m, child, code);
    bool stop = code == G_CLD_STOPPED || code == G_CLD_CONTINUED;
    if (act && !(stop && act->flags & G_SA_NOCLDSTOP)) {
        info.signo = stop ? G_SIGCHLD : child->exit_signal;
        if (info.signo)
            (void)signal_send_group(m, parent, &info);
    }
    wake_channel(m, CHAN(CHAN_CHILD, parent->id));
}

// ---- leaving -------------------------------------------------------------------------------------

static void unlink_task(struct machine *m, struct group *g, struct task *t)
{
    if (t->gprev)
        task_at(m, t->gprev)->gnext = t->gnext;
    else
        g->tasks = t->gnext;
    if (t->gnext)
        task_at(m, t->gnext)->gprev = t->gprev;
    t->gnext = t->gprev = 0;
    g->ntasks--;
}

static void unlink_child(struct machine *m, struct group *g)
{
    if (g->sprev)
        group_at(m, g->sprev)->snext = g->snext;
    else
        group_at(m, g->parent)->children = g->snext;
    if (g->snext)
        group_at(m, g->snext)->sprev = g->sprev;
    g->snext = g->sprev = 0;
}

static void link_child(struct machine *m, struct group *parent, struct group *g)
{
    g->parent = parent->id;
    g->snext = parent->children;
    g->sprev = 0;
    if (parent->children)
        group_at(m, parent->children)->sprev = g->id;
    parent->children = g->id;
}

// The last thread that is not its group's leader goes at once; the leader stays for the zombie.
static void release_task(struct machine *m, struct group *g, struct task *t)
{
    if (t->id != g->leader && t->id != m->current)
        task_free(m, t);
}

void group_reap(struct machine *m, struct group *g)
{
    struct task *leader = task_at(m, g->leader);
    if (m->hooks.reaped)
        m->hooks.reaped(m->hooks.arg, g->pid, g->exit_status);
    unlink_child(m, g);
    pidfd_forget(m, g);
    sigqueue_clear(m, &g->pending);
    deadline_drop(m, DEADLINE_GROUP, g->id);
    if (leader->trace)
        trace_drop(m, leader->trace);
    pid_clear(m, leader->tid);
    if (m->current && task_at(m, m->current)->group == g->id)
        task_at(m, m->current)->group = 0; // the scheduler frees it when it lets go
    if (leader->id != m->current)
        task_free(m, leader);
    group_free(m, g);
}

static struct group *reaper_of(struct machine *m, struct group *g)
{
    for (group_t id = g->parent; id; id = group_at(m, id)->parent) {
        struct group *p = group_at(m, id);
        if (p->kernel || p->pid == 1 || (p->subreaper && !p->dead))
            return p;
    }
    return group_at(m, m->init_group);
}

// A zombie is kept for a parent that will wait for it.
void notify_exit(struct machine *m, struct group *g)
{
    struct group *parent = group_at(m, g->parent);
    const struct g_sigaction *act = chld_action(m, parent);
    bool nobody_waits = parent->kernel || (act && g->exit_signal == G_SIGCHLD &&
                                           (act->handler == 1 || act->flags & G_SA_NOCLDWAIT));
    i32 code = (g->exit_status & 0x7f) == 0 ? G_CLD_EXITED
               : g->exit_status & 0x80      ? G_CLD_DUMPED
                                            : G_CLD_KILLED;
    g->zombie = true;
    if (m->hooks.exited)
        m->hooks.exited(m->hooks.arg, g->pid, g->exit_status);
    wake_channel(m, CHAN(CHAN_PIDFD, g->id));
    if (trace_keeps_zombie(m, g))
        return;
    child_state_changed(m, g, code);
    if (nobody_waits)
        group_reap(m, g);
}

// A process group is orphaned when no member has a parent outside it in the same session (setpgid(2)).
static bool orphaned(struct machine *m, u32 pgid, const struct group *leaving, bool *has_stopped)
{
    *has_stopped = false;
    for (u32 id = pool_next(&m->groups, 0); id; id = pool_next(&m->groups, id)) {
        struct group *g = group_at(m, id);
        if (g->pgid != pgid || g->dead || g->kernel || g == leaving)
            continue;
        if (g->id == m->main_group) // who started tine is its parent, and a shell
            return false;
        struct group *parent = g->parent ? group_at(m, g->parent) : NULL;
        if (parent && !parent->kernel && parent->pgid != pgid && parent->sid == g->sid)
            return false;
        *has_stopped = *has_stopped || g->stopped;
    }
    return true;
}

bool group_is_orphaned(struct machine *m, const struct group *g)
{
    bool has_stopped;
    return orphaned(m, g->pgid, NULL, &has_stopped);
}

// A newly orphaned group with stopped members gets SIGHUP and SIGCONT: nobody else could go on with it.
static void hang_up_orphans(struct machine *m, u32 pgid, const struct group *leaving)
{
    bool has_stopped;
    if (!orphaned(m, pgid, leaving, &has_stopped) || !has_stopped)
        return;
    for (u32 id = pool_next(&m->groups, 0); id; id = pool_next(&m->groups, id)) {
        struct group *g = group_at(m, id);
        if (g->pgid != pgid || g->dead || g->kernel)
            continue;
        struct g_siginfo hup = {.signo = G_SIGHUP, .code = G_SI_KERNEL};
        struct g_siginfo cont = {.signo = G_SIGCONT, .code = G_SI_KERNEL};
        (void)!signal_send_group(m, g, &hup);
        (void)!signal_send_group(m, g, &cont);
    }
}

static void reparent_children(struct machine *m, struct group *g)
{
    struct group *reaper = reaper_of(m, g);
    while (g->children) {
        struct group *child = group_at(m, g->children);
        unlink_child(m, child);
        link_child(m, reaper, child);
        if (child->stopped && child->pgid != g->pgid)
            hang_up_orphans(m, child->pgid, NULL);
        child->exit_signal = G_SIGCHLD;
        if (child->zombie)
            notify_exit(m, child);
    }
}

// PR_SET_PDEATHSIG is about the thread that made the child; another of its process is the parent then.
static void forker_ends(struct machine *m, struct group *g, const struct task *t)
{
    for (group_t id = g->children; id; id = group_at(m, id)->snext) {
        struct group *child = group_at(m, id);
        if (child->forker != t->tid)
            continue;
        child->forker = g->tasks ? task_at(m, g->tasks)->tid : 0;
        if (!child->pdeath_signal)
            continue;
        struct g_siginfo info = {.signo = child->pdeath_signal, .code = G_SI_USER};
        info.user.pid = (i32)g->pid;
        info.user.uid = g->uid;
        (void)!signal_send_group(m, child, &info);
    }
}

static void last_thread_gone(struct machine *m, struct group *g)
{
    g->dead = true;
    core_dropped(m, g);
    g->stopped = false;
    m->stats.exits++;
    if (g->id == m->init_group) { // the program as pid 1: the world ends with it
        deadline_drop(m, g->id, DEADLINE_GROUP);
        g->zombie = true;
        m->exit_status = g->exit_status;
        m->finished = true;
        if (m->hooks.exited)
            m->hooks.exited(m->hooks.arg, g->pid, g->exit_status);
        return;
    }
    tty_session_ends(m, g);
    trace_tracer_ends(m, g);
    reparent_children(m, g);
    mqueue_forget_process(m, g);
    timers_drop(m, g);
    deadline_drop(m, DEADLINE_GROUP, g->id);
    if (g->id == m->main_group) {
        m->exit_status = g->exit_status;
        m->finished = !m->options.wait_all;
        m->main_group = m->options.wait_all ? 0 : m->main_group;
    }
    notify_exit(m, g);
}

static void clear_tid(struct machine *m, struct task *t)
{
    if (t->clear_child_tid && t->mm->holders > 1 &&
        uaccess_write_u32(t->mm, t->clear_child_tid, 0) == 0)
        (void)futex_wake_address(m, t->mm, t->clear_child_tid, 1, ~0u);
}

void task_exit(struct machine *m, struct task *t, i32 status)
{
    struct group *g = group_of(m, t);
    if (t->state == TASK_DEAD)
        return;
    if (m->observer && m->observer->ends)
        m->observer->ends(m->observer->arg, t, status);
    if (t->state == TASK_BLOCKED) {
        waiters_drop(m, t);
        deadline_drop(m, DEADLINE_TASK, t->id);
    } else if (t->id != m->current) {
        sched_remove(m, t);
    }
    trace_task_ends(m, t, status);
    sem_task_gone(m, t);
    vfork_watch_end(m, t);
    lock_dropped(m, t);
    open_dropped(m, t);
    futex_exit_robust(m, t);
    clear_tid(m, t);
    vfork_release(m, t);
    sigqueue_clear(m, &t->pending);
    if (t->mm)
        g->peak_pages = MAX(g->peak_pages, t->mm->touched);
    t->state = TASK_DEAD; // closing files may send signals: to this one no more
    task_drop_resources(m, t);
    g->instructions += t->instructions;
    g->calls += t->calls;
    unlink_task(m, g, t);
    forker_ends(m, g, t);
    if (g->ntasks == 0 && !(g->exit_status & 0x10000))
        g->exit_status = status;
    release_task(m, g, t);
    if (g->ntasks == 0) {
        g->exit_status &= 0xffff;
        last_thread_gone(m, g);
    }
}

// Ends every thread; status is wait4's. A blocked thread needs nothing but to be dropped (law L3).
void group_exit(struct machine *m, struct group *g, i32 status)
{
    g->exit_status = status | 0x10000; // decided: a thread's own exit does not change it
    group_t id = g->id;
    while (pool_live(&m->groups, id) && g->tasks) {
        task_t next = g->tasks;
        // the current one last, so that it is not freed under the scheduler's feet
        if (next == m->current && task_at(m, next)->gnext)
            next = task_at(m, next)->gnext;
        task_exit(m, task_at(m, next), status);
        if (!pool_live(&m->groups, id))
            return;
    }
}

// A tracer that asked for it sees the thread once more, with its memory.
static bool announce_exit(struct machine *m, struct task *t, i32 status)
{
    if (!t->trace || t->call.progress)
        return false;
    t->call.progress = 1;
    return trace_event(m, t, EVENT_EXIT, (u64)(u32)status);
}

i64 sys_exit(struct machine *m, struct task *t, const u64 *a)
{
    i32 status = (i32)(a[0] & 0xff) << 8;
    if (announce_exit(m, t, status))
        return -EPARK;
    task_exit(m, t, status);
    return -ENORESULT;
}

i64 sys_exit_group(struct machine *m, struct task *t, const u64 *a)
{
    i32 status = (i32)(a[0] & 0xff) << 8;
    if (announce_exit(m, t, status))
        return -EPARK;
    group_exit(m, group_of(m, t), status);
    return -ENORESULT;
}
