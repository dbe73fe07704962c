// Why the engine stopped.
#ifndef CPU_TRAP_H
#define CPU_TRAP_H

#include "base/types.h"

enum trap_kind {
    TRAP_BUDGET,     // the instruction budget is used up
    TRAP_ECALL,
    TRAP_EBREAK,
    TRAP_ILLEGAL,    // value = the instruction word
    TRAP_MISALIGNED, // AMO/LR/SC at an address not aligned to its size; value = address
    TRAP_LOAD,       // value = the faulting address; code = the memory fault below
    TRAP_STORE,
    TRAP_FETCH,
    TRAP_HOT, // never seen by cpu_run's caller: the interpreter left at a hot place (cpu/interp.h)
};

struct trap {
    enum trap_kind kind;
    int error;  // for LOAD/STORE/FETCH: an enum mm_fault (mm/mm.h)
    u64 value;
};

#endif
