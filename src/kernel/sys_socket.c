// Sockets: making, naming, connecting them, and their options. Messages: sys_sockmsg.c.
//
// t->call.state[0] is the deadline of a wait with a time-out (socket_park); state[1] says that a
// connect through the host is under way.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "abi/interface.h"
#include "host/file.h"
#include "host/socket.h"
#include "kernel/access.h"
#include "kernel/socket.h"
#include "kernel/sys_file.h"
#include "kernel/sys_socket.h"
#include "mm/uaccess.h"

// ---- arguments -----------------------------------------------------------------------------------

int socket_arg(struct machine *m, struct task *t, u64 fd, file_t *file, struct socket **out)
{
    *file = fd_arg(t, fd);
    if (!*file || file_at(m->fs, *file)->kind == FILE_PATH)
        return -EBADF;
    *out = socket_of(m, *file);
    return *out ? 0 : -ENOTSOCK;
}

int sockaddr_arg(struct task *t, gva_t from, u64 len, struct g_sockaddr *out)
{
    memset(out, 0, sizeof *out);
    if ((u32)len > sizeof *out)
        return -EINVAL;
    return (u32)len ? uaccess_read(t->mm, out, from, (u32)len) : 0;
}

int sockaddr_check(struct task *t, gva_t to, gva_t len_at)
{
    u32 room;
    if (!to)
        return 0;
    int r = uaccess_read_u32(t->mm, &room, len_at);
    if (r == 0 && (i32)room < 0)
        return -EINVAL;
    if (r == 0)
        r = uaccess_check(t->mm, len_at, sizeof room, MM_WRITE);
    return r || !room ? r : uaccess_check(t->mm, to, MIN(room, (u32)sizeof(struct g_sockaddr)), MM_WRITE);
}

int sockaddr_out(struct task *t, gva_t to, gva_t len_at, const struct g_sockaddr *a, u32 len)
{
    u32 room;
    if (!to)
        return 0;
    int r = uaccess_read_u32(t->mm, &room, len_at);
    if (r == 0 && (i32)room < 0)
        return -EINVAL;
    if (r == 0 && room && len)
        r = uaccess_write(t->mm, to, a, MIN(room, len));
    return r ? r : uaccess_write_u32(t->mm, len_at, len);
}

// ---- names of AF_UNIX ----------------------------------------------------------------------------

static u32 unix_name(const struct sockname *n, struct g_sockaddr *a)
{
    memset(a, 0, sizeof *a);
    a->family = G_AF_UNIX;
    memcpy(a->data, n->path, n->len);
    return 2 + n->len;
}

// 0, or -EINVAL. A path comes back NUL-terminated in n->path, its NUL counted if there is room.
static int unix_addr(const struct g_sockaddr *a, u32 len, struct sockname *n)
{
    if (len < 2 || a->family != G_AF_UNIX || len > 2 + G_SUN_PATH)
        return -EINVAL;
    n->len = len - 2;
    memcpy(n->path, a->data, n->len);
    if (n->len && n->path[0]) {
        u32 l = (u32)strnlen(n->path, n->len);
        n->len = MIN(l + 1, G_SUN_PATH);
        if (l < G_SUN_PATH)
            n->path[l] = 0;
    }
    return 0;
}

static void path_of(const struct sockname *n, char path[G_SUN_PATH + 1])
{
    memcpy(path, n->path, n->len);
    path[n->len] = 0;
}

static struct socket *find_abstract(struct machine *m, const struct sockname *n, u8 type)
{
    for (u32 id = pool_next(&m->sockets, 0); id; id = pool_next(&m->sockets, id)) {
        struct socket *s = pool_at(&m->sockets, id);
        if (s->bound && s->type == type && !s->ino && s->name.len == n->len &&
            !memcmp(s->name.path, n->path, n->len))
            return s;
    }
    return NULL;
}

static struct socket *find_node(struct machine *m, u64 dev, u64 ino)
{
    for (u32 id = pool_next(&m->sockets, 0); id; id = pool_next(&m->sockets, id)) {
        struct socket *s = pool_at(&m->sockets, id);
        if (s->bound && s->ino == ino && s->dev == dev)
            return s;
    }
    return NULL;
}

int unix_find(struct machine *m, struct task *t, const struct g_sockaddr *a, u32 len, u8 type,
              struct socket **out)
{
    struct sockname n;
    struct abi_stat st;
    char path[G_SUN_PATH + 1];
    int r = unix_addr(a, len, &n);
    if (r == 0 && n.len == 0)
        return -EINVAL;
    if (r)
        return r;
    if (!n.path[0]) {
        *out = find_abstract(m, &n, type);
        return *out ? 0 : -ECONNREFUSED;
    }
    path_of(&n, path);
    r = path_stat(m->fs, t->fs, 0, path, 0, &st);
    if (r == 0 && (st.st_mode & ABI_S_IFMT) != ABI_S_IFSOCK)
        return -ECONNREFUSED;
    if (r == 0)
        r = path_access(m->fs, t->fs, 0, path, ABI_W_OK, ABI_AT_EACCESS);
    if (r)
        return r;
    *out = find_node(m, st.st_dev, st.st_ino);
    if (!*out)
        return -ECONNREFUSED; // the host's, or one whose process is gone
    return (*out)->type == type ? 0 : -EPROTOTYPE;
}

static void autobind(struct machine *m, struct socket *s)
{
    struct sockname n = {.len = 6};
    do
        snprintf(n.path + 1, sizeof n.path - 1, "%05x", (u32)(machine_random(m) >> 44));
    while (find_abstract(m, &n, s->type));
    s->name = n;
    s->bound = true;
}

static int unix_bind(struct machine *m, struct task *t, struct socket *s, const struct g_sockaddr *a,
                     u32 len)
{
    struct sockname n;
    struct abi_stat st;
    char path[G_SUN_PATH + 1];
    int r = unix_addr(a, len, &n);
    if (r)
        return r;
    if (s->bound)
        return n.len ? -EINVAL : 0;
    if (n.len == 0) {
        autobind(m, s);
        return 0;
    }
    if (!n.path[0]) {
        if (find_abstract(m, &n, s->type))
            return -EADDRINUSE;
        s->name = n;
        s->bound = true;
        return 0;
    }
    path_of(&n, path);
    r = path_mknod(m->fs, t->fs, 0, path, ABI_S_IFSOCK | 0777, 0);
    if (r)
        return r == -EEXIST ? -EADDRINUSE : r;
    file_t node = 0;
    if (path_open(m->fs, t->fs, 0, path, ABI_O_PATH | ABI_O_NOFOLLOW, 0, &node))
        node = 0; // the host has no descriptor left
    r = node ? file_stat(m->fs, node, &st) : path_stat(m->fs, t->fs, 0, path, ABI_AT_SYMLINK_NOFOLLOW, &st);
    if (r) {
        file_put(m->fs, node);
        return r;
    }
    s->node = node;
    struct socket *stale = find_node(m, st.st_dev, st.st_ino);
    if (stale)
        stale->bound = false; // its node was unlinked, and the number given out again
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    s->name = n;
    s->bound = true;
    return 0;
}

// ---- making --------------------------------------------------------------------------------------

static int install(struct machine *m, struct task *t, struct socket *s, int host_fd, u32 flags)
{
    file_t file;
    int r = socket_file(m, s, host_fd, flags & G_SOCK_NONBLOCK, &file);
    if (r) {
        socket_close(m, s->id);
        host_close(host_fd);
        return r;
    }
    return (int)fd_install(m, t, file, flags & G_SOCK_CLOEXEC);
}

// 0, or why there is no such AF_UNIX socket. SOCK_RAW is SOCK_DGRAM there.
static int unix_type(u32 *type, u64 protocol)
{
    if ((u32)protocol && (u32)protocol != G_AF_UNIX)
        return -EPROTONOSUPPORT;
    if (*type == G_SOCK_RAW)
        *type = G_SOCK_DGRAM;
    return *type == G_SOCK_STREAM || *type == G_SOCK_DGRAM || *type == G_SOCK_SEQPACKET ? 0
                                                                                      : -ESOCKTNOSUPPORT;
}

#define NETLINK_PORTS 0x80000000u // ports that are given out; what programs ask for are process ids

i64 sys_socket(struct machine *m, struct task *t, const u64 *a)
{
    u32 family = (u32)a[0], type = (u32)a[1] & G_SOCK_TYPE, flags = (u32)a[1] & ~G_SOCK_TYPE;
    struct socket *s;
    int host_fd = -1, r = 0;
    if (flags & ~(G_SOCK_NONBLOCK | G_SOCK_CLOEXEC))
        return -EINVAL;
    bool netlink = family == G_AF_NETLINK && !(u32)a[2] && (type == G_SOCK_RAW || type == G_SOCK_DGRAM);
    if (netlink) // for interfaces, and for mq_notify(3)'s messages
        family = G_AF_UNIX;
    if (family == G_AF_UNIX)
        r = unix_type(&type, netlink ? 0 : a[2]);
    else if ((family != G_AF_INET && family != G_AF_INET6) || !m->options.net)
        r = -EAFNOSUPPORT;
    else
        r = host_fd = host_socket((int)family, (int)type, (int)a[2]);
    if (r < 0)
        return r;
    r = socket_new(m, family, type, family == G_AF_UNIX ? 0 : (u32)a[2], &s);
    if (r) {
        host_close(host_fd);
        return r;
    }
    s->netlink_port = netlink ? (u32)s->serial | NETLINK_PORTS : 0;
    return install(m, t, s, host_fd, flags);
}

// Why there are no pairs of these.
static i64 inet_pair(u32 family, u32 type, u32 protocol)
{
    u32 own = type == G_SOCK_STREAM ? 6 : type == G_SOCK_DGRAM ? 17 : 0; // TCP, UDP
    if (family != G_AF_INET && family != G_AF_INET6)
        return -EAFNOSUPPORT;
    if (type > 10)
        return -EINVAL;
    return !own || (protocol && protocol != own) ? -EPROTONOSUPPORT : -EOPNOTSUPP;
}

i64 sys_socketpair(struct machine *m, struct task *t, const u64 *a)
{
    u32 type = (u32)a[1] & G_SOCK_TYPE, flags = (u32)a[1] & ~G_SOCK_TYPE;
    struct socket *s[2];
    file_t files[2];
    int fds[2];
    if (flags & ~(G_SOCK_NONBLOCK | G_SOCK_CLOEXEC))
        return -EINVAL;
    if ((u32)a[0] != G_AF_UNIX)
        return inet_pair((u32)a[0], type, (u32)a[2]);
    int r = unix_type(&type, a[2]);
    if (r == 0)
        r = uaccess_check(t->mm, a[3], sizeof fds, MM_WRITE);
    if (r == 0)
        r = socket_new(m, G_AF_UNIX, type, 0, &s[0]);
    if (r)
        return r;
    r = socket_new(m, G_AF_UNIX, type, 0, &s[1]);
    if (r)
        goto no_second;
    r = socket_file(m, s[0], -1, flags & G_SOCK_NONBLOCK, &files[0]);
    if (r)
        goto no_file;
    r = socket_file(m, s[1], -1, flags & G_SOCK_NONBLOCK, &files[1]);
    if (r) {
        file_put(m->fs, files[0]);
        socket_close(m, s[1]->id);
        return r;
    }
    r = fd_alloc2(m->fs, t->files, files, flags & G_SOCK_CLOEXEC, fd_limit(m, t), fds);
    if (r) {
        file_put(m->fs, files[0]);
        file_put(m->fs, files[1]);
        return r;
    }
    socket_join(s[0], s[1]);
    return uaccess_write(t->mm, a[3], fds, sizeof fds);
no_file:
    socket_close(m, s[1]->id);
no_second:
    socket_close(m, s[0]->id);
    return r;
}

// ---- bind, listen, accept, connect -----------------------------------------------------------------

static i64 netlink_bind(struct socket *s, const struct g_sockaddr *addr, u32 len)
{
    struct g_sockaddr_nl name;
    memcpy(&name, addr, sizeof name);
    if (len < sizeof name || name.family != G_AF_NETLINK)
        return -EINVAL;
    if (s->bound && name.pid != s->netlink_port)
        return -EINVAL;
    s->netlink_port = name.pid ? name.pid : s->netlink_port;
    s->bound = true;
    return 0; // and of its groups' events none ever comes
}

i64 sys_bind(struct machine *m, struct task *t, const u64 *a)
{
    struct g_sockaddr addr;
    struct socket *s;
    file_t file;
    int r = socket_arg(m, t, a[0], &file, &s);
    if (r == 0)
        r = sockaddr_arg(t, a[1], a[2], &addr);
    if (r)
        return r;
    if (s->netlink_port)
        return netlink_bind(s, &addr, (u32)a[2]);
    u32 port = (u32)(u8)addr.data[0] << 8 | (u8)addr.data[1];
    bool inet = addr.family == G_AF_INET || addr.family == G_AF_INET6;
    if (s->family != G_AF_UNIX && inet && port && port < 1024 && !capable(group_of(m, t), G_CAP_NET_BIND_SERVICE))
        return -EACCES; // ip_unprivileged_port_start, whatever tine itself may do
    if (s->family != G_AF_UNIX)
        return host_bind(file_at(m->fs, file)->host_fd, &addr, (u32)a[2]);
    return unix_bind(m, t, s, &addr, (u32)a[2]);
}

i64 sys_listen(struct machine *m, struct task *t, const u64 *a)
{
    struct socket *s;
    file_t file;
    int r = socket_arg(m, t, a[0], &file, &s);
    if (r)
        return r;
    if (s->family != G_AF_UNIX)
        return host_listen(file_at(m->fs, file)->host_fd, (i32)a[1]);
    if (s->type == G_SOCK_DGRAM)
        return -EOPNOTSUPP;
    if (!s->bound || s->connected)
        return -EINVAL;
    s->listening = true;
    s->backlog = MIN((u32)a[1], 4096u); // net.core.somaxconn
    s->cred = socket_self(m);
    return 0;
}

static i64 unix_accept(struct machine *m, struct task *t, file_t file, struct socket *s, const u64 *a)
{
    struct g_sockaddr addr = {.family = G_AF_UNIX};
    u32 len = 2;
    if (s->type == G_SOCK_DGRAM)
        return -EOPNOTSUPP;
    if (!s->listening || s->shut_read)
        return -EINVAL;
    if (!s->pending_head) {
        if (file_at(m->fs, file)->flags & ABI_O_NONBLOCK)
            return -EAGAIN;
        return socket_park(m, t, file, ABI_POLLIN);
    }
    struct socket *fresh = pool_at(&m->sockets, s->pending_head);
    s->pending_head = fresh->pending_next;
    if (!s->pending_head)
        s->pending_tail = 0;
    s->pending--;
    fresh->pending_next = 0;
    wake_channel(m, CHAN(CHAN_SOCKET_SPACE, s->id));
    if (fresh->peer)
        len = unix_name(&((struct socket *)pool_at(&m->sockets, fresh->peer))->name, &addr);
    int fd = install(m, t, fresh, -1, (u32)a[3]);
    if (fd < 0)
        return fd;
    int r = sockaddr_out(t, a[1], a[2], &addr, len);
    return r ? r : fd;
}

static i64 inet_accept(struct machine *m, struct task *t, file_t file, struct socket *s, const u64 *a)
{
    struct g_sockaddr addr;
    struct socket *fresh;
    u32 len;
    int host_fd = host_accept(file_at(m->fs, file)->host_fd, &addr, &len);
    if (host_fd == -EAGAIN && !(file_at(m->fs, file)->flags & ABI_O_NONBLOCK))
        return socket_park(m, t, file, ABI_POLLIN);
    if (host_fd < 0)
        return host_fd;
    int r = socket_new(m, s->family, s->type, s->protocol, &fresh);
    if (r) {
        host_close(host_fd);
        return r;
    }
    int fd = install(m, t, fresh, host_fd, (u32)a[3]);
    if (fd < 0)
        return fd;
    r = sockaddr_out(t, a[1], a[2], &addr, len);
    return r ? r : fd;
}

static bool listens(struct machine *m, file_t file, const struct socket *s)
{
    u32 yes = 0, size = sizeof yes;
    if (s->family == G_AF_UNIX)
        return s->listening;
    return host_getsockopt(file_at(m->fs, file)->host_fd, G_SOL_SOCKET, G_SO_ACCEPTCONN, &yes, &size) == 0 && yes;
}

i64 sys_accept4(struct machine *m, struct task *t, const u64 *a)
{
    struct socket *s;
    file_t file;
    if ((u32)a[3] & ~(G_SOCK_NONBLOCK | G_SOCK_CLOEXEC))
        return -EINVAL;
    int r = socket_arg(m, t, a[0], &file, &s);
    if (r == 0 && !listens(m, file, s))
        r = s->type == G_SOCK_DGRAM ? -EOPNOTSUPP : -EINVAL;
    if (r == 0)
        r = sockaddr_check(t, a[1], a[2]);
    if (r)
        return r;
    if (!fd_room(t->files, fd_limit(m, t)))
        return -EMFILE;
    return s->family == G_AF_UNIX ? unix_accept(m, t, file, s, a) : inet_accept(m, t, file, s, a);
}

i64 sys_accept(struct machine *m, struct task *t, const u64 *a)
{
    const u64 args[4] = {a[0], a[1], a[2], 0};
    return sys_accept4(m, t, args);
}

// The other end is made here and waits in the listener's queue; the caller is connected at once.
static i64 stream_connect(struct machine *m, struct task *t, file_t file, struct socket *s,
                          const struct g_sockaddr *addr, u32 len)
{
    struct socket *to, *fresh;
    if (s->listening)
        return -EINVAL;
    if (s->connected)
        return -EISCONN;
    int r = unix_find(m, t, addr, len, s->type, &to);
    if (r)
        return r;
    if (!to->listening || to->shut_read)
        return -ECONNREFUSED;
    if (to->pending > to->backlog) {
        if (file_at(m->fs, file)->flags & ABI_O_NONBLOCK)
            return -EAGAIN;
        r = wait_on(m, t, CHAN(CHAN_SOCKET_SPACE, to->id));
        return r ? r : park(m, t);
    }
    r = socket_new(m, G_AF_UNIX, s->type, 0, &fresh);
    if (r)
        return r;
    s->cred = socket_self(m);
    fresh->cred = to->cred;
    fresh->name = to->name;
    fresh->pass_cred = to->pass_cred;
    socket_join(s, fresh);
    if (to->pending_tail)
        ((struct socket *)pool_at(&m->sockets, to->pending_tail))->pending_next = fresh->id;
    else
        to->pending_head = fresh->id;
    to->pending_tail = fresh->id;
    to->pending++;
    wake_channel(m, CHAN(CHAN_SOCKET, to->id));
    wake_channel(m, CHAN(CHAN_SOCKET, s->id));
    return 0;
}

static i64 dgram_connect(struct machine *m, struct task *t, struct socket *s,
                         const struct g_sockaddr *addr, u32 len)
{
    struct socket *to;
    s->peer_dead = false;
    if (addr->family == G_AF_UNSPEC) {
        s->peer = 0;
        s->connected = false;
        return 0;
    }
    int r = unix_find(m, t, addr, len, s->type, &to);
    if (r)
        return r;
    if (to->peer && to->peer != s->id)
        return -EPERM;
    if (s->pass_cred && !s->bound)
        autobind(m, s);
    s->peer = to->id;
    s->connected = true;
    return 0;
}

static i64 inet_connect(struct machine *m, struct task *t, file_t file, const struct g_sockaddr *addr,
                        u32 len)
{
    struct file *f = file_at(m->fs, file);
    if (t->call.state[1]) {
        u32 error = 0, size = sizeof error;
        if (!(host_poll(f->host_fd, ABI_POLLOUT) & (ABI_POLLOUT | ABI_POLLERR | ABI_POLLHUP))) {
            int r = socket_park(m, t, file, ABI_POLLOUT);
            return r == -EAGAIN ? -EINPROGRESS : r;
        }
        int r = host_getsockopt(f->host_fd, G_SOL_SOCKET, G_SO_ERROR, &error, &size);
        if (r == 0) // the host's socket learns by this that it is connected, or has failed
            (void)!host_connect(f->host_fd, addr, len);
        return r ? r : -(i64)error;
    }
    int r = host_connect(f->host_fd, addr, len);
    if ((r != -EINPROGRESS && r != -EALREADY) || f->flags & ABI_O_NONBLOCK)
        return r;
    t->call.state[1] = 1;
    return socket_park(m, t, file, ABI_POLLOUT);
}

i64 sys_connect(struct machine *m, struct task *t, const u64 *a)
{
    struct g_sockaddr addr;
    struct socket *s;
    file_t file;
    int r = socket_arg(m, t, a[0], &file, &s);
    if (r == 0)
        r = sockaddr_arg(t, a[1], a[2], &addr);
    if (r)
        return r;
    if (s->family != G_AF_UNIX)
        return inet_connect(m, t, file, &addr, (u32)a[2]);
    return s->type == G_SOCK_DGRAM ? dgram_connect(m, t, s, &addr, (u32)a[2])
                                   : stream_connect(m, t, file, s, &addr, (u32)a[2]);
}

static i64 name_of(struct machine *m, struct task *t, const u64 *a, bool peer)
{
    struct g_sockaddr addr;
    struct socket *s;
    file_t file;
    u32 len;
    int r = socket_arg(m, t, a[0], &file, &s);
    if (r)
        return r;
    if (s->family != G_AF_UNIX) {
        r = host_sockname(file_at(m->fs, file)->host_fd, peer, &addr, &len);
        if (r)
            return r;
    } else if (s->netlink_port) {
        struct g_sockaddr_nl name = {.family = G_AF_NETLINK, .pid = peer ? 0 : s->netlink_port};
        memcpy(&addr, &name, len = sizeof name);
    } else {
        if (peer && !s->peer)
            return -ENOTCONN;
        struct socket *named = peer ? pool_at(&m->sockets, s->peer) : s;
        len = unix_name(&named->name, &addr);
    }
    return a[1] ? sockaddr_out(t, a[1], a[2], &addr, len) : -EFAULT;
}

i64 sys_getsockname(struct machine *m, struct task *t, const u64 *a)
{
    return name_of(m, t, a, false);
}

i64 sys_getpeername(struct machine *m, struct task *t, const u64 *a)
{
    return name_of(m, t, a, true);
}

i64 sys_shutdown(struct machine *m, struct task *t, const u64 *a)
{
    struct socket *s;
    file_t file;
    int r = socket_arg(m, t, a[0], &file, &s);
    if (r)
        return r;
    u32 how = (u32)a[1];
    if (how > G_SHUT_RDWR)
        return -EINVAL;
    if (s->family != G_AF_UNIX)
        return host_shutdown(file_at(m->fs, file)->host_fd, (int)how);
    bool rd = how != G_SHUT_WR, wr = how != G_SHUT_RD;
    s->shut_read |= rd;
    s->shut_write |= wr;
    wake_channel(m, CHAN(CHAN_SOCKET, s->id));
    wake_channel(m, CHAN(CHAN_SOCKET_SPACE, s->id));
    if (s->peer && s->type != G_SOCK_DGRAM) {
        struct socket *other = pool_at(&m->sockets, s->peer);
        other->shut_read |= wr;
        other->shut_write |= rd;
        wake_channel(m, CHAN(CHAN_SOCKET, other->id));
        wake_channel(m, CHAN(CHAN_SOCKET_SPACE, other->id));
    }
    return 0;
}

// ---- options -------------------------------------------------------------------------------------

static bool is_timeout(u32 name)
{
    return name == G_SO_RCVTIMEO || name == G_SO_SNDTIMEO || name == G_SO_RCVTIMEO_NEW ||
           name == G_SO_SNDTIMEO_NEW;
}

static u64 *timeout_of(struct socket *s, u32 name)
{
    return name == G_SO_RCVTIMEO || name == G_SO_RCVTIMEO_NEW ? &s->recv_timeout : &s->send_timeout;
}

// Options whose value is plain bytes: no address of ours may reach the host, or one of the host the
// guest.
static bool host_may_see(u32 level, u32 name)
{
    switch (level) {
    case G_SOL_SOCKET:
        return name <= G_SO_REUSEPORT || name == G_SO_RCVLOWAT || name == G_SO_ACCEPTCONN ||
               name == G_SO_PROTOCOL || name == G_SO_DOMAIN || name == 29 || name == 35 || name == 37 ||
               name == 40 || name == 63 || name == 64; // time stamps, RXQ_OVFL
    case G_IPPROTO_TCP:
        return name <= 13 || name == 18 || (name >= 23 && name <= 25);
    case G_IPPROTO_UDP:
        return name == 1 || name == 103 || name == 104; // CORK, SEGMENT, GRO
    case G_IPPROTO_IPV6:
        return name <= 63 || name == 66 || name == 67 || name == 70 || (name >= 72 && name <= 76);
    default:
        return level == G_IPPROTO_IP && name <= 63;
    }
}

static int set_timeout(struct task *t, struct socket *s, const u64 *a)
{
    struct g_timeval tv;
    if ((u32)a[4] < sizeof tv)
        return -EINVAL;
    int r = uaccess_read(t->mm, &tv, a[3], sizeof tv);
    if (r)
        return r;
    if (tv.usec < 0 || tv.usec >= 1000000)
        return -EDOM;
    u64 ns = tv.sec < 0 ? 0 : MIN((u64)tv.sec, 1000000000u) * 1000000000u + (u64)tv.usec * 1000;
    *timeout_of(s, (u32)a[2]) = ns;
    return 0;
}

static int unix_set(struct socket *s, u32 name, u32 value)
{
    switch (name) {
    case G_SO_PASSCRED:
        s->pass_cred = value;
        return 0;
    case G_SO_SNDBUF:
        s->send_buffer = MAX(MIN(value, 212992u) * 2, 4608u);
        return 0;
    case G_SO_RCVBUF:
        s->recv_buffer = MAX(MIN(value, 212992u) * 2, 2304u);
        return 0;
    case G_SO_TYPE:
    case G_SO_ERROR:
    case G_SO_PEERCRED:
    case G_SO_ACCEPTCONN:
    case G_SO_DOMAIN:
    case G_SO_PROTOCOL:
        return -ENOPROTOOPT;
    default:
        return name <= G_SO_RCVLOWAT ? 0 : -ENOPROTOOPT;
    }
}

i64 sys_setsockopt(struct machine *m, struct task *t, const u64 *a)
{
    struct socket *s;
    file_t file;
    u8 value[256];
    u32 level = (u32)a[1], name = (u32)a[2], number;
    int r = socket_arg(m, t, a[0], &file, &s);
    if (r)
        return r;
    if ((i32)a[4] < 0)
        return -EINVAL;
    if (level == G_SOL_SOCKET && is_timeout(name))
        return set_timeout(t, s, a);
    if (s->family == G_AF_UNIX) {
        if (level != G_SOL_SOCKET)
            return -EOPNOTSUPP;
        if ((u32)a[4] < sizeof number)
            return -EINVAL;
        r = uaccess_read_u32(t->mm, &number, a[3]);
        return r ? r : unix_set(s, name, number);
    }
    if (!host_may_see(level, name))
        return -ENOPROTOOPT;
    u32 len = (u32)a[4];
    if (len > sizeof value)
        return -EINVAL;
    r = len ? uaccess_read(t->mm, value, a[3], len) : 0;
    return r ? r : host_setsockopt(file_at(m->fs, file)->host_fd, (int)level, (int)name, value, len);
}

// The value of an AF_UNIX option in `value`: its length, or -E...
static int unix_get(struct socket *s, u32 name, u8 value[64])
{
    u32 n = 0;
    switch (name) {
    case G_SO_PEERCRED: {
        struct g_ucred none = {0, ~0u, ~0u};
        memcpy(value, s->connected && s->type != G_SOCK_DGRAM ? &s->peer_cred : s->peer_cred.pid
                   ? &s->peer_cred : &none, sizeof none);
        return sizeof none;
    }
    case G_SO_LINGER:
        memset(value, 0, 8);
        return 8;
    case G_SO_TYPE:
        n = s->type;
        break;
    case G_SO_ERROR:
        n = (u32)s->error;
        s->error = 0;
        break;
    case G_SO_SNDBUF:
        n = s->send_buffer;
        break;
    case G_SO_RCVBUF:
        n = s->recv_buffer;
        break;
    case G_SO_PASSCRED:
        n = s->pass_cred;
        break;
    case G_SO_ACCEPTCONN:
        n = s->listening;
        break;
    case G_SO_DOMAIN:
        n = s->netlink_port ? G_AF_NETLINK : s->family;
        break;
    case G_SO_RCVLOWAT:
    case G_SO_SNDLOWAT:
        n = 1;
        break;
    default:
        if (name > G_SO_REUSEPORT && name != G_SO_PROTOCOL)
            return -ENOPROTOOPT;
    }
    memcpy(value, &n, sizeof n);
    return sizeof n;
}

i64 sys_getsockopt(struct machine *m, struct task *t, const u64 *a)
{
    struct socket *s;
    file_t file;
    u8 value[256];
    u32 level = (u32)a[1], name = (u32)a[2], room, len;
    int r = socket_arg(m, t, a[0], &file, &s);
    if (r == 0)
        r = uaccess_read_u32(t->mm, &room, a[4]);
    if (r)
        return r;
    if ((i32)room < 0)
        return -EINVAL;
    if (level == G_SOL_SOCKET && is_timeout(name)) {
        u64 ns = *timeout_of(s, name);
        struct g_timeval tv = {(i64)(ns / 1000000000), (i64)(ns % 1000000000 / 1000)};
        memcpy(value, &tv, len = sizeof tv);
    } else if (s->family == G_AF_UNIX) {
        r = level == G_SOL_SOCKET ? unix_get(s, name, value) : -EOPNOTSUPP;
        len = r > 0 ? (u32)r : 0;
    } else {
        len = MIN(room, (u32)sizeof value);
        r = !host_may_see(level, name) ? -ENOPROTOOPT
            : host_getsockopt(file_at(m->fs, file)->host_fd, (int)level, (int)name, value, &len);
    }
    if (r < 0)
        return r;
    len = MIN(len, room);
    r = len ? uaccess_write(t->mm, a[3], value, len) : 0;
    return r ? r : uaccess_write_u32(t->mm, a[4], len);
}
