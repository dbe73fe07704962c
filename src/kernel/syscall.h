// What a system-call handler is: it gets the machine, the calling task and the six argument
// registers, and returns a result, -E..., or -EPARK (see machine.h: the call is entered again).
//
//     i64 sys_read(struct machine *m, struct task *t, const u64 *a)
//     {
//         ...
//         r = file_read(m->fs, file, &u, -1);
//         if (r == -EAGAIN && !(flags & O_NONBLOCK))
//             return park_on_file(m, t, file, ABI_POLLIN);
//         return r;
//     }
//
// Progress that must survive a wait is kept in t->call.progress and t->call.state (zero at the
// first entry; the handler sees t->timed_out when the deadline ended the wait).
#ifndef KERNEL_SYSCALL_H
#define KERNEL_SYSCALL_H

#include "kernel/machine.h"

#define SYSCALL(number, name, args) i64 sys_##name(struct machine *m, struct task *t, const u64 *a);
#include "kernel/syscalls.def"
#undef SYSCALL

// Parks until the file may be ready for events: -EPARK or -ERESTARTSYS.
MUST_CHECK int park_on_file(struct machine *m, struct task *t, file_t file, int events);

// A path argument copied in: 0, -EFAULT, -ENAMETOOLONG. buf holds PATH_ROOM bytes.
#define PATH_ROOM 4096
MUST_CHECK int path_arg(struct task *t, gva_t from, char *buf);
// The file behind a descriptor argument; 0 = bad. AT_FDCWD (-100) is dirfd_arg's: *file = 0.
file_t fd_arg(struct task *t, u64 fd);
MUST_CHECK int dirfd_arg(struct task *t, u64 fd, file_t *file);
// A time-out argument: relative timespec at `from` -> absolute machine time. -EINVAL, -EFAULT
MUST_CHECK int timeout_arg(struct machine *m, struct task *t, gva_t from, u64 *when);
// Installs a temporary signal mask (ppoll, pselect6, sigsuspend), restored after the next signal
// or when the call ends.
MUST_CHECK int mask_arg(struct machine *m, struct task *t, gva_t from, u64 size);

#endif
