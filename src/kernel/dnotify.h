// fcntl's F_NOTIFY: a signal when something happens in a directory. The older sister of inotify(7), on top of it.
//
//     struct dnotify: (descriptor table, directory's file) --wd--> a queue of inotify that no descriptor names
//
// (DN1) A row ends when its table closes any descriptor of the file (fs->unnotify), so it keeps no reference.
// (DN2) Rows of one directory share its watch, whose mask may tell of more than each of them asked for.
// (DN3) The queue is read after each call of the machine's and when the host says that it has something: what a
//       program does itself it is told of before its call returns.
#ifndef KERNEL_DNOTIFY_H
#define KERNEL_DNOTIFY_H

#include "kernel/machine.h"

struct dnotify {
    u32 table; // struct fdtable.id
    file_t dir;
    i32 wd;    // -1: nothing will happen there any more, or ever
    u32 mask;  // DN_*
};

i64 dnotify_set(struct machine *m, struct task *t, file_t file, i32 fd, u32 mask);
void dnotify_look(struct machine *m); // sends the signals that are due
void dnotify_attach(struct machine *m);

#endif
