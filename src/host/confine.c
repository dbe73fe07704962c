#include "host/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// ---- Landlock (landlock(7)); its numbers are written out, as the headers may be older than the host

#define NR_CREATE_RULESET 444
#define NR_ADD_RULE 445
#define NR_RESTRICT_SELF 446
#define RULE_PATH_BENEATH 1

#define FS_EXECUTE (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_REMOVE_DIR (1ULL << 4)
#define FS_MAKE_CHAR (1ULL << 6)
#define FS_MAKE_BLOCK (1ULL << 11)
#define FS_REFER (1ULL << 13)    // version 2
#define FS_TRUNCATE (1ULL << 14) // 3
#define FS_IOCTL_DEV (1ULL << 15) // 5
#define NET_TCP 3ULL             // 4: bind and connect
#define SCOPES 3ULL              // 6: abstract AF_UNIX names, signals

struct ruleset {
    u64 fs, net, scoped;
};

struct beneath {
    u64 allowed;
    i32 parent;
} __attribute__((packed));

static u64 known_rights(u32 abi)
{
    return abi >= 5 ? (FS_IOCTL_DEV << 1) - 1 : abi >= 3 ? (FS_TRUNCATE << 1) - 1
           : abi == 2 ? (FS_REFER << 1) - 1 : FS_REFER - 1;
}

int confine_begin(struct confine *c, bool net)
{
    c->fd = -1;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return -ECANCELED; // a sanitizer opens files and makes calls of its own
#endif
    long abi = syscall(NR_CREATE_RULESET, NULL, 0, 1);
    if (abi < 0)
        return -errno;
    c->abi = (u32)abi;
    struct ruleset rules = {known_rights(c->abi), net ? 0 : NET_TCP, net ? 0 : SCOPES};
    size_t size = abi >= 6 ? sizeof rules : abi >= 4 ? 16 : 8;
    long fd = syscall(NR_CREATE_RULESET, &rules, size, 0);
    if (fd < 0)
        return -errno;
    c->fd = (int)fd;
    fcntl(c->fd, F_SETFD, FD_CLOEXEC);
    return 0;
}

int confine_allow(struct confine *c, int fd, enum confine_right right)
{
    u64 file = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV;
    u64 read = FS_EXECUTE | FS_READ_FILE | FS_READ_DIR;
    struct beneath rule = {known_rights(c->abi) & ~(FS_MAKE_CHAR | FS_MAKE_BLOCK), fd};
    struct stat s;
    if (fstat(fd, &s) < 0)
        return -errno;
    if (right == CONFINE_READ_TREE)
        rule.allowed &= read;
    if (right == CONFINE_RMDIR)
        rule.allowed &= FS_REMOVE_DIR;
    if (right == CONFINE_FILE || !S_ISDIR(s.st_mode)) // a bind may be a file
        rule.allowed &= file;
    long r = syscall(NR_ADD_RULE, c->fd, RULE_PATH_BENEATH, &rule, 0);
    return r < 0 && errno != EBADFD && errno != EBADF ? -errno : 0;
}

int confine_allow_path(struct confine *c, const char *path, enum confine_right right)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ENXIO ? 0 : -errno;
    int r = confine_allow(c, fd, right);
    close(fd);
    return r;
}

int confine_files(struct confine *c)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(NR_RESTRICT_SELF, c->fd, 0) < 0)
        return -errno;
    return 0;
}

void confine_end(struct confine *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

// ---- seccomp(2)

enum row_kind { ALWAYS, NET, SELF /* argument 0 is our pid */, THREADS, TERMINAL };

static const struct row {
    u16 nr;
    u8 kind;
} rows[] = {
    // files
    {SYS_read, ALWAYS}, {SYS_write, ALWAYS}, {SYS_readv, ALWAYS}, {SYS_writev, ALWAYS},
    {SYS_pread64, ALWAYS}, {SYS_pwrite64, ALWAYS}, {SYS_preadv2, ALWAYS}, {SYS_pwritev2, ALWAYS},
    {SYS_preadv, ALWAYS}, {SYS_pwritev, ALWAYS}, {SYS_openat2, ALWAYS}, {SYS_openat, ALWAYS},
    {SYS_open, ALWAYS}, {SYS_close, ALWAYS}, {SYS_close_range, ALWAYS}, {SYS_lseek, ALWAYS},
    {SYS_fstat, ALWAYS}, {SYS_stat, ALWAYS}, {SYS_lstat, ALWAYS}, {SYS_newfstatat, ALWAYS},
    {SYS_statx, ALWAYS}, {SYS_statfs, ALWAYS}, {SYS_fstatfs, ALWAYS}, {SYS_getdents64, ALWAYS},
    {SYS_readlink, ALWAYS}, {SYS_readlinkat, ALWAYS}, {SYS_access, ALWAYS}, {SYS_faccessat, ALWAYS},
    {SYS_faccessat2, ALWAYS}, {SYS_ftruncate, ALWAYS}, {SYS_fallocate, ALWAYS}, {SYS_fsync, ALWAYS},
    {SYS_fdatasync, ALWAYS}, {SYS_sync, ALWAYS}, {SYS_syncfs, ALWAYS},
    {SYS_sync_file_range, ALWAYS}, {SYS_copy_file_range, ALWAYS},
    {SYS_fchmod, ALWAYS}, {SYS_chmod, ALWAYS}, {SYS_fchmodat, ALWAYS}, {452 /* fchmodat2 */, ALWAYS},
    {SYS_fchown, ALWAYS}, {SYS_fchownat, ALWAYS}, {SYS_chown, ALWAYS}, {SYS_utimensat, ALWAYS},
    {SYS_mkdirat, ALWAYS}, {SYS_mknodat, ALWAYS}, {SYS_unlinkat, ALWAYS}, {SYS_unlink, ALWAYS},
    {SYS_rmdir, ALWAYS}, {SYS_renameat, ALWAYS}, {SYS_renameat2, ALWAYS}, {SYS_linkat, ALWAYS},
    {SYS_symlinkat, ALWAYS}, {SYS_umask, ALWAYS}, {SYS_getcwd, ALWAYS}, {SYS_flock, ALWAYS},
    {SYS_fcntl, ALWAYS}, {SYS_ioctl, TERMINAL}, {SYS_dup, ALWAYS}, {SYS_dup2, ALWAYS},
    {SYS_dup3, ALWAYS}, {SYS_pipe2, ALWAYS}, {SYS_fgetxattr, ALWAYS}, {SYS_fsetxattr, ALWAYS},
    {SYS_flistxattr, ALWAYS}, {SYS_fremovexattr, ALWAYS}, {SYS_getxattr, ALWAYS},
    {SYS_setxattr, ALWAYS}, {SYS_listxattr, ALWAYS}, {SYS_removexattr, ALWAYS},
    // waiting
    {SYS_poll, ALWAYS}, {SYS_ppoll, ALWAYS}, {SYS_select, ALWAYS}, {SYS_pselect6, ALWAYS},
    {SYS_epoll_create1, ALWAYS}, {SYS_epoll_ctl, ALWAYS}, {SYS_epoll_wait, ALWAYS},
    {SYS_epoll_pwait, ALWAYS}, {SYS_epoll_pwait2, ALWAYS}, {SYS_eventfd2, ALWAYS},
    {SYS_timer_create, ALWAYS}, {SYS_timer_settime, ALWAYS}, {SYS_timer_delete, ALWAYS},
    {SYS_timerfd_create, ALWAYS}, {SYS_timerfd_settime, ALWAYS}, {SYS_inotify_init1, ALWAYS},
    {SYS_inotify_add_watch, ALWAYS}, {SYS_inotify_rm_watch, ALWAYS}, {SYS_futex, ALWAYS},
    {SYS_nanosleep, ALWAYS}, {SYS_clock_nanosleep, ALWAYS}, {SYS_sched_yield, ALWAYS},
    {SYS_restart_syscall, ALWAYS}, {SYS_pause, ALWAYS},
    // memory
    {SYS_mmap, ALWAYS}, {SYS_munmap, ALWAYS}, {SYS_mprotect, ALWAYS}, {SYS_madvise, ALWAYS},
    {SYS_mremap, ALWAYS}, {SYS_brk, ALWAYS}, {SYS_memfd_create, ALWAYS}, {SYS_membarrier, ALWAYS},
    {SYS_msync, ALWAYS}, {SYS_mincore, ALWAYS},
    // time, who we are
    {SYS_clock_gettime, ALWAYS}, {SYS_clock_getres, ALWAYS}, {SYS_gettimeofday, ALWAYS},
    {SYS_time, ALWAYS}, {SYS_getrandom, ALWAYS}, {SYS_getpid, ALWAYS}, {SYS_gettid, ALWAYS},
    {SYS_getppid, ALWAYS}, {SYS_getpgrp, ALWAYS}, {SYS_getuid, ALWAYS}, {SYS_geteuid, ALWAYS},
    {SYS_getgid, ALWAYS}, {SYS_getegid, ALWAYS}, {SYS_uname, ALWAYS}, {SYS_sysinfo, ALWAYS},
    {SYS_getrusage, ALWAYS}, {SYS_times, ALWAYS}, {SYS_getrlimit, ALWAYS}, {SYS_prlimit64, ALWAYS},
    {SYS_sched_getaffinity, ALWAYS}, {SYS_getcpu, ALWAYS},
    {SYS_setfsuid, ALWAYS}, {SYS_setfsgid, ALWAYS}, {SYS_setgroups, ALWAYS}, {SYS_getgroups, ALWAYS},
    // signals of our own, threads, the end
    {SYS_rt_sigaction, ALWAYS}, {SYS_rt_sigprocmask, ALWAYS}, {SYS_rt_sigreturn, ALWAYS},
    {SYS_rt_sigtimedwait, ALWAYS}, {SYS_sigaltstack, ALWAYS}, {SYS_kill, SELF}, {SYS_tgkill, SELF},
    {SYS_clone, THREADS}, {SYS_set_robust_list, ALWAYS}, {SYS_set_tid_address, ALWAYS},
    {SYS_rseq, ALWAYS}, {SYS_arch_prctl, ALWAYS}, {SYS_exit, ALWAYS}, {SYS_exit_group, ALWAYS},
    // sockets: those that came with the process, and AF_UNIX paths are not opened any more without NET
    {SYS_recvfrom, ALWAYS}, {SYS_sendto, ALWAYS}, {SYS_recvmsg, ALWAYS}, {SYS_sendmsg, ALWAYS},
    {SYS_shutdown, ALWAYS}, {SYS_getsockopt, ALWAYS}, {SYS_setsockopt, ALWAYS},
    {SYS_getsockname, ALWAYS}, {SYS_getpeername, ALWAYS}, {SYS_socket, NET}, {SYS_bind, NET},
    {SYS_listen, NET}, {SYS_connect, NET}, {SYS_accept4, NET}, {SYS_accept, NET},
};

#define ROWS (sizeof rows / sizeof rows[0])
#define LOAD(field) (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (u32)(field))
#define RETURN(value) (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, value)
#define JUMP(op, value, yes, no) (struct sock_filter) BPF_JUMP(BPF_JMP | (op) | BPF_K, value, yes, no)
#define ALLOW RETURN(SECCOMP_RET_ALLOW)
#define REFUSE RETURN(SECCOMP_RET_ERRNO | ENOSYS)
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + 8 * (n)) // its low half

// One row: falls through to the next if it is about another call. `p` has room for six.
static u32 filter_row(struct sock_filter *p, const struct row *r, u32 pid)
{
    struct sock_filter *from = p;
    switch (r->kind) {
    case SELF:
        *p++ = JUMP(BPF_JEQ, r->nr, 0, 4);
        *p++ = LOAD(ARGUMENT(0));
        *p++ = JUMP(BPF_JEQ, pid, 0, 1);
        break;
    case THREADS:
        *p++ = JUMP(BPF_JEQ, r->nr, 0, 4);
        *p++ = LOAD(ARGUMENT(0));
        *p++ = JUMP(BPF_JSET, CLONE_THREAD, 0, 1);
        break;
    case TERMINAL: // no keys into a terminal of the host
        *p++ = JUMP(BPF_JEQ, r->nr, 0, 5);
        *p++ = LOAD(ARGUMENT(1));
        *p++ = JUMP(BPF_JEQ, TIOCSTI, 2, 0);
        *p++ = JUMP(BPF_JEQ, TIOCLINUX, 1, 0);
        break;
    default:
        *p++ = JUMP(BPF_JEQ, r->nr, 0, 1);
        *p++ = ALLOW;
        return (u32)(p - from);
    }
    *p++ = ALLOW;
    *p++ = REFUSE;
    return (u32)(p - from);
}

int confine_calls(bool net)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return -ECANCELED;
#endif
    struct sock_filter program[8 + 6 * ROWS];
    u32 n = 0, pid = (u32)getpid();
    program[n++] = LOAD(offsetof(struct seccomp_data, arch));
    program[n++] = JUMP(BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0);
    program[n++] = RETURN(SECCOMP_RET_KILL_PROCESS);
    program[n++] = LOAD(offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < ROWS; i++)
        if (net || rows[i].kind != NET)
            n += filter_row(program + n, &rows[i], pid);
    program[n++] = REFUSE;
    struct sock_fprog all = {(unsigned short)n, program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &all);
    return r < 0 ? -errno : r > 0 ? -EBUSY : 0; // > 0: a thread that has another filter
}
