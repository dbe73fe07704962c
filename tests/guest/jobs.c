/*
 * jobs.c - process groups, sessions, and who may signal whom.
 */
#include "check.h"

static pid_t child_pauses(void)
{
    pid_t pid = check_fork();
    if (pid == 0)
        for (;;)
            pause();
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK_KILLED(pid, SIGKILL);
}

static void group_is_inherited_and_set(void)
{
    pid_t group = getpgrp(), pid = child_pauses();
    CHECK_EQ(getpgid(pid), group);
    CHECK_EQ(setpgid(pid, 0), 0);
    CHECK_EQ(getpgid(pid), pid);
    CHECK_EQ(setpgid(pid, group), 0);
    CHECK_EQ(getpgid(pid), group);
    CHECK_EQ(getpgid(0), group);
    end(pid);
}

static void setpgid_errors(void)
{
    pid_t pid = child_pauses();
    CHECK_ERR(setpgid(pid, -1), EINVAL);
    CHECK_ERR(setpgid(pid, 0x3fffffff), EPERM);   /* no such group in the session */
    CHECK_ERR(setpgid(1, 0), ESRCH);              /* not mine and not my child */
    CHECK_ERR(setpgid(0x3fffffff, 0), ESRCH);
    CHECK_ERR(getpgid(0x3fffffff), ESRCH);
    CHECK_ERR(getsid(0x3fffffff), ESRCH);
    end(pid);
}

/* setpgid of a child is refused once it has made an exec. */
static void setpgid_after_exec_is_eacces(void)
{
    int end_of[2];
    char byte;
    CHECK_EQ(pipe2(end_of, O_CLOEXEC), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        execl(check_self, check_self, "--pause", (char *)NULL);
        _exit(127);
    }
    close(end_of[1]);
    CHECK_EQ(read(end_of[0], &byte, 1), 0);       /* closed by the exec */
    CHECK_ERR(setpgid(pid, 0), EACCES);
    end(pid);
}

static void setsid_makes_session_and_group(void)
{
    pid_t old = getsid(0), pid = check_fork();
    if (pid == 0) {
        pid_t self = getpid();
        CHECK(getsid(0) == old);
        CHECK_EQ(setsid(), self);
        CHECK_EQ(getsid(0), self);
        CHECK_EQ(getpgrp(), self);
        CHECK_ERR(setsid(), EPERM);               /* a group leader cannot */
        CHECK_ERR(setpgid(0, 0), EPERM);          /* nor can a session leader move */
        CHECK(open("/dev/tty", O_RDWR) < 0);      /* no controlling terminal */
        pid_t inner = check_fork();
        if (inner == 0)
            _exit(getsid(0) != self || getpgrp() != self);
        CHECK_EXIT(inner, 0);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
}

static void group_leader_cannot_setsid(void)
{
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(setpgid(0, 0), 0);
        CHECK_ERR(setsid(), EPERM);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
}

/* A child in another session is out of reach for setpgid. */
static void setpgid_over_a_session_border(void)
{
    struct gate ready = gate_new();
    pid_t pid = check_fork();
    if (pid == 0) {
        setsid();
        gate_open(ready);
        for (;;)
            pause();
    }
    gate_wait(ready);
    CHECK_ERR(setpgid(pid, getpgrp()), EPERM);
    end(pid);
}

static void kill_a_group(void)
{
    pid_t a = child_pauses(), b = child_pauses(), c = child_pauses();
    CHECK_EQ(setpgid(a, a), 0);
    CHECK_EQ(setpgid(b, a), 0);
    CHECK_EQ(killpg(a, 0), 0);
    CHECK_EQ(kill(-a, SIGTERM), 0);
    CHECK_KILLED(a, SIGTERM);
    CHECK_KILLED(b, SIGTERM);
    CHECK_EQ(waitpid(c, NULL, WNOHANG), 0);
    CHECK_ERR(kill(-a, SIGTERM), ESRCH);          /* the group is gone */
    end(c);
}

/* kill(0, ...) is for the caller's group. */
static void kill_zero(void)
{
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(setpgid(0, 0), 0);
        pid_t mate = child_pauses();
        check_handler(SIGUSR1, SIG_IGN, 0);
        CHECK_EQ(kill(0, SIGUSR1), 0);
        CHECK_KILLED(mate, SIGUSR1);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
}

static void kill_errors(void)
{
    CHECK_ERR(kill(getpid(), 65), EINVAL);
    CHECK_ERR(kill(getpid(), -1), EINVAL);
    CHECK_ERR(kill(0x3fffffff, 0), ESRCH);
    CHECK_ERR(kill(-0x3fffffff, 0), ESRCH);
    CHECK_ERR(syscall(SYS_tgkill, -1, 1, 0), EINVAL);
    CHECK_ERR(syscall(SYS_tgkill, getpid(), 0x3fffffff, 0), ESRCH);
    CHECK_ERR(syscall(SYS_tgkill, 0x3ffffffe, getpid(), 0), ESRCH);
    CHECK_EQ(syscall(SYS_tgkill, getpid(), getpid(), 0), 0);
    CHECK_EQ(syscall(SYS_tkill, getpid(), 0), 0);
}

/* A group outlives its leader. */
static void group_outlives_its_leader(void)
{
    pid_t leader = child_pauses(), member = child_pauses();
    CHECK_EQ(setpgid(leader, leader), 0);
    CHECK_EQ(setpgid(member, leader), 0);
    end(leader);
    CHECK_EQ(getpgid(member), leader);
    CHECK_EQ(kill(-leader, SIGINT), 0);
    CHECK_KILLED(member, SIGINT);
}

/* An orphaned process group with a stopped member gets SIGHUP, then SIGCONT. */
static void orphaned_group_is_hung_up(void)
{
    struct gate ready = gate_new(), done = gate_new();
    pid_t middle = check_fork();
    if (middle == 0) {
        /* of a session of its own: nobody outside watches over the group then */
        CHECK(setsid() > 0);
        pid_t pid = check_fork();
        if (pid == 0) {
            CHECK_EQ(setpgid(0, 0), 0);
            check_mask(SIG_BLOCK, SIGHUP);
            gate_open(ready);
            raise(SIGSTOP);
            sigset_t pending;
            CHECK_EQ(sigpending(&pending), 0);
            CHECK(sigismember(&pending, SIGHUP));
            gate_open(done);
            _exit(0);
        }
        gate_wait(ready);
        CHECK_EQ(waitpid(pid, NULL, WUNTRACED), pid);
        _exit(0);
    }
    CHECK_EXIT(middle, 0);
    gate_wait(done);
}

static const struct check_case cases[] = {
    CASE(group_is_inherited_and_set),
    CASE(setpgid_errors),
    CASE(setpgid_after_exec_is_eacces),
    CASE(setsid_makes_session_and_group),
    CASE(group_leader_cannot_setsid),
    CASE(setpgid_over_a_session_border),
    CASE(kill_a_group),
    CASE(kill_zero),
    CASE(kill_errors),
    CASE(group_outlives_its_leader),
    CASE(orphaned_group_is_hung_up),
};

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--pause") == 0)
        for (;;)
            pause();
    return check_main(argc, argv, cases, COUNT(cases));
}
