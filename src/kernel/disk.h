// System calls that may wait for the host's disk: a helper thread makes the host call, the task sleeps.
#ifndef KERNEL_DISK_H
#define KERNEL_DISK_H

#include "host/helpers.h"
#include "kernel/machine.h"

// Whether the call of t had its host call made already.
static inline bool disk_done(const struct task *t)
{
    return t->call.disk_done;
}

// Whether somebody else has something to do while a call waits for the disk. Never in virtual time, where
// how long the host takes must not show.
static inline bool disk_overlaps(const struct machine *m)
{
    return (m->run_head || m->disk_jobs) && !m->options.virtual_time;
}

// Has a helper do the job, which is this call's only one, and answers its result once it is done: until
// then -EPARK. The job is done at once where nothing overlaps, and where there is no helper to be had. Only a fatal signal ends the wait, not the job.
i64 disk_call(struct machine *m, struct task *t, const struct host_job *job);

// Wakes whose jobs are done.
void disk_finish(struct machine *m);
// Waits until no job is under way: before a machine is copied.
void disk_drain(struct machine *m);
void disk_end(struct machine *m);

#endif
