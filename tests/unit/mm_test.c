// Random fork, write, map, unmap, protect and exit schedules against a flat model: every address
// space's bytes are what a machine that copies everything at once would hold, at every step every
// reference count is right, and at the end nothing is left. Then the same with the n-th allocation
// failing, for every n.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/stats.h"
#include "mm/check.h"
#include "mm/map.h"
#include "mm/pagetable.h"
#include "mm/pagecache.h"
#include "mm/tlb.h"
#include "mm/uaccess.h"

#define SPACES 6
#define PAGES 24
#define BASE 0x100000000ULL // pages 0..11 here, 12..23 far away: another path in the table
#define FAR 0x3000000000ULL

static struct stats stats;
static struct tlb tlb;

struct model {
    struct mm *mm;
    bool mapped[PAGES], writable[PAGES], shared[PAGES];
    u64 value[PAGES];
};

static u64 seed;
static u64 shared_value[PAGES];

static u64 rnd(u64 n)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (seed >> 33) % n;
}

static gva_t address(u32 page)
{
    return page < PAGES / 2 ? BASE + page * PAGE_SIZE : FAR + page * PAGE_SIZE;
}

#define CHECK(c)                                                                                  \
    do {                                                                                          \
        if (!(c)) {                                                                               \
            printf("FAIL mm_test: line %d: %s\n", __LINE__, #c);                                  \
            exit(1);                                                                              \
        }                                                                                         \
    } while (0)

static void verify(struct store *s, struct model *space)
{
    struct mm *all[SPACES];
    u32 n = 0;
    for (int i = 0; i < SPACES; i++) {
        struct model *p = &space[i];
        if (!p->mm)
            continue;
        all[n++] = p->mm;
        for (u32 page = 0; page < PAGES; page++) {
            u64 v = 0;
            int r = uaccess_read_u64(p->mm, &v, address(page) + 8);
            if (r == -ENOMEM)
                continue;
            CHECK((r == 0) == p->mapped[page]);
            if (r == 0)
                CHECK(v == (p->shared[page] ? shared_value[page] : p->value[page]));
        }
    }
    mm_check(s, all, n);
}

static void do_map(struct model *p, u32 page)
{
    struct map_request q = {.addr = address(page), .length = PAGE_SIZE, .prot = MM_READ | MM_WRITE,
                            .fixed = true};
    gva_t at;
    if (p->shared[page] || rnd(8) == 0)
        return;
    int r = mm_map(p->mm, &q, &at);
    if (r == 0) {
        p->mapped[page] = p->writable[page] = true;
        p->value[page] = 0;
    } else {
        CHECK(r == -ENOMEM);
        if (mm_unmap(p->mm, address(page), PAGE_SIZE) == 0)
            p->mapped[page] = false; // a failed MAP_FIXED may have emptied the page
    }
}

static void do_write(struct model *p, u32 page)
{
    u64 v = rnd(1 << 30) + 1;
    int r = uaccess_write_u64(p->mm, address(page) + 8, v);
    if (r == -ENOMEM)
        return;
    CHECK((r == 0) == (p->mapped[page] && p->writable[page]));
    if (r == 0 && p->shared[page])
        shared_value[page] = v;
    else if (r == 0)
        p->value[page] = v;
}

static void do_fork(struct model *space, struct model *p)
{
    for (int i = 0; i < SPACES; i++) {
        if (space[i].mm)
            continue;
        struct mm *child;
        if (mm_fork(p->mm, &child))
            return;
        space[i] = *p;
        space[i].mm = child;
        return;
    }
}

static void step(struct model *space)
{
    struct model *p = &space[rnd(SPACES)];
    u32 page = (u32)rnd(PAGES);
    if (!p->mm)
        return;
    mm_switch(p->mm, &tlb);
    switch (rnd(10)) {
    case 0:
        do_map(p, page);
        break;
    case 1:
        if (!p->shared[page] && mm_unmap(p->mm, address(page), PAGE_SIZE) == 0)
            p->mapped[page] = false;
        break;
    case 2: {
        bool w = rnd(2);
        if (p->mapped[page] && mm_protect(p->mm, address(page), PAGE_SIZE, w ? 3 : 1) == 0)
            p->writable[page] = w;
        break;
    }
    case 3:
        if (p->mapped[page] && !p->shared[page] && mm_discard(p->mm, address(page), PAGE_SIZE) == 0)
            p->value[page] = 0;
        break;
    case 4:
    case 5:
        do_fork(space, p);
        break;
    case 6: {
        int alive = 0;
        for (int i = 0; i < SPACES; i++)
            alive += space[i].mm != NULL;
        if (alive > 1) {
            mm_put(p->mm);
            p->mm = NULL;
        }
        break;
    }
    default:
        do_write(p, page);
    }
}

// One schedule. Returns false if the first allocations failed already.
static void schedule(u64 s0, u32 steps, bool eager, u64 fail_at)
{
    struct store *s;
    struct model space[SPACES] = {{0}};
    u64 live = mem_live();
    seed = s0;
    memset(shared_value, 0, sizeof shared_value);
    tlb_init(&tlb);
    tlb.mm = NULL;
    mem_fail_at(fail_at);
    if (store_new(&s, 16 << 20))
        return;
    if (mm_new(s, &stats, &space[0].mm)) {
        store_free(s);
        return;
    }
    space[0].mm->eager = eager;
    for (u32 page = 0; page < PAGES; page++) {
        struct map_request q = {.addr = address(page), .length = PAGE_SIZE, .prot = 3, .fixed = true};
        gva_t at;
        if (page % 6 == 5) {
            if (backing_anonymous(s, &q.backing))
                continue;
            q.flags = REGION_SHARED;
        }
        if (mm_map(space[0].mm, &q, &at) == 0) {
            space[0].mapped[page] = space[0].writable[page] = true;
            space[0].shared[page] = q.flags != 0;
        } else if (q.backing) {
            backing_put(s, q.backing);
        }
    }
    for (u32 i = 0; i < steps; i++) {
        step(space);
        if (i % 16 == 0 || fail_at)
            verify(s, space);
    }
    mem_fail_at(0);
    verify(s, space);
    for (int i = 0; i < SPACES; i++)
        if (space[i].mm)
            mm_put(space[i].mm);
    CHECK(s->used == 0 || s->cache);
    CHECK(s->nodes_used == 0);
    store_free(s);
    CHECK(mem_live() == live);
}

// A page never written is never copied; the last owner takes over; generations share (M4-M6).
static void counters(void)
{
    struct store *s;
    struct mm *a, *b, *c;
    struct map_request q = {.addr = BASE, .length = 64 * PAGE_SIZE, .prot = 3, .fixed = true};
    gva_t at;
    memset(&stats, 0, sizeof stats);
    tlb_init(&tlb);
    tlb.mm = NULL;
    CHECK(store_new(&s, 64 << 20) == 0 && mm_new(s, &stats, &a) == 0 && mm_map(a, &q, &at) == 0);
    for (u32 i = 0; i < 64; i++)
        CHECK(uaccess_write_u64(a, BASE + i * PAGE_SIZE, i) == 0);
    CHECK(stats.zero_fills == 64 && s->used == 64);
    u64 nodes = s->nodes_used;
    CHECK(mm_fork(a, &b) == 0 && mm_fork(b, &c) == 0);
    CHECK(s->used == 64 && s->nodes_used == nodes); // fork copied nothing
    CHECK(uaccess_write_u64(b, BASE, 1000) == 0);
    CHECK(stats.frames_copied == 1 && s->used == 65);
    CHECK(uaccess_write_u64(c, BASE, 2000) == 0);
    CHECK(stats.frames_copied == 2);
    u64 copied = stats.frames_copied;
    CHECK(uaccess_write_u64(a, BASE, 3000) == 0); // the last owner
    CHECK(stats.frames_copied == copied && s->used == 66);
    mm_put(b);
    mm_put(c);
    CHECK(s->used == 64);
    CHECK(uaccess_write_u64(a, BASE + 5 * PAGE_SIZE, 1) == 0);
    CHECK(stats.frames_copied == copied);
    mm_put(a);
    store_free(s);
}

// The end of a large address space leaves most of it to be freed later, in pieces (law L12); its memory
// is there at once for who needs it, and a page that a fork still has is not touched.
static void large_exit(void)
{
    enum { LARGE = 30000 };
    struct store *s;
    struct mm *a, *b;
    struct map_request q = {.addr = BASE, .length = LARGE * PAGE_SIZE, .prot = 3, .fixed = true};
    gva_t at;
    u64 got;
    tlb_init(&tlb);
    tlb.mm = NULL;
    CHECK(store_new(&s, (LARGE + 100) * PAGE_SIZE) == 0 && mm_new(s, &stats, &a) == 0);
    CHECK(mm_map(a, &q, &at) == 0);
    CHECK(uaccess_write_u64(a, BASE, 77) == 0 && mm_fork(a, &b) == 0);
    for (u32 i = 0; i < LARGE; i++)
        CHECK(uaccess_write_u64(a, BASE + i * PAGE_SIZE, i) == 0);
    mm_put(a);
    CHECK(s->used > LARGE / 4);
    u64 before = s->nodes_used;
    CHECK(node_reap(s, 10) && s->nodes_used == before - 10);
    CHECK(mm_new(s, &stats, &a) == 0 && mm_map(a, &q, &at) == 0); // all of it must fit again
    for (u32 i = 0; i < LARGE; i++)
        CHECK(uaccess_write_u64(a, BASE + i * PAGE_SIZE, i) == 0);
    CHECK(uaccess_read_u64(b, &got, BASE) == 0 && got == 77);
    mm_put(a);
    mm_check(s, &b, 1);
    CHECK(s->used == 1 && !node_reap(s, 1));
    mm_put(b);
    store_free(s);
}

// Two machines on two threads: code that the other may store to without a TLB miss is not to be kept.
static void code_of_two_harts(void)
{
    static struct tlb other;
    struct store *s;
    struct mm *a, *b;
    struct map_request q = {.addr = BASE, .length = PAGE_SIZE, .prot = 7, .fixed = true, .flags = REGION_SHARED};
    gva_t at;
    frame_t f;
    u8 *host;
    tlb_init(&tlb);
    tlb_init(&other);
    tlb.mm = other.mm = NULL;
    CHECK(store_new(&s, 100 * PAGE_SIZE) == 0 && mm_new(s, &stats, &a) == 0);
    CHECK(backing_anonymous(s, &q.backing) == 0 && mm_map(a, &q, &at) == 0);
    q = (struct map_request){.addr = BASE + PAGE_SIZE, .length = PAGE_SIZE, .prot = 7, .fixed = true};
    CHECK(mm_map(a, &q, &at) == 0 && mm_fork(a, &b) == 0 && store_share(s) == 0);
    mm_switch(a, &tlb);
    mm_switch(b, &other);
    CHECK(mm_access(a, BASE, MM_WRITE, &host) == FAULT_NONE && tlb_slot(&tlb, BASE)->write == BASE);
    CHECK(mm_exec_frame(b, BASE, &f) == FAULT_NONE && tlb_slot(&tlb, BASE)->write == BASE);
    CHECK(s->meta[f].flags & FRAME_WRITE_CACHED);
    CHECK(mm_access(a, BASE + PAGE_SIZE, MM_WRITE, &host) == FAULT_NONE); // its own alone
    CHECK(mm_exec_frame(a, BASE + PAGE_SIZE, &f) == FAULT_NONE && !(s->meta[f].flags & FRAME_WRITE_CACHED));
    mm_put(a);
    mm_put(b);
    store_free(s);
}

int main(int argc, char **argv)
{
    u32 rounds = argc > 1 ? (u32)atoi(argv[1]) : 300;
    counters();
    large_exit();
    code_of_two_harts();
    for (u32 i = 0; i < rounds; i++)
        schedule(i + 1, 400, i % 4 == 3, 0);
    for (u64 n = 1; n < 700; n++)
        schedule(n % 7 + 1, 120, n % 5 == 4, n);
    printf("ok mm_test: %u schedules, 699 with a failing allocation\n", rounds);
    return 0;
}
