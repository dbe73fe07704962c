#include "kernel/interfaces.h"

#include <errno.h>
#include <string.h>

#include "abi/interface.h"
#include "base/alloc.h"
#include "host/interfaces.h"
#include "kernel/socket.h"
#include "mm/uaccess.h"

#define LOOPBACK_INDEX 1u
#define LOOPBACK_MTU 65536u
#define LOOPBACK_FLAGS (G_IFF_UP | G_IFF_LOOPBACK | G_IFF_RUNNING)
#define LIST_MOST (1u << 20) // bytes

static const u8 loopback_address[4] = {127, 0, 0, 1};

// ---- ioctls --------------------------------------------------------------------------------------

bool interface_ioctl_is(u32 family, u32 cmd)
{
    static const u16 known[] = {G_SIOCGIFNAME, G_SIOCGIFCONF, G_SIOCGIFFLAGS, G_SIOCGIFMETRIC, G_SIOCGIFMTU,
                                G_SIOCGIFHWADDR, G_SIOCGIFINDEX, G_SIOCGIFTXQLEN};
    if (cmd == G_SIOCGIFADDR || cmd == G_SIOCGIFDSTADDR || cmd == G_SIOCGIFBRDADDR || cmd == G_SIOCGIFNETMASK)
        return family == G_AF_INET; // and no other's
    for (u32 i = 0; i < ARRAY_LEN(known); i++)
        if (known[i] == cmd)
            return true;
    return false;
}

static void put_inet(u8 *to, const u8 *address)
{
    u16 family = G_AF_INET;
    memset(to, 0, 16);
    memcpy(to, &family, sizeof family);
    memcpy(to + 4, address, 4);
}

static void put_u32(u8 *to, u32 v)
{
    memcpy(to, &v, sizeof v);
}

// What the loopback answers to a struct ifreq.
static int loopback(u32 cmd, u8 *request)
{
    u8 *value = request + G_IFNAMSIZ;
    u16 family = G_ARPHRD_LOOPBACK, flags = LOOPBACK_FLAGS;
    u32 index;
    memcpy(&index, value, sizeof index);
    if (cmd == G_SIOCGIFNAME ? index != LOOPBACK_INDEX : strcmp((char *)request, "lo") != 0)
        return -ENODEV;
    switch (cmd) {
    case G_SIOCGIFNAME:
        memset(request, 0, G_IFNAMSIZ);
        memcpy(request, "lo", 3);
        return 0;
    case G_SIOCGIFFLAGS:
        memcpy(value, &flags, sizeof flags);
        return 0;
    case G_SIOCGIFHWADDR:
        memset(value, 0, 16);
        memcpy(value, &family, sizeof family);
        return 0;
    default:
        put_u32(value, cmd == G_SIOCGIFMTU ? LOOPBACK_MTU : cmd == G_SIOCGIFINDEX ? LOOPBACK_INDEX
                     : cmd == G_SIOCGIFTXQLEN ? 1000 : 0);
        return 0;
    }
}

struct ifconf { i32 len, pad; gva_t list; };

static int list_all(struct machine *m, struct mm *mm, u64 arg)
{
    struct ifconf c;
    int r = uaccess_read(mm, &c, arg, sizeof c);
    if (r)
        return r;
    if (c.len < 0)
        return -EINVAL;
    u32 room = c.list ? MIN((u32)c.len, LIST_MOST) / G_IFREQ * G_IFREQ : LIST_MOST;
    u8 one[G_IFREQ] = "lo", *list = m->options.net ? mem_alloc(room + 1) : one;
    if (!list)
        return -ENOMEM;
    if (m->options.net) {
        r = host_interfaces(list, room);
    } else {
        put_inet(one + G_IFNAMSIZ, loopback_address);
        r = (int)MIN(room, G_IFREQ);
    }
    if (r >= 0) {
        c.len = r;
        r = c.list && c.len ? uaccess_write(mm, c.list, list, (u64)c.len) : 0;
        if (r == 0)
            r = uaccess_write(mm, arg, &c, sizeof c);
    }
    if (list != one)
        mem_free(list);
    return r;
}

int interface_ioctl(struct machine *m, u32 cmd, struct mm *mm, u64 arg)
{
    u8 request[G_IFREQ];
    if (cmd == G_SIOCGIFCONF)
        return list_all(m, mm, arg);
    int r = uaccess_read(mm, request, arg, sizeof request);
    if (r)
        return r;
    request[G_IFNAMSIZ - 1] = 0;
    r = m->options.net ? host_interface(cmd, request) : loopback(cmd, request);
    return r ? r : uaccess_write(mm, arg, request, sizeof request);
}

// ---- netlink -------------------------------------------------------------------------------------

struct reply {
    struct machine *m;
    struct socket *to;
    u32 pid, seq, len;
    u8 bytes[512]; // of an answer that is made here
};

static void add(struct reply *r, const void *bytes, u32 n)
{
    memcpy(r->bytes + r->len, bytes, n);
    memset(r->bytes + r->len + n, 0, ALIGN_UP(n, 4) - n);
    r->len += ALIGN_UP(n, 4);
}

static void add_attribute(struct reply *r, u16 type, const void *bytes, u32 n)
{
    struct g_rtattr a = {(u16)(sizeof a + n), type};
    add(r, &a, sizeof a);
    add(r, bytes, n);
}

static u32 begin(struct reply *r, u16 type)
{
    struct g_nlmsghdr h = {0, type, G_NLM_F_MULTI, r->seq, r->pid};
    u32 at = r->len;
    add(r, &h, sizeof h);
    return at;
}

static void end(struct reply *r, u32 at)
{
    put_u32(r->bytes + at, r->len - at);
}

static void add_link(struct reply *r)
{
    struct g_ifinfomsg info = {0, 0, G_ARPHRD_LOOPBACK, LOOPBACK_INDEX, LOOPBACK_FLAGS | G_IFF_LOWER_UP, 0};
    u32 at = begin(r, G_RTM_NEWLINK), mtu = LOOPBACK_MTU, queue = 1000;
    u8 none[6] = {0}, state = G_IF_OPER_UNKNOWN;
    add(r, &info, sizeof info);
    add_attribute(r, G_IFLA_IFNAME, "lo", 3);
    add_attribute(r, G_IFLA_TXQLEN, &queue, sizeof queue);
    add_attribute(r, G_IFLA_OPERSTATE, &state, 1);
    add_attribute(r, G_IFLA_MTU, &mtu, sizeof mtu);
    add_attribute(r, G_IFLA_QDISC, "noqueue", 8);
    add_attribute(r, G_IFLA_ADDRESS, none, sizeof none);
    add_attribute(r, G_IFLA_BROADCAST, none, sizeof none);
    end(r, at);
}

static void add_address(struct reply *r)
{
    struct g_ifaddrmsg info = {G_AF_INET, 8, 0x80 /* permanent */, G_RT_SCOPE_HOST, LOOPBACK_INDEX};
    u32 at = begin(r, G_RTM_NEWADDR);
    add(r, &info, sizeof info);
    add_attribute(r, G_IFA_ADDRESS, loopback_address, 4);
    add_attribute(r, G_IFA_LOCAL, loopback_address, 4);
    add_attribute(r, G_IFA_LABEL, "lo", 3);
    end(r, at);
}

static int say_error(struct reply *r, const struct g_nlmsghdr *request, i32 error)
{
    u32 at = begin(r, G_NLMSG_ERROR);
    u16 flags = 0;
    memcpy(r->bytes + at + offsetof(struct g_nlmsghdr, flags), &flags, sizeof flags);
    add(r, &error, sizeof error);
    add(r, request, sizeof *request);
    end(r, at);
    return socket_post(r->m, r->to, r->bytes, r->len);
}

// The loopback alone, as an answer of one block.
static int say_loopback(struct reply *r, const struct g_nlmsghdr *request, u8 family)
{
    static const i32 none;
    if (request->type == G_RTM_GETLINK)
        add_link(r);
    else if (request->type == G_RTM_GETADDR && (family == 0 || family == G_AF_INET))
        add_address(r);
    if ((request->flags & G_NLM_F_DUMP) == 0) {
        if (request->type == G_RTM_GETLINK)
            return socket_post(r->m, r->to, r->bytes, r->len);
        r->len = 0;
        return say_error(r, request, request->type == G_RTM_GETROUTE ? -ENETUNREACH : -EOPNOTSUPP);
    }
    u32 at = begin(r, G_NLMSG_DONE);
    add(r, &none, sizeof none);
    end(r, at);
    return socket_post(r->m, r->to, r->bytes, r->len);
}

// A block of the host's, whose messages get the port of the guest's socket.
static int pass_on(void *arg, u8 *block, u32 n)
{
    struct reply *r = arg;
    struct g_nlmsghdr h;
    for (u32 at = 0; n - at >= sizeof h; at += ALIGN_UP(h.len, 4)) {
        memcpy(&h, block + at, sizeof h);
        if (h.len < sizeof h || h.len > n - at)
            break;
        put_u32(block + at + offsetof(struct g_nlmsghdr, pid), r->pid);
        if (ALIGN_UP(h.len, 4) >= n - at)
            break;
    }
    return socket_post(r->m, r->to, block, n);
}

i64 netlink_send(struct machine *m, struct socket *s, struct uio *from)
{
    u8 request[1024] = {0};
    struct g_nlmsghdr h;
    struct reply r = {.m = m, .to = s};
    u64 n = from->left;
    if (n > sizeof request)
        return -EMSGSIZE;
    int e = uio_from(from, request, n);
    if (e)
        return e;
    memcpy(&h, request, sizeof h);
    if (n < sizeof h || h.len < sizeof h || h.len > n)
        return (i64)n; // as Linux: nobody hears of it
    r.pid = s->netlink_port;
    r.seq = h.seq;
    if (h.type < 16) // control messages
        return (i64)n;
    bool asks = (h.type & 3) == 2;
    if (!asks)
        e = say_error(&r, &h, -EPERM);
    else if (m->options.net)
        e = host_netlink(request, h.len, pass_on, &r);
    else if (h.type != G_RTM_GETLINK && h.type != G_RTM_GETADDR && h.type != G_RTM_GETROUTE)
        e = say_error(&r, &h, -EOPNOTSUPP);
    else
        e = say_loopback(&r, &h, request[sizeof h]);
    return e ? e : (i64)n;
}
