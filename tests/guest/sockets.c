/*
 * sockets.c - AF_UNIX sockets: pairs, names, messages, passed files, credentials; some AF_INET.
 */
#include "check.h"
#include <poll.h>
#include <stddef.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

static int end[2];

static void new_pair(int type)
{
    CHECK_EQ(socketpair(AF_UNIX, type, 0, end), 0);
}

static int ready(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP };
    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents;
}

static socklen_t abstract(struct sockaddr_un *a, const char *name)
{
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    int n = snprintf(a->sun_path + 1, sizeof a->sun_path - 1, "tine-%d-%s", (int)getpid(), name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static socklen_t a_path(struct sockaddr_un *a)
{
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    snprintf(a->sun_path, sizeof a->sun_path, "/tmp/tine-sock-%d", (int)getpid());
    unlink(a->sun_path);
    return sizeof *a;
}

/* ---- pairs ---- */

static void pair_flags(void)
{
    new_pair(SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
    char byte;
    CHECK_EQ(fcntl(end[0], F_GETFD), FD_CLOEXEC);
    CHECK(fcntl(end[1], F_GETFL) & O_NONBLOCK);
    CHECK_ERR(read(end[0], &byte, 1), EAGAIN);
    CHECK_ERR(recv(end[0], &byte, 1, 0), EAGAIN);
    CHECK_ERR(lseek(end[0], 0, SEEK_SET), ESPIPE);
    CHECK_ERR(pread(end[0], &byte, 1, 0), ESPIPE);
    struct stat st;
    CHECK_EQ(fstat(end[0], &st), 0);
    CHECK(S_ISSOCK(st.st_mode));
    int value;
    socklen_t len = sizeof value;
    CHECK_EQ(getsockopt(end[0], SOL_SOCKET, SO_TYPE, &value, &len), 0);
    CHECK_EQ(value, SOCK_STREAM);
    CHECK_EQ(getsockopt(end[0], SOL_SOCKET, SO_DOMAIN, &value, &len), 0);
    CHECK_EQ(value, AF_UNIX);
    CHECK_ERR(socketpair(AF_UNIX, SOCK_STREAM, 99, end), EPROTONOSUPPORT);
    CHECK_ERR(socketpair(AF_INET, SOCK_STREAM, 0, end), EOPNOTSUPP);
    CHECK_ERR(getsockopt(0, SOL_SOCKET, SO_TYPE, &value, &len), ENOTSOCK);
    CHECK_ERR(send(999, "", 1, 0), EBADF);
}

static void stream_has_no_boundaries(void)
{
    char got[16];
    int n;
    new_pair(SOCK_STREAM);
    CHECK_EQ(write(end[0], "abc", 3), 3);
    CHECK_EQ(send(end[0], "defg", 4, 0), 4);
    CHECK_EQ(ioctl(end[1], FIONREAD, &n), 0);
    CHECK_EQ(n, 7);
    CHECK_EQ(recv(end[1], got, 5, MSG_PEEK), 5);
    CHECK_EQ(recv(end[1], got, 5, 0), 5);
    CHECK_EQ(memcmp(got, "abcde", 5), 0);
    CHECK_EQ(read(end[1], got, 16), 2);
    CHECK_EQ(memcmp(got, "fg", 2), 0);
}

/* More than the buffers hold, both sides blocking, in odd sizes. */
static void stream_of_megabytes(void)
{
    enum { TOTAL = 3000000 };
    static unsigned char out[70001], in[50021];
    new_pair(SOCK_STREAM);
    pid_t pid = check_fork();
    if (pid == 0) {
        close(end[0]);
        unsigned at = 0;
        while (at < TOTAL) {
            unsigned n = TOTAL - at < sizeof out ? TOTAL - at : (unsigned)sizeof out;
            for (unsigned i = 0; i < n; i++)
                out[i] = (unsigned char)((at + i) * 7 % 251);
            CHECK_EQ(send(end[1], out, n, 0), n);
            at += n;
        }
        _exit(0);
    }
    close(end[1]);
    unsigned at = 0;
    ssize_t n;
    while ((n = read(end[0], in, sizeof in)) > 0) {
        for (unsigned i = 0; i < n; i++)
            if (in[i] != (unsigned char)((at + i) * 7 % 251))
                check_fail(__FILE__, __LINE__, "bytes in order", at, i);
        at += (unsigned)n;
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(at, TOTAL);
    CHECK_EXIT(pid, 0);
}

static void waitall_waits(void)
{
    char got[8];
    new_pair(SOCK_STREAM);
    pid_t pid = check_fork();
    if (pid == 0) {
        for (int i = 0; i < 8; i++) {
            CHECK_EQ(write(end[1], "12345678" + i, 1), 1);
            check_sleep_ms(2);
        }
        _exit(0);
    }
    CHECK_EQ(recv(end[0], got, 8, MSG_WAITALL), 8);
    CHECK_EQ(memcmp(got, "12345678", 8), 0);
    CHECK_EXIT(pid, 0);
}

static void full_buffer(void)
{
    static char block[4096];
    struct pollfd p;
    long total = 0;
    ssize_t n;
    new_pair(SOCK_STREAM | SOCK_NONBLOCK);
    while ((n = write(end[0], block, sizeof block)) > 0)
        total += n;
    CHECK(n < 0 && errno == EAGAIN);
    CHECK(total >= 65536);
    CHECK(!(ready(end[0]) & POLLOUT));
    while ((n = read(end[1], block, sizeof block)) > 0)
        total -= n;
    CHECK_EQ(total, 0);
    p = (struct pollfd){ .fd = end[0], .events = POLLOUT };
    CHECK_EQ(poll(&p, 1, 1000), 1);
}

static volatile int pipes_broken;
static void on_pipe(int number)
{
    pipes_broken += number == SIGPIPE;
}

static void closed_other_end(void)
{
    char byte;
    check_handler(SIGPIPE, on_pipe, 0);
    new_pair(SOCK_STREAM);
    CHECK_EQ(write(end[1], "x", 1), 1);
    close(end[1]);
    CHECK((ready(end[0]) & (POLLIN | POLLHUP | POLLRDHUP)) == (POLLIN | POLLHUP | POLLRDHUP));
    CHECK_EQ(read(end[0], &byte, 1), 1);
    CHECK_EQ(read(end[0], &byte, 1), 0);
    CHECK_ERR(send(end[0], "y", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_EQ(pipes_broken, 0);
    CHECK_ERR(write(end[0], "y", 1), EPIPE);
    CHECK_EQ(pipes_broken, 1);
    CHECK_ERR(send(end[0], "y", 1, 0), EPIPE);
    CHECK_EQ(pipes_broken, 2);
}

static void unread_bytes_reset(void)
{
    char byte;
    new_pair(SOCK_STREAM);
    CHECK_EQ(write(end[0], "x", 1), 1);
    close(end[1]);
    CHECK_ERR(read(end[0], &byte, 1), ECONNRESET);
    CHECK_EQ(read(end[0], &byte, 1), 0);
}

static void shutdown_one_way(void)
{
    char byte;
    new_pair(SOCK_STREAM);
    CHECK_EQ(shutdown(end[0], SHUT_WR), 0);
    CHECK_EQ(read(end[1], &byte, 1), 0);
    CHECK((ready(end[1]) & (POLLRDHUP | POLLHUP)) == POLLRDHUP);
    CHECK_ERR(send(end[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_EQ(write(end[1], "x", 1), 1);
    CHECK_EQ(read(end[0], &byte, 1), 1);
    CHECK_ERR(shutdown(end[0], 3), EINVAL);
}

static void receive_timeout(void)
{
    char byte;
    struct timeval tv = { 0, 30000 }, back;
    socklen_t len = sizeof back;
    new_pair(SOCK_STREAM);
    CHECK_EQ(setsockopt(end[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv), 0);
    CHECK_EQ(getsockopt(end[0], SOL_SOCKET, SO_RCVTIMEO, &back, &len), 0);
    CHECK(back.tv_sec == 0 && back.tv_usec >= 30000 && back.tv_usec < 45000);
    long before = check_now_ms();
    CHECK_ERR(recv(end[0], &byte, 1, 0), EAGAIN);
    CHECK(check_now_ms() - before >= 29);
    CHECK_ERR(read(end[0], &byte, 1), EAGAIN);
}

/* ---- messages ---- */

static void boundaries_are_kept(void)
{
    static const int types[] = { SOCK_DGRAM, SOCK_SEQPACKET };
    char got[16];
    for (int i = 0; i < 2; i++) {
        new_pair(types[i]);
        CHECK_EQ(write(end[0], "one", 3), 3);
        CHECK_EQ(send(end[0], "three", 5, 0), 5);
        CHECK_EQ(send(end[0], "", 0, 0), 0);
        CHECK_EQ(send(end[0], "last", 4, 0), 4);
        CHECK_EQ(read(end[1], got, 16), 3);
        CHECK_EQ(recv(end[1], got, 2, MSG_TRUNC | MSG_PEEK), 5);
        CHECK_EQ(recv(end[1], got, 2, 0), 2);
        CHECK_EQ(recv(end[1], got, 16, 0), 0);
        CHECK_EQ(recv(end[1], got, 16, MSG_DONTWAIT), 4);
        CHECK_ERR(recv(end[1], got, 16, MSG_DONTWAIT), EAGAIN);
        static char big[1 << 20];
        CHECK_ERR(send(end[0], big, sizeof big, 0), EMSGSIZE);
        close(end[0]);
        if (types[i] == SOCK_SEQPACKET)
            CHECK_EQ(recv(end[1], got, 16, 0), 0);
        close(end[1]);
    }
}

static void datagrams_by_name(void)
{
    struct sockaddr_un a, b, from;
    socklen_t la = abstract(&a, "a"), lb = abstract(&b, "b"), len = sizeof from;
    char got[8];
    int x = socket(AF_UNIX, SOCK_DGRAM, 0), y = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK_ERR(send(x, "?", 1, 0), ENOTCONN);
    CHECK_EQ(bind(x, (struct sockaddr *)&a, la), 0);
    CHECK_ERR(bind(y, (struct sockaddr *)&a, la), EADDRINUSE);
    CHECK_ERR(sendto(x, "?", 1, 0, (struct sockaddr *)&b, lb), ECONNREFUSED);
    CHECK_EQ(bind(y, (struct sockaddr *)&b, lb), 0);
    CHECK_EQ(sendto(x, "to b", 4, 0, (struct sockaddr *)&b, lb), 4);
    CHECK_EQ(recvfrom(y, got, 8, 0, (struct sockaddr *)&from, &len), 4);
    CHECK_EQ(len, la);
    CHECK_EQ(memcmp(&from, &a, la), 0);
    CHECK_EQ(connect(y, (struct sockaddr *)&from, len), 0);
    CHECK_EQ(write(y, "back", 4), 4);
    CHECK_EQ(read(x, got, 8), 4);
    len = sizeof from;
    CHECK_EQ(getpeername(y, (struct sockaddr *)&from, &len), 0);
    CHECK_EQ(len, la);
    int z = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK_ERR(sendto(z, "no", 2, 0, (struct sockaddr *)&b, lb), EPERM); /* y talks to x only */
    close(x);
    CHECK_ERR(write(y, "gone", 4), ECONNREFUSED);
    CHECK_ERR(listen(y, 1), EOPNOTSUPP);
    CHECK_ERR(accept(y, NULL, NULL), EOPNOTSUPP);
}

/* ---- connections ---- */

/* Empty messages until there is no room for another. */
static int fill(int fd)
{
    int n = 0;
    while (n < 20000 && send(fd, "", 0, MSG_DONTWAIT) == 0)
        n++;
    CHECK_ERR(send(fd, "", 0, MSG_DONTWAIT), EAGAIN);
    CHECK_EQ(ready(fd) & POLLOUT, 0);
    return n;
}

static void queue_of_empty_messages(void)
{
    struct sockaddr_un a;
    socklen_t len = abstract(&a, "full");
    struct epoll_event want = { .events = EPOLLOUT | EPOLLET }, got;
    char text[16] = "", byte;
    int limit = open("/proc/sys/net/unix/max_dgram_qlen", O_RDONLY), set = epoll_create1(0);
    int to = socket(AF_UNIX, SOCK_DGRAM, 0), from = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK(read(limit, text, sizeof text - 1) > 0);
    CHECK_EQ(bind(to, (struct sockaddr *)&a, len), 0);
    CHECK_EQ(connect(from, (struct sockaddr *)&a, len), 0);
    int n = fill(from);
    if (atoi(text) < 200) /* else the sender's buffer bounds it first */
        CHECK_EQ(n, atoi(text) + 1);
    CHECK_ERR(sendto(socket(AF_UNIX, SOCK_DGRAM, 0), "", 0, MSG_DONTWAIT, (struct sockaddr *)&a, len), EAGAIN);
    CHECK_EQ(epoll_ctl(set, EPOLL_CTL_ADD, from, &want), 0);
    CHECK_EQ(epoll_wait(set, &got, 1, 0), 0);
    CHECK_EQ(recv(to, &byte, 1, 0), 0);
    CHECK_EQ(epoll_wait(set, &got, 1, 5000), 1);
    CHECK(ready(from) & POLLOUT);
    CHECK_EQ(send(from, "", 0, MSG_DONTWAIT), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        check_sleep_ms(10);
        _exit((int)recv(to, &byte, 1, 0));
    }
    CHECK_EQ(send(from, "", 0, 0), 0); /* waits for it */
    CHECK_EXIT(pid, 0);
    CHECK_ERR(send(from, "", 0, MSG_DONTWAIT), EAGAIN);
}

static void pairs_full_of_empty_messages(void)
{
    static const int types[] = { SOCK_DGRAM, SOCK_SEQPACKET };
    char byte;
    for (int i = 0; i < 2; i++) {
        new_pair(types[i]);
        int n = fill(end[0]);
        CHECK(n > 100 && n < 1000);
        while (n--)
            CHECK_EQ(recv(end[1], &byte, 1, MSG_DONTWAIT), 0);
        CHECK(ready(end[0]) & POLLOUT);
        close(end[1]);
        CHECK_ERR(send(end[0], "", 0, MSG_NOSIGNAL), types[i] == SOCK_DGRAM ? ECONNREFUSED : EPIPE);
    }
}

static void serve(struct sockaddr_un *a, socklen_t len, int type)
{
    struct sockaddr_un name;
    socklen_t room = sizeof name;
    char got[8];
    int s = socket(AF_UNIX, type, 0);
    CHECK_ERR(listen(s, 5), EINVAL);
    CHECK_EQ(bind(s, (struct sockaddr *)a, len), 0);
    int early = socket(AF_UNIX, type, 0);
    CHECK_ERR(connect(early, (struct sockaddr *)a, len), ECONNREFUSED);
    CHECK_ERR(accept(s, NULL, NULL), EINVAL);
    CHECK_EQ(listen(s, 5), 0);
    CHECK_EQ(ready(s), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        int c = socket(AF_UNIX, type, 0);
        CHECK_EQ(connect(c, (struct sockaddr *)a, len), 0);
        CHECK_ERR(connect(c, (struct sockaddr *)a, len), EISCONN);
        CHECK_EQ(getpeername(c, (struct sockaddr *)&name, &room), 0);
        CHECK_EQ(memcmp(&name, a, room), 0);
        CHECK_EQ(write(c, "hello", 5), 5);
        CHECK_EQ(read(c, got, 8), 3);
        CHECK_EQ(read(c, got, 8), 0);
        _exit(0);
    }
    int c = accept4(s, (struct sockaddr *)&name, &room, SOCK_CLOEXEC);
    CHECK(c >= 0);
    CHECK_EQ(room, sizeof(sa_family_t));
    CHECK_EQ(fcntl(c, F_GETFD), FD_CLOEXEC);
    struct ucred who;
    socklen_t size = sizeof who;
    CHECK_EQ(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &who, &size), 0);
    CHECK_EQ(who.pid, pid);
    CHECK_EQ(who.uid, getuid());
    CHECK_EQ(read(c, got, 8), 5);
    CHECK_EQ(write(c, "bye", 3), 3);
    close(c);
    CHECK_EXIT(pid, 0);
    close(s);
    CHECK_ERR(connect(early, (struct sockaddr *)a, len), ECONNREFUSED);
}

static void connections_by_path(void)
{
    struct sockaddr_un a;
    struct stat st;
    socklen_t len = a_path(&a);
    serve(&a, len, SOCK_STREAM);
    CHECK_EQ(stat(a.sun_path, &st), 0);
    CHECK(S_ISSOCK(st.st_mode));
    CHECK_ERR(open(a.sun_path, O_RDWR), ENXIO);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_ERR(bind(s, (struct sockaddr *)&a, len), EADDRINUSE);
    CHECK_EQ(unlink(a.sun_path), 0);
    CHECK_ERR(connect(s, (struct sockaddr *)&a, len), ENOENT);
    serve(&a, len, SOCK_SEQPACKET);
    CHECK_EQ(unlink(a.sun_path), 0);
}

static void connections_by_abstract_name(void)
{
    struct sockaddr_un a;
    serve(&a, abstract(&a, "server"), SOCK_STREAM);
}

static void autobind(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    socklen_t len = sizeof a;
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQ(bind(s, (struct sockaddr *)&a, sizeof(sa_family_t)), 0);
    CHECK_EQ(getsockname(s, (struct sockaddr *)&a, &len), 0);
    CHECK_EQ(len, sizeof(sa_family_t) + 6);
    CHECK_EQ(a.sun_path[0], 0);
}

static void full_backlog(void)
{
    struct sockaddr_un a;
    socklen_t len = abstract(&a, "backlog");
    int s = socket(AF_UNIX, SOCK_STREAM, 0), last = -1, made = 0;
    CHECK_EQ(bind(s, (struct sockaddr *)&a, len), 0);
    CHECK_EQ(listen(s, 1), 0);
    for (int i = 0; i < 4; i++) {
        last = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(last, (struct sockaddr *)&a, len) != 0)
            break;
        made++;
    }
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(made, 2);
    pid_t pid = check_fork();
    if (pid == 0) {
        int c = socket(AF_UNIX, SOCK_STREAM, 0);
        _exit(connect(c, (struct sockaddr *)&a, len) != 0);
    }
    check_sleep_ms(10);
    CHECK(accept(s, NULL, NULL) >= 0);
    CHECK_EXIT(pid, 0);
}

/* A name that was taken away and given to another socket leads to that one, which is another file. */
static void a_name_given_again(void)
{
    struct sockaddr_un name = { AF_UNIX, "" };
    struct stat before, after;
    char dir[] = "/tmp/tine-name-XXXXXX";
    CHECK(mkdtemp(dir) != NULL);
    snprintf(name.sun_path, sizeof name.sun_path, "%s/s", dir);
    int a = socket(AF_UNIX, SOCK_STREAM, 0), b = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK_EQ(bind(a, (struct sockaddr *)&name, sizeof name), 0);
    CHECK_EQ(listen(a, 1), 0);
    CHECK_EQ(stat(name.sun_path, &before), 0);
    CHECK_EQ(unlink(name.sun_path), 0);
    CHECK_EQ(bind(b, (struct sockaddr *)&name, sizeof name), 0);
    CHECK_EQ(listen(b, 1), 0);
    CHECK_EQ(stat(name.sun_path, &after), 0);
    CHECK(before.st_ino != after.st_ino);
    CHECK_EQ(connect(c, (struct sockaddr *)&name, sizeof name), 0);
    struct pollfd want[2] = { { a, POLLIN, 0 }, { b, POLLIN, 0 } };
    CHECK_EQ(poll(want, 2, 1000), 1);
    CHECK_EQ(want[1].revents, POLLIN);
    CHECK_EQ(close(a) | close(b) | close(c), 0);
    CHECK_EQ(unlink(name.sun_path), 0);
    CHECK_EQ(rmdir(dir), 0);
}

/* ---- passed files and credentials ---- */

static void send_fds(int to, const int *fds, int n, int flags)
{
    union { char room[CMSG_SPACE(16 * sizeof(int))]; struct cmsghdr align; } control;
    struct iovec io = { (char *)"f", 1 };
    struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control,
                        .msg_controllen = CMSG_SPACE((size_t)n * sizeof(int)) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
    memcpy(CMSG_DATA(c), fds, (size_t)n * sizeof(int));
    CHECK_EQ(sendmsg(to, &m, flags), 1);
}

/* Returns how many came; room is for `most`. */
static int take_fds(int from, int *fds, int most, int flags, int *msg_flags)
{
    union { char room[CMSG_SPACE(16 * sizeof(int))]; struct cmsghdr align; } control;
    char byte[4];
    struct iovec io = { byte, sizeof byte };
    struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control,
                        .msg_controllen = most ? CMSG_LEN((size_t)most * sizeof(int)) : 0 };
    CHECK_EQ(recvmsg(from, &m, flags), 1);
    *msg_flags = m.msg_flags;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (!c)
        return 0;
    CHECK_EQ(c->cmsg_type, SCM_RIGHTS);
    int n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(fds, CMSG_DATA(c), (size_t)n * sizeof(int));
    return n;
}

static void files_travel(void)
{
    int pipe_end[2], got[16], flags;
    char byte;
    new_pair(SOCK_STREAM);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(pipe(pipe_end), 0);
        CHECK_EQ(write(pipe_end[1], "p", 1), 1);
        send_fds(end[1], pipe_end, 2, 0);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(take_fds(end[0], got, 2, MSG_CMSG_CLOEXEC, &flags), 2);
    CHECK(!(flags & MSG_CTRUNC));
    CHECK_EQ(fcntl(got[0], F_GETFD), FD_CLOEXEC);
    CHECK_EQ(read(got[0], &byte, 1), 1);
    CHECK_EQ(byte, 'p');
    close(got[1]);
    CHECK_EQ(read(got[0], &byte, 1), 0);
}

/* A file nobody takes is closed; so is what has no room; so is what waits in a closed socket. */
static void files_that_nobody_takes(void)
{
    int pipe_end[2], got[16], flags;
    char byte;
    for (int how = 0; how < 4; how++) {
        new_pair(how % 2 ? SOCK_STREAM : SOCK_DGRAM);
        CHECK_EQ(pipe(pipe_end), 0);
        int pair[2] = { pipe_end[0], pipe_end[1] };
        send_fds(end[0], pair, 2, 0);
        close(pipe_end[1]);
        if (how == 0) {
            CHECK_EQ(read(end[1], &byte, 1), 1);
        } else if (how == 1) {
            CHECK_EQ(take_fds(end[1], got, 0, 0, &flags), 0);
            CHECK(flags & MSG_CTRUNC);
        } else if (how == 2) {
            CHECK_EQ(take_fds(end[1], got, 1, 0, &flags), 1);
            CHECK(flags & MSG_CTRUNC);
            close(got[0]);
        } else {
            close(end[1]);
        }
        CHECK_EQ(read(pipe_end[0], &byte, 1), 0); /* no writer is left */
        close(pipe_end[0]);
        close(end[0]);
        if (how != 3)
            close(end[1]);
    }
}

static void a_socket_inside_itself(void)
{
    for (int i = 0; i < 50; i++) {
        new_pair(SOCK_STREAM);
        send_fds(end[0], end, 2, 0);
        close(end[0]);
        close(end[1]);
    }
}

/* What only such sockets hold is let go when a socket is closed next: a pipe's reader sees the end. */
static void sockets_that_only_hold_each_other(void)
{
    int pipe_end[2], other[2];
    char byte;
    CHECK_EQ(pipe(pipe_end), 0);
    new_pair(SOCK_STREAM);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, other), 0);
    int first[2] = { other[1], pipe_end[1] };
    send_fds(end[0], first, 2, 0);                /* other[1] waits at end[1], */
    send_fds(other[0], &end[1], 1, 0);            /* and end[1] at other[1] */
    int kept[2], flags;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, kept), 0);
    send_fds(kept[0], &kept[0], 1, 0);            /* whereas this one can still be received */
    close(pipe_end[1]);
    close(kept[0]);
    close(other[1]);
    close(end[1]);
    close(end[0]);
    close(other[0]);
    CHECK_EQ(read(pipe_end[0], &byte, 1), 0);
    CHECK_EQ(take_fds(kept[1], kept, 1, 0, &flags), 1);
    CHECK_EQ(write(kept[0], "x", 1), 1);
    CHECK_EQ(read(kept[1], &byte, 1), 1);
}

/* Who has more descriptors under way than it may have open sends no more, until some are taken. */
static void too_many_under_way(void)
{
    struct rlimit limit = { 40, 40 };
    int fds[2], got[16], flags, sent = 0;
    if (geteuid() == 0)
        CHECK_EQ(setresuid(65534, 65534, 65534), 0);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    new_pair(SOCK_STREAM);
    CHECK_EQ(pipe(fds), 0);
    union { char room[CMSG_SPACE(sizeof fds)]; struct cmsghdr align; } control;
    struct iovec io = { (char *)"f", 1 };
    struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(c), fds, sizeof fds);
    while (sent < 100 && sendmsg(end[0], &m, 0) == 1)
        sent++;
    CHECK_EQ(errno, ETOOMANYREFS);
    CHECK_EQ(sent, 21); /* 40 were not too many yet */
    CHECK_EQ(write(end[0], "x", 1), 1);
    pid_t pid = check_fork();
    if (pid == 0) { /* they are the user's, not the process's */
        CHECK_ERR(sendmsg(end[0], &m, 0), ETOOMANYREFS);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(take_fds(end[1], got, 2, 0, &flags), 2);
    CHECK_EQ(sendmsg(end[0], &m, 0), 1);
    CHECK_ERR(sendmsg(end[0], &m, 0), ETOOMANYREFS);
    CHECK_EQ(close(end[1]), 0);
    new_pair(SOCK_STREAM);
    CHECK_EQ(sendmsg(end[0], &m, 0), 1);
}

static void peeked_files_are_copies(void)
{
    int got[16], flags, file = check_file(10);
    struct stat a, b;
    new_pair(SOCK_DGRAM);
    send_fds(end[0], &file, 1, 0);
    CHECK_EQ(take_fds(end[1], got, 1, MSG_PEEK, &flags), 1);
    CHECK_EQ(take_fds(end[1], got + 1, 1, 0, &flags), 1);
    CHECK(got[0] != got[1]);
    CHECK_EQ(fstat(got[0], &a), 0);
    CHECK_EQ(fstat(got[1], &b), 0);
    CHECK_EQ(a.st_ino, b.st_ino);
}

static void credentials_come_along(void)
{
    union { char room[CMSG_SPACE(sizeof(struct ucred))]; struct cmsghdr align; } control;
    char byte[4];
    struct iovec io = { byte, sizeof byte };
    struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control,
                        .msg_controllen = sizeof control };
    int on = 1;
    new_pair(SOCK_DGRAM);
    CHECK_EQ(setsockopt(end[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
    pid_t pid = check_fork();
    if (pid == 0)
        _exit(write(end[1], "c", 1) != 1);
    CHECK_EQ(recvmsg(end[0], &m, 0), 1);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    struct ucred who;
    CHECK(c != NULL);
    CHECK_EQ(c->cmsg_type, SCM_CREDENTIALS);
    memcpy(&who, CMSG_DATA(c), sizeof who);
    CHECK_EQ(who.pid, pid);
    CHECK_EQ(who.gid, getgid());
    CHECK_EXIT(pid, 0);
    CHECK_EQ(getsockopt(end[0], SOL_SOCKET, SO_PEERCRED, &who, &(socklen_t){ sizeof who }), 0);
    CHECK_EQ(who.pid, getpid());
}

static void many_messages_at_once(void)
{
    struct mmsghdr out[3], in[5];
    struct iovec io[5];
    char got[5][8];
    new_pair(SOCK_DGRAM);
    memset(out, 0, sizeof out);
    memset(in, 0, sizeof in);
    for (int i = 0; i < 3; i++) {
        io[i] = (struct iovec){ (char *)"abcdef" + i, (size_t)i + 1 };
        out[i].msg_hdr.msg_iov = &io[i];
        out[i].msg_hdr.msg_iovlen = 1;
    }
    CHECK_EQ(sendmmsg(end[0], out, 3, 0), 3);
    CHECK_EQ(out[2].msg_len, 3);
    for (int i = 0; i < 5; i++) {
        io[i] = (struct iovec){ got[i], 8 };
        in[i].msg_hdr.msg_iov = &io[i];
        in[i].msg_hdr.msg_iovlen = 1;
    }
    CHECK_EQ(recvmmsg(end[1], in, 5, MSG_WAITFORONE, NULL), 3);
    CHECK_EQ(in[1].msg_len, 2);
    CHECK_EQ(memcmp(got[2], "cde", 3), 0);
}

/* ---- the network: what the loopback of the host shows ---- */

/* Looked at between messages: a second message later than that is not waited for. */
static void time_out_of_many_messages(void)
{
    char a[2][8];
    struct iovec v[2] = {{a[0], 8}, {a[1], 8}};
    struct mmsghdr in[2] = {{{NULL, 0, v, 1, NULL, 0, 0}, 0}, {{NULL, 0, v + 1, 1, NULL, 0, 0}, 0}};
    struct timespec wait = {0, 2000000}, bad = {0, 1000000000};
    new_pair(SOCK_DGRAM);
    CHECK_ERR(recvmmsg(end[1], in, 2, 0, &bad), EINVAL);
    pid_t pid = check_fork();
    if (pid == 0) {
        check_sleep_ms(10);
        CHECK_EQ(send(end[0], "x", 1, 0), 1);
        _exit(0);
    }
    CHECK_EQ(recvmmsg(end[1], in, 2, 0, &wait), 1);
    CHECK_EQ(in[0].msg_len, 1);
    CHECK_EQ(wait.tv_sec + wait.tv_nsec, 0);
    CHECK_EXIT(pid, 0);
    wait.tv_sec = 5;
    CHECK_EQ(send(end[0], "x", 1, 0), 1);
    CHECK_EQ(send(end[0], "yz", 2, 0), 2);
    CHECK_EQ(recvmmsg(end[1], in, 2, 0, &wait), 2);
    CHECK_EQ(in[1].msg_len, 2);
    CHECK_EQ(wait.tv_sec, 4);
}

static void tcp_over_loopback(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, b;
    socklen_t len = sizeof a;
    char got[8];
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0)
        check_skip("no network");
    CHECK_EQ(bind(s, (struct sockaddr *)&a, sizeof a), 0);
    CHECK_EQ(getsockname(s, (struct sockaddr *)&a, &len), 0);
    CHECK_EQ(listen(s, 3), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        int c = socket(AF_INET, SOCK_STREAM, 0), on = 1;
        check_sleep_ms(10);
        CHECK_EQ(connect(c, (struct sockaddr *)&a, sizeof a), 0);
        CHECK_EQ(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
        CHECK_EQ(write(c, "hello", 5), 5);
        CHECK_EQ(shutdown(c, SHUT_WR), 0);
        CHECK_EQ(recv(c, got, 8, MSG_WAITALL), 3);
        _exit(0);
    }
    len = sizeof b;
    int c = accept(s, (struct sockaddr *)&b, &len);
    CHECK(c >= 0);
    CHECK_EQ(b.sin_family, AF_INET);
    CHECK_EQ(recv(c, got, 2, MSG_PEEK), 2);
    CHECK_EQ(recv(c, got, 8, MSG_WAITALL), 5);
    CHECK_EQ(memcmp(got, "hello", 5), 0);
    CHECK_EQ(send(c, "bye", 3, 0), 3);
    close(c);
    CHECK_EXIT(pid, 0);
    close(s);
    c = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(connect(c, (struct sockaddr *)&a, sizeof a), ECONNREFUSED);
}

static void udp_over_loopback(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, b;
    socklen_t len = sizeof a;
    char got[8];
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), c = socket(AF_INET, SOCK_DGRAM, 0);
    if (s < 0)
        check_skip("no network");
    CHECK_EQ(bind(s, (struct sockaddr *)&a, sizeof a), 0);
    CHECK_EQ(getsockname(s, (struct sockaddr *)&a, &len), 0);
    CHECK_ERR(recv(s, got, 8, 0), EAGAIN);
    CHECK_EQ(sendto(c, "ping!", 5, 0, (struct sockaddr *)&a, sizeof a), 5);
    struct pollfd p = { .fd = s, .events = POLLIN };
    CHECK_EQ(poll(&p, 1, 2000), 1);
    len = sizeof b;
    CHECK_EQ(recvfrom(s, got, 4, MSG_TRUNC, (struct sockaddr *)&b, &len), 5);
    CHECK_EQ(sendto(s, "pong", 4, 0, (struct sockaddr *)&b, len), 4);
    CHECK_EQ(read(c, got, 8), 4);
}

static struct cmsghdr *control_find(struct msghdr *h, int level, int type)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c))
        if (c->cmsg_level == level && c->cmsg_type == type)
            return c;
    return NULL;
}

static void control_over_loopback(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    char bytes[8];
    _Alignas(8) char room[256] = { 0 };
    struct iovec one = { "ttl?", 4 };
    int on = 1, ttl = 33, s = socket(AF_INET, SOCK_DGRAM, 0), c = socket(AF_INET, SOCK_DGRAM, 0);
    if (s < 0)
        check_skip("no network");
    CHECK_EQ(bind(s, (struct sockaddr *)&a, sizeof a), 0);
    CHECK_EQ(getsockname(s, (struct sockaddr *)&a, &len), 0);
    CHECK_EQ(setsockopt(s, IPPROTO_IP, IP_PKTINFO, &on, sizeof on), 0);
    CHECK_EQ(setsockopt(s, IPPROTO_IP, IP_RECVTTL, &on, sizeof on), 0);
    CHECK_EQ(setsockopt(s, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on), 0);
    struct msghdr h = { .msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &one, .msg_iovlen = 1,
                        .msg_control = room, .msg_controllen = CMSG_SPACE(sizeof ttl) };
    struct cmsghdr *m = CMSG_FIRSTHDR(&h);
    *m = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof ttl), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_TTL };
    memcpy(CMSG_DATA(m), &ttl, sizeof ttl);
    CHECK_EQ(sendmsg(c, &h, 0), 4);
    *m = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof ttl) + 64, .cmsg_level = IPPROTO_IP, .cmsg_type = IP_TTL };
    CHECK_ERR(sendmsg(c, &h, 0), EINVAL);
    one = (struct iovec){ bytes, sizeof bytes };
    h = (struct msghdr){ .msg_iov = &one, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
    CHECK_EQ(recvmsg(s, &h, 0), 4);
    CHECK_EQ(h.msg_flags, 0);
    m = control_find(&h, IPPROTO_IP, IP_TTL);
    CHECK(m != NULL && *(int *)(void *)CMSG_DATA(m) == 33);
    m = control_find(&h, IPPROTO_IP, IP_PKTINFO);
    CHECK(m != NULL);
    CHECK_EQ(((struct in_pktinfo *)(void *)CMSG_DATA(m))->ipi_addr.s_addr, htonl(INADDR_LOOPBACK));
    m = control_find(&h, SOL_SOCKET, SO_TIMESTAMP);
    CHECK(m != NULL && ((struct timeval *)(void *)CMSG_DATA(m))->tv_sec > 1000000000);
    CHECK_EQ(sendto(c, "x", 1, 0, (struct sockaddr *)&a, sizeof a), 1);
    h.msg_controllen = sizeof(struct cmsghdr) + 4;
    CHECK_EQ(recvmsg(s, &h, 0), 1);
    CHECK(h.msg_flags & MSG_CTRUNC);
    close(s);
    close(c);
}

/* Answers of inet sockets that need no wait. */
static void inet_answers(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET }, other;
    socklen_t length = sizeof at;
    char byte;
    int listener = socket(AF_INET, SOCK_STREAM, 0), s = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0)
        check_skip("no inet sockets");
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_EQ(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_ERR(accept(listener, (struct sockaddr *)8, &length), EINVAL); /* it does not listen yet */
    CHECK_EQ(listen(listener, 1), 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&at, &length), 0);
    CHECK_EQ(connect(s, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_ERR(connect(s, (struct sockaddr *)&at, sizeof at), EISCONN);
    int peer = accept(listener, NULL, NULL);
    CHECK(peer >= 0);
    CHECK_ERR(recv(s, &byte, 1, MSG_OOB), EINVAL);
    CHECK_ERR(recv(s, &byte, 1, MSG_ERRQUEUE), EAGAIN);
    CHECK_EQ(write(peer, "x", 1), 1);
    CHECK_EQ(recvfrom(s, &byte, 1, 0, (struct sockaddr *)&other, &length), 1);
    close(listener); /* now nobody listens: a failure, and then the socket is as before */
    int again = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_ERR(connect(again, (struct sockaddr *)&at, sizeof at), ECONNREFUSED);
    CHECK_ERR(connect(again, (struct sockaddr *)&at, sizeof at), ECONNREFUSED);
    CHECK_ERR(socketpair(AF_INET, SOCK_DGRAM, 6, (int[2]){ 0 }), EPROTONOSUPPORT);
}

static const struct check_case cases[] = {
    CASE(inet_answers),
    CASE(pair_flags),
    CASE(stream_has_no_boundaries),
    CASE(stream_of_megabytes),
    CASE(waitall_waits),
    CASE(full_buffer),
    CASE(closed_other_end),
    CASE(unread_bytes_reset),
    CASE(shutdown_one_way),
    CASE(receive_timeout),
    CASE(boundaries_are_kept),
    CASE(datagrams_by_name),
    CASE(queue_of_empty_messages),
    CASE(pairs_full_of_empty_messages),
    CASE(connections_by_path),
    CASE(connections_by_abstract_name),
    CASE(autobind),
    CASE(full_backlog),
    CASE(files_travel),
    CASE(files_that_nobody_takes),
    CASE(a_socket_inside_itself),
    CASE(sockets_that_only_hold_each_other),
    CASE(a_name_given_again), CASE(too_many_under_way), CASE(peeked_files_are_copies),
    CASE(credentials_come_along),
    CASE(many_messages_at_once),
    CASE(time_out_of_many_messages),
    CASE(tcp_over_loopback),
    CASE(udp_over_loopback),
    CASE(control_over_loopback),
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, COUNT(cases));
}
