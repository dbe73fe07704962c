// The host's network interfaces, addresses and routes, to be looked at.
#ifndef HOST_INTERFACES_H
#define HOST_INTERFACES_H

#include "base/types.h"

// An ioctl of netdevice(7) that asks; `request` is a struct ifreq. -errno
MUST_CHECK int host_interface(u32 cmd, void *request);
// SIOCGIFCONF: bytes written (with list NULL: needed), -errno
MUST_CHECK int host_interfaces(void *list, u32 bytes);
// Sends a request to NETLINK_ROUTE; each message block of the answer goes to `each`, until that or all is
// done. -errno
MUST_CHECK int host_netlink(const void *request, u32 n, int (*each)(void *arg, u8 *block, u32 n), void *arg);

#endif
