/* SysV IPC: shared memory, semaphores, message queues (svipc(7)). */
#include "check.h"

#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <pthread.h>

union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
    struct seminfo *info;
};

#ifndef SHM_STAT_ANY
#define SHM_STAT_ANY 15
#endif

static key_t fresh_key(void)
{
    return (key_t)(0x5449 << 16 | (getpid() & 0xffff));
}

/* ---- shared memory */

static int segment(size_t size)
{
    int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
    CHECK(id >= 0);
    return id;
}

static unsigned long attached(int id)
{
    struct shmid_ds ds;
    CHECK_EQ(shmctl(id, IPC_STAT, &ds), 0);
    return ds.shm_nattch;
}

static void shm_over_fork(void)
{
    int id = segment(3 * PAGE);
    volatile int *p = shmat(id, NULL, 0);
    CHECK((void *)p != (void *)-1);
    CHECK_EQ(attached(id), 1);
    struct gate gate = gate_new(), back = gate_new();
    pid_t pid = check_fork();
    if (pid == 0) {
        p[0] = 41;
        gate_open(gate);
        gate_wait(back);
        CHECK_EQ(p[1024], 7);
        CHECK_EQ(shmdt((void *)p), 0);
        gate_open(gate);
        gate_wait(back);
        _exit(0);
    }
    gate_wait(gate);
    CHECK_EQ(p[0], 41);
    CHECK_EQ(attached(id), 2);
    p[1024] = 7;
    gate_open(back);
    gate_wait(gate);
    CHECK_EQ(attached(id), 1);
    gate_open(back);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
}

static void shm_exec_detaches(void)
{
    int id = segment(PAGE);
    CHECK(shmat(id, NULL, 0) != (void *)-1);
    pid_t pid = check_fork();
    if (pid == 0) {
        execl(check_self, check_self, "settings", NULL); /* prints a line more */
        _exit(1);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(attached(id), 1);
    struct shmid_ds ds;
    CHECK_EQ(shmctl(id, IPC_STAT, &ds), 0);
    CHECK_EQ(ds.shm_lpid, pid); /* its end detached */
    CHECK(ds.shm_dtime != 0);
    CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
}

static void shm_removed_lives_on(void)
{
    key_t key = fresh_key();
    int id = shmget(key, PAGE, IPC_CREAT | IPC_EXCL | 0600);
    CHECK(id >= 0);
    CHECK_ERR(shmget(key, PAGE, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
    CHECK_EQ(shmget(key, 0, 0), id);
    CHECK_ERR(shmget(key, PAGE + 1, 0), EINVAL);
    char *p = shmat(id, NULL, 0), *q;
    strcpy(p, "still here");
    CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
    CHECK_ERR(shmget(key, PAGE, 0), ENOENT);
    struct shmid_ds ds;
    CHECK_EQ(shmctl(id, IPC_STAT, &ds), 0);
    CHECK(ds.shm_perm.mode & 01000); /* SHM_DEST */
    q = shmat(id, NULL, 0);
    CHECK(q != (void *)-1);
    CHECK_EQ(strcmp(q, "still here"), 0);
    CHECK_EQ(shmdt(p), 0);
    CHECK_EQ(munmap(q, PAGE), 0); /* as good as shmdt */
    CHECK_ERR(shmctl(id, IPC_STAT, &ds), EINVAL);
    CHECK_ERR(shmdt(p), EINVAL);
}

static void shm_read_only(void)
{
    int id = segment(PAGE);
    char *p = shmat(id, NULL, SHM_RDONLY);
    CHECK(p != (void *)-1);
    CHECK_EQ(p[0], 0);
    CHECK_ERR(mprotect(p, PAGE, PROT_READ | PROT_WRITE), EACCES);
    pid_t pid = check_fork();
    if (pid == 0) {
        *(volatile char *)p = 1;
        _exit(0);
    }
    CHECK_KILLED(pid, SIGSEGV);
    CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
}

static void shm_places(void)
{
    int id = segment(2 * PAGE);
    char *room = check_private(4);
    room[0] = 5;
    CHECK_ERR(shmat(id, room, 0), EINVAL); /* taken */
    CHECK_ERR(shmat(id, room + 1, SHM_REMAP), EINVAL);
    CHECK_ERR(shmat(id, NULL, SHM_REMAP), EINVAL);
    CHECK_EQ(shmat(id, room + 100, SHM_RND | SHM_REMAP), room);
    CHECK_EQ(room[0], 0);
    char *second = shmat(id, NULL, 0);
    room[PAGE] = 9;
    CHECK_EQ(second[PAGE], 9);
    CHECK_EQ(munmap(room, PAGE), 0); /* the rest is still found by its address */
    CHECK_EQ(shmdt(room), 0);
    CHECK_EQ(attached(id), 1);
    CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
}

static void shm_tables(void)
{
    int id = segment(5000);
    struct shmid_ds ds;
    struct shm_info use;
    struct shminfo limits;
    int highest = shmctl(0, SHM_INFO, (struct shmid_ds *)&use), found = -1;
    CHECK(highest >= 0 && use.used_ids >= 1 && use.shm_tot >= 2);
    CHECK_EQ(shmctl(0, IPC_INFO, (struct shmid_ds *)&limits), highest);
    CHECK_EQ(limits.shmmin, 1);
    for (int i = 0; i <= highest && found < 0; i++)
        if (shmctl(i, SHM_STAT, &ds) == id)
            found = i;
    CHECK(found >= 0);
    CHECK_EQ(ds.shm_segsz, 5000);
    CHECK_EQ(ds.shm_cpid, getpid());
    CHECK_EQ(shmctl(found, SHM_STAT_ANY, &ds), id);
    FILE *table = fopen("/proc/sysvipc/shm", "r");
    char line[400];
    int key, listed, seen = 0;
    unsigned mode;
    unsigned long size;
    CHECK(table != NULL);
    while (fgets(line, sizeof line, table))
        if (sscanf(line, "%d %d %o %lu", &key, &listed, &mode, &size) == 4 && listed == id)
            seen += mode == 0600 && size == 5000;
    fclose(table);
    CHECK_EQ(seen, 1);
    ds.shm_perm.mode = 0640;
    CHECK_EQ(shmctl(id, IPC_SET, &ds), 0);
    CHECK_EQ(shmctl(id, IPC_STAT, &ds), 0);
    CHECK_EQ(ds.shm_perm.mode, 0640);
    CHECK_EQ(shmctl(id, IPC_RMID, NULL), 0);
    CHECK_ERR(shmget(IPC_PRIVATE, 0, 0600), EINVAL);
}

/* ---- semaphores */

static int semaphores(int n)
{
    int id = semget(IPC_PRIVATE, n, IPC_CREAT | 0600);
    CHECK(id >= 0);
    return id;
}

static int sem_one(int id, int num, int op, int flags)
{
    struct sembuf buf = { (unsigned short)num, (short)op, (short)flags };
    return semop(id, &buf, 1);
}

static int sem_value(int id, int num)
{
    return semctl(id, num, GETVAL);
}

static void sem_basic(void)
{
    int id = semaphores(3);
    unsigned short values[3] = { 1, 2, 3 }, read[3];
    union semun arg = { .array = values };
    CHECK_EQ(semctl(id, 0, SETALL, arg), 0);
    arg.array = read;
    CHECK_EQ(semctl(id, 0, GETALL, arg), 0);
    CHECK_EQ(memcmp(values, read, sizeof values), 0);
    /* all or nothing */
    struct sembuf two[2] = { { 0, -1, 0 }, { 1, -3, IPC_NOWAIT } };
    CHECK_ERR(semop(id, two, 2), EAGAIN);
    CHECK_EQ(sem_value(id, 0), 1);
    two[1].sem_op = -2;
    CHECK_EQ(semop(id, two, 2), 0);
    CHECK_EQ(sem_value(id, 0), 0);
    CHECK_EQ(sem_value(id, 1), 0);
    CHECK_EQ(semctl(id, 1, GETPID), getpid());
    CHECK_ERR(sem_one(id, 3, 1, 0), EFBIG);
    CHECK_ERR(semop(id, two, 0), EINVAL);
    CHECK_ERR(sem_one(id, 0, 0x7fff, 0) ? -1 : sem_one(id, 0, 1, 0), ERANGE);
    arg.val = 40000;
    CHECK_ERR(semctl(id, 0, SETVAL, arg), ERANGE);
    CHECK_EQ(semctl(id, 0, IPC_RMID), 0);
    CHECK_ERR(sem_one(id, 0, 1, 0), EINVAL);
}

static void sem_wait_counts(void)
{
    int id = semaphores(2);
    union semun one = { .val = 1 };
    CHECK_EQ(semctl(id, 1, SETVAL, one), 0);
    pid_t down = check_fork();
    if (down == 0)
        _exit(sem_one(id, 0, -1, 0) ? 1 : 0);
    pid_t zero = check_fork();
    if (zero == 0)
        _exit(sem_one(id, 1, 0, 0) ? 1 : 0);
    CHECK_SOON(semctl(id, 0, GETNCNT) == 1 && semctl(id, 1, GETZCNT) == 1);
    CHECK_EQ(semctl(id, 0, GETZCNT), 0);
    CHECK_EQ(sem_one(id, 0, 1, 0), 0);
    CHECK_EXIT(down, 0);
    CHECK_EQ(semctl(id, 0, GETPID), down);
    /* zero for an instant only: the waiter has it */
    struct sembuf blink[2] = { { 1, -1, 0 }, { 1, 1, 0 } };
    CHECK_EQ(semop(id, &blink[0], 1), 0);
    CHECK_EQ(semop(id, &blink[1], 1), 0);
    CHECK_EXIT(zero, 0);
    CHECK_EQ(semctl(id, 0, IPC_RMID), 0);
}

static void sem_undo(void)
{
    int id = semaphores(2);
    union semun arg = { .val = 5 };
    CHECK_EQ(semctl(id, 0, SETVAL, arg), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(sem_one(id, 0, -3, SEM_UNDO), 0);
        CHECK_EQ(sem_one(id, 1, 2, SEM_UNDO), 0);
        CHECK_EQ(sem_value(id, 0), 2);
        kill(getpid(), SIGKILL);
    }
    CHECK_KILLED(pid, SIGKILL);
    CHECK_EQ(sem_value(id, 0), 5);
    CHECK_EQ(sem_value(id, 1), 0);
    /* who waits for what the end gives back */
    CHECK_EQ(sem_one(id, 0, -5, 0), 0);
    struct gate gate = gate_new();
    pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(sem_one(id, 0, 1, 0), 0);
        CHECK_EQ(sem_one(id, 0, -1, SEM_UNDO), 0);
        gate_wait(gate);
        _exit(0);
    }
    CHECK_SOON(semctl(id, 0, GETPID) == pid && sem_value(id, 0) == 0);
    gate_open(gate);
    CHECK_EQ(sem_one(id, 0, -1, 0), 0);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(semctl(id, 0, IPC_RMID), 0);
}

static int thread_sem;

static void *post_with_undo(void *arg)
{
    (void)arg;
    CHECK_EQ(sem_one(thread_sem, 0, 1, SEM_UNDO), 0);
    return NULL;
}

static void sem_undo_is_the_process_s(void)
{
    pthread_t thread;
    thread_sem = semaphores(1);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(pthread_create(&thread, NULL, post_with_undo, NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        _exit(sem_value(thread_sem, 0));
    }
    CHECK_EXIT(pid, 1);
    CHECK_EQ(sem_value(thread_sem, 0), 0);
    CHECK_EQ(semctl(thread_sem, 0, IPC_RMID), 0);
}

static void nothing(int number)
{
    (void)number;
}

static void sem_waits_end(void)
{
    int id = semaphores(1);
    struct sembuf down = { 0, -1, 0 };
    struct timespec soon = { 0, 30 * 1000000 };
    long begin = check_now_ms();
    CHECK_ERR(semtimedop(id, &down, 1, &soon), EAGAIN);
    CHECK(check_now_ms() - begin >= 29);
    struct timespec bad = { 0, -1 };
    CHECK_ERR(semtimedop(id, &down, 1, &bad), EINVAL);
    check_handler(SIGALRM, nothing, SA_RESTART);
    check_alarms(20);
    CHECK_ERR(semop(id, &down, 1), EINTR); /* SA_RESTART or not: signal(7) */
    check_alarms(0);
    CHECK_EQ(semctl(id, 0, GETNCNT), 0);
    pid_t pid = check_fork();
    if (pid == 0)
        _exit(semop(id, &down, 1) == -1 && errno == EIDRM ? 0 : 1);
    CHECK_SOON(semctl(id, 0, GETNCNT) == 1);
    CHECK_EQ(semctl(id, 0, IPC_RMID), 0);
    CHECK_EXIT(pid, 0);
}

/* ---- message queues */

struct text {
    long type;
    char text[100];
};

static int queue(void)
{
    int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    CHECK(id >= 0);
    return id;
}

static void put(int id, long type, const char *text)
{
    struct text m = { .type = type };
    strcpy(m.text, text);
    CHECK_EQ(msgsnd(id, &m, strlen(text) + 1, 0), 0);
}

static const char *get(int id, long type, int flags)
{
    static struct text m;
    ssize_t n = msgrcv(id, &m, sizeof m.text, type, flags | IPC_NOWAIT);
    return n < 0 ? "" : m.text;
}

static void msg_types(void)
{
    int id = queue();
    put(id, 3, "three");
    put(id, 1, "one");
    put(id, 2, "two");
    put(id, 1, "one again");
#ifdef MSG_COPY
    CHECK_EQ(strcmp(get(id, 2, MSG_COPY), "two"), 0);
#endif
    CHECK_EQ(strcmp(get(id, 3, MSG_EXCEPT), "one"), 0);
    CHECK_EQ(strcmp(get(id, -2, 0), "one again"), 0);
    CHECK_EQ(strcmp(get(id, 2, 0), "two"), 0);
    CHECK_EQ(strcmp(get(id, 0, 0), "three"), 0);
    struct text m;
    CHECK_ERR(msgrcv(id, &m, sizeof m.text, 0, IPC_NOWAIT), ENOMSG);
    put(id, 7, "a long one");
    CHECK_ERR(msgrcv(id, &m, 3, 0, IPC_NOWAIT), E2BIG);
    CHECK_EQ(msgrcv(id, &m, 3, 0, IPC_NOWAIT | MSG_NOERROR), 3);
    CHECK_EQ(m.type, 7);
    m.type = 0;
    CHECK_ERR(msgsnd(id, &m, 1, 0), EINVAL);
    m.type = 1;
    CHECK_ERR(msgsnd(id, &m, (size_t)1 << 40, 0), EINVAL);
    put(id, 1, "kept"); /* a bad buffer takes nothing out */
    CHECK_ERR(msgrcv(id, (void *)8, 100, 0, IPC_NOWAIT), EFAULT);
#ifdef __riscv
    CHECK_EQ(strcmp(get(id, 0, 0), "kept"), 0); /* Linux loses it */
#endif
    CHECK_EQ(msgctl(id, IPC_RMID, NULL), 0);
}

static void msg_waits(void)
{
    int id = queue();
    struct text m;
    struct msqid_ds ds;
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(msgrcv(id, &m, sizeof m.text, 5, 0), 3);
        _exit(m.text[0]);
    }
    put(id, 4, "not you");
    put(id, 5, "hi");
    CHECK_EXIT(pid, 'h');
    /* full */
    CHECK_EQ(msgctl(id, IPC_STAT, &ds), 0);
    CHECK_EQ(ds.msg_qnum, 1);
    CHECK_EQ(ds.msg_lrpid, pid);
    ds.msg_qbytes = 100;
    CHECK_EQ(msgctl(id, IPC_SET, &ds), 0);
    m.type = 9;
    CHECK_ERR(msgsnd(id, &m, 99, IPC_NOWAIT), EAGAIN);
    pid = check_fork();
    if (pid == 0)
        _exit(msgsnd(id, &m, 99, 0) ? 1 : 0);
    check_sleep_ms(5);
    CHECK_EQ(strcmp(get(id, 0, 0), "not you"), 0);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(msgrcv(id, &m, sizeof m.text, 9, 0), 99);
    check_handler(SIGALRM, nothing, SA_RESTART);
    check_alarms(20);
    CHECK_ERR(msgrcv(id, &m, sizeof m.text, 0, 0), EINTR);
    check_alarms(0);
    struct gate gate = gate_new();
    pid = check_fork();
    if (pid == 0) {
        gate_open(gate);
        _exit(msgrcv(id, &m, sizeof m.text, 0, 0) == -1 && errno == EIDRM ? 0 : 1);
    }
    gate_wait(gate);
    check_sleep_ms(20);
    CHECK_EQ(msgctl(id, IPC_RMID, NULL), 0);
    CHECK_EXIT(pid, 0);
}

/* ---- permissions, and a child of another user */

static void permissions(void)
{
    if (geteuid() != 0)
        check_skip("not root");
    int shm = segment(PAGE), sem = semaphores(1), msg = queue();
    key_t key = fresh_key();
    int keyed = msgget(key, IPC_CREAT | 0600);
    pid_t pid = check_fork();
    if (pid == 0) {
        struct shmid_ds ds;
        struct text m = { .type = 1 };
        CHECK_EQ(setresuid(65534, 65534, 65534), 0);
        CHECK_ERR(shmat(shm, NULL, 0), EACCES);
        CHECK_ERR(shmctl(shm, IPC_STAT, &ds), EACCES);
        CHECK_ERR(shmctl(shm, IPC_RMID, NULL), EPERM);
        CHECK_ERR(sem_one(sem, 0, 1, 0), EACCES);
        CHECK_ERR(semctl(sem, 0, GETVAL), EACCES);
        CHECK_ERR(semctl(sem, 0, IPC_RMID), EPERM);
        CHECK_ERR(msgsnd(msg, &m, 1, 0), EACCES);
        CHECK_ERR(msgget(key, 0600), EACCES);
        CHECK_EQ(msgget(key, 0), keyed);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(shmctl(shm, IPC_RMID, NULL), 0);
    CHECK_EQ(semctl(sem, 0, IPC_RMID), 0);
    CHECK_EQ(msgctl(msg, IPC_RMID, NULL), 0);
    CHECK_EQ(msgctl(keyed, IPC_RMID, NULL), 0);
}

static long setting(const char *path)
{
    FILE *file = fopen(path, "r");
    long value = -1;
    CHECK(file != NULL && fscanf(file, "%ld", &value) == 1);
    fclose(file);
    return value;
}

static void settings(void)
{
    CHECK(setting("/proc/sys/kernel/msgmax") >= 8192);
    CHECK(setting("/proc/sys/kernel/shmmni") >= 4096);
    CHECK(setting("/proc/sys/kernel/sem") >= 250);
    struct seminfo info;
    union semun arg = { .info = &info };
    CHECK(semctl(0, 0, IPC_INFO, arg) >= 0);
    CHECK_EQ(info.semmsl, setting("/proc/sys/kernel/sem"));
}

static const struct check_case cases[] = {
    CASE(shm_over_fork), CASE(shm_exec_detaches), CASE(shm_removed_lives_on), CASE(shm_read_only),
    CASE(shm_places), CASE(shm_tables), CASE(sem_basic), CASE(sem_wait_counts), CASE(sem_undo),
    CASE(sem_undo_is_the_process_s), CASE(sem_waits_end), CASE(msg_types), CASE(msg_waits),
    CASE(permissions), CASE(settings),
};
CHECK_MAIN(cases)
