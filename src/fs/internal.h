// What the files of src/fs share and nobody else sees.
#ifndef FS_INTERNAL_H
#define FS_INTERNAL_H

#include "base/types.h"
#include "fs/fs.h"
#include "fs/path.h"

#define PROC_DEV ABI_MAKEDEV(0, 4)
#define SYS_DEV ABI_MAKEDEV(0, 22)
#define BOUNCE (64u << 10) // bytes moved through our own memory at a time

// Like uio_to and uio_from, but what fits before a fault is done and counted; -E... if nothing did.
i64 uio_scatter(struct uio *u, const void *src, u64 n);
i64 uio_gather(struct uio *u, void *dst, u64 n);

// BOUNCE bytes of our own for one transfer at a time, or NULL.
u8 *fs_bounce(struct fs *fs);
void fs_wake(struct fs *fs, u64 chan);
i64 fs_now(struct fs *fs);
int fs_random(struct fs *fs, void *bytes, size_t n);
void stat_time(struct fs *fs, struct abi_stat *s);

extern const struct file_ops file_host_ops, file_dir_ops, file_stream_ops, file_inotify_ops, file_tty_ops,
    file_ptm_ops, file_pts_ops, file_pipe_ops, file_dev_ops, file_proc_ops, file_procdir_ops, file_event_ops, file_path_ops,
    file_context_ops, file_ns_ops;

// A host descriptor becomes an open file: takes fd over, also when it fails. `s` = its fstat.
MUST_CHECK int file_adopt(struct fs *fs, int fd, const struct abi_stat *s, u32 flags, u32 mount,
                          file_t *out);
MUST_CHECK int fifo_open(struct fs *fs, int path_fd, const struct abi_stat *s, u32 flags, u32 mount,
                         file_t *out); // takes path_fd over; -EAGAIN with *out set
void pipe_attach(struct fs *fs, file_t id, u32 pipe); // a new FILE_PIPE description joins a pipe
MUST_CHECK int proc_open(struct fs *fs, const char *rel, u32 oflags, u32 mount, file_t *out);
MUST_CHECK int proc_stat(struct fs *fs, const char *rel, struct abi_stat *out);
int proc_kind(struct fs *fs, const char *rel, u32 *mode); // enum proc_kind or -E...
MUST_CHECK int dev_open(struct fs *fs, u32 dev, u32 oflags, u32 mount, file_t *out);
void dev_stat(struct fs *fs, u32 dev, struct abi_stat *out);
// One record of a directory. 1 = written, 0 = no room, -E...
int synth_dirent(struct uio *to, u64 ino, u64 next, u8 type, const char *name);
// Records of a synthetic directory from f->pos on; entries as proc_ops.list makes them.
i64 synth_getdents(struct file *f, struct uio *to, const struct strbuf *entries, bool with_dots);
// What a host directory shows that the host does not have: mount points, the machine's devices.
void synth_names(struct fs *fs, const struct file *f, struct strbuf *names);
u32 dev_find(const char *name, size_t len); // enum dev_id, 0 = none of ours
u32 pts_name_find(struct fs *fs, const char *name, size_t len); // the same in /dev/pts
u32 dev_of_rdev(u64 rdev);
#define DEV_NAME_ROOM 16
const char *dev_name(u32 dev, char *room); // below its mount; DEV_NAME_ROOM bytes of room
const char *dev_link(const char *name, size_t len); // text of a link in /dev, or NULL
void locks_release_owner(struct fs *fs, u64 dev, u64 ino, u64 owner); // dev == 0: everywhere
void locks_release_file(struct fs *fs, file_t id);
// A namespace: `mounts` is which, if it is one of mounts; `name` as readlink tells it.
MUST_CHECK int ns_open(struct fs *fs, u32 type, u32 mounts, const char *name, u32 oflags, file_t *out);
void ns_stat(const char *name, struct abi_stat *out);
// Refuses the host's procfs (law L13): -EACCES.
MUST_CHECK int fs_guard(struct fs *fs, int fd, u64 dev);

// What a walk ends at.
enum found_kind { FOUND_HOST = 1, FOUND_PROC, FOUND_DEV, FOUND_FILE, FOUND_TMP, FOUND_NS };
struct found {
    u8 kind;
    u32 mount;
    int fd;      // FOUND_HOST: opened with the flags asked for; ours to close
    u32 dev;     // FOUND_DEV: enum dev_id
    file_t file; // FOUND_FILE: behind a magic link; borrowed
    u32 inode, name; // FOUND_TMP; borrowed; name 0: it was not found by one
    bool made;   // FOUND_TMP: just now
    bool link;   // FOUND_DEV: the link `rel` itself, not followed
    bool named;  // FOUND_HOST with WALK_NAME: rel is the absolute guest path
    u32 type, mounts; // FOUND_NS, which lies in no mount; `rel` is its name
    char rel[ABI_PATH_MAX]; // FOUND_PROC
};
#define WALK_NOFOLLOW 1u
#define WALK_EMPTY 2u    // "" names the start itself
#define WALK_PLAIN 4u    // without -L
#define WALK_NAME 8u     // tell the guest path where it costs nothing (found.named)
#define WALK_BENEATH 16u // openat2(2): RESOLVE_BENEATH, _IN_ROOT, _NO_SYMLINKS, _NO_MAGICLINKS, _NO_XDEV
#define WALK_IN_ROOT 32u
#define WALK_NO_LINKS 64u
#define WALK_NO_MAGIC 128u
#define WALK_NO_XDEV 256u
#define WALK_QUIET 512u   // who comes by does not count (MNT_EXPIRE)
#define WALK_SCOPED (WALK_BENEATH | WALK_IN_ROOT)
MUST_CHECK int walk(struct fs *fs, struct fsctx *c, file_t dir, const char *path, u32 flags,
                    u32 oflags, u32 mode, struct found *out);
// Takes the process's root off an absolute guest path: the length, -ENOENT when it lies outside.
i64 ctx_strip(struct fs *fs, struct fsctx *c, char *path);
void statx_of(const struct abi_stat *s, struct abi_statx *out);
// What was found in a mount: an inode, a device (enum dev_id), a file of /proc, or (0, 0, NULL) what `out` says. What
// the host says of its mounts is taken out.
struct mount_file {
    u32 mount, inode, node;
    const char *rel;
};
void mount_statx(struct fs *fs, const struct mount_file *at, u32 mask, struct abi_statx *out);
// One name in a directory of the host, at the cost of one call; -EAGAIN: take the walk.
MUST_CHECK int walk_stat1(struct fs *fs, struct fsctx *c, file_t dir, const char *name, bool nofollow,
                          struct abi_stat *out);
void found_clear(struct found *f);
// The inode of a tmpfs that was found, also behind a file; 0 = it is something else.
u32 found_inode(struct fs *fs, const struct found *f);
u32 found_name(struct fs *fs, const struct found *f); // the name it was found, or opened, by
struct file_id file_id_of(const struct abi_stat *s);

#endif
