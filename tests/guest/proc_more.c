/* proc_more.c - the corners of /proc and /sys that ps, top, lsof, fuser, killall and lscpu look at. */
#include "check.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>

static char *slurp(const char *path)
{
    static char text[1 << 17];
    size_t length = 0;
    ssize_t n;
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return NULL;
    while ((n = read(fd, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)n;
    close(fd);
    text[length] = 0;
    return text;
}

static void all_can_be_read(void)
{
    static const char *const names[] = {
        "auxv", "cgroup", "cmdline", "comm", "environ", "io", "limits", "maps", "mountinfo", "mounts",
        "oom_score", "oom_score_adj", "smaps", "smaps_rollup", "stat", "statm", "status", "wchan",
        "net/dev", "net/unix", "net/tcp", "net/udp", "net/route", "fdinfo/1", "timerslack_ns",
        "coredump_filter", "setgroups", "uid_map", "gid_map", "personality", "loginuid", "sessionid",
    };
    char path[64];
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof path, "/proc/self/%s", names[i]);
        if (!slurp(path))
            check_fail(__FILE__, __LINE__, names[i], (long)i, errno);
    }
    static const char *const system[] = {
        "/proc/net/unix", "/proc/filesystems", "/proc/version", "/proc/swaps", "/proc/vmstat",
        "/proc/tty/drivers", "/proc/sys/kernel/pid_max", "/proc/sys/kernel/pty/nr",
        "/proc/sys/fs/pipe-max-size", "/proc/sys/fs/inotify/max_user_watches",
        "/proc/sys/vm/overcommit_memory", "/sys/devices/system/cpu/online",
        "/sys/devices/system/cpu/possible", "/sys/devices/system/cpu/present",
        "/sys/devices/system/cpu/kernel_max",
    };
    for (size_t i = 0; i < COUNT(system); i++)
        if (!slurp(system[i]))
            check_fail(__FILE__, __LINE__, system[i], (long)i, errno);
}

static long status_kb(const char *name)
{
    char *text = slurp("/proc/self/status"), *line = text ? strstr(text, name) : NULL;
    CHECK(line != NULL);
    return atol(line + strlen(name));
}

static void locked_memory(void)
{
    char *p = check_private(8);
    memset(p, 1, 8 * PAGE);
    CHECK_EQ(mlock(p, 4 * PAGE), 0);
    CHECK_EQ(status_kb("VmLck:"), 16);
    pid_t child = check_fork(); /* inherits no lock */
    if (!child) {
        CHECK_EQ(status_kb("VmLck:"), 0);
        CHECK_EQ(mlock(p + 5 * PAGE, PAGE), 0);
        CHECK_EQ(status_kb("VmLck:"), 4);
        _exit(0);
    }
    CHECK_EXIT(child, 0);
    CHECK_EQ(munlock(p + PAGE, PAGE), 0);
    CHECK_EQ(status_kb("VmLck:"), 12);
    CHECK_EQ(munlockall(), 0);
    CHECK_EQ(status_kb("VmLck:"), 0);
}

/* The links to directories lead where the process is, even if the name leads elsewhere by now. */
static void magic_directories(void)
{
    char path[64], dir[] = "/tmp/tine-proc-XXXXXX", moved[64];
    struct stat a, b;
    CHECK(mkdtemp(dir) != NULL);
    snprintf(moved, sizeof moved, "%s.moved", dir);
    int ready[2];
    CHECK_EQ(pipe(ready), 0);
    pid_t child = check_fork();
    if (!child) {
        CHECK_EQ(chdir(dir), 0);
        CHECK_EQ(write(ready[1], "x", 1), 1);
        for (;;)
            pause();
    }
    CHECK_EQ(read(ready[0], path, 1), 1);
    CHECK_EQ(rename(dir, moved), 0);
    CHECK_EQ(mkdir(dir, 0700), 0);
    snprintf(path, sizeof path, "/proc/%d/cwd", child);
    CHECK_EQ(stat(path, &a), 0);
    CHECK_EQ(stat(moved, &b), 0);
    CHECK_EQ(a.st_ino, b.st_ino);
    snprintf(path, sizeof path, "/proc/%d/cwd/..", child);
    CHECK_EQ(stat(path, &a), 0);
    CHECK_EQ(stat("/tmp", &b), 0);
    CHECK_EQ(a.st_ino, b.st_ino);
    kill(child, SIGKILL);
    CHECK_KILLED(child, SIGKILL);
    CHECK_EQ(rmdir(dir), 0);
    CHECK_EQ(rmdir(moved), 0);
}

static void a_directory_names_a_process(void)
{
    char path[64];
    pid_t child = check_fork();
    if (!child)
        for (;;)
            pause();
    snprintf(path, sizeof path, "/proc/%d", child);
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    CHECK(fd >= 0);
    CHECK_EQ(syscall(424, fd, 0, NULL, 0), 0); /* pidfd_send_signal */
    CHECK_EQ(syscall(424, fd, SIGTERM, NULL, 0), 0);
    CHECK_KILLED(child, SIGTERM);
    CHECK_ERR(syscall(424, fd, 0, NULL, 0), ESRCH);
    int other = open("/proc", O_RDONLY | O_DIRECTORY);
    CHECK_ERR(syscall(424, other, 0, NULL, 0), EBADF);
}

static void namespaces(void)
{
    char text[64], again[64];
    ssize_t n = readlink("/proc/self/ns/mnt", text, sizeof text - 1);
    CHECK(n > 6 && !memcmp(text, "mnt:[", 5));
    CHECK_EQ(readlink("/proc/1/ns/mnt", again, sizeof again) == n || errno == EACCES || errno == ENOENT, 1);
}

static void unix_sockets(void)
{
    struct sockaddr_un name = { AF_UNIX, "" };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    memcpy(name.sun_path, "\0tine-proc-more", 15);
    CHECK_EQ(bind(fd, (struct sockaddr *)&name, sizeof(sa_family_t) + 15), 0);
    CHECK_EQ(listen(fd, 1), 0);
    char *text = slurp("/proc/net/unix");
    CHECK(text && strstr(text, "@tine-proc-more"));
}

static void sys_is_read_only(void)
{
    struct statfs s;
    CHECK_EQ(statfs("/sys", &s), 0);
    CHECK_EQ(s.f_type, 0x62656572);
    CHECK_EQ(statfs("/proc", &s), 0);
    CHECK_EQ(s.f_type, 0x9fa0);
    CHECK(open("/sys/devices/system/cpu/online", O_WRONLY) < 0);
    CHECK(mkdir("/sys/tine", 0700) < 0);
    char where[64];
    CHECK_EQ(chdir("/sys/devices/system"), 0);
    CHECK(getcwd(where, sizeof where) && !strcmp(where, "/sys/devices/system"));
    CHECK_EQ(chdir("../../.."), 0);
    CHECK(getcwd(where, sizeof where) && !strcmp(where, "/"));
}

static const struct check_case cases[] = {
    CASE(all_can_be_read),  CASE(locked_memory), CASE(magic_directories),
    CASE(a_directory_names_a_process), CASE(namespaces), CASE(unix_sockets), CASE(sys_is_read_only),
};
CHECK_MAIN(cases)
