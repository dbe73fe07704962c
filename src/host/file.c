#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "host/retry.h"

// x86-64 uses the generic numbers for all of these; on a host that does not, conversion goes here.
#define SAME(name) _Static_assert((u64)(name) == (u64)ABI_##name, #name)
SAME(O_CREAT);
SAME(O_EXCL);
SAME(O_NOCTTY);
SAME(O_TRUNC);
SAME(O_APPEND);
SAME(O_NONBLOCK);
SAME(O_DSYNC);
SAME(O_DIRECTORY);
SAME(O_NOFOLLOW);
SAME(O_CLOEXEC);
SAME(O_SYNC);
_Static_assert(__O_PATH == ABI_O_PATH && __O_DIRECT == ABI_O_DIRECT, "open flags");
_Static_assert(__O_NOATIME == ABI_O_NOATIME && __O_TMPFILE == ABI_O_TMPFILE, "open flags");
SAME(AT_SYMLINK_NOFOLLOW);
SAME(AT_REMOVEDIR);
SAME(AT_EACCESS);
SAME(S_IFMT);
SAME(POLLIN);
SAME(POLLOUT);
SAME(POLLHUP);
SAME(TIOCGWINSZ);
SAME(FIONREAD);
_Static_assert(sizeof(struct statfs) == sizeof(struct abi_statfs), "statfs");

static i64 result(i64 r)
{
    return r < 0 ? -(i64)errno : r;
}

static int result_int(i64 r)
{
    return (int)result(r);
}

int host_openat2(int dir, const char *path, u32 flags, u32 mode)
{
    struct open_how how = {
        .flags = flags | ABI_O_CLOEXEC,
        .mode = flags & (ABI_O_CREAT | (ABI_O_TMPFILE & ~ABI_O_DIRECTORY)) ? mode & 07777 : 0,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return result_int(RETRY(syscall(SYS_openat2, dir, path, &how, sizeof(how))));
}

int host_openat(int dir, const char *path, u32 flags, u32 mode)
{
    return result_int(RETRY(openat(dir, path, (int)(flags | ABI_O_CLOEXEC), mode)));
}

static void fd_name(int fd, char name[32])
{
    snprintf(name, 32, "/proc/self/fd/%d", fd);
}

int host_reopen(int fd, u32 flags)
{
    char name[32];
    fd_name(fd, name);
    return host_openat(AT_FDCWD, name, flags & ~ABI_O_NOFOLLOW, 0);
}

void host_close(int fd)
{
    if (fd >= 0)
        close(fd);
}

void host_blank(int fd)
{
    if (fd > 1)
        return;
    int null = host_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);
    if (null >= 0) {
        (void)RETRY(dup3(null, fd, O_CLOEXEC));
        close(null);
    }
}

void host_raise_fd_limit(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

void host_core_limit(u64 *soft, u64 *hard)
{
    struct rlimit r = {0, 0};
    (void)!getrlimit(RLIMIT_CORE, &r);
    *soft = r.rlim_cur == RLIM_INFINITY ? ~0ULL : r.rlim_cur;
    *hard = r.rlim_max == RLIM_INFINITY ? ~0ULL : r.rlim_max;
}

int host_dup(int fd)
{
    return result_int(fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

int host_fd_flags(int fd)
{
    return result_int(fcntl(fd, F_GETFL));
}

i64 host_fd_path(int fd, char *buf, size_t cap)
{
    char name[32];
    fd_name(fd, name);
    i64 n = result(readlink(name, buf, cap));
    if (n < 0)
        return n;
    if ((size_t)n >= cap)
        return -ENAMETOOLONG;
    buf[n] = 0;
    return n;
}

i64 host_pread(int fd, void *buf, size_t n, i64 offset)
{
    return result(pread(fd, buf, n, offset));
}

i64 host_pwrite(int fd, const void *buf, size_t n, i64 offset)
{
    return result(pwrite(fd, buf, n, offset));
}

i64 host_read(int fd, void *buf, size_t n)
{
    return result(read(fd, buf, n));
}

i64 host_write(int fd, const void *buf, size_t n)
{
    return result(write(fd, buf, n));
}

i64 host_pread_cached(int fd, void *buf, size_t n, i64 offset)
{
    struct iovec v = {buf, n};
    return result(preadv2(fd, &v, 1, offset, RWF_NOWAIT));
}

// An old host, or a container's filter, says that it has no such call.
static bool is_filtered(i64 r)
{
    return r == -EOPNOTSUPP || r == -ENOSYS || r == -EPERM;
}

i64 host_read_nowait(int fd, void *buf, size_t n)
{
    struct iovec v = {buf, n};
    i64 r = result(preadv2(fd, &v, 1, -1, RWF_NOWAIT));
    return is_filtered(r) ? -EOPNOTSUPP : r;
}

i64 host_write_nowait(int fd, const void *buf, size_t n)
{
    struct iovec v = {(void *)(uintptr_t)buf, n};
    i64 r = result(pwritev2(fd, &v, 1, -1, RWF_NOWAIT));
    return is_filtered(r) ? -EOPNOTSUPP : r;
}

i64 host_append(int fd, const void *buf, size_t n, i64 *end)
{
    struct iovec v = {(void *)(uintptr_t)buf, n};
    i64 r = result(pwritev2(fd, &v, 1, -1, RWF_APPEND));
    if (is_filtered(r)) // who else appends may come in between, then
        r = lseek(fd, 0, SEEK_END) < 0 ? -errno : host_write(fd, buf, n);
    if (r >= 0)
        *end = lseek(fd, 0, SEEK_CUR);
    return r;
}

i64 host_lseek(int fd, i64 offset, int whence)
{
    return result(lseek(fd, offset, whence));
}

i64 host_getdents(int fd, void *buf, size_t n)
{
    return result(RETRY(syscall(SYS_getdents64, fd, buf, n)));
}

int host_ftruncate(int fd, i64 size)
{
    return result_int(RETRY(ftruncate(fd, size)));
}

int host_fallocate(int fd, u32 mode, i64 offset, i64 len)
{
    return result_int(RETRY(fallocate(fd, (int)mode, offset, len)));
}

int host_fsync(int fd, bool data_only)
{
    return result_int(RETRY(data_only ? fdatasync(fd) : fsync(fd)));
}

int host_poll(int fd, int events)
{
    struct pollfd p = {.fd = fd, .events = (short)events};
    long r = RETRY(poll(&p, 1, 0));
    return r > 0 ? p.revents : 0;
}

int host_ioctl(int fd, u32 cmd, void *arg)
{
    return result_int(ioctl(fd, (unsigned long)cmd, arg));
}

int host_ioctl_number(int fd, u32 cmd, u64 arg)
{
    return result_int(ioctl(fd, (unsigned long)cmd, arg));
}

bool host_isatty(int fd)
{
    return isatty(fd) == 1;
}

static void convert_stat(const struct stat *s, struct abi_stat *out)
{
    *out = (struct abi_stat){
        .st_dev = s->st_dev,
        .st_ino = s->st_ino,
        .st_mode = s->st_mode,
        .st_nlink = (u32)s->st_nlink,
        .st_uid = s->st_uid,
        .st_gid = s->st_gid,
        .st_rdev = s->st_rdev,
        .st_size = s->st_size,
        .st_blksize = (i32)s->st_blksize,
        .st_blocks = s->st_blocks,
        .st_atime_sec = s->st_atim.tv_sec,
        .st_atime_nsec = (u64)s->st_atim.tv_nsec,
        .st_mtime_sec = s->st_mtim.tv_sec,
        .st_mtime_nsec = (u64)s->st_mtim.tv_nsec,
        .st_ctime_sec = s->st_ctim.tv_sec,
        .st_ctime_nsec = (u64)s->st_ctim.tv_nsec,
    };
}

int host_fstat(int fd, struct abi_stat *out)
{
    struct stat s;
    int r = result_int(fstat(fd, &s));
    if (r == 0)
        convert_stat(&s, out);
    return r;
}

int host_fstatat(int dir, const char *name, struct abi_stat *out)
{
    struct stat s;
    int r = result_int(fstatat(dir, name, &s, AT_SYMLINK_NOFOLLOW));
    if (r == 0)
        convert_stat(&s, out);
    return r;
}

int host_statx(int fd, u32 flags, u32 mask, struct abi_statx *out)
{
    return result_int(syscall(SYS_statx, fd, "", (int)flags | AT_EMPTY_PATH, mask, out));
}

int host_fstatfs(int fd, struct abi_statfs *out)
{
    struct statfs s;
    int r = result_int(RETRY(fstatfs(fd, &s)));
    if (r == 0)
        memcpy(out, &s, sizeof(*out));
    return r;
}

int host_access(int fd, u32 mode, bool effective)
{
    // faccessat2 with AT_EMPTY_PATH is Linux 5.8; before it, and where a container filters it, the magic link
    // does the same. libc would ask for the new call again. The real ids are then our own, too.
    int flags = AT_EMPTY_PATH | (effective ? AT_EACCESS : 0);
    long r = syscall(SYS_faccessat2, fd, "", mode, flags);
    if (r < 0 && (errno == ENOSYS || errno == EPERM)) {
        char name[32];
        fd_name(fd, name);
        r = syscall(SYS_faccessat, AT_FDCWD, name, mode);
    }
    return result_int(r);
}

int host_chmod(int fd, u32 mode)
{
    char name[32];
    int r = result_int(fchmod(fd, mode));
    if (r != -EBADF)
        return r;
    fd_name(fd, name); // O_PATH: fchmod refuses
    return result_int(chmod(name, mode));
}

int host_chown(int fd, u32 uid, u32 gid)
{
    return result_int(fchownat(fd, "", uid, gid, AT_EMPTY_PATH));
}

int host_utimens(int fd, const struct abi_timespec *times)
{
    char name[32];
    struct timespec t[2] = {{0, 0}, {0, 0}};
    if (times)
        for (int i = 0; i < 2; i++)
            t[i] = (struct timespec){times[i].tv_sec, times[i].tv_nsec};
    int r = result_int(syscall(SYS_utimensat, fd, "", times ? t : NULL, AT_EMPTY_PATH));
    if (r != -EINVAL && r != -ENOENT)
        return r;
    fd_name(fd, name); // AT_EMPTY_PATH here is Linux 5.8
    return result_int(utimensat(AT_FDCWD, name, times ? t : NULL, 0));
}

i64 host_readlinkat(int dir, const char *name, char *buf, size_t cap)
{
    return result(readlinkat(dir, name, buf, cap));
}

int host_mkdirat(int dir, const char *name, u32 mode)
{
    return result_int(mkdirat(dir, name, mode));
}

int host_mknodat(int dir, const char *name, u32 mode, u64 rdev)
{
    return result_int(mknodat(dir, name, mode, rdev));
}

int host_unlinkat(int dir, const char *name, bool is_dir)
{
    return result_int(unlinkat(dir, name, is_dir ? AT_REMOVEDIR : 0));
}

int host_renameat(int dir1, const char *name1, int dir2, const char *name2, u32 flags)
{
    if (!flags)
        return result_int(renameat(dir1, name1, dir2, name2));
    return result_int(syscall(SYS_renameat2, dir1, name1, dir2, name2, flags));
}

int host_linkat(int dir1, const char *name1, int dir2, const char *name2)
{
    return result_int(linkat(dir1, name1, dir2, name2, 0));
}

int host_link_fd(int fd, int dir, const char *name)
{
    char from[32];
    fd_name(fd, from);
    return result_int(linkat(AT_FDCWD, from, dir, name, AT_SYMLINK_FOLLOW));
}

int host_symlinkat(const char *target, int dir, const char *name)
{
    return result_int(symlinkat(target, dir, name));
}

int host_memfd(const char *name, u32 flags)
{
    return result_int(memfd_create(name, flags | MFD_CLOEXEC));
}

int host_fcntl_number(int fd, int cmd, u64 arg)
{
    return result_int(fcntl(fd, cmd, arg));
}

int host_random(void *buf, size_t n)
{
    u8 *p = buf;
    while (n) {
        i64 r = result(getrandom(p, MIN(n, (size_t)256), 0));
        if (r < 0 && r != -EINTR)
            return (int)r;
        if (r > 0) {
            p += r;
            n -= (size_t)r;
        }
    }
    return 0;
}

int host_getcwd(char *buf, size_t cap)
{
    return getcwd(buf, cap) ? 0 : -errno;
}

u32 host_umask_zero(void)
{
    return umask(0);
}
