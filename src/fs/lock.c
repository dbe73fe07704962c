// Record locks and flock, of the machine's own processes among themselves.
//
// (LK1) The locks of one owner on one file never overlap, for each of the two families.
// (LK2) A lock is released with its description (flock, OFD), or when its owner closes any
//       descriptor of the file (fcntl(2)).
#include <errno.h>

#include "base/alloc.h"
#include "base/forking.h"
#include "fs/internal.h"

struct lock {
    struct lock *next;
    u64 dev, ino;
    u64 owner; // fdtable.id, or LOCK_OF_FILE
    i64 first, last; // bytes, inclusive; last = INT64_MAX: to the end
    i32 pid;
    i16 type; // ABI_F_RDLCK, ABI_F_WRLCK
    bool flock;
};

static u64 chan_of(u64 ino)
{
    return CHAN(CHAN_LOCK, (u32)(ino ^ ino >> 32));
}

static struct lock *conflict(struct fs *fs, const struct lock *want)
{
    for (struct lock *l = fs->locks; l; l = l->next)
        if (l->dev == want->dev && l->ino == want->ino && l->flock == want->flock &&
            l->owner != want->owner && l->first <= want->last && want->first <= l->last &&
            (l->type == ABI_F_WRLCK || want->type == ABI_F_WRLCK))
            return l;
    return NULL;
}

// Cuts [first, last] out of the owner's locks, then adds `want` unless it unlocks. `spare` holds up
// to two blocks, enough for a hole and a new lock; what is used is set to NULL.
static void apply(struct fs *fs, const struct lock *want, struct lock *spare[2])
{
    struct lock **at = &fs->locks, *l;
    while ((l = *at)) {
        if (l->dev != want->dev || l->ino != want->ino || l->owner != want->owner ||
            l->flock != want->flock || l->first > want->last || want->first > l->last) {
            at = &l->next;
            continue;
        }
        bool before = l->first < want->first, after = l->last > want->last;
        if (before && after) {
            struct lock *rest = spare[0];
            spare[0] = NULL;
            *rest = *l;
            rest->first = want->last + 1;
            l->last = want->first - 1;
            l->next = rest;
            at = &rest->next;
        } else if (before) {
            l->last = want->first - 1;
            at = &l->next;
        } else if (after) {
            l->first = want->last + 1;
            at = &l->next;
        } else {
            *at = l->next;
            mem_free(l);
        }
    }
    if (want->type != ABI_F_UNLCK) {
        *spare[1] = *want;
        spare[1]->next = fs->locks;
        fs->locks = spare[1];
        spare[1] = NULL;
    }
    fs_wake(fs, chan_of(want->ino));
}

static int set(struct fs *fs, const struct lock *want)
{
    if (want->type != ABI_F_UNLCK && conflict(fs, want))
        return -EAGAIN;
    struct lock *spare[2] = {mem_alloc(sizeof(*want)), mem_alloc(sizeof(*want))};
    int r = spare[0] && spare[1] ? 0 : -ENOMEM;
    if (r == 0)
        apply(fs, want, spare);
    mem_free(spare[0]);
    mem_free(spare[1]);
    return r;
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
    if (!get)
        return set(fs, &want);
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

int file_flock(struct fs *fs, file_t id, int operation)
{
    struct file *f = file_at(fs, id);
    if (!f || (f->flags & ABI_O_PATH))
        return -EBADF;
    struct lock want = {.dev = f->dev, .ino = f->ino, .owner = LOCK_OF_FILE(id), .flock = true,
                        .last = INT64_MAX};
    switch (operation & ~ABI_LOCK_NB) {
    case ABI_LOCK_SH:
        want.type = ABI_F_RDLCK;
        break;
    case ABI_LOCK_EX:
        want.type = ABI_F_WRLCK;
        break;
    case ABI_LOCK_UN:
        want.type = ABI_F_UNLCK;
        break;
    default:
        return -EINVAL;
    }
    return set(fs, &want);
}

void file_lock_wait(struct fs *fs, file_t id, struct wait_spec *out)
{
    struct file *f = file_at(fs, id);
    *out = (struct wait_spec){.host_fd = -1};
    if (f)
        out->chan[out->nchan++] = chan_of(f->ino);
}

void locks_release_owner(struct fs *fs, u64 dev, u64 ino, u64 owner)
{
    struct lock **at = &fs->locks, *l;
    while ((l = *at)) {
        bool match = (!owner || l->owner == owner) && (!dev || (l->dev == dev && l->ino == ino));
        if (!match) {
            at = &l->next;
            continue;
        }
        u64 chan = chan_of(l->ino);
        *at = l->next;
        mem_free(l);
        fs_wake(fs, chan);
    }
}

void locks_release_file(struct fs *fs, file_t id)
{
    if (fs->locks)
        locks_release_owner(fs, 0, 0, LOCK_OF_FILE(id));
}

struct lock *locks_copy(struct forking *f, const struct lock *from)
{
    struct lock *first = NULL, **at = &first;
    for (; from; from = from->next) {
        *at = forking_dup(f, from, sizeof *from);
        if (!*at)
            break;
        at = &(*at)->next;
        *at = NULL;
    }
    return first;
}

void locks_drop(struct fs *fs)
{
    for (struct lock *l = fs->locks, *next; l; l = next) {
        next = l->next;
        mem_free(l);
    }
    fs->locks = NULL;
}
