/*
 * ptrace.c - tracing from inside: stops at calls, signals, exec and events; registers and memory; code
 * that is patched while others share it; seize, interrupt and listen; who hears of a traced child's end.
 */
#include "check.h"
#include <elf.h>
#include <linux/ptrace.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/uio.h>

/* <sys/ptrace.h> and <linux/ptrace.h> do not go together. */
extern long ptrace(int request, ...);
#define TRACE(request, pid, addr, data) ptrace(request, pid, (void *)(long)(addr), (void *)(long)(data))
enum { TRACEME = 0, PEEK = 2, POKE = 5, CONT = 7, KILL = 8, STEP = 9, ATTACH = 16, DETACH = 17, CALLS = 24 };

#ifdef __riscv
struct registers { unsigned long pc, ra, sp, gp, tp, t[3], s[2], a[8], rest[14]; };
#define RESULT(r) ((r).a[0])
#define PC(r) ((r).pc)
#else
#include <sys/user.h>
#define registers user_regs_struct
#define RESULT(r) ((r).rax)
#define PC(r) ((r).rip)
#endif

static struct registers get(pid_t pid)
{
    struct registers r;
    struct iovec iov = { &r, sizeof r };
    CHECK_EQ(TRACE(PTRACE_GETREGSET, pid, NT_PRSTATUS, &iov), 0);
    CHECK_EQ(iov.iov_len, sizeof r);
    return r;
}

static void set(pid_t pid, struct registers r)
{
    struct iovec iov = { &r, sizeof r };
    CHECK_EQ(TRACE(PTRACE_SETREGSET, pid, NT_PRSTATUS, &iov), 0);
}

static int wait_stop(pid_t pid)
{
    int status = check_status(pid);
    if (!WIFSTOPPED(status))
        check_fail(__FILE__, __LINE__, "stops", status, pid);
    return status >> 8;
}

/* A child that is traced and stands at its first SIGSTOP. */
static pid_t traced(void (*body)(void))
{
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(TRACE(TRACEME, 0, 0, 0), 0);
        raise(SIGSTOP);
        body();
        _exit(7);
    }
    CHECK_EQ(wait_stop(pid), SIGSTOP);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK_KILLED(pid, SIGKILL);
}

static void three_calls(void)
{
    syscall(SYS_getppid);
    syscall(SYS_dup, 99);
}

static void calls_are_seen(void)
{
    struct ptrace_syscall_info info;
    long seen[3] = { 0 };
    pid_t pid = traced(three_calls);
    CHECK_EQ(TRACE(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD), 0);
    for (int n = 0; n < 20; n++) {
        CHECK_EQ(TRACE(CALLS, pid, 0, 0), 0);
        int status = check_status(pid);
        if (WIFEXITED(status)) {
            CHECK_EQ(WEXITSTATUS(status), 7);
            break;
        }
        CHECK_EQ(status >> 8, SIGTRAP | 0x80);
        memset(&info, 0, sizeof info);
        CHECK(TRACE(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) > 24);
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
            seen[0] = (long)info.entry.nr;
            seen[1] = (long)info.entry.args[0];
        } else if (seen[0] == SYS_getppid) {
            CHECK_EQ(info.exit.rval, getpid());
            CHECK_EQ(info.exit.is_error, 0);
            seen[2] |= 1;
        } else if (seen[0] == SYS_dup) {
            CHECK_EQ(seen[1], 99);
            CHECK_EQ(info.exit.rval, -EBADF);
            CHECK_EQ(info.exit.is_error, 1);
            CHECK_EQ((long)RESULT(get(pid)), -EBADF);
            seen[2] |= 2;
        }
    }
    CHECK_EQ(seen[2], 3);
}

static volatile int shared_word, handled;

static void handler(int number)
{
    handled = number;
}

static void three_signals(void)
{
    check_handler(SIGUSR1, handler, 0);
    check_handler(SIGUSR2, handler, 0);
    raise(SIGUSR1);
    CHECK_EQ(handled, 0); /* the tracer let nothing through */
    raise(SIGUSR1);
    CHECK_EQ(handled, SIGUSR1);
    raise(SIGUSR1);
    CHECK_EQ(handled, SIGUSR2); /* it was another one */
}

static void signals_pass_by_the_tracer(void)
{
    static const int pass[3] = { 0, SIGUSR1, SIGUSR2 };
    siginfo_t info;
    pid_t pid = traced(three_signals);
    CHECK_EQ(TRACE(CONT, pid, 0, 0), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(wait_stop(pid), SIGUSR1);
        CHECK_EQ(TRACE(PTRACE_GETSIGINFO, pid, 0, &info), 0);
        CHECK_EQ(info.si_signo, SIGUSR1);
        CHECK_EQ(info.si_pid, pid);
        CHECK_EQ(TRACE(CONT, pid, 0, pass[i]), 0);
    }
    CHECK_EXIT(pid, 7);
}

__attribute__((noinline)) static int answer(void)
{
    __asm__ volatile("");
    return 42;
}

static void pokes_are_its_own(void)
{
    CHECK_EQ(shared_word, 5);
    kill(getpid(), SIGUSR1);
    (void)answer(); /* a trap is there now */
}

/* A breakpoint in one process is in no other, though all share the page of code. */
static void memory_and_breakpoints(void)
{
#ifdef __riscv
    const unsigned long trap = 0x9002, size = 0xffff; /* c.ebreak */
#else
    const unsigned long trap = 0xcc, size = 0xff;
#endif
    long word;
    pid_t pid = traced(pokes_are_its_own);
    CHECK_EQ(TRACE(POKE, pid, &shared_word, 5), 0);
    errno = 0;
    word = TRACE(PEEK, pid, &shared_word, 0);
    CHECK_EQ((int)word, 5);
    CHECK_EQ(shared_word, 0);
    CHECK_ERR(TRACE(PEEK, pid, 16, 0), EIO);
    CHECK_ERR(TRACE(POKE, pid, 16, 0), EIO);
    errno = 0;
    long code = TRACE(PEEK, pid, answer, 0);
    CHECK_EQ(errno, 0);
    CHECK_EQ(TRACE(CONT, pid, 0, 0), 0);
    CHECK_EQ(wait_stop(pid), SIGUSR1);
    CHECK_EQ(TRACE(POKE, pid, answer, (code & ~size) | trap), 0);
    CHECK_EQ(answer(), 42);
    CHECK_EQ(TRACE(CONT, pid, 0, 0), 0);
    CHECK_EQ(wait_stop(pid), SIGTRAP);
    struct registers r = get(pid);
#ifdef __riscv
    CHECK_EQ(PC(r), (long)answer);
#else
    CHECK_EQ(PC(r), (long)answer + 1);
    PC(r)--;
#endif
    CHECK_EQ(TRACE(POKE, pid, answer, code), 0);
    set(pid, r);
    CHECK_EQ(TRACE(CONT, pid, 0, 0), 0);
    CHECK_EXIT(pid, 7);
}

static void stops_and_counts(void)
{
    raise(SIGUSR1);
    for (volatile int i = 0; i < 10; i++)
        continue;
    raise(SIGUSR2);
}

static void single_steps(void)
{
    int steps = 0, code;
    pid_t pid = traced(stops_and_counts);
    CHECK_EQ(TRACE(CONT, pid, 0, 0), 0);
    CHECK_EQ(wait_stop(pid), SIGUSR1);
    CHECK_EQ(TRACE(STEP, pid, 0, 0), 0);
    while ((code = wait_stop(pid)) == SIGTRAP) {
        steps++;
        CHECK_EQ(TRACE(STEP, pid, 0, 0), 0);
    }
    CHECK_EQ(code, SIGUSR2);
    CHECK(steps > 50 && steps < 5000);
    end(pid);
}

static void *returns_at_once(void *arg)
{
    return arg;
}

static void has_children(void)
{
    pthread_t thread;
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    waitpid(pid, NULL, 0);
    CHECK_EQ(pthread_create(&thread, NULL, returns_at_once, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    if ((pid = vfork()) == 0)
        _exit(3);
    waitpid(pid, NULL, 0);
}

static void children_are_traced_too(void)
{
    int forks = 0, clones = 0, vforks = 0, dones = 0, ends = 0, exits = 0;
    pid_t first = traced(has_children), pid = first;
    CHECK_EQ(TRACE(PTRACE_SETOPTIONS, pid, 0,
                   PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                       PTRACE_O_TRACEVFORKDONE | PTRACE_O_TRACEEXIT), 0);
    CHECK_EQ(TRACE(CONT, pid, 0, 0), 0);
    for (int status;;) {
        unsigned long message = 0;
        pid = waitpid(-1, &status, __WALL);
        if (pid < 0)
            break;
        if (!WIFSTOPPED(status)) {
            ends++;
            if (pid == first)
                CHECK_EQ(WEXITSTATUS(status), 7);
            continue;
        }
        int code = status >> 8, pass = 0;
        if (code >> 8)
            CHECK_EQ(TRACE(PTRACE_GETEVENTMSG, pid, 0, &message), 0);
        switch (code >> 8) {
        case PTRACE_EVENT_FORK: forks++; CHECK(message > 1); break;
        case PTRACE_EVENT_VFORK: vforks++; CHECK(message > 1); break;
        case PTRACE_EVENT_CLONE: clones++; CHECK(message > 1); break;
        case PTRACE_EVENT_VFORK_DONE: dones++; break;
        case PTRACE_EVENT_EXIT: exits++; break;
        default: pass = code == SIGSTOP ? 0 : code;
        }
        CHECK_EQ(TRACE(CONT, pid, 0, pass), 0);
    }
    CHECK_EQ(errno, ECHILD);
    CHECK_EQ(forks * 1000 + vforks * 100 + clones * 10 + dones, 1111);
    CHECK_EQ(ends, 4);
    CHECK_EQ(exits, 4);
}

static void executes(void)
{
    execl(check_self, check_self, "no such case", NULL);
    _exit(1);
}

static void exec_stops(void)
{
    unsigned long message;
    pid_t pid = traced(executes);
    CHECK_EQ(TRACE(CONT, pid, 0, 0), 0);
    CHECK_EQ(wait_stop(pid), SIGTRAP);
    end(pid);
    pid = traced(executes);
    CHECK_EQ(TRACE(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL), 0);
    CHECK_EQ(TRACE(CONT, pid, 0, 0), 0);
    CHECK_EQ(wait_stop(pid), SIGTRAP | PTRACE_EVENT_EXEC << 8);
    CHECK_EQ(TRACE(PTRACE_GETEVENTMSG, pid, 0, &message), 0);
    CHECK_EQ(message, pid);
    end(pid);
}

static void sleeps(void)
{
    for (;;)
        pause();
}

static void attach_and_detach(void)
{
    pid_t pid = check_fork();
    if (pid == 0)
        sleeps();
    CHECK_EQ(TRACE(ATTACH, pid, 0, 0), 0);
    CHECK_ERR(TRACE(ATTACH, pid, 0, 0), EPERM);
    CHECK_EQ(wait_stop(pid), SIGSTOP);
    CHECK_EQ(TRACE(DETACH, pid, 0, 0), 0);
    CHECK_ERR(TRACE(CONT, pid, 0, 0), ESRCH);
    CHECK_EQ(waitpid(pid, NULL, WNOHANG | WUNTRACED), 0);
    CHECK_ERR(TRACE(ATTACH, getpid(), 0, 0), EPERM);
    CHECK_ERR(TRACE(ATTACH, 0x3ffffff, 0, 0), ESRCH);
    CHECK_ERR(TRACE(0x1234, pid, 0, 0), ESRCH);
    end(pid);
}

static void seize_interrupt_listen(void)
{
    siginfo_t info;
    int status;
    pid_t pid = check_fork();
    if (pid == 0)
        sleeps();
    check_sleep_ms(5);
    CHECK_ERR(TRACE(PTRACE_SEIZE, pid, 1, 0), EIO);
    CHECK_EQ(TRACE(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD), 0);
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    CHECK_ERR(TRACE(CONT, pid, 0, 0), ESRCH); /* it runs */
    CHECK_EQ(TRACE(PTRACE_INTERRUPT, pid, 0, 0), 0);
    CHECK_EQ(wait_stop(pid), SIGTRAP | PTRACE_EVENT_STOP << 8);
    CHECK_EQ(TRACE(CONT, pid, 0, 0), 0);
    kill(pid, SIGSTOP);
    CHECK_EQ(wait_stop(pid), SIGSTOP); /* first the signal */
    CHECK_EQ(TRACE(CONT, pid, 0, SIGSTOP), 0);
    CHECK_EQ(wait_stop(pid), SIGSTOP | PTRACE_EVENT_STOP << 8); /* then the group's stop */
    CHECK_EQ(TRACE(PTRACE_GETSIGINFO, pid, 0, &info), 0);
    CHECK_EQ(TRACE(PTRACE_LISTEN, pid, 0, 0), 0);
    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    kill(pid, SIGCONT);
    CHECK_EQ(wait_stop(pid), SIGTRAP | PTRACE_EVENT_STOP << 8);
    CHECK_EQ(TRACE(CONT, pid, 0, 0), 0);
    CHECK_EQ(wait_stop(pid), SIGCONT);
    CHECK_EQ(TRACE(CONT, pid, 0, 0), 0);
    end(pid);
}

/* Without PTRACE_SEIZE a group's stop is told by PTRACE_GETSIGINFO that fails. */
static void group_stop_of_the_attached(void)
{
    siginfo_t info;
    pid_t pid = traced(sleeps);
    CHECK_EQ(TRACE(PTRACE_GETSIGINFO, pid, 0, &info), 0);
    CHECK_EQ(TRACE(CONT, pid, 0, SIGSTOP), 0);
    CHECK_EQ(wait_stop(pid), SIGSTOP);
    CHECK_ERR(TRACE(PTRACE_GETSIGINFO, pid, 0, &info), EINVAL);
    end(pid);
}

static void signal_masks_and_queues(void)
{
    struct ptrace_peeksiginfo_args args = { 0, PTRACE_PEEKSIGINFO_SHARED, 8 };
    siginfo_t list[8];
    uint64_t mask = 0;
    pid_t pid = traced(sleeps);
    CHECK_EQ(TRACE(PTRACE_GETSIGMASK, pid, 8, &mask), 0);
    CHECK_ERR(TRACE(PTRACE_GETSIGMASK, pid, 4, &mask), EINVAL);
    mask |= 1UL << (SIGRTMIN - 1);
    CHECK_EQ(TRACE(PTRACE_SETSIGMASK, pid, 8, &mask), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sigqueue(pid, SIGRTMIN, (union sigval){ .sival_int = i }), 0);
    CHECK_EQ(TRACE(PTRACE_PEEKSIGINFO, pid, &args, list), 3);
    CHECK_EQ(list[2].si_value.sival_int, 2);
    args.off = 2;
    CHECK_EQ(TRACE(PTRACE_PEEKSIGINFO, pid, &args, list), 1);
    end(pid);
}

/* A tracer that is not the parent: the parent hears of the end once the tracer has. */
static void the_parent_waits_for_the_tracer(void)
{
    struct gate ready = gate_new(), go = gate_new(), done = gate_new();
    pid_t pid = check_fork();
    if (pid == 0)
        sleeps();
    pid_t tracer = check_fork();
    if (tracer == 0) {
        CHECK_EQ(TRACE(ATTACH, pid, 0, 0), 0);
        CHECK_EQ(wait_stop(pid), SIGSTOP);
        gate_open(ready);
        gate_wait(go);
        kill(pid, SIGKILL);
        check_sleep_ms(30);
        gate_open(done);
        gate_wait(go);
        CHECK_KILLED(pid, SIGKILL);
        _exit(0);
    }
    prctl(PR_SET_PTRACER, -1, 0, 0, 0);
    gate_wait(ready);
    gate_open(go);
    gate_wait(done);
    CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
    gate_open(go);
    CHECK_EXIT(tracer, 0);
    CHECK_KILLED(pid, SIGKILL);
}

/* Tracers that go away: the tracee goes on, or with PTRACE_O_EXITKILL ends. */
static void the_tracer_ends(void)
{
    for (int kills = 0; kills < 2; kills++) {
        pid_t pid = check_fork(), tracer;
        if (pid == 0)
            sleeps();
        if ((tracer = check_fork()) == 0) {
            CHECK_EQ(TRACE(PTRACE_SEIZE, pid, 0, kills ? PTRACE_O_EXITKILL : 0), 0);
            CHECK_EQ(TRACE(PTRACE_INTERRUPT, pid, 0, 0), 0);
            CHECK_EQ(wait_stop(pid), SIGTRAP | PTRACE_EVENT_STOP << 8);
            _exit(0);
        }
        CHECK_EXIT(tracer, 0);
        if (!kills) {
            check_sleep_ms(10);
            CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
            kill(pid, SIGTERM);
        }
        CHECK_KILLED(pid, kills ? SIGKILL : SIGTERM);
    }
}

static void reads_what_is_never_there(void)
{
    int end[2];
    char byte;
    check_handler(SIGUSR1, handler, SA_RESTART);
    CHECK_EQ(pipe(end), 0);
    if (read(end[0], &byte, 1) != 1 || byte != 'x')
        _exit(1);
}

/* A call that is interrupted for the tracer's sake goes on; a tracer may also send the task elsewhere. */
static void calls_go_on_after_a_stop(void)
{
    struct timespec nap = { 0, 60000000 };
    long begin = check_now_ms();
    pid_t pid = check_fork();
    if (pid == 0)
        _exit(nanosleep(&nap, NULL) == 0 ? 5 : 6);
    CHECK_EQ(TRACE(PTRACE_SEIZE, pid, 0, 0), 0);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(TRACE(PTRACE_INTERRUPT, pid, 0, 0), 0);
        CHECK_EQ(wait_stop(pid), SIGTRAP | PTRACE_EVENT_STOP << 8);
        CHECK_EQ(TRACE(CONT, pid, 0, 0), 0);
        check_sleep_ms(3);
    }
    CHECK_EXIT(pid, 5);
    CHECK(check_now_ms() - begin >= 59);
    pid = traced(reads_what_is_never_there);
    CHECK_EQ(TRACE(CONT, pid, 0, 0), 0);
    check_sleep_ms(10);
    kill(pid, SIGUSR1);
    CHECK_EQ(wait_stop(pid), SIGUSR1);
    CHECK_EQ(TRACE(CONT, pid, 0, SIGUSR1), 0);
    check_sleep_ms(5);
    CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0); /* it reads again */
    end(pid);
}

static const struct check_case cases[] = {
    CASE(calls_are_seen), CASE(signals_pass_by_the_tracer), CASE(memory_and_breakpoints),
    CASE(single_steps), CASE(children_are_traced_too), CASE(exec_stops), CASE(attach_and_detach),
    CASE(seize_interrupt_listen), CASE(group_stop_of_the_attached), CASE(signal_masks_and_queues),
    CASE(the_parent_waits_for_the_tracer), CASE(the_tracer_ends), CASE(calls_go_on_after_a_stop),
};
CHECK_MAIN(cases)
