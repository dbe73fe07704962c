/*
 * interfaces.c - network interfaces, as programs look at them: names, addresses, netlink(7), netdevice(7).
 */
#include "check.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void names(void)
{
    char name[IF_NAMESIZE];
    struct if_nameindex *all = if_nameindex();
    bool found = false;
    CHECK(all != NULL);
    for (int i = 0; all[i].if_index; i++)
        found |= !strcmp(all[i].if_name, "lo");
    CHECK(found);
    if_freenameindex(all);
    unsigned index = if_nametoindex("lo");
    CHECK(index > 0);
    CHECK(if_indextoname(index, name) && !strcmp(name, "lo"));
    CHECK_EQ(if_nametoindex("nosuch0"), 0);
}

static void addresses(void)
{
    struct ifaddrs *all, *a;
    bool link = false, inet = false;
    CHECK_EQ(getifaddrs(&all), 0);
    for (a = all; a; a = a->ifa_next) {
        if (strcmp(a->ifa_name, "lo") || !a->ifa_addr)
            continue;
        CHECK(a->ifa_flags & IFF_LOOPBACK);
        link |= a->ifa_addr->sa_family == AF_PACKET;
        if (a->ifa_addr->sa_family == AF_INET) {
            inet |= ((struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
            CHECK_EQ(((struct sockaddr_in *)(void *)a->ifa_netmask)->sin_addr.s_addr, htonl(0xff000000));
        }
    }
    CHECK(link && inet);
    freeifaddrs(all);
}

static void ioctls(void)
{
    char room[4096];
    struct ifreq r = {.ifr_name = "lo"};
    struct ifconf c = {.ifc_len = sizeof room, .ifc_buf = room};
    bool found = false;
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0); /* any will do */
    CHECK_EQ(ioctl(fd, SIOCGIFCONF, &c), 0);
    for (int i = 0; i < c.ifc_len / (int)sizeof r; i++)
        found |= !strcmp(c.ifc_req[i].ifr_name, "lo");
    CHECK(found && c.ifc_len % (int)sizeof r == 0);
    CHECK_EQ(ioctl(fd, SIOCGIFFLAGS, &r), 0);
    CHECK(r.ifr_flags & IFF_LOOPBACK && r.ifr_flags & IFF_UP);
    CHECK_ERR(ioctl(fd, SIOCGIFADDR, &r), ENOTTY); /* that is AF_INET's own */
    int inet = socket(AF_INET, SOCK_DGRAM, 0);
    if (inet >= 0) {
        CHECK_EQ(ioctl(inet, SIOCGIFADDR, &r), 0);
        CHECK_EQ(((struct sockaddr_in *)(void *)&r.ifr_addr)->sin_addr.s_addr, htonl(INADDR_LOOPBACK));
        close(inet);
    }
    CHECK_EQ(ioctl(fd, SIOCGIFMTU, &r), 0);
    CHECK(r.ifr_mtu >= 1280);
    CHECK_EQ(ioctl(fd, SIOCGIFHWADDR, &r), 0);
    CHECK_EQ(r.ifr_hwaddr.sa_family, 772);
    CHECK_EQ(ioctl(fd, SIOCGIFINDEX, &r), 0);
    CHECK_EQ(r.ifr_ifindex, (int)if_nametoindex("lo"));
    strcpy(r.ifr_name, "nosuch0");
    CHECK_ERR(ioctl(fd, SIOCGIFFLAGS, &r), ENODEV);
    CHECK_ERR(ioctl(fd, SIOCGIFFLAGS, (void *)1), EFAULT);
    close(fd);
}

static void netlink(void)
{
    struct { struct nlmsghdr h; struct rtgenmsg g; } ask = {
        {sizeof ask, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 77, 0}, {AF_UNSPEC}};
    struct { struct nlmsghdr h; struct ifinfomsg i; } remove = {
        {sizeof remove, RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, 78, 0}, {.ifi_index = 99999}};
    static const int requests[] = {RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE};
    static char answer[1 << 16];
    struct sockaddr_nl me = {.nl_family = AF_NETLINK}, from;
    socklen_t len = sizeof me;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    CHECK(fd >= 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&me, sizeof me), 0);
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&me, &len), 0);
    CHECK(len == sizeof me && me.nl_family == AF_NETLINK && me.nl_pid != 0);
    for (int i = 0; i < 3; i++) {
        struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
        int messages = 0, done = 0;
        ask.h.nlmsg_type = (unsigned short)requests[i];
        CHECK_EQ(sendto(fd, &ask, sizeof ask, 0, (struct sockaddr *)&kernel, sizeof kernel), (long)sizeof ask);
        while (!done) {
            len = sizeof from;
            int n = (int)recvfrom(fd, answer, sizeof answer, 0, (struct sockaddr *)&from, &len);
            CHECK(n > 0 && from.nl_family == AF_NETLINK && from.nl_pid == 0);
            for (struct nlmsghdr *h = (void *)answer; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
                CHECK(h->nlmsg_seq == 77 && h->nlmsg_pid == me.nl_pid && h->nlmsg_type != NLMSG_ERROR);
                done |= h->nlmsg_type == NLMSG_DONE;
                messages += h->nlmsg_type == requests[i] - 2;
            }
        }
        CHECK(messages > 0 || requests[i] == RTM_GETROUTE);
    }
    CHECK_EQ(send(fd, &remove, sizeof remove, 0), (long)sizeof remove);
    CHECK(recv(fd, answer, sizeof answer, 0) > 0);
    CHECK_EQ(((struct nlmsghdr *)(void *)answer)->nlmsg_type, NLMSG_ERROR);
    CHECK(((struct nlmsgerr *)NLMSG_DATA((struct nlmsghdr *)(void *)answer))->error < 0);
    close(fd);
}

static const struct check_case cases[] = { CASE(names), CASE(addresses), CASE(ioctls), CASE(netlink) };
CHECK_MAIN(cases)
