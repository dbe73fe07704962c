// The mounts that a machine starts with: the root, /proc, /sys, /dev, and what its owner asked for.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/budget.h"
#include "fs/internal.h"
#include "fs/mount.h"
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
    m->file = (s.st_mode & ABI_S_IFMT) != ABI_S_IFDIR;
    return r;
}

// The directory of `guest` (absolute, no slash at its end), in what is mounted already.
static int point_find(struct fs *fs, const char *guest, struct mount_point *to)
{
    struct found at = {.fd = -1};
    struct abi_stat s = {0};
    char up[ABI_PATH_MAX];
    const char *name = strrchr(guest, '/') + 1;
    *to = (struct mount_point){.fd = -1};
    if (!*name || strlen(name) > ABI_NAME_MAX || !strcmp(name, ".") || !strcmp(name, ".."))
        return -EINVAL;
    snprintf(up, sizeof(up), "%.*s", (int)(name - guest), guest);
    int r = walk(fs, NULL, 0, up, WALK_PLAIN, AS_DIR, 0, &at);
    if (r)
        return r;
    to->name = budget_strdup(NULL, name);
    to->mount = at.mount;
    if (at.kind == FOUND_HOST) {
        to->fd = at.fd;
        r = host_fstat(at.fd, &s);
        to->dev = s.st_dev;
        to->ino = s.st_ino;
        return r ? r : to->name ? 0 : -ENOMEM;
    }
    found_clear(&at);
    to->inode = found_inode(fs, &at);
    if (to->inode) {
        u32 made; // to be seen in the directory
        inode_get(fs, to->inode);
        if (tmp_look(fs, to->inode, name, strlen(name), &made) == -ENOENT)
            r = tmp_make(fs, to->inode, name, strlen(name), ABI_S_IFDIR | 0755, 0, NULL, &made);
        return r ? r : to->name ? 0 : -ENOMEM;
    }
    return at.kind != FOUND_DEV ? -EINVAL : to->name ? 0 : -ENOMEM;
}

// The same; what misses of the way to it is made, as far as it lies in the machine's memory.
static int point_make(struct fs *fs, const char *guest, struct mount_point *to)
{
    char part[ABI_PATH_MAX];
    int r = point_find(fs, guest, to);
    for (const char *end = guest; r == -ENOENT && (end = strchr(end + 1, '/'));) {
        mount_point_clear(fs, to);
        snprintf(part, sizeof(part), "%.*s", (int)(end - guest), guest);
        r = point_find(fs, part, to);
        r = r ? r : -ENOENT;
    }
    if (r == -ENOENT) {
        mount_point_clear(fs, to);
        r = point_find(fs, guest, to);
    }
    return r;
}

// What the host shows at a mount point, if that is a mount of its own, is not the guest's to see.
static bool hides_mount(struct fs *fs, const struct mount_point *at)
{
    struct abi_stat s;
    return fs->whole || (at->fd >= 0 && host_fstatat(at->fd, at->name, &s) == 0 && s.st_dev != at->dev);
}

// Where something is mounted already, the root of that is the place.
static void point_covered(struct fs *fs, struct mount_point *at)
{
    u32 id = mount_on(fs, at);
    if (!id)
        return;
    while (mount_at(fs, id)->over)
        id = mount_at(fs, id)->over;
    mount_point_clear(fs, at);
    *at = (struct mount_point){.mount = id, .on_root = true, .fd = -1};
}

struct start {
    enum mount_kind kind;
    const char *guest, *source;
    u32 flags;
    int fd;    // taken over
    u32 inode; // the same
    const char *base;
    bool owners; // asked for by the machine's owner
};

static void place_start(struct fs *fs, u32 id, struct mount_point *at, bool owners)
{
    bool locked = owners || hides_mount(fs, at);
    point_covered(fs, at);
    mount_attach(fs, id, at);
    mount_at(fs, id)->locked = locked;
}

static int mount_start(struct fs *fs, const struct start *s)
{
    struct mount_point at = {.fd = -1};
    u32 id;
    int r = mount_new(fs, s->kind, s->flags, s->source, &id);
    if (r) {
        host_close(s->fd);
        return r;
    }
    struct mount *m = mount_at(fs, id);
    m->fd = s->fd;
    m->inode = s->inode;
    m->node = s->kind == MOUNT_DEV ? DEV_DIR : s->kind == MOUNT_PTS ? DEV_PTSDIR : 0;
    r = identify(m);
    if (r == 0 && s->base) {
        budget_free(m->base);
        m->base = budget_strdup(NULL, s->base);
        r = m->base ? 0 : -ENOMEM;
    }
    if (r == 0 && !*s->guest) {
        m->main = true;
        r = mntns_new(fs, id, &id);
        mount_get(fs, 1); // (MT1)
    } else if (r == 0) {
        r = point_make(fs, s->guest, &at);
        if (r)
            mount_point_clear(fs, &at);
        else
            place_start(fs, id, &at, s->owners);
    }
    m->locked_ro = s->owners && s->flags & ABI_MS_RDONLY;
    if (r)
        mount_put(fs, id);
    return r;
}

// Without slashes at its end. -EINVAL: it is not absolute, or the root
static int clean(const char *path, char to[ABI_PATH_MAX])
{
    size_t n = strlen(path);
    if (path[0] != '/' || n >= ABI_PATH_MAX)
        return -EINVAL;
    memcpy(to, path, n + 1);
    while (n && to[n - 1] == '/')
        to[--n] = 0;
    return n ? 0 : -EINVAL;
}

static int add_bind(struct fs *fs, const struct fs_bind *b)
{
    char guest[ABI_PATH_MAX];
    int r = clean(b->guest, guest);
    if (r)
        return r;
    int fd = host_openat(HOST_CWD, b->host, ABI_O_PATH, 0);
    return fd < 0 ? fd : mount_start(fs, &(struct start){MOUNT_HOST, guest, "/dev/root",
                             ABI_MS_RELATIME | (b->ro ? ABI_MS_RDONLY : 0), fd, .owners = true});
}

static int add_tmpfs(struct fs *fs, const struct fs_tmpfs *t, bool owners)
{
    char guest[ABI_PATH_MAX];
    u32 root;
    int r = clean(t->guest, guest);
    if (r == 0)
        r = tmpfs_new(fs, &(struct tmpfs_options){.mode = t->mode ? t->mode & 07777 : 01777, .size = t->size}, &root);
    return r ? r : mount_start(fs, &(struct start){MOUNT_TMP, guest, "tmpfs",
                       ABI_MS_NOSUID | ABI_MS_NODEV | ABI_MS_RELATIME, -1, root, .owners = owners});
}

static int add_devices(struct fs *fs)
{
    const u32 flags = ABI_MS_NOSUID | ABI_MS_RELATIME;
    int root = mount_at(fs, 1)->fd, dev = host_openat(root, "dev", AS_DIR | ABI_O_NOFOLLOW, 0);
    int pts = dev < 0 ? -1 : host_openat(dev, "pts", AS_DIR | ABI_O_NOFOLLOW, 0);
    int r = mount_start(fs, &(struct start){MOUNT_DEV, "/dev", "devtmpfs", flags, .fd = dev < 0 ? -1 : dev});
    if (r == 0)
        r = mount_start(fs, &(struct start){MOUNT_PTS, "/dev/pts", "devpts", flags | ABI_MS_NOEXEC,
                             .fd = pts < 0 ? -1 : pts});
    else
        host_close(pts);
    return r;
}

static u32 depth(const char *path)
{
    u32 n = 0;
    for (const char *p = path; *p; p++)
        n += *p == '/' && p[1] && p[1] != '/';
    return n;
}

// What lies higher comes first, as one may lie in another.
static int add_owners(struct fs *fs, const struct fs_options *options)
{
    int r = 0, left = options->ntmpfses + options->nbinds;
    for (u32 level = 0; r == 0 && left; level++) {
        for (int i = 0; r == 0 && i < options->ntmpfses; i++) {
            bool now = depth(options->tmpfses[i].guest) == level;
            left -= now;
            r = now ? add_tmpfs(fs, &options->tmpfses[i], true) : 0;
        }
        for (int i = 0; r == 0 && i < options->nbinds; i++) {
            bool now = depth(options->binds[i].guest) == level;
            left -= now;
            r = now ? add_bind(fs, &options->binds[i]) : 0;
        }
    }
    return r;
}

int mounts_new(struct fs *fs, const struct fs_options *options)
{
    const u32 flags = ABI_MS_NOSUID | ABI_MS_NODEV | ABI_MS_NOEXEC | ABI_MS_RELATIME;
    int root = host_openat(HOST_CWD, options->root ? options->root : "/", AS_DIR, 0);
    if (root < 0)
        return root;
    fs->whole = !options->root;
    int r = mount_start(fs, &(struct start){MOUNT_HOST, "", "/dev/root",
                ABI_MS_RELATIME | (options->read_only ? ABI_MS_RDONLY : 0), root, .owners = true});
    if (r)
        return r;
    mount_at(fs, 1)->whole = fs->whole;
    r = mount_start(fs, &(struct start){MOUNT_PROC, "/proc", "proc", flags, .fd = -1});
    if (r == 0)
        r = mount_start(fs, &(struct start){MOUNT_PROC, "/sys", "sysfs", flags | ABI_MS_RDONLY, -1, .base = ".sys"});
    if (r == 0)
        r = add_devices(fs);
    if (r == 0 && options->root) // whatever the root has there
        r = add_tmpfs(fs, &(struct fs_tmpfs){.guest = "/dev/shm"}, false);
    if (r == 0)
        r = add_owners(fs, options);
    if (r == 0 && options->prefix) {
        fs->prefix_fd = host_openat(HOST_CWD, options->prefix, AS_DIR, 0);
        if (fs->prefix_fd < 0)
            r = fs->prefix_fd;
    }
    return r;
}

void mounts_free(struct fs *fs)
{
    fs_host_close(fs, fs->prefix_fd);
}
