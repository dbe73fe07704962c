/*
 * wait.c - wait4(2), waitid(2), zombies, orphans, SIGCHLD (design row M13).
 */
#include "check.h"
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static volatile sig_atomic_t counted;
static volatile siginfo_t last;

static void count(int number)
{
    (void)number;
    counted++;
}

static void keep(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    last = *info;
    counted++;
}

static pid_t child_exits(int code)
{
    pid_t pid = check_fork();
    if (pid == 0)
        _exit(code);
    return pid;
}

static pid_t child_pauses(void)
{
    pid_t pid = check_fork();
    if (pid == 0)
        for (;;)
            pause();
    return pid;
}

static void statuses(void)
{
    int status;
    CHECK_EQ(check_status(child_exits(0)), 0);
    CHECK_EQ(check_status(child_exits(255)), 255 << 8);
    CHECK_EQ(check_status(child_exits(256 + 7)), 7 << 8);
    CHECK_EQ(check_status(child_exits(-1)), 255 << 8);
    pid_t pid = child_pauses();
    CHECK_EQ(kill(pid, SIGTERM), 0);
    CHECK_EQ(check_status(pid), SIGTERM);
    pid = check_fork();
    if (pid == 0) {
        struct rlimit none = { 0, 0 };
        setrlimit(RLIMIT_CORE, &none);
        abort();
    }
    status = check_status(pid);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGABRT);
}

static void echild_and_einval(void)
{
    siginfo_t info;
    CHECK_ERR(wait(NULL), ECHILD);
    CHECK_ERR(waitpid(-1, NULL, WNOHANG), ECHILD);
    CHECK_ERR(waitpid(getpid(), NULL, 0), ECHILD);
    CHECK_ERR(waitpid(1, NULL, 0), ECHILD);
    CHECK_ERR(waitpid(-1, NULL, 0x10000), EINVAL);
    CHECK_ERR(waitid(P_ALL, 0, &info, 0), EINVAL);
    CHECK_ERR(waitid(P_ALL, 0, &info, WNOHANG), EINVAL);
    CHECK_ERR(waitid((idtype_t)99, 0, &info, WEXITED), EINVAL);
    CHECK_ERR(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
    CHECK_ERR(waitid(P_PID, 0x3fffffff, &info, WEXITED), ECHILD);
    CHECK_ERR(waitid((idtype_t)3, 0, &info, WEXITED), EBADF); /* P_PIDFD of a non-pidfd */
}

static void wnohang(void)
{
    siginfo_t info;
    pid_t pid = child_pauses();
    CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
    memset(&info, 7, sizeof info);
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG), 0);
    CHECK_EQ(info.si_pid, 0);                     /* "nobody yet": zeroed */
    CHECK_EQ(info.si_signo, 0);
    kill(pid, SIGKILL);
    CHECK_KILLED(pid, SIGKILL);
    CHECK_ERR(waitpid(pid, NULL, WNOHANG), ECHILD);
}

static void wnowait_leaves_the_zombie(void)
{
    siginfo_t info;
    pid_t pid = child_exits(11);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
        CHECK_EQ(info.si_pid, pid);
        CHECK_EQ(info.si_status, 11);
    }
    CHECK_EXIT(pid, 11);
    CHECK_ERR(waitid(P_PID, (id_t)pid, &info, WEXITED), ECHILD);
}

static void waitid_fills_siginfo(void)
{
    siginfo_t info;
    pid_t pid = child_exits(12);
    CHECK_EQ(waitid(P_ALL, 0, &info, WEXITED), 0);
    CHECK_EQ(info.si_signo, SIGCHLD);
    CHECK_EQ(info.si_code, CLD_EXITED);
    CHECK_EQ(info.si_pid, pid);
    CHECK_EQ(info.si_uid, getuid());
    CHECK_EQ(info.si_status, 12);
    pid = child_pauses();
    kill(pid, SIGINT);
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED), 0);
    CHECK_EQ(info.si_code, CLD_KILLED);
    CHECK_EQ(info.si_status, SIGINT);
    pid = child_exits(1);
    CHECK_EQ(waitid(P_PID, (id_t)pid, NULL, WEXITED), 0); /* no siginfo wanted: fine */
}

static void stopped_and_continued(void)
{
    siginfo_t info;
    int status;
    pid_t pid = child_pauses();

    CHECK_EQ(kill(pid, SIGSTOP), 0);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(WSTOPSIG(status), SIGSTOP);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0); /* reported once */
    CHECK_EQ(kill(pid, SIGCONT), 0);
    CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
    CHECK(WIFCONTINUED(status));
    CHECK_EQ(status, 0xffff);

    CHECK_EQ(kill(pid, SIGTSTP), 0);
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT), 0);
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WSTOPPED), 0);
    CHECK_EQ(info.si_code, CLD_STOPPED);
    CHECK_EQ(info.si_status, SIGTSTP);
    CHECK_EQ(kill(pid, SIGCONT), 0);
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WCONTINUED), 0);
    CHECK_EQ(info.si_code, CLD_CONTINUED);
    CHECK_EQ(info.si_status, SIGCONT);
    CHECK_EQ(kill(pid, SIGSTOP), 0);
    CHECK_EQ(kill(pid, SIGKILL), 0);              /* kills the stopped too */
    CHECK_KILLED(pid, SIGKILL);
}

/* A plain wait sleeps through stops. */
static void wait_ignores_stops(void)
{
    struct gate go = gate_new();
    pid_t pid = check_fork();
    if (pid == 0) {
        gate_wait(go);
        _exit(13);
    }
    CHECK_EQ(kill(pid, SIGSTOP), 0);
    check_sleep_ms(10);
    CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
    gate_open(go);
    check_sleep_ms(10);
    CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);     /* stopped: does not read the gate */
    CHECK_EQ(kill(pid, SIGCONT), 0);
    CHECK_EXIT(pid, 13);
}

static void rusage_of_the_child(void)
{
    struct rusage usage;
    int status;
    pid_t pid = check_fork();
    if (pid == 0) {
        volatile unsigned long spin = 0;
        while (clock() < CLOCKS_PER_SEC / 33)     /* 30 ms of its own time */
            spin++;
        _exit(0);
    }
    CHECK_EQ(wait4(pid, &status, 0, &usage), pid);
    long used = usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec +
                usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec;
    CHECK(used > 20000);
    CHECK(usage.ru_maxrss > 0);
    CHECK_EQ(getrusage(RUSAGE_CHILDREN, &usage), 0);
    long total = usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec +
                 usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec;
    CHECK(total > 20000);
}

/* Children that nobody waits for are nobody's use of resources. */
static void usage_of_the_ignored(void)
{
    struct rusage before, after;
    CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    CHECK_EQ(getrusage(RUSAGE_CHILDREN, &before), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        memset(check_private(4096), 1, 4096 * PAGE);
        _exit(0);
    }
    CHECK_ERR(waitpid(pid, NULL, 0), ECHILD);
    CHECK_EQ(getrusage(RUSAGE_CHILDREN, &after), 0);
    CHECK_EQ(after.ru_maxrss, before.ru_maxrss);
}

static void any_order(void)
{
    pid_t a = child_exits(1), b = child_exits(2), c = child_exits(3);
    int status;
    CHECK_EXIT(b, 2);
    pid_t first = wait(&status);
    CHECK(first == a || first == c);
    CHECK_EQ(WEXITSTATUS(status), first == a ? 1 : 3);
    CHECK_EXIT(first == a ? c : a, first == a ? 3 : 1);
}

static void by_process_group(void)
{
    pid_t mine = child_exits(1), other = child_pauses();
    siginfo_t info;
    int status;

    CHECK_EQ(setpgid(other, other), 0);
    CHECK_EQ(waitpid(0, &status, 0), mine);       /* 0: my own group */
    CHECK_ERR(waitpid(0, &status, WNOHANG), ECHILD);
    CHECK_EQ(waitpid(-other, &status, WNOHANG), 0);
    CHECK_EQ(kill(-other, SIGTERM), 0);
    CHECK_EQ(waitid(P_PGID, (id_t)other, &info, WEXITED | WNOWAIT), 0);
    CHECK_EQ(info.si_pid, other);
    CHECK_EQ(waitpid(-other, &status, 0), other);
    CHECK_ERR(waitpid(-other, &status, 0), ECHILD);
}

/* ---- SIGCHLD ---- */

static void sigchld_tells_who(void)
{
    check_action(SIGCHLD, keep, SA_RESTART);
    pid_t pid = child_exits(14);
    CHECK_EXIT(pid, 14);
    CHECK_EQ(counted, 1);
    CHECK_EQ(last.si_signo, SIGCHLD);
    CHECK_EQ(last.si_code, CLD_EXITED);
    CHECK_EQ(last.si_pid, pid);
    CHECK_EQ(last.si_status, 14);
    pid = child_pauses();
    kill(pid, SIGSTOP);
    CHECK_EQ(waitpid(pid, NULL, WUNTRACED), pid);
    CHECK_EQ(last.si_code, CLD_STOPPED);
    kill(pid, SIGCONT);
    CHECK_EQ(waitpid(pid, NULL, WCONTINUED), pid);
    CHECK_SOON(last.si_code == CLD_CONTINUED);    /* sent only when the child runs again */
    kill(pid, SIGKILL);
    CHECK_KILLED(pid, SIGKILL);
    CHECK_EQ(last.si_code, CLD_KILLED);
    CHECK_EQ(last.si_status, SIGKILL);
}

static void nocldstop_is_quiet_about_stops(void)
{
    check_handler(SIGCHLD, count, SA_NOCLDSTOP | SA_RESTART);
    pid_t pid = child_pauses();
    kill(pid, SIGSTOP);
    CHECK_EQ(waitpid(pid, NULL, WUNTRACED), pid);
    kill(pid, SIGCONT);
    CHECK_EQ(waitpid(pid, NULL, WCONTINUED), pid);
    CHECK_EQ(counted, 0);
    kill(pid, SIGKILL);
    CHECK_KILLED(pid, SIGKILL);
    CHECK_EQ(counted, 1);
}

static void ignored_sigchld_reaps_by_itself(void)
{
    check_handler(SIGCHLD, SIG_IGN, 0);
    pid_t a = child_exits(1), b = child_exits(2);
    CHECK_ERR(waitpid(a, NULL, 0), ECHILD);       /* waits for the end, then: no child */
    CHECK_ERR(wait(NULL), ECHILD);
    CHECK_ERR(kill(a, 0), ESRCH);
    CHECK_ERR(kill(b, 0), ESRCH);
    check_handler(SIGCHLD, SIG_DFL, 0);           /* the default also ignores, but keeps zombies */
    CHECK_EXIT(child_exits(3), 3);
}

static void nocldwait_reaps_but_still_signals(void)
{
    check_handler(SIGCHLD, count, SA_NOCLDWAIT);
    pid_t pid = child_exits(1);
    pid_t got;
    while ((got = waitpid(pid, NULL, 0)) < 0 && errno == EINTR)
        continue;
    CHECK_EQ(got, -1);
    CHECK_EQ(errno, ECHILD);
    CHECK_EQ(counted, 1);
}

static void wait_is_interrupted(void)
{
    check_handler(SIGALRM, count, 0);
    pid_t pid = child_pauses();
    check_alarms(10);
    CHECK_ERR(waitpid(pid, NULL, 0), EINTR);
    check_handler(SIGALRM, count, SA_RESTART);
    struct gate go = gate_new();
    pid_t other = check_fork();
    if (other == 0) {
        gate_wait(go);
        check_sleep_ms(30);
        _exit(4);
    }
    gate_open(go);
    int status;
    CHECK_EQ(waitpid(other, &status, 0), other);  /* restarted */
    check_alarms(0);
    CHECK(counted >= 2);
    kill(pid, SIGKILL);
    CHECK_KILLED(pid, SIGKILL);
}

/* ---- orphans ---- */

static void orphans_go_to_init(void)
{
    volatile pid_t *seen = check_shared(1);
    struct gate done = gate_new();
    pid_t self = getpid(), middle = check_fork();
    if (middle == 0) {
        pid_t parent = getpid();
        if (check_fork() == 0) {
            while (getppid() == parent)
                check_sleep_ms(1);
            seen[0] = getppid();
            gate_open(done);
            _exit(0);
        }
        _exit(0);
    }
    CHECK_EXIT(middle, 0);
    gate_wait(done);
    CHECK(seen[0] != middle);
    CHECK(seen[0] != self);                       /* a grandfather does not inherit */
    CHECK_ERR(wait(NULL), ECHILD);
}

static void orphans_go_to_a_subreaper(void)
{
    volatile pid_t *seen = check_shared(1);
    CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    pid_t middle = check_fork();
    if (middle == 0) {
        pid_t parent = getpid();
        pid_t pid = check_fork();
        if (pid == 0) {
            while (getppid() == parent)
                check_sleep_ms(1);
            seen[0] = getppid();
            _exit(15);
        }
        seen[1] = pid;
        _exit(0);
    }
    CHECK_EXIT(middle, 0);
    CHECK_EXIT(seen[1], 15);                      /* it is ours to reap */
    CHECK_EQ(seen[0], getpid());
}

/* A zombie whose parent dies goes to the subreaper as well. */
static void inherited_zombies(void)
{
    volatile pid_t *seen = check_shared(1);
    CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    pid_t middle = check_fork();
    if (middle == 0) {
        siginfo_t info;
        seen[0] = child_exits(16);
        CHECK_EQ(waitid(P_PID, (id_t)seen[0], &info, WEXITED | WNOWAIT), 0);
        _exit(0);
    }
    CHECK_EXIT(middle, 0);
    CHECK_EXIT(seen[0], 16);
}

/* ---- threads ---- */

static void *exits_the_group(void *code)
{
    _exit((int)(long)code);
}

static void exit_group_from_a_thread(void)
{
    pid_t pid = check_fork();
    if (pid == 0) {
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, exits_the_group, (void *)17), 0);
        for (;;)
            pause();
    }
    CHECK_EXIT(pid, 17);
}

static void *outlives_the_leader(void *unused)
{
    (void)unused;
    check_sleep_ms(20);
    syscall(SYS_exit, 19);
    return NULL;
}

/* The leader's exit leaves a zombie leader, not a dead process: wait waits for the last. */
static void leader_exits_first(void)
{
    pid_t pid = check_fork();
    if (pid == 0) {
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, outlives_the_leader, NULL), 0);
        syscall(SYS_exit, 18);
    }
    check_sleep_ms(5);
    CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
    CHECK_EXIT(pid, 19);                          /* the last thread's code (since Linux 5.18) */
}

static void *waits_for_the_child(void *pid)
{
    return (void *)(long)check_status((pid_t)(long)pid);
}

/* A thread may wait for a child that another thread made; __WNOTHREAD may not. */
static void another_thread_waits(void)
{
    pthread_t thread;
    void *status;
    pid_t pid = child_exits(20);
    CHECK_EQ(pthread_create(&thread, NULL, waits_for_the_child, (void *)(long)pid), 0);
    CHECK_EQ(pthread_join(thread, &status), 0);
    CHECK_EQ((long)status, 20 << 8);
}

static const struct check_case cases[] = {
    CASE(statuses),
    CASE(echild_and_einval),
    CASE(wnohang),
    CASE(wnowait_leaves_the_zombie),
    CASE(waitid_fills_siginfo),
    CASE(stopped_and_continued),
    CASE(wait_ignores_stops),
    CASE(rusage_of_the_child),
    CASE(usage_of_the_ignored),
    CASE(any_order),
    CASE(by_process_group),
    CASE(sigchld_tells_who),
    CASE(nocldstop_is_quiet_about_stops),
    CASE(ignored_sigchld_reaps_by_itself),
    CASE(nocldwait_reaps_but_still_signals),
    CASE(wait_is_interrupted),
    CASE(orphans_go_to_init),
    CASE(orphans_go_to_a_subreaper),
    CASE(inherited_zombies),
    CASE(exit_group_from_a_thread),
    CASE(leader_exits_first),
    CASE(another_thread_waits),
};
CHECK_MAIN(cases)
