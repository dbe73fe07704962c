/*
 * signals.c - sigaction(2) flags, masks, queues, stop and continue, EINTR, frames.
 * Signals that the program's own instructions cause are in signals_fault.c.
 */
#include "check.h"
#include <pthread.h>
#include <fenv.h>
#include <setjmp.h>
#include <ucontext.h>

static volatile sig_atomic_t counted, depth, deepest;
static volatile siginfo_t last;
static volatile int order[64];

static void count(int number)
{
    order[counted % 64] = number;
    counted++;
}

static void keep(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    last = *info;
    order[counted % 64] = info->si_value.sival_int;
    counted++;
}

/* ---- flags ---- */

static void raise_is_synchronous(void)
{
    check_handler(SIGUSR1, count, 0);
    for (int i = 1; i <= 100; i++) {
        CHECK_EQ(raise(SIGUSR1), 0);
        CHECK_EQ(counted, i);
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);     /* delivered before kill returns */
        CHECK_EQ(counted, i + 1);
        counted--;
    }
}

static void nested(int number)
{
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (counted++ < 3)
        raise(number);
    depth--;
}

static void own_signal_is_blocked_in_the_handler(void)
{
    check_handler(SIGUSR1, nested, 0);
    raise(SIGUSR1);
    CHECK_EQ(deepest, 1);
    CHECK_EQ(counted, 4);
}

static void nodefer_lets_it_nest(void)
{
    check_handler(SIGUSR1, nested, SA_NODEFER);
    raise(SIGUSR1);
    CHECK_EQ(deepest, 4);
}

static void sa_mask_holds_others(void)
{
    struct sigaction action;
    sigset_t now;

    memset(&action, 0, sizeof action);
    action.sa_handler = nested;
    sigaddset(&action.sa_mask, SIGUSR2);
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    raise(SIGUSR1);
    CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &now), 0);
    CHECK(!sigismember(&now, SIGUSR1));           /* the mask is back */
    CHECK(!sigismember(&now, SIGUSR2));
}

static void resethand_is_once(void)
{
    struct sigaction action;
    check_handler(SIGUSR1, count, SA_RESETHAND);
    raise(SIGUSR1);
    CHECK_EQ(counted, 1);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &action), 0);
    CHECK(action.sa_handler == SIG_DFL);
    pid_t pid = check_fork();
    if (pid == 0) {
        raise(SIGUSR1);
        _exit(0);
    }
    CHECK_KILLED(pid, SIGUSR1);
}

static void *volatile handler_sp;
static void note_stack(int number)
{
    int here;
    (void)number;
    handler_sp = &here;
    stack_t now;
    CHECK_EQ(sigaltstack(NULL, &now), 0);
    counted = now.ss_flags;
    if (now.ss_flags & SS_ONSTACK)                /* in use: it cannot be changed */
        CHECK_ERR(sigaltstack(&now, NULL), EPERM);
}

static void onstack(void)
{
    stack_t stack = { .ss_size = 8 * PAGE }, old;
    char *p = stack.ss_sp = check_private(8);

    CHECK_EQ(sigaltstack(&stack, NULL), 0);
    CHECK_EQ(sigaltstack(NULL, &old), 0);
    CHECK(old.ss_sp == p);
    CHECK_EQ(old.ss_flags, 0);
    check_handler(SIGUSR1, note_stack, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK((char *)handler_sp > p && (char *)handler_sp < p + 8 * PAGE);
    CHECK_EQ(counted, SS_ONSTACK);
    check_handler(SIGUSR2, note_stack, 0);        /* without the flag: the ordinary stack */
    raise(SIGUSR2);
    CHECK((char *)handler_sp < p || (char *)handler_sp > p + 8 * PAGE);
    stack.ss_size = 100;
    CHECK_ERR(sigaltstack(&stack, NULL), ENOMEM);
    stack.ss_flags = SS_DISABLE;
    CHECK_EQ(sigaltstack(&stack, NULL), 0);
    raise(SIGUSR1);
    CHECK((char *)handler_sp < p || (char *)handler_sp > p + 8 * PAGE);
}

static void siginfo_of_kill_and_sigqueue(void)
{
    check_action(SIGUSR1, keep, 0);
    kill(getpid(), SIGUSR1);
    CHECK_EQ(last.si_signo, SIGUSR1);
    CHECK_EQ(last.si_code, SI_USER);
    CHECK_EQ(last.si_pid, getpid());
    CHECK_EQ(last.si_uid, getuid());
    syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1);
    CHECK_EQ(last.si_code, SI_TKILL);
    union sigval value = { .sival_int = 4711 };
    CHECK_EQ(sigqueue(getpid(), SIGUSR1, value), 0);
    CHECK_EQ(last.si_code, SI_QUEUE);
    CHECK_EQ(last.si_value.sival_int, 4711);
}

static void bad_arguments(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = count;
    CHECK_ERR(sigaction(SIGKILL, &action, NULL), EINVAL);
    CHECK_ERR(sigaction(SIGSTOP, &action, NULL), EINVAL);
    CHECK_EQ(sigaction(SIGKILL, NULL, &action), 0);
    CHECK_ERR(sigaction(65, NULL, &action), EINVAL);
    CHECK_ERR(syscall(SYS_rt_sigaction, SIGUSR1, NULL, &action, 4), EINVAL);
    CHECK_ERR(syscall(SYS_rt_sigprocmask, 9, &action, NULL, 8), EINVAL);
    sigset_t all;
    sigfillset(&all);
    CHECK_EQ(sigprocmask(SIG_SETMASK, &all, NULL), 0);
    CHECK_EQ(sigprocmask(SIG_SETMASK, NULL, &all), 0);
    CHECK(!sigismember(&all, SIGKILL));           /* cannot be blocked */
    CHECK(!sigismember(&all, SIGSTOP));
}

/* ---- blocking and queueing ---- */

static void standard_signals_do_not_queue(void)
{
    check_handler(SIGUSR1, count, 0);
    check_mask(SIG_BLOCK, SIGUSR1);
    for (int i = 0; i < 5; i++)
        kill(getpid(), SIGUSR1);
    CHECK_EQ(counted, 0);
    sigset_t pending;
    CHECK_EQ(sigpending(&pending), 0);
    CHECK(sigismember(&pending, SIGUSR1));
    check_mask(SIG_UNBLOCK, SIGUSR1);
    CHECK_EQ(counted, 1);
    CHECK_EQ(sigpending(&pending), 0);
    CHECK(!sigismember(&pending, SIGUSR1));
}

static void realtime_signals_queue_in_order(void)
{
    union sigval value;
    for (int k = 0; k < 2; k++) {
        check_action(SIGRTMIN + k, keep, 0);
        check_mask(SIG_BLOCK, SIGRTMIN + k);
    }
    for (value.sival_int = 0; value.sival_int < 10; value.sival_int++) {
        CHECK_EQ(sigqueue(getpid(), SIGRTMIN + 1, value), 0);
    }
    for (value.sival_int = 100; value.sival_int < 110; value.sival_int++)
        CHECK_EQ(sigqueue(getpid(), SIGRTMIN, value), 0);
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGRTMIN);
    sigaddset(&both, SIGRTMIN + 1);
    siginfo_t info;
    struct timespec none = { 0, 0 };
    /* the lowest number first, and each number in the order of sending */
    for (int i = 0; i < 20; i++) {
        int number = sigtimedwait(&both, &info, &none);
        CHECK_EQ(number, SIGRTMIN + (i >= 10));
        CHECK_EQ(info.si_value.sival_int, i < 10 ? 100 + i : i - 10);
        CHECK_EQ(info.si_code, SI_QUEUE);
    }
    CHECK_ERR(sigtimedwait(&both, &info, &none), EAGAIN);
    for (value.sival_int = 0; value.sival_int < 5; value.sival_int++)
        CHECK_EQ(sigqueue(getpid(), SIGRTMIN, value), 0);
    check_mask(SIG_UNBLOCK, SIGRTMIN);
    CHECK_EQ(counted, 5);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(order[i], i);
}

static void ignored_signals_are_not_pending(void)
{
    sigset_t pending;
    check_mask(SIG_BLOCK, SIGUSR1);
    raise(SIGUSR1);
    check_handler(SIGUSR1, SIG_IGN, 0);           /* discards what is pending */
    CHECK_EQ(sigpending(&pending), 0);
    CHECK(!sigismember(&pending, SIGUSR1));
    check_handler(SIGUSR1, count, 0);
    check_mask(SIG_UNBLOCK, SIGUSR1);
    CHECK_EQ(counted, 0);
    raise(SIGURG);                                /* default: ignored */
    raise(SIGWINCH);
    raise(SIGCHLD);
    raise(SIGCONT);
}

static void sigsuspend_swaps_the_mask(void)
{
    sigset_t none, before;
    check_handler(SIGUSR1, count, 0);
    check_mask(SIG_BLOCK, SIGUSR1);
    raise(SIGUSR1);
    CHECK_EQ(counted, 0);
    sigemptyset(&none);
    CHECK_ERR(sigsuspend(&none), EINTR);
    CHECK_EQ(counted, 1);
    CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &before), 0);
    CHECK(sigismember(&before, SIGUSR1));         /* the old mask is back */
    pid_t parent = getpid(), pid = check_fork();  /* and it really sleeps */
    if (pid == 0) {
        check_sleep_ms(10);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    CHECK_ERR(sigsuspend(&none), EINTR);
    CHECK_EQ(counted, 2);
    CHECK_EXIT(pid, 0);
}

static void sigwait_takes_without_a_handler(void)
{
    sigset_t set;
    int number;
    check_handler(SIGUSR1, count, 0);
    check_mask(SIG_BLOCK, SIGUSR1);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pid_t parent = getpid(), pid = check_fork();
    if (pid == 0) {
        check_sleep_ms(5);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    CHECK_EQ(sigwait(&set, &number), 0);
    CHECK_EQ(number, SIGUSR1);
    CHECK_EQ(counted, 0);
    CHECK_EXIT(pid, 0);
    struct timespec limit = { 0, 20000000 };
    long begin = check_now_ms();
    CHECK_ERR(sigtimedwait(&set, NULL, &limit), EAGAIN);
    CHECK(check_now_ms() - begin >= 19);
}

/* ---- EINTR and SA_RESTART ---- */

static void slow_calls_end_with_eintr(void)
{
    int end[2];
    char byte;
    struct timespec ts = { 5, 0 }, left = { 0, 0 };

    CHECK_EQ(pipe(end), 0);
    check_handler(SIGALRM, count, 0);
    check_alarms(10);
    CHECK_ERR(read(end[0], &byte, 1), EINTR);
    CHECK_ERR(pause(), EINTR);
    CHECK_ERR(nanosleep(&ts, &left), EINTR);
    CHECK(left.tv_sec == 4);
    check_alarms(0);
    CHECK(counted >= 3);
}

static void restart_resumes_the_read(void)
{
    struct gate gate = gate_new();
    char byte;
    check_handler(SIGUSR1, count, SA_RESTART);
    pid_t parent = getpid(), pid = check_fork();
    if (pid == 0) {
        for (int i = 0; i < 3; i++) {
            check_sleep_ms(5);
            kill(parent, SIGUSR1);                /* (two may become one) */
        }
        check_sleep_ms(5);
        gate_open(gate);
        _exit(0);
    }
    CHECK_EQ(read(gate.end[0], &byte, 1), 1);
    CHECK(counted >= 1);
    CHECK_EXIT(pid, 0);
    check_handler(SIGALRM, count, SA_RESTART);    /* sleeping calls never restart */
    check_alarms(10);
    CHECK_ERR(pause(), EINTR);
}

/* A signal that is ignored, or a stop and continue, does not end a read. */
static void ignored_and_stop_do_not_interrupt(void)
{
    struct gate gate = gate_new();
    char byte;
    check_handler(SIGUSR1, SIG_IGN, 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(read(gate.end[0], &byte, 1), 1);
        _exit(0);
    }
    check_sleep_ms(5);
    kill(pid, SIGUSR1);
    kill(pid, SIGSTOP);
    CHECK_EQ(waitpid(pid, NULL, WUNTRACED), pid);
    kill(pid, SIGCONT);
    check_sleep_ms(5);
    gate_open(gate);
    CHECK_EXIT(pid, 0);
}

/* ---- stop, continue ---- */

static void sigcont_runs_its_handler_and_discards_stops(void)
{
    struct gate ready = gate_new();
    pid_t pid = check_fork();
    if (pid == 0) {
        check_handler(SIGCONT, count, 0);
        check_mask(SIG_BLOCK, SIGTSTP);
        gate_open(ready);
        while (counted == 0)
            check_sleep_ms(1);
        sigset_t pending;
        CHECK_EQ(sigpending(&pending), 0);
        CHECK(!sigismember(&pending, SIGTSTP));   /* the continue swept it away */
        _exit(0);
    }
    gate_wait(ready);
    kill(pid, SIGTSTP);
    kill(pid, SIGSTOP);
    CHECK_EQ(waitpid(pid, NULL, WUNTRACED), pid);
    kill(pid, SIGCONT);
    CHECK_EXIT(pid, 0);
}

static void stopped_process_keeps_signals_for_later(void)
{
    struct gate ready = gate_new();
    pid_t pid = check_fork();
    if (pid == 0) {
        check_handler(SIGUSR1, count, 0);
        gate_open(ready);
        while (counted == 0)
            check_sleep_ms(1);
        _exit(6);
    }
    gate_wait(ready);
    kill(pid, SIGSTOP);
    CHECK_EQ(waitpid(pid, NULL, WUNTRACED), pid);
    kill(pid, SIGUSR1);
    check_sleep_ms(10);
    CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
    kill(pid, SIGCONT);
    CHECK_EXIT(pid, 6);
}

/* ---- handlers that do not return, and what a frame holds ---- */

static sigjmp_buf home;
static void jump(int number)
{
    siglongjmp(home, number);
}

static void siglongjmp_restores_the_mask(void)
{
    sigset_t now;
    check_handler(SIGUSR1, jump, 0);
    for (int round = 0; round < 5; round++) {
        int got = sigsetjmp(home, 1);
        if (got == 0) {
            raise(SIGUSR1);
            CHECK(0);
        }
        CHECK_EQ(got, SIGUSR1);
        CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &now), 0);
        CHECK(!sigismember(&now, SIGUSR1));
    }
}

/* The mask in the frame is what sigreturn restores: a handler may edit it. */
static void block_in_frame(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    sigaddset(&((ucontext_t *)context)->uc_sigmask, SIGUSR2);
}

static void handler_edits_the_saved_mask(void)
{
    sigset_t now;
    check_action(SIGUSR1, block_in_frame, 0);
    raise(SIGUSR1);
    CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &now), 0);
    CHECK(sigismember(&now, SIGUSR2));
}

static void spoil_everything(int number)
{
    (void)number;
    errno = 1234;
    fesetround(FE_UPWARD);
#ifdef __riscv
    __asm__ volatile("li t0, -1\n li t1, -1\n li t2, -1\n li t3, -1\n li t4, -1\n li t5, -1\n"
                     "li t6, -1\n li a1, -1\n li a7, -1\n"
                     "fmv.d.x f0, t0\n fmv.d.x f1, t0\n fmv.d.x f15, t0\n fmv.d.x f31, t0\n"
                     : : : "t0", "t1", "t2", "t3", "t4", "t5", "t6", "a1", "a7", "f0", "f1", "f15",
                       "f31");
#endif
    counted++;
}

/* All registers, FP registers and the rounding mode come back from the frame. */
static void registers_survive_a_handler(void)
{
    check_handler(SIGUSR1, spoil_everything, 0);
    errno = 0;
    raise(SIGUSR1);
    CHECK_EQ(errno, 1234);                        /* errno is the handler's own business */
    CHECK_EQ(fegetround(), FE_TONEAREST);
#ifdef __riscv
    uint64_t x[6];
    double f[4];
    __asm__ volatile("li t1, 1\n li t2, 2\n li t3, 3\n li t4, 4\n li t5, 5\n li t6, 6\n"
                     "fcvt.d.l f0, t1\n fcvt.d.l f1, t2\n fcvt.d.l f15, t3\n fcvt.d.l f31, t4\n"
                     "mv a0, %2\n li a1, 10\n li a7, 129\n ecall\n" /* kill(getpid(), SIGUSR1) */
                     "addi a1, a1, -10\n or t1, t1, a1\n"
                     "sd t1, 0(%0)\n sd t2, 8(%0)\n sd t3, 16(%0)\n sd t4, 24(%0)\n"
                     "sd t5, 32(%0)\n sd t6, 40(%0)\n"
                     "fsd f0, 0(%1)\n fsd f1, 8(%1)\n fsd f15, 16(%1)\n fsd f31, 24(%1)\n"
                     : : "r"(x), "r"(f), "r"((long)getpid())
                     : "memory", "a0", "a1", "a7", "t1", "t2", "t3", "t4", "t5", "t6", "f0", "f1",
                       "f15", "f31");
    CHECK_EQ(counted, 2);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(x[i], i + 1);
    for (int i = 0; i < 4; i++)
        CHECK(f[i] == i + 1);
#endif
}

static const struct check_case cases[] = {
    CASE(raise_is_synchronous),
    CASE(own_signal_is_blocked_in_the_handler),
    CASE(nodefer_lets_it_nest),
    CASE(sa_mask_holds_others),
    CASE(resethand_is_once),
    CASE(onstack),
    CASE(siginfo_of_kill_and_sigqueue),
    CASE(bad_arguments),
    CASE(standard_signals_do_not_queue),
    CASE(realtime_signals_queue_in_order),
    CASE(ignored_signals_are_not_pending),
    CASE(sigsuspend_swaps_the_mask),
    CASE(sigwait_takes_without_a_handler),
    CASE(slow_calls_end_with_eintr),
    CASE(restart_resumes_the_read),
    CASE(ignored_and_stop_do_not_interrupt),
    CASE(sigcont_runs_its_handler_and_discards_stops),
    CASE(stopped_process_keeps_signals_for_later),
    CASE(siglongjmp_restores_the_mask),
    CASE(handler_edits_the_saved_mask),
    CASE(registers_survive_a_handler),
};
CHECK_MAIN(cases)
