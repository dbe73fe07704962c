// futex(2): wait, wake, requeue, wake-op, and futex_waitv(2). See futex.h.
#include "kernel/futex.h"

#include <errno.h>

#include "kernel/syscall.h"
#include "mm/pagecache.h"
#include "mm/region.h"
#include "mm/uaccess.h"

enum { OP_WAIT, OP_WAKE, OP_FD, OP_REQUEUE, OP_CMP_REQUEUE, OP_WAKE_OP, OP_LOCK_PI, OP_UNLOCK_PI,
       OP_TRYLOCK_PI, OP_WAIT_BITSET, OP_WAKE_BITSET, OP_WAIT_REQUEUE_PI, OP_CMP_REQUEUE_PI,
       OP_LOCK_PI2, OP_PRIVATE = 128, OP_REALTIME = 256 };


const struct pool_kind futex_pool = {.size = sizeof(struct futex_waiter)};

// ---- names of words

int futex_key(struct mm *mm, gva_t addr, bool private, enum mm_access want, struct futex_key *out)
{
    if (addr & 3)
        return -EINVAL;
    if (addr >= MM_TOP)
        return -EFAULT;
    *out = (struct futex_key){mm->serial, addr};
    if (private)
        return 0;
    int r = uaccess_check(mm, addr, 4, want);
    if (r)
        return r;
    const struct region *g = region_find(mm, addr);
    if (g && g->flags & REGION_SHARED)
        *out = (struct futex_key){g->backing->serial | FUTEX_KEY_SHARED,
                                  addr - g->start + (g->page << PAGE_SHIFT)};
    return 0;
}

// ---- the queue

struct futex_waiter *futex_at(struct machine *m, u32 id)
{
    return pool_at(&m->futex, id);
}

static u32 *bucket(struct machine *m, const struct futex_key *k)
{
    return &m->futex_bucket[((k->object ^ k->offset) * 0x9e3779b97f4a7c15ULL) >> 58];
}

static void link_waiter(struct machine *m, u32 id)
{
    struct futex_waiter *w = futex_at(m, id);
    u32 *head = bucket(m, &w->key);
    w->next = w->prev = 0;
    if (!*head) {
        *head = id;
        return;
    }
    u32 last = *head;
    while (futex_at(m, last)->next)
        last = futex_at(m, last)->next;
    futex_at(m, last)->next = id;
    w->prev = last;
}

static void unlink_waiter(struct machine *m, u32 id)
{
    struct futex_waiter *w = futex_at(m, id);
    if (w->prev)
        futex_at(m, w->prev)->next = w->next;
    else
        *bucket(m, &w->key) = w->next;
    if (w->next)
        futex_at(m, w->next)->prev = w->prev;
    w->next = w->prev = 0;
}

int futex_enqueue(struct machine *m, struct task *t, const struct futex_waiter *w)
{
    u32 id;
    int r = pool_new(&m->futex, &id);
    if (r)
        return r;
    *futex_at(m, id) = *w;
    futex_at(m, id)->task = t->id;
    futex_at(m, id)->sibling = t->futex;
    t->futex = id;
    link_waiter(m, id);
    if (w->kind == FUTEX_FOR_LOCK)
        task_at(m, w->owner)->futex_lockers++;
    return 0;
}

void futex_move(struct machine *m, u32 id, const struct futex_key *to)
{
    struct futex_waiter *w = futex_at(m, id);
    if (futex_same(&w->key, to))
        return;
    unlink_waiter(m, id);
    w->key = *to;
    link_waiter(m, id);
}

static u32 match(struct machine *m, u32 id, const struct futex_key *k)
{
    while (id && !futex_same(&futex_at(m, id)->key, k))
        id = futex_at(m, id)->next;
    return id;
}

u32 futex_first(struct machine *m, const struct futex_key *k)
{
    return match(m, *bucket(m, k), k);
}

u32 futex_next(struct machine *m, u32 id, const struct futex_key *k)
{
    return match(m, futex_at(m, id)->next, k);
}

void futex_wake_one(struct machine *m, u32 id)
{
    struct futex_waiter *w = futex_at(m, id);
    unlink_waiter(m, id);
    futex_locker_gone(m, w);
    w->woken = true;
    task_wake(m, task_at(m, w->task));
}

// At least one, whatever the count, as Linux does it.
i64 futex_wake_key(struct machine *m, const struct futex_key *k, i32 count, u32 bitset)
{
    i32 woken = 0;
    for (u32 id = futex_first(m, k), next; id; id = next) {
        next = futex_next(m, id, k);
        if (futex_at(m, id)->kind != FUTEX_PLAIN)
            return -EINVAL;
        if (!(futex_at(m, id)->bitset & bitset))
            continue;
        futex_wake_one(m, id);
        if (++woken >= count)
            break;
    }
    return woken;
}

int futex_wake_address(struct machine *m, struct mm *mm, gva_t addr, u32 count, u32 bitset)
{
    struct futex_key k;
    int r = futex_key(mm, addr, true, MM_READ, &k);
    if (r)
        return r;
    i64 n = futex_wake_key(m, &k, (i32)count, bitset);
    if (n >= 0 && n < (i64)count && futex_key(mm, addr, false, MM_READ, &k) == 0)
        n = MAX(n, futex_wake_key(m, &k, (i32)((i64)count - n), bitset));
    return (int)n;
}

// The waiters of a task that is woken, ends or is interrupted leave no trace.
void futex_forget(struct machine *m, struct task *t)
{
    while (t->futex) {
        u32 id = t->futex;
        struct futex_waiter *w = futex_at(m, id);
        t->futex = w->sibling;
        if (!w->woken) {
            unlink_waiter(m, id);
            futex_locker_gone(m, w);
        }
        pool_free(&m->futex, id);
    }
}

static bool any_woken(struct machine *m, const struct task *t)
{
    for (u32 id = t->futex; id; id = futex_at(m, id)->sibling)
        if (futex_at(m, id)->woken)
            return true;
    return false;
}

i64 futex_sleep(struct machine *m, struct task *t, bool timed, int interrupted)
{
    i64 r = 0;
    if (!any_woken(m, t)) {
        if (t->timed_out || (timed && machine_time(m) >= t->call.deadline)) {
            r = -ETIMEDOUT;
        } else {
            if (timed)
                park_until(m, t, t->call.deadline);
            r = park(m, t);
            if (r == -EPARK)
                return r;
            r = interrupted;
        }
    }
    futex_forget(m, t);
    return r;
}

// ---- the calls -----------------------------------------------------------------------------------

// The value at a word that is to be waited on. -EAGAIN: it is another one.
static int expect(struct task *t, gva_t addr, u32 value)
{
    u32 now;
    int r = uaccess_read_u32(t->mm, &now, addr);
    return r ? r : now == value ? 0 : -EAGAIN;
}

static i64 futex_wait(struct machine *m, struct task *t, gva_t addr, u32 value, bool private,
                      u32 bitset, bool timed)
{
    if (!t->futex) {
        struct futex_waiter w = {.bitset = bitset};
        if (!bitset)
            return -EINVAL;
        int r = futex_key(t->mm, addr, private, MM_READ, &w.key);
        if (r == 0)
            r = expect(t, addr, value);
        if (r == 0)
            r = futex_enqueue(m, t, &w);
        if (r)
            return r;
    }
    return futex_sleep(m, t, timed, timed ? -ERESTARTNOHAND : -ERESTARTSYS);
}

static i64 futex_wake(struct machine *m, struct task *t, gva_t addr, i32 count, bool private, u32 bitset)
{
    struct futex_key k;
    if (!bitset)
        return -EINVAL;
    int r = futex_key(t->mm, addr, private, MM_READ, &k);
    return r ? r : futex_wake_key(m, &k, count, bitset);
}

static i64 futex_requeue(struct machine *m, struct task *t, const u64 *a, bool private, bool compare)
{
    struct futex_key from, to;
    i32 wake = (i32)a[2], requeue = (i32)a[3], done = 0;
    if (wake < 0 || requeue < 0)
        return -EINVAL;
    int r = futex_key(t->mm, a[0], private, MM_READ, &from);
    if (r == 0)
        r = futex_key(t->mm, a[4], private, MM_READ, &to);
    if (r == 0 && compare)
        r = expect(t, a[0], (u32)a[5]);
    if (r)
        return r;
    u32 last = 0; // where moved ones may land behind it, in the same queue
    for (u32 id = futex_first(m, &from); id; id = futex_next(m, id, &from))
        last = id;
    for (u32 id = futex_first(m, &from), next; id && done - wake < requeue; id = next) {
        next = id == last ? 0 : futex_next(m, id, &from);
        if (futex_at(m, id)->kind != FUTEX_PLAIN)
            return -EINVAL;
        if (++done <= wake)
            futex_wake_one(m, id);
        else
            futex_move(m, id, &to);
    }
    return done;
}

static int wake_op_holds(u32 op, i32 old, i32 argument)
{
    switch (op >> 24 & 15) {
    case 0: return old == argument;
    case 1: return old != argument;
    case 2: return old < argument;
    case 3: return old <= argument;
    case 4: return old > argument;
    case 5: return old >= argument;
    default: return -ENOSYS;
    }
}

static i64 futex_wake_op(struct machine *m, struct task *t, const u64 *a, bool private)
{
    u32 op = (u32)a[5], old, fresh;
    u32 arg = (u32)((i32)(op << 8) >> 20);
    i32 compare = (i32)(op << 20) >> 20;
    struct futex_key k1, k2;
    int r = futex_key(t->mm, a[0], private, MM_READ, &k1);
    if (r == 0)
        r = futex_key(t->mm, a[4], private, MM_WRITE, &k2);
    if (r == 0)
        r = uaccess_read_u32(t->mm, &old, a[4]);
    if (r)
        return r;
    if (op >> 28 & 8)
        arg = 1u << (arg & 31);
    switch (op >> 28 & 7) {
    case 0: fresh = arg; break;
    case 1: fresh = old + arg; break;
    case 2: fresh = old | arg; break;
    case 3: fresh = old & ~arg; break;
    case 4: fresh = old ^ arg; break;
    default: return -ENOSYS;
    }
    r = uaccess_write_u32(t->mm, a[4], fresh);
    int holds = r ? r : wake_op_holds(op, (i32)old, compare);
    if (holds < 0)
        return holds;
    i64 n = futex_wake_key(m, &k1, (i32)a[2], FUTEX_ANY), more = 0;
    if (n >= 0 && holds)
        more = futex_wake_key(m, &k2, (i32)a[3], FUTEX_ANY);
    return n < 0 || more < 0 ? MIN(n, more) : n + more;
}

// Relative for FUTEX_WAIT; all others are given a point in time, of one clock or the other.
int futex_timeout(struct machine *m, struct task *t, gva_t from, bool absolute, bool realtime)
{
    u64 when, now = machine_time(m), base = realtime ? machine_realtime(m) : now;
    int r = timeout_arg(m, t, from, &when);
    if (r)
        return r;
    if (absolute) {
        u64 given = when > now ? when - now : 0; // timeout_arg added the present
        t->call.deadline = given > base ? now + (given - base) : 1;
    } else {
        t->call.deadline = when;
    }
    return 0;
}

i64 sys_futex(struct machine *m, struct task *t, const u64 *a)
{
    u32 op = (u32)a[1] & ~(u32)(OP_PRIVATE | OP_REALTIME);
    bool private = a[1] & OP_PRIVATE, realtime = a[1] & OP_REALTIME;
    bool waits = op == OP_WAIT || op == OP_WAIT_BITSET || op == OP_LOCK_PI || op == OP_LOCK_PI2 ||
                 op == OP_WAIT_REQUEUE_PI;
    bool timed = waits && a[3];
    if (realtime && op != OP_WAIT_BITSET && op != OP_WAIT_REQUEUE_PI && op != OP_LOCK_PI2)
        return -ENOSYS;
    if (op == OP_LOCK_PI)
        realtime = true;
    if (timed && !t->call.deadline) {
        int r = futex_timeout(m, t, a[3], op != OP_WAIT, realtime);
        if (r)
            return r;
    }
    switch (op) {
    case OP_WAIT:
        return futex_wait(m, t, a[0], (u32)a[2], private, FUTEX_ANY, timed);
    case OP_WAIT_BITSET:
        return futex_wait(m, t, a[0], (u32)a[2], private, (u32)a[5], timed);
    case OP_WAKE:
        return futex_wake(m, t, a[0], (i32)a[2], private, FUTEX_ANY);
    case OP_WAKE_BITSET:
        return futex_wake(m, t, a[0], (i32)a[2], private, (u32)a[5]);
    case OP_REQUEUE:
    case OP_CMP_REQUEUE:
        return futex_requeue(m, t, a, private, op == OP_CMP_REQUEUE);
    case OP_WAKE_OP:
        return futex_wake_op(m, t, a, private);
    case OP_LOCK_PI:
    case OP_LOCK_PI2:
        return futex_lock_pi(m, t, a, private, timed, false);
    case OP_TRYLOCK_PI:
        return futex_lock_pi(m, t, a, private, false, true);
    case OP_UNLOCK_PI:
        return futex_unlock_pi(m, t, a[0], private);
    case OP_WAIT_REQUEUE_PI:
        return futex_wait_requeue_pi(m, t, a, private, timed);
    case OP_CMP_REQUEUE_PI:
        return futex_requeue_pi(m, t, a, private);
    default:
        return -ENOSYS;
    }
}

// ---- futex_waitv(2) ------------------------------------------------------------------------------

struct waitv {
    u64 value, address;
    u32 flags, reserved;
};
#define WAITV_MOST 128u
#define WAITV_32 2u // the only size there is

static int waitv_read(struct task *t, gva_t list, u64 i, struct waitv *v)
{
    int r = uaccess_read(t->mm, v, list + i * sizeof *v, sizeof *v);
    if (r == 0 && (v->flags & ~(u32)(WAITV_32 | OP_PRIVATE) || v->reserved || !(v->flags & WAITV_32)))
        r = -EINVAL;
    return r;
}

// One waiter for each word; none if a word has changed already.
static int waitv_enqueue(struct machine *m, struct task *t, gva_t list, u64 count)
{
    struct waitv v;
    int r = 0;
    for (u64 i = 0; r == 0 && i < count; i++)
        r = waitv_read(t, list, i, &v);
    for (u64 i = 0; r == 0 && i < count; i++) {
        struct futex_waiter w = {.bitset = FUTEX_ANY};
        r = waitv_read(t, list, i, &v);
        if (r == 0)
            r = futex_key(t->mm, v.address, v.flags & OP_PRIVATE, MM_READ, &w.key);
        if (r == 0)
            r = expect(t, v.address, (u32)v.value);
        if (r == 0)
            r = futex_enqueue(m, t, &w);
    }
    if (r)
        futex_forget(m, t);
    return r;
}

i64 sys_futex_waitv(struct machine *m, struct task *t, const u64 *a)
{
    u32 count = (u32)a[1], clock = (u32)a[4];
    int r = 0;
    if ((u32)a[2] || !count || count > WAITV_MOST || !a[0])
        return -EINVAL;
    if (a[3] && clock > 1)
        return -EINVAL;
    if (a[3] && !t->call.deadline)
        r = futex_timeout(m, t, a[3], true, clock == 0);
    if (r == 0 && !t->futex)
        r = waitv_enqueue(m, t, a[0], count);
    if (r)
        return r;
    i64 woken = -1, at = count - 1; // the last waiter made comes first
    for (u32 id = t->futex; id; id = futex_at(m, id)->sibling, at--)
        if (futex_at(m, id)->woken && woken < 0)
            woken = at;
    i64 e = futex_sleep(m, t, a[3] != 0, -ERESTARTSYS);
    return e ? e : woken;
}
