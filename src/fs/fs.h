// The machine's files: open file descriptions, pipes, locks, mounts.
//
//     fd 3 --> fdtable slot --> file_t --> struct file --+--> host descriptor   FILE_HOST DIR TTY ..
//                                (refs: slots, cwd, ..)  +--> pipe, text, ...   `object`, an id
//
// (F1) Objects name each other by id (law L4); an id is never 0.
// (F2) Nothing here blocks, knows tasks, or raises signals: what would have to wait answers -EAGAIN
//      and file_wait says what to wait for; -EPIPE means that the caller raises SIGPIPE.
//      A host file may be slow but does not block; with fs.cached set it answers -EFETCH instead.
// (F3) The position of a host file is `pos`, not the host's, unless FILE_INHERITED is set.
// (F4) The status flags of inherited descriptors are never changed.
#ifndef FS_FS_H
#define FS_FS_H

#include "abi/fs_abi.h"
#include "base/pool.h"
#include "base/types.h"
#include "fs/proc.h"
#include "fs/uio.h"

typedef u32 file_t; // id of an open file description, 0 = none

enum file_kind {
    FILE_NONE,
    FILE_HOST,   // regular file or block device of the host: pread/pwrite. Or (inode) a file of a tmpfs
    FILE_DIR,    // directory, the same
    FILE_STREAM, // anything of the host that may block: inherited pipe, socket, character device
    FILE_TTY,    // a terminal of the host
    FILE_PTM,    // the master of a pseudo-terminal of the machine; object = its id
    FILE_PTS,    // and its slave
    FILE_PIPE,   // the machine's own pipe or FIFO
    FILE_DEV,    // the machine's own device; object = enum dev_id
    FILE_PROC,   // a file of /proc
    FILE_PROCDIR, // a synthetic directory: in /proc, or /dev without one in the host
    FILE_EVENT,  // eventfd
    FILE_PATH,   // opened with O_PATH, or a cwd: good for the path calls only
    FILE_NS,     // a namespace (fs/nsfile.c)
    FILE_CONTEXT, // fsopen(2), fspick(2): a struct fscontext
    // kinds whose operations the kernel brings along in fs->ops[]
    FILE_SOCKET,
    FILE_EPOLL,
    FILE_TIMER,
    FILE_SIGNAL,
    FILE_PID,
    FILE_INOTIFY,
    FILE_MQUEUE,
    FILE_STREAM_CALLS, // of the machine's owner
    FILE_KINDS
};

enum dev_id { DEV_NULL = 1, DEV_ZERO, DEV_FULL, DEV_RANDOM, DEV_URANDOM, DEV_TTY, DEV_PTMX,
              DEV_DIR, DEV_PTSDIR, DEV_PTS = 1 << 16 /* + N of /dev/pts/N */ };

#define EFETCH 602 // not a result: fs.fetch is not in the host's cache

// struct file.how
#define FILE_INHERITED 1u // came with the process: its offset is the host's
#define FILE_POLLS 2u     // the host knows no RWF_NOWAIT for it: poll first
#define FILE_READER 4u    // counted in its pipe
#define FILE_WRITER 8u
#define FILE_SEMAPHORE 16u // EFD_SEMAPHORE
#define FILE_TWIN 32u      // host_fd is our own non-blocking description of inherited `object`
#define FILE_TREE 64u      // made with the tree of mounts that it names, which ends with it if it stands nowhere

struct file {
    u8 kind, how;
    u16 sig; // F_SETSIG
    u32 refs;
    u32 flags;    // access mode and O_* status flags: what F_GETFL answers
    u64 pos;      // position; an eventfd's counter
    int host_fd;  // or -1
    u32 object;   // id of the pipe, text, device; the kernel's for its own kinds
    u32 mount;    // id of the mount it was found in, 0 = none
    i32 owner;    // F_SETOWN: a pid, tid or process group; 0 = nobody
    u8 owner_kind; // ... which of them (the kernel's)
    bool async_due; // O_ASYNC: its signal is about to be sent
    i32 async_fd; // the descriptor that F_SETFL, F_SETLEASE or F_NOTIFY was told
    u32 async, async_next; // the kernel's waiters; the next file that is due
    u32 lease;    // the kernel's
    u32 watches;  // first of the epoll watches on it (the kernel's)
    u32 opens;    // FIFO: the other side's open count when this end was opened; FILE_PROC: mount_changes, as last told
    u64 dev, ino; // of files, directories, FIFOs: key of locks and the like
    u32 inode;    // of a file of the machine's own file systems (fs/tmpfs.h), 0 = none; host_fd is then -1
    u32 name;     // ... and the name that it was opened by, a reference (the same)
    char *path;   // FILE_PROC*: rel below /proc; FILE_DEV: name below /dev; else NULL or a label
};

struct fs;
struct quota;

// What to wait for: any of the channels, or the host descriptor (-1 = none) for host_events.
struct wait_spec {
    u64 chan[2];
    int nchan;
    int host_fd;
    short host_events;
};

// What a kind of file can do; NULL = the default of fs (an error, or nothing to do).
struct file_ops {
    i64 (*read)(struct fs *fs, file_t id, struct uio *to, i64 offset);
    i64 (*write)(struct fs *fs, file_t id, struct uio *from, i64 offset);
    i64 (*seek)(struct fs *fs, file_t id, i64 offset, int whence);
    int (*stat)(struct fs *fs, file_t id, struct abi_stat *out);
    int (*ioctl)(struct fs *fs, file_t id, u32 cmd, struct mm *mm, u64 arg);
    int (*poll)(struct fs *fs, file_t id);
    void (*wait)(struct fs *fs, file_t id, int events, struct wait_spec *out);
    i64 (*getdents)(struct fs *fs, file_t id, struct uio *to);
    void (*release)(struct fs *fs, file_t id); // the last reference is gone; struct file still valid
};

// The bytes of files that are the machine's own (fs/tmpfs.h), so that a machine fork parts them. `memory` is the
// kernel's number for those of one file. `n` > 0, and offset + n <= INT64_MAX.
struct memory_ops {
    // Of a new file, which is empty; its pages count against `quota` (NULL: nothing).
    int (*make)(void *arg, u64 dev, u64 ino, struct quota *quota, u32 *memory);
    void (*put)(void *arg, u32 memory);
    u64 (*size)(void *arg, u32 memory);
    i64 (*read)(void *arg, u32 memory, void *to, size_t n, u64 offset);
    i64 (*write)(void *arg, u32 memory, const void *from, size_t n, u64 offset); // bytes > 0, -ENOSPC
    int (*resize)(void *arg, u32 memory, u64 size);
    int (*punch)(void *arg, u32 memory, u64 offset, u64 n);
    int (*allocate)(void *arg, u32 memory, u64 offset, u64 n, bool grows); // -ENOSPC, -EINTR
    i64 (*seek)(void *arg, u32 memory, u64 offset, bool data); // SEEK_DATA, SEEK_HOLE
    u64 (*blocks)(void *arg, u32 memory);                      // st_blocks
    bool (*executing)(void *arg, u32 memory);                  // some process runs it
    bool (*mapped)(void *arg, u32 memory);                     // some process maps it
    void (*space)(void *arg, u64 *pages, u64 *left);           // of the machine's memory
};

// Who asks.
struct fs_cred {
    u32 uid, gid, ngroups;
    u64 caps; // effective
    const u32 *groups;
};

enum chan_kind { CHAN_PIPE_DATA = 1, CHAN_PIPE_SPACE, CHAN_PIPE_OPEN, CHAN_EVENT, CHAN_LOCK,
                 CHAN_TTY_MASTER, CHAN_TTY_SLAVE, CHAN_INOTIFY, CHAN_MOUNTS,
                 CHAN_KERNEL = 64 }; // from here on the kernel's
#define CHAN(kind, id) ((u64)(kind) << 32 | (u32)(id))

struct fs_bind {
    const char *host, *guest;
    bool ro;
};

// A file system in the machine's memory, empty at the start.
struct fs_tmpfs {
    const char *guest;
    u64 size; // bytes, 0 = as large as the machine's memory
    u32 mode; // of its root, 0 = 01777
};

struct fs_options {
    const char *root;   // --root: this host directory is /; NULL = the host's
    const char *prefix; // -L: absolute paths are looked up there first; NULL = none
    struct fs_bind binds[16];
    int nbinds;
    struct fs_tmpfs tmpfses[16];
    int ntmpfses;
    bool read_only; // the root is
    bool has_umask; // else the process's own umask is taken, and set to 0 for good; 022 if borrowed
    u32 umask;      // to start with
    bool borrowed;  // the process is somebody else's too: its umask and its limits stay as they are
};

struct budget;
struct hostfds;
struct forking;

#define POOL(name) extern const struct pool_kind name##_pool;
#include "fs/pools.def"

struct fs {
    // set by the kernel after fs_new; may stay NULL
    void (*wake)(void *arg, u64 chan);
    void *wake_arg;
    const struct proc_ops *proc;
    void *proc_arg;
    int (*random)(void *arg, void *bytes, size_t n); // NULL: the host's getrandom
    void *random_arg;
    i64 (*now)(void *arg); // ns since 1970, for the machine's own objects; NULL: 0
    void *now_arg;
    // The last reference to a file with watches, O_ASYNC or a lease is gone; struct file is still valid.
    void (*unwatch)(void *arg, file_t id);
    void *unwatch_arg;
    // A descriptor of a file of the kernel's own kinds is being closed, by the running task.
    void (*closing)(void *arg, file_t id);
    void *closing_arg;
    // Descriptors of a file (0: of all) are closed in a table with `notify`.
    void (*unnotify)(void *arg, u32 table, file_t id);
    void *unnotify_arg;
    // A host file was written or truncated through a descriptor: for who caches its pages.
    void (*written)(void *arg, u64 dev, u64 ino, u64 offset, u64 len);
    void *written_arg;
    const struct memory_ops *memory; // NULL: there are no files of the machine's own
    void *memory_arg;
    void (*cred)(void *arg, struct fs_cred *out); // of the running task; `out` says: somebody who may all. May be NULL
    void *cred_arg;
    // Whether some process runs this host file, which may then not be opened for writing. NULL: none.
    bool (*executing)(void *arg, u64 dev, u64 ino);
    void *executing_arg;
    u64 *fdnodes_copied, *fsctx_copied; // counters; never NULL (fs_new points them at `sink`)
    u64 sink;
    struct budget *budget; // what buffers, names and pools count against; NULL: nothing (fs_charge)
    const struct file_ops *ops[FILE_KINDS];
    // Pseudo-terminals (fs/tty.h): a signal to a foreground process group; the other end is gone for
    // good; which terminal controls the running process (an id, TTY_HOST, or 0). May be NULL.
    void (*tty_signal)(void *arg, i32 pgrp, int signo);
    void (*tty_hangup)(void *arg, u32 tty);
    u32 (*tty_controlling)(void *arg);
    void *tty_arg;
    // the host's terminal
    i32 tty_pgrp, tty_sid; // 0 = none
    u64 tty_dev;           // st_rdev of the controlling terminal, 0 = none
    // private to src/fs
#define POOL(name) struct pool name;
#include "fs/pools.def"
    u32 lock_head, lock_waits; // of pool `locks`: those held, those waited for
    u32 *name_bucket;        // fs/tmpfs.h: names by hash
    u32 name_buckets;
    u32 memfds;              // the tmpfs that memfds are files of, 0 = not made yet
    u64 units;               // (T3)
    u32 notify_cookie;       // of the last rename that somebody was told of
    u64 mount_names;         // of the names of mount points, a bit each (fs/mount.h)
    u64 mount_serial, mntns_serial, mount_changes;
    u32 ramdisk;             // inode, 0 = not made yet
    u32 devtmpfs;            // root of the one that mount(2) shows, 0 = not made yet
    struct hostfds *hostfds; // descriptors that copies have together; NULL = none was made
    u8 *bounce;    // fs_bounce
    bool cached;   // reads of host files that would wait for the disk answer -EFETCH
    struct {
        int fd;
        u64 offset, length;
    } fetch;       // what the last of them wanted
    int prefix_fd; // the directory of -L, or -1
    bool whole;    // / is the host's: nothing is confined
    u32 umask;       // what the host had at the start
    u32 next_owner;  // lock owners handed out
    u64 next_ino;    // of pipes and the like
    bool no_openat2; // the host lacks it, or a filter forbids it
    u64 seen_dev[8]; // devices known not to be procfs
    u32 nseen;
};

MUST_CHECK int fs_new(struct fs **out, const struct fs_options *options);
// Everything made from now on, and the rows there are, count.
void fs_charge(struct fs *fs, struct budget *b);
void fs_free(struct fs *fs); // closes whatever is still open
// A machine fork: the same files, with their positions, in a second fs. Descriptors of the host are
// shared, and closed by who lets go last. The kernel's hooks in it are still the original's.
struct fs *fs_copy(struct forking *f, struct fs *from);

// A reference of the host descriptor that a file, or whatever of the kernel's, holds is given back.
void fs_host_close(struct fs *fs, int fd);
// Landlock for the whole process (host/confine.h), once root, binds and inherited descriptors are open.
// -EINVAL: without a root there is nothing to be confined to.
MUST_CHECK int fs_confine(struct fs *fs, bool net);

struct file *file_at(struct fs *fs, file_t id); // borrowed; NULL for a bad id
void file_get(struct fs *fs, file_t id);
void file_put(struct fs *fs, file_t id); // the last one closes
// A new description of `kind` with one reference, flags as given, host_fd -1. -ENFILE, -ENOMEM
MUST_CHECK int file_new(struct fs *fs, enum file_kind kind, u32 flags, file_t *out);

// Bytes moved (short counts as in Linux), or -E... (-EAGAIN: see file_wait). offset -1 = at the file
// position, which moves; else pread/pwrite semantics (-ESPIPE for what has no position).
i64 file_read(struct fs *fs, file_t id, struct uio *to, i64 offset);
i64 file_write(struct fs *fs, file_t id, struct uio *from, i64 offset);
i64 file_seek(struct fs *fs, file_t id, i64 offset, int whence);
MUST_CHECK int file_stat(struct fs *fs, file_t id, struct abi_stat *out);
MUST_CHECK int file_statx(struct fs *fs, file_t id, u32 flags, u32 mask, struct abi_statx *out);
MUST_CHECK int file_statfs(struct fs *fs, file_t id, struct abi_statfs *out);
MUST_CHECK int file_truncate(struct fs *fs, file_t id, i64 size);
MUST_CHECK int file_allocate(struct fs *fs, file_t id, u32 mode, i64 offset, i64 len);
MUST_CHECK int file_sync(struct fs *fs, file_t id, bool data_only);
// The host's descriptor of what fsync(2) brings to the disk. -EBADF, -EINVAL
MUST_CHECK int file_sync_fd(struct fs *fs, file_t id);
MUST_CHECK int file_chmod(struct fs *fs, file_t id, u32 mode);
MUST_CHECK int file_chown(struct fs *fs, file_t id, u32 uid, u32 gid);
MUST_CHECK int file_utimens(struct fs *fs, file_t id, const struct abi_timespec *times /*2 or NULL*/);
MUST_CHECK int file_setflags(struct fs *fs, file_t id, u32 flags); // F_SETFL
i64 file_getdents(struct fs *fs, file_t id, struct uio *to);
// `arg` is a guest address in `mm`, or a plain number, as cmd has it. Commands of descriptors
// (FIOCLEX, FIONCLEX) are the caller's. TIOCSPGRP etc. keep fs->tty_*; the caller checks sessions.
int file_ioctl(struct fs *fs, file_t id, u32 cmd, struct mm *mm, u64 arg);
int file_poll(struct fs *fs, file_t id); // ABI_POLL* bits that are ready now
// events = what the caller wants (ABI_POLLIN for a read, ABI_POLLOUT for a write, both, ..); 0 after
// path_open answered -EAGAIN. nchan == 0 and host_fd == -1: it never has to wait.
void file_wait(struct fs *fs, file_t id, int events, struct wait_spec *out);
// The guest's name of an open file ("/a/b", "pipe:[7]", ...), for /proc and getcwd: the length,
// NUL-terminated in buf; -ENAMETOOLONG, -ENOENT (deleted: with " (deleted)" appended it still
// answers the length).
i64 file_path(struct fs *fs, file_t id, char *buf, size_t cap);
// A new description of what an open file has open: /proc/self/fd/N. May answer -EAGAIN like path_open.
MUST_CHECK int file_reopen(struct fs *fs, file_t id, u32 oflags, file_t *out);
// Moves up to n bytes from a file to another (sendfile, copy_file_range, splice): through a bounce
// buffer. offsets as in file_read.
i64 file_copy(struct fs *fs, file_t from, i64 *from_offset, file_t to, i64 *to_offset, u64 n);

struct file_id {
    u64 dev, ino, size, mtime_ns, ctime_ns;
};
bool file_ns(struct fs *fs, file_t id, u32 *type, u32 *mounts); // FILE_NS: CLONE_NEW*; for CLONE_NEWNS its namespace
bool file_shows_mounts(const struct file *f); // of /proc: poll tells of changes
bool file_on_noexec(struct fs *fs, file_t id); // found in a mount that forbids to execute
// Whether a description that can write names this host file.
bool file_has_writer(struct fs *fs, u64 dev, u64 ino);
MUST_CHECK int file_identity(struct fs *fs, file_t id, struct file_id *out); // -ENODEV: not mappable
// One page of a regular file; zeroes from the end of the file on. -EIO ...
MUST_CHECK int file_page_read(struct fs *fs, file_t id, u64 offset, u8 *page);
MUST_CHECK int file_page_write(struct fs *fs, file_t id, u64 offset, const u8 *page, size_t n);

// Makers.
MUST_CHECK int fs_pipe(struct fs *fs, file_t out[2], u32 flags); // [0] reads, [1] writes
MUST_CHECK int fs_eventfd(struct fs *fs, u64 init, u32 efd_flags, file_t *out);
MUST_CHECK int fs_memfd(struct fs *fs, const char *name, u32 mfd_flags, file_t *out);
// A descriptor that the process was started with. -EBADF when it is not open. The host descriptor
// is closed with the last reference.
MUST_CHECK int fs_stdio(struct fs *fs, int host_fd, file_t *out);
void fs_stdio_leave(struct fs *fs, file_t id); // that shall not be: it stays open
// A FIFO whose path_open (or file_reopen) answered -EAGAIN: 0 = the other side has come, go on with
// *out; -EAGAIN = wait again. Give up with file_put.
MUST_CHECK int file_open_done(struct fs *fs, file_t id);
// F_GETPIPE_SZ and F_SETPIPE_SZ: bytes, or -EBADF, -EBUSY, -EPERM, -ENOMEM
i64 file_pipe_size(struct fs *fs, file_t id);
// Bytes that a pipe holds, and that it has room for; -EBADF.
i64 file_pipe_length(struct fs *fs, file_t id);
i64 file_pipe_room(struct fs *fs, file_t id);
bool file_same_pipe(struct fs *fs, file_t a, file_t b);
// Copies up to n bytes out, which stay in the pipe; then takes n bytes away.
u64 file_pipe_peek(struct fs *fs, file_t id, void *to, u64 n);
void file_pipe_skip(struct fs *fs, file_t id, u64 n);
i64 file_pipe_resize(struct fs *fs, file_t id, u64 bytes);

// Record locks. `owner` is fdtable.id for fcntl locks; for F_OFD_* and flock it is the description:
// pass LOCK_OF_FILE. cmd = ABI_F_GETLK, ABI_F_SETLK, ABI_F_SETLKW, or the F_OFD_ ones; SETLKW answers
// -EAGAIN when it has to wait and -EDEADLK in a circle; F_SETLK answers -EAGAIN too. lk->l_pid is
// stored with the lock (the caller's pid) and answered by GETLK.
#define LOCK_OF_FILE(id) ((u64)1 << 32 | (id))
MUST_CHECK int file_lock(struct fs *fs, file_t id, u64 owner, int cmd, struct abi_flock *lk);
MUST_CHECK int file_flock(struct fs *fs, file_t id, int operation); // -EAGAIN: has to wait (or NB)
void file_lock_wait(struct fs *fs, file_t id, struct wait_spec *out);
// Whoever waits after F_SETLKW says so, that others can find circles: *wait is to be given back.
MUST_CHECK int file_lock_waits(struct fs *fs, file_t id, u64 owner, const struct abi_flock *lk, u32 *wait);
void file_lock_wait_over(struct fs *fs, u32 wait);
// The owner of the n-th lock that keeps `owner` from this one (lk NULL: a flock, by its operation); 0 =
// there are no more.
u64 lock_in_the_way(struct fs *fs, file_t id, u64 owner, const struct abi_flock *lk, int operation, u32 n);
// True if a pipe has a name, by which anybody can open it.
bool pipe_is_fifo(struct fs *fs, u32 pipe);

// Extended attributes. What is read is at most ABI_XATTR_SIZE_MAX bytes, for which `value` has room; its
// length is the result.
enum xattr_op { XATTR_SET, XATTR_GET, XATTR_LIST, XATTR_REMOVE };
struct xattr {
    enum xattr_op op;
    const char *name; // not for XATTR_LIST
    void *value;
    u64 size;  // XATTR_SET
    u32 flags; // XATTR_SET: XATTR_CREATE, XATTR_REPLACE
};
i64 file_xattr(struct fs *fs, file_t id, const struct xattr *x);

#endif
