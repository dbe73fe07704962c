/*
 * credentials.c - supplementary groups, capability sets and what changes them, prctl's arguments,
 * clone3's set_tid, and which thread PR_SET_PDEATHSIG is about.
 */
#include "check.h"
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <sys/prctl.h>

#ifndef PR_CAP_AMBIENT
#define PR_CAP_AMBIENT 47
#endif

struct sets { uint64_t effective, permitted, inheritable; };

static long get(struct sets *s)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2];
    long r = syscall(SYS_capget, &head, data);
    s->effective = data[0].effective | (uint64_t)data[1].effective << 32;
    s->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
    s->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
    return r;
}

static long set(const struct sets *s)
{
    struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2] = {
        { (uint32_t)s->effective, (uint32_t)s->permitted, (uint32_t)s->inheritable },
        { (uint32_t)(s->effective >> 32), (uint32_t)(s->permitted >> 32), (uint32_t)(s->inheritable >> 32) },
    };
    return syscall(SYS_capset, &head, data);
}

#define BIT(cap) (1ULL << (cap))

/* Root with all that these cases use. */
static struct sets need_root(void)
{
    struct sets s;
    uint64_t needed = BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_SETPCAP) | BIT(CAP_SYS_CHROOT) |
                      BIT(CAP_KILL) | BIT(CAP_CHOWN) | BIT(CAP_SYS_NICE);
    CHECK_EQ(get(&s), 0);
    if (getuid() != 0 || (s.effective & needed) != needed)
        check_skip("needs root and its capabilities");
    return s;
}

static void groups(void)
{
    gid_t list[] = { 7, 99, 4000000 }, got[8];
    static gid_t many[65537];
    need_root();
    CHECK_EQ(setgroups(3, list), 0);
    CHECK_EQ(getgroups(0, NULL), 3);
    CHECK_ERR(getgroups(2, got), EINVAL);
    CHECK_EQ(getgroups(8, got), 3);
    CHECK_EQ(got[0], 7);
    CHECK_EQ(got[2], 4000000);
    pid_t pid = check_fork();
    if (pid == 0) { /* a copy of its own */
        CHECK_EQ(getgroups(8, got), 3);
        CHECK_EQ(setgroups(1, list + 1), 0);
        CHECK_EQ(getgroups(8, got), 1);
        CHECK_EQ(got[0], 99);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(getgroups(8, got), 3);
    CHECK_ERR(syscall(SYS_setgroups, 65537, many), EINVAL);
    CHECK_ERR(syscall(SYS_setgroups, 3, 8), EFAULT);
    CHECK_EQ(getgroups(0, NULL), 3);
    CHECK_EQ(setresuid(1234, 1234, 1234), 0);
    CHECK_ERR(setgroups(1, list), EPERM);
    CHECK_EQ(getgroups(8, got), 3);
    CHECK_EQ(setgroups(0, NULL), -1);
}

/* A file of a group can be read by who is in it. */
static void a_group_opens_files(void)
{
    char path[] = "/tmp/tine-check-XXXXXX";
    gid_t list[] = { 54321 };
    need_root();
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_EQ(fchown(fd, 0, 54321), 0);
    CHECK_EQ(fchmod(fd, 0640), 0);
    for (int member = 0; member < 2; member++) {
        pid_t pid = check_fork();
        if (pid == 0) {
            CHECK_EQ(setgroups((size_t)member, list), 0);
            CHECK_EQ(setresgid(1234, 1234, 1234), 0);
            CHECK_EQ(setresuid(1234, 1234, 1234), 0);
            _exit(open(path, O_RDONLY) >= 0);
        }
        int status = check_status(pid);
        CHECK(WIFEXITED(status));
        if (WEXITSTATUS(status) != member) {
            unlink(path);
            CHECK_EQ(WEXITSTATUS(status), member);
        }
    }
    CHECK_EQ(unlink(path), 0);
}

/* Who is nobody makes a file with a set-group-ID bit: it has it until somebody writes to it. */
static void a_new_file_keeps_its_bits(void)
{
    char where[] = "/tmp/tine-bits-XXXXXX", name[sizeof where + 2];
    struct stat st;
    need_root();
    CHECK(mkdtemp(where) != NULL);
    CHECK_EQ(chown(where, 65534, 65534), 0);
    snprintf(name, sizeof name, "%s/f", where);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(setgid(65534), 0);
        CHECK_EQ(setuid(65534), 0);
        int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 02711);
        CHECK(fd >= 0);
        CHECK_EQ(fstat(fd, &st), 0);
        CHECK_EQ(st.st_mode & 07777, 02711);
        CHECK_EQ(write(fd, "x", 1), 1);
        CHECK_EQ(fstat(fd, &st), 0);
        CHECK_EQ(st.st_mode & 07777, 0711);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(unlink(name), 0);
    CHECK_EQ(rmdir(where), 0);
}

static void giving_up(void)
{
    struct sets s = need_root(), now;
    uint64_t all = s.permitted;
    s.effective &= ~BIT(CAP_SYS_CHROOT);
    CHECK_EQ(set(&s), 0);
    CHECK_ERR(chroot("/"), EPERM);
    s.effective |= BIT(CAP_SYS_CHROOT);
    CHECK_EQ(set(&s), 0);
    CHECK_EQ(chroot("/"), 0);
    s.effective &= ~BIT(CAP_SYS_CHROOT);
    s.permitted &= ~BIT(CAP_SYS_CHROOT);
    CHECK_EQ(set(&s), 0);
    CHECK_EQ(get(&now), 0);
    CHECK(now.permitted == (all & ~BIT(CAP_SYS_CHROOT)));
    s.permitted |= BIT(CAP_SYS_CHROOT);
    CHECK_ERR(set(&s), EPERM);
    s.permitted &= ~BIT(CAP_SYS_CHROOT);
    s.effective |= BIT(CAP_SYS_CHROOT);
    CHECK_ERR(set(&s), EPERM);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_ERR(chroot("/"), EPERM);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
}

static void users_and_capabilities(void)
{
    struct sets s = need_root(), now;
    CHECK_EQ(seteuid(1234), 0);
    CHECK_EQ(get(&now), 0);
    CHECK(now.effective == 0 && now.permitted == s.permitted);
    CHECK_EQ(seteuid(0), 0);
    CHECK_EQ(get(&now), 0);
    CHECK(now.effective == now.permitted);
    CHECK_EQ(prctl(PR_GET_DUMPABLE), 0); /* since it changed */
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(prctl(PR_SET_KEEPCAPS, 1), 0);
        CHECK_EQ(setresuid(1234, 1234, 1234), 0);
        CHECK_EQ(get(&now), 0);
        CHECK(now.effective == 0 && now.permitted == s.permitted);
        now.effective = BIT(CAP_SETUID);
        CHECK_EQ(set(&now), 0);
        CHECK_EQ(setresuid(4321, 4321, 4321), 0);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
    CHECK_EQ(setresuid(1234, 1234, 1234), 0);
    CHECK_EQ(get(&now), 0);
    CHECK(now.effective == 0 && now.permitted == 0);
    CHECK_ERR(setuid(0), EPERM);
}

static void bounding_and_ambient(void)
{
    struct sets s = need_root();
    CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_SYS_NICE), 1);
    CHECK_EQ(prctl(PR_CAPBSET_DROP, CAP_SYS_NICE), 0);
    CHECK_EQ(prctl(PR_CAPBSET_READ, CAP_SYS_NICE), 0);
    CHECK_ERR(prctl(PR_CAPBSET_DROP, 64), EINVAL);
    CHECK_ERR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0), EPERM); /* not inheritable */
    s.inheritable |= BIT(CAP_KILL);
    CHECK_EQ(set(&s), 0);
    CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0), 0);
    CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0), 1);
    CHECK_ERR(prctl(PR_CAP_AMBIENT, 99, CAP_KILL, 0, 0), EINVAL);
    CHECK_ERR(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 1, 0), EINVAL);
    s.inheritable &= ~BIT(CAP_KILL); /* takes it away again */
    CHECK_EQ(set(&s), 0);
    CHECK_EQ(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_KILL, 0, 0), 0);
    CHECK_EQ(prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED), 0);
    CHECK_EQ(prctl(PR_GET_SECUREBITS), SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED);
    CHECK_ERR(prctl(PR_SET_SECUREBITS, 0), EPERM);
    CHECK_EQ(setresuid(1234, 1234, 1234), 0); /* nothing is fixed up */
    CHECK_EQ(get(&s), 0);
    CHECK(s.effective & BIT(CAP_KILL));
}

/* Runs in a program that the next case executes, as root with CAP_SYS_NICE out of the bounding set. */
static void after_exec(void)
{
    struct sets s;
    if (!getenv("TINE_AFTER_EXEC"))
        check_skip("runs in another case");
    CHECK_EQ(get(&s), 0);
    CHECK(!(s.permitted & BIT(CAP_SYS_NICE)));
    CHECK(s.permitted & BIT(CAP_KILL));
    CHECK(s.effective == s.permitted);
    CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    CHECK_EQ(prctl(PR_GET_KEEPCAPS), 0);
}

static void exec_recomputes(void)
{
    need_root();
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(prctl(PR_CAPBSET_DROP, CAP_SYS_NICE), 0);
        CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        CHECK_EQ(prctl(PR_SET_KEEPCAPS, 1), 0);
        setenv("TINE_AFTER_EXEC", "1", 1);
        CHECK_EQ(close(1), 0);
        CHECK_EQ(open("/dev/null", O_WRONLY), 1);
        execl("/proc/self/exe", check_self, "after_exec", NULL);
        _exit(1);
    }
    CHECK_EXIT(pid, 0);
}

static void arguments(void)
{
    CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
    CHECK_ERR(prctl(PR_GET_NO_NEW_PRIVS, 1, 0, 0, 0), EINVAL);
    CHECK_ERR(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
    CHECK_ERR(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0), EINVAL);
    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    CHECK_ERR(prctl(PR_SET_THP_DISABLE, 0, 1, 0, 0), EINVAL);
    CHECK_ERR(prctl(PR_GET_THP_DISABLE, 1, 0, 0, 0), EINVAL);
    CHECK_ERR(prctl(PR_SET_TIMING, 1, 0, 0, 0), EINVAL);
    CHECK_ERR(prctl(PR_SET_PDEATHSIG, 65), EINVAL);
    CHECK_ERR(prctl(PR_SET_SECCOMP, 2, 8), EFAULT);
    CHECK_EQ(prctl(PR_SET_TIMERSLACK, 70000), 0);
    CHECK_EQ(prctl(PR_GET_TIMERSLACK), 70000);
    pid_t pid = check_fork();
    if (pid == 0) {
        CHECK_EQ(prctl(PR_GET_TIMERSLACK), 70000);
        CHECK_EQ(prctl(PR_SET_TIMERSLACK, 5), 0);
        CHECK_EQ(prctl(PR_SET_TIMERSLACK, 0), 0); /* what it began with */
        CHECK_EQ(prctl(PR_GET_TIMERSLACK), 70000);
        CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
        _exit(0);
    }
    CHECK_EXIT(pid, 0);
}

/* pid 1 is somebody else's, whoever it is. */
static void not_pid_1(void)
{
    void *head;
    size_t size;
    if (getpid() == 1)
        check_skip("it is the first process itself");
    if (getuid() == 0)
        CHECK_EQ(setresuid(1234, 1234, 1234), 0);
    CHECK_ERR(syscall(SYS_get_robust_list, 1, &head, &size), EPERM);
    CHECK_ERR(kill(1, 0), EPERM);
    int fd = open("/proc/1", O_RDONLY | O_DIRECTORY);
    CHECK(fd >= 0);
    CHECK_ERR(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0), EPERM);
}

struct clone3_args {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size,
        cgroup;
};

static long clone3_tid(pid_t *tids, uint64_t count, uint64_t flags)
{
    struct clone3_args args = { .flags = flags, .exit_signal = SIGCHLD, .set_tid = (uintptr_t)tids,
                                .set_tid_size = count, .cgroup = (uint64_t)-1 };
    if (flags)
        args.cgroup = 0;
    return syscall(SYS_clone3, &args, sizeof args);
}

static void chosen_tid(void)
{
    pid_t tid = 31234, tids[33] = { 31234, 5 };
    if (getuid() != 0)
        check_skip("needs root");
    CHECK_ERR(clone3_tid(NULL, 1, 0), EINVAL);
    CHECK_ERR(clone3_tid(&tid, 0, 0), EINVAL);
    CHECK_ERR(clone3_tid(tids, 33, 0), EINVAL);
    tid = getpid();
    CHECK_ERR(clone3_tid(&tid, 1, 0), EEXIST);
    tid = -1;
    CHECK_ERR(clone3_tid(&tid, 1, 0), EINVAL);
    CHECK_ERR(clone3_tid(NULL, 0, 0x200000000ULL), EBADF); /* into a control group; 0 is none */
    for (tid = 31234; ; tid++) {
        long pid = clone3_tid(&tid, 1, 0);
        if (pid < 0 && errno == EEXIST)
            continue;
        CHECK(pid >= 0);
        if (pid == 0)
            _exit(getpid() == tid ? 0 : 1);
        CHECK_EQ(pid, tid);
        CHECK_EXIT((pid_t)pid, 0);
        break;
    }
}

static volatile int *told;
static struct gate ready;

static void hears(int number)
{
    *told = number;
}

static void *fork_one(void *pid)
{
    *(pid_t *)pid = check_fork();
    if (*(pid_t *)pid == 0) {
        check_handler(SIGUSR1, hears, 0);
        CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGUSR1), 0);
        gate_open(ready);
        while (!*told)
            usleep(1000);
        CHECK_EQ(getppid() != 1, 1); /* the process is still there */
        _exit(0);
    }
    gate_wait(ready);
    return NULL;
}

static void the_thread_that_forked(void)
{
    pthread_t t;
    pid_t pid;
    told = check_shared(1);
    ready = gate_new();
    CHECK_EQ(pthread_create(&t, NULL, fork_one, &pid), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK_SOON(*told == SIGUSR1);
    CHECK_EXIT(pid, 0);
}

static const struct check_case cases[] = {
    CASE(groups), CASE(a_group_opens_files),
    CASE(a_new_file_keeps_its_bits), CASE(giving_up), CASE(users_and_capabilities),
    CASE(bounding_and_ambient), CASE(exec_recomputes), CASE(after_exec), CASE(arguments),
    CASE(not_pid_1),
    CASE(chosen_tid),
    CASE(the_thread_that_forked),
};
CHECK_MAIN(cases)
