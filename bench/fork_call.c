// fork_call MIB ROUNDS [SHARED]: the fork call alone, from its entry to the parent's next instruction, with
// MIB mebibytes resident, and SHARED more of a memfd mapped. Forks come in batches of eight, whose children
// end afterwards.
#include "bench.h"

#include <sys/mman.h>

enum { BATCH = 8 };

int main(int argc, char **argv)
{
    size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 101;
    double *raw = calloc(rounds, sizeof(double));
    double *libc = calloc(rounds, sizeof(double));
    unsigned char *memory = resident(mib << 20);
    double tick = tick_us();
    size_t shared = argc > 3 ? strtoul(argv[3], NULL, 10) << 20 : 0;

    if (shared) {
        int fd = memfd_create("shared", 0);
        if (fd < 0 || ftruncate(fd, (off_t)shared))
            return 1;
        char *p = mmap(NULL, shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
            return 1;
        memset(p, 1, shared);
    }

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
