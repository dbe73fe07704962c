/*
 * vfork_clone.c - the relatives of vfork: posix_spawn(3), clone/clone3 with CLONE_VM and CLONE_VFORK
 * in every combination, on a stack of their own; and vfork among threads.
 */
#include "check.h"
#include <pthread.h>
#include <spawn.h>

extern char **environ;

static volatile int word;
static struct gate gate;
static char stack[8 * PAGE] __attribute__((aligned(16)));
static void *const stack_top = stack + sizeof stack;

/* ---- posix_spawn ---- */

static void spawn_runs_a_program(void)
{
    char *args[] = { (char *)check_self, "--exit", "3", NULL };
    pid_t pid;

    CHECK_EQ(posix_spawn(&pid, check_self, NULL, NULL, args, environ), 0);
    CHECK_EXIT(pid, 3);
}

/* The error that needs true shared memory: a faked vfork reports success here. */
static void spawn_of_a_missing_file_is_enoent(void)
{
    char *args[] = { "x", NULL };
    pid_t pid = -7;

    CHECK_EQ(posix_spawn(&pid, "/no/such/program", NULL, NULL, args, environ), ENOENT);
    CHECK_EQ(posix_spawnp(&pid, "no-such-program-anywhere", NULL, NULL, args, environ), ENOENT);
    CHECK_ERR(waitpid(-1, NULL, 0), ECHILD);
}

static void spawn_of_a_non_executable_is_eacces(void)
{
    char path[] = "/tmp/tine-noexec-XXXXXX", *args[] = { path, NULL };
    int fd = mkstemp(path);
    pid_t pid;

    CHECK(fd >= 0);
    CHECK_EQ(fchmod(fd, 0644), 0);
    close(fd);
    CHECK_EQ(posix_spawn(&pid, path, NULL, NULL, args, environ), EACCES);
    CHECK_EQ(posix_spawn(&pid, "/tmp", NULL, NULL, args, environ), EACCES);
    CHECK_EQ(unlink(path), 0);
}

static void spawn_with_file_actions(void)
{
    char *args[] = { (char *)check_self, "--copy", "20", "21", NULL };
    posix_spawn_file_actions_t actions;
    int in = check_file(0), end[2];
    char got[8] = "";
    pid_t pid;

    CHECK_EQ(write(in, "spawn", 5), 5);
    CHECK_EQ(lseek(in, 0, SEEK_SET), 0);
    CHECK_EQ(pipe(end), 0);
    CHECK_EQ(posix_spawn_file_actions_init(&actions), 0);
    CHECK_EQ(posix_spawn_file_actions_adddup2(&actions, in, 20), 0);
    CHECK_EQ(posix_spawn_file_actions_adddup2(&actions, end[1], 21), 0);
    CHECK_EQ(posix_spawn_file_actions_addclose(&actions, end[0]), 0);
    CHECK_EQ(posix_spawn_file_actions_addopen(&actions, 22, "/dev/null", O_RDONLY, 0), 0);
    CHECK_EQ(posix_spawn(&pid, check_self, &actions, NULL, args, environ), 0);
    close(end[1]);
    CHECK_EQ(read(end[0], got, sizeof got), 5);
    CHECK_EQ(memcmp(got, "spawn", 5), 0);
    CHECK_EQ(read(end[0], got, sizeof got), 0);
    CHECK_EXIT(pid, 0);
    CHECK_ERR(fcntl(20, F_GETFD), EBADF);         /* the actions happened in the child */
}

static void spawn_file_action_that_fails(void)
{
    char *args[] = { (char *)check_self, "--exit", "0", NULL };
    posix_spawn_file_actions_t actions;
    pid_t pid;

    CHECK_EQ(posix_spawn_file_actions_init(&actions), 0);
    CHECK_EQ(posix_spawn_file_actions_addopen(&actions, 20, "/no/such/file", O_RDONLY, 0), 0);
    CHECK_EQ(posix_spawn(&pid, check_self, &actions, NULL, args, environ), ENOENT);
    CHECK_ERR(waitpid(-1, NULL, 0), ECHILD);
}

static void spawn_with_attributes(void)
{
    char *args[] = { (char *)check_self, "--attributes", NULL };
    posix_spawnattr_t attributes;
    sigset_t set;
    pid_t pid;

    check_handler(SIGUSR1, SIG_IGN, 0);
    CHECK_EQ(posix_spawnattr_init(&attributes), 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK_EQ(posix_spawnattr_setsigmask(&attributes, &set), 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_EQ(posix_spawnattr_setsigdefault(&attributes, &set), 0);
    CHECK_EQ(posix_spawnattr_setpgroup(&attributes, 0), 0);
    CHECK_EQ(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
                                      POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP), 0);
    CHECK_EQ(posix_spawn(&pid, check_self, NULL, &attributes, args, environ), 0);
    CHECK_EXIT(pid, 0);
}

static void popen_and_system(void)
{
    char line[32] = "";
    if (access("/bin/sh", X_OK) != 0)
        check_skip("no /bin/sh");
    pid_t pid = check_fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "exit 4", (char *)NULL);
        _exit(errno == ENOEXEC ? 3 : 127);
    }
    if (check_status(pid) == 3 << 8)
        check_skip("/bin/sh is of another architecture");
    CHECK_EQ(system("exit 5"), 5 << 8);
    FILE *pipe = popen("echo from a shell", "r");
    CHECK(pipe != NULL);
    CHECK(fgets(line, sizeof line, pipe) != NULL);
    CHECK_EQ(strcmp(line, "from a shell\n"), 0);
    CHECK_EQ(pclose(pipe), 0);
}

/* ---- clone with a stack of its own ---- */

static int set_word(void *value)
{
    check_sleep_ms(10);
    word = (int)(long)value;
    return 21;
}

static int set_word_and_open(void *value)
{
    word = (int)(long)value;
    gate_open(gate);
    return 22;
}

static int wait_then_set_word(void *value)
{
    gate_wait(gate);
    word = (int)(long)value;
    return 23;
}

static void clone_vm_vfork(void)
{
    word = 0;
    pid_t pid = clone(set_word, stack_top, CLONE_VM | CLONE_VFORK | SIGCHLD, (void *)1);
    CHECK(pid > 0);
    CHECK_EQ(word, 1);
    CHECK_EXIT(pid, 21);
}

static void clone_vfork_without_vm(void)
{
    volatile int *seen = check_shared(1);
    word = 0;
    pid_t pid = raw_clone(CLONE_VFORK | SIGCHLD, NULL, NULL);
    CHECK(pid >= 0);
    if (pid == 0) {
        check_sleep_ms(20);
        word = 1;
        *seen = 1;
        _exit(24);
    }
    CHECK_EQ(*seen, 1);                           /* the parent stood still ... */
    CHECK_EQ(word, 0);                            /* ... and the memory was a copy */
    CHECK_EXIT(pid, 24);
}

/* Two processes in one address space, both running: legal, and rare. */
static void clone_vm_without_vfork_or_thread(void)
{
    gate = gate_new();
    word = 0;
    pid_t pid = clone(wait_then_set_word, stack_top, CLONE_VM | SIGCHLD, (void *)9);
    CHECK(pid > 0);
    CHECK_EQ(word, 0);
    gate_open(gate);                              /* we run, though the child has not ended */
    CHECK_EXIT(pid, 23);
    CHECK_EQ(word, 9);
}

static int exec_self(void *unused)
{
    (void)unused;
    gate_wait(gate);
    execl(check_self, check_self, "--exit", "8", (char *)NULL);
    return 127;
}

/* exec in a CLONE_VM process leaves the shared memory to the other one. */
static void exec_in_a_clone_vm_process(void)
{
    char *heap = malloc(100);
    strcpy(heap, "still here");
    gate = gate_new();
    pid_t pid = clone(exec_self, stack_top, CLONE_VM | SIGCHLD, NULL);
    CHECK(pid > 0);
    gate_open(gate);
    CHECK_EXIT(pid, 8);
    CHECK_EQ(strcmp(heap, "still here"), 0);
}

static int fault(void *unused)
{
    (void)unused;
    *(volatile int *)8 = 1;
    return 0;
}

/* A fatal signal ends one of the two processes only. */
static void crash_in_a_clone_vm_process(void)
{
    pid_t pid = clone(fault, stack_top, CLONE_VM | SIGCHLD, NULL);
    CHECK(pid > 0);
    CHECK_KILLED(pid, SIGSEGV);
    pid = clone(fault, stack_top, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    CHECK(pid > 0);
    CHECK_KILLED(pid, SIGSEGV);
}

/* The stores of both, and copy-on-write against a third. */
static void clone_vm_pair_against_a_fork(void)
{
    volatile char *p = check_private(1);
    struct gate go = gate_new();
    p[0] = 'a';
    pid_t brother = check_fork();
    if (brother == 0) {
        gate_wait(go);
        CHECK_EQ(p[0], 'a');
        CHECK_EQ(word, 0);
        _exit(0);
    }
    gate = gate_new();
    pid_t pid = clone(set_word_and_open, stack_top, CLONE_VM | SIGCHLD, (void *)3);
    CHECK(pid > 0);
    gate_wait(gate);
    p[0] = 'b';
    CHECK_EQ(word, 3);
    CHECK_EXIT(pid, 22);
    gate_open(go);
    CHECK_EXIT(brother, 0);
}

/* ---- clone3 ---- */

struct clone3_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
        set_tid_size, cgroup;
};

/* clone3 whose child calls fn(arg) on the stack given and ends with its result: in assembly,
 * because the child must not return through the caller's frame. */
static pid_t clone3_call(struct clone3_args *args, int (*fn)(void *), void *arg)
{
#ifdef __riscv
    register long a7 __asm__("a7") = SYS_clone3;
    register long a0 __asm__("a0") = (long)args;
    register long a1 __asm__("a1") = sizeof *args;
    register long s2 __asm__("s2") = (long)fn;
    register long s3 __asm__("s3") = (long)arg;
    __asm__ volatile("ecall\n bnez a0, 1f\n mv a0, s3\n jalr s2\n li a7, 93\n ecall\n 1:"
                     : "+r"(a0) : "r"(a1), "r"(a7), "r"(s2), "r"(s3) : "memory", "ra");
    long result = a0;
#else
    register long result __asm__("rax") = SYS_clone3;
    register long rdi __asm__("rdi") = (long)args;
    register long rsi __asm__("rsi") = sizeof *args;
    register long r12 __asm__("r12") = (long)fn;
    register long r13 __asm__("r13") = (long)arg;
    __asm__ volatile("syscall\n test %%rax, %%rax\n jnz 1f\n mov %%r13, %%rdi\n call *%%r12\n"
                     "mov %%eax, %%edi\n mov $60, %%eax\n syscall\n 1:"
                     : "+r"(result) : "r"(rdi), "r"(rsi), "r"(r12), "r"(r13)
                     : "memory", "rcx", "r11");
#endif
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return (pid_t)result;
}

static void clone3_like_fork(void)
{
    struct clone3_args args = { .exit_signal = SIGCHLD };
    word = 1;
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0 && errno == ENOSYS)
        check_skip("no clone3 here");
    CHECK(pid >= 0);
    if (pid == 0) {
        word = 2;
        _exit(25);
    }
    CHECK_EXIT(pid, 25);
    CHECK_EQ(word, 1);
}

static void clone3_vm_vfork(void)
{
    struct clone3_args args = { .flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD,
                                .stack = (uintptr_t)stack, .stack_size = sizeof stack };
    word = 0;
    pid_t pid = clone3_call(&args, set_word, (void *)6);
    CHECK(pid > 0);
    CHECK_EQ(word, 6);
    CHECK_EXIT(pid, 21);
}

static void clone3_vm_without_vfork(void)
{
    struct clone3_args args = { .flags = CLONE_VM, .exit_signal = SIGCHLD,
                                .stack = (uintptr_t)stack, .stack_size = sizeof stack };
    gate = gate_new();
    word = 0;
    pid_t pid = clone3_call(&args, wait_then_set_word, (void *)7);
    CHECK(pid > 0);
    CHECK_EQ(word, 0);
    gate_open(gate);
    CHECK_EXIT(pid, 23);
    CHECK_EQ(word, 7);
}

static void clone3_bad_arguments(void)
{
    struct clone3_args args = { .exit_signal = SIGCHLD, .stack = (uintptr_t)stack };
    CHECK_ERR(syscall(SYS_clone3, &args, sizeof args), EINVAL);   /* a stack without a size */
    args.stack = 0;
    args.stack_size = PAGE;
    CHECK_ERR(syscall(SYS_clone3, &args, sizeof args), EINVAL);   /* a size without a stack */
    args.stack_size = 0;
    args.exit_signal = 200;
    CHECK_ERR(syscall(SYS_clone3, &args, sizeof args), EINVAL);
    args.exit_signal = SIGCHLD;
    CHECK_ERR(syscall(SYS_clone3, &args, 8), EINVAL);             /* shorter than version 0 */
    CHECK_ERR(syscall(SYS_clone3, (void *)8, sizeof args), EFAULT);
    args.flags = SIGCHLD;                                         /* CSIGNAL bits belong elsewhere */
    CHECK_ERR(syscall(SYS_clone3, &args, sizeof args), EINVAL);
    CHECK_ERR(waitpid(-1, NULL, 0), ECHILD);
}

/* ---- vfork among threads ---- */

static volatile pid_t handled_by;
static void note_thread(int number)
{
    (void)number;
    handled_by = (pid_t)syscall(SYS_gettid);
}

static volatile int counted;
static void *pause_and_count(void *unused)
{
    (void)unused;
    while (!word) {
        counted++;
        check_sleep_ms(1);
    }
    return NULL;
}

/* A signal for the process that the suspended thread blocks is taken by another one at once. (If it
 * does not block it, Linux may choose it, and the signal waits although others run.) */
static void signal_goes_to_a_running_thread(void)
{
    static volatile int taken;
    pthread_t thread;

    check_handler(SIGUSR1, note_thread, 0);
    CHECK_EQ(pthread_create(&thread, NULL, pause_and_count, NULL), 0);
    check_mask(SIG_BLOCK, SIGUSR1);
    pid_t pid = vfork();
    if (pid == 0) {
        kill((pid_t)syscall(SYS_getppid), SIGUSR1);
        for (int i = 0; i < 1000 && handled_by == 0; i++)
            check_sleep_ms(1);
        taken = handled_by;
        _exit(0);
    }
    CHECK(taken != 0);
    CHECK(taken != getpid());
    CHECK_EXIT(pid, 0);
    word = 1;
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void *spawns(void *number)
{
    char text[16], *args[] = { (char *)check_self, "--exit", text, NULL };

    snprintf(text, sizeof text, "%ld", (long)number);
    for (int i = 0; i < 5; i++) {
        pid_t pid;
        CHECK_EQ(posix_spawn(&pid, check_self, NULL, NULL, args, environ), 0);
        CHECK_EXIT(pid, (long)number);
        CHECK_EQ(posix_spawn(&pid, "/no/such/program", NULL, NULL, args, environ), ENOENT);
    }
    return NULL;
}

/* Several threads stand still for a child each; a thread that has none runs on, and survives the
 * others' execs. */
static void threads_spawn_at_the_same_time(void)
{
    pthread_t thread[4], counter;

    CHECK_EQ(pthread_create(&counter, NULL, pause_and_count, NULL), 0);
    for (long i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&thread[i], NULL, spawns, (void *)(i + 1)), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(thread[i], NULL), 0);
    int before = counted;
    CHECK_SOON(counted > before);
    word = 1;
    CHECK_EQ(pthread_join(counter, NULL), 0);
}

static void *exits_the_process(void *unused)
{
    (void)unused;
    gate_wait(gate);
    _exit(61);
}

/* Another thread ends the process while its vfork child runs: the suspended thread ends with it,
 * the child lives on (in memory that it now holds alone). */
static void process_ends_while_a_thread_stands_still(void)
{
    volatile int *report = check_shared(1);
    struct gate done = gate_new();
    gate = gate_new();
    pid_t victim = check_fork();
    if (victim == 0) {
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, exits_the_process, NULL), 0);
        word = 5;
        if (vfork() == 0) {
            pid_t parent = (pid_t)syscall(SYS_getppid);
            gate_open(gate);
            while ((pid_t)syscall(SYS_getppid) == parent)
                check_sleep_ms(1);
            report[0] = word;
            gate_open(done);
            _exit(0);
        }
        report[1] = 1;                            /* must never be reached */
        _exit(0);
    }
    CHECK_EXIT(victim, 61);
    gate_wait(done);
    CHECK_EQ(report[0], 5);
    CHECK_EQ(report[1], 0);
}

static const struct check_case cases[] = {
    CASE(spawn_runs_a_program),
    CASE(spawn_of_a_missing_file_is_enoent),
    CASE(spawn_of_a_non_executable_is_eacces),
    CASE(spawn_with_file_actions),
    CASE(spawn_file_action_that_fails),
    CASE(spawn_with_attributes),
    CASE(popen_and_system),
    CASE(clone_vm_vfork),
    CASE(clone_vfork_without_vm),
    CASE(clone_vm_without_vfork_or_thread),
    CASE(exec_in_a_clone_vm_process),
    CASE(crash_in_a_clone_vm_process),
    CASE(clone_vm_pair_against_a_fork),
    CASE(clone3_like_fork),
    CASE(clone3_vm_vfork),
    CASE(clone3_vm_without_vfork),
    CASE(clone3_bad_arguments),
    CASE(signal_goes_to_a_running_thread),
    CASE(threads_spawn_at_the_same_time),
    CASE(process_ends_while_a_thread_stands_still),
};

static int attributes_helper(void)
{
    struct sigaction action;
    sigset_t mask;

    sigprocmask(SIG_BLOCK, NULL, &mask);
    sigaction(SIGUSR1, NULL, &action);
    if (!sigismember(&mask, SIGUSR2))
        return 1;
    if (action.sa_handler != SIG_DFL)
        return 2;
    return getpgrp() == getpid() ? 0 : 3;
}

int main(int argc, char **argv)
{
    char buffer[100];

    if (argc == 3 && strcmp(argv[1], "--exit") == 0)
        return atoi(argv[2]);
    if (argc == 2 && strcmp(argv[1], "--attributes") == 0)
        return attributes_helper();
    if (argc == 4 && strcmp(argv[1], "--copy") == 0) {
        ssize_t n = read(atoi(argv[2]), buffer, sizeof buffer);
        if (fcntl(22, F_GETFD) < 0)
            return 1;
        return write(atoi(argv[3]), buffer, (size_t)n) != n;
    }
    return check_main(argc, argv, cases, COUNT(cases));
}
