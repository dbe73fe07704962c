// Which engine runs.
#include "cpu/code.h"
#include "cpu/cpu.h"
#include "cpu/interp.h"

struct trap cpu_run(struct cpu *cpu, u64 budget)
{
    return cpu->engine ? cpu->engine->run(cpu, budget) : interp_run(cpu, budget);
}

void cpu_free(struct cpu *cpu)
{
    if (cpu->engine && cpu->engine_hart)
        cpu->engine->hart_free(cpu);
}

void cpu_store_ends(const struct engine *engine, struct store *s)
{
    if (engine)
        engine->store_ends(s);
}

void cpu_store_free(const struct engine *engine, struct store *s)
{
    code_arena_free(s);
    if (engine)
        engine->store_free(s);
}
