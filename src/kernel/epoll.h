// Sets of files of which one asks what happened: epoll(7).
//
//     struct file.watches ---> watch <--> watch ..   of one file, in any sets
//                                ^
//     epoll --watches--> watch <-+-> watch <--> ..   of one set
//       |                  |
//       +--ready--> ..     +--> waiters (waiter.h), on the file's channels, for as long as it is in
//                               the set
//
// (E1) A channel that is woken puts its watches on their sets' ready lists: an edge. Whether a file on
//      the list is ready is asked when somebody looks; what is not ready leaves the list.
// (E2) What was reported stays on the list if it is level-triggered.
// (E3) Host descriptors are in an epoll of the host's, edge-triggered, whose events become edges here.
//      A set has one as soon as it needs it.
// (E4) Sets do not contain themselves, and are nested at most EPOLL_NEST deep.
#ifndef KERNEL_EPOLL_H
#define KERNEL_EPOLL_H

#include "kernel/machine.h"

// A machine fork, when all pools are copied: sets with host descriptors get them registered. -E...
MUST_CHECK int epolls_copied(struct machine *m, const struct machine *from);
void epoll_attach(struct machine *m);             // fills fs's row, and its hook for closed files
u32 epoll_exclusive(struct machine *m, u32 watch); // its set if it has EPOLLEXCLUSIVE, else 0
void epoll_edge(struct machine *m, u32 watch);    // a channel of the watch is being woken
void epoll_wake_due(struct machine *m);           // afterwards: those who wait on the sets

u32 epoll_of_watch(struct machine *m, u32 watch); // the set that it belongs to

#endif
