#include "kernel/deadlock.h"

#include "base/alloc.h"
#include "kernel/epoll.h"
#include "kernel/futex.h"
#include "kernel/machine.h"
#include "kernel/socket.h"
#include "kernel/timer.h"
#include "kernel/waiter.h"
#include "mm/pagecache.h"
#include "mm/region.h"
#include "mm/uaccess.h"

#define EPOLL_DEPTH 6u

enum { CALL_FCNTL = 25, CALL_FLOCK = 32, CALL_WAITID = 95, CALL_WAIT4 = 260, WAITID_PID = 1 };

struct node { // by task id
    task_t from; // who waits for it; 0 = not reached, or the first
    u8 why;
    i32 fd;
    bool reached;
    bool suspended; // in vfork, for a child of its own
};

// A search from one blocked task along "could be woken by", until somebody alive is found.
struct search {
    struct machine *m;
    struct node *node;
    task_t *queue;
    u32 head, tail;
    task_t now;  // whose wakers are being looked for
    bool alive;
};

// ---- who is alive by himself ---------------------------------------------------------------------

static bool timer_armed(struct machine *m, const struct group *g)
{
    if (g->timer_slot)
        return true;
    for (u32 id = g->timers; id; id = timer_at(m, id)->next)
        if (timer_at(m, id)->slot)
            return true;
    return false;
}

static bool alive_by_itself(struct machine *m, struct task *t)
{
    struct group *g = group_of(m, t);
    if (t->state != TASK_BLOCKED || g->stopped || t->timer_slot || timer_armed(m, g))
        return true;
    for (u32 id = t->waiters; id; id = waiter_at(m, id)->next_of_owner)
        if (waiter_at(m, id)->host_fd >= 0)
            return true;
    return false;
}

static void reach(struct search *s, struct task *t, enum deadlock_why why, i32 fd)
{
    struct node *n = &s->node[t->id];
    if (t->state == TASK_DEAD || n->reached)
        return;
    *n = (struct node){.from = s->now, .why = (u8)why, .fd = fd, .reached = true, .suspended = n->suspended};
    s->queue[s->tail++] = t->id;
    s->alive = s->alive || alive_by_itself(s->m, t);
}

static void reach_all(struct search *s, enum deadlock_why why)
{
    for (u32 id = pool_next(&s->m->tasks, 0); id; id = pool_next(&s->m->tasks, id))
        reach(s, task_at(s->m, id), why, -1);
}

static void reach_group(struct search *s, group_t g, enum deadlock_why why)
{
    struct group *group = pool_find(&s->m->groups, g);
    for (task_t id = group ? group->tasks : 0; id; id = task_at(s->m, id)->gnext)
        reach(s, task_at(s->m, id), why, -1);
}

// ---- who has a file ------------------------------------------------------------------------------

struct wanted { // open descriptions of one object
    u8 kind;     // enum file_kind
    u32 object;
    u32 how;     // FILE_READER, FILE_WRITER; 0 = any
    file_t file; // this one, whatever it is; 0 = by the above
};

static bool fits(struct machine *m, const struct wanted *w, file_t file)
{
    struct file *f = file_at(m->fs, file);
    if (w->file)
        return file == w->file;
    return f && f->kind == w->kind && f->object == w->object && (!w->how || f->how & w->how);
}

// Files that a message in flight carries are in nobody's table.
static bool files_in_flight(struct machine *m)
{
    for (u32 id = pool_next(&m->packets, 0); id; id = pool_next(&m->packets, id))
        if (((struct packet *)pool_at(&m->packets, id))->nfiles)
            return true;
    return false;
}

// Everybody who has such a file open; true if there is one.
static bool reach_holders(struct search *s, const struct wanted *w, enum deadlock_why why)
{
    bool any = false;
    if (files_in_flight(s->m))
        s->alive = true;
    for (u32 id = pool_next(&s->m->tasks, 0); id && !s->alive; id = pool_next(&s->m->tasks, id)) {
        struct task *t = task_at(s->m, id);
        if (!t->files || s->node[id].reached)
            continue;
        for (i64 fd = fd_next(t->files, 0); fd >= 0; fd = fd_next(t->files, (u32)fd + 1))
            if (fits(s->m, w, fd_get(t->files, (u32)fd))) {
                reach(s, t, why, (i32)fd);
                any = true;
                break;
            }
    }
    return any;
}

static void reach_pipe(struct search *s, u32 pipe, bool wants_data)
{
    struct wanted w = {.kind = FILE_PIPE, .object = pipe, .how = wants_data ? FILE_WRITER : FILE_READER};
    if (pipe_is_fifo(s->m->fs, pipe))
        reach_all(s, WHY_FIFO);
    else
        reach_holders(s, &w, wants_data ? WHY_PIPE_DATA : WHY_PIPE_SPACE);
}

// A connected socket hears of its peer's holders, and of its own (shutdown); others of anybody.
static void reach_socket(struct search *s, u32 id)
{
    struct socket *sock = pool_find(&s->m->sockets, id);
    bool known = sock && sock->peer && !sock->listening && sock->type != G_SOCK_DGRAM;
    struct wanted peer = {.kind = FILE_SOCKET, .object = known ? sock->peer : 0};
    struct wanted own = {.kind = FILE_SOCKET, .object = id};
    if (!known) {
        reach_all(s, WHY_SOCKET);
        return;
    }
    reach_holders(s, &peer, WHY_SOCKET);
    reach_holders(s, &own, WHY_SOCKET);
    for (u32 id2 = pool_next(&s->m->sockets, 0); id2; id2 = pool_next(&s->m->sockets, id2))
        if (((struct socket *)pool_at(&s->m->sockets, id2))->pending) {
            reach_all(s, WHY_SOCKET); // the peer may be in a queue, for anybody to accept
            return;
        }
}

// ---- locks ---------------------------------------------------------------------------------------

static void reach_lock(struct search *s, struct task *t)
{
    const struct call *c = &t->call;
    struct abi_flock lk;
    bool flock = c->number == CALL_FLOCK, ofd = (u32)c->arg[1] == ABI_F_OFD_SETLKW;
    file_t file = fd_get(t->files, (u32)c->arg[0]);
    u64 owner = flock || ofd ? LOCK_OF_FILE(file) : t->files->id, other;
    if (!file || (!flock && (c->number != CALL_FCNTL || uaccess_read(t->mm, &lk, c->arg[2], sizeof lk)))) {
        s->alive = true;
        return;
    }
    u32 n = 0;
    for (; (other = lock_in_the_way(s->m->fs, file, owner, flock ? NULL : &lk, (int)c->arg[1], n)); n++) {
        struct wanted w = {.file = (u32)other};
        if (other & LOCK_OF_FILE(0)) {
            reach_holders(s, &w, WHY_LOCK);
            continue;
        }
        for (u32 id = pool_next(&s->m->tasks, 0); id; id = pool_next(&s->m->tasks, id))
            if (task_at(s->m, id)->files && task_at(s->m, id)->files->id == (u32)other)
                reach(s, task_at(s->m, id), WHY_LOCK, -1);
    }
    if (!n)
        s->alive = true; // it is free
}

// ---- futexes, children ---------------------------------------------------------------------------

static bool maps(const struct mm *mm, u64 object)
{
    const struct regions *l = mm->regions;
    for (u32 i = 0; i < l->count; i++)
        if (l->at[i].flags & REGION_SHARED && l->at[i].backing &&
            (l->at[i].backing->serial | FUTEX_KEY_SHARED) == object)
            return true;
    return false;
}

// Shared memory with a file behind it can be mapped by anybody, at any time.
static bool has_file(const struct mm *mm, u64 object)
{
    const struct regions *l = mm->regions;
    for (u32 i = 0; i < l->count; i++)
        if (l->at[i].backing && (l->at[i].backing->serial | FUTEX_KEY_SHARED) == object)
            return !l->at[i].backing->anonymous;
    return true;
}

static void reach_futex(struct search *s, struct task *t, const struct futex_waiter *w)
{
    bool shared = w->key.object & FUTEX_KEY_SHARED;
    if (w->owner && pool_live(&s->m->tasks, w->owner)) {
        reach(s, task_at(s->m, w->owner), WHY_FUTEX, -1);
        return;
    }
    if (shared && has_file(t->mm, w->key.object)) {
        reach_all(s, WHY_FUTEX);
        return;
    }
    for (u32 id = pool_next(&s->m->tasks, 0); id; id = pool_next(&s->m->tasks, id)) {
        struct mm *mm = task_at(s->m, id)->mm;
        if (mm && (shared ? maps(mm, w->key.object) : mm->serial == w->key.object))
            reach(s, task_at(s->m, id), WHY_FUTEX, -1);
    }
}

// Of wait4 and waitid for one process, that one; else every child.
static void reach_children(struct search *s, struct task *t, group_t parent)
{
    const struct call *c = &t->call;
    u32 pid = c->number == CALL_WAIT4 && (i32)c->arg[0] > 0            ? (u32)c->arg[0]
              : c->number == CALL_WAITID && c->arg[0] == WAITID_PID ? (u32)c->arg[1]
                                                                    : 0;
    struct group *g = pool_find(&s->m->groups, parent);
    if (g && g->tracees)
        s->alive = true; // those report to it too
    for (group_t id = g ? g->children : 0; id; id = group_at(s->m, id)->snext)
        if (!pid || group_at(s->m, id)->pid == pid)
            reach_group(s, id, WHY_CHILD);
}

static void reach_vfork_child(struct search *s, task_t parent)
{
    for (u32 id = pool_next(&s->m->tasks, 0); id; id = pool_next(&s->m->tasks, id))
        if (task_at(s->m, id)->vfork_parent == parent)
            reach(s, task_at(s->m, id), WHY_VFORK, -1);
}

// ---- what a channel stands for -------------------------------------------------------------------

static void reach_timer(struct search *s, u32 id)
{
    struct wanted w = {.kind = FILE_TIMER, .object = id};
    const struct timer *timer = pool_find(&s->m->timers, id); // its file may have been closed meanwhile
    if (!timer || timer->slot)
        s->alive = true;
    else
        reach_holders(s, &w, WHY_EVENT);
}

static void reach_channel(struct search *s, struct task *t, u64 chan, u32 depth);

// Whoever can wake one of the watched files, or change what is watched.
static void reach_epoll(struct search *s, struct task *t, u32 set, u32 depth)
{
    struct wanted w = {.kind = FILE_EPOLL, .object = set};
    reach_holders(s, &w, WHY_EVENT);
    for (u32 id = pool_next(&s->m->waiters, 0); id && !s->alive; id = pool_next(&s->m->waiters, id)) {
        const struct waiter *of = waiter_at(s->m, id);
        if (of->watch && epoll_of_watch(s->m, of->watch) == set)
            reach_channel(s, t, of->chan, depth + 1);
    }
}

static void reach_channel(struct search *s, struct task *t, u64 chan, u32 depth)
{
    u32 id = (u32)chan;
    struct wanted event = {.file = id};
    switch (depth > EPOLL_DEPTH ? 0 : chan >> 32) {
    case CHAN_PIPE_DATA:
    case CHAN_PIPE_SPACE:
        reach_pipe(s, id, chan >> 32 == CHAN_PIPE_DATA);
        break;
    case CHAN_PIPE_OPEN:
        reach_all(s, WHY_FIFO);
        break;
    case CHAN_EVENT:
        reach_holders(s, &event, WHY_EVENT);
        break;
    case CHAN_LOCK:
        reach_lock(s, t);
        break;
    case CHAN_TTY_MASTER:
    case CHAN_TTY_SLAVE:
        reach_all(s, WHY_TTY);
        break;
    case CHAN_CHILD:
        reach_children(s, t, id);
        break;
    case CHAN_VFORK:
        reach_vfork_child(s, id);
        break;
    case CHAN_SIGNAL:
        reach_all(s, WHY_SIGNAL);
        break;
    case CHAN_TIMER:
        reach_timer(s, id);
        break;
    case CHAN_EPOLL:
        reach_epoll(s, t, id, depth);
        break;
    case CHAN_PIDFD:
        reach_group(s, id, WHY_CHILD);
        break;
    case CHAN_SOCKET:
    case CHAN_SOCKET_SPACE:
        reach_socket(s, id);
        break;
    case CHAN_MSG:
    case CHAN_MSG_SPACE:
    case CHAN_SEM:
    case CHAN_MQ:
    case CHAN_MQ_SPACE:
        reach_all(s, WHY_IPC);
        break;
    default:
        s->alive = true; // (DL2)
    }
}

// Without a channel and a futex it sleeps for a signal: sigsuspend, sigtimedwait, pause.
static void reach_wakers(struct search *s, struct task *t)
{
    s->now = t->id;
    for (u32 id = t->futex; id; id = futex_at(s->m, id)->sibling)
        reach_futex(s, t, futex_at(s->m, id));
    for (u32 id = t->waiters; id && !s->alive; id = waiter_at(s->m, id)->next_of_owner)
        reach_channel(s, t, waiter_at(s->m, id)->chan, 0);
    if (!t->futex && !t->waiters)
        reach_all(s, WHY_SIGNAL);
}

// ---- the search ----------------------------------------------------------------------------------

// The way from the child to its parent, backwards from there.
static void tell(struct search *s, struct task *child, struct deadlock *out)
{
    u32 steps = 1;
    for (task_t id = child->vfork_parent; id != child->id; id = s->node[id].from)
        steps++;
    u32 i = MIN(steps, DEADLOCK_STEPS) - 1;
    *out = (struct deadlock){.count = i + 1};
    out->at[i].task = child->vfork_parent;
    out->at[i].why = WHY_VFORK;
    out->at[i].fd = -1;
    for (task_t id = child->vfork_parent; i > 0;) {
        const struct node *n = &s->node[id];
        id = n->from;
        i--;
        out->at[i].task = i ? id : child->id;
        out->at[i].why = n->why;
        out->at[i].fd = n->fd;
    }
}

static bool is_dead(struct search *s, struct task *child, struct deadlock *out)
{
    s->head = s->tail = 0;
    s->alive = false;
    s->now = 0;
    for (u32 id = pool_next(&s->m->tasks, 0); id; id = pool_next(&s->m->tasks, id))
        s->node[id].reached = false;
    reach(s, child, WHY_NONE, -1);
    while (s->head < s->tail && !s->alive)
        reach_wakers(s, task_at(s->m, s->queue[s->head++]));
    if (s->alive || !s->node[child->vfork_parent].reached)
        return false;
    tell(s, child, out);
    return true;
}

// The parent that stands still for t, a vfork child; NULL.
static struct task *suspended_by(struct machine *m, const struct task *t)
{
    struct task *parent = t->vfork_parent ? pool_find(&m->tasks, t->vfork_parent) : NULL;
    return parent && parent->call.progress == t->tid ? parent : NULL;
}

// A child that stands still for a vfork child of its own is no place to start from: where there is a deadlock,
// the search from the last of such a chain finds it. (Or a chain of hundreds would be gone along hundreds of times.)
bool deadlock_find(struct machine *m, struct deadlock *out)
{
    struct search s = {.m = m};
    u32 last = 0;
    bool any = false, found = false;
    for (u32 id = pool_next(&m->tasks, 0); id; id = pool_next(&m->tasks, id)) {
        struct task *t = task_at(m, id);
        any = any || (t->vfork_parent && t->state == TASK_BLOCKED);
        last = id;
    }
    out->count = 0;
    if (!any)
        return false;
    s.node = mem_zalloc((last + 1) * sizeof *s.node);
    s.queue = mem_alloc((last + 1) * sizeof *s.queue);
    for (u32 id = pool_next(&m->tasks, 0); id && s.node; id = pool_next(&m->tasks, id)) {
        const struct task *parent = suspended_by(m, task_at(m, id));
        if (parent)
            s.node[parent->id].suspended = true;
    }
    for (u32 id = pool_next(&m->tasks, 0); id && s.node && s.queue && !found;
         id = pool_next(&m->tasks, id)) {
        struct task *t = task_at(m, id);
        if (t->state == TASK_BLOCKED && !s.node[id].suspended && suspended_by(m, t))
            found = is_dead(&s, t, out);
    }
    mem_free(s.node);
    mem_free(s.queue);
    return found;
}
