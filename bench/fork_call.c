// fork_call MIB ROUNDS: the fork call alone, from its entry to the parent's next instruction, with
// MIB mebibytes resident. Forks come in batches of eight, whose children end afterwards.
#include "bench.h"

enum { BATCH = 8 };

int main(int argc, char **argv)
{
    size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 101;
    double *raw = calloc(rounds, sizeof(double));
    double *libc = calloc(rounds, sizeof(double));
    unsigned char *memory = resident(mib << 20);
    double tick = tick_us();

    for (size_t r = 0; r < rounds; r++) {
        uint64_t begin, end;

        memory[r % mib << 20] = (unsigned char)r; // the parent has work of its own between forks
        begin = ticks();
        for (int i = 0; i < BATCH; i++)
            if (raw_fork() == 0)
                raw_exit();
        end = ticks();
        raw[r] = (double)(end - begin) * tick / BATCH;
        wait_for(BATCH);
        begin = ticks();
        for (int i = 0; i < BATCH; i++)
            if (fork() == 0)
                raw_exit();
        end = ticks();
        libc[r] = (double)(end - begin) * tick / BATCH;
        wait_for(BATCH);
    }
    printf("fork %.4f\n", median(raw, rounds));
    printf("libc_fork %.4f\n", median(libc, rounds));
    return 0;
}
