// The mount table as text.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/quota.h"
#include "fs/internal.h"
#include "fs/mount.h"
#include "fs/mount_call.h"
#include "fs/tmpfs.h"
#include "host/file.h"

const char filesystems_text[] = "nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\tdevpts\nnodev\tramfs\nnodev\tpipefs\n";

static const char *type_of(struct fs *fs, const struct mount *m)
{
    switch (m->kind) {
    case MOUNT_PROC:
        return strncmp(m->base, ".sys", 4) ? "proc" : "sysfs";
    case MOUNT_DEV:
    case MOUNT_NODE:
        return "devtmpfs";
    case MOUNT_PTS:
        return "devpts";
    case MOUNT_TMP:
        return tmpfs_of(fs, m->inode)->devices ? "devtmpfs" : "tmpfs";
    default:
        return "ext4";
    }
}

static u64 device_of(struct fs *fs, const struct mount *m)
{
    switch (m->kind) {
    case MOUNT_PROC:
        return strncmp(m->base, ".sys", 4) ? PROC_DEV : SYS_DEV;
    case MOUNT_TMP:
        return tmpfs_of(fs, m->inode)->dev;
    case MOUNT_PTS:
        return m->fd < 0 ? ABI_MAKEDEV(0, 24) : m->dev;
    default:
        return m->fd < 0 ? ABI_MAKEDEV(0, 5) : m->dev;
    }
}

// proc(5): white space and the like in octal.
static void name(struct strbuf *s, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (strchr(" \t\n\\#", *p))
            (void)strbuf_printf(s, "\\%03o", (u8)*p);
        else
            (void)strbuf_add(s, p, 1);
    }
}

static void options(struct strbuf *s, u32 flags)
{
    static const struct {
        u32 flag;
        const char *text;
    } texts[] = {{ABI_MS_NOSUID, ",nosuid"}, {ABI_MS_NODEV, ",nodev"}, {ABI_MS_NOEXEC, ",noexec"},
                 {ABI_MS_NOATIME, ",noatime"}, {ABI_MS_NODIRATIME, ",nodiratime"},
                 {ABI_MS_RELATIME, ",relatime"}, {ABI_MS_NOSYMFOLLOW, ",nosymfollow"}};
    for (u32 i = 0; i < ARRAY_LEN(texts); i++)
        if (flags & texts[i].flag)
            (void)strbuf_puts(s, texts[i].text);
}

static void fs_options(struct fs *fs, struct strbuf *s, const struct mount *m)
{
    if (m->kind == MOUNT_PTS)
        (void)strbuf_puts(s, ",gid=5,mode=620");
    if (m->kind != MOUNT_TMP)
        return;
    const struct tmpfs *t = tmpfs_of(fs, m->inode);
    if (t->quota && t->quota->limit)
        (void)strbuf_printf(s, ",size=%lluk", (unsigned long long)t->quota->limit * (PAGE_SIZE / 1024));
    if (t->inodes_most)
        (void)strbuf_printf(s, ",nr_inodes=%llu", (unsigned long long)t->inodes_most);
    if (t->mode != 01777)
        (void)strbuf_printf(s, ",mode=%03o", t->mode);
    if (t->uid)
        (void)strbuf_printf(s, ",uid=%u", t->uid);
    if (t->gid)
        (void)strbuf_printf(s, ",gid=%u", t->gid);
}

// The part of its file system that a mount shows.
static void root_of(struct fs *fs, const struct mount *m, struct strbuf *s)
{
    char path[ABI_PATH_MAX] = "/", root[ABI_PATH_MAX], room[DEV_NAME_ROOM];
    const char *text = path;
    if (m->kind == MOUNT_TMP) {
        if (tmp_path(fs, 0, m->inode, 0, path, sizeof path) < 0)
            return;
    } else if (m->kind == MOUNT_PROC) {
        const char *rest = strncmp(m->base, ".sys", 4) ? m->base : m->base + 4 + (m->base[4] == '/');
        (void)strbuf_puts(s, "/");
        text = rest;
    } else if (m->kind == MOUNT_NODE) {
        (void)strbuf_puts(s, "/");
        text = dev_name(m->node, room);
    } else if (m->kind == MOUNT_HOST && !m->whole) {
        i64 n = host_fd_path(m->fd, path, sizeof path), nr = host_fd_path(mount_at(fs, 1)->fd, root, sizeof root);
        if (n > 0 && nr > 1 && n >= nr && !memcmp(path, root, (size_t)nr) && (!path[nr] || path[nr] == '/'))
            text = path[nr] ? path + nr : "/";
    }
    name(s, text);
}

// ---- all of them ---------------------------------------------------------------------------------

struct entry {
    u64 serial;
    u32 id;
};

static int by_serial(const void *a, const void *b)
{
    u64 x = ((const struct entry *)a)->serial, y = ((const struct entry *)b)->serial;
    return x < y ? -1 : x > y;
}

static void mounts_line(struct fs *fs, u32 id, const char *at, struct strbuf *s)
{
    const struct mount *m = mount_at(fs, id);
    name(s, m->source);
    (void)strbuf_puts(s, " ");
    name(s, at);
    (void)strbuf_printf(s, " %s %s", type_of(fs, m), m->ro ? "ro" : "rw");
    options(s, m->flags);
    fs_options(fs, s, m);
    (void)strbuf_puts(s, " 0 0\n");
}

static void mountinfo_line(struct fs *fs, u32 id, const char *at, struct strbuf *s)
{
    const struct mount *m = mount_at(fs, id);
    u64 dev = device_of(fs, m);
    (void)strbuf_printf(s, "%u %u %u:%u ", id, m->parent ? m->parent : id, ABI_MAJOR(dev), ABI_MINOR(dev));
    root_of(fs, m, s);
    (void)strbuf_puts(s, " ");
    name(s, at);
    (void)strbuf_puts(s, m->flags & ABI_MS_RDONLY ? " ro" : " rw");
    options(s, m->flags);
    (void)strbuf_printf(s, " - %s ", type_of(fs, m));
    name(s, m->source);
    (void)strbuf_puts(s, m->sb_ro ? " ro" : " rw");
    fs_options(fs, s, m);
    (void)strbuf_puts(s, "\n");
}

static int each(struct fs *fs, struct fsctx *c, struct strbuf *out,
                void (*line)(struct fs *, u32, const char *, struct strbuf *))
{
    char at[ABI_PATH_MAX];
    u32 count = 0, root = c->c->ns ? mntns_root(fs, c->c->ns) : 0;
    struct entry *all = mem_alloc((fs->mounts.live + 1) * sizeof *all);
    if (!all)
        return -ENOMEM;
    for (u32 id = root; id; id = mount_next(fs, id, root))
        all[count++] = (struct entry){mount_at(fs, id)->serial, id};
    qsort(all, count, sizeof *all, by_serial);
    for (u32 i = 0; i < count; i++) {
        const char *guest = mount_guest(fs, all[i].id);
        if (!guest)
            continue;
        snprintf(at, sizeof at, "%s", *guest ? guest : "/");
        if (ctx_strip(fs, c, at) > 0)
            line(fs, all[i].id, at, out);
    }
    mem_free(all);
    return out->failed ? -ENOMEM : 0;
}

int mounts_text(struct fs *fs, struct fsctx *c, struct strbuf *out)
{
    return each(fs, c, out, mounts_line);
}

int mountinfo_text(struct fs *fs, struct fsctx *c, struct strbuf *out)
{
    return each(fs, c, out, mountinfo_line);
}
