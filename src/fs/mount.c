// What is mounted where: the root, /proc, /dev, and the binds. The table is made at the start and
// does not change; a mount point is known by the directory that holds it (device and inode) and its
// name, so it need not exist in the host.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "fs/internal.h"
#include "fs/tmpfs.h"
#include "host/file.h"

#define AS_DIR (ABI_O_PATH | ABI_O_DIRECTORY)

static int identify(struct mount *m)
{
    struct abi_stat s;
    if (m->fd < 0)
        return 0;
    int r = host_fstat(m->fd, &s);
    m->dev = s.st_dev;
    m->ino = s.st_ino;
    return r;
}

// Fills a row for `guest` (absolute, no trailing slash), whose parent is looked up in what is mounted
// already. Takes fd over.
static int mount_add(struct fs *fs, enum mount_kind kind, const char *guest, int fd, bool ro)
{
    struct found at = {.fd = -1};
    struct abi_stat s = {0};
    char up[ABI_PATH_MAX];
    struct mount *m = &fs->mounts[fs->nmounts];
    *m = (struct mount){.kind = (u8)kind, .ro = ro, .fd = fd, .base = "",
                        .parent_fd = -1};
    m->guest = mem_strdup(guest);
    fs->nmounts++;
    if (!m->guest)
        return -ENOMEM;
    char *slash = strrchr(m->guest, '/');
    m->name = slash ? slash + 1 : "";
    int r = identify(m);
    if (r || fs->nmounts == 1)
        return r;
    snprintf(up, sizeof(up), "%.*s/", (int)(slash - m->guest), m->guest);
    fs->nmounts--; // not to be found yet
    r = walk(fs, NULL, 0, up, WALK_PLAIN, AS_DIR, 0, &at);
    fs->nmounts++;
    if (r)
        return r;
    m->parent = at.mount;
    if (at.kind == FOUND_HOST) {
        m->parent_fd = at.fd;
        r = host_fstat(at.fd, &s);
        m->parent_dev = s.st_dev;
        m->parent_ino = s.st_ino;
        return r;
    }
    found_clear(&at);
    m->parent_inode = found_inode(fs, &at);
    return at.kind == FOUND_DEV || m->parent_inode ? 0 : -EINVAL;
}

static int add_bind(struct fs *fs, const struct fs_bind *b)
{
    char guest[ABI_PATH_MAX];
    size_t n = strlen(b->guest);
    if (b->guest[0] != '/' || n >= sizeof(guest))
        return -EINVAL;
    memcpy(guest, b->guest, n + 1);
    while (n && guest[n - 1] == '/')
        guest[--n] = 0;
    if (!n)
        return -EINVAL; // the root is --root's
    int fd = host_openat(HOST_CWD, b->host, ABI_O_PATH, 0);
    return fd < 0 ? fd : mount_add(fs, MOUNT_HOST, guest, fd, b->ro);
}

// Under --root /dev/shm is the machine's own, whatever the root has there.
static int add_shm(struct fs *fs)
{
    u32 root;
    int r = tmpfs_new(fs, 01777, &root);
    if (r == 0)
        r = mount_add(fs, MOUNT_TMP, "/dev/shm", -1, false);
    if (r == 0)
        mount_at(fs, fs->nmounts)->inode = root;
    return r;
}

u32 tmp_mount(struct fs *fs, u32 tmpfs)
{
    const struct tmpfs *t = pool_at(&fs->tmpfses, tmpfs);
    for (u32 id = 1; id <= fs->nmounts; id++)
        if (t->root && mount_at(fs, id)->inode == t->root)
            return id;
    return 0;
}

int mounts_new(struct fs *fs, const struct fs_options *options)
{
    fs->mounts = mem_zalloc((size_t)(6 + options->nbinds) * sizeof(struct mount));
    if (!fs->mounts)
        return -ENOMEM;
    int root = host_openat(HOST_CWD, options->root ? options->root : "/", AS_DIR, 0);
    if (root < 0)
        return root;
    int r = mount_add(fs, MOUNT_HOST, "", root, options->read_only);
    if (r)
        return r;
    fs->mounts[0].whole = !options->root;
    r = mount_add(fs, MOUNT_PROC, "/proc", -1, false);
    if (r == 0)
        r = mount_add(fs, MOUNT_PROC, "/sys", -1, false);
    if (r)
        return r;
    mount_at(fs, fs->nmounts)->base = ".sys";
    int dev = host_openat(root, "dev", AS_DIR | ABI_O_NOFOLLOW, 0);
    r = mount_add(fs, MOUNT_DEV, "/dev", dev < 0 ? -1 : dev, false);
    if (r)
        return r;
    int pts = dev < 0 ? -1 : host_openat(dev, "pts", AS_DIR | ABI_O_NOFOLLOW, 0);
    r = mount_add(fs, MOUNT_PTS, "/dev/pts", pts < 0 ? -1 : pts, false);
    if (r == 0 && options->root)
        r = add_shm(fs);
    for (int i = 0; r == 0 && i < options->nbinds; i++)
        r = add_bind(fs, &options->binds[i]);
    if (r == 0 && options->prefix) {
        fs->prefix_fd = host_openat(HOST_CWD, options->prefix, AS_DIR, 0);
        if (fs->prefix_fd < 0)
            r = fs->prefix_fd;
    }
    return r;
}

const char *mount_below(struct fs *fs, u32 mount, const char *rel)
{
    size_t n = strlen(mount_at(fs, mount)->base);
    return rel[n] == '/' && n ? rel + n + 1 : rel + n;
}

void mounts_free(struct fs *fs)
{
    if (fs->mounts_shared && --*fs->mounts_shared)
        return;
    mem_free(fs->mounts_shared);
    for (u32 i = 0; i < fs->nmounts; i++) {
        host_close(fs->mounts[i].fd);
        host_close(fs->mounts[i].parent_fd);
        mem_free(fs->mounts[i].guest);
    }
    mem_free(fs->mounts);
    host_close(fs->prefix_fd);
}

i64 mount_path(struct fs *fs, u32 mount, int fd, char *buf, size_t cap)
{
    struct mount *m = mount_at(fs, mount);
    char host[ABI_PATH_MAX], root[ABI_PATH_MAX];
    i64 n = host_fd_path(fd, host, sizeof(host));
    if (n < 0)
        return n;
    const char *tail = host;
    if (!m->whole && host[0] == '/') {
        i64 nr = m->fd < 0 ? -ENOENT : host_fd_path(m->fd, root, sizeof(root));
        if (nr < 0)
            return nr;
        if (nr == 1) // the mount's root is the host's /
            nr = 0;
        if (n < nr || memcmp(host, root, (size_t)nr) || (host[nr] && host[nr] != '/'))
            return -ENOENT; // moved out of the mount
        tail = host + nr;
    }
    if (tail[0] == '/' && !tail[1])
        tail = "";
    int len = snprintf(buf, cap, "%s%s", tail[0] && tail[0] != '/' ? "" : m->guest, tail);
    if (len == 0)
        len = snprintf(buf, cap, "/");
    return len < 0 || (size_t)len >= cap ? -ENAMETOOLONG : len;
}
