// SysV message queues: msgget(2), msgsnd(2), msgrcv(2), msgctl(2).
//
//   t->call.state[1]  1 once the call has waited: a queue that is gone by then is EIDRM
#include <errno.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/forking.h"
#include "kernel/access.h"
#include "kernel/ipc.h"
#include "kernel/syscall.h"
#include "mm/uaccess.h"

#define MSG_CHAN(q, space) CHAN(space ? CHAN_MSG_SPACE : CHAN_MSG, (q)->perm.id % IPC_INDEXES)

static void copy_message(struct forking *f, void *object)
{
    struct message *msg = object;
    msg->data = budget_dup(f, msg->data);
}

static void drop_message(void *owner, void *object)
{
    (void)owner;
    budget_free(((struct message *)object)->data);
}

const struct pool_kind msgqueue_pool = {.size = sizeof(struct msgqueue)};
const struct pool_kind messages_pool = {sizeof(struct message), copy_message, drop_message};

static struct message *message_at(struct machine *m, u32 id)
{
    return pool_at(&m->ipc.messages, id);
}

static void message_free(struct machine *m, u32 id)
{
    budget_free(message_at(m, id)->data);
    pool_free(&m->ipc.messages, id);
}

void msg_queue_free(struct machine *m, struct msgqueue *q)
{
    u64 chan[2] = {MSG_CHAN(q, false), MSG_CHAN(q, true)};
    while (q->head) {
        u32 id = q->head;
        q->head = message_at(m, id)->next;
        message_free(m, id);
    }
    m->ipc.message_bytes -= q->bytes;
    ipc_row_free(&m->ipc.msg, &q->perm);
    wake_channel(m, chan[0]);
    wake_channel(m, chan[1]);
}

static int queue_arg(struct machine *m, struct task *t, u64 id, struct msgqueue **out)
{
    struct ipc_perm *p;
    int r = ipc_find(&m->ipc.msg, id, &p);
    *out = (struct msgqueue *)p;
    return r && t->call.state[1] ? -EIDRM : r;
}

static i64 wait_for_queue(struct machine *m, struct task *t, const struct msgqueue *q, bool space)
{
    t->call.state[1] = 1;
    int r = wait_on(m, t, MSG_CHAN(q, space));
    if (r == 0)
        r = park(m, t);
    return r == -ERESTARTSYS ? -ERESTARTNOHAND : r;
}

// ---- msgget

i64 sys_msgget(struct machine *m, struct task *t, const u64 *a)
{
    struct ipc_perm *p;
    int r = ipc_find_key(m, t, &m->ipc.msg, (i32)a[0], (u32)a[1], &p);
    if (r == 1) {
        if (m->ipc.msg.pool.live >= MIN(m->ipc.msgmni, IPC_INDEXES))
            return -ENOSPC;
        r = ipc_new(m, t, &m->ipc.msg, (i32)a[0], (u32)a[1], &p);
        if (r == 0) {
            struct msgqueue *q = (struct msgqueue *)p;
            q->limit = m->ipc.msgmnb;
            q->ctime = ipc_now(m);
        }
    }
    return r ? r : (i64)p->id;
}

// ---- msgsnd

static int message_new(struct machine *m, struct task *t, i64 type, gva_t from, u32 size, u32 *id)
{
    int r = pool_new(&m->ipc.messages, id);
    if (r)
        return r;
    struct message *msg = message_at(m, *id);
    *msg = (struct message){.size = size, .type = type, .data = budget_alloc(&m->store->budget, size)};
    r = msg->data ? uaccess_read(t->mm, msg->data, from, size) : -ENOMEM;
    if (r)
        message_free(m, *id);
    return r;
}

i64 sys_msgsnd(struct machine *m, struct task *t, const u64 *a)
{
    struct msgqueue *q;
    u64 type, size = a[2];
    u32 id;
    int r = uaccess_read_u64(t->mm, &type, a[1]);
    if (r)
        return r;
    if (size > MIN(m->ipc.msgmax, (u64)INT32_MAX) || (i32)a[0] < 0 || (i64)type < 1)
        return -EINVAL;
    r = message_new(m, t, (i64)type, a[1] + 8, (u32)size, &id);
    if (r)
        return r;
    r = queue_arg(m, t, a[0], &q);
    if (r == 0)
        r = ipc_may(m, t, &q->perm, 0222);
    bool fits = r == 0 && q->bytes + size <= q->limit && q->count + 1 <= q->limit;
    if (!fits) {
        message_free(m, id);
        if (r)
            return r;
        return a[3] & G_IPC_NOWAIT ? -EAGAIN : wait_for_queue(m, t, q, true);
    }
    if (q->tail)
        message_at(m, q->tail)->next = id;
    else
        q->head = id;
    q->tail = id;
    q->count++;
    q->bytes += size;
    m->ipc.message_bytes += size;
    q->lspid = group_of(m, t)->pid;
    q->stime = ipc_now(m);
    wake_channel(m, MSG_CHAN(q, false));
    return 0;
}

// ---- msgrcv

// The message that is asked for; 0 = there is none. *before: the one in front of it.
static u32 select(struct machine *m, const struct msgqueue *q, i64 type, u32 flags, u32 *before)
{
    u32 best = 0, last = 0, n = 0;
    i64 most = type == INT64_MIN ? INT64_MAX : -type, lowest = INT64_MAX;
    for (u32 id = q->head; id; last = id, id = message_at(m, id)->next, n++) {
        const struct message *msg = message_at(m, id);
        bool fits;
        if (flags & G_MSG_COPY)
            fits = n == (u64)type;
        else if (type > 0)
            fits = (msg->type == type) != !!(flags & G_MSG_EXCEPT);
        else
            fits = type == 0 || (msg->type <= most && (!best || msg->type < lowest));
        if (!fits)
            continue;
        best = id;
        *before = last;
        lowest = msg->type;
        if (type >= 0 || flags & G_MSG_COPY)
            break;
    }
    return best;
}

static i64 deliver(struct task *t, const struct message *msg, gva_t to, u64 room)
{
    u64 n = MIN(room, (u64)msg->size);
    int r = uaccess_check(t->mm, to, 8 + n, MM_WRITE);
    if (r == 0)
        r = uaccess_write_u64(t->mm, to, (u64)msg->type);
    if (r == 0)
        r = uaccess_write(t->mm, to + 8, msg->data, n);
    return r ? r : (i64)n;
}

static void take(struct machine *m, struct task *t, struct msgqueue *q, u32 id, u32 before)
{
    struct message *msg = message_at(m, id);
    if (before)
        message_at(m, before)->next = msg->next;
    else
        q->head = msg->next;
    if (q->tail == id)
        q->tail = before;
    q->count--;
    q->bytes -= msg->size;
    m->ipc.message_bytes -= msg->size;
    q->lrpid = group_of(m, t)->pid;
    q->rtime = ipc_now(m);
    message_free(m, id);
    wake_channel(m, MSG_CHAN(q, true));
}

i64 sys_msgrcv(struct machine *m, struct task *t, const u64 *a)
{
    struct msgqueue *q;
    u32 flags = (u32)a[4], before = 0;
    if ((i32)a[0] < 0 || (i64)a[2] < 0)
        return -EINVAL;
    if (flags & G_MSG_COPY && (flags & G_MSG_EXCEPT || !(flags & G_IPC_NOWAIT)))
        return -EINVAL;
    int r = queue_arg(m, t, a[0], &q);
    if (r == 0)
        r = ipc_may(m, t, &q->perm, 0444);
    if (r)
        return r;
    u32 id = select(m, q, (i64)a[3], flags, &before);
    if (!id)
        return flags & G_IPC_NOWAIT ? -ENOMSG : wait_for_queue(m, t, q, false);
    if (message_at(m, id)->size > a[2] && !(flags & G_MSG_NOERROR))
        return -E2BIG;
    i64 n = deliver(t, message_at(m, id), a[1], a[2]);
    if (n >= 0 && !(flags & G_MSG_COPY))
        take(m, t, q, id, before);
    return n;
}

// ---- msgctl

static i64 info(struct machine *m, struct task *t, bool use, gva_t to)
{
    const struct ipc *ipc = &m->ipc;
    i32 queues = (i32)ipc->msgmni, bytes = (i32)ipc->msgmnb;
    struct g_msginfo out = {.msgpool = (i32)((u64)queues * (u64)bytes / 1024), .msgmap = bytes,
                            .msgmax = (i32)ipc->msgmax, .msgmnb = bytes, .msgmni = queues, .msgssz = 16,
                            .msgtql = bytes, .msgseg = 0xffff};
    if (use) {
        out.msgpool = (i32)ipc->msg.pool.live;
        out.msgmap = (i32)ipc->messages.live;
        out.msgtql = (i32)ipc->message_bytes;
    }
    int r = uaccess_write(t->mm, to, &out, sizeof out);
    return r ? r : MAX(ipc_highest(&m->ipc.msg), 0);
}

static i64 stat_queue(struct machine *m, struct task *t, u64 id, u32 cmd, gva_t to)
{
    struct ipc_perm *p;
    int r = ipc_find_stat(m, t, &m->ipc.msg, id, cmd != G_IPC_STAT, cmd == G_MSG_STAT_ANY, &p);
    if (r)
        return r;
    const struct msgqueue *q = (struct msgqueue *)p;
    struct g_msqid_ds out = {.perm = ipc_perm_out(p), .stime = q->stime, .rtime = q->rtime,
                             .ctime = q->ctime, .cbytes = q->bytes, .qnum = q->count,
                             .qbytes = q->limit, .lspid = (i32)q->lspid, .lrpid = (i32)q->lrpid};
    r = uaccess_write(t->mm, to, &out, sizeof out);
    return r ? r : cmd == G_IPC_STAT ? 0 : (i64)p->id;
}

static int set_queue(struct machine *m, struct task *t, struct msgqueue *q, const struct g_msqid_ds *in)
{
    if (in->qbytes > m->ipc.msgmnb && !capable(group_of(m, t), G_CAP_SYS_RESOURCE))
        return -EPERM;
    ipc_perm_set(&q->perm, &in->perm);
    q->limit = in->qbytes;
    q->ctime = ipc_now(m);
    wake_channel(m, MSG_CHAN(q, true)); // there may be space, or no permission any more
    wake_channel(m, MSG_CHAN(q, false));
    return 0;
}

i64 sys_msgctl(struct machine *m, struct task *t, const u64 *a)
{
    struct ipc_perm *p;
    struct g_msqid_ds in;
    u32 cmd = (u32)a[1];
    if ((i32)a[0] < 0)
        return -EINVAL;
    switch (cmd) {
    case G_IPC_INFO:
    case G_MSG_INFO:
        return info(m, t, cmd == G_MSG_INFO, a[2]);
    case G_IPC_STAT:
    case G_MSG_STAT:
    case G_MSG_STAT_ANY:
        return stat_queue(m, t, a[0], cmd, a[2]);
    case G_IPC_SET:
    case G_IPC_RMID:
        break;
    default:
        return -EINVAL;
    }
    int r = cmd == G_IPC_SET ? uaccess_read(t->mm, &in, a[2], sizeof in) : 0;
    if (r == 0)
        r = ipc_find(&m->ipc.msg, a[0], &p);
    if (r == 0)
        r = ipc_owner(m, t, p);
    if (r)
        return r;
    if (cmd == G_IPC_SET)
        return set_queue(m, t, (struct msgqueue *)p, &in);
    msg_queue_free(m, (struct msgqueue *)p);
    return 0;
}
