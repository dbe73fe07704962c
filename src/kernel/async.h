// Files that speak up by themselves: O_ASYNC (SIGIO) and leases (fcntl(2)).
//
// (AS1) A file with O_ASYNC has waiters on the channels of both directions; an event puts it on the
//       machine's list of those due, and its signal is sent once the waking is over.
// (AS2) A lease is named by its file (struct file.lease) and goes with the last reference to it.
// (AS3) Who opens a leased file in a way that conflicts waits until the lease is given up or lowered,
//       or lease_break_time is over: then it is taken away.
#ifndef KERNEL_ASYNC_H
#define KERNEL_ASYNC_H

#include "kernel/machine.h"

enum { G_POLL_IN = 1, G_POLL_OUT, G_POLL_MSG, G_POLL_ERR, G_POLL_PRI, G_POLL_HUP };
enum { OWNER_PID, OWNER_TID, OWNER_PGRP }; // struct file.owner_kind; OWNER_PID is the default

struct lease {
    file_t file;
    u64 dev, ino;
    u8 type;    // ABI_F_RDLCK, ABI_F_WRLCK
    u8 to;      // while it is being broken: what it shall become
    bool breaking;
    u64 deadline;
};

// Tells the file's owner, with F_SETSIG's signal or SIGIO. `fd` stands in its siginfo.
void file_signal(struct machine *m, file_t file, i32 code);
void async_edge(struct machine *m, file_t file); // something happened to it
void async_signal_due(struct machine *m);
MUST_CHECK int async_set(struct machine *m, file_t file, i32 fd, bool on); // O_ASYNC changes
i64 owner_set(struct machine *m, struct file *f, u8 kind, i32 id);         // -ESRCH

i64 lease_set(struct machine *m, struct task *t, file_t file, i32 fd, u32 type);
i64 lease_get(struct machine *m, file_t file);
void lease_drop(struct machine *m, struct file *f); // the file has one, and goes
// Before an open: 0, -EAGAIN (O_NONBLOCK), -EPARK, -ERESTARTSYS
MUST_CHECK int lease_break(struct machine *m, struct task *t, file_t dir, const char *path, u32 flags);

#endif
