// Typed pools: objects named by small ids (law L4). Ids start at 1; objects never move.
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/types.h"

#define POOL_CHUNK 64u

struct pool {
    u32 size;      // bytes of an object, >= 4
    u32 live;      // objects in use
    u32 free_head; // id, 0 = none; the first four bytes of a free object are the next id
    u32 nchunks, room;
    struct pool_chunk **chunk;
};

void pool_init(struct pool *p, u32 size);
void pool_destroy(struct pool *p);                    // objects still live go too
MUST_CHECK int pool_new(struct pool *p, u32 *id);     // a zeroed object; -ENOMEM
void pool_free(struct pool *p, u32 id);
void *pool_at(const struct pool *p, u32 id);          // the object must be live, checked
void *pool_find(const struct pool *p, u32 id);        // NULL if it is not
u32 pool_next(const struct pool *p, u32 id);          // the next live id after `id`; 0 = no more
bool pool_live(const struct pool *p, u32 id);

#endif
