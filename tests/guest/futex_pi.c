/*
 * futex_pi.c - futexes that name their owner: lock, unlock, trylock, requeue from a condition to a
 * lock, owners that die, deadlocks; robust lists; futex_waitv; and the errors of words that are not there.
 */
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

static long futex(volatile int *word, int operation, long value, const void *timeout,
                  volatile int *word2, long value3)
{
    return syscall(SYS_futex, word, operation, value, timeout, word2, value3);
}

static int gettid_(void)
{
    return (int)syscall(SYS_gettid);
}

static void start(pthread_t *thread, void *(*body)(void *), void *arg)
{
    CHECK_EQ(pthread_create(thread, NULL, body, arg), 0);
}

static void join(pthread_t thread)
{
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static volatile int lock, lock2, cond, stage, order[4], ordered;

static struct timespec in_ms(clockid_t clock, long ms)
{
    struct timespec at;
    clock_gettime(clock, &at);
    at.tv_nsec += ms * 1000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

static void *locker(void *number)
{
    while (stage < (int)(long)number)
        sched_yield();
    CHECK_EQ(futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0), 0);
    CHECK_EQ(lock & FUTEX_TID_MASK, gettid_());
    order[ordered++] = (int)(long)number;
    CHECK_EQ(futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
    return NULL;
}

static void pi_lock_goes_from_hand_to_hand(void)
{
    pthread_t thread[3];
    CHECK_EQ(futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0), 0);
    CHECK_EQ(lock, gettid_());
    CHECK_ERR(futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0), EDEADLK);
    CHECK_ERR(futex(&lock, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), EDEADLK);
    for (long i = 0; i < 3; i++)
        start(&thread[i], locker, (void *)(i + 1));
    for (int i = 1; i <= 3; i++) {
        stage = i;
        CHECK_SOON(lock & (int)FUTEX_WAITERS);
        check_sleep_ms(5);
    }
    CHECK_EQ(futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
    for (int i = 0; i < 3; i++)
        join(thread[i]);
    CHECK_EQ(lock, 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(order[i], i + 1);
}

static void pi_errors(void)
{
    lock = 0;
    CHECK_ERR(futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), EPERM);
    lock = 0x3ffffff0; /* nobody has that number */
    CHECK_ERR(futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0), ESRCH);
    CHECK_ERR(futex((int *)((char *)&lock + 1), FUTEX_LOCK_PI, 0, NULL, NULL, 0), EINVAL);
    CHECK_ERR(futex((int *)16, FUTEX_LOCK_PI, 0, NULL, NULL, 0), EFAULT);
    CHECK_ERR(futex(&cond, FUTEX_CMP_REQUEUE_PI, 2, (void *)1, &lock, 0), EINVAL);
    CHECK_ERR(futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, &cond, 0), EINVAL);
    CHECK_ERR(futex(&cond, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &cond, 0), EINVAL);
    CHECK_ERR(futex(&cond, FUTEX_WAIT_REQUEUE_PI, 1, NULL, &lock, 0), EAGAIN);
    CHECK_ERR(futex(&cond, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0), ENOSYS);
}

static void *waits_to_its_limit(void *arg)
{
    struct timespec at = in_ms(CLOCK_REALTIME, 20);
    (void)arg;
    CHECK_ERR(futex(&lock, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), EAGAIN);
    CHECK_ERR(futex(&lock, FUTEX_LOCK_PI, 0, &at, NULL, 0), ETIMEDOUT);
    at = in_ms(CLOCK_MONOTONIC, 20);
    CHECK_ERR(futex(&lock, FUTEX_LOCK_PI2, 0, &at, NULL, 0), ETIMEDOUT);
    return NULL;
}

static void pi_timeout(void)
{
    pthread_t thread;
    CHECK_EQ(futex(&lock, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), 0);
    start(&thread, waits_to_its_limit, NULL);
    join(thread);
    CHECK_EQ(lock, (int)(FUTEX_WAITERS | (unsigned)gettid_()));
    CHECK_EQ(futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
    CHECK_EQ(lock, 0);
}

static void *locks_both(void *arg)
{
    (void)arg;
    CHECK_EQ(futex(&lock2, FUTEX_LOCK_PI, 0, NULL, NULL, 0), 0);
    stage = 1;
    CHECK_EQ(futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0), 0); /* held by the first thread */
    CHECK_EQ(futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
    CHECK_EQ(futex(&lock2, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
    return NULL;
}

static void pi_deadlock_over_two_locks(void)
{
    pthread_t thread;
    CHECK_EQ(futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0), 0);
    start(&thread, locks_both, NULL);
    CHECK_SOON(stage == 1 && lock & (int)FUTEX_WAITERS);
    check_sleep_ms(5);
    CHECK_ERR(futex(&lock2, FUTEX_LOCK_PI, 0, NULL, NULL, 0), EDEADLK);
    CHECK_EQ(futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
    join(thread);
}

static void *owner_that_ends(void *arg)
{
    (void)arg;
    CHECK_EQ(futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0), 0);
    stage = 1;
    CHECK_SOON(lock & (int)FUTEX_WAITERS);
    check_sleep_ms(5);
    return NULL;
}

static void pi_owner_ends(void)
{
    pthread_t thread;
    start(&thread, owner_that_ends, NULL);
    CHECK_SOON(stage == 1);
    CHECK_EQ(futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0), 0);
    CHECK_EQ(lock & FUTEX_TID_MASK, gettid_());
    CHECK(lock & FUTEX_OWNER_DIED);
    join(thread);
    CHECK_EQ(futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
}

static void nothing(int number)
{
    (void)number;
}

static void *waits_for_the_condition(void *arg)
{
    (void)arg;
    __atomic_fetch_add(&stage, 1, __ATOMIC_SEQ_CST);
    CHECK_EQ(futex(&cond, FUTEX_WAIT_REQUEUE_PI, 0, NULL, &lock, 0), 0);
    CHECK_EQ(lock & FUTEX_TID_MASK, gettid_());
    CHECK_EQ(futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
    return NULL;
}

static void pi_requeue(void)
{
    pthread_t thread[3];
    for (int i = 0; i < 3; i++)
        start(&thread[i], waits_for_the_condition, NULL);
    CHECK_SOON(stage == 3);
    check_sleep_ms(20);
    CHECK_EQ(futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0), 0);
    CHECK_ERR(futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)3, &lock, 1), EAGAIN);
    CHECK_ERR(futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)3, &lock2, 0), EINVAL);
    CHECK_ERR(futex(&cond, FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
    CHECK_EQ(futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)3, &lock, 0), 3);
    CHECK_EQ(futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
    for (int i = 0; i < 3; i++)
        join(thread[i]);
    CHECK_EQ(lock, 0);
}

/* A signal does not end the wait for a lock: the call is made again. */
static void *locker_with_signal(void *arg)
{
    (void)arg;
    stage = gettid_();
    CHECK_EQ(futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0), 0);
    CHECK_EQ(futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
    return NULL;
}

static void pi_signal(void)
{
    pthread_t thread;
    check_handler(SIGUSR1, nothing, 0);
    CHECK_EQ(futex(&lock, FUTEX_LOCK_PI, 0, NULL, NULL, 0), 0);
    start(&thread, locker_with_signal, NULL);
    CHECK_SOON(stage && lock & (int)FUTEX_WAITERS);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(syscall(SYS_tgkill, getpid(), stage, SIGUSR1), 0);
        check_sleep_ms(3);
    }
    CHECK_EQ(futex(&lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0), 0);
    join(thread);
}

/* Robust mutexes of both sorts, in memory shared between processes; the owner is killed. */
static void robust(int protocol)
{
    pthread_mutex_t *mutex = check_shared(1);
    pthread_mutexattr_t attributes;
    struct gate gate = gate_new();
    CHECK_EQ(pthread_mutexattr_init(&attributes), 0);
    CHECK_EQ(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), 0);
    CHECK_EQ(pthread_mutexattr_setprotocol(&attributes, protocol), 0);
    CHECK_EQ(pthread_mutex_init(mutex, &attributes), 0);
    for (int round = 0; round < 2; round++) {
        pid_t pid = check_fork();
        if (pid == 0) {
            CHECK_EQ(pthread_mutex_lock(mutex), 0);
            gate_open(gate);
            for (;;)
                pause();
        }
        gate_wait(gate);
        CHECK_EQ(pthread_mutex_trylock(mutex), EBUSY);
        pid_t killer = round ? check_fork() : 1; /* while we sleep in the lock, or before */
        if (killer == 0) {
            check_sleep_ms(30);
            kill(pid, SIGKILL);
            _exit(0);
        }
        if (!round)
            kill(pid, SIGKILL);
        CHECK_EQ(pthread_mutex_lock(mutex), EOWNERDEAD);
        CHECK_EQ(pthread_mutex_consistent(mutex), 0);
        CHECK_EQ(pthread_mutex_unlock(mutex), 0);
        CHECK_KILLED(pid, SIGKILL);
        if (round)
            CHECK_EXIT(killer, 0);
    }
    CHECK_EQ(pthread_mutex_lock(mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
}

static void robust_plain(void)
{
    robust(PTHREAD_PRIO_NONE);
}

static void robust_pi(void)
{
    robust(PTHREAD_PRIO_INHERIT);
}

static void robust_list_calls(void)
{
    void *head;
    size_t length;
    CHECK_EQ(syscall(SYS_get_robust_list, 0, &head, &length), 0);
    CHECK_EQ(length, 24);
    CHECK_ERR(syscall(SYS_set_robust_list, head, 23), EINVAL);
    CHECK_ERR(syscall(SYS_get_robust_list, 0x3ffffff0, &head, &length), ESRCH);
    CHECK_ERR(syscall(SYS_get_robust_list, 0, (void *)8, &length), EFAULT);
}

struct wait_word {
    uint64_t value, address;
    uint32_t flags, reserved;
};

static volatile int words[3];

static void *wakes_the_second(void *arg)
{
    (void)arg;
    check_sleep_ms(20);
    CHECK_EQ(futex(&words[1], FUTEX_WAKE, 1, NULL, NULL, 0), 1);
    return NULL;
}

static void waitv(void)
{
    struct wait_word list[3];
    pthread_t thread;
    for (int i = 0; i < 3; i++)
        list[i] = (struct wait_word){ 0, (uintptr_t)&words[i], 2, 0 };
    errno = 0;
    if (syscall(SYS_futex_waitv, list, 0, 0, NULL, 0) < 0 && errno == ENOSYS)
        check_skip("no futex_waitv");
    CHECK_ERR(syscall(SYS_futex_waitv, list, 0, 0, NULL, 0), EINVAL);
    CHECK_ERR(syscall(SYS_futex_waitv, list, 129, 0, NULL, 0), EINVAL);
    CHECK_ERR(syscall(SYS_futex_waitv, list, 3, 1, NULL, 0), EINVAL);
    struct timespec at = in_ms(CLOCK_MONOTONIC, 15);
    CHECK_ERR(syscall(SYS_futex_waitv, list, 3, 0, &at, CLOCK_BOOTTIME), EINVAL);
    CHECK_ERR(syscall(SYS_futex_waitv, list, 3, 0, &at, CLOCK_MONOTONIC), ETIMEDOUT);
    list[2].value = 1;
    CHECK_ERR(syscall(SYS_futex_waitv, list, 3, 0, NULL, 0), EAGAIN);
    list[2].value = 0;
    list[2].address = 8;
    CHECK_ERR(syscall(SYS_futex_waitv, list, 3, 0, NULL, 0), EFAULT);
    list[2].address = (uintptr_t)&words[2];
    start(&thread, wakes_the_second, NULL);
    CHECK_EQ(syscall(SYS_futex_waitv, list, 3, 0, NULL, 0), 1);
    join(thread);
    CHECK_EQ(futex(&words[0], FUTEX_WAKE, 1, NULL, NULL, 0), 0); /* nobody is left behind */
}

/* A shared word has to be there, a private one only in the address space. */
static void words_that_are_not_there(void)
{
    volatile int *gone = check_private(1);
    CHECK_EQ(munmap((void *)gone, PAGE), 0);
    CHECK_ERR(futex(gone, FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
    CHECK_EQ(futex(gone, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0), 0);
    CHECK_ERR(futex(gone, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0), EFAULT);
    CHECK_ERR(futex(gone, FUTEX_CMP_REQUEUE, 1, (void *)1, &words[0], 0), EFAULT);
}

static const struct check_case cases[] = {
    CASE(pi_lock_goes_from_hand_to_hand), CASE(pi_errors), CASE(pi_timeout),
    CASE(pi_deadlock_over_two_locks), CASE(pi_owner_ends), CASE(pi_requeue), CASE(pi_signal),
    CASE(robust_plain), CASE(robust_pi), CASE(robust_list_calls), CASE(waitv),
    CASE(words_that_are_not_there),
};
CHECK_MAIN(cases)
