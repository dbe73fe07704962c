// fsopen(2) and its kind: mounts by descriptor.
#include "mount_room.h"

#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x200000
#endif
#define CREATE_EXCL 8 // FSCONFIG_CMD_CREATE_EXCL
#define BENEATH 0x200 // MOVE_MOUNT_BENEATH

static int set(int fs, const char *key, const char *value)
{
    return fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0);
}

static int command(int fs, unsigned command)
{
    return fsconfig(fs, command, NULL, NULL, 0);
}

// A tmpfs that is mounted nowhere.
static int detached(unsigned attr)
{
    int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);

    CHECK(fs >= 0);
    CHECK_EQ(set(fs, "mode", "755"), 0);
    CHECK_EQ(command(fs, FSCONFIG_CMD_CREATE), 0);
    int fd = fsmount(fs, FSMOUNT_CLOEXEC, attr);
    CHECK(fd >= 0);
    CHECK_EQ(close(fs), 0);
    return fd;
}

static int attach(int fd, const char *name)
{
    return move_mount(fd, "", AT_FDCWD, at(name), MOVE_MOUNT_F_EMPTY_PATH);
}

static int set_attr(const char *name, unsigned flags, uint64_t set, uint64_t clear)
{
    struct mount_attr attr = {.attr_set = set, .attr_clr = clear};

    return mount_setattr(AT_FDCWD, at(name), flags, &attr, sizeof attr);
}

static bool shows(const char *name, const char *option)
{
    const char *options = options_of(name);

    return options && strstr(options, option);
}

static void made_and_mounted(void)
{
    struct statfs s;

    begin();
    make_dir("m");
    int fs = fsopen("tmpfs", 0);
    CHECK(fs >= 0);
    CHECK_EQ(fcntl(fs, F_GETFD), 0);
    CHECK_EQ(set(fs, "source", "where from"), 0);
    CHECK_EQ(set(fs, "size", "64k"), 0);
    CHECK_EQ(set(fs, "nr_inodes", "9"), 0);
    CHECK_EQ(set(fs, "mode", "711"), 0);
    CHECK_EQ(set(fs, "uid", "5"), 0);
    CHECK_EQ(set(fs, "inode64", NULL), 0);
    FAILS(fsmount(fs, 0, 0), EINVAL); // there is nothing yet
    FAILS(command(fs, FSCONFIG_CMD_RECONFIGURE), EBUSY);
    CHECK_EQ(command(fs, FSCONFIG_CMD_CREATE), 0);
    FAILS(command(fs, FSCONFIG_CMD_CREATE), EBUSY);
    FAILS(set(fs, "mode", "700"), EBUSY);
    int fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
    CHECK(fd >= 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
    FAILS(fsmount(fs, 0, 0), EBUSY);
    CHECK_EQ(fstatfs(fd, &s), 0);
    CHECK_EQ(s.f_blocks, 16);
    CHECK_EQ(s.f_files, 9);
    CHECK(options_of("m") == NULL);
    CHECK_EQ(attach(fd, "m"), 0);
    CHECK_EQ(stat_of("m").st_mode, S_IFDIR | 0711);
    CHECK_EQ(stat_of("m").st_uid, 5);
    CHECK(shows("m", "nodev") && shows("m", "noatime") && !shows("m", "nosuid"));
    FAILS(attach(fd, "m"), ELOOP); // into itself
    make("m/f", "text");
    FAILS(umount(at("m")), EBUSY); // the descriptor
    close(fd);
    // the context is still good for changes, and does not keep it busy
    CHECK_EQ(set(fs, "size", "128k"), 0);
    CHECK_EQ(set(fs, "ro", NULL), 0);
    CHECK_EQ(command(fs, FSCONFIG_CMD_RECONFIGURE), 0);
    CHECK_EQ(statfs(at("m"), &s), 0);
    CHECK_EQ(s.f_blocks, 32);
    FAILS(mkdir(at("m/d"), 0700), EROFS);
    CHECK_EQ(umount(at("m")), 0);
    close(fs);
    leave();
}

static void contexts_refuse(void)
{
    char line[200];
    int status;

    begin();
    FAILS(fsopen("nosuchfs", 0), ENODEV);
    FAILS(fsopen("tmpfs", 0x10), EINVAL);
    FAILS(fsopen((char *)8, 0), EFAULT);
    int fs = fsopen("tmpfs", 0);
    FAILS(read(fs, line, sizeof line), ENODATA);
    FAILS(fsconfig(-1, FSCONFIG_SET_FLAG, "ro", NULL, 0), EINVAL);
    FAILS(fsconfig(99, FSCONFIG_SET_FLAG, "ro", NULL, 0), EBADF);
    FAILS(fsconfig(0, FSCONFIG_SET_FLAG, "ro", NULL, 0), EINVAL); // not a context
    FAILS(fsconfig(fs, FSCONFIG_SET_FLAG, NULL, NULL, 0), EINVAL);
    FAILS(fsconfig(fs, FSCONFIG_SET_FLAG, "ro", "x", 0), EINVAL);
    FAILS(fsconfig(fs, FSCONFIG_SET_STRING, "size", NULL, 0), EINVAL);
    FAILS(fsconfig(fs, FSCONFIG_SET_STRING, "size", "64k", 1), EINVAL);
    FAILS(fsconfig(fs, FSCONFIG_SET_BINARY, "size", "64k", 0), EINVAL);
    FAILS(fsconfig(fs, FSCONFIG_SET_PATH, "size", "/", -1), EINVAL);
    FAILS(fsconfig(fs, FSCONFIG_SET_FD, "size", NULL, -1), EINVAL);
    FAILS(fsconfig(fs, FSCONFIG_CMD_CREATE, "size", NULL, 0), EINVAL);
    FAILS(fsconfig(fs, FSCONFIG_SET_FD, "size", NULL, 99), EBADF);
    FAILS(fsconfig(fs, FSCONFIG_SET_FD, "size", NULL, 0), EINVAL);
    FAILS(fsconfig(fs, FSCONFIG_SET_PATH, "size", "/", AT_FDCWD), EINVAL);
    FAILS(fsconfig(fs, FSCONFIG_SET_BINARY, "size", "/", 1), EINVAL);
    CHECK_EQ(fsconfig(fs, FSCONFIG_SET_PATH, "sync", "/", AT_FDCWD), 0); // such flags have any value
    while (read(fs, line, sizeof line) > 0)
        ;
    FAILS(fsconfig(fs, 100, NULL, NULL, 0), EOPNOTSUPP);
    FAILS(fsmount(0, 0, 0), EINVAL);
    FAILS(fsmount(99, 0, 0), EBADF);
    FAILS(fsmount(fs, 2, 0), EINVAL);
    FAILS(fsmount(fs, 0, 0x40000), EINVAL);
    FAILS(fsmount(fs, 0, MOUNT_ATTR_NOATIME | MOUNT_ATTR_STRICTATIME), EINVAL);
    // what was wrong can be read, a message at a time
    FAILS(set(fs, "nonsense", "1"), EINVAL);
    FAILS(set(fs, "size", "much"), EINVAL);
    FAILS(set(fs, "uid", "1k"), EINVAL);
    FAILS(set(fs, "mode", "8"), EINVAL);
    CHECK_EQ(set(fs, "source", "one"), 0);
    FAILS(set(fs, "source", "two"), EINVAL);
    FAILS(read(fs, line, 3), EMSGSIZE);
    ssize_t n = read(fs, line, sizeof line - 1);
    if (n < 0) // what did not fit is gone
        n = 0;
    line[n] = 0;
    for (int i = 0; i < 5 && !strstr(line, "size"); i++) {
        n = read(fs, line, sizeof line - 1);
        CHECK(n > 0 && !memcmp(line, "e ", 2));
        line[n] = 0;
    }
    CHECK(strstr(line, "size") != NULL);
    while (read(fs, line, sizeof line) > 0)
        ;
    CHECK_EQ(errno, ENODATA);
    // a context is for those who may mount
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQ(setuid(1234), 0);
        FAILS(fsopen("tmpfs", 0), EPERM);
        FAILS(fspick(AT_FDCWD, room, 0), EPERM);
        FAILS(fsmount(fs, 0, 0), EPERM);
        FAILS(command(fs, FSCONFIG_CMD_CREATE), EPERM);
        FAILS(open_tree(AT_FDCWD, room, OPEN_TREE_CLONE), EPERM);
        FAILS(move_mount(AT_FDCWD, room, AT_FDCWD, "/", 0), EPERM);
        FAILS(set_attr("", 0, MOUNT_ATTR_RDONLY, 0), EPERM);
        CHECK(open_tree(AT_FDCWD, room, 0) >= 0);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    close(fs);
    leave();
}

static void other_types(void)
{
    static const char *const types[] = {"proc", "sysfs", "devtmpfs", "devpts", "ramfs"},
                      *const inside[] = {"self/stat", "devices", "null", "ptmx", "."};

    begin();
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        make_dir(types[i]);
        int fs = fsopen(types[i], 0);
        CHECK(fs >= 0);
        CHECK_EQ(set(fs, "source", "here"), 0);
        CHECK_EQ(command(fs, FSCONFIG_CMD_CREATE), 0);
        int fd = fsmount(fs, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        CHECK(fd >= 0);
        if (i < 3) // before it is mounted
            CHECK_EQ(faccessat(fd, inside[i], F_OK, 0), 0);
        CHECK_EQ(attach(fd, types[i]), 0);
        char name[64];
        snprintf(name, sizeof name, "%s/%s", types[i], inside[i]);
        if (i != 3)
            CHECK(is_there(name));
        if (i == 2 || i == 4)
            CHECK_EQ(stat_of(types[i]).st_mode, S_IFDIR | 0755);
        CHECK(shows(types[i], "nosuid,noexec"));
        close(fd);
        close(fs);
        CHECK_EQ(umount(at(types[i])), 0);
    }
    leave();
}

// A mount that stands nowhere is a file system like others, as long as somebody has it open.
static void standing_nowhere(void)
{
    char path[PATH_MAX];
    int fd, file, status;

    begin();
    make_dir("m");
    fd = detached(0);
    CHECK_EQ(mkdirat(fd, "d", 0755), 0);
    CHECK((file = openat(fd, "d/f", O_CREAT | O_RDWR, 0600)) >= 0);
    CHECK_EQ(write(file, "text", 4), 4);
    CHECK_EQ(faccessat(fd, "../d/f", F_OK, 0), 0);
    FAILS(faccessat(fd, "../tmp", F_OK, 0), ENOENT);
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQ(fchdir(fd), 0);
        CHECK_EQ(chdir("d/../.."), 0);
        CHECK_EQ(access("d/f", F_OK), 0);
        CHECK_EQ(close(fd), 0);
        CHECK_EQ(access("d/f", F_OK), 0);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(faccessat(fd, "d/f", F_OK, 0), 0);
    // nothing is mounted there by path, and it is not unmounted
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    FAILS(mount("none", path, "tmpfs", 0, NULL), EINVAL);
    FAILS(umount(path), EINVAL);
    int same = dup(fd), below = openat(fd, "d", O_PATH);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(faccessat(same, "d/f", F_OK, 0), 0);
    FAILS(move_mount(below, "", AT_FDCWD, at("m"), MOVE_MOUNT_F_EMPTY_PATH), EINVAL); // not the root of a mount
    CHECK_EQ(close(same), 0);
    CHECK_EQ(faccessat(below, "f", F_OK, 0), 0);
    FAILS(open_tree(below, "", AT_EMPTY_PATH | OPEN_TREE_CLONE), EINVAL); // it has ended
    CHECK_EQ(pread(file, path, 4, 0), 4);
    // to be in it does not keep it
    fd = detached(0);
    CHECK_EQ(fchdir(fd), 0);
    same = open_tree(AT_FDCWD, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);
    CHECK(same >= 0);
    CHECK_EQ(close(fd) | close(same), 0);
    CHECK_EQ(access(".", F_OK), 0);
    FAILS(open_tree(AT_FDCWD, "", AT_EMPTY_PATH | OPEN_TREE_CLONE), EINVAL);
    CHECK_EQ(chdir("/"), 0);
    // one that was moved stays
    fd = detached(0);
    CHECK_EQ(attach(fd, "m"), 0);
    CHECK_EQ(close(fd), 0);
    make("m/f", "text");
    CHECK_EQ(umount(at("m")), 0);
    leave();
}

static void trees(void)
{
    begin();
    make_dir("a");
    make_dir("b");
    CHECK_EQ(mount("none", at("a"), "tmpfs", 0, NULL), 0);
    make_dir("a/in");
    make_dir("a/sub");
    CHECK_EQ(mount("none", at("a/in"), "tmpfs", 0, NULL), 0);
    make("a/in/x", "x");
    make("a/sub/y", "y");
    int all = open_tree(AT_FDCWD, at("a"), OPEN_TREE_CLONE | AT_RECURSIVE | OPEN_TREE_CLOEXEC);
    int one = open_tree(AT_FDCWD, at("a"), OPEN_TREE_CLONE), same = open_tree(AT_FDCWD, at("a"), 0);
    CHECK(all >= 0 && one >= 0 && same >= 0);
    CHECK_EQ(fcntl(all, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(one, F_GETFD), 0);
    CHECK_EQ(faccessat(all, "in/x", F_OK, 0), 0);
    FAILS(faccessat(one, "in/x", F_OK, 0), ENOENT);
    CHECK_EQ(faccessat(same, "in/x", F_OK, 0), 0);
    CHECK_EQ(faccessat(same, "../b", F_OK, 0), 0);
    FAILS(faccessat(all, "../b", F_OK, 0), ENOENT);
    // a part of one
    int part = open_tree(same, "sub", OPEN_TREE_CLONE);
    CHECK_EQ(faccessat(part, "y", F_OK, 0), 0);
    CHECK_EQ(attach(part, "b"), 0);
    CHECK(has("b/y", "y"));
    CHECK_EQ(umount2(at("b"), MNT_DETACH), 0);
    CHECK_EQ(attach(all, "b"), 0);
    CHECK(has("b/in/x", "x"));
    CHECK(options_of("b/in") != NULL);
    CHECK_EQ(umount2(at("a"), MNT_DETACH), 0);
    CHECK(has("b/in/x", "x"));
    FAILS(attach(part, "a"), EINVAL); // was unmounted
    // of a file
    make("f", "file");
    make("g", "other");
    int file = open_tree(AT_FDCWD, at("f"), OPEN_TREE_CLONE);
    FAILS(attach(file, "a"), EINVAL);
    CHECK_EQ(attach(file, "g"), 0);
    CHECK(has("g", "file"));
    CHECK_EQ(symlink("f", at("link")), 0);
    int link = open_tree(AT_FDCWD, at("link"), AT_SYMLINK_NOFOLLOW);
    char text[8] = "";
    CHECK_EQ(readlinkat(link, "", text, sizeof text), 1);
    FAILS(open_tree(AT_FDCWD, at("f"), 0x10000), EINVAL);
    FAILS(open_tree(AT_FDCWD, at("f"), AT_RECURSIVE), EINVAL);
    FAILS(open_tree(AT_FDCWD, at("none"), 0), ENOENT);
    FAILS(open_tree(AT_FDCWD, "", 0), ENOENT);
    FAILS(open_tree(99, "x", 0), EBADF);
    CHECK_EQ(mount(NULL, at("b"), NULL, MS_UNBINDABLE, NULL), 0);
    FAILS(open_tree(AT_FDCWD, at("b"), OPEN_TREE_CLONE), EINVAL);
    close(all);
    close(one);
    close(same);
    close(part);
    close(file);
    close(link);
    leave();
}

static void moved(void)
{
    struct stat s;

    begin();
    make_dir("a");
    make_dir("b");
    make("f", "");
    CHECK_EQ(symlink("a", at("link")), 0);
    CHECK_EQ(mount("none", at("a"), "tmpfs", 0, NULL), 0);
    make("a/x", "x");
    make_dir("a/d");
    int a = open(at("a"), O_PATH), b = open(at("b"), O_PATH), d = open(at("a/d"), O_PATH);
    FAILS(move_mount(AT_FDCWD, at("b"), AT_FDCWD, at("a"), 0), EINVAL);
    FAILS(move_mount(AT_FDCWD, at("a"), AT_FDCWD, at("a/d"), 0), ELOOP);
    FAILS(move_mount(AT_FDCWD, at("a"), AT_FDCWD, at("f"), 0), EINVAL);
    FAILS(move_mount(AT_FDCWD, at("a"), AT_FDCWD, at("none"), 0), ENOENT);
    FAILS(move_mount(AT_FDCWD, at("link"), AT_FDCWD, at("b"), 0), EINVAL); // the link itself
    FAILS(move_mount(a, "", AT_FDCWD, at("b"), 0), ENOENT);
    FAILS(move_mount(AT_FDCWD, at("a"), b, "", 0), ENOENT);
    FAILS(move_mount(99, "", b, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH), EBADF);
    FAILS(move_mount(AT_FDCWD, at("a"), AT_FDCWD, at("b"), 0x80), EINVAL);
    CHECK_EQ(move_mount(AT_FDCWD, at("link"), b, "", MOVE_MOUNT_F_SYMLINKS | MOVE_MOUNT_T_EMPTY_PATH), 0);
    CHECK(has("b/x", "x") && !is_there("a/x"));
    CHECK_EQ(move_mount(a, "", AT_FDCWD, at("link"), MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS), 0);
    CHECK(has("a/x", "x") && !is_there("b/x"));
    FAILS(move_mount(d, "", AT_FDCWD, at("b"), MOVE_MOUNT_F_EMPTY_PATH), EINVAL);
    // onto what it lies on itself
    CHECK_EQ(mount("none", at("b"), "tmpfs", 0, NULL), 0);
    FAILS(move_mount(AT_FDCWD, at("b"), b, "", MOVE_MOUNT_T_EMPTY_PATH), ELOOP);
    char below[64];
    snprintf(below, sizeof below, "/proc/self/fd/%d", b);
    FAILS(mount(at("b"), below, NULL, MS_MOVE, NULL), ELOOP);
    int root = open(at("b"), O_PATH);
    CHECK_EQ(mount("none", at("b"), "tmpfs", 0, NULL), 0);
    FAILS(move_mount(AT_FDCWD, at("b"), root, "", MOVE_MOUNT_T_EMPTY_PATH), ELOOP);
    close(root);
    CHECK_EQ(umount(at("b")), 0);
    CHECK_EQ(umount(at("b")), 0);
    // beneath another: that hides it until it is taken away
    int fd = detached(0);
    CHECK_EQ(mkdirat(fd, "lower", 0700), 0);
    if (move_mount(fd, "", AT_FDCWD, at("a"), MOVE_MOUNT_F_EMPTY_PATH | BENEATH) == 0) {
        CHECK(is_there("a/x") && !is_there("a/lower"));
        close(a);
        close(d);
        CHECK_EQ(umount(at("a")), 0);
        CHECK(is_there("a/lower"));
        CHECK_EQ(mkdirat(fd, "in", 0700), 0);
        CHECK_EQ(mount("none", at("a/in"), "tmpfs", 0, NULL), 0);
        FAILS(move_mount(AT_FDCWD, at("a/in"), AT_FDCWD, at("a"), BENEATH), EINVAL); // lies in it
        FAILS(move_mount(fd, "", AT_FDCWD, at("b"), MOVE_MOUNT_F_EMPTY_PATH | BENEATH), EINVAL); // no mount there
    } else {
        CHECK_EQ(errno, EINVAL); // older than Linux 6.5
    }
    CHECK_EQ(fstat(b, &s), 0);
    close(b);
    close(fd);
    leave();
}

static void attributes(void)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    struct {
        struct mount_attr attr;
        uint64_t more;
    } longer = {attr, 0};

    begin();
    make_dir("m");
    CHECK_EQ(mount("none", at("m"), "tmpfs", 0, NULL), 0);
    make_dir("m/in");
    make_dir("m/d");
    CHECK_EQ(mount("none", at("m/in"), "tmpfs", 0, NULL), 0);
    CHECK_EQ(set_attr("m", 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0), 0);
    CHECK(shows("m", "ro,nosuid,nodev,noexec,relatime") && !shows("m/in", "noexec"));
    FAILS(mkdir(at("m/x"), 0700), EROFS);
    CHECK_EQ(mkdir(at("m/in/x"), 0700), 0);
    CHECK_EQ(set_attr("m", 0, 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID), 0);
    CHECK_EQ(mkdir(at("m/x"), 0700), 0);
    CHECK(shows("m", "noexec") && !shows("m", "nosuid"));
    // all or nothing
    int fd = open(at("m/in/f"), O_CREAT | O_RDWR, 0600);
    FAILS(set_attr("m", AT_RECURSIVE, MOUNT_ATTR_RDONLY, 0), EBUSY);
    CHECK_EQ(mkdir(at("m/y"), 0700), 0);
    close(fd);
    CHECK_EQ(set_attr("m", AT_RECURSIVE, MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOEXEC), 0);
    FAILS(mkdir(at("m/z"), 0700), EROFS);
    FAILS(mkdir(at("m/in/z"), 0700), EROFS);
    CHECK(!shows("m", "noexec"));
    // times are one of three
    CHECK_EQ(set_attr("m", 0, MOUNT_ATTR_NOATIME | MOUNT_ATTR_NODIRATIME, MOUNT_ATTR__ATIME), 0);
    CHECK(shows("m", "noatime,nodiratime") && !shows("m", "relatime"));
    CHECK_EQ(set_attr("m", 0, 0, MOUNT_ATTR__ATIME), 0);
    CHECK(shows("m", "relatime") && !shows("m", "noatime"));
    CHECK_EQ(set_attr("m", 0, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME), 0);
    CHECK(!shows("m", "atime"));
    FAILS(set_attr("m", 0, MOUNT_ATTR_NOATIME, 0), EINVAL);
    FAILS(set_attr("m", 0, 0, MOUNT_ATTR_NOATIME), EINVAL);
    FAILS(set_attr("m", 0, MOUNT_ATTR__ATIME, MOUNT_ATTR__ATIME), EINVAL);
    CHECK_EQ(set_attr("m", 0, MOUNT_ATTR_NOSYMFOLLOW, 0), 0);
    CHECK(shows("m", "nosymfollow"));
    // errors
    FAILS(set_attr("m/d", 0, MOUNT_ATTR_RDONLY, 0), EINVAL); // not a mount
    FAILS(set_attr("m", 0x10000, MOUNT_ATTR_RDONLY, 0), EINVAL);
    FAILS(set_attr("m", 0, 1ull << 40, 0), EINVAL);
    FAILS(set_attr("none", 0, MOUNT_ATTR_RDONLY, 0), ENOENT);
    CHECK_EQ(set_attr("none", 0, 0, 0), 0); // nothing is asked for
    FAILS(mount_setattr(AT_FDCWD, at("m"), 0, &attr, sizeof attr - 1), EINVAL);
    FAILS(mount_setattr(AT_FDCWD, at("m"), 0, &attr, 2 * PAGE), E2BIG);
    FAILS(mount_setattr(AT_FDCWD, at("m"), 0, (struct mount_attr *)8, sizeof attr), EFAULT);
    CHECK_EQ(mount_setattr(AT_FDCWD, at("m"), 0, (struct mount_attr *)&longer, sizeof longer), 0);
    longer.more = 1;
    FAILS(mount_setattr(AT_FDCWD, at("m"), 0, (struct mount_attr *)&longer, sizeof longer), E2BIG);
    attr = (struct mount_attr){.propagation = MS_SHARED | MS_PRIVATE};
    FAILS(mount_setattr(AT_FDCWD, at("m"), 0, &attr, sizeof attr), EINVAL);
    attr.propagation = MS_UNBINDABLE;
    CHECK_EQ(mount_setattr(AT_FDCWD, at("m"), 0, &attr, sizeof attr), 0);
    FAILS(open_tree(AT_FDCWD, at("m"), OPEN_TREE_CLONE), EINVAL);
    // of one that stands nowhere
    fd = detached(MOUNT_ATTR_NODEV);
    attr = (struct mount_attr){.attr_set = MOUNT_ATTR_RDONLY, .attr_clr = MOUNT_ATTR_NODEV};
    CHECK_EQ(mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr), 0);
    FAILS(mkdirat(fd, "d", 0700), EROFS);
    make_dir("n");
    CHECK_EQ(attach(fd, "n"), 0);
    CHECK(shows("n", "ro") && !shows("n", "nodev"));
    close(fd);
    leave();
}

static void picked(void)
{
    struct statfs s;

    begin();
    make_dir("m");
    CHECK_EQ(mount("none", at("m"), "tmpfs", 0, "size=64k"), 0);
    make_dir("m/d");
    FAILS(fspick(AT_FDCWD, at("m/d"), 0), EINVAL);
    FAILS(fspick(AT_FDCWD, at("none"), 0), ENOENT);
    FAILS(fspick(AT_FDCWD, at("m"), 0x10), EINVAL);
    int fs = fspick(AT_FDCWD, at("m"), FSPICK_CLOEXEC);
    CHECK(fs >= 0);
    CHECK_EQ(fcntl(fs, F_GETFD), FD_CLOEXEC);
    FAILS(command(fs, FSCONFIG_CMD_CREATE), EBUSY);
    FAILS(fsmount(fs, 0, 0), EBUSY);
    CHECK_EQ(set(fs, "size", "128k"), 0);
    CHECK_EQ(command(fs, FSCONFIG_CMD_RECONFIGURE), 0);
    CHECK_EQ(statfs(at("m"), &s), 0);
    CHECK_EQ(s.f_blocks, 32);
    int fd = open(at("m/f"), O_CREAT | O_RDWR, 0600);
    CHECK_EQ(set(fs, "ro", NULL), 0);
    FAILS(command(fs, FSCONFIG_CMD_RECONFIGURE), EBUSY);
    FAILS(set(fs, "ro", NULL), EBUSY); // it has failed
    close(fd);
    close(fs);
    int dir = open(at("m"), O_PATH);
    fs = fspick(dir, "", FSPICK_EMPTY_PATH);
    CHECK_EQ(set(fs, "ro", NULL), 0);
    CHECK_EQ(command(fs, FSCONFIG_CMD_RECONFIGURE), 0);
    FAILS(mkdir(at("m/e"), 0700), EROFS);
    close(fs);
    fs = fspick(dir, "", FSPICK_EMPTY_PATH);
    CHECK_EQ(command(fs, FSCONFIG_CMD_RECONFIGURE), 0); // nothing is said: as it was
    FAILS(mkdir(at("m/e"), 0700), EROFS);
    CHECK_EQ(set(fs, "rw", NULL), 0);
    CHECK_EQ(command(fs, FSCONFIG_CMD_RECONFIGURE), 0);
    CHECK_EQ(mkdir(at("m/e"), 0700), 0);
    close(dir);
    CHECK_EQ(umount(at("m")), 0);
    close(fs);
    leave();
}

#define MNT_ID_UNIQUE 0x4000 // STATX_MNT_ID_UNIQUE

static struct statx mount_of(int dir, const char *name, unsigned mask)
{
    struct statx s;

    CHECK_EQ(statx(dir, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | mask, &s), 0);
    return s;
}

// The number that mountinfo has for it.
static unsigned long long number_of(const char *name)
{
    char line[4096], point[PATH_MAX];
    FILE *f = fopen("/proc/self/mountinfo", "r");
    unsigned long long id, found = 0;

    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%llu %*d %*s %*s %s", &id, point) == 2 && !strcmp(point, at(name)))
            found = id;
    fclose(f);
    return found;
}

static void numbers(void)
{
    begin();
    make_dir("m");
    make_dir("m2");
    struct statx s = mount_of(AT_FDCWD, at("m"), STATX_MNT_ID);
    if (!(s.stx_mask & STATX_MNT_ID)) {
        leave();
        check_skip("Linux before 5.8");
    }
    CHECK_EQ((long)s.stx_mnt_id, (long)number_of(""));
    CHECK(s.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT && !(s.stx_attributes & STATX_ATTR_MOUNT_ROOT));
    CHECK(mount_of(AT_FDCWD, room, STATX_MNT_ID).stx_attributes & STATX_ATTR_MOUNT_ROOT);
    CHECK_EQ(mount("none", at("m"), "tmpfs", 0, NULL), 0);
    make("m/f", "");
    CHECK_EQ((long)mount_of(AT_FDCWD, at("m/f"), STATX_MNT_ID).stx_mnt_id, (long)number_of("m"));
    int fd = open(at("m/f"), O_RDONLY);
    CHECK_EQ((long)mount_of(fd, "", STATX_MNT_ID).stx_mnt_id, (long)number_of("m"));
    close(fd);
    CHECK_EQ(mount(at("m"), at("m2"), NULL, MS_BIND, NULL), 0);
    CHECK(number_of("m2") && number_of("m2") != number_of("m"));
    CHECK_EQ((long)mount_of(AT_FDCWD, at("m2"), STATX_MNT_ID).stx_mnt_id, (long)number_of("m2"));
    CHECK(mount_of(AT_FDCWD, "/proc", 0).stx_attributes & STATX_ATTR_MOUNT_ROOT);
    CHECK(!(mount_of(AT_FDCWD, "/proc/self/stat", 0).stx_attributes & STATX_ATTR_MOUNT_ROOT));
    CHECK(mount_of(AT_FDCWD, "/", 0).stx_attributes & STATX_ATTR_MOUNT_ROOT);
    CHECK_EQ(mount("/dev/null", at("m/f"), NULL, MS_BIND, NULL), 0);
    CHECK(mount_of(AT_FDCWD, at("m/f"), 0).stx_attributes & STATX_ATTR_MOUNT_ROOT);
    CHECK(!(mount_of(AT_FDCWD, "/dev/null", 0).stx_attributes & STATX_ATTR_MOUNT_ROOT));
    s = mount_of(AT_FDCWD, at("m"), MNT_ID_UNIQUE);
    if (s.stx_mask & MNT_ID_UNIQUE) { // Linux 6.8: never used again
        unsigned long long before = s.stx_mnt_id;
        CHECK_EQ(umount2(at("m"), MNT_DETACH), 0);
        CHECK_EQ(mount("none", at("m"), "tmpfs", 0, NULL), 0);
        CHECK(mount_of(AT_FDCWD, at("m"), MNT_ID_UNIQUE).stx_mnt_id > before);
    }
    leave();
}

#define GET_NSTYPE 0xb703 // NS_GET_NSTYPE

// A namespace is a file that keeps it.
static void namespace_files(void)
{
    static const struct {
        const char *name;
        int type;
    } kinds[] = {{"mnt", CLONE_NEWNS}, {"uts", CLONE_NEWUTS}, {"ipc", CLONE_NEWIPC}, {"net", CLONE_NEWNET},
                 {"pid", CLONE_NEWPID}, {"user", CLONE_NEWUSER}, {"cgroup", CLONE_NEWCGROUP}};
    char text[64], name[64], number[64];
    struct stat s, other;
    int status, fds[7];

    begin();
    for (int i = 0; i < 7; i++) {
        snprintf(name, sizeof name, "/proc/self/ns/%s", kinds[i].name);
        fds[i] = open(name, O_RDONLY | O_CLOEXEC);
        CHECK(fds[i] >= 0);
        CHECK_EQ(ioctl(fds[i], GET_NSTYPE), kinds[i].type);
        CHECK_EQ(fstat(fds[i], &s) | stat(name, &other), 0);
        CHECK(S_ISREG(s.st_mode) && s.st_ino == other.st_ino && s.st_dev == other.st_dev);
        memset(text, 0, sizeof text);
        CHECK(readlink(name, text, sizeof text - 1) > 0);
        snprintf(number, sizeof number, "%s:[%llu]", kinds[i].name, (unsigned long long)s.st_ino);
        CHECK_EQ(strcmp(text, number), 0);
        snprintf(name, sizeof name, "/proc/self/fd/%d", fds[i]);
        CHECK(readlink(name, text, sizeof text - 1) > 0 && !strcmp(text, number));
        int again = open(name, O_RDONLY);
        CHECK_EQ(ioctl(again, GET_NSTYPE), kinds[i].type);
        close(again);
        FAILS(setns(fds[i], kinds[(i + 1) % 7].type), EINVAL);
        if (i) // into the one that it is in
            CHECK_EQ(setns(fds[i], 0), (kinds[i].type == CLONE_NEWUSER ? -1 : 0));
    }
    FAILS(read(fds[0], text, 1), EINVAL);
    FAILS(open("/proc/self/ns/mnt", O_RDONLY | O_DIRECTORY), ENOTDIR);
    FAILS(open("/proc/self/ns/mnt/x", O_RDONLY), ENOTDIR);
    FAILS(open("/proc/self/ns/mnt", O_RDONLY | O_NOFOLLOW), ELOOP);
    FAILS(open("/proc/self/ns/none", O_RDONLY), ENOENT);
    FAILS(setns(0, 0), EINVAL);
    int path = open("/proc/self/ns/mnt", O_PATH);
    FAILS(setns(path, 0), EBADF);
    close(path);
    // one whose processes have all ended
    pid_t child = namespace_of_a_child();
    snprintf(name, sizeof name, "/proc/%d/ns/mnt", child);
    int fd = open(name, O_RDONLY);
    CHECK_EQ(fstat(fd, &other), 0);
    CHECK_EQ(fstat(fds[0], &s), 0);
    CHECK(s.st_ino != other.st_ino);
    CHECK_EQ(kill(child, SIGKILL), 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(!is_there("m/theirs"));
    CHECK_EQ(setns(fd, CLONE_NEWNS), 0);
    CHECK(is_there("m/theirs"));
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(stat("/proc/self/ns/mnt", &s), 0);
    CHECK_EQ(s.st_ino, other.st_ino);
    child = fork();
    if (child == 0) {
        CHECK_EQ(setuid(1234), 0);
        FAILS(setns(fds[0], 0), EPERM);
        FAILS(setns(fds[1], 0), EPERM);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_EQ(setns(fds[0], 0), 0);
    CHECK(!is_there("m/theirs"));
    leave();
}

static const struct check_case cases[] = {
    CASE(made_and_mounted), CASE(contexts_refuse), CASE(other_types), CASE(standing_nowhere), CASE(trees), CASE(moved),
    CASE(attributes), CASE(picked), CASE(namespace_files), CASE(numbers),
};
CHECK_MAIN(cases)
