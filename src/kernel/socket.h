// Sockets: AF_UNIX inside the machine, AF_INET through the host.
//
//     file (FILE_SOCKET, object) --> socket --peer--> socket <-- file
//                                      |                |
//                                      +- packet - packet (what came in, oldest first)
//                                      +- pending: connections that nobody has accepted yet
//
// (SK1) Sockets and packets name each other by id. A socket has at most one description; it has none
//       while it waits in a listener's queue.
// (SK2) A packet holds one reference to each file it carries.
// (SK3) A stream's two ends name each other, or neither does: closing one clears the other's `peer`.
#ifndef KERNEL_SOCKET_H
#define KERNEL_SOCKET_H

#include "abi/socket.h"
#include "kernel/machine.h"

struct sockname { // of AF_UNIX: what stands in sun_path
    u32 len;      // 0 = unnamed; path[0] == 0: abstract
    char path[G_SUN_PATH];
};

struct packet {
    u32 next;
    u32 off, len, cap; // bytes in data
    u8 *data;
    u32 nfiles;
    u32 sender; // the user who sent them
    file_t *files;
    struct g_ucred cred;
    struct sockname *from; // NULL = unnamed
};

struct socket {
    u32 id, peer;
    u16 family;
    u8 type;
    bool bound, listening, connected, shut_read, shut_write, pass_cred;
    bool peer_dead;             // of a datagram socket: the next send hears of it
    u32 protocol;
    u32 head, tail, bytes, count; // packets that came in
    u32 pending_head, pending_tail, pending, backlog, pending_next;
    struct g_ucred cred, peer_cred;
    u64 dev, ino;               // the node of a bound path
    file_t node;                // ... open, so that its number is nobody else's; 0 = it could not be
    struct sockname name;
    u64 recv_timeout, send_timeout; // ns, 0 = none
    u32 send_buffer, recv_buffer;
    i32 error;                  // SO_ERROR
    u64 serial;                 // inode number
    u32 netlink_port;           // of a netlink socket (it is AF_UNIX else, and a datagram one), 0 = it is none
    u32 in_flight, next_reached; // of a search for cycles (socket_cycles.c), and nothing else
    bool reached;
};

#define SOCKET_CONTROL 512u // bytes

// What a receive brings besides bytes. The files are the caller's references.
struct received {
    bool cred_known, truncated;
    struct g_ucred cred;
    file_t files[G_SCM_MAX_FD];
    u32 nfiles;
    struct g_sockaddr from;
    u32 from_len;
    u64 full; // bytes the message had
    u32 control_len; // of an internet socket: control messages as the host has them
    bool control_cut;
    u8 control[SOCKET_CONTROL];
};

// What goes along with a message; files borrowed.
struct sending {
    u32 flags;
    bool has_cred;
    struct g_ucred cred;
    file_t files[G_SCM_MAX_FD];
    u32 nfiles;
    u32 to;                    // AF_UNIX datagram: destination, 0 = the peer
    const struct g_sockaddr *addr; // AF_INET
    u32 addr_len;
    u32 control_len;           // AF_INET: checked
    _Alignas(8) u8 control[SOCKET_CONTROL];
};

void socket_attach(struct machine *m);

MUST_CHECK int socket_new(struct machine *m, u32 family, u32 type, u32 protocol, struct socket **out);
void socket_close(struct machine *m, u32 id);
// Empties what came in; files that were sent along are let go with the socket that is being closed.
void socket_drop_queue(struct machine *m, u32 id);
// Empties the queues of sockets that nobody can reach any more.
void socket_cycles_collect(struct machine *m);
// A description for it, taken over on success. host_fd -1 = none.
MUST_CHECK int socket_file(struct machine *m, struct socket *s, int host_fd, u32 flags, file_t *out);
struct socket *socket_of(struct machine *m, file_t file); // NULL: no socket
// Whether so many files of the running task's user are under way that it may send no more (unix(7)).
bool socket_too_many_files(struct machine *m);
void socket_join(struct socket *a, struct socket *b);
struct g_ucred socket_self(struct machine *m); // of the calling process

// Bytes, or -E...; -EAGAIN: socket_park. -EPIPE: the caller raises SIGPIPE.
i64 socket_send(struct machine *m, file_t file, struct uio *from, const struct sending *with);
i64 socket_receive(struct machine *m, file_t file, struct uio *to, u32 flags, struct received *r);
// A message that no socket sent: to a socket of this machine.
MUST_CHECK int socket_post(struct machine *m, struct socket *to, const void *data, u32 n);
void socket_drop_files(struct machine *m, struct received *r, u32 from);
// Parks until the socket may be ready, no longer than its time-out: -EPARK, -ERESTARTSYS, -EAGAIN.
MUST_CHECK int socket_park(struct machine *m, struct task *t, file_t file, int events);

#endif
