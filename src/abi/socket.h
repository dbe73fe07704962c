// Numbers and layouts of sockets: socket(2), unix(7), cmsg(3), and asm-generic/socket.h.
#ifndef ABI_SOCKET_H
#define ABI_SOCKET_H

#include "base/types.h"

enum { G_AF_UNSPEC = 0, G_AF_UNIX = 1, G_AF_INET = 2, G_AF_INET6 = 10, G_AF_NETLINK = 16 };
enum { G_SOCK_STREAM = 1, G_SOCK_DGRAM = 2, G_SOCK_RAW = 3, G_SOCK_SEQPACKET = 5 };
#define G_SOCK_TYPE 0xfu
#define G_SOCK_NONBLOCK 0x800u
#define G_SOCK_CLOEXEC 0x80000u

enum { G_SHUT_RD, G_SHUT_WR, G_SHUT_RDWR };

enum { // send(2), recv(2)
    G_MSG_OOB = 1, G_MSG_PEEK = 2, G_MSG_DONTROUTE = 4, G_MSG_CTRUNC = 8, G_MSG_TRUNC = 0x20,
    G_MSG_DONTWAIT = 0x40, G_MSG_EOR = 0x80, G_MSG_WAITALL = 0x100, G_MSG_ERRQUEUE = 0x2000,
    G_MSG_NOSIGNAL = 0x4000, G_MSG_MORE = 0x8000, G_MSG_WAITFORONE = 0x10000,
    G_MSG_CMSG_CLOEXEC = 0x40000000,
};

enum { G_SOL_SOCKET = 1, G_IPPROTO_IP = 0, G_IPPROTO_TCP = 6, G_IPPROTO_UDP = 17, G_IPPROTO_IPV6 = 41 };
enum { G_SCM_RIGHTS = 1, G_SCM_CREDENTIALS = 2, G_SCM_MAX_FD = 253 };

enum { // socket(7)
    G_SO_DEBUG = 1, G_SO_REUSEADDR, G_SO_TYPE, G_SO_ERROR, G_SO_DONTROUTE, G_SO_BROADCAST,
    G_SO_SNDBUF, G_SO_RCVBUF, G_SO_KEEPALIVE, G_SO_OOBINLINE, G_SO_PRIORITY = 12, G_SO_LINGER,
    G_SO_REUSEPORT = 15, G_SO_PASSCRED, G_SO_PEERCRED, G_SO_RCVLOWAT, G_SO_SNDLOWAT,
    G_SO_RCVTIMEO, G_SO_SNDTIMEO, G_SO_ACCEPTCONN = 30, G_SO_PROTOCOL = 38, G_SO_DOMAIN = 39,
    G_SO_RCVTIMEO_NEW = 66, G_SO_SNDTIMEO_NEW = 67,
};

struct g_ucred { u32 pid, uid, gid; };

#define G_SUN_PATH 108u
struct g_sockaddr { // as long as sockaddr_storage
    u16 family;
    char data[126];
};

struct g_msghdr {
    u64 name;
    u32 namelen, pad;
    u64 iov, iovlen, control, controllen;
    u32 flags, pad2;
};
struct g_cmsghdr { u64 len; i32 level, type; };

#endif
