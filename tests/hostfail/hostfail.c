/*
 * hostfail.c - a host that fails. Preloaded into tine, it stands between it and the host's calls, and makes
 * one of them fail, or each k-th.
 *
 *     HOSTFAIL=KIND:N        the N-th of the calls that can fail so
 *     HOSTFAIL=KIND:*K       each K-th
 *     HOSTFAIL_LOG=FILE      gets, at the end, "COUNT NAME": how many there were, the last one that failed
 *
 * KIND: an error number's name of `kinds` below; short: a read or write does a part of its work;
 * malloc: the program's own malloc, calloc or realloc has no memory.
 *
 * A call of libc's that tine makes and that is not here fails tests/run-host-failures.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { ENOSPC_ = 1, EIO_ = 2, ENOMEM_ = 4, EINTR_ = 8, EMFILE_ = 16, SHORT_ = 32, MALLOC_ = 64 };

static const struct { const char *name; unsigned kind; int error; } kinds[] = {
    { "ENOSPC", ENOSPC_, ENOSPC }, { "EIO", EIO_, EIO }, { "ENOMEM", ENOMEM_, ENOMEM },
    { "EINTR", EINTR_, EINTR }, { "EMFILE", EMFILE_, EMFILE }, { "short", SHORT_, 0 }, { "malloc", MALLOC_, 0 },
};

static unsigned kind;
static int error, log_fd = -1;
static unsigned long at, every, count;
static const char *failed = "-";
static char *program_begin, *program_end;

static long raw(long nr, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall" : "=a"(result) : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

/* Shall this call, which can fail in the ways of `can`, fail now? */
static int fails(const char *name, unsigned can)
{
    if (!(can & kind))
        return 0;
    unsigned long n = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
    if (every ? n % every : n != at)
        return 0;
    failed = name;
    return 1;
}

static long go(const char *name, unsigned can, long nr, long a, long b, long c, long d, long e, long f)
{
    if (fails(name, can)) {
        errno = error;
        return -1;
    }
    long r = raw(nr, a, b, c, d, e, f);
    if (r < 0 && r > -4096) {
        errno = (int)-r;
        return -1;
    }
    return r;
}

static int find_program(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size;
    (void)unused;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
            program_begin = (char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            program_end = program_begin + info->dlpi_phdr[i].p_memsz;
        }
    return 1; /* the first is the program */
}

__attribute__((constructor)) static void begin(void)
{
    const char *what = getenv("HOSTFAIL"), *log = getenv("HOSTFAIL_LOG");
    const char *number = what ? strchr(what, ':') : NULL;

    if (!number)
        return;
    dl_iterate_phdr(find_program, NULL);
    if (log) {
        long fd = raw(SYS_open, (long)log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666, 0, 0, 0);
        log_fd = (int)raw(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 900, 0, 0, 0);
        raw(SYS_close, fd, 0, 0, 0, 0, 0);
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(what, kinds[i].name, (size_t)(number - what)) == 0) {
            kind = kinds[i].kind;
            error = kinds[i].error;
        }
    if (number[1] == '*')
        every = strtoul(number + 2, NULL, 10);
    else
        at = strtoul(number + 1, NULL, 10);
}

__attribute__((destructor)) static void end(void)
{
    char line[80];
    int n = snprintf(line, sizeof line, "%lu %s\n", count, failed);
    raw(SYS_write, log_fd, (long)line, n, 0, 0, 0);
}

/* ---- memory ----------------------------------------------------------------------------------------- */

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

/* Only tine's own: libc and the loader have reasons of their own to end a program. */
static int no_memory(const char *name, void *caller)
{
    return kind == MALLOC_ && (char *)caller >= program_begin && (char *)caller < program_end &&
           fails(name, MALLOC_);
}

#define NO_MEMORY(name) \
    if (no_memory(name, __builtin_return_address(0))) { \
        errno = ENOMEM; \
        return NULL; \
    }

void *malloc(size_t n)
{
    NO_MEMORY("malloc")
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    NO_MEMORY("calloc")
    return __libc_calloc(n, size);
}

void *realloc(void *old, size_t n)
{
    NO_MEMORY("realloc")
    return __libc_realloc(old, n);
}

void *mmap64(void *p, size_t n, int prot, int flags, int fd, off_t offset)
{
    return (void *)go("mmap", ENOMEM_, SYS_mmap, (long)p, (long)n, prot, flags, fd, offset);
}

int munmap(void *p, size_t n)
{
    return (int)go("munmap", 0, SYS_munmap, (long)p, (long)n, 0, 0, 0, 0); /* fails only by splitting */
}

int madvise(void *p, size_t n, int advice)
{
    return (int)go("madvise", ENOMEM_, SYS_madvise, (long)p, (long)n, advice, 0, 0, 0);
}

int memfd_create(const char *name, unsigned flags)
{
    return (int)go("memfd_create", ENOMEM_ | EMFILE_, SYS_memfd_create, (long)name, flags, 0, 0, 0, 0);
}

/* ---- reading and writing ---------------------------------------------------------------------------- */

#define READS (EIO_ | EINTR_ | ENOMEM_)
#define WRITES (EIO_ | EINTR_ | ENOSPC_ | ENOMEM_)

/* Less than n, if the call is to be short. */
static size_t part(const char *name, size_t n)
{
    return n > 1 && fails(name, SHORT_) ? n > 4096 ? n - 4095 : (n + 1) / 2 : n;
}

ssize_t read(int fd, void *p, size_t n)
{
    return go("read", READS, SYS_read, fd, (long)p, (long)part("read", n), 0, 0, 0);
}

ssize_t write(int fd, const void *p, size_t n)
{
    return go("write", WRITES, SYS_write, fd, (long)p, (long)part("write", n), 0, 0, 0);
}

ssize_t pread64(int fd, void *p, size_t n, off_t offset)
{
    return go("pread64", READS, SYS_pread64, fd, (long)p, (long)part("pread64", n), offset, 0, 0);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t offset)
{
    return go("pwrite64", WRITES, SYS_pwrite64, fd, (long)p, (long)part("pwrite64", n), offset, 0, 0);
}

static ssize_t vector(const char *name, unsigned can, long nr, int fd, const struct iovec *v, int n, off_t offset,
                      int flags)
{
    struct iovec one = *v;

    if (n == 1)
        one.iov_len = part(name, one.iov_len);
    return go(name, can, nr, fd, (long)(n == 1 ? &one : v), n, offset, 0, flags);
}

ssize_t preadv64v2(int fd, const struct iovec *v, int n, off_t offset, int flags)
{
    return vector("preadv2", READS, SYS_preadv2, fd, v, n, offset, flags);
}

ssize_t pwritev64v2(int fd, const struct iovec *v, int n, off_t offset, int flags)
{
    return vector("pwritev2", WRITES, SYS_pwritev2, fd, v, n, offset, flags);
}

ssize_t sendto(int fd, const void *p, size_t n, int flags, const struct sockaddr *a, socklen_t length)
{
    return go("sendto", EINTR_ | ENOMEM_, SYS_sendto, fd, (long)p, (long)n, flags, (long)a, length);
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    return go("sendmsg", EINTR_ | ENOMEM_, SYS_sendmsg, fd, (long)m, flags, 0, 0, 0);
}

ssize_t recvfrom(int fd, void *p, size_t n, int flags, struct sockaddr *a, socklen_t *length)
{
    return go("recvfrom", EINTR_ | ENOMEM_, SYS_recvfrom, fd, (long)p, (long)n, flags, (long)a, (long)length);
}

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
    return go("recvmsg", EINTR_ | ENOMEM_, SYS_recvmsg, fd, (long)m, flags, 0, 0, 0);
}

ssize_t getrandom(void *p, size_t n, unsigned flags)
{
    return go("getrandom", EINTR_, SYS_getrandom, (long)p, (long)part("getrandom", n), flags, 0, 0, 0);
}

/* ---- calls of a few numbers and pointers ------------------------------------------------------------ */

#define L(x) ((long)(x))
#define CALL0(type, name, can, nr) type name(void) { return (type)go(#name, can, nr, 0, 0, 0, 0, 0, 0); }
#define CALL1(type, name, can, nr, A) \
    type name(A a) { return (type)go(#name, can, nr, L(a), 0, 0, 0, 0, 0); }
#define CALL2(type, name, can, nr, A, B) \
    type name(A a, B b) { return (type)go(#name, can, nr, L(a), L(b), 0, 0, 0, 0); }
#define CALL3(type, name, can, nr, A, B, C) \
    type name(A a, B b, C c) { return (type)go(#name, can, nr, L(a), L(b), L(c), 0, 0, 0); }
#define CALL4(type, name, can, nr, A, B, C, D) \
    type name(A a, B b, C c, D d) { return (type)go(#name, can, nr, L(a), L(b), L(c), L(d), 0, 0); }
#define CALL5(type, name, can, nr, A, B, C, D, E) \
    type name(A a, B b, C c, D d, E e) { return (type)go(#name, can, nr, L(a), L(b), L(c), L(d), L(e), 0); }

#define NEW (ENOSPC_ | EIO_ | ENOMEM_)
#define LOOK (EIO_ | ENOMEM_)
typedef const char *text;

CALL1(int, close, EINTR_ | EIO_ | ENOSPC_, SYS_close, int)
CALL3(off_t, lseek64, 0, SYS_lseek, int, off_t, int)
CALL2(int, fstat64, LOOK, SYS_fstat, int, struct stat64 *)
CALL2(int, lstat64, LOOK, SYS_lstat, text, struct stat64 *)
CALL4(int, fstatat64, LOOK, SYS_newfstatat, int, text, struct stat64 *, int)
CALL2(int, fstatfs64, LOOK | EINTR_, SYS_fstatfs, int, struct statfs64 *)
CALL2(int, ftruncate64, WRITES, SYS_ftruncate, int, off_t)
CALL4(int, fallocate64, WRITES, SYS_fallocate, int, int, off_t, off_t)
CALL1(int, fsync, EIO_ | ENOSPC_ | EINTR_, SYS_fsync, int)
CALL1(int, fdatasync, EIO_ | ENOSPC_ | EINTR_, SYS_fdatasync, int)
CALL4(int, sync_file_range, EIO_ | ENOSPC_ | ENOMEM_, SYS_sync_file_range, int, off_t, off_t, unsigned)
CALL1(int, syncfs, EIO_ | ENOSPC_, SYS_syncfs, int)
CALL2(int, access, LOOK, SYS_access, text, int)
CALL2(int, chmod, NEW, SYS_chmod, text, mode_t)
CALL2(int, fchmod, NEW, SYS_fchmod, int, mode_t)
CALL5(int, fchownat, NEW, SYS_fchownat, int, text, uid_t, gid_t, int)
CALL4(int, utimensat, NEW, SYS_utimensat, int, text, const struct timespec *, int)
CALL3(int, mkdirat, NEW, SYS_mkdirat, int, text, mode_t)
CALL4(int, mknodat, NEW, SYS_mknodat, int, text, mode_t, dev_t)
CALL3(int, unlinkat, NEW, SYS_unlinkat, int, text, int)
CALL1(int, rmdir, NEW, SYS_rmdir, text)
CALL5(int, linkat, NEW, SYS_linkat, int, text, int, text, int)
CALL3(int, symlinkat, NEW, SYS_symlinkat, text, int, text)
CALL4(int, renameat, NEW, SYS_renameat, int, text, int, text)
CALL3(ssize_t, readlink, LOOK, SYS_readlink, text, char *, size_t)
CALL4(ssize_t, readlinkat, LOOK, SYS_readlinkat, int, text, char *, size_t)
CALL4(ssize_t, fgetxattr, LOOK | ENOSPC_, SYS_fgetxattr, int, text, void *, size_t)
CALL4(ssize_t, getxattr, LOOK, SYS_getxattr, text, text, void *, size_t)
CALL5(int, fsetxattr, NEW, SYS_fsetxattr, int, text, const void *, size_t, int)
CALL5(int, setxattr, NEW, SYS_setxattr, text, text, const void *, size_t, int)
CALL3(ssize_t, flistxattr, LOOK, SYS_flistxattr, int, char *, size_t)
CALL3(ssize_t, listxattr, LOOK, SYS_listxattr, text, char *, size_t)
CALL2(int, fremovexattr, NEW, SYS_fremovexattr, int, text)
CALL2(int, removexattr, NEW, SYS_removexattr, text, text)
CALL1(int, epoll_create1, ENOMEM_ | EMFILE_, SYS_epoll_create1, int)
CALL4(int, epoll_ctl, ENOMEM_ | ENOSPC_, SYS_epoll_ctl, int, int, int, struct epoll_event *)
CALL4(int, epoll_wait, EINTR_, SYS_epoll_wait, int, struct epoll_event *, int, int)
CALL2(int, eventfd, ENOMEM_ | EMFILE_, SYS_eventfd2, unsigned, int)
CALL1(int, inotify_init1, ENOMEM_ | EMFILE_, SYS_inotify_init1, int)
CALL3(int, inotify_add_watch, ENOMEM_ | ENOSPC_, SYS_inotify_add_watch, int, text, uint32_t)
CALL2(int, inotify_rm_watch, 0, SYS_inotify_rm_watch, int, int)
CALL2(int, dup2, EMFILE_ | EINTR_, SYS_dup2, int, int)
CALL3(int, dup3, EMFILE_ | EINTR_, SYS_dup3, int, int, int)
CALL2(int, flock, EINTR_ | ENOMEM_, SYS_flock, int, int)
CALL3(int, socket, ENOMEM_ | EMFILE_, SYS_socket, int, int, int)
CALL3(int, bind, ENOMEM_, SYS_bind, int, const struct sockaddr *, socklen_t)
CALL2(int, listen, 0, SYS_listen, int, int)
CALL4(int, accept4, ENOMEM_ | EMFILE_ | EINTR_, SYS_accept4, int, struct sockaddr *, socklen_t *, int)
CALL3(int, connect, EINTR_, SYS_connect, int, const struct sockaddr *, socklen_t)
CALL3(int, getsockname, ENOMEM_, SYS_getsockname, int, struct sockaddr *, socklen_t *)
CALL3(int, getpeername, ENOMEM_, SYS_getpeername, int, struct sockaddr *, socklen_t *)
CALL5(int, getsockopt, ENOMEM_, SYS_getsockopt, int, int, int, void *, socklen_t *)
CALL5(int, setsockopt, ENOMEM_, SYS_setsockopt, int, int, int, const void *, socklen_t)
CALL2(int, shutdown, 0, SYS_shutdown, int, int)
CALL2(int, getgroups, 0, SYS_getgroups, int, gid_t *)
CALL1(int, uname, 0, SYS_uname, struct utsname *)
CALL2(int, getrlimit64, 0, SYS_getrlimit, __rlimit_resource_t, struct rlimit64 *)
CALL2(int, setrlimit64, 0, SYS_setrlimit, __rlimit_resource_t, const struct rlimit64 *)

#define OPENS (EIO_ | ENOMEM_ | EMFILE_ | EINTR_)

int open64(text path, int flags, ...)
{
    va_list more;

    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return (int)go("open", OPENS | (flags & O_CREAT ? ENOSPC_ : 0), SYS_open, (long)path, flags, mode, 0, 0, 0);
}

int openat64(int dir, text path, int flags, ...)
{
    va_list more;

    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return (int)go("openat", OPENS | (flags & O_CREAT ? ENOSPC_ : 0), SYS_openat, dir, (long)path, flags, mode, 0,
                   0);
}

int fcntl64(int fd, int command, ...)
{
    va_list more;

    va_start(more, command);
    long argument = va_arg(more, long);
    va_end(more);
    return (int)go("fcntl", command == F_DUPFD || command == F_DUPFD_CLOEXEC ? EMFILE_ : 0, SYS_fcntl, fd, command,
                   argument, 0, 0, 0);
}

int ioctl(int fd, unsigned long command, ...)
{
    va_list more;

    va_start(more, command);
    long argument = va_arg(more, long);
    va_end(more);
    return (int)go("ioctl", EIO_ | EINTR_, SYS_ioctl, fd, (long)command, argument, 0, 0, 0);
}

int poll(struct pollfd *p, nfds_t n, int ms)
{
    return (int)go("poll", EINTR_ | ENOMEM_, SYS_poll, (long)p, (long)n, ms, 0, 0, 0);
}

int ppoll(struct pollfd *p, nfds_t n, const struct timespec *limit, const sigset_t *mask)
{
    struct timespec left = limit ? *limit : (struct timespec){0, 0};
    return (int)go("ppoll", EINTR_ | ENOMEM_, SYS_ppoll, (long)p, (long)n, (long)(limit ? &left : NULL), (long)mask,
                   8, 0);
}

char *getcwd(char *p, size_t n)
{
    return go("getcwd", ENOMEM_, SYS_getcwd, (long)p, (long)n, 0, 0, 0, 0) < 0 ? NULL : p;
}

/* What libc has no function for. */
long syscall(long nr, ...)
{
    static const struct { long nr; const char *name; unsigned can; } some[] = {
        { SYS_openat2, "openat2", OPENS }, { SYS_getdents64, "getdents64", LOOK }, { SYS_statx, "statx", LOOK },
        { SYS_faccessat2, "faccessat2", LOOK }, { SYS_utimensat, "utimensat", NEW },
        { SYS_renameat2, "renameat2", NEW }, { SYS_seccomp, "seccomp", ENOMEM_ },
        { 444, "landlock_create_ruleset", ENOMEM_ | EMFILE_ }, { 445, "landlock_add_rule", ENOMEM_ },
    };
    va_list more;
    long a[6];
    const char *name = "syscall";
    unsigned can = 0;

    va_start(more, nr);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(more, long);
    va_end(more);
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        if (some[i].nr == nr) {
            name = some[i].name;
            can = some[i].can;
        }
    if (nr == SYS_openat2 && *(uint64_t *)a[2] & O_CREAT) /* struct open_how begins with the flags */
        can |= ENOSPC_;
    return go(name, can, nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
