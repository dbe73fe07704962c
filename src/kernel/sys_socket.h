// What the files of the socket calls share.
#ifndef KERNEL_SYS_SOCKET_H
#define KERNEL_SYS_SOCKET_H

#include "kernel/socket.h"

// 0, -EBADF, -ENOTSOCK
MUST_CHECK int socket_arg(struct machine *m, struct task *t, u64 fd, file_t *file, struct socket **out);
MUST_CHECK int sockaddr_arg(struct task *t, gva_t from, u64 len, struct g_sockaddr *out);
// An address result: where it goes (0 = nowhere) and where its length is; check before, out after.
MUST_CHECK int sockaddr_check(struct task *t, gva_t to, gva_t len_at);
MUST_CHECK int sockaddr_out(struct task *t, gva_t to, gva_t len_at, const struct g_sockaddr *a, u32 len);
// The AF_UNIX socket that an address names. -ECONNREFUSED, -EPROTOTYPE, and those of a path
MUST_CHECK int unix_find(struct machine *m, struct task *t, const struct g_sockaddr *a, u32 len,
                         u8 type, struct socket **out);

#endif
