// --jit=lockstep: the interpreter, which is the specification (law L10), runs every stretch first, on
// a fork of the address space, then the JIT runs it; registers, trap, count and memory must come out
// the same. What differs is reported in one line, and the JIT's result stands.
//
// In the fork shared mappings are private ones: nobody else runs meanwhile. Not compared: watched vfork
// children, and address spaces with very many pages of shared memory, or such under two addresses.
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cpu/code.h"
#include "cpu/interp.h"
#include "host/file.h"
#include "isa/decode.h"
#include "jit/jit.h"
#include "jit/run.h"
#include "jit/saved.h"
#include "mm/pagecache.h"
#include "mm/pagetable.h"
#include "mm/region.h"

#define STRETCH   200 // instructions
#define TIMES     STRETCH
#define SHARED_MOST 4096 // pages

struct shadow {
    struct cpu cpu;
    struct regs regs;
    struct cpu *real;
    u64 time[TIMES]; // what the interpreter read, for the JIT to read again
    u32 written, read;
    u64 (*read_time)(void *arg);
    void *read_time_arg;
};

static u64 time_record(void *arg)
{
    struct shadow *s = arg;
    u64 v = s->read_time ? s->read_time(s->read_time_arg) : 0;
    if (s->written < TIMES)
        s->time[s->written++] = v;
    return v;
}

static u64 time_replay(void *arg)
{
    struct shadow *s = arg;
    return s->read < s->written ? s->time[s->read++] : 0;
}

// Shared pages of the region in the fork `m`: no more than `most`, and the fork copies what it writes to.
static int make_private(struct mm *m, const struct region *g, u32 *most)
{
    pte_t pte, *slot;
    for (gva_t va = g->start; pt_next(m->root, &va, g->end, &pte); va += PAGE_SIZE) {
        if (!*most)
            return -1;
        --*most;
        if (pt_own(m->store, m->stats, &m->root, va, &slot))
            return -1;
        *slot &= ~(pte_t)PTE_SHARED;
    }
    return 0;
}

static bool mapped_twice(const struct mm *m, u32 region)
{
    const struct backing *b = m->regions->at[region].backing;
    for (u32 i = 0; i < m->regions->count; i++)
        if (i != region && m->regions->at[i].backing == b)
            return true;
    return false;
}

// The address space for the interpreter. -1: this one can't be set apart, or there is no memory.
static int set_apart(struct mm *m, struct mm **out)
{
    u32 shared = 0, most = SHARED_MOST;
    struct mm *copy;
    if (m->watch || mm_copy(m, &copy))
        return -1;
    int r = 0;
    for (u32 i = 0; i < m->regions->count && r == 0; i++) {
        const struct region *g = &m->regions->at[i];
        if (g->flags & REGION_SHARED && g->prot & MM_WRITE) {
            r = mapped_twice(m, i) ? -1 : make_private(copy, g, &most);
            shared++;
        }
    }
    if (r == 0 && shared)
        r = region_change(copy, 0, MM_TOP, REGION_SHARED, 0, ~0u);
    if (r)
        mm_put(copy);
    *out = copy;
    return r;
}

// What is at va, where the table has `pte`, or a hole. A page that nobody asked for yet is what it will
// be filled from: one engine may have looked ahead for code where the other did not.
static const u8 *page_data(struct mm *m, gva_t va, pte_t pte)
{
    const struct region *g = region_find(m, va);
    frame_t f = FRAME_ZERO;
    if (pte)
        f = pte_frame(pte);
    else if (g && g->backing && backing_page(m->store, g->backing,
                                             g->page + ((va - g->start) >> PAGE_SHIFT), &f))
        return NULL; // beyond the file's end, or no memory
    return frame_data(m->store, f);
}

struct difference {
    gva_t va; // MM_TOP: there is none
    u64 want, got;
};

static bool page_differs(struct mm *a, struct mm *b, gva_t va, pte_t pa, pte_t pb,
                         struct difference *d)
{
    const u8 *want = page_data(a, va, pa), *got = page_data(b, va, pb);
    if (want == got || !want || !got || memcmp(want, got, PAGE_SIZE) == 0)
        return false;
    for (u32 i = 0; i < PAGE_SIZE; i += sizeof d->want) {
        memcpy(&d->want, want + i, sizeof d->want);
        memcpy(&d->got, got + i, sizeof d->got);
        d->va = va + i;
        if (d->want != d->got)
            break;
    }
    return true;
}

// The first word that differs.
static struct difference memory_differs(struct mm *a, struct mm *b)
{
    struct difference d = {.va = MM_TOP};
    gva_t va = 0, vb = 0;
    pte_t pa, pb;
    bool more_a = pt_next(a->root, &va, MM_TOP, &pa), more_b = pt_next(b->root, &vb, MM_TOP, &pb);
    while (more_a || more_b) {
        bool in_a = more_a && (!more_b || va <= vb), in_b = more_b && (!more_a || vb <= va);
        gva_t at = in_a ? va : vb;
        if ((!in_a || !in_b || pa != pb) &&
            page_differs(a, b, at, in_a ? pa : 0, in_b ? pb : 0, &d))
            break;
        if (in_a) {
            va += PAGE_SIZE;
            more_a = pt_next(a->root, &va, MM_TOP, &pa);
        }
        if (in_b) {
            vb += PAGE_SIZE;
            more_b = pt_next(b->root, &vb, MM_TOP, &pb);
        }
    }
    return d;
}

static void report(struct cpu *cpu, gva_t pc, const char *what, u64 want, u64 got)
{
    char text[256], insn[80];
    rv_disasm(insn, sizeof insn, code_word(cpu, pc), pc);
    for (char *c = insn; *c; c++)
        if (*c == '\t')
            *c = ' ';
    int n = snprintf(text, sizeof text,
                     "tine: jit: within %d instructions from %#lx (%s): %s is %#lx, should be %#lx\n",
                     STRETCH, (unsigned long)pc, insn, what, (unsigned long)got,
                     (unsigned long)want);
    (void)host_write(2, text, (size_t)n);
}

static void compare(struct shadow *s, gva_t pc, const struct trap *want, const struct trap *got)
{
    const struct regs *a = &s->regs, *b = s->real->regs;
    char name[40];
    if (want->kind != got->kind || want->error != got->error)
        report(s->real, pc, "the trap", want->kind, got->kind);
    if (want->value != got->value)
        report(s->real, pc, "the trap's value", want->value, got->value);
    if (a->pc != b->pc)
        report(s->real, pc, "pc", a->pc, b->pc);
    for (unsigned i = 0; i < 64; i++) {
        u64 x = i < 32 ? a->x[i] : a->f[i - 32], y = i < 32 ? b->x[i] : b->f[i - 32];
        snprintf(name, sizeof name, "%c%u", i < 32 ? 'x' : 'f', i & 31);
        if (x != y)
            report(s->real, pc, name, x, y);
    }
    if (a->fflags != b->fflags)
        report(s->real, pc, "fflags", a->fflags, b->fflags);
    if (a->frm != b->frm)
        report(s->real, pc, "frm", a->frm, b->frm);
    if (a->reservation != b->reservation)
        report(s->real, pc, "the reservation", a->reservation, b->reservation);
    if (s->cpu.retired != s->real->retired)
        report(s->real, pc, "the count", s->cpu.retired, s->real->retired);
    struct difference d = memory_differs(s->cpu.mm, s->real->mm);
    if (d.va != MM_TOP) {
        snprintf(name, sizeof name, "memory at %#lx", (unsigned long)d.va);
        report(s->real, pc, name, d.want, d.got);
    }
}

static struct shadow *shadow_of(struct cpu *cpu)
{
    struct shadow *s = cpu->native.lockstep;
    if (s)
        return s;
    s = mem_zalloc(sizeof *s);
    if (!s)
        return NULL;
    tlb_init(&s->cpu.tlb);
    s->cpu.store = cpu->store;
    s->cpu.regs = &s->regs;
    s->cpu.read_time = time_record;
    s->cpu.read_time_arg = s;
    s->real = cpu;
    s->read_time = cpu->read_time;
    s->read_time_arg = cpu->read_time_arg;
    cpu->native.lockstep = s;
    cpu->hot = 1;
    return s;
}

static struct trap stretch(struct cpu *cpu, struct shadow *s, u64 budget)
{
    struct mm *copy;
    if (set_apart(cpu->mm, &copy))
        return jit_run(cpu, budget);
    gva_t pc = cpu->regs->pc;
    s->regs = *cpu->regs;
    s->cpu.mm = copy;
    s->cpu.retired = cpu->retired;
    s->written = s->read = 0;
    mm_switch(copy, &s->cpu.tlb);
    struct trap want = interp_run(&s->cpu, budget);
    cpu->read_time = time_replay;
    cpu->read_time_arg = s;
    struct trap got = jit_run(cpu, budget);
    cpu->read_time = s->read_time;
    cpu->read_time_arg = s->read_time_arg;
    compare(s, pc, &want, &got);
    mm_put(copy);
    return got;
}

static struct trap lockstep_run(struct cpu *cpu, u64 budget)
{
    struct shadow *s = shadow_of(cpu);
    struct trap trap = {.kind = TRAP_BUDGET};
    if (!s)
        return jit_run(cpu, budget);
    while (budget && trap.kind == TRAP_BUDGET) {
        u64 before = cpu->retired;
        trap = stretch(cpu, s, MIN(budget, STRETCH));
        budget -= cpu->retired - before;
    }
    return trap;
}

static void lockstep_hart_free(struct cpu *cpu)
{
    mem_free(cpu->native.lockstep);
    cpu->native.lockstep = NULL;
    jit_engine.hart_free(cpu);
}

const struct engine lockstep_engine = {
    .run = lockstep_run,
    .hart_free = lockstep_hart_free,
    .store_ends = saved_write,
    .store_free = cache_free,
};
