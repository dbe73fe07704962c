/* inotify(7) of files in memory: /dev/shm, under tine a file system of the machine's own. */
#include "check.h"

#include <ftw.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

static char room[64];
static int wd_dir;

static const char *at(const char *name)
{
    static char path[4][128];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s%s%s", room, *name ? "/" : "", name);
    return path[turn];
}

static int begin(unsigned mask)
{
    strcpy(room, "/dev/shm/tine-watch-XXXXXX");
    CHECK(mkdtemp(room) != NULL);
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    CHECK(fd >= 0);
    wd_dir = mask ? inotify_add_watch(fd, room, mask) : 0;
    CHECK(!mask || wd_dir > 0);
    return fd;
}

static int gone(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void end(void)
{
    nftw(room, gone, 8, FTW_DEPTH | FTW_PHYS);
}

static const struct {
    unsigned bit;
    const char *name;
} bits[] = {
    { IN_ACCESS, "access" }, { IN_MODIFY, "modify" }, { IN_ATTRIB, "attrib" }, { IN_CLOSE_WRITE, "close-write" },
    { IN_CLOSE_NOWRITE, "close" }, { IN_OPEN, "open" }, { IN_MOVED_FROM, "from" }, { IN_MOVED_TO, "to" },
    { IN_CREATE, "create" }, { IN_DELETE, "delete" }, { IN_DELETE_SELF, "gone" }, { IN_MOVE_SELF, "moved" },
    { IN_Q_OVERFLOW, "overflow" }, { IN_IGNORED, "ignored" }, { IN_ISDIR, "dir" },
};

static unsigned last_cookie, cookies;

/* What the queue holds: "self" events begin with a dot, those of the directory watched have a name. */
static const char *told(int fd)
{
    static char text[4096];
    static char buf[16384] __attribute__((aligned(8)));
    text[0] = 0;
    cookies = 0;
    ssize_t have = read(fd, buf, sizeof buf);
    if (have < 0)
        CHECK_EQ(errno, EAGAIN);
    for (ssize_t p = 0; p < have;) {
        const struct inotify_event *e = (const struct inotify_event *)(buf + p);
        p += (ssize_t)(sizeof *e + e->len);
        CHECK_EQ(e->len % sizeof *e, 0);
        char *to = text + strlen(text);
        to += sprintf(to, "%s%s", text[0] ? " " : "", e->wd == wd_dir ? "" : ".");
        for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++)
            if (e->mask & bits[i].bit)
                to += sprintf(to, "%s,", bits[i].name);
        if (e->mask & (IN_MOVED_FROM | IN_MOVED_TO))
            CHECK(e->cookie != 0);
        else
            CHECK_EQ(e->cookie, 0);
        if (e->mask & IN_MOVED_TO)
            CHECK_EQ(e->cookie, last_cookie);
        cookies += e->mask & IN_MOVED_FROM && e->cookie != last_cookie;
        last_cookie = e->cookie;
        sprintf(to, "%s", e->len ? e->name : "");
    }
    return text;
}

static void told_is(int fd, int line, const char *want)
{
    const char *is = told(fd);
    if (strcmp(is, want))
        check_fail(__FILE__, line, is, 0, 0);
}
#define TOLD(fd, want) told_is(fd, __LINE__, want)

static void one_file(void)
{
    int fd = begin(IN_ALL_EVENTS);
    char byte;
    TOLD(fd, "");
    int file = open(at("a"), O_CREAT | O_RDWR, 0600);
    CHECK(file >= 0);
    TOLD(fd, "create,a open,a");
    CHECK(inotify_add_watch(fd, at("a"), IN_ALL_EVENTS) > 0);
    CHECK_EQ(write(file, "xyz", 3), 3);
    CHECK_EQ(write(file, "xyz", 3), 3);
    TOLD(fd, "modify,a .modify, modify,a .modify,");
    CHECK_EQ(pread(file, &byte, 1, 0), 1);
    CHECK_EQ(pread(file, &byte, 1, 1000), 0);
    TOLD(fd, "access,a .access,");
    CHECK_EQ(ftruncate(file, 1), 0);
    CHECK_EQ(fchmod(file, 0640), 0);
    TOLD(fd, "modify,a .modify, attrib,a .attrib,");
    CHECK_EQ(chown(at("a"), getuid(), (gid_t)-1), 0);
    CHECK_EQ(chown(at("a"), (uid_t)-1, (gid_t)-1), 0);
    CHECK_EQ(fallocate(file, 0, 0, 100), 0);
    TOLD(fd, "attrib,a .attrib, modify,a .modify,");
    CHECK_EQ(utimensat(AT_FDCWD, at("a"), NULL, 0), 0);
    TOLD(fd, "attrib,a .attrib,");
    struct timespec one[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_NOW } };
    CHECK_EQ(utimensat(AT_FDCWD, at("a"), one, 0), 0);
    TOLD(fd, "modify,a .modify,");
    CHECK_EQ(close(file), 0);
    TOLD(fd, "close-write,a .close-write,");
    file = open(at("a"), O_WRONLY | O_TRUNC);
    CHECK_EQ(close(file), 0);
    TOLD(fd, "open,a .open, modify,a .modify, close-write,a .close-write,");
    CHECK_EQ(close(open(at("a"), O_RDONLY)), 0);
    TOLD(fd, "open,a .open, close,a .close,");
    CHECK(open(at("a"), O_PATH) >= 0); /* nobody hears of that */
    CHECK_EQ(link(at("a"), at("b")), 0);
    TOLD(fd, ".attrib, create,b");
    CHECK_EQ(unlink(at("b")), 0);
    TOLD(fd, ".attrib, delete,b");
    end();
}

/* Of several names the one that was used is told. */
static void several_names(void)
{
    int fd = begin(IN_ALL_EVENTS);
    char c = 'x';
    int a = open(at("a"), O_CREAT | O_RDWR, 0600);
    CHECK_EQ(link(at("a"), at("b")), 0);
    int b = open(at("b"), O_RDWR);
    TOLD(fd, "create,a open,a create,b open,b");
    CHECK_EQ(write(a, &c, 1), 1);
    CHECK_EQ(pread(b, &c, 1, 0), 1);
    TOLD(fd, "modify,a access,b");
    CHECK_EQ(fchmod(a, 0640) | ftruncate(a, 3) | chmod(at("a"), 0600), 0);
    TOLD(fd, "attrib,a modify,a attrib,a");
    CHECK_EQ(truncate(at("b"), 2) | chmod(at("b"), 0640), 0);
    TOLD(fd, "modify,b attrib,b");
    CHECK_EQ(rename(at("a"), at("c")), 0);
    TOLD(fd, "from,a to,c");
    CHECK_EQ(write(a, &c, 1), 1);
    CHECK_EQ(close(b), 0);
    TOLD(fd, "modify,c close-write,b");
    CHECK_EQ(unlink(at("b")), 0);
    CHECK_EQ(close(a), 0);
    TOLD(fd, "delete,b close-write,c");
    end();
}

static void its_end(void)
{
    int fd = begin(IN_ALL_EVENTS);
    CHECK_EQ(close(creat(at("a"), 0600)), 0);
    CHECK_EQ(close(creat(at("b"), 0600)), 0);
    int file = open(at("b"), O_RDONLY);
    TOLD(fd, "create,a open,a close-write,a create,b open,b close-write,b open,b");
    int wd = inotify_add_watch(fd, at("a"), IN_ALL_EVENTS);
    CHECK_EQ(unlink(at("a")), 0);
    TOLD(fd, ".attrib, .gone, .ignored, delete,a");
    CHECK_ERR(inotify_rm_watch(fd, wd), EINVAL);
    wd = inotify_add_watch(fd, at("b"), IN_DELETE_SELF | IN_CLOSE);
    CHECK_EQ(unlink(at("b")), 0);
    TOLD(fd, "delete,b");
    CHECK_EQ(inotify_rm_watch(fd, wd_dir), 0);
    TOLD(fd, "ignored,");
    CHECK_EQ(close(file), 0);
    TOLD(fd, ".close, .gone, .ignored,");
    CHECK_EQ(inotify_add_watch(fd, room, IN_ALL_EVENTS) > 0, 1);
    CHECK_EQ(rmdir(room), 0);
    TOLD(fd, ".gone, .ignored,");
    end();
}

static void names(void)
{
    int fd = begin(IN_ALL_EVENTS), second;
    CHECK_EQ(mkdir(at("d"), 0700), 0);
    CHECK_EQ(symlink("x", at("s")), 0);
    CHECK_EQ(mkfifo(at("p"), 0600), 0);
    TOLD(fd, "create,dir,d create,s create,p");
    int sub = inotify_add_watch(fd, at("d"), IN_ALL_EVENTS);
    CHECK(sub > 0 && sub != wd_dir);
    CHECK_EQ(close(open(at("d"), O_RDONLY)), 0);
    TOLD(fd, "open,dir,d .open,dir, close,dir,d .close,dir,");
    CHECK_EQ(chmod(at("d"), 0750), 0);
    TOLD(fd, "attrib,dir,d .attrib,dir,");
    CHECK_EQ(rename(at("s"), at("d/t")), 0);
    TOLD(fd, "from,s .to,t");
    CHECK_EQ(cookies, 1);
    CHECK_EQ(rename(at("d"), at("e")), 0);
    TOLD(fd, "from,dir,d to,dir,e .moved,");
    CHECK_EQ(cookies, 1);
    CHECK_EQ(unlink(at("e/t")), 0);
    CHECK_EQ(rmdir(at("e")), 0);
    TOLD(fd, ".delete,t .gone, .ignored, delete,dir,e");
    CHECK_EQ(close(creat(at("a"), 0600)), 0);
    CHECK_EQ(close(creat(at("b"), 0600)), 0);
    CHECK(*told(fd));
    CHECK(inotify_add_watch(fd, at("b"), IN_ALL_EVENTS) > 0);
    CHECK_EQ(rename(at("a"), at("b")), 0);
    TOLD(fd, "from,a to,b .attrib, .gone, .ignored,");
    CHECK_EQ(renameat2(AT_FDCWD, at("p"), AT_FDCWD, at("b"), RENAME_EXCHANGE), 0);
    TOLD(fd, "from,p to,b from,b to,p");
    CHECK_EQ(cookies, 2);
    CHECK((second = inotify_init1(IN_NONBLOCK)) >= 0);
    CHECK(inotify_add_watch(second, at("p"), IN_MOVE_SELF) > 0);
    CHECK_EQ(renameat2(AT_FDCWD, at("p"), AT_FDCWD, at("b"), RENAME_EXCHANGE), 0);
    TOLD(fd, "from,p to,b from,b to,p");
    CHECK_EQ(mkdir(at("d"), 0700), 0);
    CHECK_EQ(mkdir(at("e"), 0700), 0);
    CHECK(inotify_add_watch(fd, at("e"), IN_ALL_EVENTS) > 0);
    CHECK_EQ(rename(at("d"), at("e")), 0);
    TOLD(fd, "create,dir,d create,dir,e from,dir,d to,dir,e .attrib,dir, .gone, .ignored,");
    CHECK_ERR(rename(at("b"), at("e")), EISDIR);
    CHECK_ERR(mkdir(at("e"), 0700), EEXIST);
    TOLD(fd, "");
    char buf[64];
    CHECK_EQ(read(second, buf, sizeof buf), sizeof(struct inotify_event));
    end();
}

static void masks(void)
{
    int fd = begin(IN_CREATE);
    CHECK_EQ(inotify_add_watch(fd, room, IN_DELETE | IN_MASK_ADD), wd_dir);
    CHECK_EQ(mkdir(at("d"), 0700), 0);
    CHECK_EQ(rmdir(at("d")), 0);
    TOLD(fd, "create,dir,d delete,dir,d");
    CHECK_EQ(inotify_add_watch(fd, room, IN_DELETE), wd_dir);
    CHECK_EQ(mkdir(at("d"), 0700), 0);
    CHECK_EQ(rmdir(at("d")), 0);
    TOLD(fd, "delete,dir,d");
    CHECK_ERR(inotify_add_watch(fd, room, IN_DELETE | IN_MASK_CREATE), EEXIST);
    CHECK_EQ(close(creat(at("f"), 0600)), 0);
    CHECK_ERR(inotify_add_watch(fd, at("f"), IN_OPEN | IN_ONLYDIR), ENOTDIR);
    CHECK_ERR(inotify_add_watch(fd, at("no"), IN_OPEN), ENOENT);
    CHECK_ERR(inotify_add_watch(fd, at("f"), 0), EINVAL);
    CHECK(inotify_add_watch(fd, at("f"), IN_OPEN | IN_ONESHOT) > 0);
    CHECK_EQ(close(open(at("f"), O_RDONLY)), 0);
    CHECK_EQ(close(open(at("f"), O_RDONLY)), 0);
    TOLD(fd, ".open, .ignored,");
    CHECK_EQ(symlink("f", at("l")), 0);
    CHECK(inotify_add_watch(fd, at("l"), IN_ALL_EVENTS | IN_DONT_FOLLOW) > 0);
    CHECK_EQ(unlink(at("l")), 0);
    TOLD(fd, ".attrib, .gone, .ignored, delete,l");
    CHECK_EQ(inotify_rm_watch(fd, wd_dir), 0);
    CHECK_ERR(inotify_rm_watch(fd, wd_dir), EINVAL);
    CHECK_ERR(inotify_rm_watch(fd, 0x7ffffff0), EINVAL);
    CHECK_EQ(mkdir(at("d"), 0700), 0);
    TOLD(fd, "ignored,");
    CHECK_EQ(getuid() && chmod(at("f"), 0) == 0 ? inotify_add_watch(fd, at("f"), IN_OPEN) : -1, -1);
    end();
}

static void readers(void)
{
    int fd = begin(IN_CREATE | IN_DELETE), set = epoll_create1(0), bytes;
    struct epoll_event want = { .events = EPOLLIN | EPOLLET }, got;
    struct pollfd p = { .fd = fd, .events = POLLIN };
    char buf[512];
    CHECK_EQ(epoll_ctl(set, EPOLL_CTL_ADD, fd, &want), 0);
    CHECK_EQ(epoll_wait(set, &got, 1, 0), 0);
    CHECK_EQ(poll(&p, 1, 0), 0);
    CHECK_EQ(mkdir(at("d"), 0700), 0);
    CHECK_EQ(mkdir(at("sixteen-is-more-"), 0700), 0);
    CHECK_EQ(poll(&p, 1, 0), 1);
    CHECK_EQ(p.revents, POLLIN);
    CHECK_EQ(epoll_wait(set, &got, 1, 0), 1);
    CHECK_EQ(epoll_wait(set, &got, 1, 0), 0);
    CHECK_EQ(ioctl(fd, FIONREAD, &bytes), 0);
    CHECK_EQ(bytes, 32 + 48);
    CHECK_ERR(read(fd, buf, 31), EINVAL);
    CHECK_EQ(read(fd, buf, 32 + 47), 32);
    CHECK_EQ(ioctl(fd, FIONREAD, &bytes), 0);
    CHECK_EQ(bytes, 48);
    CHECK_EQ(read(fd, buf, sizeof buf), 48);
    CHECK_ERR(read(fd, buf, sizeof buf), EAGAIN);
    CHECK_EQ(poll(&p, 1, 0), 0);
    for (int way = 0; way < 3; way++) {
        pid_t pid = check_fork();
        if (pid == 0) {
            check_sleep_ms(10);
            _exit(way % 2 ? mkdir(at("d"), 0700) : rmdir(at("d")));
        }
        if (way == 0)
            CHECK_EQ(poll(&p, 1, 5000), 1);
        else if (way == 1)
            CHECK_EQ(epoll_wait(set, &got, 1, 5000), 1);
        else
            CHECK_EQ(fcntl(fd, F_SETFL, 0), 0);
        CHECK_EQ(read(fd, buf, sizeof buf), 32);
        CHECK_EXIT(pid, 0);
    }
    end();
}

/* One description for a file in memory and one elsewhere. */
static void two_file_systems(void)
{
    int fd = begin(IN_CREATE);
    char other[] = "tine-watch-XXXXXX", inside[64];
    CHECK(mkdtemp(other) != NULL);
    int wd = inotify_add_watch(fd, other, IN_CREATE);
    CHECK(wd > 0 && wd != wd_dir);
    snprintf(inside, sizeof inside, "%s/h", other);
    CHECK_EQ(mkdir(inside, 0700), 0);
    CHECK_EQ(mkdir(at("m"), 0700), 0);
    const char *text = told(fd);
    CHECK(strstr(text, ".create,dir,h"));
    CHECK(strstr(text, "create,dir,m"));
    CHECK_EQ(rmdir(inside), 0);
    CHECK_EQ(inotify_rm_watch(fd, wd), 0);
    CHECK_EQ(inotify_rm_watch(fd, wd_dir), 0);
    text = told(fd);
    CHECK(strstr(text, ".ignored,"));
    CHECK_EQ(rmdir(other), 0);
    end();
}

static void overflow(void)
{
    int fd = begin(0), events = 0, last = 0, limit;
    static char buf[65536] __attribute__((aligned(8)));
    ssize_t have;
    char text[16] = "";
    int file = open("/proc/sys/fs/inotify/max_queued_events", O_RDONLY);
    CHECK(read(file, text, sizeof text - 1) > 0);
    limit = atoi(text);
    CHECK_EQ(close(creat(at("f"), 0600)), 0);
    CHECK(inotify_add_watch(fd, room, IN_OPEN | IN_CLOSE) > 0);
    for (int i = 0; i < limit / 2 + 100; i++)
        CHECK_EQ(close(open(at("f"), O_RDONLY)), 0);
    while ((have = read(fd, buf, sizeof buf)) > 0)
        for (ssize_t p = 0; p < have; events++) {
            const struct inotify_event *e = (const struct inotify_event *)(buf + p);
            p += (ssize_t)(sizeof *e + e->len);
            last = e->mask == IN_Q_OVERFLOW && e->wd == -1 ? events : 0;
        }
    CHECK_EQ(have, -1);
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(last, limit);
    CHECK_EQ(events, limit + 1);
    CHECK_EQ(close(open(at("f"), O_RDONLY)), 0); /* there is room again */
    CHECK_EQ(read(fd, buf, sizeof buf), 2 * 32);
    end();
}

static void many_watchers(void)
{
    begin(0);
    for (int i = 0; i < 60; i++) {
        int fd = inotify_init1(IN_NONBLOCK);
        char name[16];
        CHECK(fd >= 0);
        for (int k = 0; k < 20; k++) {
            snprintf(name, sizeof name, "%d", k);
            mkdir(at(name), 0700);
            CHECK(inotify_add_watch(fd, at(name), IN_ALL_EVENTS) > 0);
        }
        CHECK(inotify_add_watch(fd, room, IN_DELETE) > 0);
        CHECK_EQ(rmdir(at("3")), 0);
        CHECK_EQ(mkdir(at("4/x"), 0700), 0);
        CHECK_EQ(rmdir(at("4/x")), 0);
        if (i % 2)
            CHECK_EQ(close(fd), 0); /* with events */
    }
    end();
}

static const struct check_case cases[] = {
    CASE(one_file), CASE(several_names), CASE(its_end), CASE(names), CASE(masks), CASE(readers), CASE(two_file_systems), CASE(overflow),
    CASE(many_watchers),
};
CHECK_MAIN(cases)
