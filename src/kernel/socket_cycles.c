// Sockets that are reachable only from messages in each other's queues: nobody will ever receive those.
//
// A description that is in flight is held by the packet that carries it. When as many packets hold it
// as there are references, only messages lead to it; when none of them lies in the queue of a socket that
// somebody else holds, or of one that can be received from there, it is lost, and so is what its queue holds:
//
//     descriptor --> socket A --queue--> packet --> socket B       B is reached
//     socket C --queue--> packet --> socket D --queue--> packet --> socket C      C and D are not
//
// Looked for when a socket has been closed while others are in flight, as in Linux (net/unix/garbage.c).
#include "kernel/socket.h"

static struct socket *socket_at(struct machine *m, u32 id)
{
    return pool_at(&m->sockets, id);
}

static void count_references(struct machine *m)
{
    for (u32 id = pool_next(&m->sockets, 0); id; id = pool_next(&m->sockets, id)) {
        struct socket *s = socket_at(m, id);
        s->in_flight = s->next_reached = 0;
        s->reached = false;
    }
    for (u32 id = pool_next(&m->packets, 0); id; id = pool_next(&m->packets, id)) {
        const struct packet *p = pool_at(&m->packets, id);
        for (u32 i = 0; i < p->nfiles; i++) {
            struct socket *s = socket_of(m, p->files[i]);
            if (s)
                s->in_flight++;
        }
    }
}

static void reach(struct machine *m, u32 id, u32 *todo)
{
    struct socket *s = socket_at(m, id);
    if (s->reached)
        return;
    s->reached = true;
    s->next_reached = *todo;
    *todo = id;
}

// Everything that can be received from the sockets in the list, and what can be received from that.
static void reach_rest(struct machine *m, u32 todo)
{
    while (todo) {
        const struct socket *s = socket_at(m, todo);
        todo = s->next_reached;
        for (u32 id = s->head; id;) {
            const struct packet *p = pool_at(&m->packets, id);
            for (u32 i = 0; i < p->nfiles; i++) {
                const struct socket *in = socket_of(m, p->files[i]);
                if (in)
                    reach(m, in->id, &todo);
            }
            id = p->next;
        }
        for (u32 id = s->pending_head; id; id = socket_at(m, id)->pending_next)
            reach(m, id, &todo); // accept will find it
    }
}

static void reach_held(struct machine *m)
{
    u32 todo = 0;
    struct pool *files = &m->fs->files;
    for (u32 id = pool_next(files, 0); id; id = pool_next(files, id)) {
        const struct socket *s = socket_of(m, id);
        if (s && file_at(m->fs, id)->refs > s->in_flight)
            reach(m, s->id, &todo);
    }
    reach_rest(m, todo);
}

void socket_cycles_collect(struct machine *m)
{
    count_references(m);
    reach_held(m);
    for (u32 id = pool_next(&m->sockets, 0); id; id = pool_next(&m->sockets, id)) {
        const struct socket *s = socket_at(m, id);
        if (s->in_flight && !s->reached)
            socket_drop_queue(m, id);
    }
}
