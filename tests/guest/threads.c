/*
 * threads.c - pthreads as glibc makes them (clone with all the flags, futexes, TLS, robust lists),
 * and fork and exec among threads. Raw futexes are in futex.c.
 */
#include "check.h"
#include <pthread.h>
#include <semaphore.h>

enum { THREADS = 8, ROUNDS = 2000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static long plain, atomic_sum;
static __thread int mine = 40, mine_zero;

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

static void *add_one(void *arg)
{
    return (void *)((long)arg + 1);
}

static void create_and_join(void)
{
    pthread_t thread;
    for (long i = 0; i < 50; i++) {
        start(&thread, add_one, (void *)i);
        CHECK_EQ((long)join(thread), i + 1);
    }
}

static void *ids(void *arg)
{
    long *out = arg;
    out[0] = syscall(SYS_gettid);
    out[1] = getpid();
    out[2] = getppid();
    return NULL;
}

static void thread_ids(void)
{
    pthread_t thread;
    long out[3];
    start(&thread, ids, out);
    join(thread);
    CHECK(out[0] != getpid());
    CHECK_EQ(out[1], getpid());
    CHECK_EQ(out[2], getppid());
    CHECK_EQ(syscall(SYS_gettid), getpid());
}

static void *own_tls(void *arg)
{
    CHECK_EQ(mine, 40);
    CHECK_EQ(mine_zero, 0);
    mine += (int)(long)arg;
    pthread_barrier_wait(&barrier);
    CHECK_EQ(mine, 40 + (int)(long)arg);
    return &mine;
}

static void tls_is_per_thread(void)
{
    pthread_t thread[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    mine = 1;
    for (long i = 0; i < THREADS; i++)
        start(&thread[i], own_tls, (void *)i);
    for (int i = 0; i < THREADS; i++)
        CHECK(join(thread[i]) != &mine);
    CHECK_EQ(mine, 1);
}

static void *count_up(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&lock);
        plain++;
        pthread_mutex_unlock(&lock);
        __atomic_fetch_add(&atomic_sum, 1, __ATOMIC_RELAXED);
        if (i % 500 == 0)
            sched_yield();
    }
    return NULL;
}

static void mutex_and_atomic_counters(void)
{
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        start(&thread[i], count_up, NULL);
    for (int i = 0; i < THREADS; i++)
        join(thread[i]);
    CHECK_EQ(plain, THREADS * ROUNDS);
    CHECK_EQ(atomic_sum, THREADS * ROUNDS);
}

static int turn;
static void *ping_pong(void *me)
{
    for (int i = 0; i < 200; i++) {
        pthread_mutex_lock(&lock);
        while (turn != (int)(long)me)
            pthread_cond_wait(&changed, &lock);
        turn = !turn;
        plain++;
        pthread_cond_signal(&changed);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void condition_variables(void)
{
    pthread_t a, b;
    start(&a, ping_pong, (void *)0);
    start(&b, ping_pong, (void *)1);
    join(a);
    join(b);
    CHECK_EQ(plain, 400);
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_nsec += 10000000;
    limit.tv_sec += limit.tv_nsec / 1000000000;
    limit.tv_nsec %= 1000000000;
    pthread_mutex_lock(&lock);
    CHECK_EQ(pthread_cond_timedwait(&changed, &lock, &limit), ETIMEDOUT);
    pthread_mutex_unlock(&lock);
}

static int phase[THREADS];
static void *phases(void *arg)
{
    long me = (long)arg;
    for (int i = 1; i <= 20; i++) {
        phase[me] = i;
        pthread_barrier_wait(&barrier);
        for (int k = 0; k < THREADS; k++)
            CHECK_EQ(phase[k], i);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static void barriers(void)
{
    pthread_t thread[THREADS];
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (long i = 0; i < THREADS; i++)
        start(&thread[i], phases, (void *)i);
    for (int i = 0; i < THREADS; i++)
        join(thread[i]);
}

static void *wait_for_broadcast(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    while (!turn)
        pthread_cond_wait(&changed, &lock);
    plain++;
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void many_threads(void)
{
    enum { N = 120 };
    pthread_t thread[N];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 * 1024);
    for (int i = 0; i < N; i++)
        CHECK_EQ(pthread_create(&thread[i], &attributes, wait_for_broadcast, NULL), 0);
    pthread_mutex_lock(&lock);
    turn = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < N; i++)
        join(thread[i]);
    CHECK_EQ(plain, N);
}

static sem_t semaphore;
static void *post_three(void *unused)
{
    (void)unused;
    for (int i = 0; i < 3; i++)
        sem_post(&semaphore);
    return NULL;
}

static void semaphores(void)
{
    pthread_t thread;
    CHECK_EQ(sem_init(&semaphore, 0, 0), 0);
    CHECK_ERR(sem_trywait(&semaphore), EAGAIN);
    start(&thread, post_three, NULL);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sem_wait(&semaphore), 0);
    join(thread);
}

static void *sleep_forever(void *unused)
{
    (void)unused;
    for (;;)
        pause();
    return NULL;
}

static void cancellation(void)
{
    pthread_t thread;
    start(&thread, sleep_forever, NULL);
    CHECK_EQ(pthread_cancel(thread), 0);
    CHECK(join(thread) == PTHREAD_CANCELED);
}

/* A robust mutex whose owner died tells the next one. */
static pthread_mutex_t robust;
static void *die_with_lock(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&robust);
    return NULL;
}

static void robust_mutex_of_a_dead_owner(void)
{
    pthread_mutexattr_t attributes;
    pthread_t thread;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &attributes);
    start(&thread, die_with_lock, NULL);
    join(thread);
    CHECK_EQ(pthread_mutex_lock(&robust), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(&robust), 0);
    CHECK_EQ(pthread_mutex_unlock(&robust), 0);
    CHECK_EQ(pthread_mutex_lock(&robust), 0);
}

/* The same between processes, in shared memory, with a SIGKILL. */
static void robust_mutex_between_processes(void)
{
    pthread_mutex_t *shared = check_shared(1);
    pthread_mutexattr_t attributes;
    struct gate locked = gate_new();
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(shared, &attributes);
    pid_t pid = check_fork();
    if (pid == 0) {
        pthread_mutex_lock(shared);
        gate_open(locked);
        for (;;)
            pause();
    }
    gate_wait(locked);
    CHECK_EQ(pthread_mutex_trylock(shared), EBUSY);
    kill(pid, SIGKILL);
    CHECK_EQ(pthread_mutex_lock(shared), EOWNERDEAD);
    CHECK_KILLED(pid, SIGKILL);
}

static void pi_mutex(void)
{
    pthread_mutexattr_t attributes;
    pthread_mutex_t pi;
    pthread_mutexattr_init(&attributes);
    if (pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT) != 0 ||
        pthread_mutex_init(&pi, &attributes) != 0)
        check_skip("no priority inheritance here");
    CHECK_EQ(pthread_mutex_lock(&pi), 0);
    CHECK_EQ(pthread_mutex_unlock(&pi), 0);
}

/* ---- threads and processes ---- */

static void *forks(void *page)
{
    pid_t pid = check_fork();
    if (pid == 0) {
        pthread_t thread;
        CHECK_EQ(syscall(SYS_gettid), getpid());  /* the forking thread is the leader now */
        strcpy(page, "child");
        start(&thread, add_one, (void *)1);       /* and may make threads again */
        CHECK_EQ((long)join(thread), 2);
        _exit(5);
    }
    CHECK_EXIT(pid, 5);
    return NULL;
}

static void fork_from_a_thread(void)
{
    pthread_t thread[4];
    char *page = check_private(1);
    strcpy(page, "parent");
    for (int i = 0; i < 4; i++)
        start(&thread[i], forks, page);
    for (int i = 0; i < 4; i++)
        join(thread[i]);
    CHECK_EQ(strcmp(page, "parent"), 0);
}

static void *execs(void *unused)
{
    (void)unused;
    execl(check_self, check_self, "--ids", (char *)NULL);
    _exit(127);
}

/* exec from a thread that is not the leader: the new program has the process's pid, one thread. */
static void exec_from_a_thread(void)
{
    volatile pid_t *expected = check_shared(1);
    int out[2];
    pid_t seen[2];
    CHECK_EQ(pipe(out), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        pthread_t thread, others[3];
        dup2(out[1], 30);
        for (int i = 0; i < 3; i++)
            start(&others[i], sleep_forever, NULL);
        expected[0] = getpid();
        start(&thread, execs, NULL);
        for (;;)
            pause();
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(read(out[0], seen, sizeof seen), sizeof seen);
    CHECK_EQ(seen[0], pid);
    CHECK_EQ(seen[1], pid);
}

/* exit_group while others are asleep, running, or in a wait. */
static void *spin(void *unused)
{
    (void)unused;
    for (;;)
        __atomic_fetch_add(&atomic_sum, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void exit_with_busy_threads(void)
{
    pid_t pid = check_fork();
    if (pid == 0) {
        pthread_t thread;
        start(&thread, spin, NULL);
        start(&thread, spin, NULL);
        start(&thread, sleep_forever, NULL);
        check_sleep_ms(5);
        exit(23);
    }
    CHECK_EXIT(pid, 23);
}

static const struct check_case cases[] = {
    CASE(create_and_join),
    CASE(thread_ids),
    CASE(tls_is_per_thread),
    CASE(mutex_and_atomic_counters),
    CASE(condition_variables),
    CASE(barriers),
    CASE(many_threads),
    CASE(semaphores),
    CASE(cancellation),
    CASE(robust_mutex_of_a_dead_owner),
    CASE(robust_mutex_between_processes),
    CASE(pi_mutex),
    CASE(fork_from_a_thread),
    CASE(exec_from_a_thread),
    CASE(exit_with_busy_threads),
};

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--ids") == 0) {
        pid_t ids_now[2] = { getpid(), (pid_t)syscall(SYS_gettid) };
        return write(30, ids_now, sizeof ids_now) != sizeof ids_now;
    }
    return check_main(argc, argv, cases, COUNT(cases));
}
