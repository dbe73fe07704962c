/*
 * hoard.c - programs that have the kernel keep as much for them as it will.
 *
 *     hoard MODE
 *
 * Each goes on until the kernel says no, with an errno that Linux has for it, and then shows that the
 * kernel works still: ends with 0, or with a line and 1. How much that was, tests/run-hoard looks at from outside.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096L

static char bytes[1 << 16];

static void fail(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    fflush(stdout);
    _exit(1);
}

#define WANT(condition) do { if (!(condition)) fail(#condition); } while (0)
#define REFUSED (errno == ENOMEM || errno == ENOBUFS || errno == ENFILE || errno == EAGAIN || errno == ENOSPC || \
                 errno == ETOOMANYREFS || errno == ENOLCK)

/* Many processes, each with as many descriptors as it may have, until one is refused something else. `one`
   uses some descriptors; 0, or -1 and errno. */
static void hoard(int (*one)(void), int most)
{
    int ready[2];
    char c = 'f';

    for (int i = 0; i < most && c == 'f'; i++) {
        if (pipe(ready))
            break;
        pid_t pid = fork();
        if (pid == 0) {
            close(ready[0]);
            while (one() == 0)
                ;
            c = errno == EMFILE ? 'f' : REFUSED ? 'r' : '?';
            if (c == '?')
                printf("refused with %s\n", strerror(errno));
            fflush(stdout);
            (void)!write(ready[1], &c, 1); /* without memory the end says the same */
            if (c != 'f')
                _exit(0);
            pause();
        }
        close(ready[1]);
        if (pid < 0 || read(ready[0], &c, 1) != 1) /* or it was killed for memory */
            c = 'r';
        close(ready[0]);
    }
    WANT(c != '?');
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    while (wait(NULL) > 0)
        ;
    WANT(pipe(ready) == 0 && write(ready[1], bytes, 100) == 100);
}

static int full_pipe(void)
{
    int ends[2];

    if (pipe2(ends, O_NONBLOCK))
        return -1;
    while (write(ends[1], bytes, sizeof bytes) > 0)
        ;
    return errno == EAGAIN ? 0 : -1;
}

static int large_pipe(void)
{
    int ends[2];

    if (pipe2(ends, O_NONBLOCK) || fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) < 0)
        return -1;
    while (write(ends[1], bytes, sizeof bytes) > 0)
        ;
    return errno == EAGAIN ? 0 : -1;
}

static int empty_pipe(void)
{
    int ends[2];
    return pipe2(ends, O_NONBLOCK);
}

static int sockets(int type, size_t n)
{
    int ends[2], size = 1 << 30;

    if (socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, ends))
        return -1;
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    while (send(ends[0], bytes, n, 0) >= 0)
        ;
    return errno == EAGAIN ? 0 : -1;
}

static int datagrams(void) { return sockets(SOCK_DGRAM, 16384); }
static int streams(void) { return sockets(SOCK_STREAM, sizeof bytes); }

/* One byte and 200 descriptors a time. */
static int rights(void)
{
    int ends[2], fds[200];
    union { struct cmsghdr head; char room[CMSG_SPACE(sizeof fds)]; } control;
    struct iovec one = {bytes, 1};
    struct msghdr msg = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends))
        return -1;
    for (int i = 0; i < 200; i++)
        fds[i] = ends[i & 1];
    control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fds), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.head), fds, sizeof fds);
    while (sendmsg(ends[0], &msg, 0) > 0)
        ;
    return errno == EAGAIN ? 0 : -1;
}

/* Each socket travels in the next one, and only the last is open. */
static int chain_of_rights(void)
{
    int ends[2];
    static int last = -1;
    union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } control;
    struct iovec one = {bytes, sizeof bytes};
    struct msghdr msg = {.msg_iov = &one, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends))
        return -1;
    control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.head), &last, sizeof last);
    if (last >= 0 && sendmsg(ends[0], &msg, 0) < 0)
        return -1;
    if (last >= 0)
        close(last);
    close(ends[0]);
    last = ends[1];
    return 0;
}

static int events(void) { return eventfd(0, 0) < 0 ? -1 : 0; }

static int watches(void)
{
    static int end = -1;
    int set = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN};

    if (end < 0)
        WANT((end = eventfd(0, 0)) >= 0);
    if (set < 0)
        return -1;
    for (int i = 900; i < 1000; i++) { /* the same file under many numbers */
        if (dup2(end, i) < 0 || epoll_ctl(set, EPOLL_CTL_ADD, i, &ev))
            return -1;
    }
    return 0;
}

static int terminals(void) { return posix_openpt(O_RDWR | O_NOCTTY) < 0 ? -1 : 0; }

static int long_names(void)
{
    static char name[3900] = "/proc/";

    if (strlen(name) < 10) {
        memset(name + 6, '/', sizeof name - 20);
        strcat(name, "self/stat");
    }
    int fd = open(name, O_RDONLY);
    return fd < 0 || read(fd, bytes, 1) != 1 ? -1 : 0;
}

static int texts(void)
{
    static char *p;
    if (!p) {
        WANT((p = mmap(NULL, 4000 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED);
        for (int i = 0; i < 4000; i += 2)
            if (mprotect(p + i * PAGE, PAGE, PROT_NONE))
                return -1;
    }
    int fd = open("/proc/self/maps", O_RDONLY);
    return fd < 0 || read(fd, bytes, 1) != 1 ? -1 : 0;
}

static int record_locks(void)
{
    static int fd = -1, n;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};

    if (fd < 0)
        WANT((fd = open(".", O_TMPFILE | O_RDWR, 0600)) >= 0 || (fd = memfd_create("locks", 0)) >= 0);
    lock.l_start = 2 * n++;
    if (n > 20000)
        errno = EMFILE; /* the next process; the list of one file is long enough */
    return n > 20000 ? -1 : fcntl(fd, F_SETLK, &lock);
}

static int regions(void)
{
    char *p = mmap(NULL, 60000 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return -1;
    for (int i = 0; i < 60000; i += 2)
        if (mprotect(p + i * PAGE, PAGE, PROT_NONE))
            return -1;
    errno = EMFILE;
    return -1;
}

/* The zero page all over the place costs table nodes only. */
static int tables(void)
{
    long n = 1L << 34;
    volatile char *p = mmap(NULL, (size_t)n, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return -1;
    for (long i = 0; i < n; i += 64 * PAGE)
        (void)p[i];
    errno = EMFILE;
    return -1;
}

static int sysv_messages(void) /* they outlive who made them */
{
    int q = msgget(IPC_PRIVATE, 0600);
    struct { long type; char text[8000]; } m = {.type = 1};
    if (q < 0)
        return -1;
    while (msgsnd(q, &m, sizeof m.text, IPC_NOWAIT) == 0)
        ;
    return errno == EAGAIN ? 0 : -1;
}

static int semaphores(void) { return semget(IPC_PRIVATE, 32000, 0600) < 0 ? -1 : 0; }

static int posix_messages(void)
{
    static int n;
    char name[40];
    struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    struct mq_attr a = {.mq_maxmsg = 10, .mq_msgsize = 8192};

    setrlimit(RLIMIT_MSGQUEUE, &all);
    snprintf(name, sizeof name, "/hoard-%d-%d", getpid(), n++);
    mqd_t q = mq_open(name, O_CREAT | O_RDWR | O_NONBLOCK, 0600, &a);
    if (q < 0)
        return -1;
    while (mq_send(q, bytes, 8192, 0) == 0)
        ;
    return errno == EAGAIN ? 0 : -1;
}

static int queued_signals(void)
{
    sigset_t all;
    union sigval v = {0};
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    return sigqueue(getpid(), SIGRTMIN, v);
}

/* Pages of nothing but small instructions, each run from its begin to its end; what was made of them goes and
   comes again, and what is stored to them in between counts. */
#define CODE_PAGES 6000L

static int code(void)
{
    const unsigned short add = 0x0505, add_2 = 0x0509, ret = 0x8082; /* c.addi a0, 1; c.addi a0, 2; c.jr ra */
    unsigned short *p = mmap(NULL, CODE_PAGES * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    long page = PAGE / 2, last = page - 1;

    WANT(p != MAP_FAILED);
    for (long i = 0; i < CODE_PAGES * page; i++)
        p[i] = i % page == last ? ret : add;
    for (int pass = 0; pass < 3; pass++) {
        __builtin___clear_cache((char *)p, (char *)(p + CODE_PAGES * page));
        for (long i = 0; i < CODE_PAGES; i++) {
            long (*run)(long) = (long (*)(long))(void *)(p + i * page);
            long sum = run(i);
            if (i % 1000 == 0) { /* code that is there still, just run */
                p[i * page + 1] = add_2;
                __builtin___clear_cache((char *)run, (char *)run + PAGE);
                WANT(run(i) == i + last + 1 + (pass == 2));
                p[i * page + 1] = add;
            }
            WANT(sum == i + last + (pass == 2));
        }
        for (long i = 0; pass == 1 && i < CODE_PAGES; i++) /* most of it is gone */
            p[i * page] = add_2;
    }
    errno = EMFILE;
    return -1;
}

static int timers(void)
{
    timer_t t;
    struct sigevent e = {.sigev_notify = SIGEV_NONE};
    return timer_create(CLOCK_MONOTONIC, &e, &t);
}

/* What nobody reads: events of a file in memory, each another than the last. */
static int notices(void)
{
    char path[32];
    int queue = inotify_init1(IN_NONBLOCK), file = queue < 0 ? -1 : memfd_create("watched", 0);
    if (file < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (inotify_add_watch(queue, path, IN_ALL_EVENTS) < 0)
        return -1;
    for (int i = 0; i < 8200; i++)
        if (fchmod(file, 0600) || ftruncate(file, 0))
            return -1;
    return 0;
}

static const struct { const char *name; int (*one)(void); int most; } modes[] = {
    {"full_pipe", full_pipe, 200}, {"large_pipe", large_pipe, 200}, {"empty_pipe", empty_pipe, 3000},
    {"datagrams", datagrams, 200}, {"streams", streams, 200},
    {"rights", rights, 200}, {"chain_of_rights", chain_of_rights, 200}, {"events", events, 3000},
    {"watches", watches, 4}, {"terminals", terminals, 4}, {"long_names", long_names, 200},
    {"texts", texts, 2000}, {"record_locks", record_locks, 2}, {"regions", regions, 2000},
    {"tables", tables, 8}, {"sysv_messages", sysv_messages, 200}, {"semaphores", semaphores, 200},
    {"posix_messages", posix_messages, 200}, {"queued_signals", queued_signals, 20}, {"timers", timers, 2000},
    {"notices", notices, 2},
    {"code", code, 1},
};

int main(int argc, char **argv)
{
    const char *mode = argc > 1 ? argv[1] : "";

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(mode, modes[i].name) == 0) {
            hoard(modes[i].one, modes[i].most);
            return 0;
        }
    fprintf(stderr, "hoard: no such mode: %s\n", mode);
    return 2;
}
