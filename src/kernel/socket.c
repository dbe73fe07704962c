#include "kernel/socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "abi/interface.h"
#include "base/alloc.h"
#include "base/budget.h"
#include "base/forking.h"
#include "base/panic.h"
#include "host/file.h"
#include "host/socket.h"
#include "kernel/access.h"
#include "kernel/interfaces.h"

#define BUFFER_DEFAULT 212992u // net.core.wmem_default
#define MAX_DGRAM_QLEN 10u     // net.unix.max_dgram_qlen: a queue with more takes nothing from strangers
#define MESSAGE_COST 768u      // what a message counts besides its bytes, as the smallest of Linux does
#define CHUNK (64u << 10)      // bytes of a stream's packet, at most
#define CHUNK_MIN 512u         // so that small writes share one

static void copy_packet(struct forking *f, void *object)
{
    struct packet *p = object;
    p->data = budget_dup(f, p->data);
    p->from = budget_dup(f, p->from);
    p->files = budget_dup(f, p->files);
}

static void drop_packet(void *owner, void *object)
{
    struct packet *p = object;
    (void)owner;
    budget_free(p->data);
    budget_free(p->from);
    budget_free(p->files);
}

const struct pool_kind sockets_pool = {.size = sizeof(struct socket)};
const struct pool_kind packets_pool = {sizeof(struct packet), copy_packet, drop_packet};

static struct socket *at(struct machine *m, u32 id)
{
    return pool_at(&m->sockets, id);
}

static struct packet *packet_at(struct machine *m, u32 id)
{
    return pool_at(&m->packets, id);
}

static void changed(struct machine *m, u32 id)
{
    wake_channel(m, CHAN(CHAN_SOCKET, id));
}

struct g_ucred socket_self(struct machine *m)
{
    if (!m->current)
        return (struct g_ucred){0, 0, 0};
    const struct group *g = group_of(m, task_at(m, m->current));
    return (struct g_ucred){g->pid, g->euid, g->egid};
}

// ---- packets -------------------------------------------------------------------------------------

static u32 sockets_among(struct machine *m, const file_t *files, u32 n)
{
    u32 sockets = 0;
    for (u32 i = 0; i < n; i++)
        sockets += socket_of(m, files[i]) != NULL;
    return sockets;
}

// Packets carry these files, or no more.
static void in_flight(struct machine *m, const struct packet *p, bool begins)
{
    u32 n = p->nfiles, sockets = sockets_among(m, p->files, n);
    m->files_in_flight = begins ? m->files_in_flight + n : m->files_in_flight - n;
    m->sockets_in_flight = begins ? m->sockets_in_flight + sockets : m->sockets_in_flight - sockets;
}

bool socket_too_many_files(struct machine *m)
{
    const struct group *g = group_of(m, task_at(m, m->current));
    u64 limit = g->limit[G_RLIMIT_NOFILE][0], n = 0;
    if (m->files_in_flight <= limit || capable(g, G_CAP_SYS_RESOURCE) || capable(g, G_CAP_SYS_ADMIN))
        return false;
    for (u32 id = pool_next(&m->packets, 0); id; id = pool_next(&m->packets, id))
        n += packet_at(m, id)->sender == g->uid ? packet_at(m, id)->nfiles : 0;
    return n > limit;
}

// Files in a packet may be sockets with packets of their own: they are let go one after the other,
// not one inside the other.
static void let_go(struct machine *m)
{
    if (m->packets_going)
        return;
    m->packets_going = true;
    while (m->packets_doomed) {
        u32 id = m->packets_doomed;
        struct packet *p = packet_at(m, id);
        m->packets_doomed = p->next;
        in_flight(m, p, false);
        for (u32 i = 0; i < p->nfiles; i++)
            file_put(m->fs, p->files[i]);
        budget_free(p->files);
        pool_free(&m->packets, id);
    }
    m->packets_going = false;
}

// Its files go with it, at the next let_go.
static void packet_free(struct machine *m, u32 id)
{
    struct packet *p = packet_at(m, id);
    budget_free(p->data);
    budget_free(p->from);
    p->data = NULL;
    p->from = NULL;
    if (p->nfiles) {
        p->next = m->packets_doomed;
        m->packets_doomed = id;
        return;
    }
    budget_free(p->files);
    pool_free(&m->packets, id);
}

static void take_head(struct machine *m, struct socket *s)
{
    u32 id = s->head;
    s->head = packet_at(m, id)->next;
    if (!s->head)
        s->tail = 0;
    s->count--;
    packet_free(m, id);
}

static void append(struct machine *m, struct socket *s, u32 id)
{
    if (s->tail)
        packet_at(m, s->tail)->next = id;
    else
        s->head = id;
    s->tail = id;
    s->count++;
    s->bytes += packet_at(m, id)->len;
    changed(m, s->id);
}

// A packet with the next n bytes of `from`, on no queue yet.
static int packet_new(struct machine *m, const struct socket *s, struct uio *from, u32 n, u32 cap,
                      const struct sending *with, u32 *id)
{
    int r = pool_new(&m->packets, id);
    if (r)
        return r;
    struct packet *p = packet_at(m, *id);
    struct budget *b = &m->store->budget;
    p->cap = cap;
    p->data = budget_alloc(b, cap);
    r = p->data ? uio_from(from, p->data, n) : -ENOMEM;
    p->len = n;
    if (r == 0 && s->name.len && s->type != G_SOCK_STREAM) {
        p->from = budget_alloc(b, sizeof *p->from);
        r = p->from ? 0 : -ENOMEM;
        if (p->from)
            *p->from = s->name;
    }
    if (r == 0 && with->nfiles) {
        p->files = budget_alloc(b, with->nfiles * sizeof *p->files);
        r = p->files ? 0 : -ENOMEM;
    }
    if (r) {
        packet_free(m, *id);
        return r;
    }
    for (u32 i = 0; i < with->nfiles; i++)
        file_get(m->fs, p->files[i] = with->files[i]);
    p->nfiles = with->nfiles;
    p->sender = m->current ? group_of(m, task_at(m, m->current))->uid : 0;
    in_flight(m, p, true);
    p->cred = with->has_cred ? with->cred : socket_self(m);
    return 0;
}

// ---- sending -------------------------------------------------------------------------------------

static bool same_sender(const struct packet *p, const struct g_ucred *c)
{
    return p->cred.pid == c->pid && p->cred.uid == c->uid && p->cred.gid == c->gid;
}

// Small pieces of a stream share a packet.
static bool stream_append(struct machine *m, struct socket *to, struct uio *from, u32 *n,
                          const struct sending *with, int *error)
{
    struct packet *p = to->tail ? packet_at(m, to->tail) : NULL;
    struct g_ucred cred = with->has_cred ? with->cred : socket_self(m);
    if (!p || p->nfiles || with->nfiles || !same_sender(p, &cred) || p->off + p->len >= p->cap)
        return false;
    *n = MIN(*n, p->cap - p->off - p->len);
    *error = uio_from(from, p->data + p->off + p->len, *n);
    if (*error == 0) {
        p->len += *n;
        to->bytes += *n;
        changed(m, to->id);
    }
    return true;
}

static i64 stream_send(struct machine *m, struct socket *s, struct uio *from, const struct sending *with)
{
    u32 id;
    int r = 0;
    if (!s->connected)
        return -ENOTCONN;
    if (s->shut_write || !s->peer || at(m, s->peer)->shut_read)
        return -EPIPE;
    if (!from->left)
        return 0;
    struct socket *to = at(m, s->peer);
    u32 space = s->send_buffer - MIN(to->bytes, s->send_buffer);
    u32 n = (u32)MIN(MIN((u64)space, from->left), (u64)CHUNK);
    if (!n)
        return -EAGAIN;
    r = uio_check(from, n, MM_READ);
    if (r)
        return r;
    if (stream_append(m, to, from, &n, with, &r))
        return r ? r : (i64)n;
    r = packet_new(m, s, from, n, MAX(n, CHUNK_MIN), with, &id);
    if (r)
        return r;
    append(m, to, id);
    return n;
}

// Whether a message of `s` may join the queue of `to`, whatever its length. What two have between them the
// sender's buffer bounds, as does what one sends itself.
static bool takes_message(const struct socket *s, const struct socket *to)
{
    bool partners = s->type != G_SOCK_DGRAM || to == s || to->peer == s->id;
    if (!partners && to->count > MAX_DGRAM_QLEN)
        return false;
    return to->bytes + (u64)to->count * MESSAGE_COST < s->send_buffer;
}

// A whole message or nothing.
static i64 message_send(struct machine *m, struct socket *s, u32 to_id, struct uio *from,
                        const struct sending *with)
{
    u32 id;
    struct socket *to = at(m, to_id);
    if (s->shut_write || to->shut_read)
        return -EPIPE;
    if (from->left > s->send_buffer - 32)
        return -EMSGSIZE;
    u32 n = (u32)from->left;
    if (!takes_message(s, to))
        return -EAGAIN;
    int r = packet_new(m, s, from, n, n, with, &id);
    if (r)
        return r;
    append(m, to, id);
    return n;
}

int socket_post(struct machine *m, struct socket *to, const void *data, u32 n)
{
    static const struct sending plain = {0};
    static const struct socket nobody = {.type = G_SOCK_DGRAM};
    struct uio u;
    u32 id;
    uio_kernel(&u, (void *)(uintptr_t)data, n);
    int r = packet_new(m, &nobody, &u, n, n, &plain, &id);
    if (r == 0)
        append(m, to, id);
    return r;
}

static i64 unix_send(struct machine *m, struct socket *s, struct uio *from, const struct sending *with)
{
    if (s->error) {
        int r = -s->error;
        s->error = 0;
        return r;
    }
    if (s->type == G_SOCK_STREAM)
        return stream_send(m, s, from, with);
    if (s->type == G_SOCK_SEQPACKET) {
        if (!s->connected)
            return -ENOTCONN;
        return s->peer ? message_send(m, s, s->peer, from, with) : -EPIPE;
    }
    u32 to = with->to ? with->to : s->peer;
    if (!with->to && s->peer_dead) {
        s->peer_dead = s->connected = false;
        return -ECONNREFUSED;
    }
    if (!to)
        return -ENOTCONN;
    if (at(m, to)->peer && at(m, to)->peer != s->id)
        return -EPERM;
    return message_send(m, s, to, from, with);
}

static i64 send_to_host(int fd, const u8 *buf, u64 n, const struct sending *with)
{
    u32 flags = with->flags & (G_MSG_OOB | G_MSG_MORE | G_MSG_DONTROUTE);
    if (with->control_len)
        return host_send_control(fd, buf, n, flags, with->addr, with->addr_len, with->control, with->control_len);
    return host_send(fd, buf, n, flags, with->addr, with->addr_len);
}

static i64 inet_send(struct machine *m, file_t file, struct socket *s, struct uio *from,
                     const struct sending *with)
{
    if (s->type != G_SOCK_STREAM && from->left > CHUNK)
        return -EMSGSIZE;
    u64 n = MIN(from->left, (u64)CHUNK);
    u8 *buf = mem_alloc(n ? n : 1);
    if (!buf)
        return -ENOMEM;
    i64 r = uio_from(from, buf, n);
    if (r == 0)
        r = send_to_host(file_at(m->fs, file)->host_fd, buf, n, with);
    mem_free(buf);
    return r;
}

i64 socket_send(struct machine *m, file_t file, struct uio *from, const struct sending *with)
{
    struct socket *s = socket_of(m, file);
    if (s->family != G_AF_UNIX)
        return inet_send(m, file, s, from, with);
    if (s->netlink_port)
        return netlink_send(m, s, from);
    return with->flags & G_MSG_OOB ? -EOPNOTSUPP : unix_send(m, s, from, with);
}

// ---- receiving -----------------------------------------------------------------------------------

void socket_drop_files(struct machine *m, struct received *r, u32 from)
{
    for (u32 i = from; i < r->nfiles; i++)
        file_put(m->fs, r->files[i]);
    r->nfiles = MIN(r->nfiles, from);
}

// What the packet carries besides bytes: moved into r, or with `peek` copied.
static void take_extras(struct machine *m, struct packet *p, bool peek, struct received *r)
{
    if (!r)
        return;
    r->cred = p->cred;
    r->cred_known = true;
    if (p->from) {
        r->from.family = G_AF_UNIX;
        memcpy(r->from.data, p->from->path, p->from->len);
        r->from_len = 2 + p->from->len;
    }
    for (u32 i = 0; i < p->nfiles; i++) {
        r->files[i] = p->files[i];
        if (peek)
            file_get(m->fs, p->files[i]);
    }
    if (p->nfiles)
        r->nfiles = p->nfiles;
    if (peek)
        return;
    in_flight(m, p, false);
    p->nfiles = 0;
}

static void space_made(struct machine *m, const struct socket *s)
{
    wake_channel(m, CHAN(CHAN_SOCKET_SPACE, s->id));
}

static i64 stream_receive(struct machine *m, struct socket *s, struct uio *to, bool peek,
                          struct received *r)
{
    u64 done = 0, n = MIN(to->left, (u64)s->bytes);
    int e = uio_check(to, n, MM_WRITE);
    if (e)
        return e;
    u32 id = s->head;
    while (id && done < n) {
        struct packet *p = packet_at(m, id);
        u32 part = (u32)MIN((u64)p->len, n - done);
        bool files = p->nfiles;
        if (done && s->pass_cred && r && !same_sender(p, &r->cred))
            break;
        e = uio_to(to, p->data + p->off, part);
        if (e)
            return done ? (i64)done : e;
        take_extras(m, p, peek, r);
        done += part;
        id = p->next;
        if (!peek) {
            s->bytes -= part;
            p->off += part;
            p->len -= part;
            if (!p->len)
                take_head(m, s);
        }
        if (files)
            break; // what came with files is not mixed with what comes after it
    }
    if (!peek)
        space_made(m, s);
    return (i64)done;
}

static i64 message_receive(struct machine *m, struct socket *s, struct uio *to, bool peek,
                           struct received *r)
{
    struct packet *p = packet_at(m, s->head);
    u32 n = (u32)MIN((u64)p->len, to->left);
    int e = uio_check(to, n, MM_WRITE);
    if (e == 0)
        e = uio_to(to, p->data, n);
    if (e)
        return e;
    take_extras(m, p, peek, r);
    if (r) {
        r->truncated = n < p->len;
        r->full = p->len;
    }
    if (!peek) {
        s->bytes -= p->len;
        take_head(m, s);
        space_made(m, s);
    }
    return n;
}

static i64 unix_receive(struct machine *m, struct socket *s, struct uio *to, u32 flags,
                        struct received *r)
{
    if (s->type != G_SOCK_DGRAM && !s->connected)
        return s->type == G_SOCK_STREAM ? -EINVAL : -ENOTCONN;
    if (s->type == G_SOCK_STREAM && !to->left)
        return 0;
    if (!s->head) {
        if (s->error) {
            int e = -s->error;
            s->error = 0;
            return e;
        }
        bool ended = s->shut_read || (s->connected && !s->peer && s->type != G_SOCK_DGRAM);
        return ended ? 0 : -EAGAIN;
    }
    i64 n = s->type == G_SOCK_STREAM ? stream_receive(m, s, to, flags & G_MSG_PEEK, r)
                                     : message_receive(m, s, to, flags & G_MSG_PEEK, r);
    let_go(m);
    if (r && s->netlink_port) { // from the kernel's port, 0
        r->from = (struct g_sockaddr){.family = G_AF_NETLINK};
        r->from_len = sizeof(struct g_sockaddr_nl);
    }
    return n;
}

static i64 inet_receive(struct machine *m, file_t file, struct uio *to, u32 flags, struct received *r)
{
    struct g_sockaddr from;
    _Alignas(8) u8 control[SOCKET_CONTROL];
    u32 len = 0, out_flags = 0, control_len = r ? sizeof control : 0;
    u64 n = MIN(to->left, (u64)CHUNK);
    int e = uio_check(to, n, MM_WRITE);
    if (e)
        return e;
    u8 *buf = mem_alloc(n ? n : 1);
    if (!buf)
        return -ENOMEM;
    flags &= G_MSG_PEEK | G_MSG_OOB | G_MSG_ERRQUEUE;
    if (socket_of(m, file)->type != G_SOCK_STREAM) // on a stream it would throw bytes away
        flags |= G_MSG_TRUNC;
    i64 got = host_recv(file_at(m->fs, file)->host_fd, buf, n, flags, &from, &len, &out_flags,
                        control, &control_len);
    u64 have = got > 0 ? MIN((u64)got, n) : 0;
    if (have)
        e = uio_to(to, buf, have);
    mem_free(buf);
    if (got < 0 || e)
        return e ? e : got;
    if (r) {
        r->from = from;
        r->from_len = len;
        r->full = (u64)got;
        r->truncated = out_flags & G_MSG_TRUNC;
        r->control_cut = out_flags & G_MSG_CTRUNC;
        memcpy(r->control, control, r->control_len = control_len);
    }
    return (i64)have;
}

i64 socket_receive(struct machine *m, file_t file, struct uio *to, u32 flags, struct received *r)
{
    struct socket *s = socket_of(m, file);
    if (r) {
        r->nfiles = r->from_len = r->control_len = 0;
        r->cred_known = r->truncated = r->control_cut = false;
        r->full = 0;
    }
    if (s->family != G_AF_UNIX)
        return inet_receive(m, file, to, flags, r);
    return flags & G_MSG_OOB ? (i64)-EOPNOTSUPP : unix_receive(m, s, to, flags, r);
}

// ---- the row in fs -------------------------------------------------------------------------------

static i64 sock_read(struct fs *fs, file_t id, struct uio *to, i64 offset)
{
    return offset >= 0 ? -ESPIPE : socket_receive(fs->wake_arg, id, to, 0, NULL);
}

static i64 sock_write(struct fs *fs, file_t id, struct uio *from, i64 offset)
{
    static const struct sending plain = {0};
    return offset >= 0 ? -ESPIPE : socket_send(fs->wake_arg, id, from, &plain);
}

static int sock_stat(struct fs *fs, file_t id, struct abi_stat *out)
{
    struct socket *s = socket_of(fs->wake_arg, id);
    *out = (struct abi_stat){.st_dev = ABI_MAKEDEV(0, 8), .st_ino = s->serial,
                             .st_mode = ABI_S_IFSOCK | 0777, .st_nlink = 1, .st_blksize = 4096};
    return 0;
}

static bool has_space(struct machine *m, const struct socket *s)
{
    if (!s->peer)
        return true;
    const struct socket *to = at(m, s->peer);
    return s->type == G_SOCK_STREAM ? to->bytes < s->send_buffer : takes_message(s, to);
}

static int sock_poll(struct fs *fs, file_t id)
{
    struct machine *m = fs->wake_arg;
    struct socket *s = socket_of(m, id);
    int ready = 0;
    if (s->family != G_AF_UNIX)
        return host_poll(file_at(fs, id)->host_fd, ABI_POLLIN | ABI_POLLOUT | ABI_POLLPRI | ABI_POLLRDHUP);
    if (s->listening)
        return s->pending ? ABI_POLLIN | ABI_POLLRDNORM : 0;
    bool stream = s->type != G_SOCK_DGRAM;
    bool gone = stream && s->connected && !s->peer;
    bool no_more = s->shut_read || gone;
    if (s->head || no_more)
        ready |= ABI_POLLIN | ABI_POLLRDNORM;
    if (no_more)
        ready |= ABI_POLLRDHUP;
    if (gone || (stream && !s->connected) || (s->shut_read && s->shut_write))
        ready |= ABI_POLLHUP;
    if (s->error)
        ready |= ABI_POLLERR;
    if (has_space(m, s))
        ready |= ABI_POLLOUT | ABI_POLLWRNORM;
    return ready;
}

static void sock_wait(struct fs *fs, file_t id, int events, struct wait_spec *out)
{
    struct socket *s = socket_of(fs->wake_arg, id);
    if (s->family != G_AF_UNIX) {
        out->host_fd = file_at(fs, id)->host_fd;
        out->host_events = (short)(events & (ABI_POLLIN | ABI_POLLOUT | ABI_POLLPRI));
        return;
    }
    out->chan[out->nchan++] = CHAN(CHAN_SOCKET, s->id);
    if (s->peer && events & ABI_POLLOUT)
        out->chan[out->nchan++] = CHAN(CHAN_SOCKET_SPACE, s->peer);
}

#define SIOCOUTQ 0x5411u

static int sock_ioctl(struct fs *fs, file_t id, u32 cmd, struct mm *mm, u64 arg)
{
    struct machine *m = fs->wake_arg;
    struct socket *s = socket_of(m, id);
    u32 n = 0;
    if (interface_ioctl_is(s->family, cmd))
        return interface_ioctl(m, cmd, mm, arg);
    if (cmd != ABI_FIONREAD && cmd != SIOCOUTQ)
        return -ENOTTY;
    if (s->family != G_AF_UNIX) {
        int r = host_ioctl(file_at(fs, id)->host_fd, cmd, &n);
        return r < 0 ? r : uaccess_write_u32(mm, arg, n);
    }
    if (s->listening)
        return -EINVAL;
    if (cmd == SIOCOUTQ)
        n = s->peer ? at(m, s->peer)->bytes : 0;
    else
        n = s->type == G_SOCK_STREAM ? s->bytes : s->head ? packet_at(m, s->head)->len : 0;
    return uaccess_write_u32(mm, arg, n);
}

static void sock_release(struct fs *fs, file_t id)
{
    struct machine *m = fs->wake_arg;
    u32 object = file_at(fs, id)->object;
    if (object && pool_live(&m->sockets, object))
        socket_close(m, object);
}

void socket_attach(struct machine *m)
{
    static const struct file_ops ops = {.read = sock_read, .write = sock_write, .stat = sock_stat,
                                        .ioctl = sock_ioctl, .poll = sock_poll, .wait = sock_wait,
                                        .release = sock_release};
    m->fs->ops[FILE_SOCKET] = &ops;
}

// ---- making and closing --------------------------------------------------------------------------

int socket_new(struct machine *m, u32 family, u32 type, u32 protocol, struct socket **out)
{
    u32 id;
    int r = pool_new(&m->sockets, &id);
    if (r)
        return r;
    struct socket *s = at(m, id);
    s->id = id;
    s->family = (u16)family;
    s->type = (u8)type;
    s->protocol = protocol;
    s->send_buffer = s->recv_buffer = BUFFER_DEFAULT;
    s->serial = ++m->socket_serial;
    s->cred = socket_self(m);
    *out = s;
    return 0;
}

int socket_file(struct machine *m, struct socket *s, int host_fd, u32 flags, file_t *out)
{
    char label[40];
    snprintf(label, sizeof label, "socket:[%llu]", (unsigned long long)s->serial);
    char *path = budget_strdup(m->fs->budget, label);
    if (!path)
        return -ENOMEM;
    int r = file_new(m->fs, FILE_SOCKET, ABI_O_RDWR | flags, out);
    if (r) {
        budget_free(path);
        return r;
    }
    struct file *f = file_at(m->fs, *out);
    f->path = path;
    f->object = s->id;
    f->host_fd = host_fd;
    return 0;
}

struct socket *socket_of(struct machine *m, file_t file)
{
    const struct file *f = file ? file_at(m->fs, file) : NULL;
    return f && f->kind == FILE_SOCKET ? pool_find(&m->sockets, f->object) : NULL;
}

void socket_join(struct socket *a, struct socket *b)
{
    a->peer = b->id;
    b->peer = a->id;
    a->connected = b->connected = true;
    a->peer_cred = b->cred;
    b->peer_cred = a->cred;
}

// The others' side of it (SK3).
static void leave_peers(struct machine *m, struct socket *s)
{
    if (s->family != G_AF_UNIX)
        return;
    if (s->type != G_SOCK_DGRAM) {
        if (!s->peer)
            return;
        struct socket *other = at(m, s->peer);
        other->peer = 0;
        if (s->head)
            other->error = ECONNRESET;
        changed(m, other->id);
        return;
    }
    for (u32 id = pool_next(&m->sockets, 0); id; id = pool_next(&m->sockets, id)) {
        struct socket *other = at(m, id);
        if (other->peer != s->id || other->type != G_SOCK_DGRAM)
            continue;
        other->peer = 0;
        other->peer_dead = true;
        changed(m, id);
    }
}

void socket_drop_queue(struct machine *m, u32 id)
{
    struct socket *s = at(m, id);
    while (s->head)
        take_head(m, s);
    s->bytes = 0;
}

void socket_close(struct machine *m, u32 id)
{
    struct socket *s = at(m, id);
    leave_peers(m, s);
    while (s->pending_head) {
        struct socket *waiting = at(m, s->pending_head);
        s->pending_head = waiting->pending_next;
        if (waiting->peer)
            at(m, waiting->peer)->error = ECONNRESET;
        socket_close(m, waiting->id);
    }
    socket_drop_queue(m, id);
    file_t node = s->node;
    pool_free(&m->sockets, id);
    file_put(m->fs, node);
    changed(m, id);
    wake_channel(m, CHAN(CHAN_SOCKET_SPACE, id));
    let_go(m);
    if (m->sockets_in_flight && !m->packets_going) {
        socket_cycles_collect(m);
        let_go(m);
    }
}

// ---- waiting -------------------------------------------------------------------------------------

int socket_park(struct machine *m, struct task *t, file_t file, int events)
{
    struct wait_spec w;
    struct socket *s = socket_of(m, file);
    u64 timeout = events & ABI_POLLOUT ? s->send_timeout : s->recv_timeout;
    if (timeout && t->call.state[0] && (t->timed_out || machine_time(m) >= t->call.state[0]))
        return -EAGAIN;
    file_wait(m->fs, file, events, &w);
    int r = 0;
    for (int i = 0; i < w.nchan && r == 0; i++)
        r = wait_on(m, t, w.chan[i]);
    if (r == 0 && w.host_fd >= 0)
        r = wait_on_host(m, t, w.host_fd, w.host_events);
    if (r)
        return r;
    if (timeout && !t->call.state[0])
        t->call.state[0] = machine_time(m) + timeout;
    if (timeout)
        park_until(m, t, t->call.state[0]);
    return park(m, t);
}
