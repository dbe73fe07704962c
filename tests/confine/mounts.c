/*
 * mounts.c - ways out by mount(2): out of the root, into what is masked, to write what is read-only.
 *
 *     mounts DIR     DIR as escape.c has it; /masked/secret lies under a --tmpfs, /bind is :ro, /hostproc the host's
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *outside, *way;

static void escaped(const char *how)
{
    printf("ESCAPED: %s: %s\n", way, how);
    fflush(stdout);
    _exit(1);
}

static void reads(const char *path)
{
    char text[100] = "";
    struct stat s;
    int fd = open(path, O_RDONLY);

    if (stat(path, &s) == 0 && s.st_size == 4242)
        escaped(path);
    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0 && strstr(text, "OUTSIDE"))
        escaped(path);
    close(fd);
}

static void writes(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

    if (fd >= 0)
        escaped(path);
}

/* From where we stand, upwards. */
static void climbs(void)
{
    char path[200] = "", name[300];

    for (int i = 0; i < 12; i++) {
        static const char *const names[] = {"secret", "masked/secret", "bound/file"};
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            snprintf(name, sizeof name, "%s%s", path, names[k]);
            if (k < 2)
                reads(name);
            else
                writes(name);
        }
        snprintf(name, sizeof name, "%s%s", path, outside + 1);
        if (access(name, F_OK) == 0)
            escaped(name);
        strcat(path, "../");
    }
    reads("/secret");
    reads("/../secret");
}

static int bind_to(const char *from, const char *to, unsigned long more)
{
    mkdir(to, 0700);
    return mount(from, to, NULL, MS_BIND | more, NULL);
}

static void bound_root(void)
{
    bind_to("/", "/tmp/b", MS_REC);
    (void)!chdir("/tmp/b/dir");
    climbs();
    (void)!chroot("/tmp/b");
    climbs();
    (void)!chroot("/tmp/b/..");
    climbs();
}

static void bound_alone(void) { bind_to("/", "/tmp/b", 0); reads("/tmp/b/masked/secret"); climbs(); }
static void bound_above(void) { bind_to("/..", "/tmp/b", MS_REC); (void)!chdir("/tmp/b"); climbs(); }

static void bound_links(void)
{
    static const char *const from[] = {"/links/directory", "/links/relative", "/links/absolute", "/bind/up", "/bind/link"};

    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++) {
        bind_to(from[i], "/tmp/b", 0);
        close(open("/tmp/f", O_CREAT, 0600));
        (void)!mount(from[i], "/tmp/f", NULL, MS_BIND, NULL);
        reads("/tmp/f");
        reads("/tmp/b/secret");
        (void)!chdir("/tmp/b");
        climbs();
    }
}

static void outer_names(void)
{
    char name[300];

    bind_to(outside, "/tmp/b", MS_REC);
    reads("/tmp/b/secret");
    for (int fd = 0; fd < 10; fd++) { /* what came with the process */
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        bind_to(name, "/tmp/b", 0);
        reads("/tmp/b/secret");
        close(open("/tmp/f", O_CREAT, 0600));
        if (mount(name, "/tmp/f", NULL, MS_BIND, NULL) == 0)
            escaped("an inherited descriptor is bound");
    }
    for (int pid = 0; pid < 3; pid++) {
        snprintf(name, sizeof name, "/proc/%d/root/..", pid);
        bind_to(name, "/tmp/b", 0);
        reads("/tmp/b/secret");
    }
}

static void unmask(void)
{
    (void)!umount("/masked");
    (void)!umount2("/masked", MNT_DETACH);
    (void)!umount2("/masked", MNT_FORCE);
    reads("/masked/secret");
    mkdir("/tmp/m", 0700);
    (void)!mount("/masked", "/tmp/m", NULL, MS_MOVE, NULL);
    reads("/masked/secret");
    rename("/masked", "/unmasked");
    reads("/unmasked/secret");
    (void)!mount("none", "/masked", "tmpfs", 0, NULL);
    (void)!umount("/masked");
    (void)!umount("/masked");
    reads("/masked/secret");
}

static void unmask_a_copy(void)
{
    bind_to("/", "/tmp/b", MS_REC);
    (void)!umount("/tmp/b/masked");
    (void)!umount2("/tmp/b/masked", MNT_DETACH);
    reads("/tmp/b/masked/secret");
    rename("/tmp/b/masked", "/tmp/b/unmasked");
    reads("/unmasked/secret");
    int fd = open("/tmp/b", O_PATH | O_DIRECTORY);
    (void)!chdir("/tmp/b");
    (void)!umount2("/tmp/b", MNT_DETACH);
    reads("masked/secret");
    (void)!fchdir(fd);
    reads("masked/secret");
    climbs();
}

static void unmask_in_a_namespace(void)
{
    for (int i = 0; i < 2; i++) {
        (void)!unshare(CLONE_NEWNS);
        (void)!umount2("/masked", MNT_DETACH);
        reads("/masked/secret");
    }
    if (fork() == 0) {
        (void)!syscall(SYS_pivot_root, "/tmp", "/tmp");
        unmask();
        _exit(0);
    }
    wait(NULL);
}

static void pivot(void)
{
    int old = open("/", O_PATH | O_DIRECTORY);

    mkdir("/tmp/n", 0700);
    (void)!mount("none", "/tmp/n", "tmpfs", 0, NULL);
    mkdir("/tmp/n/old", 0700);
    (void)!chdir("/tmp/n");
    if (syscall(SYS_pivot_root, ".", "old")) {
        printf("%s: no pivot_root (%d)\n", way, errno);
        return;
    }
    climbs();
    reads("/old/masked/secret");
    (void)!umount2("/old/masked", MNT_DETACH);
    reads("/old/masked/secret");
    (void)!chdir("/old/dir");
    climbs();
    (void)!umount2("/old", MNT_DETACH);
    climbs();
    (void)!fchdir(old);
    climbs();
    reads("masked/secret");
    (void)!chroot("..");
    climbs();
}

static void moved_out(void)
{
    mkdir("/tmp/d", 0700);
    mkdir("/tmp/d/in", 0700);
    mkdir("/tmp/d/in/deep", 0700);
    bind_to("/tmp/d/in", "/tmp/b", 0);
    (void)!chdir("/tmp/b/deep");
    rename("/tmp/d/in/deep", "/tmp/deep");
    climbs();
    (void)!chroot("..");
    climbs();
}

static void read_only(void)
{
    (void)!mount(NULL, "/bind", NULL, MS_REMOUNT, NULL);
    writes("/bind/file");
    (void)!mount(NULL, "/bind", NULL, MS_REMOUNT | MS_BIND, NULL);
    writes("/bind/file");
    bind_to("/bind", "/tmp/b", MS_REC);
    writes("/tmp/b/file");
    (void)!mount(NULL, "/tmp/b", NULL, MS_REMOUNT | MS_BIND, NULL);
    writes("/tmp/b/file");
    (void)!mount(NULL, "/tmp/b", NULL, MS_REMOUNT, NULL);
    writes("/tmp/b/file");
    bind_to("/bind/inner", "/tmp/c", 0);
    (void)!mount(NULL, "/tmp/c", NULL, MS_REMOUNT | MS_BIND, NULL);
    writes("/tmp/c/new");
    (void)!unshare(CLONE_NEWNS);
    (void)!mount(NULL, "/bind", NULL, MS_REMOUNT | MS_BIND, NULL);
    writes("/bind/file");
    int fd = open("/bind/file", O_PATH);
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    writes(name);
    close(open("/tmp/f", O_CREAT, 0600));
    (void)!mount(name, "/tmp/f", NULL, MS_BIND, NULL);
    (void)!mount(NULL, "/tmp/f", NULL, MS_REMOUNT | MS_BIND, NULL);
    if (access("/tmp/f", F_OK) == 0) {
        struct stat a, b;
        if (stat("/tmp/f", &a) == 0 && stat("/bind/file", &b) == 0 && a.st_ino == b.st_ino)
            writes("/tmp/f");
    }
}

static void host_proc(void)
{
    (void)!umount2("/proc", MNT_DETACH);
    if (access("/proc/self", F_OK) == 0 && access("/proc/self/stat", R_OK) == 0 && access("/proc/1/exe", F_OK) == 0)
        escaped("/proc of the host");
    bind_to("/hostproc", "/tmp/b", MS_REC);
    if (open("/tmp/b/1/stat", O_RDONLY) >= 0 || open("/tmp/b/version", O_RDONLY) >= 0)
        escaped("/hostproc");
    bind_to("/hostproc/1", "/tmp/c", MS_REC);
    if (open("/tmp/c/stat", O_RDONLY) >= 0)
        escaped("/hostproc/1");
    bind_to("/hostproc/1/root", "/tmp/e", MS_REC);
    reads("/tmp/e/etc/passwd");
    (void)!chdir("/tmp/e");
    climbs();
}

static void devices(void)
{
    mkdir("/tmp/d", 0700);
    (void)!mount("none", "/tmp/d", "devtmpfs", 0, NULL);
    (void)!mknod("/tmp/d/sda", S_IFBLK | 0600, 8 << 8);
    (void)!mknod("/tmp/d/mem", S_IFCHR | 0600, 1 << 8 | 1);
    if (open("/tmp/d/sda", O_RDONLY) >= 0 || open("/tmp/d/mem", O_RDONLY) >= 0)
        escaped("a device of the host");
    (void)!umount2("/dev", MNT_DETACH);
    (void)!mknod("/dev/sda", S_IFBLK | 0600, 8 << 8);
    if (open("/dev/sda", O_RDONLY) >= 0)
        escaped("a device of the host in /dev");
    for (int i = 0; i < 200; i++) { /* a long chain, from its end */
        char name[40];
        snprintf(name, sizeof name, "/tmp/d/%d", i % 2);
        bind_to("/", name, MS_REC);
        (void)!chroot(name);
    }
    climbs();
}

static int detached_tmpfs(void)
{
    int fs = fsopen("tmpfs", 0);

    (void)!fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
    return fsmount(fs, 0, 0);
}

/* Trees that stand nowhere: what is hidden stays hidden in them, also in what is left of one that has ended. */
static void in_tree(int fd)
{
    int dir = fd < 0 ? -1 : openat(fd, ".", O_PATH);

    if (fd < 0)
        return;
    (void)!fchdir(fd);
    reads("masked/secret");
    climbs();
    (void)!umount2("masked", MNT_DETACH);
    (void)!move_mount(fd, "masked", AT_FDCWD, "/tmp/moved", 0);
    (void)!move_mount(detached_tmpfs(), "", fd, "masked", MOVE_MOUNT_F_EMPTY_PATH | 0x200 /* MOVE_MOUNT_BENEATH */);
    (void)!umount2("masked", MNT_DETACH);
    reads("masked/secret");
    close(fd);
    reads("masked/secret");
    (void)!fchdir(dir);
    reads("masked/secret");
    (void)!chroot(".");
    climbs();
    reads("/masked/secret");
}

static void trees(void)
{
    mkdir("/tmp/moved", 0700);
    in_tree(open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE));
}

static void whole_trees(void)
{
    mkdir("/tmp/moved", 0700);
    in_tree(open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | AT_RECURSIVE));
}

static void ended_trees(void)
{
    int fd = open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | AT_RECURSIVE), above = openat(fd, "tmp", O_PATH | O_DIRECTORY);

    mkdir("/tmp/moved", 0700);
    close(fd);
    (void)!fchdir(above);
    reads("../masked/secret");
    climbs();
    (void)!move_mount(AT_FDCWD, "/masked", AT_FDCWD, "/tmp/moved", 0);
    (void)!move_mount(detached_tmpfs(), "", AT_FDCWD, "/masked", MOVE_MOUNT_F_EMPTY_PATH | 0x200);
    (void)!umount2("/masked", MNT_DETACH);
    reads("/masked/secret");
}

static void read_only_trees(void)
{
    struct mount_attr attr = {.attr_clr = MOUNT_ATTR_RDONLY};

    (void)!mount_setattr(AT_FDCWD, "/bind", 0, &attr, sizeof attr);
    writes("/bind/file");
    (void)!mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr);
    writes("/bind/file");
    int fd = open_tree(AT_FDCWD, "/bind", OPEN_TREE_CLONE | AT_RECURSIVE);
    (void)!mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr);
    mkdir("/tmp/moved", 0700);
    (void)!move_mount(fd, "", AT_FDCWD, "/tmp/moved", MOVE_MOUNT_F_EMPTY_PATH);
    (void)!mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr);
    writes("/tmp/moved/file");
    int fs = fspick(AT_FDCWD, "/bind", 0);
    (void)!fsconfig(fs, FSCONFIG_SET_FLAG, "rw", NULL, 0);
    (void)!fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
    writes("/bind/file");
    writes("/tmp/moved/file");
}

#define WAY(name) { #name, name }
static const struct { const char *name; void (*run)(void); } ways[] = {
    WAY(bound_root), WAY(bound_alone), WAY(bound_above), WAY(bound_links), WAY(outer_names), WAY(unmask), WAY(unmask_a_copy),
    WAY(unmask_in_a_namespace), WAY(pivot), WAY(moved_out), WAY(read_only), WAY(host_proc), WAY(devices),
    WAY(trees), WAY(whole_trees), WAY(ended_trees), WAY(read_only_trees),
};

int main(int argc, char **argv)
{
    int bad = 0;

    if (argc != 2)
        return 2;
    outside = argv[1];
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        int status;
        pid_t child = fork();
        if (!child) {
            way = ways[i].name;
            alarm(20);
            if (chdir("/") < 0 || (unshare(CLONE_NEWNS) && errno != EPERM))
                _exit(3);
            (void)!mount("none", "/tmp", "tmpfs", 0, NULL); /* nothing is left */
            ways[i].run();
            _exit(0);
        }
        waitpid(child, &status, 0);
        if (status) {
            printf("FAIL %s (%#x)\n", ways[i].name, status);
            bad++;
        }
    }
    printf("%zu ways tried, %d work\n", sizeof ways / sizeof ways[0], bad);
    return bad != 0;
}
