// mq_open(2), mq_unlink(2), mq_timedsend(2), mq_timedreceive(2), mq_notify(2), mq_getsetattr(2).
//
//   t->call.state[0]  the deadline in machine time, 0 = none
//   t->call.state[1]  while a receiver waits: the queue's id
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/forking.h"
#include "kernel/access.h"
#include "kernel/mqueue.h"
#include "kernel/socket.h"
#include "kernel/sys_file.h"
#include "mm/uaccess.h"

#define HARD_MAX_MESSAGES 65536u
#define HARD_MAX_SIZE (16u << 20)
#define SYS_MQ_TIMEDRECEIVE 183u

static struct mqueue *queue_of(struct machine *m, file_t file)
{
    return pool_at(&m->mqueues.pool, file_at(m->fs, file)->object);
}

static struct message *message_at(struct machine *m, u32 id)
{
    return pool_at(&m->ipc.messages, id);
}

static i64 now(struct machine *m)
{
    return (i64)(machine_realtime(m) / 1000000000u);
}

// What a queue counts for RLIMIT_MSGQUEUE: its messages with their heads and the tree they hang in.
static u64 cost(u64 maxmsg, u64 msgsize)
{
    return maxmsg * (48 + msgsize) + MIN(maxmsg, (u64)G_MQ_PRIO_MAX) * 56;
}

// ---- machine fork

static void copy_queue(struct forking *f, void *object)
{
    struct mqueue *q = object;
    q->name = forking_text(f, q->name);
}

static void drop_queue(void *owner, void *object)
{
    (void)owner;
    mem_free(((struct mqueue *)object)->name);
}

const struct pool_kind mqueue_pool = {sizeof(struct mqueue), copy_queue, drop_queue};

// ---- notification

static void notify_file(struct machine *m, struct mqueue *q, u8 what)
{
    struct socket *s = socket_of(m, q->notify_file);
    q->cookie[G_NOTIFY_COOKIE - 1] = what;
    if (s && socket_post(m, s, q->cookie, G_NOTIFY_COOKIE))
        q->notify_how = G_SIGEV_NONE; // no memory: the notification is lost
    file_t file = q->notify_file;
    q->notify_file = 0;
    file_put(m->fs, file);
}

static void forget(struct machine *m, struct mqueue *q)
{
    if (q->notify && q->notify_how == G_SIGEV_THREAD)
        notify_file(m, q, G_NOTIFY_REMOVED);
    q->notify = 0;
}

void mqueue_forget_process(struct machine *m, struct group *g)
{
    struct pool *pool = &m->mqueues.pool;
    for (u32 id = pool->live ? pool_next(pool, 0) : 0; id; id = pool_next(pool, id)) {
        struct mqueue *q = pool_at(pool, id);
        if (q->notify == g->id)
            forget(m, q);
    }
}

// Receivers that wait, or have been woken and are yet to take their message.
static u32 receivers(struct machine *m, const struct mqueue *q)
{
    u32 n = 0;
    for (u32 id = pool_next(&m->tasks, 0); id; id = pool_next(&m->tasks, id)) {
        const struct task *t = task_at(m, id);
        n += t->call.active && t->call.number == SYS_MQ_TIMEDRECEIVE && t->call.state[1] == q->id &&
             id != m->current;
    }
    return n;
}

// A message has come (MQ2).
static void notify(struct machine *m, struct task *t, struct mqueue *q)
{
    if (!q->notify || q->count - 1 != receivers(m, q))
        return;
    struct group *g = group_at(m, q->notify);
    if (q->notify_how == G_SIGEV_SIGNAL) {
        struct g_siginfo info = {.signo = q->notify_signal, .code = G_SI_MESGQ};
        info.user.pid = (i32)group_of(m, t)->pid;
        info.user.uid = group_of(m, t)->uid;
        info.user.value = q->notify_value;
        if (info.signo)
            (void)signal_send_group(m, g, &info);
    } else if (q->notify_how == G_SIGEV_THREAD) {
        notify_file(m, q, G_NOTIFY_WOKENUP);
    }
    q->notify = 0;
}

// ---- the row in fs

static void queue_drop(struct machine *m, struct mqueue *q)
{
    if (q->opens || q->name)
        return;
    while (q->head) {
        u32 id = q->head;
        q->head = message_at(m, id)->next;
        budget_free(message_at(m, id)->data);
        pool_free(&m->ipc.messages, id);
    }
    pool_free(&m->mqueues.pool, q->id);
}

static i64 mq_read(struct fs *fs, file_t id, struct uio *to, i64 offset)
{
    struct machine *m = fs->wake_arg;
    const struct mqueue *q = queue_of(m, id);
    struct file *f = file_at(fs, id);
    char text[80];
    u32 pid = q->notify ? group_at(m, q->notify)->pid : 0;
    int n = snprintf(text, sizeof text, "QSIZE:%-10llu NOTIFY:%-5u SIGNO:%-5d NOTIFY_PID:%-6u\n",
                     (unsigned long long)q->bytes, q->notify ? q->notify_how : 0,
                     q->notify && q->notify_how == G_SIGEV_SIGNAL ? q->notify_signal : 0, pid);
    u64 at = offset < 0 ? f->pos : (u64)offset;
    u64 left = at < (u64)n ? MIN((u64)n - at, to->left) : 0;
    int r = left ? uio_to(to, text + at, left) : 0;
    if (r == 0 && offset < 0)
        f->pos += left;
    return r ? r : (i64)left;
}

static int mq_stat(struct fs *fs, file_t id, struct abi_stat *out)
{
    const struct mqueue *q = queue_of(fs->wake_arg, id);
    *out = (struct abi_stat){.st_dev = ABI_MAKEDEV(0, 19), .st_ino = q->serial, .st_uid = q->uid,
                             .st_gid = q->gid, .st_mode = ABI_S_IFREG | q->mode, .st_size = 80,
                             .st_nlink = q->name != NULL, .st_blksize = 4096, .st_atime_sec = q->atime,
                             .st_mtime_sec = q->mtime, .st_ctime_sec = q->ctime};
    return 0;
}

static int mq_poll(struct fs *fs, file_t id)
{
    const struct mqueue *q = queue_of(fs->wake_arg, id);
    return (q->count ? ABI_POLLIN | ABI_POLLRDNORM : 0) |
           (q->count < q->maxmsg ? ABI_POLLOUT | ABI_POLLWRNORM : 0);
}

static void mq_wait(struct fs *fs, file_t id, int events, struct wait_spec *out)
{
    u32 object = file_at(fs, id)->object;
    if (events & ABI_POLLIN)
        out->chan[out->nchan++] = CHAN(CHAN_MQ, object);
    if (events & ABI_POLLOUT)
        out->chan[out->nchan++] = CHAN(CHAN_MQ_SPACE, object);
}

static void mq_release(struct fs *fs, file_t id)
{
    struct machine *m = fs->wake_arg;
    struct mqueue *q = file_at(fs, id)->object ? queue_of(m, id) : NULL;
    if (!q)
        return; // mq_open could not finish
    q->opens--;
    queue_drop(m, q);
}

// Who closes any descriptor of a queue is told of nothing any more.
static void mq_closing(void *arg, file_t id)
{
    struct machine *m = arg;
    struct mqueue *q = file_at(m->fs, id)->object ? queue_of(m, id) : NULL;
    if (q && q->notify && m->current && task_at(m, m->current)->group == q->notify)
        forget(m, q);
}

void mqueue_init(struct machine *m)
{
    m->mqueues.msg_default = m->mqueues.msg_max = 10;
    m->mqueues.msgsize_default = m->mqueues.msgsize_max = 8192;
    m->mqueues.queues_max = 256;
}

void mqueue_attach(struct machine *m)
{
    static const struct file_ops ops = {.read = mq_read, .stat = mq_stat, .poll = mq_poll,
                                        .wait = mq_wait, .release = mq_release};
    m->fs->ops[FILE_MQUEUE] = &ops;
    m->fs->closing = mq_closing;
    m->fs->closing_arg = m;
}

// ---- names

// A name without its slash, as libc passes it.
static int name_arg(struct task *t, gva_t from, char *name, size_t cap)
{
    i64 n = uaccess_string(t->mm, name, from, cap);
    if (n < 0)
        return (int)n;
    if (n == 0)
        return -ENOENT;
    return strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, "..") ? -EACCES : 0;
}

static struct mqueue *queue_find(struct machine *m, const char *name)
{
    struct pool *pool = &m->mqueues.pool;
    for (u32 id = pool_next(pool, 0); id; id = pool_next(pool, id)) {
        struct mqueue *q = pool_at(pool, id);
        if (q->name && !strcmp(q->name, name))
            return q;
    }
    return NULL;
}

static int attr_arg(struct machine *m, struct task *t, gva_t from, struct g_mq_attr *a)
{
    const struct mqueues *all = &m->mqueues;
    const struct group *g = group_of(m, t);
    bool root = capable(g, G_CAP_SYS_RESOURCE);
    *a = (struct g_mq_attr){.maxmsg = (i64)MIN(all->msg_max, all->msg_default),
                            .msgsize = (i64)MIN(all->msgsize_max, all->msgsize_default)};
    int r = from ? uaccess_read(t->mm, a, from, sizeof *a) : 0;
    if (r)
        return r;
    if (a->maxmsg <= 0 || a->msgsize <= 0 ||
        (u64)a->maxmsg > (root ? HARD_MAX_MESSAGES : all->msg_max) ||
        (u64)a->msgsize > (root ? HARD_MAX_SIZE : all->msgsize_max))
        return -EINVAL;
    if (all->pool.live >= all->queues_max && !root)
        return -ENOSPC;
    u64 used = cost((u64)a->maxmsg, (u64)a->msgsize);
    for (u32 id = pool_next(&all->pool, 0); id; id = pool_next(&all->pool, id)) {
        const struct mqueue *q = pool_at(&all->pool, id);
        used += q->uid == g->euid ? cost(q->maxmsg, q->msgsize) : 0;
    }
    return used > g->limit[G_RLIMIT_MSGQUEUE][0] ? -EMFILE : 0;
}

static int queue_new(struct machine *m, struct task *t, const char *name, u32 mode,
                     const struct g_mq_attr *a, struct mqueue **out)
{
    const struct group *g = group_of(m, t);
    u32 id;
    int r = pool_new(&m->mqueues.pool, &id);
    if (r)
        return r;
    char *copy = mem_strdup(name);
    if (!copy) {
        pool_free(&m->mqueues.pool, id);
        return -ENOMEM;
    }
    *out = pool_at(&m->mqueues.pool, id);
    **out = (struct mqueue){.id = id, .name = copy, .uid = g->euid, .gid = g->egid, .mode = mode & 0777,
                            .maxmsg = (u64)a->maxmsg, .msgsize = (u64)a->msgsize, .atime = now(m),
                            .mtime = now(m), .ctime = now(m), .serial = ++m->mqueues.serial};
    return 0;
}

static int may_open(struct machine *m, struct task *t, const struct mqueue *q, u32 access)
{
    static const u32 wants[3] = {4, 2, 6};
    const struct group *g = group_of(m, t);
    u32 granted = g->euid == q->uid ? q->mode >> 6 : in_group(g, q->gid) ? q->mode >> 3 : q->mode;
    return access > 2 ? -EINVAL : wants[access] & ~granted && !capable(g, G_CAP_DAC_OVERRIDE) ? -EACCES : 0;
}

i64 sys_mq_open(struct machine *m, struct task *t, const u64 *a)
{
    char name[G_MQ_NAME_MAX + 1], label[G_MQ_NAME_MAX + 2];
    u32 flags = (u32)a[1];
    struct g_mq_attr attr;
    file_t file;
    int r = name_arg(t, a[0], name, sizeof name);
    if (r)
        return r;
    struct mqueue *q = queue_find(m, name);
    if (q && flags & ABI_O_CREAT && flags & ABI_O_EXCL)
        return -EEXIST;
    if (!q && !(flags & ABI_O_CREAT))
        return -ENOENT;
    bool fresh = !q;
    if (!fresh)
        r = may_open(m, t, q, flags & ABI_O_ACCMODE);
    else
        r = attr_arg(m, t, a[3], &attr);
    snprintf(label, sizeof label, "/%s", name);
    if (r == 0)
        r = anon_file(m, FILE_MQUEUE, flags & (ABI_O_ACCMODE | ABI_O_NONBLOCK), label, &file);
    if (r)
        return r;
    if (fresh)
        r = queue_new(m, t, name, (u32)a[2] & ~t->fs->c->umask, &attr, &q);
    if (r == 0) {
        file_at(m->fs, file)->object = q->id;
        q->opens++;
    } else {
        file_put(m->fs, file);
        return r;
    }
    i64 fd = fd_install(m, t, file, true);
    if (fd < 0 && fresh) { // no trace is left
        mem_free(q->name);
        q->name = NULL;
        queue_drop(m, q);
    }
    return fd;
}

i64 sys_mq_unlink(struct machine *m, struct task *t, const u64 *a)
{
    char name[G_MQ_NAME_MAX + 1];
    int r = name_arg(t, a[0], name, sizeof name);
    if (r)
        return r;
    struct mqueue *q = queue_find(m, name);
    u32 euid = group_of(m, t)->euid;
    if (!q)
        return -ENOENT;
    if (euid && euid != q->uid)
        return -EACCES;
    mem_free(q->name);
    q->name = NULL;
    queue_drop(m, q);
    return 0;
}

// ---- messages

// The time-out is a time of the wall clock.
static int deadline_arg(struct machine *m, struct task *t, gva_t from)
{
    struct g_timespec ts;
    if (!from || t->call.state[0])
        return 0;
    int r = uaccess_read(t->mm, &ts, from, sizeof ts);
    if (r)
        return r;
    if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= 1000000000)
        return -EINVAL;
    u64 when = (u64)MIN(ts.sec, INT64_MAX / 1000000000 - 1) * 1000000000u + (u64)ts.nsec;
    u64 wall = machine_realtime(m);
    t->call.state[0] = machine_time(m) + (when > wall ? when - wall : 0);
    return 0;
}

static int queue_arg(struct machine *m, struct task *t, u64 fd, bool write, file_t *file)
{
    *file = fd_arg(t, fd);
    const struct file *f = *file ? file_at(m->fs, *file) : NULL;
    if (!f || f->kind != FILE_MQUEUE || (f->flags & ABI_O_ACCMODE) == (write ? ABI_O_RDONLY : ABI_O_WRONLY))
        return -EBADF;
    return 0;
}

static i64 wait_for(struct machine *m, struct task *t, file_t file, bool space)
{
    if (file_at(m->fs, file)->flags & ABI_O_NONBLOCK)
        return -EAGAIN;
    if (t->timed_out || (t->call.state[0] && machine_time(m) >= t->call.state[0]))
        return -ETIMEDOUT;
    if (t->call.state[0])
        park_until(m, t, t->call.state[0]);
    int r = wait_on(m, t, CHAN(space ? CHAN_MQ_SPACE : CHAN_MQ, file_at(m->fs, file)->object));
    return r ? r : park(m, t);
}

i64 sys_mq_timedsend(struct machine *m, struct task *t, const u64 *a)
{
    file_t file;
    u32 id;
    int r = deadline_arg(m, t, a[4]);
    if (r == 0 && (u32)a[3] >= G_MQ_PRIO_MAX)
        r = -EINVAL;
    if (r == 0)
        r = queue_arg(m, t, a[0], true, &file);
    if (r)
        return r;
    struct mqueue *q = queue_of(m, file);
    if (a[2] > q->msgsize)
        return -EMSGSIZE;
    if (q->count >= q->maxmsg)
        return wait_for(m, t, file, true);
    r = pool_new(&m->ipc.messages, &id);
    if (r)
        return r;
    struct message *msg = message_at(m, id);
    *msg = (struct message){.size = (u32)a[2], .type = (u32)a[3], .data = budget_alloc(&m->store->budget, a[2])};
    r = msg->data ? uaccess_read(t->mm, msg->data, a[1], a[2]) : -ENOMEM;
    if (r) {
        budget_free(msg->data);
        pool_free(&m->ipc.messages, id);
        return r;
    }
    u32 *link = &q->head;
    while (*link && message_at(m, *link)->type >= msg->type)
        link = &message_at(m, *link)->next;
    msg->next = *link;
    *link = id;
    q->count++;
    q->bytes += msg->size;
    q->mtime = q->ctime = now(m);
    notify(m, t, q);
    wake_channel(m, CHAN(CHAN_MQ, q->id));
    return 0;
}

i64 sys_mq_timedreceive(struct machine *m, struct task *t, const u64 *a)
{
    file_t file;
    t->call.state[1] = 0;
    int r = deadline_arg(m, t, a[4]);
    if (r == 0)
        r = queue_arg(m, t, a[0], false, &file);
    if (r)
        return r;
    struct mqueue *q = queue_of(m, file);
    if (a[2] < q->msgsize)
        return -EMSGSIZE;
    if (!q->count) {
        i64 w = wait_for(m, t, file, false);
        t->call.state[1] = w == -EPARK ? q->id : 0;
        return w;
    }
    u32 id = q->head;
    struct message *msg = message_at(m, id);
    r = a[3] ? uaccess_write_u32(t->mm, a[3], (u32)msg->type) : 0;
    if (r == 0)
        r = uaccess_write(t->mm, a[1], msg->data, msg->size);
    if (r)
        return r;
    u32 size = msg->size;
    q->head = msg->next;
    q->count--;
    q->bytes -= size;
    q->atime = q->ctime = now(m);
    budget_free(msg->data);
    pool_free(&m->ipc.messages, id);
    wake_channel(m, CHAN(CHAN_MQ_SPACE, q->id));
    return size;
}

// ---- mq_notify, mq_getsetattr

static int notify_arg(struct machine *m, struct task *t, const struct g_sigevent *e, u8 *cookie, file_t *socket)
{
    *socket = 0;
    if (e->notify != G_SIGEV_NONE && e->notify != G_SIGEV_SIGNAL && e->notify != G_SIGEV_THREAD)
        return -EINVAL;
    if (e->notify == G_SIGEV_SIGNAL && (u32)e->signo > G_NSIG)
        return -EINVAL;
    if (e->notify != G_SIGEV_THREAD)
        return 0;
    int r = uaccess_read(t->mm, cookie, e->value, G_NOTIFY_COOKIE);
    if (r)
        return r;
    *socket = fd_arg(t, (u32)e->signo);
    if (!*socket)
        return -EBADF;
    struct socket *s = socket_of(m, *socket);
    return s && s->family == G_AF_UNIX && s->type == G_SOCK_DGRAM ? 0 : -EINVAL;
}

i64 sys_mq_notify(struct machine *m, struct task *t, const u64 *a)
{
    struct g_sigevent e;
    u8 cookie[G_NOTIFY_COOKIE];
    file_t file, socket = 0;
    int r = a[1] ? uaccess_read(t->mm, &e, a[1], sizeof e) : 0;
    if (r == 0 && a[1])
        r = notify_arg(m, t, &e, cookie, &socket);
    if (r)
        return r;
    file = fd_arg(t, a[0]);
    if (!file || file_at(m->fs, file)->kind != FILE_MQUEUE)
        return -EBADF;
    struct mqueue *q = queue_of(m, file);
    if (!a[1]) {
        if (q->notify == t->group)
            forget(m, q);
        return 0;
    }
    if (q->notify)
        return -EBUSY;
    q->notify = t->group;
    q->notify_how = (u32)e.notify;
    q->notify_signal = e.signo;
    q->notify_value = e.value;
    q->notify_file = socket;
    if (socket) {
        memcpy(q->cookie, cookie, sizeof cookie);
        file_get(m->fs, socket);
    }
    return 0;
}

i64 sys_mq_getsetattr(struct machine *m, struct task *t, const u64 *a)
{
    struct g_mq_attr new, old;
    file_t file = fd_arg(t, a[0]);
    int r = a[1] ? uaccess_read(t->mm, &new, a[1], sizeof new) : 0;
    if (r)
        return r;
    if (a[1] && new.flags & ~(i64)ABI_O_NONBLOCK)
        return -EINVAL;
    if (!file || file_at(m->fs, file)->kind != FILE_MQUEUE)
        return -EBADF;
    struct file *f = file_at(m->fs, file);
    const struct mqueue *q = queue_of(m, file);
    old = (struct g_mq_attr){.flags = f->flags & ABI_O_NONBLOCK, .maxmsg = (i64)q->maxmsg,
                             .msgsize = (i64)q->msgsize, .curmsgs = q->count};
    r = a[2] ? uaccess_write(t->mm, a[2], &old, sizeof old) : 0;
    if (r == 0 && a[1])
        f->flags = (f->flags & ~ABI_O_NONBLOCK) | (u32)new.flags;
    return r;
}
