#include "see/tasks.h"

#include <string.h>

#include "kernel/futex.h"
#include "kernel/waiter.h"
#include "see/args.h"
#include "see/backtrace.h"
#include "see/print.h"

static double seconds(u64 ns)
{
    return (double)ns / 1e9;
}

static void name_task(struct machine *m, const struct task *t, struct text *out)
{
    const struct group *g = group_at(m, t->group);
    text_printf(out, "process %u", g->pid);
    if (t->tid != g->pid || g->ntasks > 1)
        text_printf(out, ", thread %u", t->tid);
    text_printf(out, " (%.15s)", t->comm);
}

static void show_backtrace(struct machine *m, struct symbols *s, struct task *t, struct text *out)
{
    if (t->mm)
        backtrace_text(s, t->mm, &t->regs, m->vdso_sigreturn, "      ", out);
}

// ---- every task ----------------------------------------------------------------------------------

// By the channel's kind; NULL: one that is not described.
static const char *channel_name(u64 chan)
{
    static const struct { u32 kind; const char *name; } names[] = {
        {CHAN_PIPE_DATA, "data in pipe"}, {CHAN_PIPE_SPACE, "space in pipe"},
        {CHAN_PIPE_OPEN, "the other end of FIFO"}, {CHAN_EVENT, "eventfd"},
        {CHAN_LOCK, "a lock on inode"}, {CHAN_TTY_MASTER, "terminal master"},
        {CHAN_TTY_SLAVE, "terminal"}, {CHAN_INOTIFY, "what inotify says"}, {CHAN_MOUNTS, "a change of the mounts"}, {CHAN_SIGNAL, "a signal for signalfd of group"},
        {CHAN_TIMER, "timer"}, {CHAN_EPOLL, "epoll set"}, {CHAN_SOCKET, "socket"},
        {CHAN_SOCKET_SPACE, "space in socket"}, {CHAN_MSG, "message queue"},
        {CHAN_MSG_SPACE, "space in message queue"}, {CHAN_SEM, "semaphores"},
        {CHAN_MQ, "message queue"}, {CHAN_MQ_SPACE, "space in message queue"},
    };
    for (u32 i = 0; i < ARRAY_LEN(names); i++)
        if (names[i].kind == chan >> 32)
            return names[i].name;
    return NULL;
}

static void show_vfork_child(struct machine *m, task_t parent, struct text *out)
{
    for (u32 id = pool_next(&m->tasks, 0); id; id = pool_next(&m->tasks, id))
        if (task_at(m, id)->vfork_parent == parent)
            text_printf(out, "its vfork child %u", task_at(m, id)->tid);
}

static void show_waiter(struct machine *m, const struct waiter *w, struct text *out)
{
    const char *name = channel_name(w->chan);
    u32 id = (u32)w->chan;
    const struct group *g;
    if (w->host_fd >= 0) {
        text_printf(out, "descriptor %d of the host", w->host_fd);
        return;
    }
    switch (w->chan >> 32) {
    case CHAN_VFORK:
        show_vfork_child(m, id, out);
        return;
    case CHAN_CHILD:
        text_puts(out, "a child");
        return;
    case CHAN_PIDFD:
        g = pool_find(&m->groups, id);
        text_printf(out, "the end of process %u", g ? g->pid : 0);
        return;
    default:
        text_printf(out, name ? "%s %u" : "%schannel %#x", name ? name : "", id);
    }
}

static void show_wait(struct machine *m, struct task *t, struct text *out)
{
    const char *between = "      for ";
    for (u32 id = t->futex; id; id = futex_at(m, id)->sibling) {
        const struct futex_waiter *w = futex_at(m, id);
        text_puts(out, between);
        if (w->key.object & FUTEX_KEY_SHARED)
            text_printf(out, "a futex in shared memory, at %#llx of it", (unsigned long long)w->key.offset);
        else
            text_printf(out, "the futex at %#llx", (unsigned long long)w->key.offset);
        if (w->owner && pool_live(&m->tasks, w->owner))
            text_printf(out, " of thread %u", task_at(m, w->owner)->tid);
        between = ", ";
    }
    for (u32 id = t->waiters; id; id = waiter_at(m, id)->next_of_owner) {
        text_puts(out, between);
        show_waiter(m, waiter_at(m, id), out);
        between = ", ";
    }
    if (!t->futex && !t->waiters)
        text_puts(out, t->timer_slot ? "      for the time" : "      for a signal");
    if (t->timer_slot) {
        u64 now = machine_time(m), when = m->heap[t->timer_slot].when;
        text_printf(out, "; %.3f s more at most", seconds(when > now ? when - now : 0));
    }
    text_puts(out, "\n");
}

static void show_task(struct machine *m, struct symbols *s, struct task *t, struct text *out)
{
    struct group *g = group_of(m, t);
    text_printf(out, "  thread %u (%.15s): ", t->tid, t->comm);
    if (t->state == TASK_STOPPED || (g->stopped && t->state != TASK_DEAD)) {
        text_puts(out, "stopped by ");
        print_signal(out, g->stop_signal);
    } else if (t->state == TASK_TRACED) {
        text_puts(out, "stopped for its tracer");
    } else if (t->state == TASK_BLOCKED) {
        text_puts(out, "waits in ");
    } else {
        text_puts(out, "can run");
    }
    if (t->state == TASK_BLOCKED && t->call.active) {
        if (g->stopped)
            text_puts(out, " in ");
        call_text(m, t, &t->call, out);
        text_puts(out, "\n");
        show_wait(m, t, out);
    } else {
        text_puts(out, "\n");
    }
    show_backtrace(m, s, t, out);
}

static void show_group(struct machine *m, struct symbols *s, struct group *g, struct text *out)
{
    const struct group *parent = g->parent ? group_at(m, g->parent) : NULL;
    text_printf(out, "process %u, parent %u, group %u, session %u", g->pid, parent ? parent->pid : 0,
                g->pgid, g->sid);
    if (g->zombie) {
        text_printf(out, ": has ended, nobody has waited for it (status %#x)\n", (u32)g->exit_status);
        return;
    }
    text_printf(out, ": %s\n", g->exe ? g->exe : "?");
    for (task_t id = g->tasks; id; id = task_at(m, id)->gnext)
        show_task(m, s, task_at(m, id), out);
}

void tasks_text(struct machine *m, struct symbols *s, struct text *out)
{
    u32 tasks = 0, groups = 0;
    for (u32 id = pool_next(&m->groups, 0); id; id = pool_next(&m->groups, id)) {
        groups += !group_at(m, id)->kernel;
        tasks += group_at(m, id)->ntasks;
    }
    text_printf(out, "tine: %u processes, %u threads, %llu instructions\n", groups, tasks,
                (unsigned long long)(m->cpu ? m->cpu->retired : m->retired));
    for (u32 id = pool_next(&m->groups, 0); id; id = pool_next(&m->groups, id))
        if (!group_at(m, id)->kernel)
            show_group(m, s, group_at(m, id), out);
}

// ---- a deadlock ----------------------------------------------------------------------------------

static void show_why(u8 why, struct text *out)
{
    static const char *const texts[] = {
        [WHY_NONE] = "of which it waits for",
        [WHY_PIPE_DATA] = "waits for bytes or the end of a pipe, whose write end is open in",
        [WHY_PIPE_SPACE] = "waits for space in a pipe, whose read end is open in",
        [WHY_FIFO] = "waits for a FIFO, whose other end nobody could open or use but",
        [WHY_EVENT] = "waits for what is open in",
        [WHY_LOCK] = "waits for a lock of",
        [WHY_CHILD] = "waits for the end of",
        [WHY_VFORK] = "stands still since its vfork, until a program is executed or the end comes in",
        [WHY_FUTEX] = "waits for a futex, whose memory belongs to",
        [WHY_SIGNAL] = "waits for a signal, which nobody is left to send but",
        [WHY_SOCKET] = "waits for a socket, whose other end is that of",
        [WHY_IPC] = "waits for a queue or semaphore, which nobody is left to change but",
        [WHY_TTY] = "waits for a terminal, which nobody is left to write to but",
    };
    text_puts(out, why < ARRAY_LEN(texts) ? texts[why] : texts[WHY_NONE]);
}

void deadlock_text(struct machine *m, struct symbols *s, const struct deadlock *d, struct text *out)
{
    struct task *child = task_at(m, d->at[0].task), *parent = task_at(m, d->at[d->count - 1].task);
    text_puts(out, "tine: vfork deadlock: ");
    name_task(m, child, out);
    text_puts(out, " is the vfork child of ");
    name_task(m, parent, out);
    text_puts(out, ",\nwhich stands still until the child executes a program or ends; and the child waits "
                   "for it");
    text_puts(out, d->count > 2 ? " through others.\n" : ".\n");
    for (u32 i = 0; i < d->count; i++) {
        struct task *t = task_at(m, d->at[i].task), *next = task_at(m, d->at[(i + 1) % d->count].task);
        text_puts(out, "  ");
        name_task(m, t, out);
        text_puts(out, ": ");
        call_text(m, t, &t->call, out);
        text_puts(out, "\n    ");
        show_why(d->at[i].why, out);
        text_puts(out, " ");
        name_task(m, next, out);
        if (d->at[i].fd >= 0)
            text_printf(out, " as descriptor %d", d->at[i].fd);
        text_puts(out, "\n");
        show_backtrace(m, s, t, out);
    }
}
