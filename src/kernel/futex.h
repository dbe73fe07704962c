// Futexes inside the kernel: who waits on which word. futex.c has the queue and the plain calls,
// futex_pi.c the words that say who owns them, futex_robust.c what a thread's end does.
//
// (U1) A word is named by numbers: the address space and the address, or for shared memory the
//      backing and the offset in it, so that a copy of the machine needs no translation.
// (U2) A task's waiters hang on task.futex; more than one only in futex_waitv. Each is in its
//      word's bucket, in the order of arrival, until it is woken.
// (U3) A waiter of kind FUTEX_FOR_LOCK waits for `owner`, and owner->futex_lockers counts those.
#ifndef KERNEL_FUTEX_H
#define KERNEL_FUTEX_H

#include "kernel/machine.h"

#define FUTEX_WAITERS 0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_TID_MASK 0x3fffffffu
#define FUTEX_ANY (~0u) // bitset

enum futex_kind {
    FUTEX_PLAIN,
    FUTEX_FOR_REQUEUE, // of FUTEX_WAIT_REQUEUE_PI: to be moved to the lock `target`
    FUTEX_FOR_LOCK,    // wants the lock itself
};

#define FUTEX_KEY_SHARED (1ULL << 63)
struct futex_key {
    u64 object; // the address space's serial number; or the backing's, with FUTEX_KEY_SHARED
    u64 offset;
};

struct futex_waiter { // pool `futex`; owns nothing
    struct futex_key key, target;
    gva_t lock;      // FOR_REQUEUE, FOR_LOCK: the lock's address in the waiter's memory
    task_t task;
    task_t owner;    // FOR_LOCK
    u32 bitset;
    u32 next, prev;  // in the bucket
    u32 sibling;     // the task's next one
    u8 kind;
    bool woken;
};

// Where the word is: -EINVAL, -EFAULT. A private one is only checked for being an address.
MUST_CHECK int futex_key(struct mm *mm, gva_t addr, bool private, enum mm_access want,
                         struct futex_key *out);
static inline bool futex_same(const struct futex_key *a, const struct futex_key *b)
{
    return a->object == b->object && a->offset == b->offset;
}

struct futex_waiter *futex_at(struct machine *m, u32 id);
MUST_CHECK int futex_enqueue(struct machine *m, struct task *t, const struct futex_waiter *w);
void futex_move(struct machine *m, u32 id, const struct futex_key *to); // to the end of another word's
u32 futex_first(struct machine *m, const struct futex_key *k);          // 0 = nobody waits
u32 futex_next(struct machine *m, u32 id, const struct futex_key *k);
void futex_wake_one(struct machine *m, u32 id);
// How many; -EINVAL if one of them waits for a lock, which nobody is woken from but by unlocking.
i64 futex_wake_key(struct machine *m, const struct futex_key *k, i32 count, u32 bitset);
// The time-out argument of a futex call into call.deadline. -EFAULT, -EINVAL
MUST_CHECK int futex_timeout(struct machine *m, struct task *t, gva_t from, bool absolute, bool realtime);
// Sleeps on until woken: 0, -ETIMEDOUT, `interrupted`, or -EPARK. The waiters are gone unless -EPARK.
i64 futex_sleep(struct machine *m, struct task *t, bool timed, int interrupted);

// ---- futex_pi.c
i64 futex_lock_pi(struct machine *m, struct task *t, const u64 *a, bool private, bool realtime, bool try);
i64 futex_unlock_pi(struct machine *m, struct task *t, gva_t addr, bool private);
i64 futex_wait_requeue_pi(struct machine *m, struct task *t, const u64 *a, bool private, bool realtime);
i64 futex_requeue_pi(struct machine *m, struct task *t, const u64 *a, bool private);
void futex_locker_gone(struct machine *m, struct futex_waiter *w);
void futex_owner_ends(struct machine *m, struct task *t); // its locks go to who waits first

#endif
