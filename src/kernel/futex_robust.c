// Robust lists: what a thread held when it ended is marked, and a waiter told (set_robust_list(2)).
#include <errno.h>

#include "kernel/access.h"
#include "kernel/futex.h"
#include "kernel/syscall.h"
#include "mm/uaccess.h"

#define ROBUST_LIMIT 2048
#define HEAD_BYTES 24u
#define ENTRY_PI 1u // in an entry's address: the lock is a priority-inheritance one

i64 sys_set_robust_list(struct machine *m, struct task *t, const u64 *a)
{
    (void)m;
    if (a[1] != HEAD_BYTES)
        return -EINVAL;
    t->robust_list = a[0];
    return 0;
}

i64 sys_get_robust_list(struct machine *m, struct task *t, const u64 *a)
{
    task_t id = (i32)a[0] > 0 ? pid_find(m, (u32)a[0]) : (i32)a[0] == 0 ? t->id : 0;
    if (!id && (i32)a[0] > 0 && group_find(m, (u32)a[0])) // tine's reaper, which is no task
        return -EPERM;
    if (!id)
        return -ESRCH;
    if (!may_trace(m, t, task_at(m, id)))
        return -EPERM;
    int r = uaccess_write_u64(t->mm, a[2], HEAD_BYTES);
    return r ? r : uaccess_write_u64(t->mm, a[1], task_at(m, id)->robust_list);
}

// `pending`: the thread ended while it took or gave the lock, so that nobody may own it any more
// while somebody still sleeps.
static void owner_died(struct machine *m, struct task *t, gva_t word, bool pi, bool pending)
{
    u32 value;
    if (word & 3 || uaccess_read_u32(t->mm, &value, word))
        return;
    if (pending && !pi && !value) {
        (void)futex_wake_address(m, t->mm, word, 1, FUTEX_ANY);
        return;
    }
    if ((value & FUTEX_TID_MASK) != t->tid)
        return;
    if (uaccess_write_u32(t->mm, word, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED))
        return;
    if (!pi && value & FUTEX_WAITERS)
        (void)futex_wake_address(m, t->mm, word, 1, FUTEX_ANY);
}

static void walk_list(struct machine *m, struct task *t, gva_t head)
{
    gva_t entry, pending;
    u64 offset;
    if (uaccess_read_u64(t->mm, &entry, head) || uaccess_read_u64(t->mm, &offset, head + 8) ||
        uaccess_read_u64(t->mm, &pending, head + 16))
        return;
    for (u32 n = 0; (entry & ~1ULL) != head && n < ROBUST_LIMIT; n++) {
        gva_t next;
        bool last = uaccess_read_u64(t->mm, &next, entry & ~1ULL);
        if ((entry & ~1ULL) != (pending & ~1ULL))
            owner_died(m, t, (entry & ~1ULL) + offset, entry & ENTRY_PI, false);
        if (last)
            break;
        entry = next;
    }
    if (pending)
        owner_died(m, t, (pending & ~1ULL) + offset, pending & ENTRY_PI, true);
}

void futex_exit_robust(struct machine *m, struct task *t)
{
    gva_t head = t->robust_list;
    futex_forget(m, t);
    t->robust_list = 0;
    if (head && t->mm)
        walk_list(m, t, head);
    futex_owner_ends(m, t);
}
