// Processor clocks: reading them, and what happens when they reach a value: interval timers, timers of
// timer_create, sleepers, RLIMIT_CPU.
#include "kernel/cpu_time.h"

#include <errno.h>

#include "kernel/timer.h"

#define CALL_NS 200u
#define NS 1000000000ULL

static u64 system_ns(const struct machine *m, u64 calls)
{
    return m->options.virtual_time ? 0 : calls * CALL_NS;
}

struct cpu_usage cpu_of_task(struct machine *m, const struct task *t)
{
    return (struct cpu_usage){t->instructions, system_ns(m, t->calls)};
}

struct cpu_usage cpu_of_group(struct machine *m, const struct group *g)
{
    u64 instructions = g->instructions, calls = g->calls;
    for (task_t id = g->tasks; id; id = task_at(m, id)->gnext) {
        instructions += task_at(m, id)->instructions;
        calls += task_at(m, id)->calls;
    }
    return (struct cpu_usage){instructions, system_ns(m, calls)};
}

struct cpu_usage cpu_of_children(struct machine *m, const struct group *g)
{
    return (struct cpu_usage){g->child_instructions, system_ns(m, g->child_calls)};
}

// Negative clocks: the complement of a pid in the upper bits, 4 = a thread's, below it PROF, VIRT, SCHED.
int cpu_clock(struct machine *m, struct task *t, i32 clock, task_t *of, bool *thread)
{
    *of = t->id;
    *thread = clock == 3 || (clock < 0 && clock & 4);
    if (clock == 2 || clock == 3) // PROCESS_CPUTIME_ID, THREAD_CPUTIME_ID
        return 0;
    if (clock >= 0 || (clock & 3) > 2)
        return -EINVAL;
    u32 pid = (u32)~clock >> 3 & 0x1fffffff;
    if (!pid)
        return 0;
    *of = pid_find(m, pid);
    if (!*of || group_of(m, task_at(m, *of))->kernel)
        return -EINVAL;
    if (*thread && task_at(m, *of)->group != t->group)
        return -EINVAL;
    return 0;
}

u64 cpu_clock_read(struct machine *m, task_t of, bool thread)
{
    const struct task *t = task_at(m, of);
    return cpu_sum(thread ? cpu_of_task(m, t) : cpu_of_group(m, group_at(m, t->group)));
}

// ---- what somebody waits for

static bool is_watched(struct machine *m, const struct group *g)
{
    return g->itimer_value[1] || g->itimer_value[2] || m->cpu_timers ||
           g->limit[G_RLIMIT_CPU][0] != G_RLIM_INFINITY;
}

static u64 min_left(u64 left, u64 at, u64 now)
{
    return at > now ? MIN(left, at - now) : 1;
}

// The timers of timer_create on t's clocks: the first expiry that is to come, or those that are due fire.
static u64 timers_left(struct machine *m, struct task *t, u64 left, bool fire)
{
    for (u32 id = m->cpu_timers ? pool_next(&m->timers, 0) : 0; id; id = pool_next(&m->timers, id)) {
        const struct timer *timer = timer_at(m, id);
        if (!timer->cpu || !timer->when)
            continue;
        task_t of = pid_find(m, timer->cpu_of);
        if (!of || (timer->cpu == TIMER_CPU_THREAD ? of != t->id : task_at(m, of)->group != t->group))
            continue;
        u64 now = cpu_clock_read(m, of, timer->cpu == TIMER_CPU_THREAD);
        if (fire && timer->when <= now)
            timer_fire(m, id);
        else
            left = min_left(left, timer->when, now);
    }
    return left;
}

u64 cpu_time_left(struct machine *m, struct task *t)
{
    const struct group *g = group_of(m, t);
    u64 left = ~0ULL, limit = g->limit[G_RLIMIT_CPU][0];
    if (likely(!is_watched(m, g)))
        return left;
    struct cpu_usage used = cpu_of_group(m, g);
    if (g->itimer_value[1])
        left = min_left(left, g->itimer_value[1], used.user);
    if (g->itimer_value[2])
        left = min_left(left, g->itimer_value[2], cpu_sum(used));
    if (limit < G_RLIM_INFINITY / NS)
        left = min_left(left, limit * NS, cpu_sum(used));
    return timers_left(m, t, left, false);
}

static void itimer_due(struct machine *m, struct group *g, u32 which, u64 now)
{
    struct g_siginfo info = {.signo = which == 1 ? G_SIGVTALRM : G_SIGPROF, .code = G_SI_KERNEL};
    if (!g->itimer_value[which] || now < g->itimer_value[which])
        return;
    g->itimer_value[which] = g->itimer_interval[which] ? now + g->itimer_interval[which] : 0;
    (void)!signal_send_group(m, g, &info);
}

// Every second over the soft limit SIGXCPU, at the hard one SIGKILL (setrlimit(2)).
static void limit_due(struct machine *m, struct group *g, u64 now)
{
    u64 *limit = g->limit[G_RLIMIT_CPU];
    struct g_siginfo info = {.signo = G_SIGXCPU, .code = G_SI_KERNEL};
    if (limit[1] < G_RLIM_INFINITY / NS && now >= limit[1] * NS) {
        info.signo = G_SIGKILL;
    } else if (limit[0] < G_RLIM_INFINITY / NS && now >= limit[0] * NS) {
        limit[0]++;
    } else {
        return;
    }
    (void)!signal_send_group(m, g, &info);
}

void cpu_time_passed(struct machine *m, struct task *t)
{
    struct group *g = group_of(m, t);
    u64 now = t->instructions + t->calls;
    if (now != t->cpu_told) { // a sleeper who only looked must not wake himself
        t->cpu_told = now;
        wake_channel(m, CHAN(CHAN_CPU_TIME, g->id));
    }
    if (likely(!is_watched(m, g)))
        return;
    struct cpu_usage used = cpu_of_group(m, g);
    itimer_due(m, g, 1, used.user);
    itimer_due(m, g, 2, cpu_sum(used));
    limit_due(m, g, cpu_sum(used));
    (void)timers_left(m, t, 0, true);
}
