// What mount(2) and its relatives ask of the mount table. Paths are the guest's, in our memory.
#ifndef FS_MOUNT_CALL_H
#define FS_MOUNT_CALL_H

#include "abi/mount_abi.h"
#include "fs/path.h"

struct mount_request {
    const char *source, *target, *data; // never NULL
    const char *type;                   // may be NULL
    u32 flags;
};

// `may`: the caller has CAP_SYS_ADMIN.
MUST_CHECK int fs_mount(struct fs *fs, struct fsctx *c, const struct mount_request *q, bool may);
MUST_CHECK int fs_umount(struct fs *fs, struct fsctx *c, const char *target, u32 flags, bool may);
// Whoever has the root of mount roots[0] for a root or current directory is to get that of roots[1]:
// fsctx_pivoted, once for each path context.
MUST_CHECK int fs_pivot_root(struct fs *fs, struct fsctx *c, const char *new_root, const char *put_old, u32 roots[2]);
void fsctx_pivoted(struct fs *fs, struct fsctx *c, const u32 roots[2]);

// ---- what is mounted, as text (mount_show.c): what can be seen from c's root
MUST_CHECK int mounts_text(struct fs *fs, struct fsctx *c, struct strbuf *out);    // /proc/PID/mounts
MUST_CHECK int mountinfo_text(struct fs *fs, struct fsctx *c, struct strbuf *out); // /proc/PID/mountinfo
extern const char filesystems_text[];                                              // /proc/filesystems

// ---- shared by the files of the table
struct tmpfs_options;
MUST_CHECK int tmpfs_parse(struct fs *fs, const char *data, struct tmpfs_options *o); // -EINVAL
void mounts_changed(struct fs *fs); // whoever polls /proc/PID/mounts is told

#endif
