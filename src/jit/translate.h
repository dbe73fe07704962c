// One unit being translated: what translate.c, memory.c and control.c share.
#ifndef JIT_TRANSLATE_H
#define JIT_TRANSLATE_H

#include "base/stats.h"
#include "jit/cache.h"
#include "jit/plan.h"
#include "jit/regs.h"
#include "jit/thunks.h"
#include "jit/x86.h"

// Cold code, emitted behind the unit.
enum stub_kind {
    STUB_MEMORY, // an access missed the TLB
    STUB_WINDOW, // an access can't go by its window
    STUB_VIEW,   // the hart's window is another page's
    STUB_CHARGE, // the budget does not cover the chain
    STUB_GOTO,   // a jump that has to give back budget, or leaves the page
    STUB_LINK,   // a jump that is not linked yet
    STUB_STRADDLE, // the second half of an instruction can't be vouched for
    STUB_STEP,   // the interpreter does the instruction
    STUB_DIVIDE, // by 0 or -1
    STUB_NAN,    // a NaN, to be the canonical one
    STUB_FMA,    // a NaN that an FMA made in its addend's place
    STUB_FLAGS,  // a comparison was unordered: its flags are to be undone
};

// What a STUB_MEMORY finds in rax: what the address differs in from the tag of the TLB entry that rcx leads to; nothing,
// as it is `target`.
enum stub_place { STUB_READ, STUB_WRITE, STUB_CONSTANT };

struct stub {
    u8 kind, flags;
    u8 refund;
    u8 size;
    u8 place;    // MEMORY
    u16 insn;    // number in the plan
    u8 *from;    // end of the branch that leads here
    u8 *back;    // where it goes on
    u8 *again;   // VIEW: where it tries again
    u8 held, held_in; // MEMORY, WINDOW, VIEW: what (G7) has it bring back; 0: nothing
    u32 info;    // for jit_help
    i64 target;  // offset in the page, or an address
};

#define STUBS_MOST (3 * PLAN_MOST)

// Calls of a piece of code that the unit has once.
struct calls {
    u32 n;
    u8 *end[STUBS_MOST];
};

// (A1) In a unit that has an assignment of its own.
struct reg_swap {
    u8 host, in, out;
    bool is_f;
    bool writes; // the unit, to `in`
};

struct translation {
    struct x86 e;
    struct jit_cache *cache;
    struct code_page *page;
    gva_t page_va;
    struct reg_map map;
    u32 nswaps;          // 0: the map is the fixed one
    struct reg_swap swap[REGS_X + REGS_F];
    struct plan plan;
    struct plan_insn *i; // the current instruction
    u32 known;           // mask of x registers whose value is known
    u64 value[32];
    u8 *begin;           // of the unit: its first head's public entry
    u8 *cold;            // where the stubs begin
    u8 held, held_in;    // (G7) x[held], which is in memory, is in this register, too,
    u8 *held_at;         // as long as nothing was emitted behind this
    u8 *result_at;       // the same, but a stub may come back here without it
    bool alone;          // emit_alone is at work
    u8 *alone_done;      // end of the branch that is taken if C has done the access
    u8 *window_at;       // rax holds a window as long as nothing was emitted behind this
    u32 boxed;           // mask of f registers that hold NaN-boxed singles
    u32 nstubs, nfixes;
    struct stub stub[STUBS_MOST];
    struct {
        u8 *end;
        u16 insn;
    } fix[2 * PLAN_MOST]; // branches to instructions that were not emitted yet
    struct calls tail, fixed_tail; // the one for the unit's map, and for the fixed one
    struct calls convert[2];       // from and to the fixed map
};

// Where the unit has x[r], f[r].
static inline bool in_host_x(const struct translation *t, unsigned r)
{
    return t->map.x[r] != 0;
}

static inline bool in_host_f(const struct translation *t, unsigned r)
{
    return t->map.f[r] != 0;
}

static inline unsigned host_x(const struct translation *t, unsigned r)
{
    return t->map.x[r] - 1u;
}

static inline unsigned host_f(const struct translation *t, unsigned r)
{
    return t->map.f[r] - 1u;
}

static inline struct x86_rm x_rm(const struct translation *t, unsigned r)
{
    return in_host_x(t, r) ? x86_reg(host_x(t, r)) : regs_memory_x(r);
}

static inline struct x86_rm f_rm(const struct translation *t, unsigned r)
{
    return in_host_f(t, r) ? x86_reg(host_f(t, r)) : regs_memory_f(r);
}

static inline void calls_add(struct translation *t, struct calls *c)
{
    if (c->n < STUBS_MOST)
        c->end[c->n++] = x86_branch(&t->e, X86_call, NULL);
    else
        t->e.full = true;
}

static inline void calls_lead_here(struct translation *t, const struct calls *c)
{
    for (u32 i = 0; i < c->n && !t->e.full; i++)
        x86_set_branch(c->end[i], t->e.at);
}

static inline struct stub *stub_add(struct translation *t, enum stub_kind kind, u8 *from)
{
    struct stub *s = &t->stub[t->nstubs < STUBS_MOST ? t->nstubs++ : STUBS_MOST - 1];
    if (t->nstubs == STUBS_MOST)
        t->e.full = true;
    *s = (struct stub){.kind = (u8)kind, .insn = (u16)(t->i - t->plan.insn), .from = from,
                       .refund = t->i->left};
    return s;
}

// fp.def's rows.
enum fp_kind { FP_STEP, FP_ARITH, FP_SQRT, FP_FMA, FP_SGNJ, FP_SGNJN, FP_SGNJX, FP_MINMAX, FP_ORDER,
               FP_EQUAL, FP_TO_INT, FP_FROM_INT, FP_FROM_UNSIGNED, FP_NARROW, FP_WIDEN };
struct fp_row {
    u8 kind;
    bool single;
    u16 op;
};

// translate_fp.c: the current instruction; false: it is the interpreter's. to_f: its result is an f
// register.
MUST_CHECK bool emit_fp(struct translation *t, const struct fp_row *f, bool to_f);
// atomic.c: the current instruction; false: it is not an atomic one.
MUST_CHECK bool emit_atomic(struct translation *t);
void emit_nan_stub(struct translation *t, const struct stub *s);
void emit_fma_stub(struct translation *t, const struct stub *s);
// csrw fflags, x[rs1]
void emit_write_fflags(struct translation *t);

// halves.c: finds what need not be extended; makes all registers right that are not before the current instruction.
void find_halves(struct translation *t);
void emit_clean(struct translation *t);

// rax = v
void emit_constant(struct translation *t, unsigned reg, u64 v);
// ecx = info, then to jit_help by the unit's tail. Accesses: "above", or it was not necessary (thunks.c, access).
void emit_help(struct translation *t, u32 info);

// control.c: goes to an offset of the page, or beyond it, giving back `refund` instructions.
void emit_goto(struct translation *t, i64 target, unsigned refund);
// The same if cc holds; else falls through.
void emit_goto_if(struct translation *t, enum x86_cc cc, i64 target, unsigned refund);
void emit_goto_rax(struct translation *t); // to the guest address in rax
void emit_charge(struct translation *t);   // at a head
void emit_stubs(struct translation *t);

// memory.c: the host address of `size` guest bytes at x[base] + imm (or, base being 32, at imm).
// Misses go to a stub that does the whole access by `kind` for register `reg` and comes back to where
// emit_access_done is called.
struct x86_rm emit_access(struct translation *t, unsigned base, i64 imm, unsigned size, bool write,
                          enum help kind, unsigned reg);
// `kept`: rax and rcx were not changed since, but for rcx by what was loaded.
void emit_access_done(struct translation *t, bool kept);
// translate_int.c: the divisors 0 and -1
void emit_divide_stub(struct translation *t, const struct stub *s);
void emit_memory_stub(struct translation *t, const struct stub *s);
void emit_window_stub(struct translation *t, const struct stub *s);
void emit_view_stub(struct translation *t, const struct stub *s);
// translate.c: an instruction whose second half is not known, by the interpreter, and on from there.
void emit_straddle(struct translation *t);
// translate.c: the current instruction again, as if it stood alone and by no window.
void emit_alone(struct translation *t);

// Translates what is reached from pc, in page p; NULL: it can't be, or there is no room.
// `next`: as for plan_make.
MUST_CHECK const u8 *translate(struct jit_cache *c, struct store *s, struct stats *st,
                               struct code_page *p, const u8 *next, gva_t pc);

#endif
