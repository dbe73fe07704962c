// A whole guest (forks, vforks, execs, pipes, threads) with the n-th allocation of tine failing:
// whatever the guest makes of it, tine neither crashes nor hangs, and when the machine is freed,
// nothing is left: no block of the heap, no frame, node or task (machine_free checks those).
//
//     machine_test [GUEST [FIRST LAST STEP]]     a riscv64 program; without one, the test is skipped
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "kernel/machine.h"

static u64 allocations(const char *program, u64 fail_at)
{
    struct machine_options o = {.memory = 64 << 20, .max_procs = 200, .seed = 1, .virtual_time = true,
                                .fuel = 30000000, .timeout_ns = 200000000};
    char *argv[] = {(char *)program, NULL}, *envp[] = {"PATH=/bin", NULL};
    struct machine *m;
    u64 live = mem_live();
    mem_fail_at(fail_at);
    if (machine_new(&m, &o) == 0) {
        if (machine_start(m, program, argv, envp, NULL) == 0)
            (void)machine_run(m, ~0ULL, true);
        mem_fail_at(0);
        machine_free(m);
    }
    mem_fail_at(0);
    if (mem_live() != live) {
        fprintf(stderr, "FAIL machine_test: allocation %lu failing leaks %ld blocks\n",
                (unsigned long)fail_at, (long)(mem_live() - live));
        exit(1);
    }
    return 0;
}

int main(int argc, char **argv)
{
    const char *program = argc > 1 ? argv[1] : getenv("TINE_TEST_GUEST");
    u64 first = argc > 2 ? strtoul(argv[2], NULL, 0) : 1, last = argc > 3 ? strtoul(argv[3], NULL, 0) : 600;
    u64 step = argc > 4 ? strtoul(argv[4], NULL, 0) : 1;
    if (!program || access(program, X_OK)) {
        printf("skipped machine_test: no riscv64 program given\n");
        return 77;
    }
    int out = dup(1), null = open("/dev/null", O_RDWR);
    dup2(null, 1);
    for (u64 n = first; n <= last; n += step) {
        dup2(null, 1); // the machine closes what it was given
        if (getenv("TINE_TEST_VERBOSE"))
            fprintf(stderr, "%lu\n", (unsigned long)n);
        allocations(program, n);
    }
    dup2(out, 1);
    printf("ok machine_test: %lu runs\n", (unsigned long)((last - first) / step + 1));
    return 0;
}
