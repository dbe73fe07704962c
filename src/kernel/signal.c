// Signals: queues, sending, what happens to a task before it goes on, the frame on its stack.
// Sources: signal(7), sigaction(2), and the riscv kernel ABI for the frame's layout.

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/forking.h"
#include "base/panic.h"
#include "kernel/core.h"
#include "kernel/machine.h"
#include "kernel/timer.h"
#include "kernel/trace.h"
#include "mm/uaccess.h"

#define HANDLER_DFL 0
#define HANDLER_IGN 1

#define SIGNALS_IGNORED (SIGBIT(G_SIGCHLD) | SIGBIT(G_SIGCONT) | SIGBIT(G_SIGURG) | SIGBIT(G_SIGWINCH))
#define SIGNALS_STOP \
    (SIGBIT(G_SIGSTOP) | SIGBIT(G_SIGTSTP) | SIGBIT(G_SIGTTIN) | SIGBIT(G_SIGTTOU))
#define SIGNALS_FAULT                                                                             \
    (SIGBIT(G_SIGSEGV) | SIGBIT(G_SIGBUS) | SIGBIT(G_SIGILL) | SIGBIT(G_SIGTRAP) | SIGBIT(G_SIGFPE))
#define SIGNALS_UNBLOCKABLE (SIGBIT(G_SIGKILL) | SIGBIT(G_SIGSTOP))

struct queued { // pool `signals`
    struct g_siginfo info;
    u32 next;
};

const struct pool_kind signals_pool = {.size = sizeof(struct queued)};

// ---- actions: identity and content ---------------------------------------------------------------

int sighand_new(struct sighand **out)
{
    struct sighand *h = mem_zalloc(sizeof *h);
    struct sigactions *a = mem_zalloc(sizeof *a);
    if (!h || !a) {
        mem_free(h);
        mem_free(a);
        return -ENOMEM;
    }
    h->holders = a->refs = 1;
    h->actions = a;
    *out = h;
    return 0;
}

int sighand_fork(struct sighand *h, struct sighand **out)
{
    struct sighand *child = mem_alloc(sizeof *child);
    if (!child)
        return -ENOMEM;
    *child = (struct sighand){.holders = 1, .actions = h->actions};
    h->actions->refs++;
    *out = child;
    return 0;
}

// Actions hold nothing of a machine's: a copy shares the content.
struct sighand *sighand_copy(struct forking *f, struct sighand *from)
{
    bool found;
    struct sighand *h = forking_find(f, from, &found);
    if (!found) {
        h = forking_dup(f, from, sizeof *h);
        forking_add(f, from, h);
        if (h) {
            h->holders = 0;
            h->actions->refs++;
        }
    }
    if (h)
        h->holders++;
    return h;
}

int sighand_own(struct machine *m, struct sighand *h)
{
    if (h->actions->refs == 1)
        return 0;
    struct sigactions *own = mem_alloc(sizeof *own);
    if (!own)
        return -ENOMEM;
    *own = *h->actions;
    own->refs = 1;
    h->actions->refs--;
    h->actions = own;
    m->stats.tables_copied++;
    return 0;
}

void sighand_put(struct machine *m, struct sighand *h)
{
    (void)m;
    if (--h->holders)
        return;
    if (--h->actions->refs == 0)
        mem_free(h->actions);
    mem_free(h);
}

static const struct g_sigaction *action_of(struct task *t, u32 n)
{
    return &t->sighand->actions->at[n - 1];
}

static bool ignored(struct machine *m, struct task *t, u32 n)
{
    u64 handler = action_of(t, n)->handler;
    if (handler == HANDLER_IGN)
        return true;
    if (handler != HANDLER_DFL)
        return false;
    // init gets only what it has a handler for
    return SIGNALS_IGNORED & SIGBIT(n) || group_of(m, t)->pid == 1;
}

// ---- pending queues ------------------------------------------------------------------------------

static struct queued *queued_at(struct machine *m, u32 id)
{
    return pool_at(&m->signals, id);
}

static u64 queue_length(struct machine *m, const struct sigqueue *q)
{
    u64 n = 0;
    for (u32 id = q->head; id; id = queued_at(m, id)->next)
        n++;
    return n;
}

// RLIMIT_SIGPENDING: what is queued for all processes of the receiver's user.
static bool too_many_queued(struct machine *m, const struct group *to)
{
    u64 limit = to->limit[G_RLIMIT_SIGPENDING][0], n = 0;
    if (m->signals.live < limit)
        return false;
    for (u32 id = pool_next(&m->groups, 0); id; id = pool_next(&m->groups, id))
        if (group_at(m, id)->uid == to->uid)
            n += queue_length(m, &group_at(m, id)->pending);
    for (u32 id = pool_next(&m->tasks, 0); id; id = pool_next(&m->tasks, id))
        if (group_of(m, task_at(m, id))->uid == to->uid)
            n += queue_length(m, &task_at(m, id)->pending);
    return n >= limit;
}

// Legacy signals are queued once, but once for each timer that sends them; without memory the bit
// alone stands for them.
static int queue_add(struct machine *m, const struct group *g, struct sigqueue *q,
                     const struct g_siginfo *info)
{
    u32 n = (u32)info->signo, id;
    bool timer = info->code == G_SI_TIMER && info->pad;
    if (n < G_SIGRTMIN && q->set & SIGBIT(n) && !timer)
        return 0;
    // those of the kernel's, and of kill, below the real-time ones are not limited
    bool limited = n >= G_SIGRTMIN || info->code < 0;
    if ((limited && too_many_queued(m, g)) || pool_new(&m->signals, &id)) {
        if (n >= G_SIGRTMIN && info->code != G_SI_USER && !timer)
            return -EAGAIN;
        q->set |= SIGBIT(n);
        return 0;
    }
    q->set |= SIGBIT(n);
    queued_at(m, id)->info = *info;
    if (q->tail)
        queued_at(m, q->tail)->next = id;
    else
        q->head = id;
    q->tail = id;
    if (timer)
        timer_queued(m, info);
    return 0;
}

static void queue_take(struct machine *m, struct sigqueue *q, u32 n, struct g_siginfo *out)
{
    u32 prev = 0, id = q->head;
    bool more = false, found = false;
    *out = (struct g_siginfo){.signo = (i32)n, .code = G_SI_USER};
    while (id) {
        struct queued *e = queued_at(m, id);
        u32 next = e->next;
        if ((u32)e->info.signo == n && !found) {
            *out = e->info;
            found = true;
            if (prev)
                queued_at(m, prev)->next = next;
            else
                q->head = next;
            if (q->tail == id)
                q->tail = prev;
            pool_free(&m->signals, id);
        } else {
            more = more || (u32)e->info.signo == n;
            prev = id;
        }
        id = next;
    }
    if (!more)
        q->set &= ~SIGBIT(n);
    if (out->code == G_SI_TIMER && out->pad)
        timer_taken(m, out);
}

static void queue_drop(struct machine *m, struct sigqueue *q, u64 set)
{
    struct g_siginfo info;
    for (u64 left = q->set & set; left; left &= left - 1)
        while (q->set & (left & -left))
            queue_take(m, q, (u32)__builtin_ctzll(left) + 1, &info);
}

void sigqueue_clear(struct machine *m, struct sigqueue *q)
{
    queue_drop(m, q, ~0ULL);
}

static void queue_forget(struct machine *m, struct sigqueue *q, u32 timer)
{
    for (u32 id = q->head; id; id = queued_at(m, id)->next) {
        struct g_siginfo *info = &queued_at(m, id)->info;
        if (info->code == G_SI_TIMER && (u32)info->pad == timer)
            info->pad = 0;
    }
}

void signal_forget_timer(struct machine *m, struct group *g, u32 timer)
{
    queue_forget(m, &g->pending, timer);
    for (task_t id = g->tasks; id; id = task_at(m, id)->gnext)
        queue_forget(m, &task_at(m, id)->pending, timer);
}

static u64 pending_set(struct machine *m, struct task *t)
{
    return t->pending.set | group_of(m, t)->pending.set;
}

bool signal_pending(struct machine *m, struct task *t)
{
    return pending_set(m, t) & ~t->mask || (unlikely(t->trace != 0) && trace_of(m, t)->due);
}

bool sigqueue_peek(struct machine *m, const struct sigqueue *q, u64 place, struct g_siginfo *out)
{
    u32 id = q->head;
    for (; id && place; place--)
        id = queued_at(m, id)->next;
    if (id)
        *out = queued_at(m, id)->info;
    return id != 0;
}

// Would some pending signal end the process by default?
bool signal_fatal_pending(struct machine *m, struct task *t)
{
    u64 set = pending_set(m, t) & ~t->mask;
    if (set & SIGBIT(G_SIGKILL))
        return true;
    if (t->trace) // the tracer may think otherwise
        return false;
    for (; set; set &= set - 1) {
        u32 n = (u32)__builtin_ctzll(set) + 1;
        if (action_of(t, n)->handler == HANDLER_DFL &&
            !(SIGBIT(n) & (SIGNALS_IGNORED | SIGNALS_STOP)))
            return true;
    }
    return false;
}

// The lowest of `set`, from the task's own queue first; 0 = none. For rt_sigtimedwait too.
u32 signal_take(struct machine *m, struct task *t, u64 set, struct g_siginfo *out)
{
    struct group *g = group_of(m, t);
    u64 own = t->pending.set & set, all = g->pending.set & set;
    u64 faults = own & SIGNALS_FAULT;
    u64 from = faults ? faults : own ? own : all;
    if (!from)
        return 0;
    u32 n = (u32)__builtin_ctzll(from) + 1;
    queue_take(m, own ? &t->pending : &g->pending, n, out);
    return n;
}

// ---- sending -------------------------------------------------------------------------------------

static void wake_for_signal(struct machine *m, struct task *t)
{
    if (t->state == TASK_BLOCKED && (t->call.interruptible || signal_fatal_pending(m, t)))
        task_wake(m, t);
}

static void group_continue(struct machine *m, struct group *g)
{
    for (task_t id = g->tasks; id; id = task_at(m, id)->gnext) {
        struct task *t = task_at(m, id);
        if (t->state == TASK_STOPPED)
            sched_enqueue(m, t, false);
    }
    g->stopped = false;
    trace_group_continues(m, g);
}

// What SIGCONT, the stop signals and SIGKILL do at once, whatever is blocked.
static void before_sending(struct machine *m, struct group *g, u32 n)
{
    u64 drop = 0;
    if (n == G_SIGCONT)
        drop = SIGNALS_STOP;
    else if (SIGBIT(n) & SIGNALS_STOP)
        drop = SIGBIT(G_SIGCONT);
    if (drop) {
        queue_drop(m, &g->pending, drop);
        for (task_t id = g->tasks; id; id = task_at(m, id)->gnext)
            queue_drop(m, &task_at(m, id)->pending, drop);
    }
    for (task_t id = n == G_SIGKILL ? g->tasks : 0; id; id = task_at(m, id)->gnext) {
        struct task *t = task_at(m, id);
        if (t->state == TASK_TRACED)
            trace_resume(m, t, TRACE_CONT, 0);
    }
    if (g->stopped && (n == G_SIGCONT || n == G_SIGKILL)) {
        group_continue(m, g);
        if (n == G_SIGCONT) {
            g->continued = true;
            child_state_changed(m, g, G_CLD_CONTINUED);
        }
    }
}

static void observe_signal(struct machine *m, struct task *t, const struct g_siginfo *info,
                           bool ignored)
{
    if (m->observer && m->observer->signal && info->signo != G_SIGKILL)
        m->observer->signal(m->observer->arg, t, info, ignored);
}

// Not blocked, or asleep for it.
static bool wants(const struct task *t, u32 n)
{
    return !(t->mask & SIGBIT(n)) || t->sigwait & SIGBIT(n);
}

int signal_send_task(struct machine *m, struct task *t, const struct g_siginfo *info)
{
    u32 n = (u32)info->signo;
    if (t->state == TASK_DEAD)
        return 0;
    before_sending(m, group_of(m, t), n);
    if (ignored(m, t, n) && !t->trace && !(t->mask & SIGBIT(n))) {
        observe_signal(m, t, info, true);
        return 0;
    }
    int r = queue_add(m, group_of(m, t), &t->pending, info);
    if (r == 0 && wants(t, n))
        wake_for_signal(m, t);
    wake_channel(m, CHAN(CHAN_SIGNAL, t->group)); // signalfd
    return r;
}

int signal_send_group(struct machine *m, struct group *g, const struct g_siginfo *info)
{
    u32 n = (u32)info->signo;
    struct task *chosen = NULL, *any = NULL;
    for (task_t id = g->dead || g->kernel ? 0 : g->tasks; id; id = task_at(m, id)->gnext) {
        struct task *t = task_at(m, id);
        if (t->state == TASK_DEAD) // it is ending right now
            continue;
        any = any ? any : t;
        if (wants(t, n) && (!chosen || t->id == g->leader || t->sigwait & SIGBIT(n)))
            chosen = t;
    }
    if (!any)
        return 0;
    any = chosen ? chosen : any;
    before_sending(m, g, n);
    if (ignored(m, any, n) && chosen && !any->trace && !(chosen->mask & SIGBIT(n))) {
        observe_signal(m, chosen, info, true);
        return 0;
    }
    int r = queue_add(m, g, &g->pending, info);
    if (r == 0 && chosen)
        wake_for_signal(m, chosen);
    wake_channel(m, CHAN(CHAN_SIGNAL, g->id)); // signalfd
    return r;
}

// A fault cannot be blocked or ignored: then the default action follows.
void signal_force(struct machine *m, struct task *t, const struct g_siginfo *info)
{
    u32 n = (u32)info->signo;
    if (t->mask & SIGBIT(n) || action_of(t, n)->handler == HANDLER_IGN) {
        if (sighand_own(m, t->sighand)) {
            signal_ends(m, t, info);
            return;
        }
        t->sighand->actions->at[n - 1].handler = HANDLER_DFL;
        t->mask &= ~SIGBIT(n);
    }
    if (queue_add(m, group_of(m, t), &t->pending, info))
        signal_ends(m, t, info);
}

void group_stop(struct machine *m, struct group *g, u8 signal)
{
    g->stopped = true;
    g->stop_reported = false;
    g->continued = false;
    g->stop_signal = signal;
    trace_group_stops(m, g);
    child_state_changed(m, g, G_CLD_STOPPED);
}

// ---- the frame -----------------------------------------------------------------------------------

struct frame_fp { // riscv's union __riscv_fp_state, 528 bytes; the D part is used
    u64 f[32];
    u32 fcsr, pad;
    u64 unused[33];
};
struct frame_context { // struct ucontext
    u64 flags, link;
    struct g_stack stack;
    u64 mask;
    u8 unused[120];
    u64 pad;
    u64 pc, x[31]; // user_regs_struct: pc, then x1..x31
    struct frame_fp fp;
};
struct signal_frame {
    struct g_siginfo info;
    struct frame_context context;
};
_Static_assert(sizeof(struct g_siginfo) == 128, "siginfo_t");
_Static_assert(offsetof(struct frame_context, pc) == 176, "uc_mcontext");
_Static_assert(sizeof(struct frame_fp) == 528, "__riscv_fp_state");

static bool on_altstack(const struct task *t, u64 sp)
{
    if (t->altstack.flags & (i32)G_SS_AUTODISARM) // it is gone while it is used
        return false;
    return sp > t->altstack.sp && sp - t->altstack.sp <= t->altstack.size;
}

static int push_frame(struct machine *m, struct task *t, const struct g_sigaction *act,
                      const struct g_siginfo *info)
{
    struct signal_frame f;
    struct regs *r = &t->regs;
    u64 sp = r->x[2];
    memset(&f, 0, sizeof f);
    f.info = *info;
    f.context.stack = t->altstack;
    if (!t->altstack.size)
        f.context.stack.flags = G_SS_DISABLE;
    else if (on_altstack(t, sp))
        f.context.stack.flags |= G_SS_ONSTACK;
    if (act->flags & G_SA_ONSTACK && t->altstack.size && !on_altstack(t, sp))
        sp = t->altstack.sp + t->altstack.size;
    sp = (sp - sizeof f) & ~15ULL;
    if (on_altstack(t, r->x[2]) && !on_altstack(t, sp + 1))
        return -EFAULT; // the alternate stack overflows
    f.context.mask = t->restore_mask ? t->saved_mask : t->mask;
    f.context.pc = r->pc;
    memcpy(f.context.x, &r->x[1], sizeof f.context.x);
    memcpy(f.context.fp.f, r->f, sizeof r->f);
    f.context.fp.fcsr = r->frm << 5 | r->fflags;
    int e = uaccess_write(t->mm, sp, &f, sizeof f);
    if (e)
        return e;
    if (t->altstack.flags & (i32)G_SS_AUTODISARM)
        t->altstack = (struct g_stack){.flags = G_SS_DISABLE};
    r->x[1] = m->vdso_sigreturn;
    r->x[2] = sp;
    r->x[10] = (u64)info->signo;
    r->x[11] = sp + offsetof(struct signal_frame, info);
    r->x[12] = sp + offsetof(struct signal_frame, context);
    r->pc = act->handler;
    r->reservation = ~0ULL;
    return 0;
}

i64 signal_return(struct machine *m, struct task *t)
{
    struct signal_frame f;
    struct regs *r = &t->regs;
    if (uaccess_read(t->mm, &f, r->x[2], sizeof f)) {
        struct g_siginfo info = {.signo = G_SIGSEGV, .code = G_SI_KERNEL};
        signal_force(m, t, &info);
        return -ENORESULT;
    }
    r->pc = f.context.pc & ~1ULL;
    memcpy(&r->x[1], f.context.x, sizeof f.context.x);
    memcpy(r->f, f.context.fp.f, sizeof r->f);
    r->frm = f.context.fp.fcsr >> 5 & 7;
    r->fflags = f.context.fp.fcsr & 31;
    r->reservation = ~0ULL;
    t->mask = f.context.mask & ~SIGNALS_UNBLOCKABLE;
    t->altstack = f.context.stack;
    t->altstack.flags &= ~G_SS_ONSTACK;
    return -ENORESULT;
}

// ---- delivery ------------------------------------------------------------------------------------

// An interrupted call: to be made again, or EINTR. Without a handler it simply goes on.
static void finish_call(struct machine *m, struct task *t, const struct g_sigaction *act)
{
    struct call *c = &t->call;
    if (!c->restart)
        return;
    if (t->trace && !trace_call_restarts(m, t)) {
        c->restart = 0;
        return;
    }
    if (!act) {
        c->active = true;
        c->stage = CALL_FRESH;
        t->regs.x[10] = c->arg[0];
    } else if (c->restart == ERESTARTNOINTR ||
               (c->restart == ERESTARTSYS && act->flags & G_SA_RESTART)) {
        t->regs.pc -= 4;
        t->regs.x[10] = c->arg[0];
    } else {
        t->regs.x[10] = (u64)(i64)-EINTR;
    }
    c->restart = 0;
}

static void run_handler(struct machine *m, struct task *t, u32 n, struct g_siginfo *info)
{
    struct g_sigaction act = *action_of(t, n);
    finish_call(m, t, &act);
    if (push_frame(m, t, &act, info)) {
        const struct g_siginfo fault = {.signo = G_SIGSEGV, .code = G_SI_KERNEL};
        signal_ends(m, t, &fault);
        return;
    }
    t->restore_mask = false;
    t->mask |= act.mask;
    if (!(act.flags & G_SA_NODEFER))
        t->mask |= SIGBIT(n);
    t->mask &= ~SIGNALS_UNBLOCKABLE;
    if (act.flags & G_SA_RESETHAND && sighand_own(m, t->sighand) == 0)
        t->sighand->actions->at[n - 1].handler = HANDLER_DFL;
}

// The next signal to act upon, 0 = none; -1: the tracer is asked first, or has to do with it otherwise.
static i32 next_signal(struct machine *m, struct task *t, struct g_siginfo *info)
{
    u32 n;
    if (pending_set(m, t) & SIGBIT(G_SIGKILL)) {
        *info = (struct g_siginfo){.signo = G_SIGKILL};
        return G_SIGKILL;
    }
    if (likely(!t->trace))
        return (i32)signal_take(m, t, ~t->mask, info);
    if (trace_before_user(m, t))
        return -1;
    while (trace_let_through(m, t, &n, info))
        if (n)
            return (i32)n;
    n = signal_take(m, t, ~t->mask, info);
    return n && trace_signal(m, t, n, info) ? -1 : (i32)n;
}

// The default action of a signal that is not ignored. false: the task goes on for now.
static bool act_by_default(struct machine *m, struct task *t, u32 n, const struct g_siginfo *info)
{
    struct group *g = group_of(m, t);
    if (!(SIGBIT(n) & SIGNALS_STOP)) {
        signal_ends(m, t, info);
        return true;
    }
    if (n != G_SIGSTOP && group_is_orphaned(m, g))
        return false;
    group_stop(m, g, (u8)n);
    if (g->id == m->main_group && info->code == G_SI_KERNEL)
        m->stopped = (u8)n; // from outside: the machine stops as a whole
    return false;
}

void signal_deliver(struct machine *m, struct task *t)
{
    struct g_siginfo info;
    i32 next;
    while ((next = next_signal(m, t, &info)) != 0) {
        u32 n = (u32)next;
        if (next < 0)
            return;
        bool nothing = n != G_SIGKILL && ignored(m, t, n);
        observe_signal(m, t, &info, nothing);
        if (nothing)
            continue;
        if (n != G_SIGKILL && n != G_SIGSTOP && action_of(t, n)->handler != HANDLER_DFL) {
            run_handler(m, t, n, &info);
            return;
        }
        if (act_by_default(m, t, n, &info))
            return;
        if (group_of(m, t)->stopped && !t->trace)
            break;
    }
    finish_call(m, t, NULL);
    if (t->restore_mask && !t->call.active) {
        t->restore_mask = false;
        t->mask = t->saved_mask;
    }
}
