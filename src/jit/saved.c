#include "jit/saved.h"

#include <string.h>

#include "base/alloc.h"
#include "base/stats.h"
#include "host/code_file.h"
#include "host/file.h"
#include "jit/thunks.h"
#include "mm/mm.h"

#define MAGIC "tinecode"
#define PAGES_MOST   (1u << 18)
#define ENTRIES_MOST (1u << 22)
#define UNIT_MOST    (1u << 18) // bytes

struct header {
    char magic[8];
    u64 key;       // (V1)
    u64 index_sum; // of pages, entries and links
    u32 pages, entries;
    u32 end;       // code lies below this offset of the cache
    u32 links;     // (V5)
    u64 sum;       // of all before
};

struct saved_page {
    u64 hash;   // of the guest code
    gva_t va;
    u64 at;     // of the record, in the file
    u64 sum;    // of the record
    u32 first, count; // entries
    u32 bytes;  // of the record
    u32 used;   // taken, in this run
};

struct saved_entry {
    u32 pc;     // offset in the page
    u32 offset; // struct jit_entry's
    u32 size, guest_size;
};

struct saved {
    int fd;
    u64 key;
    u32 taken;  // units
    struct header head;
    struct saved_page *page;
    struct saved_entry *entry;
    u32 *slot, slots; // hash of a page -> its number + 1
    u8 *record; // the one being read
    u32 room;   // for that
};

static u64 make_key(const struct jit_cache *c)
{
    u64 part[] = {host_build_hash(), host_cpu_hash(), c->size, c->segments};
    return host_hash(part, sizeof part);
}

static bool read_all(int fd, void *to, u64 n, u64 at)
{
    for (i64 got; n; n -= (u64)got, at += (u64)got, to = (u8 *)to + got)
        if ((got = host_pread(fd, to, n, (i64)at)) <= 0)
            return false;
    return true;
}

// ---- Opening --------------------------------------------------------------------------------

static u64 head_sum(const struct header *h)
{
    return host_hash(h, offsetof(struct header, sum));
}

static bool head_valid(const struct saved *v, const struct jit_cache *c)
{
    const struct header *h = &v->head;
    return memcmp(h->magic, MAGIC, sizeof h->magic) == 0 && h->key == v->key &&
           h->sum == head_sum(h) && h->pages <= PAGES_MOST && h->entries <= ENTRIES_MOST &&
           h->links <= CPU_LINKS && h->end >= CACHE_THUNKS && h->end <= c->size / 2;
}

static bool index_valid(const struct saved *v)
{
    for (u32 i = 0; i < v->head.pages; i++) {
        const struct saved_page *p = &v->page[i];
        if (p->first > v->head.entries || p->count > v->head.entries - p->first ||
            p->bytes < PAGE_SIZE || p->bytes > v->head.end + PAGE_SIZE || p->va & PAGE_MASK)
            return false;
    }
    return true;
}

static bool entries_valid(const struct saved *v, const struct saved_page *p)
{
    u64 bytes = PAGE_SIZE;
    for (u32 i = 0; i < p->count; i++) {
        const struct saved_entry *e = &v->entry[p->first + i];
        if (e->pc >= PAGE_SIZE || e->pc & 1 || e->size > UNIT_MOST || e->offset < CACHE_THUNKS ||
            e->offset >= v->head.end || e->size > v->head.end - e->offset)
            return false;
        bytes += e->size;
    }
    return bytes == p->bytes;
}

// The numbers of jumps, as they were when the code was made (V5). For a cache that has none yet.
static bool take_links(struct jit_cache *c, const gva_t *pc, u32 n)
{
    for (u32 i = 0; i < n; i++)
        if (cache_link(c, pc[i]) != i) {
            cache_links_clear(c);
            return false;
        }
    return true;
}

// The file's index. False: there is none, or no memory.
static bool read_index(struct saved *v, struct jit_cache *c)
{
    u64 pages = (u64)v->head.pages * sizeof *v->page;
    u64 entries = (u64)v->head.entries * sizeof *v->entry;
    u64 links = (u64)v->head.links * sizeof(gva_t), all = links + pages + entries;
    u8 *index = mem_alloc(all + 1); // links first: they are aligned
    bool good = index && read_all(v->fd, index, all, sizeof v->head) && host_hash(index, all) == v->head.index_sum;
    v->page = mem_alloc(pages + 1);
    v->entry = mem_alloc(entries + 1);
    if (good && v->page && v->entry) {
        memcpy(v->page, index + links, pages);
        memcpy(v->entry, index + links + pages, entries);
        good = index_valid(v) && take_links(c, (const gva_t *)(const void *)index, v->head.links);
    } else {
        good = false;
    }
    mem_free(index);
    return good;
}

static bool make_slots(struct saved *v)
{
    for (v->slots = 16; v->slots < 2 * v->head.pages; v->slots *= 2)
        ;
    v->slot = mem_zalloc(v->slots * sizeof *v->slot);
    for (u32 i = 0; v->slot && i < v->head.pages; i++) {
        u32 at = (u32)v->page[i].hash & (v->slots - 1);
        while (v->slot[at])
            at = (at + 1) & (v->slots - 1);
        v->slot[at] = i + 1;
        v->page[i].used = 0;
    }
    return v->slot != NULL;
}

static void drop_index(struct saved *v)
{
    mem_free(v->page);
    mem_free(v->entry);
    mem_free(v->slot);
    v->page = NULL;
    v->entry = NULL;
    v->slot = NULL;
    v->head = (struct header){.pages = 0};
}

// New code begins behind what the file may still bring (V2).
static void make_room(struct jit_cache *c, u32 end)
{
    c->at = ALIGN_UP(MAX(end, c->at), 16u);
    c->segment = c->at / (c->size / c->segments);
}

void saved_open(struct jit_cache *c, int fd)
{
    struct saved *v;
    if (host_file_share(fd))
        return; // somebody is writing it
    v = mem_zalloc(sizeof *v);
    if (!v)
        return;
    v->fd = fd;
    v->key = make_key(c);
    c->saved = v;
    if (!read_all(fd, &v->head, sizeof v->head, 0) || !head_valid(v, c) || !read_index(v, c) || !make_slots(v))
        drop_index(v);
    else
        make_room(c, v->head.end);
}

void saved_free(struct jit_cache *c)
{
    struct saved *v = c->saved;
    if (!v)
        return;
    drop_index(v);
    mem_free(v->record);
    mem_free(v);
    c->saved = NULL;
}

// ---- Taking ---------------------------------------------------------------------------------

static struct saved_page *find(struct saved *v, const u8 *code, gva_t va)
{
    u64 hash = host_hash(code, PAGE_SIZE);
    for (u32 at = (u32)hash & (v->slots - 1); v->slot[at]; at = (at + 1) & (v->slots - 1)) {
        struct saved_page *p = &v->page[v->slot[at] - 1];
        if (p->hash == hash && p->va == va && !p->used)
            return p;
    }
    return NULL;
}

static bool read_record(struct saved *v, const struct saved_page *p)
{
    if (v->room < p->bytes) {
        mem_free(v->record);
        v->room = MAX(p->bytes, 64u << 10);
        v->record = mem_alloc(v->room);
        if (!v->record)
            v->room = 0;
    }
    return v->record && read_all(v->fd, v->record, p->bytes, p->at) &&
           host_hash(v->record, p->bytes) == p->sum;
}

// The code to its places, and published.
static void take(struct jit_cache *c, struct code_page *to, const struct saved_page *p)
{
    struct saved *v = c->saved;
    const u8 *from = v->record + PAGE_SIZE;
    for (u32 i = 0; i < p->count; i++) {
        const struct saved_entry *e = &v->entry[p->first + i];
        memcpy(c->base + e->offset, from, e->size);
        from += e->size;
    }
    for (u32 i = p->count; i-- > 0;) { // the list of the page in its old order
        const struct saved_entry *e = &v->entry[p->first + i];
        if (cache_enter(c, to, p->va + e->pc, c->base + e->offset, e->size, e->guest_size))
            return;
        v->taken += e->size != 0;
    }
}

void saved_page(struct cpu *cpu, struct code_page *to, gva_t page_va)
{
    struct jit_cache *c = cpu->store->jit;
    struct saved *v = c->saved;
    const u8 *code = frame_data(cpu->store, to->frame);
    struct saved_page *p;
    if (!v || !v->head.pages || c->wrapped)
        return;
    p = find(v, code, page_va);
    if (!p)
        return;
    p->used = 1;
    u32 before = v->taken;
    if (entries_valid(v, p) && read_record(v, p) && memcmp(v->record, code, PAGE_SIZE) == 0 &&
        cache_commit(c, v->head.end) == 0)
        take(c, to, p);
    cpu->mm->stats->jit_loaded += v->taken - before;
}

// ---- Writing --------------------------------------------------------------------------------

struct writer {
    struct jit_cache *c;
    struct store *s;
    struct saved_page *page;
    struct saved_entry *entry;
    u8 *data; // the records
    u64 bytes, room;
    u32 pages, entries;
    bool failed;
};

static u8 *more(struct writer *w, u64 n)
{
    if (w->bytes + n > w->room) {
        u64 room = MAX(2 * w->room, w->bytes + n + (1u << 20));
        u8 *data = w->failed ? NULL : mem_resize(w->data, room);
        if (!data) {
            w->failed = true;
            return NULL;
        }
        w->data = data;
        w->room = room;
    }
    w->bytes += n;
    return w->data + w->bytes - n;
}

static void end_page(struct writer *w, u64 begin)
{
    struct saved_page *p = &w->page[w->pages];
    p->at = begin; // in data
    p->bytes = (u32)(w->bytes - begin);
    p->count = w->entries - p->first;
    if (w->failed)
        return;
    p->sum = host_hash(w->data + begin, p->bytes);
    w->pages++;
}

static void add_live(struct writer *w, const struct code_page *from, u64 hash)
{
    const struct jit_cache *c = w->c;
    const u8 *code = frame_data(w->s, from->frame);
    u32 id = (u32)(uintptr_t)from->native;
    gva_t va = c->entry[id].pc & TLB_PAGE_MASK;
    u64 begin = w->bytes;
    u8 *to = more(w, PAGE_SIZE);
    if (!to)
        return;
    memcpy(to, code, PAGE_SIZE);
    w->page[w->pages] = (struct saved_page){.hash = hash, .va = va, .first = w->entries};
    for (; id; id = c->entry[id].next_of_page) {
        const struct jit_entry *e = &c->entry[id];
        if ((e->pc & TLB_PAGE_MASK) != va)
            continue; // the same frame under another address
        w->entry[w->entries++] = (struct saved_entry){(u32)(e->pc & PAGE_MASK), e->offset, e->size, e->guest_size};
        to = more(w, e->size);
        if (to)
            memcpy(to, c->base + e->offset, e->size);
    }
    end_page(w, begin);
}

static bool has(const struct writer *w, u64 hash, gva_t va)
{
    for (u32 i = 0; i < w->pages; i++)
        if (w->page[i].hash == hash && w->page[i].va == va)
            return true;
    return false;
}

// What the file has of pages that this run did not meet, or has no more.
static void add_old(struct writer *w, const struct saved_page *p)
{
    struct saved *v = w->c->saved;
    if (has(w, p->hash, p->va) || !entries_valid(v, p) || !read_record(v, p))
        return;
    u64 begin = w->bytes;
    u8 *to = more(w, p->bytes);
    if (!to)
        return;
    memcpy(to, v->record, p->bytes);
    w->page[w->pages] = (struct saved_page){.hash = p->hash, .va = p->va, .first = w->entries};
    memcpy(&w->entry[w->entries], &v->entry[p->first], p->count * sizeof *w->entry);
    w->entries += p->count;
    end_page(w, begin);
}

static void add_all(struct writer *w)
{
    struct jit_cache *c = w->c;
    for (u32 i = 1; i < c->nentries && !w->failed; i++) {
        const struct jit_entry *e = &c->entry[i];
        const struct code_page *p = e->frame ? w->s->meta[e->frame].code : NULL;
        if (!p || (u32)(uintptr_t)p->native != i)
            continue;
        u64 hash = host_hash(frame_data(w->s, e->frame), PAGE_SIZE);
        if (!has(w, hash, e->pc & TLB_PAGE_MASK))
            add_live(w, p, hash);
    }
    for (u32 i = 0; i < c->saved->head.pages && !w->failed; i++)
        add_old(w, &c->saved->page[i]);
}

static bool write_all(int fd, const void *from, u64 n, u64 at)
{
    for (i64 done; n; n -= (u64)done, at += (u64)done, from = (const u8 *)from + done)
        if ((done = host_pwrite(fd, from, n, (i64)at)) <= 0)
            return false;
    return true;
}

// The header last: until then the file is nobody's.
static void write_file(struct writer *w, struct saved *v)
{
    u64 pages = (u64)w->pages * sizeof *w->page, entries = (u64)w->entries * sizeof *w->entry;
    u64 links = w->c->nlinks * sizeof(gva_t), all = links + pages + entries, index_end = sizeof v->head + all;
    struct header none = {.pages = 0};
    struct header head = {.key = v->key, .pages = w->pages, .entries = w->entries,
                          .end = ALIGN_UP(w->c->at, 16u), .links = w->c->nlinks};
    u8 *index = mem_alloc(all + 1);
    if (!index)
        return;
    for (u32 i = 0; i < w->pages; i++)
        w->page[i].at += index_end;
    cache_links(w->c, (gva_t *)(void *)index);
    memcpy(index + links, w->page, pages);
    memcpy(index + links + pages, w->entry, entries);
    memcpy(head.magic, MAGIC, sizeof head.magic);
    head.index_sum = host_hash(index, all);
    head.sum = head_sum(&head);
    if (write_all(v->fd, &none, sizeof none, 0) && host_ftruncate(v->fd, (i64)(index_end + w->bytes)) == 0 &&
        write_all(v->fd, index, all, sizeof head) && write_all(v->fd, w->data, w->bytes, index_end))
        (void)write_all(v->fd, &head, sizeof head, 0);
    mem_free(index);
}

static bool worth_writing(const struct jit_cache *c)
{
    const struct saved *v = c->saved;
    return v && !c->wrapped && c->made > 4 + v->taken / 16;
}

void saved_write(struct store *s)
{
    struct jit_cache *c = s->jit;
    if (!c || !worth_writing(c) || host_file_alone(c->saved->fd))
        return;
    struct saved *v = c->saved;
    if (c->at > c->size / 2) { // too much has come together: begun anew
        int r = host_ftruncate(v->fd, 0);
        (void)r; // then it stays as it is
        return;
    }
    struct writer w = {.c = c, .s = s};
    w.page = mem_alloc((c->nentries + v->head.pages + 1) * sizeof *w.page);
    w.entry = mem_alloc((c->nentries + v->head.entries + 1) * sizeof *w.entry);
    if (w.page && w.entry) {
        add_all(&w);
        if (!w.failed)
            write_file(&w, v);
    }
    mem_free(w.page);
    mem_free(w.entry);
    mem_free(w.data);
}
