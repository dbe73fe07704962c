// fork_store KIB ROUNDS: stores to a region of KIB kibibytes that a living child shares: the first,
// and each of those to the next pages. Frames are warm: rounds before have used and freed them.
#include "bench.h"

int main(int argc, char **argv)
{
    size_t bytes = (argc > 1 ? strtoul(argv[1], NULL, 10) : 128) << 10;
    size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 201;
    double *first = calloc(rounds, sizeof(double));
    double *next = calloc(rounds, sizeof(double));
    double *empty = calloc(rounds, sizeof(double));
    volatile unsigned char *memory = resident(bytes);
    double tick = tick_us(), overhead;

    for (size_t r = 0; r < rounds; r++) {
        uint64_t t0, t1, t2, t3;
        long child = raw_fork();

        if (child == 0)
            raw_sleep_forever();
        t0 = ticks();
        t1 = ticks();
        memory[0] = 1;
        t2 = ticks();
        for (size_t i = 4096; i < bytes; i += 4096)
            memory[i] = 1;
        t3 = ticks();
        empty[r] = (double)(t1 - t0) * tick;
        first[r] = (double)(t2 - t1) * tick;
        next[r] = (double)(t3 - t2) * tick / (double)(bytes / 4096 - 1);
        kill((pid_t)child, SIGKILL);
        wait_for(1);
    }
    overhead = middle_mean(empty, rounds);
    printf("first_store %.4f\n", middle_mean(first, rounds) - overhead);
    printf("next_store %.4f\n", middle_mean(next, rounds));
    return 0;
}
