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

static void setitimer_stopped(void)
{
    for (int which = ITIMER_REAL; which <= ITIMER_PROF; which++) {
        struct itimerval timer = { { 10, 0 }, { 0, 0 } }, none = { { 0, 0 }, { 0, 0 } }, old;
        CHECK_EQ(setitimer(which, &timer, NULL), 0);
        CHECK_EQ(setitimer(which, &none, &old), 0);
        CHECK_EQ(old.it_interval.tv_sec, which == ITIMER_REAL ? 0 : 10);
        CHECK_EQ(old.it_value.tv_sec, 0);
    }
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

static int raw_timer(clockid_t clock, int notify, int signo, pid_t thread)
{
    struct { uint64_t value; int signo, notify, tid, pad[11]; } event = { 9, signo, notify, thread, { 0 } };
    int timer = -1;
    long r = syscall(SYS_timer_create, clock, &event, &timer);
    return r < 0 ? (int)r : timer;
}

static void posix_timer_errors(void)
{
    struct itimerspec bad = { { 0, 0 }, { 0, 1000000000 } }, value = { { 0, 0 }, { 1, 0 } };
    CHECK_ERR(raw_timer(99, SIGEV_NONE, 0, 0), EINVAL);
    CHECK_ERR(raw_timer(CLOCK_MONOTONIC, 3, SIGUSR1, 0), EINVAL);
    CHECK_ERR(raw_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, 0, 0), EINVAL);
    CHECK_ERR(raw_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, 65, 0), EINVAL);
    CHECK_ERR(raw_timer(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGUSR1, getppid()), EINVAL);
    CHECK_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, 8, &bad), EFAULT);
    CHECK_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, 8), EFAULT);
    int timer = raw_timer(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0);
    CHECK(timer >= 0);
    CHECK_ERR(syscall(SYS_timer_settime, timer, 0, &bad, NULL), EINVAL);
    CHECK_ERR(syscall(SYS_timer_settime, timer, 0, NULL, NULL), EINVAL);
    CHECK_ERR(syscall(SYS_timer_settime, timer + 100, 0, &value, NULL), EINVAL);
    CHECK_ERR(syscall(SYS_timer_getoverrun, timer + 100), EINVAL);
    CHECK_EQ(syscall(SYS_timer_delete, timer), 0);
    CHECK_ERR(syscall(SYS_timer_delete, timer), EINVAL);
}

static void posix_timer_tells_what_is_left(void)
{
    struct itimerspec value = { { 3, 0 }, { 100, 0 } }, old;
    int timer = raw_timer(CLOCK_REALTIME, SIGEV_NONE, 0, 0);
    CHECK_EQ(syscall(SYS_timer_gettime, timer, &old), 0);
    CHECK_EQ(old.it_value.tv_sec + old.it_value.tv_nsec + old.it_interval.tv_sec, 0);
    CHECK_EQ(syscall(SYS_timer_settime, timer, 0, &value, NULL), 0);
    value.it_value.tv_sec = time(NULL) + 50;
    CHECK_EQ(syscall(SYS_timer_settime, timer, TIMER_ABSTIME, &value, &old), 0);
    CHECK(old.it_value.tv_sec == 99 || old.it_value.tv_sec == 100);
    CHECK_EQ(old.it_interval.tv_sec, 3);
    CHECK_EQ(syscall(SYS_timer_gettime, timer, &old), 0);
    CHECK(old.it_value.tv_sec >= 48 && old.it_value.tv_sec <= 50);
    value = (struct itimerspec){ { 0, 4000000 }, { 0, 1 } }; /* expires unheard, again and again */
    CHECK_EQ(syscall(SYS_timer_settime, timer, 0, &value, NULL), 0);
    check_sleep_ms(10);
    CHECK_EQ(syscall(SYS_timer_gettime, timer, &old), 0);
    CHECK(old.it_value.tv_sec == 0 && old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 4000000);
    value = (struct itimerspec){ { 0, 0 }, { 0, 0 } };
    CHECK_EQ(syscall(SYS_timer_settime, timer, 0, &value, &old), 0);
    CHECK_EQ(old.it_interval.tv_nsec, 4000000);
}

static void posix_timer_repeats(void)
{
    struct itimerspec value = { { 0, 2000000 }, { 0, 1 } };
    check_action(SIGUSR1, keep, 0);
    check_handler(SIGUSR2, SIG_IGN, 0);
    int ignored = raw_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR2, 0);
    int timer = raw_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
    CHECK_EQ(syscall(SYS_timer_settime, ignored, 0, &value, NULL), 0);
    CHECK_EQ(syscall(SYS_timer_settime, timer, 0, &value, NULL), 0);
    CHECK_SOON(counted >= 5);
    CHECK_EQ(last.si_value.sival_int, 9);
    CHECK_EQ(last.si_timerid, timer);
    check_handler(SIGUSR2, count, 0);             /* from now on it is heard */
    CHECK_EQ(syscall(SYS_timer_delete, timer), 0);
    int before = counted;
    CHECK_SOON(counted >= before + 2);
    CHECK_EQ(syscall(SYS_timer_delete, ignored), 0);
}

/* A pending signal of one timer does not swallow another's, although it has the same number. */
static void two_timers_one_signal(void)
{
    struct itimerspec value = { { 0, 0 }, { 0, 1000000 } };
    check_action(SIGUSR1, keep, 0);
    check_mask(SIG_BLOCK, SIGUSR1);
    int one = raw_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
    int two = raw_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
    CHECK(one != two);
    CHECK_EQ(syscall(SYS_timer_settime, one, 0, &value, NULL), 0);
    CHECK_EQ(syscall(SYS_timer_settime, two, 0, &value, NULL), 0);
    check_sleep_ms(10);
    check_mask(SIG_UNBLOCK, SIGUSR1);
    CHECK_EQ(counted, 2);
}

static void posix_timer_of_a_thread(void)
{
    struct itimerspec value = { { 0, 0 }, { 0, 1 } };
    sigset_t set;
    check_mask(SIG_BLOCK, SIGUSR1);
    int timer = raw_timer(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGUSR1, (pid_t)syscall(SYS_gettid));
    CHECK(timer >= 0);
    CHECK_EQ(syscall(SYS_timer_settime, timer, 0, &value, NULL), 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    siginfo_t info;
    CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR1);
    CHECK_EQ(info.si_code, SI_TIMER);
    CHECK_EQ(info.si_overrun, 0);
    CHECK_EQ(syscall(SYS_timer_getoverrun, timer), 0);
}

static void exec_ends_posix_timers(void)
{
    struct itimerspec value = { { 0, 5000000 }, { 0, 5000000 } };
    pid_t pid = check_fork();
    if (pid == 0) {                               /* SIGUSR1 would end the new program */
        int timer = raw_timer(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0);
        CHECK_EQ(syscall(SYS_timer_settime, timer, 0, &value, NULL), 0);
        execl(check_self, check_self, "sleeps_are_long_enough", NULL);
        _exit(1);
    }
    CHECK_EXIT(pid, 0);
}

static void timerfd_times(void)
{
    struct itimerspec value = { { 0, 0 }, { 0, 0 } }, left;
    struct timespec now;
    uint64_t times = 0;
    CHECK_ERR(timerfd_create(99, 0), EINVAL);
    CHECK_ERR(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL);
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    CHECK_ERR(read(fd, &times, 8), EAGAIN);
    CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    value.it_value = now;                         /* past already */
    CHECK_EQ(timerfd_settime(fd, TFD_TIMER_ABSTIME, &value, NULL), 0);
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    CHECK_EQ(poll(&wait, 1, 1000), 1);
    CHECK_EQ(read(fd, &times, 8), 8);
    CHECK_EQ(times, 1);
    CHECK_ERR(read(fd, &times, 8), EAGAIN);
    value = (struct itimerspec){ { 7, 0 }, { 100, 0 } };
    CHECK_EQ(timerfd_settime(fd, 0, &value, &left), 0);
    CHECK_EQ(left.it_value.tv_sec + left.it_value.tv_nsec, 0);
    CHECK_EQ(timerfd_gettime(fd, &left), 0);
    CHECK(left.it_value.tv_sec == 99 || left.it_value.tv_sec == 100);
    CHECK_EQ(left.it_interval.tv_sec, 7);
    value = (struct itimerspec){ { 0, 0 }, { 0, 0 } };
    CHECK_EQ(timerfd_settime(fd, 0, &value, NULL), 0);
    CHECK_EQ(timerfd_gettime(fd, &left), 0);
    CHECK_EQ(left.it_value.tv_sec, 0);
    CHECK_ERR(timerfd_gettime(0, &left), EINVAL);
    CHECK_ERR(timerfd_gettime(999, &left), EBADF);
    CHECK_ERR(timerfd_settime(fd, 8, &value, NULL), EINVAL);
    CHECK_ERR(write(fd, &times, 8), EINVAL);
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
    CASE(setitimer_stopped), CASE(setitimer_repeats),
    CASE(alarm_returns_what_was_left),
    CASE(virtual_timer_counts_cpu),
    CASE(posix_timer_with_value),
    CASE(posix_timer_overrun),
    CASE(posix_timer_errors),
    CASE(posix_timer_tells_what_is_left),
    CASE(posix_timer_repeats),
    CASE(two_timers_one_signal),
    CASE(posix_timer_of_a_thread),
    CASE(exec_ends_posix_timers),
    CASE(timerfd),
    CASE(timerfd_times),
    CASE(sleeps_are_long_enough),
    CASE(clocks_agree_and_never_go_back),
};
CHECK_MAIN(cases)
