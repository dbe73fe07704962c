/*
 * What vfork children do, right and wrong: `bugs CASE`. Each case says on stdout what became of the
 * parent's memory and how the child ended; tests/run-vfork-modes knows what each mode must make of it.
 * It is no test of its own: under a real vfork the wrong cases are undefined.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

extern char **environ;
static char *self;
static volatile int counter;
static volatile int exec_error;
static char name[64] = "before";
static struct { volatile int first, many[8]; } table;
static volatile int *heap, *shared;
static volatile int stop;

/* The child ended: how, and what the parent sees. */
static void ended(pid_t pid)
{
    int status = 0;

    if (waitpid(pid, &status, 0) != pid)
        perror("waitpid");
    if (WIFSIGNALED(status))
        printf("signal %d", WTERMSIG(status));
    else
        printf("exit %d", WEXITSTATUS(status));
    printf(" counter %d table %d name %s heap %d shared %d error %d\n", counter, table.many[2], name,
           *heap, *shared, exec_error);
    fflush(stdout);
}

/* ---- wrong ------------------------------------------------------------------------------------ */

static NOINLINE void child_sets_globals(void)
{
    counter = 1;
    table.many[2] = 2;
    strcpy(name, "after");
}

static void case_global(void)
{
    pid_t pid = vfork();

    if (pid == 0) {
        child_sets_globals();
        _exit(0);
    }
    ended(pid);
}

static void case_loop(void) /* one place, many times: one line */
{
    pid_t pid;

    for (int i = 0; i < 3; i++) {
        pid = vfork();
        if (pid == 0) {
            for (int k = 0; k < 5; k++)
                counter++;
            _exit(0);
        }
        ended(pid);
    }
}

static void case_heap(void)
{
    pid_t pid = vfork();

    if (pid == 0) {
        *heap = 5;
        _exit(0);
    }
    ended(pid);
}

static void case_atomic(void)
{
    pid_t pid = vfork();

    if (pid == 0) {
        __atomic_fetch_add((int *)&counter, 4, __ATOMIC_SEQ_CST);
        _exit(0);
    }
    ended(pid);
}

static void case_read(void)
{
    int ends[2];
    pid_t pid;

    if (pipe(ends) < 0 || write(ends[1], "pipe", 5) != 5)
        exit(9);
    pid = vfork();
    if (pid == 0)
        _exit(read(ends[0], name, 5) < 0 ? errno : 0);
    ended(pid);
}

static NOINLINE pid_t spawn_with(volatile int *result)
{
    pid_t pid = vfork();

    if (pid == 0) {
        *result = 6;
        _exit(0);
    }
    return pid;
}

static NOINLINE void local_of_caller(void)
{
    volatile int mine[64] = {0};

    ended(spawn_with(&mine[32]));
    printf("mine %d\n", mine[32]);
}

static NOINLINE pid_t returns_twice(void)
{
    pid_t pid = vfork();

    __asm__ volatile("" ::: "memory");
    return pid;
}

static void case_return(void)
{
    pid_t pid = returns_twice();

    if (pid == 0)
        _exit(3);
    ended(pid);
}

static void at_exit(void)
{
    counter = 9;
}

static void case_exit(void)
{
    pid_t pid;

    atexit(at_exit);
    pid = vfork();
    if (pid == 0)
        exit(4);
    ended(pid);
}

static void case_malloc(void)
{
    pid_t pid = vfork();

    if (pid == 0) {
        char *p = malloc(3000);

        __asm__ volatile("" : "+r"(p));
        p[0] = 1;
        _exit(0);
    }
    ended(pid);
}

/* ---- right ------------------------------------------------------------------------------------ */

static void case_exec(void)
{
    pid_t pid = vfork();

    if (pid == 0) {
        execl(self, self, "nothing", (char *)NULL);
        _exit(127);
    }
    ended(pid);
}

static void case_missing(void)
{
    pid_t pid = vfork();

    if (pid == 0) {
        execlp("no-such-program", "no-such-program", "a", "b", "c", "d", "e", "f", "g", (char *)NULL);
        _exit(127);
    }
    ended(pid);
}

static void case_exec_error(void) /* right for lint, not for deny */
{
    pid_t pid = vfork();

    if (pid == 0) {
        execl("/no/such/program", "x", (char *)NULL);
        exec_error = errno;
        _exit(127);
    }
    ended(pid);
}

/* All that shells and make do between vfork and exec. */
static void case_careful(void)
{
    pid_t pid;
    int ends[2];
    struct sigaction old, action = {.sa_handler = SIG_DFL};
    sigset_t all, none, before;
    char line[256];

    if (pipe(ends) < 0)
        exit(9);
    sigfillset(&all);
    sigemptyset(&none);
    sigprocmask(SIG_BLOCK, &all, &before);
    pid = vfork();
    if (pid == 0) {
        signal(SIGQUIT, SIG_IGN);
        sigaction(SIGINT, &action, &old);
        sigprocmask(SIG_SETMASK, &none, &all);
        setpgid(0, 0);
        snprintf(line, sizeof line, "/proc/%d/stat", getpid());
        memset(line, 0, sizeof line);
        close(ends[0]);
        dup2(ends[1], 9);
        if (chdir("/") < 0)
            _exit(8);
        execl(self, self, "nothing", (char *)NULL);
        _exit(127);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    ended(pid);
}

static void case_restored(void)
{
    pid_t pid = vfork();

    if (pid == 0) {
        int before = counter;

        counter = 7;
        counter = before;
        _exit(0);
    }
    ended(pid);
}

static void case_shared(void)
{
    pid_t pid = vfork();

    if (pid == 0) {
        *shared = 8;
        _exit(0);
    }
    ended(pid);
}

static void case_spawn(void)
{
    char *argv[] = {"x", NULL}, *again[] = {self, "nothing", NULL};
    pid_t pid;

    printf("missing %d\n", posix_spawn(&pid, "/no/such/program", NULL, NULL, argv, environ));
    printf("there %d\n", posix_spawn(&pid, self, NULL, NULL, again, environ));
    ended(pid);
    printf("system %d\n", system("exit 3"));
}

static void *writer(void *unused)
{
    (void)unused;
    while (!stop)
        table.first++;
    return NULL;
}

static void case_threads(void) /* others in the same memory are nobody's child */
{
    pthread_t thread;
    pid_t pid;
    int first;

    pthread_create(&thread, NULL, writer, NULL);
    first = table.first;
    while (table.first == first)
        sched_yield();
    pid = vfork();
    if (pid == 0) {
        usleep(20000);
        _exit(0);
    }
    first = table.first;
    while (table.first == first)
        sched_yield();
    stop = 1;
    pthread_join(thread, NULL);
    ended(pid);
}

static void on_signal(int number)
{
    (void)number;
}

static void case_handler(void)
{
    pid_t pid;

    signal(SIGUSR1, on_signal);
    pid = vfork();
    if (pid == 0) {
        raise(SIGUSR1);
        _exit(0);
    }
    ended(pid);
}

static void case_nested(void) /* a child that is a parent itself */
{
    pid_t pid = vfork();

    if (pid == 0) {
        pid_t inner = vfork();

        if (inner == 0) {
            execl(self, self, "nothing", (char *)NULL);
            _exit(127);
        }
        _exit(inner > 0 ? 0 : 1);
    }
    ended(pid);
}

static const struct { const char *name; void (*run)(void); } cases[] = {
    {"global", case_global},         {"loop", case_loop},       {"heap", case_heap},
    {"atomic", case_atomic},         {"read", case_read},       {"local", local_of_caller},
    {"return", case_return},         {"exit", case_exit},       {"malloc", case_malloc},
    {"exec", case_exec},             {"missing", case_missing}, {"exec-error", case_exec_error},
    {"careful", case_careful},       {"restored", case_restored}, {"shared", case_shared},
    {"spawn", case_spawn},           {"threads", case_threads}, {"handler", case_handler},
    {"nested", case_nested},
};

int main(int argc, char **argv)
{
    self = argv[0];
    heap = calloc(1000, sizeof *heap);
    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof cases[0]; i++)
        if (strcmp(argv[1], cases[i].name) == 0)
            cases[i].run();
    return 0;
}
