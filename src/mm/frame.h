// Frames: 4 KiB pages of host memory for guests, reference-counted, in one arena that is reserved
// once and committed in large steps (law L8).
//
//   store->arena:  | 0: the zero frame | 1 | 2 | ...                | reserved, not yet committed |
//   store->meta :  | refs, flags, code | . | . | ...
//
// (F1) refs counts the page-table leaves, the page cache and the pins that hold the frame.
// (F2) A frame with refs > 1 is not stored to, unless it is a shared mapping's (its table entries say
//      so, PTE_SHARED; law L1). The zero frame is never stored to and never freed.
// (F3) A free frame's content is undefined; frame_zeroed clears. A free frame has no code.
// (F4) Who touches a store that more than one machine has, or any of its machines, has its lock: all of
//      the kernel, faults, decoding and translating. Engines run guest code without it, and so does a wait in
//      the host. They read memory through their own TLB alone, whose entries hold what the machine's own
//      page table holds; so nobody else makes those frames free, or their own. `code` and code_epoch are what
//      they look at besides: those are read and written whole.
#ifndef MM_FRAME_H
#define MM_FRAME_H

#include "base/budget.h"
#include "base/types.h"
#include "host/lock.h"

typedef u32 frame_t; // frame number; 0 is the zero frame

#define FRAME_ZERO 0u
#define FRAME_NONE (~0u)

enum {
    FRAME_WRITE_CACHED = 1, // a TLB may hold a write permission for it: no code is kept for it then
    FRAME_EXEC_CACHED = 2,  // a TLB may hold an exec permission for it
    FRAME_DIRTY = 4,        // it may have been stored to since it was last written to its file
    FRAME_CODE_LEFT = 8,    // its decoded code was thrown away for want of room: someone may be inside still
};

struct frame {
    u32 refs;
    u16 flags;
    u16 code_drops;  // how often its decoded code was thrown away because of a store
    void *code;    // decoded instructions (cpu/code.h), or NULL; freed with the frame
    frame_t next;  // in the free list
};

struct node;
struct code_watch;

// What a fork family of machines shares (law L5): frames, table nodes, page cache, decoded code. The
// last machine that goes frees it.
struct store {
    u8 *arena;
    struct frame *meta;
    u32 limit;      // frames that may be in use (--memory), less what the budget has
    u32 reserved;   // frames the arena has addresses for
    u32 committed;  // frames backed by memory so far
    u32 fresh;      // the lowest frame never used
    u32 used;
    struct budget budget; // what the kernel keeps for programs besides frames
    frame_t free_head;
    u64 serial;     // of the address spaces and backings made so far
    u64 code_spaces; // state of the sequence that mm.code_space is from; the host's randomness began it
    u64 code_epoch; // grows when decoded code is dropped or its page copied: an engine inside it must leave
    void (*code_free)(struct store *s, void *code); // set by the engine; NULL = no code is attached
    void *code_arena;                               // the interpreter's own
    void *jit;                                      // the other engine's
    const struct code_watch *code_watch;            // who looks on what that translates, NULL: nobody
    u64 code_size;  // bytes that may hold its code, 0 = the usual
    int code_file;  // where that is kept between runs, 0 = nowhere
    void *node_free;   // page-table nodes, see pagetable.c
    void *node_chunks;
    u32 nodes_used;
    struct node *retired; // page-table nodes of ended processes, still to be freed
    struct pagecache *cache;
    u32 machines;   // that have it
    void *harts;    // the kernel's
    struct host_lock *lock; // NULL: there was never more than one machine (F4)
};

MUST_CHECK int store_new(struct store **out, u64 memory_limit); // bytes; 0 = the host's memory
void store_free(struct store *s); // every frame must be back, checked

MUST_CHECK int frame_new(struct store *s, frame_t *out);    // refs 1, content undefined; -ENOMEM
MUST_CHECK int frame_zeroed(struct store *s, frame_t *out); // refs 1, zeros; -ENOMEM
void frame_get(struct store *s, frame_t f);
void frame_put(struct store *s, frame_t f);

// Frames that may still be taken.
static inline u32 store_room(const struct store *s)
{
    u64 used = s->used + (s->budget.bytes >> PAGE_SHIFT);
    return used < s->limit ? s->limit - (u32)used : 0;
}

// Before a second machine has the store. -ENOMEM
MUST_CHECK int store_share(struct store *s);

static inline void store_lock(struct store *s)
{
    if (unlikely(s->lock != NULL))
        host_lock_take(s->lock);
}

static inline void store_unlock(struct store *s)
{
    if (unlikely(s->lock != NULL))
        host_lock_give(s->lock);
}

static inline void store_yield(struct store *s)
{
    if (unlikely(s->lock != NULL))
        host_lock_yield(s->lock);
}

static inline u8 *frame_data(const struct store *s, frame_t f)
{
    return s->arena + ((u64)f << PAGE_SHIFT);
}

// For what is found through a pointer or number that was published last: the address depends on it, so that the
// host reads it after it; compilers need not be told more, the sanitizer must be.
#ifdef __SANITIZE_THREAD__
#define LOAD_DEPENDENT __ATOMIC_ACQUIRE
#else
#define LOAD_DEPENDENT __ATOMIC_RELAXED
#endif

static inline void *frame_code(const struct store *s, u64 f)
{
    return __atomic_load_n(&s->meta[f].code, LOAD_DEPENDENT);
}

static inline void frame_set_code(struct store *s, frame_t f, void *code)
{
    __atomic_store_n(&s->meta[f].code, code, __ATOMIC_RELEASE);
}

// Whether someone may execute what was made of the frame's bytes.
static inline bool frame_executed(const struct frame *m)
{
    return m->code || m->flags & FRAME_CODE_LEFT;
}

static inline u64 store_code_epoch(const struct store *s)
{
    return __atomic_load_n(&s->code_epoch, __ATOMIC_RELAXED);
}

static inline void store_code_lost(struct store *s)
{
    __atomic_store_n(&s->code_epoch, s->code_epoch + 1, __ATOMIC_RELAXED);
}

// To be called before a frame's bytes change other than through its first owner's fresh copy:
// throws its decoded code away.
void frame_will_change(struct store *s, frame_t f);

#endif
