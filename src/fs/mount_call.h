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

// ---- trees of mounts that stand nowhere, by descriptor (mount_tree.c)
// `dir`, `path`: as in path.h; "" names `dir` itself
struct mount_path {
    file_t dir;
    const char *path;
    bool nofollow;
};
enum tree_open { TREE_HERE, TREE_ONE, TREE_ALL }; // what is there; a copy of the mount; and of what is mounted in it
MUST_CHECK int fs_open_tree(struct fs *fs, struct fsctx *c, const struct mount_path *p, enum tree_open what, file_t *out);
MUST_CHECK int fs_move_mount(struct fs *fs, struct fsctx *c, const struct mount_path *from, const struct mount_path *to,
                             bool beneath);
struct mount_change {
    u32 set, clear;  // MOUNT_FLAGS
    u32 propagation; // MS_SHARED and the like; 0 = as it was
    bool all;        // what is mounted below, too
};
MUST_CHECK int fs_mount_setattr(struct fs *fs, struct fsctx *c, const struct mount_path *p, const struct mount_change *q);
// The file of a tree that stands nowhere; gives the tree up on failure.
MUST_CHECK int mount_tree_open(struct fs *fs, u32 top, file_t *out);
void mount_tree_close(struct fs *fs, u32 mount); // the file that such a tree came with ends

// ---- fsopen(2) and its kind (fscontext.c)
MUST_CHECK int fs_context(struct fs *fs, const char *type, file_t *out);
MUST_CHECK int fs_pick(struct fs *fs, struct fsctx *c, const struct mount_path *p, file_t *out);
// `value` NULL: a flag. -EBUSY, -EINVAL with a message to be read
MUST_CHECK int fs_context_set(struct fs *fs, file_t id, const char *key, const char *value);
MUST_CHECK int fs_context_set_other(struct fs *fs, file_t id, const char *key); // a value that is no string
MUST_CHECK int fs_context_command(struct fs *fs, file_t id, u32 command);
MUST_CHECK int fs_context_mount(struct fs *fs, file_t id, u32 flags, file_t *out);
bool is_fs_context(struct fs *fs, file_t id);

// ---- shared by the files of the table
struct tmpfs_options;
MUST_CHECK int tmpfs_parse(struct fs *fs, const char *data, struct tmpfs_options *o); // -EINVAL
// One option; `value` NULL: it has none. -EINVAL; -ENOENT: there is none of that name
MUST_CHECK int tmpfs_param(struct fs *fs, struct tmpfs_options *o, const char *key, const char *value);
struct place;
bool mount_is_ours(struct fs *fs, const struct fsctx *c, u32 mount); // it stands in c's namespace
bool mount_has_writer(struct fs *fs, u32 mount, bool everywhere); // open files: in it, or in its whole file system
// Puts a tree on what is at `at`; gives it up on failure.
MUST_CHECK int mount_graft(struct fs *fs, struct place *at, u32 id);
MUST_CHECK int mount_copyable(struct fs *fs, const struct fsctx *c, const struct place *from, bool all); // -EINVAL
MUST_CHECK int mount_move(struct fs *fs, const struct fsctx *c, const struct place *from, struct place *at, bool beneath);
// The file system that a mount shows is changed, with all that shows it. -EPERM, -EBUSY, -EINVAL
MUST_CHECK int mount_reconfigure(struct fs *fs, u32 id, bool ro, const struct tmpfs_options *o);

// ---- types of file systems (fstype.c)
int fstype_find(const char *name); // -ENODEV
const char *fstype_name(u32 type);
u32 fstype_mode(u32 type); // of a root, if nobody says
bool fstype_is_tmpfs(u32 type); // has options as tmpfs has
bool fstype_is_single(u32 type); // there is one of it
// A mount that stands nowhere. `flags`: MOUNT_FLAGS; `o`: for those of tmpfs; `ro`: the file system is
MUST_CHECK int fstype_mount(struct fs *fs, u32 type, const struct tmpfs_options *o, u32 flags, bool ro,
                            const char *source, u32 *id);
// Is `key` an option of the type's, whatever it does here? tmpfs_param's answers.
MUST_CHECK int fstype_param(struct fs *fs, u32 type, struct tmpfs_options *o, const char *key, const char *value);
void mounts_changed(struct fs *fs); // whoever polls /proc/PID/mounts is told

#endif
