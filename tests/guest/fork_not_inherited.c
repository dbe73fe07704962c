/*
 * fork_not_inherited.c - fork(2): the list of what the child does NOT get, one case a line of the
 * manual page, and the madvise(2) flags that change what it gets.
 */
#include "check.h"
#include <pthread.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/times.h>

static void pending_signals(void)
{
    sigset_t pending;

    check_mask(SIG_BLOCK, SIGUSR1);
    raise(SIGUSR1);                               /* pending for the thread */
    check_mask(SIG_BLOCK, SIGUSR2);
    kill(getpid(), SIGUSR2);                      /* pending for the process */
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(sigpending(&pending), 0);
        CHECK(!sigismember(&pending, SIGUSR1));
        CHECK(!sigismember(&pending, SIGUSR2));
        check_mask(SIG_UNBLOCK, SIGUSR1);
        check_mask(SIG_UNBLOCK, SIGUSR2);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(sigpending(&pending), 0);
    CHECK(sigismember(&pending, SIGUSR1));
    CHECK(sigismember(&pending, SIGUSR2));
}

static void alarm_clock(void)
{
    alarm(100);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(alarm(0), 0);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK(alarm(0) > 90);
}

static void interval_timers(void)
{
    static const int which[] = { ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF };
    struct itimerval timer, armed = { { 0, 0 }, { 100, 0 } };

    for (int i = 0; i < 3; i++)
        CHECK_EQ(setitimer(which[i], &armed, NULL), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(getitimer(which[i], &timer), 0);
            CHECK_EQ(timer.it_value.tv_sec, 0);
            CHECK_EQ(timer.it_value.tv_usec, 0);
        }
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(getitimer(which[i], &timer), 0);
        CHECK(timer.it_value.tv_sec > 90);
    }
}

static void posix_timers(void)
{
    struct sigevent event;
    struct itimerspec value;
    int timer;

    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_NONE;
    CHECK_EQ(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_ERR(syscall(SYS_timer_gettime, timer, &value), EINVAL);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(syscall(SYS_timer_gettime, timer, &value), 0);
}

static void record_locks(void)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 5 };
    pid_t parent = getpid();
    int fd = check_file(100);

    CHECK_EQ(fcntl(fd, F_SETLK, &lock), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        struct flock got = lock;
        CHECK_EQ(fcntl(fd, F_GETLK, &got), 0);
        CHECK_EQ(got.l_type, F_WRLCK);
        CHECK_EQ(got.l_pid, parent);
        CHECK_EQ(got.l_start, 10);
        CHECK_EQ(got.l_len, 5);
        errno = 0;
        CHECK_EQ(fcntl(fd, F_SETLK, &lock), -1);
        CHECK(errno == EAGAIN || errno == EACCES);
        lock.l_start = 50;                        /* elsewhere there is room */
        CHECK_EQ(fcntl(fd, F_SETLK, &lock), 0);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    lock.l_start = 50;                            /* the child's went with the child */
    CHECK_EQ(fcntl(fd, F_SETLK, &lock), 0);
    pid = check_fork();                           /* and the parent's first is still there */
    if (pid == 0) {
        lock.l_start = 10;
        CHECK_EQ(fcntl(fd, F_SETLK, &lock), -1);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
}

/* flock belongs to the open file description, so it IS shared. */
static void but_flock_is_shared(void)
{
    char path[] = "/tmp/tine-flock-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_EQ(flock(fd, LOCK_EX), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(flock(fd, LOCK_EX | LOCK_NB), 0);
        int other = open(path, O_RDWR);
        CHECK_ERR(flock(other, LOCK_EX | LOCK_NB), EWOULDBLOCK);
        CHECK_EQ(flock(fd, LOCK_UN), 0);          /* the child may release it for both */
        CHECK_EQ(flock(other, LOCK_EX | LOCK_NB), 0);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(unlink(path), 0);
}

static void cpu_times(void)
{
    volatile unsigned long spin = 0;
    struct rusage usage;
    clock_t end = clock() + CLOCKS_PER_SEC / 20;

    while (clock() < end)
        spin++;
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(getrusage(RUSAGE_SELF, &usage), 0);
        CHECK_EQ(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec, 0);
        CHECK(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec < 45000);
        CHECK_EQ(getrusage(RUSAGE_CHILDREN, &usage), 0);
        CHECK_EQ(usage.ru_utime.tv_usec, 0);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
}

static void *other_thread(void *gate)
{
    gate_wait(*(struct gate *)gate);
    return NULL;
}

/* The child has one thread: the copy of the one that called fork. */
static void other_threads(void)
{
    struct gate gate = gate_new();
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, other_thread, &gate), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(syscall(SYS_gettid), getpid());
        syscall(SYS_exit, 12);                    /* the last thread's exit is the process's */
    }
    CHECK_EXIT(pid, 12);
    gate_open(gate);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void madv_dontfork_regions(void)
{
    char *p = check_private(3);

    memset(p, 'x', 3 * PAGE);
    CHECK_EQ(madvise(p + PAGE, PAGE, MADV_DONTFORK), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(p[0], 'x');
        CHECK_EQ(p[2 * PAGE], 'x');
        int pipes[2];
        CHECK_EQ(pipe(pipes), 0);
        CHECK_ERR(write(pipes[1], p + PAGE, 1), EFAULT);
        *(volatile char *)(p + PAGE);
        _exit(0);
    }
    CHECK_KILLED(pid, SIGSEGV);
    CHECK_EQ(p[PAGE], 'x');
    CHECK_EQ(madvise(p + PAGE, PAGE, MADV_DOFORK), 0);
    pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(p[PAGE], 'x');
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
}

static void madv_wipeonfork_contents(void)
{
    char *p = check_private(3);

    memset(p, 'x', 3 * PAGE);
    CHECK_EQ(madvise(p + PAGE, PAGE, MADV_WIPEONFORK), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(p[PAGE - 1], 'x');
        for (unsigned long i = PAGE; i < 2 * PAGE; i++)
            CHECK_EQ(p[i], 0);
        CHECK_EQ(p[2 * PAGE], 'x');
        p[PAGE] = 'c';
        pid_t grandchild = check_fork();          /* the advice itself is inherited */
        if (grandchild == 0) {
            CHECK_EQ(p[PAGE], 0);
            _exit(0);
        }
        CHECK_EXIT(grandchild, 0);
        CHECK_EQ(p[PAGE], 'c');
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(p[PAGE], 'x');
    CHECK_EQ(madvise(p + PAGE, PAGE, MADV_KEEPONFORK), 0);
    pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(p[PAGE], 'x');
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_ERR(madvise(check_shared(1), PAGE, MADV_WIPEONFORK), EINVAL);
}

static void children_of_the_parent(void)
{
    struct gate gate = gate_new();
    pid_t brother = check_fork();
    if (brother == 0) {
        gate_wait(gate);
        _exit(0);
    }
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_ERR(waitpid(brother, NULL, 0), ECHILD);
        CHECK_ERR(waitpid(-1, NULL, 0), ECHILD);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    gate_open(gate);
    CHECK_EXIT(brother, 0);
}

static const struct check_case cases[] = {
    CASE(pending_signals),
    CASE(alarm_clock),
    CASE(interval_timers),
    CASE(posix_timers),
    CASE(record_locks),
    CASE(but_flock_is_shared),
    CASE(cpu_times),
    CASE(other_threads),
    CASE(madv_dontfork_regions),
    CASE(madv_wipeonfork_contents),
    CASE(children_of_the_parent),
};
CHECK_MAIN(cases)
