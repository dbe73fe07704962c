// POSIX message queues (mq_overview(7)): names of the machine's own, messages by priority.
//
//     fd --> file (FILE_MQUEUE, object) --> mqueue --> message --> message ...   (pool ipc.messages)
//
// (MQ1) A queue lives while it has a name or an open description (opens).
// (MQ2) At most one process is registered for a notification; it is told when a message comes that
//       nobody is waiting for and finds the queue empty, and is registered no longer then.
//
// What rows own beyond themselves: mqueue.name (a heap block), mqueue.notify_file (a reference).
#ifndef KERNEL_MQUEUE_H
#define KERNEL_MQUEUE_H

#include "abi/ipc.h"
#include "kernel/task.h"

struct machine;

struct mqueue {
    u32 id;
    u32 opens;
    char *name;        // NULL: unlinked
    u32 uid, gid, mode;
    u64 maxmsg, msgsize, bytes;
    u32 head, count;   // messages, highest priority first, then oldest
    i64 atime, mtime, ctime;
    u64 serial;        // inode number
    group_t notify;    // who is registered, 0 = nobody
    u32 notify_how;    // SIGEV_...
    i32 notify_signal;
    u64 notify_value;
    file_t notify_file; // SIGEV_THREAD: the socket that gets the cookie
    u8 cookie[G_NOTIFY_COOKIE];
};

struct mqueues {
    struct pool pool;
    u64 serial;
    // /proc/sys/fs/mqueue
    u64 msg_default, msg_max, msgsize_default, msgsize_max, queues_max;
};

void mqueue_init(struct machine *m); // the limits
void mqueue_attach(struct machine *m); // fills fs's row for them
void mqueue_forget_process(struct machine *m, struct group *g); // it ends, or executes

#endif
