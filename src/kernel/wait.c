// wait4(2) and waitid(2).

#include <errno.h>

#include "kernel/cpu_time.h"
#include "kernel/machine.h"
#include "kernel/sys_pidfd.h"
#include "kernel/syscall.h"
#include "kernel/trace.h"
#include "mm/uaccess.h"

enum { P_ALL, P_PID, P_PGID, P_PIDFD };

struct wanted {
    u32 type, id;
    u64 options; // G_W...
};

struct found {
    struct group *child;    // NULL: a traced thread that has ended
    u32 trace;              // 0: it is found as a child
    u32 pid, uid;
    i32 code;   // CLD_...
    i32 status; // as wait4 reports it
};

static bool is_meant(const struct wanted *w, u32 pid, u32 pgid)
{
    return w->type == P_ALL || (w->type == P_PID && pid == w->id) || (w->type == P_PGID && pgid == w->id);
}

static bool matches(const struct wanted *w, const struct group *g)
{
    bool clone = g->exit_signal != G_SIGCHLD;
    if (!(w->options & G_WALL) && clone != !!(w->options & G_WCLONE))
        return false;
    return is_meant(w, g->pid, g->pgid);
}

static bool state_of(struct machine *m, const struct wanted *w, struct group *g, struct found *f)
{
    f->child = g;
    f->trace = 0;
    f->pid = g->pid;
    f->uid = g->uid;
    const struct trace *tr = trace_of_group(m, g);
    bool tracers = tr && tr->tracer != g->parent; // who traces it waits for it first
    if (g->zombie && !tracers && w->options & G_WEXITED) {
        f->status = g->exit_status;
        f->code = !(f->status & 0x7f) ? G_CLD_EXITED : f->status & 0x80 ? G_CLD_DUMPED : G_CLD_KILLED;
        return true;
    }
    if (g->stopped && !g->stop_reported && w->options & G_WSTOPPED) {
        f->status = g->stop_signal << 8 | 0x7f;
        f->code = G_CLD_STOPPED;
        return true;
    }
    if (g->continued && w->options & G_WCONTINUED) {
        f->status = 0xffff;
        f->code = G_CLD_CONTINUED;
        return true;
    }
    return false;
}

static bool trace_state(struct machine *m, const struct wanted *w, u32 id, struct found *f)
{
    const struct trace *tr = pool_at(&m->traces, id);
    struct group *g = tr->ended ? NULL : group_of(m, task_at(m, tr->task));
    *f = (struct found){.child = g, .trace = id, .pid = tr->tid, .uid = tr->uid};
    bool gone = tr->ended || (g->zombie && g->leader == tr->task);
    if (gone && w->options & G_WEXITED) {
        f->status = tr->ended ? tr->status : g->exit_status;
        f->code = !(f->status & 0x7f) ? G_CLD_EXITED : f->status & 0x80 ? G_CLD_DUMPED : G_CLD_KILLED;
        return true;
    }
    if (tr->stopped && !tr->reported && !tr->listening) {
        f->status = tr->code << 8 | 0x7f;
        f->code = tr->place == AT_GROUP_STOP && !tr->seized ? G_CLD_STOPPED : G_CLD_TRAPPED;
        return true;
    }
    if (!gone && g->continued && w->options & G_WCONTINUED) {
        f->status = 0xffff;
        f->code = G_CLD_CONTINUED;
        return true;
    }
    return false;
}

static u32 pgid_of(struct machine *m, const struct trace *tr)
{
    return tr->task ? group_of(m, task_at(m, tr->task))->pgid : 0;
}

// Those whom the process traces, whosever children they are. *any: there is one of those asked for.
static bool look_at_tracees(struct machine *m, struct group *self, const struct wanted *w,
                            struct found *f, bool *any)
{
    for (u32 id = self->tracees; id;) {
        const struct trace *tr = pool_at(&m->traces, id);
        u32 next = tr->next;
        if (is_meant(w, tr->tid, pgid_of(m, tr))) {
            *any = true;
            if (trace_state(m, w, id, f))
                return true;
        }
        id = next;
    }
    return false;
}

// 1 = found, 0 = nothing yet, -ECHILD.
static int look(struct machine *m, struct task *t, const struct wanted *w, struct found *f)
{
    struct group *self = group_of(m, t);
    bool any = false;
    if (self->tracees && look_at_tracees(m, self, w, f, &any))
        return 1;
    for (group_t id = self->children; id; id = group_at(m, id)->snext) {
        struct group *g = group_at(m, id);
        const struct trace *tr = trace_of_group(m, g);
        if (!matches(w, g) || (tr && tr->tracer == self->id))
            continue;
        any = true;
        if (state_of(m, w, g, f))
            return 1;
    }
    return any ? 0 : -ECHILD;
}

static struct g_rusage usage_of(struct machine *m, const struct group *g)
{
    if (!g)
        return (struct g_rusage){0};
    struct cpu_usage own = cpu_of_group(m, g), children = cpu_of_children(m, g);
    u64 user = (own.user + children.user) / 1000, system = (own.system + children.system) / 1000;
    return (struct g_rusage){.utime = {(i64)(user / 1000000), (i64)(user % 1000000)},
                             .stime = {(i64)(system / 1000000), (i64)(system % 1000000)},
                             .maxrss = (i64)MAX(g->peak_pages, g->child_peak_pages) * 4};
}

// What a child has used counts for its parent once that has waited for it, and not without (SIG_IGN).
static void waited_for(struct machine *m, struct group *g)
{
    struct group *parent = group_at(m, g->parent);
    parent->child_peak_pages = MAX(parent->child_peak_pages, MAX(g->peak_pages, g->child_peak_pages));
    parent->child_instructions += g->instructions + g->child_instructions;
    parent->child_calls += g->calls + g->child_calls;
    group_reap(m, g);
}

static void consume_traced(struct machine *m, const struct found *f)
{
    struct trace *tr = pool_at(&m->traces, f->trace);
    if (f->code == G_CLD_TRAPPED || f->code == G_CLD_STOPPED) {
        tr->reported = true;
    } else if (f->code == G_CLD_CONTINUED) {
        f->child->continued = false;
    } else if (f->child && f->child->parent == tr->tracer) {
        waited_for(m, f->child);
    } else {
        trace_drop(m, f->trace);
        if (f->child) // its parent's turn
            notify_exit(m, f->child);
    }
}

static void consume(struct machine *m, const struct found *f)
{
    if (f->trace) {
        consume_traced(m, f);
        return;
    }
    if (f->code == G_CLD_STOPPED)
        f->child->stop_reported = true;
    else if (f->code == G_CLD_CONTINUED)
        f->child->continued = false;
    else
        waited_for(m, f->child);
}

static int wait_for_children(struct machine *m, struct task *t)
{
    int r = wait_on(m, t, CHAN(CHAN_CHILD, t->group));
    return r ? r : park(m, t);
}

i64 sys_wait4(struct machine *m, struct task *t, const u64 *a)
{
    i32 pid = (i32)a[0];
    u64 options = (u32)a[2]; // an int: __WCLONE comes sign-extended
    struct wanted w = {.options = options | G_WEXITED};
    struct found f;
    if (options & ~(u64)(G_WNOHANG | G_WUNTRACED | G_WCONTINUED | G_WNOTHREAD | G_WCLONE | G_WALL))
        return -EINVAL;
    if (pid == INT32_MIN)
        return -ESRCH;
    w.type = pid == -1 ? P_ALL : pid > 0 ? P_PID : P_PGID;
    w.id = pid > 0 ? (u32)pid : pid == 0 ? group_of(m, t)->pgid : (u32)-pid;
    int r = look(m, t, &w, &f);
    if (r == 0)
        return options & G_WNOHANG ? 0 : wait_for_children(m, t);
    if (r < 0)
        return r;
    struct g_rusage usage = usage_of(m, f.child);
    if (a[1])
        r = uaccess_write(t->mm, a[1], &f.status, sizeof f.status);
    if (r >= 0 && a[3])
        r = uaccess_write(t->mm, a[3], &usage, sizeof usage);
    if (r < 0)
        return r;
    u32 found = f.pid;
    consume(m, &f);
    return found;
}

i64 sys_waitid(struct machine *m, struct task *t, const u64 *a)
{
    u64 options = (u32)a[3];
    struct wanted w = {.type = (u32)a[0], .id = (u32)a[1], .options = options};
    struct found f;
    struct g_siginfo info = {0};
    struct g_rusage usage = {0};
    u64 known = G_WNOHANG | G_WSTOPPED | G_WEXITED | G_WCONTINUED | G_WNOWAIT | G_WNOTHREAD | G_WALL |
                G_WCLONE;
    bool nonblock = false;
    if (options & ~known || !(options & (G_WSTOPPED | G_WEXITED | G_WCONTINUED)) || w.type > P_PIDFD)
        return -EINVAL;
    if (w.type == P_PIDFD) {
        if ((i32)w.id < 0)
            return -EINVAL;
        int e = pidfd_process(m, t, a[1], &w.id, &nonblock);
        if (e)
            return e == -ESRCH ? -ECHILD : e;
        w.type = P_PID;
    }
    if (w.type == P_PID && (i32)w.id <= 0)
        return -EINVAL;
    if (w.type == P_PGID && (i32)w.id < 0)
        return -EINVAL;
    if (w.type == P_PGID && w.id == 0)
        w.id = group_of(m, t)->pgid;
    int r = look(m, t, &w, &f);
    if (r == 0 && nonblock && !(options & G_WNOHANG))
        return -EAGAIN;
    if (r == 0 && !(options & G_WNOHANG))
        return wait_for_children(m, t);
    if (r < 0)
        return r;
    if (r > 0) {
        info = (struct g_siginfo){.signo = G_SIGCHLD, .code = f.code};
        info.child.pid = (i32)f.pid;
        info.child.uid = f.uid;
        info.child.status = f.code == G_CLD_EXITED ? f.status >> 8 & 0xff
                            : f.code == G_CLD_STOPPED || f.code == G_CLD_TRAPPED ? f.status >> 8
                            : f.code == G_CLD_CONTINUED ? G_SIGCONT : f.status & 0x7f;
        usage = usage_of(m, f.child);
    }
    int e = a[4] ? uaccess_write(t->mm, a[4], &usage, sizeof usage) : 0;
    if (e == 0 && a[2])
        e = uaccess_write(t->mm, a[2], &info, sizeof info);
    if (e)
        return e;
    if (r > 0 && !(options & G_WNOWAIT))
        consume(m, &f);
    return 0;
}
