// Messages: send, recv and their forms with vectors, addresses and control data.
//
//   t->call.progress  bytes that a blocking call on a stream has moved so far
//   t->call.state[1]  messages that sendmmsg or recvmmsg has done
//   t->call.state[2]  recvmmsg's time-out, in machine time; 0 = none
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "kernel/access.h"
#include "kernel/socket.h"
#include "kernel/sys_file.h"
#include "kernel/sys_socket.h"
#include "mm/uaccess.h"

struct buffers {
    u32 count;
    u64 total;
    struct uio_vec at[ABI_IOV_MAX];
};

static int buffers_one(struct buffers *b, gva_t base, u64 len)
{
    b->count = 1;
    b->total = MIN(len, ABI_RW_MAX);
    b->at[0] = (struct uio_vec){base, b->total};
    return 0;
}

static int buffers_arg(struct task *t, struct buffers *b, gva_t from, u64 count)
{
    if (count > ABI_IOV_MAX)
        return -EMSGSIZE;
    b->count = (u32)count;
    b->total = 0;
    int r = count ? uaccess_read(t->mm, b->at, from, count * sizeof b->at[0]) : 0;
    for (u32 i = 0; r == 0 && i < b->count; i++) {
        if ((i64)b->at[i].len < 0)
            return -EINVAL;
        b->at[i].len = MIN(b->at[i].len, ABI_RW_MAX - b->total);
        b->total += b->at[i].len;
    }
    return r;
}

static bool blocking(struct machine *m, file_t file, u32 flags)
{
    // Urgent data and the queue of errors are there or not: nobody waits for them.
    return !(file_at(m->fs, file)->flags & ABI_O_NONBLOCK) &&
           !(flags & (G_MSG_DONTWAIT | G_MSG_OOB | G_MSG_ERRQUEUE));
}

// ---- sending -------------------------------------------------------------------------------------

// The destination of a datagram. A stream takes none.
static int destination(struct machine *m, struct task *t, struct socket *s, gva_t at, u32 len,
                       struct g_sockaddr *addr, struct sending *with)
{
    struct socket *to;
    if (!at || !len)
        return 0;
    int r = sockaddr_arg(t, at, len, addr);
    if (r)
        return r;
    if (s->netlink_port)
        return 0; // the kernel, whatever it says
    if (s->family != G_AF_UNIX) {
        with->addr = addr;
        with->addr_len = len;
        return 0;
    }
    if (s->type == G_SOCK_STREAM)
        return s->connected ? -EISCONN : -EOPNOTSUPP;
    if (s->type == G_SOCK_SEQPACKET)
        return 0; // it is ignored there
    r = unix_find(m, t, addr, len, s->type, &to);
    with->to = r ? 0 : to->id;
    return r;
}

static int rights_arg(struct machine *m, struct task *t, gva_t at, u64 bytes, struct sending *with)
{
    (void)m;
    i32 fds[G_SCM_MAX_FD];
    u64 n = bytes / sizeof fds[0];
    if (with->nfiles + n > G_SCM_MAX_FD)
        return -EINVAL;
    int r = n ? uaccess_read(t->mm, fds, at, n * sizeof fds[0]) : 0;
    for (u64 i = 0; r == 0 && i < n; i++) {
        file_t file = fd_arg(t, (u64)(i64)fds[i]);
        if (!file) // O_PATH descriptors may be passed, too (unix(7))
            return -EBADF;
        with->files[with->nfiles++] = file;
    }
    return r;
}

static int cred_arg(struct machine *m, struct task *t, gva_t at, u64 bytes, struct sending *with)
{
    const struct group *g = group_of(m, t);
    struct g_ucred *c = &with->cred;
    if (bytes != sizeof *c)
        return -EINVAL;
    int r = uaccess_read(t->mm, c, at, sizeof *c);
    if (r)
        return r;
    with->has_cred = true;
    bool uid = c->uid == g->uid || c->uid == g->euid || c->uid == g->suid || capable(g, G_CAP_SETUID);
    bool gid = c->gid == g->gid || c->gid == g->egid || c->gid == g->sgid || capable(g, G_CAP_SETGID);
    if (!uid || !gid || (c->pid != g->pid && !capable(g, G_CAP_SYS_ADMIN)))
        return -EPERM;
    return c->pid == g->pid || pid_find(m, c->pid) ? 0 : -ESRCH;
}

// Control messages for the host, which checks what is in them; but of those that every socket has none
// goes there: a descriptor is not the guest's to name.
static int inet_control_arg(struct task *t, const struct g_msghdr *h, struct sending *with)
{
    u64 n = h->controllen;
    if (n > sizeof with->control)
        return -ENOBUFS;
    int r = n ? uaccess_read(t->mm, with->control, h->control, n) : 0;
    for (u64 at = 0; r == 0 && n >= sizeof(struct g_cmsghdr) && at <= n - sizeof(struct g_cmsghdr);) {
        struct g_cmsghdr c;
        memcpy(&c, with->control + at, sizeof c);
        if (c.len < sizeof c || c.len > n - at ||
            (c.level != G_IPPROTO_IP && c.level != G_IPPROTO_IPV6 && c.level != G_IPPROTO_UDP))
            return -EINVAL;
        at += ALIGN_UP(c.len, 8);
    }
    with->control_len = r ? 0 : (u32)n;
    return r;
}

static int control_arg(struct machine *m, struct task *t, struct socket *s, const struct g_msghdr *h,
                       struct sending *with)
{
    if (h->controllen > 65536)
        return -ENOBUFS;
    if (s->family != G_AF_UNIX)
        return inet_control_arg(t, h, with);
    for (u64 at = 0; h->controllen >= sizeof(struct g_cmsghdr) &&
                     at <= h->controllen - sizeof(struct g_cmsghdr);) {
        struct g_cmsghdr c;
        gva_t data = h->control + at + sizeof c;
        int r = uaccess_read(t->mm, &c, h->control + at, sizeof c);
        if (r)
            return r;
        if (c.len < sizeof c || c.len > h->controllen - at)
            return -EINVAL;
        if (c.level == G_SOL_SOCKET && c.type == G_SCM_RIGHTS)
            r = rights_arg(m, t, data, c.len - sizeof c, with);
        else if (c.level == G_SOL_SOCKET && c.type == G_SCM_CREDENTIALS)
            r = cred_arg(m, t, data, c.len - sizeof c, with);
        else if (c.level == G_SOL_SOCKET)
            return -EINVAL;
        if (r)
            return r;
        at += ALIGN_UP(c.len, 8);
    }
    return with->nfiles && !t->call.progress && socket_too_many_files(m) ? -ETOOMANYREFS : 0;
}

static i64 send_ends(struct machine *m, struct task *t, u32 flags, i64 why)
{
    if (t->call.progress)
        return (i64)t->call.progress;
    if (why == -EPIPE && !(flags & G_MSG_NOSIGNAL))
        signal_self(m, t, G_SIGPIPE);
    return why;
}

static i64 send_all(struct machine *m, struct task *t, file_t file, const struct buffers *b,
                    struct sending *with)
{
    struct socket *s = socket_of(m, file);
    u32 flags = with->flags;
    for (;;) {
        struct uio u;
        uio_guest(&u, t->mm, b->at, b->count);
        uio_advance(&u, t->call.progress);
        if (t->call.progress)
            with->nfiles = 0; // they went with the first bytes
        i64 r = socket_send(m, file, &u, with);
        if (r >= 0 && s->type != G_SOCK_STREAM)
            return r;
        if (r > 0)
            t->call.progress += (u64)r;
        if (r == 0 || (r > 0 && t->call.progress >= b->total))
            return (i64)t->call.progress;
        if (r > 0)
            continue;
        if (r == -EPIPE && s->type == G_SOCK_DGRAM)
            return r; // no signal there
        if (r != -EAGAIN || !blocking(m, file, flags))
            return send_ends(m, t, flags, r);
        if (with->to && with->to != s->peer) { // a datagram to another than the peer
            r = wait_on(m, t, CHAN(CHAN_SOCKET_SPACE, with->to));
            return r ? r : park(m, t);
        }
        r = socket_park(m, t, file, ABI_POLLOUT);
        return r == -EPARK ? r : send_ends(m, t, flags, r);
    }
}

static i64 send_message(struct machine *m, struct task *t, file_t file, struct socket *s,
                        const struct g_msghdr *h, u32 flags)
{
    struct g_sockaddr addr;
    struct sending with = {.flags = flags};
    struct buffers b;
    int r = buffers_arg(t, &b, h->iov, h->iovlen);
    if (r == 0 && (i32)h->namelen < 0)
        r = -EINVAL;
    if (r == 0)
        r = destination(m, t, s, h->name, MIN(h->namelen, (u32)sizeof addr), &addr, &with);
    if (r == 0)
        r = control_arg(m, t, s, h, &with);
    return r ? r : send_all(m, t, file, &b, &with);
}

i64 sys_sendto(struct machine *m, struct task *t, const u64 *a)
{
    struct g_sockaddr addr;
    struct sending with = {.flags = (u32)a[3]};
    struct buffers b;
    struct socket *s;
    file_t file;
    int r = socket_arg(m, t, a[0], &file, &s);
    if (r == 0)
        r = buffers_one(&b, a[1], a[2]);
    if (r == 0)
        r = destination(m, t, s, a[4], (u32)a[5], &addr, &with);
    return r ? r : send_all(m, t, file, &b, &with);
}

i64 sys_sendmsg(struct machine *m, struct task *t, const u64 *a)
{
    struct g_msghdr h;
    struct socket *s;
    file_t file;
    int r = socket_arg(m, t, a[0], &file, &s);
    if (r == 0)
        r = uaccess_read(t->mm, &h, a[1], sizeof h);
    return r ? r : send_message(m, t, file, s, &h, (u32)a[2]);
}

#define MMSG 64u // bytes of struct mmsghdr; the length stands behind the msghdr

i64 sys_sendmmsg(struct machine *m, struct task *t, const u64 *a)
{
    struct socket *s;
    file_t file;
    int e = socket_arg(m, t, a[0], &file, &s);
    if (e)
        return e;
    i64 r = 0;
    while (t->call.state[1] < MIN((u32)a[2], ABI_IOV_MAX)) {
        struct g_msghdr h;
        gva_t at = a[1] + t->call.state[1] * MMSG;
        r = uaccess_read(t->mm, &h, at, sizeof h);
        if (r == 0)
            r = send_message(m, t, file, s, &h, (u32)a[3]);
        if (r == -EPARK)
            return r;
        t->call.progress = 0;
        if (r >= 0)
            r = uaccess_write_u32(t->mm, at + sizeof h, (u32)r);
        if (r < 0)
            break;
        t->call.state[1]++;
    }
    return t->call.state[1] ? (i64)t->call.state[1] : r;
}

// ---- receiving -----------------------------------------------------------------------------------

// Bytes, with whatever else the message brought in *got.
static i64 receive(struct machine *m, struct task *t, file_t file, const struct buffers *b, u32 flags,
                   struct received *got)
{
    struct socket *s = socket_of(m, file);
    bool all = flags & G_MSG_WAITALL && !(flags & G_MSG_PEEK) && s->type == G_SOCK_STREAM;
    for (;;) {
        struct uio u;
        uio_guest(&u, t->mm, b->at, b->count);
        uio_advance(&u, t->call.progress);
        i64 r = socket_receive(m, file, &u, flags, got);
        if (r > 0 && all) {
            t->call.progress += (u64)r;
            if (t->call.progress < b->total && !got->nfiles)
                continue;
            return (i64)t->call.progress;
        }
        if (r == -EAGAIN && blocking(m, file, flags)) {
            r = socket_park(m, t, file, ABI_POLLIN);
            if (r == -EPARK)
                return r;
        }
        return t->call.progress ? (i64)t->call.progress : r;
    }
}

i64 sys_recvfrom(struct machine *m, struct task *t, const u64 *a)
{
    struct received got;
    struct buffers b;
    struct socket *s;
    file_t file;
    u32 flags = (u32)a[3];
    int r = socket_arg(m, t, a[0], &file, &s);
    if (r == 0)
        r = buffers_one(&b, a[1], a[2]);
    if (r == 0 && s->type != G_SOCK_STREAM) // a stream names nobody
        r = sockaddr_check(t, a[4], a[5]);
    if (r)
        return r;
    i64 n = receive(m, t, file, &b, flags, &got);
    if (n < 0)
        return n;
    socket_drop_files(m, &got, 0);
    r = sockaddr_out(t, a[4], a[5], &got.from, got.from_len);
    if (r)
        return r;
    return flags & G_MSG_TRUNC && got.truncated ? (i64)got.full : n;
}

struct control {
    gva_t at;
    u64 room, used;
    bool cut;
};

static int control_put(struct task *t, struct control *c, i32 level, i32 type, const void *data, u64 n)
{
    struct g_cmsghdr h = {sizeof h + n, level, type};
    u64 left = c->room - c->used;
    if (left < sizeof h) {
        c->cut = true;
        return 0;
    }
    if (h.len > left) {
        c->cut = true;
        h.len = left;
    }
    int r = uaccess_write(t->mm, c->at + c->used, &h, sizeof h);
    if (r == 0 && h.len > sizeof h)
        r = uaccess_write(t->mm, c->at + c->used + sizeof h, data, h.len - sizeof h);
    c->used += MIN(ALIGN_UP(h.len, 8), left);
    return r;
}

// Installs the files that came, as many as fit; the others are let go.
static int control_files(struct machine *m, struct task *t, struct control *c, u32 flags,
                         struct received *got)
{
    i32 fds[G_SCM_MAX_FD];
    u64 left = c->room - c->used, fit = left > sizeof(struct g_cmsghdr)
        ? (left - sizeof(struct g_cmsghdr)) / sizeof fds[0] : 0;
    u32 n = 0, want = got->nfiles;
    if (!want)
        return 0;
    while (n < want && n < fit) {
        file_t file = got->files[n];
        i64 fd = fd_install(m, t, file, flags & G_MSG_CMSG_CLOEXEC);
        got->files[n] = 0;
        if (fd < 0)
            break;
        fds[n++] = (i32)fd;
    }
    c->cut = c->cut || n < want;
    socket_drop_files(m, got, n);
    got->nfiles = 0;
    return n ? control_put(t, c, G_SOL_SOCKET, G_SCM_RIGHTS, fds, n * sizeof fds[0]) : 0;
}

// What came with an internet socket's message.
static int control_of_host(struct task *t, struct control *c, const struct received *got)
{
    int r = 0;
    for (u64 at = 0; r == 0 && at + sizeof(struct g_cmsghdr) <= got->control_len;) {
        struct g_cmsghdr h;
        memcpy(&h, got->control + at, sizeof h);
        if (h.len < sizeof h || h.len > got->control_len - at)
            break;
        r = control_put(t, c, h.level, h.type, got->control + at + sizeof h, h.len - sizeof h);
        at += ALIGN_UP(h.len, 8);
    }
    c->cut = c->cut || got->control_cut;
    return r;
}

static int results_check(struct task *t, gva_t at, const struct g_msghdr *h)
{
    int r = uaccess_check(t->mm, at, sizeof *h, MM_WRITE);
    if (r == 0 && h->name && h->namelen)
        r = (i32)h->namelen < 0 ? -EINVAL
            : uaccess_check(t->mm, h->name, MIN(h->namelen, (u32)sizeof(struct g_sockaddr)), MM_WRITE);
    if (r == 0 && h->controllen)
        r = uaccess_check(t->mm, h->control, MIN(h->controllen, PAGE_SIZE), MM_WRITE);
    return r;
}

static i64 receive_message(struct machine *m, struct task *t, file_t file, struct socket *s, gva_t at,
                           u32 flags)
{
    struct g_msghdr h;
    struct received got;
    struct buffers b;
    int r = uaccess_read(t->mm, &h, at, sizeof h);
    if (r == 0)
        r = buffers_arg(t, &b, h.iov, h.iovlen);
    if (r == 0)
        r = results_check(t, at, &h);
    if (r)
        return r;
    i64 n = receive(m, t, file, &b, flags, &got);
    if (n < 0)
        return n;
    struct control c = {.at = h.control, .room = MIN(h.controllen, PAGE_SIZE)};
    if (s->pass_cred && got.cred_known)
        r = control_put(t, &c, G_SOL_SOCKET, G_SCM_CREDENTIALS, &got.cred, sizeof got.cred);
    if (r == 0)
        r = control_of_host(t, &c, &got);
    if (r == 0)
        r = control_files(m, t, &c, flags, &got);
    socket_drop_files(m, &got, 0);
    u32 named = h.name ? MIN(got.from_len, h.namelen) : 0;
    if (r == 0 && named)
        r = uaccess_write(t->mm, h.name, &got.from, named);
    if (h.name)
        h.namelen = got.from_len;
    h.controllen = c.used;
    h.flags = (got.truncated ? G_MSG_TRUNC : 0u) | (c.cut ? G_MSG_CTRUNC : 0u) |
              (flags & G_MSG_CMSG_CLOEXEC);
    if (r == 0)
        r = uaccess_write(t->mm, at, &h, sizeof h);
    if (r)
        return r;
    return flags & G_MSG_TRUNC && got.truncated ? (i64)got.full : n;
}

i64 sys_recvmsg(struct machine *m, struct task *t, const u64 *a)
{
    struct socket *s;
    file_t file;
    int r = socket_arg(m, t, a[0], &file, &s);
    return r ? r : receive_message(m, t, file, s, a[1], (u32)a[2]);
}

// The time that is left goes back to the caller when there were messages.
static i64 recvmmsg_ends(struct machine *m, struct task *t, gva_t timeout, i64 r)
{
    u64 done = t->call.state[1], now = machine_time(m), end = t->call.state[2];
    if (!done || !timeout)
        return done ? (i64)done : r;
    u64 left = end > now ? end - now : 0;
    struct g_timespec ts = {(i64)(left / 1000000000), (i64)(left % 1000000000)};
    int e = uaccess_write(t->mm, timeout, &ts, sizeof ts);
    return e ? e : (i64)done;
}

// The time-out is looked at only between messages, as in Linux (recvmmsg(2), BUGS).
i64 sys_recvmmsg(struct machine *m, struct task *t, const u64 *a)
{
    struct socket *s;
    file_t file;
    u32 flags = (u32)a[3];
    i64 r = 0;
    if (a[4] && !t->call.state[2])
        r = timeout_arg(m, t, a[4], &t->call.state[2]);
    if (r == 0)
        r = socket_arg(m, t, a[0], &file, &s);
    if (r)
        return r;
    while (t->call.state[1] < MIN((u32)a[2], ABI_IOV_MAX)) {
        gva_t at = a[1] + t->call.state[1] * MMSG;
        bool first = t->call.state[1] == 0;
        u32 here = flags & G_MSG_WAITFORONE && !first ? flags | G_MSG_DONTWAIT : flags;
        r = receive_message(m, t, file, s, at, here & ~(u32)G_MSG_WAITFORONE);
        if (r == -EPARK)
            return r;
        t->call.progress = t->call.state[0] = 0;
        if (r >= 0)
            r = uaccess_write_u32(t->mm, at + sizeof(struct g_msghdr), (u32)r);
        if (r < 0)
            break;
        t->call.state[1]++;
        if (a[4] && machine_time(m) >= t->call.state[2])
            break;
    }
    return recvmmsg_ends(m, t, a[4], r);
}
