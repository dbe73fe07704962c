/*
 * pidfd.c - descriptors of processes, and the rest of unshare(2) and of wait's option words.
 */
#include "check.h"
#include <poll.h>
#include <pthread.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static int pidfd_of(pid_t pid, unsigned flags)
{
    return (int)syscall(SYS_pidfd_open, pid, flags);
}

static int readable(int fd, int ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    CHECK(poll(&p, 1, ms) >= 0);
    return p.revents & POLLIN;
}

static pid_t sleeper(void)
{
    pid_t pid = check_fork();
    if (pid == 0)
        for (;;)
            pause();
    return pid;
}

static void open_send_and_wait(void)
{
    siginfo_t info;
    pid_t pid = sleeper();
    int fd = pidfd_of(pid, 0);
    CHECK(fd >= 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK(!readable(fd, 0));
    info.si_pid = 1;
    CHECK_EQ(waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG), 0);
    CHECK_EQ(info.si_pid, 0);
    CHECK_EQ(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0), 0);
    CHECK(readable(fd, 3000));
    CHECK_EQ(waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED | WNOWAIT), 0);
    CHECK_EQ(waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED), 0);
    CHECK_EQ(info.si_pid, pid);
    CHECK_EQ(info.si_code, CLD_KILLED);
    CHECK_EQ(info.si_status, SIGTERM);
    CHECK(readable(fd, 0));
    CHECK_ERR(waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED), ECHILD);
    CHECK_ERR(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0), ESRCH);
}

static void errors(void)
{
    siginfo_t info;
    char byte;
    int fd = pidfd_of(getpid(), 0);
    CHECK(fd >= 0);
    CHECK_ERR(read(fd, &byte, 1), EINVAL);
    CHECK_ERR(pidfd_of(-1, 0), EINVAL);
    CHECK_ERR(pidfd_of(0, 0), EINVAL);
    CHECK_ERR(pidfd_of(getpid(), 1), EINVAL);
    CHECK_ERR(pidfd_of(4000000, 0), ESRCH);
    CHECK_ERR(syscall(SYS_pidfd_send_signal, 0, 0, NULL, 0), EBADF);
    CHECK_ERR(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 1u << 30), EINVAL);
    CHECK_ERR(waitid((idtype_t)P_PIDFD, 0, &info, WEXITED), EBADF);
    CHECK_ERR(waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED), ECHILD);
}

static void nonblocking_waits_do_not_wait(void)
{
    siginfo_t info;
    pid_t pid = sleeper();
    int fd = pidfd_of(pid, O_NONBLOCK);
    CHECK(fd >= 0);
    CHECK_ERR(waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED), EAGAIN);
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK(readable(fd, 3000));
    CHECK_EQ(waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED), 0);
}

/* A grandchild is nobody we may wait for, but its end can be seen. */
static void anothers_child(void)
{
    int end[2];
    siginfo_t info;
    pid_t last;
    CHECK_EQ(pipe(end), 0);
    pid_t middle = check_fork();
    if (middle == 0) {
        last = sleeper();
        CHECK_EQ(write(end[1], &last, sizeof last), sizeof last);
        CHECK_KILLED(last, SIGKILL);
        _exit(0);
    }
    CHECK_EQ(read(end[0], &last, sizeof last), sizeof last);
    int fd = pidfd_of(last, 0);
    CHECK(fd >= 0);
    CHECK_ERR(waitid((idtype_t)P_PIDFD, (id_t)fd, &info, WEXITED), ECHILD);
    CHECK_EQ(syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0), 0);
    CHECK_EXIT(middle, 0);
    CHECK(readable(fd, 3000));
}

static void clone3_stores_it_apart(void)
{
    struct { uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, size, tls; } args;
    int fd = -1, tid = -1;
    memset(&args, 0, sizeof args);
    args.flags = CLONE_PIDFD | CLONE_PARENT_SETTID;
    args.pidfd = (uint64_t)(uintptr_t)&fd;
    args.parent_tid = (uint64_t)(uintptr_t)&tid;
    args.exit_signal = SIGCHLD;
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(fcntl(3, F_GETFD) >= 0); /* the child does not have it */
    CHECK(fd >= 0);
    CHECK_EQ(tid, pid);
    CHECK(readable(fd, 3000));
    CHECK_EXIT(pid, 0);
    args.pidfd = 8;
    CHECK_ERR(syscall(SYS_clone3, &args, sizeof args), EFAULT);
    CHECK_ERR(waitpid(-1, NULL, __WALL), ECHILD);
    int next = dup(0);
    CHECK_EQ(next, fd + 1); /* the failed one left no descriptor */
}

static void getfd_takes_anothers_file(void)
{
    int end[2];
    char byte;
    CHECK_EQ(pipe(end), 0);
    pid_t pid = sleeper();
    int fd = pidfd_of(pid, 0), read_end = end[0];
    close(end[0]);
    int mine = (int)syscall(SYS_pidfd_getfd, fd, read_end, 0);
    if (mine < 0 && errno == EPERM)
        check_skip("ptrace is restricted here");
    CHECK(mine >= 0);
    CHECK_EQ(fcntl(mine, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(write(end[1], "x", 1), 1);
    CHECK_EQ(read(mine, &byte, 1), 1);
    CHECK_ERR(syscall(SYS_pidfd_getfd, fd, 500, 0), EBADF);
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_KILLED(pid, SIGKILL);
    CHECK_ERR(syscall(SYS_pidfd_getfd, fd, 0, 0), ESRCH);
}

/* One that hangs in a poll of several descriptors is woken by the first that ends. */
static void poll_of_several(void)
{
    struct pollfd p[3];
    pid_t pid[3];
    for (int i = 0; i < 3; i++) {
        pid[i] = check_fork();
        if (pid[i] == 0) {
            if (i != 1)
                pause();
            check_sleep_ms(10);
            _exit(i);
        }
        p[i] = (struct pollfd){ .fd = pidfd_of(pid[i], 0), .events = POLLIN };
    }
    CHECK_EQ(poll(p, 3, 3000), 1);
    CHECK(p[1].revents & POLLIN);
    CHECK_EXIT(pid[1], 1);
    kill(pid[0], SIGKILL);
    kill(pid[2], SIGKILL);
    CHECK_KILLED(pid[0], SIGKILL);
    CHECK_KILLED(pid[2], SIGKILL);
}

static void *rest(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void unshare_what_threads_share(void)
{
    pthread_t thread;
    CHECK_EQ(unshare(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD), 0); /* nothing is shared */
    CHECK_EQ(unshare(CLONE_SYSVSEM), 0);
    CHECK_EQ(pthread_create(&thread, NULL, rest, NULL), 0);
    CHECK_ERR(unshare(CLONE_VM), EINVAL);
    CHECK_ERR(unshare(CLONE_THREAD), EINVAL);
    CHECK_EQ(unshare(CLONE_FILES), 0);
}

static void option_words(void)
{
    pid_t pid = check_fork();
    if (pid == 0)
        _exit(5);
    siginfo_t info;
    CHECK_ERR(waitpid(pid, NULL, 0x100), EINVAL);
    CHECK_ERR(waitid(P_PID, (id_t)pid, &info, 0), EINVAL);
    CHECK_ERR(waitid(P_PID, (id_t)pid, &info, WEXITED | __WCLONE), ECHILD);
    CHECK_EXIT(pid, 5);
}

static const struct check_case cases[] = {
    CASE(open_send_and_wait),
    CASE(errors),
    CASE(nonblocking_waits_do_not_wait),
    CASE(anothers_child),
    CASE(clone3_stores_it_apart),
    CASE(getfd_takes_anothers_file),
    CASE(poll_of_several),
    CASE(unshare_what_threads_share),
    CASE(option_words),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, COUNT(cases));
}
