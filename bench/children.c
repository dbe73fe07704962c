// children N: N live children at once. Prints how long the first and the last thousand forks took
// (each), and between the two, on a line of its own, "ready": the one who measures memory from
// outside looks when told to, and then writes a line.
#include "bench.h"

int main(int argc, char **argv)
{
    long n = argc > 1 ? atol(argv[1]) : 100000;
    double tick = tick_us(), first = 0, last = 0;
    volatile unsigned char *memory = resident(1 << 20);
    char line[16];

    printf("before\n");
    fflush(stdout);
    if (!fgets(line, sizeof(line), stdin))
        return 2;
    for (long thousand = 0; thousand < n / 1000; thousand++) {
        uint64_t begin = ticks();

        for (int i = 0; i < 1000; i++) {
            long child = raw_fork();

            if (child == 0)
                raw_sleep_forever();
            if (child < 0) {
                printf("failed %ld\n", child);
                return 1;
            }
        }
        last = (double)(ticks() - begin) * tick / 1000;
        if (thousand == 0)
            first = last;
    }
    memory[0] = 1;
    printf("ready\n");
    fflush(stdout);
    if (!fgets(line, sizeof(line), stdin))
        return 2;
    printf("first_fork %.4f\nlast_fork %.4f\n", first, last);
    fflush(stdout);
    _exit(0); // without one wait: the machine ends them
}
