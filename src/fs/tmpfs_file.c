// Open files of the machine's own file systems, and memfds, which are files of one without names.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/budget.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/notify.h"
#include "fs/tmpfs.h"

// ---- bytes ---------------------------------------------------------------------------------------

u64 tmp_size(struct fs *fs, u32 inode)
{
    const struct inode *i = inode_at(fs, inode);
    return i->memory ? fs->memory->size(fs->memory_arg, i->memory) : 0;
}

i64 tmp_read(struct fs *fs, const struct file *f, void *to, size_t n, u64 offset)
{
    u32 inode = f->inode;
    if (!(f->flags & ABI_O_NOATIME) && !mount_has(fs, f->mount, ABI_MS_NOATIME))
        tmp_accessed(fs, inode);
    return fs->memory->read(fs->memory_arg, inode_at(fs, inode)->memory, to, n, offset);
}

#define SEALS_AGAINST_WRITES (ABI_F_SEAL_WRITE | ABI_F_SEAL_FUTURE_WRITE)

i64 tmp_write(struct fs *fs, u32 inode, const void *from, size_t n, u64 offset)
{
    struct inode *i = inode_at(fs, inode);
    u64 end;
    if (i->seals & SEALS_AGAINST_WRITES)
        return -EPERM;
    if (__builtin_add_overflow(offset, (u64)n, &end) || end > INT64_MAX)
        return -EFBIG;
    if (i->seals & ABI_F_SEAL_GROW && end > tmp_size(fs, inode)) {
        if (!inode_is(fs, inode, ABI_S_IFBLK))
            return -EPERM;
        if (offset >= tmp_size(fs, inode))
            return -ENOSPC;
        n = tmp_size(fs, inode) - offset;
    }
    i64 done = fs->memory->write(fs->memory_arg, i->memory, from, n, offset);
    if (done > 0) {
        tmp_drop_ids(fs, inode);
        tmp_touch(fs, inode, true);
    }
    return done;
}

int tmp_truncate(struct fs *fs, u32 inode, u32 name, u64 size)
{
    struct inode *i = inode_at(fs, inode);
    u64 old = tmp_size(fs, inode);
    if ((size < old && i->seals & ABI_F_SEAL_SHRINK) || (size > old && i->seals & ABI_F_SEAL_GROW))
        return -EPERM;
    int r = size != old ? fs->memory->resize(fs->memory_arg, i->memory, size) : 0;
    if (r == 0) {
        tmp_drop_ids(fs, inode);
        tmp_touch(fs, inode, true);
        notify_file(fs, inode, name, IN_MODIFY);
    }
    return r;
}

int tmp_allocate(struct fs *fs, u32 inode, u32 name, u32 mode, i64 offset, i64 len)
{
    struct inode *i = inode_at(fs, inode);
    i64 end;
    int r;
    if (offset < 0 || len <= 0)
        return -EINVAL;
    if (__builtin_add_overflow(offset, len, &end))
        return -EFBIG;
    if (mode & ~(ABI_FALLOC_FL_KEEP_SIZE | ABI_FALLOC_FL_PUNCH_HOLE))
        return -EOPNOTSUPP;
    if (mode & ABI_FALLOC_FL_PUNCH_HOLE) {
        if (!(mode & ABI_FALLOC_FL_KEEP_SIZE))
            return -EOPNOTSUPP;
        if (i->seals & SEALS_AGAINST_WRITES)
            return -EPERM;
        r = fs->memory->punch(fs->memory_arg, i->memory, (u64)offset, (u64)len);
    } else {
        u64 old = tmp_size(fs, inode);
        bool grows = !(mode & ABI_FALLOC_FL_KEEP_SIZE) && (u64)end > old;
        if (i->seals & ABI_F_SEAL_GROW && (u64)end > old)
            return -EPERM;
        r = fs->memory->allocate(fs->memory_arg, i->memory, (u64)offset, (u64)len, grows);
    }
    if (r == 0) {
        tmp_drop_ids(fs, inode);
        tmp_touch(fs, inode, true);
        notify_file(fs, inode, name, IN_MODIFY);
    }
    return r;
}

i64 tmp_seek(struct fs *fs, u32 inode, u64 offset, bool data)
{
    return fs->memory->seek(fs->memory_arg, inode_at(fs, inode)->memory, offset, data);
}

// ---- opening -------------------------------------------------------------------------------------

// The description: kind, identity, a reference to the inode and the name.
static int describe(struct fs *fs, u32 inode, u32 name, u32 oflags, u32 mount, file_t *out)
{
    struct inode *i = inode_at(fs, inode);
    struct tmpfs *t = pool_at(&fs->tmpfses, i->tmpfs);
    u32 type = i->mode & ABI_S_IFMT;
    enum file_kind kind = oflags & ABI_O_PATH ? FILE_PATH : type == ABI_S_IFDIR ? FILE_DIR : FILE_HOST;
    int r = file_new(fs, kind, oflags, out);
    if (r)
        return r;
    struct file *f = file_at(fs, *out);
    f->inode = inode;
    file_set_mount(fs, f, mount);
    f->dev = t->dev;
    f->ino = i->ino;
    f->name = name;
    inode_get(fs, inode);
    name_get(fs, name);
    return 0;
}

static int may_open(struct fs *fs, u32 inode, u32 oflags)
{
    static const u32 wants[] = {ABI_R_OK, ABI_W_OK, ABI_R_OK | ABI_W_OK, ABI_R_OK | ABI_W_OK};
    u32 want = wants[oflags & ABI_O_ACCMODE] | (oflags & ABI_O_TRUNC ? ABI_W_OK : 0);
    if (oflags & ABI_O_NOATIME && !tmp_owner(fs, inode))
        return -EPERM;
    return tmp_may(fs, inode, want);
}

static int open_tmpfile(struct fs *fs, u32 dir, u32 oflags, u32 mode, u32 mount, file_t *out)
{
    char name[ABI_PATH_MAX], text[ABI_PATH_MAX + 32];
    u32 inode;
    if (!inode_is(fs, dir, ABI_S_IFDIR))
        return -ENOTDIR;
    int r = (oflags & ABI_O_ACCMODE) == ABI_O_RDONLY ? -EINVAL : tmp_may(fs, dir, ABI_W_OK | ABI_X_OK);
    if (r == 0)
        r = tmp_inode(fs, inode_at(fs, dir)->tmpfs, dir, ABI_S_IFREG | mode, &inode);
    if (r)
        return r;
    struct inode *i = inode_at(fs, inode);
    i->linkable = !(oflags & ABI_O_EXCL);
    if (tmp_path(fs, mount, dir, 0, name, sizeof name) > 0) {
        snprintf(text, sizeof text, "%s/#%llu", name[1] ? name : "", (unsigned long long)i->ino);
        i->text = budget_strdup(fs->budget, text);
    }
    r = describe(fs, inode, 0, oflags & ~ABI_O_TMPFILE, mount, out);
    if (r)
        tmp_forget(fs, inode);
    return r;
}

// Block device 1:0 is a RAM disk of the machine: an inode without a name that all its nodes lead to.
static int open_ramdisk(struct fs *fs, u32 oflags, u32 mount, file_t *out)
{
    u32 inode = fs->ramdisk;
    int r = fs->memfds ? 0 : tmpfs_memfds(fs);
    if (r == 0 && !inode) {
        r = tmp_inode(fs, fs->memfds, 0, ABI_S_IFREG | 0600, &inode);
        if (r)
            return r;
        r = fs->memory->resize(fs->memory_arg, inode_at(fs, inode)->memory, RAMDISK_SIZE);
        inode_at(fs, inode)->mode = ABI_S_IFBLK | 0600;
        inode_at(fs, inode)->rdev = RAMDISK_DEV;
        inode_at(fs, inode)->seals |= ABI_F_SEAL_GROW | ABI_F_SEAL_SHRINK;
        inode_get(fs, fs->ramdisk = inode);
    }
    return r ? r : describe(fs, inode, 0, oflags, mount, out);
}

// A pipe with a name, or a device of the machine's own, found here.
static int open_special(struct fs *fs, u32 inode, u32 name, u32 oflags, u32 mount, file_t *out)
{
    struct abi_stat s;
    tmp_stat(fs, inode, &s);
    u32 dev = (s.st_mode & ABI_S_IFMT) == ABI_S_IFCHR ? dev_of_rdev(s.st_rdev) : 0;
    if (dev)
        return dev_open(fs, dev, oflags, mount, out);
    if ((s.st_mode & ABI_S_IFMT) == ABI_S_IFBLK && s.st_rdev == RAMDISK_DEV)
        return open_ramdisk(fs, oflags, mount, out);
    if ((s.st_mode & ABI_S_IFMT) != ABI_S_IFIFO)
        return -ENXIO;
    int r = fifo_open(fs, -1, &s, oflags, mount, out);
    if (*out) {
        file_at(fs, *out)->inode = inode;
        file_at(fs, *out)->name = name;
        inode_get(fs, inode);
        name_get(fs, name);
    }
    return r;
}

int tmp_open(struct fs *fs, u32 inode, u32 name, u32 oflags, u32 mode, u32 mount, bool made, file_t *out)
{
    struct inode *i = inode_at(fs, inode);
    u32 type = i->mode & ABI_S_IFMT;
    *out = 0;
    if (oflags & ABI_O_PATH)
        return oflags & ABI_O_DIRECTORY && type != ABI_S_IFDIR ? -ENOTDIR
                                                               : describe(fs, inode, name, oflags, mount, out);
    if ((oflags & ABI_O_TMPFILE) == ABI_O_TMPFILE)
        return open_tmpfile(fs, inode, oflags, mode, mount, out);
    if (type == ABI_S_IFLNK)
        return -ELOOP;
    if (oflags & ABI_O_DIRECTORY && type != ABI_S_IFDIR)
        return -ENOTDIR;
    if (type == ABI_S_IFDIR && ((oflags & ABI_O_ACCMODE) != ABI_O_RDONLY || oflags & (ABI_O_TRUNC | ABI_O_CREAT)))
        return -EISDIR;
    int r = made ? 0 : may_open(fs, inode, oflags); // who makes a file may do with it what he asked for
    if (r)
        return r;
    if (type != ABI_S_IFREG && type != ABI_S_IFDIR)
        return open_special(fs, inode, name, oflags, mount, out);
    bool writes = (oflags & ABI_O_ACCMODE) != ABI_O_RDONLY || oflags & ABI_O_TRUNC;
    if (type == ABI_S_IFREG && writes && fs->memory->executing(fs->memory_arg, i->memory))
        return -ETXTBSY;
    r = describe(fs, inode, name, oflags, mount, out);
    if (r == 0)
        notify_file(fs, inode, name, IN_OPEN);
    if (r == 0 && oflags & ABI_O_TRUNC && type == ABI_S_IFREG && !made)
        r = tmp_truncate(fs, inode, name, 0);
    if (r && *out) {
        file_put(fs, *out);
        *out = 0;
    }
    return r;
}

int tmp_memfd(struct fs *fs, const char *name, u32 mfd_flags, file_t *out)
{
    char text[ABI_NAME_MAX + 16];
    u32 inode, mode = ABI_S_IFREG | (mfd_flags & ABI_MFD_NOEXEC_SEAL ? 0666 : 0777);
    int r = fs->memfds ? 0 : tmpfs_memfds(fs);
    if (r == 0)
        r = tmp_inode(fs, fs->memfds, 0, mode, &inode);
    if (r)
        return r == -ENOSPC ? -ENOMEM : r;
    struct inode *i = inode_at(fs, inode);
    if (mfd_flags & (ABI_MFD_ALLOW_SEALING | ABI_MFD_NOEXEC_SEAL))
        i->seals = mfd_flags & ABI_MFD_NOEXEC_SEAL ? ABI_F_SEAL_EXEC : 0;
    snprintf(text, sizeof text, "/memfd:%s", name);
    i->text = budget_strdup(fs->budget, text);
    r = i->text ? describe(fs, inode, 0, ABI_O_RDWR | ABI_O_LARGEFILE, 0, out) : -ENOMEM;
    if (r)
        tmp_forget(fs, inode);
    return r;
}
