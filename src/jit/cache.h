// The code cache: translated code and how it is found again. It belongs to the store, and each piece
// of it to the frame that it was translated from (DESIGN: code is translated once, not once for each
// process).
//
//   writable view:    | thunks | unit | unit | unit ...  ring of segments ... |
//   executable view:  the same bytes, `shift` further up; never both in one mapping
//
//   code_page.native --> entry --> entry --> ...     (by next_of_page)
//   hash of (pc, frame) --> entry --> entry ...      (by next_of_bucket)
//
// (J1) An entry says: code for the guest address pc, as long as that is in this frame, begins at
//      `offset`. A unit's code bakes its guest addresses in; so a frame that runs under another
//      address has entries of its own there.
// (J2) Units jump directly only to units of the same frame and address: these go together.
// (J3) Code is taken away (from the hash; cache->generation grows) before its bytes are used again;
//      and they are used again only when every hart was out of translated code since.
// (J4) A branch is redirected by one 4-byte store inside a cache line.
// (J6) A place that has an entry has heat HEAT_ENTERED, so most of what has none is not looked for. (It may be
//      lost to an interpreter on another thread, which counts there: then it is translated once more.)
#ifndef JIT_CACHE_H
#define JIT_CACHE_H

#include "cpu/code.h"
#include "cpu/cpu.h"
#include "jit/x86.h"

#define SLICES_HOT     24u // slices that end in a page before its code is translated again, with more windows
#define HEAT_ENTERED   255u
#define CACHE_SEGMENTS 32 // at most
#define CACHE_EXITS    4096u
#define CACHE_THUNKS   4096u // bytes of them, at the begin

struct jit_entry {
    gva_t pc;
    frame_t frame;
    u32 offset;         // of the code, from the view's begin
    u32 size;           // of the unit's code; 0: an entry into the unit before
    u32 guest_size;     // bytes of guest code translated to it
    u32 next_of_bucket, next_of_page;
};

struct jit_hart {
    struct jit_hart *next;
    u32 inside;   // is in translated code
    u32 passes;   // how often it came out
    u32 passes_then; // when a segment was emptied (J3)
};

struct jit_cache {
    u8 *base;           // the writable view
    i64 shift;          // executable - writable
    u32 size, committed;
    u32 segments;       // of the same size
    u32 at;             // where the next unit goes
    u32 segment;        // in which that is
    u32 generation;     // (J3)
    bool waiting;       // for harts to leave, before the segment may be written
    bool wrapped;       // the ring is full: segments that come next hold code
    struct jit_hart *harts;
    struct jit_entry *entry; // [0] unused
    u32 nentries, room, free_entry;
    u32 *bucket, buckets;
    u64 links, thrown_away, recycled; // counted
    u64 pause_ns;       // the longest that emptying a segment took
    void *scratch;      // the translator's
    // (J5) A direct jump to another page goes by a number, the same in every hart, that belongs to its target:
    // by an open hash of addresses. 0: free.
    struct jit_link {
        gva_t pc;
        u32 number;
    } *link; // 2 * CPU_LINKS
    u32 nlinks;
    u64 planned, again; // instructions of all units, and how many of these others have, too (plan.h, N4)
    u32 alone, in_loops; // windows that accesses outside loops, and unsteady ones in loops, have had
    u16 next_window;    // of tlb_window, for the next unit
    struct jit_window { // the access in a loop that goes by a window alone
        gva_t pc;
        frame_t frame;
        u32 loop;       // instructions in the loop; 0: there is no such access
        u32 often;      // fills, as long as there were too many
    } window[TLB_WINDOWS];
    u8 exits[CACHE_EXITS]; // by a hash: a loop was left for there when that was not translated yet
    bool has_avx, has_fma, has_bmi2; // what the host's processor can
    struct saved *saved; // saved.h; NULL: no file
    u32 made;           // units translated in this run
    // Thunks, as addresses in the writable view.
    u8 *enter, *help, *miss, *unlinked;
    u8 *fill[2];        // fills a window for writing, for reading
    u8 *access;         // looks into the TLB for an access
};

static inline bool page_is_hot(const struct code_page *p)
{
    return p->slices == SLICES_HOT;
}

// The store's cache; made on first use. NULL: no memory, or the host refuses.
MUST_CHECK struct jit_cache *cache_of(struct store *s);
void cache_free(struct store *s);

static inline const u8 *cache_run_address(const struct jit_cache *c, const u8 *at)
{
    return at + c->shift;
}

// The code for pc in the page's frame, as it is to be run; NULL if there is none.
const u8 *cache_find_entry(const struct jit_cache *c, gva_t pc, frame_t f);

static inline const u8 *cache_find(const struct jit_cache *c, gva_t pc, const struct code_page *p)
{
    return code_heat(p, (u32)(pc & PAGE_MASK)) == HEAT_ENTERED ? cache_find_entry(c, pc, p->frame) : NULL;
}

static inline u8 *cache_exit(struct jit_cache *c, gva_t pc)
{
    return &c->exits[(pc ^ pc >> 12) >> 1 & (CACHE_EXITS - 1)];
}

// Makes sure that the first `size` bytes are there. -1: no memory
MUST_CHECK int cache_commit(struct jit_cache *c, u32 size);

// The number of jumps to pc (J5); CPU_LINKS: there are no more.
u32 cache_link(struct jit_cache *c, gva_t pc);

// All their targets, by number.
void cache_links(const struct jit_cache *c, gva_t *pc);
void cache_links_clear(struct jit_cache *c);

// Room for a unit of at most `most` bytes; NULL: not now.
MUST_CHECK u8 *cache_begin(struct jit_cache *c, struct store *s, u32 most);
// The unit now ends at `end`.
void cache_end(struct jit_cache *c, const u8 *end);
// Takes away all code of the page.
void cache_drop(struct jit_cache *c, struct code_page *p);
// Publishes code for pc. `size`, `guest_size`: of the unit if this is its begin, else 0.
MUST_CHECK int cache_enter(struct jit_cache *c, struct code_page *p, gva_t pc, const u8 *at, u32 size,
                           u32 guest_size);

// Calls back for every unit: for --dump-jit and profilers. `host`: the code as it is run.
void cache_walk(const struct jit_cache *c,
                void (*each)(void *arg, gva_t pc, u32 guest_size, const u8 *host, u32 size),
                void *arg);

#endif
