// What runs a hart by translated code, for the engines made of it.
#ifndef JIT_RUN_H
#define JIT_RUN_H

#include "jit/cache.h"

struct trap jit_run(struct cpu *cpu, u64 budget);

#endif
