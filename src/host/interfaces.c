#include "host/interfaces.h"

#include <errno.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi/interface.h"
#include "base/alloc.h"
#include "host/retry.h"

_Static_assert(sizeof(struct ifreq) == G_IFREQ, "ifreq");
_Static_assert((int)SIOCGIFCONF == (int)G_SIOCGIFCONF && (int)SIOCGIFINDEX == (int)G_SIOCGIFINDEX, "netdevice(7)");
_Static_assert(sizeof(struct nlmsghdr) == sizeof(struct g_nlmsghdr), "netlink(7)");

static int ask(u32 cmd, void *what)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int r = ioctl(fd, cmd, what) < 0 ? -errno : 0;
    close(fd);
    return r;
}

int host_interface(u32 cmd, void *request)
{
    return ask(cmd, request);
}

int host_interfaces(void *list, u32 bytes)
{
    struct ifconf c = {.ifc_len = (int)bytes, .ifc_buf = list};
    int r = ask(SIOCGIFCONF, &c);
    return r ? r : c.ifc_len;
}

#define BLOCK 65536u

int host_netlink(const void *request, u32 n, int (*each)(void *arg, u8 *block, u32 n), void *arg)
{
    u8 *block = mem_alloc(BLOCK);
    if (!block)
        return -ENOMEM;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE), r = 0;
    if (fd < 0 || RETRY(sendto(fd, request, n, 0, NULL, 0)) < 0)
        r = -errno;
    while (r == 0) { // the answer is there when the request is sent
        ssize_t got = RETRY(recvfrom(fd, block, BLOCK, 0, NULL, NULL));
        if (got <= 0)
            break;
        r = each(arg, block, (u32)got);
    }
    if (fd >= 0)
        close(fd);
    mem_free(block);
    return r;
}
