/*
 * timers.c - alarm, setitimer, POSIX timers, timerfd, and the sleeping calls.
 */
#include "check.h"
#include <poll.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>

static volatile sig_atomic_t counted;
static volatile siginfo_t last;

static void count(int number)
{
    (void)number;
    counted++;
}

static void keep(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    last = *info;
    counted++;
}

static void setitimer_repeats(void)
{
    struct itimerval timer = { { 0, 3000 }, { 0, 5000 } }, old;
    check_handler(SIGALRM, count, 0);
    long begin = check_now_ms();
    CHECK_EQ(setitimer(ITIMER_REAL, &timer, NULL), 0);
    while (counted < 4)
        pause();
    CHECK(check_now_ms() - begin >= 13);
    memset(&timer, 0, sizeof timer);
    CHECK_EQ(setitimer(ITIMER_REAL, &timer, &old), 0);
    CHECK_EQ(old.it_interval.tv_usec, 3000);
}

static void alarm_returns_what_was_left(void)
{
    CHECK_EQ(alarm(50), 0);
    unsigned left = alarm(20);
    CHECK(left == 50 || left == 49);
    left = alarm(0);
    CHECK(left == 20 || left == 19);
    CHECK_EQ(alarm(0), 0);
}

static void virtual_timer_counts_cpu(void)
{
    struct itimerval timer = { { 0, 0 }, { 0, 10000 } };
    check_handler(SIGVTALRM, count, 0);
    CHECK_EQ(setitimer(ITIMER_VIRTUAL, &timer, NULL), 0);
    check_sleep_ms(25);
    CHECK_EQ(counted, 0);                         /* sleeping costs nothing */
    volatile unsigned long spin = 0;
    long begin = check_now_ms();
    while (counted == 0 && check_now_ms() - begin < 3000)
        spin++;
    CHECK_EQ(counted, 1);
}

static void posix_timer_with_value(void)
{
    struct sigevent event;
    struct itimerspec value = { { 0, 0 }, { 0, 5000000 } };
    timer_t timer;

    check_action(SIGUSR1, keep, 0);
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGUSR1;
    event.sigev_value.sival_int = 77;
    CHECK_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    CHECK_EQ(timer_settime(timer, 0, &value, NULL), 0);
    while (counted == 0)
        check_sleep_ms(1);
    CHECK_EQ(last.si_code, SI_TIMER);
    CHECK_EQ(last.si_value.sival_int, 77);
    CHECK_EQ(timer_delete(timer), 0);
}

/* Periods that pass while the signal is blocked are counted, not queued. */
static void posix_timer_overrun(void)
{
    struct sigevent event;
    struct itimerspec value = { { 0, 1000000 }, { 0, 1000000 } };
    struct timespec none = { 0, 0 };
    siginfo_t info;
    sigset_t set;
    timer_t timer;

    check_mask(SIG_BLOCK, SIGUSR1);
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGUSR1;
    CHECK_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    CHECK_EQ(timer_settime(timer, 0, &value, NULL), 0);
    check_sleep_ms(20);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_EQ(sigtimedwait(&set, &info, &none), SIGUSR1);
    CHECK(info.si_overrun > 5);
    CHECK_EQ(timer_delete(timer), 0);
    CHECK_ERR(syscall(SYS_timer_delete, 12345), EINVAL);
}

static void timerfd(void)
{
    struct itimerspec value = { { 0, 2000000 }, { 0, 5000000 } };
    uint64_t expirations = 0;
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_EQ(timerfd_settime(fd, 0, &value, NULL), 0);
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    CHECK_EQ(poll(&wait, 1, 0), 0);
    CHECK_EQ(read(fd, &expirations, sizeof expirations), 8); /* blocks until the first */
    CHECK(expirations >= 1);
    check_sleep_ms(10);
    CHECK_EQ(poll(&wait, 1, 0), 1);
    CHECK_EQ(read(fd, &expirations, sizeof expirations), 8);
    CHECK(expirations >= 3);
    CHECK_ERR(read(fd, &expirations, 4), EINVAL);
    pid_t pid = check_fork();                     /* a timerfd IS shared with a child */
    if (pid == 0) {
        CHECK_EQ(read(fd, &expirations, sizeof expirations), 8);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
}

static void sleeps_are_long_enough(void)
{
    struct timespec begin, until, now, bad = { 0, 1000000000 };
    CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &begin), 0);
    until = begin;
    until.tv_nsec += 12000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL), 0);
    CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    CHECK(now.tv_sec > until.tv_sec ||
          (now.tv_sec == until.tv_sec && now.tv_nsec >= until.tv_nsec));
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL), 0); /* in the past */
    CHECK_ERR(nanosleep(&bad, NULL), EINVAL);
    CHECK_EQ(clock_nanosleep(99, 0, &until, NULL), EINVAL);
}

static void clocks_agree_and_never_go_back(void)
{
    struct timespec a = { 0, 0 }, b, vdso;
    for (int i = 0; i < 500; i++) {
        clock_gettime(CLOCK_MONOTONIC, &vdso);    /* by the vDSO and by the call, in turns */
        CHECK_EQ(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &b), 0);
        CHECK(vdso.tv_sec > a.tv_sec || (vdso.tv_sec == a.tv_sec && vdso.tv_nsec >= a.tv_nsec));
        CHECK(b.tv_sec > vdso.tv_sec ||
              (b.tv_sec == vdso.tv_sec && b.tv_nsec >= vdso.tv_nsec));
        CHECK(b.tv_nsec >= 0 && b.tv_nsec < 1000000000);
        a = b;
    }
    struct timeval tv;
    CHECK_EQ(gettimeofday(&tv, NULL), 0);
    CHECK(labs(tv.tv_sec - time(NULL)) <= 1);
    CHECK_EQ(clock_getres(CLOCK_MONOTONIC, &b), 0);
    CHECK_ERR(clock_gettime(99, &b), EINVAL);
}

static const struct check_case cases[] = {
    CASE(setitimer_repeats),
    CASE(alarm_returns_what_was_left),
    CASE(virtual_timer_counts_cpu),
    CASE(posix_timer_with_value),
    CASE(posix_timer_overrun),
    CASE(timerfd),
    CASE(sleeps_are_long_enough),
    CASE(clocks_agree_and_never_go_back),
};
CHECK_MAIN(cases)
