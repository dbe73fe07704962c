/*
 * futex.c - futex(2) itself: waiting, waking by number, requeueing, time limits, and which word is
 * which when memory is shared, private, or shared under two addresses.
 */
#include "check.h"
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>

static long futex(volatile int *word, int operation, int value, const struct timespec *timeout,
                  volatile int *word2, int value3)
{
    return syscall(SYS_futex, word, operation, value, timeout, word2, value3);
}

static void start(pthread_t *thread, void *(*body)(void *), void *arg)
{
    CHECK_EQ(pthread_create(thread, NULL, body, arg), 0);
}

static void *join(pthread_t thread)
{
    void *result;
    CHECK_EQ(pthread_join(thread, &result), 0);
    return result;
}

static volatile int word, word2, woken;

static void futex_errors_and_timeouts(void)
{
    struct timespec limit = { 0, 15000000 };
    word = 5;
    CHECK_ERR(futex(&word, FUTEX_WAIT, 4, NULL, NULL, 0), EAGAIN);
    long begin = check_now_ms();
    CHECK_ERR(futex(&word, FUTEX_WAIT, 5, &limit, NULL, 0), ETIMEDOUT);
    CHECK(check_now_ms() - begin >= 14);
    struct timespec at;                           /* FUTEX_WAIT_BITSET: an absolute time */
    clock_gettime(CLOCK_MONOTONIC, &at);
    begin = check_now_ms();
    at.tv_nsec += 15000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    CHECK_ERR(futex(&word, FUTEX_WAIT_BITSET, 5, &at, NULL, (int)FUTEX_BITSET_MATCH_ANY),
              ETIMEDOUT);
    CHECK(check_now_ms() - begin >= 14);
    CHECK_EQ(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
    CHECK_ERR(futex((int *)((char *)&word + 1), FUTEX_WAIT, 5, NULL, NULL, 0), EINVAL);
    CHECK_ERR(futex((int *)16, FUTEX_WAIT, 5, NULL, NULL, 0), EFAULT);
    CHECK_ERR(futex(&word, 99, 5, NULL, NULL, 0), ENOSYS);
}

static void *futex_waiter(void *operation)
{
    CHECK_EQ(futex(&word, (int)(long)operation, 0, NULL, NULL, (int)FUTEX_BITSET_MATCH_ANY), 0);
    __atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static void wake_exactly(int operation, int n)
{
    int before = woken, done = 0;
    while (done < n) {                            /* until that many were really asleep */
        done += (int)futex(&word, operation, n - done, NULL, NULL, 0);
        sched_yield();
    }
    CHECK_EQ(done, n);
    while (woken < before + n)
        check_sleep_ms(1);
    check_sleep_ms(3);
    CHECK_EQ(woken, before + n);
}

static void futex_wake_counts(void)
{
    pthread_t thread[4];
    for (int i = 0; i < 4; i++)
        start(&thread[i], futex_waiter, (void *)(long)FUTEX_WAIT_PRIVATE);
    wake_exactly(FUTEX_WAKE_PRIVATE, 1);
    wake_exactly(FUTEX_WAKE_PRIVATE, 3);
    CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 0);
    for (int i = 0; i < 4; i++)
        join(thread[i]);
}

static void futex_requeue_moves_waiters(void)
{
    pthread_t thread[3];
    for (int i = 0; i < 3; i++)
        start(&thread[i], futex_waiter, (void *)(long)FUTEX_WAIT_PRIVATE);
    long moved = 0;
    CHECK_ERR(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)3L, &word2, 1), EAGAIN);
    while (moved < 3) {
        moved += futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)3L, &word2, 0);
        sched_yield();
    }
    CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 0);
    CHECK_EQ(woken, 0);
    CHECK_EQ(futex(&word2, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 3);
    for (int i = 0; i < 3; i++)
        join(thread[i]);
}

/* A futex in shared memory is one, at whatever address each process has it; in private memory,
 * parent and child have two. */
static void futex_between_processes(void)
{
    int fd = check_file(PAGE);
    volatile int *here = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(here != MAP_FAILED);
    pid_t pid = check_fork();
    if (pid == 0) {
        volatile int *there = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        CHECK(there != here);
        CHECK_EQ(futex(there, FUTEX_WAIT, 0, NULL, NULL, 0), 0);
        _exit(0);
    }
    while (futex(here, FUTEX_WAKE, 1, NULL, NULL, 0) == 0)
        check_sleep_ms(1);
    CHECK_EXIT(pid, 0);
    pid = check_fork();
    if (pid == 0) {
        struct timespec limit = { 0, 20000000 };
        CHECK_ERR(futex(&word, FUTEX_WAIT, 0, &limit, NULL, 0), ETIMEDOUT);
        _exit(0);
    }
    check_sleep_ms(5);
    CHECK_EQ(futex(&word, FUTEX_WAKE, 9, NULL, NULL, 0), 0);
    CHECK_EXIT(pid, 0);
}

static const struct check_case cases[] = {
    CASE(futex_errors_and_timeouts),
    CASE(futex_wake_counts),
    CASE(futex_requeue_moves_waiters),
    CASE(futex_between_processes),
};
CHECK_MAIN(cases)
