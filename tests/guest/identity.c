/* A process that gave up being root has no root's way with files: setuid(2), access(2), path_resolution(7). */
#include "check.h"
#include <sys/timex.h>

#define NOBODY 65534

static char where[64];

static const char *in_dir(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", where, name);
    return path;
}

/* Process 1 is somebody, too: here tine's own reaper. */
static void process_one(void)
{
    struct { unsigned version; int pid; } head = { 0x20080522, 1 };
    unsigned data[6];
    CHECK(syscall(SYS_sched_getscheduler, 1) >= 0);
    CHECK_EQ(syscall(SYS_capget, &head, data), 0);
    CHECK(getpgid(1) >= 0);
    CHECK(getsid(1) >= 0);
}

/* What ionice(1) asks and says. */
static void input_output_priority(void)
{
    enum { PROCESS = 1, BEST_EFFORT = 2 << 13, IDLE = 3 << 13 };
    CHECK_EQ(syscall(SYS_ioprio_set, PROCESS, 0, BEST_EFFORT | 6), 0);
    CHECK_EQ(syscall(SYS_ioprio_get, PROCESS, 0), BEST_EFFORT | 6);
    CHECK_EQ(syscall(SYS_ioprio_set, PROCESS, getpid(), IDLE), 0);
    pid_t pid = check_fork();
    if (pid == 0)
        _exit(syscall(SYS_ioprio_get, PROCESS, 0) == IDLE ? 0 : 1); /* it is inherited */
    CHECK_EXIT(pid, 0);
    CHECK_ERR(syscall(SYS_ioprio_set, PROCESS, 0, 1), EINVAL);
    CHECK_ERR(syscall(SYS_ioprio_set, 4, 0, IDLE), EINVAL);
    CHECK_ERR(syscall(SYS_ioprio_get, PROCESS, 0x3ffffff), ESRCH);
}

/* The clock's discipline can be looked at. */
static void clock_discipline(void)
{
    struct timex x;
    memset(&x, 0, sizeof x);
    CHECK(syscall(SYS_adjtimex, &x) >= 0);
    CHECK(x.tick > 9000 && x.tick < 11000);
    CHECK(syscall(SYS_clock_adjtime, CLOCK_REALTIME, &x) >= 0);
    CHECK_ERR(syscall(SYS_adjtimex, (void *)8), EFAULT);
}

static void make_dir(mode_t mode)
{
    if (geteuid() != 0)
        check_skip("not root");
    strcpy(where, "/tmp/tine-identity-XXXXXX");
    CHECK(mkdtemp(where) != NULL);
    CHECK_EQ(chmod(where, mode), 0);
    int fd = open(in_dir("secret"), O_CREAT | O_RDWR, 0600);
    CHECK(fd >= 0);
    close(fd);
}

static void remove_dir(void)
{
    CHECK_EQ(unlink(in_dir("secret")), 0);
    CHECK_EQ(rmdir(where), 0);
}

static void nobody_may_little(void)
{
    make_dir(0755);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(setresgid(NOBODY, NOBODY, NOBODY), 0);
        CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
        CHECK_ERR(open(in_dir("secret"), O_RDONLY), EACCES);
        CHECK_ERR(access(in_dir("secret"), R_OK), EACCES);
        CHECK_ERR(open(in_dir("new"), O_CREAT | O_RDWR, 0600), EACCES);
        CHECK_ERR(mkdir(in_dir("new"), 0700), EACCES);
        CHECK_ERR(unlink(in_dir("secret")), EACCES);
        CHECK_ERR(chmod(in_dir("secret"), 0666), EPERM);
        CHECK_ERR(truncate(in_dir("secret"), 0), EACCES);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(access(in_dir("secret"), R_OK | W_OK), 0); /* root still may */
    int fd = open(in_dir("secret"), O_RDWR);
    CHECK(fd >= 0);
    remove_dir();
}

static void what_nobody_makes_is_nobody_s(void)
{
    struct stat st;
    make_dir(0777);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(setresgid(NOBODY, NOBODY, NOBODY), 0);
        CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
        int fd = open(in_dir("new"), O_CREAT | O_RDWR, 0600);
        CHECK(fd >= 0 && fchmod(fd, 0640) == 0);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(stat(in_dir("new"), &st), 0);
    CHECK(st.st_uid == NOBODY && st.st_gid == NOBODY && (st.st_mode & 0777) == 0640);
    CHECK_EQ(unlink(in_dir("new")), 0);
    remove_dir();
}

static void real_and_effective(void)
{
    make_dir(0755);
    CHECK_EQ(setresuid(-1, NOBODY, 0), 0);
    CHECK_EQ(access(in_dir("secret"), R_OK), 0); /* by the real id */
    CHECK_ERR(faccessat(AT_FDCWD, in_dir("secret"), R_OK, AT_EACCESS), EACCES);
    CHECK_ERR(open(in_dir("secret"), O_RDONLY), EACCES);
    CHECK_EQ(setresuid(NOBODY, 0, 0), 0);
    CHECK_ERR(access(in_dir("secret"), R_OK), EACCES);
    CHECK(open(in_dir("secret"), O_RDONLY) >= 0);
    CHECK_EQ(setresuid(0, 0, 0), 0);
    remove_dir();
}

/* Two that take turns: each call is judged by its own caller. */
static void taking_turns(void)
{
    make_dir(0755);
    struct gate go = gate_new(), back = gate_new();
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(setresuid(NOBODY, NOBODY, NOBODY), 0);
        for (int i = 0; i < 20; i++) {
            gate_wait(go);
            CHECK_ERR(open(in_dir("secret"), O_RDONLY), EACCES);
            gate_open(back);
        }
        _exit(0);
    }
    for (int i = 0; i < 20; i++) {
        int fd = open(in_dir("secret"), O_RDONLY);
        CHECK(fd >= 0);
        close(fd);
        gate_open(go);
        gate_wait(back);
    }
    CHECK_EXIT(pid, 0);
    remove_dir();
}

static const struct check_case cases[] = {
    CASE(process_one), CASE(input_output_priority), CASE(clock_discipline), CASE(nobody_may_little), CASE(what_nobody_makes_is_nobody_s), CASE(real_and_effective),
    CASE(taking_turns),
};
CHECK_MAIN(cases)
