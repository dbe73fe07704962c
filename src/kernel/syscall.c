// The dispatcher: one row for each call (syscalls.def), entered again while it waits.

#include "kernel/syscall.h"
#include "kernel/trace.h"

#include <errno.h>
#include <stdio.h>

struct row {
    const char *name, *args;
    i64 (*handler)(struct machine *m, struct task *t, const u64 *a);
};

#define CALLS 464

static const struct row rows[CALLS] = {
#define SYSCALL(number, call, arguments) [number] = {#call, arguments, sys_##call},
#include "kernel/syscalls.def"
#undef SYSCALL
};

const char *syscall_name(u32 number)
{
    return number < CALLS && rows[number].name ? rows[number].name : "unknown";
}

const char *syscall_arguments(u32 number)
{
    return number < CALLS ? rows[number].args : NULL;
}

static i64 unknown_call(struct machine *m, struct task *t)
{
    u32 n = t->call.number;
    if (m->options.verbose && n < 512 && !(m->unknown_calls[n / 64] >> (n % 64) & 1)) {
        m->unknown_calls[n / 64] |= 1ULL << (n % 64);
        machine_say(m, "system call %u is not implemented (%s)", n, t->comm);
    }
    return -ENOSYS;
}

void syscall_enter(struct machine *m, struct task *t)
{
    struct call *c = &t->call;
    const struct observer *o = m->observer;
    task_t id = t->id;
    if (unlikely(m->changes_identity)) {
        const struct group *g = group_of(m, t);
        identity_assume(m, g->fsuid, g->fsgid, g->gids);
    }
    if (unlikely(t->trace != 0) && trace_call_begins(m, t))
        return;
    i64 (*handler)(struct machine *, struct task *, const u64 *) =
        c->number < CALLS ? rows[c->number].handler : NULL;
    if (o && o->call_begins)
        o->call_begins(o->arg, t);
    i64 r = handler ? handler(m, t, c->arg) : unknown_call(m, t);
    if (r == -EPARK) {
        if (o && o->call_waits)
            o->call_waits(o->arg, t);
        return;
    }
    if (!pool_live(&m->tasks, id) || t->state == TASK_DEAD)
        return;
    if (o && o->call_ends)
        o->call_ends(o->arg, t, r);
    c->active = false;
    t->timed_out = false;
    if (r == -ERESTARTSYS || r == -ERESTARTNOHAND || r == -ERESTARTNOINTR)
        c->restart = (i32)-r;
    else if (r != -ENORESULT)
        t->regs.x[10] = (u64)r;
    if (unlikely(t->trace != 0))
        trace_call_ends(m, t);
}
