// Who may look into whom, and who is meant by a number.
#ifndef KERNEL_ACCESS_H
#define KERNEL_ACCESS_H

#include "kernel/machine.h"

// May t read and change what is of's (ptrace(2), "Ptrace access mode checking")?
bool may_trace(struct machine *m, const struct task *t, const struct task *of);
// The process with that pid, tine's own reaper included; NULL.
struct group *group_find(struct machine *m, u32 pid);

// The thread that a pid argument means, 0 = the caller itself; NULL: there is none.
struct task *task_arg(struct machine *m, struct task *t, u64 pid);
// May `by` change what belongs to `of`?
bool owns(const struct group *by, const struct group *of);

#endif
