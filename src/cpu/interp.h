// The interpreter as other engines see it: the same cpu_run, and a way to stop where it gets hot.
#ifndef CPU_INTERP_H
#define CPU_INTERP_H

#include "cpu/cpu.h"

// As cpu_run. With cpu->stop_at set, it counts the jumps to each place (code_page.heat), and ends
// with TRAP_HOT, pc being the place, instead of the jump that would come after stop_at ones.
// Where it begins does not count: so it always makes progress.
struct trap interp_run(struct cpu *cpu, u64 budget);

#endif
