// openat2(2): how paths may be walked.
#include "room.h"

#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>

static int dir; // the room

//     dir/file            dir/sub/up -> ..        dir/sub/file -> /file       dir/in -> sub/
//     dir/sub/deep/       dir/sub/out -> ../..    dir/out -> /etc
static void begin(const char *where)
{
    snprintf(room, sizeof room, "%s/tine-openat2-XXXXXX", where);
    CHECK(mkdtemp(room) != NULL);
    CHECK_EQ(mkdir(at("sub"), 0755) | mkdir(at("sub/deep"), 0755), 0);
    close(open(at("file"), O_CREAT | O_RDWR, 0644));
    CHECK_EQ(symlink("..", at("sub/up")) | symlink("../..", at("sub/out")) | symlink("/file", at("sub/file")), 0);
    CHECK_EQ(symlink("sub", at("in")) | symlink("/etc", at("out")), 0);
    dir = open(room, O_RDONLY | O_DIRECTORY);
    CHECK(dir >= 0);
}

static void end(void)
{
    static const char *const files[] = {"file", "sub/up", "sub/out", "sub/file", "in", "out"};

    for (size_t i = 0; i < COUNT(files); i++)
        CHECK_EQ(unlink(at(files[i])), 0);
    CHECK_EQ(rmdir(at("sub/deep")) | rmdir(at("sub")) | rmdir(room), 0);
}

static long openat2_raw(int fd, const char *path, const void *how, size_t size)
{
    return syscall(SYS_openat2, fd, path, how, size);
}

// 0, or the error.
static int fails(int fd, const char *path, uint64_t flags, uint64_t resolve)
{
    struct open_how how = {.flags = flags, .resolve = resolve};
    long got = openat2_raw(fd, path, &how, sizeof how);

    if (got < 0)
        return errno;
    close((int)got);
    return 0;
}

#define IS(path, resolve, number) CHECK_EQ(fails(dir, path, O_PATH, resolve), number)

static void beneath(void)
{
    begin("/tmp");
    IS("file", RESOLVE_BENEATH, 0);
    IS("sub/../file", RESOLVE_BENEATH, 0);
    IS("in/deep", RESOLVE_BENEATH, 0);
    IS("sub/up/file", RESOLVE_BENEATH, 0);
    IS(".", RESOLVE_BENEATH, 0);
    IS("..", RESOLVE_BENEATH, EXDEV);
    IS("sub/../..", RESOLVE_BENEATH, EXDEV);
    IS("sub/out", RESOLVE_BENEATH, EXDEV);
    IS("/file", RESOLVE_BENEATH, EXDEV);
    IS("/", RESOLVE_BENEATH, EXDEV);
    IS("out", RESOLVE_BENEATH, EXDEV);
    IS("sub/file", RESOLVE_BENEATH, EXDEV);
    IS("nothing", RESOLVE_BENEATH, ENOENT);
    IS("file/x", RESOLVE_BENEATH, ENOTDIR);
    CHECK_EQ(chdir(at("sub")), 0);
    CHECK_EQ(fails(AT_FDCWD, "up", O_PATH, RESOLVE_BENEATH), EXDEV);
    CHECK_EQ(fails(AT_FDCWD, "deep/..", O_PATH, RESOLVE_BENEATH), 0);
    end();
}

// The same in a file system that the kernel keeps in memory, and one that it makes up.
static void beneath_elsewhere(void)
{
    begin("/dev/shm");
    IS("sub/../file", RESOLVE_BENEATH, 0);
    IS("sub/../..", RESOLVE_BENEATH, EXDEV);
    IS("sub/out", RESOLVE_BENEATH, EXDEV);
    IS("sub/out/file", RESOLVE_IN_ROOT, 0);
    IS("../../file", RESOLVE_IN_ROOT, 0);
    end();
    int self = open("/proc/self", O_RDONLY | O_DIRECTORY);
    CHECK_EQ(fails(self, "task/../stat", O_PATH, RESOLVE_BENEATH), 0);
    CHECK_EQ(fails(self, "../stat", O_PATH, RESOLVE_BENEATH), EXDEV);
    CHECK_EQ(fails(self, "../stat", O_PATH, RESOLVE_IN_ROOT), 0);
    CHECK_EQ(fails(self, "/task/../../stat", O_PATH, RESOLVE_IN_ROOT), 0);
}

static void in_root(void)
{
    begin("/tmp");
    IS("/file", RESOLVE_IN_ROOT, 0);
    IS("/", RESOLVE_IN_ROOT, 0);
    IS("../../file", RESOLVE_IN_ROOT, 0);
    IS("/../sub/../../file", RESOLVE_IN_ROOT, 0);
    IS("sub/out/file", RESOLVE_IN_ROOT, 0);
    IS("sub/file", RESOLVE_IN_ROOT, 0);
    IS("out", RESOLVE_IN_ROOT, ENOENT); // there is no etc in it
    IS("/etc/passwd", RESOLVE_IN_ROOT, ENOENT);
    int file = open(at("file"), O_RDONLY);
    CHECK_EQ(fails(file, "/x", O_PATH, RESOLVE_IN_ROOT), ENOTDIR);
    CHECK_EQ(fails(-1, "/x", O_PATH, RESOLVE_IN_ROOT), EBADF);
    close(file);
    end();
}

static void no_links(void)
{
    char name[40];

    begin("/tmp");
    IS("in", RESOLVE_NO_SYMLINKS, ELOOP);
    IS("in/deep", RESOLVE_NO_SYMLINKS, ELOOP);
    IS("sub/deep", RESOLVE_NO_SYMLINKS, 0);
    CHECK_EQ(fails(dir, "in", O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS), 0);
    IS("in", RESOLVE_NO_MAGICLINKS, 0);
    snprintf(name, sizeof name, "/proc/self/fd/%d", dir);
    IS(name, 0, 0);
    IS(name, RESOLVE_NO_MAGICLINKS, ELOOP);
    IS(name, RESOLVE_NO_SYMLINKS, ELOOP);
    IS(name, RESOLVE_NO_XDEV, EXDEV);
    IS("/proc/self/stat", RESOLVE_NO_MAGICLINKS, 0);
    IS("/proc/self/exe", RESOLVE_NO_MAGICLINKS, ELOOP);
    IS("/proc/self/cwd", RESOLVE_NO_MAGICLINKS, ELOOP);
    CHECK_EQ(fails(dir, name, O_PATH | O_NOFOLLOW, RESOLVE_NO_MAGICLINKS), 0);
    int proc = open("/proc/self", O_RDONLY | O_DIRECTORY);
    CHECK_EQ(fails(proc, "cwd", O_PATH, RESOLVE_BENEATH), EXDEV);
    CHECK_EQ(fails(proc, "root", O_PATH, RESOLVE_IN_ROOT), EXDEV);
    end();
}

static void no_crossing(void)
{
    int root = open("/", O_RDONLY | O_DIRECTORY), proc = open("/proc", O_RDONLY | O_DIRECTORY);

    CHECK_EQ(fails(root, "proc", O_PATH, 0), 0);
    CHECK_EQ(fails(root, "proc", O_PATH, RESOLVE_NO_XDEV), EXDEV);
    CHECK_EQ(fails(root, "/proc", O_PATH, RESOLVE_NO_XDEV), EXDEV);
    CHECK_EQ(fails(root, "/proc/cpuinfo", O_RDONLY, RESOLVE_NO_XDEV), EXDEV);
    CHECK_EQ(fails(proc, "..", O_PATH, RESOLVE_NO_XDEV), EXDEV);
    CHECK_EQ(fails(proc, "cpuinfo", O_RDONLY, RESOLVE_NO_XDEV), 0);
    CHECK_EQ(fails(proc, "self/stat", O_RDONLY, RESOLVE_NO_XDEV), 0);
    CHECK_EQ(fails(proc, "/", O_PATH, RESOLVE_NO_XDEV), 0);
    CHECK_EQ(fails(proc, "/proc", O_PATH, RESOLVE_NO_XDEV), EXDEV);
}

static int error_of(uint64_t flags, uint64_t mode, uint64_t resolve)
{
    struct open_how how = {flags, mode, resolve};
    long got = openat2_raw(AT_FDCWD, "/tmp", &how, sizeof how);

    if (got < 0)
        return errno;
    close((int)got);
    return 0;
}

static void refused(void)
{
    struct {
        struct open_how how;
        char more[PAGE];
    } big = {.how = {.flags = O_RDONLY}};

    CHECK_EQ(error_of(O_RDONLY, 0, 0), 0);
    CHECK_EQ(error_of(1ull << 40, 0, 0), EINVAL);
    CHECK_EQ(error_of(O_RDONLY, 0600, 0), EINVAL);
    CHECK_EQ(error_of(O_CREAT | O_RDWR, 1ull << 20, 0), EINVAL);
    CHECK_EQ(error_of(O_PATH | O_RDWR, 0, 0), EINVAL);
    CHECK_EQ(error_of(O_TMPFILE | O_RDONLY, 0600, 0), EINVAL);
    CHECK_EQ(error_of(O_RDONLY, 0, 64), EINVAL);
    CHECK_EQ(error_of(O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT), EINVAL);
    CHECK_EQ(error_of(O_TMPFILE | O_RDWR, 0600, 32 /* RESOLVE_CACHED */), EAGAIN);
    CHECK_EQ(openat2_raw(AT_FDCWD, "/tmp", &big, sizeof big.how - 1), -1);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(openat2_raw(AT_FDCWD, "/tmp", &big, sizeof big), -1);
    CHECK_EQ(errno, E2BIG);
    CHECK(openat2_raw(AT_FDCWD, "/tmp", &big, sizeof big.how + 64) >= 0);
    big.more[63] = 1;
    CHECK_EQ(openat2_raw(AT_FDCWD, "/tmp", &big, sizeof big.how + 64), -1);
    CHECK_EQ(errno, E2BIG);
    CHECK_EQ(openat2_raw(AT_FDCWD, "/tmp", NULL, sizeof big.how), -1);
    CHECK_EQ(errno, EFAULT);
    CHECK_EQ(openat2_raw(AT_FDCWD, NULL, &big, sizeof big.how), -1);
    CHECK_EQ(errno, EFAULT);
    CHECK_EQ(openat2_raw(AT_FDCWD, "", &big, sizeof big.how), -1);
    CHECK_EQ(errno, ENOENT);
}

static void creates(void)
{
    struct open_how how = {.flags = O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, .mode = 0640, .resolve = RESOLVE_IN_ROOT};
    struct stat s;

    begin("/tmp");
    umask(0);
    int fd = (int)openat2_raw(dir, "/sub/out/new", &how, sizeof how);
    CHECK(fd >= 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(stat(at("new"), &s), 0);
    CHECK_EQ(s.st_mode, S_IFREG | 0640);
    CHECK_EQ(openat2_raw(dir, "new", &how, sizeof how), -1);
    CHECK_EQ(errno, EEXIST);
    CHECK_EQ(unlink(at("new")), 0);
    end();
}

static const struct check_case cases[] = {
    CASE(beneath), CASE(beneath_elsewhere), CASE(in_root), CASE(no_links), CASE(no_crossing), CASE(refused), CASE(creates),
};
CHECK_MAIN(cases)
