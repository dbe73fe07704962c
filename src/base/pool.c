#include "base/pool.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/forking.h"
#include "base/panic.h"

#define CHUNK_BYTES 1024u
#define CHUNK_SHIFT_MOST 6u // as many objects as `live` has bits

struct pool_chunk {
    u64 live; // one bit for each object
    _Alignas(16) u8 data[];
};

void pool_init(struct pool *p, u32 size)
{
    *p = (struct pool){.size = ALIGN_UP(size, 16)};
    while (p->shift < CHUNK_SHIFT_MOST && p->size << (p->shift + 1) <= CHUNK_BYTES)
        p->shift++;
}

static size_t chunk_bytes(const struct pool *p)
{
    return sizeof(struct pool_chunk) + ((size_t)p->size << p->shift);
}

static struct pool_chunk *chunk_new(struct pool *p)
{
    if (budget_take(p->budget, chunk_bytes(p)))
        return NULL;
    struct pool_chunk *c = mem_alloc(chunk_bytes(p));
    if (!c)
        budget_give(p->budget, chunk_bytes(p));
    return c;
}

void pool_charge(struct pool *p, struct budget *b)
{
    ASSERT(!p->budget);
    p->budget = b;
    b->bytes += p->nchunks * chunk_bytes(p);
}

void pool_destroy(struct pool *p)
{
    for (u32 i = 0; i < p->nchunks; i++)
        mem_free(p->chunk[i]);
    mem_free(p->chunk);
    budget_give(p->budget, p->nchunks * chunk_bytes(p));
    *p = (struct pool){.size = p->size, .shift = p->shift, .budget = p->budget};
}

static struct pool_chunk *chunk_of(const struct pool *p, u32 id)
{
    return p->chunk[(id - 1) >> p->shift];
}

static u32 index_of(const struct pool *p, u32 id)
{
    return (id - 1) & ((1u << p->shift) - 1);
}

static u8 *slot(const struct pool *p, u32 id)
{
    return chunk_of(p, id)->data + (size_t)index_of(p, id) * p->size;
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
    struct pool_chunk *c = chunk_new(p);
    if (!c)
        return -ENOMEM;
    c->live = 0;
    p->chunk[p->nchunks] = c;
    u32 first = (p->nchunks++ << p->shift) + 1;
    for (u32 i = 1u << p->shift; i-- > 0;) {
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
    chunk_of(p, *id)->live |= 1ULL << index_of(p, *id);
    p->live++;
    return 0;
}

// The object, or NULL: one look-up for all who ask. Id 0 is beyond every chunk.
static inline void *look(const struct pool *p, u32 id)
{
    u32 i = id - 1, within = i & ((1u << p->shift) - 1);
    if (unlikely(i >> p->shift >= p->nchunks))
        return NULL;
    struct pool_chunk *c = p->chunk[i >> p->shift];
    return likely(c->live >> within & 1) ? c->data + (size_t)within * p->size : NULL;
}

bool pool_live(const struct pool *p, u32 id)
{
    return look(p, id) != NULL;
}

void pool_free(struct pool *p, u32 id)
{
    ASSERT(pool_live(p, id));
    chunk_of(p, id)->live &= ~(1ULL << index_of(p, id));
    memcpy(slot(p, id), &p->free_head, sizeof p->free_head);
    p->free_head = id;
    p->live--;
}

void *pool_at(const struct pool *p, u32 id)
{
    void *object = look(p, id);
    ASSERT(object);
    return object;
}

void *pool_find(const struct pool *p, u32 id)
{
    return look(p, id);
}

u32 pool_next(const struct pool *p, u32 id)
{
    u32 per_chunk = 1u << p->shift;
    for (u32 i = id; i < p->nchunks << p->shift;) {
        u64 bits = p->chunk[i >> p->shift]->live >> (i & (per_chunk - 1));
        if (bits)
            return i + (u32)__builtin_ctzll(bits) + 1;
        i = ((i >> p->shift) + 1) << p->shift;
    }
    return 0;
}

// ---- copies --------------------------------------------------------------------------------------

static int copy_chunks(struct pool *to, const struct pool *from)
{
    to->chunk = mem_alloc(from->nchunks * sizeof *to->chunk);
    if (!to->chunk)
        return -ENOMEM;
    for (to->room = from->nchunks; to->nchunks < from->nchunks; to->nchunks++) {
        struct pool_chunk *c = chunk_new(to);
        if (!c)
            return -ENOMEM;
        memcpy(c, from->chunk[to->nchunks], chunk_bytes(from));
        to->chunk[to->nchunks] = c;
    }
    to->live = from->live;
    to->free_head = from->free_head;
    return 0;
}

void pool_copy(struct forking *f, struct pool *to, const struct pool *from, const struct pool_kind *kind)
{
    *to = (struct pool){.size = from->size, .shift = from->shift, .budget = from->budget};
    if (from->live == 0)
        return; // ids are handed out anew, from 1 on
    if (f->error == 0)
        f->error = copy_chunks(to, from);
    if (to->live == 0) {
        pool_destroy(to);
        return;
    }
    for (u32 id = kind->copy ? pool_next(to, 0) : 0; id; id = pool_next(to, id))
        kind->copy(f, slot(to, id));
}

void pool_drop(void *owner, struct pool *p, const struct pool_kind *kind)
{
    for (u32 id = kind->drop ? pool_next(p, 0) : 0; id; id = pool_next(p, id))
        kind->drop(owner, slot(p, id));
    pool_destroy(p);
}
