#include "mm/pagecache.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/budget.h"
#include "base/forking.h"
#include "base/panic.h"
#include "base/quota.h"
#include "host/pagefile.h"
#include "mm/tlb.h"

#define CHUNK 512u
#define CHUNKS_MOST (1u << 22) // 8 TiB: a sparse file must not cost more than its table is worth
#define IDLE_MAX 64u // unused files that stay open until the next sync

struct pagecache {
    struct backing *list, *anonymous;
    u32 idle; // files
};

struct slots {
    u32 refs; // tables
    u32 used; // slots that have a frame
    u32 seen; // pagecache_count
    u32 slot[CHUNK]; // FRAME_NONE = not cached
};

struct slot_table {
    u32 refs; // backings
    u32 seen;
    u64 count;
    struct slots *chunk[];
};

static frame_t slot_frame(u32 slot)
{
    return slot & ~SLOT_LENT;
}

int pagecache_new(struct store *s)
{
    s->cache = mem_zalloc(sizeof *s->cache);
    return s->cache ? 0 : -ENOMEM;
}

static void slots_put(struct store *s, struct slots *c)
{
    if (!c || --c->refs)
        return;
    for (u32 k = 0; k < CHUNK; k++)
        if (c->slot[k] != FRAME_NONE)
            frame_put(s, slot_frame(c->slot[k]));
    budget_free(c);
}

static void drop_pages(struct store *s, struct backing *b)
{
    struct slot_table *t = b->table;
    if (b->quota)
        quota_add(b->quota, -(i64)backing_resident(b));
    b->table = NULL;
    if (!t || --t->refs)
        return;
    for (u64 i = 0; i < t->count; i++)
        slots_put(s, t->chunk[i]);
    budget_free(t);
}

static void set_idle(struct store *s, struct backing *b, bool idle)
{
    s->cache->idle += (u32)idle - (u32)b->idle;
    b->idle = idle;
}

static void close_file(struct store *s, struct backing *b)
{
    set_idle(s, b, false);
    if (b->host_fd >= 0)
        pagefile_close(b->host_fd);
    b->host_fd = -1;
}

static struct backing **list_of(struct store *s, const struct backing *b)
{
    return b->anonymous ? &s->cache->anonymous : &s->cache->list;
}

static void link_backing(struct store *s, struct backing *b)
{
    b->prev = NULL;
    b->next = *list_of(s, b);
    if (b->next)
        b->next->prev = b;
    *list_of(s, b) = b;
}

static void backing_free(struct store *s, struct backing *b)
{
    drop_pages(s, b);
    close_file(s, b);
    if (b->prev)
        b->prev->next = b->next;
    else
        *list_of(s, b) = b->next;
    if (b->next)
        b->next->prev = b->prev;
    quota_put(b->quota);
    mem_free(b->name);
    mem_free(b);
}

void pagecache_drop(struct store *s)
{
    while (s->cache->list) {
        ASSERT_THAT(s->cache->list->refs == 0, "C1");
        backing_free(s, s->cache->list);
    }
    ASSERT_THAT(!s->cache->anonymous, "C1");
}

void pagecache_free(struct store *s)
{
    pagecache_drop(s);
    mem_free(s->cache);
}

bool pagecache_shrink(struct store *s)
{
    u32 before = s->used;
    struct backing *b = s->cache->list, *next;
    for (; b; b = next) {
        next = b->next;
        if (b->refs == 0)
            backing_free(s, b);
    }
    return s->used < before && store_room(s);
}

static int backing_new(struct store *s, bool anonymous, struct backing **out)
{
    struct backing *b = mem_zalloc(sizeof *b);
    if (!b)
        return -ENOMEM;
    b->refs = 1;
    b->host_fd = -1;
    b->serial = ++s->serial;
    b->anonymous = anonymous;
    link_backing(s, b);
    *out = b;
    return 0;
}

static struct backing *find_current(struct store *s, u64 dev, u64 ino)
{
    for (struct backing *b = s->cache->list; b; b = b->next)
        if (b->current && b->key.dev == dev && b->key.ino == ino)
            return b;
    return NULL;
}

int backing_file(struct store *s, int host_fd, const struct file_key *key, struct backing **out)
{
    struct backing *b = find_current(s, key->dev, key->ino);
    if (b && memcmp(&b->key, key, sizeof *key) != 0) {
        if (b->shared_writes) {
            b->key = *key;
            b->executable = false;
            b->pages = MAX(b->pages, (key->size + PAGE_MASK) >> PAGE_SHIFT);
        } else {
            b->current = false;
            if (b->refs == 0)
                backing_free(s, b);
            b = NULL;
        }
    }
    if (!b) {
        int r = backing_new(s, false, &b);
        if (r)
            return r;
        b->key = *key;
        b->current = true;
        b->pages = (key->size + PAGE_MASK) >> PAGE_SHIFT;
    } else {
        b->refs++;
        set_idle(s, b, false);
    }
    if (b->host_fd < 0) {
        b->host_fd = pagefile_dup(host_fd);
        if (b->host_fd < 0) {
            int r = b->host_fd;
            backing_put(s, b);
            return r;
        }
    }
    *out = b;
    return 0;
}

int backing_allow_writes(struct backing *b, int host_fd)
{
    if (b->anonymous || b->shared_writes)
        return 0;
    int fd = pagefile_dup(host_fd);
    if (fd < 0)
        return fd;
    pagefile_close(b->host_fd);
    b->host_fd = fd;
    b->shared_writes = true;
    return 0;
}

int backing_anonymous(struct store *s, struct backing **out)
{
    int r = backing_new(s, true, out);
    if (r == 0)
        (*out)->pages = ~0ULL;
    return r;
}

void backing_get(struct backing *b)
{
    b->refs++;
}

void backing_put(struct store *s, struct backing *b)
{
    ASSERT_THAT(b->refs > 0, "C1");
    if (--b->refs)
        return;
    if (b->shared_writes)
        backing_sync(s, b, 0, ~0ULL, NULL);
    if (b->anonymous || !b->current || b->shared_writes) {
        backing_free(s, b);
    } else if (b->host_fd >= 0 && s->cache->idle < IDLE_MAX) {
        set_idle(s, b, true);
    } else {
        close_file(s, b);
    }
}

void backing_execute(struct backing *b)
{
    backing_get(b);
    b->executing++;
}

void backing_executed(struct store *s, struct backing *b)
{
    b->executing--;
    backing_put(s, b);
}

bool pagecache_executing(struct store *s, u64 dev, u64 ino)
{
    const struct backing *b = find_current(s, dev, ino);
    return b && b->executing;
}

static u64 table_pages(const struct backing *b)
{
    return b->table ? b->table->count * CHUNK : 0;
}

static struct slots *chunk_at(const struct backing *b, u64 c)
{
    return b->table && c < b->table->count ? b->table->chunk[c] : NULL;
}

// To be read; to be changed only if the backing alone has it.
static u32 *page_slot(const struct backing *b, u64 page)
{
    struct slots *c = chunk_at(b, page / CHUNK);
    return c ? &c->slot[page % CHUNK] : NULL;
}

bool backing_cached(const struct backing *b, u64 page)
{
    const u32 *slot = page_slot(b, page);
    return slot && *slot != FRAME_NONE;
}

frame_t backing_peek(const struct backing *b, u64 page)
{
    return backing_cached(b, page) ? slot_frame(*page_slot(b, page)) : FRAME_NONE;
}

static bool alone(const struct backing *b, u64 page)
{
    const struct slots *c = chunk_at(b, page / CHUNK);
    return c && c->refs == 1 && b->table->refs == 1;
}

// The table becomes this backing's, with room for chunk c.
static int table_own(struct store *s, struct backing *b, u64 c)
{
    struct slot_table *old = b->table;
    u64 count = old ? old->count : 0;
    if (old && old->refs == 1 && c < count)
        return 0;
    u64 room = c < count ? count : MAX(c + 1, count * 2);
    struct slot_table *t = budget_zalloc(&s->budget, sizeof *t + room * sizeof t->chunk[0]);
    if (!t)
        return -ENOMEM;
    t->refs = 1;
    t->count = room;
    for (u64 i = 0; i < count; i++) {
        t->chunk[i] = old->chunk[i];
        if (t->chunk[i] && old->refs > 1)
            t->chunk[i]->refs++;
    }
    if (old && --old->refs == 0)
        budget_free(old);
    b->table = t;
    return 0;
}

// The slots of both sides are lent from now on.
static void lend(struct store *s, struct slots *to, struct slots *from)
{
    for (u32 k = 0; k < CHUNK; k++) {
        if (from->slot[k] != FRAME_NONE) {
            from->slot[k] |= SLOT_LENT;
            frame_get(s, slot_frame(from->slot[k]));
        }
        to->slot[k] = from->slot[k];
    }
}

// The chunk becomes this backing's; it is made if there is none.
static int chunk_own(struct store *s, struct backing *b, u64 c, struct slots **out)
{
    int r = c >= CHUNKS_MOST ? -ENOMEM : table_own(s, b, c);
    if (r)
        return r;
    struct slots *old = b->table->chunk[c], *own = old;
    if (!old || old->refs > 1) {
        own = budget_alloc(&s->budget, sizeof *own);
        if (!own)
            return -ENOMEM;
        own->refs = 1;
        own->seen = 0;
        own->used = old ? old->used : 0;
        if (old)
            lend(s, own, old);
        else
            memset(own->slot, 0xff, sizeof own->slot); // FRAME_NONE
        if (old)
            old->refs--;
        b->table->chunk[c] = own;
    }
    *out = own;
    return 0;
}

// Of a chunk that this backing has alone.
static void slot_clear(struct store *s, struct backing *b, u64 page)
{
    u32 *slot = page_slot(b, page);
    if (slot && *slot != FRAME_NONE) {
        frame_put(s, slot_frame(*slot));
        *slot = FRAME_NONE;
        chunk_at(b, page / CHUNK)->used--;
        quota_add(b->quota, -1);
    }
}

int backing_cut_ready(struct store *s, struct backing *b, u64 pages)
{
    struct slots *c;
    if (pages >= table_pages(b))
        return 0;
    return chunk_at(b, pages / CHUNK) ? chunk_own(s, b, pages / CHUNK, &c) : table_own(s, b, pages / CHUNK);
}

void backing_cut(struct store *s, struct backing *b)
{
    if (!b->table || b->table->refs > 1)
        return; // nothing is behind the end, or it would be ready
    u64 page = b->pages;
    for (; page < table_pages(b) && page % CHUNK && alone(b, page); page++)
        slot_clear(s, b, page);
    for (u64 c = (page + CHUNK - 1) / CHUNK; c < b->table->count; c++) {
        if (b->table->chunk[c])
            quota_add(b->quota, -(i64)b->table->chunk[c]->used);
        slots_put(s, b->table->chunk[c]);
        b->table->chunk[c] = NULL;
    }
}

bool backing_give_back(struct store *s, struct backing *b, u64 page)
{
    struct slots *c;
    if (!backing_cached(b, page))
        return true;
    if (chunk_own(s, b, page / CHUNK, &c))
        return false;
    u32 slot = *page_slot(b, page);
    bool free = slot & SLOT_LENT || s->meta[slot].refs == 1;
    if (free)
        slot_clear(s, b, page);
    return free;
}

// The page becomes this backing's alone (C4).
static int slot_own(struct store *s, u32 *slot)
{
    frame_t from = slot_frame(*slot), f;
    if (s->meta[from].refs > 1) {
        int r = frame_new(s, &f);
        if (r)
            return r;
        memcpy(frame_data(s, f), frame_data(s, from), PAGE_SIZE);
        frame_put(s, from);
        from = f;
    }
    *slot = from;
    return 0;
}

int backing_page(struct store *s, struct backing *b, u64 page, frame_t *out)
{
    struct slots *c;
    frame_t f;
    if (page >= b->pages)
        return -EFAULT;
    int r = alone(b, page) ? 0 : chunk_own(s, b, page / CHUNK, &c);
    if (r)
        return r;
    u32 *slot = page_slot(b, page);
    if (*slot != FRAME_NONE) {
        r = *slot & SLOT_LENT ? slot_own(s, slot) : 0;
        *out = slot_frame(*slot);
        return r;
    }
    r = quota_left(b->quota) ? frame_zeroed(s, &f) : -ENOSPC;
    if (r)
        return r;
    if (!b->anonymous) {
        i64 n = pagefile_read(b->host_fd, frame_data(s, f), PAGE_SIZE, page << PAGE_SHIFT);
        if (n < 0) {
            frame_put(s, f);
            return (int)n;
        }
    }
    slot = page_slot(b, page); // making room for a frame may have changed what is cached
    *slot = f;
    chunk_at(b, page / CHUNK)->used++;
    quota_add(b->quota, 1);
    *out = f;
    return 0;
}

int backing_sync(struct store *s, struct backing *b, u64 from, u64 to, struct tlb *only)
{
    if (b->anonymous || !b->shared_writes || b->host_fd < 0)
        return 0;
    if (only)
        tlb_revoke_writes(only);
    to = MIN(to, table_pages(b));
    for (u64 page = from; page < to; page++) {
        u32 *slot = page_slot(b, page);
        u64 at = page << PAGE_SHIFT;
        if (!slot || *slot == FRAME_NONE || at >= b->key.size || !(s->meta[*slot].flags & FRAME_DIRTY))
            continue;
        i64 n = pagefile_write(b->host_fd, frame_data(s, *slot), MIN(PAGE_SIZE, b->key.size - at), at);
        if (n < 0)
            return (int)n;
        if (only)
            s->meta[*slot].flags &= (u16)~FRAME_DIRTY;
    }
    return 0;
}

int pagecache_sync_all(struct store *s, struct tlb *only)
{
    int first = 0;
    for (struct backing *b = s->cache->list; b; b = b->next) {
        int r = backing_sync(s, b, 0, ~0ULL, only);
        first = first ? first : r;
        if (b->idle)
            close_file(s, b);
    }
    return first;
}

void pagecache_before_read(struct store *s, u64 dev, u64 ino, struct tlb *only)
{
    struct backing *b = find_current(s, dev, ino);
    if (b && b->shared_writes)
        (void)backing_sync(s, b, 0, ~0ULL, only);
}

// Brings a cached page up to what the file holds now.
static void page_refresh(struct store *s, struct backing *b, u64 page)
{
    u32 *slot = page_slot(b, page);
    if (!slot || *slot == FRAME_NONE)
        return;
    frame_will_change(s, *slot);
    i64 got = pagefile_read(b->host_fd, frame_data(s, *slot), PAGE_SIZE, page << PAGE_SHIFT);
    if (got >= 0 && got < (i64)PAGE_SIZE)
        memset(frame_data(s, *slot) + got, 0, PAGE_SIZE - (size_t)got);
}

struct backing *pagecache_after_write(struct store *s, u64 dev, u64 ino, u64 offset, u64 n,
                                      u64 *pages)
{
    struct backing *b = find_current(s, dev, ino);
    if (!b)
        return NULL;
    i64 size = b->refs ? pagefile_size(b->host_fd) : -1;
    if (size < 0) {
        if (b->refs == 0)
            backing_free(s, b);
        return NULL;
    }
    u64 old_pages = b->pages;
    b->key.size = (u64)size;
    b->pages = *pages = ((u64)size + PAGE_MASK) >> PAGE_SHIFT;
    u64 end = n > ~0ULL - offset ? ~0ULL : offset + n;
    u64 last = MIN(b->pages, MIN(end / PAGE_SIZE + 1, table_pages(b)));
    for (u64 page = offset >> PAGE_SHIFT; page < last; page++)
        page_refresh(s, b, page);
    for (u64 page = b->pages; page < MIN(old_pages, table_pages(b)); page++)
        slot_clear(s, b, page);
    return b->pages < old_pages ? b : NULL;
}

// What several have is counted at the first, and `seen` is 0 again after the last.
static bool first_of(u32 *seen, u32 refs)
{
    bool first = *seen == 0;
    *seen = *seen + 1 == refs ? 0 : *seen + 1;
    return first;
}

static void count_list(const struct backing *b, u32 *refs)
{
    for (; b; b = b->next) {
        struct slot_table *t = b->table;
        for (u64 i = 0; t && (i > 0 || first_of(&t->seen, t->refs)) && i < t->count; i++) {
            struct slots *c = t->chunk[i];
            if (!c || !first_of(&c->seen, c->refs))
                continue;
            for (u32 k = 0; k < CHUNK; k++)
                if (c->slot[k] != FRAME_NONE)
                    refs[slot_frame(c->slot[k])]++;
        }
    }
}

void pagecache_count(struct store *s, u32 *refs)
{
    count_list(s->cache->list, refs);
    count_list(s->cache->anonymous, refs);
}

// ---- machine fork --------------------------------------------------------------------------------

static struct backing *backing_dup(struct forking *f, struct backing *from)
{
    struct backing *b = forking_dup(f, from, sizeof *b);
    if (!b)
        return NULL;
    b->name = forking_text(f, from->name);
    b->quota = quota_copy(f, from->quota);
    link_backing(f->store, b);
    if (b->table)
        b->table->refs++;
    return b;
}

struct backing *backing_copy(struct forking *f, struct backing *b)
{
    bool found;
    if (!b || f->error)
        return NULL;
    if (!backing_per_machine(b)) {
        b->refs++;
        return b;
    }
    struct backing *copy = forking_find(f, b, &found);
    if (!found) {
        copy = backing_dup(f, b);
        forking_add(f, b, copy);
        if (copy)
            copy->refs = copy->executing = 0;
    }
    if (copy)
        copy->refs++;
    return copy;
}

u64 backing_resident(const struct backing *b)
{
    u64 n = 0;
    for (u64 c = 0; c < table_pages(b) / CHUNK; c++)
        n += chunk_at(b, c) ? chunk_at(b, c)->used : 0;
    return n;
}

struct backing *backing_find(struct store *s, u64 dev, u64 ino)
{
    return find_current(s, dev, ino);
}
