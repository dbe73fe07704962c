// Record locks and flock, of the machine's own processes among themselves.
//
// (LK1) The locks of one owner on one file never overlap, for each of the two families.
// (LK2) A lock is released with its description (flock, OFD), or when its owner closes any
//       descriptor of the file (fcntl(2)).
// (LK3) A lock of fcntl's first family that would close a circle of waiting owners is refused.
#include <errno.h>

#include "fs/internal.h"

struct lock { // pool `locks`; also what somebody waits for
    u32 next;
    bool flock;
    i16 type; // ABI_F_RDLCK, ABI_F_WRLCK
    i32 pid;
    u64 dev, ino;
    u64 owner; // fdtable.id, or LOCK_OF_FILE
    i64 first, last; // bytes, inclusive; last = INT64_MAX: to the end
};

const struct pool_kind locks_pool = {.size = sizeof(struct lock)};

static struct lock *lock_at(struct fs *fs, u32 id)
{
    return pool_at(&fs->locks, id);
}

static u64 chan_of(u64 ino)
{
    return CHAN(CHAN_LOCK, (u32)(ino ^ ino >> 32));
}

static bool overlap(const struct lock *a, const struct lock *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->flock == b->flock && a->first <= b->last &&
           b->first <= a->last;
}

static bool conflicting(const struct lock *l, const struct lock *want)
{
    return overlap(l, want) && l->owner != want->owner &&
           (l->type == ABI_F_WRLCK || want->type == ABI_F_WRLCK);
}

// The lock in the way that begins first, or NULL.
static struct lock *conflict(struct fs *fs, const struct lock *want)
{
    struct lock *found = NULL;
    for (u32 id = fs->lock_head; id; id = lock_at(fs, id)->next) {
        struct lock *l = lock_at(fs, id);
        if (conflicting(l, want) && (!found || l->first < found->first))
            found = l;
    }
    return found;
}

// Neighbours of one owner and one type are one lock.
static void join(struct fs *fs, struct lock *want)
{
    bool more = want->type != ABI_F_UNLCK && !want->flock;
    while (more) {
        more = false;
        for (u32 id = fs->lock_head; id; id = lock_at(fs, id)->next) {
            const struct lock *l = lock_at(fs, id);
            if (l->dev != want->dev || l->ino != want->ino || l->owner != want->owner || l->flock ||
                l->type != want->type || (l->first >= want->first && l->last <= want->last))
                continue;
            bool touches = (l->first == 0 || l->first - 1 <= want->last) &&
                           (want->first == 0 || want->first - 1 <= l->last);
            if (!touches)
                continue;
            want->first = MIN(want->first, l->first);
            want->last = MAX(want->last, l->last);
            more = true;
        }
    }
}

// Cuts [first, last] out of the owner's locks, then adds `want` unless it unlocks. `spare`: two rows,
// enough for a hole and a new lock; what is used is set to 0.
static void apply(struct fs *fs, struct lock *want, u32 spare[2])
{
    join(fs, want);
    for (u32 *at = &fs->lock_head, id; (id = *at);) {
        struct lock *l = lock_at(fs, id);
        if (!overlap(l, want) || l->owner != want->owner) {
            at = &l->next;
            continue;
        }
        bool before = l->first < want->first, after = l->last > want->last;
        if (before && after) {
            struct lock *rest = lock_at(fs, spare[0]);
            *rest = *l;
            rest->first = want->last + 1;
            l->last = want->first - 1;
            l->next = spare[0];
            spare[0] = 0;
            at = &rest->next;
        } else if (before) {
            l->last = want->first - 1;
            at = &l->next;
        } else if (after) {
            l->first = want->last + 1;
            at = &l->next;
        } else {
            *at = l->next;
            pool_free(&fs->locks, id);
        }
    }
    if (want->type != ABI_F_UNLCK) {
        want->next = fs->lock_head;
        *lock_at(fs, spare[1]) = *want;
        fs->lock_head = spare[1];
        spare[1] = 0;
    }
    fs_wake(fs, chan_of(want->ino));
}

static int set(struct fs *fs, struct lock *want)
{
    u32 spare[2] = {0, 0};
    if (want->type != ABI_F_UNLCK && conflict(fs, want))
        return -EAGAIN;
    int r = pool_new(&fs->locks, &spare[0]);
    if (r == 0)
        r = pool_new(&fs->locks, &spare[1]);
    if (r == 0)
        apply(fs, want, spare);
    for (int i = 0; i < 2; i++)
        if (spare[i])
            pool_free(&fs->locks, spare[i]);
    return r;
}

// ---- circles: who waits for a lock is a row too

#define CIRCLE_STEPS 1000u // looked at; a longer chain is not called a circle

// Does `owner` wait, itself or through others, for a lock of `target`?
static bool waits_for(struct fs *fs, u64 owner, u64 target, u32 depth, u32 *steps)
{
    for (u32 w = depth ? fs->lock_waits : 0; w; w = lock_at(fs, w)->next) {
        const struct lock *want = lock_at(fs, w);
        if (want->owner != owner)
            continue;
        for (u32 id = fs->lock_head; id && *steps; id = lock_at(fs, id)->next) {
            const struct lock *l = lock_at(fs, id);
            --*steps;
            if (conflicting(l, want) &&
                (l->owner == target || waits_for(fs, l->owner, target, depth - 1, steps)))
                return true;
        }
    }
    return false;
}

static bool makes_circle(struct fs *fs, const struct lock *want)
{
    u32 steps = CIRCLE_STEPS;
    for (u32 id = fs->lock_head; id; id = lock_at(fs, id)->next)
        if (conflicting(lock_at(fs, id), want) &&
            waits_for(fs, lock_at(fs, id)->owner, want->owner, 32, &steps))
            return true;
    return false;
}

static int range_of(struct fs *fs, file_t id, const struct abi_flock *lk, struct lock *out)
{
    struct abi_stat s;
    i64 base = 0, start, end;
    if (lk->l_whence == ABI_SEEK_CUR) {
        base = file_seek(fs, id, 0, ABI_SEEK_CUR);
    } else if (lk->l_whence == ABI_SEEK_END) {
        int r = file_stat(fs, id, &s);
        base = r ? r : s.st_size;
    } else if (lk->l_whence != ABI_SEEK_SET) {
        return -EINVAL;
    }
    if (base < 0)
        return (int)base;
    if (__builtin_add_overflow(base, lk->l_start, &start))
        return -EOVERFLOW;
    if (lk->l_len > 0) {
        if (__builtin_add_overflow(start, lk->l_len - 1, &end))
            return -EOVERFLOW;
    } else if (lk->l_len < 0) {
        end = start - 1;
        start += lk->l_len;
    } else {
        end = INT64_MAX;
    }
    if (start < 0)
        return -EINVAL;
    out->first = start;
    out->last = end;
    return 0;
}

int file_lock(struct fs *fs, file_t id, u64 owner, int cmd, struct abi_flock *lk)
{
    struct file *f = file_at(fs, id);
    if (!f || (f->flags & ABI_O_PATH))
        return -EBADF;
    u32 access = f->flags & ABI_O_ACCMODE;
    bool get = cmd == ABI_F_GETLK || cmd == ABI_F_OFD_GETLK;
    bool ofd = cmd == ABI_F_OFD_GETLK || cmd == ABI_F_OFD_SETLK || cmd == ABI_F_OFD_SETLKW;
    if (lk->l_type != ABI_F_RDLCK && lk->l_type != ABI_F_WRLCK && (get || lk->l_type != ABI_F_UNLCK))
        return -EINVAL;
    if (ofd && lk->l_pid)
        return -EINVAL;
    if (!get && ((lk->l_type == ABI_F_RDLCK && access == ABI_O_WRONLY) ||
                 (lk->l_type == ABI_F_WRLCK && access == ABI_O_RDONLY)))
        return -EBADF;
    struct lock want = {.dev = f->dev, .ino = f->ino, .owner = owner, .type = lk->l_type,
                        .pid = ofd ? -1 : lk->l_pid};
    int r = range_of(fs, id, lk, &want);
    if (r)
        return r;
    if (!get) {
        r = set(fs, &want);
        return r == -EAGAIN && cmd == ABI_F_SETLKW && makes_circle(fs, &want) ? -EDEADLK : r;
    }
    struct lock *l = conflict(fs, &want);
    if (!l) {
        lk->l_type = ABI_F_UNLCK;
        return 0;
    }
    *lk = (struct abi_flock){.l_type = l->type, .l_whence = ABI_SEEK_SET, .l_start = l->first,
                             .l_len = l->last == INT64_MAX ? 0 : l->last - l->first + 1,
                             .l_pid = l->pid};
    return 0;
}

// A flock as a lock on everything. -EINVAL
static int whole_of(struct fs *fs, file_t id, int operation, struct lock *out)
{
    static const i16 types[] = {[ABI_LOCK_SH] = ABI_F_RDLCK, [ABI_LOCK_EX] = ABI_F_WRLCK,
                                [ABI_LOCK_UN] = ABI_F_UNLCK};
    struct file *f = file_at(fs, id);
    int what = operation & ~ABI_LOCK_NB;
    if (what != ABI_LOCK_SH && what != ABI_LOCK_EX && what != ABI_LOCK_UN)
        return -EINVAL;
    *out = (struct lock){.dev = f->dev, .ino = f->ino, .owner = LOCK_OF_FILE(id), .flock = true,
                         .last = INT64_MAX, .type = types[what]};
    return 0;
}

int file_flock(struct fs *fs, file_t id, int operation)
{
    struct file *f = file_at(fs, id);
    if (!f || (f->flags & ABI_O_PATH))
        return -EBADF;
    struct lock want;
    int r = whole_of(fs, id, operation, &want);
    return r ? r : set(fs, &want);
}

u64 lock_in_the_way(struct fs *fs, file_t id, u64 owner, const struct abi_flock *lk, int operation, u32 n)
{
    struct file *f = file_at(fs, id);
    struct lock want;
    if (!f)
        return 0;
    if (lk) {
        want = (struct lock){.dev = f->dev, .ino = f->ino, .owner = owner, .type = lk->l_type};
        if (range_of(fs, id, lk, &want))
            return 0;
    } else if (whole_of(fs, id, operation, &want)) {
        return 0;
    }
    for (u32 at = fs->lock_head; at; at = lock_at(fs, at)->next)
        if (conflicting(lock_at(fs, at), &want) && n-- == 0)
            return lock_at(fs, at)->owner;
    return 0;
}

void file_lock_wait(struct fs *fs, file_t id, struct wait_spec *out)
{
    struct file *f = file_at(fs, id);
    *out = (struct wait_spec){.host_fd = -1};
    if (f)
        out->chan[out->nchan++] = chan_of(f->ino);
}

int file_lock_waits(struct fs *fs, file_t id, u64 owner, const struct abi_flock *lk, u32 *wait)
{
    struct file *f = file_at(fs, id);
    struct lock want = {.dev = f->dev, .ino = f->ino, .owner = owner, .type = lk->l_type};
    int r = range_of(fs, id, lk, &want);
    if (r == 0)
        r = pool_new(&fs->locks, wait);
    if (r)
        return r;
    want.next = fs->lock_waits;
    *lock_at(fs, *wait) = want;
    fs->lock_waits = *wait;
    return 0;
}

void file_lock_wait_over(struct fs *fs, u32 wait)
{
    u32 *at = &fs->lock_waits;
    while (*at != wait)
        at = &lock_at(fs, *at)->next;
    *at = lock_at(fs, wait)->next;
    pool_free(&fs->locks, wait);
}

void locks_release_owner(struct fs *fs, u64 dev, u64 ino, u64 owner)
{
    for (u32 *at = &fs->lock_head, id; (id = *at);) {
        struct lock *l = lock_at(fs, id);
        bool match = (!owner || l->owner == owner) && (!dev || (l->dev == dev && l->ino == ino));
        if (!match) {
            at = &l->next;
            continue;
        }
        u64 chan = chan_of(l->ino);
        *at = l->next;
        pool_free(&fs->locks, id);
        fs_wake(fs, chan);
    }
}

void locks_release_file(struct fs *fs, file_t id)
{
    if (fs->lock_head)
        locks_release_owner(fs, 0, 0, LOCK_OF_FILE(id));
}
