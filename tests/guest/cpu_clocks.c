/*
 * cpu_clocks.c - processor time: clocks, timers and sleeps on them, interval timers that count it, its
 * limit; and the policies of the scheduler, which are kept.
 */
#include "check.h"
#include <pthread.h>
#include <sys/resource.h>
#include <sys/times.h>

static volatile int expired, got_value;

static void count(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    expired++;
    got_value = info->si_value.sival_int;
}

static void count_plain(int number)
{
    (void)number;
    expired++;
}

static long cpu_ms(clockid_t clock)
{
    struct timespec now;
    CHECK_EQ(clock_gettime(clock, &now), 0);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void burn_until(volatile int *flag, int wanted)
{
    long begin = check_now_ms();
    while (*flag < wanted && check_now_ms() - begin < 6000)
        continue;
    CHECK(*flag >= wanted);
}

static void timers_of_cpu_clocks(clockid_t clock)
{
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1,
                              .sigev_value.sival_int = 33 };
    struct itimerspec spec = { { 0, 5000000 }, { 0, 5000000 } }, left;
    timer_t timer;
    check_action(SIGUSR1, count, 0);
    CHECK_EQ(timer_create(clock, &event, &timer), 0);
    CHECK_EQ(timer_settime(timer, 0, &spec, NULL), 0);
    CHECK_EQ(timer_gettime(timer, &left), 0);
    CHECK(left.it_value.tv_nsec > 0 && left.it_value.tv_nsec <= 5000000);
    long begin = cpu_ms(clock);
    burn_until(&expired, 4);
    CHECK(cpu_ms(clock) - begin >= 15);
    CHECK_EQ(got_value, 33);
    CHECK_EQ(timer_delete(timer), 0);
    int before = expired;
    check_sleep_ms(5);
    CHECK_EQ(expired, before);
}

static void timer_of_the_process(void)
{
    timers_of_cpu_clocks(CLOCK_PROCESS_CPUTIME_ID);
}

static void timer_of_the_thread(void)
{
    timers_of_cpu_clocks(CLOCK_THREAD_CPUTIME_ID);
}

/* A process that only sleeps uses no time. */
static void timer_does_not_count_sleep(void)
{
    struct itimerspec spec = { { 0, 0 }, { 0, 40000000 } };
    timer_t timer;
    check_action(SIGALRM, count, 0);
    CHECK_EQ(timer_create(CLOCK_PROCESS_CPUTIME_ID, NULL, &timer), 0);
    CHECK_EQ(timer_settime(timer, 0, &spec, NULL), 0);
    check_sleep_ms(80);
    CHECK_EQ(expired, 0);
    burn_until(&expired, 1);
}

static void *burns(void *stop)
{
    while (!*(volatile int *)stop)
        continue;
    return NULL;
}

static void sleep_on_the_process_clock(void)
{
    struct timespec nap = { 0, 20000000 };
    volatile int stop = 0;
    pthread_t thread;
    CHECK_EQ(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &nap, NULL), EINVAL); /* says the library */
    CHECK_ERR(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &nap, NULL), EOPNOTSUPP);
    CHECK_EQ(pthread_create(&thread, NULL, burns, (void *)&stop), 0);
    long begin = cpu_ms(CLOCK_PROCESS_CPUTIME_ID);
    CHECK_EQ(clock_nanosleep(CLOCK_PROCESS_CPUTIME_ID, 0, &nap, NULL), 0);
    CHECK(cpu_ms(CLOCK_PROCESS_CPUTIME_ID) - begin >= 19);
    stop = 1;
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void clock_of_another_process(void)
{
    clockid_t clock;
    struct timespec now;
    pid_t pid = check_fork();
    if (pid == 0)
        for (;;)
            continue;
    CHECK_EQ(clock_getcpuclockid(pid, &clock), 0);
    check_sleep_ms(5);
    CHECK_SOON(cpu_ms(clock) >= 5);
    kill(pid, SIGKILL);
    CHECK_KILLED(pid, SIGKILL);
    CHECK_ERR(clock_gettime(clock, &now), EINVAL);
}

static void interval_timers(void)
{
    struct itimerval timer = { { 0, 3000 }, { 0, 3000 } }, now;
    check_handler(SIGVTALRM, count_plain, 0);
    check_handler(SIGPROF, count_plain, 0);
    CHECK_EQ(setitimer(ITIMER_VIRTUAL, &timer, NULL), 0);
    burn_until(&expired, 3);
    CHECK_EQ(getitimer(ITIMER_VIRTUAL, &now), 0);
    CHECK(now.it_value.tv_usec <= 3000 + 10000);
    timer = (struct itimerval){ { 0, 0 }, { 0, 0 } };
    CHECK_EQ(setitimer(ITIMER_VIRTUAL, &timer, NULL), 0);
    expired = 0;
    timer = (struct itimerval){ { 0, 0 }, { 0, 3000 } };
    CHECK_EQ(setitimer(ITIMER_PROF, &timer, NULL), 0);
    burn_until(&expired, 1);
}

static void the_limit(void)
{
    struct rlimit limit = { 1, 2 };
    check_handler(SIGXCPU, count_plain, 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(setrlimit(RLIMIT_CPU, &limit), 0);
        while (cpu_ms(CLOCK_PROCESS_CPUTIME_ID) < 800)
            continue;
        CHECK_EQ(expired, 0);
        burn_until(&expired, 1);
        CHECK(cpu_ms(CLOCK_PROCESS_CPUTIME_ID) >= 900);
        for (;;)
            continue;
    }
    CHECK_KILLED(pid, SIGKILL);
}

static void time_in_calls(void)
{
    struct rusage usage;
    struct tms tms;
    long begin = check_now_ms();
    do {
        for (int i = 0; i < 1000; i++)
            syscall(SYS_getppid);
        CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
    } while (usage.ru_stime.tv_usec < 20000 && usage.ru_stime.tv_sec == 0 &&
             check_now_ms() - begin < 5000);
    CHECK(usage.ru_stime.tv_sec || usage.ru_stime.tv_usec >= 20000);
    CHECK(times(&tms) != (clock_t)-1);
    CHECK(tms.tms_stime >= 1);
}

static void policies(void)
{
    struct sched_param param = { .sched_priority = 0 };
    struct timespec slice;
    struct { unsigned size, policy; unsigned long flags; int nice; unsigned priority;
             unsigned long deadline[3]; } attr;
    CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
    CHECK_EQ(sched_setscheduler(0, SCHED_BATCH, &param), 0);
    CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
    pid_t pid = check_fork();
    if (pid == 0)
        _exit(sched_getscheduler(0));
    CHECK_EXIT(pid, SCHED_BATCH);
    CHECK_EQ(syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0), 0);
    CHECK_EQ(attr.policy, SCHED_BATCH);
    CHECK_EQ(attr.size, 48);
    CHECK_EQ(sched_rr_get_interval(0, &slice), 0);
    param.sched_priority = 200;
    CHECK_ERR(sched_setscheduler(0, SCHED_FIFO, &param), EINVAL);
    param.sched_priority = 1;
    CHECK_ERR(sched_setscheduler(0, SCHED_OTHER, &param), EINVAL);
    CHECK_ERR(sched_setscheduler(0, 99, &param), EINVAL);
    CHECK_ERR(sched_setscheduler(0x3ffffff, SCHED_FIFO, &param), ESRCH);
    CHECK_EQ(sched_get_priority_max(SCHED_FIFO), 99);
}

static const struct check_case cases[] = {
    CASE(timer_of_the_process), CASE(timer_of_the_thread), CASE(timer_does_not_count_sleep),
    CASE(sleep_on_the_process_clock), CASE(clock_of_another_process), CASE(interval_timers),
    CASE(the_limit), CASE(time_in_calls), CASE(policies),
};
CHECK_MAIN(cases)
