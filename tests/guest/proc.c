/*
 * proc.c - what programs read in /proc about themselves and their children.
 */
#include "check.h"
#include <dirent.h>
#include <sys/prctl.h>

/* Reads a file whole; returns its text (static), or NULL. */
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

static const char *of(pid_t pid, const char *file)
{
    static char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    return path;
}

/* Field n (from 1) of /proc/PID/stat, counted behind the name in parentheses. */
static const char *stat_field(pid_t pid, int n)
{
    char *text = slurp(of(pid, "stat"));
    CHECK(text != NULL);
    char *p = strrchr(text, ')');
    CHECK(p != NULL);
    for (n -= 2; n > 0; n--) {
        p = strchr(p + 1, ' ');
        CHECK(p != NULL);
    }
    return p + 1;
}

static void self_links(void)
{
    char path[300] = "", exe[300] = "";
    CHECK_EQ(chdir("/tmp"), 0);
    CHECK(readlink("/proc/self", path, sizeof path) > 0);
    CHECK_EQ(atoi(path), getpid());
    CHECK(readlink("/proc/self/exe", exe, sizeof exe - 1) > 0);
    CHECK_EQ(exe[0], '/');
    CHECK_EQ(access(exe, X_OK), 0);
    memset(path, 0, sizeof path);
    CHECK(readlink("/proc/self/cwd", path, sizeof path - 1) > 0);
    CHECK_EQ(strcmp(path, "/tmp"), 0);
    CHECK(readlink("/proc/self/root", path, sizeof path) > 0);
}

static void self_fd(void)
{
    char path[300] = "", name[64];
    int fd = open("/dev/null", O_RDONLY), seen = 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    CHECK_EQ(readlink(name, path, sizeof path - 1), 9);
    CHECK_EQ(strcmp(path, "/dev/null"), 0);
    DIR *dir = opendir("/proc/self/fd");
    CHECK(dir != NULL);
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        seen += entry->d_name[0] != '.' && atoi(entry->d_name) == fd;
    CHECK_EQ(seen, 1);
    closedir(dir);
    int end[2];
    CHECK_EQ(pipe(end), 0);
    snprintf(name, sizeof name, "/proc/self/fd/%d", end[0]);
    memset(path, 0, sizeof path);
    CHECK(readlink(name, path, sizeof path - 1) > 6);
    CHECK_EQ(strncmp(path, "pipe:[", 6), 0);
}

static void self_maps(void)
{
    char wanted[64];
    char *p = check_private(4);
    CHECK_EQ(mprotect(p, PAGE, PROT_NONE), 0);
    CHECK_EQ(mprotect(p + PAGE, PAGE, PROT_READ), 0);
    CHECK_EQ(munmap(p + 3 * PAGE, PAGE), 0);
    p[2 * PAGE] = 1;
    char *maps = slurp("/proc/self/maps");
    CHECK(maps != NULL);
    snprintf(wanted, sizeof wanted, "%08lx-%08lx ---p", (long)p, (long)p + (long)PAGE);
    CHECK(strstr(maps, wanted) != NULL);
    snprintf(wanted, sizeof wanted, "%08lx-%08lx r--p", (long)p + (long)PAGE,
             (long)p + 2 * (long)PAGE);
    CHECK(strstr(maps, wanted) != NULL);
    CHECK(strstr(maps, "[stack]") != NULL);
    CHECK(strstr(maps, "r-xp") != NULL);
    CHECK(strstr(maps, strrchr(check_self, '/')) != NULL);
}

static void self_cmdline_environ_comm(void)
{
    char *text = slurp("/proc/self/cmdline");
    CHECK(text != NULL);
    CHECK_EQ(strcmp(text, check_self), 0);
    CHECK(slurp("/proc/self/environ") != NULL);
    CHECK_EQ(prctl(PR_SET_NAME, "renamed"), 0);
    text = slurp("/proc/self/comm");
    CHECK(text != NULL);
    CHECK_EQ(strcmp(text, "renamed\n"), 0);
}

/* What a program writes over its arguments is its title, as far as into the environment behind them. */
static void a_title_over_the_arguments(void)
{
    char *args = (char *)check_self, *end = environ[0], title[PAGE];
    CHECK(end > args && (size_t)(end - args) < sizeof title - 16);
    memset(args, 'a', (size_t)(end - args) - 1);
    char *text = slurp("/proc/self/cmdline");
    CHECK_EQ(strlen(text), end - args - 1);
    memset(title, 'a', (size_t)(end - args));
    strcpy(title + (end - args), "bc");
    memcpy(args, title, strlen(title) + 1);
    int fd = open("/proc/self/cmdline", O_RDONLY);
    char got[PAGE];
    CHECK_EQ(read(fd, got, sizeof got), strlen(title) + 1); /* with the byte that ends it */
    CHECK_EQ(memcmp(got, title, strlen(title) + 1), 0);
}

static void stat_tells_who(void)
{
    CHECK_EQ(*stat_field(getpid(), 3), 'R');
    CHECK_EQ(atoi(stat_field(getpid(), 4)), getppid());
    CHECK_EQ(atoi(stat_field(getpid(), 5)), getpgrp());
    CHECK_EQ(atoi(stat_field(getpid(), 6)), getsid(0));
    CHECK_EQ(atoi(stat_field(getpid(), 20)), 1);  /* threads */
}

static void states_of_a_child(void)
{
    siginfo_t info;
    pid_t pid = check_fork();
    if (pid == 0)
        for (;;)
            pause();
    CHECK_SOON(*stat_field(pid, 3) == 'S');
    CHECK_EQ(atoi(stat_field(pid, 4)), getpid());
    CHECK_EQ(kill(pid, SIGSTOP), 0);
    CHECK_EQ(waitpid(pid, NULL, WUNTRACED), pid);
    CHECK_EQ(*stat_field(pid, 3), 'T');
    CHECK_EQ(kill(pid, SIGKILL), 0);
    CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    CHECK_EQ(*stat_field(pid, 3), 'Z');
    CHECK_KILLED(pid, SIGKILL);
    CHECK(slurp(of(pid, "stat")) == NULL);        /* gone */
    CHECK_EQ(errno, ENOENT);
}

static void status_has_the_usual_lines(void)
{
    static const char *const lines[] = { "Name:\t", "State:\t", "Tgid:\t", "Pid:\t", "PPid:\t",
                                         "Uid:\t", "VmSize:\t", "VmRSS:\t", "Threads:\t1" };
    for (size_t i = 0; i < COUNT(lines); i++) {
        char *text = slurp("/proc/self/status");
        CHECK(text != NULL);
        if (strstr(text, lines[i]) == NULL)
            check_fail(__FILE__, __LINE__, lines[i], (long)i, 0);
    }
}

static void the_machine(void)
{
    char *text = slurp("/proc/meminfo");
    CHECK(text != NULL && strstr(text, "MemTotal:") != NULL && strstr(text, "MemFree:") != NULL);
    text = slurp("/proc/cpuinfo");
    CHECK(text != NULL && strstr(text, "processor") != NULL);
#ifdef __riscv
    CHECK(strstr(text, "rv64") != NULL);
#endif
    CHECK(slurp("/proc/uptime") != NULL);
    CHECK(slurp("/proc/loadavg") != NULL);
    text = slurp("/proc/stat");
    CHECK(text != NULL && strncmp(text, "cpu ", 4) == 0);
    CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
    CHECK_EQ(sysconf(_SC_PAGESIZE), PAGE);
}

static void every_process_is_listed(void)
{
    pid_t pid = check_fork();
    if (pid == 0)
        for (;;)
            pause();
    DIR *dir = opendir("/proc");
    CHECK(dir != NULL);
    int me = 0, child = 0;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        me += atoi(entry->d_name) == getpid();
        child += atoi(entry->d_name) == pid;
    }
    closedir(dir);
    CHECK_EQ(me, 1);
    CHECK_EQ(child, 1);
    kill(pid, SIGKILL);
    CHECK_KILLED(pid, SIGKILL);
}

static const struct check_case cases[] = {
    CASE(self_links),
    CASE(self_fd),
    CASE(self_maps),
    CASE(self_cmdline_environ_comm), CASE(a_title_over_the_arguments),
    CASE(stat_tells_who),
    CASE(states_of_a_child),
    CASE(status_has_the_usual_lines),
    CASE(the_machine),
    CASE(every_process_is_listed),
};
CHECK_MAIN(cases)
