#include "fs/fdtable.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/forking.h"
#include "base/panic.h"
#include "fs/internal.h"

#define BITS 6u
#define FAN 64u

// Bit i of `used`: the slot (leaf), or something below it, is in use. Of `full`: no slot below is
// free. Of `cloexec` (leaf): close at exec.
struct fdnode {
    u32 refs;
    u64 used, full, cloexec;
    union {
        file_t file[FAN];          // height 0
        struct fdnode *child[FAN]; // above
    };
};

static u32 index_at(u32 fd, u32 height)
{
    return fd >> (BITS * height) & (FAN - 1);
}

static u64 reach(u32 height) // descriptors below a node of this height
{
    return (u64)1 << (BITS * (height + 1));
}

static struct fdnode *node_new(struct fs *fs, u32 height)
{
    size_t size = offsetof(struct fdnode, file) + FAN * (height ? sizeof(void *) : sizeof(file_t));
    struct fdnode *n = budget_zalloc(fs->budget, size);
    if (n)
        n->refs = 1;
    return n;
}

// Gives one reference of a node back; the last one's children are given back first (D2).
static void node_put(struct fs *fs, struct fdnode *n, u32 height)
{
    if (!n || --n->refs)
        return;
    for (u64 left = n->used; left; left &= left - 1) {
        u32 i = (u32)__builtin_ctzll(left);
        if (height)
            node_put(fs, n->child[i], height - 1);
        else
            file_put(fs, n->file[i]);
    }
    budget_free(n);
}

// Makes the node behind *edge ours alone: keeps it, makes it, or copies it (law L1).
static int node_own(struct fs *fs, struct fdnode **edge, u32 height)
{
    struct fdnode *old = *edge;
    if (old && old->refs == 1)
        return 0;
    struct fdnode *n = node_new(fs, height);
    if (!n)
        return -ENOMEM;
    if (old) {
        n->used = old->used;
        n->full = old->full;
        n->cloexec = old->cloexec;
        for (u64 left = old->used; left; left &= left - 1) {
            u32 i = (u32)__builtin_ctzll(left);
            if (height) {
                n->child[i] = old->child[i];
                n->child[i]->refs++;
            } else {
                n->file[i] = old->file[i];
                file_get(fs, n->file[i]);
            }
        }
        old->refs--;
        ++*fs->fdnodes_copied;
    }
    *edge = n;
    return 0;
}

struct trail { // the nodes from the root to a leaf, all ours
    struct fdnode *node[8];
};

// Owns the path to fd's leaf and makes it where it is missing. -ENOMEM: nothing has changed that can be
// seen from outside.
static int own_path(struct fs *fs, struct fdtable *t, u32 fd, struct trail *trail)
{
    while (fd >= reach(t->height)) { // one level more on top
        struct fdnode *top = node_new(fs, t->height + 1);
        if (!top)
            return -ENOMEM;
        if (t->root) {
            top->child[0] = t->root;
            top->used = 1;
            top->full = ~t->root->full ? 0 : 1;
        }
        t->root = top;
        t->height++;
    }
    struct fdnode **edge = &t->root;
    for (u32 h = t->height;; h--) {
        int r = node_own(fs, edge, h);
        if (r)
            return r;
        trail->node[h] = *edge;
        if (h < t->height) // its parent (ours) names it from now on
            trail->node[h + 1]->used |= (u64)1 << index_at(fd, h + 1);
        if (h == 0)
            return 0;
        edge = &(*edge)->child[index_at(fd, h)];
    }
}

static const struct fdnode *leaf_of(const struct fdtable *t, u32 fd)
{
    if (fd >= reach(t->height))
        return NULL;
    const struct fdnode *n = t->root;
    for (u32 h = t->height; n && h; h--)
        n = n->child[index_at(fd, h)];
    return n;
}

// Writes a slot of a leaf that own_path has made ours. The old file is returned, with its reference.
static file_t put_slot(struct fdtable *t, const struct trail *trail, u32 fd, file_t file, bool cloexec)
{
    struct fdnode *leaf = trail->node[0];
    u32 i = index_at(fd, 0);
    u64 bit = (u64)1 << i;
    file_t old = leaf->file[i];
    leaf->file[i] = file;
    leaf->used = file ? leaf->used | bit : leaf->used & ~bit;
    leaf->full = leaf->used;
    leaf->cloexec = file && cloexec ? leaf->cloexec | bit : leaf->cloexec & ~bit;
    t->open += (u32)(file != 0) - (u32)(old != 0);
    for (u32 h = 1; h <= t->height; h++) {
        bit = (u64)1 << index_at(fd, h);
        bool full = trail->node[h - 1]->full == ~(u64)0;
        trail->node[h]->full = full ? trail->node[h]->full | bit : trail->node[h]->full & ~bit;
    }
    return old;
}

int fdtable_new(struct fs *fs, struct fdtable **out)
{
    struct fdtable *t = mem_zalloc(sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->holders = 1;
    t->id = ++fs->next_owner;
    *out = t;
    return 0;
}

int fdtable_fork(struct fs *fs, struct fdtable *parent, struct fdtable **out)
{
    int r = fdtable_new(fs, out);
    if (r)
        return r;
    (*out)->height = parent->height;
    (*out)->open = parent->open;
    (*out)->root = parent->root;
    if (parent->root)
        parent->root->refs++;
    return 0;
}

void fdtable_get(struct fdtable *t)
{
    t->holders++;
}

void fdtable_put(struct fs *fs, struct fdtable *t)
{
    if (!t || --t->holders)
        return;
    if (t->locks)
        locks_release_owner(fs, 0, 0, t->id);
    if (t->notify)
        fs->unnotify(fs->unnotify_arg, t->id, 0);
    node_put(fs, t->root, t->height);
    mem_free(t);
}

// ---- machine fork --------------------------------------------------------------------------------

// References of the copy are counted anew, edge by edge.
static struct fdnode *node_copy(struct forking *f, struct fdnode *from, u32 height)
{
    bool found;
    struct fdnode *n = forking_find(f, from, &found);
    if (!from || f->error || found) {
        if (!from || !n)
            return NULL;
        n->refs++;
        return n;
    }
    n = node_new(f->fs, height);
    forking_add(f, from, n);
    if (!n) {
        f->error = -ENOMEM;
        return NULL;
    }
    n->full = from->full;
    n->cloexec = from->cloexec;
    n->used = from->used;
    if (!height)
        memcpy(n->file, from->file, sizeof n->file);
    for (u64 left = height ? from->used : 0; left; left &= left - 1) {
        u32 i = (u32)__builtin_ctzll(left);
        n->child[i] = node_copy(f, from->child[i], height - 1);
        if (!n->child[i])
            n->used &= ~((u64)1 << i);
    }
    return n;
}

struct fdtable *fdtable_copy(struct forking *f, struct fdtable *from)
{
    bool found;
    struct fdtable *t = forking_find(f, from, &found);
    if (!found) {
        t = forking_dup(f, from, sizeof *t);
        forking_add(f, from, t);
        if (t) {
            t->holders = 0;
            t->root = node_copy(f, from->root, from->height);
        }
    }
    if (t)
        t->holders++;
    return t;
}

static void node_drop(struct fdnode *n, u32 height)
{
    if (!n || --n->refs)
        return;
    for (u64 left = height ? n->used : 0; left; left &= left - 1)
        node_drop(n->child[__builtin_ctzll(left)], height - 1);
    budget_free(n);
}

void fdtable_drop(struct fdtable *t)
{
    if (!t || --t->holders)
        return;
    node_drop(t->root, t->height);
    mem_free(t);
}

// ---- descriptors ---------------------------------------------------------------------------------

// The lowest free descriptor >= min; may be beyond what the tree reaches.
static u64 find_free(const struct fdnode *n, u32 height, u64 base, u64 min)
{
    u64 span = (u64)1 << (BITS * height);
    if (!n)
        return MAX(base, min);
    u32 i = min > base ? (u32)((min - base) / span) : 0;
    for (; i < FAN; i++) {
        if (n->full >> i & 1)
            continue;
        u64 at = base + i * span;
        if (!height)
            return at;
        u64 fd = find_free(n->child[i], height - 1, at, min);
        if (fd < at + span)
            return fd;
    }
    return base + FAN * span;
}

static u64 lowest_free(const struct fdtable *t, u32 min)
{
    return min >= reach(t->height) ? min : find_free(t->root, t->height, 0, min);
}

bool fd_room(const struct fdtable *t, u64 limit)
{
    return t->open < limit || lowest_free(t, 0) < limit;
}

int fd_alloc(struct fs *fs, struct fdtable *t, file_t file, u32 min, bool cloexec, u64 limit)
{
    struct trail trail;
    if (min >= limit)
        return -EINVAL;
    u64 fd = lowest_free(t, min);
    if (fd >= limit || fd > INT32_MAX)
        return -EMFILE;
    int r = own_path(fs, t, (u32)fd, &trail);
    if (r)
        return r;
    file_t old = put_slot(t, &trail, (u32)fd, file, cloexec);
    ASSERT(!old);
    return (int)fd;
}

int fd_alloc2(struct fs *fs, struct fdtable *t, const file_t file[2], bool cloexec, u64 limit, int fds[2])
{
    file_t back;
    fds[0] = fd_alloc(fs, t, file[0], 0, cloexec, limit);
    if (fds[0] < 0)
        return fds[0] == -EINVAL ? -EMFILE : fds[0];
    fds[1] = fd_alloc(fs, t, file[1], 0, cloexec, limit);
    if (fds[1] >= 0)
        return 0;
    int r = fd_take(fs, t, (u32)fds[0], &back); // its path is ours: cannot fail
    ASSERT(r == 0);
    return fds[1];
}

file_t fd_get(const struct fdtable *t, u32 fd)
{
    const struct fdnode *leaf = leaf_of(t, fd);
    return leaf ? leaf->file[index_at(fd, 0)] : 0;
}

static void dropped(struct fs *fs, struct fdtable *t, file_t file)
{
    if (!file)
        return;
    struct file *f = file_at(fs, file);
    if (f->kind == FILE_MQUEUE && fs->closing)
        fs->closing(fs->closing_arg, file);
    if (t->notify)
        fs->unnotify(fs->unnotify_arg, t->id, file);
    if (t->locks && f->dev && !(f->flags & ABI_O_PATH))
        locks_release_owner(fs, f->dev, f->ino, t->id);
    file_put(fs, file);
}

int fd_replace(struct fs *fs, struct fdtable *t, u32 fd, file_t file, bool cloexec, u64 limit)
{
    struct trail trail;
    if (fd >= limit || fd > INT32_MAX)
        return -EBADF;
    int r = own_path(fs, t, fd, &trail);
    if (r)
        return r;
    dropped(fs, t, put_slot(t, &trail, fd, file, cloexec));
    return 0;
}

int fd_take(struct fs *fs, struct fdtable *t, u32 fd, file_t *out)
{
    struct trail trail;
    if (!fd_get(t, fd))
        return -EBADF;
    int r = own_path(fs, t, fd, &trail);
    if (r)
        return r;
    *out = put_slot(t, &trail, fd, 0, false);
    return 0;
}

int fd_close(struct fs *fs, struct fdtable *t, u32 fd)
{
    file_t file;
    int r = fd_take(fs, t, fd, &file);
    if (r == 0)
        dropped(fs, t, file);
    return r;
}

int fd_cloexec(const struct fdtable *t, u32 fd)
{
    if (!fd_get(t, fd))
        return -EBADF;
    return (int)(leaf_of(t, fd)->cloexec >> index_at(fd, 0) & 1);
}

int fd_set_cloexec(struct fs *fs, struct fdtable *t, u32 fd, bool on)
{
    struct trail trail;
    int now = fd_cloexec(t, fd);
    if (now < 0 || now == on)
        return now < 0 ? now : 0;
    int r = own_path(fs, t, fd, &trail);
    if (r)
        return r;
    u64 bit = (u64)1 << index_at(fd, 0);
    trail.node[0]->cloexec = on ? trail.node[0]->cloexec | bit : trail.node[0]->cloexec & ~bit;
    return 0;
}

i64 fd_next(const struct fdtable *t, u32 from)
{
    u64 fd = from;
    while (fd < reach(t->height)) {
        const struct fdnode *leaf = leaf_of(t, (u32)fd);
        u64 used = leaf ? leaf->used >> index_at((u32)fd, 0) : 0;
        if (used)
            return (i64)fd + __builtin_ctzll(used);
        fd = ALIGN_DOWN(fd, (u64)FAN) + FAN;
    }
    return -1;
}

int fd_close_on_exec(struct fs *fs, struct fdtable *t)
{
    for (i64 fd = fd_next(t, 0); fd >= 0; fd = fd_next(t, (u32)fd + 1)) {
        const struct fdnode *leaf = leaf_of(t, (u32)fd);
        if (!leaf->cloexec) { // nothing to close in this leaf
            fd |= FAN - 1;
            continue;
        }
        int r = fd_cloexec(t, (u32)fd) ? fd_close(fs, t, (u32)fd) : 0;
        if (r)
            return r;
    }
    return 0;
}

int fd_close_range(struct fs *fs, struct fdtable *t, u32 first, u32 last, bool cloexec)
{
    if (first > last)
        return -EINVAL;
    for (i64 fd = fd_next(t, first); fd >= 0 && fd <= (i64)last; fd = fd_next(t, (u32)fd + 1)) {
        int r = cloexec ? fd_set_cloexec(fs, t, (u32)fd, true) : fd_close(fs, t, (u32)fd);
        if (r)
            return r;
    }
    return 0;
}
