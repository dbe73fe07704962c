// mount(2) and its relatives, each case in a mount namespace of its own, in a tmpfs of its own.
#include "mount_room.h"

#include <dirent.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

static void tmpfs_limits(void)
{
    static char page[PAGE];
    struct statfs s;
    int i, fd;

    begin();
    make_dir("m");
    dev_t outer = stat_of("m").st_dev;
    CHECK_EQ(mount("none", at("m"), "tmpfs", 0, "size=64k,nr_inodes=4,mode=0711,uid=5,gid=6"), 0);
    CHECK(stat_of("m").st_dev != outer);
    CHECK_EQ(stat_of("m").st_mode, S_IFDIR | 0711);
    CHECK_EQ(stat_of("m").st_uid, 5);
    CHECK_EQ(stat_of("m").st_gid, 6);
    CHECK_EQ(statfs(at("m"), &s), 0);
    CHECK_EQ(s.f_type, 0x01021994);
    CHECK_EQ(s.f_blocks, 16);
    CHECK_EQ(s.f_files, 4);
    CHECK((fd = open(at("m/f"), O_CREAT | O_RDWR, 0600)) >= 0);
    for (i = 0; write(fd, page, PAGE) == (ssize_t)PAGE; i++)
        ;
    CHECK_EQ(errno, ENOSPC);
    CHECK_EQ(i, 16);
    FAILS(fallocate(fd, 0, 0, 17 * PAGE), ENOSPC);
    CHECK_EQ(ftruncate(fd, 8 * PAGE), 0);
    CHECK_EQ(statfs(at("m"), &s), 0);
    CHECK_EQ(s.f_bfree, 8);
    make("m/g", "");
    make("m/h", "");
    FAILS(open(at("m/i"), O_CREAT | O_RDWR, 0600), ENOSPC);
    CHECK_EQ(mount(NULL, at("m"), NULL, MS_REMOUNT, "size=128k,nr_inodes=9"), 0);
    FAILS(mount(NULL, at("m"), NULL, MS_REMOUNT, "size=4k"), EINVAL);
    make("m/i", "");
    CHECK_EQ(pwrite(fd, page, PAGE, 20 * PAGE), (long)PAGE);
    FAILS(umount(at("m")), EBUSY);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(umount(at("m")), 0);
    CHECK(!is_there("m/f"));
    leave();
}

static void store_beyond(void)
{
    begin();
    make_dir("m");
    CHECK_EQ(mount("none", at("m"), "tmpfs", 0, "size=8k"), 0);
    int fd = open(at("m/f"), O_CREAT | O_RDWR, 0600);
    CHECK_EQ(ftruncate(fd, 4 * PAGE), 0);
    char *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(p != MAP_FAILED);
    CHECK_EQ(close(fd), 0);
    FAILS(umount(at("m")), EBUSY);
    p[0] = p[PAGE] = 1;
    pid_t child = fork();
    if (child == 0) {
        p[2 * PAGE] = 1;
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
    CHECK_EQ(munmap(p, 4 * PAGE), 0);
    CHECK_EQ(umount(at("m")), 0);
    leave();
}

static void busy_and_lazy(void)
{
    char path[PATH_MAX];

    begin();
    make_dir("m");
    CHECK_EQ(mount("none", at("m"), "tmpfs", 0, NULL), 0);
    make("m/f", "text");
    make_dir("m/d");
    CHECK_EQ(chdir(at("m/d")), 0);
    FAILS(umount(at("m")), EBUSY);
    CHECK_EQ(chdir(at("")), 0);
    int fd = open(at("m/f"), O_RDONLY), dir = open(at("m"), O_RDONLY | O_DIRECTORY);
    FAILS(umount(at("m")), EBUSY);
    CHECK_EQ(chdir(at("m/d")), 0);
    CHECK_EQ(umount2(at("m"), MNT_DETACH), 0);
    CHECK(!is_there("m/f"));
    CHECK(read(fd, path, 4) == 4 && !memcmp(path, "text", 4));
    CHECK_EQ(openat(dir, "none", O_RDONLY), -1);
    CHECK(openat(dir, "f", O_RDONLY) >= 0);
    CHECK_EQ(access("../f", F_OK), 0);
    CHECK_EQ(access("../../f", F_OK), 0); // its root has nothing above it any more
    CHECK_EQ(rmdir(at("m")), 0);
    CHECK_EQ(chdir("/"), 0);
    close(dir);
    close(fd);
    leave();
}

static void mount_points(void)
{
    begin();
    make_dir("m");
    make_dir("n");
    make("f", "f");
    make("g", "g");
    CHECK_EQ(mount("none", at("m"), "tmpfs", 0, NULL), 0);
    CHECK_EQ(mount(at("f"), at("g"), NULL, MS_BIND, NULL), 0);
    FAILS(rmdir(at("m")), EBUSY);
    FAILS(rename(at("m"), at("o")), EBUSY);
    FAILS(rename(at("n"), at("m")), EBUSY);
    FAILS(unlink(at("g")), EBUSY);
    FAILS(rename(at("f"), at("g")), EBUSY);
    FAILS(mkdir(at("m"), 0700), EEXIST);
    make("m/x", "x");
    FAILS(rename(at("m/x"), at("x")), EXDEV);
    FAILS(link(at("m/x"), at("x")), EXDEV);
    FAILS(link(at("g"), at("x")), EXDEV);
    CHECK_EQ(chdir(at("m")), 0);
    CHECK(cwd_is("m"));
    CHECK_EQ(access("../n", F_OK), 0);
    CHECK_EQ(access("../m/../n", F_OK), 0);
    CHECK_EQ(chdir(".."), 0);
    CHECK(cwd_is(""));
    CHECK(has("g", "f"));
    int fd = open(at("g"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK_EQ(write(fd, "new", 3), 3);
    close(fd);
    CHECK(has("f", "new"));
    FAILS(mkdir(at("g/x"), 0700), ENOTDIR);
    CHECK_EQ(umount(at("g")), 0);
    CHECK(has("g", "g"));
    // the directory that a mount point lies in gets another name
    make_dir("up");
    make_dir("up/in");
    CHECK_EQ(mount("none", at("up/in"), "tmpfs", 0, NULL), 0);
    make("up/in/x", "there");
    CHECK_EQ(rename(at("up"), at("down")), 0);
    CHECK(has("down/in/x", "there"));
    CHECK(options_of("down/in") && !options_of("up/in"));
    CHECK_EQ(chdir(at("down/in")), 0);
    CHECK(cwd_is("down/in"));
    CHECK_EQ(chdir("/"), 0);
    leave();
}

static void binds(void)
{
    begin();
    make_dir("a");
    make_dir("a/sub");
    make_dir("b");
    make("a/f", "f");
    CHECK_EQ(mount(at("a"), at("b"), NULL, MS_BIND, NULL), 0);
    CHECK_EQ(stat_of("a").st_dev, stat_of("b").st_dev);
    CHECK_EQ(stat_of("a").st_ino, stat_of("b").st_ino);
    CHECK(has("b/f", "f"));
    make("b/new", "new");
    CHECK(has("a/new", "new"));
    FAILS(rename(at("a/f"), at("b/g")), EXDEV);
    FAILS(link(at("a/f"), at("b/g")), EXDEV);
    // what is mounted in a directory comes along with MS_REC only
    CHECK_EQ(mount("none", at("a/sub"), "tmpfs", 0, NULL), 0);
    make("a/sub/x", "x");
    CHECK(!is_there("b/sub/x"));
    make_dir("c");
    CHECK_EQ(mount(at("a"), at("c"), NULL, MS_BIND, NULL), 0);
    CHECK(!is_there("c/sub/x"));
    CHECK_EQ(umount(at("c")), 0);
    CHECK_EQ(mount(at("a"), at("c"), NULL, MS_BIND | MS_REC, NULL), 0);
    CHECK(has("c/sub/x", "x"));
    CHECK_EQ(umount(at("a/sub")), 0);
    CHECK(has("c/sub/x", "x"));
    FAILS(umount(at("c")), EBUSY);
    CHECK_EQ(umount2(at("c"), MNT_DETACH), 0);
    // of a directory in itself, and unbindable ones
    CHECK_EQ(mount(at("a"), at("a"), NULL, MS_BIND, NULL), 0);
    CHECK_EQ(chdir(at("a/sub")), 0);
    CHECK_EQ(chdir("../.."), 0);
    CHECK(cwd_is(""));
    CHECK_EQ(mount(NULL, at("a"), NULL, MS_UNBINDABLE, NULL), 0);
    FAILS(mount(at("a"), at("c"), NULL, MS_BIND, NULL), EINVAL);
    FAILS(mount(at("a"), at("c"), NULL, MS_PRIVATE | MS_SHARED, NULL), EINVAL);
    leave();
}

// A directory that was moved out of what is bound is no way up.
static void bind_left(void)
{
    begin();
    make_dir("a");
    make_dir("a/d");
    make_dir("a/d/e");
    make_dir("b");
    make("secret", "");
    CHECK_EQ(mount(at("a/d"), at("b"), NULL, MS_BIND, NULL), 0);
    CHECK_EQ(chdir(at("b/e")), 0);
    CHECK_EQ(rename(at("a/d/e"), at("e")), 0);
    FAILS(access("../secret", F_OK), ENOENT);
    FAILS(chdir(".."), ENOENT);
    CHECK_EQ(chdir("/"), 0);
    leave();
}

static void read_only(void)
{
    struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    struct statvfs s;

    begin();
    make_dir("m");
    make("m/f", "f");
    CHECK_EQ(mount(at("m"), at("m"), NULL, MS_BIND, NULL), 0);
    int fd = open(at("m/f"), O_RDWR), dir = open(at("m"), O_RDONLY);
    FAILS(mount(NULL, at("m"), NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), EBUSY);
    close(fd);
    CHECK_EQ(mount(NULL, at("m"), NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
    CHECK(has("m/f", "f"));
    FAILS(open(at("m/f"), O_RDWR), EROFS);
    FAILS(open(at("m/f"), O_RDONLY | O_TRUNC), EROFS);
    FAILS(open(at("m/new"), O_RDWR | O_CREAT, 0600), EROFS);
    FAILS(open(at("m"), O_RDWR | O_TMPFILE, 0600), EROFS);
    FAILS(openat(dir, "f", O_WRONLY), EROFS);
    FAILS(access(at("m/f"), W_OK), EROFS);
    FAILS(mkdir(at("m/new"), 0700), EROFS);
    FAILS(mkdir(at("m/f"), 0700), EEXIST);
    FAILS(mknod(at("m/new"), S_IFIFO | 0600, 0), EROFS);
    FAILS(symlink("x", at("m/new")), EROFS);
    FAILS(link(at("m/f"), at("m/new")), EROFS);
    FAILS(rename(at("m/f"), at("m/new")), EROFS);
    FAILS(unlink(at("m/f")), EROFS);
    FAILS(rmdir(at("m/f")), EROFS);
    FAILS(truncate(at("m/f"), 0), EROFS);
    FAILS(chmod(at("m/f"), 0600), EROFS);
    FAILS(chown(at("m/f"), 1, 1), EROFS);
    FAILS(utimensat(AT_FDCWD, at("m/f"), now, 0), EROFS);
    FAILS(fchmod(dir, 0700), EROFS);
    FAILS(setxattr(at("m/f"), "user.x", "x", 1, 0), EROFS);
    CHECK_EQ(statvfs(at("m"), &s), 0);
    CHECK(s.f_flag & ST_RDONLY);
    CHECK_EQ(fstatvfs(dir, &s), 0);
    CHECK(s.f_flag & ST_RDONLY);
    CHECK(!strncmp(options_of("m"), "ro", 2));
    make("n", "not here");
    CHECK_EQ(mount(NULL, at("m"), NULL, MS_REMOUNT | MS_BIND, NULL), 0);
    CHECK_EQ(chmod(at("m/f"), 0600), 0);
    // the file system itself
    make_dir("t");
    CHECK_EQ(mount("none", at("t"), "tmpfs", 0, NULL), 0);
    CHECK_EQ(mount(NULL, at("t"), NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    FAILS(mkdir(at("t/x"), 0700), EROFS);
    CHECK_EQ(mount(NULL, at("t"), NULL, MS_REMOUNT, NULL), 0);
    CHECK_EQ(mkdir(at("t/x"), 0700), 0);
    close(dir);
    leave();
}

static void no_exec(void)
{
    char *argv[] = {"x", NULL};
    int status;

    begin();
    CHECK_EQ(mount(NULL, room, NULL, MS_REMOUNT | MS_BIND | MS_NOEXEC, NULL), 0);
    make("x", "#!/bin/true\n");
    pid_t child = fork();
    if (child == 0) {
        execv(at("x"), argv);
        _exit(errno);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(WEXITSTATUS(status), EACCES);
    FAILS(access(at("x"), X_OK), EACCES);
    CHECK_EQ(access(room, X_OK), 0);
    int fd = open(at("x"), O_RDONLY);
    CHECK_EQ((long)mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0), -1);
    CHECK_EQ(errno, EPERM);
    void *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED);
    FAILS(mprotect(p, PAGE, PROT_READ | PROT_EXEC), EACCES);
    CHECK_EQ(munmap(p, PAGE), 0);
    close(fd);
    CHECK(strstr(options_of(""), "noexec") != NULL);
    CHECK_EQ(mount(NULL, room, NULL, MS_REMOUNT | MS_BIND, NULL), 0);
    CHECK_EQ(access(at("x"), X_OK), 0);
    leave();
}

static void no_devices(void)
{
    struct statvfs s;

    begin();
    CHECK_EQ(mknod(at("null"), S_IFCHR | 0666, makedev(1, 3)), 0);
    int fd = open(at("null"), O_RDWR);
    CHECK(fd >= 0);
    close(fd);
    CHECK_EQ(mount(NULL, room, NULL, MS_REMOUNT | MS_BIND | MS_NODEV | MS_NOSUID, NULL), 0);
    FAILS(open(at("null"), O_RDWR), EACCES);
    CHECK_EQ(statvfs(room, &s), 0);
    CHECK_EQ(s.f_flag & (ST_NODEV | ST_NOSUID | ST_NOEXEC), ST_NODEV | ST_NOSUID);
    make("here", "");
    CHECK_EQ(symlink("here", at("link")), 0);
    CHECK_EQ(mount(NULL, room, NULL, MS_REMOUNT | MS_BIND | 256 /* MS_NOSYMFOLLOW */, NULL), 0);
    if (!strstr(options_of(""), "nosymfollow"))
        return leave(); // older than Linux 5.10
    FAILS(open(at("link"), O_RDONLY), ELOOP);
    CHECK(open(at("link"), O_PATH | O_NOFOLLOW) >= 0);
    leave();
}

static void moves(void)
{
    begin();
    make_dir("a");
    make_dir("b");
    make("f", "");
    CHECK_EQ(mount("none", at("a"), "tmpfs", 0, NULL), 0);
    make_dir("a/in");
    CHECK_EQ(mount("none", at("a/in"), "tmpfs", 0, NULL), 0);
    make("a/in/x", "x");
    FAILS(mount(at("a"), at("a/in"), NULL, MS_MOVE, NULL), ELOOP);
    FAILS(mount(at("b"), at("a"), NULL, MS_MOVE, NULL), EINVAL); // not a mount point
    FAILS(mount(at("a"), at("f"), NULL, MS_MOVE, NULL), EINVAL);
    CHECK_EQ(chdir(at("a/in")), 0);
    CHECK_EQ(mount(at("a"), at("b"), NULL, MS_MOVE, NULL), 0);
    CHECK(cwd_is("b/in"));
    CHECK(has("b/in/x", "x"));
    CHECK(!is_there("a/in"));
    CHECK_EQ(rmdir(at("a")), 0);
    CHECK(options_of("b/in") && !options_of("a/in"));
    CHECK_EQ(chdir("/"), 0);
    leave();
}

static void stacked(void)
{
    begin();
    make_dir("m");
    CHECK_EQ(mount("one", at("m"), "tmpfs", 0, NULL), 0);
    make("m/one", "");
    int below = open(at("m"), O_RDONLY | O_DIRECTORY);
    CHECK_EQ(mount("two", at("m"), "tmpfs", 0, NULL), 0);
    make("m/two", "");
    CHECK(!is_there("m/one"));
    CHECK_EQ(faccessat(below, "one", F_OK, 0), 0);
    FAILS(faccessat(below, "two", F_OK, 0), ENOENT);
    CHECK_EQ(chdir(at("m")), 0);
    CHECK_EQ(access("../m/two", F_OK), 0);
    CHECK_EQ(chdir(".."), 0);
    CHECK(cwd_is(""));
    CHECK_EQ(umount(at("m")), 0);
    CHECK(is_there("m/one"));
    close(below);
    CHECK_EQ(umount(at("m")), 0);
    FAILS(umount(at("m")), EINVAL);
    leave();
}

static void errors(void)
{
    int status;

    begin();
    make_dir("m");
    make("f", "");
    FAILS(mount("none", at("m"), "nosuchfs", 0, NULL), ENODEV);
    FAILS(mount("none", at("m"), NULL, 0, NULL), EINVAL);
    FAILS(mount("none", at("n"), "tmpfs", 0, NULL), ENOENT);
    FAILS(mount("none", at("f"), "tmpfs", 0, NULL), ENOTDIR);
    FAILS(mount("none", at("f/x"), "tmpfs", 0, NULL), ENOTDIR);
    FAILS(mount("none", at("m"), "tmpfs", 0, "nosuchoption"), EINVAL);
    FAILS(mount("none", at("m"), "tmpfs", 0, "mode=9"), EINVAL);
    FAILS(mount("none", at("m"), "tmpfs", 0, (void *)1), EFAULT);
    FAILS(mount(at("m"), at("f"), NULL, MS_BIND, NULL), ENOTDIR);
    FAILS(mount(at("f"), at("m"), NULL, MS_BIND, NULL), ENOTDIR);
    FAILS(mount(at("n"), at("m"), NULL, MS_BIND, NULL), ENOENT);
    FAILS(mount(NULL, at("m"), NULL, MS_BIND, NULL), EINVAL);
    FAILS(mount(NULL, at("m"), NULL, MS_REMOUNT, NULL), EINVAL);
    FAILS(mount(NULL, at("m"), NULL, MS_PRIVATE, NULL), EINVAL);
    FAILS(umount(at("m")), EINVAL);
    FAILS(umount(at("n")), ENOENT);
    FAILS(umount2(at("m"), 64), EINVAL);
    FAILS(umount2((char *)1, 0), EFAULT);
    CHECK_EQ(mount("none", at("m"), "tmpfs", 0, NULL), 0);
    FAILS(umount2(at("m"), MNT_EXPIRE | MNT_DETACH), EINVAL);
    CHECK_EQ(symlink("m", at("link")), 0);
    FAILS(umount2(at("link"), UMOUNT_NOFOLLOW), EINVAL);
    FAILS(umount2(at("m"), MNT_EXPIRE), EAGAIN);
    CHECK_EQ(access(at("m"), F_OK), 0); // somebody came by
    FAILS(umount2(at("m"), MNT_EXPIRE), EAGAIN);
    CHECK_EQ(umount2(at("m"), MNT_EXPIRE), 0);
    CHECK_EQ(mount("none", at("link"), "tmpfs", 0, NULL), 0);
    CHECK_EQ(mount("none", at("m"), "sysfs", 0, NULL), 0);
    FAILS(mount("none", at("m"), "sysfs", 0, NULL), EBUSY);
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQ(setuid(1234), 0);
        FAILS(mount("none", at("m"), "tmpfs", 0, NULL), EPERM);
        FAILS(mount("none", at("n"), "tmpfs", 0, NULL), ENOENT);
        FAILS(umount(at("m")), EPERM);
        FAILS(unshare(CLONE_NEWNS), EPERM);
        FAILS((int)syscall(SYS_pivot_root, at("m"), at("m")), EPERM);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    leave();
}

static void namespaces(void)
{
    int status;

    begin();
    make_dir("m");
    CHECK_EQ(mount("none", at("m"), "tmpfs", 0, NULL), 0);
    make("m/ours", "");
    CHECK_EQ(chdir(at("m")), 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQ(unshare(CLONE_NEWNS), 0);
        CHECK_EQ(access("ours", F_OK), 0);
        CHECK(cwd_is("m"));
        CHECK_EQ(chdir("/"), 0);
        CHECK_EQ(umount(at("m")), 0);
        CHECK(!is_there("m/ours"));
        CHECK_EQ(mount("none", at("m"), "tmpfs", 0, NULL), 0);
        make("m/theirs", "");
        CHECK(options_of("m") != NULL);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK(is_there("m/ours") && !is_there("m/theirs"));
    CHECK_EQ(chdir("/"), 0);
    child = (pid_t)syscall(SYS_clone, CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0);
    if (child == 0)
        _exit(umount(at("m")) != 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK(is_there("m/ours"));
    FAILS((int)syscall(SYS_clone, CLONE_NEWNS | CLONE_FS | SIGCHLD, 0, 0, 0, 0), EINVAL);
    leave();
}

static void new_root(void)
{
    begin();
    make_dir("old");
    make_dir("sub");
    make("here", "");
    FAILS((int)syscall(SYS_pivot_root, at("sub"), at("old")), EINVAL); // not a mount point
    FAILS((int)syscall(SYS_pivot_root, room, "/tmp"), EBUSY);
    FAILS((int)syscall(SYS_pivot_root, "/", "/"), EBUSY);
    FAILS((int)syscall(SYS_pivot_root, at("here"), at("old")), ENOTDIR);
    CHECK_EQ(chdir("/"), 0);
    CHECK_EQ((int)syscall(SYS_pivot_root, room, at("old")), 0);
    CHECK_EQ(access("/here", F_OK), 0);
    CHECK_EQ(access("here", F_OK), 0); // the current directory was the old root
    CHECK_EQ(access("/old/tmp", F_OK), 0);
    CHECK_EQ(access("/../here", F_OK), 0);
    CHECK_EQ(access("/old/../here", F_OK), 0);
    char old[PATH_MAX];
    snprintf(old, sizeof old, "/old%s", room);
    CHECK_EQ(rmdir(old), 0);
    CHECK_EQ(mkdir("/new", 0755), 0);
    CHECK_EQ(mount("none", "/new", "tmpfs", 0, NULL), 0);
    CHECK_EQ(chdir("/new"), 0);
    CHECK_EQ((int)syscall(SYS_pivot_root, ".", "."), 0);
    CHECK_EQ(umount2(".", MNT_DETACH), 0);
    CHECK_EQ(chdir("/"), 0);
    FAILS(access("/here", F_OK), ENOENT);
    DIR *d = opendir("/");
    CHECK(d != NULL && readdir(d) && readdir(d) && !readdir(d));
    closedir(d);
}

static void chroots(void)
{
    begin();
    make_dir("m");
    CHECK_EQ(mount("none", at("m"), "tmpfs", 0, NULL), 0);
    make_dir("m/proc");
    make_dir("m/jail");
    CHECK_EQ(mount("none", at("m/proc"), "proc", 0, NULL), 0);
    CHECK_EQ(mount(at("m"), at("m/jail"), NULL, MS_BIND, NULL), 0);
    int outside = open("/", O_RDONLY | O_DIRECTORY);
    CHECK_EQ(chroot(at("m")), 0);
    CHECK_EQ(chdir("/jail"), 0);
    CHECK_EQ(access("/proc/self/stat", F_OK), 0);
    CHECK_EQ(access("../proc/self/stat", F_OK), 0);
    CHECK_EQ(access("../../proc/self/stat", F_OK), 0);
    CHECK_EQ(access("/proc/../../../jail", F_OK), 0);
    FAILS(access("../../m", F_OK), ENOENT);
    char line[400];
    FILE *f = fopen("/proc/self/mounts", "r");
    CHECK(f && fgets(line, sizeof line, f));
    CHECK_EQ(strncmp(line, "none / tmpfs rw", 15), 0); // what lies outside of the root is not shown
    fclose(f);
    CHECK_EQ(fchdir(outside), 0);
    CHECK_EQ(chroot("."), 0);
    leave();
}

static void devices_and_proc(void)
{
    begin();
    make_dir("d");
    make_dir("p");
    make_dir("s");
    make("null", "");
    CHECK_EQ(mount("none", at("d"), "devtmpfs", 0, NULL), 0);
    int fd = open(at("d/null"), O_RDWR);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, "x", 1), 1);
    close(fd);
    CHECK_EQ(mount(at("d/null"), at("null"), NULL, MS_BIND, NULL), 0);
    CHECK_EQ(stat_of("null").st_rdev, makedev(1, 3));
    CHECK_EQ(mount("/dev/zero", at("null"), NULL, MS_BIND, NULL), 0);
    CHECK_EQ(stat_of("null").st_rdev, makedev(1, 5));
    CHECK_EQ(mount("none", at("p"), "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL), 0);
    CHECK(is_there("p/self/status"));
    CHECK_EQ(mount("none", at("s"), "sysfs", MS_RDONLY, NULL), 0);
    CHECK(is_there("s/devices"));
    // something over a file of /proc
    make("text", "covered\n");
    CHECK_EQ(mount(at("text"), at("p/version"), NULL, MS_BIND, NULL), 0);
    CHECK(has("p/version", "covered\n"));
    CHECK_EQ(mount("none", at("p/sys"), "tmpfs", 0, NULL), 0);
    make("p/sys/x", "x");
    CHECK_EQ(access(at("p/sys/../cpuinfo"), F_OK), 0);
    CHECK_EQ(chdir(at("p/sys")), 0);
    CHECK(cwd_is("p/sys"));
    CHECK_EQ(chdir("/"), 0);
    CHECK_EQ(umount(at("p/version")), 0);
    CHECK(!has("p/version", "covered\n"));
    leave();
}

// Linux has one where the module brd is loaded; tine always.
static void ram_disk(void)
{
    struct stat s;
    uint64_t size = 0;
    char text[8] = "";

    begin();
    CHECK_EQ(mknod(at("disk"), S_IFBLK | 0600, makedev(1, 0)), 0);
    int fd = open(at("disk"), O_RDWR);
    if (fd < 0) {
        leave();
        check_skip("no RAM disk");
    }
    CHECK_EQ(fstat(fd, &s), 0);
    CHECK(S_ISBLK(s.st_mode) && s.st_rdev == makedev(1, 0));
    CHECK_EQ(ioctl(fd, BLKGETSIZE64, &size), 0);
    CHECK(size > 0 && lseek(fd, 0, SEEK_END) == (off_t)size);
    CHECK_EQ(pwrite(fd, "here", 4, 8192), 4);
    CHECK_EQ(mknod(at("other"), S_IFBLK | 0600, makedev(1, 0)), 0);
    int other = open(at("other"), O_RDONLY);
    CHECK_EQ(pread(other, text, 4, 8192), 4);
    CHECK_EQ(strcmp(text, "here"), 0);
    CHECK_EQ(pwrite(fd, "there", 4, (off_t)size - 2), 2);
    FAILS(pwrite(fd, "there", 4, (off_t)size), ENOSPC);
    CHECK_EQ(pread(fd, text, 4, (off_t)size), 0);
    FAILS(ftruncate(fd, 0), EINVAL);
    close(fd);
    close(other);
    leave();
}

static void access_times(void)
{
    struct timespec old[2] = {{1, 0}, {1000000, 0}};
    char text[4];

    begin();
    make("f", "text");
    CHECK_EQ(utimensat(AT_FDCWD, at("f"), old, 0), 0);
    int fd = open(at("f"), O_RDONLY | O_NOATIME);
    CHECK_EQ(read(fd, text, 4), 4);
    close(fd);
    CHECK_EQ(stat_of("f").st_atime, 1);
    CHECK_EQ(mount(NULL, room, NULL, MS_REMOUNT | MS_BIND | MS_NOATIME, NULL), 0);
    CHECK(has("f", "text"));
    CHECK_EQ(stat_of("f").st_atime, 1);
    CHECK_EQ(mount(NULL, room, NULL, MS_REMOUNT | MS_BIND | MS_RELATIME, NULL), 0);
    CHECK(has("f", "text"));
    CHECK(stat_of("f").st_atime != 1);
    leave();
}

static void mounts_shown(void)
{
    char line[4096], type[64], source[64], point[PATH_MAX];
    int lines = 0;

    begin();
    make_dir("a b");
    CHECK_EQ(mount("my source", at("a b"), "tmpfs", MS_NOSUID | MS_NOATIME, "size=1m,mode=700"), 0);
    FILE *f = fopen("/proc/self/mounts", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (!strstr(line, "a\\040b"))
            continue;
        lines++;
        CHECK_EQ(sscanf(line, "%63s %s %63s", source, point, type), 3);
        CHECK_EQ(strcmp(source, "my\\040source"), 0);
        CHECK_EQ(strcmp(type, "tmpfs"), 0);
        CHECK(strstr(line, " rw,nosuid,noatime,") && strstr(line, "size=1024k") && strstr(line, "mode=700"));
    }
    CHECK_EQ(lines, 1);
    fclose(f);
    f = fopen("/proc/filesystems", "r");
    lines = 0;
    while (f && fgets(line, sizeof line, f))
        lines += !strcmp(line, "nodev\ttmpfs\n") || !strcmp(line, "nodev\tproc\n");
    CHECK_EQ(lines, 2);
    fclose(f);
    leave();
}

static void changes_told(void)
{
    struct pollfd p = {.events = POLLPRI};
    int status;

    begin();
    make_dir("m");
    p.fd = open("/proc/self/mountinfo", O_RDONLY);
    CHECK(p.fd >= 0);
    CHECK_EQ(poll(&p, 1, 0), 0);
    CHECK_EQ(mount("none", at("m"), "tmpfs", 0, NULL), 0);
    CHECK_EQ(poll(&p, 1, 0), 1);
    CHECK(p.revents & POLLPRI && p.revents & POLLERR);
    CHECK_EQ(poll(&p, 1, 0), 0);
    struct epoll_event e = {.events = EPOLLPRI};
    int set = epoll_create1(0);
    CHECK_EQ(epoll_ctl(set, EPOLL_CTL_ADD, p.fd, &e), 0);
    CHECK_EQ(epoll_wait(set, &e, 1, 0), 0);
    CHECK_EQ(mount(NULL, at("m"), NULL, MS_REMOUNT | MS_BIND | MS_NOSUID, NULL), 0);
    CHECK_EQ(umount(at("m")), 0);
    CHECK_EQ(epoll_wait(set, &e, 1, 1000), 1);
    CHECK(e.events & EPOLLPRI);
    close(set);
    CHECK_EQ(mount("none", at("m"), "tmpfs", 0, NULL), 0);
    (void)poll(&p, 1, 0);
    pid_t child = fork();
    if (child == 0) {
        usleep(20000);
        _exit(umount(at("m")) != 0);
    }
    CHECK_EQ(poll(&p, 1, 5000), 1);
    CHECK(p.revents & POLLPRI);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    close(p.fd);
    leave();
}

static void entered(void)
{
    int status;
    char mine[64] = "", theirs[64] = "", name[64];

    begin();
    pid_t child = namespace_of_a_child();
    CHECK(!is_there("m/theirs"));
    snprintf(name, sizeof name, "/proc/%d/ns/mnt", child);
    CHECK(readlink("/proc/self/ns/mnt", mine, sizeof mine - 1) > 0 && readlink(name, theirs, sizeof theirs - 1) > 0);
    CHECK(strcmp(mine, theirs) != 0);
    snprintf(name, sizeof name, "/proc/%d/root", child);
    CHECK_EQ(chdir(name), 0); // the way there without entering
    CHECK_EQ(access(at("m/theirs") + 1, F_OK), 0);
    CHECK_EQ(chdir("/"), 0);
    int fd = (int)syscall(SYS_pidfd_open, child, 0);
    pid_t other = fork();
    if (other == 0) {
        CHECK_EQ(setns(fd, CLONE_NEWNS), 0);
        CHECK(is_there("m/theirs"));
        CHECK(readlink("/proc/self/ns/mnt", mine, sizeof mine - 1) > 0 && !strcmp(mine, theirs));
        _exit(0);
    }
    CHECK_EQ(waitpid(other, &status, 0), other);
    CHECK_EQ(status, 0);
    CHECK_EQ(kill(child, SIGKILL), 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    FAILS(setns(fd, CLONE_NEWNS), ESRCH);
    leave();
}

static const struct check_case cases[] = {
    CASE(tmpfs_limits), CASE(store_beyond), CASE(busy_and_lazy), CASE(mount_points), CASE(binds), CASE(bind_left),
    CASE(read_only), CASE(no_exec), CASE(no_devices), CASE(moves), CASE(stacked), CASE(errors), CASE(namespaces),
    CASE(new_root), CASE(chroots), CASE(devices_and_proc), CASE(mounts_shown), CASE(ram_disk), CASE(access_times), CASE(changes_told),
    CASE(entered),
};
CHECK_MAIN(cases)
