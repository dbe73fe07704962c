#include "kernel/memory_file.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/forking.h"
#include "base/quota.h"
#include "fs/tmpfs.h"
#include "mm/map.h"
#include "mm/pagecache.h"

static struct backing *pages_of(struct machine *m, u32 id)
{
    return ((struct memory_file *)pool_at(&m->memory_files, id))->pages;
}

struct backing *memory_file_backing(struct machine *m, file_t file)
{
    const struct file *f = file_at(m->fs, file);
    u32 memory = f->inode ? inode_at(m->fs, f->inode)->memory : 0;
    if (!memory)
        return NULL;
    struct backing *b = pages_of(m, memory);
    backing_get(b);
    return b;
}

// ---- life ----------------------------------------------------------------------------------------

static int make(void *arg, u64 dev, u64 ino, struct quota *quota, u32 *id)
{
    struct machine *m = arg;
    int r = pool_new(&m->memory_files, id);
    if (r)
        return r;
    struct memory_file *mf = pool_at(&m->memory_files, *id);
    r = backing_anonymous(m->store, &mf->pages);
    if (r) {
        pool_free(&m->memory_files, *id);
        return r;
    }
    mf->pages->pages = 0;
    mf->pages->quota = quota;
    quota_get(quota);
    mf->pages->key = (struct file_key){.dev = dev, .ino = ino};
    return 0;
}

static void put(void *arg, u32 id)
{
    struct machine *m = arg;
    backing_put(m->store, pages_of(m, id));
    pool_free(&m->memory_files, id);
}

static bool executing(void *arg, u32 id)
{
    return pages_of(arg, id)->executing;
}

static bool mapped(void *arg, u32 id)
{
    return pages_of(arg, id)->refs > 1;
}

static void space(void *arg, u64 *pages, u64 *left)
{
    const struct store *s = ((struct machine *)arg)->store;
    *pages = s->limit;
    *left = store_room(s);
}

// ---- bytes ---------------------------------------------------------------------------------------

static u64 size_of(void *arg, u32 id)
{
    return pages_of(arg, id)->key.size;
}

static i64 read_bytes(void *arg, u32 id, void *to, size_t n, u64 offset)
{
    struct machine *m = arg;
    const struct backing *b = pages_of(m, id);
    u64 size = b->key.size, done = 0;
    n = offset < size ? MIN(n, size - offset) : 0;
    while (done < n) {
        u64 within = (offset + done) & PAGE_MASK, part = MIN(n - done, PAGE_SIZE - within);
        frame_t f = backing_peek(b, (offset + done) >> PAGE_SHIFT);
        if (f == FRAME_NONE)
            memset((u8 *)to + done, 0, part);
        else // the destination may be this very page, mapped
            memmove((u8 *)to + done, frame_data(m->store, f) + within, part);
        done += part;
    }
    return (i64)n;
}

// Makes the pages of [offset, offset + n) the file's own; how many bytes there is memory for.
static u64 own_pages(struct machine *m, struct backing *b, u64 offset, u64 n)
{
    frame_t f;
    for (u64 page = offset >> PAGE_SHIFT, last = (offset + n - 1) >> PAGE_SHIFT; page <= last; page++)
        if (backing_page(m->store, b, page, &f))
            return page << PAGE_SHIFT > offset ? (page << PAGE_SHIFT) - offset : 0;
    return n;
}

// Gives the pages beyond the end back; nobody maps them.
static void cut(struct machine *m, struct backing *b)
{
    b->pages = (b->key.size + PAGE_MASK) >> PAGE_SHIFT;
    backing_cut(m->store, b);
}

static void resized(struct backing *b)
{
    b->pages = (b->key.size + PAGE_MASK) >> PAGE_SHIFT;
}

static i64 write_bytes(void *arg, u32 id, const void *from, size_t n, u64 offset)
{
    struct machine *m = arg;
    struct backing *b = pages_of(m, id);
    u64 done = 0;
    b->pages = MAX(b->pages, (offset + n + PAGE_MASK) >> PAGE_SHIFT);
    n = own_pages(m, b, offset, n);
    if (!n) {
        cut(m, b);
        return -ENOSPC;
    }
    b->key.size = MAX(b->key.size, offset + n);
    while (done < n) {
        u64 within = (offset + done) & PAGE_MASK, part = MIN(n - done, PAGE_SIZE - within);
        frame_t f = backing_peek(b, (offset + done) >> PAGE_SHIFT);
        frame_will_change(m->store, f);
        memmove(frame_data(m->store, f) + within, (const u8 *)from + done, part);
        done += part;
    }
    resized(b);
    return (i64)n;
}

// The bytes [from, to) of one page become zeros.
static int clear_part(struct machine *m, struct backing *b, u64 from, u64 to)
{
    frame_t f;
    if (from >= to || !backing_cached(b, from >> PAGE_SHIFT))
        return 0;
    int r = backing_page(m->store, b, from >> PAGE_SHIFT, &f);
    if (r)
        return r;
    frame_will_change(m->store, f);
    memset(frame_data(m->store, f) + (from & PAGE_MASK), 0, to - from);
    return 0;
}

static int resize(void *arg, u32 id, u64 size)
{
    struct machine *m = arg;
    struct backing *b = pages_of(m, id);
    bool shrinks = size < b->key.size;
    int r = shrinks ? clear_part(m, b, size, ALIGN_UP(size, PAGE_SIZE)) : 0;
    if (r == 0 && shrinks)
        r = backing_cut_ready(m->store, b, (size + PAGE_MASK) >> PAGE_SHIFT);
    if (r)
        return r;
    b->key.size = size;
    resized(b);
    for (u32 t = shrinks ? pool_next(&m->tasks, 0) : 0; t; t = pool_next(&m->tasks, t))
        if (task_at(m, t)->mm)
            mm_truncate(task_at(m, t)->mm, b, b->pages);
    cut(m, b);
    return 0;
}

// Pages that nobody maps are given back, others cleared.
static int punch(void *arg, u32 id, u64 offset, u64 n)
{
    struct machine *m = arg;
    struct backing *b = pages_of(m, id);
    u64 end = MIN(n > ~0ULL - offset ? ~0ULL : offset + n, b->pages << PAGE_SHIFT);
    for (u64 at = offset; at < end;) {
        u64 next = MIN(ALIGN_DOWN(at, PAGE_SIZE) + PAGE_SIZE, end);
        int r = next - at == PAGE_SIZE && backing_give_back(m->store, b, at >> PAGE_SHIFT)
                    ? 0 : clear_part(m, b, at, next);
        if (r)
            return r;
        at = next;
    }
    return 0;
}

static i64 seek(void *arg, u32 id, u64 offset, bool data)
{
    const struct backing *b = pages_of(arg, id);
    if (offset >= b->key.size)
        return -ENXIO;
    u64 page = offset >> PAGE_SHIFT;
    while (page < b->pages && backing_cached(b, page) != data)
        page++;
    if (page >= b->pages)
        return data ? -ENXIO : (i64)b->key.size;
    return (i64)MAX(offset, page << PAGE_SHIFT);
}

static u64 blocks(void *arg, u32 id)
{
    return backing_resident(pages_of(arg, id)) * (PAGE_SIZE / 512);
}

// Memory for all of [offset, offset + n) now; the file grows to hold it, or what lies behind its end is left out.
static int allocate(void *arg, u32 id, u64 offset, u64 n, bool grows)
{
    struct machine *m = arg;
    struct backing *b = pages_of(m, id);
    u64 all, left, missing = 0, end = grows ? offset + n : MIN(offset + n, b->key.size);
    u64 first = offset >> PAGE_SHIFT, last = (end + PAGE_MASK) >> PAGE_SHIFT;
    space(m, &all, &left);
    left = MIN(left, quota_left(b->quota));
    for (u64 page = first; page < last && missing <= left; page++)
        missing += !backing_cached(b, page);
    if (missing > left)
        return -ENOSPC;
    b->pages = MAX(b->pages, last);
    int r = 0;
    for (u64 page = first; page < last && r == 0; page++) {
        frame_t f;
        if (page % 4096 == 4095 && call_must_end(m, task_at(m, m->current)))
            r = -EINTR;
        else if (!backing_cached(b, page))
            r = backing_page(m->store, b, page, &f);
    }
    if (r == 0 && grows)
        b->key.size = MAX(b->key.size, end);
    cut(m, b);
    return r == -ENOMEM ? -ENOSPC : r;
}

static const struct memory_ops ops = {make, put, size_of, read_bytes, write_bytes, resize, punch, allocate, seek,
                                      blocks, executing, mapped, space};

static void credentials(void *arg, struct fs_cred *out)
{
    struct machine *m = arg;
    const struct task *t = m->current ? task_at(m, m->current) : NULL;
    const struct group *g = t ? group_of(m, (struct task *)t) : NULL;
    if (!g)
        return; // tine itself, for the program's start
    *out = (struct fs_cred){.uid = m->real_ids ? g->uid : g->fsuid, .gid = m->real_ids ? g->gid : g->fsgid,
                            .caps = g->caps.effective};
    if (m->real_ids) // access(2)
        out->caps = g->uid ? 0 : g->caps.permitted;
    if (g->gids) {
        out->groups = g->gids->gid;
        out->ngroups = g->gids->count;
    }
}

void memory_files_attach(struct machine *m)
{
    m->fs->memory = &ops;
    m->fs->cred = credentials;
    m->fs->memory_arg = m->fs->cred_arg = m;
}

// ---- machine fork --------------------------------------------------------------------------------

static void copy_memory(struct forking *f, void *object)
{
    struct memory_file *mf = object;
    mf->pages = backing_copy(f, mf->pages);
}

static void drop_memory(void *owner, void *object)
{
    const struct memory_file *mf = object;
    if (mf->pages)
        backing_put(((struct machine *)owner)->store, mf->pages);
}

const struct pool_kind memory_files_pool = {sizeof(struct memory_file), copy_memory, drop_memory};
