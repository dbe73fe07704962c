/*
 * fork.c - fork(2): what it returns and what the child gets (design row M1).
 * What the child does not get is in fork_not_inherited.c.
 */
#include "check.h"
#include <fenv.h>
#include <sys/resource.h>
#include <sys/times.h>

static int initialised = 17, zeroed;
static __thread int thread_local = 5;

static void returns_zero_and_pid(void)
{
    pid_t parent = getpid();
    pid_t *seen = check_shared(1);
    pid_t pid = fork();

    if (pid == 0) {
        seen[0] = getpid();
        seen[1] = getppid();
        _exit(0);
    }
    CHECK(pid > 0);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(seen[0], pid);
    CHECK_EQ(seen[1], parent);
    CHECK(pid != parent);
    CHECK_EQ(getpid(), parent);
}

static void memory_is_the_parents_image(void)
{
    char on_stack[64] = "stack";
    char *heap = strcpy(malloc(64), "heap");
    char *mapped = strcpy(check_private(3), "mapped");
    strcpy(mapped + 2 * PAGE, "third");
    zeroed = 3;
    thread_local = 6;
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(initialised, 17);
        CHECK_EQ(zeroed, 3);
        CHECK_EQ(thread_local, 6);
        CHECK_EQ(strcmp(on_stack, "stack"), 0);
        CHECK_EQ(strcmp(heap, "heap"), 0);
        CHECK_EQ(strcmp(mapped, "mapped"), 0);
        CHECK_EQ(strcmp(mapped + 2 * PAGE, "third"), 0);
        CHECK_EQ(mapped[PAGE], 0);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
}

static void stores_do_not_cross(void)
{
    volatile char *page = check_private(4);
    struct gate to_child = gate_new(), to_parent = gate_new();

    for (unsigned long i = 0; i < 4 * PAGE; i += PAGE)
        page[i] = 'a';
    initialised = 1;
    pid_t pid = check_fork();
    if (pid == 0) {
        page[0] = 'c';
        initialised = 2;
        thread_local = 99;
        gate_open(to_parent);
        gate_wait(to_child);
        CHECK_EQ(page[0], 'c');
        CHECK_EQ(page[PAGE], 'a');
        CHECK_EQ(page[2 * PAGE], 'a');
        CHECK_EQ(initialised, 2);
        _exit(0);
    }
    gate_wait(to_parent);
    CHECK_EQ(page[0], 'a');
    CHECK_EQ(initialised, 1);
    CHECK_EQ(thread_local, 5);
    page[PAGE] = 'p';
    initialised = 3;
    gate_open(to_child);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(page[0], 'a');
    CHECK_EQ(page[PAGE], 'p');
}

/* Every register but a0 survives the call on both sides; so do the FP registers and fcsr. */
static void registers_are_forked(void)
{
#ifdef __riscv
    struct {
        uint64_t x[12];  /* what s2-s11, t5, t6 hold afterwards */
        double f[32];
        uint64_t fcsr;
    } after;
    double before[32];
    register long a7 __asm__("a7") = SYS_clone;
    register long a0 __asm__("a0") = SIGCHLD;
    register long a1 __asm__("a1") = 0;
    register long a2 __asm__("a2") = 0;
    register long a3 __asm__("a3") = 0;
    register long a4 __asm__("a4") = 0;
    register void *a5 __asm__("a5") = before;
    register void *a6 __asm__("a6") = &after;

    for (int i = 0; i < 32; i++)
        before[i] = i + 0.5;
#define FS(n, op, base, off) op " f" #n ", " #off "(" base ")\n"
#define ALL_F(op, base, plus)                                                                      \
    FS(0, op, base, plus + 0) FS(1, op, base, plus + 8) FS(2, op, base, plus + 16)                 \
    FS(3, op, base, plus + 24) FS(4, op, base, plus + 32) FS(5, op, base, plus + 40)               \
    FS(6, op, base, plus + 48) FS(7, op, base, plus + 56) FS(8, op, base, plus + 64)               \
    FS(9, op, base, plus + 72) FS(10, op, base, plus + 80) FS(11, op, base, plus + 88)             \
    FS(12, op, base, plus + 96) FS(13, op, base, plus + 104) FS(14, op, base, plus + 112)          \
    FS(15, op, base, plus + 120) FS(16, op, base, plus + 128) FS(17, op, base, plus + 136)         \
    FS(18, op, base, plus + 144) FS(19, op, base, plus + 152) FS(20, op, base, plus + 160)         \
    FS(21, op, base, plus + 168) FS(22, op, base, plus + 176) FS(23, op, base, plus + 184)         \
    FS(24, op, base, plus + 192) FS(25, op, base, plus + 200) FS(26, op, base, plus + 208)         \
    FS(27, op, base, plus + 216) FS(28, op, base, plus + 224) FS(29, op, base, plus + 232)         \
    FS(30, op, base, plus + 240) FS(31, op, base, plus + 248)
    __asm__ volatile(ALL_F("fld", "a5", 0)
                     "li t0, 0x71\n fscsr t0\n" /* rounding mode 3 (up), inexact raised */
                     "li s2, 102\n li s3, 103\n li s4, 104\n li s5, 105\n li s6, 106\n"
                     "li s7, 107\n li s8, 108\n li s9, 109\n li s10, 110\n li s11, 111\n"
                     "li t5, 130\n li t6, 131\n"
                     "ecall\n"
                     "sd s2, 0(a6)\n sd s3, 8(a6)\n sd s4, 16(a6)\n sd s5, 24(a6)\n"
                     "sd s6, 32(a6)\n sd s7, 40(a6)\n sd s8, 48(a6)\n sd s9, 56(a6)\n"
                     "sd s10, 64(a6)\n sd s11, 72(a6)\n sd t5, 80(a6)\n sd t6, 88(a6)\n"
                     ALL_F("fsd", "a6", 96)
                     "frcsr t0\n sd t0, 352(a6)\n fscsr zero\n"
                     : "+r"(a0)
                     : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a6), "r"(a7)
                     : "memory", "t0", "t5", "t6", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9",
                       "s10", "s11", "f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9",
                       "f10", "f11", "f12", "f13", "f14", "f15", "f16", "f17", "f18", "f19", "f20",
                       "f21", "f22", "f23", "f24", "f25", "f26", "f27", "f28", "f29", "f30",
                       "f31");
    long pid = a0;
    CHECK(pid >= 0);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(after.x[i], 102 + i);
    CHECK_EQ(after.x[10], 130);
    CHECK_EQ(after.x[11], 131);
    for (int i = 0; i < 32; i++)
        CHECK(after.f[i] == i + 0.5);
    CHECK_EQ(after.fcsr, 0x71);
    if (pid == 0)
        _exit(0);
    CHECK_EXIT((pid_t)pid, 0);
#else
    check_skip("riscv only");
#endif
}

static void rounding_mode_is_forked(void)
{
    volatile double one = 1, three = 3;
    CHECK_EQ(fesetround(FE_UPWARD), 0);
    double up = one / three;
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(fegetround(), FE_UPWARD);
        CHECK(one / three == up);
        fesetround(FE_DOWNWARD);
        CHECK(one / three < up);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(fegetround(), FE_UPWARD);
    CHECK(one / three == up);
}

static void attributes_are_inherited(void)
{
    struct rlimit limit, got;
    CHECK_EQ(chdir("/tmp"), 0);
    umask(027);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 200;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    pid_t group = getpgrp(), session = getsid(0);
    pid_t pid = check_fork();
    if (pid == 0) {
        char cwd[100];
        CHECK_EQ(getpgrp(), group);
        CHECK_EQ(getsid(0), session);
        CHECK_EQ(umask(077), 027);
        CHECK(getcwd(cwd, sizeof cwd) != NULL);
        CHECK_EQ(strcmp(cwd, "/tmp"), 0);
        CHECK_EQ(getrlimit(RLIMIT_NOFILE, &got), 0);
        CHECK_EQ(got.rlim_cur, 200);
        CHECK_EQ(chdir("/"), 0);
        got.rlim_cur = 100;
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &got), 0);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    /* ... and are the child's own from then on. */
    char cwd[100];
    CHECK(getcwd(cwd, sizeof cwd) != NULL);
    CHECK_EQ(strcmp(cwd, "/tmp"), 0);
    CHECK_EQ(umask(022), 027);
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &got), 0);
    CHECK_EQ(got.rlim_cur, 200);
}

static volatile sig_atomic_t handled;
static void on_signal(int number)
{
    handled = number;
}

static void signal_actions_and_mask_are_inherited(void)
{
    struct sigaction action;
    sigset_t mask;

    check_handler(SIGUSR1, on_signal, 0);
    check_handler(SIGUSR2, SIG_IGN, 0);
    check_mask(SIG_BLOCK, SIGHUP);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
        CHECK(sigismember(&mask, SIGHUP));
        CHECK(!sigismember(&mask, SIGUSR1));
        raise(SIGUSR1);
        CHECK_EQ(handled, SIGUSR1);
        CHECK_EQ(sigaction(SIGUSR2, NULL, &action), 0);
        CHECK(action.sa_handler == SIG_IGN);
        check_handler(SIGUSR1, SIG_DFL, 0);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(handled, 0);
    raise(SIGUSR1); /* the child's SIG_DFL was its own */
    CHECK_EQ(handled, SIGUSR1);
}

static void open_descriptions_are_shared(void)
{
    int fd = check_file(0);
    char buffer[4];

    CHECK_EQ(write(fd, "abcdefgh", 8), 8);
    CHECK_EQ(lseek(fd, 2, SEEK_SET), 2);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(read(fd, buffer, 3), 3);
        CHECK_EQ(memcmp(buffer, "cde", 3), 0);
        CHECK_EQ(fcntl(fd, F_SETFL, O_APPEND), 0);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);          /* the offset moved for the parent too */
    CHECK(fcntl(fd, F_GETFL) & O_APPEND);         /* so did the status flags */
    CHECK_EQ(write(fd, "i", 1), 1);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 9);
}

static void descriptor_tables_are_separate(void)
{
    int fd = check_file(1);
    CHECK_EQ(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC); /* close-on-exec is not close-on-fork */
        CHECK_EQ(fcntl(fd, F_SETFD, 0), 0);
        CHECK_EQ(dup2(fd, 100), 100);
        CHECK_EQ(close(fd), 0);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_ERR(fcntl(100, F_GETFD), EBADF);
}

static void stdio_buffer_is_forked_too(void)
{
    char path[] = "/tmp/tine-stdio-XXXXXX", text[20] = "";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_EQ(unlink(path), 0);
    FILE *out = fdopen(fd, "w+");
    fputs("once ", out);                          /* stays in the buffer: both flush it */
    pid_t pid = check_fork();
    if (pid == 0)
        exit(fflush(out));
    CHECK_EXIT(pid, 0);
    fflush(out);
    CHECK_EQ(pread(fd, text, sizeof text - 1, 0), 10);
    CHECK_EQ(strcmp(text, "once once "), 0);
}

static void children_many_at_once(void)
{
    enum { N = 60 };
    pid_t pid[N];
    struct gate gate = gate_new();

    for (int i = 0; i < N; i++) {
        pid[i] = check_fork();
        if (pid[i] == 0) {
            gate_wait(gate);
            _exit(i);
        }
        for (int k = 0; k < i; k++)
            CHECK(pid[k] != pid[i]);
    }
    for (int i = 0; i < N; i++)
        gate_open(gate);
    for (int i = N - 1; i >= 0; i--)
        CHECK_EXIT(pid[i], i);
    CHECK_ERR(wait(NULL), ECHILD);
}

static void chain_of_generations(void)
{
    int *depth = check_shared(1), mine = 0;
    pid_t pid;

    while (mine < 30 && (pid = check_fork()) == 0) {
        mine++;
        (*depth)++;
    }
    if (mine < 30)
        CHECK_EXIT(pid, 0);
    if (mine > 0)
        _exit(0);
    CHECK_EQ(*depth, 30);
}

static volatile pid_t forked_in_handler;
static void forking_handler(int number)
{
    (void)number;
    forked_in_handler = fork();
}

static void fork_in_a_signal_handler(void)
{
    check_handler(SIGUSR1, forking_handler, 0);
    raise(SIGUSR1);                               /* returns twice, from two frames */
    if (forked_in_handler == 0)
        _exit(31);
    CHECK_EXIT(forked_in_handler, 31);
}

static void fork_grows_child_stack_and_heap_alone(void)
{
    void *top = sbrk(0);
    pid_t pid = check_fork();
    if (pid == 0) {
        volatile char deep[200000];
        for (size_t i = 0; i < sizeof deep; i += 1000)
            deep[i] = 1;
        CHECK(sbrk(64 * PAGE) == top);
        memset(top, 7, 64 * PAGE);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK(sbrk(0) == top);
}

static void child_pid_is_reusable_only_after_wait(void)
{
    pid_t pid = check_fork();
    if (pid == 0)
        _exit(3);
    check_sleep_ms(5);
    CHECK_EQ(kill(pid, 0), 0);                    /* a zombie still has its pid */
    CHECK_EXIT(pid, 3);
    CHECK_ERR(kill(pid, 0), ESRCH);
}

static const struct check_case cases[] = {
    CASE(returns_zero_and_pid),
    CASE(memory_is_the_parents_image),
    CASE(stores_do_not_cross),
    CASE(registers_are_forked),
    CASE(rounding_mode_is_forked),
    CASE(attributes_are_inherited),
    CASE(signal_actions_and_mask_are_inherited),
    CASE(open_descriptions_are_shared),
    CASE(descriptor_tables_are_separate),
    CASE(stdio_buffer_is_forked_too),
    CASE(children_many_at_once),
    CASE(chain_of_generations),
    CASE(fork_in_a_signal_handler),
    CASE(fork_grows_child_stack_and_heap_alone),
    CASE(child_pid_is_reusable_only_after_wait),
};
CHECK_MAIN(cases)
