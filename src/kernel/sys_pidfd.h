// Descriptors of processes, for those who make, end and wait for them.
#ifndef KERNEL_SYS_PIDFD_H
#define KERNEL_SYS_PIDFD_H

#include "kernel/machine.h"

void pidfd_attach(struct machine *m); // fills fs's row for them
MUST_CHECK int pidfd_new(struct machine *m, struct group *g, u32 flags, file_t *out);
void pidfd_forget(struct machine *m, struct group *g); // it is being reaped
// The process behind a descriptor: 0, -EBADF, -ESRCH (reaped). nonblock: PIDFD_NONBLOCK
MUST_CHECK int pidfd_process(struct machine *m, struct task *t, u64 fd, u32 *pid, bool *nonblock);
// A thread of the process behind a descriptor that t may trace: also -EPERM.
MUST_CHECK int pidfd_traceable(struct machine *m, struct task *t, u64 fd, task_t *of);

// The same, or a descriptor of /proc/PID.
MUST_CHECK int pidfd_or_proc(struct machine *m, struct task *t, u64 fd, u32 *pid);

#endif
