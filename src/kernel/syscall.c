// The dispatcher: one row for each call (syscalls.def), entered again while it waits.

#include "kernel/syscall.h"

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

static i64 unknown_call(struct machine *m, struct task *t)
{
    u32 n = t->call.number;
    if (m->options.verbose && n < 512 && !(m->unknown_calls[n / 64] >> (n % 64) & 1)) {
        m->unknown_calls[n / 64] |= 1ULL << (n % 64);
        fprintf(stderr, "tine: system call %u is not implemented (%s)\n", n, t->comm);
    }
    return -ENOSYS;
}

static void trace(struct task *t, i64 result)
{
    const struct call *c = &t->call;
    char text[200];
    int n = snprintf(text, sizeof text, "%u %s(", t->tid, syscall_name(c->number));
    const char *args = c->number < CALLS && rows[c->number].args ? rows[c->number].args : "HEX HEX HEX";
    for (u32 i = 0; i < 6 && *args; i++) {
        bool decimal = args[0] == 'I' || args[0] == 'F' || (args[0] == 'S' && args[1] == 'I') ||
                       (args[0] == 'P' && args[1] == 'I');
        if (args[0] == 'F' && args[1] == 'L')
            decimal = false;
        n += snprintf(text + n, sizeof text - (size_t)n, decimal ? "%s%ld" : "%s0x%lx", i ? ", " : "",
                      decimal ? (long)(i32)c->arg[i] : (long)c->arg[i]);
        while (*args && *args != ' ')
            args++;
        args += *args == ' ';
    }
    if (result == -ENORESULT)
        fprintf(stderr, "%s) = ?\n", text);
    else if (result < 0 && result > -4096)
        fprintf(stderr, "%s) = -1 (errno %ld)\n", text, (long)-result);
    else
        fprintf(stderr, "%s) = 0x%lx\n", text, (long)result);
}

void syscall_enter(struct machine *m, struct task *t)
{
    struct call *c = &t->call;
    task_t id = t->id;
    i64 (*handler)(struct machine *, struct task *, const u64 *) =
        c->number < CALLS ? rows[c->number].handler : NULL;
    i64 r = handler ? handler(m, t, c->arg) : unknown_call(m, t);
    if (r == -EPARK)
        return;
    if (!pool_live(&m->tasks, id) || t->state == TASK_DEAD)
        return;
    if (m->options.strace)
        trace(t, r);
    c->active = false;
    t->timed_out = false;
    if (r == -ERESTARTSYS || r == -ERESTARTNOHAND || r == -ERESTARTNOINTR) {
        c->restart = (i32)-r;
        return;
    }
    if (r != -ENORESULT)
        t->regs.x[10] = (u64)r;
}
