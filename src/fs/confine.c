// What of the host's files the machine may still need, told to Landlock.
#include <errno.h>
#include <string.h>

#include "fs/internal.h"
#include "fs/mount.h"
#include "host/confine.h"

static int allow_mounts(struct fs *fs, struct confine *c)
{
    for (u32 id = 0; (id = pool_next(&fs->mounts, id));) {
        const struct mount *m = mount_at(fs, id);
        int r = m->fd < 0 ? 0 : confine_allow(c, m->fd, m->locked_ro ? CONFINE_READ_TREE : CONFINE_TREE);
        if (r)
            return r;
    }
    return fs->prefix_fd < 0 ? 0 : confine_allow(c, fs->prefix_fd, CONFINE_READ_TREE);
}

// What came with the process may be opened again by the name of its descriptor; directories not.
static int allow_inherited(struct fs *fs, struct confine *c)
{
    for (file_t id = 0; (id = pool_next(&fs->files, id));) {
        const struct file *f = file_at(fs, id);
        if (!(f->how & (FILE_INHERITED | FILE_TWIN)) || f->kind == FILE_DIR || f->host_fd < 0)
            continue;
        int r = confine_allow(c, f->host_fd, CONFINE_FILE);
        if (r)
            return r;
    }
    return 0;
}

int fs_confine(struct fs *fs, bool net)
{
    struct confine c;
    if (fs->whole)
        return -EINVAL; // there is nothing to be confined to
    int r = confine_begin(&c, net);
    if (r)
        return r;
    r = allow_mounts(fs, &c);
    if (r == 0)
        r = allow_inherited(fs, &c);
    if (r == 0)
        r = confine_allow_path(&c, "/dev/null", CONFINE_FILE);
    if (r == 0)
        r = confine_allow_path(&c, "/dev/tty", CONFINE_FILE);
    if (r == 0)
        r = confine_files(&c);
    confine_end(&c);
    return r;
}
