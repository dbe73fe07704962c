/* inotify(7): watches of files and directories, through read, poll and epoll. */
#include "check.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

static char where[64];

static const char *in_dir(const char *name)
{
    static char path[2][128];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", where, name);
    return path[turn];
}

static int watched_directory(unsigned mask, int *wd)
{
    strcpy(where, "/tmp/tine-inotify-XXXXXX");
    CHECK(mkdtemp(where) != NULL);
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    CHECK(fd >= 0);
    *wd = inotify_add_watch(fd, where, mask);
    CHECK(*wd > 0);
    return fd;
}

/* The next event must be this one. */
static unsigned event(int fd, unsigned mask, const char *name)
{
    static char buf[4096] __attribute__((aligned(8)));
    static ssize_t have, at;
    if (at >= have) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        CHECK_EQ(poll(&p, 1, 5000), 1);
        have = read(fd, buf, sizeof buf);
        at = 0;
        CHECK(have > 0);
    }
    const struct inotify_event *e = (const struct inotify_event *)(buf + at);
    at += (ssize_t)(sizeof *e + e->len);
    CHECK_EQ(e->mask, mask);
    CHECK_EQ(strcmp(e->len ? e->name : "", name), 0);
    return e->cookie;
}

static void names_come_and_go(void)
{
    int wd, fd = watched_directory(IN_ALL_EVENTS & ~(IN_OPEN | IN_ACCESS | IN_CLOSE_NOWRITE), &wd);
    char byte;
    CHECK_ERR(read(fd, &byte, 1), EAGAIN);
    int file = open(in_dir("a"), O_CREAT | O_RDWR, 0600);
    CHECK(file >= 0);
    event(fd, IN_CREATE, "a");
    CHECK_EQ(write(file, "x", 1), 1);
    event(fd, IN_MODIFY, "a");
    CHECK_EQ(close(file), 0);
    event(fd, IN_CLOSE_WRITE, "a");
    CHECK_EQ(chmod(in_dir("a"), 0640), 0);
    event(fd, IN_ATTRIB, "a");
    CHECK_EQ(rename(in_dir("a"), in_dir("b")), 0);
    unsigned cookie = event(fd, IN_MOVED_FROM, "a");
    CHECK(cookie != 0);
    CHECK_EQ(event(fd, IN_MOVED_TO, "b"), cookie);
    CHECK_EQ(mkdir(in_dir("d"), 0700), 0);
    event(fd, IN_CREATE | IN_ISDIR, "d");
    CHECK_EQ(rmdir(in_dir("d")), 0);
    event(fd, IN_DELETE | IN_ISDIR, "d");
    CHECK_EQ(unlink(in_dir("b")), 0);
    event(fd, IN_DELETE, "b");
    CHECK_EQ(rmdir(where), 0);
    event(fd, IN_DELETE_SELF, "");
    event(fd, IN_IGNORED, "");
    CHECK_ERR(inotify_rm_watch(fd, wd), EINVAL);
}

static void waiters(void)
{
    int wd, fd = watched_directory(IN_CREATE, &wd), set = epoll_create1(0);
    struct epoll_event want = { .events = EPOLLIN, .data.u64 = 7 }, got;
    CHECK_EQ(epoll_ctl(set, EPOLL_CTL_ADD, fd, &want), 0);
    CHECK_EQ(epoll_wait(set, &got, 1, 0), 0);
    pid_t pid = check_fork();
    if (pid == 0) {
        check_sleep_ms(10);
        _exit(mkdir(in_dir("d"), 0700));
    }
    CHECK_EQ(epoll_wait(set, &got, 1, 5000), 1);
    CHECK_EQ(got.data.u64, 7);
    event(fd, IN_CREATE | IN_ISDIR, "d");
    CHECK_EXIT(pid, 0);
    CHECK_EQ(fcntl(fd, F_SETFL, 0), 0); /* a read that waits */
    pid = check_fork();
    if (pid == 0) {
        check_sleep_ms(10);
        _exit(rmdir(in_dir("d")) || mkdir(in_dir("e"), 0700));
    }
    char buf[300];
    CHECK(read(fd, buf, sizeof buf) > 0);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(rmdir(in_dir("e")), 0);
    CHECK_EQ(inotify_rm_watch(fd, wd), 0);
    CHECK_EQ(rmdir(where), 0);
}

static void errors(void)
{
    int wd, fd = watched_directory(IN_CREATE, &wd);
    CHECK_EQ(inotify_add_watch(fd, where, IN_DELETE), wd); /* the same watch */
    CHECK_ERR(inotify_add_watch(fd, where, IN_DELETE | IN_MASK_CREATE), EEXIST);
    CHECK_ERR(inotify_add_watch(fd, in_dir("no"), IN_DELETE), ENOENT);
    CHECK_ERR(inotify_add_watch(fd, where, 0), EINVAL);
    CHECK_ERR(inotify_add_watch(0x7fff, where, IN_DELETE), EBADF);
    CHECK_ERR(inotify_add_watch(check_file(0), where, IN_DELETE), EINVAL);
    int file = open(in_dir("f"), O_CREAT | O_WRONLY, 0600);
    CHECK(file >= 0);
    CHECK_ERR(inotify_add_watch(fd, in_dir("f"), IN_DELETE | IN_ONLYDIR), ENOTDIR);
    CHECK_ERR(inotify_init1(1), EINVAL);
    CHECK_EQ(unlink(in_dir("f")), 0);
    CHECK_EQ(rmdir(where), 0);
}

static const struct check_case cases[] = { CASE(names_come_and_go), CASE(waiters), CASE(errors) };
CHECK_MAIN(cases)
