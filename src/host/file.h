// The host's files: thin calls that answer -errno. Flags and numbers are the guest's (ABI_*), which
// file.c asserts to be the host's too. Every descriptor made here is close-on-exec.
#ifndef HOST_FILE_H
#define HOST_FILE_H

#include "abi/fs_abi.h"
#include "base/types.h"

#define HOST_CWD (-100)

// How openat2 may walk: RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS always.
MUST_CHECK int host_openat2(int dir, const char *path, u32 flags, u32 mode);
MUST_CHECK int host_openat(int dir, const char *path, u32 flags, u32 mode);
MUST_CHECK int host_reopen(int fd, u32 flags); // through /proc/self/fd
void host_close(int fd);
// Puts /dev/null in the place of standard input or output, so that the other end of a pipe sees it
// closed. Standard error stays: tine's own words go there.
void host_blank(int fd);
void host_core_limit(u64 *soft, u64 *hard); // RLIMIT_CORE: bytes, ~0 = no limit
void host_raise_fd_limit(void); // as many descriptors as the hard limit allows
MUST_CHECK int host_dup(int fd);
MUST_CHECK int host_fd_flags(int fd); // F_GETFL, -EBADF
i64 host_fd_path(int fd, char *buf, size_t cap); // the host's name of it, NUL-terminated

i64 host_pread(int fd, void *buf, size_t n, i64 offset);
// Only what is in the host's memory: -EAGAIN where none of it is, -EOPNOTSUPP or -ENOSYS where the host can't tell.
i64 host_pread_cached(int fd, void *buf, size_t n, i64 offset);
i64 host_pwrite(int fd, const void *buf, size_t n, i64 offset);
i64 host_read(int fd, void *buf, size_t n);
i64 host_write(int fd, const void *buf, size_t n);
// Without waiting: -EAGAIN, or -EOPNOTSUPP when the host can't promise that for fd.
i64 host_read_nowait(int fd, void *buf, size_t n);
i64 host_write_nowait(int fd, const void *buf, size_t n);
i64 host_append(int fd, const void *buf, size_t n, i64 *end); // *end: position after the write
i64 host_lseek(int fd, i64 offset, int whence);
i64 host_getdents(int fd, void *buf, size_t n);
MUST_CHECK int host_ftruncate(int fd, i64 size);
MUST_CHECK int host_fallocate(int fd, u32 mode, i64 offset, i64 len);
MUST_CHECK int host_fsync(int fd, bool data_only);
int host_poll(int fd, int events); // what is ready now, without waiting
int host_ioctl(int fd, u32 cmd, void *arg);
int host_ioctl_number(int fd, u32 cmd, u64 arg);
bool host_isatty(int fd);

MUST_CHECK int host_fstat(int fd, struct abi_stat *out); // O_PATH descriptors too
MUST_CHECK int host_fstatat(int dir, const char *name, struct abi_stat *out); // no link followed
MUST_CHECK int host_statx(int fd, u32 flags, u32 mask, struct abi_statx *out);
MUST_CHECK int host_fstatfs(int fd, struct abi_statfs *out);
// On an O_PATH descriptor, too; `effective`: by the effective ids.
MUST_CHECK int host_access(int fd, u32 mode, bool effective);
MUST_CHECK int host_chmod(int fd, u32 mode);
MUST_CHECK int host_chown(int fd, u32 uid, u32 gid);
MUST_CHECK int host_utimens(int fd, const struct abi_timespec *times);
i64 host_readlinkat(int dir, const char *name, char *buf, size_t cap); // name "": dir itself
MUST_CHECK int host_mkdirat(int dir, const char *name, u32 mode);
MUST_CHECK int host_mknodat(int dir, const char *name, u32 mode, u64 rdev);
MUST_CHECK int host_unlinkat(int dir, const char *name, bool is_dir);
MUST_CHECK int host_renameat(int dir1, const char *name1, int dir2, const char *name2, u32 flags);
MUST_CHECK int host_linkat(int dir1, const char *name1, int dir2, const char *name2);
MUST_CHECK int host_link_fd(int fd, int dir, const char *name);
MUST_CHECK int host_symlinkat(const char *target, int dir, const char *name);
// Extended attributes; O_PATH descriptors too. What is read: its length, -ERANGE.
i64 host_getxattr(int fd, const char *name, void *value, size_t n);
i64 host_setxattr(int fd, const char *name, const void *value, size_t n, u32 flags);
i64 host_listxattr(int fd, char *list, size_t n);
i64 host_removexattr(int fd, const char *name);
MUST_CHECK int host_memfd(const char *name, u32 flags);
int host_fcntl_number(int fd, int cmd, u64 arg); // F_ADD_SEALS and the like
MUST_CHECK int host_random(void *buf, size_t n);
MUST_CHECK int host_getcwd(char *buf, size_t cap);
// Sets the process's umask to 0, so that modes are ours to mask, and answers what it was.
u32 host_umask_zero(void);

#endif
