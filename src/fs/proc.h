// What the kernel tells fs about itself, so that fs can show it as /proc. A `rel` is a path below
// /proc without leading slash: "" (the root), "cpuinfo", "12/maps", "12/task/13/stat", "12/fd".
// "self" and "thread-self" are symbolic links for readlink to answer ("12", "12/task/13"); the
// walker expands them, so an open file names the process that opened it, as in Linux.
#ifndef FS_PROC_H
#define FS_PROC_H

#include "base/types.h"
#include "fs/strbuf.h"

#define PROC_NS_ROOM 64
enum proc_kind { PROC_DIR = 1, PROC_FILE, PROC_LINK };

struct proc_ops {
    // What is there: an enum proc_kind, or -ENOENT (-EACCES, ...). *mode, preset by fs, may be
    // changed: the permission bits.
    int (*kind)(void *arg, const char *rel, u32 *mode);
    // The text of a link, not NUL-terminated: its length, or -E... For "12/fd/3" and "12/exe" this
    // is only for readlink(2); walking goes through `file` first.
    i64 (*readlink)(void *arg, const char *rel, char *buf, size_t cap);
    // Magic links: the open file behind "12/fd/3" or "12/exe" as a borrowed file_t > 0;
    // 0 when the link is an ordinary one (walk its text); or -E...
    i64 (*file)(void *arg, const char *rel);
    // "12/ns/mnt" and the like: 1, the kind of namespace (CLONE_NEW*), which one of mounts, and its name, in PROC_NS_ROOM
    // bytes; 0 = it is none; or -E... May be NULL.
    int (*ns)(void *arg, const char *rel, u32 *type, u32 *mounts, char *name);
    // Appends the content to `out`. 0 or -E...
    int (*read)(void *arg, const char *rel, struct strbuf *out);
    // May be NULL (then -EACCES at open). Bytes taken, or -E...
    i64 (*write)(void *arg, const char *rel, const char *text, size_t n);
    // Files whose bytes have addresses ("12/mem", "12/pagemap"): up to n bytes, with what there is at
    // `offset`; 0 = the end; -ENOSYS: it is not one of them, but a text. May be NULL.
    i64 (*read_at)(void *arg, const char *rel, u64 offset, void *to, size_t n);
    i64 (*write_at)(void *arg, const char *rel, u64 offset, const void *from, size_t n);
    // Appends the entries: each is one byte 'd', '-' or 'l' (directory, file, link), the name, NUL.
    // "." and ".." are not wanted.
    int (*list)(void *arg, const char *rel, struct strbuf *out);
};

#endif
