#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/panic.h"
#include "fs/internal.h"

// A chunk is PER slots; a slot is a header and the object.
#define PER 64u
struct slot {
    u32 used;
    u32 next_free; // while not in use
    u8 object[] __attribute__((aligned(8)));
};

static struct slot *slot_at(const struct fs_pool *p, u32 id)
{
    u8 *chunk = p->chunk[(id - 1) / PER];
    return (struct slot *)(chunk + (size_t)((id - 1) % PER) * p->size);
}

void pool_init(struct fs_pool *p, u32 size)
{
    *p = (struct fs_pool){.size = (u32)(sizeof(struct slot) + ALIGN_UP(size, 8u)), .next = 1};
}

static int add_chunk(struct fs_pool *p)
{
    void **chunk = mem_resize(p->chunk, (p->nchunk + 1) * sizeof(void *));
    if (!chunk)
        return -ENOMEM;
    p->chunk = chunk;
    void *block = mem_zalloc((size_t)PER * p->size);
    if (!block)
        return -ENOMEM;
    p->chunk[p->nchunk++] = block;
    return 0;
}

int pool_new(struct fs_pool *p, u32 *id, void **object)
{
    if (p->free) {
        *id = p->free;
        p->free = slot_at(p, *id)->next_free;
    } else {
        if ((p->next - 1) / PER >= p->nchunk) {
            int r = add_chunk(p);
            if (r)
                return r;
        }
        *id = p->next++;
    }
    struct slot *s = slot_at(p, *id);
    memset(s, 0, p->size);
    s->used = 1;
    p->live++;
    *object = s->object;
    return 0;
}

void *pool_at(const struct fs_pool *p, u32 id)
{
    if (id == 0 || id >= p->next || !slot_at(p, id)->used)
        return NULL;
    return slot_at(p, id)->object;
}

void pool_free(struct fs_pool *p, u32 id)
{
    struct slot *s = slot_at(p, id);
    ASSERT(s->used);
    s->used = 0;
    s->next_free = p->free;
    p->free = id;
    p->live--;
}

void pool_destroy(struct fs_pool *p)
{
    for (u32 i = 0; i < p->nchunk; i++)
        mem_free(p->chunk[i]);
    mem_free(p->chunk);
    *p = (struct fs_pool){0};
}
