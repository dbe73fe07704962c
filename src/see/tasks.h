// The state of a machine in words: what every task is doing, and who waits for whom.
#ifndef SEE_TASKS_H
#define SEE_TASKS_H

#include "kernel/machine.h"
#include "see/symbols.h"
#include "see/text.h"

// Every process and thread: its state, the call that it waits in, what for, its backtrace.
void tasks_text(struct machine *m, struct symbols *s, struct text *out);
// A vfork deadlock, from the child round to its parent.
void deadlock_text(struct machine *m, struct symbols *s, const struct deadlock *d, struct text *out);

#endif
