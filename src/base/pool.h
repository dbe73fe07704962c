// Typed pools: objects named by small ids (law L4). Ids start at 1; objects never move.
//
// (PO1) A chunk is at most about 1 KiB, or one object, so that a copy of a small machine is small.
// (PO2) Every pool of a machine is a row of a table (kernel/pools.def, fs/pools.def), with its kind:
//       what one object owns besides its bytes is known in one place.
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/types.h"

struct budget;
struct forking;

// What the objects of a pool are. An object may own memory, descriptors, references: `copy` is called
// for each object of a copied pool and replaces what it owns by the copy's own (base/forking.h says
// how failure is dealt with); `drop` gives back what it owns, and nobody is told of it. NULL: nothing.
struct pool_kind {
    u32 size; // bytes of an object, >= 4
    void (*copy)(struct forking *f, void *object);
    void (*drop)(void *owner, void *object); // owner: the machine or the fs that has the pool
};

struct pool {
    u32 size;      // bytes of an object, rounded up
    u32 shift;     // 2^shift objects to a chunk
    u32 live;      // objects in use
    u32 free_head; // id, 0 = none; the first four bytes of a free object are the next id
    u32 nchunks, room;
    struct pool_chunk **chunk;
    struct budget *budget; // that its chunks count against, NULL: none
};

void pool_init(struct pool *p, u32 size);
void pool_charge(struct pool *p, struct budget *b);  // from now on, and for what it has
void pool_destroy(struct pool *p);                    // objects still live go too
MUST_CHECK int pool_new(struct pool *p, u32 *id);     // a zeroed object; -ENOMEM
void pool_free(struct pool *p, u32 id);
void *pool_at(const struct pool *p, u32 id);          // the object must be live, checked
void *pool_find(const struct pool *p, u32 id);        // NULL if it is not
u32 pool_next(const struct pool *p, u32 id);          // the next live id after `id`; 0 = no more
bool pool_live(const struct pool *p, u32 id);

// `to` gets the same objects under the same ids, and kind->copy is called for each. Without memory
// `to` is empty and f->error says so. `to` must not be in use.
void pool_copy(struct forking *f, struct pool *to, const struct pool *from, const struct pool_kind *kind);
// kind->drop for each object; then pool_destroy.
void pool_drop(void *owner, struct pool *p, const struct pool_kind *kind);

#endif
