// Who may look into whom, and who is meant by a number.
#ifndef KERNEL_ACCESS_H
#define KERNEL_ACCESS_H

#include "kernel/machine.h"

// May t read and change what is of's (ptrace(2), "Ptrace access mode checking")?
bool may_trace(struct machine *m, const struct task *t, const struct task *of);
// The process with that pid, tine's own reaper included; NULL.
struct group *group_find(struct machine *m, u32 pid);

#endif
