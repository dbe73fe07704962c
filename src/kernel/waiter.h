// One thing that a blocked task waits for (K3). Internal to the scheduler.
#ifndef KERNEL_WAITER_H
#define KERNEL_WAITER_H

#include "kernel/machine.h"

#define CHAN_HOST (~0ULL) // a host descriptor

struct waiter {
    u64 chan;
    task_t task;
    u32 next, prev;    // in the channel's bucket
    u32 next_of_task;
    int host_fd;       // -1 = none
    short events;
};

void sched_poll(struct machine *m, int timeout_ms);

#endif
