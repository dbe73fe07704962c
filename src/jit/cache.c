#include "jit/cache.h"

#include <string.h>

#include "base/alloc.h"
#include "host/clock.h"
#include "host/code_memory.h"
#include "jit/saved.h"
#include "jit/thunks.h"

#define SIZE_USUAL    (64u << 20)
#define SIZE_LEAST    (128u << 10)
#define SIZE_MOST     (1u << 30)
#define SEGMENT_LEAST (64u << 10)
#define COMMIT_STEP   (256u << 10)
#define BUCKETS_FIRST 1024u

static u32 bucket_of(const struct jit_cache *c, gva_t pc, frame_t f)
{
    return (u32)((pc >> 1 ^ (u64)f << 11) * 0x9e3779b97f4a7c15UL >> 40) & (c->buckets - 1);
}

const u8 *cache_find_entry(const struct jit_cache *c, gva_t pc, frame_t f)
{
    u32 i = c->bucket[bucket_of(c, pc, f)];
    for (; i; i = c->entry[i].next_of_bucket)
        if (c->entry[i].pc == pc && c->entry[i].frame == f)
            return c->base + c->entry[i].offset + c->shift;
    return NULL;
}

u32 cache_link(struct jit_cache *c, gva_t pc)
{
    if (pc == 0 || (!c->link && !(c->link = mem_zalloc(2 * CPU_LINKS * sizeof *c->link))))
        return CPU_LINKS;
    u32 i = (u32)((pc >> 1) * 0x9e3779b97f4a7c15UL >> 40);
    for (;; i++) {
        struct jit_link *l = &c->link[i % (2 * CPU_LINKS)];
        if (l->pc == pc)
            return l->number;
        if (l->pc)
            continue;
        if (c->nlinks == CPU_LINKS)
            return CPU_LINKS;
        *l = (struct jit_link){.pc = pc, .number = c->nlinks++};
        return l->number;
    }
}

void cache_links(const struct jit_cache *c, gva_t *pc)
{
    for (u32 i = 0; c->link && i < 2 * CPU_LINKS; i++)
        if (c->link[i].pc)
            pc[c->link[i].number] = c->link[i].pc;
}

void cache_links_clear(struct jit_cache *c)
{
    mem_free(c->link);
    c->link = NULL;
    c->nlinks = 0;
}

static void unlink_entry(struct jit_cache *c, u32 id)
{
    u32 *link = &c->bucket[bucket_of(c, c->entry[id].pc, c->entry[id].frame)];
    while (*link != id)
        link = &c->entry[*link].next_of_bucket;
    *link = c->entry[id].next_of_bucket;
}

// Takes away all that a frame has.
static void drop_page(struct jit_cache *c, u32 id)
{
    while (id) {
        u32 next = c->entry[id].next_of_page;
        unlink_entry(c, id);
        c->thrown_away += c->entry[id].size != 0;
        c->entry[id] = (struct jit_entry){.next_of_page = c->free_entry};
        c->free_entry = id;
        id = next;
    }
    c->generation++;
}

void cache_drop(struct jit_cache *c, struct code_page *p)
{
    u32 id = (u32)(uintptr_t)p->native;
    p->native = NULL;
    drop_page(c, id);
}

// The hook of code_arena->native_free.
static void native_free(struct store *s, void *native)
{
    if (s->jit)
        drop_page(s->jit, (u32)(uintptr_t)native);
}

static int buckets_grow(struct jit_cache *c)
{
    u32 n = c->buckets ? c->buckets * 4 : BUCKETS_FIRST;
    u32 *fresh = mem_zalloc(n * sizeof *fresh);
    if (!fresh)
        return -1;
    mem_free(c->bucket);
    c->bucket = fresh;
    c->buckets = n;
    for (u32 i = 1; i < c->nentries; i++) {
        if (!c->entry[i].frame)
            continue;
        u32 *head = &fresh[bucket_of(c, c->entry[i].pc, c->entry[i].frame)];
        c->entry[i].next_of_bucket = *head;
        *head = i;
    }
    return 0;
}

static int entries_grow(struct jit_cache *c)
{
    u32 room = c->room ? c->room * 2 : 512;
    struct jit_entry *fresh = mem_resize(c->entry, room * sizeof *fresh);
    if (!fresh)
        return -1;
    c->entry = fresh;
    c->room = room;
    if (!c->nentries)
        c->nentries = 1; // 0 means none
    return room > c->buckets ? buckets_grow(c) : 0;
}

// Whole segments of whole pages.
static void set_size(struct jit_cache *c, u64 wanted)
{
    u32 size = wanted ? (u32)MIN(MAX(wanted, (u64)SIZE_LEAST), (u64)SIZE_MOST) : SIZE_USUAL;
    c->segments = MIN(size / SEGMENT_LEAST, (u32)CACHE_SEGMENTS);
    c->size = c->segments * (size / c->segments & ~((u32)PAGE_SIZE - 1));
}

static int commit(struct jit_cache *c)
{
    u32 step = MIN(COMMIT_STEP, c->size - c->committed);
    if (host_code_commit(c->base, c->base + c->shift, c->committed, step))
        return -1;
    c->committed += step;
    return 0;
}

int cache_commit(struct jit_cache *c, u32 size)
{
    while (size > c->committed)
        if (commit(c))
            return -1;
    return 0;
}

struct jit_cache *cache_of(struct store *s)
{
    struct jit_cache *c = s->jit;
    u8 *execute;
    if (likely(c))
        return c;
    c = mem_zalloc(sizeof *c);
    if (!c)
        return NULL;
    set_size(c, s->code_size);
    if (host_code_new(c->size, &c->base, &execute)) {
        mem_free(c);
        return NULL;
    }
    c->has_avx = __builtin_cpu_supports("avx") != 0;
    c->has_fma = __builtin_cpu_supports("fma") != 0;
    c->has_bmi2 = __builtin_cpu_supports("bmi2") != 0;
    c->shift = execute - c->base;
    s->jit = c;
    if (commit(c) || buckets_grow(c) || entries_grow(c) ||
        !thunks_emit(c, c->base + CACHE_THUNKS)) {
        cache_free(s);
        return NULL;
    }
    c->at = CACHE_THUNKS;
    struct code_arena *a = s->code_arena;
    a->native_free = native_free;
    if (s->code_file && !s->code_watch) {
        saved_open(c, s->code_file);
        a->native_new = c->saved ? saved_page : NULL;
    }
    return c;
}

void cache_free(struct store *s)
{
    struct jit_cache *c = s->jit;
    if (!c)
        return;
    saved_free(c);
    host_code_free(c->size, c->base, c->base + c->shift);
    mem_free(c->entry);
    mem_free(c->bucket);
    mem_free(c->link);
    mem_free(c->scratch);
    mem_free(c);
    s->jit = NULL;
}

// ---- Room -----------------------------------------------------------------------------------

static u32 segment_begin(const struct jit_cache *c, u32 segment)
{
    return segment == 0 ? CACHE_THUNKS : c->size / c->segments * segment;
}

// Takes away every page that has code in the segment.
static void segment_drop(struct jit_cache *c, struct store *s, u32 segment)
{
    u32 from = segment_begin(c, segment), to = c->size / c->segments * (segment + 1);
    u64 start = host_monotonic();
    for (u32 i = 1; i < c->nentries; i++) {
        const struct jit_entry *e = &c->entry[i];
        if (!e->frame || e->offset < from || e->offset >= to)
            continue;
        struct code_page *p = s->meta[e->frame].code;
        for (u32 off = 0; off < PAGE_SIZE; off += 2)
            code_set_heat(p, off, 0);
        cache_drop(c, p);
    }
    c->recycled++;
    c->pause_ns = MAX(c->pause_ns, host_monotonic() - start);
}

static void note_passes(struct jit_cache *c)
{
    for (struct jit_hart *h = c->harts; h; h = h->next)
        h->passes_then = h->passes;
    c->waiting = true;
}

// Whether every hart was out of translated code since note_passes. One that came since has to be
// outside once.
static bool all_passed(struct jit_cache *c)
{
    for (struct jit_hart *h = c->harts; h; h = h->next)
        if (__atomic_load_n(&h->inside, __ATOMIC_ACQUIRE) && h->passes == h->passes_then)
            return false;
    return true;
}

u8 *cache_begin(struct jit_cache *c, struct store *s, u32 most)
{
    u32 end = c->size / c->segments * (c->segment + 1);
    if (c->at + most > end) {
        c->segment = (c->segment + 1) % c->segments;
        c->at = segment_begin(c, c->segment);
        c->wrapped |= c->segment == 0;
        if (c->wrapped) {
            segment_drop(c, s, c->segment);
            note_passes(c);
        }
    }
    if (c->waiting && !all_passed(c))
        return NULL;
    c->waiting = false;
    return cache_commit(c, c->at + most) ? NULL : c->base + c->at;
}

void cache_end(struct jit_cache *c, const u8 *end)
{
    c->at = ALIGN_UP((u32)(end - c->base), 16u);
}

int cache_enter(struct jit_cache *c, struct code_page *p, gva_t pc, const u8 *at, u32 size,
                u32 guest_size)
{
    u32 id = c->free_entry;
    if (id) {
        c->free_entry = c->entry[id].next_of_page;
    } else {
        if (c->nentries == c->room && entries_grow(c))
            return -1;
        id = c->nentries++;
    }
    u32 *bucket = &c->bucket[bucket_of(c, pc, p->frame)];
    c->entry[id] = (struct jit_entry){
        .pc = pc,
        .frame = p->frame,
        .offset = (u32)(at - c->base),
        .size = size,
        .guest_size = guest_size,
        .next_of_bucket = *bucket,
        .next_of_page = (u32)(uintptr_t)p->native,
    };
    *bucket = id;
    p->native = (void *)(uintptr_t)id;
    code_set_heat(p, (u32)(pc & PAGE_MASK), HEAT_ENTERED); // (J6)
    return 0;
}

void cache_walk(const struct jit_cache *c,
                void (*each)(void *arg, gva_t pc, u32 guest_size, const u8 *host, u32 size),
                void *arg)
{
    for (u32 i = 1; i < c->nentries; i++) {
        const struct jit_entry *e = &c->entry[i];
        if (e->frame && e->size)
            each(arg, e->pc, e->guest_size, c->base + e->offset + c->shift, e->size);
    }
}
