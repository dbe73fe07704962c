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

// A start that fails takes none of the streams that it was given, and may be tried again.
static int start_again(const char *program)
{
    struct machine_options o = {.memory = 64 << 20, .max_procs = 200, .seed = 1, .virtual_time = true};
    char *argv[] = {(char *)program, NULL}, *envp[] = {NULL};
    int failed = 0;
    for (u64 n = 1; n <= 400; n++) {
        struct machine *m;
        int fd[3];
        if (machine_new(&m, &o))
            return -1;
        for (int i = 0; i < 3; i++) {
            fd[i] = open("/dev/null", O_RDWR);
            m->stream[i] = (struct stream){.kind = STREAM_TAKE, .fd = fd[i]};
        }
        mem_fail_at(n);
        int r = machine_start(m, program, argv, envp, NULL);
        mem_fail_at(0);
        bool open_still = fcntl(fd[0], F_GETFD) >= 0 && fcntl(fd[1], F_GETFD) >= 0 && fcntl(fd[2], F_GETFD) >= 0;
        bool again = r == 0 || machine_start(m, program, argv, envp, NULL) == 0;
        machine_free(m);
        if (!open_still || !again || fcntl(fd[0], F_GETFD) >= 0 || fcntl(fd[2], F_GETFD) >= 0) {
            fprintf(stderr, "FAIL machine_test: a start without allocation %lu (%d) takes its streams\n",
                    (unsigned long)n, r);
            exit(1);
        }
        failed += r != 0;
    }
    return failed;
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
    int starts = start_again(program);
    int out = dup(1), null = open("/dev/null", O_RDWR);
    dup2(null, 1);
    for (u64 n = first; n <= last; n += step) {
        dup2(null, 1); // the machine closes what it was given
        if (getenv("TINE_TEST_VERBOSE"))
            fprintf(stderr, "%lu\n", (unsigned long)n);
        allocations(program, n);
    }
    dup2(out, 1);
    printf("%s machine_test: %lu runs, %d starts failed\n", starts > 0 ? "ok" : "FAIL",
           (unsigned long)((last - first) / step + 1), starts);
    return starts <= 0;
}
