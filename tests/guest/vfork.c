/*
 * vfork.c - vfork(2), sentence by sentence (design rows M8, M9). Each case quotes what it tests.
 * An emulator that makes vfork an ordinary fork fails here; native Linux is right.
 *
 * A vfork child runs on its parent's stack: the code between vfork and _exit/exec touches only
 * what the case wants to see shared, through volatile objects that outlive it.
 */
#include "check.h"
#include <pthread.h>
#include <spawn.h>
#include <sys/resource.h>

static volatile int word, other;
static struct gate gate, gate2;

/* "The child shares all memory with its parent, including the stack." */
static void memory_is_shared(void)
{
    volatile int on_stack = 1;
    volatile int *heap = malloc(sizeof *heap);

    *heap = 1;
    word = 1;
    pid_t pid = vfork();
    if (pid == 0) {
        word = 2;
        *heap = 3;
        on_stack = 4;
        _exit(0);
    }
    CHECK_EQ(word, 2);
    CHECK_EQ(*heap, 3);
    CHECK_EQ(on_stack, 4);
    CHECK_EXIT(pid, 0);
}

static void returns_like_fork(void)
{
    static volatile pid_t child, childs_parent;
    pid_t parent = getpid(), pid = vfork();
    if (pid == 0) {
        child = (pid_t)syscall(SYS_getpid);
        childs_parent = (pid_t)syscall(SYS_getppid);
        _exit(5);
    }
    CHECK(pid > 0);
    CHECK_EQ(child, pid);
    CHECK_EQ(childs_parent, parent);
    CHECK_EQ(getpid(), parent);
    CHECK_EXIT(pid, 5);
}

/* "The calling thread is suspended until the child terminates (either normally, by calling
 * _exit(2), or abnormally, after delivery of a fatal signal) ..." */
static void suspended_until_exit(void)
{
    word = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        check_sleep_ms(30);
        word = 1;
        _exit(0);
    }
    CHECK_EQ(word, 1);
    CHECK_EXIT(pid, 0);
}

static void suspended_until_killed_by_a_signal(void)
{
    word = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        word = 1;
        kill((pid_t)syscall(SYS_getpid), SIGKILL);
        for (;;)
            pause();
    }
    CHECK_EQ(word, 1);
    CHECK_KILLED(pid, SIGKILL);
}

static void suspended_until_it_faults(void)
{
    word = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        word = 1;
        *(volatile int *)8 = 1;
        _exit(0);
    }
    CHECK_EQ(word, 1);
    CHECK_KILLED(pid, SIGSEGV);
}

/* "... or it makes a call to execve(2)." The new program waits for us to go on: so we do go on
 * before it ends. */
static void suspended_until_exec(void)
{
    static char number[16];
    gate = gate_new();
    snprintf(number, sizeof number, "%d", gate.end[0]);
    word = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        check_sleep_ms(20);
        word = 1;
        execl(check_self, check_self, "--wait-for-byte", number, (char *)NULL);
        word = 2;
        _exit(127);
    }
    CHECK_EQ(word, 1);
    CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
    gate_open(gate);
    CHECK_EXIT(pid, 40);
}

/* A failed exec does not release the parent; its errno is seen by both (shared memory). */
static void failed_exec_then_exit(void)
{
    word = 0;
    errno = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        execl("/no/such/program", "x", (char *)NULL);
        word = errno;
        check_sleep_ms(10);
        other = 1;
        _exit(127);
    }
    CHECK_EQ(word, ENOENT);
    CHECK_EQ(other, 1);
    CHECK_EXIT(pid, 127);
}

/* "exit_group by another way": the child's raw exit of its one thread releases too. */
static void raw_exit_releases(void)
{
    pid_t pid = vfork();
    if (pid == 0) {
        word = 1;
        syscall(SYS_exit, 6);
    }
    CHECK_EQ(word, 1);
    CHECK_EXIT(pid, 6);
}

/* M9: after vfork the child is first, always. */
static void child_is_always_first(void)
{
    for (int i = 0; i < 50; i++) {
        word = 0;
        pid_t pid = vfork();
        if (pid == 0) {
            word = 1;
            _exit(0);
        }
        int seen = word;
        word = 2;
        CHECK_EQ(seen, 1);
        CHECK_EXIT(pid, 0);
    }
}

/* "... only the calling thread is suspended": others of the process run on, and their memory is
 * the child's too. */
static void *answering_thread(void *unused)
{
    (void)unused;
    gate_wait(gate);                              /* the vfork child opens it ... */
    word = 77;
    gate_open(gate2);                             /* ... and waits for this */
    return NULL;
}

static void other_threads_run_on(void)
{
    pthread_t thread;

    gate = gate_new();
    gate2 = gate_new();
    word = 0;
    CHECK_EQ(pthread_create(&thread, NULL, answering_thread, NULL), 0);
    pid_t pid = vfork();
    if (pid == 0) {
        gate_open(gate);
        gate_wait(gate2);
        other = word;
        _exit(0);
    }
    CHECK_EQ(other, 77);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* What is duplicated, not shared: descriptors, actions, mask, directory, umask, limits. */
static void descriptors_are_duplicated(void)
{
    int fd = check_file(10);
    pid_t pid = vfork();
    if (pid == 0) {
        close(fd);
        dup2(0, 150);
        word = open("/dev/null", O_RDONLY);
        _exit(word < 0);
    }
    CHECK_EXIT(pid, 0);
    CHECK(fcntl(fd, F_GETFD) >= 0);
    CHECK_ERR(fcntl(150, F_GETFD), EBADF);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
    pid = vfork();                                /* but a description is one, as after fork */
    if (pid == 0) {
        lseek(fd, 4, SEEK_SET);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
}

static void directory_and_umask_are_duplicated(void)
{
    char cwd[100];
    CHECK_EQ(chdir("/tmp"), 0);
    umask(022);
    pid_t pid = vfork();
    if (pid == 0) {
        if (chdir("/") < 0)
            _exit(1);
        umask(077);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK(getcwd(cwd, sizeof cwd) != NULL);
    CHECK_EQ(strcmp(cwd, "/tmp"), 0);
    CHECK_EQ(umask(022), 022);
}

static void on_signal(int number)
{
    word = number;
}

static void signal_actions_and_mask_are_duplicated(void)
{
    struct sigaction action;
    sigset_t mask;

    check_handler(SIGUSR1, on_signal, 0);
    pid_t pid = vfork();
    if (pid == 0) {
        signal(SIGUSR1, SIG_IGN);
        signal(SIGUSR2, SIG_IGN);
        check_mask(SIG_BLOCK, SIGHUP);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &action), 0);
    CHECK(action.sa_handler == on_signal);
    CHECK_EQ(sigaction(SIGUSR2, NULL, &action), 0);
    CHECK(action.sa_handler == SIG_DFL);
    CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
    CHECK(!sigismember(&mask, SIGHUP));
}

static void limits_are_duplicated(void)
{
    struct rlimit limit, got;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    pid_t pid = vfork();
    if (pid == 0) {
        struct rlimit less = { 50, 50 };
        setrlimit(RLIMIT_NOFILE, &less);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &got), 0);
    CHECK_EQ(got.rlim_cur, limit.rlim_cur);
}

/* "Signals sent to the parent ... arrive after the child releases the parent's memory (i.e., after
 * the child terminates or calls execve(2))." */
static void signals_to_the_parent_are_held(void)
{
    static volatile int handled_while_away;

    check_handler(SIGUSR1, on_signal, 0);
    word = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        kill((pid_t)syscall(SYS_getppid), SIGUSR1);
        check_sleep_ms(20);
        handled_while_away = word;
        _exit(0);
    }
    CHECK_EQ(handled_while_away, 0);
    CHECK_EQ(word, SIGUSR1);                      /* and it arrived the moment we went on */
    CHECK_EXIT(pid, 0);
}

/* ... a fatal one excepted: the wait ends if the parent is killed; the child runs on, in memory
 * that is now its own. */
static void parent_killed_while_suspended(void)
{
    volatile int *report = check_shared(1);
    struct gate done = gate_new();
    pid_t victim = check_fork();
    if (victim == 0) {
        word = 5;
        pid_t pid = vfork();
        if (pid == 0) {
            pid_t parent = (pid_t)syscall(SYS_getppid);
            kill(parent, SIGKILL);
            while ((pid_t)syscall(SYS_getppid) == parent)
                check_sleep_ms(1);
            report[0] = word;
            gate_open(done);
            _exit(0);
        }
        report[1] = 1;                            /* must never be reached */
        _exit(0);
    }
    CHECK_KILLED(victim, SIGKILL);
    gate_wait(done);
    CHECK_EQ(report[0], 5);
    CHECK_EQ(report[1], 0);
}

/* "a signal handler of the child" runs in the shared memory. */
static void childs_handler_writes_parents_memory(void)
{
    check_handler(SIGUSR2, on_signal, 0);
    word = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        syscall(SYS_kill, syscall(SYS_getpid), SIGUSR2);
        _exit(0);
    }
    CHECK_EQ(word, SIGUSR2);
    CHECK_EXIT(pid, 0);
}

/* mmap, munmap and brk of the child are the parent's too: it is one address space. */
static void mappings_are_shared(void)
{
    static char *volatile mapped;
    char *gone = check_private(1);
    void *top = sbrk(0);

    pid_t pid = vfork();
    if (pid == 0) {
        mapped = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        mapped[0] = 'm';
        munmap(gone, PAGE);
        sbrk(PAGE);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(mapped[0], 'm');
    CHECK_EQ(syscall(SYS_brk, 0), (long)top + (long)PAGE);
    CHECK_ERR(msync(gone, PAGE, MS_ASYNC), ENOMEM);
}

/* The child's child: vfork nests; an ordinary fork in the child copies. */
static void nested_vfork(void)
{
    static volatile pid_t inner;
    word = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        inner = vfork();
        if (inner == 0) {
            word = 1;
            _exit(3);
        }
        int status;
        other = word;
        waitpid(inner, &status, 0);
        word = WEXITSTATUS(status);
        _exit(4);
    }
    CHECK_EQ(other, 1);
    CHECK_EQ(word, 3);
    CHECK_EXIT(pid, 4);
}

static void fork_in_a_vfork_child(void)
{
    static volatile pid_t inner;
    static volatile int status;
    word = 1;
    pid_t pid = vfork();
    if (pid == 0) {
        inner = (pid_t)raw_clone(SIGCHLD, NULL, NULL);
        if (inner == 0) {
            word = 2;                             /* in a copy */
            _exit(9);
        }
        waitpid(inner, (int *)&status, 0);
        _exit(0);
    }
    CHECK_EQ(word, 1);
    CHECK_EQ(status, 9 << 8);
    CHECK_EXIT(pid, 0);
}

/* Memory is whole again after many vfork+exec rounds, and copy-on-write still holds. */
static void vfork_exec_many(void)
{
    volatile char *p = check_private(1);
    p[0] = 'a';
    for (int i = 0; i < 20; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            execl(check_self, check_self, "--exit", "3", (char *)NULL);
            _exit(127);
        }
        CHECK_EXIT(pid, 3);
    }
    pid_t pid = check_fork();
    if (pid == 0) {
        p[0] = 'c';
        pid_t inner = vfork();
        if (inner == 0) {
            p[0] = 'v';                           /* the middle one's memory, not the first's */
            _exit(0);
        }
        CHECK_EQ(p[0], 'v');
        CHECK_EXIT(inner, 0);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(p[0], 'a');
}

/* Pages shared by a fork elsewhere, written by a vfork child: the copy is the pair's, not the
 * other family member's. */
static void vfork_child_writes_a_cow_page(void)
{
    volatile char *p = check_private(1);
    struct gate go = gate_new();
    p[0] = 'a';
    pid_t brother = check_fork();
    if (brother == 0) {
        gate_wait(go);
        CHECK_EQ(p[0], 'a');
        _exit(0);
    }
    pid_t pid = vfork();
    if (pid == 0) {
        p[0] = 'v';
        _exit(0);
    }
    CHECK_EQ(p[0], 'v');
    CHECK_EXIT(pid, 0);
    gate_open(go);
    CHECK_EXIT(brother, 0);
}

/* A thousand that stand still, each for the next one. */
static void chain_link(int depth)
{
    pid_t pid = vfork();
    if (pid == 0) {
        if (depth > 1) {
            chain_link(depth - 1);
        } else {
            long end = check_now_ms() + 300;
            while (check_now_ms() < end)
                sched_yield();
        }
        _exit(0);
    }
    if (pid < 0 || check_status(pid) != 0)
        _exit(98);
}

static void long_chain(void)
{
    chain_link(1000);
}

static const struct check_case cases[] = {
    CASE(long_chain),
    CASE(memory_is_shared),
    CASE(returns_like_fork),
    CASE(suspended_until_exit),
    CASE(suspended_until_killed_by_a_signal),
    CASE(suspended_until_it_faults),
    CASE(suspended_until_exec),
    CASE(failed_exec_then_exit),
    CASE(raw_exit_releases),
    CASE(child_is_always_first),
    CASE(other_threads_run_on),
    CASE(descriptors_are_duplicated),
    CASE(directory_and_umask_are_duplicated),
    CASE(signal_actions_and_mask_are_duplicated),
    CASE(limits_are_duplicated),
    CASE(signals_to_the_parent_are_held),
    CASE(parent_killed_while_suspended),
    CASE(childs_handler_writes_parents_memory),
    CASE(mappings_are_shared),
    CASE(nested_vfork),
    CASE(fork_in_a_vfork_child),
    CASE(vfork_exec_many),
    CASE(vfork_child_writes_a_cow_page),
};

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--wait-for-byte") == 0) {
        char byte;
        return read(atoi(argv[2]), &byte, 1) == 1 ? 40 : 1;
    }
    if (argc == 3 && strcmp(argv[1], "--exit") == 0)
        return atoi(argv[2]);
    return check_main(argc, argv, cases, COUNT(cases));
}
