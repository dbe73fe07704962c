// Finding the caller from a function's code, where no table tells.
#ifndef SEE_PROLOGUE_H
#define SEE_PROLOGUE_H

#include "mm/mm.h"

struct prologue { // what the code from the function's first instruction up to a place has done
    u64 size;        // sp now is this much below the CFA
    bool by_pointer; // s0 is set up: CFA = s0 + pointer_offset
    i64 pointer_offset;
    bool saved_ra, saved_s0;
    i64 ra, s0;      // where they were saved, from the CFA
};

// False: the code cannot be read, or is not understood.
MUST_CHECK bool prologue_read(struct mm *mm, gva_t start, gva_t pc, struct prologue *out);

#endif
