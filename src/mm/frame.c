#include "mm/frame.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/panic.h"
#include "host/clock.h"
#include "host/file.h"
#include "host/memory.h"
#include "mm/pagecache.h"
#include "mm/pagetable.h"

#define COMMIT_FIRST 512u   // frames: 2 MiB
#define COMMIT_MOST 8192u   // 32 MiB

// The arena grows by a quarter, between the two steps above.
static int arena_grow(struct store *s)
{
    u32 step = MIN(MAX(ALIGN_UP(s->committed / 4, COMMIT_FIRST), COMMIT_FIRST), COMMIT_MOST);
    step = MIN(step, s->reserved - s->committed);
    if (step == 0)
        return -ENOMEM;
    int r = host_commit(s->arena + (u64)s->committed * PAGE_SIZE, step * PAGE_SIZE);
    if (r == 0)
        s->committed += step;
    return r;
}

#define FRAMES_LEAST 8192u // 32 MiB: what is tried without a wish

// Without a wish: as much as the host has, or less where it has not so many addresses for us (ulimit -v); a
// third of those is left for the rest.
static u64 frames_for(u64 wish)
{
    u64 bytes = wish ? wish : host_memory_total();
    u64 frames = MIN(MAX(bytes >> PAGE_SHIFT, 256u), 0x7fff0000u);
    while (!wish && frames > FRAMES_LEAST) {
        u64 size = ALIGN_UP(frames, COMMIT_FIRST) * PAGE_SIZE * 3 / 2;
        void *probe = host_reserve(size);
        if (probe) {
            host_release(probe, size);
            break;
        }
        frames /= 2;
    }
    return frames;
}

// Gives back what nobody needs; whether `bytes` more fit then.
static bool make_room(struct store *s, u64 bytes)
{
    u64 frames = ALIGN_UP(bytes, PAGE_SIZE) >> PAGE_SHIFT;
    if (node_reap(s, ~0u) && store_room(s) >= frames)
        return true;
    return pagecache_shrink(s) && store_room(s) >= frames;
}

// The last frames are left for programs to go on with: who hoards in the kernel hears of it first.
static bool budget_fits(struct budget *b, u64 more)
{
    struct store *s = (struct store *)(void *)((u8 *)b - offsetof(struct store, budget));
    more += MIN((u64)s->limit * PAGE_SIZE / 32, 4UL << 20);
    return (u64)store_room(s) << PAGE_SHIFT > more || make_room(s, more);
}

int store_new(struct store **out, u64 memory_limit)
{
    u64 frames = frames_for(memory_limit);
    struct store *s = mem_zalloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    s->limit = (u32)frames;
    s->reserved = (u32)ALIGN_UP(frames + 1, COMMIT_FIRST); // the zero frame is extra
    s->arena = host_reserve((u64)s->reserved * PAGE_SIZE);
    s->meta = host_reserve((u64)s->reserved * sizeof *s->meta);
    int r = s->arena && s->meta ? arena_grow(s) : -ENOMEM;
    if (r == 0)
        r = pagecache_new(s);
    if (r) {
        if (s->arena)
            host_release(s->arena, (u64)s->reserved * PAGE_SIZE);
        if (s->meta)
            host_release(s->meta, (u64)s->reserved * sizeof *s->meta);
        mem_free(s);
        return r;
    }
    if (host_random(&s->code_spaces, sizeof s->code_spaces))
        s->code_spaces = host_monotonic();
    s->free_head = FRAME_NONE;
    s->meta[FRAME_ZERO].refs = ~0u; // pinned
    s->fresh = 1;
    s->machines = 1;
    s->budget.fits = budget_fits;
    *out = s;
    return 0;
}

int store_share(struct store *s)
{
    if (!s->lock)
        s->lock = host_lock_new();
    if (!s->lock)
        return -ENOMEM;
    return 0;
}

void store_free(struct store *s)
{
    if (s->lock)
        host_lock_free(s->lock);
    (void)node_reap(s, ~0u);
    pagecache_free(s);
    ASSERT_THAT(s->used == 0, "F1");
    ASSERT_THAT(s->nodes_used == 0, "P1");
    node_chunks_free(s);
    ASSERT_THAT(s->budget.bytes == 0, "BU1");
    host_release(s->arena, (u64)s->reserved * PAGE_SIZE);
    host_release(s->meta, (u64)s->reserved * sizeof *s->meta);
    mem_free(s);
}

// *clean tells that the frame comes straight from the host and holds zeros.
static int frame_take(struct store *s, frame_t *out, bool *clean)
{
    if (mem_should_fail())
        return -ENOMEM;
    if (unlikely(!store_room(s)) && !make_room(s, PAGE_SIZE))
        return -ENOMEM;
    if (s->free_head != FRAME_NONE) {
        *out = s->free_head;
        s->free_head = s->meta[*out].next;
        *clean = false;
    } else {
        if (s->fresh == s->committed && arena_grow(s))
            return -ENOMEM;
        *out = s->fresh++;
        *clean = true;
    }
    s->used++;
    s->meta[*out] = (struct frame){.refs = 1};
    return 0;
}

int frame_new(struct store *s, frame_t *out)
{
    bool clean;
    return frame_take(s, out, &clean);
}

int frame_zeroed(struct store *s, frame_t *out)
{
    bool clean;
    int r = frame_take(s, out, &clean);
    if (r == 0 && !clean)
        memset(frame_data(s, *out), 0, PAGE_SIZE);
    return r;
}

void frame_get(struct store *s, frame_t f)
{
    if (f != FRAME_ZERO) {
        s->meta[f].refs++;
        ASSERT_THAT(s->meta[f].refs != 0, "F1");
    }
}

static void code_lost(struct store *s, frame_t f)
{
    struct frame *m = &s->meta[f];
    if (m->code)
        s->code_free(s, m->code);
    frame_set_code(s, f, NULL);
    m->flags &= (u16)~FRAME_CODE_LEFT;
    store_code_lost(s);
}

void frame_put(struct store *s, frame_t f)
{
    if (f == FRAME_ZERO)
        return;
    struct frame *m = &s->meta[f];
    ASSERT_THAT(m->refs > 0, "F1");
    if (--m->refs)
        return;
    if (frame_executed(m))
        code_lost(s, f);
    m->flags = 0;
    m->code_drops = 0;
    m->next = s->free_head;
    s->free_head = f;
    s->used--;
}

void frame_will_change(struct store *s, frame_t f)
{
    struct frame *m = &s->meta[f];
    if (likely(!frame_executed(m)))
        return;
    code_lost(s, f);
    if (m->code_drops < UINT16_MAX)
        m->code_drops++;
}
