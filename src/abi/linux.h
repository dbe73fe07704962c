// Numbers and layouts of the riscv64 Linux ABI that processes, memory, signals and time use.
// Source: the man pages of section 2 and the kernel's uapi headers (asm-generic). Error numbers are
// those of <errno.h>: asm-generic's, the same on x86-64.
#ifndef ABI_LINUX_H
#define ABI_LINUX_H

#include "base/types.h"

enum { // clone(2)
    G_CSIGNAL = 0xff,
    G_CLONE_VM = 0x100,
    G_CLONE_FS = 0x200,
    G_CLONE_FILES = 0x400,
    G_CLONE_SIGHAND = 0x800,
    G_CLONE_PIDFD = 0x1000,
    G_CLONE_PTRACE = 0x2000,
    G_CLONE_VFORK = 0x4000,
    G_CLONE_PARENT = 0x8000,
    G_CLONE_THREAD = 0x10000,
    G_CLONE_NEWNS = 0x20000,
    G_CLONE_SYSVSEM = 0x40000,
    G_CLONE_SETTLS = 0x80000,
    G_CLONE_PARENT_SETTID = 0x100000,
    G_CLONE_CHILD_CLEARTID = 0x200000,
    G_CLONE_DETACHED = 0x400000,
    G_CLONE_UNTRACED = 0x800000,
    G_CLONE_CHILD_SETTID = 0x1000000,
};
#define G_CLONE_NEWTIME 0x80ULL
#define G_CLONE_NEWCGROUP 0x02000000ULL
#define G_CLONE_NEWUTS 0x04000000ULL
#define G_CLONE_NEWIPC 0x08000000ULL
#define G_CLONE_NEWUSER 0x10000000ULL
#define G_CLONE_NEWPID 0x20000000ULL
#define G_CLONE_NEWNET 0x40000000ULL
#define G_CLONE_NAMESPACES 0x7e020000ULL // NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
#define G_CLONE_CLEAR_SIGHAND 0x100000000ULL
#define G_CLONE_INTO_CGROUP 0x200000000ULL

enum { // signal(7)
    G_SIGHUP = 1, G_SIGINT, G_SIGQUIT, G_SIGILL, G_SIGTRAP, G_SIGABRT, G_SIGBUS, G_SIGFPE,
    G_SIGKILL, G_SIGUSR1, G_SIGSEGV, G_SIGUSR2, G_SIGPIPE, G_SIGALRM, G_SIGTERM, G_SIGSTKFLT,
    G_SIGCHLD, G_SIGCONT, G_SIGSTOP, G_SIGTSTP, G_SIGTTIN, G_SIGTTOU, G_SIGURG, G_SIGXCPU,
    G_SIGXFSZ, G_SIGVTALRM, G_SIGPROF, G_SIGWINCH, G_SIGIO, G_SIGPWR, G_SIGSYS, G_SIGRTMIN,
    G_NSIG = 64,
};
#define SIGBIT(n) (1ULL << ((n)-1))

enum { // sigaction(2)
    G_SA_NOCLDSTOP = 1, G_SA_NOCLDWAIT = 2, G_SA_SIGINFO = 4,
    G_SA_ONSTACK = 0x08000000, G_SA_RESTART = 0x10000000, G_SA_NODEFER = 0x40000000,
};
#define G_SA_RESETHAND 0x80000000u

enum { // siginfo's si_code
    G_SI_USER = 0, G_SI_KERNEL = 0x80, G_SI_QUEUE = -1, G_SI_TIMER = -2, G_SI_TKILL = -6,
    G_SEGV_MAPERR = 1, G_SEGV_ACCERR = 2, G_BUS_ADRALN = 1, G_BUS_ADRERR = 2, G_ILL_ILLOPC = 1,
    G_TRAP_BRKPT = 1, G_TRAP_TRACE = 2,
    G_CLD_EXITED = 1, G_CLD_KILLED, G_CLD_DUMPED, G_CLD_TRAPPED, G_CLD_STOPPED, G_CLD_CONTINUED,
};

struct g_sigaction { // riscv has no restorer
    u64 handler, flags, mask;
};

struct g_siginfo { // 128 bytes
    i32 signo, error, code, pad; // pad: while queued, the timer that sent it (timer.h)
    union {
        struct { i32 pid; u32 uid; u64 value; } user; // kill, sigqueue
        struct { i32 timer, overrun; u64 value; } timer;
        struct { i32 pid; u32 uid; i32 status, pad; u64 utime, stime; } child;
        struct { u64 address; } fault;
        u8 bytes[112];
    };
};

struct g_stack {
    u64 sp;
    i32 flags, pad;
    u64 size;
};
enum { G_SS_ONSTACK = 1, G_SS_DISABLE = 2 };
#define G_SS_AUTODISARM 0x80000000u

struct g_timespec { i64 sec, nsec; };
struct g_timeval { i64 sec, usec; };
struct g_itimerval { struct g_timeval interval, value; };
struct g_itimerspec { struct g_timespec interval, value; };
struct g_sigevent { // 64 bytes
    u64 value;
    i32 signo, notify, tid, pad[11];
};

enum { // wait(2)
    G_WNOHANG = 1, G_WUNTRACED = 2, G_WSTOPPED = 2, G_WEXITED = 4, G_WCONTINUED = 8,
    G_WNOWAIT = 0x01000000, G_WNOTHREAD = 0x20000000, G_WALL = 0x40000000,
};
#define G_WCLONE 0x80000000u

enum { // capabilities(7)
    G_CAP_CHOWN, G_CAP_DAC_OVERRIDE, G_CAP_DAC_READ_SEARCH, G_CAP_FOWNER, G_CAP_FSETID, G_CAP_KILL,
    G_CAP_SETGID, G_CAP_SETUID, G_CAP_SETPCAP, G_CAP_LINUX_IMMUTABLE, G_CAP_NET_BIND_SERVICE,
    G_CAP_IPC_LOCK = 14, G_CAP_IPC_OWNER, G_CAP_SYS_CHROOT = 18, G_CAP_SYS_PTRACE, G_CAP_SYS_ADMIN = 21,
    G_CAP_SYS_NICE = 23, G_CAP_SYS_RESOURCE, G_CAP_MKNOD = 27, G_CAP_MAC_OVERRIDE = 32,
    G_CAP_WAKE_ALARM = 35, G_CAP_CHECKPOINT_RESTORE = 40, G_CAP_LAST = 40,
};
#define G_CAP_ALL ((1ULL << (G_CAP_LAST + 1)) - 1)
#define G_CAP_BIT(cap) (1ULL << (cap))

struct g_rusage {
    struct g_timeval utime, stime;
    i64 maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv,
        nsignals, nvcsw, nivcsw;
};

enum { // getrlimit(2)
    G_RLIMIT_CPU, G_RLIMIT_FSIZE, G_RLIMIT_DATA, G_RLIMIT_STACK, G_RLIMIT_CORE, G_RLIMIT_RSS,
    G_RLIMIT_NPROC, G_RLIMIT_NOFILE, G_RLIMIT_MEMLOCK, G_RLIMIT_AS, G_RLIMIT_LOCKS,
    G_RLIMIT_SIGPENDING, G_RLIMIT_MSGQUEUE, G_RLIMIT_NICE, G_RLIMIT_RTPRIO, G_RLIMIT_RTTIME,
    G_RLIM_COUNT,
};
#define G_RLIM_INFINITY (~0ULL)
#define G_STICKY_TIMEOUTS 0x4000000u // personality(2): select and poll leave the time-out alone

enum { G_PROT_GROWSDOWN = 0x01000000, G_PROT_GROWSUP = 0x02000000,
       G_PROT_KNOWN = 0x0300000f }; // with READ, WRITE, EXEC and SEM
enum { G_MAP_SHARED = 1, G_MAP_PRIVATE = 2, G_MAP_SHARED_VALIDATE = 3, G_MAP_TYPE = 15,
       G_MAP_FIXED = 0x10, G_MAP_ANONYMOUS = 0x20, G_MAP_GROWSDOWN = 0x100, G_MAP_LOCKED = 0x2000,
       G_MAP_NORESERVE = 0x4000, G_MAP_POPULATE = 0x8000, G_MAP_STACK = 0x20000,
       G_MAP_FIXED_NOREPLACE = 0x100000, G_MAP_HUGETLB = 0x40000,
       G_MAP_IGNORED = 0x7c011840, // DENYWRITE, EXECUTABLE, NONBLOCK, sizes of huge pages
       G_MREMAP_MAYMOVE = 1, G_MREMAP_FIXED = 2, G_MREMAP_DONTUNMAP = 4 };

enum { G_AT_NULL, G_AT_PHDR = 3, G_AT_PHENT, G_AT_PHNUM, G_AT_PAGESZ, G_AT_BASE, G_AT_FLAGS,
       G_AT_ENTRY, G_AT_UID = 11, G_AT_EUID, G_AT_GID, G_AT_EGID, G_AT_PLATFORM, G_AT_HWCAP,
       G_AT_CLKTCK, G_AT_SECURE = 23, G_AT_RANDOM = 25, G_AT_EXECFN = 31, G_AT_SYSINFO_EHDR = 33 };

#endif
