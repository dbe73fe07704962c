/*
 * check.h - the frame that every guest test hangs in.
 *
 * A test program is a list of named cases. Run without arguments it runs each case in a child of
 * its own (so a crash, a hang or a stray signal action in one case does not reach the next) and
 * prints one line a case:
 *
 *     ok NAME             FAIL NAME: why             skip NAME: why
 *
 * It exits 0 only when no case failed. `prog NAME` runs one case in the calling process, without
 * the extra fork: for debugging. `prog -NAME...` runs all but those. Everything here holds on native Linux too, whatever the machine.
 *
 * CHECK may be used anywhere: in the case, in a child that it forked, in a vfork child, in a
 * thread. It reports with write(2) and ends the process with _exit(2), so it touches no stdio.
 */
#ifndef CHECK_H
#define CHECK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
#define CHECK_SKIPPED 77
#define CHECK_CASE_SECONDS 8

struct check_case {
    const char *name;
    void (*run)(void);
};
#define CASE(fn) { #fn, fn }
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *check_name = "?"; /* the case that is running */
static const char *check_self;       /* this program's path, for exec tests */

__attribute__((unused, format(printf, 1, 2))) static void check_say(const char *format, ...)
{
    char line[600];
    va_list args;

    va_start(args, format);
    int length = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (length > (int)sizeof line - 1)
        length = (int)sizeof line - 1;
    if (write(1, line, (size_t)length) < 0)
        _exit(98);
}

__attribute__((unused, noreturn)) static void check_fail(const char *file, int line,
                                                         const char *what, long a, long b)
{
    int saved = errno;
    const char *base = strrchr(file, '/');

    check_say("FAIL %s: %s:%d: %s (%ld, %ld; errno %d)\n", check_name, base ? base + 1 : file,
              line, what, a, b, saved);
    _exit(99);
}

__attribute__((unused, noreturn)) static void check_skip(const char *why)
{
    check_say("skip %s: %s\n", check_name, why);
    _exit(CHECK_SKIPPED);
}

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond))                                                                               \
            check_fail(__FILE__, __LINE__, #cond, 0, 0);                                           \
    } while (0)

/* Both sides as numbers; on failure both values are shown. */
#define CHECK_EQ(left, right)                                                                      \
    do {                                                                                           \
        long left_ = (long)(left), right_ = (long)(right);                                         \
        if (left_ != right_)                                                                       \
            check_fail(__FILE__, __LINE__, #left " == " #right, left_, right_);                    \
    } while (0)

/* The call must fail, with that errno. */
#define CHECK_ERR(call, error)                                                                     \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long left_ = (long)(call);                                                                 \
        if (left_ != -1 || errno != (error))                                                       \
            check_fail(__FILE__, __LINE__, #call " fails with " #error, left_, errno);             \
    } while (0)

/* fork that must succeed. */
__attribute__((unused)) static pid_t check_fork(void)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    return pid;
}

/* Waits for pid, through EINTR; returns its wait status. */
__attribute__((unused)) static int check_status(pid_t pid)
{
    int status = -1;
    pid_t got;

    do
        got = waitpid(pid, &status, __WALL);
    while (got < 0 && errno == EINTR);
    CHECK_EQ(got, pid);
    return status;
}

#define CHECK_EXIT(pid, code)                                                                      \
    do {                                                                                           \
        int status_ = check_status(pid);                                                           \
        if (!WIFEXITED(status_) || WEXITSTATUS(status_) != (code))                                 \
            check_fail(__FILE__, __LINE__, #pid " exits with " #code, status_, code);              \
    } while (0)
#define CHECK_KILLED(pid, number)                                                                  \
    do {                                                                                           \
        int status_ = check_status(pid);                                                           \
        if (!WIFSIGNALED(status_) || WTERMSIG(status_) != (number))                                \
            check_fail(__FILE__, __LINE__, #pid " killed by " #number, status_, number);           \
    } while (0)

/* n fresh zero pages, private or shared, readable and writable. */
__attribute__((unused)) static void *check_pages(size_t n, int sharing)
{
    void *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}
#define check_private(n) check_pages(n, MAP_PRIVATE)
#define check_shared(n) check_pages(n, MAP_SHARED)

/* An unlinked temporary file of `size` bytes, open for reading and writing. It never has a name, where the
 * file system can do that: so a machine may be copied at any instant. */
__attribute__((unused, noinline)) static int check_file(size_t size)
{
    char path[] = "/tmp/tine-check-XXXXXX";
    int fd = open("/tmp", 020000000 | O_DIRECTORY | O_RDWR, 0600); /* O_TMPFILE */

    if (fd < 0) {
        fd = mkstemp(path);
        CHECK(fd >= 0);
        CHECK_EQ(unlink(path), 0);
    }
    CHECK_EQ(ftruncate(fd, (off_t)size), 0);
    return fd;
}

/* A gate holds one process until another opens it: a pipe that carries single bytes. */
struct gate {
    int end[2];
};

__attribute__((unused)) static struct gate gate_new(void)
{
    struct gate gate;
    CHECK_EQ(pipe(gate.end), 0);
    return gate;
}

__attribute__((unused)) static void gate_open(struct gate gate)
{
    CHECK_EQ(write(gate.end[1], "x", 1), 1);
}

__attribute__((unused)) static void gate_wait(struct gate gate)
{
    char byte;
    ssize_t got;

    do
        got = read(gate.end[0], &byte, 1);
    while (got < 0 && errno == EINTR);
    CHECK_EQ(got, 1);
}

__attribute__((unused)) static void check_sleep_ms(long ms)
{
    struct timespec left = { ms / 1000, ms % 1000 * 1000000 };
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        continue;
}

__attribute__((unused)) static long check_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The condition must become true before long, whatever else the host has to do meanwhile. */
#define CHECK_SOON(cond)                                                                           \
    do {                                                                                           \
        for (int tries_ = 0; tries_ < 5000 && !(cond); tries_++)                                   \
            check_sleep_ms(1);                                                                     \
        CHECK(cond);                                                                               \
    } while (0)

/* Installs a handler with flags and an empty mask. */
__attribute__((unused)) static void check_handler(int number, void (*handler)(int), int flags)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    CHECK_EQ(sigaction(number, &action, NULL), 0);
}

__attribute__((unused)) static void check_action(int number,
                                                 void (*handler)(int, siginfo_t *, void *),
                                                 int flags)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = flags | SA_SIGINFO;
    CHECK_EQ(sigaction(number, &action, NULL), 0);
}

/* SIGALRM in ms milliseconds, and then again and again (the first may come too early for the call
 * that it is meant to interrupt); 0 ends it. */
__attribute__((unused)) static void check_alarms(long ms)
{
    struct itimerval timer = { { 0, ms * 1000 }, { 0, ms * 1000 } };
    CHECK_EQ(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

/* Blocks (how = SIG_BLOCK) or unblocks one signal. */
__attribute__((unused)) static void check_mask(int how, int number)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, number);
    CHECK_EQ(sigprocmask(how, &set, NULL), 0);
}

/* The raw clone call, for flags without CLONE_VM (the child goes on here, on its own copy). The
 * last two arguments stand the other way round on x86-64. */
__attribute__((unused)) static pid_t raw_clone(unsigned long flags, int *ptid, int *ctid)
{
#ifdef __riscv
    return (pid_t)syscall(SYS_clone, flags, 0, ptid, 0, ctid);
#else
    return (pid_t)syscall(SYS_clone, flags, 0, ptid, ctid, 0);
#endif
}

/* Runs one case in a child; returns 1 if it failed. Whatever it leaves behind in its process
 * group is killed. */
static int check_run_case(const struct check_case *test)
{
    int status = 0;
    long waited_us = 0, step_us = 100;

    check_name = test->name;
    pid_t pid = fork();
    if (pid < 0) {
        check_say("FAIL %s: fork: errno %d\n", test->name, errno);
        return 1;
    }
    if (pid == 0) {
        setpgid(0, 0);
        test->run();
        _exit(0);
    }
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (waited_us > CHECK_CASE_SECONDS * 1000000L) {
            kill(-pid, SIGKILL);
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            check_say("FAIL %s: timed out\n", test->name);
            return 1;
        }
        struct timespec nap = { 0, step_us * 1000 };
        nanosleep(&nap, NULL);
        waited_us += step_us;
        if (step_us < 3000)
            step_us += step_us / 2;
    }
    kill(-pid, SIGKILL);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHECK_SKIPPED)
        return 0;
    if (status == 0)
        check_say("ok %s\n", test->name);
    else if (WIFSIGNALED(status))
        check_say("FAIL %s: killed by signal %d\n", test->name, WTERMSIG(status));
    else if (WEXITSTATUS(status) != 99)
        check_say("FAIL %s: exit status %d\n", test->name, WEXITSTATUS(status));
    return status != 0;
}

static int check_is_left_out(char **argv, const char *name)
{
    while (*++argv)
        if (argv[0][0] == '-' && strcmp(argv[0] + 1, name) == 0)
            return 1;
    return 0;
}

__attribute__((unused)) static int check_main(int argc, char **argv,
                                              const struct check_case *cases, size_t count)
{
    int failed = 0, but = argc > 1 && argv[1][0] == '-';

    check_self = argv[0];
    for (size_t i = 0; i < count; i++) {
        if (but && check_is_left_out(argv, cases[i].name)) {
            continue;
        } else if (argc < 2 || but) {
            failed += check_run_case(&cases[i]);
        } else if (strcmp(argv[1], cases[i].name) == 0) {
            check_name = cases[i].name;
            cases[i].run();
            check_say("ok %s\n", check_name);
            return 0;
        }
    }
    if (argc >= 2 && !but)
        check_say("FAIL %s: no such case\n", argv[1]);
    return failed != 0 || (argc >= 2 && !but);
}

#define CHECK_MAIN(cases)                                                                          \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return check_main(argc, argv, cases, COUNT(cases));                                        \
    }

#endif
