/*
 * cow_random.c - a family of processes does random things to its memory, and knows at every moment
 * what must be in it.
 *
 * Each process owns a private arena of PAGES pages, inherited from its parent, and a model of it:
 * for every page whether it is mapped, its protection, and the value of four 8-byte slots. The
 * models live in one MAP_SHARED table, a row a process, so that a leak of copy-on-write cannot
 * falsify the model in the same way as the arena. Before a fork the parent copies its row for the
 * child, which is all that fork should do.
 *
 *     page:  | slot 0 ........ | slot 1 at 1000 ... | slot 2 at 2049 (odd) ... | slot 3 at 4088 |
 *
 * A case is a seed, and the same seed makes the same tree. `cow_random SEED` runs one of your own.
 */
#include "check.h"

enum { PAGES = 32, SLOTS = 4, PROCESSES = 48, STEPS = 120, CHILDREN = 4, DEPTH = 6 };
enum state { UNMAPPED, NONE, READ, WRITE };

struct page {
    enum state state;
    uint64_t slot[SLOTS];
};

struct row {
    struct page page[PAGES];
    uint64_t seed;
    long added;         /* how much this process added to the common sum */
};

struct family {
    int members;
    long sum;           /* of everybody's additions, by AMO */
    struct row row[PROCESSES];
};

static const unsigned offset_of[SLOTS] = { 0, 1000, 2049, 4088 };
static struct family *family;
static struct row *me;
static char *arena;
static int end_of[2];   /* a pipe to let the kernel write to memory */
static pid_t child[CHILDREN];
static int children, depth;

static unsigned dice(unsigned sides)
{
    me->seed = me->seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(me->seed >> 33) % sides;
}

static char *at(unsigned page)
{
    return arena + page * PAGE;
}

static void verify_page(unsigned i)
{
    uint64_t value;

    if (me->page[i].state < READ)
        return;
    for (int s = 0; s < SLOTS; s++) {
        memcpy(&value, at(i) + offset_of[s], 8);
        if (value != me->page[i].slot[s])
            check_fail(__FILE__, __LINE__, "slot has its value (page * 10 + slot, difference)",
                       (long)i * 10 + s, (long)(value ^ me->page[i].slot[s]));
    }
}

static void verify(void)
{
    for (unsigned i = 0; i < PAGES; i++)
        verify_page(i);
}

/* ---- the steps; each changes the arena and the model alike ---- */

static void store(unsigned i, int s, uint64_t value)
{
    uint64_t *p = (uint64_t *)(at(i) + offset_of[s]), old = me->page[i].slot[s];

    switch (dice(s == 2 ? 2 : 5)) {
    case 0:
        memcpy(p, &value, 8);
        break;
    case 1:                                       /* the kernel writes */
        CHECK_EQ(write(end_of[1], &value, 8), 8);
        CHECK_EQ(read(end_of[0], p, 8), 8);
        break;
    case 2:
        CHECK_EQ(__atomic_exchange_n(p, value, __ATOMIC_SEQ_CST), old);
        break;
    case 3:
        CHECK_EQ(__atomic_fetch_add(p, value - old, __ATOMIC_SEQ_CST), old);
        break;
    case 4:
        CHECK(__atomic_compare_exchange_n(p, &old, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
        break;
    }
    me->page[i].slot[s] = value;
}

static void step_store(unsigned i)
{
    uint64_t value = ((uint64_t)dice(1u << 30) << 32) | dice(1u << 30);

    if (me->page[i].state == WRITE) {
        store(i, (int)dice(SLOTS), value);
    } else {                                      /* the kernel may not write either */
        CHECK_EQ(write(end_of[1], &value, 8), 8);
        CHECK_ERR(read(end_of[0], at(i) + 8, 8), EFAULT);
        CHECK_EQ(read(end_of[0], &value, 8), 8);
    }
}

/* Eight bytes over two pages: half of slot 3, and half of the next page's slot 0. */
static void step_straddle(unsigned i)
{
    uint64_t value = ((uint64_t)dice(1u << 30) << 32) | dice(1u << 30);
    struct page *a = &me->page[i], *b = a + 1;

    if (i + 1 == PAGES || a->state != WRITE || b->state != WRITE)
        return;
#ifdef __riscv
    __asm__ volatile("sd %0, 0(%1)" : : "r"(value), "r"(at(i + 1) - 4) : "memory");
#else
    __asm__ volatile("movq %0, (%1)" : : "r"(value), "r"(at(i + 1) - 4) : "memory");
#endif
    a->slot[3] = (a->slot[3] & 0xffffffff) | value << 32;
    b->slot[0] = (b->slot[0] & ~(uint64_t)0xffffffff) | value >> 32;
}

static void step_protect(unsigned i)
{
    static const int bits[] = { 0, PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
    unsigned n = 1 + dice(PAGES - i < 6 ? PAGES - i : 6);
    enum state state = (enum state)(1 + dice(3));

    for (unsigned k = i; k < i + n; k++)
        if (me->page[k].state == UNMAPPED) {
            n = k - i;
            CHECK_ERR(mprotect(at(k), PAGE, PROT_READ), ENOMEM);
        }
    if (n == 0)
        return;
    CHECK_EQ(mprotect(at(i), n * PAGE, bits[state]), 0);
    for (unsigned k = i; k < i + n; k++)
        me->page[k].state = state;
}

static void zeros(unsigned i, unsigned n, enum state state)
{
    for (unsigned k = i; k < i + n; k++) {
        memset(&me->page[k], 0, sizeof me->page[k]);
        me->page[k].state = state;
    }
}

static void step_map(unsigned i)
{
    unsigned n = 1 + dice(PAGES - i < 4 ? PAGES - i : 4);

    if (dice(3) == 0) {
        CHECK_EQ(munmap(at(i), n * PAGE), 0);
        zeros(i, n, UNMAPPED);
    } else {
        CHECK(mmap(at(i), n * PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at(i));
        zeros(i, n, WRITE);
    }
}

static void step_forget(unsigned i)
{
    if (me->page[i].state == UNMAPPED)
        return;
    CHECK_EQ(madvise(at(i), PAGE, MADV_DONTNEED), 0);
    zeros(i, 1, me->page[i].state);
}

static void step_move(unsigned i)
{
    unsigned to = dice(PAGES);

    if (to == i || me->page[i].state == UNMAPPED)
        return;
    CHECK(mremap(at(i), PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, at(to)) == at(to));
    me->page[to] = me->page[i];
    zeros(i, 1, UNMAPPED);
}

static void step_add(void)
{
    long n = (long)dice(100);

    __atomic_fetch_add(&family->sum, n, __ATOMIC_SEQ_CST);
    me->added += n;
}

static void step_wait(void)
{
    if (children > 0)
        CHECK_EXIT(child[--children], 0);
}

static void step_fork(void)
{
    if (children == CHILDREN || depth == DEPTH)
        return;
    int number = __atomic_fetch_add(&family->members, 1, __ATOMIC_SEQ_CST);
    if (number >= PROCESSES)
        return;
    struct row *row = &family->row[number];
    *row = *me;
    row->added = 0;
    row->seed ^= (uint64_t)(number + 1) << 40;
    pid_t pid = check_fork();
    if (pid == 0) {
        me = row;
        depth++;
        children = 0;
        close(end_of[0]);                         /* a pipe of its own */
        close(end_of[1]);
        CHECK_EQ(pipe(end_of), 0);
        verify();
        return;
    }
    child[children++] = pid;
}

static void live(void)
{
    int steps = STEPS / (1 + depth / 2);

    for (int step = 0; step < steps; step++) {
        unsigned i = dice(PAGES);

        switch (dice(16)) {
        case 0:
            step_fork();
            break;
        case 1:
            step_protect(i);
            break;
        case 2:
            step_map(i);
            break;
        case 3:
            step_forget(i);
            break;
        case 4:
            step_move(i);
            break;
        case 5:
            step_wait();
            break;
        case 6:
            step_straddle(i);
            break;
        case 7:
            step_add();
            break;
        case 8:
            verify();
            break;
        default:
            step_store(i);
            verify_page(dice(PAGES));
        }
    }
    verify();
    while (children > 0)
        step_wait();
    verify();
}

static void with_seed(uint64_t seed)
{
    long sum = 0;

    family = check_shared(sizeof *family / PAGE + 1);
    family->members = 1;
    me = &family->row[0];
    me->seed = seed;
    arena = check_private(PAGES);
    CHECK_EQ(pipe(end_of), 0);
    zeros(0, PAGES, WRITE);
    live();
    if (depth > 0)
        _exit(0);
    int members = family->members < PROCESSES ? family->members : PROCESSES;
    for (int i = 0; i < members; i++)
        sum += family->row[i].added;
    CHECK_EQ(family->sum, sum);
}

static void seed_1(void) { with_seed(1); }
static void seed_2(void) { with_seed(22); }
static void seed_3(void) { with_seed(333); }
static void seed_4(void) { with_seed(4444); }
static void seed_5(void) { with_seed(55555); }

static uint64_t chosen;
static void seed_chosen(void) { with_seed(chosen); }

static const struct check_case cases[] = {
    CASE(seed_1),
    CASE(seed_2),
    CASE(seed_3),
    CASE(seed_4),
    CASE(seed_5),
};

int main(int argc, char **argv)
{
    static const struct check_case one[] = { CASE(seed_chosen) };

    if (argc == 2 && atol(argv[1]) > 0) {
        chosen = (uint64_t)atol(argv[1]);
        return check_main(1, argv, one, 1);
    }
    return check_main(argc, argv, cases, COUNT(cases));
}
