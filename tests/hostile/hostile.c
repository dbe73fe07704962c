/*
 * hostile.c - programs that want to bring their kernel down, or never to end.
 *
 *     hostile MODE [NUMBER]
 *
 * Modes of the first table have no end of their own; those of the second end by themselves, with 0 where
 * the kernel said what it should, with a line and 1 otherwise, or are killed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long number;
static char *self;

static void fail(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    fflush(stdout);
    _exit(1);
}

#define WANT(condition) do { if (!(condition)) fail(#condition); } while (0)

static char *memory(size_t n)
{
    char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    WANT(p != MAP_FAILED);
    return p;
}

static void spin_for_ever(void)
{
    for (;;)
        __asm__ volatile("");
}

/* ---- without an end ------------------------------------------------------------------------- */

static void spin(void)
{
    spin_for_ever();
}

static void spin_in_memory(void)
{
    volatile char *p = memory(1 << 24);

    for (unsigned i = 0;; i += 4096 + 8)
        p[i & 0xffffff]++;
}

static void processes(void)
{
    for (long i = 0; i < number; i++)
        if (fork() == 0) {
            if (i % 2)
                for (;;)
                    pause();
            spin_for_ever();
        }
    for (;;)
        pause();
}

static void threads_on_a_futex(void)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    void *(*body)(void *) = (void *(*)(void *))pthread_mutex_lock;

    pthread_mutex_lock(&mutex);
    for (int i = 0; i < 100; i++)
        (void)!pthread_create(&thread, NULL, body, &mutex);
    pthread_mutex_lock(&mutex);
}

static void stopped(void)
{
    raise(SIGSTOP);
    spin_for_ever();
}

static void traced(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        spin_for_ever();
    }
    waitpid(pid, NULL, 0);
    for (;;)
        pause();
}

static void vfork_and_sleep(void)
{
    if (vfork() == 0) {
        struct timespec long_time = {1000, 0};
        nanosleep(&long_time, NULL);
        _exit(0);
    }
}

static void vfork_and_spin(void)
{
    if (vfork() == 0)
        spin_for_ever();
}

static void reading(void)
{
    char c;

    while (read(0, &c, 1) > 0)
        ;
    for (;;) /* an end that was not expected */
        pause();
}

static void writing(void)
{
    static char bytes[1 << 16];

    while (write(1, bytes, sizeof bytes) > 0)
        ;
    _exit(1);
}

static void opening_a_fifo(void)
{
    mkfifo("fifo", 0600);
    open("fifo", O_RDONLY);
}

static void accepting(void)
{
    struct sockaddr a = {AF_INET, {0}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    bind(fd, &a, sizeof a);
    listen(fd, 1);
    accept(fd, NULL, NULL);
    for (;;)
        pause();
}

static void ending_large(void)
{
    char *p = memory(1UL << 31);

    for (size_t i = 0; i < 1UL << 31; i += 4096)
        p[i] = 1;
    for (;;)
        if (fork() == 0) {
            for (size_t i = 0; i < 1UL << 28; i += 4096)
                p[i] = 2;
            _exit(0);
        } else {
            wait(NULL);
        }
}

static void ending_many(void)
{
    for (;;) {
        for (int i = 0; i < 500; i++)
            if (fork() == 0)
                pause();
        signal(SIGTERM, SIG_IGN);
        kill(0, SIGTERM);
        kill(-1, SIGKILL);
        while (wait(NULL) > 0)
            ;
    }
}

/* One call that could take for ever. */
#define FOREVER(name, setup, call) static void name(void) { setup; for (;;) (void)!(call); }
#define GIB (1UL << 30)

FOREVER(read_zeros, int fd = open("/dev/zero", O_RDONLY); char *p = memory(8 * GIB), read(fd, p, 2 * GIB - 4096))
FOREVER(random_bytes, char *p = memory(8 * GIB), getrandom(p, 2 * GIB - 4096, 0))
FOREVER(write_nothing, int fd = open("/dev/null", O_WRONLY); char *p = memory(8 * GIB),
        write(fd, p, 2 * GIB - 4096))
FOREVER(send_zeros, int in = open("/dev/zero", O_RDONLY); int out = open("/dev/null", O_WRONLY),
        sendfile(out, in, NULL, 2 * GIB))
FOREVER(populate, , mmap(NULL, 3 * GIB, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == MAP_FAILED)
FOREVER(lock_memory, char *p = memory(8 * GIB), mlock(p, 3 * GIB) + munlock(p, 3 * GIB))
FOREVER(copy_memory, char *p = memory(8 * GIB); struct iovec v[2]; v[0].iov_base = p; v[1].iov_base = p + 4 * GIB;
        v[0].iov_len = v[1].iov_len = 4 * GIB, process_vm_writev(getpid(), v, 1, v + 1, 1, 0))
FOREVER(fork_large, char *p = memory(GIB); memset(p, 1, GIB), fork() ? wait(NULL) : (_exit(0), 0))
FOREVER(give_back, char *p = memory(12 * GIB), madvise(p, 12 * GIB, MADV_DONTNEED) + (memset(p, 1, 1 << 20), 0))
FOREVER(protect, char *p = memory(12 * GIB), mprotect(p + 4096, 11 * GIB, (int)(random() & 3)))
FOREVER(execs, setenv("X", memset(memory(1 << 17), 'x', (1 << 17) - 1), 1),
        execl(self, self, "execs", "1", NULL))
FOREVER(poll_many, struct rlimit l; getrlimit(RLIMIT_NOFILE, &l); l.rlim_cur = l.rlim_max;
        setrlimit(RLIMIT_NOFILE, &l); size_t n = l.rlim_cur < 1000000 ? l.rlim_cur : 1000000;
        struct pollfd *p = calloc(n, sizeof *p), poll(p, n, 0))
FOREVER(scatter, struct iovec *v = calloc(1024, sizeof *v); char *p = memory(GIB);
        for (int i = 0; i < 1024; i++) (v[i].iov_base = p + i * 4096UL, v[i].iov_len = GIB / 1024);
        int fd = open("/dev/zero", O_RDONLY), readv(fd, v, 1024))
FOREVER(sync_file, int fd = open("big", O_RDWR | O_CREAT, 0600); char *p = (ftruncate(fd, GIB / 4),
        mmap(NULL, GIB / 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)), (memset(p, (int)random(), GIB / 4),
        msync(p, GIB / 4, MS_SYNC)))
FOREVER(copy_file, int a = open("a", O_RDWR | O_CREAT, 0600); int b = open("b", O_RDWR | O_CREAT, 0600);
        (void)!ftruncate(a, (off_t)(2 * GIB)), (lseek(a, 0, SEEK_SET), lseek(b, 0, SEEK_SET),
        sendfile(b, a, NULL, 2 * GIB)))
FOREVER(shared_memory, char *p = mmap(NULL, 2 * GIB, PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), getrandom(p, GIB, 0))

/* ---- bombs ---------------------------------------------------------------------------------- */

static void fork_bomb(void)
{
    signal(SIGCHLD, SIG_IGN);
    for (;;)
        fork();
}

static void memory_bomb(void)
{
    for (;;)
        memset(memory(1 << 20), 1, 1 << 20);
}

/* Every child takes what it can get; the first process is told of nothing. */
static void memory_of_many(void)
{
    for (int i = 0; i < 8; i++)
        if (fork() == 0)
            memory_bomb();
    while (wait(NULL) > 0)
        ;
    _exit(0);
}

static void descriptor_bomb(void)
{
    struct rlimit l;
    long n = 0;

    getrlimit(RLIMIT_NOFILE, &l);
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
    while (open("/proc/self/exe", O_RDONLY) >= 0)
        n++;
    WANT((errno == EMFILE || errno == ENFILE) && n > 100);
}

/* In several processes, so that the limit of one does not help. */
static void descriptors_of_many(void)
{
    int status;

    for (int i = 0; i < 4; i++)
        if (fork() == 0) {
            descriptor_bomb();
            sleep(1);
            _exit(0);
        }
    while (wait(&status) > 0)
        WANT(status == 0);
}

static void pipe_bomb(void)
{
    static char bytes[1 << 16];
    int ends[2];
    long n = 0;

    while (pipe2(ends, O_NONBLOCK) == 0) {
        fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
        while (write(ends[1], bytes, sizeof bytes) > 0)
            ;
        WANT(errno == EAGAIN || errno == ENOMEM);
        n++;
    }
    WANT((errno == EMFILE || errno == ENFILE || errno == ENOMEM) && n > 20);
}

static void socket_bomb(void)
{
    static char bytes[1 << 14];
    int ends[2];
    long n = 0;

    while (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends) == 0) {
        int size = 1 << 30;

        setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        while (send(ends[0], bytes, sizeof bytes, 0) > 0)
            ;
        n++;
    }
    WANT((errno == EMFILE || errno == ENFILE || errno == ENOMEM) && n > 20);
}

static void deep_path(void)
{
    int depth = 0;

    while (depth < number && mkdir("d", 0700) == 0 && chdir("d") == 0)
        depth++;
    WANT(depth == number || errno == ENAMETOOLONG || errno == ENOMEM);
    char name[PATH_MAX];
    WANT(getcwd(name, sizeof name) || errno == ENAMETOOLONG || errno == ERANGE);
    for (; depth; depth--)
        WANT(chdir("..") == 0 && rmdir("d") == 0);
    char *path = memset(malloc(PATH_MAX), '/', PATH_MAX);
    for (int i = 0; i < PATH_MAX - 2; i += 2)
        path[i] = '.';
    path[PATH_MAX - 1] = 0;
    WANT(open(path, O_PATH) >= 0 || errno == ENAMETOOLONG);
}

static void *a_thread(void *unused)
{
    pause();
    return unused;
}

static void thread_bomb(void)
{
    pthread_attr_t small;
    pthread_t thread;
    int r, n = 0;

    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, PTHREAD_STACK_MIN);
    while ((r = pthread_create(&thread, &small, a_thread, NULL)) == 0)
        n++;
    errno = r;
    WANT((r == EAGAIN || r == ENOMEM) && n > 50);
}

static void map_everything(void)
{
    size_t size = 1UL << 46;
    long n = 0;

    for (; size >= 4096; size /= 2)
        while (n < 100000 && mmap(NULL, size, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED)
            n++;
    WANT(errno == ENOMEM && n > 5);
}

static void exec_loop(void)
{
    char text[20];

    if (number == 0)
        return;
    sprintf(text, "%ld", number - 1);
    execl(self, self, "exec_loop", text, NULL);
    fail("execl");
}

static void garbage(void)
{
    uint32_t *code = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int status;

    for (int i = 0; i < number; i++) {
        srandom((unsigned)i);
        if (fork() == 0) {
            alarm(2);
            close(0), close(1);
            for (int j = 0; j < 1 << 14; j++) {
                code[j] = (uint32_t)random() << 1 ^ (uint32_t)random();
                if ((code[j] & 0x7f) == 0x73 && code[j] >> 7 == 0) /* no ecall */
                    code[j] = 0;
            }
            __asm__ volatile("fence.i");
            ((void (*)(void))code)();
            _exit(0);
        }
        WANT(wait(&status) > 0);
    }
}

static void on_signal(int signal)
{
    (void)signal;
}

static void signal_storm(void)
{
    struct itimerval timer = {{0, 1}, {0, 1}};
    union sigval value = {0};
    pid_t pids[4];
    long sent = 0;

    for (int i = 1; i < 32; i++)
        signal(i, on_signal);
    for (int i = 0; i < 4; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            setitimer(ITIMER_REAL, &timer, NULL);
            for (;;) {
                for (int j = 0; j < i; j++)
                    kill(pids[j], SIGUSR1);
                kill(getppid(), SIGUSR2);
            }
        }
    }
    while (sent < number && (sigqueue(pids[0], SIGRTMIN, value) == 0 || errno == EAGAIN))
        sent++;
    for (int i = 0; i < 4; i++)
        kill(pids[i], SIGKILL);
    WANT(sent == number);
}

static void stack_bomb(void)
{
    volatile char page[4096];

    page[0] = 1;
    stack_bomb();
    page[1] = page[0];
}

static void file_bomb(void)
{
    char name[20];
    long i = 0;

    for (; i < number; i++) {
        sprintf(name, "f%ld", i);
        int fd = open(name, O_CREAT | O_RDWR, 0600);
        if (fd < 0)
            break;
        ftruncate(fd, LONG_MAX);
        lseek(fd, LONG_MAX - 4096, SEEK_SET);
        (void)!write(fd, name, sizeof name);
        close(fd);
    }
    for (; i; i--) {
        sprintf(name, "f%ld", i - 1);
        unlink(name);
    }
}

static void timer_bomb(void)
{
    timer_t t;
    struct sigevent e = {.sigev_notify = SIGEV_NONE};
    long n = 0;

    while (n < 200000 && timer_create(CLOCK_MONOTONIC, &e, &t) == 0)
        n++;
    WANT(n == 200000 || errno == EAGAIN || errno == ENOMEM);
}

#define MODE(name) {#name, name}
static const struct { const char *name; void (*run)(void); } modes[] = {
    MODE(spin), MODE(spin_in_memory), MODE(processes), MODE(threads_on_a_futex), MODE(stopped), MODE(traced),
    MODE(vfork_and_sleep), MODE(vfork_and_spin), MODE(reading), MODE(writing), MODE(opening_a_fifo),
    MODE(accepting), MODE(ending_large), MODE(ending_many), MODE(read_zeros), MODE(random_bytes),
    MODE(write_nothing), MODE(send_zeros), MODE(populate), MODE(lock_memory), MODE(copy_memory),
    MODE(fork_large), MODE(give_back), MODE(protect), MODE(execs), MODE(poll_many), MODE(scatter),
    MODE(sync_file), MODE(copy_file), MODE(shared_memory),
    MODE(fork_bomb), MODE(memory_bomb), MODE(memory_of_many), MODE(descriptor_bomb), MODE(descriptors_of_many),
    MODE(pipe_bomb), MODE(socket_bomb), MODE(deep_path), MODE(thread_bomb), MODE(map_everything),
    MODE(exec_loop), MODE(garbage), MODE(signal_storm), MODE(stack_bomb), MODE(file_bomb), MODE(timer_bomb),
};

int main(int argc, char **argv)
{
    self = argv[0];
    number = argc > 2 ? atol(argv[2]) : 1000;
    for (size_t i = 0; argc > 1 && i < sizeof modes / sizeof *modes; i++)
        if (strcmp(modes[i].name, argv[1]) == 0) {
            modes[i].run();
            _exit(0);
        }
    return 2;
}
