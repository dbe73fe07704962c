/*
 * clone_flags.c - clone(2) flag by flag, and the combinations that must be refused.
 */
#include "check.h"
#include <linux/futex.h>
#include <poll.h>
#include <sys/prctl.h>

static char stack[16 * PAGE] __attribute__((aligned(16)));
static void *const stack_top = stack + sizeof stack;
static volatile int word;

static void on_signal(int number)
{
    word = number;
}

/* ---- what is shared ---- */

static void clone_fs_shares_directory_and_umask(void)
{
    char cwd[100];
    CHECK_EQ(chdir("/"), 0);
    umask(022);
    pid_t pid = raw_clone(CLONE_FS | SIGCHLD, NULL, NULL);
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(chdir("/tmp"), 0);
        umask(027);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK(getcwd(cwd, sizeof cwd) != NULL);
    CHECK_EQ(strcmp(cwd, "/tmp"), 0);
    CHECK_EQ(umask(022), 027);
    pid = check_fork();                           /* a later plain fork is separate again */
    if (pid == 0)
        _exit(chdir("/"));
    CHECK_EXIT(pid, 0);
    CHECK(getcwd(cwd, sizeof cwd) != NULL);
    CHECK_EQ(strcmp(cwd, "/tmp"), 0);
}

static void clone_files_shares_the_table(void)
{
    int fd = check_file(1);
    pid_t pid = raw_clone(CLONE_FILES | SIGCHLD, NULL, NULL);
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(dup2(fd, 120), 120);
        CHECK_EQ(fcntl(fd, F_SETFD, FD_CLOEXEC), 0);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(close(120), 0);
    pid = raw_clone(CLONE_FILES | SIGCHLD, NULL, NULL);
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(close(fd));
    CHECK_EXIT(pid, 0);
    CHECK_ERR(fcntl(fd, F_GETFD), EBADF);
}

/* unshare and exec end the sharing for the one who calls. */
static void unshare_files_and_fs(void)
{
    int fd = check_file(1);
    char cwd[100];
    CHECK_EQ(chdir("/"), 0);
    pid_t pid = raw_clone(CLONE_FILES | CLONE_FS | SIGCHLD, NULL, NULL);
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(unshare(CLONE_FILES | CLONE_FS), 0);
        CHECK_EQ(close(fd), 0);
        CHECK_EQ(chdir("/tmp"), 0);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK(fcntl(fd, F_GETFD) >= 0);
    CHECK(getcwd(cwd, sizeof cwd) != NULL);
    CHECK_EQ(strcmp(cwd, "/"), 0);
}

static void close_range_unshare(void)
{
    int fd = check_file(1);
    pid_t pid = raw_clone(CLONE_FILES | SIGCHLD, NULL, NULL);
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(syscall(SYS_close_range, 3, ~0u, 2 /* CLOSE_RANGE_UNSHARE */), 0);
        CHECK_ERR(fcntl(fd, F_GETFD), EBADF);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK(fcntl(fd, F_GETFD) >= 0);
}

static int set_action(void *unused)
{
    (void)unused;
    signal(SIGUSR1, on_signal);
    return 0;
}

static void clone_sighand_shares_actions(void)
{
    struct sigaction action;
    pid_t pid = clone(set_action, stack_top, CLONE_VM | CLONE_SIGHAND | SIGCHLD, NULL);
    CHECK(pid > 0);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &action), 0);
    CHECK(action.sa_handler == on_signal);
}

static int block_signal(void *unused)
{
    (void)unused;
    check_mask(SIG_BLOCK, SIGUSR2);
    raise(SIGUSR2);
    return 0;
}

/* ... but not masks nor pending signals. */
static void clone_sighand_does_not_share_masks(void)
{
    sigset_t set;
    pid_t pid = clone(block_signal, stack_top, CLONE_VM | CLONE_SIGHAND | SIGCHLD, NULL);
    CHECK(pid > 0);
    CHECK_EXIT(pid, 0);
    CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &set), 0);
    CHECK(!sigismember(&set, SIGUSR2));
    CHECK_EQ(sigpending(&set), 0);
    CHECK(!sigismember(&set, SIGUSR2));
}

static void clone_clear_sighand(void)
{
    struct { uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, size, tls; } args;
    struct sigaction action;

    memset(&args, 0, sizeof args);
    args.flags = 0x100000000ULL;                  /* CLONE_CLEAR_SIGHAND */
    args.exit_signal = SIGCHLD;
    check_handler(SIGUSR1, on_signal, 0);
    check_handler(SIGUSR2, SIG_IGN, 0);
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(sigaction(SIGUSR1, NULL, &action), 0);
        CHECK(action.sa_handler == SIG_DFL);
        CHECK_EQ(sigaction(SIGUSR2, NULL, &action), 0);
        CHECK(action.sa_handler == SIG_IGN);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
}

/* ---- who is the parent ---- */

static void clone_parent_makes_a_sibling(void)
{
    volatile pid_t *seen = check_shared(1);
    pid_t pid = check_fork();
    if (pid == 0) {
        pid_t sibling = raw_clone(CLONE_PARENT | SIGCHLD, NULL, NULL);
        if (sibling == 0) {
            seen[1] = getppid();
            _exit(33);
        }
        seen[0] = sibling;
        CHECK_ERR(waitpid(sibling, NULL, 0), ECHILD);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK(seen[0] > 0);
    CHECK_EXIT(seen[0], 33);
    CHECK_EQ(seen[1], getpid());
}

/* ---- where ids are stored ---- */

static void parent_settid_is_set_before_return(void)
{
    int tid = -1;
    pid_t pid = raw_clone(CLONE_PARENT_SETTID | SIGCHLD, &tid, NULL);
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(0);
    CHECK_EQ(tid, pid);
    CHECK_EXIT(pid, 0);
}

static void child_settid_is_set_in_the_child(void)
{
    static volatile int tid = -1;
    pid_t pid = raw_clone(CLONE_CHILD_SETTID | SIGCHLD, NULL, (int *)&tid);
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(tid != syscall(SYS_gettid));
    CHECK_EXIT(pid, 0);
    CHECK_EQ(tid, -1);
}

static int end_soon(void *unused)
{
    (void)unused;
    check_sleep_ms(10);
    return 0;
}

/* CLONE_CHILD_CLEARTID: zero is stored at the end, and one futex waiter woken. */
static void child_cleartid_clears_and_wakes(void)
{
    static volatile int tid = 1234;
    struct timespec limit = { 3, 0 };
    pid_t pid = clone(end_soon, stack_top, CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL,
                      NULL, &tid);
    CHECK(pid > 0);
    while (tid != 0) {
        long got = syscall(SYS_futex, &tid, FUTEX_WAIT, 1234, &limit, NULL, 0);
        CHECK(got == 0 || errno == EAGAIN || errno == EINTR);
    }
    CHECK_EXIT(pid, 0);
}

static void set_tid_address_returns_the_tid(void)
{
    static int tid;
    pid_t pid = check_fork();                     /* (ours would lose glibc's own address) */
    if (pid == 0) {
        CHECK_EQ(syscall(SYS_set_tid_address, &tid), syscall(SYS_gettid));
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
}

static void clone_pidfd_polls_readable_at_the_end(void)
{
    int fd = -1;
    pid_t pid = raw_clone(CLONE_PIDFD | SIGCHLD, &fd, NULL);
    CHECK(pid >= 0);
    if (pid == 0) {
        check_sleep_ms(5);
        _exit(34);
    }
    CHECK(fd >= 0);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    CHECK_EQ(poll(&wait, 1, 3000), 1);
    CHECK(wait.revents & POLLIN);
    CHECK_EQ(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), 0);
    siginfo_t info;
    CHECK_EQ(waitid((idtype_t)3 /* P_PIDFD */, (id_t)fd, &info, WEXITED), 0);
    CHECK_EQ(info.si_pid, pid);
    CHECK_EQ(info.si_status, 34);
    CHECK_ERR(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), ESRCH);
}

/* ---- the exit signal ---- */

static void exit_signal_other_than_sigchld(void)
{
    check_handler(SIGUSR1, on_signal, 0);
    word = 0;
    pid_t pid = raw_clone(SIGUSR1, NULL, NULL);
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(35);
    int status;
    /* "clone" children are invisible to a plain wait ... */
    CHECK_ERR(waitpid(pid, &status, 0), ECHILD);
    pid_t got;                                    /* ... and __WCLONE sees only them */
    while ((got = waitpid(pid, &status, __WCLONE)) < 0 && errno == EINTR)
        continue;
    CHECK_EQ(got, pid);
    CHECK_EQ(status, 35 << 8);
    CHECK_EQ(word, SIGUSR1);
}

static void exit_signal_zero(void)
{
    check_handler(SIGCHLD, on_signal, 0);
    word = 0;
    pid_t pid = raw_clone(0, NULL, NULL);
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(36);
    CHECK_ERR(waitpid(-1, NULL, 0), ECHILD);
    CHECK_EXIT(pid, 36);                          /* this waits with __WALL */
    CHECK_EQ(word, 0);
}

static void wclone_does_not_see_sigchld_children(void)
{
    pid_t pid = check_fork();
    if (pid == 0)
        _exit(0);
    CHECK_ERR(waitpid(pid, NULL, __WCLONE), ECHILD);
    CHECK_EXIT(pid, 0);
}

/* Its new program makes it an ordinary child again: exec resets the exit signal to SIGCHLD. */
static void exec_resets_the_exit_signal(void)
{
    int end[2], status;
    char byte;
    CHECK_EQ(pipe2(end, O_CLOEXEC), 0);
    pid_t pid = raw_clone(SIGUSR1, NULL, NULL);
    CHECK(pid >= 0);
    if (pid == 0) {
        execl(check_self, check_self, "--exit", "37", (char *)NULL);
        _exit(127);
    }
    check_handler(SIGUSR1, on_signal, 0);
    close(end[1]);
    CHECK_EQ(read(end[0], &byte, 1), 0);          /* closed by the exec */
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 37 << 8);
    CHECK_EQ(word, 0);
}

static void parent_death_signal(void)
{
    volatile int *report = check_shared(1);
    struct gate ready = gate_new(), done = gate_new();
    pid_t middle = check_fork();
    if (middle == 0) {
        if (check_fork() == 0) {
            check_mask(SIG_BLOCK, SIGUSR1);
            CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGUSR1), 0);
            gate_open(ready);
            sigset_t set;
            sigemptyset(&set);
            sigaddset(&set, SIGUSR1);
            struct timespec limit = { 3, 0 };
            *report = sigtimedwait(&set, NULL, &limit);
            gate_open(done);
            _exit(0);
        }
        gate_wait(ready);
        _exit(0);
    }
    CHECK_EXIT(middle, 0);
    gate_wait(done);
    CHECK_EQ(*report, SIGUSR1);
}

/* ---- what must be refused ---- */

static int never(void *unused)
{
    (void)unused;
    _exit(90);
}

static void invalid_combinations(void)
{
    static const unsigned long bad[] = {
        CLONE_SIGHAND,                            /* without CLONE_VM */
        CLONE_THREAD,                             /* without CLONE_SIGHAND */
        CLONE_THREAD | CLONE_VM,
        CLONE_THREAD | CLONE_SIGHAND,
        CLONE_FS | CLONE_NEWNS,
        CLONE_PIDFD | CLONE_PARENT_SETTID,        /* one slot for two results */
        CLONE_PIDFD | CLONE_DETACHED,
    };
    int slot;

    for (size_t i = 0; i < COUNT(bad); i++) {
        errno = 0;
        long pid = clone(never, stack_top, (int)(bad[i] | SIGCHLD), NULL, &slot, NULL, &slot);
        if (pid != -1 || errno != EINVAL)
            check_fail(__FILE__, __LINE__, "EINVAL expected", (long)i, pid);
    }
    CHECK_ERR(waitpid(-1, NULL, __WALL), ECHILD);
    CHECK_ERR(unshare(0x40), EINVAL);
}

static const struct check_case cases[] = {
    CASE(clone_fs_shares_directory_and_umask),
    CASE(clone_files_shares_the_table),
    CASE(unshare_files_and_fs),
    CASE(close_range_unshare),
    CASE(clone_sighand_shares_actions),
    CASE(clone_sighand_does_not_share_masks),
    CASE(clone_clear_sighand),
    CASE(clone_parent_makes_a_sibling),
    CASE(parent_settid_is_set_before_return),
    CASE(child_settid_is_set_in_the_child),
    CASE(child_cleartid_clears_and_wakes),
    CASE(set_tid_address_returns_the_tid),
    CASE(clone_pidfd_polls_readable_at_the_end),
    CASE(exit_signal_other_than_sigchld),
    CASE(exit_signal_zero),
    CASE(wclone_does_not_see_sigchld_children),
    CASE(exec_resets_the_exit_signal),
    CASE(parent_death_signal),
    CASE(invalid_combinations),
};

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--exit") == 0)
        return atoi(argv[2]);
    return check_main(argc, argv, cases, COUNT(cases));
}
