// One thing that a blocked task waits for (K3), or that a watched file tells its epoll set by. Internal to the scheduler.
#ifndef KERNEL_WAITER_H
#define KERNEL_WAITER_H

#include "kernel/machine.h"

#define CHAN_HOST (~0ULL) // a host descriptor

struct waiter {
    u64 chan;
    task_t task;       // 0: it is a watch's, a file's, or the machine's
    u32 watch;
    file_t async;
    u32 next, prev;    // in the channel's bucket
    u32 next_of_owner;
    int host_fd;       // -1 = none
    short events;
};

static inline struct waiter *waiter_at(struct machine *m, u32 id) { return pool_at(&m->waiters, id); }

// A watch hears of a channel until waiters_free. *list: its waiters.
MUST_CHECK int watch_channel(struct machine *m, u32 *list, u32 watch, u64 chan);
// So does a file with O_ASYNC.
MUST_CHECK int watch_async(struct machine *m, u32 *list, file_t file, u64 chan);
// So does the machine of a descriptor of the host (dnotify.h).
MUST_CHECK int watch_host(struct machine *m, u32 *list, int fd, short events);
void waiters_free(struct machine *m, u32 *list);
void sched_poll(struct machine *m, i64 timeout_ns);

#endif
