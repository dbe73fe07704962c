// What goes into a unit: the instructions that are reached from one address by fall-through and direct
// jumps without leaving the page, in the order in which they will stand in host code.
//
// (N1) A chain is a run of instructions in that order, each reached from the one before by falling
//      through; it is entered only at its head. Heads are the begin of the unit, what a branch of
//      the unit leads to, and what follows a branch that is mostly taken.
// (N2) The budget is charged at a chain's head and behind each of its branches, for all up to the next
//      of these; whether it covers the whole chain, `need`, is asked at the head alone. `left` says how much of that is not retired yet before an instruction, itself
//      included; who traps gives that back, and a branch that is taken has nothing to give.
// (N3) The second half of an instruction that straddles is another frame's, which may change or go without the
//      unit: so each time the TLB is asked whether it may be executed, and the bytes whether they are the same.
// (N4) Code that another unit has ends a unit, unless it leads back to the unit's begin: then there is a loop that
//      was translated before all of its ways were taken, and the unit has it all.
#ifndef JIT_PLAN_H
#define JIT_PLAN_H

#include "cpu/code.h"
#include "isa/decode.h"
#include "jit/cache.h"

#define PLAN_MOST  256 // instructions of a unit
#define CHAIN_MOST 200

enum plan_kind {
    PLAN_INSN,
    PLAN_STRADDLE, // an instruction that ends in the next page, which can't be read: the interpreter's
    PLAN_GOTO, // not an instruction: go on at off (which may be PAGE_SIZE or behind)
};

struct plan_insn {
    struct insn in;
    u16 off;
    u8 kind;
    bool head;
    bool charges; // (N2)
    bool falls;   // the next one in order follows it
    u8 left, need; // (N2)
    u8 window;    // windows.c: + 1; 0 = none
    bool straddles; // it ends in the next page: (N3)
    bool halves;  // a load of 64 bits behind a store of the lower 32
    bool leads, window_writes; // the first access by it, and what it probes for:
    i16 window_from;           // bytes from the base register
    u16 window_size;
    u16 view;     // windows.c: tlb_window to go by, + 1; 0 = none
    bool lazy;    // halves.c: its result need not be extended
    u32 dirty;    // mask of x registers whose upper half is not right before it
    u8 *at;       // the host code, when it is emitted
    u8 *entry;    // and where others enter; NULL: they don't
};

struct plan {
    u32 n;
    u32 guest_bytes;
    u32 basic_blocks; // of the guest
    u16 upper; // (N3) the second half
    bool loops; // there are some:
    u16 loops_from, loops_to; // instructions, the first and the last that may be in one
    struct plan_insn insn[PLAN_MOST + 64];
    u16 index[PAGE_SIZE / 2 + 2]; // by off / 2: number of the instruction, + 1
};

// False: nothing can be translated at off. `next`: the bytes of the next page; NULL: not known.
MUST_CHECK bool plan_make(struct plan *p, struct jit_cache *c, const struct code_page *page,
                          const u8 *code, const u8 *next, gva_t page_va, u32 off);

// Finds the accesses that go by windows.
void plan_windows(struct plan *p, const struct code_page *page, gva_t page_va, struct jit_cache *c);

static inline u32 insn_target(const struct plan_insn *i)
{
    return (u32)((i32)i->off + i->in.imm); // of a branch or jal, if in the page
}

#endif
