#include "kernel/memory_file.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/forking.h"
#include "host/file.h"
#include "mm/map.h"
#include "mm/pagecache.h"

static struct memory_file *memory_at(struct machine *m, u32 id)
{
    return pool_at(&m->memory_files, id);
}

static struct backing *pages_of(struct machine *m, file_t file)
{
    return memory_at(m, file_at(m->fs, file)->memory)->pages;
}

struct backing *memory_file_backing(struct machine *m, file_t file)
{
    if (!file_at(m->fs, file)->memory)
        return NULL;
    struct backing *b = pages_of(m, file);
    backing_get(b);
    return b;
}

// ---- life ----------------------------------------------------------------------------------------

static int make(void *arg, file_t file)
{
    struct machine *m = arg;
    struct file *f = file_at(m->fs, file);
    char name[ABI_PATH_MAX];
    u32 id;
    int r = pool_new(&m->memory_files, &id);
    if (r)
        return r;
    struct memory_file *mf = memory_at(m, id);
    r = backing_anonymous(m->store, &mf->pages);
    if (r) {
        pool_free(&m->memory_files, id);
        return r;
    }
    mf->refs = 1;
    mf->pages->pages = 0;
    mf->pages->key = (struct file_key){.dev = f->dev, .ino = f->ino};
    if (file_path(m->fs, file, name, sizeof name) > 0)
        mf->pages->name = mem_strdup(name); // for /proc; without memory there is none
    f->memory = id;
    return 0;
}

static void get(void *arg, u32 id)
{
    memory_at(arg, id)->refs++;
}

static void put(void *arg, u32 id)
{
    struct machine *m = arg;
    struct memory_file *mf = memory_at(m, id);
    if (--mf->refs)
        return;
    backing_put(m->store, mf->pages);
    pool_free(&m->memory_files, id);
}

// ---- bytes ---------------------------------------------------------------------------------------

static i64 read_bytes(void *arg, file_t file, void *to, size_t n, u64 offset)
{
    struct machine *m = arg;
    const struct backing *b = pages_of(m, file);
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

static bool sealed(struct machine *m, file_t file)
{
    int seals = host_fcntl_number(file_at(m->fs, file)->host_fd, ABI_F_GET_SEALS, 0);
    return seals > 0 && (u32)seals & (ABI_F_SEAL_WRITE | ABI_F_SEAL_FUTURE_WRITE);
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

static i64 write_bytes(void *arg, file_t file, const void *from, size_t n, u64 offset)
{
    struct machine *m = arg;
    struct backing *b = pages_of(m, file);
    static const struct abi_timespec now[2] = {{0, ABI_UTIME_OMIT}, {0, ABI_UTIME_NOW}};
    u64 end, done = 0;
    if (sealed(m, file))
        return -EPERM;
    if (__builtin_add_overflow(offset, (u64)n, &end) || end > INT64_MAX)
        return -EFBIG;
    b->pages = MAX(b->pages, (end + PAGE_MASK) >> PAGE_SHIFT);
    n = own_pages(m, b, offset, n);
    end = offset + n;
    int fd = file_at(m->fs, file)->host_fd;
    int r = !n ? -ENOSPC : end > b->key.size ? host_ftruncate(fd, (i64)end) : 0;
    if (r == 0) {
        b->key.size = MAX(b->key.size, end);
        (void)!host_utimens(fd, now); // the size may be all that has changed
    }
    while (r == 0 && done < n) {
        u64 within = (offset + done) & PAGE_MASK, part = MIN(n - done, PAGE_SIZE - within);
        frame_t f = backing_peek(b, (offset + done) >> PAGE_SHIFT);
        frame_will_change(m->store, f);
        memmove(frame_data(m->store, f) + within, (const u8 *)from + done, part);
        done += part;
    }
    if (r)
        cut(m, b);
    else
        b->pages = (b->key.size + PAGE_MASK) >> PAGE_SHIFT;
    return r ? r : (i64)n;
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

static int resize(void *arg, file_t file, u64 size)
{
    struct machine *m = arg;
    struct backing *b = pages_of(m, file);
    bool shrinks = size < b->key.size;
    int r = shrinks ? clear_part(m, b, size, ALIGN_UP(size, PAGE_SIZE)) : 0;
    if (r)
        return r;
    b->key.size = size;
    b->pages = (size + PAGE_MASK) >> PAGE_SHIFT;
    for (u32 id = shrinks ? pool_next(&m->tasks, 0) : 0; id; id = pool_next(&m->tasks, id))
        if (task_at(m, id)->mm)
            mm_truncate(task_at(m, id)->mm, b, b->pages);
    cut(m, b);
    return 0;
}

// Pages that nobody maps are given back, others cleared.
static int punch(void *arg, file_t file, u64 offset, u64 n)
{
    struct machine *m = arg;
    struct backing *b = pages_of(m, file);
    if (sealed(m, file))
        return -EPERM;
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

static i64 seek(void *arg, file_t file, u64 offset, bool data)
{
    const struct backing *b = pages_of(arg, file);
    if (offset >= b->key.size)
        return -ENXIO;
    u64 page = offset >> PAGE_SHIFT;
    while (page < b->pages && backing_cached(b, page) != data)
        page++;
    if (page >= b->pages)
        return data ? -ENXIO : (i64)b->key.size;
    return (i64)MAX(offset, page << PAGE_SHIFT);
}

static u64 blocks(void *arg, file_t file)
{
    return backing_resident(pages_of(arg, file)) * (PAGE_SIZE / 512);
}

static const struct memory_ops ops = {make, get, put, read_bytes, write_bytes, resize, punch, seek, blocks};

void memory_files_attach(struct machine *m)
{
    m->fs->memory = &ops;
    m->fs->memory_arg = m;
}

// ---- machine fork --------------------------------------------------------------------------------

static void copy_memory(struct forking *f, void *object)
{
    struct memory_file *mf = object;
    mf->pages = backing_copy(f, mf->pages);
    mf->host = -1;
}

static void drop_memory(void *owner, void *object)
{
    const struct memory_file *mf = object;
    if (mf->pages)
        backing_put(((struct machine *)owner)->store, mf->pages);
}

const struct pool_kind memory_files_pool = {sizeof(struct memory_file), copy_memory, drop_memory};

#define MEMFD_PREFIX "/memfd:"
#define MEMFD_SUFFIX " (deleted)"

// What the host calls it, as memfd_create was told.
static void memfd_name(int fd, char *name, size_t cap)
{
    i64 n = host_fd_path(fd, name, cap);
    size_t head = sizeof MEMFD_PREFIX - 1, tail = sizeof MEMFD_SUFFIX - 1;
    bool is = n >= (i64)(head + tail) && !memcmp(name, MEMFD_PREFIX, head);
    if (is)
        memmove(name, name + head, (size_t)n - head - tail);
    name[is ? (size_t)n - head - tail : 0] = 0;
}

// An empty file of the host like that one, in all but its bytes.
static int twin(int like, u64 size)
{
    char name[ABI_PATH_MAX];
    struct abi_stat s, fresh;
    int seals = host_fcntl_number(like, ABI_F_GET_SEALS, 0), r = host_fstat(like, &s);
    if (r || seals < 0)
        return r ? r : seals;
    memfd_name(like, name, sizeof name);
    int fd = host_memfd(name, ABI_MFD_ALLOW_SEALING);
    if (fd < 0)
        return fd;
    r = host_fstat(fd, &fresh);
    if (r == 0)
        r = host_ftruncate(fd, (i64)size);
    if (r == 0 && (fresh.st_mode ^ s.st_mode) & 07777)
        r = host_chmod(fd, s.st_mode & 07777);
    if (r == 0 && (fresh.st_uid != s.st_uid || fresh.st_gid != s.st_gid))
        r = host_chown(fd, s.st_uid, s.st_gid);
    struct abi_timespec times[2] = {{s.st_atime_sec, (i64)s.st_atime_nsec}, {s.st_mtime_sec, (i64)s.st_mtime_nsec}};
    if (r == 0)
        r = host_utimens(fd, times);
    if (r == 0 && seals)
        r = host_fcntl_number(fd, ABI_F_ADD_SEALS, (u64)seals);
    if (r < 0)
        host_close(fd);
    return r < 0 ? r : fd;
}

int memory_files_copied(struct machine *m, struct machine *from)
{
    for (u32 id = pool_next(&m->fs->files, 0); id; id = pool_next(&m->fs->files, id)) {
        struct file *f = file_at(m->fs, id);
        if (!f->memory)
            continue;
        struct memory_file *mf = memory_at(m, f->memory);
        int fd = mf->host >= 0 ? host_dup(mf->host) : twin(file_at(from->fs, id)->host_fd, mf->pages->key.size);
        if (fd < 0)
            return fd;
        f->host_fd = mf->host = fd;
    }
    return 0;
}
