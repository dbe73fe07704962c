#include "host/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "host/retry.h"

#define SAME(name) _Static_assert((long)(name) == (long)G_##name, #name)
SAME(AF_UNIX);
SAME(AF_INET);
SAME(AF_INET6);
SAME(SOCK_STREAM);
SAME(SOCK_DGRAM);
SAME(SOCK_NONBLOCK);
SAME(SOCK_CLOEXEC);
SAME(MSG_PEEK);
SAME(MSG_TRUNC);
SAME(MSG_NOSIGNAL);
SAME(MSG_MORE);
SAME(SOL_SOCKET);
SAME(SO_ERROR);
SAME(SO_RCVBUF);
SAME(SO_REUSEPORT);
SAME(SO_DOMAIN);
SAME(MSG_CTRUNC);
_Static_assert(sizeof(struct cmsghdr) == sizeof(struct g_cmsghdr), "control messages");
_Static_assert(sizeof(struct sockaddr_storage) == sizeof(struct g_sockaddr), "addresses");

static int result(long r)
{
    return r < 0 ? -errno : (int)r;
}

int host_socket(int family, int type, int protocol)
{
    return result(socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
}

int host_bind(int fd, const struct g_sockaddr *a, u32 len)
{
    return result(bind(fd, (const struct sockaddr *)a, len));
}

int host_listen(int fd, int backlog)
{
    return result(listen(fd, backlog));
}

int host_accept(int fd, struct g_sockaddr *a, u32 *len)
{
    *len = sizeof *a;
    return result(RETRY(accept4(fd, (struct sockaddr *)a, len, SOCK_NONBLOCK | SOCK_CLOEXEC)));
}

int host_connect(int fd, const struct g_sockaddr *a, u32 len)
{
    return result(connect(fd, (const struct sockaddr *)a, len));
}

int host_sockname(int fd, bool peer, struct g_sockaddr *a, u32 *len)
{
    *len = sizeof *a;
    return result(peer ? getpeername(fd, (struct sockaddr *)a, len)
                       : getsockname(fd, (struct sockaddr *)a, len));
}

i64 host_send(int fd, const void *buf, size_t n, u32 flags, const struct g_sockaddr *a, u32 len)
{
    ssize_t r = RETRY(sendto(fd, buf, n, (int)flags | MSG_DONTWAIT | MSG_NOSIGNAL,
                             (const struct sockaddr *)a, a ? len : 0));
    return r < 0 ? -errno : r;
}

i64 host_send_control(int fd, const void *buf, size_t n, u32 flags, const struct g_sockaddr *a, u32 len,
                      const void *control, u32 control_len)
{
    struct iovec part = {(void *)(uintptr_t)buf, n};
    struct msghdr m = {.msg_name = (void *)(uintptr_t)a, .msg_namelen = a ? len : 0, .msg_iov = &part, .msg_iovlen = 1,
                       .msg_control = (void *)(uintptr_t)control, .msg_controllen = control_len};
    ssize_t r = RETRY(sendmsg(fd, &m, (int)flags | MSG_DONTWAIT | MSG_NOSIGNAL));
    return r < 0 ? -errno : r;
}

i64 host_recv(int fd, void *buf, size_t n, u32 flags, struct g_sockaddr *a, u32 *len, u32 *out_flags,
              void *control, u32 *control_len)
{
    struct iovec part = {buf, n};
    struct msghdr m = {.msg_name = a, .msg_namelen = sizeof *a, .msg_iov = &part, .msg_iovlen = 1,
                       .msg_control = control, .msg_controllen = *control_len};
    ssize_t r = RETRY(recvmsg(fd, &m, (int)flags | MSG_DONTWAIT));
    if (r < 0)
        return -errno;
    *len = m.msg_namelen;
    *control_len = (u32)m.msg_controllen;
    *out_flags = (u32)m.msg_flags;
    return r;
}

int host_shutdown(int fd, int how)
{
    return result(shutdown(fd, how));
}

int host_getsockopt(int fd, int level, int name, void *value, u32 *len)
{
    return result(getsockopt(fd, level, name, value, len));
}

int host_setsockopt(int fd, int level, int name, const void *value, u32 len)
{
    return result(setsockopt(fd, level, name, value, len));
}
