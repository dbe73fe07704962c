/*
 * signals_fault.c - the signals that a program's own instructions cause, and what siginfo and the
 * saved registers say about them; SIGPIPE; fatal defaults; signals to one thread.
 */
#include "check.h"
#include <pthread.h>
#include <setjmp.h>
#include <sys/resource.h>
#include <ucontext.h>

static sigjmp_buf home;
static volatile siginfo_t last;
static volatile uintptr_t fault_pc;

static uintptr_t pc_of(const ucontext_t *context)
{
#ifdef __riscv
    return (uintptr_t)context->uc_mcontext.__gregs[REG_PC];
#else
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#endif
}

static void keep_and_jump(int number, siginfo_t *info, void *context)
{
    (void)number;
    last = *info;
    fault_pc = pc_of(context);
    siglongjmp(home, 1);
}

#define FAULTS(number, statement)                                                                  \
    do {                                                                                           \
        check_action(number, keep_and_jump, 0);                                                    \
        memset((void *)&last, 0, sizeof last);                                                     \
        if (sigsetjmp(home, 1) == 0) {                                                             \
            statement;                                                                             \
            CHECK(!"it faults");                                                                   \
        }                                                                                          \
        CHECK_EQ(last.si_signo, number);                                                           \
    } while (0)

static void maperr_has_the_address(void)
{
    char *p = check_private(3);
    CHECK_EQ(munmap(p + PAGE, PAGE), 0);
    FAULTS(SIGSEGV, *(volatile char *)(p + PAGE + 123));
    CHECK_EQ(last.si_code, SEGV_MAPERR);
    CHECK(last.si_addr == p + PAGE + 123);
    FAULTS(SIGSEGV, *(volatile char *)(p + PAGE + 5) = 1);
    CHECK_EQ(last.si_code, SEGV_MAPERR);
    CHECK(last.si_addr == p + PAGE + 5);
    FAULTS(SIGSEGV, *(volatile int *)16);
    CHECK_EQ(last.si_code, SEGV_MAPERR);
    CHECK(last.si_addr == (void *)16);
}

static void accerr_has_the_address(void)
{
    char *p = check_private(2);
    p[0] = 'a';
    CHECK_EQ(mprotect(p, PAGE, PROT_READ), 0);
    CHECK_EQ(mprotect(p + PAGE, PAGE, PROT_NONE), 0);
    FAULTS(SIGSEGV, *(volatile char *)(p + 77) = 1);
    CHECK_EQ(last.si_code, SEGV_ACCERR);
    CHECK(last.si_addr == p + 77);
    CHECK_EQ(p[0], 'a');
    FAULTS(SIGSEGV, *(volatile char *)(p + PAGE + 1));
    CHECK_EQ(last.si_code, SEGV_ACCERR);
    CHECK(last.si_addr == p + PAGE + 1);
    FAULTS(SIGSEGV, __atomic_fetch_add((int *)p, 1, __ATOMIC_SEQ_CST));
    CHECK_EQ(last.si_code, SEGV_ACCERR);
}

static void jump_into_data_faults(void)
{
    char *p = check_private(1);
    void (*call)(void) = (void (*)(void))(p + 64);
    FAULTS(SIGSEGV, call());
    CHECK_EQ(last.si_code, SEGV_ACCERR);
    CHECK(last.si_addr == p + 64);
    CHECK_EQ(fault_pc, (uintptr_t)(p + 64));
    CHECK_EQ(munmap(p, PAGE), 0);
    FAULTS(SIGSEGV, call());
    CHECK_EQ(last.si_code, SEGV_MAPERR);
}

/* An access that begins in a good page and ends in a bad one faults, and writes nothing. */
static void straddling_access_faults_whole(void)
{
    char *p = check_private(2);
    uint64_t value = 0x1122334455667788;
    memset(p, 'a', PAGE);
    CHECK_EQ(mprotect(p + PAGE, PAGE, PROT_NONE), 0);
#ifdef __riscv
    FAULTS(SIGSEGV, __asm__ volatile("sd %0, 0(%1)" : : "r"(value), "r"(p + PAGE - 4) : "memory"));
#else
    FAULTS(SIGSEGV, __asm__ volatile("movq %0, (%1)" : : "r"(value), "r"(p + PAGE - 4)
                                     : "memory"));
#endif
    CHECK_EQ(last.si_code, SEGV_ACCERR);
    for (unsigned i = 0; i < PAGE; i++)
        CHECK_EQ(p[i], 'a');
}

static void sigbus_beyond_the_end_of_a_file(void)
{
    int fd = check_file(PAGE + 100);
    char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(p[PAGE + 200], 0);                   /* the last page's rest reads as zero */
    FAULTS(SIGBUS, *(volatile char *)(p + 2 * PAGE + 5));
    CHECK_EQ(last.si_code, BUS_ADRERR);
    CHECK(last.si_addr == p + 2 * PAGE + 5);
    FAULTS(SIGBUS, *(volatile char *)(p + 3 * PAGE) = 1);
    CHECK_EQ(ftruncate(fd, 4 * PAGE), 0);         /* grown: now it is there */
    p[2 * PAGE + 5] = 'x';
    CHECK_EQ(ftruncate(fd, 10), 0);               /* shrunk: gone again */
    FAULTS(SIGBUS, *(volatile char *)(p + 2 * PAGE + 5));
    char *q = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(q != MAP_FAILED);
    FAULTS(SIGBUS, *(volatile char *)(q + PAGE) = 1);
    int pipes[2];
    CHECK_EQ(pipe(pipes), 0);
    CHECK_ERR(write(pipes[1], q + PAGE, 1), EFAULT);
}

/* An atomic access must be aligned (a plain one need not be). */
static void misaligned_atomic_is_sigbus(void)
{
#ifdef __riscv
    char *p = check_private(1);
    memset(p, 'a', 64);
    FAULTS(SIGBUS, __asm__ volatile("amoadd.w zero, %0, (%1)" : : "r"(1), "r"(p + 2) : "memory"));
    CHECK_EQ(last.si_code, BUS_ADRALN);
    FAULTS(SIGBUS, __asm__ volatile("lr.d t0, (%0)" : : "r"(p + 4) : "memory", "t0"));
    for (int i = 0; i < 64; i++)
        CHECK_EQ(p[i], 'a');
#else
    check_skip("riscv only");
#endif
}

static void sigill_has_the_pc(void)
{
#ifdef __riscv
    FAULTS(SIGILL, __asm__ volatile(".balign 4\n .word 0xffffffff"));
    CHECK_EQ(last.si_code, ILL_ILLOPC);
    CHECK_EQ(*(uint32_t *)fault_pc, 0xffffffff);
    FAULTS(SIGILL, __asm__ volatile(".balign 4\n .hword 0, 0")); /* all zeros is never legal */
    CHECK_EQ(last.si_code, ILL_ILLOPC);
    CHECK_EQ(*(uint16_t *)fault_pc, 0);
#else
    FAULTS(SIGILL, __asm__ volatile("ud2"));
    CHECK_EQ(last.si_code, ILL_ILLOPN);
#endif
    CHECK_EQ((uintptr_t)last.si_addr, fault_pc);
}

static volatile int traps;
static void skip_trap(int number, siginfo_t *info, void *context)
{
    (void)number;
    last = *info;
    traps++;
#ifdef __riscv
    ucontext_t *saved = context;                  /* ebreak does not step over itself */
    uintptr_t pc = pc_of(saved);
    saved->uc_mcontext.__gregs[REG_PC] += (*(uint16_t *)pc & 3) == 3 ? 4 : 2;
#else
    (void)context;
#endif
}

static void ebreak_is_sigtrap(void)
{
    check_action(SIGTRAP, skip_trap, 0);
#ifdef __riscv
    __asm__ volatile("ebreak");
    __asm__ volatile(".option push\n .option norvc\n ebreak\n .option pop");
    CHECK_EQ(last.si_code, TRAP_BRKPT);
#else
    __asm__ volatile("int3\n int3");
#endif
    CHECK_EQ(traps, 2);
}

/* A handler that mends the cause and returns: the instruction runs again. */
static char *mended;
static void mend(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    last = *info;
    CHECK_EQ(mprotect(mended, PAGE, PROT_READ | PROT_WRITE), 0);
}

static void mended_fault_is_retried(void)
{
    mended = check_private(1);
    check_action(SIGSEGV, mend, 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(mprotect(mended, PAGE, PROT_NONE), 0);
        mended[i] = (char)i;
        CHECK_EQ(mended[i], i);
        CHECK(last.si_addr == mended + i);
    }
}

/* A fault whose signal is blocked or ignored kills all the same. */
static void forced_signals(void)
{
    struct rlimit none = { 0, 0 };
    CHECK_EQ(setrlimit(RLIMIT_CORE, &none), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        check_action(SIGSEGV, mend, 0);
        check_mask(SIG_BLOCK, SIGSEGV);
        *(volatile int *)16 = 1;
        _exit(0);
    }
    CHECK_KILLED(pid, SIGSEGV);
    pid = check_fork();
    if (pid == 0) {
        check_handler(SIGSEGV, SIG_IGN, 0);
        *(volatile int *)16 = 1;
        _exit(0);
    }
    CHECK_KILLED(pid, SIGSEGV);
}

/* No room for the frame: SIGSEGV, and if that has no stack either, death. */
static void no_stack_for_the_frame(void)
{
    struct rlimit none = { 0, 0 };
    CHECK_EQ(setrlimit(RLIMIT_CORE, &none), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        check_action(SIGUSR1, mend, 0);
        check_action(SIGSEGV, mend, 0);
#ifdef __riscv
        __asm__ volatile("li sp, 64\n mv a0, %0\n li a1, 10\n li a7, 129\n ecall"
                         : : "r"((long)getpid()) : "memory", "a0", "a1", "a7");
#else
        __asm__ volatile("mov $64, %%rsp\n mov $10, %%esi\n mov $62, %%eax\n syscall"
                         : : "D"((long)getpid()) : "memory", "rax", "rcx", "r11", "rsi");
#endif
        _exit(0);
    }
    CHECK_KILLED(pid, SIGSEGV);
}

/* Endless recursion ends at the stack limit, and an alternate stack can catch it. */
static volatile int bottomless = 1;
static int recurse(volatile char *before)
{
    volatile char here[512];
    here[0] = before ? before[0] : 1;
    return bottomless ? recurse(here) + here[0] : 0;
}

static void stack_overflow_on_an_alternate_stack(void)
{
    struct rlimit limit = { 256 * 1024, RLIM_INFINITY };
    stack_t stack = { .ss_size = 8 * PAGE };
    stack.ss_sp = check_private(8);
    struct sigaction action;

    CHECK_EQ(getrlimit(RLIMIT_STACK, &limit), 0);
    limit.rlim_cur = 256 * 1024;
    CHECK_EQ(setrlimit(RLIMIT_STACK, &limit), 0);
    CHECK_EQ(sigaltstack(&stack, NULL), 0);
    memset(&action, 0, sizeof action);
    action.sa_sigaction = keep_and_jump;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
    char here, *volatile top = &here;
    if (sigsetjmp(home, 1) == 0)
        CHECK_EQ(recurse(NULL), 0);
    CHECK_EQ(last.si_signo, SIGSEGV);
    long depth = top - (char *)last.si_addr;
    CHECK(depth > 100 * 1024 && depth < 300 * 1024);
}

static volatile sig_atomic_t counted;
static void count(int number)
{
    (void)number;
    counted++;
}

static void sigpipe_and_epipe(void)
{
    int end[2];
    CHECK_EQ(pipe(end), 0);
    close(end[0]);
    pid_t pid = check_fork();
    if (pid == 0) {
        check_handler(SIGPIPE, SIG_DFL, 0);
        CHECK_EQ(write(end[1], "x", 1), 1);
        _exit(0);
    }
    CHECK_KILLED(pid, SIGPIPE);
    check_handler(SIGPIPE, count, 0);
    CHECK_ERR(write(end[1], "x", 1), EPIPE);
    CHECK_EQ(counted, 1);
    check_handler(SIGPIPE, SIG_IGN, 0);
    CHECK_ERR(write(end[1], "x", 1), EPIPE);
}

static void fatal_defaults(void)
{
    static const int fatal[] = { SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGUSR1, SIGUSR2, SIGALRM,
                                 SIGTERM, SIGXCPU, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSYS, 64 };
    struct rlimit none = { 0, 0 };
    CHECK_EQ(setrlimit(RLIMIT_CORE, &none), 0);
    for (size_t i = 0; i < COUNT(fatal); i++) {
        pid_t pid = check_fork();
        if (pid == 0) {
            kill(getpid(), fatal[i]);
            _exit(0);
        }
        CHECK_KILLED(pid, fatal[i]);
    }
}

/* ---- one thread's signals ---- */

static volatile pid_t handled_by;
static void note_thread(int number)
{
    (void)number;
    handled_by = (pid_t)syscall(SYS_gettid);
    counted++;
}

static volatile pid_t thread_id;
static volatile int stop;
static void *sleeping_thread(void *ready)
{
    thread_id = (pid_t)syscall(SYS_gettid);
    gate_open(*(struct gate *)ready);
    while (!stop)
        check_sleep_ms(1);
    return NULL;
}

static void tgkill_reaches_that_thread(void)
{
    struct gate ready = gate_new();
    pthread_t thread;
    check_handler(SIGUSR1, note_thread, 0);
    CHECK_EQ(pthread_create(&thread, NULL, sleeping_thread, &ready), 0);
    gate_wait(ready);
    CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
    while (counted < 1)
        check_sleep_ms(1);
    CHECK_EQ(handled_by, thread_id);
    CHECK_EQ(syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1), 0);
    CHECK_EQ(handled_by, getpid());
    /* one for the process goes to a thread that does not block it */
    check_mask(SIG_BLOCK, SIGUSR1);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    while (counted < 3)
        check_sleep_ms(1);
    CHECK_EQ(handled_by, thread_id);
    stop = 1;
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void *faulting_thread(void *unused)
{
    (void)unused;
    *(volatile int *)16 = 1;
    return NULL;
}

/* A fault in one thread ends all of the process. */
static void fault_in_a_thread_ends_the_process(void)
{
    struct rlimit none = { 0, 0 };
    CHECK_EQ(setrlimit(RLIMIT_CORE, &none), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, faulting_thread, NULL);
        for (;;)
            pause();
    }
    CHECK_KILLED(pid, SIGSEGV);
}

static const struct check_case cases[] = {
    CASE(maperr_has_the_address),
    CASE(accerr_has_the_address),
    CASE(jump_into_data_faults),
    CASE(straddling_access_faults_whole),
    CASE(sigbus_beyond_the_end_of_a_file),
    CASE(misaligned_atomic_is_sigbus),
    CASE(sigill_has_the_pc),
    CASE(ebreak_is_sigtrap),
    CASE(mended_fault_is_retried),
    CASE(forced_signals),
    CASE(no_stack_for_the_frame),
    CASE(stack_overflow_on_an_alternate_stack),
    CASE(sigpipe_and_epipe),
    CASE(fatal_defaults),
    CASE(tgkill_reaches_that_thread),
    CASE(fault_in_a_thread_ends_the_process),
};
CHECK_MAIN(cases)
