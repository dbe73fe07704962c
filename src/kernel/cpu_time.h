// The processor time that threads and processes have used, and who wants to hear of it.
//
// Time in the program is its instructions, one a nanosecond; a system call is CALL_NS of system time
// (nothing where instructions are the clock, or a program would use more than passes).
#ifndef KERNEL_CPU_TIME_H
#define KERNEL_CPU_TIME_H

#include "kernel/machine.h"

struct cpu_usage { u64 user, system; }; // ns

struct cpu_usage cpu_of_task(struct machine *m, const struct task *t);
struct cpu_usage cpu_of_group(struct machine *m, const struct group *g);    // ended threads too
struct cpu_usage cpu_of_children(struct machine *m, const struct group *g); // those that were waited for
static inline u64 cpu_sum(struct cpu_usage u) { return u.user + u.system; }

// A processor clock of clock_gettime(2): *of = the thread it belongs to. -EINVAL
MUST_CHECK int cpu_clock(struct machine *m, struct task *t, i32 clock, task_t *of, bool *thread);
u64 cpu_clock_read(struct machine *m, task_t of, bool thread);

// How many instructions t may run before one of its clocks reaches what somebody waits for.
u64 cpu_time_left(struct machine *m, struct task *t);
// After t ran: signals and wakes who waited.
void cpu_time_passed(struct machine *m, struct task *t);

#endif
