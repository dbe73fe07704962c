/*
 * signals_more.c - the limit of queued signals, signals to threads with a value, stacks that disarm
 * themselves, stop signals in orphaned process groups, what SIG_IGN discards, and setpriority's pid 1.
 */
#include "check.h"
#include <pthread.h>
#include <sys/resource.h>

static volatile int got, value, on_stack;

static void handler(int number, siginfo_t *info, void *context)
{
    (void)context;
    got = number;
    value = info->si_value.sival_int;
}

static void queue_limit(void)
{
    struct rlimit limit = { 8, 8 };
    union sigval v = { .sival_int = 1 };
    if (getuid() == 0) /* a user of his own: others' signals count too */
        CHECK_EQ(setresuid(61234, 61234, 61234), 0);
    CHECK_EQ(setrlimit(RLIMIT_SIGPENDING, &limit), 0);
    for (int number = SIGRTMIN; number < SIGRTMIN + 2; number++)
        check_mask(SIG_BLOCK, number);
    check_mask(SIG_BLOCK, SIGUSR1);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(sigqueue(getpid(), SIGRTMIN, v), 0);
    CHECK_ERR(sigqueue(getpid(), SIGRTMIN, v), EAGAIN);
    CHECK_ERR(syscall(SYS_tgkill, getpid(), getpid(), SIGRTMIN), EAGAIN);
    CHECK_EQ(kill(getpid(), SIGRTMIN + 1), 0); /* kill only loses what it would have told */
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN);
    CHECK_EQ(info.si_value.sival_int, 1);
    CHECK_ERR(sigqueue(getpid(), SIGRTMIN, v), EAGAIN); /* SIGUSR1 was over the limit */
    CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN);
    CHECK_EQ(sigqueue(getpid(), SIGRTMIN, v), 0);
}

static void value_for_a_thread(void)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    check_action(SIGUSR1, handler, 0);
    info.si_code = SI_QUEUE;
    info.si_value.sival_int = 55;
    CHECK_EQ(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), SIGUSR1, &info), 0);
    CHECK_EQ(got, SIGUSR1);
    CHECK_EQ(value, 55);
    CHECK_ERR(syscall(SYS_rt_tgsigqueueinfo, 1, getpid(), SIGUSR1, &info), ESRCH);
    CHECK_ERR(syscall(SYS_rt_tgsigqueueinfo, -1, getpid(), SIGUSR1, &info), EINVAL);
    CHECK_ERR(syscall(SYS_restart_syscall), EINTR);
}

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif
static char other_stack[65536], third_stack[65536];

static void disarmed(int number)
{
    stack_t now, other = { .ss_sp = third_stack, .ss_size = sizeof third_stack };
    char here;
    (void)number;
    on_stack = &here > other_stack && &here < other_stack + sizeof other_stack;
    CHECK_EQ(sigaltstack(NULL, &now), 0);
    CHECK(now.ss_flags & SS_DISABLE);
    CHECK_EQ(sigaltstack(&other, NULL), 0); /* may be changed while it runs on it */
}

static void stack_that_disarms_itself(void)
{
    stack_t stack = { .ss_sp = other_stack, .ss_size = sizeof other_stack, .ss_flags = (int)SS_AUTODISARM };
    CHECK_EQ(sigaltstack(&stack, NULL), 0);
    check_handler(SIGUSR1, disarmed, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK_EQ(on_stack, 1);
    CHECK_EQ(sigaltstack(NULL, &stack), 0);
    CHECK(stack.ss_sp == other_stack);
    CHECK_EQ(stack.ss_flags, (int)SS_AUTODISARM);
}

/* A terminal's stop signals do nothing where nobody could continue; SIGSTOP does. */
static void orphans_do_not_stop(void)
{
    int status;
    pid_t pid = check_fork();
    if (pid == 0) {
        setsid();
        raise(SIGTSTP);
        raise(SIGTTIN);
        raise(SIGTTOU);
        _exit(4);
    }
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 4);
    pid = check_fork();
    if (pid == 0) {
        setpgid(0, 0);
        raise(SIGTSTP);
        _exit(4);
    }
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTSTP);
    kill(pid, SIGCONT);
    CHECK_EXIT(pid, 4);
}

static void *blocked_thread(void *arg)
{
    sigset_t set;
    check_mask(SIG_BLOCK, SIGUSR2);
    *(volatile int *)arg = 1;
    CHECK_SOON(*(volatile int *)arg == 2);
    sigpending(&set);
    CHECK(!sigismember(&set, SIGUSR2));
    return NULL;
}

static void ignoring_discards_in_every_thread(void)
{
    volatile int stage = 0;
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, blocked_thread, (void *)&stage), 0);
    CHECK_SOON(stage == 1);
    CHECK_EQ(pthread_kill(thread, SIGUSR2), 0);
    signal(SIGUSR2, SIG_IGN);
    stage = 2;
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void process_one(void)
{
    CHECK(getpgid(1) >= 0);
    CHECK(getsid(1) >= 0);
    errno = 0;
    CHECK(getpriority(PRIO_PROCESS, 1) >= -20 && errno == 0);
    if (getuid() == 0)
        CHECK_EQ(setresuid(65534, 65534, 65534), 0);
    CHECK_ERR(kill(1, 0), EPERM);
    CHECK_ERR(setpriority(PRIO_PROCESS, 1, 3), EPERM);
}

static const struct check_case cases[] = {
    CASE(queue_limit), CASE(value_for_a_thread), CASE(stack_that_disarms_itself),
    CASE(orphans_do_not_stop), CASE(ignoring_discards_in_every_thread), CASE(process_one),
};
CHECK_MAIN(cases)
