// SysV semaphores: semget(2), semop(2), semtimedop(2), semctl(2); what SEM_UNDO takes back.
//
//   t->call.state[0]  row of the wait, pool `sem_waiters`, 0 = none (IP3)
//   t->call.state[1]  the deadline in machine time, 0 = none
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/forking.h"
#include "kernel/ipc.h"
#include "kernel/syscall.h"
#include "mm/uaccess.h"

#define SEMOPM_MOST 1024u // whatever /proc/sys/kernel/sem says
#define SEMAEM G_SEMVMX
#define WAITS 1

static struct semset *set_at(struct machine *m, u32 row)
{
    return pool_at(&m->ipc.sem.pool, row);
}

static u32 row_of(const struct semset *s)
{
    return s->perm.id % IPC_INDEXES + 1;
}

static struct sem_undo *undo_at(struct machine *m, u32 id)
{
    return pool_at(&m->ipc.sem_undos, id);
}

static struct sem_waiter *sem_waiter_at(struct machine *m, u32 id)
{
    return pool_at(&m->ipc.sem_waiters, id);
}

// ---- machine fork

static void copy_set(struct forking *f, void *object)
{
    struct semset *s = object;
    s->sems = budget_dup(f, s->sems);
}

static void drop_set(void *owner, void *object)
{
    (void)owner;
    budget_free(((struct semset *)object)->sems);
}

static void copy_waiter(struct forking *f, void *object)
{
    struct sem_waiter *w = object;
    w->ops = budget_dup(f, w->ops);
}

static void drop_waiter(void *owner, void *object)
{
    (void)owner;
    budget_free(((struct sem_waiter *)object)->ops);
}

static void copy_undo(struct forking *f, void *object)
{
    struct sem_undo *u = object;
    u->adjust = budget_dup(f, u->adjust);
}

static void drop_undo(void *owner, void *object)
{
    (void)owner;
    budget_free(((struct sem_undo *)object)->adjust);
}

const struct pool_kind semset_pool = {sizeof(struct semset), copy_set, drop_set};
const struct pool_kind sem_waiters_pool = {sizeof(struct sem_waiter), copy_waiter, drop_waiter};
const struct pool_kind sem_undos_pool = {sizeof(struct sem_undo), copy_undo, drop_undo};
const struct pool_kind sem_lists_pool = {.size = sizeof(struct sem_list)};

// ---- undo lists

static int list_of(struct machine *m, struct task *t, u32 *out)
{
    if (!t->sem_list) {
        int r = pool_new(&m->ipc.sem_lists, &t->sem_list);
        if (r)
            return r;
        ((struct sem_list *)pool_at(&m->ipc.sem_lists, t->sem_list))->holders = 1;
    }
    *out = t->sem_list;
    return 0;
}

int sem_list_share(struct machine *m, struct task *t, struct task *child)
{
    u32 list;
    int r = list_of(m, t, &list);
    if (r == 0) {
        ((struct sem_list *)pool_at(&m->ipc.sem_lists, list))->holders++;
        child->sem_list = list;
    }
    return r;
}

// The list's row for a set, made if need be.
static int undo_find(struct machine *m, struct task *t, struct semset *s, u32 *out)
{
    u32 list, id;
    int r = list_of(m, t, &list);
    if (r)
        return r;
    struct sem_list *l = pool_at(&m->ipc.sem_lists, list);
    for (id = l->undos; id; id = undo_at(m, id)->next)
        if (undo_at(m, id)->set == row_of(s)) {
            *out = id;
            return 0;
        }
    r = pool_new(&m->ipc.sem_undos, &id);
    if (r)
        return r;
    i16 *adjust = budget_zalloc(&m->store->budget, s->nsems * sizeof *adjust);
    if (!adjust) {
        pool_free(&m->ipc.sem_undos, id);
        return -ENOMEM;
    }
    *undo_at(m, id) = (struct sem_undo){.set = row_of(s), .list = list, .next = l->undos,
                                        .next_of_set = s->undos, .adjust = adjust};
    l->undos = s->undos = *out = id;
    return 0;
}

static void unlink_from_set(struct machine *m, struct semset *s, u32 id)
{
    u32 *link = &s->undos;
    while (*link != id)
        link = &undo_at(m, *link)->next_of_set;
    *link = undo_at(m, id)->next_of_set;
}

static void unlink_from_list(struct machine *m, u32 id)
{
    u32 *link = &((struct sem_list *)pool_at(&m->ipc.sem_lists, undo_at(m, id)->list))->undos;
    while (*link != id)
        link = &undo_at(m, *link)->next;
    *link = undo_at(m, id)->next;
}

static void undo_free(struct machine *m, u32 id)
{
    budget_free(undo_at(m, id)->adjust);
    pool_free(&m->ipc.sem_undos, id);
}

// ---- operations

// Takes back the first n operations.
static void roll_back(struct semset *s, const struct sem_waiter *w, i16 *adjust, u32 n)
{
    while (n--) {
        const struct g_sembuf *op = &w->ops[n];
        s->sems[op->num].value -= op->op;
        if (op->flags & G_SEM_UNDO && adjust)
            adjust[op->num] = (i16)(adjust[op->num] + op->op);
    }
}

// All operations or none: 0, WAITS (w->blocked says for which), -EAGAIN, -ERANGE
static int try(struct machine *m, struct semset *s, struct sem_waiter *w, u32 pid)
{
    i16 *adjust = w->undo ? undo_at(m, w->undo)->adjust : NULL;
    int r = 0;
    u32 i;
    for (i = 0; i < w->nops; i++) {
        const struct g_sembuf *op = &w->ops[i];
        i32 value = s->sems[op->num].value, result = value + op->op;
        if ((op->op == 0 && value) || result < 0)
            r = op->flags & G_IPC_NOWAIT ? -EAGAIN : WAITS;
        else if (result > G_SEMVMX)
            r = -ERANGE;
        if (r == 0 && op->flags & G_SEM_UNDO && adjust) {
            i32 back = adjust[op->num] - op->op;
            if (back < -SEMAEM - 1 || back > SEMAEM)
                r = -ERANGE;
            else
                adjust[op->num] = (i16)back;
        }
        if (r)
            break;
        s->sems[op->num].value = result;
    }
    if (r) {
        roll_back(s, w, adjust, i);
        w->blocked = i;
        return r;
    }
    for (i = 0; i < w->nops; i++)
        s->sems[w->ops[i].num].pid = pid;
    return 0;
}

static void waiter_unlink(struct machine *m, struct semset *s, u32 id)
{
    u32 *link = &s->waiters, before = 0;
    while (*link != id) {
        before = *link;
        link = &sem_waiter_at(m, *link)->next;
    }
    *link = sem_waiter_at(m, id)->next;
    if (s->waiters_last == id)
        s->waiters_last = before;
}

static void waiter_done(struct machine *m, struct semset *s, u32 id, i32 result)
{
    struct sem_waiter *w = sem_waiter_at(m, id);
    waiter_unlink(m, s, id);
    w->result = result;
    w->set = 0;
    task_wake(m, task_at(m, w->task));
}

// Some value has changed: whose operations are possible now has them made.
static void changed(struct machine *m, struct semset *s)
{
    for (u32 id = s->waiters; id;) {
        struct sem_waiter *w = sem_waiter_at(m, id);
        u32 next = w->next;
        int r = try(m, s, w, group_of(m, task_at(m, w->task))->pid);
        if (r != WAITS) {
            bool altered = false;
            for (u32 i = 0; r == 0 && i < w->nops; i++)
                altered = altered || w->ops[i].op;
            if (r == 0)
                s->otime = ipc_now(m);
            waiter_done(m, s, id, r);
            next = altered ? s->waiters : next; // older ones may be possible by that
        }
        id = next;
    }
}

void sem_set_free(struct machine *m, struct semset *s)
{
    while (s->waiters)
        waiter_done(m, s, s->waiters, -EIDRM);
    while (s->undos) {
        u32 id = s->undos;
        s->undos = undo_at(m, id)->next_of_set;
        unlink_from_list(m, id);
        undo_free(m, id);
    }
    m->ipc.sems -= s->nsems;
    budget_free(s->sems);
    ipc_row_free(&m->ipc.sem, &s->perm);
}

// ---- the end of a task

static void waiter_free(struct machine *m, struct task *t)
{
    u32 id = (u32)t->call.state[0];
    if (!id)
        return;
    struct sem_waiter *w = sem_waiter_at(m, id);
    if (w->set)
        waiter_unlink(m, set_at(m, w->set), id);
    budget_free(w->ops);
    pool_free(&m->ipc.sem_waiters, id);
    t->call.state[0] = 0;
}

static void take_back(struct machine *m, struct task *t, u32 id)
{
    struct sem_undo *u = undo_at(m, id);
    struct semset *s = set_at(m, u->set);
    for (u32 i = 0; i < s->nsems; i++) {
        if (!u->adjust[i])
            continue;
        i32 value = s->sems[i].value + u->adjust[i];
        s->sems[i].value = MAX(0, MIN(value, G_SEMVMX));
        s->sems[i].pid = group_of(m, t)->pid;
    }
    s->otime = ipc_now(m);
    unlink_from_set(m, s, id);
    undo_free(m, id);
    changed(m, s);
}

void sem_task_gone(struct machine *m, struct task *t)
{
    if (t->call.active && (t->call.number == 192 || t->call.number == 193)) // semtimedop, semop
        waiter_free(m, t);
    if (!t->sem_list)
        return;
    struct sem_list *l = pool_at(&m->ipc.sem_lists, t->sem_list);
    if (--l->holders == 0) {
        while (l->undos) {
            u32 id = l->undos;
            l->undos = undo_at(m, id)->next;
            take_back(m, t, id);
        }
        pool_free(&m->ipc.sem_lists, t->sem_list);
    }
    t->sem_list = 0;
}

// ---- semop

// The set that the operations are for, with the checks of semop(2). *undo: one wants it.
static int set_arg(struct machine *m, struct task *t, u64 id, const struct g_sembuf *ops, u32 n,
                   struct semset **out)
{
    struct ipc_perm *p;
    bool alters = false;
    u32 most = 0;
    for (u32 i = 0; i < n; i++) {
        alters = alters || ops[i].op;
        most = MAX(most, ops[i].num);
    }
    int r = ipc_find(&m->ipc.sem, id, &p);
    if (r)
        return r;
    *out = (struct semset *)p;
    return most >= (*out)->nsems ? -EFBIG : ipc_may(m, t, p, alters ? 0222 : 0444);
}

static int begin(struct machine *m, struct task *t, const u64 *a, struct g_sembuf *ops)
{
    struct sem_waiter w = {.task = t->id, .nops = (u32)a[2], .ops = ops, .result = WAITS};
    struct semset *s = NULL;
    u32 id;
    bool undo = false, alters = false;
    int r = set_arg(m, t, a[0], ops, w.nops, &s);
    for (u32 i = 0; i < w.nops; i++) {
        undo = undo || ops[i].flags & G_SEM_UNDO;
        alters = alters || ops[i].op;
    }
    if (r == 0 && undo)
        r = undo_find(m, t, s, &w.undo);
    if (r == 0)
        r = try(m, s, &w, group_of(m, t)->pid);
    if (r == 0) {
        s->otime = ipc_now(m);
        if (alters)
            changed(m, s);
    }
    if (r != WAITS) {
        budget_free(ops);
        return r;
    }
    r = pool_new(&m->ipc.sem_waiters, &id);
    if (r) {
        budget_free(ops);
        return r;
    }
    w.set = row_of(s);
    *sem_waiter_at(m, id) = w;
    if (s->waiters_last)
        sem_waiter_at(m, s->waiters_last)->next = id;
    else
        s->waiters = id;
    s->waiters_last = id;
    t->call.state[0] = id;
    return WAITS;
}

static i64 go_on_waiting(struct machine *m, struct task *t)
{
    struct sem_waiter *w = sem_waiter_at(m, (u32)t->call.state[0]);
    int r = w->result;
    if (r == WAITS && (t->timed_out || (t->call.state[1] && machine_time(m) >= t->call.state[1])))
        r = -EAGAIN;
    if (r == WAITS) {
        if (t->call.state[1])
            park_until(m, t, t->call.state[1]);
        r = wait_on(m, t, CHAN(CHAN_SEM, w->set)); // but it is waiter_done that wakes it
        if (r == 0)
            r = park(m, t);
        if (r == -EPARK)
            return r;
        r = r == -ERESTARTSYS ? -ERESTARTNOHAND : r;
    }
    waiter_free(m, t);
    return r;
}

static i64 do_semop(struct machine *m, struct task *t, const u64 *a, gva_t timeout)
{
    if (t->call.state[0])
        return go_on_waiting(m, t);
    u32 n = (u32)a[2];
    if (n < 1 || (i32)a[0] < 0)
        return -EINVAL;
    if (n > MIN(m->ipc.sem_limit[SEM_OPM], SEMOPM_MOST))
        return -E2BIG;
    struct g_sembuf *ops = budget_alloc(&m->store->budget, n * sizeof *ops);
    int r = ops ? uaccess_read(t->mm, ops, a[1], n * sizeof *ops) : -ENOMEM;
    if (r == 0 && timeout && !t->call.state[1])
        r = timeout_arg(m, t, timeout, &t->call.state[1]);
    if (r) {
        budget_free(ops);
        return r;
    }
    r = begin(m, t, a, ops);
    return r == WAITS ? go_on_waiting(m, t) : r;
}

i64 sys_semop(struct machine *m, struct task *t, const u64 *a)
{
    return do_semop(m, t, a, 0);
}

i64 sys_semtimedop(struct machine *m, struct task *t, const u64 *a)
{
    return do_semop(m, t, a, a[3]);
}

// ---- semget

static int set_new(struct machine *m, struct task *t, i32 key, u32 nsems, u32 flags, struct ipc_perm **out)
{
    struct ipc *ipc = &m->ipc;
    if (nsems == 0)
        return -EINVAL;
    if (ipc->sems + nsems > ipc->sem_limit[SEM_MNS] || ipc->sem.pool.live >= MIN(ipc->sem_limit[SEM_MNI], IPC_INDEXES))
        return -ENOSPC;
    struct sem *sems = budget_zalloc(&m->store->budget, nsems * sizeof *sems);
    int r = sems ? ipc_new(m, t, &ipc->sem, key, flags, out) : -ENOMEM;
    if (r) {
        budget_free(sems);
        return r;
    }
    struct semset *s = (struct semset *)*out;
    s->nsems = nsems;
    s->sems = sems;
    s->ctime = ipc_now(m);
    ipc->sems += nsems;
    return 0;
}

i64 sys_semget(struct machine *m, struct task *t, const u64 *a)
{
    struct ipc_perm *p;
    i32 key = (i32)a[0];
    if ((i32)a[1] < 0 || (u32)a[1] > m->ipc.sem_limit[SEM_MSL])
        return -EINVAL;
    int r = ipc_find_key(m, t, &m->ipc.sem, key, (u32)a[2], &p);
    if (r == 1)
        r = set_new(m, t, key, (u32)a[1], (u32)a[2], &p);
    else if (r == 0 && (u32)a[1] > ((struct semset *)p)->nsems)
        r = -EINVAL;
    return r ? r : (i64)p->id;
}

// ---- semctl

static i64 info(struct machine *m, struct task *t, bool use, gva_t to)
{
    const struct ipc *ipc = &m->ipc;
    struct g_seminfo out = {.semmap = (i32)ipc->sem_limit[SEM_MNS], .semmni = (i32)ipc->sem_limit[SEM_MNI],
                            .semmns = (i32)ipc->sem_limit[SEM_MNS], .semmnu = (i32)ipc->sem_limit[SEM_MNS],
                            .semmsl = (i32)ipc->sem_limit[SEM_MSL], .semopm = (i32)ipc->sem_limit[SEM_OPM],
                            .semume = (i32)ipc->sem_limit[SEM_OPM], .semusz = 20, .semvmx = G_SEMVMX,
                            .semaem = SEMAEM};
    if (use) {
        out.semusz = (i32)ipc->sem.pool.live;
        out.semaem = (i32)ipc->sems;
    }
    int r = uaccess_write(t->mm, to, &out, sizeof out);
    return r ? r : MAX(ipc_highest(&m->ipc.sem), 0);
}

static i64 stat_set(struct machine *m, struct task *t, u64 id, u32 cmd, gva_t to)
{
    struct ipc_perm *p;
    int r = ipc_find_stat(m, t, &m->ipc.sem, id, cmd != G_IPC_STAT, cmd == G_SEM_STAT_ANY, &p);
    if (r)
        return r;
    const struct semset *s = (struct semset *)p;
    struct g_semid_ds out = {.perm = ipc_perm_out(p), .otime = s->otime, .ctime = s->ctime, .nsems = s->nsems};
    r = uaccess_write(t->mm, to, &out, sizeof out);
    return r ? r : cmd == G_IPC_STAT ? 0 : (i64)p->id;
}

// Tasks that wait for semaphore `num` to grow, or to become zero.
static i64 count_waiters(struct machine *m, const struct semset *s, u32 num, bool zero)
{
    i64 n = 0;
    for (u32 id = s->waiters; id; id = sem_waiter_at(m, id)->next) {
        const struct sem_waiter *w = sem_waiter_at(m, id);
        const struct g_sembuf *op = &w->ops[w->blocked];
        n += op->num == num && (op->op == 0) == zero;
    }
    return n;
}

static void forget_undo(struct machine *m, struct semset *s, u32 num)
{
    for (u32 id = s->undos; id; id = undo_at(m, id)->next_of_set)
        undo_at(m, id)->adjust[num] = 0;
}

static i64 set_value(struct machine *m, struct task *t, struct semset *s, u32 num, i32 value)
{
    if (value < 0 || value > G_SEMVMX)
        return -ERANGE;
    s->sems[num].value = value;
    s->sems[num].pid = group_of(m, t)->pid;
    s->ctime = ipc_now(m);
    forget_undo(m, s, num);
    changed(m, s);
    return 0;
}

static i64 all_values(struct machine *m, struct task *t, struct semset *s, bool set, gva_t at)
{
    u16 *values = mem_alloc(s->nsems * sizeof *values);
    if (!values)
        return -ENOMEM;
    for (u32 i = 0; i < s->nsems; i++)
        values[i] = (u16)s->sems[i].value;
    int r = set ? uaccess_read(t->mm, values, at, s->nsems * sizeof *values)
                : uaccess_write(t->mm, at, values, s->nsems * sizeof *values);
    for (u32 i = 0; r == 0 && set && i < s->nsems; i++)
        r = values[i] > G_SEMVMX ? -ERANGE : 0;
    for (u32 i = 0; r == 0 && set && i < s->nsems; i++) {
        s->sems[i].value = values[i];
        s->sems[i].pid = group_of(m, t)->pid;
        forget_undo(m, s, i);
    }
    mem_free(values);
    if (r == 0 && set) {
        s->ctime = ipc_now(m);
        changed(m, s);
    }
    return r;
}

static i64 values_call(struct machine *m, struct task *t, const u64 *a)
{
    struct ipc_perm *p;
    u32 num = (u32)a[1], cmd = (u32)a[2];
    bool sets = cmd == G_SEM_SETVAL || cmd == G_SEM_SETALL;
    int r = ipc_find(&m->ipc.sem, a[0], &p);
    if (r)
        return r;
    struct semset *s = (struct semset *)p;
    bool all = cmd == G_SEM_GETALL || cmd == G_SEM_SETALL;
    if (cmd == G_SEM_SETVAL && ((i32)a[3] < 0 || (i32)a[3] > G_SEMVMX))
        return -ERANGE;
    if (cmd == G_SEM_SETVAL && num >= s->nsems)
        return -EINVAL;
    r = ipc_may(m, t, p, sets ? 0222 : 0444);
    if (r)
        return r;
    if (all)
        return all_values(m, t, s, sets, a[3]);
    if (num >= s->nsems)
        return -EINVAL;
    switch (cmd) {
    case G_SEM_SETVAL:
        return set_value(m, t, s, num, (i32)a[3]);
    case G_SEM_GETVAL:
        return s->sems[num].value;
    case G_SEM_GETPID:
        return s->sems[num].pid;
    default:
        return count_waiters(m, s, num, cmd == G_SEM_GETZCNT);
    }
}

i64 sys_semctl(struct machine *m, struct task *t, const u64 *a)
{
    struct ipc_perm *p;
    struct g_semid_ds in;
    u32 cmd = (u32)a[2];
    if ((i32)a[0] < 0)
        return -EINVAL;
    switch (cmd) {
    case G_IPC_INFO:
    case G_SEM_INFO:
        return info(m, t, cmd == G_SEM_INFO, a[3]);
    case G_IPC_STAT:
    case G_SEM_STAT:
    case G_SEM_STAT_ANY:
        return stat_set(m, t, a[0], cmd, a[3]);
    case G_SEM_GETALL: case G_SEM_SETALL: case G_SEM_SETVAL: case G_SEM_GETVAL: case G_SEM_GETPID:
    case G_SEM_GETNCNT: case G_SEM_GETZCNT:
        return values_call(m, t, a);
    case G_IPC_SET:
    case G_IPC_RMID:
        break;
    default:
        return -EINVAL;
    }
    int r = cmd == G_IPC_SET ? uaccess_read(t->mm, &in, a[3], sizeof in) : 0;
    if (r == 0)
        r = ipc_find(&m->ipc.sem, a[0], &p);
    if (r == 0)
        r = ipc_owner(m, t, p);
    if (r)
        return r;
    if (cmd == G_IPC_SET) {
        ipc_perm_set(p, &in.perm);
        ((struct semset *)p)->ctime = ipc_now(m);
    } else {
        sem_set_free(m, (struct semset *)p);
    }
    return 0;
}
