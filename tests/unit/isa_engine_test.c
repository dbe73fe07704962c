// Tests of the engine: isa_engine_test [programs [first seed]]
//
// Retirement is exact, and nothing depends on where a time slice ends: random programs, which fault,
// branch anywhere, cross pages and store into themselves, run in one piece and in slices of many
// sizes; the sequence of traps, the registers and the memory have to come out the same.
// Then what random programs don't reach: code changed again and again, and code shared by a fork.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/stats.h"
#include "cpu/code.h"
#include "cpu/cpu.h"
#include "isa/decode.h"
#include "jit/jit.h"
#include "mm/map.h"
#include "mm/tlb.h"
#include "mm/uaccess.h"

#define CODE_AT    0x10000UL
#define CODE_PAGES 4
#define DATA_AT    0x20000UL
#define DATA_PAGES 2
#define CONST_AT   (DATA_AT + 3 * PAGE_SIZE)
#define LIMIT      30000 // instructions of one run
#define TRAPS      400

static const struct engine *engine; // NULL = the interpreter
static u64 rng_state;

static u64 rng(void) // splitmix64
{
    u64 z = rng_state += 0x9e3779b97f4a7c15UL;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9UL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebUL;
    return z ^ z >> 31;
}

static void check(bool ok, const char *what)
{
    if (!ok) {
        printf("failed: %s\n", what);
        exit(1);
    }
}

struct world {
    struct store *store;
    struct stats stats;
    struct mm *mm;
    struct regs regs;
    struct cpu cpu;
};

static void map(struct world *w, gva_t at, u64 pages, u32 prot)
{
    struct map_request q = {.addr = at, .length = pages * PAGE_SIZE, .prot = prot, .fixed = true};
    gva_t got;
    check(mm_map(w->mm, &q, &got) == 0, "map");
}

static void world_new(struct world *w)
{
    memset(w, 0, sizeof *w);
    check(store_new(&w->store, 16UL << 20) == 0, "store");
    check(mm_new(w->store, &w->stats, &w->mm) == 0, "mm");
    w->mm->data_limit = w->mm->as_limit = ~0UL;
    w->cpu.engine = engine;
    w->cpu.hot = 1;
    w->cpu.regs = &w->regs;
    w->cpu.mm = w->mm;
    w->cpu.store = w->store;
    tlb_init(&w->cpu.tlb);
    mm_switch(w->mm, &w->cpu.tlb);
    w->regs.reservation = ~0UL;
    map(w, CODE_AT, CODE_PAGES, MM_READ | MM_WRITE | MM_EXEC);
    map(w, DATA_AT, DATA_PAGES, MM_READ | MM_WRITE);
    map(w, CONST_AT, 1, MM_READ);
}

static void world_free(struct world *w)
{
    mm_put(w->mm);
    cpu_free(&w->cpu);
    cpu_store_free(engine, w->store);
    store_free(w->store);
}

static void put(struct world *w, gva_t at, const void *from, size_t n)
{
    check(uaccess_write(w->mm, at, from, n) == 0, "write");
}

// ---- Random programs ------------------------------------------------------------------------

// `dense` programs store into their own pages often.
static void random_code(struct world *w, bool dense)
{
    static u8 code[CODE_PAGES * PAGE_SIZE];
    struct insn in;
    for (size_t at = 0; at < sizeof code;) {
        u32 word = (u32)rng();
        if (rng() % 2)
            word |= 3;
        if (rng() % 64 != 0 && (!rv_decode(word, &in) || in.op == OP_ecall))
            continue;
        if (!dense && (in.op == OP_sb || in.op == OP_sh || in.op == OP_sw || in.op == OP_sd) &&
            rng() % 2)
            continue;
        u32 n = rv_length(word);
        if (at + n > sizeof code)
            n = 2;
        memcpy(code + at, &word, n);
        at += n;
    }
    put(w, CODE_AT, code, sizeof code);
}

static u64 random_value(void)
{
    switch (rng() % 6) {
    case 0:
        return DATA_AT + rng() % (DATA_PAGES * PAGE_SIZE);
    case 1:
        return DATA_AT + rng() % (DATA_PAGES * PAGE_SIZE) / 8 * 8;
    case 2:
        return CODE_AT + rng() % (CODE_PAGES * PAGE_SIZE) / 2 * 2;
    case 3:
        return DATA_AT + PAGE_SIZE * (rng() % 5) - 8 + rng() % 16;
    case 4:
        return rng() % 64;
    default:
        return rng();
    }
}

// After a trap the thread goes on elsewhere.
static void shake(struct regs *r)
{
    for (int i = 1; i < 32; i++)
        if (rng() % 3 == 0)
            r->x[i] = random_value();
    r->f[rng() % 32] = rng();
    r->frm = rng() % 8 ? 0 : (u32)(rng() % 8);
    r->pc = CODE_AT + rng() % (CODE_PAGES * PAGE_SIZE); // an odd pc counts as the even one below
}

static u64 mix(u64 h, const void *data, size_t n)
{
    for (const u8 *p = data; n--; p++)
        h = (h ^ *p) * 1099511628211UL;
    return h;
}

enum slicing { WHOLE, ONE, FEW, MANY, SLICINGS };

static u64 slice(enum slicing kind, u64 *state)
{
    *state = *state * 6364136223846793005UL + 1442695040888963407UL;
    u64 r = *state >> 33;
    return kind == ONE ? 1 : kind == FEW ? 1 + r % 9 : kind == MANY ? 1 + r % 700 : ~0UL;
}

// The hash of everything that could be seen of the run.
static u64 run_sliced(u64 seed, enum slicing kind, u64 *traps)
{
    struct world w;
    u64 h = 14695981039346656037UL, slices = seed;
    world_new(&w);
    rng_state = seed;
    random_code(&w, seed % 2);
    shake(&w.regs);
    *traps = 0;
    while (w.cpu.retired < LIMIT && *traps < TRAPS) {
        u64 before = w.cpu.retired, budget = slice(kind, &slices);
        budget = MIN(budget, LIMIT - before);
        struct trap t = cpu_run(&w.cpu, budget);
        check(w.regs.x[0] == 0, "x0 is 0");
        check(w.cpu.retired - before <= budget, "no more than the budget");
        if (t.kind == TRAP_BUDGET) {
            check(w.cpu.retired - before == budget, "exactly the budget");
            continue;
        }
        h = mix(h, &w.cpu.retired, sizeof w.cpu.retired);
        h = mix(h, &t.kind, sizeof t.kind);
        h = mix(h, &t.error, sizeof t.error);
        h = mix(h, &t.value, sizeof t.value);
        h = mix(h, &w.regs, sizeof w.regs);
        ++*traps;
        shake(&w.regs);
    }
    h = mix(h, &w.regs, sizeof w.regs);
    h = mix(h, &w.cpu.retired, sizeof w.cpu.retired);
    static u8 memory[CODE_PAGES * PAGE_SIZE];
    check(uaccess_read(w.mm, memory, CODE_AT, sizeof memory) == 0, "read");
    h = mix(h, memory, sizeof memory);
    check(uaccess_read(w.mm, memory, DATA_AT, DATA_PAGES * PAGE_SIZE) == 0, "read");
    h = mix(h, memory, DATA_PAGES * PAGE_SIZE);
    world_free(&w);
    return h;
}

static u64 random_programs(u64 first, u64 count)
{
    u64 failures = 0, all = 0;
    for (u64 seed = first; seed < first + count; seed++) {
        engine = NULL;
        u64 traps, want = run_sliced(seed, WHOLE, &traps);
        all += traps;
        for (u32 kind = ONE; kind < 2 * SLICINGS; kind++) {
            engine = kind < SLICINGS ? NULL : &jit_engine;
            if (run_sliced(seed, kind % SLICINGS, &traps) != want) {
                printf("seed %lu: %s, slicing %u differs\n", seed, engine ? "JIT" : "interpreter",
                       kind % SLICINGS);
                failures++;
            }
        }
    }
    printf("%lu programs, %lu traps, %lu differ\n", count, all, failures);
    return failures;
}

// ---- Code that changes ----------------------------------------------------------------------

#define ADDI(rd, rs1, imm) ((u32)(imm) << 20 | (u32)(rs1) << 15 | (u32)(rd) << 7 | 0x13)
#define SW(rs2, rs1)       ((u32)(rs2) << 20 | (u32)(rs1) << 15 | 2 << 12 | 0x23)
#define ECALL              0x73u
#define FENCE_I_WORD       0x100fu

// The program stores an instruction over its own next but one, 50 times; each must take effect.
static void changing_code(bool fence)
{
    struct world w;
    world_new(&w);
    u32 code[] = {SW(6, 5), fence ? FENCE_I_WORD : ADDI(0, 0, 0), ADDI(10, 0, 0), ECALL};
    put(&w, CODE_AT, code, sizeof code);
    for (u32 i = 0; i < 50; i++) {
        w.regs.pc = CODE_AT;
        w.regs.x[5] = CODE_AT + 8;
        w.regs.x[6] = ADDI(10, 0, i);
        struct trap t = cpu_run(&w.cpu, 100);
        check(t.kind == TRAP_ECALL && w.regs.pc == CODE_AT + 12, "reaches the ecall");
        check(w.regs.x[10] == i, "the new instruction ran");
        check(w.cpu.retired == 3 * (u64)(i + 1), "three instructions each");
    }
    world_free(&w);
}

// Without memory for decoded code it runs all the same.
static void no_memory(void)
{
    struct world w;
    world_new(&w);
    u32 code[] = {ADDI(10, 10, 1), ADDI(10, 10, 1), ECALL};
    for (u32 page = 0; page < CODE_PAGES; page++)
        put(&w, CODE_AT + page * PAGE_SIZE, code, sizeof code);
    for (u64 i = 0; i < 2 * CODE_PAGES; i++) {
        w.regs.pc = CODE_AT + i / 2 * PAGE_SIZE;
        w.regs.x[10] = 0;
        mem_fail_at(i > 0); // the first allocates the arena
        check(cpu_run(&w.cpu, 100).kind == TRAP_ECALL && w.regs.x[10] == 2, "ran uncached");
        mem_fail_at(0);
    }
    world_free(&w);
}

// A fork shares decoded code; a change by one is not seen by the other.
static void forked_code(void)
{
    struct world w;
    struct mm *child;
    world_new(&w);
    u32 code[] = {ADDI(10, 0, 1), ECALL}, other = ADDI(10, 0, 2);
    put(&w, CODE_AT, code, sizeof code);
    w.regs.pc = CODE_AT;
    check(cpu_run(&w.cpu, 10).kind == TRAP_ECALL && w.regs.x[10] == 1, "parent runs");
    check(mm_fork(w.mm, &child) == 0, "fork");
    for (u32 i = 0; i < 6; i++) {
        struct mm *m = i % 2 ? child : w.mm;
        mm_switch(m, &w.cpu.tlb);
        w.cpu.mm = m;
        if (i == 1)
            check(uaccess_write_u32(m, CODE_AT, other) == 0, "child writes");
        w.regs.pc = CODE_AT;
        check(cpu_run(&w.cpu, 10).kind == TRAP_ECALL, "runs");
        check(w.regs.x[10] == 1 + i % 2, "each its own code");
    }
    mm_put(child);
    world_free(&w);
}

int main(int argc, char **argv)
{
    u64 count = argc > 1 ? strtoull(argv[1], NULL, 0) : 300;
    u64 first = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    u64 live = mem_live();
    for (u32 i = 0; i < 2; i++) {
        engine = i ? &jit_engine : NULL;
        changing_code(true);
        changing_code(false);
        no_memory();
        forked_code();
    }
    u64 failures = random_programs(first, count);
    check(mem_live() == live, "all memory is given back");
    return failures != 0;
}
