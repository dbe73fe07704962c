/*
 * epoll.c - epoll(7): levels, edges, one-shot, sets within sets, closed files; signalfd(2).
 */
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

static int set, in, out; /* a set and a pipe, of the running case */

static void begin(void)
{
    int end[2];
    set = epoll_create1(EPOLL_CLOEXEC);
    CHECK(set >= 0);
    CHECK_EQ(pipe2(end, O_NONBLOCK), 0);
    in = end[0];
    out = end[1];
}

static int add_to(int epoll, int fd, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.u64 = (uint64_t)fd << 32 | 7 };
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static int change(int fd, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.u64 = (uint64_t)fd << 32 | 7 };
    return epoll_ctl(set, EPOLL_CTL_MOD, fd, &event);
}

/* The events of the one descriptor that is ready, 0 if none is. */
static uint32_t events_of(int epoll, int fd, int timeout)
{
    struct epoll_event event[4];
    int n = epoll_wait(epoll, event, 4, timeout);
    CHECK(n == 0 || n == 1);
    if (n == 0)
        return 0;
    CHECK_EQ(event[0].data.u64, (uint64_t)fd << 32 | 7);
    return event[0].events;
}

static void edges_are_told_once_each(void)
{
    char bytes[4];
    begin();
    CHECK_EQ(add_to(set, in, EPOLLIN | EPOLLET), 0);
    CHECK_EQ(events_of(set, in, 0), 0);
    CHECK_EQ(write(out, "ab", 2), 2);
    CHECK_EQ(events_of(set, in, 0), EPOLLIN);
    CHECK_EQ(events_of(set, in, 0), 0);
    CHECK_EQ(write(out, "c", 1), 1);              /* not empty, but another edge */
    CHECK_EQ(events_of(set, in, 0), EPOLLIN);
    CHECK_EQ(read(in, bytes, 4), 3);              /* emptied and filled between two looks */
    CHECK_EQ(write(out, "d", 1), 1);
    CHECK_EQ(events_of(set, in, 0), EPOLLIN);
    CHECK_EQ(read(in, bytes, 4), 1);
    CHECK_EQ(write(out, "e", 1), 1);              /* an edge that is gone when we look */
    CHECK_EQ(read(in, bytes, 4), 1);
    CHECK_EQ(events_of(set, in, 0), 0);
    CHECK_EQ(close(out), 0);
    CHECK_EQ(events_of(set, in, 0), EPOLLHUP);
    CHECK_EQ(events_of(set, in, 0), 0);
}

static void one_shot(void)
{
    begin();
    CHECK_EQ(add_to(set, in, EPOLLIN | EPOLLONESHOT), 0);
    CHECK_EQ(write(out, "a", 1), 1);
    CHECK_EQ(events_of(set, in, 0), EPOLLIN);
    CHECK_EQ(write(out, "b", 1), 1);
    CHECK_EQ(events_of(set, in, 0), 0);
    CHECK_EQ(change(in, EPOLLIN | EPOLLONESHOT), 0);
    CHECK_EQ(events_of(set, in, 0), EPOLLIN);
    CHECK_EQ(close(out), 0);
    CHECK_EQ(events_of(set, in, 0), 0);           /* not even the hang-up */
}

static void errors(void)
{
    struct epoll_event event = { .events = EPOLLIN };
    begin();
    CHECK_ERR(epoll_create1(1), EINVAL);
    CHECK_ERR(add_to(set, set, EPOLLIN), EINVAL);
    CHECK_ERR(add_to(set, 999, EPOLLIN), EBADF);
    CHECK_ERR(add_to(999, in, EPOLLIN), EBADF);
    CHECK_ERR(add_to(out, in, EPOLLIN), EINVAL);
    CHECK_ERR(add_to(set, check_file(10), EPOLLIN), EPERM);
    CHECK_ERR(add_to(set, open("/dev/null", O_RDONLY), EPOLLIN), EPERM);
    CHECK_ERR(add_to(set, open("/", O_RDONLY), EPOLLIN), EPERM);
    CHECK_ERR(epoll_ctl(set, 9, in, &event), EINVAL);
    CHECK_ERR(epoll_ctl(set, EPOLL_CTL_ADD, in, (void *)8), EFAULT);
    CHECK_ERR(change(in, EPOLLIN), ENOENT);
    CHECK_EQ(add_to(set, in, EPOLLIN | EPOLLEXCLUSIVE), 0);
    CHECK_ERR(change(in, EPOLLIN), EINVAL);
    CHECK_ERR(add_to(set, out, EPOLLOUT | EPOLLONESHOT | EPOLLEXCLUSIVE), EINVAL);
    CHECK_ERR(epoll_wait(set, &event, 0, 0), EINVAL);
    CHECK_ERR(epoll_wait(in, &event, 1, 0), EINVAL);
    CHECK_ERR(epoll_wait(999, &event, 1, 0), EBADF);
    CHECK_ERR(read(set, &event, sizeof event), EINVAL);
}

/* A descriptor's number and its file together are the name; the file leaves with its last descriptor. */
static void closed_files_leave(void)
{
    struct epoll_event event[4];
    begin();
    CHECK_EQ(write(out, "a", 1), 1);
    int twin = dup(in);
    CHECK_EQ(add_to(set, in, EPOLLIN), 0);
    CHECK_EQ(add_to(set, twin, EPOLLIN), 0);
    CHECK_EQ(epoll_wait(set, event, 4, 0), 2);
    CHECK_EQ(close(in), 0);
    CHECK_EQ(epoll_wait(set, event, 4, 0), 2);    /* still open by the other number */
    CHECK_EQ(close(twin), 0);
    CHECK_EQ(epoll_wait(set, event, 4, 0), 0);
    int next[2];
    CHECK_EQ(pipe(next), 0);
    CHECK_EQ(next[0], in);
    CHECK_EQ(write(next[1], "b", 1), 1);
    CHECK_EQ(epoll_wait(set, event, 4, 0), 0);
    CHECK_EQ(add_to(set, next[0], EPOLLIN), 0);
    CHECK_EQ(events_of(set, next[0], 0), EPOLLIN);
}

/* With less room than events, all get their turn. */
static void takes_turns(void)
{
    struct epoll_event event;
    int seen = 0, fd[8];
    begin();
    for (int i = 0; i < 8; i++) {
        fd[i] = eventfd(1, 0);
        CHECK_EQ(add_to(set, fd[i], EPOLLIN), 0);
    }
    for (int i = 0; i < 8; i++) {
        CHECK_EQ(epoll_wait(set, &event, 1, 0), 1);
        seen |= 1 << ((event.data.u64 >> 32) - (uint64_t)fd[0]);
    }
    CHECK_EQ(seen, 255);
}

static void sets_within_sets(void)
{
    begin();
    int outer = epoll_create1(0), third = epoll_create1(0);
    CHECK_EQ(add_to(outer, set, EPOLLIN), 0);
    CHECK_EQ(add_to(third, outer, EPOLLIN | EPOLLET), 0);
    CHECK_ERR(add_to(set, outer, EPOLLIN), ELOOP);
    CHECK_ERR(add_to(set, third, EPOLLIN), ELOOP);
    CHECK_ERR(add_to(third, set, EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
    CHECK_EQ(add_to(set, in, EPOLLIN), 0);
    struct pollfd wait = { .fd = outer, .events = POLLIN };
    CHECK_EQ(poll(&wait, 1, 0), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        check_sleep_ms(5);
        CHECK_EQ(write(out, "x", 1), 1);
        _exit(0);
    }
    CHECK_EQ(events_of(third, outer, 5000), EPOLLIN);
    CHECK_EQ(events_of(third, outer, 0), 0);      /* an edge */
    CHECK_EQ(poll(&wait, 1, 0), 1);
    CHECK_EQ(events_of(outer, set, 0), EPOLLIN);
    CHECK_EQ(events_of(set, in, 0), EPOLLIN);
    char byte;
    CHECK_EQ(read(in, &byte, 1), 1);
    CHECK_EQ(poll(&wait, 1, 0), 0);
    CHECK_EXIT(pid, 0);
    pid = check_fork();
    if (pid == 0) {
        check_sleep_ms(5);
        CHECK_EQ(write(out, "y", 1), 1);
        _exit(0);
    }
    CHECK_EQ(poll(&wait, 1, 5000), 1);
    CHECK_EXIT(pid, 0);
}

static void *add_later(void *fd)
{
    check_sleep_ms(5);
    CHECK_EQ(add_to(set, *(int *)fd, EPOLLIN), 0);
    return NULL;
}

static void added_while_somebody_waits(void)
{
    pthread_t thread;
    begin();
    int event = eventfd(1, 0);
    CHECK_EQ(pthread_create(&thread, NULL, add_later, &event), 0);
    CHECK_EQ(events_of(set, event, 5000), EPOLLIN);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void sockets(void)
{
    int pair[2];
    char byte;
    begin();
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_EQ(add_to(set, pair[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET), 0);
    CHECK_EQ(events_of(set, pair[0], 0), EPOLLOUT);
    CHECK_EQ(write(pair[1], "a", 1), 1);
    CHECK_EQ(events_of(set, pair[0], 0), EPOLLIN | EPOLLOUT);
    CHECK_EQ(read(pair[0], &byte, 1), 1);
    CHECK_EQ(close(pair[1]), 0);
    CHECK_EQ(events_of(set, pair[0], 0), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
}

/* Datagrams of the loop-back device: descriptors of the host, where the test runs in a machine. */
static void host_sockets(void)
{
    struct { uint16_t family, port; uint32_t address; char zero[8]; } to = { AF_INET, 0, 0, "" };
    socklen_t size = sizeof to;
    char bytes[8];
    begin();
    int a = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
    if (a < 0)
        check_skip("no network");
    memcpy(&to.address, "\x7f\0\0\1", 4);
    CHECK_EQ(bind(a, (void *)&to, size), 0);
    CHECK_EQ(getsockname(a, (void *)&to, &size), 0);
    CHECK_EQ(connect(b, (void *)&to, size), 0);
    int outer = epoll_create1(0);
    CHECK_EQ(add_to(outer, set, EPOLLIN), 0);
    CHECK_EQ(add_to(set, a, EPOLLIN | EPOLLET), 0);
    CHECK_EQ(events_of(set, a, 0), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        check_sleep_ms(5);
        CHECK_EQ(write(b, "abc", 3), 3);
        _exit(0);
    }
    CHECK_EQ(events_of(outer, set, 5000), EPOLLIN);
    CHECK_EQ(events_of(set, a, 5000), EPOLLIN);
    CHECK_EQ(events_of(set, a, 0), 0);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(write(b, "de", 2), 2);
    CHECK_EQ(events_of(set, a, 1000), EPOLLIN);
    CHECK_EQ(change(a, EPOLLIN), 0);              /* from now on its level */
    CHECK_EQ(events_of(set, a, 1000), EPOLLIN);
    CHECK_EQ(events_of(set, a, 1000), EPOLLIN);
    CHECK_EQ(read(a, bytes, 8), 3);
    CHECK_EQ(read(a, bytes, 8), 2);
    CHECK_EQ(events_of(set, a, 0), 0);
    CHECK_EQ(events_of(outer, set, 0), 0);
    CHECK_EQ(write(b, "f", 1), 1);
    CHECK_EQ(events_of(set, a, 1000), EPOLLIN);
    CHECK_EQ(close(a), 0);
    CHECK_EQ(events_of(set, a, 0), 0);
}

static volatile sig_atomic_t counted;

static void count(int number)
{
    (void)number;
    counted++;
}

static void mask_and_time_out(void)
{
    struct epoll_event event;
    sigset_t none;
    begin();
    long start = check_now_ms();
    CHECK_EQ(epoll_wait(set, &event, 1, 20), 0);
    CHECK(check_now_ms() - start >= 20);
    check_handler(SIGUSR1, count, SA_RESTART);
    check_mask(SIG_BLOCK, SIGUSR1);
    raise(SIGUSR1);
    CHECK_EQ(epoll_wait(set, &event, 1, 1), 0);
    CHECK_EQ(counted, 0);
    sigemptyset(&none);
    CHECK_ERR(epoll_pwait(set, &event, 1, 5000, &none), EINTR); /* whatever SA_RESTART says */
    CHECK_EQ(counted, 1);
    raise(SIGUSR1);                               /* the mask is the old one again */
    CHECK_EQ(counted, 1);
}

static void signals_are_read(void)
{
    struct signalfd_siginfo info[3];
    sigset_t want;
    begin();
    sigemptyset(&want);
    sigaddset(&want, SIGUSR1);
    sigaddset(&want, SIGRTMIN);
    CHECK_EQ(sigprocmask(SIG_BLOCK, &want, NULL), 0);
    int fd = signalfd(-1, &want, SFD_NONBLOCK | SFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_ERR(read(fd, info, sizeof info), EAGAIN);
    CHECK_ERR(read(fd, info, sizeof info[0] - 1), EINVAL);
    CHECK_EQ(add_to(set, fd, EPOLLIN), 0);
    CHECK_EQ(events_of(set, fd, 0), 0);
    pid_t parent = getpid(), pid = check_fork();
    if (pid == 0) {
        check_sleep_ms(5);
        CHECK_EQ(kill(parent, SIGUSR1), 0);
        _exit(0);
    }
    CHECK_EQ(events_of(set, fd, 5000), EPOLLIN);
    CHECK_EQ(read(fd, info, sizeof info), sizeof info[0]);
    CHECK_EQ(info[0].ssi_signo, SIGUSR1);
    CHECK_EQ(info[0].ssi_code, SI_USER);
    CHECK_EQ(info[0].ssi_pid, pid);
    CHECK_EQ(info[0].ssi_uid, getuid());
    CHECK_EXIT(pid, 0);
    CHECK_EQ(events_of(set, fd, 0), 0);
    CHECK_EQ(sigqueue(parent, SIGRTMIN, (union sigval){ .sival_int = 11 }), 0);
    CHECK_EQ(sigqueue(parent, SIGRTMIN, (union sigval){ .sival_int = 12 }), 0);
    raise(SIGUSR1);
    CHECK_EQ(read(fd, info, sizeof info), sizeof info);
    CHECK_EQ(info[0].ssi_signo, SIGUSR1);
    CHECK_EQ(info[1].ssi_int, 11);
    CHECK_EQ(info[2].ssi_int, 12);
    CHECK_EQ(info[2].ssi_code, SI_QUEUE);
    sigemptyset(&want);
    CHECK_EQ(signalfd(fd, &want, 0), fd);         /* another set */
    raise(SIGUSR1);
    CHECK_ERR(read(fd, info, sizeof info), EAGAIN);
    CHECK_ERR(signalfd(in, &want, 0), EINVAL);
    CHECK_ERR(signalfd(999, &want, 0), EBADF);
}

static void a_read_waits_for_a_signal(void)
{
    struct signalfd_siginfo info;
    sigset_t want;
    sigemptyset(&want);
    sigaddset(&want, SIGCHLD);
    CHECK_EQ(sigprocmask(SIG_BLOCK, &want, NULL), 0);
    int fd = signalfd(-1, &want, 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        check_sleep_ms(5);
        _exit(3);
    }
    CHECK_EQ(read(fd, &info, sizeof info), sizeof info);
    CHECK_EQ(info.ssi_signo, SIGCHLD);
    CHECK_EQ(info.ssi_code, CLD_EXITED);
    CHECK_EQ(info.ssi_pid, pid);
    CHECK_EQ(info.ssi_status, 3);
    CHECK_EXIT(pid, 3);
}

static void timers_in_a_set(void)
{
    struct itimerspec value = { { 0, 0 }, { 0, 5000000 } };
    uint64_t times;
    begin();
    int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
    CHECK_EQ(add_to(set, fd, EPOLLIN | EPOLLET), 0);
    CHECK_EQ(timerfd_settime(fd, 0, &value, NULL), 0);
    CHECK_ERR(read(fd, &times, 8), EAGAIN);
    CHECK_EQ(events_of(set, fd, 5000), EPOLLIN);
    CHECK_EQ(events_of(set, fd, 0), 0);
    CHECK_EQ(read(fd, &times, 8), 8);
    CHECK_EQ(times, 1);
}

/* Of several sets that want the same event for themselves alone, one is woken: epoll_ctl(2). */
static void exclusive_wakes_one(void)
{
    enum { WAITERS = 4 };
    int ends[2], woken[2];
    pid_t pid[WAITERS];
    char byte;
    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(pipe(woken), 0);
    for (int i = 0; i < WAITERS; i++) {
        pid[i] = check_fork();
        if (pid[i] == 0) {
            struct epoll_event event = { .events = EPOLLIN | EPOLLET | EPOLLEXCLUSIVE };
            int set = epoll_create1(0);
            CHECK_EQ(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event), 0);
            CHECK_EQ(write(woken[1], "r", 1), 1);
            CHECK_EQ(epoll_wait(set, &event, 1, 5000), 1);
            CHECK_EQ(write(woken[1], "w", 1), 1);
            _exit(0);
        }
        CHECK_EQ(read(woken[0], &byte, 1), 1);
    }
    check_sleep_ms(50); /* all wait */
    CHECK_EQ(fcntl(woken[0], F_SETFL, O_NONBLOCK), 0);
    for (int i = 0; i < WAITERS; i++) {
        CHECK_EQ(write(ends[1], "x", 1), 1);
        struct pollfd told = { .fd = woken[0], .events = POLLIN };
        CHECK_EQ(poll(&told, 1, 5000), 1);
        CHECK_EQ(read(woken[0], &byte, 1), 1);
        check_sleep_ms(10);
        CHECK_EQ(read(woken[0], &byte, 1), -1);
        CHECK_EQ(read(ends[0], &byte, 1), 1);
    }
    for (int i = 0; i < WAITERS; i++)
        CHECK_EXIT(pid[i], 0);
}

static const struct check_case cases[] = {
    CASE(exclusive_wakes_one),
    CASE(edges_are_told_once_each),
    CASE(one_shot),
    CASE(errors),
    CASE(closed_files_leave),
    CASE(takes_turns),
    CASE(sets_within_sets),
    CASE(added_while_somebody_waits),
    CASE(sockets),
    CASE(host_sockets),
    CASE(mask_and_time_out),
    CASE(signals_are_read),
    CASE(a_read_waits_for_a_signal),
    CASE(timers_in_a_set),
};
CHECK_MAIN(cases)
