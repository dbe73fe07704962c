// The host's sockets: thin calls that answer -errno and never wait. Addresses and numbers are the
// guest's, which socket.c asserts to be the host's too.
#ifndef HOST_SOCKET_H
#define HOST_SOCKET_H

#include "abi/socket.h"

MUST_CHECK int host_socket(int family, int type, int protocol); // nonblocking, close-on-exec
MUST_CHECK int host_bind(int fd, const struct g_sockaddr *a, u32 len);
MUST_CHECK int host_listen(int fd, int backlog);
MUST_CHECK int host_accept(int fd, struct g_sockaddr *a, u32 *len);
MUST_CHECK int host_connect(int fd, const struct g_sockaddr *a, u32 len);
MUST_CHECK int host_sockname(int fd, bool peer, struct g_sockaddr *a, u32 *len);
i64 host_send(int fd, const void *buf, size_t n, u32 flags, const struct g_sockaddr *a, u32 len);
i64 host_send_control(int fd, const void *buf, size_t n, u32 flags, const struct g_sockaddr *a, u32 len,
                      const void *control, u32 control_len);
// control: room for *control_len bytes of control messages, of which *control_len come.
i64 host_recv(int fd, void *buf, size_t n, u32 flags, struct g_sockaddr *a, u32 *len, u32 *out_flags,
              void *control, u32 *control_len);
MUST_CHECK int host_shutdown(int fd, int how);
MUST_CHECK int host_getsockopt(int fd, int level, int name, void *value, u32 *len);
MUST_CHECK int host_setsockopt(int fd, int level, int name, const void *value, u32 len);

#endif
