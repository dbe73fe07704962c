// What is mounted where: trees of mounts, one for each mount namespace. Internal to src/fs.
//
//     namespace --root--> mount --first--> mount --next--> mount     a mount hangs at a mount point: a name
//                                  |                                 in a directory of its parent, or its
//                              --first--> mount                      parent's root (`over`)
//
// (MT1) A row lives while it stands in a tree, or somebody refers to it: `refs` counts open files found in it,
//       the tree's reference, and one of the machine's to the first, which so never goes.
// (MT2) A mount point is known by the directory that holds it and its name, so that it need not exist in the
//       host. Names that lead to one cannot be removed or renamed, whatever mount they are found through.
// (MT3) What a locked mount hides stays hidden: it is neither unmounted nor moved, and its parent is bound
//       together with it or not at all. So are those that the machine's owner asked for, and those over
//       something that the host has mounted.
// (MT4) Descriptors of the host are the row's own. They are of directories below what the owner gave, so no
//       mount leads out of it.
#ifndef FS_MOUNT_H
#define FS_MOUNT_H

#include "abi/fs_abi.h"
#include "abi/mount_abi.h"
#include "fs/fs.h"
#include "fs/path.h"

enum mount_kind { MOUNT_HOST, MOUNT_PROC, MOUNT_DEV, MOUNT_PTS, MOUNT_TMP, MOUNT_NODE /* a bound device */ };

// What a mount keeps of mount(2)'s flags.
#define MOUNT_FLAGS (ABI_MS_RDONLY | ABI_MS_NOSUID | ABI_MS_NODEV | ABI_MS_NOEXEC | ABI_MS_NOATIME | \
                     ABI_MS_NODIRATIME | ABI_MS_RELATIME | ABI_MS_NOSYMFOLLOW)
#define MOUNTS_MOST 16384u

struct mount {
    u8 kind;
    bool ro;         // nothing is changed here: MS_RDONLY of this mount, or of its file system
    bool sb_ro;      // ... of the latter
    bool whole;      // the host's own /, nothing is confined
    bool main;       // the machine's root, or a namespace's copy of it
    bool locked, locked_ro; // (MT3); MS_RDONLY stays
    bool unbindable;
    bool file;       // its root is not a directory
    bool expiring;   // MNT_EXPIRE came, and nobody since
    bool stale;      // `guest` is to be made again
    u32 flags;       // MOUNT_FLAGS
    u32 refs, ns;    // ns 0 = in no namespace any more
    u64 serial;      // the order in which they came
    int fd;          // its root (O_PATH), -1 = none in the host
    u64 dev, ino;    // identity of fd
    u32 inode;       // MOUNT_TMP: its root, a reference
    u32 node;        // MOUNT_NODE, and the root of MOUNT_DEV and MOUNT_PTS: enum dev_id
    char *base;      // MOUNT_PROC: the part of proc_ops's tree that it shows, "" = all of it
    char *guest;     // its path from the namespace's root, "" for that itself; NULL: unknown. mount_guest
    char *source;
    // where it is mounted
    u32 parent;      // id, 0 = a namespace's root, or nowhere
    u32 first, last, next, prev; // its children; its siblings
    u32 copy;        // mount_copy_tree's
    u32 over;        // a mount on the root of this one
    bool on_root;    // this is such a one
    char *name;      // in the directory, which is ..
    int parent_fd;   // .. this (O_PATH); or -1: the root of a parent that the host does not have
    u64 parent_dev, parent_ino;
    u32 parent_inode; // .. or in a tmpfs; a reference
    char *rel;       // in /proc: the mount point itself
};

struct mntns { // 1 is the first, which the machine itself refers to
    u32 refs; // path contexts, files
    bool detached; // none: a tree that stands nowhere. Its one reference is the FILE_TREE's it was made with
    u32 root; // mount
    u64 serial;
};

// Where something may be mounted. Ours: fd, inode's reference, the texts.
struct mount_point {
    u32 mount;
    bool on_root;
    int fd;
    u64 dev, ino;
    u32 inode;
    char *name, *rel;
};

// What a path leads to, a file behind a magic link included.
enum place_kind { PLACE_HOST, PLACE_TMP, PLACE_PROC, PLACE_NODE };
struct place {
    u8 kind;
    bool dir;
    u32 mount;
    int fd; // PLACE_HOST: ours
    u64 dev, ino;
    u32 inode; // PLACE_TMP: a reference
    u32 name;  // by which it was found, borrowed; 0 = its newest
    u32 node;
    char rel[ABI_PATH_MAX]; // PLACE_PROC
};

static inline struct mount *mount_at(struct fs *fs, u32 id)
{
    return pool_at(&fs->mounts, id);
}
static inline u64 mount_unique(const struct mount *m) // a number that no other ever has
{
    return (1ULL << 31) + m->serial;
}
static inline bool mount_is_ro(struct fs *fs, u32 id) // id 0: no
{
    return id && mount_at(fs, id)->ro;
}
static inline bool mount_has(struct fs *fs, u32 id, u32 flag)
{
    return id && mount_at(fs, id)->flags & flag;
}
static inline u64 mount_name_bit(const char *name, size_t len) // len > 0
{
    return 1ULL << (((u8)name[0] * 5u + (u8)name[len - 1] * 3u + len) & 63);
}

static inline struct mntns *mntns_at(struct fs *fs, u32 id)
{
    return pool_at(&fs->mntnses, id);
}
static inline u32 mntns_root(struct fs *fs, u32 ns)
{
    return mntns_at(fs, ns)->root;
}

// ---- rows (mount.c)
MUST_CHECK int mount_new(struct fs *fs, enum mount_kind kind, u32 flags, const char *source, u32 *id);
void mount_get(struct fs *fs, u32 id); // 0 is fine
void mount_put(struct fs *fs, u32 id);
void file_set_mount(struct fs *fs, struct file *f, u32 mount); // with a reference; it had none
// Into the tree, with the caller's reference; takes over what the point owns.
void mount_attach(struct fs *fs, u32 id, struct mount_point *at);
// Out of the tree; its reference is the caller's now, and where it was mounted.
void mount_take(struct fs *fs, u32 id, struct mount_point *was);
void mount_detach(struct fs *fs, u32 id); // the same, and both given back
void mount_point_clear(struct fs *fs, struct mount_point *at);
u32 mount_next(struct fs *fs, u32 id, u32 top); // the next one at or below `top`, parents first; 0 = no more
void mounts_renamed(struct fs *fs); // paths of mounts may have changed
void mount_update(struct fs *fs, u32 id); // `ro`, after a change of its flags
void mount_statfs(struct fs *fs, u32 id, struct abi_statfs *out); // its flags; id 0: none
bool mount_same_fs(struct fs *fs, u32 a, u32 b);
const char *mount_guest(struct fs *fs, u32 id); // NULL: too long, or no memory
const char *mount_below(struct fs *fs, u32 mount, const char *rel); // `rel` without the base
// The guest's path of a host descriptor found in `mount`.
i64 mount_path(struct fs *fs, u32 mount, int fd, char *buf, size_t cap);
u32 tmp_mount(struct fs *fs, u32 tmpfs); // the mount that shows all of it, 0 = none
// Something is mounted on this name in this directory (fd or inode).
bool mount_point_busy(struct fs *fs, int fd, u32 inode, const char *name, size_t len);

// ---- at the start (mount_start.c)
MUST_CHECK int mounts_new(struct fs *fs, const struct fs_options *options);
void mounts_free(struct fs *fs); // what the pools do not own

// ---- places (mount_place.c)
MUST_CHECK int place_find(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 flags /* WALK_ */,
                          struct place *out);
void place_clear(struct fs *fs, struct place *p);
MUST_CHECK int place_root(struct fs *fs, u32 mount, struct place *out); // of a mount
MUST_CHECK int place_top(struct fs *fs, struct place *p); // to the root of what is mounted on it
u32 mount_on(struct fs *fs, const struct mount_point *at); // what is mounted there, 0 = nothing
bool place_is_root(struct fs *fs, const struct place *p);
// -EINVAL where nothing can be mounted, -ENOENT: it was removed
MUST_CHECK int place_point(struct fs *fs, const struct place *p, struct mount_point *out);
bool place_holds(struct fs *fs, const struct place *p, u32 child); // the child of p's mount lies at or below p
MUST_CHECK int place_open(struct fs *fs, const struct place *p, file_t *out); // as O_PATH does
MUST_CHECK int place_bind(struct fs *fs, const struct place *p, u32 *id); // a mount that shows it

// ---- namespaces (mount_ns.c)
MUST_CHECK int mntns_new(struct fs *fs, u32 root, u32 *id); // root: a mount that stands nowhere
void mntns_get(struct fs *fs, u32 id);
void mntns_put(struct fs *fs, u32 id);
void mount_umount_tree(struct fs *fs, u32 top);
// A copy of `place`, and of what is mounted in it (but for MOUNT_COPY_ONE; BIND leaves out unbindable ones);
// attached nowhere. Each copied mount says which is its copy.
enum mount_copy { MOUNT_COPY_ONE, MOUNT_COPY_BIND, MOUNT_COPY_NS };
MUST_CHECK int mount_copy_tree(struct fs *fs, const struct place *place, enum mount_copy what, u32 *top);

#endif
