// Extended attributes: the host's, of its own files, and of those the names in `user.` alone. Others
// say something to the host's kernel (capabilities, access lists, labels), which is not the guest's to say.
#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/tmpfs.h"
#include "host/file.h"

#include <errno.h>
#include <string.h>

static bool is_user(const char *name)
{
    return strncmp(name, "user.", 5) == 0 && name[5];
}

// A list of names, each with its NUL, without those that are not the guest's. Its new length.
static i64 keep_user(char *list, i64 n)
{
    i64 kept = 0;
    for (i64 at = 0; at < n;) {
        i64 len = (i64)strnlen(list + at, (size_t)(n - at)) + 1;
        if (at + len <= n && is_user(list + at)) {
            memmove(list + kept, list + at, (size_t)len);
            kept += len;
        }
        at += len;
    }
    return kept;
}

static i64 on_descriptor(int fd, const struct xattr *x)
{
    struct abi_stat s;
    int r = host_fstat(fd, &s);
    u32 type = s.st_mode & ABI_S_IFMT;
    if (r)
        return r;
    bool may_have = type == ABI_S_IFREG || type == ABI_S_IFDIR, user = x->name && is_user(x->name);
    switch (x->op) {
    case XATTR_LIST: {
        i64 n = may_have ? host_listxattr(fd, x->value, ABI_XATTR_SIZE_MAX) : 0;
        return n > 0 ? keep_user(x->value, n) : n == -EOPNOTSUPP ? 0 : n;
    }
    case XATTR_GET:
        if (!user)
            return strncmp(x->name, "system.", 7) == 0 ? -EOPNOTSUPP : -ENODATA;
        return may_have ? host_getxattr(fd, x->name, x->value, ABI_XATTR_SIZE_MAX) : -ENODATA;
    case XATTR_SET:
        return !user ? -EOPNOTSUPP : may_have ? host_setxattr(fd, x->name, x->value, x->size, x->flags) : -EPERM;
    case XATTR_REMOVE:
        return !user ? -EOPNOTSUPP : may_have ? host_removexattr(fd, x->name) : -EPERM;
    }
    return -EINVAL;
}

i64 file_xattr(struct fs *fs, file_t id, const struct xattr *x)
{
    const struct file *f = file_at(fs, id);
    bool changes = x->op == XATTR_SET || x->op == XATTR_REMOVE;
    if (f->kind == FILE_PATH)
        return -EBADF;
    if (changes && mount_is_ro(fs, f->mount))
        return -EROFS;
    if (f->inode)
        return tmp_xattr(fs, f->inode, f->name, x);
    if ((f->kind == FILE_HOST || f->kind == FILE_DIR) && f->host_fd >= 0)
        return on_descriptor(f->host_fd, x);
    return x->op == XATTR_LIST ? 0 : x->op == XATTR_GET ? -ENODATA : -EOPNOTSUPP;
}

i64 path_xattr(struct fs *fs, struct fsctx *c, const char *path, u32 flags, const struct xattr *x)
{
    bool changes = x->op == XATTR_SET || x->op == XATTR_REMOVE;
    struct found at;
    struct abi_stat s;
    int r = walk(fs, c, 0, path, flags & ABI_AT_SYMLINK_NOFOLLOW ? WALK_NOFOLLOW : 0, ABI_O_PATH, 0, &at);
    if (r)
        return r;
    const struct file *f = at.kind == FOUND_FILE ? file_at(fs, at.file) : NULL;
    int fd = f ? f->host_fd : at.kind == FOUND_HOST ? at.fd : -1;
    i64 n;
    if (changes && mount_is_ro(fs, at.mount))
        n = -EROFS;
    else if (found_inode(fs, &at))
        n = tmp_xattr(fs, found_inode(fs, &at), found_name(fs, &at), x);
    else if (fd < 0)
        n = x->op == XATTR_LIST ? 0 : x->op == XATTR_GET ? -ENODATA : -EOPNOTSUPP;
    else if ((n = host_fstat(fd, &s)) == 0 && (n = fs_guard(fs, fd, s.st_dev)) == 0)
        n = on_descriptor(fd, x);
    found_clear(&at);
    return n;
}
