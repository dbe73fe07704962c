// File systems in the machine's memory: /dev/shm, and memfds.
//
//     struct name --inode--> struct inode --memory--> pages (the kernel's, struct memory_ops)
//       |   ^                  |  ^
//     dir   +---- first, next -+  +--inode-- struct file, struct mount: a reference each
//
// (T1) All of it is rows of pools that name each other by id, and each row owns little: so each copy of a
//      machine has file systems of its own, and the pages are parted as all memory is.
// (T2) An inode lives as long as it has a name, or a reference (`refs`). Directories that were removed have
//      nlink 0 and no parent; nothing is made in them any more.
// (T2b) A name that is taken away while files are open by it is kept for them, with dir 0, inode 0, and as its text
//      the path that it was.
// (T3) `units` bounds what files without pages cost: one for each inode, more for long links and extended
//      attributes. There are half as many as the machine has pages.
// (T4) Who may do what is asked of fs->cred, once for each call: the caller's file-system ids and capabilities.
#ifndef FS_TMPFS_H
#define FS_TMPFS_H

#include "fs/fs.h"

struct tmpfs {
    u32 refs;   // references to its inodes; 0 = all of it goes
    u32 root;   // inode, 0 = none: memfds
    u64 dev;
    struct quota *quota;     // of pages, 0 = as many as the machine has; a reference
    u64 inodes, inodes_most; // 0 = no limit of its own
    u32 mode, uid, gid;      // that it was made with
    bool devices;            // devtmpfs
};

struct tmpfs_options {
    u32 mode, uid, gid; // of the root
    u64 size, inodes;   // bytes; 0 = no limit of its own
};

struct inode {
    u32 refs;   // open files, mounts
    u32 tmpfs;
    u32 mode, nlink, uid, gid;
    u32 memory; // of a regular file: its pages
    u32 seals;  // F_SEAL_*
    u64 ino, rdev;
    i64 atime, mtime, ctime, btime; // ns since 1970
    u32 parent; // of a directory; the root's is itself
    u32 first, last; // a directory's names, in the order in which they came
    u64 entries, cookies; // how many; the last cookie given out
    u32 names;  // the first of those that it has itself
    char *text; // a symbolic link's; of others, what a file that never had a name is called
    u8 *xattrs; // {u32 size of value, u8 length of name, name, value}...
    u32 xattrs_size;
    u32 marks;  // the first of who watches it (fs/notify.h)
    bool linkable; // made without a name, by O_TMPFILE: may still get one
};

struct name {
    u32 dir, inode;
    u32 prev, next; // in the directory
    u32 chain;      // with the same hash
    u32 other;      // the inode's next name
    u32 hash, len;
    u32 refs;       // open files
    u64 cookie;     // its place for getdents; never given out again in this directory
    char *text;
};

#define RAMDISK_DEV ABI_MAKEDEV(1, 0)
#define RAMDISK_SIZE ((u64)512 << 20) // bytes; only what is written takes memory
#define TMP_DEV(n) ABI_MAKEDEV(0, 0xfff00u + (n)) // devices that no host hands out

static inline struct inode *inode_at(struct fs *fs, u32 id)
{
    return pool_at(&fs->inodes, id);
}
static inline struct tmpfs *tmpfs_of(struct fs *fs, u32 inode)
{
    return pool_at(&fs->tmpfses, inode_at(fs, inode)->tmpfs);
}
static inline bool inode_is(struct fs *fs, u32 id, u32 type)
{
    return (inode_at(fs, id)->mode & ABI_S_IFMT) == type;
}

// An empty file system; its root, with one reference. -ENOMEM
MUST_CHECK int tmpfs_new(struct fs *fs, const struct tmpfs_options *o, u32 *root);
MUST_CHECK int tmpfs_devices(struct fs *fs, u32 *root); // one with the machine's devices in it
// Other limits; -EINVAL where more is in use. 0 in `o`: as before
MUST_CHECK int tmpfs_resize(struct fs *fs, u32 inode, const struct tmpfs_options *o);
void inode_get(struct fs *fs, u32 id);
void inode_put(struct fs *fs, u32 id);
void tmpfs_free(struct fs *fs); // what the pools do not own

// ---- one inode (tmpfs.c)
MUST_CHECK int tmp_may(struct fs *fs, u32 id, u32 want); // ABI_R_OK | W | X: 0 or -EACCES
void tmp_stat(struct fs *fs, u32 id, struct abi_stat *out);
void tmp_statfs(struct fs *fs, u32 id, struct abi_statfs *out);
// `name`, here and below: by which the inode was found, for who is told; 0 = its newest.
MUST_CHECK int tmp_chmod(struct fs *fs, u32 id, u32 name, u32 mode);
MUST_CHECK int tmp_chown(struct fs *fs, u32 id, u32 name, u32 uid, u32 gid);
MUST_CHECK int tmp_utimens(struct fs *fs, u32 id, u32 name, const struct abi_timespec *times);
i64 tmp_xattr(struct fs *fs, u32 id, u32 name, const struct xattr *x);
void tmp_touch(struct fs *fs, u32 id, bool content); // mtime (if) and ctime are now
// The path of an inode found in a mount: like file_path.
i64 tmp_path(struct fs *fs, u32 mount, u32 id, u32 name, char *buf, size_t cap);

// ---- names (tmpfs_names.c). `dir` must be a directory, else -ENOTDIR; whether the caller may search or
// change it is checked.
MUST_CHECK int tmp_look(struct fs *fs, u32 dir, const char *name, size_t len, u32 *id);
// `mode` with its type; `text` of a symbolic link
MUST_CHECK int tmp_make(struct fs *fs, u32 dir, const char *name, size_t len, u32 mode, u64 rdev,
                        const char *text, u32 *id);
u32 tmp_named(struct fs *fs, u32 name); // its inode, 0 = it is taken away
void name_get(struct fs *fs, u32 name); // 0: nothing
void name_put(struct fs *fs, u32 name);
MUST_CHECK int tmp_link(struct fs *fs, u32 dir, const char *name, size_t len, u32 inode);
MUST_CHECK int tmp_unlink(struct fs *fs, u32 dir, const char *name, size_t len, bool is_dir);
// must_dir: one of the names had a slash behind it
MUST_CHECK int tmp_rename(struct fs *fs, u32 dir1, const char *name1, size_t len1, u32 dir2,
                          const char *name2, size_t len2, u32 flags, bool must_dir);
i64 tmp_getdents(struct fs *fs, file_t id, struct uio *to);
// An inode without a name, for one reference to come (O_TMPFILE, memfd_create).
MUST_CHECK int tmp_inode(struct fs *fs, u32 tmpfs, u32 dir, u32 mode, u32 *inode);
bool tmp_is_above(struct fs *fs, u32 of, u32 dir); // directory `of` is `dir`, or lies above it
void tmp_forget(struct fs *fs, u32 inode); // one that has neither name nor reference

// ---- open files (tmpfs_file.c)
MUST_CHECK int tmp_open(struct fs *fs, u32 inode, u32 name, u32 oflags, u32 mode, u32 mount, bool made, file_t *out);
i64 tmp_read(struct fs *fs, const struct file *f, void *to, size_t n, u64 offset);
i64 tmp_write(struct fs *fs, u32 inode, const void *from, size_t n, u64 offset);
MUST_CHECK int tmp_truncate(struct fs *fs, u32 inode, u32 name, u64 size);
MUST_CHECK int tmp_allocate(struct fs *fs, u32 inode, u32 name, u32 mode, i64 offset, i64 len);
i64 tmp_seek(struct fs *fs, u32 inode, u64 offset, bool data);
u64 tmp_size(struct fs *fs, u32 inode);
MUST_CHECK int tmp_memfd(struct fs *fs, const char *name, u32 mfd_flags, file_t *out);

// ---- what these files share
MUST_CHECK int tmp_may_remove(struct fs *fs, u32 dir, u32 id); // the sticky bit's say; -EPERM
void tmp_owned(struct fs *fs, u32 dir, struct inode *i);       // who a new inode belongs to
void tmp_accessed(struct fs *fs, u32 id);
MUST_CHECK int tmpfs_memfds(struct fs *fs);           // makes fs->memfds
void tmp_drop_ids(struct fs *fs, u32 id);
bool tmp_may_mknod(struct fs *fs);
bool tmp_owner(struct fs *fs, u32 id); // the caller is, or may do what its owner may
bool tmp_charge(struct fs *fs, u64 units); // (T3)
static inline u32 tmp_units(u64 bytes)
{
    return (u32)(bytes / 1024);
}

#endif
