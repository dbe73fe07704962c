#include "fs/hostfds.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/forking.h"
#include "fs/internal.h"
#include "host/file.h"

struct hostfds {
    u32 refs;   // file systems
    u32 room;
    u32 *extra; // by descriptor: its holders but one
};

void hostfds_share(struct forking *f, struct fs *to, struct fs *from)
{
    if (!from->hostfds)
        from->hostfds = mem_zalloc(sizeof *from->hostfds);
    if (from->hostfds && !from->hostfds->refs)
        from->hostfds->refs = 1;
    to->hostfds = from->hostfds;
    if (to->hostfds)
        to->hostfds->refs++;
    else
        f->error = -ENOMEM;
}

void hostfds_put(struct hostfds *h)
{
    if (!h || --h->refs)
        return;
    mem_free(h->extra);
    mem_free(h);
}

static int make_room(struct hostfds *h, u32 fd)
{
    u32 room = MAX(h->room, 32u);
    while (room <= fd)
        room *= 2;
    if (room == h->room)
        return 0;
    u32 *more = mem_resize(h->extra, room * sizeof *more);
    if (!more)
        return -ENOMEM;
    memset(more + h->room, 0, (room - h->room) * sizeof *more);
    h->extra = more;
    h->room = room;
    return 0;
}

bool hostfds_get(struct forking *f, int fd)
{
    if (fd < 0 || f->error)
        return false;
    struct hostfds *h = f->fs->hostfds;
    f->error = make_room(h, (u32)fd);
    if (f->error)
        return false;
    h->extra[fd]++;
    return true;
}

void fs_host_close(struct fs *fs, int fd)
{
    const struct hostfds *h = fs->hostfds;
    if (fd < 0)
        return;
    if (h && (u32)fd < h->room && h->extra[fd])
        h->extra[fd]--;
    else if (fd <= 2)
        host_blank(fd); // a standard descriptor's number must not come back as somebody's file
    else
        host_close(fd);
}

struct fs *fs_copy(struct forking *f, struct fs *from)
{
    struct fs *fs = forking_dup(f, from, sizeof *fs);
    if (!fs)
        return NULL;
#define POOL(name) fs->name = (struct pool){.size = from->name.size};
#include "fs/pools.def"
    fs->bounce = NULL;
    fs->name_bucket = budget_dup(f, from->name_bucket);
    fs->fdnodes_copied = fs->fsctx_copied = &fs->sink;
    f->fs = fs;
    hostfds_share(f, fs, from);
    if (!hostfds_get(f, fs->prefix_fd))
        fs->prefix_fd = -1;
#define POOL(name) pool_copy(f, &fs->name, &from->name, &name##_pool);
#include "fs/pools.def"
    return fs;
}
