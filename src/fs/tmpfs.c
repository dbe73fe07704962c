// What is known of one inode of the machine's own file systems, and who may change it.
#include "fs/tmpfs.h"

#include <errno.h>
#include <string.h>

#include "abi/linux.h"
#include "base/budget.h"
#include "base/panic.h"
#include "base/quota.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/notify.h"

#define NS 1000000000
#define DAY (86400LL * NS)

// ---- life ----------------------------------------------------------------------------------------

static u64 pages_of(u64 bytes)
{
    return bytes / PAGE_SIZE + (bytes % PAGE_SIZE != 0);
}

static void tmpfs_drop(struct fs *fs, u32 id)
{
    quota_put(((struct tmpfs *)pool_at(&fs->tmpfses, id))->quota);
    pool_free(&fs->tmpfses, id);
}

int tmpfs_memfds(struct fs *fs)
{
    int r = pool_new(&fs->tmpfses, &fs->memfds);
    if (r)
        return r;
    *(struct tmpfs *)pool_at(&fs->tmpfses, fs->memfds) = (struct tmpfs){.refs = 1, .dev = TMP_DEV(fs->memfds)};
    return 0;
}

int tmpfs_new(struct fs *fs, const struct tmpfs_options *o, u32 *root)
{
    u32 id;
    int r = pool_new(&fs->tmpfses, &id);
    if (r)
        return r;
    struct tmpfs *t = pool_at(&fs->tmpfses, id);
    *t = (struct tmpfs){.dev = TMP_DEV(id), .inodes_most = o->inodes, .mode = o->mode, .uid = o->uid, .gid = o->gid};
    r = quota_new(pages_of(o->size), &t->quota);
    if (r == 0)
        r = tmp_inode(fs, id, 0, ABI_S_IFDIR | o->mode, root);
    if (r) {
        tmpfs_drop(fs, id);
        return r;
    }
    struct inode *i = inode_at(fs, *root);
    i->uid = o->uid;
    i->gid = o->gid;
    i->nlink = 2;
    i->parent = t->root = *root;
    inode_get(fs, *root);
    return 0;
}

void inode_get(struct fs *fs, u32 id)
{
    inode_at(fs, id)->refs++;
    tmpfs_of(fs, id)->refs++;
}

// Nothing of a file system is mounted or open any more.
static void tmpfs_end(struct fs *fs, u32 tmpfs)
{
    for (u32 id = 0; (id = pool_next(&fs->inodes, id));)
        if (inode_at(fs, id)->tmpfs == tmpfs)
            tmp_forget(fs, id);
    tmpfs_drop(fs, tmpfs);
}

int tmpfs_resize(struct fs *fs, u32 inode, const struct tmpfs_options *o)
{
    struct tmpfs *t = tmpfs_of(fs, inode);
    u64 pages = pages_of(o->size);
    if ((pages && pages < t->quota->used) || (o->inodes && o->inodes < t->inodes))
        return -EINVAL;
    if (pages)
        t->quota->limit = pages;
    if (o->inodes)
        t->inodes_most = o->inodes;
    return 0;
}

void inode_put(struct fs *fs, u32 id)
{
    struct inode *i = inode_at(fs, id);
    u32 tmpfs = i->tmpfs;
    struct tmpfs *t = pool_at(&fs->tmpfses, tmpfs);
    ASSERT(i->refs && t->refs);
    if (--i->refs == 0 && i->nlink == 0)
        tmp_forget(fs, id);
    if (--t->refs == 0)
        tmpfs_end(fs, tmpfs);
}

void tmpfs_free(struct fs *fs)
{
    budget_free(fs->name_bucket);
}

bool tmp_charge(struct fs *fs, u64 units)
{
    u64 pages = ~(u64)0, left; // before the machine is whole nobody counts
    if (fs->memory)
        fs->memory->space(fs->memory_arg, &pages, &left);
    if (units > pages / 2 || fs->units > pages / 2 - units)
        return false;
    fs->units += units;
    return true;
}

// ---- who may -------------------------------------------------------------------------------------

static struct fs_cred who(struct fs *fs)
{
    struct fs_cred c = {.caps = ~(u64)0};
    if (fs->cred)
        fs->cred(fs->cred_arg, &c);
    return c;
}

static bool has(const struct fs_cred *c, u32 cap)
{
    return c->caps >> cap & 1;
}

static bool member(const struct fs_cred *c, u32 gid)
{
    for (u32 i = 0; i < c->ngroups; i++)
        if (c->groups[i] == gid)
            return true;
    return c->gid == gid;
}

static bool owner(const struct fs_cred *c, const struct inode *i)
{
    return c->uid == i->uid || has(c, G_CAP_FOWNER);
}

// path_resolution(7), "Permissions"; capabilities(7), CAP_DAC_*.
int tmp_may(struct fs *fs, u32 id, u32 want)
{
    const struct inode *i = inode_at(fs, id);
    struct fs_cred c = who(fs);
    u32 bits = c.uid == i->uid ? i->mode >> 6 : member(&c, i->gid) ? i->mode >> 3 : i->mode;
    bool dir = (i->mode & ABI_S_IFMT) == ABI_S_IFDIR;
    if ((bits & want) == want)
        return 0;
    if (has(&c, G_CAP_DAC_READ_SEARCH) && (want == ABI_R_OK || (dir && !(want & ABI_W_OK))))
        return 0;
    if (has(&c, G_CAP_DAC_OVERRIDE) && (dir || !(want & ABI_X_OK) || i->mode & 0111))
        return 0;
    return -EACCES;
}

bool tmp_owner(struct fs *fs, u32 id)
{
    struct fs_cred c = who(fs);
    return owner(&c, inode_at(fs, id));
}

bool tmp_may_mknod(struct fs *fs)
{
    struct fs_cred c = who(fs);
    return has(&c, G_CAP_MKNOD);
}

int tmp_may_remove(struct fs *fs, u32 dir, u32 id)
{
    const struct inode *d = inode_at(fs, dir), *i = inode_at(fs, id);
    struct fs_cred c = who(fs);
    if (!(d->mode & ABI_S_ISVTX) || c.uid == d->uid)
        return 0;
    return owner(&c, i) ? 0 : -EPERM;
}

// What a new inode in `dir` (0 = none) is: its owner, and what a directory hands down.
void tmp_owned(struct fs *fs, u32 dir, struct inode *i)
{
    struct fs_cred c = who(fs);
    const struct inode *d = dir ? inode_at(fs, dir) : NULL;
    i->uid = c.uid;
    i->gid = c.gid;
    if (!d || !(d->mode & ABI_S_ISGID))
        return;
    i->gid = d->gid;
    u32 type = i->mode & ABI_S_IFMT;
    if (type == ABI_S_IFDIR)
        i->mode |= ABI_S_ISGID;
    else if ((i->mode & (ABI_S_ISGID | 010)) == (ABI_S_ISGID | 010) && !member(&c, d->gid) &&
             !has(&c, G_CAP_FSETID))
        i->mode &= ~ABI_S_ISGID;
}

// ---- what it is ----------------------------------------------------------------------------------

static void put_time(i64 ns, i64 *sec, u64 *nsec)
{
    i64 n = ns % NS < 0 ? ns % NS + NS : ns % NS;
    *nsec = (u64)n;
    *sec = (ns - n) / NS;
}

void tmp_stat(struct fs *fs, u32 id, struct abi_stat *out)
{
    const struct inode *i = inode_at(fs, id);
    *out = (struct abi_stat){.st_dev = tmpfs_of(fs, id)->dev, .st_ino = i->ino, .st_mode = i->mode,
                             .st_nlink = i->nlink, .st_uid = i->uid, .st_gid = i->gid, .st_rdev = i->rdev,
                             .st_blksize = PAGE_SIZE};
    u32 type = i->mode & ABI_S_IFMT;
    if (type == ABI_S_IFREG) {
        out->st_size = (i64)tmp_size(fs, id);
        out->st_blocks = i->memory ? (i64)fs->memory->blocks(fs->memory_arg, i->memory) : 0;
    } else if (type == ABI_S_IFDIR) {
        out->st_size = (i64)(i->entries + 2) * 20;
    } else if (type == ABI_S_IFLNK) {
        out->st_size = (i64)strlen(i->text);
    }
    put_time(i->atime, &out->st_atime_sec, &out->st_atime_nsec);
    put_time(i->mtime, &out->st_mtime_sec, &out->st_mtime_nsec);
    put_time(i->ctime, &out->st_ctime_sec, &out->st_ctime_nsec);
}

void tmp_statfs(struct fs *fs, u32 id, struct abi_statfs *out)
{
    const struct tmpfs *t = tmpfs_of(fs, id);
    u64 pages = 0, left = 0, dev = t->dev;
    if (fs->memory)
        fs->memory->space(fs->memory_arg, &pages, &left);
    u64 inodes = pages / 2, used = MIN(inodes, fs->units);
    if (t->quota && t->quota->limit) {
        pages = t->quota->limit;
        left = MIN(left, quota_left(t->quota));
    }
    if (t->inodes_most) {
        inodes = t->inodes_most;
        used = t->inodes;
    }
    *out = (struct abi_statfs){.f_type = ABI_TMPFS_MAGIC, .f_bsize = PAGE_SIZE, .f_frsize = PAGE_SIZE,
                               .f_namelen = ABI_NAME_MAX, .f_blocks = pages, .f_bfree = left,
                               .f_bavail = left, .f_files = inodes, .f_ffree = inodes - used,
                               .f_fsid = {(i32)dev, (i32)(dev >> 32)}, .f_flags = ABI_ST_VALID};
}

void tmp_touch(struct fs *fs, u32 id, bool content)
{
    struct inode *i = inode_at(fs, id);
    i->ctime = fs_now(fs);
    if (content)
        i->mtime = i->ctime;
}

// A read changes the time of the last one once a day, or if it is older than the last change.
void tmp_accessed(struct fs *fs, u32 id)
{
    struct inode *i = inode_at(fs, id);
    i64 now = fs_now(fs);
    if (i->atime <= i->mtime || i->atime <= i->ctime || now - i->atime >= DAY)
        i->atime = now;
}

int tmp_chmod(struct fs *fs, u32 id, u32 name, u32 mode)
{
    struct inode *i = inode_at(fs, id);
    struct fs_cred c = who(fs);
    if (!owner(&c, i))
        return -EPERM;
    if ((i->mode & ABI_S_IFMT) == ABI_S_IFLNK)
        return -EOPNOTSUPP;
    if (i->seals & ABI_F_SEAL_EXEC && (i->mode ^ mode) & 0111)
        return -EPERM;
    if (!member(&c, i->gid) && !has(&c, G_CAP_FSETID))
        mode &= ~ABI_S_ISGID;
    i->mode = (i->mode & ABI_S_IFMT) | (mode & 07777);
    tmp_touch(fs, id, false);
    notify_file(fs, id, name, IN_ATTRIB);
    return 0;
}

// A set-user-ID program that somebody has changed is none any more.
void tmp_drop_ids(struct fs *fs, u32 id)
{
    struct inode *i = inode_at(fs, id);
    struct fs_cred c = {0};
    if (likely(!(i->mode & (ABI_S_ISUID | ABI_S_ISGID))) || (i->mode & ABI_S_IFMT) != ABI_S_IFREG)
        return;
    c = who(fs);
    if (has(&c, G_CAP_FSETID))
        return;
    i->mode &= ~ABI_S_ISUID;
    if (i->mode & 010)
        i->mode &= ~ABI_S_ISGID;
}

int tmp_chown(struct fs *fs, u32 id, u32 name, u32 uid, u32 gid)
{
    struct inode *i = inode_at(fs, id);
    struct fs_cred c = who(fs);
    bool to_uid = uid != ~0u, to_gid = gid != ~0u;
    if (!has(&c, G_CAP_CHOWN)) {
        if (to_uid && (c.uid != i->uid || uid != i->uid))
            return -EPERM;
        if (to_gid && (c.uid != i->uid || (!member(&c, gid) && gid != i->gid)))
            return -EPERM;
    }
    i->uid = to_uid ? uid : i->uid;
    i->gid = to_gid ? gid : i->gid;
    if ((i->mode & ABI_S_IFMT) == ABI_S_IFREG && (to_uid || to_gid)) {
        i->mode &= ~ABI_S_ISUID;
        if (i->mode & 010)
            i->mode &= ~ABI_S_ISGID;
    }
    tmp_touch(fs, id, false);
    if (to_uid || to_gid)
        notify_file(fs, id, name, IN_ATTRIB);
    return 0;
}

static i64 time_of(const struct abi_timespec *t, i64 now, i64 old)
{
    i64 ns;
    if (t->tv_nsec == ABI_UTIME_OMIT)
        return old;
    if (t->tv_nsec == ABI_UTIME_NOW)
        return now;
    if (__builtin_mul_overflow(t->tv_sec, (i64)NS, &ns) || __builtin_add_overflow(ns, t->tv_nsec, &ns))
        return t->tv_sec < 0 ? INT64_MIN : INT64_MAX; // as far as it can be told
    return ns;
}

int tmp_utimens(struct fs *fs, u32 id, u32 name, const struct abi_timespec *times)
{
    static const struct abi_timespec both_now[2] = {{0, ABI_UTIME_NOW}, {0, ABI_UTIME_NOW}};
    struct inode *i = inode_at(fs, id);
    struct fs_cred c = who(fs);
    times = times ? times : both_now;
    bool now = times[0].tv_nsec == ABI_UTIME_NOW && times[1].tv_nsec == ABI_UTIME_NOW;
    if (!owner(&c, i) && (!now || tmp_may(fs, id, ABI_W_OK)))
        return now ? -EACCES : -EPERM;
    i64 t = fs_now(fs);
    i->atime = time_of(&times[0], t, i->atime);
    i->mtime = time_of(&times[1], t, i->mtime);
    i->ctime = t;
    bool access = times[0].tv_nsec != ABI_UTIME_OMIT, content = times[1].tv_nsec != ABI_UTIME_OMIT;
    if (access || content)
        notify_file(fs, id, name, access && content ? IN_ATTRIB : access ? IN_ACCESS : IN_MODIFY);
    return 0;
}

static i64 gone_path(const char *text, char *buf, size_t cap)
{
    static const char gone[] = " (deleted)";
    size_t n = strlen(text);
    if (n + sizeof gone > cap)
        return -ENAMETOOLONG;
    memcpy(buf, text, n);
    memcpy(buf + n, gone, sizeof gone);
    return (i64)(n + sizeof gone - 1);
}

i64 tmp_path(struct fs *fs, u32 mount, u32 id, u32 name, char *buf, size_t cap)
{
    const struct inode *i = inode_at(fs, id);
    const struct name *by = name ? pool_at(&fs->names, name) : NULL;
    const struct mount *m = mount ? mount_at(fs, mount) : NULL;
    const char *head = m ? mount_guest(fs, mount) : "";
    char room[ABI_PATH_MAX];
    size_t at = sizeof room;
    bool link = (i->mode & ABI_S_IFMT) == ABI_S_IFLNK;
    if (by && !by->dir)
        return gone_path(by->text, buf, cap);
    if (!i->nlink)
        return gone_path(i->text && !link ? i->text : "/", buf, cap);
    for (u32 up = id; !m || up != m->inode; name = 0) {
        name = name ? name : inode_at(fs, up)->names;
        if (!name)
            break; // the file system's root: the mount shows a part of it that this is not in
        const struct name *n = pool_at(&fs->names, name);
        if (n->len + 1 > at)
            return -ENAMETOOLONG;
        at -= n->len + 1;
        room[at] = '/';
        memcpy(room + at + 1, n->text, n->len);
        up = n->dir;
    }
    if (!head)
        return -ENAMETOOLONG;
    size_t nh = strlen(head), nt = sizeof room - at;
    if (nh + nt + 2 > cap)
        return -ENAMETOOLONG;
    memcpy(buf, head, nh);
    memcpy(buf + nh, room + at, nt);
    if (!nh && !nt)
        buf[nh++] = '/';
    buf[nh + nt] = 0;
    return (i64)(nh + nt);
}

// ---- extended attributes -------------------------------------------------------------------------

struct xattr_head {
    u32 size; // of the value
    u8 len;   // of the name
};
#define XATTR_HEAD 5u

static struct xattr_head xattr_head(const struct inode *i, u32 at)
{
    struct xattr_head h;
    memcpy(&h.size, i->xattrs + at, 4);
    h.len = i->xattrs[at + 4];
    return h;
}

// Where it stands, or -1; *size of the whole record.
static i64 xattr_find(const struct inode *i, const char *name, u32 *size)
{
    size_t len = strlen(name);
    for (u32 at = 0; at < i->xattrs_size; at += *size) {
        struct xattr_head h = xattr_head(i, at);
        *size = XATTR_HEAD + h.len + h.size;
        if (h.len == len && !memcmp(i->xattrs + at + XATTR_HEAD, name, len))
            return at;
    }
    *size = 0;
    return -1;
}

// Puts a record (n bytes, 0 = none) in the place of the `old` bytes at `at`.
static int xattr_put(struct fs *fs, struct inode *i, u32 at, u32 old, const struct xattr *x)
{
    u32 len = x ? (u32)strlen(x->name) : 0, n = x ? XATTR_HEAD + len + (u32)x->size : 0;
    u32 before = tmp_units(i->xattrs_size), size = i->xattrs_size - old + n;
    u8 *all = NULL;
    if (size > i->xattrs_size && !tmp_charge(fs, tmp_units(size) - before))
        return -ENOSPC;
    if (size && !(all = budget_alloc(fs->budget, size))) {
        fs->units -= size > i->xattrs_size ? tmp_units(size) - before : 0;
        return -ENOMEM;
    }
    if (i->xattrs_size > old) { // the others keep their order
        memcpy(all, i->xattrs, at);
        memcpy(all + at, i->xattrs + at + old, i->xattrs_size - at - old);
    }
    if (x) {
        u8 *to = all + size - n;
        u32 bytes = (u32)x->size;
        memcpy(to, &bytes, 4);
        to[4] = (u8)len;
        memcpy(to + XATTR_HEAD, x->name, len);
        memcpy(to + XATTR_HEAD + len, x->value, x->size);
    }
    if (size <= i->xattrs_size)
        fs->units -= before - tmp_units(size);
    budget_free(i->xattrs);
    i->xattrs = all;
    i->xattrs_size = size;
    return 0;
}

// xattr(7): who may see and change which names. Names in `security.` and `system.` say something to a kernel
// that this one does not understand.
static int xattr_allowed(struct fs *fs, u32 id, const struct xattr *x, bool changes)
{
    const struct inode *i = inode_at(fs, id);
    u32 type = i->mode & ABI_S_IFMT;
    struct fs_cred c = who(fs);
    if (!strncmp(x->name, "trusted.", 8) && x->name[8])
        return has(&c, G_CAP_SYS_ADMIN) ? 0 : changes ? -EPERM : -ENODATA;
    if (strncmp(x->name, "user.", 5) || !x->name[5])
        return -EOPNOTSUPP;
    if (type != ABI_S_IFREG && type != ABI_S_IFDIR)
        return changes ? -EPERM : -ENODATA;
    if (type == ABI_S_IFDIR && i->mode & ABI_S_ISVTX && changes && !owner(&c, i))
        return -EPERM;
    return tmp_may(fs, id, changes ? ABI_W_OK : ABI_R_OK);
}

static i64 xattr_list(struct fs *fs, const struct inode *i, const struct xattr *x)
{
    struct fs_cred c = who(fs);
    char *to = x->value;
    u32 used = 0;
    for (u32 at = 0; at < i->xattrs_size;) {
        struct xattr_head h = xattr_head(i, at);
        const char *name = (const char *)i->xattrs + at + XATTR_HEAD;
        at += XATTR_HEAD + h.len + h.size;
        if (h.len > 8 && !memcmp(name, "trusted.", 8) && !has(&c, G_CAP_SYS_ADMIN))
            continue;
        if (used + h.len + 1 > ABI_XATTR_SIZE_MAX)
            return -E2BIG;
        memcpy(to + used, name, h.len);
        to[used + h.len] = 0;
        used += h.len + 1u;
    }
    return used;
}

i64 tmp_xattr(struct fs *fs, u32 id, u32 name, const struct xattr *x)
{
    struct inode *i = inode_at(fs, id);
    bool changes = x->op == XATTR_SET || x->op == XATTR_REMOVE;
    if (x->op == XATTR_LIST)
        return xattr_list(fs, i, x);
    i64 r = xattr_allowed(fs, id, x, changes);
    if (r)
        return r;
    u32 size;
    i64 at = xattr_find(i, x->name, &size);
    if (at < 0 && (x->op != XATTR_SET || x->flags & ABI_XATTR_REPLACE))
        return -ENODATA;
    if (x->op == XATTR_SET && at >= 0 && x->flags & ABI_XATTR_CREATE)
        return -EEXIST;
    if (x->op == XATTR_GET) {
        struct xattr_head h = xattr_head(i, (u32)at);
        memcpy(x->value, i->xattrs + at + XATTR_HEAD + h.len, h.size);
        return h.size;
    }
    r = xattr_put(fs, i, at < 0 ? i->xattrs_size : (u32)at, size, x->op == XATTR_SET ? x : NULL);
    if (r == 0) {
        tmp_touch(fs, id, false);
        notify_file(fs, id, name, IN_ATTRIB);
    }
    return r;
}

// ---- the pools' kinds ----------------------------------------------------------------------------

static void copy_inode(struct forking *f, void *object)
{
    struct inode *i = object;
    i->text = budget_dup(f, i->text);
    i->xattrs = budget_dup(f, i->xattrs);
}

static void drop_inode(void *fs, void *object)
{
    (void)fs;
    budget_free(((struct inode *)object)->text);
    budget_free(((struct inode *)object)->xattrs);
}

static void copy_name(struct forking *f, void *object)
{
    struct name *n = object;
    n->text = budget_dup(f, n->text);
}

static void drop_name(void *fs, void *object)
{
    (void)fs;
    budget_free(((struct name *)object)->text);
}

static void copy_tmpfs(struct forking *f, void *object)
{
    struct tmpfs *t = object;
    t->quota = quota_copy(f, t->quota);
}

static void drop_tmpfs(void *fs, void *object)
{
    (void)fs;
    quota_put(((struct tmpfs *)object)->quota);
}

const struct pool_kind tmpfses_pool = {sizeof(struct tmpfs), copy_tmpfs, drop_tmpfs};
const struct pool_kind inodes_pool = {sizeof(struct inode), copy_inode, drop_inode};
const struct pool_kind names_pool = {sizeof(struct name), copy_name, drop_name};
