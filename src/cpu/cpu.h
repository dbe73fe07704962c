// A hart's registers, and the engine's entry.
#ifndef CPU_CPU_H
#define CPU_CPU_H

#include <string.h>

#include "base/types.h"
#include "cpu/trap.h"
#include "mm/tlb.h"

struct mm;
struct store;

// The architectural state of one guest thread. Plain data: forked by assignment.
struct regs {
    u32 fflags; // accrued exceptions, 5 bits: NX UF OF DZ NV
    u32 frm;    // dynamic rounding mode, 0-7 (5-7 are invalid and make FP instructions illegal)
    u64 reservation; // address of a live LR reservation, or ~0
    u64 reserved_value; // what LR saw there: SC succeeds if memory still holds it (host compare-and-swap)
    u64 f[32]; // raw bits; singles are NaN-boxed
    u64 x[32]; // x[0] is 0 always
    u64 pc;
};

// Through libc's memcpy: what gcc puts in place of an assignment of this size takes three times as long.
static inline void regs_copy(struct regs *to, const struct regs *from)
{
    size_t n = sizeof *to;
    __asm__("" : "+r"(n)); // not a constant
    memcpy(to, from, n);
}

struct cpu;

#define CPU_WINDOWS 8
#define CPU_JUMPS   4096
#define CPU_JUMPS_MORE 65536 // a compiler jumps to 40,000 places
#define CPU_LINKS   4096

enum { NATIVE_BOX, NATIVE_NAN_S, NATIVE_NAN_D, NATIVE_SIGN_S, NATIVE_REST_S, NATIVE_SIGN_D, NATIVE_REST_D,
       NATIVE_CONSTANTS };

// What translated code keeps for itself (jit/).
struct native {
    i64 budget;         // instructions left, when not in its register
    i64 start;          // of those, when cpu_run began
    const u8 *resume;   // where it goes on after a call for help
    const u8 *back;     // the same for a unit that has to do something before
    u64 spare[2];
    u32 parallel;       // other threads may have the same frames: atomics are to be the host's
    // Operands of SSE instructions, twice each.
    u8 fflags_of[64];   // fflags for the flags in MXCSR
    __attribute__((aligned(16))) u64 fp[NATIVE_CONSTANTS][2];
    struct trap trap;   // why it ended
    void *lockstep;     // jit/lockstep.c's
    // How often windows of the TLB were filled (windows.c): by number, since then, in retired instructions; how
    // many times more until somebody looks at that.
    u32 fills[TLB_WINDOWS];
    u64 fills_since;
    i32 fills_left;
    // What links and jumps were found for: the address space's code (mm.h), the code cache's generation.
    u64 code_space;
    u32 generation;
    // Goes with these: who looks for a pc in jumps[] adds it. Entries with another are as if they were not there.
    u64 tag;
    // Where the translation of a pc is: at cpu_jump_slot(key), for translated code to look; and what was pushed
    // out from there, for the thunk `miss`, at cpu_jump_more(key).
    struct native_jump {
        u64 key;         // pc + tag
        const u8 *host;
    } jumps[CPU_JUMPS + CPU_JUMPS_MORE];
    u32 nlinked;        // links that lead to code
    u16 linked[CPU_LINKS];
    const u8 *link[CPU_LINKS]; // where a jump to another page, numbered by the code cache, goes on
};

// Code of many pages spreads, and the next instruction's slot is another. Translated code computes it, too.
static inline u32 cpu_jump_slot(u64 key)
{
    return ((u32)key ^ (u32)key >> 12) >> 1 & (CPU_JUMPS - 1);
}

static inline u32 cpu_jump_more(u64 key)
{
    return CPU_JUMPS + (((u32)key ^ (u32)key >> 16) >> 1 & (CPU_JUMPS_MORE - 1));
}

// What runs guest code. The interpreter is one, the JIT (which this layer doesn't know) another.
struct engine {
    struct trap (*run)(struct cpu *cpu, u64 budget);
    void (*hart_free)(struct cpu *cpu);      // gives back what the engine keeps for a hart; NULL = nothing
    void (*store_ends)(struct store *store); // nothing runs any more in this store
    void (*store_free)(struct store *store); // and its frames are gone: gives back what it keeps there
};

// What the engine needs to run a thread. One per hart; belongs to a machine.
struct cpu {
    struct regs *regs;  // the running thread's
    struct mm *mm;      // its address space (cpu.tlb caches it)
    struct store *store; // frames and decoded code
    const struct engine *engine; // NULL = the interpreter
    void *engine_hart;  // the engine's own
    u64 retired;        // instructions retired by this hart since the machine began (L15)
    u64 time_hz;        // frequency of rdtime
    u64 (*read_time)(void *arg); // rdtime's value, ticks of time_hz
    void *read_time_arg;
    u32 stop_at;        // the interpreter leaves for what was jumped to so often, see interp.h; 0 = never
    // Translated code reaches all of this from one pointer, to `window`.
    struct regs file;   // the register file while translated code runs (regs points here then)
    u64 window[CPU_WINDOWS]; // host addresses that several accesses of a block go by
    u32 page;           // number of the page whose translated code asks for help
    struct tlb tlb;
    struct native native;
    u32 hot;            // jumps to a place before the JIT translates it; 0 = the usual
};

// Runs the thread until it traps or has retired exactly `budget` instructions (then TRAP_BUDGET).
// On return regs->pc is the trapping instruction's (for TRAP_ECALL too; the caller adds 4), and
// cpu->retired has grown by the number of instructions completed. An ecall or a faulting
// instruction counts as not retired; the kernel counts the ecall when it steps over it.
struct trap cpu_run(struct cpu *cpu, u64 budget);

// Gives back what the engine keeps for this hart, for this store.
void cpu_free(struct cpu *cpu);
void cpu_store_ends(const struct engine *engine, struct store *s);
void cpu_store_free(const struct engine *engine, struct store *s);

#endif
