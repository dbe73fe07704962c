// process PROGRAM ROUNDS: fork + _exit + wait4, vfork + _exit + wait4, and vfork + execve(PROGRAM) +
// _exit + wait4, in batches.
#include "bench.h"

enum { BATCH = 20 };

static char *program;

static void fork_exit_wait(void)
{
    if (raw_fork() == 0)
        raw_exit();
    wait_for(1);
}

static void libc_fork_exit_wait(void)
{
    if (fork() == 0)
        _exit(0);
    wait_for(1);
}

static void vfork_exit_wait(void)
{
    if (vfork() == 0)
        _exit(0);
    wait_for(1);
}

static void vfork_exec_wait(void)
{
    char *argv[] = {program, NULL};
    char *envp[] = {NULL};

    if (vfork() == 0) {
        execve(program, argv, envp);
        _exit(127);
    }
    wait_for(1);
}

static void measure(const char *name, void (*once)(void), size_t rounds)
{
    double *times = calloc(rounds, sizeof(double));

    once();
    for (size_t r = 0; r < rounds; r++) {
        double begin = now_us();

        for (int i = 0; i < BATCH; i++)
            once();
        times[r] = (now_us() - begin) / BATCH;
    }
    printf("%s %.4f\n", name, median(times, rounds));
    free(times);
}

int main(int argc, char **argv)
{
    size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 51;

    program = argc > 1 ? argv[1] : NULL;
    measure("fork_exit_wait", fork_exit_wait, rounds);
    measure("libc_fork_exit_wait", libc_fork_exit_wait, rounds);
    measure("vfork_exit_wait", vfork_exit_wait, rounds);
    if (program)
        measure("vfork_exec_wait", vfork_exec_wait, rounds);
    return 0;
}
