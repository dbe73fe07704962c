// Where traced threads stop, and how they go on (trace.h; ptrace(2)).
#include "kernel/trace.h"

#include <errno.h>

#include "kernel/syscall.h"

#define CODE_EVENT(event) (G_SIGTRAP | (i32)(event) << 8)

const struct pool_kind traces_pool = {.size = sizeof(struct trace)};

static struct trace *at(struct machine *m, u32 id)
{
    return pool_at(&m->traces, id);
}

struct trace *trace_of_group(struct machine *m, const struct group *g)
{
    return g->leader && pool_live(&m->tasks, g->leader) ? trace_of(m, task_at(m, g->leader)) : NULL;
}

// ---- beginning and end

int trace_new(struct machine *m, struct group *tracer, struct task *t, bool seized, u32 options)
{
    u32 id;
    int r = pool_new(&m->traces, &id);
    if (r)
        return r;
    *at(m, id) = (struct trace){.task = t->id, .tracer = tracer->id, .next = tracer->tracees,
                                .tid = t->tid, .pid = group_of(m, t)->pid, .uid = group_of(m, t)->uid,
                                .options = options, .seized = seized};
    if (tracer->tracees)
        at(m, tracer->tracees)->prev = id;
    tracer->tracees = id;
    t->trace = id;
    return 0;
}

void trace_drop(struct machine *m, u32 id)
{
    struct trace *tr = at(m, id);
    if (tr->prev)
        at(m, tr->prev)->next = tr->next;
    else
        group_at(m, tr->tracer)->tracees = tr->next;
    if (tr->next)
        at(m, tr->next)->prev = tr->prev;
    if (tr->task)
        task_at(m, tr->task)->trace = 0;
    pool_free(&m->traces, id);
}

// ---- stopping

static void tell_tracer(struct machine *m, const struct trace *tr, i32 code, i32 status)
{
    struct group *tracer = group_at(m, tr->tracer);
    if (tracer->tasks) {
        const struct g_sigaction *act =
            &task_at(m, tracer->tasks)->sighand->actions->at[G_SIGCHLD - 1];
        bool stop = code == G_CLD_TRAPPED || code == G_CLD_STOPPED;
        struct g_siginfo info = {.signo = G_SIGCHLD, .code = code};
        info.child.pid = (i32)tr->tid;
        info.child.uid = tr->uid;
        info.child.status = status;
        if (!(stop && (act->flags & G_SA_NOCLDSTOP || act->handler == 1)))
            (void)!signal_send_group(m, tracer, &info);
    }
    wake_channel(m, CHAN(CHAN_CHILD, tr->tracer));
}

static void stop(struct machine *m, struct task *t, enum trace_place place, i32 code,
                 const struct g_siginfo *info)
{
    struct trace *tr = trace_of(m, t);
    tr->place = (u8)place;
    tr->code = code;
    tr->info = info ? *info : (struct g_siginfo){0};
    tr->stopped = true;
    tr->reported = tr->listening = false;
    t->state = TASK_TRACED;
    tell_tracer(m, tr, G_CLD_TRAPPED, code & 0x7f);
}

// The siginfo that Linux makes up for stops that no signal caused.
static struct g_siginfo trap_info(struct machine *m, const struct task *t, i32 code)
{
    struct g_siginfo info = {.signo = G_SIGTRAP, .code = code};
    info.user.pid = (i32)t->tid;
    info.user.uid = group_at(m, t->group)->uid;
    return info;
}

static void stop_with(struct machine *m, struct task *t, enum trace_place place, i32 code)
{
    struct g_siginfo info = trap_info(m, t, code);
    stop(m, t, place, code, &info);
}

bool trace_event(struct machine *m, struct task *t, u32 event, u64 message)
{
    struct trace *tr = trace_of(m, t);
    if (!tr || !(tr->options >> event & 1))
        return false;
    tr->message = message;
    stop_with(m, t, AT_EVENT, CODE_EVENT(event));
    return true;
}

void trace_wake(struct machine *m, struct task *t)
{
    if (t->state == TASK_BLOCKED && t->call.interruptible)
        task_wake(m, t);
}

// ---- going on

void trace_resume(struct machine *m, struct task *t, enum trace_mode mode, i32 signal)
{
    struct trace *tr = trace_of(m, t);
    tr->stopped = tr->listening = false;
    tr->mode = (u8)mode;
    if (tr->place == AT_SIGNAL) {
        tr->due |= DUE_SIGNAL;
        tr->inject = signal;
    } else if (signal && (tr->place == AT_CALL || tr->place == AT_RESULT)) {
        struct g_siginfo info = {.signo = signal, .code = G_SI_KERNEL};
        (void)!signal_send_task(m, t, &info);
    }
    if (t->state == TASK_TRACED)
        sched_enqueue(m, t, false);
}

// A signal that is on its way goes through; a process that is stopped stops its thread again.
void trace_detach(struct machine *m, u32 id, i32 signal)
{
    struct trace *tr = at(m, id);
    struct task *t = tr->task ? task_at(m, tr->task) : NULL;
    if (!t || t->state == TASK_DEAD) {
        trace_drop(m, id);
        return;
    }
    bool stopped = tr->stopped;
    struct g_siginfo info = tr->info;
    if (!trace_call_restarts(m, t))
        t->call.restart = 0;
    if (tr->due & DUE_SIGNAL)
        signal = tr->inject;
    trace_drop(m, id);
    if (stopped)
        sched_enqueue(m, t, false);
    if (signal) {
        if (info.signo != signal)
            info = (struct g_siginfo){.signo = signal, .code = G_SI_USER};
        (void)!signal_send_task(m, t, &info);
    }
}

// ---- system calls

bool trace_call_begins(struct machine *m, struct task *t)
{
    struct trace *tr = trace_of(m, t);
    struct call *c = &t->call;
    if (c->stage == CALL_FRESH) {
        c->stage = CALL_RUNS;
        if (tr->mode != TRACE_CALLS)
            return false;
        c->stage = CALL_ANNOUNCED;
        tr->message = 1; // PTRACE_EVENTMSG_SYSCALL_ENTRY
        stop_with(m, t, AT_CALL, G_SIGTRAP | (tr->options & TRACE_O_SYSGOOD ? 0x80 : 0));
        return true;
    }
    if (c->stage != CALL_ANNOUNCED)
        return false;
    c->stage = CALL_RUNS;
    c->number = (u32)t->regs.x[17]; // the tracer may have changed them
    for (u32 i = 0; i < ARRAY_LEN(c->arg); i++)
        c->arg[i] = t->regs.x[10 + i];
    if (c->number != ~0u && !signal_fatal_pending(m, t))
        return false;
    c->active = false;
    trace_call_ends(m, t);
    return true;
}

void trace_call_ends(struct machine *m, struct task *t)
{
    struct trace *tr = trace_of(m, t);
    if (tr->mode == TRACE_CALLS && t->call.stage == CALL_RUNS)
        tr->due |= DUE_RESULT;
    if (t->call.restart) // as Linux shows it: an error that no program ever sees
        t->regs.x[10] = (u64)(i64)-t->call.restart;
}

// While the tracer looks, an interrupted call stands as if it were still to be made.
static void rewind_call(struct trace *tr, struct task *t)
{
    if (!t->call.restart || tr->rewound)
        return;
    tr->rewound = t->regs.pc;
    t->regs.pc -= 4;
    t->regs.x[10] = t->call.arg[0];
}

bool trace_call_restarts(struct machine *m, struct task *t)
{
    struct trace *tr = trace_of(m, t);
    gva_t after = tr->rewound;
    if (!after)
        return true;
    tr->rewound = 0;
    if (t->regs.pc != after - 4)
        return false;
    t->regs.pc = after;
    return true;
}

// ---- signals and group stops

bool trace_before_user(struct machine *m, struct task *t)
{
    struct trace *tr = trace_of(m, t);
    u8 due = tr->due;
    if (due & DUE_DEATH) {
        group_exit(m, group_of(m, t), tr->inject);
        return true;
    }
    if (due & DUE_EXEC) {
        tr->due &= (u8)~DUE_EXEC;
        stop_with(m, t, AT_EVENT, CODE_EVENT(EVENT_EXEC));
        return true;
    }
    if (due & DUE_RESULT) {
        tr->due &= (u8)~DUE_RESULT;
        if (tr->mode == TRACE_CALLS) {
            tr->message = 2; // PTRACE_EVENTMSG_SYSCALL_EXIT
            stop_with(m, t, AT_RESULT, G_SIGTRAP | (tr->options & TRACE_O_SYSGOOD ? 0x80 : 0));
            return true;
        }
    }
    if (due & DUE_STEP) {
        struct g_siginfo info = {.signo = G_SIGTRAP, .code = G_TRAP_TRACE};
        info.fault.address = t->regs.pc;
        tr->due &= (u8)~DUE_STEP;
        signal_force(m, t, &info);
        return t->state != TASK_RUNNABLE;
    }
    if (due & DUE_SIGNAL || !(due & (DUE_GROUP_STOP | DUE_INTERRUPT)))
        return false;
    const struct group *g = group_of(m, t);
    tr->due &= (u8)~(DUE_GROUP_STOP | DUE_INTERRUPT);
    rewind_call(tr, t);
    if (tr->seized)
        stop_with(m, t, AT_GROUP_STOP, (g->stopped ? g->stop_signal : G_SIGTRAP) | EVENT_STOP << 8);
    else
        stop(m, t, AT_GROUP_STOP, g->stop_signal, NULL);
    return true;
}

bool trace_signal(struct machine *m, struct task *t, u32 n, const struct g_siginfo *info)
{
    if (n == G_SIGKILL)
        return false;
    rewind_call(trace_of(m, t), t);
    stop(m, t, AT_SIGNAL, (i32)n, info);
    return true;
}

// After a stop for a signal: the one to deliver now, 0 = none. A blocked one goes back to the queue.
bool trace_let_through(struct machine *m, struct task *t, u32 *n, struct g_siginfo *info)
{
    struct trace *tr = trace_of(m, t);
    if (!(tr->due & DUE_SIGNAL))
        return false;
    tr->due &= (u8)~DUE_SIGNAL;
    *n = (u32)tr->inject;
    *info = tr->info;
    if (*n && (i32)*n != info->signo) {
        const struct group *tracer = group_at(m, tr->tracer);
        *info = (struct g_siginfo){.signo = tr->inject, .code = G_SI_USER};
        info->user.pid = (i32)tracer->pid;
        info->user.uid = tracer->uid;
    }
    if (*n && t->mask & SIGBIT(*n)) {
        (void)!signal_send_task(m, t, info);
        *n = 0;
    }
    return true;
}

void trace_group_stops(struct machine *m, struct group *g)
{
    for (task_t id = g->tasks; id; id = task_at(m, id)->gnext) {
        struct task *t = task_at(m, id);
        struct trace *tr = trace_of(m, t);
        if (!tr || tr->stopped)
            continue;
        tr->due |= DUE_GROUP_STOP;
        trace_wake(m, t);
    }
}

// SIGCONT: a tracer that listens hears of it, others when their tracee goes on.
void trace_group_continues(struct machine *m, struct group *g)
{
    for (task_t id = g->tasks; id; id = task_at(m, id)->gnext) {
        struct task *t = task_at(m, id);
        struct trace *tr = trace_of(m, t);
        if (!tr)
            continue;
        tr->due &= (u8)~DUE_GROUP_STOP;
        if (tr->stopped && tr->listening)
            stop_with(m, t, AT_GROUP_STOP, CODE_EVENT(EVENT_STOP));
        else if (tr->seized && tr->stopped && tr->place == AT_GROUP_STOP)
            tr->due |= DUE_INTERRUPT;
    }
}

// ---- exec, children, ends

void trace_executed(struct machine *m, struct task *t, u32 old_tid)
{
    struct trace *tr = trace_of(m, t);
    tr->tid = t->tid;
    if (tr->options >> EVENT_EXEC & 1) {
        tr->message = old_tid;
        tr->due |= DUE_EXEC;
    } else if (!tr->seized) {
        struct g_siginfo info = {.signo = G_SIGTRAP, .code = G_SI_USER};
        info.user.pid = (i32)group_of(m, t)->pid;
        info.user.uid = group_of(m, t)->uid;
        (void)!signal_send_task(m, t, &info);
    }
}

// Whether the child is traced too, and which event that is for its parent (0 = none).
int trace_child(struct machine *m, struct task *t, struct task *child, u64 flags, u32 signal, u32 *event)
{
    struct trace *tr = trace_of(m, t);
    *event = 0;
    if (!tr || flags & G_CLONE_UNTRACED)
        return 0;
    u32 kind = flags & G_CLONE_VFORK ? EVENT_VFORK : signal != G_SIGCHLD ? EVENT_CLONE : EVENT_FORK;
    if (tr->options >> kind & 1)
        *event = kind;
    else if (!(flags & G_CLONE_PTRACE))
        return 0;
    int r = trace_new(m, group_at(m, tr->tracer), child, tr->seized, tr->options);
    if (r)
        return r;
    if (tr->seized)
        trace_of(m, child)->due |= DUE_INTERRUPT;
    else
        child->pending.set |= SIGBIT(G_SIGSTOP);
    return 0;
}

void trace_task_ends(struct machine *m, struct task *t, i32 status)
{
    struct trace *tr = trace_of(m, t);
    if (!tr)
        return;
    tr->stopped = tr->listening = false;
    if (t->id == group_of(m, t)->leader)
        return;
    tr->ended = true;
    tr->status = status;
    tr->task = 0;
    t->trace = 0;
    bool killed = status & 0x7f;
    tell_tracer(m, tr, killed ? G_CLD_KILLED : G_CLD_EXITED, killed ? status & 0x7f : status >> 8 & 0xff);
}

bool trace_keeps_zombie(struct machine *m, struct group *g)
{
    struct trace *tr = trace_of_group(m, g);
    if (!tr || tr->tracer == g->parent)
        return false;
    i32 status = g->exit_status;
    bool killed = status & 0x7f;
    tell_tracer(m, tr, killed ? G_CLD_KILLED : G_CLD_EXITED, killed ? status & 0x7f : status >> 8 & 0xff);
    return true;
}

void trace_tracer_ends(struct machine *m, struct group *g)
{
    while (g->tracees) {
        u32 id = g->tracees;
        struct trace *tr = at(m, id);
        struct task *t = tr->task ? task_at(m, tr->task) : NULL;
        struct group *of = t ? group_of(m, t) : NULL;
        bool kill = tr->options & TRACE_O_EXITKILL, mine = of && of->parent == g->id;
        trace_detach(m, id, 0);
        if (of && of->zombie && !mine) {
            notify_exit(m, of);
        } else if (of && kill && !of->dead) {
            struct g_siginfo info = {.signo = G_SIGKILL, .code = G_SI_KERNEL};
            (void)!signal_send_group(m, of, &info);
        }
    }
}
