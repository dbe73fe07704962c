// Timers in general (timer.h), and those of timer_create(2).
#include "kernel/timer.h"

#include <errno.h>

#include "kernel/access.h"
#include "kernel/cpu_time.h"
#include "kernel/syscall.h"
#include "mm/uaccess.h"

#define NS 1000000000ULL
#define SECONDS_MOST 9000000000LL // beyond it nobody waits: 285 years

const struct pool_kind timers_pool = {.size = sizeof(struct timer)};

struct timer *timer_at(struct machine *m, u32 id)
{
    return pool_at(&m->timers, id);
}

// ---- what timers of both sorts do

// The present, by its clock.
static u64 now_of(struct machine *m, const struct timer *timer)
{
    if (!timer->cpu)
        return machine_time(m);
    task_t of = pid_find(m, timer->cpu_of);
    return of ? cpu_clock_read(m, of, timer->cpu == TIMER_CPU_THREAD) : 0;
}

int timer_arm(struct machine *m, u32 id, u64 when, u64 interval)
{
    struct timer *timer = timer_at(m, id);
    if (timer->cpu) { // cpu_time_passed looks
        timer->when = when;
        timer->interval = interval;
        return 0;
    }
    // SIGEV_NONE: there is nothing to be told
    int r = deadline_set(m, timer->kind == TIMER_NONE ? 0 : when, DEADLINE_TIMER, id);
    if (r)
        return r;
    timer->when = when;
    timer->interval = interval;
    return 0;
}

static bool to_ns(const struct g_timespec *ts, u64 *ns)
{
    if (ts->sec < 0 || ts->nsec < 0 || ts->nsec >= (i64)NS)
        return false;
    *ns = (u64)MIN(ts->sec, SECONDS_MOST) * NS + (u64)ts->nsec;
    return true;
}

int timer_spec(struct machine *m, struct task *t, gva_t from, bool realtime, bool absolute, u64 *when,
               u64 *interval)
{
    struct g_itimerspec spec;
    u64 value, now = machine_time(m);
    int r = uaccess_read(t->mm, &spec, from, sizeof spec);
    if (r)
        return r;
    if (!to_ns(&spec.value, &value) || !to_ns(&spec.interval, interval))
        return -EINVAL;
    *when = 0;
    if (!value)
        return 0;
    u64 from_now = absolute ? value - (realtime ? machine_realtime(m) : now) : value;
    *when = now + from_now;
    if (*when == 0 || (i64)*when < 0) // before the machine's time began
        *when = 1;
    return 0;
}

u64 timer_left(struct machine *m, const struct timer *timer)
{
    u64 now = now_of(m, timer);
    if (!timer->when)
        return 0;
    if (timer->when > now)
        return timer->when - now;
    if (timer->interval)
        return timer->interval - (now - timer->when) % timer->interval;
    return timer->slot ? 1 : 0; // about to be told
}

int timer_tell(struct task *t, gva_t to, u64 left, u64 interval)
{
    struct g_itimerspec spec = {{(i64)(interval / NS), (i64)(interval % NS)},
                                {(i64)(left / NS), (i64)(left % NS)}};
    return to ? uaccess_write(t->mm, to, &spec, sizeof spec) : 0;
}

// ---- expiry and signals

// The next period, from the expiry at `when` on; those missed meanwhile are the overrun.
static void go_on(struct machine *m, u32 id, struct timer *timer)
{
    u64 now = now_of(m, timer);
    u64 missed = now > timer->when ? (now - timer->when) / timer->interval : 0;
    timer->overrun = (i32)MIN(missed, (u64)INT32_MAX);
    timer->goes_on = false;
    if (timer_arm(m, id, timer->when + (missed + 1) * timer->interval, timer->interval))
        timer->when = 0;
}

static void send(struct machine *m, u32 id, const struct timer *timer)
{
    struct g_siginfo info = {.signo = timer->signo, .code = G_SI_TIMER, .pad = (i32)id};
    info.timer.timer = timer->number;
    info.timer.value = timer->value;
    if (timer->kind == TIMER_PROCESS) {
        (void)!signal_send_group(m, group_at(m, timer->group), &info);
        return;
    }
    task_t to = pid_find(m, timer->tid);
    if (to && task_at(m, to)->group == timer->group)
        (void)!signal_send_task(m, task_at(m, to), &info);
}

void timer_fire(struct machine *m, u32 id)
{
    struct timer *timer = timer_at(m, id);
    if (timer->kind == TIMER_FILE) {
        wake_channel(m, CHAN(CHAN_TIMER, id));
        return;
    }
    timer->goes_on = timer->interval != 0;
    if (timer->goes_on && timer->cpu && timer->queued) { // nobody has taken the last one: it can wait
        go_on(m, id, timer);
        return;
    }
    if (!timer->interval)
        timer->when = 0;
    if (!timer->queued)
        send(m, id, timer);
    if (!timer->queued && timer->goes_on) // nobody hears it
        go_on(m, id, timer);
}

void timer_queued(struct machine *m, const struct g_siginfo *info)
{
    timer_at(m, (u32)info->pad)->queued = true;
}

void timer_taken(struct machine *m, struct g_siginfo *info)
{
    u32 id = (u32)info->pad;
    struct timer *timer = timer_at(m, id);
    timer->queued = false;
    timer->overrun = 0;
    if (timer->goes_on)
        go_on(m, id, timer);
    info->timer.overrun = timer->overrun;
    info->pad = 0;
}

// ---- timer_create and the calls on its timers

enum { SIGEV_SIGNAL, SIGEV_NONE, SIGEV_THREAD, SIGEV_THREAD_ID = 4 };

// 0 = none. *before: the one ahead of it in the group's list, 0 = the first.
static u32 find(struct machine *m, struct task *t, u64 number, u32 *before)
{
    u32 id = group_of(m, t)->timers;
    for (*before = 0; id && timer_at(m, id)->number != (i32)number; id = timer_at(m, id)->next)
        *before = id;
    return id;
}

static void drop(struct machine *m, struct group *g, u32 id)
{
    if (timer_at(m, id)->queued)
        signal_forget_timer(m, g, id);
    deadline_drop(m, DEADLINE_TIMER, id);
    m->cpu_timers -= timer_at(m, id)->cpu != TIMER_CPU_NONE;
    pool_free(&m->timers, id);
    g->ntimers--;
}

void timers_drop(struct machine *m, struct group *g)
{
    while (g->timers) {
        u32 id = g->timers;
        g->timers = timer_at(m, id)->next;
        drop(m, g, id);
    }
}

static int check_clock(struct machine *m, struct task *t, i32 clock, struct timer *out)
{
    task_t of;
    bool thread;
    out->realtime = clock == 0 || clock == 8 || clock == 11; // TAI
    switch (clock) {
    case 0: case 1: case 7: case 11: // REALTIME, MONOTONIC, BOOTTIME
        return 0;
    case 8: case 9: // the ALARM ones would wake a machine that sleeps; this one does not
        return capable(group_of(m, t), G_CAP_WAKE_ALARM) ? 0 : -EPERM;
    case 4: case 5: case 6:
        return -EOPNOTSUPP;
    default:
        break;
    }
    int r = cpu_clock(m, t, clock, &of, &thread);
    if (r)
        return r;
    out->cpu = thread ? TIMER_CPU_THREAD : TIMER_CPU_PROCESS;
    out->cpu_of = task_at(m, of)->tid;
    return 0;
}

static int check_event(struct machine *m, struct task *t, const struct g_sigevent *e, struct timer *out)
{
    out->signo = e->signo;
    out->value = e->value;
    out->kind = TIMER_PROCESS;
    switch (e->notify) {
    case SIGEV_NONE:
        out->kind = TIMER_NONE;
        return 0;
    case SIGEV_THREAD_ID: {
        task_t to = e->tid > 0 ? pid_find(m, (u32)e->tid) : 0;
        if (!to || task_at(m, to)->group != t->group)
            return -EINVAL;
        out->kind = TIMER_THREAD;
        out->tid = (u32)e->tid;
        break;
    }
    case SIGEV_SIGNAL: case SIGEV_THREAD:
        break;
    default:
        return -EINVAL;
    }
    return e->signo >= 1 && e->signo <= G_NSIG ? 0 : -EINVAL;
}

i64 sys_timer_create(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    struct g_sigevent event = {.signo = G_SIGALRM, .notify = SIGEV_SIGNAL};
    struct timer made = {.group = g->id, .next = g->timers, .number = g->next_timer};
    u32 id;
    event.value = (u64)made.number;
    if (a[1] && uaccess_read(t->mm, &event, a[1], sizeof event))
        return -EFAULT;
    int r = check_clock(m, t, (i32)a[0], &made);
    if (r == 0)
        r = check_event(m, t, &event, &made);
    if (r == 0 && g->ntimers >= g->limit[G_RLIMIT_SIGPENDING][0])
        r = -EAGAIN;
    if (r == 0)
        r = uaccess_write_u32(t->mm, a[2], (u32)made.number);
    if (r == 0)
        r = pool_new(&m->timers, &id);
    if (r)
        return r;
    *timer_at(m, id) = made;
    g->timers = id;
    g->ntimers++;
    m->cpu_timers += made.cpu != TIMER_CPU_NONE;
    g->next_timer = (i32)(((u32)made.number + 1) & INT32_MAX);
    return 0;
}

// timer_spec for a clock of processor time.
static int cpu_spec(struct machine *m, struct task *t, const struct timer *timer, gva_t from,
                    bool absolute, u64 *when, u64 *interval)
{
    struct g_itimerspec spec;
    u64 value;
    int r = uaccess_read(t->mm, &spec, from, sizeof spec);
    if (r)
        return r;
    if (!to_ns(&spec.value, &value) || !to_ns(&spec.interval, interval))
        return -EINVAL;
    *when = !value ? 0 : absolute ? value : now_of(m, timer) + value;
    return 0;
}

i64 sys_timer_settime(struct machine *m, struct task *t, const u64 *a)
{
    u32 before, id = find(m, t, a[0], &before);
    u64 when, interval;
    if (!a[2])
        return -EINVAL;
    int r = timer_spec(m, t, a[2], id && timer_at(m, id)->realtime, a[1] & 1, &when, &interval);
    if (r)
        return r;
    if (!id)
        return -EINVAL;
    struct timer *timer = timer_at(m, id);
    if (timer->cpu) {
        r = cpu_spec(m, t, timer, a[2], a[1] & 1, &when, &interval);
        if (r)
            return r;
    }
    u64 left = timer_left(m, timer), old = timer->interval;
    r = timer_arm(m, id, when, interval);
    if (r)
        return r;
    timer->overrun = 0;
    timer->goes_on = false;
    if (when && when <= now_of(m, timer) && timer->kind != TIMER_NONE) {
        deadline_drop(m, DEADLINE_TIMER, id);
        timer_fire(m, id);
    }
    return timer_tell(t, a[3], left, old);
}

i64 sys_timer_gettime(struct machine *m, struct task *t, const u64 *a)
{
    u32 before, id = find(m, t, a[0], &before);
    if (!id)
        return -EINVAL;
    const struct timer *timer = timer_at(m, id);
    return a[1] ? timer_tell(t, a[1], timer_left(m, timer), timer->interval) : -EFAULT;
}

i64 sys_timer_getoverrun(struct machine *m, struct task *t, const u64 *a)
{
    u32 before, id = find(m, t, a[0], &before);
    return id ? timer_at(m, id)->overrun : -EINVAL;
}

i64 sys_timer_delete(struct machine *m, struct task *t, const u64 *a)
{
    struct group *g = group_of(m, t);
    u32 before, id = find(m, t, a[0], &before);
    if (!id)
        return -EINVAL;
    if (before)
        timer_at(m, before)->next = timer_at(m, id)->next;
    else
        g->timers = timer_at(m, id)->next;
    drop(m, g, id);
    return 0;
}
