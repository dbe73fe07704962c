/*
 * calls_guest.c - random system calls: arguments after the rows of kernel/syscalls.def, from several
 * processes and threads at once. What the calls answer does not matter; that the kernel under them
 * lives does.
 *
 *     calls_guest SEED ROUNDS [ONLY]   a round: three processes make a few hundred calls each
 *     calls_guest worker SEED          what an exec in one of them starts
 *
 * ONLY: names of calls, with commas; then nine calls of ten are among those. The first process
 * stays out of it: it starts the others, and kills them when a round's time is over.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define PAGES 64
#define CALLS 400 /* of one process, its children's not counted */
#define ROUND_MS 80

struct call {
    int nr;
    const char *name, *args;
};
#define SYSCALL(number, name, arguments) {number, #name, arguments},
static const struct call calls[] = {
#include "kernel/syscalls.def"
};
#define NCALLS (sizeof(calls) / sizeof(calls[0]))

struct name {
    const char *set;
    uint64_t value;
};
#define NAME(set, name, value) {#set, (uint64_t)(value)},
static const struct name names[] = {
#include "abi/names.def"
};
#define NNAMES (sizeof(names) / sizeof(names[0]))

static char *area;      /* PAGES pages: written, read-only, inaccessible, of a file, shared, holes */
static char *deep;      /* a path of more than PATH_MAX */
static char wanted[NCALLS];
static int any_wanted;
static pid_t first;
static int depth;       /* how many forks below the first process */

struct random {
    uint64_t state;
    int calls; /* to go */
};

static uint64_t next(struct random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static unsigned below(struct random *r, unsigned n)
{
    return (unsigned)(next(r) % n);
}

static int chance(struct random *r, unsigned percent)
{
    return below(r, 100) < percent;
}

/* ---- values --------------------------------------------------------------------------------- */

static uint64_t number(struct random *r)
{
    static const uint64_t edges[] = {
        0, 1, 2, 3, 4, 7, 8, 16, 64, 127, 128, 255, 4095, 4096, 4097, 65535, 65536, 0x7fffffff, 0x80000000,
        0xffffffff, 0x100000000, 1ULL << 38, (1ULL << 38) - 4096, 1ULL << 62, 0x7fffffffffffffff,
        1ULL << 63, -4096ULL, -2ULL, -1ULL,
    };

    switch (below(r, 8)) {
    case 0: return next(r);
    case 1: return next(r) >> below(r, 64);
    case 2:
    case 3: return edges[below(r, sizeof(edges) / sizeof(edges[0]))];
    default: return below(r, 20);
    }
}

static uint64_t size(struct random *r)
{
    return chance(r, 70) ? below(r, 300) : chance(r, 50) ? below(r, 20000) : number(r);
}

static uint64_t fd(struct random *r)
{
    return chance(r, 93) ? below(r, 28) : chance(r, 50) ? (uint64_t)-1 : number(r);
}

static uint64_t some_pid(struct random *r)
{
    switch (below(r, 12)) {
    case 0: return 0;
    case 1: return chance(r, 10) ? (uint64_t)-1 : (uint64_t)-getpgid(0);
    case 2:
    case 3: return (uint64_t)getppid();
    case 4: return chance(r, 20) ? number(r) : 1;
    case 5:
    case 6: return (uint64_t)getpid() + below(r, 6);
    case 7: return (uint64_t)syscall(SYS_gettid);
    case 8: return below(r, 60);
    default: return (uint64_t)getpid();
    }
}

/* The first process, on which the round depends, is left alone, mostly. */
static uint64_t pid(struct random *r)
{
    uint64_t id = some_pid(r);

    return (pid_t)id == first && !chance(r, 1) ? 0 : id;
}

static uint64_t one_of(struct random *r, const char *set, size_t n, int flags)
{
    uint64_t value = 0;
    unsigned count = 0;

    for (size_t i = 0; i < NNAMES; i++)
        count += strncmp(names[i].set, set, n) == 0 && !names[i].set[n];
    if (!count || chance(r, 5))
        return number(r);
    for (unsigned many = flags ? below(r, 4) : 1; many; many--) {
        unsigned which = below(r, count);

        for (size_t i = 0; i < NNAMES; i++)
            if (strncmp(names[i].set, set, n) == 0 && !names[i].set[n] && which-- == 0)
                value = flags ? value | names[i].value : names[i].value;
    }
    return value;
}

/* An address with room for n bytes, more or less. */
static char *address(struct random *r, size_t n)
{
    char *page = area + PAGE * below(r, PAGES);

    switch (below(r, 20)) {
    case 0: return NULL;
    case 1: return (char *)number(r);
    case 2: return page + PAGE - below(r, 16); /* over the edge of a page */
    case 3:
    case 4: return page; /* whatever is there */
    case 5: return page + below(r, PAGE);
    default: /* the first half can be written, as long as no call has changed that */
        page = area + PAGE * below(r, PAGES / 2);
        return page + (n < PAGE ? below(r, (unsigned)(PAGE - n)) & ~7u : 0);
    }
}

/* Can it be written now? Asked of the kernel, as the program may have unmapped it. */
static int writable(const void *at, size_t n)
{
    if ((char *)at < area || (char *)at + n > area + PAGE * PAGES)
        return 0;
    return syscall(SYS_getrandom, at, n, 0) == (long)n;
}

/* Memory for a structure that is to be filled in: NULL where the call gets a bad address. */
static void *room(struct random *r, size_t n, uint64_t *argument)
{
    char *at = address(r, n);

    *argument = (uint64_t)at;
    return at && writable(at, n) ? at : NULL;
}

static uint64_t words(struct random *r, unsigned n)
{
    uint64_t at, *to = room(r, n * sizeof(*to), &at);

    for (unsigned i = 0; to && i < n; i++)
        to[i] = number(r);
    return at;
}

static uint64_t halves(struct random *r, unsigned n)
{
    uint64_t at;
    uint32_t *to = room(r, n * sizeof(*to), &at);

    for (unsigned i = 0; to && i < n; i++)
        to[i] = (uint32_t)number(r);
    return at;
}

static uint64_t path(struct random *r)
{
    static const char *const some[] = {
        "f0", "f1", "f2", "f3", "d0", "d0/f0", "d0/d1", "d0/d1/f", "d1", "link", "link/x", "loop", "fifo",
        "", "/", ".", "..", "../..", "d0/..", "/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/ptmx",
        "/dev/pts/0", "/dev/pts/1", "/dev/shm/a", "/proc/self/maps", "/proc/self/mem", "/proc/self/fd/3",
        "/proc/self/exe", "/proc/self/cwd", "/proc/1/status", "/proc/self/task", "/proc/self/pagemap",
        "/proc/self/stat", "/proc/sys/kernel/core_pattern", "/proc/sysvipc/shm", "/proc/self/fd",
        "/proc/meminfo", "/proc/self/fdinfo/1", "/proc/self/oom_score_adj", "/proc/self/comm", "/calls_guest",
        "/proc/thread-self/root/f0", "/sys", "/queue", "user.x", "security.y", "f0/", "d0//d1/../f0",
    };
    uint64_t at;
    char *to;

    if (chance(r, 2))
        return (uint64_t)deep;
    if (chance(r, 85)) {
        const char *what = some[below(r, chance(r, 60) ? 14 : sizeof(some) / sizeof(some[0]))];

        to = room(r, 64, &at);
        if (to)
            strcpy(to, what);
        return at;
    }
    return (uint64_t)address(r, 64); /* whatever bytes, perhaps without an end */
}

static uint64_t duration(struct random *r)
{
    uint64_t at;
    int64_t *to = room(r, 32, &at);

    for (int i = 0; to && i < 4; i += 2) {
        to[i] = chance(r, 90) ? 0 : (int64_t)number(r);
        to[i + 1] = chance(r, 90) ? below(r, 3000000) : (int64_t)number(r);
    }
    return chance(r, 15) ? 0 : at;
}

static uint64_t vectors(struct random *r)
{
    uint64_t at, *to = room(r, 10 * 16, &at);

    for (int i = 0; to && i < 20; i += 2) {
        to[i] = (uint64_t)address(r, 256);
        to[i + 1] = chance(r, 90) ? below(r, 600) : number(r);
    }
    return at;
}

static uint64_t socket_address(struct random *r)
{
    static const char *const some[] = {"sock", "sock2", "\0name", "f0", "d0/sock"};
    uint64_t at;
    struct sockaddr_un *to = room(r, sizeof(*to), &at);

    if (!to)
        return at;
    to->sun_family = chance(r, 80) ? AF_UNIX : (sa_family_t)below(r, 20);
    memset(to->sun_path, 0, sizeof(to->sun_path));
    memcpy(to->sun_path, some[below(r, 5)], 5);
    return at;
}

static uint64_t message(struct random *r)
{
    uint64_t at, *to = room(r, 7 * 8, &at), control;
    struct cmsghdr *c;

    if (!to)
        return at;
    to[0] = chance(r, 60) ? 0 : socket_address(r);
    to[1] = size(r);
    to[2] = vectors(r);
    to[3] = chance(r, 90) ? below(r, 10) : number(r);
    c = room(r, 64, &control);
    if (c) {
        c->cmsg_len = chance(r, 80) ? CMSG_LEN(4 * below(r, 8)) : number(r);
        c->cmsg_level = chance(r, 90) ? SOL_SOCKET : (int)below(r, 300);
        c->cmsg_type = (int)below(r, 4);
        for (int i = 0; i < 8; i++)
            ((int *)CMSG_DATA(c))[i] = (int)fd(r);
    }
    to[4] = chance(r, 50) ? 0 : control;
    to[5] = chance(r, 80) ? 48 : size(r);
    to[6] = below(r, 4);
    return at;
}

static void handler(int signal)
{
    (void)signal;
}

static uint64_t action(struct random *r)
{
    uint64_t at, *to = room(r, 32, &at);

    if (!to)
        return at;
    to[0] = chance(r, 60) ? (uint64_t)handler : chance(r, 80) ? below(r, 3) : number(r);
    to[1] = one_of(r, "sigaction", 9, 1);
    to[2] = chance(r, 50) ? 0 : next(r);
    return at;
}

static uint64_t signal_set(struct random *r)
{
    uint64_t at, *to = room(r, 8, &at);

    if (to)
        *to = chance(r, 50) ? 1ULL << below(r, 64) : chance(r, 50) ? 0 : next(r);
    return at;
}

static uint64_t poll_set(struct random *r)
{
    uint64_t at;
    struct pollfd *to = room(r, 10 * sizeof(*to), &at);

    for (int i = 0; to && i < 10; i++)
        to[i] = (struct pollfd){.fd = (int)fd(r), .events = (short)next(r)};
    return at;
}

static uint64_t arguments(struct random *r)
{
    static char *const some[] = {"worker", "1", "x"};
    uint64_t at;
    char **to = room(r, 6 * sizeof(*to), &at);

    if (!to)
        return at;
    to[0] = chance(r, 90) ? "calls_guest" : (char *)address(r, 8);
    to[1] = chance(r, 90) ? some[0] : NULL;
    to[2] = chance(r, 90) ? some[1 + below(r, 2)] : address(r, 8);
    to[3] = NULL;
    return at;
}

/* Words that operations need: what a call of this name does with a small number. */
static uint64_t operation(struct random *r, const char *type)
{
    static const uint64_t ioctls[] = {
        0x5401, 0x5402, 0x5403, 0x5404, 0x540b, 0x540e, 0x540f, 0x5410, 0x5411, 0x5412, 0x5413, 0x5414, 0x541b,
        0x5421, 0x5422, 0x5423, 0x5424, 0x5425, 0x5429, 0x5450, 0x5451, 0x5452, 0x80045430, 0x40045431,
        0x5441, 0x80045438, 0x5409, 0x540a, 0x540c, 0x540d, 0x5420, 0x5437,
    };

    if (strcmp(type, "FCNTL") == 0)
        return one_of(r, "fcntl", 5, 0);
    if (strcmp(type, "IOCTL") == 0)
        return ioctls[below(r, sizeof(ioctls) / sizeof(ioctls[0]))];
    if (strcmp(type, "FUTEX") == 0)
        return below(r, 14) | (chance(r, 50) ? FUTEX_PRIVATE_FLAG : 0) | (chance(r, 10) ? 256 : 0);
    if (strcmp(type, "OPEN") == 0)
        return chance(r, 40) ? O_RDWR | O_CREAT | O_NONBLOCK : one_of(r, "open", 4, 1);
    if (strcmp(type, "SOCKTYPE") == 0)
        return 1 + below(r, 2) + 3 * below(r, 2) + (chance(r, 70) ? SOCK_NONBLOCK : 0);
    return one_of(r, "clone", 5, 1); /* CLONE */
}

static uint64_t argument(struct random *r, const char *type, size_t n)
{
    const char *set = memchr(type, ':', n);
    char word[24] = "";

    if (*type == '>')
        return (uint64_t)address(r, 200);
    memcpy(word, type, n < 23 ? n : 23);
    if (set) {
        size_t at = (size_t)(set - type);

        word[at] = 0;
        return one_of(r, set + 1, n - at - 1, strcmp(word, "FLAGS") == 0);
    }
#define IS(what) (strcmp(word, what) == 0)
    if (chance(r, 2))
        return number(r);
    if (IS("FD"))
        return fd(r);
    if (IS("DIRFD"))
        return chance(r, 80) ? (uint64_t)AT_FDCWD : fd(r);
    if (IS("PATH"))
        return path(r);
    if (IS("SIZE"))
        return size(r);
    if (IS("PID"))
        return pid(r);
    if (IS("SIG"))
        return chance(r, 40) ? (uint64_t[]){0, 10, 12, 17, 18, 19, 34, 23}[below(r, 8)] : below(r, 66);
    if (IS("UID"))
        return chance(r, 50) ? 0 : chance(r, 50) ? 1000 : number(r);
    if (IS("MODE") || IS("FILEMODE"))
        return chance(r, 80) ? 0777 & next(r) : next(r) & 0177777;
    if (IS("STR") || IS("BUF") || IS("PTR"))
        return chance(r, 30) ? words(r, 1 + below(r, 8)) : chance(r, 20) ? halves(r, 8)
               : (uint64_t)address(r, 256);
    if (IS("IOV"))
        return vectors(r);
    if (IS("TIMESPEC") || IS("TIMESPECS") || IS("ITIMERSPEC") || IS("ITIMERVAL") || IS("TIMEVAL"))
        return duration(r);
    if (IS("SOCKADDR"))
        return socket_address(r);
    if (IS("MSGHDR"))
        return message(r);
    if (IS("SIGACTION"))
        return action(r);
    if (IS("SIGSET"))
        return signal_set(r);
    if (IS("POLLFDS"))
        return poll_set(r);
    if (IS("ARGV") || IS("ENVP"))
        return arguments(r);
    if (IS("FCNTL") || IS("IOCTL") || IS("FUTEX") || IS("OPEN") || IS("SOCKTYPE") || IS("CLONE"))
        return operation(r, word);
    if (IS("STACK") || IS("SIGEVENT") || IS("RLIMIT") || IS("EPOLL_EVENT") || IS("OFFSET") || IS("SIGINFO"))
        return chance(r, 20) ? 0 : words(r, 8);
    if (IS("INT") || IS("UINT") || IS("LONG") || IS("HEX") || IS("FLAGS") || IS("OCT") || IS("DEV"))
        return chance(r, 25) ? (uint64_t)address(r, 64) : number(r);
    return (uint64_t)address(r, 128);
}

/* ---- calls ---------------------------------------------------------------------------------- */

static void go(struct random *r);

/* Where a new thread or process with a stack of its own begins. */
static void child_main(uint64_t seed)
{
    struct random r = {seed, CALLS / 8};

    depth++;
    go(&r);
    syscall(SYS_exit, 0);
}

/* The call itself. A child that got a stack has no caller to return to. */
static long call(long nr, const uint64_t *a, int stack, uint64_t seed)
{
    register long a7 __asm__("a7") = nr;
    register uint64_t a0 __asm__("a0") = a[0], a1 __asm__("a1") = a[1], a2 __asm__("a2") = a[2];
    register uint64_t a3 __asm__("a3") = a[3], a4 __asm__("a4") = a[4], a5 __asm__("a5") = a[5];

    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
    if (a0 == 0 && stack)
        child_main(seed);
    return (long)a0;
}

/* clone and clone3: mostly such as leave both sides something to live on. Is there a stack? */
static int prepare_clone(struct random *r, long nr, uint64_t *a)
{
    uint64_t flags = chance(r, 50) ? 0 : chance(r, 50) ? 0x3d0f00 : one_of(r, "clone", 5, 1);
    uint64_t stack = (uint64_t)area + PAGE * (1 + below(r, PAGES / 2)), *args;

    flags &= ~0x7e020000ULL; /* namespaces */
    if (flags & 0x80000) /* CLONE_SETTLS: ours would be theirs */
        flags &= ~0x80000ULL;
    if (flags & 0x100 && !(flags & 0x4000)) {
        a[1] = stack;
    } else {
        a[1] = 0;
    }
    if (nr == SYS_clone) {
        a[0] = flags | (chance(r, 90) && !(flags & 0x10000) ? SIGCHLD : below(r, 70));
        return a[1] != 0;
    }
    args = room(r, 88, &a[0]);
    a[1] = chance(r, 90) ? 88 : size(r);
    if (!args)
        return 0;
    memset(args, 0, 88);
    args[0] = flags;
    args[4] = flags & 0x10000 ? 0 : SIGCHLD;
    for (int i = 1; i < 4; i++)
        args[i] = (uint64_t)address(r, 8);
    if (!(flags & 0x100) || flags & 0x4000)
        return 0;
    args[5] = stack - PAGE;
    args[6] = PAGE;
    if (chance(r, 10))
        args[below(r, 11)] = number(r);
    return 1;
}

/* Calls that would only end the process, or the round, come seldom. */
static int spared(struct random *r, long nr)
{
    switch (nr) {
    case SYS_exit:
    case SYS_exit_group:
    case SYS_rt_sigreturn:
    case SYS_execve:
    case SYS_execveat:
    case SYS_close_range:
    case SYS_chroot:
    case SYS_setrlimit:
    case SYS_prlimit64:
    case SYS_setsid:
        return !chance(r, 10);
    case SYS_clone:
    case SYS_clone3:
        return depth > 2 || !chance(r, 40);
    case SYS_kill:
    case SYS_tkill:
    case SYS_tgkill:
    case SYS_rt_sigqueueinfo:
        return !chance(r, 30);
    default:
        return 0;
    }
}

static const struct call *pick(struct random *r)
{
    for (;;) {
        const struct call *c = &calls[below(r, NCALLS)];

        if (any_wanted && !wanted[c - calls] && chance(r, 99))
            continue;
        if (!spared(r, c->nr))
            return c;
    }
}

static void one_call(struct random *r)
{
    const struct call *c = pick(r);
    uint64_t a[6], seed = next(r);
    const char *type = c->args;
    int stack = 0;
    long answer;

    for (int i = 0; i < 6; i++) {
        size_t n = strcspn(type, " ");

        a[i] = *type && *type != '=' ? argument(r, type, n) : chance(r, 50) ? 0 : number(r);
        type += n + (type[n] == ' ');
    }
    if (c->nr == SYS_clone || c->nr == SYS_clone3)
        stack = prepare_clone(r, c->nr, a);
    if ((c->nr == SYS_munmap || c->nr == SYS_mprotect || c->nr == SYS_mmap || c->nr == SYS_mremap) &&
        a[0] - (uint64_t)area >= PAGE * PAGES && chance(r, 95))
        a[0] = (uint64_t)area + PAGE * (PAGES / 2 + below(r, PAGES / 2)); /* spares our own memory */
    if ((c->nr == SYS_munmap || c->nr == SYS_mprotect || c->nr == SYS_mmap) && chance(r, 90))
        a[1] = PAGE * below(r, 4);
    answer = call(c->nr, a, stack, seed);
    if ((c->nr == SYS_clone || c->nr == SYS_clone3) && answer == 0) { /* a process of its own */
        depth++;
        *r = (struct random){seed, CALLS / 4};
    }
}

static void go(struct random *r)
{
    while (r->calls-- > 0)
        one_call(r);
}

/* ---- a process ------------------------------------------------------------------------------ */

static void world(struct random *r)
{
    int file, pair[2];

    (void)!mkdir("d0", 0777);
    (void)!mkdir("d0/d1", 0777);
    (void)!symlink("d0", "link");
    (void)!symlink("loop", "loop");
    (void)!mkfifo("fifo", 0666);
    file = open("f0", O_RDWR | O_CREAT, 0666);
    (void)!write(file, area, 10000);
    (void)!open("f1", O_RDWR | O_CREAT | O_APPEND, 0666);
    (void)!open("d0", O_RDONLY | O_DIRECTORY);
    (void)!pipe2(pair, O_NONBLOCK);
    (void)!socketpair(AF_UNIX, SOCK_STREAM | (chance(r, 80) ? SOCK_NONBLOCK : 0), 0, pair);
    (void)!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair);
    (void)!socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    (void)!epoll_create1(0);
    (void)!syscall(SYS_eventfd2, 3, O_NONBLOCK);
    (void)!syscall(SYS_timerfd_create, 1, O_NONBLOCK);
    (void)!syscall(SYS_pidfd_open, getpid(), 0);
    (void)!syscall(SYS_memfd_create, "m", 2);
    (void)!open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
    (void)!open("/proc/self/status", O_RDONLY);
    (void)!open("fifo", O_RDWR | O_NONBLOCK);
    (void)!pipe(pair);
    /* the second half of the area: of all kinds */
    char *half = area + PAGE * PAGES / 2;

    mmap(half, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED, file, 0);
    mmap(half + 4 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE, file, 0);
    mmap(half + 8 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    mprotect(half + 12 * PAGE, 4 * PAGE, PROT_READ);
    mprotect(half + 16 * PAGE, 4 * PAGE, PROT_NONE);
    munmap(half + 24 * PAGE, 4 * PAGE);
}

static void *thread(void *seed)
{
    struct random r = {(uint64_t)seed, CALLS / 2};

    go(&r);
    return NULL;
}

static void worker(uint64_t seed)
{
    struct random r = {seed, CALLS};
    pthread_t other;

    area = mmap((void *)0x10000000, PAGE * PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                -1, 0);
    deep = malloc(6000);
    if (area == MAP_FAILED || !deep)
        _exit(1);
    memset(deep, 'x', 5999);
    deep[5999] = 0;
    for (int i = 0; i < 5000; i += 2)
        memcpy(deep + i, "a/", 2);
    world(&r);
    for (int i = 1; i < 32; i++)
        if (i != SIGKILL && i != SIGSTOP && i != SIGSEGV && i != SIGBUS && i != SIGILL)
            signal(i, chance(&r, 50) ? handler : SIG_IGN);
    if (chance(&r, 30))
        setsid();
    else
        setpgid(0, 0);
    if (chance(&r, 20) && chdir("d0") == 0)
        depth = 1;
    if (chance(&r, 30) && setuid(1000) < 0)
        _exit(1);
    if (chance(&r, 60))
        (void)!pthread_create(&other, NULL, thread, (void *)next(&r));
    go(&r);
    _exit(0);
}

int main(int argc, char **argv)
{
    if (argc > 2 && strcmp(argv[1], "worker") == 0)
        worker(strtoull(argv[2], NULL, 0));
    first = getpid();
    if (argc < 3)
        return 2;
    for (size_t i = 0; argc > 3 && i < NCALLS; i++) {
        char with[64];

        snprintf(with, sizeof(with), ",%s,", calls[i].name);
        wanted[i] = strstr(argv[3], with) != NULL; /* it has a comma at both ends */
        any_wanted |= wanted[i];
    }
    struct random r = {strtoull(argv[1], NULL, 0), 0};

    (void)!chmod(".", 0777);
    for (int i = 0; i < atoi(argv[2]); i++) {
        for (int j = 0; j < 3; j++) {
            uint64_t seed = next(&r);

            if (fork() == 0)
                worker(seed);
        }
        for (int ms = 0; ms < ROUND_MS; ms += 10) {
            usleep(10000);
            while (waitpid(-1, NULL, WNOHANG) > 0)
                ;
            if (waitpid(-1, NULL, WNOHANG) < 0)
                break;
        }
        kill(-1, SIGKILL);
        while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
            ;
    }
    return 0;
}
