// Descriptor tables: fork copies nothing, and the first change after it copies one path of small
// nodes (laws L1, L2).
//
//     table A --> root --+--> inner --> leaf: 64 slots, each a reference to a file
//                        |               ^
//     table B -----------+               +-- shared with refs > 1: immutable; the first one to
//                                            change it copies it, and every file in it gains one
//
// (D1) holders counts the tasks that hold the table (CLONE_FILES); node refs count sharers.
// (D2) A file is closed when the last leaf that names it lets it go, so that a pipe's end stays
//      open exactly as long as some table shows it.
#ifndef FS_FDTABLE_H
#define FS_FDTABLE_H

#include "base/types.h"
#include "fs/fs.h"

struct fdnode;

struct fdtable {
    u32 holders;
    u32 id;     // owner of fcntl locks; not inherited by fork
    u32 height; // levels of nodes below root: 64^(height+1) descriptors
    u32 open;   // descriptors in use
    bool locks; // may own record locks
    bool notify; // may have directories under F_NOTIFY
    struct fdnode *root;
};

MUST_CHECK int fdtable_new(struct fs *fs, struct fdtable **out);
MUST_CHECK int fdtable_fork(struct fs *fs, struct fdtable *parent, struct fdtable **out);
// A machine fork's copy; `drop` frees it without touching the files that it names.
struct fdtable *fdtable_copy(struct forking *f, struct fdtable *from);
void fdtable_drop(struct fdtable *t);
void fdtable_get(struct fdtable *t);
void fdtable_put(struct fs *fs, struct fdtable *t); // the last holder's put closes all

// The lowest free descriptor >= min and < limit, now naming `file`: takes over the caller's
// reference, unless it fails: -EMFILE, -EINVAL (min >= limit), -ENOMEM.
MUST_CHECK int fd_alloc(struct fs *fs, struct fdtable *t, file_t file, u32 min, bool cloexec, u64 limit);
// Makes two descriptors or none (pipe2, socketpair). On failure both references stay the caller's.
// Would a descriptor below `limit` be found? Descriptors beyond it may be open: it can be lowered.
bool fd_room(const struct fdtable *t, u64 limit);
MUST_CHECK int fd_alloc2(struct fs *fs, struct fdtable *t, const file_t file[2], bool cloexec,
                         u64 limit, int fds[2]);
file_t fd_get(const struct fdtable *t, u32 fd); // borrowed; 0 = not open
// dup2's second half: fd names `file` from now on; what was there is closed. Takes over the caller's
// reference, unless it fails: -EBADF (fd >= limit), -ENOMEM.
MUST_CHECK int fd_replace(struct fs *fs, struct fdtable *t, u32 fd, file_t file, bool cloexec, u64 limit);
// Takes the file out without dropping it (the caller gets the table's reference). -EBADF, -ENOMEM
MUST_CHECK int fd_take(struct fs *fs, struct fdtable *t, u32 fd, file_t *out);
MUST_CHECK int fd_close(struct fs *fs, struct fdtable *t, u32 fd); // -EBADF, -ENOMEM (still open)
int fd_cloexec(const struct fdtable *t, u32 fd);                   // 0, 1, or -EBADF
MUST_CHECK int fd_set_cloexec(struct fs *fs, struct fdtable *t, u32 fd, bool on);
MUST_CHECK int fd_close_on_exec(struct fs *fs, struct fdtable *t);
// The first open descriptor >= from, or -1.
i64 fd_next(const struct fdtable *t, u32 from);
// close_range(2): closes first..last, or with `cloexec` only marks them.
MUST_CHECK int fd_close_range(struct fs *fs, struct fdtable *t, u32 first, u32 last, bool cloexec);

#endif
