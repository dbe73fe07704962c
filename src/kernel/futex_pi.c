// Futexes that name their owner: FUTEX_LOCK_PI and its kin (futex(2), "Priority-inheritance futexes").
//
// The word holds the owner's thread id, and FUTEX_WAITERS once somebody sleeps in the kernel; then the
// lock goes from hand to hand here: who waits first becomes the owner before it wakes. All threads
// have one priority in this machine, so that there is none to inherit, and the order is that of arrival.
#include "kernel/futex.h"

#include <errno.h>

#include "mm/uaccess.h"

#define CHAIN_MOST 1024 // owners who wait for owners

void futex_locker_gone(struct machine *m, struct futex_waiter *w)
{
    if (w->kind != FUTEX_FOR_LOCK || !w->owner)
        return;
    task_at(m, w->owner)->futex_lockers--;
    w->owner = 0;
}

static void set_owner(struct machine *m, struct futex_waiter *w, struct task *owner)
{
    futex_locker_gone(m, w);
    w->owner = owner->id;
    owner->futex_lockers++;
}

// Whoever waits behind the new owner waits for it from now on.
static void hand_over(struct machine *m, u32 id, u32 extra)
{
    struct futex_waiter *w = futex_at(m, id);
    struct futex_key k = w->key;
    struct task *heir = task_at(m, w->task);
    (void)!uaccess_write_u32(heir->mm, w->lock, FUTEX_WAITERS | extra | heir->tid);
    for (u32 other = futex_first(m, &k); other; other = futex_next(m, other, &k))
        if (other != id && futex_at(m, other)->kind == FUTEX_FOR_LOCK)
            set_owner(m, futex_at(m, other), heir);
    futex_wake_one(m, id);
}

// Would `t` wait for itself, behind `owner`?
static int check_chain(struct machine *m, const struct task *t, const struct task *owner)
{
    for (int n = 0; n < CHAIN_MOST; n++) {
        if (owner == t)
            return -EDEADLK;
        const struct futex_waiter *w = owner->futex ? futex_at(m, owner->futex) : NULL;
        if (!w || w->kind != FUTEX_FOR_LOCK || w->woken)
            return 0;
        owner = task_at(m, w->owner);
    }
    return -EDEADLK;
}

// The owner that the word names, alive. With waiters there already, it must be whom they wait for.
static int find_owner(struct machine *m, const struct futex_key *k, u32 value, struct task **out)
{
    u32 first = futex_first(m, k), tid = value & FUTEX_TID_MASK;
    task_t id = pid_find(m, tid);
    if (first && futex_at(m, first)->kind != FUTEX_FOR_LOCK)
        return -EINVAL;
    if (!id || task_at(m, id)->state == TASK_DEAD)
        return first ? -EINVAL : -ESRCH;
    if (group_of(m, task_at(m, id))->kernel)
        return -EPERM;
    if (first && futex_at(m, first)->owner != id)
        return -EINVAL;
    *out = task_at(m, id);
    return 0;
}

// Takes the lock for `t` if it is free: 1. 0: it is `*owner`'s, and the word says that somebody waits.
static int try_lock(struct machine *m, struct mm *mm, gva_t addr, const struct futex_key *k,
                    struct task *t, bool leave_waiters, struct task **owner)
{
    u32 value;
    int r = uaccess_read_u32(mm, &value, addr);
    if (r)
        return r;
    if ((value & FUTEX_TID_MASK) == t->tid)
        return -EDEADLK;
    if (!(value & FUTEX_TID_MASK) && !futex_first(m, k)) {
        u32 fresh = (value & FUTEX_OWNER_DIED) | t->tid | (leave_waiters ? FUTEX_WAITERS : 0);
        r = uaccess_write_u32(mm, addr, fresh);
        return r ? r : 1;
    }
    r = find_owner(m, k, value, owner);
    return r ? r : uaccess_write_u32(mm, addr, value | FUTEX_WAITERS);
}

i64 futex_lock_pi(struct machine *m, struct task *t, const u64 *a, bool private, bool timed, bool try)
{
    if (!t->futex) {
        struct futex_waiter w = {.kind = FUTEX_FOR_LOCK, .lock = a[0], .bitset = FUTEX_ANY};
        struct task *owner;
        int r = futex_key(t->mm, a[0], private, MM_WRITE, &w.key);
        if (r == 0)
            r = try_lock(m, t->mm, a[0], &w.key, t, false, &owner);
        if (r)
            return r == 1 ? 0 : r;
        if (try)
            return -EAGAIN;
        w.owner = owner->id;
        r = check_chain(m, t, owner);
        if (r == 0)
            r = futex_enqueue(m, t, &w);
        if (r)
            return r;
    }
    return futex_sleep(m, t, timed, -ERESTARTNOINTR);
}

i64 futex_unlock_pi(struct machine *m, struct task *t, gva_t addr, bool private)
{
    struct futex_key k;
    u32 value;
    int r = futex_key(t->mm, addr, private, MM_WRITE, &k);
    if (r == 0)
        r = uaccess_read_u32(t->mm, &value, addr);
    if (r)
        return r;
    if ((value & FUTEX_TID_MASK) != t->tid)
        return -EPERM;
    r = uaccess_check(t->mm, addr, 4, MM_WRITE);
    u32 first = futex_first(m, &k);
    if (r || !first)
        return r ? r : uaccess_write_u32(t->mm, addr, 0);
    if (futex_at(m, first)->kind != FUTEX_FOR_LOCK || futex_at(m, first)->owner != t->id)
        return -EINVAL;
    hand_over(m, first, 0);
    return 0;
}

// ---- condition variables: wait on one word, wake up with the lock of another

i64 futex_wait_requeue_pi(struct machine *m, struct task *t, const u64 *a, bool private, bool timed)
{
    if (!t->futex) {
        struct futex_waiter w = {.kind = FUTEX_FOR_REQUEUE, .lock = a[4], .bitset = FUTEX_ANY};
        u32 now;
        if (a[0] == a[4])
            return -EINVAL;
        int r = futex_key(t->mm, a[4], private, MM_WRITE, &w.target);
        if (r == 0)
            r = futex_key(t->mm, a[0], private, MM_READ, &w.key);
        if (r == 0)
            r = uaccess_read_u32(t->mm, &now, a[0]);
        if (r == 0 && futex_same(&w.key, &w.target))
            r = -EINVAL;
        if (r == 0 && now != (u32)a[2])
            r = -EAGAIN;
        if (r == 0)
            r = futex_enqueue(m, t, &w);
        if (r)
            return r;
    }
    // moved already: it cannot start again from the beginning
    bool moved = futex_at(m, t->futex)->kind == FUTEX_FOR_LOCK;
    return futex_sleep(m, t, timed, moved ? -EAGAIN : -ERESTARTNOINTR);
}

i64 futex_requeue_pi(struct machine *m, struct task *t, const u64 *a, bool private)
{
    struct futex_key from, to;
    i32 most = (i32)a[3], done = 0;
    u32 now;
    if ((i32)a[2] != 1 || most < 0 || a[0] == a[4])
        return -EINVAL;
    int r = futex_key(t->mm, a[0], private, MM_READ, &from);
    if (r == 0)
        r = futex_key(t->mm, a[4], private, MM_WRITE, &to);
    if (r == 0)
        r = uaccess_read_u32(t->mm, &now, a[0]);
    if (r == 0 && futex_same(&from, &to))
        r = -EINVAL;
    if (r == 0 && now != (u32)a[5])
        r = -EAGAIN;
    if (r)
        return r;
    for (u32 id = futex_first(m, &from), next; id && done - 1 < most; id = next) {
        struct futex_waiter *w = futex_at(m, id);
        struct task *waiter = task_at(m, w->task), *owner;
        next = futex_next(m, id, &from);
        if (w->kind != FUTEX_FOR_REQUEUE || !futex_same(&w->target, &to))
            return done ? done : -EINVAL;
        r = try_lock(m, t->mm, a[4], &to, waiter, most > 0, &owner);
        if (r == 0)
            r = check_chain(m, waiter, owner);
        if (r < 0)
            return done ? done : r;
        w->kind = r ? FUTEX_PLAIN : FUTEX_FOR_LOCK;
        if (r) { // the lock was free and is this waiter's
            futex_wake_one(m, id);
        } else {
            set_owner(m, w, owner);
            futex_move(m, id, &to);
        }
        done++;
    }
    return done;
}

// Linux wakes the heir with FUTEX_OWNER_DIED in the word, whether or not the lock was in a robust list.
void futex_owner_ends(struct machine *m, struct task *t)
{
    u32 id = 0;
    while (t->futex_lockers && (id = pool_next(&m->futex, id))) {
        struct futex_key k = futex_at(m, id)->key;
        if (futex_at(m, id)->kind != FUTEX_FOR_LOCK || futex_at(m, id)->owner != t->id)
            continue;
        u32 heir = futex_first(m, &k);
        while (futex_at(m, heir)->kind != FUTEX_FOR_LOCK) // a stray FUTEX_WAIT on the word
            heir = futex_next(m, heir, &k);
        hand_over(m, heir, FUTEX_OWNER_DIED);
    }
}
