// Names: the walk from a path to what it names (law L13), and every call that takes a path.
// All paths are NUL-terminated guest paths in our memory (uaccess_string before). `dir` is the file
// of a dirfd, borrowed; 0 = the current directory. -ENOTDIR if it is no directory.
#ifndef FS_PATH_H
#define FS_PATH_H

#include "base/types.h"
#include "fs/fs.h"

// What a process takes its paths from. fork shares the content until somebody changes it (L2).
struct fsctx_content {
    u32 refs;
    file_t cwd, root; // directories; a reference each
    u32 umask;
    u32 ns;           // the mount namespace that they lie in; a reference
};
struct fsctx {
    u32 holders; // tasks (CLONE_FS)
    struct fsctx_content *c;
};

// cwd: a host directory's guest path to start in, NULL = the host's own current directory (when it
// can be seen from inside, else "/").
MUST_CHECK int fsctx_new(struct fs *fs, const char *cwd, struct fsctx **out);
MUST_CHECK int fsctx_fork(struct fs *fs, struct fsctx *parent, struct fsctx **out);
// A machine fork's copy; `drop` frees it without touching the files that it names.
struct fsctx *fsctx_copy(struct forking *f, struct fsctx *from);
void fsctx_drop(struct fsctx *c);
void fsctx_get(struct fsctx *c);
void fsctx_put(struct fs *fs, struct fsctx *c);
MUST_CHECK int fsctx_chdir(struct fs *fs, struct fsctx *c, const char *path);
MUST_CHECK int fsctx_fchdir(struct fs *fs, struct fsctx *c, file_t dir);
MUST_CHECK int fsctx_chroot(struct fs *fs, struct fsctx *c, const char *path);
i64 fsctx_getcwd(struct fs *fs, struct fsctx *c, char *buf, size_t cap); // length without NUL; -ERANGE, -ENOENT
MUST_CHECK int fsctx_own(struct fs *fs, struct fsctx *c); // makes the content its own
// A mount namespace of its own, a copy of the one it has. The caller must be c's only holder.
MUST_CHECK int fsctx_unshare_mounts(struct fs *fs, struct fsctx *c);
// Into another, to its root. -EINVAL: it has ended. The caller must be c's only holder.
MUST_CHECK int fsctx_enter_mounts(struct fs *fs, struct fsctx *c, u32 ns);
MUST_CHECK int fsctx_umask(struct fs *fs, struct fsctx *c, u32 mask, u32 *old);

// *out has one reference. -EAGAIN: a FIFO waits for its other side; *out is then set too: wait with
// file_wait(.., 0, ..), go on with file_open_done. ABI_O_CLOEXEC is the caller's business.
MUST_CHECK int path_open(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 oflags,
                         u32 mode, file_t *out);
// The same; `resolve`: RESOLVE_* of openat2(2), but for _CACHED. A relative `dir` counts for absolute paths, too.
MUST_CHECK int path_open_resolve(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 oflags,
                                 u32 mode, u32 resolve, file_t *out);
// flags: ABI_AT_SYMLINK_NOFOLLOW, ABI_AT_EMPTY_PATH ("" names dir itself)
MUST_CHECK int path_stat(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 flags,
                         struct abi_stat *out);
MUST_CHECK int path_statx(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 flags,
                          u32 mask, struct abi_statx *out);
MUST_CHECK int path_access(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 mode,
                           u32 flags);
MUST_CHECK int path_mkdir(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 mode);
MUST_CHECK int path_mknod(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 mode, u64 rdev);
MUST_CHECK int path_unlink(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 flags);
MUST_CHECK int path_rename(struct fs *fs, struct fsctx *c, file_t dir1, const char *path1, file_t dir2,
                           const char *path2, u32 flags);
// flags: ABI_AT_SYMLINK_FOLLOW, ABI_AT_EMPTY_PATH
MUST_CHECK int path_link(struct fs *fs, struct fsctx *c, file_t dir1, const char *path1, file_t dir2,
                         const char *path2, u32 flags);
MUST_CHECK int path_symlink(struct fs *fs, struct fsctx *c, const char *target, file_t dir, const char *path);
i64 path_readlink(struct fs *fs, struct fsctx *c, file_t dir, const char *path, char *buf, size_t cap);
MUST_CHECK int path_chmod(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 mode, u32 flags);
MUST_CHECK int path_chown(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 uid, u32 gid,
                          u32 flags);
// times: 2, or NULL for now
MUST_CHECK int path_utimens(struct fs *fs, struct fsctx *c, file_t dir, const char *path,
                            const struct abi_timespec *times, u32 flags);
MUST_CHECK int path_statfs(struct fs *fs, struct fsctx *c, const char *path, struct abi_statfs *out);
i64 path_xattr(struct fs *fs, struct fsctx *c, const char *path, u32 flags, const struct xattr *x);
MUST_CHECK int path_truncate(struct fs *fs, struct fsctx *c, const char *path, i64 size);
// The guest's absolute path without links, dots: length without NUL.
i64 path_realpath(struct fs *fs, struct fsctx *c, file_t dir, const char *path, char *buf, size_t cap);
// Opens for execve: -EACCES unless it is a regular file; whether it may be executed is asked of
// file_executable. `id` gets what the file was just then, `abs` its absolute guest path.
MUST_CHECK int path_exec(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 flags,
                         file_t *out, struct file_id *id, char *abs, size_t cap);
MUST_CHECK int file_executable(struct fs *fs, file_t id); // 0 or -EACCES

#endif
