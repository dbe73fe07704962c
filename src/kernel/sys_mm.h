// What the files of the memory system calls share.
#ifndef KERNEL_SYS_MM_H
#define KERNEL_SYS_MM_H

#include "kernel/machine.h"

enum { LOCK_FUTURE = 1, LOCK_ON_FAULT }; // mm.lock_future

// May so many bytes more be locked? -EPERM if none may (asked for only if `wanted`), -EAGAIN.
MUST_CHECK int lock_allowed(struct machine *m, struct task *t, bool wanted, u64 bytes);
// Makes the pages of [from, to) present, as mlock and MAP_POPULATE do. -ENOMEM, -EFAULT
MUST_CHECK int mm_populate(struct machine *m, struct task *t, gva_t from, gva_t to);

#endif
