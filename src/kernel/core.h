// Core files (core(5)): what a process leaves behind that a signal ends.
#ifndef KERNEL_CORE_H
#define KERNEL_CORE_H

#include "kernel/machine.h"

// The signal's default action is that t's process ends. It does so at once, or, if it leaves a core
// file, when that is written: until then none of its threads runs.
void signal_ends(struct machine *m, struct task *t, const struct g_siginfo *info);

// A piece of the work; t is a running thread of a process that has group.core. Afterwards it has ended,
// or waits for its next turn.
void core_step(struct machine *m, struct task *t);
void core_dropped(struct machine *m, struct group *g); // the process has ended before its core file was whole

#endif
