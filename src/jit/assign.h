// A unit's own register assignment: guest registers that it uses often and that are in memory between units
// take the places of some that it uses seldom.
//
//   public entry --> from fixed --> head         an exit --> to fixed --> link, other unit, ...
//                                    help --> to fixed --> C --> from fixed --> behind
//
// (A1) Such a map differs from the fixed one (regs.h) by exchanges alone: in one host register, `in` for `out`, which
//      is then in cpu.file. What `in` has in cpu.file is out of date only if the unit writes to it.
// (A2) Whoever is outside the unit, C included, finds the fixed map: it is converted at public entries, at
//      every way out and around help. Jumps inside the unit convert nothing.
// (A3) Conversions keep rax, rcx and the flags.
#ifndef JIT_ASSIGN_H
#define JIT_ASSIGN_H

#include "jit/translate.h"

// What an instruction does with its registers.
enum { USES_RS1 = 1, USES_RS2 = 2, USES_FS1 = 4, USES_FS2 = 8, USES_FS3 = 16, USES_WR = 32, USES_WF = 64 };
extern const u8 assign_uses[OP_COUNT];

// choose.c: changes the fixed map to what pays for the unit. False: that is the one.
MUST_CHECK bool assign_choose(struct reg_map *m, const struct translation *t);

// t->map, and what has to be exchanged for it.
void assign(struct translation *t);

// From the fixed map to the unit's, and back. Nothing if the unit has that.
void emit_from_fixed(struct translation *t);
void emit_to_fixed(struct translation *t);
// Behind the unit's code: what these may call.
void emit_conversions(struct translation *t);

#endif
