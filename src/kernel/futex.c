// futex(2): wait, wake, requeue, bitset; robust lists at a thread's end. PI futexes answer ENOSYS.
//
// A private futex is named by (address space, address); a shared one by its frame's backing page.

#include <errno.h>

#include "base/panic.h"
#include "kernel/machine.h"
#include "kernel/syscall.h"
#include "mm/region.h"
#include "mm/uaccess.h"

enum { FUTEX_WAIT, FUTEX_WAKE, FUTEX_REQUEUE = 3, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP,
       FUTEX_WAIT_BITSET = 9, FUTEX_WAKE_BITSET, FUTEX_PRIVATE = 128, FUTEX_REALTIME = 256 };

#define FUTEX_WAITERS 0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_TID_MASK 0x3fffffffu
#define ROBUST_LIMIT 2048

struct futex_key {
    u64 object, offset; // mm or backing, and the address or offset in it
};

struct futex_waiter { // pool `futex`; in the order of arrival
    struct futex_key key;
    task_t task;
    u32 bitset;
    u32 next, prev;
    bool woken;
};

static struct futex_waiter *at(struct machine *m, u32 id)
{
    return pool_at(&m->futex, id);
}

static int key_of(struct mm *mm, gva_t addr, bool private, struct futex_key *out)
{
    if (addr & 3)
        return -EINVAL;
    const struct region *g = region_find(mm, addr);
    if (!private && g && g->flags & REGION_SHARED)
        *out = (struct futex_key){(u64)(uintptr_t)g->backing, addr - g->start + (g->page << PAGE_SHIFT)};
    else
        *out = (struct futex_key){(u64)(uintptr_t)mm, addr};
    return 0;
}

static bool same(const struct futex_key *a, const struct futex_key *b)
{
    return a->object == b->object && a->offset == b->offset;
}

static u32 *bucket(struct machine *m, const struct futex_key *k)
{
    return &m->futex_bucket[((k->object ^ k->offset) * 0x9e3779b97f4a7c15ULL) >> 58];
}

static void link_waiter(struct machine *m, u32 id)
{
    struct futex_waiter *w = at(m, id);
    u32 *head = bucket(m, &w->key);
    w->next = 0;
    w->prev = 0;
    if (!*head) {
        *head = id;
        return;
    }
    u32 last = *head;
    while (at(m, last)->next)
        last = at(m, last)->next;
    at(m, last)->next = id;
    w->prev = last;
}

static void unlink_waiter(struct machine *m, u32 id)
{
    struct futex_waiter *w = at(m, id);
    if (w->prev)
        at(m, w->prev)->next = w->next;
    else if (*bucket(m, &w->key) == id)
        *bucket(m, &w->key) = w->next;
    if (w->next)
        at(m, w->next)->prev = w->prev;
    w->next = w->prev = 0;
}

static u32 wake_key(struct machine *m, const struct futex_key *k, u32 count, u32 bitset)
{
    u32 woken = 0;
    for (u32 id = *bucket(m, k), next; id && woken < count; id = next) {
        struct futex_waiter *w = at(m, id);
        next = w->next;
        if (!same(&w->key, k) || !(w->bitset & bitset))
            continue;
        unlink_waiter(m, id);
        w->woken = true;
        task_wake(m, task_at(m, w->task));
        woken++;
    }
    return woken;
}

int futex_wake_address(struct machine *m, struct mm *mm, gva_t addr, u32 count, u32 bitset)
{
    struct futex_key k;
    int r = key_of(mm, addr, true, &k);
    if (r)
        return r;
    u32 n = wake_key(m, &k, count, bitset);
    if (n < count && key_of(mm, addr, false, &k) == 0)
        n += wake_key(m, &k, count - n, bitset);
    return (int)n;
}

// A waiter whose task ends or is interrupted leaves no trace.
void futex_forget(struct machine *m, struct task *t)
{
    u32 id = t->futex;
    if (!id)
        return;
    t->futex = 0;
    if (!at(m, id)->woken)
        unlink_waiter(m, id);
    pool_free(&m->futex, id);
}

static i64 futex_wait(struct machine *m, struct task *t, gva_t addr, u32 value, bool private,
                      u32 bitset, bool timed)
{
    if (t->futex) { // entered again
        bool woken = at(m, t->futex)->woken;
        if (woken || t->timed_out) {
            futex_forget(m, t);
            return woken ? 0 : -ETIMEDOUT;
        }
    } else {
        struct futex_key k;
        u32 now, id;
        if (!bitset)
            return -EINVAL;
        int r = key_of(t->mm, addr, private, &k);
        if (r == 0)
            r = uaccess_read_u32(t->mm, &now, addr);
        if (r)
            return r;
        if (now != value)
            return -EAGAIN;
        if (timed && machine_time(m) >= t->call.deadline)
            return -ETIMEDOUT;
        r = pool_new(&m->futex, &id);
        if (r)
            return r;
        *at(m, id) = (struct futex_waiter){.key = k, .task = t->id, .bitset = bitset};
        link_waiter(m, id);
        t->futex = id;
    }
    if (timed)
        park_until(m, t, t->call.deadline);
    int r = park(m, t);
    if (r == -EPARK)
        return r;
    futex_forget(m, t);
    return timed ? -ERESTARTNOHAND : -ERESTARTSYS;
}

static i64 futex_requeue(struct machine *m, struct task *t, const u64 *a, bool private, bool compare)
{
    struct futex_key from, to;
    u32 now, moved = 0;
    int r = key_of(t->mm, a[0], private, &from);
    if (r == 0)
        r = key_of(t->mm, a[4], private, &to);
    if (r == 0)
        r = uaccess_read_u32(t->mm, &now, a[0]);
    if (r)
        return r;
    if ((i32)a[2] < 0 || (i32)a[3] < 0)
        return -EINVAL;
    if (compare && now != (u32)a[5])
        return -EAGAIN;
    u32 woken = wake_key(m, &from, (u32)a[2], ~0u);
    if (same(&from, &to))
        return woken;
    for (u32 id = *bucket(m, &from), next; id && moved < (u32)a[3]; id = next) {
        struct futex_waiter *w = at(m, id);
        next = w->next;
        if (!same(&w->key, &from))
            continue;
        unlink_waiter(m, id);
        w->key = to;
        link_waiter(m, id);
        moved++;
    }
    return woken + moved;
}

static bool wake_op_holds(u32 op, u32 old, u32 argument)
{
    switch (op >> 24 & 15) {
    case 0: return old == argument;
    case 1: return old != argument;
    case 2: return (i32)old < (i32)argument;
    case 3: return (i32)old <= (i32)argument;
    case 4: return (i32)old > (i32)argument;
    default: return (i32)old >= (i32)argument;
    }
}

static i64 futex_wake_op(struct machine *m, struct task *t, const u64 *a, bool private)
{
    u32 op = (u32)a[5], old, fresh;
    u32 arg = (u32)((i32)(op << 8) >> 20), compare = (u32)((i32)(op << 20) >> 20);
    struct futex_key k1, k2;
    int r = key_of(t->mm, a[0], private, &k1);
    if (r == 0)
        r = key_of(t->mm, a[4], private, &k2);
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
    if (r)
        return r;
    u32 n = wake_key(m, &k1, (u32)a[2], ~0u);
    if (wake_op_holds(op, old, compare))
        n += wake_key(m, &k2, (u32)a[3], ~0u);
    return n;
}

// FUTEX_WAIT's time-out is relative, FUTEX_WAIT_BITSET's absolute.
static int futex_timeout(struct machine *m, struct task *t, gva_t from, bool absolute, bool realtime)
{
    u64 when, now = machine_time(m), base = realtime ? machine_realtime(m) : now;
    int r = timeout_arg(m, t, from, &when);
    if (r)
        return r;
    if (absolute) {
        u64 given = when - now; // timeout_arg added the present
        t->call.deadline = given > base ? now + (given - base) : 1;
    } else {
        t->call.deadline = when;
    }
    return 0;
}

i64 sys_futex(struct machine *m, struct task *t, const u64 *a)
{
    u32 op = (u32)a[1] & ~(u32)(FUTEX_PRIVATE | FUTEX_REALTIME);
    bool private = a[1] & FUTEX_PRIVATE, timed = a[3] != 0;
    struct futex_key k;
    int r;
    switch (op) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
        if (timed && !t->futex && !t->call.deadline) {
            r = futex_timeout(m, t, a[3], op == FUTEX_WAIT_BITSET, a[1] & FUTEX_REALTIME);
            if (r)
                return r;
        }
        return futex_wait(m, t, a[0], (u32)a[2], private, op == FUTEX_WAIT ? ~0u : (u32)a[5], timed);
    case FUTEX_WAKE:
    case FUTEX_WAKE_BITSET:
        r = key_of(t->mm, a[0], private, &k);
        if (r)
            return r;
        if (op == FUTEX_WAKE_BITSET && !a[5])
            return -EINVAL;
        return wake_key(m, &k, (u32)a[2], op == FUTEX_WAKE ? ~0u : (u32)a[5]);
    case FUTEX_REQUEUE:
    case FUTEX_CMP_REQUEUE:
        return futex_requeue(m, t, a, private, op == FUTEX_CMP_REQUEUE);
    case FUTEX_WAKE_OP:
        return futex_wake_op(m, t, a, private);
    default:
        return -ENOSYS;
    }
}

// ---- robust lists: set_robust_list(2) ------------------------------------------------------------

i64 sys_set_robust_list(struct machine *m, struct task *t, const u64 *a)
{
    (void)m;
    if (a[1] != 24)
        return -EINVAL;
    t->robust_list = a[0];
    return 0;
}

i64 sys_get_robust_list(struct machine *m, struct task *t, const u64 *a)
{
    task_t id = a[0] ? pid_find(m, (u32)a[0]) : t->id;
    if (!id)
        return -ESRCH;
    int r = uaccess_write_u64(t->mm, a[2], 24);
    return r ? r : uaccess_write_u64(t->mm, a[1], task_at(m, id)->robust_list);
}

static void owner_died(struct machine *m, struct task *t, gva_t word)
{
    u32 value;
    if (word & 3 || uaccess_read_u32(t->mm, &value, word) || (value & FUTEX_TID_MASK) != t->tid)
        return;
    if (uaccess_write_u32(t->mm, word, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED))
        return;
    if (value & FUTEX_WAITERS)
        (void)futex_wake_address(m, t->mm, word, 1, ~0u);
}

void futex_exit_robust(struct machine *m, struct task *t)
{
    gva_t entry, pending;
    u64 offset;
    futex_forget(m, t);
    if (!t->robust_list || !t->mm)
        return;
    gva_t head = t->robust_list;
    t->robust_list = 0;
    if (uaccess_read_u64(t->mm, &entry, head) || uaccess_read_u64(t->mm, &offset, head + 8) ||
        uaccess_read_u64(t->mm, &pending, head + 16))
        return;
    for (u32 n = 0; entry != head && n < ROBUST_LIMIT; n++) {
        gva_t next;
        bool last = uaccess_read_u64(t->mm, &next, entry & ~1ULL);
        if ((entry & ~1ULL) != pending)
            owner_died(m, t, (entry & ~1ULL) + offset);
        if (last)
            break;
        entry = next;
    }
    if (pending)
        owner_died(m, t, (pending & ~1ULL) + offset);
}
