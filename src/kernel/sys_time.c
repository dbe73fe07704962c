// Clocks, sleeping, interval timers. All times inside are nanoseconds of machine time (law L15).

#include <errno.h>

#include "kernel/cpu_time.h"
#include "kernel/machine.h"
#include "kernel/syscall.h"
#include "mm/uaccess.h"

#define NS 1000000000u

enum { CLOCK_REAL, CLOCK_MONO, CLOCK_PROCESS, CLOCK_THREAD, CLOCK_RAW, CLOCK_REAL_COARSE,
       CLOCK_MONO_COARSE, CLOCK_BOOT, CLOCK_REAL_ALARM, CLOCK_BOOT_ALARM, CLOCK_TAI = 11 };

static struct g_timespec to_timespec(u64 ns)
{
    return (struct g_timespec){(i64)(ns / NS), (i64)(ns % NS)};
}

static int read_timespec(struct task *t, gva_t from, u64 *ns)
{
    struct g_timespec ts;
    int r = uaccess_read(t->mm, &ts, from, sizeof ts);
    if (r)
        return r;
    if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= (i64)NS)
        return -EINVAL;
    *ns = ts.sec > 9000000000 ? 9000000000ULL * NS : (u64)ts.sec * NS + (u64)ts.nsec;
    return 0;
}

static int read_clock(struct machine *m, struct task *t, i32 clock, u64 *ns)
{
    switch (clock) {
    case CLOCK_REAL: case CLOCK_REAL_COARSE: case CLOCK_REAL_ALARM: case CLOCK_TAI:
        *ns = machine_realtime(m);
        return 0;
    case CLOCK_MONO: case CLOCK_RAW: case CLOCK_MONO_COARSE: case CLOCK_BOOT: case CLOCK_BOOT_ALARM:
        *ns = machine_time(m);
        return 0;
    default:
        break;
    }
    bool thread;
    task_t of;
    int r = cpu_clock(m, t, clock, &of, &thread);
    if (r == 0)
        *ns = cpu_clock_read(m, of, thread);
    return r;
}

i64 sys_clock_gettime(struct machine *m, struct task *t, const u64 *a)
{
    u64 ns;
    int r = read_clock(m, t, (i32)a[0], &ns);
    struct g_timespec ts = to_timespec(r ? 0 : ns);
    return r ? r : uaccess_write(t->mm, a[1], &ts, sizeof ts);
}

i64 sys_clock_getres(struct machine *m, struct task *t, const u64 *a)
{
    u64 ns;
    struct g_timespec ts = {0, (i32)a[0] == CLOCK_REAL_COARSE || (i32)a[0] == CLOCK_MONO_COARSE ? 4000000 : 1};
    int r = read_clock(m, t, (i32)a[0], &ns);
    return r || !a[1] ? r : uaccess_write(t->mm, a[1], &ts, sizeof ts);
}

i64 sys_clock_settime(struct machine *m, struct task *t, const u64 *a)
{
    u64 ns;
    (void)m;
    int r = read_timespec(t, a[1], &ns);
    return r ? r : (i32)a[0] == CLOCK_REAL ? -EPERM : -EINVAL;
}

i64 sys_gettimeofday(struct machine *m, struct task *t, const u64 *a)
{
    u64 ns = machine_realtime(m);
    struct g_timeval tv = {(i64)(ns / NS), (i64)(ns % NS / 1000)};
    i32 zone[2] = {0, 0};
    int r = a[0] ? uaccess_write(t->mm, a[0], &tv, sizeof tv) : 0;
    return r || !a[1] ? r : uaccess_write(t->mm, a[1], zone, sizeof zone);
}

// ---- sleeping ------------------------------------------------------------------------------------

// Sleeps until call.deadline; what is left goes to `left` when a handler interrupts.
static i64 sleep_on(struct machine *m, struct task *t, gva_t left)
{
    u64 now = machine_time(m);
    if (now >= t->call.deadline)
        return 0;
    park_until(m, t, t->call.deadline);
    int r = park(m, t);
    if (r == -EPARK)
        return r;
    struct g_timespec ts = to_timespec(t->call.deadline - now);
    if (left && (r = uaccess_write(t->mm, left, &ts, sizeof ts)))
        return r;
    return -ERESTARTNOHAND;
}

i64 sys_nanosleep(struct machine *m, struct task *t, const u64 *a)
{
    if (!t->call.progress) {
        u64 ns;
        int r = read_timespec(t, a[0], &ns);
        if (r)
            return r;
        t->call.deadline = machine_time(m) + ns;
        t->call.progress = 1;
    }
    return sleep_on(m, t, a[1]);
}

// On a clock of processor time: looks again whenever the process has run.
static i64 sleep_on_cpu(struct machine *m, struct task *t, const u64 *a, bool absolute)
{
    struct call *c = &t->call;
    task_t of;
    bool thread;
    u64 ns;
    int r = cpu_clock(m, t, (i32)a[0], &of, &thread);
    if (r || (thread && of == t->id)) // nobody can wait for his own time to pass
        return -EINVAL;
    u64 now = cpu_clock_read(m, of, thread);
    if (!c->progress) {
        r = read_timespec(t, a[2], &ns);
        if (r)
            return r;
        c->state[0] = absolute ? ns : now + ns;
        c->progress = 1;
    }
    if (now >= c->state[0])
        return 0;
    r = wait_on(m, t, CHAN(CHAN_CPU_TIME, task_at(m, of)->group));
    if (r == 0)
        r = park(m, t);
    if (r != -ERESTARTSYS)
        return r;
    struct g_timespec ts = to_timespec(c->state[0] - now);
    r = absolute || !a[3] ? 0 : uaccess_write(t->mm, a[3], &ts, sizeof ts);
    return r ? r : -ERESTARTNOHAND;
}

i64 sys_clock_nanosleep(struct machine *m, struct task *t, const u64 *a)
{
    bool absolute = a[1] & 1;
    i32 clock = (i32)a[0];
    if (clock == CLOCK_RAW || clock == CLOCK_REAL_COARSE || clock == CLOCK_MONO_COARSE ||
        clock == CLOCK_THREAD)
        return -EOPNOTSUPP;
    if (clock < 0 || clock == CLOCK_PROCESS)
        return sleep_on_cpu(m, t, a, absolute);
    if (!t->call.progress) {
        u64 ns, now;
        int r = read_clock(m, t, clock, &now);
        if (r == 0)
            r = read_timespec(t, a[2], &ns);
        if (r)
            return r;
        u64 wait = absolute ? (ns > now ? ns - now : 0) : ns;
        t->call.deadline = machine_time(m) + wait;
        t->call.progress = 1;
    }
    return sleep_on(m, t, absolute ? 0 : a[3]);
}

// ---- interval timers -----------------------------------------------------------------------------

static u64 from_timeval(const struct g_timeval *tv)
{
    return tv->sec > 9000000000 ? 9000000000ULL * NS : (u64)tv->sec * NS + (u64)tv->usec * 1000;
}

static struct g_timeval to_timeval(u64 ns)
{
    return (struct g_timeval){(i64)(ns / NS), (i64)(ns % NS / 1000)};
}

static u64 timer_now(struct machine *m, const struct group *g, u32 which)
{
    return which == 0 ? machine_time(m)
           : which == 1 ? cpu_of_group(m, g).user : cpu_sum(cpu_of_group(m, g));
}

static void read_timer(struct machine *m, struct task *t, u32 which, struct g_itimerval *out)
{
    struct group *g = group_of(m, t);
    u64 now = timer_now(m, g, which), at = g->itimer_value[which];
    out->interval = to_timeval(g->itimer_interval[which]);
    out->value = to_timeval(!at ? 0 : at > now ? MAX(at - now, 1000u) : 1000);
}

i64 sys_getitimer(struct machine *m, struct task *t, const u64 *a)
{
    struct g_itimerval v;
    if (a[0] > 2)
        return -EINVAL;
    read_timer(m, t, (u32)a[0], &v);
    return uaccess_write(t->mm, a[1], &v, sizeof v);
}

i64 sys_setitimer(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    struct g_itimerval v = {0}, old;
    if (a[0] > 2)
        return -EINVAL;
    if (a[1] && uaccess_read(t->mm, &v, a[1], sizeof v))
        return -EFAULT;
    if (v.value.sec < 0 || v.value.usec < 0 || v.value.usec >= 1000000 || v.interval.sec < 0 ||
        v.interval.usec < 0 || v.interval.usec >= 1000000)
        return -EINVAL;
    read_timer(m, t, (u32)a[0], &old);
    if (a[2] && uaccess_write(t->mm, a[2], &old, sizeof old))
        return -EFAULT;
    u64 value = from_timeval(&v.value);
    u64 now = timer_now(m, g, (u32)a[0]);
    if (a[0] == 0) {
        int r = deadline_set(m, value ? now + value : 0, DEADLINE_GROUP, g->id);
        if (r)
            return r;
    }
    g->itimer_value[a[0]] = value ? now + value : 0;
    // a stopped timer of processor time still says its interval; that of real time does not
    g->itimer_interval[a[0]] = value || a[0] ? from_timeval(&v.interval) : 0;
    return 0;
}

// The real-time timer of a group is due.
void itimer_fire(struct machine *m, struct group *g)
{
    struct g_siginfo info = {.signo = G_SIGALRM, .code = G_SI_KERNEL};
    u64 now = machine_time(m);
    g->itimer_value[0] = g->itimer_interval[0] ? now + g->itimer_interval[0] : 0;
    if (deadline_set(m, g->itimer_value[0], DEADLINE_GROUP, g->id))
        g->itimer_value[0] = 0;
    (void)signal_send_group(m, g, &info);
}
