// Executable files and mapped files, as the page cache knows them.
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "kernel/elf.h"
#include "kernel/memory_file.h"
#include "mm/pagecache.h"

static int backing_of(struct machine *m, file_t f, const struct file_id *id, struct backing **out)
{
    struct file_key key = {.dev = id->dev, .ino = id->ino, .size = id->size,
                           .mtime_ns = (i64)id->mtime_ns, .ctime_ns = (i64)id->ctime_ns};
    *out = memory_file_backing(m, f);
    return *out ? 0 : backing_file(m->store, file_at(m->fs, f)->host_fd, &key, out);
}

int file_backing(struct machine *m, file_t f, struct backing **out)
{
    struct file_id id;
    int r = file_identity(m->fs, f, &id);
    if (r == 0)
        r = backing_of(m, f, &id, out);
    if (r == 0 && !(*out)->name) {
        char name[PATH_ROOM];
        if (file_path(m->fs, f, name, sizeof name) > 0)
            (*out)->name = mem_strdup(name);
    }
    return r;
}

int program_open(struct machine *m, struct fsctx *c, file_t dir, const char *path, u32 flags,
                 struct program *out)
{
    struct file_id id;
    out->nameless = out->hidden = false;
    int r = path_exec(m->fs, c, dir, path, flags, &out->file, &id, out->path, sizeof out->path);
    if (r)
        return r;
    r = backing_of(m, out->file, &id, &out->backing);
    if (r) {
        file_put(m->fs, out->file);
        return r == -ENODEV ? -EACCES : r;
    }
    if (!out->backing->executable || out->backing->anonymous)
        r = file_executable(m->fs, out->file);
    if (r == 0 && file_has_writer(m->fs, id.dev, id.ino))
        r = -ETXTBSY;
    if (r) {
        program_close(m, out);
        return r;
    }
    out->backing->executable = true;
    if (!out->backing->name)
        out->backing->name = mem_strdup(out->path); // without memory there is no name
    return 0;
}

void program_close(struct machine *m, struct program *p)
{
    backing_put(m->store, p->backing);
    file_put(m->fs, p->file);
}

i64 program_read(struct machine *m, const struct program *p, void *to, u64 n, u64 at)
{
    u64 size = p->backing->key.size, done = 0;
    n = at < size ? MIN(n, size - at) : 0;
    while (done < n) {
        u64 in_page = (at + done) & PAGE_MASK, part = MIN(n - done, PAGE_SIZE - in_page);
        frame_t f;
        int r = backing_page(m->store, p->backing, (at + done) >> PAGE_SHIFT, &f);
        if (r)
            return r;
        memcpy((u8 *)to + done, frame_data(m->store, f) + in_page, part);
        done += part;
    }
    return (i64)done;
}
