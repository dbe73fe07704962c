/*
 * files.c - what shells, linkers and build tools ask of a file system: open flags, directories,
 * links, renames, and the errors of every one of them. Each case works in a directory of its own.
 */
#include "check.h"
#include <dirent.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static char home[64];

static void enter(void)
{
    strcpy(home, "/tmp/tine-files-XXXXXX");
    CHECK(mkdtemp(home) != NULL);
    CHECK_EQ(chdir(home), 0);
}

static void leave(void)
{
    CHECK_EQ(chdir("/"), 0);
    CHECK_EQ(rmdir(home), 0);
}

static void make(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    CHECK_EQ(close(fd), 0);
}

static int holds(const char *path, const char *text)
{
    char got[256];
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    ssize_t n = read(fd, got, sizeof got);
    close(fd);
    return n == (ssize_t)strlen(text) && memcmp(got, text, (size_t)n) == 0;
}

static void open_flags(void)
{
    enter();
    CHECK_ERR(open("a", O_RDONLY), ENOENT);
    make("a", "first");
    CHECK_ERR(open("a", O_RDWR | O_CREAT | O_EXCL, 0644), EEXIST);
    int fd = open("a", O_WRONLY | O_APPEND);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(write(fd, "+", 1), 1);
    CHECK(holds("a", "first+"));
    char byte;
    CHECK_ERR(read(fd, &byte, 1), EBADF);
    close(fd);
    fd = open("a", O_RDWR | O_TRUNC);
    CHECK_EQ(lseek(fd, 0, SEEK_END), 0);
    close(fd);
    CHECK_ERR(open("a", O_RDONLY | O_DIRECTORY), ENOTDIR);
    CHECK_ERR(open("a/b", O_RDONLY), ENOTDIR);
    CHECK_ERR(open(".", O_WRONLY), EISDIR);
    CHECK_ERR(open("", O_RDONLY), ENOENT);
    CHECK_ERR(open((char *)NULL + 16, O_RDONLY), EFAULT);
    umask(027);
    close(open("m", O_CREAT | O_WRONLY, 0666));
    struct stat st;
    CHECK_EQ(stat("m", &st), 0);
    CHECK_EQ(st.st_mode, S_IFREG | 0640);
    fd = open("a", O_PATH);
    CHECK(fd >= 0);
    CHECK_ERR(read(fd, &byte, 1), EBADF);
    CHECK_EQ(fstat(fd, &st), 0);
    close(fd);
    CHECK_EQ(unlink("m"), 0);
    CHECK_EQ(unlink("a"), 0);
    leave();
}

static void positions(void)
{
    char got[8] = "";
    struct iovec parts[2] = { { got, 2 }, { got + 4, 2 } };
    int fd = check_file(0);
    CHECK_EQ(write(fd, "0123456789", 10), 10);
    CHECK_EQ(lseek(fd, -3, SEEK_END), 7);
    CHECK_EQ(read(fd, got, 8), 3);
    CHECK_EQ(read(fd, got, 8), 0);
    CHECK_EQ(pread(fd, got, 2, 4), 2);
    CHECK_EQ(memcmp(got, "45", 2), 0);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);         /* pread moved nothing */
    CHECK_EQ(preadv(fd, parts, 2, 1), 4);
    CHECK_EQ(memcmp(got, "12", 2), 0);
    CHECK_EQ(memcmp(got + 4, "34", 2), 0);
    CHECK_EQ(pwrite(fd, "xy", 2, 100), 2);        /* a hole of zeros between */
    CHECK_EQ(pread(fd, got, 1, 50), 1);
    CHECK_EQ(got[0], 0);
    CHECK_ERR(lseek(fd, -1, SEEK_SET), EINVAL);
    CHECK_ERR(lseek(fd, 0, 99), EINVAL);
    CHECK_ERR(pread(fd, got, 1, -1), EINVAL);
    CHECK_EQ(ftruncate(fd, 5), 0);
    CHECK_EQ(pread(fd, got, 8, 0), 5);
    CHECK_ERR(ftruncate(fd, -1), EINVAL);
    CHECK_EQ(dup2(fd, 30), 30);
    CHECK_EQ(lseek(30, 3, SEEK_SET), 3);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3);
}

static void directories(void)
{
    enter();
    CHECK_EQ(mkdir("d", 0755), 0);
    CHECK_ERR(mkdir("d", 0755), EEXIST);
    CHECK_ERR(mkdir("no/d", 0755), ENOENT);
    make("d/one", "");
    make("d/two", "");
    CHECK_ERR(rmdir("d"), ENOTEMPTY);
    CHECK_ERR(rmdir("d/one"), ENOTDIR);
    CHECK_ERR(unlink("d"), EISDIR);
    CHECK_ERR(rmdir("d/."), EINVAL);
    DIR *dir = opendir("d");
    CHECK(dir != NULL);
    int seen = 0;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            seen += 1;
        else if (strcmp(entry->d_name, "one") == 0 || strcmp(entry->d_name, "two") == 0)
            seen += 10;
        else
            CHECK(0);
    }
    CHECK_EQ(seen, 22);
    rewinddir(dir);
    CHECK(readdir(dir) != NULL);
    closedir(dir);
    char small[8];
    int fd = open("d", O_RDONLY | O_DIRECTORY);
    CHECK_ERR(syscall(SYS_getdents64, fd, small, sizeof small), EINVAL);
    CHECK_ERR(read(fd, small, 1), EISDIR);
    int file = openat(fd, "one", O_RDONLY);       /* relative to a descriptor */
    CHECK(file >= 0);
    CHECK_ERR(openat(file, "x", O_RDONLY), ENOTDIR);
    CHECK_EQ(fchdir(fd), 0);
    CHECK_EQ(access("two", R_OK | W_OK), 0);
    CHECK_EQ(unlinkat(fd, "one", 0), 0);
    CHECK_EQ(chdir(".."), 0);
    CHECK_EQ(unlink("d/../d/./two"), 0);
    CHECK_EQ(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR), 0);
    leave();
}

static void a_removed_directory(void)
{
    char cwd[100];
    enter();
    CHECK_EQ(mkdir("gone", 0755), 0);
    CHECK_EQ(chdir("gone"), 0);
    CHECK_EQ(rmdir("../gone"), 0);
    CHECK_ERR(open("x", O_CREAT | O_WRONLY, 0644), ENOENT);
    CHECK_ERR((long)getcwd(cwd, sizeof cwd) ? 0 : -1, ENOENT);
    CHECK_EQ(chdir(home), 0);
    CHECK_ERR((long)getcwd(cwd, 3) ? 0 : -1, ERANGE);
    leave();
}

static void unlinked_but_open(void)
{
    struct stat st;
    enter();
    make("f", "still here");
    int fd = open("f", O_RDWR);
    CHECK_EQ(unlink("f"), 0);
    CHECK_ERR(open("f", O_RDONLY), ENOENT);
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_nlink, 0);
    char got[16] = "";
    CHECK_EQ(read(fd, got, 16), 10);
    CHECK_EQ(strcmp(got, "still here"), 0);
    leave();
}

static void renames(void)
{
    enter();
    make("a", "A");
    make("b", "B");
    int old = open("b", O_RDONLY);
    CHECK_EQ(rename("a", "b"), 0);                /* replaces, at one stroke */
    CHECK(holds("b", "A"));
    char byte;
    CHECK_EQ(read(old, &byte, 1), 1);
    CHECK_EQ(byte, 'B');                          /* whoever had it open keeps it */
    CHECK_ERR(rename("a", "c"), ENOENT);
    CHECK_EQ(mkdir("d", 0755), 0);
    CHECK_ERR(rename("b", "d"), EISDIR);
    CHECK_ERR(rename("d", "b"), ENOTDIR);
    CHECK_ERR(rename("d", "d/e"), EINVAL);
    CHECK_EQ(rename("b", "d/b"), 0);
    CHECK_EQ(rename("d", "e"), 0);
    CHECK(holds("e/b", "A"));
    make("n", "N");
    CHECK_ERR(syscall(SYS_renameat2, AT_FDCWD, "n", AT_FDCWD, "e", 1 /* NOREPLACE */), EEXIST);
    CHECK_EQ(unlink("n"), 0);
    CHECK_EQ(unlink("e/b"), 0);
    CHECK_EQ(rmdir("e"), 0);
    leave();
}

static void links(void)
{
    char target[32] = "";
    struct stat st, st2;
    enter();
    make("f", "text");
    CHECK_EQ(link("f", "g"), 0);
    CHECK_ERR(link("f", "g"), EEXIST);
    CHECK_EQ(stat("f", &st), 0);
    CHECK_EQ(stat("g", &st2), 0);
    CHECK_EQ(st.st_nlink, 2);
    CHECK_EQ(st.st_ino, st2.st_ino);
    CHECK_EQ(symlink("f", "s"), 0);
    CHECK_EQ(readlink("s", target, sizeof target), 1);
    CHECK_EQ(target[0], 'f');
    CHECK_ERR(readlink("f", target, sizeof target), EINVAL);
    CHECK_EQ(lstat("s", &st2), 0);
    CHECK(S_ISLNK(st2.st_mode));
    CHECK_EQ(st2.st_size, 1);
    CHECK_EQ(stat("s", &st2), 0);
    CHECK_EQ(st2.st_ino, st.st_ino);
    CHECK_ERR(open("s", O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK(holds("s", "text"));
    CHECK_EQ(symlink("loop", "loop"), 0);
    CHECK_ERR(open("loop", O_RDONLY), ELOOP);
    CHECK_EQ(symlink("nowhere", "dangling"), 0);
    CHECK_ERR(stat("dangling", &st), ENOENT);
    CHECK_ERR(open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0644), EEXIST);
    make("dangling", "made");                     /* O_CREAT follows it */
    CHECK(holds("nowhere", "made"));
    CHECK_EQ(symlink("../", "up"), 0);
    CHECK_EQ(mkdir("d", 0755), 0);
    CHECK_EQ(symlink("../f", "d/up"), 0);
    CHECK(holds("d/up", "text"));
    static const char *const all[] = { "f", "g", "s", "loop", "dangling", "nowhere", "up", "d/up" };
    for (size_t i = 0; i < COUNT(all); i++)
        CHECK_EQ(unlink(all[i]), 0);
    CHECK_EQ(rmdir("d"), 0);
    leave();
}

static void long_names(void)
{
    char name[300], path[5000];
    enter();
    memset(name, 'n', sizeof name);
    name[256] = 0;
    CHECK_ERR(open(name, O_CREAT | O_WRONLY, 0644), ENAMETOOLONG);
    name[255] = 0;
    make(name, "x");
    CHECK_EQ(unlink(name), 0);
    memset(path, '/', sizeof path);
    path[4096] = 0;
    CHECK_ERR(open(path, O_RDONLY), ENAMETOOLONG);
    path[4095] = 0;                               /* 4095 slashes are the root directory */
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    leave();
}

static void times_and_modes(void)
{
    struct stat st;
    struct timespec times[2] = { { 1000000000, 123456789 }, { 1100000000, 987654321 } };
    enter();
    make("f", "");
    CHECK_EQ(utimensat(AT_FDCWD, "f", times, 0), 0);
    CHECK_EQ(stat("f", &st), 0);
    CHECK_EQ(st.st_atim.tv_sec, 1000000000);
    CHECK_EQ(st.st_mtim.tv_sec, 1100000000);
    CHECK_EQ(st.st_mtim.tv_nsec, 987654321);
    CHECK_EQ(chmod("f", 0751), 0);
    CHECK_EQ(stat("f", &st), 0);
    CHECK_EQ(st.st_mode & 07777, 0751);
    CHECK_EQ(st.st_uid, geteuid());
    CHECK_EQ(access("f", X_OK), 0);
    CHECK_ERR(access("g", F_OK), ENOENT);
    CHECK_EQ(unlink("f"), 0);
    leave();
}

static void devices(void)
{
    char got[16];
    int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR);
    CHECK(null >= 0 && zero >= 0);
    CHECK_EQ(read(null, got, 16), 0);
    CHECK_EQ(write(null, got, 16), 16);
    memset(got, 1, 16);
    CHECK_EQ(read(zero, got, 16), 16);
    CHECK_EQ(got[15], 0);
    int random = open("/dev/urandom", O_RDONLY);
    CHECK_EQ(read(random, got, 16), 16);
    CHECK_EQ(syscall(SYS_getrandom, got, 16, 0), 16);
    char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, zero, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(p[0], 0);
    p[0] = 1;
}

static void copying(void)
{
    int from = check_file(0), to = check_file(0);
    char got[8] = "";
    off_t offset = 2;
    CHECK_EQ(write(from, "abcdef", 6), 6);
    CHECK_EQ(syscall(SYS_sendfile, to, from, &offset, 3), 3);
    CHECK_EQ(offset, 5);
    CHECK_EQ(pread(to, got, 8, 0), 3);
    CHECK_EQ(memcmp(got, "cde", 3), 0);
    CHECK_EQ(readahead(from, 0, 4096), 0);
    CHECK_ERR(readahead(-1, 0, 4096), EBADF);
    CHECK_EQ(lseek(from, 1, SEEK_SET), 1);        /* without offsets the positions move */
    CHECK_EQ(lseek(to, 0, SEEK_SET), 0);
    CHECK_EQ(copy_file_range(from, NULL, to, NULL, 1000, 0), 5);
    CHECK_EQ(copy_file_range(from, NULL, to, NULL, 1000, 0), 0);
    CHECK_EQ(lseek(to, 0, SEEK_CUR), 5);
    CHECK_EQ(pread(to, got, 8, 0), 5);
    CHECK_EQ(memcmp(got, "bcdef", 5), 0);
    offset = 0;
    CHECK_EQ(lseek(from, 0, SEEK_SET), 0);
    CHECK_EQ(copy_file_range(from, NULL, to, &offset, 1000, 0), 6);
    CHECK_EQ(offset, 6);
    CHECK(ioctl(to, FICLONE, from) == 0 || errno == EOPNOTSUPP); /* then one copies */
}

static void to_the_disk(void)
{
    char name[] = "/tmp/sync-XXXXXX";
    int fd = mkstemp(name), both[2];
    CHECK(fd >= 0);
    CHECK_EQ(pipe(both), 0);
    CHECK_EQ(write(fd, "x", 1), 1);
    CHECK_EQ(fsync(fd), 0);
    CHECK_EQ(fdatasync(fd), 0);
    CHECK_EQ(syncfs(fd), 0);
    CHECK_EQ(syncfs(both[0]), 0);
    CHECK_ERR(fsync(both[0]), EINVAL);
    CHECK_ERR(syncfs(-1), EBADF);
    CHECK_EQ(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE), 0);
    CHECK_EQ(sync_file_range(fd, 0, 1, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER), 0);
    CHECK_ERR(sync_file_range(fd, 0, 1, 8), EINVAL);
    CHECK_ERR(sync_file_range(fd, -1, 1, 2), EINVAL);
    CHECK_ERR(sync_file_range(both[1], 0, 1, 2), ESPIPE);
    CHECK_ERR(sync_file_range(-1, 0, 1, 2), EBADF);
    CHECK_EQ(unlink(name), 0);
}

static const struct check_case cases[] = {
    CASE(to_the_disk),
    CASE(open_flags),
    CASE(positions),
    CASE(directories),
    CASE(a_removed_directory),
    CASE(unlinked_but_open),
    CASE(renames),
    CASE(links),
    CASE(long_names),
    CASE(times_and_modes),
    CASE(devices),
    CASE(copying),
};
CHECK_MAIN(cases)
