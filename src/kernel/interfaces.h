// Network interfaces, as programs look at them: ioctls of any socket, and NETLINK_ROUTE. With --net=host
// what the host answers; else there is a loopback. Nothing can be changed.
#ifndef KERNEL_INTERFACES_H
#define KERNEL_INTERFACES_H

#include "kernel/machine.h"

struct socket;
struct uio;

bool interface_ioctl_is(u32 family, u32 cmd); // of sockets of this family
MUST_CHECK int interface_ioctl(struct machine *m, u32 cmd, struct mm *mm, u64 arg);

// A request comes to the kernel's end of a netlink socket, which posts the answer to it: bytes taken, -errno.
i64 netlink_send(struct machine *m, struct socket *s, struct uio *from);

#endif
