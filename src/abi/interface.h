// Network interfaces: netdevice(7), netlink(7), rtnetlink(7).
#ifndef ABI_INTERFACE_H
#define ABI_INTERFACE_H

#include "base/types.h"

#define G_IFREQ 40u // bytes of struct ifreq: a name of 16, then a union
#define G_IFNAMSIZ 16u

enum { // what only asks
    G_SIOCGIFNAME = 0x8910, G_SIOCGIFCONF = 0x8912, G_SIOCGIFFLAGS = 0x8913, G_SIOCGIFADDR = 0x8915,
    G_SIOCGIFDSTADDR = 0x8917, G_SIOCGIFBRDADDR = 0x8919, G_SIOCGIFNETMASK = 0x891b, G_SIOCGIFMETRIC = 0x891d,
    G_SIOCGIFMTU = 0x8921, G_SIOCGIFHWADDR = 0x8927, G_SIOCGIFINDEX = 0x8933, G_SIOCGIFTXQLEN = 0x8942,
};

struct g_sockaddr_nl { u16 family, pad; u32 pid, groups; };
struct g_nlmsghdr { u32 len; u16 type, flags; u32 seq, pid; };
enum { G_NLMSG_NOOP = 1, G_NLMSG_ERROR, G_NLMSG_DONE };
enum { G_NLM_F_REQUEST = 1, G_NLM_F_MULTI = 2, G_NLM_F_ACK = 4, G_NLM_F_DUMP = 0x300 };
enum { G_RTM_NEWLINK = 16, G_RTM_GETLINK = 18, G_RTM_NEWADDR = 20, G_RTM_GETADDR = 22, G_RTM_GETROUTE = 26 };
struct g_ifinfomsg { u8 family, pad; u16 type; i32 index; u32 flags, change; };
struct g_ifaddrmsg { u8 family, prefixlen, flags, scope; u32 index; };
struct g_rtattr { u16 len, type; };
enum { G_IFLA_ADDRESS = 1, G_IFLA_BROADCAST, G_IFLA_IFNAME, G_IFLA_MTU, G_IFLA_QDISC = 6, G_IFLA_TXQLEN = 13,
       G_IFLA_OPERSTATE = 16 };
enum { G_IFA_ADDRESS = 1, G_IFA_LOCAL, G_IFA_LABEL };
enum { G_IFF_UP = 1, G_IFF_LOOPBACK = 8, G_IFF_RUNNING = 0x40, G_IFF_LOWER_UP = 0x10000, G_ARPHRD_LOOPBACK = 772,
       G_RT_SCOPE_HOST = 254, G_IF_OPER_UNKNOWN = 0 };

#endif
