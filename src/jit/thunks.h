// The pieces of generated code that every unit shares: into translated code, out of it, and from it to
// C and back.
#ifndef JIT_THUNKS_H
#define JIT_THUNKS_H

#include "jit/cache.h"

// What translated code asks jit_help for. `info` in one word:
//
//   | 31..28 kind | 27 leave  | 26 len 4 | 25..20 register, f: + 32 | 19..12 refund | 11..0 pc / 2 |
//
// refund: instructions that are charged to the budget already but have not retired, the current one
// included. pc: offset in the page of the number cpu.page.
enum help {
    HELP_LOAD_I8, HELP_LOAD_U8, HELP_LOAD_I16, HELP_LOAD_U16, HELP_LOAD_I32, HELP_LOAD_U32,
    HELP_LOAD_U64,
    HELP_LOAD_BOXED, // 32 bits to an f register
    HELP_STORE_8, HELP_STORE_16, HELP_STORE_32, HELP_STORE_64,
    HELP_STEP,       // the interpreter is to execute the instruction
    HELP_LINK,       // the branch that ends at rax leads to pc
    HELP_MISS,       // where is the code for rax? Register 1: for its number (J5)
    HELP_TRAP,       // the enum trap_kind in `register` happens at pc
};

static inline u32 help_info(enum help kind, unsigned reg, unsigned refund, unsigned off)
{
    return (u32)kind << 28 | reg << 20 | refund << 12 | off >> 1;
}

#define HELP_LONG   (1u << 26) // the instruction has 4 bytes
#define HELP_LEAVE  (1u << 27) // leave translated code after it; for stores: if pages moved

bool thunks_emit(struct jit_cache *c, u8 *end);

// rax: a guest address, and then its key in native.jumps; ecx = the distance of its entry there.
void thunks_emit_key(struct x86 *e);

// Enters translated code at `host`; comes back with cpu->native.trap set.
void thunks_enter(const struct jit_cache *c, struct cpu *cpu, const u8 *host);

// Called by the thunk `help`. 0: go on at cpu->native.resume; else: leave.
int jit_help(struct cpu *cpu, u64 value, u32 info);

#endif
