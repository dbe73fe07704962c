// Runs a hart: translated code where there is some, the interpreter elsewhere; and helps translated
// code with what it can't do.
#include <string.h>

#include "base/alloc.h"
#include "base/mix.h"
#include "cpu/fp.h"
#include "cpu/interp.h"
#include "jit/jit.h"
#include "jit/report.h"
#include "jit/run.h"
#include "jit/saved.h"
#include "jit/thunks.h"
#include "jit/translate.h"
#include "mm/mm.h"

#define HOT 24 // jumps to a place before it is translated: what runs less often costs less interpreted

static u32 hot(const struct cpu *cpu)
{
    return cpu->hot ? cpu->hot : HOT;
}

// ---- Finding code ---------------------------------------------------------------------------

static void links_flush(struct cpu *cpu, const struct jit_cache *c)
{
    struct native *n = &cpu->native;
    for (u32 i = 0; i < n->nlinked; i++)
        n->link[n->linked[i]] = cache_run_address(c, c->unlinked);
    n->nlinked = 0;
}

// Forgets what may not be so any more.
static void jumps_check(struct cpu *cpu, const struct jit_cache *c)
{
    struct native *n = &cpu->native;
    u64 space = cpu->mm->code_space;
    if (likely(n->code_space == space && n->generation == c->generation))
        return;
    links_flush(cpu, c);
    n->code_space = space;
    n->generation = c->generation;
    n->tag = mix_u64(space + mix_u64(c->generation)) & ~1UL; // code is at even addresses
}

static void jumps_enter(struct cpu *cpu, gva_t pc, const u8 *host)
{
    struct native *n = &cpu->native;
    u64 key = pc + n->tag;
    struct native_jump *jump = &n->jumps[cpu_jump_slot(key)];
    if (jump->key != key && jump->host)
        n->jumps[cpu_jump_more(jump->key)] = *jump;
    *jump = (struct native_jump){.key = key, .host = host};
}

static void link_enter(struct cpu *cpu, struct jit_cache *c, gva_t pc, const u8 *host)
{
    struct native *n = &cpu->native;
    u32 number = cache_link(c, pc);
    if (n->link[number] == cache_run_address(c, c->unlinked))
        n->linked[n->nlinked++] = (u16)number;
    n->link[number] = host;
}

// The page behind pc's, if an instruction may straddle into it and it may be executed.
static const u8 *next_page(struct cpu *cpu, const u8 *page, gva_t pc)
{
    gva_t next = (pc & TLB_PAGE_MASK) + PAGE_SIZE;
    frame_t f;
    if (rv_length(page[PAGE_SIZE - 2]) != 4 || mm_exec_frame(cpu->mm, next, &f))
        return NULL;
    return frame_data(cpu->store, f);
}

// The code for pc, translated now if it is hot enough. NULL: it is the interpreter's.
static const u8 *find_code(struct cpu *cpu, struct jit_cache *c, gva_t pc)
{
    struct store *s = cpu->store;
    struct tlb_entry *e = tlb_slot(&cpu->tlb, pc);
    struct code_page *p;
    frame_t f;
    if (pc & 1)
        return NULL;
    if (likely(e->exec == (pc & TLB_PAGE_MASK)))
        p = code_page_of(s, e);
    else if (code_page_at(cpu, s->code_arena, pc, &f, &p))
        return NULL; // the interpreter meets the fault again
    if (!p)
        return NULL;
    const u8 *host = cache_find(c, pc, p);
    if (host)
        return host;
    u32 off = (u32)(pc & PAGE_MASK);
    u8 heat = code_heat(p, off);
    if (heat < hot(cpu)) {
        code_set_heat(p, off, (u8)(heat + 1));
        return NULL;
    }
    host = translate(c, s, cpu->mm->stats, p, next_page(cpu, frame_data(s, p->frame), pc), pc);
    if (host && unlikely(s->code_watch))
        report_unit(c->scratch, s, cpu->mm);
    return host;
}

// ---- Help -----------------------------------------------------------------------------------

static int leave(struct cpu *cpu, u64 pc, i64 refund, struct trap trap)
{
    cpu->file.pc = pc;
    cpu->native.budget += refund;
    cpu->native.trap = trap;
    return 1;
}

struct access {
    u8 size;
    bool is_signed;
};

// A load or store: completely, even across pages. The trap's kind is TRAP_BUDGET if there is none.
static struct trap access_slow(struct cpu *cpu, gva_t va, u32 size, bool write, u64 *value)
{
    enum mm_access want = write ? MM_WRITE : MM_READ;
    u32 first = (u32)MIN((u64)size, PAGE_SIZE - (va & PAGE_MASK));
    u8 *host, *rest = NULL;
    gva_t at = va;
    enum mm_fault fault = mm_access(cpu->mm, va, want, &host);
    if (fault == FAULT_NONE && first < size) {
        fault = mm_access(cpu->mm, at = va + first, want, &rest);
        if (fault == FAULT_NONE && mm_access(cpu->mm, va, want, &host)) // it may have moved
            fault = FAULT_NOMEM;
    }
    if (fault)
        return (struct trap){write ? TRAP_STORE : TRAP_LOAD, (int)fault, at};
    if (write) {
        memcpy(host, value, first);
        if (rest)
            memcpy(rest, (u8 *)value + first, size - first);
    } else {
        memcpy(value, host, first);
        if (rest)
            memcpy((u8 *)value + first, rest, size - first);
    }
    return (struct trap){.kind = TRAP_BUDGET};
}

static u64 extend(enum help kind, u64 v)
{
    switch (kind) {
    case HELP_LOAD_I8:
        return (u64)(i8)v;
    case HELP_LOAD_I16:
        return (u64)(i16)v;
    case HELP_LOAD_I32:
        return (u64)(i32)v;
    case HELP_LOAD_BOXED:
        return fp_box((u32)v);
    default:
        return v;
    }
}

// ---- Windows that wander --------------------------------------------------------------------

#define FILLS       4096  // of all windows, until somebody looks
#define FILLS_LOST  2048  // of one, where that was not so, take as long as to translate its page again
#define TURNS       100   // of its loop for each fill, and
#define INSTRUCTIONS 2048 // at least, are few enough

// Whether the window was filled too often, now while so many instructions passed and all in all. There is no use in
// asking twice.
static bool wanders(struct jit_window *w, u32 fills, u64 passed)
{
    if (!w->loop || !fills || passed >= fills * MAX((u64)w->loop * TURNS, (u64)INSTRUCTIONS))
        return false;
    w->often += fills;
    if (w->often < FILLS_LOST)
        return false;
    w->loop = 0;
    return true;
}

// The page is translated anew. Who goes on at `next` is to interpret up to a jump, so that units begin where they did.
static void drop_code(struct jit_cache *c, struct code_page *p, gva_t next)
{
    code_set_heat(p, (u32)(next & PAGE_MASK), 0);
    cache_drop(c, p);
}

// Accesses whose windows are filled often go by none from now on. True: there are.
static bool judge_windows(struct cpu *cpu, struct jit_cache *c, gva_t next)
{
    struct native *n = &cpu->native;
    u64 now = cpu->retired + (u64)(n->start - n->budget);
    bool any = false;
    for (u32 i = 0; i < TLB_WINDOWS; i++) {
        struct jit_window *w = &c->window[i];
        struct code_page *p;
        if (wanders(w, n->fills[i], now - n->fills_since) && (p = frame_code(cpu->store, w->frame)) != NULL) {
            code_set_wanders(p, (u32)(w->pc & PAGE_MASK));
            drop_code(c, p, next);
            any = true;
        }
        n->fills[i] = 0;
    }
    n->fills_since = now;
    n->fills_left = FILLS;
    return any;
}

static int help_access(struct cpu *cpu, gva_t va, u32 info, gva_t pc, i64 refund)
{
    static const u8 sizes[] = {1, 1, 2, 2, 4, 4, 8, 4, 1, 2, 4, 8};
    enum help kind = info >> 28;
    u32 reg = info >> 20 & 31;
    u64 *r = info >> 25 & 1 ? &cpu->file.f[reg] : &cpu->file.x[reg];
    bool write = kind >= HELP_STORE_8;
    u64 value = write ? *r : 0, epoch = cpu->store->code_epoch;
    struct trap trap = access_slow(cpu, va, sizes[kind], write, &value);
    if (trap.kind != TRAP_BUDGET)
        return leave(cpu, pc, refund, trap);
    if (!write && r != &cpu->file.x[0])
        *r = extend(kind, value);
    gva_t next = pc + (info & HELP_LONG ? 4 : 2);
    bool judged = cpu->native.fills_left < 0 && judge_windows(cpu, cpu->store->jit, next);
    if ((write && epoch != cpu->store->code_epoch) || judged)
        return leave(cpu, next, refund - 1, (struct trap){.kind = TRAP_HOT});
    return 0;
}

// The interpreter does the instruction at pc.
static int help_step(struct cpu *cpu, gva_t pc, u32 info, i64 refund)
{
    u64 epoch = cpu->store->code_epoch, retired = cpu->retired;
    u32 stop_at = cpu->stop_at;
    fp_flags(&cpu->file);
    cpu->file.pc = pc;
    cpu->stop_at = 0;
    cpu->retired += (u64)(cpu->native.start - cpu->native.budget - refund); // for instret
    struct trap trap = interp_run(cpu, 1);
    cpu->retired = retired;
    cpu->stop_at = stop_at;
    if (trap.kind != TRAP_BUDGET)
        return leave(cpu, cpu->file.pc, refund, trap);
    if (epoch != cpu->store->code_epoch || cpu->file.frm != FP_RNE || info & HELP_LEAVE)
        return leave(cpu, cpu->file.pc, refund - 1, (struct trap){.kind = TRAP_HOT});
    return 0;
}

static int help(struct cpu *cpu, u64 value, u32 info)
{
    struct jit_cache *c = cpu->store->jit;
    enum help kind = info >> 28;
    i64 refund = info >> 12 & 0xff;
    gva_t pc = ((gva_t)cpu->page << PAGE_SHIFT) + (info & 0xfff) * 2;
    if (kind <= HELP_STEP)
        memset(cpu->window, 0, sizeof cpu->window); // (W2)
    if (kind <= HELP_STORE_64)
        return help_access(cpu, value, info, pc, refund);
    if (kind == HELP_STEP)
        return help_step(cpu, pc, info, refund);
    if (kind == HELP_TRAP)
        return leave(cpu, pc, refund, (struct trap){.kind = info >> 20 & 31});
    if (kind == HELP_MISS) // "setting the least-significant bit of the result to zero"
        pc = (info >> 20 & 31 ? value : value - cpu->native.tag) & ~1UL;
    u64 thrown_away = c->generation;
    const u8 *host = find_code(cpu, c, pc);
    if (!host)
        return leave(cpu, pc, 0, (struct trap){.kind = TRAP_HOT});
    jumps_check(cpu, c);
    if (kind == HELP_MISS && info >> 20 & 31) {
        link_enter(cpu, c, pc, host);
    } else if (kind == HELP_MISS) {
        jumps_enter(cpu, pc, host);
    } else if (thrown_away == c->generation) { // the branch is still there
        x86_set_branch(c->base + value, host - c->shift);
        c->links++;
    }
    cpu->native.resume = host;
    return 0;
}

int jit_help(struct cpu *cpu, u64 value, u32 info)
{
    store_lock(cpu->store);
    int left = help(cpu, value, info);
    store_unlock(cpu->store);
    return left;
}

// ---- The engine -----------------------------------------------------------------------------

static struct jit_hart *hart_of(struct cpu *cpu, struct jit_cache *c)
{
    struct jit_hart *h = cpu->engine_hart;
    if (likely(h))
        return h;
    h = mem_zalloc(sizeof *h);
    if (!h)
        return NULL;
    h->next = c->harts;
    c->harts = h;
    cpu->engine_hart = h;
    for (u32 i = 0; i < CPU_LINKS; i++)
        cpu->native.link[i] = cache_run_address(c, c->unlinked);
    cpu->native.nlinked = 0;
    cpu->native.generation = c->generation - 1; // jumps_check is to choose a tag
    cpu->native.fills_since = 0;
    cpu->native.fills_left = FILLS;
    memset(cpu->native.fills, 0, sizeof cpu->native.fills);
    for (u32 i = 0; i < 64; i++)
        cpu->native.fflags_of[i] = (u8)((i & 1 ? FP_NV : 0) | (i & 4 ? FP_DZ : 0) |
                                        (i & 8 ? FP_OF : 0) | (i & 16 ? FP_UF : 0) |
                                        (i & 32 ? FP_NX : 0));
    u64 constants[NATIVE_CONSTANTS] = {
        [NATIVE_BOX] = FP_BOX,       [NATIVE_NAN_S] = FP_BOX | FP_NAN_S, [NATIVE_NAN_D] = FP_NAN_D,
        [NATIVE_SIGN_S] = FP_SIGN_S, [NATIVE_REST_S] = ~(u64)FP_SIGN_S,  [NATIVE_SIGN_D] = FP_SIGN_D,
        [NATIVE_REST_D] = ~FP_SIGN_D,
    };
    for (u32 i = 0; i < NATIVE_CONSTANTS; i++)
        cpu->native.fp[i][0] = cpu->native.fp[i][1] = constants[i];
    return h;
}

static void hart_free(struct cpu *cpu)
{
    struct jit_cache *c = cpu->store->jit;
    struct jit_hart **link = c ? &c->harts : NULL, *h = cpu->engine_hart;
    if (!h)
        return;
    while (*link != h)
        link = &(*link)->next;
    *link = h->next;
    mem_free(h);
    cpu->engine_hart = NULL;
}

static void enter(struct cpu *cpu, struct jit_cache *c, struct jit_hart *h, const u8 *host)
{
    __atomic_store_n(&h->inside, 1, __ATOMIC_SEQ_CST);
    store_unlock(cpu->store);
    thunks_enter(c, cpu, host);
    store_lock(cpu->store);
    __atomic_store_n(&h->passes, h->passes + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&h->inside, 0, __ATOMIC_RELEASE);
}

// A slice ended in translated code. Where that happens again and again, the code is worth being made anew.
static void note_slice(struct cpu *cpu, struct jit_cache *c)
{
    const struct tlb_entry *e = tlb_slot(&cpu->tlb, cpu->file.pc);
    struct code_page *p = e->exec == (cpu->file.pc & TLB_PAGE_MASK) ? code_page_of(cpu->store, e) : NULL;
    if (!p || page_is_hot(p) || ++p->slices < SLICES_HOT)
        return;
    drop_code(c, p, cpu->file.pc);
}

// The interpreter, until it comes to something hot.
static struct trap interpret(struct cpu *cpu)
{
    u64 retired = cpu->retired;
    fp_flags(&cpu->file);
    cpu->retired += (u64)(cpu->native.start - cpu->native.budget);
    u64 before = cpu->retired;
    cpu->stop_at = hot(cpu);
    struct trap trap = interp_run(cpu, (u64)cpu->native.budget);
    cpu->native.budget -= (i64)(cpu->retired - before);
    cpu->retired = retired;
    return trap;
}

static struct trap run(struct cpu *cpu, struct jit_cache *c, struct jit_hart *h)
{
    struct trap trap;
    do {
        jumps_check(cpu, c);
        cpu->file.pc &= ~1UL;
        const u8 *host = cpu->file.frm == FP_RNE ? find_code(cpu, c, cpu->file.pc) : NULL;
        jumps_check(cpu, c);
        if (host) {
            enter(cpu, c, h, host);
            trap = cpu->native.trap;
            if (trap.kind == TRAP_BUDGET)
                note_slice(cpu, c);
            // A unit may ask for more than is left; the interpreter runs that.
            if (trap.kind == TRAP_BUDGET && cpu->native.budget)
                trap = interpret(cpu);
        } else {
            trap = interpret(cpu);
        }
    } while (trap.kind == TRAP_HOT && cpu->native.budget);
    if (trap.kind == TRAP_HOT)
        trap.kind = TRAP_BUDGET;
    return trap;
}

struct trap jit_run(struct cpu *cpu, u64 budget)
{
    struct regs *caller = cpu->regs;
    if (unlikely(!cpu->store->code_arena))
        (void)interp_run(cpu, 0); // makes it
    struct jit_cache *c = cpu->store->code_arena ? cache_of(cpu->store) : NULL;
    struct jit_hart *h = c ? hart_of(cpu, c) : NULL;
    if (unlikely(!h))
        return interp_run(cpu, budget);
    regs_copy(&cpu->file, caller);
    cpu->regs = &cpu->file;
    cpu->native.start = cpu->native.budget = (i64)MIN(budget, (u64)INT64_MAX);
    cpu->native.parallel = cpu->store->lock != NULL;
    fp_enter(&cpu->file);
    struct trap trap = run(cpu, c, h);
    fp_flags(&cpu->file);
    cpu->retired += (u64)(cpu->native.start - cpu->native.budget);
    regs_copy(caller, &cpu->file);
    cpu->regs = caller;
    return trap;
}

const struct engine jit_engine = {
    .run = jit_run,
    .hart_free = hart_free,
    .store_ends = saved_write,
    .store_free = cache_free,
};
