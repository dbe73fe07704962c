#include "base/pool.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/panic.h"

struct pool_chunk {
    u64 live; // one bit for each object
    _Alignas(16) u8 data[];
};

void pool_init(struct pool *p, u32 size)
{
    *p = (struct pool){.size = ALIGN_UP(size, 16)};
}

void pool_destroy(struct pool *p)
{
    for (u32 i = 0; i < p->nchunks; i++)
        mem_free(p->chunk[i]);
    mem_free(p->chunk);
    *p = (struct pool){.size = p->size};
}

static u8 *slot(const struct pool *p, u32 id)
{
    return p->chunk[(id - 1) / POOL_CHUNK]->data + (size_t)((id - 1) % POOL_CHUNK) * p->size;
}

static int grow(struct pool *p)
{
    if (p->nchunks == p->room) {
        u32 room = p->room ? p->room * 2 : 4;
        struct pool_chunk **more = mem_resize(p->chunk, room * sizeof *more);
        if (!more)
            return -ENOMEM;
        p->chunk = more;
        p->room = room;
    }
    struct pool_chunk *c = mem_alloc(sizeof *c + (size_t)POOL_CHUNK * p->size);
    if (!c)
        return -ENOMEM;
    c->live = 0;
    p->chunk[p->nchunks] = c;
    u32 first = p->nchunks++ * POOL_CHUNK + 1;
    for (u32 i = POOL_CHUNK; i-- > 0;) {
        memcpy(slot(p, first + i), &p->free_head, sizeof p->free_head);
        p->free_head = first + i;
    }
    return 0;
}

int pool_new(struct pool *p, u32 *id)
{
    if (!p->free_head) {
        int r = grow(p);
        if (r)
            return r;
    }
    *id = p->free_head;
    u8 *object = slot(p, *id);
    memcpy(&p->free_head, object, sizeof p->free_head);
    memset(object, 0, p->size);
    p->chunk[(*id - 1) / POOL_CHUNK]->live |= 1ULL << ((*id - 1) % POOL_CHUNK);
    p->live++;
    return 0;
}

bool pool_live(const struct pool *p, u32 id)
{
    return id && (id - 1) / POOL_CHUNK < p->nchunks &&
           p->chunk[(id - 1) / POOL_CHUNK]->live >> ((id - 1) % POOL_CHUNK) & 1;
}

void pool_free(struct pool *p, u32 id)
{
    ASSERT(pool_live(p, id));
    p->chunk[(id - 1) / POOL_CHUNK]->live &= ~(1ULL << ((id - 1) % POOL_CHUNK));
    memcpy(slot(p, id), &p->free_head, sizeof p->free_head);
    p->free_head = id;
    p->live--;
}

void *pool_at(const struct pool *p, u32 id)
{
    ASSERT(pool_live(p, id));
    return slot(p, id);
}

void *pool_find(const struct pool *p, u32 id)
{
    return pool_live(p, id) ? slot(p, id) : NULL;
}

u32 pool_next(const struct pool *p, u32 id)
{
    for (u32 i = id; i < p->nchunks * POOL_CHUNK;) {
        u64 bits = p->chunk[i / POOL_CHUNK]->live >> (i % POOL_CHUNK);
        if (bits)
            return i + (u32)__builtin_ctzll(bits) + 1;
        i = (i / POOL_CHUNK + 1) * POOL_CHUNK;
    }
    return 0;
}
