// Names in the machine's own file systems: look-up, and the calls that change directories.
//
// (TN1) A name is in its directory's list, in the list of its inode's names, and in a chain of the machine's
//       table of hashes, by which it is found.
// (TN2) What can fail comes first (law L11): names are prepared, then put in and taken out.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "abi/linux.h"
#include "base/budget.h"
#include "base/panic.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/notify.h"
#include "fs/tmpfs.h"

static struct name *name_at(struct fs *fs, u32 id)
{
    return pool_at(&fs->names, id);
}

static u32 hash_of(u32 dir, const char *text, size_t len)
{
    u32 h = 2166136261u ^ dir * 0x9e3779b1u; // FNV-1a
    for (size_t i = 0; i < len; i++)
        h = (h ^ (u8)text[i]) * 16777619u;
    return h ^ h >> 15;
}

// ---- the table of hashes -------------------------------------------------------------------------

#define BUCKETS_LEAST 64u

static void chain_in(struct fs *fs, u32 id)
{
    struct name *n = name_at(fs, id);
    u32 *head = &fs->name_bucket[n->hash & (fs->name_buckets - 1)];
    n->chain = *head;
    *head = id;
}

// A table for one name more; the old one serves if there is no memory for a larger.
static int make_room(struct fs *fs)
{
    if (fs->names.live < fs->name_buckets)
        return 0;
    u32 count = MAX(fs->name_buckets * 2, BUCKETS_LEAST);
    u32 *larger = budget_zalloc(fs->budget, count * sizeof *larger);
    if (!larger)
        return fs->name_buckets ? 0 : -ENOMEM;
    budget_free(fs->name_bucket);
    fs->name_bucket = larger;
    fs->name_buckets = count;
    for (u32 id = 0; (id = pool_next(&fs->names, id));)
        if (name_at(fs, id)->dir)
            chain_in(fs, id);
    return 0;
}

static u32 find(struct fs *fs, u32 dir, const char *text, size_t len)
{
    u32 hash = hash_of(dir, text, len);
    u32 id = fs->name_buckets ? fs->name_bucket[hash & (fs->name_buckets - 1)] : 0;
    for (; id; id = name_at(fs, id)->chain) {
        const struct name *n = name_at(fs, id);
        if (n->hash == hash && n->dir == dir && n->len == len && !memcmp(n->text, text, len))
            return id;
    }
    return 0;
}

// ---- names in and out ----------------------------------------------------------------------------

// A name that stands nowhere yet; *id 0 if not.
static int prepare(struct fs *fs, const char *text, size_t len, u32 *id)
{
    *id = 0;
    char *own = budget_alloc(fs->budget, len + 1);
    int r = own ? make_room(fs) : -ENOMEM;
    if (r == 0)
        r = pool_new(&fs->names, id);
    if (r) {
        budget_free(own);
        return r;
    }
    memcpy(own, text, len);
    own[len] = 0;
    name_at(fs, *id)->text = own;
    name_at(fs, *id)->len = (u32)len;
    return 0;
}

static void discard(struct fs *fs, u32 id)
{
    if (!id || name_at(fs, id)->refs)
        return; // (T2b)
    budget_free(name_at(fs, id)->text);
    pool_free(&fs->names, id);
}

static void put_in(struct fs *fs, u32 id, u32 dir, u32 inode)
{
    struct name *n = name_at(fs, id);
    struct inode *d = inode_at(fs, dir), *i = inode_at(fs, inode);
    n->dir = dir;
    n->inode = inode;
    n->hash = hash_of(dir, n->text, n->len);
    n->cookie = ++d->cookies;
    n->prev = d->last;
    n->next = 0;
    *(n->prev ? &name_at(fs, n->prev)->next : &d->first) = id;
    d->last = id;
    d->entries++;
    n->other = i->names;
    i->names = id;
    chain_in(fs, id);
    if ((i->mode & ABI_S_IFMT) == ABI_S_IFDIR) {
        i->parent = dir;
        d->nlink++;
    }
}

static void unchain(struct fs *fs, u32 id)
{
    struct name *n = name_at(fs, id);
    u32 *at = &fs->name_bucket[n->hash & (fs->name_buckets - 1)];
    while (*at != id)
        at = &name_at(fs, *at)->chain;
    *at = n->chain;
    at = &inode_at(fs, n->inode)->names;
    while (*at != id)
        at = &name_at(fs, *at)->other;
    *at = n->other;
}

// The name stands nowhere any more, and may be put in elsewhere.
static void take_out(struct fs *fs, u32 id)
{
    struct name *n = name_at(fs, id);
    struct inode *d = inode_at(fs, n->dir);
    unchain(fs, id);
    *(n->prev ? &name_at(fs, n->prev)->next : &d->first) = n->next;
    *(n->next ? &name_at(fs, n->next)->prev : &d->last) = n->prev;
    d->entries--;
    if (inode_is(fs, n->inode, ABI_S_IFDIR)) {
        d->nlink--;
        inode_at(fs, n->inode)->parent = 0;
    }
    n->dir = n->inode = 0;
}

u32 tmp_named(struct fs *fs, u32 name)
{
    return name_at(fs, name)->inode;
}

void name_get(struct fs *fs, u32 name)
{
    if (name)
        name_at(fs, name)->refs++;
}

void name_put(struct fs *fs, u32 name)
{
    if (name && --name_at(fs, name)->refs == 0 && !name_at(fs, name)->dir)
        discard(fs, name);
}

// ---- inodes --------------------------------------------------------------------------------------

int tmp_inode(struct fs *fs, u32 tmpfs, u32 dir, u32 mode, u32 *inode)
{
    struct inode *i;
    u32 id;
    struct tmpfs *t = pool_at(&fs->tmpfses, tmpfs);
    if ((t->inodes_most && t->inodes >= t->inodes_most) || !tmp_charge(fs, 1))
        return -ENOSPC;
    int r = pool_new(&fs->inodes, &id);
    if (r)
        goto failed;
    i = inode_at(fs, id);
    *i = (struct inode){.tmpfs = tmpfs, .mode = mode, .ino = ++fs->next_ino, .seals = ABI_F_SEAL_SEAL};
    tmp_owned(fs, dir, i);
    i->atime = i->mtime = i->ctime = i->btime = fs_now(fs);
    if ((mode & ABI_S_IFMT) == ABI_S_IFREG) {
        r = fs->memory ? fs->memory->make(fs->memory_arg, t->dev, i->ino, t->quota, &i->memory) : -ENOSPC;
    }
    *inode = id;
    t->inodes += r == 0;
    if (r == 0)
        return 0;
    pool_free(&fs->inodes, id);
failed:
    fs->units--;
    return r;
}

// Its names, as those of a directory, may still stand in the pool: its file system is at its end.
void tmp_forget(struct fs *fs, u32 id)
{
    struct inode *i = inode_at(fs, id);
    notify_gone(fs, id);
    for (u32 n = i->first, next; n; n = next) {
        next = name_at(fs, n)->next;
        take_out(fs, n);
        discard(fs, n);
    }
    while (i->names) {
        u32 n = i->names;
        take_out(fs, n);
        discard(fs, n);
    }
    if (i->memory)
        fs->memory->put(fs->memory_arg, i->memory);
    fs->units -= 1 + tmp_units(i->xattrs_size);
    tmpfs_of(fs, id)->inodes--;
    if ((i->mode & ABI_S_IFMT) == ABI_S_IFLNK)
        fs->units -= tmp_units(strlen(i->text));
    budget_free(i->text);
    budget_free(i->xattrs);
    pool_free(&fs->inodes, id);
}

// ---- looking up and making -----------------------------------------------------------------------

static int directory(struct fs *fs, u32 dir, u32 want, size_t len)
{
    if (!inode_is(fs, dir, ABI_S_IFDIR))
        return -ENOTDIR;
    int r = tmp_may(fs, dir, want);
    return r ? r : len > ABI_NAME_MAX ? -ENAMETOOLONG : 0;
}

int tmp_look(struct fs *fs, u32 dir, const char *name, size_t len, u32 *id)
{
    int r = directory(fs, dir, ABI_X_OK, len);
    *id = r ? 0 : find(fs, dir, name, len);
    return r ? r : *id ? 0 : -ENOENT;
}

// For a new name: whether it may be made.
static int may_add(struct fs *fs, u32 dir, const char *name, size_t len)
{
    int r = directory(fs, dir, ABI_X_OK, len);
    if (r == 0 && find(fs, dir, name, len))
        return -EEXIST;
    if (r == 0 && !inode_at(fs, dir)->nlink)
        return -ENOENT;
    return r ? r : tmp_may(fs, dir, ABI_W_OK | ABI_X_OK);
}

int tmp_make(struct fs *fs, u32 dir, const char *name, size_t len, u32 mode, u64 rdev, const char *text,
             u32 *id)
{
    u32 inode, units = text ? tmp_units(strlen(text)) : 0;
    int r = may_add(fs, dir, name, len);
    if (r == 0)
        r = prepare(fs, name, len, id);
    if (r)
        return r;
    char *own = text ? budget_strdup(fs->budget, text) : NULL;
    if (text && !own)
        r = -ENOMEM;
    else if (units && !tmp_charge(fs, units))
        r = -ENOSPC;
    if (r == 0) {
        r = tmp_inode(fs, inode_at(fs, dir)->tmpfs, dir, mode, &inode);
        fs->units -= r ? units : 0;
    }
    if (r) {
        budget_free(own);
        discard(fs, *id);
        return r;
    }
    struct inode *i = inode_at(fs, inode);
    i->text = own;
    i->rdev = rdev;
    i->nlink = (mode & ABI_S_IFMT) == ABI_S_IFDIR ? 2 : 1;
    put_in(fs, *id, dir, inode);
    tmp_touch(fs, dir, true);
    notify_name(fs, dir, IN_CREATE | ((mode & ABI_S_IFMT) == ABI_S_IFDIR ? IN_ISDIR : 0), 0, name, len);
    return 0;
}

int tmp_link(struct fs *fs, u32 dir, const char *name, size_t len, u32 inode)
{
    u32 id;
    struct inode *i = inode_at(fs, inode);
    int r = may_add(fs, dir, name, len);
    if (r)
        return r;
    if (inode_at(fs, dir)->tmpfs != i->tmpfs)
        return -EXDEV;
    if ((i->mode & ABI_S_IFMT) == ABI_S_IFDIR)
        return -EPERM;
    if (!i->nlink && !i->linkable)
        return -ENOENT;
    if (i->nlink == UINT32_MAX)
        return -EMLINK;
    r = prepare(fs, name, len, &id);
    if (r)
        return r;
    if (!i->nlink) {
        budget_free(i->text); // how it was called without a name
        i->text = NULL;
    }
    i->nlink++;
    i->linkable = false;
    put_in(fs, id, dir, inode);
    tmp_touch(fs, inode, false);
    tmp_touch(fs, dir, true);
    notify_self(fs, inode, IN_ATTRIB);
    notify_name(fs, dir, IN_CREATE, 0, name, len);
    return 0;
}

// ---- taking away ---------------------------------------------------------------------------------

// What /proc shall call the files that are open by it.
static void keep_path(struct fs *fs, u32 id)
{
    struct name *n = name_at(fs, id);
    char path[ABI_PATH_MAX], *own;
    if (!n->refs || tmp_path(fs, tmp_mount(fs, inode_at(fs, n->inode)->tmpfs), n->inode, id, path, sizeof path) <= 0 ||
        !(own = budget_strdup(fs->budget, path)))
        return; // without memory: the bare name
    budget_free(n->text);
    n->text = own;
}

// A name and one link of its inode go. The name must be freed by the caller.
static void remove_name(struct fs *fs, u32 id)
{
    u32 dir = name_at(fs, id)->dir, inode = name_at(fs, id)->inode;
    struct inode *i = inode_at(fs, inode);
    bool is_dir = (i->mode & ABI_S_IFMT) == ABI_S_IFDIR;
    keep_path(fs, id);
    take_out(fs, id);
    i->nlink = is_dir ? 0 : i->nlink - 1;
    tmp_touch(fs, inode, false);
    tmp_touch(fs, dir, true);
    if (!i->nlink && !i->refs)
        tmp_forget(fs, inode);
}

static int may_take(struct fs *fs, u32 dir, const char *name, size_t len, u32 *id)
{
    int r = directory(fs, dir, ABI_X_OK, len);
    if (r)
        return r;
    *id = find(fs, dir, name, len);
    if (!*id)
        return -ENOENT;
    r = tmp_may(fs, dir, ABI_W_OK | ABI_X_OK);
    return r ? r : tmp_may_remove(fs, dir, name_at(fs, *id)->inode);
}

int tmp_unlink(struct fs *fs, u32 dir, const char *name, size_t len, bool is_dir)
{
    u32 id;
    int r = may_take(fs, dir, name, len, &id);
    if (r)
        return r;
    const struct inode *i = inode_at(fs, name_at(fs, id)->inode);
    bool found_dir = (i->mode & ABI_S_IFMT) == ABI_S_IFDIR;
    if (is_dir != found_dir)
        return is_dir ? -ENOTDIR : -EISDIR;
    if (found_dir && i->first)
        return -ENOTEMPTY;
    if (!is_dir)
        notify_self(fs, name_at(fs, id)->inode, IN_ATTRIB);
    remove_name(fs, id);
    discard(fs, id);
    notify_name(fs, dir, IN_DELETE | (is_dir ? IN_ISDIR : 0), 0, name, len);
    return 0;
}

bool tmp_is_above(struct fs *fs, u32 of, u32 dir)
{
    for (u32 up = dir;; up = inode_at(fs, up)->parent) {
        if (up == of)
            return true;
        if (!up || inode_at(fs, up)->parent == up)
            return false;
    }
}

// Names that stand nowhere: each is called as the other was. Files that are open by one follow it.
static void swap_texts(struct fs *fs, u32 a, u32 b)
{
    struct name *x = name_at(fs, a), *y = name_at(fs, b);
    char *text = x->text;
    u32 len = x->len;
    x->text = y->text;
    x->len = y->len;
    y->text = text;
    y->len = len;
}

static void exchange(struct fs *fs, u32 a, u32 b)
{
    u32 dir1 = name_at(fs, a)->dir, dir2 = name_at(fs, b)->dir;
    u32 inode1 = name_at(fs, a)->inode, inode2 = name_at(fs, b)->inode;
    take_out(fs, a);
    take_out(fs, b);
    swap_texts(fs, a, b);
    put_in(fs, a, dir2, inode1);
    put_in(fs, b, dir1, inode2);
    tmp_touch(fs, inode1, false);
    tmp_touch(fs, inode2, false);
    tmp_touch(fs, dir1, true);
    tmp_touch(fs, dir2, true);
}

struct move {
    u32 from, to; // names; to 0 = there is none
    u32 dir1, dir2, what, over; // over: the inode that the target stands for
};

static int move_allowed(struct fs *fs, const struct move *m, u32 flags, bool must_dir)
{
    bool swap = flags & ABI_RENAME_EXCHANGE, dir = inode_is(fs, m->what, ABI_S_IFDIR);
    bool over_dir = m->over && inode_is(fs, m->over, ABI_S_IFDIR);
    if (swap && !m->to)
        return -ENOENT;
    if (m->to && flags & ABI_RENAME_NOREPLACE)
        return -EEXIST;
    if (dir && tmp_is_above(fs, m->what, m->dir2))
        return -EINVAL;
    if (m->over && over_dir && tmp_is_above(fs, m->over, m->dir1))
        return swap ? -EINVAL : -ENOTEMPTY;
    if (must_dir && (!dir || (swap && !over_dir)))
        return -ENOTDIR;
    if (swap || !m->over || m->over == m->what)
        return 0;
    if (dir != over_dir)
        return dir ? -ENOTDIR : -EISDIR;
    return over_dir && inode_at(fs, m->over)->first ? -ENOTEMPTY : 0;
}

int tmp_rename(struct fs *fs, u32 dir1, const char *name1, size_t len1, u32 dir2, const char *name2,
               size_t len2, u32 flags, bool must_dir)
{
    struct move m = {.dir1 = dir1, .dir2 = dir2};
    u32 fresh = 0, white = 0, hole = 0;
    if (inode_at(fs, dir1)->tmpfs != inode_at(fs, dir2)->tmpfs)
        return -EXDEV;
    int r = may_take(fs, dir1, name1, len1, &m.from);
    if (r)
        return r;
    m.what = name_at(fs, m.from)->inode;
    r = may_take(fs, dir2, name2, len2, &m.to);
    if (r == -ENOENT) {
        m.to = 0;
        r = flags & ABI_RENAME_EXCHANGE ? -ENOENT : may_add(fs, dir2, name2, len2);
    }
    m.over = r == 0 && m.to ? name_at(fs, m.to)->inode : 0;
    if (r == 0)
        r = move_allowed(fs, &m, flags, must_dir);
    if (r == 0 && inode_is(fs, m.what, ABI_S_IFDIR) && dir1 != dir2) // its `..` changes
        r = tmp_may(fs, m.what, ABI_W_OK);
    if (r || (m.over == m.what && !(flags & ABI_RENAME_EXCHANGE)))
        return r;
    if (flags & ABI_RENAME_EXCHANGE) {
        exchange(fs, m.from, m.to);
        notify_moved(fs, m.what, dir1, name1, len1, dir2, name2, len2, 0);
        notify_moved(fs, m.over, dir2, name2, len2, dir1, name1, len1, 0);
        return 0;
    }
    r = prepare(fs, name2, len2, &fresh);
    if (r == 0 && flags & ABI_RENAME_WHITEOUT) {
        r = prepare(fs, name1, len1, &white);
        if (r == 0)
            r = tmp_inode(fs, inode_at(fs, dir1)->tmpfs, dir1, ABI_S_IFCHR, &hole);
    }
    if (r) {
        discard(fs, fresh);
        discard(fs, white);
        return r;
    }
    bool watched = m.over && inode_at(fs, m.over)->marks;
    if (watched) // its end is told last
        inode_get(fs, m.over);
    if (m.to) {
        remove_name(fs, m.to);
        discard(fs, m.to);
    }
    take_out(fs, m.from);
    swap_texts(fs, m.from, fresh);
    discard(fs, fresh);
    put_in(fs, m.from, dir2, m.what);
    if (white) {
        inode_at(fs, hole)->nlink = 1;
        put_in(fs, white, dir1, hole);
    }
    tmp_touch(fs, m.what, false);
    tmp_touch(fs, dir1, true);
    tmp_touch(fs, dir2, true);
    notify_moved(fs, m.what, dir1, name1, len1, dir2, name2, len2, watched ? m.over : 0);
    if (watched)
        inode_put(fs, m.over);
    return 0;
}

// ---- reading a directory -------------------------------------------------------------------------

static u8 type_of(u32 mode)
{
    return (u8)((mode & ABI_S_IFMT) >> 12); // DT_*
}

i64 tmp_getdents(struct fs *fs, file_t id, struct uio *to)
{
    struct file *f = file_at(fs, id);
    struct inode *d = inode_at(fs, f->inode);
    u64 left = to->left;
    u32 n = d->first;
    int r = 1;
    if (!d->nlink)
        return -ENOENT;
    if (!(f->flags & ABI_O_NOATIME) && !mount_has(fs, f->mount, ABI_MS_NOATIME | ABI_MS_NODIRATIME))
        tmp_accessed(fs, f->inode);
    for (; f->pos < 2 && r > 0; f->pos += r > 0) {
        const struct inode *i = f->pos ? inode_at(fs, d->parent) : d;
        r = synth_dirent(to, i->ino, f->pos + 1, ABI_DT_DIR, f->pos ? ".." : ".");
    }
    while (n && name_at(fs, n)->cookie + 1 < f->pos) // seen already
        n = name_at(fs, n)->next;
    for (; n && r > 0; n = name_at(fs, n)->next) {
        const struct name *name = name_at(fs, n);
        const struct inode *i = inode_at(fs, name->inode);
        r = synth_dirent(to, i->ino, name->cookie + 2, type_of(i->mode), name->text);
        if (r > 0)
            f->pos = name->cookie + 2;
    }
    notify_file(fs, f->inode, f->name, IN_ACCESS);
    return left != to->left ? (i64)(left - to->left) : r < 0 ? r : r == 0 ? -EINVAL : 0;
}
