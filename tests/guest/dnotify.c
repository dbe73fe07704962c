/* F_NOTIFY of fcntl(2): directories that send a signal, in the host's files and in /dev/shm. */
#include "check.h"

static const char *const parents[] = { "/tmp", "/dev/shm" }; /* no /tmp: / */
static char where[64];
static volatile int told, told_fd, told_band;

static void note(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    told++;
    told_fd = info->si_fd;
    told_band = (int)info->si_band;
}

static const char *in_dir(const char *name)
{
    static char path[2][128];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", where, name);
    return path[turn];
}

static int directory(const char *parent)
{
    snprintf(where, sizeof where, "%s/tine-dnotify-XXXXXX", access(parent, W_OK) ? "" : parent);
    CHECK(mkdtemp(where) != NULL);
    int fd = open(where, O_RDONLY | O_DIRECTORY);
    CHECK(fd >= 0);
    return fd;
}

static int watched(const char *parent, unsigned mask)
{
    int fd = directory(parent);
    check_action(SIGRTMIN + 1, note, SA_RESTART);
    CHECK_EQ(fcntl(fd, F_SETSIG, SIGRTMIN + 1), 0);
    CHECK_EQ(fcntl(fd, F_NOTIFY, mask), 0);
    told = 0;
    return fd;
}

static void make(const char *name)
{
    int fd = open(in_dir(name), O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(close(fd), 0);
}

static int since(void)
{
    int n = told;
    told = 0;
    return n;
}

/* Each kind of event, one signal each, that has come when the call returns. */
static void kinds(void)
{
    char byte = 'x';
    for (int i = 0; i < 2; i++) {
        int fd = watched(parents[i], DN_CREATE | DN_MULTISHOT);
        make("a");
        CHECK_EQ(since(), 1);
        CHECK_EQ(told_fd, fd);
        CHECK_EQ(told_band & 1, 1);
        CHECK_EQ(fcntl(fd, F_GETOWN), getpid());
        int file = open(in_dir("a"), O_RDWR);
        CHECK_EQ(write(file, &byte, 1), 1);
        CHECK_EQ(since(), 0);
        CHECK_EQ(fcntl(fd, F_NOTIFY, DN_MODIFY | DN_MULTISHOT), 0); /* one more kind */
        CHECK_EQ(write(file, &byte, 1), 1);
        CHECK_EQ(since(), 1);
        CHECK_EQ(fcntl(fd, F_NOTIFY, 0), 0);
        CHECK_EQ(write(file, &byte, 1), 1);
        CHECK_EQ(since(), 0);
        CHECK_EQ(fcntl(fd, F_NOTIFY, DN_ACCESS | DN_ATTRIB | DN_DELETE | DN_MULTISHOT), 0);
        CHECK_EQ(pread(file, &byte, 1, 0), 1);
        CHECK_EQ(since(), 1);
        CHECK_EQ(fchmod(file, 0640), 0);
        CHECK_EQ(since(), 1);
        CHECK_EQ(chmod(where, 0750), 0);
        CHECK_EQ(since(), 1);
        CHECK_EQ(unlink(in_dir("a")), 0);
        CHECK(since() >= 1); /* a link count is an attribute */
        CHECK_EQ(close(file), 0);
        CHECK_EQ(rmdir(where), 0);
    }
}

/* A rename is one where it stays in the directory; else something came or went. */
static void renames(void)
{
    for (int i = 0; i < 2; i++) {
        int fd = watched(parents[i], DN_RENAME | DN_MULTISHOT);
        make("a");
        CHECK_EQ(mkdir(in_dir("sub"), 0700), 0);
        CHECK_EQ(since(), 0);
        CHECK_EQ(rename(in_dir("a"), in_dir("b")), 0);
        CHECK_EQ(since(), 1);
        CHECK_EQ(rename(in_dir("b"), in_dir("sub/b")), 0);
        CHECK_EQ(since(), 0);
        CHECK_EQ(rename(in_dir("sub/b"), in_dir("b")), 0);
        CHECK_EQ(since(), 0);
        CHECK_EQ(fcntl(fd, F_NOTIFY, 0), 0);
        CHECK_EQ(fcntl(fd, F_NOTIFY, DN_DELETE | DN_MULTISHOT), 0);
        CHECK_EQ(rename(in_dir("b"), in_dir("sub/b")), 0);
        CHECK_EQ(since(), 1);
        CHECK_EQ(unlink(in_dir("sub/b")), 0);
        CHECK_EQ(since(), 0);
        CHECK_EQ(rmdir(in_dir("sub")), 0);
        CHECK_EQ(since(), 1);
        CHECK_EQ(rmdir(where), 0);
    }
}

/* Without DN_MULTISHOT once; and no more when a descriptor of it is closed, be there others. */
static void ends(void)
{
    for (int i = 0; i < 2; i++) {
        int fd = watched(parents[i], DN_CREATE);
        make("a");
        CHECK_EQ(since(), 1);
        make("b");
        CHECK_EQ(since(), 0);
        CHECK_EQ(fcntl(fd, F_NOTIFY, DN_CREATE | DN_MULTISHOT), 0);
        pid_t pid = check_fork();
        if (pid == 0) { /* its table is another: nothing ends */
            make("c");
            CHECK_EQ(since(), 0);
            CHECK_EQ(close(fd), 0);
            _exit(0);
        }
        CHECK_EXIT(pid, 0);
        CHECK_EQ(since(), 1);
        make("d");
        CHECK_EQ(since(), 1);
        int other = dup(fd);
        CHECK_EQ(close(fd), 0);
        make("e");
        CHECK_EQ(since(), 0);
        CHECK_EQ(fcntl(other, F_NOTIFY, DN_CREATE | DN_MULTISHOT), 0);
        make("f");
        CHECK_EQ(since(), 1);
        CHECK_EQ(told_fd, other);
        for (const char *name = "abcdef"; *name; name++)
            CHECK_EQ(unlink(in_dir((char[]){ *name, 0 })), 0);
        CHECK_EQ(rmdir(where), 0);
    }
}

/* Two processes watch one directory, for different things; both hear of what the third does. */
static void two_watchers(void)
{
    for (int i = 0; i < 2; i++) {
        struct gate gate = gate_new();
        int fd = watched(parents[i], DN_DELETE | DN_MULTISHOT);
        pid_t pid = check_fork();
        if (pid == 0) {
            int own = open(where, O_RDONLY | O_DIRECTORY);
            CHECK_EQ(fcntl(own, F_SETSIG, SIGRTMIN + 1), 0);
            CHECK_EQ(fcntl(own, F_NOTIFY, DN_CREATE), 0);
            gate_open(gate);
            CHECK_SOON(told > 0);
            CHECK_EQ(told_fd, own);
            _exit(0);
        }
        gate_wait(gate);
        make("a");
        CHECK_EQ(since(), 0);
        CHECK_EXIT(pid, 0);
        CHECK_EQ(unlink(in_dir("a")), 0);
        CHECK_EQ(since(), 1);
        CHECK_EQ(told_fd, fd);
        CHECK_EQ(rmdir(where), 0);
    }
}

/* Without F_SETSIG it is SIGIO, and wakes who waits. */
static void sigio(void)
{
    for (int i = 0; i < 2; i++) {
        int fd = directory(parents[i]);
        check_action(SIGIO, note, 0);
        CHECK_EQ(fcntl(fd, F_NOTIFY, DN_CREATE), 0);
        told = 0;
        check_mask(SIG_BLOCK, SIGIO);
        pid_t pid = check_fork();
        if (pid == 0) {
            check_sleep_ms(20);
            make("a");
            _exit(0);
        }
        sigset_t none;
        sigemptyset(&none);
        CHECK_ERR(sigsuspend(&none), EINTR);
        CHECK_EQ(told, 1);
        CHECK_EXIT(pid, 0);
        CHECK_EQ(unlink(in_dir("a")), 0);
        CHECK_EQ(rmdir(where), 0);
    }
}

static void errors(void)
{
    int fd = memfd_create("x", 0);
    CHECK_ERR(fcntl(fd, F_NOTIFY, DN_CREATE), ENOTDIR);
    CHECK_EQ(fcntl(fd, F_NOTIFY, 0), 0);
    CHECK_ERR(fcntl(0x7fff, F_NOTIFY, DN_CREATE), EBADF);
    fd = open("/", O_PATH);
    CHECK_ERR(fcntl(fd, F_NOTIFY, DN_CREATE), EBADF);
}

static const struct check_case cases[] = { CASE(kinds), CASE(renames), CASE(ends), CASE(two_watchers), CASE(sigio),
                                           CASE(errors) };
CHECK_MAIN(cases)
