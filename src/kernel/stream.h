// Descriptors 0, 1 and 2 of processes that come from outside: struct stream says where they lead.
#ifndef KERNEL_STREAM_H
#define KERNEL_STREAM_H

#include "kernel/machine.h"

void stream_attach(struct machine *m); // fills fs's row for those that are calls
// A run begins: who waits for the owner's input asks again.
void streams_again(struct machine *m);
// A new description for descriptor `fd`. -EBADF: it is closed; -ENOMEM, -E... of the host
MUST_CHECK int stream_open(struct machine *m, u32 fd, file_t *out);
// As if it had not been: what was to be taken stays the owner's. 0: nothing.
void stream_undo(struct machine *m, u32 fd, file_t file);

#endif
