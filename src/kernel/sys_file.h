// What the files of the file system calls share.
#ifndef KERNEL_SYS_FILE_H
#define KERNEL_SYS_FILE_H

#include "kernel/syscall.h"

// Descriptors below this may be had: RLIMIT_NOFILE.
static inline u64 fd_limit(struct machine *m, struct task *t)
{
    return group_of(m, t)->limit[G_RLIMIT_NOFILE][0];
}

// The caller's buffers of one call.
struct vectors {
    u32 count;
    u64 total;
    struct uio_vec at[ABI_IOV_MAX];
};
MUST_CHECK int vectors_one(struct vectors *v, gva_t base, u64 len);
MUST_CHECK int vectors_arg(struct task *t, struct vectors *v, gva_t from, u64 count);
void vectors_cut(struct vectors *v, u64 n); // to at most n bytes together

// The file behind a descriptor that is open for it: 0, -EBADF.
MUST_CHECK int file_readable(struct machine *m, struct task *t, u64 fd, file_t *file);
MUST_CHECK int file_writable(struct machine *m, struct task *t, u64 fd, file_t *file);
bool file_blocking(struct machine *m, file_t file); // no O_NONBLOCK
i64 file_do_read(struct machine *m, struct task *t, file_t file, struct vectors *v, i64 offset,
                 bool nowait);
i64 file_do_write(struct machine *m, struct task *t, file_t file, struct vectors *v, i64 offset,
                  bool nowait);
// Ends a call that has moved t->call.progress bytes: those count more than why it stopped.
i64 write_ends(struct machine *m, struct task *t, i64 why);

// A path argument and the directory it starts from (0 for absolute paths, whatever fd says).
// 0, -EFAULT, -ENAMETOOLONG, -EBADF
MUST_CHECK int at_arg(struct task *t, u64 fd, gva_t from, char *path, file_t *dir);

// Installs a new file (takes over its reference, also on failure): the descriptor, or -E...
i64 fd_install(struct machine *m, struct task *t, file_t file, bool cloexec);

// What poll(2) says of a file now.
int ready_bits(struct machine *m, file_t file);

// A file of one of the kernel's own kinds, with the name that /proc shows. `object` is still to be set.
MUST_CHECK int anon_file(struct machine *m, enum file_kind kind, u32 flags, const char *label, file_t *out);

// To be called when a task ends: a FIFO that it was opening (openat waits) is let go.
void open_dropped(struct machine *m, struct task *t);
// ... and that it no longer waits for a record lock.
void lock_dropped(struct machine *m, struct task *t);

// Parks until one of the things in `w` happens: -EPARK, -ERESTARTSYS, -ENOMEM.
MUST_CHECK int park_on_spec(struct machine *m, struct task *t, const struct wait_spec *w);

// A signal that the calling thread caused itself (SIGPIPE, SIGXFSZ).
void signal_self(struct machine *m, struct task *t, int signo);

// What an epoll set watches under the name `fd`, after `skip` others of that name; 0 = nothing.
file_t epoll_target(struct machine *m, file_t set, u32 fd, u32 skip);

// The page cache, around a host file that is read or changed by system call. No-ops for others.
void file_will_be_used(struct machine *m, file_t file);
void file_changed(struct machine *m, file_t file, u64 offset, u64 n);
u64 file_size(struct machine *m, file_t file); // 0 if it cannot be told

// Job control: 0 = go on; -EIO, or -ERESTARTSYS after the background process group got `signo`
// (SIGTTIN, SIGTTOU).
MUST_CHECK int tty_check(struct machine *m, struct task *t, file_t file, int signo);
// A read of a pseudo-terminal that answered -EAGAIN, in a call that may block: what it comes to.
i64 tty_read_parks(struct machine *m, struct task *t, file_t file, struct uio *to);
void tty_attach(struct machine *m); // fills fs's callbacks
// A session leader without a terminal takes the first one that it opens without O_NOCTTY.
void tty_opened(struct machine *m, struct task *t, file_t file, u32 oflags);
void tty_session_ends(struct machine *m, struct group *leader); // the leader of a session has ended
// The ioctls of terminals that need the session's rules. -ENOIOCTLCMD: not one of them.
#define ENOIOCTLCMD 515
i64 tty_ioctl(struct machine *m, struct task *t, file_t file, u32 cmd, u64 arg);

#endif
