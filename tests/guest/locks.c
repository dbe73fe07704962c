/* Record locks, OFD locks, flock, leases, and signals of files: fcntl(2), flock(2). */
#include "check.h"

#include <sys/file.h>
#include <sys/socket.h>

static int lock(int fd, int cmd, short type, off_t start, off_t length)
{
    struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };
    return fcntl(fd, cmd, &l);
}

static struct flock get(int fd, short type, off_t start, off_t length)
{
    struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length };
    CHECK_EQ(fcntl(fd, F_GETLK, &l), 0);
    return l;
}

static void circle_of_two(void)
{
    int fd = check_file(100);
    struct gate ours = gate_new(), theirs = gate_new();
    CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 0, 1), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 1, 1), 0);
        gate_open(theirs);
        CHECK_EQ(lock(fd, F_SETLKW, F_WRLCK, 0, 1), 0); /* until the parent gives up */
        _exit(0);
    }
    gate_wait(theirs);
    check_sleep_ms(20); /* the child is about to wait, or waits */
    int r;
    do
        r = lock(fd, F_SETLKW, F_WRLCK, 1, 1);
    while (r < 0 && errno == EINTR);
    CHECK_EQ(r, -1);
    CHECK_EQ(errno, EDEADLK);
    CHECK_EQ(lock(fd, F_SETLK, F_UNLCK, 0, 1), 0);
    CHECK_EXIT(pid, 0);
    (void)ours;
}

static void circle_of_three(void)
{
    int fd = check_file(100);
    struct gate ready = gate_new();
    pid_t pid[2];
    CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 0, 1), 0);
    for (int i = 0; i < 2; i++) {
        pid[i] = check_fork();
        if (pid[i] == 0) { /* holds 1 + i, wants i */
            CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 1 + i, 1), 0);
            gate_open(ready);
            CHECK_EQ(lock(fd, F_SETLKW, F_WRLCK, i, 1), 0);
            _exit(0);
        }
        gate_wait(ready);
        check_sleep_ms(20);
    }
    CHECK_ERR(lock(fd, F_SETLKW, F_WRLCK, 2, 1), EDEADLK);
    CHECK_EQ(lock(fd, F_SETLK, F_UNLCK, 0, 0), 0);
    CHECK_EXIT(pid[0], 0);
    CHECK_EXIT(pid[1], 0);
}

static void a_wait_that_ended_is_no_circle(void)
{
    int fd = check_file(100);
    struct gate ready = gate_new(), go = gate_new();
    CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 0, 1), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        check_handler(SIGALRM, SIG_DFL, 0);
        CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 1, 1), 0);
        gate_open(ready);
        lock(fd, F_SETLKW, F_WRLCK, 0, 1);
        _exit(1);
    }
    gate_wait(ready);
    check_sleep_ms(10);
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_KILLED(pid, SIGKILL);
    CHECK_EQ(lock(fd, F_SETLKW, F_WRLCK, 1, 1), 0);
    (void)go;
}

static void joined_and_cut(void)
{
    int fd = check_file(100);
    CHECK_EQ(lock(fd, F_SETLK, F_RDLCK, 10, 10), 0);
    CHECK_EQ(lock(fd, F_SETLK, F_RDLCK, 20, 10), 0); /* one lock now */
    CHECK_EQ(lock(fd, F_SETLK, F_WRLCK, 50, 10), 0);
    CHECK_EQ(lock(fd, F_SETLK, F_UNLCK, 52, 2), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        struct flock l = get(fd, F_WRLCK, 0, 0);
        CHECK(l.l_type == F_RDLCK && l.l_start == 10 && l.l_len == 20 && l.l_pid == getppid());
        l = get(fd, F_RDLCK, 0, 0);
        CHECK(l.l_type == F_WRLCK && l.l_start == 50 && l.l_len == 2);
        l = get(fd, F_RDLCK, 52, 0);
        CHECK(l.l_start == 54 && l.l_len == 6);
        CHECK_EQ(get(fd, F_RDLCK, 52, 2).l_type, F_UNLCK);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    char name[32];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    close(open(name, O_PATH)); /* not one of this kind */
    pid = check_fork();
    if (pid == 0)
        _exit(get(fd, F_WRLCK, 0, 0).l_type == F_UNLCK);
    CHECK_EXIT(pid, 0);
    close(dup(fd)); /* any close of the file lets go of all */
    pid = check_fork();
    if (pid == 0)
        _exit(get(fd, F_WRLCK, 0, 0).l_type != F_UNLCK);
    CHECK_EXIT(pid, 0);
}

static void ofd_locks(void)
{
    char path[] = "/tmp/tine-check-XXXXXX";
    int a = mkstemp(path), b = open(path, O_RDWR);
    CHECK(a >= 0 && b >= 0 && unlink(path) == 0);
    CHECK_EQ(lock(a, F_OFD_SETLK, F_WRLCK, 0, 10), 0);
    CHECK_ERR(lock(b, F_OFD_SETLK, F_RDLCK, 5, 1), EAGAIN); /* one process, two descriptions */
    struct flock l = { .l_type = F_WRLCK, .l_len = 1 };
    CHECK_EQ(fcntl(b, F_OFD_GETLK, &l), 0);
    CHECK(l.l_type == F_WRLCK && l.l_pid == -1);
    close(dup(a)); /* stays */
    CHECK_ERR(lock(b, F_OFD_SETLK, F_RDLCK, 5, 1), EAGAIN);
    pid_t pid = check_fork(); /* inherited: the child's unlock is everybody's */
    if (pid == 0)
        _exit(lock(a, F_OFD_SETLK, F_UNLCK, 0, 0) ? 1 : 0);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(lock(b, F_OFD_SETLK, F_RDLCK, 5, 1), 0);
    pid = check_fork();
    if (pid == 0)
        _exit(lock(a, F_OFD_SETLKW, F_WRLCK, 0, 0) ? 1 : 0);
    check_sleep_ms(10);
    CHECK_EQ(lock(b, F_OFD_SETLK, F_UNLCK, 0, 0), 0);
    CHECK_EXIT(pid, 0);
    l = (struct flock){ .l_type = F_WRLCK, .l_pid = 1 };
    CHECK_ERR(fcntl(b, F_OFD_SETLK, &l), EINVAL);
}

static void flocks(void)
{
    char path[] = "/tmp/tine-check-XXXXXX";
    int a = mkstemp(path), b = open(path, O_RDONLY);
    CHECK(a >= 0 && b >= 0 && unlink(path) == 0);
    CHECK_EQ(flock(a, LOCK_SH), 0);
    CHECK_EQ(flock(b, LOCK_SH), 0);
    CHECK_ERR(flock(a, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    CHECK_EQ(flock(b, LOCK_UN), 0);
    CHECK_EQ(flock(a, LOCK_EX), 0);
    CHECK_ERR(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    CHECK_EQ(lock(b, F_SETLK, F_RDLCK, 0, 0), 0); /* the families don't meet */
    pid_t pid = check_fork();
    if (pid == 0)
        _exit(flock(b, LOCK_EX) ? 1 : 0);
    check_sleep_ms(10);
    close(a); /* the child's copy still holds it */
    check_sleep_ms(10);
    CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
    kill(pid, SIGKILL);
    CHECK_KILLED(pid, SIGKILL);
    CHECK_EQ(flock(b, LOCK_EX), 0);
}

/* ---- leases */

static volatile int told, told_fd, told_code;

static void tell(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    told++;
    told_fd = info->si_fd;
    told_code = info->si_code;
}

static void leases(void)
{
    char path[] = "/tmp/tine-check-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    if (fcntl(fd, F_SETLEASE, F_WRLCK) < 0) {
        unlink(path);
        check_skip("no leases on this file system");
    }
    CHECK_EQ(fcntl(fd, F_GETLEASE), F_WRLCK);
    CHECK_EQ(fcntl(fd, F_SETLEASE, F_UNLCK), 0);
    CHECK_EQ(fcntl(fd, F_GETLEASE), F_UNLCK);
    CHECK_ERR(fcntl(fd, F_SETLEASE, F_RDLCK), EAGAIN); /* it is open for writing */
    int again = open(path, O_RDONLY);
    CHECK_ERR(fcntl(fd, F_SETLEASE, F_WRLCK), EAGAIN); /* and twice */
    close(again);
    check_action(SIGUSR1, tell, 0);
    CHECK_EQ(fcntl(fd, F_SETSIG, SIGUSR1), 0);
    CHECK_EQ(fcntl(fd, F_SETLEASE, F_WRLCK), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_ERR(open(path, O_RDONLY | O_NONBLOCK), EWOULDBLOCK);
        close(fd); /* the description stays: it is the parent's too */
        _exit(open(path, O_RDONLY) >= 0 ? 0 : 1);
    }
    CHECK_SOON(told >= 1);
    CHECK_EQ(told_fd, fd);
    CHECK_EQ(fcntl(fd, F_GETLEASE), F_RDLCK); /* what it has to become */
    check_sleep_ms(10);
    CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
    CHECK_EQ(fcntl(fd, F_SETLEASE, F_UNLCK), 0);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(unlink(path), 0);
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    CHECK_ERR(fcntl(ends[0], F_SETLEASE, F_RDLCK), EINVAL);
}

/* ---- O_ASYNC */

static void async(int in, int out)
{
    struct f_owner_ex owner;
    told = 0;
    check_action(SIGIO, tell, 0);
    check_action(SIGUSR1, tell, 0);
    CHECK_EQ(fcntl(in, F_SETOWN, getpid()), 0);
    CHECK_EQ(fcntl(in, F_GETOWN), getpid());
    CHECK_EQ(fcntl(in, F_SETFL, O_ASYNC | O_NONBLOCK), 0);
    CHECK_EQ(write(out, "x", 1), 1);
    CHECK_SOON(told >= 1);
    char byte;
    CHECK_EQ(read(in, &byte, 1), 1);
    told = 0;
    CHECK_EQ(fcntl(in, F_SETSIG, SIGUSR1), 0);
    CHECK_EQ(write(out, "x", 1), 1);
    CHECK_SOON(told >= 1);
    CHECK_EQ(told_fd, in);
    CHECK_EQ(told_code, POLL_IN);
    CHECK_EQ(read(in, &byte, 1), 1);
    owner = (struct f_owner_ex){ F_OWNER_TID, (pid_t)syscall(SYS_gettid) };
    CHECK_EQ(fcntl(in, F_SETOWN_EX, &owner), 0);
    told = 0;
    CHECK_EQ(write(out, "x", 1), 1);
    CHECK_SOON(told >= 1);
    CHECK_EQ(read(in, &byte, 1), 1);
    CHECK_EQ(fcntl(in, F_SETOWN, -getpgrp()), 0);
    CHECK_EQ(fcntl(in, F_GETOWN_EX, &owner), 0);
    CHECK(owner.type == F_OWNER_PGRP && owner.pid == getpgrp());
    CHECK_EQ(fcntl(in, F_SETFL, O_NONBLOCK), 0);
    told = 0;
    CHECK_EQ(write(out, "x", 1), 1);
    check_sleep_ms(5);
    CHECK_EQ(told, 0);
    CHECK_ERR(fcntl(in, F_SETOWN, 4000000), ESRCH);
}

static void async_pipe(void)
{
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    async(ends[0], ends[1]);
}

static void async_socket(void)
{
    int ends[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    async(ends[0], ends[1]);
}

static const struct check_case cases[] = {
    CASE(circle_of_two), CASE(circle_of_three), CASE(a_wait_that_ended_is_no_circle),
    CASE(joined_and_cut), CASE(ofd_locks), CASE(flocks), CASE(leases), CASE(async_pipe),
    CASE(async_socket),
};
CHECK_MAIN(cases)
