/*
 * pipes.c - pipes and FIFOs, poll on them, and the descriptor calls around them (dup, fcntl).
 */
#include "check.h"
#include <poll.h>
#include <sys/personality.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>

static int in, out; /* the pipe of the running case */

static void new_pipe(int flags)
{
    int end[2];
    CHECK_EQ(pipe2(end, flags), 0);
    in = end[0];
    out = end[1];
}

static void set_nonblock(int fd)
{
    CHECK_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

static long fill_pipe(void)
{
    char block[4096];
    long total = 0;
    ssize_t n;

    memset(block, 'f', sizeof block);
    set_nonblock(out);
    while ((n = write(out, block, sizeof block)) > 0)
        total += n;
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(fcntl(out, F_SETFL, 0), 0);
    return total;
}

static void bytes_in_order(void)
{
    char got[16];
    int end[2];
    new_pipe(0);
    CHECK_EQ(write(out, "abc", 3), 3);
    CHECK_EQ(write(out, "defgh", 5), 5);
    CHECK_EQ(read(in, got, 2), 2);
    CHECK_EQ(memcmp(got, "ab", 2), 0);
    CHECK_EQ(read(in, got, 16), 6);               /* what is there, not what was asked */
    CHECK_EQ(memcmp(got, "cdefgh", 6), 0);
    CHECK_EQ(read(in, got, 0), 0);
    CHECK_EQ(write(out, got, 0), 0);
    CHECK_ERR(write(in, "x", 1), EBADF);
    CHECK_ERR(read(out, got, 1), EBADF);
    CHECK_ERR(lseek(in, 0, SEEK_SET), ESPIPE);
    CHECK_ERR(pread(in, got, 1, 0), ESPIPE);
    CHECK_ERR(pipe2(end, 1 << 28), EINVAL);
}

static void end_of_file_after_the_last_writer(void)
{
    char byte;
    new_pipe(0);
    int second = dup(out);
    pid_t pid = check_fork();
    if (pid == 0) {
        check_sleep_ms(10);
        _exit(0);                                 /* closes its copies only now */
    }
    CHECK_EQ(write(out, "z", 1), 1);
    close(out);
    close(second);
    CHECK_EQ(read(in, &byte, 1), 1);
    CHECK_EQ(read(in, &byte, 1), 0);              /* waits for the child's end */
    CHECK_EQ(read(in, &byte, 1), 0);
    CHECK_EXIT(pid, 0);
}

static void a_full_pipe_blocks(void)
{
    new_pipe(0);
    long size = fill_pipe();
    CHECK_EQ(size, 65536);
    CHECK_EQ(fcntl(out, F_GETPIPE_SZ), 65536);
    int queued;
    CHECK_EQ(ioctl(in, FIONREAD, &queued), 0);
    CHECK_EQ(queued, 65536);
    volatile int *written = check_shared(1);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(write(out, "more", 4), 4);
        *written = 1;
        _exit(0);
    }
    check_sleep_ms(15);
    CHECK_EQ(*written, 0);
    char block[4096];
    CHECK_EQ(read(in, block, sizeof block), 4096);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(*written, 1);
}

/* A large write goes through in pieces, whole and in order. */
static void a_large_write_is_whole(void)
{
    enum { N = 300000 };
    new_pipe(0);
    pid_t pid = check_fork();
    if (pid == 0) {
        char *data = malloc(N);
        for (int i = 0; i < N; i++)
            data[i] = (char)(i * 7 % 251);
        CHECK_EQ(write(out, data, N), N);         /* returns when all is written */
        _exit(0);
    }
    close(out);
    unsigned char block[5000];
    ssize_t n;
    int at = 0;
    while ((n = read(in, block, sizeof block)) > 0)
        for (int i = 0; i < n; i++, at++)
            CHECK_EQ(block[i], (unsigned char)(at * 7 % 251));
    CHECK_EQ(at, N);
    CHECK_EXIT(pid, 0);
}

/* Writes of at most PIPE_BUF bytes do not mix. */
static void pipe_buf_is_atomic(void)
{
    enum { WRITERS = 4, EACH = 40, SIZE = 1000 };
    pid_t pid[WRITERS];
    new_pipe(0);
    for (int w = 0; w < WRITERS; w++) {
        pid[w] = check_fork();
        if (pid[w] == 0) {
            char block[SIZE];
            memset(block, 'a' + w, SIZE);
            for (int i = 0; i < EACH; i++)
                CHECK_EQ(write(out, block, SIZE), SIZE);
            _exit(0);
        }
    }
    close(out);
    char block[SIZE];
    int blocks = 0, have = 0;
    ssize_t n;
    while ((n = read(in, block + have, (size_t)(SIZE - have))) > 0) {
        have += (int)n;
        if (have < SIZE)
            continue;
        for (int i = 1; i < SIZE; i++)
            CHECK_EQ(block[i], block[0]);
        blocks++;
        have = 0;
    }
    CHECK_EQ(blocks, WRITERS * EACH);
    for (int w = 0; w < WRITERS; w++)
        CHECK_EXIT(pid[w], 0);
}

static void nonblocking(void)
{
    char got[8];
    new_pipe(O_NONBLOCK);
    CHECK_ERR(read(in, got, 8), EAGAIN);
    CHECK_EQ(write(out, "ab", 2), 2);
    CHECK_EQ(read(in, got, 8), 2);
    CHECK_EQ(fcntl(in, F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_NONBLOCK | O_RDONLY);
    CHECK_EQ(fcntl(out, F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_NONBLOCK | O_WRONLY);
    fill_pipe();
    set_nonblock(out);
    CHECK_EQ(read(in, got, 8), 8);
    char big[4096] = "";
    CHECK_ERR(write(out, big, sizeof big), EAGAIN); /* PIPE_BUF: all of it or nothing */
    close(out);
    while (read(in, big, sizeof big) > 0)
        continue;
    CHECK_EQ(read(in, got, 8), 0);                /* the end, not EAGAIN */
}

static void a_reader_wakes_a_writer_of_a_broken_pipe(void)
{
    check_handler(SIGPIPE, SIG_IGN, 0);
    new_pipe(0);
    fill_pipe();
    int copy = in;
    pid_t pid = check_fork();
    if (pid == 0) {
        close(in);
        CHECK_ERR(write(out, "x", 1), EPIPE);     /* was asleep in it */
        _exit(0);
    }
    check_sleep_ms(10);
    close(copy);
    CHECK_EXIT(pid, 0);
}

static void poll_tells(void)
{
    struct pollfd fds[3];
    new_pipe(0);
    fds[0] = (struct pollfd){ .fd = in, .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = out, .events = POLLOUT };
    fds[2] = (struct pollfd){ .fd = -1, .events = POLLIN };
    CHECK_EQ(poll(fds, 3, 0), 1);
    CHECK_EQ(fds[0].revents, 0);
    CHECK_EQ(fds[1].revents, POLLOUT);
    CHECK_EQ(fds[2].revents, 0);
    CHECK_EQ(write(out, "x", 1), 1);
    CHECK_EQ(poll(fds, 2, 0), 2);
    CHECK_EQ(fds[0].revents, POLLIN);
    fill_pipe();
    CHECK_EQ(poll(&fds[1], 1, 0), 0);
    close(out);
    CHECK_EQ(poll(fds, 1, 0), 1);
    CHECK_EQ(fds[0].revents, POLLIN | POLLHUP);
    char block[4096];
    while (read(in, block, sizeof block) > 0)
        continue;
    CHECK_EQ(poll(fds, 1, 0), 1);
    CHECK_EQ(fds[0].revents, POLLHUP);
    close(in);
    CHECK_EQ(poll(fds, 1, 0), 1);
    CHECK_EQ(fds[0].revents, POLLNVAL);
    new_pipe(0);
    close(in);
    fds[1].fd = out;
    CHECK_EQ(poll(&fds[1], 1, 0), 1);
    CHECK(fds[1].revents & POLLERR);
}

static volatile int alarms;
static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

static void poll_waits(void)
{
    struct pollfd one;
    new_pipe(0);
    one = (struct pollfd){ .fd = in, .events = POLLIN };
    long begin = check_now_ms();
    CHECK_EQ(poll(&one, 1, 15), 0);
    CHECK(check_now_ms() - begin >= 14);
    pid_t pid = check_fork();
    if (pid == 0) {
        check_sleep_ms(10);
        CHECK_EQ(write(out, "x", 1), 1);
        _exit(0);
    }
    CHECK_EQ(poll(&one, 1, 5000), 1);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(poll(NULL, 0, 3), 0);
    char byte;
    CHECK_EQ(read(in, &byte, 1), 1);
    check_handler(SIGALRM, on_alarm, SA_RESTART); /* poll never restarts */
    check_alarms(8);
    CHECK_ERR(poll(&one, 1, 5000), EINTR);
    check_alarms(0);
    sigset_t none;                                /* ppoll opens the mask while it waits */
    sigemptyset(&none);
    check_mask(SIG_BLOCK, SIGALRM);
    int before = alarms;
    raise(SIGALRM);
    CHECK_EQ(alarms, before);
    CHECK_ERR(ppoll(&one, 1, NULL, &none), EINTR);
    CHECK_EQ(alarms, before + 1);
}

/* The time that is left comes back, but not to a program of the personality that keeps it. */
static void time_left_or_sticky(void)
{
    fd_set set;
    new_pipe(0);
    CHECK_EQ(write(out, "x", 1), 1);
    for (int sticky = 0; sticky < 2; sticky++) {
        struct timespec wait = { 5, 0 };
        unsigned long most[6] = { 0 };
        CHECK_EQ(syscall(SYS_personality, sticky ? STICKY_TIMEOUTS : 0) >= 0, 1);
        FD_ZERO(&set);
        FD_SET(in, &set);
        CHECK_EQ(syscall(SYS_pselect6, in + 1, &set, NULL, NULL, &wait, most + 2), 1);
        CHECK_EQ(wait.tv_sec, sticky ? 5 : 4);
        wait = (struct timespec){ 5, 0 };
        struct pollfd one = { in, POLLIN, 0 };
        CHECK_EQ(syscall(SYS_ppoll, &one, 1, &wait, NULL, 8), 1);
        CHECK_EQ(wait.tv_sec, sticky ? 5 : 4);
    }
}

static void select_and_epoll(void)
{
    fd_set set;
    struct timeval none = { 0, 0 };
    new_pipe(0);
    FD_ZERO(&set);
    FD_SET(in, &set);
    CHECK_EQ(select(in + 1, &set, NULL, NULL, &none), 0);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN, .data.u64 = 0x1234567890 };
    CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, in, &event), 0);
    CHECK_ERR(epoll_ctl(epoll, EPOLL_CTL_ADD, in, &event), EEXIST);
    CHECK_EQ(epoll_wait(epoll, &event, 1, 0), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        check_sleep_ms(5);
        CHECK_EQ(write(out, "x", 1), 1);
        _exit(0);
    }
    CHECK_EQ(epoll_wait(epoll, &event, 1, 5000), 1);
    CHECK_EQ(event.events, EPOLLIN);
    CHECK_EQ(event.data.u64, 0x1234567890);
    CHECK_EQ(epoll_wait(epoll, &event, 1, 0), 1); /* level: still readable */
    event.events = EPOLLIN | EPOLLET;
    CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_MOD, in, &event), 0);
    CHECK_EQ(epoll_wait(epoll, &event, 1, 0), 1);
    CHECK_EQ(epoll_wait(epoll, &event, 1, 0), 0); /* edge: told once */
    FD_SET(in, &set);
    CHECK_EQ(select(in + 1, &set, NULL, NULL, NULL), 1);
    CHECK(FD_ISSET(in, &set));
    CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_DEL, in, NULL), 0);
    CHECK_ERR(epoll_ctl(epoll, EPOLL_CTL_DEL, in, NULL), ENOENT);
    CHECK_EXIT(pid, 0);
}

static void fifo(void)
{
    char dir[] = "/tmp/tine-fifo-XXXXXX", path[64], byte = 0;
    CHECK(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/fifo", dir);
    CHECK_EQ(mkfifo(path, 0600), 0);
    CHECK_ERR(open(path, O_WRONLY | O_NONBLOCK), ENXIO);
    pid_t pid = check_fork();
    if (pid == 0) {
        check_sleep_ms(5);
        int fd = open(path, O_WRONLY);            /* the two opens wait for each other */
        CHECK_EQ(write(fd, "f", 1), 1);
        _exit(0);
    }
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    CHECK_EQ(read(fd, &byte, 1), 1);
    CHECK_EQ(byte, 'f');
    CHECK_EQ(read(fd, &byte, 1), 0);
    CHECK_EXIT(pid, 0);
    struct stat st;
    CHECK_EQ(stat(path, &st), 0);
    CHECK(S_ISFIFO(st.st_mode));
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(rmdir(dir), 0);
}

static void socketpair_is_two_pipes(void)
{
    int end[2];
    char got[8];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, end), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        close(end[0]);
        CHECK_EQ(read(end[1], got, 8), 4);
        CHECK_EQ(write(end[1], "pong", 4), 4);
        _exit(0);
    }
    close(end[1]);
    CHECK_EQ(write(end[0], "ping", 4), 4);
    CHECK_EQ(read(end[0], got, 8), 4);
    CHECK_EQ(memcmp(got, "pong", 4), 0);
    CHECK_EQ(read(end[0], got, 8), 0);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(shutdown(end[0], SHUT_WR), 0);
}

/* ---- descriptors ---- */

static void lowest_free_number(void)
{
    new_pipe(0);
    int third = dup(in);
    close(in);
    CHECK_EQ(dup(third), in);
    CHECK_EQ(dup2(third, 77), 77);
    CHECK_EQ(fcntl(third, F_DUPFD, 50), 50);
    CHECK_EQ(fcntl(third, F_DUPFD, 77), 78);
    CHECK_EQ(fcntl(third, F_DUPFD_CLOEXEC, 77), 79);
    CHECK_EQ(fcntl(79, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(78, F_GETFD), 0);
}

static void dup2_and_dup3(void)
{
    char got[4];
    new_pipe(0);
    CHECK_EQ(dup2(out, out), out);
    CHECK_ERR(dup3(out, out, 0), EINVAL);
    CHECK_ERR(dup3(out, 60, O_NONBLOCK), EINVAL);
    CHECK_ERR(dup2(999, 60), EBADF);
    CHECK_ERR(dup2(out, -1), EBADF);
    CHECK_ERR(dup(-1), EBADF);
    CHECK_EQ(dup3(out, 60, O_CLOEXEC), 60);
    CHECK_EQ(fcntl(60, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(dup2(out, 60), 60);                  /* the flag is the descriptor's */
    CHECK_EQ(fcntl(60, F_GETFD), 0);
    set_nonblock(60);
    CHECK(fcntl(out, F_GETFL) & O_NONBLOCK);      /* O_NONBLOCK is the description's */
    close(out);
    CHECK_EQ(write(60, "x", 1), 1);
    int other[2];
    CHECK_EQ(pipe(other), 0);
    CHECK_EQ(dup2(other[1], 60), 60);             /* closes the old one silently: */
    CHECK_EQ(read(in, got, 4), 1);
    CHECK_EQ(read(in, got, 4), 0);                /* its reader sees the end */
}

static void descriptor_limit(void)
{
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 40;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    int fd, end[2];
    new_pipe(0);
    while ((fd = dup(in)) >= 0)
        CHECK(fd < 40);
    CHECK_EQ(errno, EMFILE);
    CHECK_ERR(dup2(in, 40), EBADF);
    CHECK_ERR(fcntl(in, F_DUPFD, 40), EINVAL);
    close(39);
    CHECK_ERR(pipe(end), EMFILE);                 /* room for one is not room for two */
    CHECK_EQ(dup(in), 39);                        /* and the one was not lost */
    limit.rlim_cur = 10;                          /* those beyond a lower limit stay open, and */
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK_ERR(open("/", O_RDONLY), EMFILE);       /* do not count */
    close(9);
    CHECK_EQ(open("/", O_RDONLY), 9);
}

static void close_and_close_range(void)
{
    CHECK_ERR(close(500), EBADF);
    CHECK_ERR(close(-1), EBADF);
    new_pipe(0);
    for (int fd = 100; fd < 110; fd++)
        CHECK_EQ(dup2(in, fd), fd);
    CHECK_EQ(syscall(SYS_close_range, 102, 105, 0), 0);
    CHECK(fcntl(101, F_GETFD) == 0 && fcntl(106, F_GETFD) == 0);
    for (int fd = 102; fd < 106; fd++)
        CHECK_ERR(fcntl(fd, F_GETFD), EBADF);
    CHECK_EQ(syscall(SYS_close_range, 106, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */), 0);
    CHECK_EQ(fcntl(107, F_GETFD), FD_CLOEXEC);
    CHECK_ERR(syscall(SYS_close_range, 10, 9, 0), EINVAL);
}

static const struct check_case cases[] = {
    CASE(bytes_in_order),
    CASE(end_of_file_after_the_last_writer),
    CASE(a_full_pipe_blocks),
    CASE(a_large_write_is_whole),
    CASE(pipe_buf_is_atomic),
    CASE(nonblocking),
    CASE(a_reader_wakes_a_writer_of_a_broken_pipe),
    CASE(poll_tells),
    CASE(poll_waits),
    CASE(time_left_or_sticky),
    CASE(select_and_epoll),
    CASE(fifo),
    CASE(socketpair_is_two_pipes),
    CASE(lowest_free_number),
    CASE(dup2_and_dup3),
    CASE(descriptor_limit),
    CASE(close_and_close_range),
};
CHECK_MAIN(cases)
