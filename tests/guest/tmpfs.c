// Files in memory: /dev/shm. Under tine it is a file system of the machine's own.
#include "room.h"

#include <dirent.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <sys/xattr.h>

#ifndef TMPFS_MAGIC
#define TMPFS_MAGIC 0x01021994
#endif

static void begin(void)
{
    strcpy(room, "/dev/shm/tine-tmpfs-XXXXXX");
    CHECK(mkdtemp(room) != NULL);
}

static void end(void)
{
    pid_t child = fork();

    if (child == 0)
        _exit(rmdir(room) != 0);
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(WEXITSTATUS(status), 0); // nothing is left
}

static int make(const char *name, const char *text)
{
    int fd = open(at(name), O_CREAT | O_EXCL | O_RDWR, 0644);

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), (long)strlen(text));
    return fd;
}

static long nlink_of(const char *name)
{
    struct stat s;

    return lstat(at(name), &s) ? -errno : (long)s.st_nlink;
}

static void bytes(void)
{
    char text[100] = "";
    struct stat s;

    begin();
    int fd = make("file", "hello");
    CHECK_EQ(open(at("file"), O_CREAT | O_EXCL | O_RDWR, 0644), -1);
    CHECK_EQ(errno, EEXIST);
    CHECK_EQ(pread(fd, text, 10, 1), 4);
    CHECK_EQ(memcmp(text, "ello", 4), 0);
    int add = open(at("file"), O_WRONLY | O_APPEND);
    CHECK_EQ(write(add, " you", 4), 4);
    CHECK_EQ(fstat(fd, &s), 0);
    CHECK_EQ(s.st_size, 9);
    CHECK_EQ(s.st_blocks, 8);
    CHECK_EQ(lseek(fd, -2, SEEK_END), 7);
    CHECK_EQ(read(fd, text, 10), 2);
    CHECK_EQ(truncate(at("file"), 5000), 0);
    CHECK_EQ(pread(fd, text, 10, 4990), 10);
    CHECK_EQ(text[0] | text[9], 0);
    CHECK_EQ(ftruncate(fd, 3), 0);
    CHECK_EQ(ftruncate(fd, 6), 0);
    CHECK_EQ(pread(fd, text, 10, 0), 6);
    CHECK_EQ(memcmp(text, "hel\0\0\0", 6), 0);
    CHECK_EQ(fsync(fd) | fdatasync(fd) | syncfs(fd), 0);
    close(open(at("file"), O_WRONLY | O_TRUNC));
    CHECK_EQ(fstat(fd, &s), 0);
    CHECK_EQ(s.st_size, 0);
    CHECK_EQ(unlink(at("file")), 0);
    CHECK_EQ(write(fd, "still", 5), 5);
    CHECK_EQ(fstat(fd, &s), 0);
    CHECK_EQ(s.st_nlink, 0);
    end();
}

static void sparse(void)
{
    struct stat s;
    char text[2];

    begin();
    int fd = make("file", "");
    CHECK_EQ(ftruncate(fd, 1L << 32), 0);
    CHECK_EQ(pwrite(fd, "x", 1, 1L << 31), 1);
    CHECK_EQ(fstat(fd, &s), 0);
    CHECK_EQ(s.st_size, 1L << 32);
    CHECK_EQ(s.st_blocks, 8);
    CHECK_EQ(lseek(fd, 0, SEEK_DATA), 1L << 31);
    CHECK_EQ(lseek(fd, 1L << 31, SEEK_HOLE), (1L << 31) + (long)PAGE);
    CHECK_EQ(lseek(fd, (1L << 31) + (long)PAGE, SEEK_DATA), -1);
    CHECK_EQ(errno, ENXIO);
    CHECK_EQ(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1L << 31, (long)PAGE), 0);
    CHECK_EQ(pread(fd, text, 1, 1L << 31), 1);
    CHECK_EQ(text[0], 0);
    CHECK_EQ(ftruncate(fd, 0), 0);
    CHECK_EQ(fallocate(fd, 0, 0, 8 * (long)PAGE), 0);
    CHECK_EQ(fstat(fd, &s), 0);
    CHECK_EQ(s.st_size, 8 * (long)PAGE);
    CHECK_EQ(s.st_blocks, 64);
    CHECK_EQ(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, (long)PAGE), -1);
    CHECK_EQ(errno, EOPNOTSUPP);
    CHECK_EQ(unlink(at("file")), 0);
    end();
}

static void names(void)
{
    char text[PATH_MAX], fd_name[40];
    struct stat a, b;

    begin();
    int fd = make("a", "a");
    CHECK_EQ(mkdir(at("d"), 0750), 0);
    CHECK_EQ(mkdir(at("d"), 0750), -1);
    CHECK_EQ(errno, EEXIST);
    CHECK_EQ(mkdir(at("a/x"), 0750), -1);
    CHECK_EQ(errno, ENOTDIR);
    CHECK_EQ(nlink_of(""), 3);
    CHECK_EQ(nlink_of("d"), 2);
    CHECK_EQ(link(at("a"), at("d/b")), 0);
    CHECK_EQ(nlink_of("a"), 2);
    CHECK_EQ(link(at("d"), at("d2")), -1);
    CHECK_EQ(errno, EPERM);
    CHECK_EQ(symlink("../a", at("d/l")), 0);
    CHECK_EQ(readlink(at("d/l"), text, sizeof text), 4);
    CHECK_EQ(stat(at("d/l"), &a) | stat(at("d/../a"), &b), 0);
    CHECK(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
    CHECK_EQ(lstat(at("d/l"), &a), 0);
    CHECK_EQ(a.st_size, 4);
    CHECK(S_ISLNK(a.st_mode));
    CHECK_EQ(open(at("d/l"), O_RDONLY | O_NOFOLLOW), -1);
    CHECK_EQ(errno, ELOOP);
    CHECK_EQ(open(at("a/"), O_RDONLY), -1);
    CHECK_EQ(errno, ENOTDIR);
    CHECK_EQ(open(at("new/"), O_CREAT | O_RDWR, 0600), -1);
    CHECK_EQ(errno, EISDIR);
    CHECK_EQ(open(at("d"), O_RDWR), -1);
    CHECK_EQ(errno, EISDIR);
    CHECK_EQ(open(at("none/x"), O_CREAT | O_RDWR, 0600), -1);
    CHECK_EQ(errno, ENOENT);
    CHECK_EQ(rmdir(at("d")), -1);
    CHECK_EQ(errno, ENOTEMPTY);
    CHECK_EQ(rmdir(at("a")), -1);
    CHECK_EQ(errno, ENOTDIR);
    CHECK_EQ(unlink(at("d")), -1);
    CHECK_EQ(errno, EISDIR);
    CHECK_EQ(symlink("loop", at("loop")), 0);
    CHECK_EQ(open(at("loop"), O_RDONLY), -1);
    CHECK_EQ(errno, ELOOP);
    memset(text, 'n', 256);
    text[256] = 0;
    CHECK_EQ(mkdir(at(text), 0700), -1);
    CHECK_EQ(errno, ENAMETOOLONG);
    CHECK_EQ(chdir(at("d")), 0);
    CHECK(getcwd(text, sizeof text) && !strcmp(text, at("d")));
    CHECK_EQ(unlink("l") | unlink("b"), 0);
    CHECK_EQ(rmdir(at("d")), 0);
    CHECK_EQ(open("x", O_CREAT | O_RDWR, 0600), -1);
    CHECK_EQ(errno, ENOENT);
    CHECK(getcwd(text, sizeof text) == NULL);
    CHECK_EQ(errno, ENOENT);
    CHECK_EQ(chdir("/"), 0);
    CHECK_EQ(unlink(at("a")) | unlink(at("loop")), 0);
    snprintf(fd_name, sizeof fd_name, "/proc/self/fd/%d", fd);
    long n = readlink(fd_name, text, sizeof text - 1);
    CHECK(n > 0);
    text[n] = 0;
    CHECK(strstr(text, "/a (deleted)") != NULL);
    end();
}

static const char *path_of(int fd)
{
    static char text[2][256];
    static int turn;
    char name[40];
    turn = !turn;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    long n = readlink(name, text[turn], sizeof text[turn] - 1);
    CHECK(n > 0);
    text[turn][n] = 0;
    return strrchr(text[turn], '/');
}

/* A file is called by the name it was opened by, wherever that has gone, and when it is gone. */
static void names_of_open_files(void)
{
    begin();
    int a = make("a", "x"), b, d, e;
    CHECK_EQ(link(at("a"), at("b")), 0);
    b = open(at("b"), O_RDONLY);
    CHECK_EQ(strcmp(path_of(a), "/a") | strcmp(path_of(b), "/b"), 0);
    CHECK_EQ(rename(at("a"), at("c")), 0);
    CHECK_EQ(strcmp(path_of(a), "/c") | strcmp(path_of(b), "/b"), 0);
    CHECK_EQ(unlink(at("b")), 0);
    CHECK_EQ(strcmp(path_of(a), "/c") | strcmp(path_of(b), "/b (deleted)"), 0);
    close(make("e", "e"));
    d = open(at("e"), O_RDONLY);
    CHECK_EQ(renameat2(-1, at("c"), -1, at("e"), RENAME_EXCHANGE), 0);
    CHECK_EQ(strcmp(path_of(a), "/e") | strcmp(path_of(d), "/c"), 0);
    CHECK_EQ(rename(at("e"), at("c")), 0);
    CHECK_EQ(strcmp(path_of(a), "/c") | strcmp(path_of(d), "/c (deleted)"), 0);
    e = open(at("c"), O_RDONLY);
    CHECK_EQ(link(at("c"), at("b")), 0);
    CHECK_EQ(unlink(at("c")), 0);
    CHECK_EQ(strcmp(path_of(a), "/c (deleted)") | strcmp(path_of(e), "/c (deleted)"), 0);
    CHECK_EQ(close(a) | close(b) | close(d) | close(e), 0);
    CHECK_EQ(unlink(at("b")), 0);
    end();
}

static void renames(void)
{
    begin();
    close(make("a", "a"));
    close(make("b", "bb"));
    CHECK_EQ(mkdir(at("d"), 0700) | mkdir(at("d/e"), 0700) | mkdir(at("empty"), 0700), 0);
    CHECK_EQ(syscall(SYS_renameat2, -1, at("a"), -1, at("b"), RENAME_NOREPLACE), -1);
    CHECK_EQ(errno, EEXIST);
    CHECK_EQ(syscall(SYS_renameat2, -1, at("a"), -1, at("b"), RENAME_EXCHANGE), 0);
    struct stat s;
    CHECK_EQ(stat(at("a"), &s), 0);
    CHECK_EQ(s.st_size, 2);
    CHECK_EQ(rename(at("a"), at("b")), 0);
    CHECK_EQ(nlink_of("a"), -ENOENT);
    CHECK_EQ(rename(at("d"), at("d/e/f")), -1);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(rename(at("empty"), at("d")), -1);
    CHECK_EQ(errno, ENOTEMPTY);
    CHECK_EQ(rename(at("b"), at("d")), -1);
    CHECK_EQ(errno, EISDIR);
    CHECK_EQ(rename(at("d"), at("b")), -1);
    CHECK_EQ(errno, ENOTDIR);
    CHECK_EQ(nlink_of("d"), 3);
    CHECK_EQ(rename(at("d/e"), at("empty")), 0);
    CHECK_EQ(nlink_of("d"), 2);
    CHECK_EQ(rename(at("empty"), at("d/e")), 0);
    CHECK_EQ(nlink_of("d"), 3);
    CHECK_EQ(link(at("b"), at("c")), 0);
    CHECK_EQ(rename(at("b"), at("c")), 0); // two names of one file: nothing happens
    CHECK_EQ(nlink_of("b"), 2);
    CHECK_EQ(syscall(SYS_renameat2, -1, at("b"), -1, at("w"), RENAME_WHITEOUT), 0);
    CHECK_EQ(stat(at("b"), &s), 0);
    CHECK(S_ISCHR(s.st_mode) && s.st_rdev == 0);
    CHECK_EQ(rename(at("w"), "/tine-is-another-file-system"), -1);
    CHECK_EQ(errno, EXDEV);
    CHECK_EQ(unlink(at("b")) | unlink(at("c")) | unlink(at("w")) | rmdir(at("d/e")) | rmdir(at("d")), 0);
    end();
}

static void directories(void)
{
    char name[20];
    bool seen[300] = {0};
    int others = 0;

    begin();
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "f%d", i);
        close(make(name, ""));
    }
    DIR *d = opendir(at(""));
    struct dirent *e;
    for (int n = 0; (e = readdir(d)); n++) {
        if (e->d_name[0] != 'f') {
            others++;
            CHECK_EQ(e->d_type, DT_DIR);
            continue;
        }
        int i = atoi(e->d_name + 1);
        CHECK(!seen[i]);
        seen[i] = true;
        CHECK_EQ(e->d_type, DT_REG);
        CHECK_EQ(unlinkat(dirfd(d), e->d_name, 0), 0); // while it is read
    }
    CHECK_EQ(others, 2);
    for (int i = 0; i < 300; i++)
        CHECK(seen[i]);
    rewinddir(d);
    for (others = 0; readdir(d);)
        others++;
    CHECK_EQ(others, 2);
    closedir(d);
    end();
}

static void modes(void)
{
    struct stat s;
    struct timespec times[2] = {{100, 5}, {200, 7}};

    begin();
    umask(027);
    close(open(at("a"), O_CREAT | O_RDWR, 0666));
    CHECK_EQ(stat(at("a"), &s), 0);
    CHECK_EQ(s.st_mode & 07777, 0640);
    CHECK_EQ(chmod(at("a"), 04755), 0);
    CHECK_EQ(utimensat(AT_FDCWD, at("a"), times, 0), 0);
    CHECK_EQ(stat(at("a"), &s), 0);
    CHECK_EQ(s.st_mode & 07777, 04755);
    CHECK(s.st_atim.tv_sec == 100 && s.st_atim.tv_nsec == 5 && s.st_mtim.tv_sec == 200 && s.st_mtim.tv_nsec == 7);
    CHECK(s.st_ctim.tv_sec > 1000000000);
    int fd = open(at("a"), O_RDWR);
    CHECK_EQ(write(fd, "x", 1), 1);
    CHECK_EQ(stat(at("a"), &s), 0);
    CHECK(s.st_mtim.tv_sec > 1000000000);
    CHECK_EQ(mkdir(at("s"), 0770) | chmod(at("s"), 02770), 0);
    CHECK_EQ(mkdir(at("s/t"), 0700), 0);
    CHECK_EQ(stat(at("s/t"), &s), 0);
    CHECK_EQ(s.st_mode & 07777, 02700);
    CHECK_EQ(access(at("a"), R_OK | W_OK | X_OK), 0);
    CHECK_EQ(symlink("x", at("l")), 0);
    CHECK_EQ(lstat(at("l"), &s), 0);
    CHECK_EQ(s.st_mode & 07777, 0777);
    CHECK_EQ(unlink(at("a")) | unlink(at("l")) | rmdir(at("s/t")) | rmdir(at("s")), 0);
    end();
}

// What somebody else may do there.
static void users(void)
{
    if (geteuid())
        check_skip("is root's");
    begin();
    umask(0);
    int fd = make("secret", "secret");
    CHECK_EQ(fchmod(fd, 0600) | chmod(room, 01777), 0);
    CHECK_EQ(mkdir(at("closed"), 0700), 0);
    close(open(at("closed/in"), O_CREAT | O_RDWR, 0666));
    close(open(at("shared"), O_CREAT | O_RDWR, 0664));
    CHECK_EQ(chown(at("shared"), 0, 1234), 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQ(setgid(1234) | setuid(1000), 0);
        CHECK_EQ(open(at("secret"), O_RDONLY), -1);
        CHECK_EQ(errno, EACCES);
        CHECK_EQ(open(at("closed/in"), O_RDONLY), -1);
        CHECK_EQ(errno, EACCES);
        CHECK(open(at("shared"), O_RDWR) >= 0);
        CHECK_EQ(unlink(at("shared")), -1);
        CHECK_EQ(errno, EPERM); // sticky
        CHECK_EQ(rename(at("shared"), at("mine")), -1);
        CHECK_EQ(errno, EPERM);
        CHECK_EQ(chmod(at("shared"), 0777), -1);
        CHECK_EQ(errno, EPERM);
        CHECK_EQ(chown(at("shared"), 1000, -1), -1);
        CHECK_EQ(errno, EPERM);
        CHECK_EQ(access(at("secret"), R_OK), -1);
        CHECK_EQ(utimensat(AT_FDCWD, at("shared"), NULL, 0), 0);
        int own = make("own", "o");
        struct stat s;
        CHECK_EQ(fstat(own, &s), 0);
        CHECK(s.st_uid == 1000 && s.st_gid == 1234);
        CHECK_EQ(fchmod(own, 0400), 0);
        CHECK_EQ(open(at("own"), O_RDWR), -1);
        CHECK_EQ(unlink(at("own")), 0);
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(unlink(at("secret")) | unlink(at("closed/in")) | rmdir(at("closed")) | unlink(at("shared")), 0);
    end();
}

static void without_a_name(void)
{
    char text[60];

    begin();
    int fd = open(at(""), O_TMPFILE | O_RDWR, 0600);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, "tmp", 3), 3);
    snprintf(text, sizeof text, "/proc/self/fd/%d", fd);
    CHECK_EQ(linkat(AT_FDCWD, text, AT_FDCWD, at("named"), AT_SYMLINK_FOLLOW), 0);
    CHECK_EQ(nlink_of("named"), 1);
    CHECK_EQ(unlink(at("named")), 0);
    int sealed = open(at(""), O_TMPFILE | O_RDWR | O_EXCL, 0600);
    snprintf(text, sizeof text, "/proc/self/fd/%d", sealed);
    CHECK_EQ(linkat(AT_FDCWD, text, AT_FDCWD, at("never"), AT_SYMLINK_FOLLOW), -1);
    CHECK_EQ(errno, ENOENT);
    CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    CHECK_EQ(errno, EPERM);
    int again = open(text, O_RDWR);
    CHECK(again >= 0);
    CHECK_EQ(write(again, "x", 1), 1);
    CHECK_EQ(read(sealed, text, 4), 1);
    end();
}

static void mapped(void)
{
    begin();
    int fd = make("m", "page");
    CHECK_EQ(ftruncate(fd, 2 * (long)PAGE), 0);
    char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *q = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED && q != MAP_FAILED);
    CHECK_EQ(memcmp(p, "page", 4), 0);
    p[PAGE] = 1;
    CHECK_EQ(q[PAGE], 1);
    q[0] = 'Q';
    CHECK_EQ(p[0], 'p');
    pid_t child = fork();
    if (child == 0) {
        int other = open(at("m"), O_RDWR);
        _exit(pwrite(other, "C", 1, 1) != 1 || p[1] != 'C');
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(p[1], 'C');
    CHECK_EQ(q[1], 'a');
    CHECK_EQ(msync(p, 2 * PAGE, MS_SYNC), 0);
    CHECK_EQ(ftruncate(fd, (long)PAGE), 0);
    child = fork();
    if (child == 0) {
        p[PAGE] = 1; // SIGBUS
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    CHECK_EQ(unlink(at("m")), 0);
    end();
}

// A program there: executed, busy while it runs, and by its descriptor.
static void executed(void)
{
    char block[1 << 16];
    ssize_t n;
    int status, ends[2];

    begin();
    int from = open("/proc/self/exe", O_RDONLY), to = open(at("program"), O_CREAT | O_WRONLY, 0755);
    CHECK(from >= 0 && to >= 0);
    while ((n = read(from, block, sizeof block)) > 0)
        CHECK_EQ(write(to, block, (size_t)n), n);
    close(to);
    CHECK_EQ(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[0], 0);
        close(ends[1]);
        execl(at("program"), "program", "wait-for-input", NULL);
        _exit(99);
    }
    close(ends[0]);
    for (int i = 0; i < 1000; i++) { // until it executes it
        char link[PATH_MAX] = "", name[40];
        snprintf(name, sizeof name, "/proc/%d/exe", child);
        if (readlink(name, link, sizeof link - 1) > 0 && strstr(link, "/program"))
            break;
        usleep(1000);
    }
    CHECK_EQ(open(at("program"), O_WRONLY), -1);
    CHECK_EQ(errno, ETXTBSY);
    CHECK_EQ(unlink(at("program")), 0);
    close(ends[1]);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(WEXITSTATUS(status), 42);
    int script = open(at("script"), O_CREAT | O_WRONLY, 0644);
    CHECK_EQ(write(script, "#!/none\n", 8), 8);
    close(script);
    CHECK_EQ(execl(at("script"), "script", NULL), -1);
    CHECK_EQ(errno, EACCES);
    CHECK_EQ(unlink(at("script")), 0);
    end();
}

static void attributes(void)
{
    char list[100], value[20];

    begin();
    int fd = make("x", "");
    CHECK_EQ(fsetxattr(fd, "trusted.t", "root's", 6, 0) == 0 || errno == EPERM, 1);
    if (fsetxattr(fd, "user.one", "1", 1, XATTR_CREATE)) {
        CHECK_EQ(errno, EOPNOTSUPP); // Linux before 6.6
        unlink(at("x"));
        end();
        return;
    }
    CHECK_EQ(fsetxattr(fd, "user.one", "1", 1, XATTR_CREATE), -1);
    CHECK_EQ(errno, EEXIST);
    CHECK_EQ(fsetxattr(fd, "user.two", "1", 1, XATTR_REPLACE), -1);
    CHECK_EQ(errno, ENODATA);
    CHECK_EQ(setxattr(at("x"), "user.two", "second", 6, 0), 0);
    CHECK_EQ(setxattr(at("x"), "user.one", "longer", 6, XATTR_REPLACE), 0);
    CHECK_EQ(getxattr(at("x"), "user.one", value, sizeof value), 6);
    CHECK_EQ(memcmp(value, "longer", 6), 0);
    CHECK_EQ(getxattr(at("x"), "user.one", value, 2), -1);
    CHECK_EQ(errno, ERANGE);
    CHECK(listxattr(at("x"), list, sizeof list) >= 18);
    CHECK_EQ(removexattr(at("x"), "user.one"), 0);
    CHECK_EQ(getxattr(at("x"), "user.one", value, sizeof value), -1);
    CHECK_EQ(errno, ENODATA);
    CHECK_EQ(getxattr(at("x"), "user.two", value, sizeof value), 6);
    CHECK_EQ(symlink("x", at("l")), 0);
    CHECK_EQ(lsetxattr(at("l"), "user.l", "1", 1, 0), -1);
    CHECK_EQ(errno, EPERM);
    CHECK_EQ(unlink(at("x")) | unlink(at("l")), 0);
    end();
}

static void other_kinds(void)
{
    char c = 0;
    struct stat s;
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    begin();
    CHECK_EQ(mkfifo(at("fifo"), 0600), 0);
    CHECK_EQ(open(at("fifo"), O_WRONLY | O_NONBLOCK), -1);
    CHECK_EQ(errno, ENXIO);
    pid_t child = fork();
    if (child == 0) {
        int fd = open(at("fifo"), O_WRONLY);
        _exit(write(fd, "f", 1) != 1);
    }
    int fd = open(at("fifo"), O_RDONLY);
    CHECK_EQ(read(fd, &c, 1), 1);
    CHECK_EQ(fstat(fd, &s), 0);
    CHECK(S_ISFIFO(s.st_mode) && s.st_nlink == 1);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), caller = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(name.sun_path, at("socket"));
    CHECK_EQ(bind(listener, (void *)&name, sizeof name) | listen(listener, 1), 0);
    CHECK_EQ(connect(caller, (void *)&name, sizeof name), 0);
    CHECK_EQ(stat(at("socket"), &s), 0);
    CHECK(S_ISSOCK(s.st_mode));
    CHECK_EQ(open(at("socket"), O_RDWR), -1);
    CHECK_EQ(errno, ENXIO);
    CHECK_EQ(unlink(at("socket")) | unlink(at("fifo")), 0);
    end();
}

static void locked(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    begin();
    int fd = make("l", "x"), other = open(at("l"), O_RDWR);
    CHECK_EQ(flock(fd, LOCK_EX), 0);
    CHECK_EQ(flock(other, LOCK_SH | LOCK_NB), -1);
    CHECK_EQ(errno, EWOULDBLOCK);
    CHECK_EQ(fcntl(fd, F_SETLK, &lock), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(fcntl(other, F_SETLK, &lock) != -1 || errno != EAGAIN);
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(unlink(at("l")), 0);
    end();
}

static void file_system(void)
{
    struct statfs s;

    begin();
    int fd = make("s", "x");
    CHECK_EQ(fstatfs(fd, &s), 0);
    CHECK_EQ(s.f_type, TMPFS_MAGIC);
    CHECK(s.f_blocks > 0 && s.f_bfree > 0 && s.f_namelen == 255);
    CHECK_EQ(statfs(at(""), &s), 0);
    CHECK_EQ(s.f_type, TMPFS_MAGIC);
    CHECK_EQ(unlink(at("s")), 0);
    end();
}

static const struct check_case cases[] = {
    CASE(bytes), CASE(sparse), CASE(names), CASE(names_of_open_files), CASE(renames), CASE(directories), CASE(modes), CASE(users),
    CASE(without_a_name), CASE(mapped), CASE(executed), CASE(attributes), CASE(other_kinds), CASE(locked),
    CASE(file_system),
};

int main(int argc, char **argv)
{
    char c;

    if (argc > 1 && !strcmp(argv[1], "wait-for-input"))
        return read(0, &c, 1) == 0 ? 42 : 1;
    return check_main(argc, argv, cases, COUNT(cases));
}
