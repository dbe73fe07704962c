// The path context of a process: current directory, root, umask. fork shares it (law L2).
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/forking.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/tmpfs.h"
#include "host/file.h"

static void content_put(struct fs *fs, struct fsctx_content *c)
{
    if (!c || --c->refs)
        return;
    file_put(fs, c->cwd);
    file_put(fs, c->root);
    mntns_put(fs, c->ns);
    mem_free(c);
}

int fsctx_own(struct fs *fs, struct fsctx *c)
{
    if (c->c->refs == 1)
        return 0;
    struct fsctx_content *own = mem_alloc(sizeof(*own));
    if (!own)
        return -ENOMEM;
    *own = *c->c;
    own->refs = 1;
    file_get(fs, own->cwd);
    file_get(fs, own->root);
    mntns_get(fs, own->ns);
    c->c->refs--;
    c->c = own;
    ++*fs->fsctx_copied;
    return 0;
}

// The host's current directory as the guest calls it, or "/".
static int host_cwd(struct fs *fs, char *buf, size_t cap)
{
    int fd = host_openat(HOST_CWD, ".", ABI_O_PATH | ABI_O_DIRECTORY, 0);
    i64 n = fd < 0 ? fd : mount_path(fs, 1, fd, buf, cap);
    host_close(fd);
    if (n <= 0)
        memcpy(buf, "/", 2);
    return 0;
}

int fsctx_new(struct fs *fs, const char *cwd, struct fsctx **out)
{
    char path[ABI_PATH_MAX];
    struct found at;
    struct abi_stat s;
    struct fsctx *c = mem_zalloc(sizeof(*c));
    struct fsctx_content *content = mem_zalloc(sizeof(*content));
    int r = c && content ? 0 : -ENOMEM;
    if (r)
        goto failed;
    c->holders = 1;
    c->c = content;
    content->refs = 1;
    content->umask = fs->umask;
    content->ns = mount_at(fs, 1)->ns;
    mntns_get(fs, content->ns);
    r = walk(fs, NULL, 0, "/", WALK_PLAIN, ABI_O_PATH | ABI_O_DIRECTORY, 0, &at);
    if (r == 0 && at.kind == FOUND_TMP)
        r = tmp_open(fs, at.inode, at.name, ABI_O_PATH, 0, at.mount, false, &content->root);
    else if (r == 0 && (r = host_fstat(at.fd, &s)) == 0)
        r = file_adopt(fs, at.fd, &s, ABI_O_PATH | ABI_O_DIRECTORY, at.mount, &content->root);
    if (r)
        goto failed;
    file_get(fs, content->root);
    content->cwd = content->root;
    if (!cwd && host_cwd(fs, path, sizeof(path)) == 0)
        cwd = path;
    r = fsctx_chdir(fs, c, cwd);
    if (r && cwd == path)
        r = 0; // not to be seen from inside: stay at "/"
    if (r) {
        fsctx_put(fs, c);
        return r;
    }
    *out = c;
    return 0;
failed:
    if (content)
        mntns_put(fs, content->ns);
    mem_free(content);
    mem_free(c);
    return r;
}

int fsctx_fork(struct fs *fs, struct fsctx *parent, struct fsctx **out)
{
    (void)fs;
    struct fsctx *c = mem_alloc(sizeof(*c));
    if (!c)
        return -ENOMEM;
    *c = (struct fsctx){.holders = 1, .c = parent->c};
    parent->c->refs++;
    *out = c;
    return 0;
}

void fsctx_get(struct fsctx *c)
{
    c->holders++;
}

void fsctx_put(struct fs *fs, struct fsctx *c)
{
    if (!c || --c->holders)
        return;
    content_put(fs, c->c);
    mem_free(c);
}

static struct fsctx_content *content_copy(struct forking *f, struct fsctx_content *from)
{
    bool found;
    struct fsctx_content *c = forking_find(f, from, &found);
    if (!found) {
        c = forking_dup(f, from, sizeof *c);
        forking_add(f, from, c);
        if (c)
            c->refs = 0;
    }
    if (c)
        c->refs++;
    return c;
}

struct fsctx *fsctx_copy(struct forking *f, struct fsctx *from)
{
    bool found;
    struct fsctx *c = forking_find(f, from, &found);
    if (!found) {
        c = forking_dup(f, from, sizeof *c);
        forking_add(f, from, c);
        if (c) {
            c->holders = 0;
            c->c = content_copy(f, from->c);
        }
    }
    if (c)
        c->holders++;
    return c;
}

void fsctx_drop(struct fsctx *c)
{
    if (!c || --c->holders)
        return;
    if (c->c && --c->c->refs == 0)
        mem_free(c->c);
    mem_free(c);
}

// Takes over a reference to `dir` as the new cwd or root.
static int set_dir(struct fs *fs, struct fsctx *c, file_t dir, bool root)
{
    int r = fsctx_own(fs, c);
    if (r) {
        file_put(fs, dir);
        return r;
    }
    file_t *slot = root ? &c->c->root : &c->c->cwd, old = *slot;
    *slot = dir;
    file_put(fs, old);
    return 0;
}

static int may_enter(struct fs *fs, file_t id)
{
    struct file *f = file_at(fs, id);
    struct abi_stat s;
    int r = file_stat(fs, id, &s);
    if (r)
        return r;
    if ((s.st_mode & ABI_S_IFMT) != ABI_S_IFDIR)
        return -ENOTDIR;
    if (f->inode)
        return tmp_may(fs, f->inode, ABI_X_OK);
    return f->host_fd >= 0 ? host_access(f->host_fd, ABI_X_OK, true) : 0;
}

static int change(struct fs *fs, struct fsctx *c, const char *path, bool root)
{
    file_t dir;
    int r = path_open(fs, c, 0, path, ABI_O_PATH | ABI_O_DIRECTORY, 0, &dir);
    if (r)
        return r;
    r = may_enter(fs, dir);
    if (r == 0 && root && file_at(fs, dir)->host_fd < 0 && !file_at(fs, dir)->inode)
        r = -EACCES;
    if (r) {
        file_put(fs, dir);
        return r;
    }
    return set_dir(fs, c, dir, root);
}

int fsctx_chdir(struct fs *fs, struct fsctx *c, const char *path)
{
    return change(fs, c, path, false);
}

int fsctx_chroot(struct fs *fs, struct fsctx *c, const char *path)
{
    return change(fs, c, path, true);
}

int fsctx_fchdir(struct fs *fs, struct fsctx *c, file_t dir)
{
    struct file *f = file_at(fs, dir);
    if (!f)
        return -EBADF;
    int r = may_enter(fs, dir);
    if (r)
        return r;
    if (f->how & FILE_TREE) { // who is in it does not keep it
        struct place root;
        r = place_root(fs, f->mount, &root);
        if (r == 0)
            r = place_open(fs, &root, &dir);
        place_clear(fs, &root);
        if (r)
            return r;
    } else {
        file_get(fs, dir);
    }
    return set_dir(fs, c, dir, false);
}

i64 ctx_strip(struct fs *fs, struct fsctx *c, char *path)
{
    char root[ABI_PATH_MAX];
    i64 nr = file_path(fs, c->c->root, root, sizeof(root));
    size_t n = strlen(path);
    if (nr < 0)
        return nr;
    if (nr == 1)
        return (i64)n;
    if (memcmp(path, root, MIN((size_t)nr, n + 1)) || (path[nr] && path[nr] != '/'))
        return -ENOENT;
    memmove(path, path + nr, n - (size_t)nr + 1);
    if (!path[0])
        memcpy(path, "/", 2);
    return (i64)strlen(path);
}

i64 fsctx_getcwd(struct fs *fs, struct fsctx *c, char *buf, size_t cap)
{
    char path[ABI_PATH_MAX];
    struct abi_stat s;
    int r = file_stat(fs, c->c->cwd, &s);
    if (r)
        return r;
    if (!s.st_nlink)
        return -ENOENT;
    i64 n = file_path(fs, c->c->cwd, path, sizeof(path));
    if (n >= 0)
        n = ctx_strip(fs, c, path);
    if (n < 0)
        return n;
    if ((size_t)n >= cap)
        return -ERANGE;
    memcpy(buf, path, (size_t)n + 1);
    return n;
}

int fsctx_umask(struct fs *fs, struct fsctx *c, u32 mask, u32 *old)
{
    *old = c->c->umask;
    if ((mask & 0777) == *old)
        return 0;
    int r = fsctx_own(fs, c);
    if (r == 0)
        c->c->umask = mask & 0777;
    return r;
}
