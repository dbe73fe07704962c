// The host's epoll(7), edge-triggered: which of many host descriptors something happened on.
#ifndef HOST_EPOLL_H
#define HOST_EPOLL_H

#include "base/types.h"

int host_epoll_new(void); // a descriptor, to be closed with host_close; -errno
// Registers fd, or changes what is asked of it; events as poll's. -EPERM: it is always ready.
MUST_CHECK int host_epoll_set(int epoll, int fd, u32 events, u64 data);
void host_epoll_drop(int epoll, int fd);
// Takes what happened: how many of `data` are filled; 0 = nothing more.
u32 host_epoll_take(int epoll, u64 *data, u32 room);

#endif
